//! Rules of one's own: with settings in TOML, a receipt, a place in comparisons and a row in the tables.

use std::any::TypeId;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{RULES, Rule, RuleInfo, RuleSpec, Site};
use crate::own::{Entry, Info, Own, Registry, same, same_ref, typed, with_own};
use crate::{Result, Scalar};

/// A rule that does not come with the library; the type holds its settings, and [`register`] makes it known by its name.
pub trait OwnRule: Default + Serialize + DeserializeOwned + JsonSchema + 'static {
    /// Its row in the table of rules. The locality is audited, `exact` and `stochastic` are what the receipt holds it to.
    const INFO: RuleInfo;

    /// Relations of [`crate::check::relations`] it stands in, by name, beside those that every rule does.
    const RELATIONS: &'static [&'static str] = &[];

    /// Builds the rule for a network.
    ///
    /// # Errors
    /// A setting out of range, or a network the rule does not serve.
    fn build<T: Scalar>(&self, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>>;
}

type Build<T> = fn(&Value, &Site<'_, T>) -> Result<Box<dyn Rule<T>>>;

/// What is made of a registered rule.
pub struct Made {
    pub(super) relations: &'static [&'static str],
    f32: Build<f32>,
    f64: Build<f64>,
}

impl Info for RuleInfo {
    const FIELD: &'static str = "rule";
    fn names(&self) -> Vec<&'static str> {
        [&[self.name], self.aliases].concat()
    }
    fn summary(&self) -> &'static str {
        self.summary
    }
}

pub(super) static OWN: Registry<RuleInfo, Made> = Registry::new();

/// Makes a rule known: experiments may name it from now on, `check`, `compare` and the tables have it.
///
/// # Errors
/// A name or other name that another rule has.
pub fn register<R: OwnRule>() -> Result<()> {
    let made = Made {
        relations: R::RELATIONS,
        f32: |settings, site| typed::<R>("rule", settings)?.build(site),
        f64: |settings, site| typed::<R>("rule", settings)?.build(site),
    };
    OWN.register(Entry::new::<R>(R::INFO, made), RULES)
}

/// The row of every rule there is, registered ones last.
pub fn rules() -> Vec<&'static RuleInfo> {
    OWN.after(RULES)
}

/// A registered rule with its settings.
pub type OwnRuleSpec = Own<RuleInfo, Made>;

pub(super) fn build<T: Scalar>(own: &OwnRuleSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let (made, settings) = (&own.entry.made, &own.settings);
    match TypeId::of::<T>() == TypeId::of::<f32>() {
        true => same((made.f32)(settings, &at(site)?)?),
        false => same((made.f64)(settings, &at(site)?)?),
    }
}

/// The same place for a network whose number type is known.
fn at<'a, T: Scalar, U: Scalar>(site: &Site<'a, T>) -> Result<Site<'a, U>> {
    Ok(Site {
        network: same_ref(site.network)?,
        streams: site.streams,
        by_trial: site.by_trial,
    })
}

with_own!(RuleSpec, OWN, RULES);
