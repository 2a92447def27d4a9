//! What is judged of one number a network, look after look, by Student's t.

use super::decimal;
use crate::claims::sequential::errors_that_decide;
use crate::claims::{Claim, Verdict, measured};
use apical_runs::statistics::Spread;

/// A threshold for a mean.
#[derive(Clone, Copy)]
pub enum Bound {
    /// It is to lie below.
    Below(f64),
    /// It is to lie above.
    Above(f64),
}

/// A claim without its name.
pub struct Judged {
    /// What is claimed.
    pub statement: String,
    /// What would bear it out.
    pub expected: String,
    /// What was measured.
    pub measured: String,
    /// Its spread over networks.
    pub spread: Spread,
    /// What follows.
    pub verdict: Verdict,
    /// Whether the paper prints no rate for one of the conditions.
    pub unprinted: bool,
}

impl Judged {
    /// Of one number a network, called `what`.
    pub fn of(values: &[f64], what: &str, bound: Bound) -> Self {
        let spread = Spread::of(values);
        let errors = errors_that_decide(spread.n);
        let (word, threshold, verdict) = match bound {
            Bound::Below(t) => ("below", t, Verdict::below_by(&spread, t, errors)),
            Bound::Above(t) => ("above", t, Verdict::above_by(&spread, t, errors)),
        };
        Self {
            statement: String::new(),
            expected: format!("{what} {word} {}", decimal(threshold)),
            measured: format!("{:.3}", spread.mean),
            spread,
            verdict,
            unprinted: false,
        }
    }

    /// With its name.
    pub fn claim(self, figure: &str, id: &str, source: &str) -> Claim {
        Claim {
            id: format!("{figure}.{id}"),
            figure: figure.into(),
            statement: self.statement,
            source: source.into(),
            expected: self.expected,
            verdict: self.verdict,
            measured: self.measured,
            ..measured(&self.spread)
        }
    }
}
