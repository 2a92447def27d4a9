//! Local in time: a rule that owes nothing and remembers no more the longer it runs.
//!
//! A rule that needs the future of a step to learn from it pays late: ending a trial after that step brings more
//! gradient. A rule that keeps the past itself instead of traces has a state that grows. A rule local in time does
//! neither, after any number of steps.

use serde::Serialize;

use super::case::{Case, Shape};
use super::trajectory::{Build, Trajectory};
use crate::Result;
use crate::rule::RuleSpec;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct TimeVerdict {
    /// What the rule declares.
    pub declared_local: bool,
    /// Trials ended early.
    pub endings: u64,
    /// After how many of them gradient was still owed.
    pub owing: u64,
    /// Numbers the rule keeps after 10 steps.
    pub after_10: usize,
    /// Numbers the rule keeps after 1000 steps.
    pub after_1000: usize,
    /// Whether the declaration is true.
    pub passed: bool,
}

/// Looks at `rule` on `cases` networks.
///
/// # Errors
/// A rule that serves none of the networks.
pub fn time_of(rule: &RuleSpec, seed: u64, cases: u64) -> Result<TimeVerdict> {
    const SHAPE: Shape = Shape {
        units: (2, 5),
        steps: (12, 12),
        batch: (1, 2),
        kinks: false,
        gated: None,
    };
    let mut drawn = Vec::new();
    for k in 0..cases {
        drawn.push(Case::served(seed.wrapping_add(k), SHAPE, rule)?);
    }
    look(&|site| rule.build(site), rule.info().local_in_time, &drawn)
}

/// Looks at a rule on these networks.
///
/// # Errors
/// A rule that does not serve a network.
pub fn look(build: Build<'_>, declared_local: bool, cases: &[Case]) -> Result<TimeVerdict> {
    let (mut endings, mut owing) = (0, 0);
    let (mut after_10, mut after_1000) = (0, 0);
    for (k, case) in cases.iter().enumerate() {
        for end in 1..=case.data.steps() {
            let mut trajectory = Trajectory::new(case, build)?;
            (0..end).for_each(|t| {
                trajectory.see(t);
                trajectory.learn();
            });
            let paid = trajectory.gradient.data().to_vec();
            trajectory.settle();
            let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            endings += 1;
            owing += u64::from(bits(&paid) != bits(trajectory.gradient.data()));
        }
        if k == 0 {
            let mut trajectory = Trajectory::new(case, build)?;
            for t in 0..1000 {
                trajectory.see(t);
                trajectory.learn();
                let size = |trajectory: &mut Trajectory| -> Result<usize> {
                    let snapshot = trajectory.snapshot()?;
                    Ok(snapshot.arrays.values().map(|array| array.len()).sum())
                };
                match t + 1 {
                    10 => after_10 = size(&mut trajectory)?,
                    1000 => after_1000 = size(&mut trajectory)?,
                    _ => {}
                }
            }
        }
    }
    let local = owing == 0 && after_10 == after_1000;
    Ok(TimeVerdict {
        declared_local,
        endings,
        owing,
        after_10,
        after_1000,
        passed: endings > 0 && local == declared_local,
    })
}
