//! The lattice: every relation, one entry each.
//!
//! To add one, write how far its two sides are apart on a case and give it an entry in [`RELATIONS`]; the receipt and
//! the property tests find it there.

use super::case::{Case, Shape, difference, flat};
use super::relation::{Concerns, Expect, Relation};
use crate::credit::{DendriticSpec, JacobianSpec, LabelActivation, Timing};
use crate::feedback::FeedbackSpec;
use crate::kernel::Matrix;
use crate::rule::{HorizonSpec, RuleSpec};
use crate::{Learner, Result};

use Concerns::{Except, Only};
use Expect::{Apart, Within};

/// Rounding in f64, over at most a dozen steps.
const ROUNDING: f64 = 1e-9;

/// Rules whose gradient is a linear function of the error signal, given the trajectory.
const LINEAR: Concerns = Except(&["dendritic", "readout_only"]);

/// Every relation.
pub const RELATIONS: &[Relation] = &[
    Relation {
        name: "finite differences",
        concerns: Only(&["bptt", "rtrl"]),
        says: "= slope of the summed loss of a trial, by finite differences in every weight",
        shape: Shape::SMOOTH,
        expect: Within(ROUNDING),
        error: finite_differences,
    },
    Relation {
        name: "backward and forward",
        concerns: Only(&["bptt", "rtrl"]),
        says: "backward in time = forward in time: bptt over a trial = rtrl",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, _| {
            let (a, b) = (bptt(case)?, rtrl(case)?);
            Ok(difference(&a, &b))
        },
    },
    Relation {
        name: "full horizon",
        concerns: Only(&["e_bptt", "f_bptt"]),
        says: "= bptt with a horizon of the whole trial",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, rule| with_horizon(case, rule, case.data.steps()),
    },
    Relation {
        name: "longer horizon",
        concerns: Only(&["e_bptt", "f_bptt"]),
        says: "= bptt with a horizon beyond the end of the trial",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, rule| with_horizon(case, rule, case.data.steps() + 3),
    },
    Relation {
        name: "one step",
        concerns: Only(&["rtrl", "e_bptt", "f_bptt", "rflo"]),
        says: "= bptt on a trial of one step",
        shape: Shape::ONE_STEP,
        expect: Within(ROUNDING),
        error: |case, rule| apart(case, rule, bptt(case)?),
    },
    Relation {
        name: "no recurrence",
        concerns: Only(&["rflo"]),
        says: "= rtrl without recurrent weights",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: without_recurrence,
    },
    Relation {
        name: "all signs",
        concerns: Only(&["uoro", "kf_rtrl", "r_kf_rtrl"]),
        says: "mean over every pattern of signs its noise can take = rtrl, from no influence on",
        shape: Shape::TINY,
        expect: Within(ROUNDING),
        error: |case, rule| over_all_signs(case, rule, 1.0),
    },
    Relation {
        name: "target is credit",
        concerns: Only(&["dendritic"]),
        says: "with the true credit for its bootstrap, and exact J, the target of A = credit of f_bptt",
        shape: Shape::SINGLE,
        expect: Within(ROUNDING),
        error: |case, _| target_of_apical(case, Timing::Corrected, LabelActivation::Identity),
    },
    Relation {
        name: "learned J",
        concerns: Only(&["dendritic"]),
        says: "a learned J that is right = exact J",
        shape: Shape::SINGLE,
        expect: Within(ROUNDING),
        error: |case, _| with_true_jacobian(case, JacobianSpec::Learned { rate: 0.0 }),
    },
    Relation {
        name: "local J",
        concerns: Only(&["dendritic"]),
        says: "a local J whose feedback synapses are right = exact J",
        shape: Shape::SINGLE,
        expect: Within(ROUNDING),
        error: |case, _| {
            with_true_jacobian(
                case,
                JacobianSpec::Local {
                    rate: 0.0,
                    decay: 0.0,
                },
            )
        },
    },
    Relation {
        name: "frozen",
        concerns: Only(&["readout_only"]),
        says: "the recurrent gradient = 0, that of the readout = finite differences",
        shape: Shape::SMOOTH,
        expect: Within(ROUNDING),
        error: frozen,
    },
    Relation {
        name: "symmetric feedback",
        concerns: Except(&["readout_only"]),
        says: "random feedback with B = W_out transposed = symmetric feedback",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: aligned_feedback,
    },
    Relation {
        name: "errors add",
        concerns: LINEAR,
        says: "feedback B + B' = feedback B plus feedback B': linear in the error",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: errors_add,
    },
    Relation {
        name: "samples add",
        concerns: Only(&["rtrl", "bptt", "e_bptt", "f_bptt", "rflo"]),
        says: "a batch = the sum over its samples, one at a time",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: samples_add,
    },
    Relation {
        name: "resumed",
        concerns: Except(&[]),
        says: "saved in mid-trial and resumed = not interrupted, bit by bit",
        shape: Shape::ANY,
        expect: Within(0.0),
        error: resumed,
    },
    Relation {
        name: "recurrence",
        concerns: Only(&["rflo", "dendritic"]),
        says: "is not rtrl with recurrent weights",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| apart(case, rule, rtrl(case)?),
    },
    Relation {
        name: "short horizon",
        concerns: Only(&["e_bptt", "f_bptt"]),
        says: "is not bptt with a horizon of two steps",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| with_horizon(case, rule, 2),
    },
    Relation {
        name: "short window",
        concerns: Only(&["bptt"]),
        says: "is not rtrl when it looks back two steps at a time",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| {
            let mut learner = case.learner(rule, &case.feedback)?;
            case.run(&mut learner, 2)?;
            Ok(difference(&flat(learner.gradient()), &rtrl(case)?))
        },
    },
    Relation {
        name: "small noise",
        concerns: Only(&["uoro", "kf_rtrl", "r_kf_rtrl"]),
        says: "with noise of variance 1/3 (uniform on -1..1, as published) the mean is not rtrl",
        shape: Shape::TINY,
        expect: Apart(1e-3),
        error: |case, rule| over_all_signs(case, rule, (1.0_f64 / 3.0).sqrt()),
    },
    Relation {
        name: "a single draw",
        concerns: Only(&["uoro", "kf_rtrl", "r_kf_rtrl"]),
        says: "a single draw is not rtrl",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| apart(case, rule, rtrl(case)?),
    },
    Relation {
        name: "target of 2018",
        concerns: Only(&["dendritic"]),
        says: "the target of the scripts of 2018 (error of the present step) is not that credit",
        shape: Shape {
            batch: (1, 1),
            ..Shape::LONG
        },
        expect: Apart(1e-3),
        error: |case, _| target_of_apical(case, Timing::Scripts2018, LabelActivation::Identity),
    },
    Relation {
        name: "target through tanh",
        concerns: Only(&["dendritic"]),
        says: "the target with the bootstrap sent through tanh is not that credit",
        shape: Shape {
            batch: (1, 1),
            ..Shape::LONG
        },
        expect: Apart(1e-3),
        error: |case, _| target_of_apical(case, Timing::Corrected, LabelActivation::Tanh),
    },
    Relation {
        name: "random feedback",
        concerns: Except(&["readout_only"]),
        says: "random feedback is not symmetric feedback",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| {
            let random = case.gradient(rule, &FeedbackSpec::random())?;
            let symmetric = case.gradient(rule, &FeedbackSpec::Symmetric {})?;
            Ok(difference(&random, &symmetric))
        },
    },
    Relation {
        name: "is anything learned",
        concerns: Except(&["readout_only"]),
        says: "the gradient is not that of other data",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| {
            let mut other = case.clone();
            other.data = case.sibling(!case.seed).data;
            apart(&other, rule, case.gradient(rule, &case.feedback)?)
        },
    },
];

fn apart(case: &Case, rule: &RuleSpec, reference: Vec<f64>) -> Result<f64> {
    Ok(difference(
        &case.gradient(rule, &case.feedback)?,
        &reference,
    ))
}

fn bptt(case: &Case) -> Result<Vec<f64>> {
    case.gradient(&RuleSpec::Bptt(Default::default()), &case.feedback)
}

fn rtrl(case: &Case) -> Result<Vec<f64>> {
    case.gradient(&RuleSpec::Rtrl(Default::default()), &case.feedback)
}

fn finite_differences(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let mut learner = case.learner(rule, &FeedbackSpec::Symmetric {})?;
    let gradient = case.gradient_of(&mut learner)?;
    let [recurrent, readout] = case.differences()?;
    let readout = difference(&flat(learner.readout_gradient()), &readout);
    Ok(difference(&gradient, &recurrent).max(readout))
}

fn frozen(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let mut learner = case.learner(rule, &case.feedback)?;
    let gradient = case.gradient_of(&mut learner)?;
    let [_, readout] = case.differences()?;
    let moved = gradient.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
    Ok(difference(&flat(learner.readout_gradient()), &readout).max(moved))
}

/// `rule` with this horizon against BPTT over the trial.
fn with_horizon(case: &Case, rule: &RuleSpec, horizon: usize) -> Result<f64> {
    let spec = HorizonSpec {
        horizon: horizon as u64,
    };
    let rule = match rule {
        RuleSpec::FBptt(_) => RuleSpec::FBptt(spec),
        _ => RuleSpec::EBptt(spec),
    };
    apart(case, &rule, bptt(case)?)
}

fn without_recurrence(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let of = |rule: &RuleSpec| {
        let mut learner = case.learner(rule, &case.feedback)?;
        let weights = learner.network_mut().synapses_mut().weights_mut();
        (0..weights.rows()).for_each(|i| weights.row_mut(i)[..case.units].fill(0.0));
        case.gradient_of(&mut learner)
    };
    let exact = RuleSpec::Rtrl(Default::default());
    Ok(difference(&of(rule)?, &of(&exact)?))
}

/// Mean over every pattern of signs against RTRL. As many steps of the trial as ten signs allow are run.
fn over_all_signs(case: &Case, rule: &RuleSpec, scale: f64) -> Result<f64> {
    const SIGNS: usize = 10;
    let mut case = case.clone();
    let mut learner = case.learner(rule, &case.feedback)?;
    let Some((_, count)) = learner.rule_mut().noise_mut() else {
        return Ok(f64::INFINITY);
    };
    let steps = (SIGNS / count).clamp(1, case.data.steps());
    case.data = case.data.truncated(steps);
    let patterns = 1_u64 << (steps * count);
    let mut mean: Vec<f64> = Vec::new();
    for pattern in 0..patterns {
        learner.clear_gradients();
        learner.begin_trial();
        let dims = learner.network().dims();
        clear_start(&mut learner, dims);
        let sign = |k: usize| if pattern >> k & 1 == 1 { scale } else { -scale };
        let signs: Vec<f64> = (0..steps * count).map(sign).collect();
        if let Some((noise, _)) = learner.rule_mut().noise_mut() {
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
    Ok(difference(&mean, &rtrl(&case)?))
}

/// A = 0 and B = 0, whatever their shapes: the influence at the start of a trial.
fn clear_start(learner: &mut Learner<f64>, dims: crate::network::Dims) {
    let (states, posts, m) = (
        dims.states * dims.units,
        dims.currents * dims.units,
        dims.pre(),
    );
    for name in ["A", "B"] {
        let sizes = [states, posts, m, states * posts, states * m, posts * m];
        sizes
            .iter()
            .any(|size| learner.rule_mut().set_start(name, &vec![0.0; *size]));
    }
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
    let whole = case.gradient(rule, &case.feedback)?;
    let mut sum = vec![0.0; whole.len()];
    for b in 0..case.batch {
        let mut alone = case.clone();
        alone.batch = 1;
        alone.data = case.data.sample(b, case.batch);
        let gradient = alone.gradient(rule, &case.feedback)?;
        sum.iter_mut().zip(gradient).for_each(|(s, g)| *s += g);
    }
    Ok(difference(&whole, &sum))
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

/// J(t) of every step of a case with one sample: row after row.
fn jacobians(case: &Case) -> Result<Vec<Vec<f64>>> {
    let mut watch = case.learner(&super::case::readout_only(), &case.feedback)?;
    watch.begin_trial();
    let n = case.units;
    let mut all = Vec::new();
    for t in 0..case.data.steps() {
        case.advance(&mut watch, t)?;
        let view = watch.view();
        let element = |k: usize| view.jacobian(0, k / n, k % n);
        all.push((0..n * n).map(element).collect());
    }
    Ok(all)
}

/// The target of A, for every step but the last, against the credit of F-BPTT, both times the gain of that step.
///
/// A is set to zero before each step and learns at rate 1, so that its bias column afterwards is the target; its slow
/// copy is set to tell the true credit.
fn target_of_apical(case: &Case, timing: Timing, label: LabelActivation) -> Result<f64> {
    let n = case.units;
    let steps = case.data.steps();
    let credits = credits(case)?;
    let spec = DendriticSpec {
        rate: 1.0,
        jacobian: JacobianSpec::Exact {},
        label_activation: label,
        refresh: u64::MAX,
        timing,
        ..DendriticSpec::default()
    };
    let mut learner = case.learner(&RuleSpec::Dendritic(spec), &case.feedback)?;
    learner.begin_trial();
    let (mut targets, mut expected) = (Vec::new(), Vec::new());
    let mut gain = Vec::new();
    for t in 0..steps {
        let rule = learner.rule_mut();
        if let Some(apical) = rule.matrix_mut("A") {
            apical.clear();
        }
        if let Some(slow) = rule.matrix_mut("A_slow") {
            set_bias(slow, &credits[t]);
        }
        case.advance(&mut learner, t)?;
        if t > 0 {
            let Some(apical) = learner.rule_mut().matrix_mut("A") else {
                return Ok(f64::INFINITY);
            };
            let last = apical.columns() - 1;
            for i in 0..n {
                targets.push(apical.row(i)[last] * gain[i]);
            }
            expected.extend(future_gradient(case, t - 1)?);
        }
        gain = learner.view().gain(0, 0, 0).to_vec();
    }
    Ok(difference(&targets, &expected))
}

/// A matrix that answers `values` to every input that ends in 1.
fn set_bias(matrix: &mut Matrix<f64>, values: &[f64]) {
    matrix.clear();
    let last = matrix.columns() - 1;
    for (i, value) in values.iter().enumerate() {
        matrix.row_mut(i)[last] = *value;
    }
}

/// dΣL/ds(t) of every step of a case with one sample, from the last step back: λ ← slope ∘ q + Jᵀ λ.
fn credits(case: &Case) -> Result<Vec<Vec<f64>>> {
    let n = case.units;
    let mut watch = case.learner(&super::case::readout_only(), &case.feedback)?;
    watch.begin_trial();
    let mut immediate: Vec<Vec<f64>> = Vec::new();
    let mut jacobians: Vec<Vec<f64>> = Vec::new();
    for t in 0..case.data.steps() {
        case.advance(&mut watch, t)?;
        let view = watch.view();
        let slopes = view.slope(0, 0).iter().zip(watch.signal());
        immediate.push(slopes.map(|(slope, q)| slope * q).collect());
        let element = |k: usize| view.jacobian(0, k / n, k % n);
        jacobians.push((0..n * n).map(element).collect());
    }
    let mut credits = immediate;
    for t in (1..credits.len()).rev() {
        for l in 0..n {
            let back: f64 = (0..n)
                .map(|k| jacobians[t][k * n + l] * credits[t][k])
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
            ..DendriticSpec::default()
        })
    };
    let transposed = matches!(jacobian, JacobianSpec::Local { .. });
    let mut learner = case.learner(&with(jacobian), &case.feedback)?;
    learner.begin_trial();
    for (t, true_jacobian) in jacobians(case)?.iter().enumerate() {
        let name = if transposed { "K" } else { "J" };
        if let Some(matrix) = learner.rule_mut().matrix_mut(name) {
            for i in 0..n {
                for j in 0..n {
                    let from = if transposed { j * n + i } else { i * n + j };
                    matrix.row_mut(i)[j] = true_jacobian[from];
                }
            }
        }
        case.advance(&mut learner, t)?;
    }
    let exact = case.gradient(&with(JacobianSpec::Exact {}), &case.feedback)?;
    Ok(difference(&flat(learner.gradient()), &exact))
}
