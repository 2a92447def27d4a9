//! Local in time: a rule that owes nothing, keeps no past, and remembers no more the longer it runs.
//!
//! Three ways not to be local in time, each of which shows. A rule that needs the future of a step to learn from it pays
//! late: ending a trial after that step brings more gradient. A rule that keeps the past itself instead of traces has a
//! state that grows with the steps, or, if it keeps a window of them, with the length of the window. A rule that is
//! rewarded at the end of trials pays then and never before, from traces of fixed size: that is its present.

use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::case::{Case, Kind, Shape};
use super::trajectory::{Build, Trajectory};
use crate::Result;
use crate::error::heed;
use crate::rule::{HorizonSpec, RuleSpec, TbpttSpec};

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct TimeVerdict {
    /// What the rule declares.
    pub declared_local: bool,
    /// Trials ended early.
    pub endings: u64,
    /// How many of them brought gradient.
    pub owing: u64,
    /// Whether the rule says it pays at the end of trials and never did before.
    pub at_the_end: bool,
    /// Numbers the rule keeps after 7, 10 and 1000 steps.
    pub kept: [usize; 3],
    /// The same with a horizon twice as long, for rules that have one.
    pub kept_for_longer: Option<[usize; 3]>,
    /// Whether the declaration is true.
    pub passed: bool,
}

impl TimeVerdict {
    /// Whether the state grows with time or with the horizon.
    pub fn grows(&self) -> bool {
        let [after_7, after_10, after_1000] = self.kept;
        let window = self
            .kept_for_longer
            .is_some_and(|longer| longer != self.kept);
        after_7 != after_10 || after_10 != after_1000 || window
    }

    fn decide(&mut self) {
        let local = !self.grows() && (self.owing == 0 || self.at_the_end);
        self.passed = self.endings > 0 && local == self.declared_local;
    }
}

/// Looks at `rule` on `cases` networks.
///
/// # Errors
/// A rule that serves none of the networks, or [`Error::Stopped`](crate::Error::Stopped) once `stop` is set.
pub fn time_of(rule: &RuleSpec, seed: u64, cases: u64, stop: &AtomicBool) -> Result<TimeVerdict> {
    const SHAPE: Shape = Shape {
        units: (2, 5),
        steps: (12, 12),
        batch: (1, 2),
        kinks: false,
        kind: Kind::Any,
        loops: true,
    };
    let mut drawn = Vec::new();
    for k in 0..cases {
        drawn.push(Case::served(seed.wrapping_add(k), SHAPE, rule)?);
    }
    let local = rule.info().local_in_time;
    let mut verdict = look(&|site| rule.build(site), local, &drawn, stop)?;
    if let (Some(longer), Some(case)) = (with_longer_horizon(rule), drawn.first()) {
        verdict.kept_for_longer = Some(kept(&|site| longer.build(site), case)?);
        verdict.decide();
    }
    Ok(verdict)
}

fn with_longer_horizon(rule: &RuleSpec) -> Option<RuleSpec> {
    let longer = |spec: &HorizonSpec| HorizonSpec {
        horizon: 2 * spec.horizon,
    };
    match rule {
        RuleSpec::EBptt(spec) => Some(RuleSpec::EBptt(longer(spec))),
        RuleSpec::FBptt(spec) => Some(RuleSpec::FBptt(longer(spec))),
        RuleSpec::Tbptt(spec) => Some(RuleSpec::Tbptt(TbpttSpec {
            back: 2 * spec.back,
            ..*spec
        })),
        _ => None,
    }
}

/// Looks at a rule on these networks.
///
/// # Errors
/// A rule that does not serve a network, or [`Error::Stopped`](crate::Error::Stopped) once `stop` is set.
pub fn look(
    build: Build<'_>,
    declared_local: bool,
    cases: &[Case],
    stop: &AtomicBool,
) -> Result<TimeVerdict> {
    let (mut endings, mut owing) = (0, 0);
    let mut at_the_end = true;
    for case in cases {
        for end in 1..=case.data.steps() {
            heed(stop)?;
            let mut trajectory = Trajectory::new(case, build)?;
            trajectory.warm_up()?;
            at_the_end &= trajectory.rule.contract().emits == crate::rule::Emits::Trial;
            for t in 0..end {
                trajectory.see(t);
                trajectory.learn()?;
            }
            let paid = trajectory.gradient.data().to_vec();
            at_the_end &= paid.iter().all(|g| *g == 0.0);
            trajectory.settle();
            let now = trajectory.gradient.data().iter();
            let same = now.zip(&paid).all(|(a, b)| a.to_bits() == b.to_bits());
            endings += 1;
            owing += u64::from(!same);
        }
    }
    let mut verdict = TimeVerdict {
        declared_local,
        endings,
        owing,
        at_the_end,
        kept: match cases.first() {
            Some(case) => kept(build, case)?,
            None => [0; 3],
        },
        kept_for_longer: None,
        passed: false,
    };
    verdict.decide();
    Ok(verdict)
}

/// Numbers a rule keeps after 7, 10 and 1000 steps.
fn kept(build: Build<'_>, case: &Case) -> Result<[usize; 3]> {
    let mut trajectory = Trajectory::new(case, build)?;
    let mut numbers = [0; 3];
    for t in 0..1000 {
        trajectory.see(t);
        trajectory.learn()?;
        if let Some(k) = [7, 10, 1000].iter().position(|steps| *steps == t + 1) {
            let snapshot = trajectory.snapshot()?;
            numbers[k] = snapshot.arrays.values().map(|array| array.len()).sum();
        }
    }
    Ok(numbers)
}
