//! Held-out accuracy on sequential MNIST: the published order, and what always naming the most frequent digit would reach.

use apical::task::TaskSpec;

use super::judge::{Study, compared, label};
use crate::claims::{Claim, counted};
use crate::statistics::{Spread, paired};

/// Who should be ahead of whom, by keys of the conditions.
const PAIRS: [(&str, &str); 11] = [
    ("bptt", "modprop_cell_code"),
    ("bptt", "modprop_cell_paper"),
    ("modprop_cell_code", "mdgl_cell"),
    ("modprop_cell_paper", "mdgl_cell"),
    ("mdgl_cell", "three_factor"),
    ("modprop_typed_code", "mdgl_typed"),
    ("modprop_typed_paper", "mdgl_typed"),
    ("modprop_typed_code", "three_factor"),
    ("modprop_typed_paper", "three_factor"),
    ("mdgl_typed", "three_factor"),
    ("three_factor", "readout_only"),
];

/// The order of the rules in accuracy after training, seed by seed.
pub(super) fn claims(study: &Study<'_>) -> Vec<Claim> {
    let claim = |(better, worse): (&str, &str)| {
        let reached = |rule: &str| study.accuracies(study.best(rule));
        let (first, second) = (reached(better), reached(worse));
        let differences = paired(&second, &first);
        let rates = [better, worse].map(|rule| format!("{:e}", study.better_rate(rule)));
        let [a, b] = [&first, &second].map(|all| Spread::of(all).mean);
        Claim {
            id: format!("smnist.{better}_more_accurate_than_{worse}"),
            figure: "held-out accuracy".into(),
            statement: format!(
                "sequential MNIST: {} ends more accurate than {}",
                label(better),
                label(worse)
            ),
            expected: format!(
                "held-out accuracy at the end, second - first, below 0 (same seeds; rates {} and {}{})",
                rates[0],
                rates[1],
                chance(study).map_or_else(String::new, |share| format!("; chance {share:.3}"))
            ),
            measured: format!(
                "{a:.3} and {b:.3}: {}",
                counted(&Spread::of(&differences), &differences, |d| d < 0.0)
            ),
            ..compared(
                "paper, as far as it could be read: BPTT, ModProp, MDGL, three-factor in this order; the control is ours",
                &differences,
            )
        }
    };
    PAIRS.into_iter().map(claim).collect()
}

/// The accuracy of always naming the most frequent class of the tests.
pub(super) fn chance(study: &Study<'_>) -> Option<f64> {
    match &study.experiment()?.task {
        TaskSpec::SequentialMnist(spec) => Some(spec.digits.get()?.most_frequent()),
        TaskSpec::DelayedXor(_) => Some(0.5),
        _ => None,
    }
}
