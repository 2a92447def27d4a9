//! The receipt of a rule: the relations it stands in, what its synapses see, whether its mean is right.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use apical::check::{Settings, receipt};
//! use apical::rule::RuleSpec;
//!
//! # fn main() -> apical::Result<()> {
//! let settings = Settings { cases: 20, ..Settings::default() };
//! let receipt = receipt(&RuleSpec::by_name("rflo")?, &settings, &AtomicBool::new(false))?;
//! assert!(receipt.passed);
//! for relation in &receipt.relations {
//!     println!("{}: {:.1e}", relation.says, relation.largest);
//! }
//! # Ok(()) }
//! ```
//!
//! The relations are the project's property tests; [`relations`] lists them, [`add_relation`] adds one of your own.

mod case;
mod locality;
mod neuron;
mod relation;
mod relations;
mod time;
mod trajectory;
mod unbiased;

use std::sync::atomic::AtomicBool;

use serde::Serialize;

pub use case::{Case, Data, Gated, Kind, Shape, difference, flat};
pub use locality::{Hidden, Verdict, audit, audit_rule};
pub use neuron::{NeuronReceipt, neuron_receipt};
pub use relation::{Concerns, Expect, Measured, Relation};
pub use relations::relations;
pub use time::{TimeVerdict, look, time_of};
pub use trajectory::Build;
pub use unbiased::{STANDARD_ERRORS, Unbiasedness, claimed, unbiasedness};

use crate::credit::{DendriticSpec, JacobianSpec, Regressors};
use crate::eligibility::{InputTrace, SnapSpec, TraceSpec};
use crate::own::Kept;
use crate::rule::{CombinedSpec, CreditSpec, NodePerturbationSpec, Reward, RuleInfo, RuleSpec};
use crate::{Error, Result};

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// The first network's seed; the next ones follow.
    pub seed: u64,
    /// Networks for each relation.
    pub cases: u64,
    /// Draws of noise for each stochastic rule and network.
    pub draws: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            cases: 100,
            draws: 10_000,
        }
    }
}

impl Settings {
    /// Refuses to check nothing.
    ///
    /// # Errors
    /// No cases, or too few draws for a standard error.
    pub fn check(&self) -> Result<()> {
        let mend = "More of them find more; 100 cases and 10000 draws are usual.";
        if self.cases == 0 {
            return Err(Error::invalid("cases", 0, "at least 1", mend));
        }
        if self.draws < 100 {
            return Err(Error::invalid("draws", self.draws, "at least 100", mend));
        }
        Ok(())
    }
}

/// Everything checked of one rule.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// Its row in the table of rules.
    pub rule: RuleInfo,
    /// Relations that must hold and negative controls.
    pub relations: Vec<Measured>,
    /// What its synapses see, for its default settings and those that change it.
    pub locality: Vec<Verdict>,
    /// Whether it owes or piles up.
    pub time: TimeVerdict,
    /// Its mean over noise, one network after another; empty for a rule whose mean is no gradient.
    pub unbiased: Vec<Unbiasedness>,
    /// Whether everything came out as declared.
    pub passed: bool,
}

static OWN: Kept<Relation> = Kept::new();

/// Adds a relation of one's own, for the receipts of the rules it concerns.
pub fn add_relation(relation: Relation) {
    OWN.push(relation);
}

/// Networks of an audit at the least: a single one may be silent.
const LEAST: u64 = 8;

/// Checks `rule`, for as long as `stop` is not set; it is looked at every few milliseconds.
///
/// # Errors
/// Settings that check nothing, a rule that serves none of the networks, or [`Error::Stopped`].
pub fn receipt(rule: &RuleSpec, settings: &Settings, stop: &AtomicBool) -> Result<Receipt> {
    settings.check()?;
    let Settings { seed, cases, draws } = *settings;
    let info = rule.info();
    let mut measured = Vec::new();
    let own = OWN.all();
    for relation in relations().chain(own.iter().copied()) {
        if relation.concerns.include(info.name) || rule.stands_in(relation.name) {
            measured.push(relation.measure(rule, seed, cases, stop)?);
        }
    }
    let mut locality = Vec::new();
    for (words, rule) in variants(rule) {
        locality.push(audit_rule(&rule, words, seed, cases.max(LEAST), stop)?);
    }
    let time = time_of(rule, seed, 4, stop)?;
    let unbiased = match claimed(rule) {
        Some(rule) => unbiasedness(&rule, seed, 2, draws, stop)?,
        None => Vec::new(),
    };
    let passed = measured.iter().all(|r| r.passed)
        && !measured.is_empty()
        && locality.iter().all(|l| l.passed)
        && time.passed
        && unbiased.iter().all(|u| u.passed);
    Ok(Receipt {
        rule: *info,
        relations: measured,
        locality,
        time,
        unbiased,
        passed,
    })
}

/// The settings of a rule whose locality differs, each with a few words.
fn variants(rule: &RuleSpec) -> Vec<(&'static str, RuleSpec)> {
    let mut all = vec![("", rule.clone())];
    if let RuleSpec::Snap(_) = rule {
        all.push(("order 2", RuleSpec::Snap(SnapSpec { order: 2 })));
    }
    if let RuleSpec::Rflo(_) = rule {
        let spec = TraceSpec {
            leak: None,
            input: InputTrace::Previous,
        };
        all.push(("input of the step before", RuleSpec::Rflo(spec)));
    }
    if let RuleSpec::NodePerturbation(spec) = rule {
        let spec = NodePerturbationSpec {
            reward: Reward::Trial,
            ..*spec
        };
        all.push(("reward of the trial", RuleSpec::NodePerturbation(spec)));
    }
    if let RuleSpec::Combined(spec) = rule {
        let with = |credit| {
            RuleSpec::Combined(CombinedSpec {
                credit,
                ..spec.clone()
            })
        };
        let local = DendriticSpec {
            jacobian: JacobianSpec::local(),
            ..DendriticSpec::default()
        };
        all.push((
            "dendritic credit, local J",
            with(CreditSpec::Dendritic(local)),
        ));
        let learned = CreditSpec::Dendritic(DendriticSpec::default());
        all.push(("dendritic credit, learned J", with(learned)));
    }
    if let RuleSpec::Dendritic(spec) = rule {
        let with = |jacobian| {
            RuleSpec::Dendritic(DendriticSpec {
                jacobian,
                ..spec.clone()
            })
        };
        all.push(("local J", with(JacobianSpec::local())));
        all.push(("exact J", with(JacobianSpec::Exact {})));
        let published = DendriticSpec {
            jacobian: JacobianSpec::local().with_regressors(Regressors::Rates),
            ..DendriticSpec::published()
        };
        let undivided = RuleSpec::Dendritic(published);
        all.push(("local J from rates, not normalised", undivided));
    }
    all
}
