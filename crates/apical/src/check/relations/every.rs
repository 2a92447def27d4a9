//! Relations of most rules, whatever they do: feedback, samples, resuming, the data.

use super::super::case::{Case, Kind, Shape, difference, flat};
use super::super::relation::{Concerns, Relation};
use super::{equal, gradient, unequal};
use crate::feedback::FeedbackSpec;
use crate::neuron::{Activation, NeuronSpec, RateSpec};
use crate::rule::RuleSpec;
use crate::{Learner, Result};

use Concerns::{Except, Only};

/// Rules whose gradient is a linear function of the error signal, given the trajectory.
const LINEAR: Concerns = Except(&[
    "dendritic",
    "readout_only",
    "node_perturbation",
    "miconi",
    "force",
    "random_gradient",
]);

/// Rules that hear the errors of the outputs.
const HEARING: Concerns = Except(&[
    "readout_only",
    "node_perturbation",
    "miconi",
    "force",
    "random_gradient",
]);

/// Rules whose recurrent gradient hears of the data.
const LEARNING: Concerns = Except(&["readout_only", "force", "random_gradient"]);

/// Rules that look at a batch sample by sample.
const BATCHED: Concerns = Only(&[
    "rtrl", "bptt", "e_bptt", "f_bptt", "tbptt", "rflo", "snap", "combined", "mdgl", "modprop",
]);

pub(super) const RELATIONS: &[Relation] = &[
    equal("symmetric feedback", HEARING)
        .says("random feedback with B = W_out transposed = symmetric feedback")
        .on(Shape::LOOPED)
        .by(aligned_feedback),
    equal("errors add", LINEAR)
        .says("feedback B + B' = feedback B plus feedback B': linear in the error")
        .on(Shape::LOOPED)
        .by(errors_add),
    equal("samples add", BATCHED)
        .says("a batch = the sum over its samples, one at a time")
        .on(Shape::LOOPED)
        .by(samples_add),
    equal("output loop", Only(&["rflo", "combined"]))
        .says("outputs heard one step later = the same weights folded into W_rec")
        .on(Shape::ANY.of(Kind::Rate))
        .by(output_loop),
    equal("resumed", Except(&[]))
        .says("saved in mid-trial and resumed = not interrupted, bit by bit")
        .on(Shape::LOOPED)
        .exactly()
        .by(resumed),
    unequal("random feedback", HEARING)
        .says("random feedback is not symmetric feedback")
        .by(|case, rule| {
            let random = case.gradient(rule, &FeedbackSpec::random())?;
            let symmetric = case.gradient(rule, &FeedbackSpec::Symmetric {})?;
            Ok(difference(&random, &symmetric))
        }),
    unequal("is anything learned", LEARNING)
        .says("the gradient is not that of other data")
        .by(|case, rule| {
            let (own, other) = (case, &case.with_other_data());
            let (own, other) = (second_trial(own, rule)?, second_trial(other, rule)?);
            Ok(difference(&own, &other))
        }),
];

/// The gradient of a trial after one with the same data, which gives rules that compare trials something to compare.
fn second_trial(case: &Case, rule: &RuleSpec) -> Result<Vec<f64>> {
    let mut learner = case.learner(rule, &case.feedback)?;
    case.gradient_of(&mut learner)?;
    learner.clear_gradients();
    case.gradient_of(&mut learner)
}

fn aligned_feedback(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let symmetric = case.gradient(rule, &FeedbackSpec::Symmetric {})?;
    let mut learner = case.learner(rule, &FeedbackSpec::random())?;
    let readout = flat(learner.network().readout());
    if let Some(weights) = learner.feedback_weights_mut() {
        let rows = readout.chunks_exact(case.units + 1);
        for (k, row) in rows.enumerate() {
            weights.row_mut(k).copy_from_slice(&row[..case.units]);
        }
    }
    Ok(difference(&case.gradient_of(&mut learner)?, &symmetric))
}

fn errors_add(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let of = |parts: [f64; 2]| {
        let mut learner = case.learner(rule, &FeedbackSpec::random())?;
        if let Some(weights) = learner.feedback_weights_mut() {
            let (rows, columns) = (weights.rows(), weights.columns());
            for k in 0..rows {
                let other = |i: usize| (1.0 + (k * columns + i) as f64).sin();
                for (i, w) in weights.row_mut(k).iter_mut().enumerate() {
                    *w = parts[0] * *w + parts[1] * other(i);
                }
            }
        }
        case.gradient_of(&mut learner)
    };
    let (first, second, both) = (of([1.0, 0.0])?, of([0.0, 1.0])?, of([1.0, 1.0])?);
    let sum: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a + b).collect();
    // Relative to the parts, which may nearly cancel.
    let largest = |values: &[f64]| values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let scale = largest(&first).max(largest(&second)).max(1e-300);
    Ok(difference(&both, &sum) * largest(&sum).max(largest(&both)) / scale)
}

fn samples_add(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let whole = gradient(case, rule)?;
    let mut sum = vec![0.0; whole.len()];
    for b in 0..case.batch {
        let mut alone = case.clone();
        alone.batch = 1;
        alone.data = case.data.sample(b, case.batch);
        let parts = sum.iter_mut().zip(gradient(&alone, rule)?);
        parts.for_each(|(s, g)| *s += g);
    }
    Ok(difference(&whole, &sum))
}

/// What the output brings back is W_back W_out r(t−1): with r(0) = 0 and no b_out, a part of the recurrent currents.
fn output_loop(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let mut case = case.clone();
    case.hears = true;
    case.neuron = Some(NeuronSpec::Rate(RateSpec {
        alpha: 0.4,
        activation: Activation::Tanh,
    }));
    let (units, outputs) = (case.units, case.sizes.1);
    let start = || -> Result<Learner<f64>> {
        let mut learner = case.learner(rule, &case.feedback)?;
        let network = learner.network_mut();
        network.initial_mut().clear();
        for k in 0..outputs {
            network.readout_mut().row_mut(k)[units] = 0.0;
        }
        Ok(learner)
    };
    let (mut looped, mut folded) = (start()?, start()?);
    let network = folded.network_mut();
    let readout = network.readout().clone();
    let back = network.output_feedback_mut().map(|back| flat(back));
    network.set_output_feedback(None)?;
    let weights = network.synapses_mut().weights_mut();
    for (k, heard) in back.unwrap_or_default().chunks_exact(units).enumerate() {
        for (i, weight) in heard.iter().enumerate() {
            let row = &mut weights.row_mut(i)[..units];
            let through = row.iter_mut().zip(readout.row(k));
            through.for_each(|(w, out)| *w += weight * out);
        }
    }
    Ok(difference(
        &case.gradient_of(&mut looped)?,
        &case.gradient_of(&mut folded)?,
    ))
}

fn resumed(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let half = case.data.steps() / 2;
    let mut first = case.learner(rule, &case.feedback)?;
    first.begin_trial();
    for t in 0..half {
        case.advance(&mut first, t)?;
    }
    let snapshot = first.snapshot()?;
    // Another start, which the snapshot must replace.
    let mut second = case.sibling(case.seed ^ 1).learner(rule, &case.feedback)?;
    second.restore(&snapshot)?;
    for learner in [&mut first, &mut second] {
        for t in half..case.data.steps() {
            case.advance(learner, t)?;
        }
        learner.end_trial();
    }
    let (a, b) = (flat(first.gradient()), flat(second.gradient()));
    let same = a.iter().zip(&b).all(|(a, b)| a.to_bits() == b.to_bits());
    Ok(if same {
        0.0
    } else {
        difference(&a, &b).max(f64::MIN_POSITIVE)
    })
}
