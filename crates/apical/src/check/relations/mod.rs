//! The lattice: every relation, one entry each, theme by theme.
//!
//! To add one, write how far its two sides are apart on a case and give it an entry in the list of its theme; the receipt
//! and the property tests find it there.

mod dendritic;
mod every;
mod exact;
mod noise;
mod readout;
mod traces;
mod types;

use super::case::{Case, Shape, difference};
use super::relation::{Concerns, Expect, Relation};
use crate::rule::RuleSpec;
use crate::{Learner, Result};

/// The themes, in the order in which receipts show them.
const THEMES: [&[Relation]; 7] = [
    exact::RELATIONS,
    traces::RELATIONS,
    types::RELATIONS,
    noise::RELATIONS,
    dendritic::RELATIONS,
    readout::RELATIONS,
    every::RELATIONS,
];

/// Every relation: what must hold, then the negative controls.
pub fn relations() -> impl Iterator<Item = &'static Relation> {
    let all = || THEMES.into_iter().flatten();
    let holds = |relation: &&Relation| matches!(relation.expect, Expect::Within(_));
    all()
        .filter(holds)
        .chain(all().filter(move |relation| !holds(relation)))
}

/// Rounding in f64, over at most a dozen steps.
const ROUNDING: f64 = 1e-9;
/// How far the median case of a negative control is apart.
const APART: f64 = 1e-3;

type Compared = fn(&Case, &RuleSpec) -> Result<f64>;

/// Two sides that agree but for rounding, on networks of any shape.
const fn equal(name: &'static str, concerns: Concerns) -> Relation {
    Relation {
        name,
        concerns,
        says: "",
        shape: Shape::ANY,
        expect: Expect::Within(ROUNDING),
        error: |_, _| Ok(f64::NAN),
    }
}

/// A negative control: two sides that differ, on networks large enough for it.
const fn unequal(name: &'static str, concerns: Concerns) -> Relation {
    Relation {
        shape: Shape::LONG,
        expect: Expect::Apart(APART),
        ..equal(name, concerns)
    }
}

impl Relation {
    /// What it is, in one sentence.
    const fn says(self, says: &'static str) -> Self {
        Self { says, ..self }
    }

    /// The same on networks of this shape.
    const fn on(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// The same to the last bit.
    const fn exactly(self) -> Self {
        let expect = Expect::Within(0.0);
        Self { expect, ..self }
    }

    /// How far its sides are apart on a case.
    const fn by(self, error: Compared) -> Self {
        Self { error, ..self }
    }
}

/// How far the gradient of `rule` is from `reference`.
fn apart(case: &Case, rule: &RuleSpec, reference: Vec<f64>) -> Result<f64> {
    Ok(difference(&gradient(case, rule)?, &reference))
}

/// How far the gradients of two rules are apart.
fn between(case: &Case, rule: &RuleSpec, other: &RuleSpec) -> Result<f64> {
    apart(case, rule, gradient(case, other)?)
}

fn gradient(case: &Case, rule: &RuleSpec) -> Result<Vec<f64>> {
    case.gradient(rule, &case.feedback)
}

/// The gradient of a trial worked out at its end against that worked out at every step.
fn at_the_end(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let mut learner = case.trial_learner(rule)?;
    apart(case, rule, case.gradient_of(&mut learner)?)
}

/// Makes a matrix of the rule answer 0.
fn clear(learner: &mut Learner<f64>, name: &str) -> Result<()> {
    if let Some((_, values)) = learner.rule_mut().array(name)? {
        let zeros = vec![0.0; values.len()];
        learner.rule_mut().set_array(name, &zeros)?;
    }
    Ok(())
}

fn bptt() -> RuleSpec {
    RuleSpec::Bptt(Default::default())
}

fn rtrl() -> RuleSpec {
    RuleSpec::Rtrl(Default::default())
}

fn rflo() -> RuleSpec {
    RuleSpec::Rflo(Default::default())
}

/// The largest error of several settings.
fn largest<S>(all: impl IntoIterator<Item = S>, error: impl Fn(S) -> Result<f64>) -> Result<f64> {
    all.into_iter()
        .try_fold(0.0_f64, |largest, one| Ok(largest.max(error(one)?)))
}
