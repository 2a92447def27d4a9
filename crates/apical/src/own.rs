//! Rules, neurons and tasks of one's own: kept by their names beside those that come with the library.

use std::any::Any;
use std::sync::RwLock;

use serde_json::{Map, Value};

use crate::{Error, Result};

/// What is registered: a row of a table, and settings that a text may leave out in part.
pub trait Entry: Sync + 'static {
    /// Where the kind stands in configurations: `rule`, `neuron`, `task`.
    const FIELD: &'static str;
    /// Name, and other names, in configurations.
    fn names(&self) -> Vec<&'static str>;
    /// All settings of a table that may leave some out.
    fn complete(&self, settings: Value) -> serde_json::Result<Value>;
}

/// Everything of one sort that was registered; it is known until the program ends.
pub(crate) struct Registry<E: 'static>(RwLock<Vec<&'static E>>);

impl<E: Entry> Registry<E> {
    pub(crate) const fn new() -> Self {
        Self(RwLock::new(Vec::new()))
    }

    pub(crate) fn all(&self) -> Vec<&'static E> {
        let own = self.0.read().unwrap_or_else(|broken| broken.into_inner());
        own.clone()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'static E> {
        let mut all = self.all().into_iter();
        all.find(|entry| entry.names().contains(&name))
    }

    /// Adds `entry`, whose names must not be among those `taken` nor registered.
    pub(crate) fn add(&self, entry: E, taken: &[&str]) -> Result<()> {
        let mut own = self.0.write().unwrap_or_else(|broken| broken.into_inner());
        let known = own.iter().flat_map(|entry| entry.names());
        let known: Vec<&str> = known.chain(taken.iter().copied()).collect();
        if let Some(name) = entry.names().into_iter().find(|name| known.contains(name)) {
            let field = format!("{}.kind", E::FIELD);
            let expected = format!("a name that no other {} has", E::FIELD);
            return Err(Error::invalid(
                &field,
                name,
                expected,
                "Choose another name.",
            ));
        }
        own.push(Box::leak(Box::new(entry)));
        Ok(())
    }
}

/// One that was registered, with its settings.
pub struct Own<E: 'static> {
    pub(crate) entry: &'static E,
    pub(crate) settings: Value,
}

impl<E: Entry> Own<E> {
    /// With the settings in `table`, those it leaves out at their defaults.
    pub(crate) fn new(entry: &'static E, table: Map<String, Value>) -> serde_json::Result<Self> {
        let settings = entry.complete(Value::Object(table))?;
        Ok(Self { entry, settings })
    }

    /// The settings as a type.
    pub(crate) fn typed<S: serde::de::DeserializeOwned>(settings: &Value) -> Result<S> {
        S::deserialize(settings).map_err(|error| {
            let expected = format!("other settings: {error}");
            Error::invalid(E::FIELD, settings, expected, "Mend the one that is named.")
        })
    }

    /// As a table of a configuration.
    pub(crate) fn table(&self) -> Map<String, Value> {
        let mut table = Map::new();
        table.insert("kind".into(), self.entry.names()[0].into());
        if let Value::Object(settings) = &self.settings {
            table.extend(settings.clone());
        }
        table
    }
}

impl<E> Clone for Own<E> {
    fn clone(&self) -> Self {
        Self {
            entry: self.entry,
            settings: self.settings.clone(),
        }
    }
}

impl<E: Entry> std::fmt::Debug for Own<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.entry.names()[0], self.settings)
    }
}

impl<E> PartialEq for Own<E> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.entry, other.entry) && self.settings == other.settings
    }
}

/// `built` for f32 or f64, whichever is wanted, where it is known which one that is by its type alone.
pub(crate) fn same<A: 'static, B: 'static>(built: A) -> Result<B> {
    let built: Box<dyn Any> = Box::new(built);
    built.downcast().map(|built| *built).map_err(|_| {
        let found = std::any::type_name::<B>();
        let mend = "Use one of these.";
        Error::invalid("precision", found, "numbers of 32 or 64 bits", mend)
    })
}

/// Reads and writes a configuration: what comes with the library by derived code, what was registered by its name.
macro_rules! with_own {
    ($spec:ident, $registry:path) => {
        impl serde::Serialize for $spec {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    Self::Own(own) => own.table().serialize(serializer),
                    known => Self::serialize(known, serializer),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $spec {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error;
                use serde_json::Value;
                if $registry.all().is_empty() {
                    return Self::deserialize(deserializer);
                }
                let value = Value::deserialize(deserializer)?;
                let kind = value.get("kind").and_then(Value::as_str);
                match (kind.and_then(|kind| $registry.find(kind)), value) {
                    (Some(entry), Value::Object(mut table)) => {
                        table.remove("kind");
                        let own = $crate::own::Own::new(entry, table);
                        own.map(Self::Own).map_err(D::Error::custom)
                    }
                    (_, value) => Self::deserialize(value).map_err(D::Error::custom),
                }
            }
        }
    };
}
pub(crate) use with_own;
