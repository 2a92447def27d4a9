//! Relations of the dendritic rule: the target of A is credit, and a learned J that is right is the exact one.

use super::super::case::{Case, Kind, Shape, difference, flat, readout_only};
use super::super::relation::{Concerns::Only, Relation};
use super::{apart, clear, equal, unequal};
use crate::credit::{
    DendriticSpec, JacobianSpec, JacobianStart, LabelActivation, Regressors, Timing,
};
use crate::kernel::Matrix;
use crate::rule::{HorizonSpec, RuleSpec};
use crate::{Learner, Result};

use LabelActivation::{Identity, Tanh};
use Timing::{Corrected, Scripts2018};

pub(super) const RELATIONS: &[Relation] = &[
    equal("target is credit", Only(&["dendritic"]))
        .says(
            "given true credit to bootstrap from, and exact J, the target of A = credit of f_bptt",
        )
        .on(Shape::SINGLE)
        .by(|case, _| target_of_apical(case, Corrected, Identity)),
    equal("true credit", Only(&["dendritic"]))
        .says("with lambda = 1 the target of A = credit of f_bptt with the same horizon")
        .on(Shape::SINGLE)
        .by(|case, _| true_credit(case, 1.0)),
    equal("learned J", Only(&["dendritic"]))
        .says("a learned J that is right = exact J")
        .on(Shape::SINGLE.of(Kind::Rate))
        .by(|case, _| {
            let learned = JacobianSpec::Learned {
                rate: 0.0,
                regressors: Regressors::Rates,
                start: JacobianStart::Weights,
            };
            with_true_jacobian(case, learned)
        }),
    equal("local J", Only(&["dendritic"]))
        .says("a local J whose feedback synapses are right = exact J")
        .on(Shape::SINGLE.of(Kind::Rate))
        .by(|case, _| {
            let local = JacobianSpec::Local {
                rate: 0.0,
                decay: 0.0,
                regressors: Regressors::Rates,
            };
            with_true_jacobian(case, local)
        }),
    unequal("target of 2018", Only(&["dendritic"]))
        .says("the target of the scripts of 2018 (error of the present step) is not that credit")
        .on(Shape::LONG.single())
        .by(|case, _| target_of_apical(case, Scripts2018, Identity)),
    unequal("half the truth", Only(&["dendritic"]))
        .says("with lambda = 1/2 the target is not that credit")
        .on(Shape::LONG.single())
        .by(|case, _| true_credit(case, 0.5)),
    unequal("target through tanh", Only(&["dendritic"]))
        .says("the target with the bootstrap sent through tanh is not that credit")
        .on(Shape::LONG.single())
        .by(|case, _| target_of_apical(case, Corrected, Tanh)),
];

/// The gain of each current on each state, plane after plane.
fn gains(learner: &Learner<f64>) -> Vec<Vec<f64>> {
    let (view, dims) = (learner.view(), learner.network().dims());
    let gain = |k: usize| view.gain(k / dims.currents, k % dims.currents, 0).to_vec();
    (0..dims.states * dims.currents).map(gain).collect()
}

/// What A tells the biases at these gains: its bias column, carried to the currents.
fn told(learner: &mut Learner<f64>, gains: &[Vec<f64>]) -> Result<Vec<f64>> {
    let dims = learner.network().dims();
    let (n, states) = (dims.units, dims.states);
    let (shape, values) = learner.rule_mut().array("A")?.unwrap_or_default();
    let width = shape.last().copied().unwrap_or(1).max(1);
    let biases: Vec<f64> = values.chunks(width).map(|row| row[row.len() - 1]).collect();
    let of = |row: usize| {
        let (g, i) = (row / n, row % n);
        let part = |s: usize| gains[s * dims.currents + g][i] * biases[s * n + i];
        (0..states).map(part).sum()
    };
    Ok((0..dims.currents * n).map(of).collect())
}

/// slope ∘ q and J(t), row after row, of every step of a case with one sample.
fn watched(case: &Case) -> Result<Vec<[Vec<f64>; 2]>> {
    let mut watch = case.learner(&readout_only(), &case.feedback)?;
    watch.begin_trial();
    let mut all = Vec::new();
    for t in 0..case.data.steps() {
        case.advance(&mut watch, t)?;
        let (view, signal) = (watch.view(), watch.signal());
        let slopes = (0..view.dims().states).flat_map(|s| view.slope(s, 0).iter().zip(signal));
        let states = view.dims().states * view.dims().units;
        let element = |k: usize| view.jacobian(0, k / states, k % states);
        all.push([
            slopes.map(|(slope, q)| slope * q).collect(),
            (0..states * states).map(element).collect(),
        ]);
    }
    Ok(all)
}

/// The target of A, for every step but the last, against the credit of F-BPTT, both times the gains of that step.
///
/// A is set to zero before each step and learns at rate 1, so that its bias column afterwards is the target; its slow
/// copy is set to tell the true credit.
fn target_of_apical(case: &Case, timing: Timing, label: LabelActivation) -> Result<f64> {
    let credits = credits(case)?;
    let spec = DendriticSpec {
        rate: 1.0,
        jacobian: JacobianSpec::Exact {},
        label_activation: label,
        refresh: u64::MAX,
        timing,
        ..DendriticSpec::published()
    };
    let mut learner = case.learner(&RuleSpec::Dendritic(spec), &case.feedback)?;
    learner.begin_trial();
    let (mut targets, mut expected) = (Vec::new(), Vec::new());
    let mut before = Vec::new();
    for (t, credit) in credits.iter().enumerate() {
        clear(&mut learner, "A")?;
        set_bias(&mut learner, "A_slow", credit)?;
        case.advance(&mut learner, t)?;
        if t > 0 {
            targets.extend(told(&mut learner, &before)?);
            expected.extend(future_gradient(case, t - 1)?);
        }
        before = gains(&learner);
    }
    Ok(difference(&targets, &expected))
}

/// With λ = 1 A learns late and from true credit alone: set to zero before each step, its bias column times the gains
/// of the step that has been waiting is what F-BPTT pays for that step.
fn true_credit(case: &Case, lambda: f64) -> Result<f64> {
    const HORIZON: u64 = 3;
    let spec = DendriticSpec {
        rate: 1.0,
        jacobian: JacobianSpec::Exact {},
        lambda,
        horizon: HORIZON,
        ..DendriticSpec::published()
    };
    let paid = RuleSpec::FBptt(HorizonSpec { horizon: HORIZON });
    let mut learner = case.learner(&RuleSpec::Dendritic(spec), &case.feedback)?;
    let mut paying = case.learner(&paid, &case.feedback)?;
    learner.begin_trial();
    paying.begin_trial();
    let (mut targets, mut expected) = (Vec::new(), Vec::new());
    let mut all = Vec::new();
    for t in 0..case.data.steps() {
        clear(&mut learner, "A")?;
        let before = biases(paying.gradient());
        case.advance(&mut learner, t)?;
        case.advance(&mut paying, t)?;
        all.push(gains(&learner));
        let Some(waiting) = (t + 1).checked_sub(HORIZON as usize) else {
            continue;
        };
        targets.extend(told(&mut learner, &all[waiting])?);
        let after = biases(paying.gradient());
        expected.extend(after.iter().zip(&before).map(|(a, b)| a - b));
    }
    Ok(difference(&targets, &expected))
}

/// Makes a matrix of the rule answer `answers` to every input that ends in 1.
fn set_bias(learner: &mut Learner<f64>, name: &str, answers: &[f64]) -> Result<()> {
    let Some((shape, mut values)) = learner.rule_mut().array(name)? else {
        return Ok(());
    };
    values.fill(0.0);
    for (row, answer) in values.chunks_exact_mut(shape[1]).zip(answers) {
        row[shape[1] - 1] = *answer;
    }
    learner.rule_mut().set_array(name, &values).map(drop)
}

/// dΣL/ds(t) of every step of a case with one sample, from the last step back: λ ← slope ∘ q + Jᵀ λ.
fn credits(case: &Case) -> Result<Vec<Vec<f64>>> {
    let watched = watched(case)?;
    let mut credits: Vec<Vec<f64>> = watched.iter().map(|[own, _]| own.clone()).collect();
    for t in (1..credits.len()).rev() {
        let states = credits[t].len();
        for l in 0..states {
            let back: f64 = (0..states)
                .map(|k| watched[t][1][k * states + l] * credits[t][k])
                .sum();
            credits[t - 1][l] += back;
        }
    }
    Ok(credits)
}

/// What F-BPTT pays to the biases for step `t` with the whole rest of the trial ahead: gain ∘ credit.
///
/// Its horizon is chosen so that the last step of the trial pays for step `t`.
fn future_gradient(case: &Case, t: usize) -> Result<Vec<f64>> {
    let steps = case.data.steps();
    let rule = RuleSpec::FBptt(HorizonSpec {
        horizon: (steps - t) as u64,
    });
    let mut learner = case.learner(&rule, &case.feedback)?;
    learner.begin_trial();
    let mut before = Vec::new();
    for t in 0..steps {
        before = biases(learner.gradient());
        case.advance(&mut learner, t)?;
    }
    let after = biases(learner.gradient());
    Ok(after.iter().zip(&before).map(|(a, b)| a - b).collect())
}

fn biases(gradient: &Matrix<f64>) -> Vec<f64> {
    let last = gradient.columns() - 1;
    (0..gradient.rows())
        .map(|i| gradient.row(i)[last])
        .collect()
}

/// The dendritic rule with J, or K, set to the true Jacobian before each step, against the one with exact J.
fn with_true_jacobian(case: &Case, jacobian: JacobianSpec) -> Result<f64> {
    let n = case.units;
    let with = |jacobian: JacobianSpec| {
        RuleSpec::Dendritic(DendriticSpec {
            jacobian,
            ..DendriticSpec::published()
        })
    };
    let transposed = matches!(jacobian, JacobianSpec::Local { .. });
    let mut learner = case.learner(&with(jacobian), &case.feedback)?;
    learner.begin_trial();
    for (t, [_, true_jacobian]) in watched(case)?.iter().enumerate() {
        let name = if transposed { "K" } else { "J" };
        let from = |k: usize| if transposed { k % n * n + k / n } else { k };
        let values: Vec<f64> = (0..n * n).map(|k| true_jacobian[from(k)]).collect();
        learner.rule_mut().set_array(name, &values)?;
        case.advance(&mut learner, t)?;
    }
    let exact = with(JacobianSpec::Exact {});
    apart(case, &exact, flat(learner.gradient()))
}
