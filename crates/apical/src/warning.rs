//! What looks wrong in a run, in words.

use std::fmt;

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// Every gradient seen was exactly zero.
    NoGradient {
        /// The parameter.
        parameter: &'static str,
    },
    /// The feedback never brought an error to the recurrent units, though their weights are to be learned.
    NoSignal,
    /// Units whose rate did not react to anything: gain × slope was zero whenever it was looked at.
    DeadUnits {
        /// How many.
        dead: usize,
        /// Of how many.
        units: usize,
    },
    /// The loss has grown beyond where it began.
    GrowingLoss {
        /// Average of the first looks.
        first: f64,
        /// Moving average now.
        now: f64,
    },
    /// The filter through which ModProp sends credit lets it grow without bound.
    UnstableFilter {
        /// Factor of one step, max |own + c λ|, at its worst.
        gain: f64,
        /// μ at that time.
        mu: f64,
        /// Largest real part of an eigenvalue of the weights credit takes.
        largest: f64,
        /// μ at which the factor would have been 1.
        critical: f64,
    },
    /// The weights are too far from having eigenvectors for the rule's algorithm to be exact.
    IllConditioned {
        /// Condition number of the eigenvectors.
        condition: f64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGradient { parameter } => write!(
                f,
                "{parameter} never received a gradient: it has not learned. If that is meant, set \
                 optimizer.rates.{parameter} = 0; otherwise look at the rule and the feedback."
            ),
            Self::NoSignal => write!(
                f,
                "no error ever came back to the recurrent units: whatever they learn does not serve the task. \
                 Set feedback.kind = \"symmetric\" or \"random\", or use the rule readout_only."
            ),
            Self::DeadUnits { dead, units } => write!(
                f,
                "{dead} of {units} units were silent or saturated whenever looked at (gain x slope = 0): \
                 they cannot learn. Try smaller weights, another activation or a lower rate."
            ),
            Self::UnstableFilter {
                gain,
                mu,
                largest,
                critical,
            } => write!(
                f,
                "ModProp's filter was unstable: credit grew by a factor of {gain:.4} a step (max |a + c lambda|, with mu = \
                 {mu:.4} and max Re lambda = {largest:.4}). Set rule.mu below {critical:.4}, or rule.adaptive_mu = true."
            ),
            Self::IllConditioned { condition } => write!(
                f,
                "the recurrent weights have no well-conditioned eigenvectors (condition {condition:.1e}): ModProp's gradient is \
                 inexact. Set rule.taps, rule.drive = \"paper\", or update = \"trial\", whose algorithms need none."
            ),
            Self::GrowingLoss { first, now } => write!(
                f,
                "the loss grew from {first:.4} to {now:.4}: training may be diverging. Lower \
                 optimizer.rate or set optimizer.clip."
            ),
        }
    }
}
