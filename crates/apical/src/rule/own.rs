//! Rules of one's own: with settings in TOML, a receipt, a place in comparisons and a row in the tables.

use std::any::Any;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{RULES, Rule, RuleInfo, RuleSpec, Site};
use crate::network::Network;
use crate::own::{self, Own, Registry, same, with_own};
use crate::{Result, Scalar};

/// A rule that does not come with the library; the type holds its settings, and [`register`] makes it known by its name.
pub trait OwnRule: Default + Serialize + DeserializeOwned + 'static {
    /// Its row in the table of rules. The locality is audited, `exact` and `stochastic` are what the receipt holds it to.
    const INFO: RuleInfo;

    /// Relations of [`crate::check::RELATIONS`] it stands in, by name, beside those that every rule does.
    const RELATIONS: &'static [&'static str] = &[];

    /// Builds the rule for a network.
    ///
    /// # Errors
    /// A setting out of range, or a network the rule does not serve.
    fn build<T: Scalar>(&self, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>>;
}

type Build<T> = fn(&Value, &Site<'_, T>) -> Result<Box<dyn Rule<T>>>;

/// A rule that was registered.
pub struct Entry {
    pub(crate) info: RuleInfo,
    pub(crate) relations: &'static [&'static str],
    complete: fn(Value) -> serde_json::Result<Value>,
    f32: Build<f32>,
    f64: Build<f64>,
}

impl own::Entry for Entry {
    const FIELD: &'static str = "rule";
    fn names(&self) -> Vec<&'static str> {
        let names = [self.info.name].into_iter();
        names.chain(self.info.aliases.iter().copied()).collect()
    }
    fn complete(&self, settings: Value) -> serde_json::Result<Value> {
        (self.complete)(settings)
    }
}

static OWN: Registry<Entry> = Registry::new();

/// Makes a rule known: experiments may name it from now on, `check`, `compare` and the tables have it.
///
/// # Errors
/// A name or other name that another rule has.
pub fn register<R: OwnRule>() -> Result<()> {
    let taken = RULES
        .iter()
        .flat_map(|info| [&[info.name], info.aliases].concat());
    let entry = Entry {
        info: R::INFO,
        relations: R::RELATIONS,
        complete: |settings| serde_json::to_value(serde_json::from_value::<R>(settings)?),
        f32: |settings, site| Own::<Entry>::typed::<R>(settings)?.build(site),
        f64: |settings, site| Own::<Entry>::typed::<R>(settings)?.build(site),
    };
    OWN.add(entry, &taken.collect::<Vec<_>>())
}

/// The row of every rule there is, registered ones last.
pub fn rules() -> Vec<&'static RuleInfo> {
    let own = OWN.all().into_iter().map(|entry| &entry.info);
    RULES.iter().chain(own).collect()
}

/// A registered rule with its settings.
pub type OwnRuleSpec = Own<Entry>;

/// The registered rule of this name with its default settings.
pub(super) fn by_name(name: &str) -> Option<OwnRuleSpec> {
    Own::new(OWN.find(name)?, Default::default()).ok()
}

pub(super) fn build<T: Scalar>(own: &OwnRuleSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let network = site.network as &dyn Any;
    match network.downcast_ref() {
        Some(network) => same((own.entry.f32)(&own.settings, &at(site, network))?),
        None => {
            let network = network.downcast_ref();
            let network = network.map_or_else(|| same(()), Ok)?;
            same((own.entry.f64)(&own.settings, &at(site, network))?)
        }
    }
}

/// The same place for a network whose number type is known.
fn at<'a, T, U>(site: &Site<'a, T>, network: &'a Network<U>) -> Site<'a, U> {
    Site {
        network,
        streams: site.streams,
        by_trial: site.by_trial,
    }
}

with_own!(RuleSpec, OWN);
