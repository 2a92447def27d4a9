//! Relations of rules that leave the recurrent weights as they are: FORCE and the frozen control.

use super::super::case::{Case, Data, Shape, difference, flat};
use super::super::relation::{Concerns::Only, Relation};
use super::{equal, gradient, unequal};
use crate::Result;
use crate::loss::{Loss, Outputs};
use crate::rule::{ForceSpec, RuleSpec};

pub(super) const RELATIONS: &[Relation] = &[
    equal("least squares", Only(&["force"]))
        .says("the readout after each step = the best one for all steps so far, near its start")
        .on(Shape::SINGLE)
        .by(|case, _| least_squares(case, true)),
    equal("no recurrent gradient", Only(&["force"]))
        .says("the recurrent gradient = 0")
        .exactly()
        .by(|case, rule| Ok(size(&gradient(case, rule)?))),
    equal("frozen", Only(&["readout_only"]))
        .says("the recurrent gradient = 0, that of the readout = finite differences")
        .on(Shape::SMOOTH)
        .by(frozen),
    unequal("still readout", Only(&["force"]))
        .says("the readout it began with is not the best one")
        .on(Shape::LONG.single())
        .by(|case, _| least_squares(case, false)),
];

/// The largest magnitude.
fn size(gradient: &[f64]) -> f64 {
    gradient.iter().fold(0.0, |m: f64, g| m.max(g.abs()))
}

fn frozen(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let mut learner = case.learner(rule, &case.feedback)?;
    let moved = size(&case.gradient_of(&mut learner)?);
    let [_, readout] = case.differences()?;
    Ok(difference(&flat(learner.readout_gradient()), &readout).max(moved))
}

/// Σ_t (z_t − y_t) r̄_tᵀ + α (W − W₀) with the readout at the end: zero where W is the best one. Relative to its two
/// parts. With `learned` false the readout stays as it began.
fn least_squares(case: &Case, learned: bool) -> Result<f64> {
    const ALPHA: f64 = 0.7;
    let mut case = case.clone();
    case.loss = Loss::MeanSquaredError {
        outputs: Outputs::Sum,
    };
    case.masked = false;
    case.data = Data::random(case.loss, case.data.steps(), 1, case.sizes, case.seed);
    let rule = RuleSpec::Force(ForceSpec { alpha: ALPHA });
    let mut learner = case.learner(&rule, &case.feedback)?;
    let start = flat(learner.network().readout());
    let (mut rates, post) = (Vec::new(), case.units + 1);
    for t in 0..case.data.steps() {
        case.advance(&mut learner, t)?;
        rates.push(learner.activity().post.row(0).to_vec());
        if learned {
            learner.update();
        }
    }
    let readout = flat(learner.network().readout());
    let pairs = readout.iter().zip(&start);
    let pulled: Vec<f64> = pairs.map(|(w, start)| ALPHA * (start - w)).collect();
    let mut pushed = vec![0.0; pulled.len()];
    let mut size = 1e-300_f64;
    for (r, y) in rates.iter().zip(&case.data.y) {
        for (k, y) in y.iter().enumerate() {
            let row = &readout[k * post..][..post];
            let error = row.iter().zip(r).map(|(w, r)| w * r).sum::<f64>() - y;
            for (push, r) in pushed[k * post..][..post].iter_mut().zip(r) {
                *push += error * r;
                size = size.max((error * r).abs());
            }
        }
    }
    let apart = pushed.iter().zip(&pulled).map(|(a, b)| (a - b).abs());
    Ok(apart.fold(0.0, f64::max) / size)
}
