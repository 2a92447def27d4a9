//! Relations of rules that draw noise: means over all signs, perturbations written out by hand, chance.

use super::super::case::{Case, Shape, difference, flat};
use super::super::relation::{Concerns, Relation};
use super::{apart, between, clear, equal, gradient, rtrl, unequal};
use crate::rule::{NodePerturbationSpec, Reward, RuleSpec};
use crate::stream::Streams;
use crate::{Learner, Result};

use Concerns::Only;

/// Rules whose noise is signs.
const SIGNS: Concerns = Only(&["uoro", "kf_rtrl", "r_kf_rtrl"]);

pub(super) const RELATIONS: &[Relation] = &[
    equal("score", Only(&["node_perturbation"]))
        .says("= the loss against its running mean, times the noise of each unit over its variance")
        .by(score_by_hand),
    equal("reward of the trial", Only(&["node_perturbation"]))
        .says(
            "with the loss of the whole trial = that against its mean, times the sum of the scores",
        )
        .by(trial_reward_by_hand),
    equal("cubes", Only(&["miconi"]))
        .says("= the loss of the trial against its mean, times the sum of the cubes of what moved")
        .by(cubes_by_hand),
    equal("chance", Only(&["random_gradient"]))
        .says("the gradient of other data is the same")
        .exactly()
        .by(|case, rule| apart(&case.with_other_data(), rule, gradient(case, rule)?)),
    equal("all signs", SIGNS)
        .says("mean over every pattern of signs its noise can take = rtrl, from no influence on")
        .on(Shape::TINY)
        .by(|case, rule| over_all_signs(case, rule, 1.0)),
    unequal("another seed", Only(&["random_gradient"]))
        .says("the gradient of another seed is another one")
        .by(|case, rule| apart(&case.sibling(!case.seed), rule, gradient(case, rule)?)),
    unequal("small noise", SIGNS)
        .says("with noise of variance 1/3 (uniform on -1..1, as published) the mean is not rtrl")
        .on(Shape::TINY)
        .by(|case, rule| over_all_signs(case, rule, (1.0_f64 / 3.0).sqrt())),
    unequal("a single draw", SIGNS)
        .says("a single draw is not rtrl")
        .by(|case, rule| between(case, rule, &rtrl())),
];

/// Gives the rule of `learner` noise that is known, for so many steps.
fn known_noise(case: &Case, learner: &mut Learner<f64>, steps: usize) -> Vec<f64> {
    let dims = learner.network().dims();
    let count = dims.batch * dims.currents * dims.units * steps;
    let mut stream = Streams::new(case.seed).stream("by hand", 0);
    let noise: Vec<f64> = (0..count).map(|_| stream.normal()).collect();
    if let Some(source) = learner.rule_mut().noise() {
        source.inject(&noise);
    }
    noise
}

/// Adds what the noise of step `t` did to every current to the traces of its synapses.
fn follow_scores(
    learner: &Learner<f64>,
    spec: &NodePerturbationSpec,
    noise: &[f64],
    t: usize,
    traces: &mut [f64],
) {
    let (dims, view) = (learner.network().dims(), learner.view());
    let (m, rows) = (dims.pre(), dims.currents * dims.units);
    let noise = &noise[t * dims.batch * rows..];
    for (at, traces) in traces.chunks_exact_mut(m).enumerate() {
        let score = noise[at] / spec.sigma;
        for (trace, a) in traces.iter_mut().zip(view.pre(at / rows)) {
            *trace = (1.0 - spec.forgets()) * *trace + score * a;
        }
    }
}

/// Node perturbation with noise that is known, written out step by step.
fn score_by_hand(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let RuleSpec::NodePerturbation(spec) = rule else {
        return Ok(f64::INFINITY);
    };
    let mut learner = case.learner(rule, &case.feedback)?;
    learner.begin_trial();
    let dims = learner.network().dims();
    let of_sample = dims.currents * dims.units * dims.pre();
    let noise = known_noise(case, &mut learner, case.data.steps());
    let mut expected: Vec<Option<f64>> = vec![None; dims.batch];
    let mut traces = vec![0.0; dims.batch * of_sample];
    let mut by_hand = vec![0.0; of_sample];
    for t in 0..case.data.steps() {
        case.advance(&mut learner, t)?;
        follow_scores(&learner, spec, &noise, t, &mut traces);
        for (b, expected) in expected.iter_mut().enumerate() {
            let loss = learner.view().loss(b);
            let before = expected.unwrap_or(loss);
            *expected = Some(before + spec.baseline * (loss - before));
            let traces = &traces[b * of_sample..];
            for (sum, trace) in by_hand.iter_mut().zip(traces) {
                *sum += (loss - before) * trace;
            }
        }
    }
    Ok(difference(&flat(learner.gradient()), &by_hand))
}

/// The gradient of the second of two trials, against its loss less that of the first times the traces that `follow` adds up.
///
/// `follow` hears the learner, the step counted over both trials, and the traces; a loss is the sum over `scale`.
fn against_the_first(
    case: &Case,
    learner: &mut Learner<f64>,
    scale: f64,
    mut follow: impl FnMut(&Learner<f64>, usize, &mut [f64]),
) -> Result<f64> {
    let dims = learner.network().dims();
    let of_sample = dims.currents * dims.units * dims.pre();
    let mut by_hand = vec![0.0; of_sample];
    let mut first = vec![0.0; dims.batch];
    for trial in 0..2 {
        learner.begin_trial();
        learner.clear_gradients();
        let mut losses = vec![0.0; dims.batch];
        let mut traces = vec![0.0; dims.batch * of_sample];
        for t in 0..case.data.steps() {
            case.advance(learner, t)?;
            for (b, sum) in losses.iter_mut().enumerate() {
                *sum += learner.view().loss(b) / scale;
            }
            follow(learner, trial * case.data.steps() + t, &mut traces);
        }
        if trial == 0 {
            first = losses;
            continue;
        }
        for (k, trace) in traces.iter().enumerate() {
            let b = k / of_sample;
            by_hand[k % of_sample] += (losses[b] - first[b]) * trace;
        }
    }
    learner.end_trial();
    Ok(difference(&flat(learner.gradient()), &by_hand))
}

/// Node perturbation with the reward of the trial and noise that is known.
fn trial_reward_by_hand(case: &Case, _: &RuleSpec) -> Result<f64> {
    let spec = NodePerturbationSpec {
        sigma: 0.2,
        decay: Some(0.1),
        baseline: 0.3,
        reward: Reward::Trial,
    };
    let rule = RuleSpec::NodePerturbation(spec);
    let mut learner = case.learner(&rule, &case.feedback)?;
    let noise = known_noise(case, &mut learner, 2 * case.data.steps());
    against_the_first(case, &mut learner, 1.0, |learner, t, traces| {
        follow_scores(learner, &spec, &noise, t, traces);
    })
}

/// Miconi's rule, written out from the currents that were.
fn cubes_by_hand(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let RuleSpec::Miconi(spec) = rule else {
        return Ok(f64::INFINITY);
    };
    let mut learner = case.learner(rule, &case.feedback)?;
    let steps = case.data.steps();
    let mut means: Vec<f64> = Vec::new();
    against_the_first(case, &mut learner, steps as f64, |learner, t, traces| {
        let (dims, view) = (learner.network().dims(), learner.view());
        let (n, m, rows) = (dims.units, dims.pre(), dims.currents * dims.units);
        let currents = &learner.activity().currents;
        if t % steps == 0 {
            means = currents.to_vec();
        }
        for (k, traces) in traces.chunks_exact_mut(m).enumerate() {
            let (b, row) = (k / rows, k % rows);
            let at = row / n * dims.plane() + b * dims.sample() + row % n;
            let moved = currents[at] - means[at];
            for (trace, a) in traces.iter_mut().zip(view.pre(b)) {
                *trace += (moved * a).powi(3);
            }
            means[at] += spec.averaging * moved;
        }
    })
}

/// Mean over every pattern of signs against RTRL. As many steps of the trial as ten signs allow are run.
fn over_all_signs(case: &Case, rule: &RuleSpec, scale: f64) -> Result<f64> {
    const MOST: usize = 10;
    let mut case = case.clone();
    let mut learner = case.learner(rule, &case.feedback)?;
    let count = learner.rule_mut().contract().draws;
    if count == 0 {
        return Ok(f64::INFINITY);
    }
    let steps = (MOST / count).clamp(1, case.data.steps());
    case.data = case.data.truncated(steps);
    let patterns = 1_u64 << (steps * count);
    let mut mean: Vec<f64> = Vec::new();
    for pattern in 0..patterns {
        learner.clear_gradients();
        learner.begin_trial();
        // The influence at the start of a trial.
        clear(&mut learner, "A")?;
        clear(&mut learner, "B")?;
        let sign = |k: usize| if pattern >> k & 1 == 1 { scale } else { -scale };
        let signs: Vec<f64> = (0..steps * count).map(sign).collect();
        if let Some(noise) = learner.rule_mut().noise() {
            noise.inject(&signs);
        }
        for t in 0..steps {
            case.advance(&mut learner, t)?;
        }
        let gradient = flat(learner.gradient());
        mean.resize(gradient.len(), 0.0);
        for (m, g) in mean.iter_mut().zip(&gradient) {
            *m += g / patterns as f64;
        }
    }
    apart(&case, &rtrl(), mean)
}
