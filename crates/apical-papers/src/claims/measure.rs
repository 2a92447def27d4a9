//! What is measured of a seed, from its record: one number, or whether something happened.

use serde::Deserialize;

use apical_runs::record::{SeedRecord, Tests};
use apical_runs::statistics::{mean_curve, saturation};

/// Tests that count as the end of a run.
const LAST: usize = 10;

/// One number of the records of one seed (or of several, put together), each under the conditions a claim names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Measure {
    /// The mean of the last ten held-out tests; with two conditions, the first less the second.
    End {
        /// One of [`Tests::NAMES`].
        quantity: String,
    },
    /// The mean of a recorded quantity over steps; with two conditions, the first less the second.
    Mean {
        /// A recorded quantity.
        quantity: String,
        /// Steps from and to which.
        steps: [u64; 2],
    },
    /// The mean of a recorded quantity over the last steps, over its first value.
    Fall {
        /// A recorded quantity.
        quantity: String,
        /// How many steps are the last.
        last: u64,
    },
    /// The least gap between the steps at which 98 % of the fall of each quantity is done and those of the one before:
    /// above 0 if they settle in this order.
    Order {
        /// Recorded quantities, those that settle first in front; those in one list in any order.
        quantities: Vec<Vec<String>>,
    },
}

impl Measure {
    /// Of the records of a draw under each condition.
    pub fn of(&self, conditions: &[&[SeedRecord]]) -> f64 {
        let less = |of: &dyn Fn(&SeedRecord) -> f64| {
            let values = conditions.iter().map(|records| {
                let all: f64 = records.iter().map(of).sum();
                all / records.len() as f64
            });
            values
                .reduce(|first, second| first - second)
                .unwrap_or(f64::NAN)
        };
        match self {
            Self::End { quantity } => {
                let index = Tests::NAMES.iter().position(|name| name == quantity);
                less(&|record| index.map_or(f64::NAN, |index| record.tests.last(index, LAST)))
            }
            Self::Mean { quantity, steps } => less(&|record| {
                let curve = record.curve(quantity);
                curve.map_or(f64::NAN, |curve| curve.mean_between(steps[0], steps[1]))
            }),
            Self::Fall { quantity, last } => less(&|record| {
                record.curve(quantity).map_or(f64::NAN, |curve| {
                    let first = curve.values.first().copied().unwrap_or(f64::NAN);
                    let from = record.steps.saturating_sub(*last);
                    curve.mean_between(from, record.steps) / first
                })
            }),
            Self::Order { quantities } => {
                let records = conditions.first().copied().unwrap_or_default();
                let settled = |name: &String| settled(records, name);
                let times: Vec<Vec<f64>> = quantities
                    .iter()
                    .map(|names| names.iter().map(settled).collect())
                    .collect();
                let gaps = times.windows(2).flat_map(|pair| {
                    let gaps = pair[0]
                        .iter()
                        .flat_map(|before| pair[1].iter().map(move |after| after - before));
                    gaps.collect::<Vec<_>>()
                });
                // A quantity that is not recorded settles in no order.
                gaps.fold(f64::INFINITY, |least, gap| match gap.is_nan() {
                    true => f64::NEG_INFINITY,
                    false => least.min(gap),
                })
            }
        }
    }
}

/// Step at which 98 % of the fall of the mean trace is done.
fn settled(records: &[SeedRecord], name: &str) -> f64 {
    let curves = records.iter().filter_map(|record| record.curve(name));
    let curves: Vec<_> = curves
        .map(|curve| (curve.steps.clone(), curve.values.clone()))
        .collect();
    let (steps, mean) = mean_curve(&curves);
    saturation(&steps, &mean, 0.98)
}
