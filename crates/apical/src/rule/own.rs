//! Rules of one's own: with settings in TOML, a receipt, a place in comparisons and a row in the tables.

use std::any::Any;
use std::sync::RwLock;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{RULES, Rule, RuleInfo, RuleSpec, Site};
use crate::network::Network;
use crate::{Error, Result, Scalar};

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
pub(crate) struct Entry {
    pub(crate) info: RuleInfo,
    pub(crate) relations: &'static [&'static str],
    /// All settings of a table that may leave some out.
    complete: fn(Value) -> serde_json::Result<Value>,
    f32: Build<f32>,
    f64: Build<f64>,
}

static OWN: RwLock<Vec<&'static Entry>> = RwLock::new(Vec::new());

/// Makes a rule known: experiments may name it from now on, `check`, `compare` and the tables have it.
///
/// # Errors
/// A name or other name that another rule has.
pub fn register<R: OwnRule>() -> Result<()> {
    let info = R::INFO;
    let names = || info.aliases.iter().chain([&info.name]);
    let mut own = OWN.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let known = RULES.iter().chain(own.iter().map(|entry| &entry.info));
    if let Some(known) = known
        .into_iter()
        .find(|known| names().any(|n| known.answers_to(n)))
    {
        let expected = format!("a name that no rule has: `{}` is one", known.name);
        let mend = "Call the rule, and its other names, otherwise.";
        return Err(Error::invalid("INFO.name", info.name, expected, mend));
    }
    fn read<R: OwnRule>(settings: &Value) -> Result<R> {
        R::deserialize(settings).map_err(|error| {
            let expected = format!("settings of `{}`: {error}", R::INFO.name);
            Error::invalid("rule", settings, expected, "Mend or remove the one named.")
        })
    }
    // A registered rule is known until the program ends.
    own.push(Box::leak(Box::new(Entry {
        info,
        relations: R::RELATIONS,
        complete: |settings| serde_json::to_value(serde_json::from_value::<R>(settings)?),
        f32: |settings, site| read::<R>(settings)?.build(site),
        f64: |settings, site| read::<R>(settings)?.build(site),
    })));
    Ok(())
}

fn find(name: &str) -> Option<&'static Entry> {
    let own = OWN.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    own.iter()
        .find(|entry| entry.info.answers_to(name))
        .copied()
}

/// The row of every rule there is, registered ones last.
pub fn rules() -> Vec<&'static RuleInfo> {
    let own = OWN.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    RULES
        .iter()
        .chain(own.iter().map(|entry| &entry.info))
        .collect()
}

/// A registered rule with its settings.
#[derive(Clone)]
pub struct OwnSpec {
    entry: &'static Entry,
    settings: Value,
}

impl OwnSpec {
    /// The rule of this name, or other name, with its default settings.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        let entry = find(name)?;
        let settings = (entry.complete)(Value::Object(Map::new())).ok()?;
        Some(Self { entry, settings })
    }

    pub(crate) fn entry(&self) -> &'static Entry {
        self.entry
    }

    pub(crate) fn build<T: Scalar>(&self, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
        let (settings, network) = (&self.settings, site.network as &dyn Any);
        let boxed: Box<dyn Any> = if let Some(network) = network.downcast_ref::<Network<f32>>() {
            Box::new((self.entry.f32)(settings, &at(site, network))?)
        } else if let Some(network) = network.downcast_ref::<Network<f64>>() {
            Box::new((self.entry.f64)(settings, &at(site, network))?)
        } else {
            Box::new(())
        };
        match boxed.downcast::<Box<dyn Rule<T>>>() {
            Ok(rule) => Ok(*rule),
            Err(_) => Err(Error::invalid(
                "precision",
                std::any::type_name::<T>(),
                "f32 or f64 for a registered rule",
                "Use one of these.",
            )),
        }
    }
}

/// The same place for a network whose number type is known by name.
fn at<'a, T, U: Scalar>(site: &Site<'a, T>, network: &'a Network<U>) -> Site<'a, U> {
    Site {
        network,
        streams: site.streams,
        by_trial: site.by_trial,
    }
}

impl std::fmt::Debug for OwnSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.entry.info.name, self.settings)
    }
}

impl PartialEq for OwnSpec {
    fn eq(&self, other: &Self) -> bool {
        self.entry.info.name == other.entry.info.name && self.settings == other.settings
    }
}

impl Serialize for RuleSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Own(own) = self else {
            return Self::serialize(self, serializer);
        };
        let mut table = Map::new();
        table.insert("kind".into(), own.entry.info.name.into());
        if let Value::Object(settings) = &own.settings {
            table.extend(settings.clone());
        }
        table.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RuleSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if rules().len() == RULES.len() {
            return Self::deserialize(deserializer);
        }
        let mut table = Value::deserialize(deserializer)?;
        let kind = table.get("kind").and_then(Value::as_str);
        let Some(entry) = kind.and_then(find) else {
            return Self::deserialize(table).map_err(D::Error::custom);
        };
        if let Value::Object(table) = &mut table {
            table.remove("kind");
        }
        let settings = (entry.complete)(table).map_err(D::Error::custom)?;
        Ok(Self::Own(OwnSpec { entry, settings }))
    }
}
