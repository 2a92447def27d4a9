//! What a relation between rules is, and what it measured over random networks.

use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::case::{Case, Shape};
use crate::Result;
use crate::error::heed;
use crate::rule::RuleSpec;

/// The rules a relation says something about, by name.
#[derive(Clone, Copy, Debug)]
pub enum Concerns {
    /// These alone.
    Only(&'static [&'static str]),
    /// All but these.
    Except(&'static [&'static str]),
}

impl Concerns {
    /// Whether `rule` is among them.
    pub fn include(&self, rule: &str) -> bool {
        match self {
            Self::Only(names) => names.contains(&rule),
            Self::Except(names) => !names.contains(&rule),
        }
    }
}

/// What is expected of the relative error of a relation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expect {
    /// The two sides agree: no case beyond this.
    Within(f64),
    /// A negative control, the two sides must differ: the median case is beyond this.
    Apart(f64),
}

/// One line of the lattice: two ways to a gradient that must agree, or must not.
pub struct Relation {
    /// Short name.
    pub name: &'static str,
    /// Of which rules.
    pub concerns: Concerns,
    /// One sentence.
    pub says: &'static str,
    /// Networks and trials it is tried on.
    pub shape: Shape,
    /// What must come out.
    pub expect: Expect,
    /// The relative error on one case; the rule has its default settings.
    pub error: fn(&Case, &RuleSpec) -> Result<f64>,
}

/// What a relation gave over many cases.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Short name.
    pub name: &'static str,
    /// One sentence.
    pub says: &'static str,
    /// `false` for a negative control.
    pub holds: bool,
    /// Largest error allowed, or for a negative control the least median.
    pub bound: f64,
    /// Networks tried.
    pub cases: u64,
    /// Smallest relative error.
    pub smallest: f64,
    /// Median relative error.
    pub median: f64,
    /// Largest relative error.
    pub largest: f64,
    /// The case nearest to failing: the largest error, or the smallest of a negative control.
    pub nearest: String,
    /// Whether what was expected came out.
    pub passed: bool,
}

impl Relation {
    /// Tries the relation on `cases` networks, drawn from `seed`, `seed` + 1, …
    ///
    /// # Errors
    /// A rule that serves none of the networks, or [`Error::Stopped`](crate::Error::Stopped) once `stop` is set.
    pub fn measure(
        &self,
        rule: &RuleSpec,
        seed: u64,
        cases: u64,
        stop: &AtomicBool,
    ) -> Result<Measured> {
        let case = |seed| Case::served(seed, self.shape, rule);
        self.measure_on(&case, rule, seed, cases, stop)
    }

    /// The same on networks that `case` makes of their seeds.
    pub(super) fn measure_on(
        &self,
        case: &dyn Fn(u64) -> Result<Case>,
        rule: &RuleSpec,
        seed: u64,
        cases: u64,
        stop: &AtomicBool,
    ) -> Result<Measured> {
        let mut errors = Vec::new();
        for k in 0..cases {
            heed(stop)?;
            let case = case(seed.wrapping_add(k))?;
            let error = (self.error)(&case, rule)?;
            // Not a number is no agreement.
            let error = if error.is_nan() { f64::INFINITY } else { error };
            errors.push((error, case.to_string()));
        }
        errors.sort_by(|a, b| a.0.total_cmp(&b.0));
        let of = |index: usize| errors.get(index).map_or(f64::INFINITY, |(error, _)| *error);
        let last = errors.len().saturating_sub(1);
        let (smallest, median, largest) = (of(0), of(last / 2), of(last));
        let (holds, bound, nearest, passed) = match self.expect {
            Expect::Within(bound) => (true, bound, last, largest <= bound),
            // A gradient that is not finite would be far from any other.
            Expect::Apart(bound) => (false, bound, 0, median > bound && largest.is_finite()),
        };
        let nearest = errors.get(nearest).map(|(_, case)| case.clone());
        Ok(Measured {
            name: self.name,
            says: self.says,
            holds,
            bound,
            cases,
            smallest,
            median,
            largest,
            nearest: nearest.unwrap_or_default(),
            passed: passed && !errors.is_empty(),
        })
    }
}
