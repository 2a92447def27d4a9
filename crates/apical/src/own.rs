//! Rules, neurons and tasks of one's own: kept by their names beside those that come with the library.

use std::any::Any;
use std::sync::atomic::Ordering;
use std::sync::{RwLock, RwLockWriteGuard};

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{Error, Result, schema};

/// What was added while the program runs; it is kept until the program ends.
pub(crate) struct Kept<E: 'static>(RwLock<Vec<&'static E>>);

impl<E> Kept<E> {
    pub(crate) const fn new() -> Self {
        Self(RwLock::new(Vec::new()))
    }

    pub(crate) fn all(&self) -> Vec<&'static E> {
        let all = self.0.read().unwrap_or_else(|broken| broken.into_inner());
        all.clone()
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<&'static E>> {
        self.0.write().unwrap_or_else(|broken| broken.into_inner())
    }

    pub(crate) fn push(&self, new: E) {
        let mut all = self.write();
        all.push(Box::leak(Box::new(new)));
    }

    /// Adds `new` where `check` admits it beside what is there.
    pub(crate) fn push_if(
        &self,
        new: E,
        check: impl FnOnce(&E, &[&'static E]) -> Result<()>,
    ) -> Result<()> {
        let mut all = self.write();
        check(&new, &all)?;
        all.push(Box::leak(Box::new(new)));
        Ok(())
    }
}

/// A row of the table of rules, of neurons or of tasks.
pub trait Info: Sync + 'static {
    /// Where such a part stands in configurations: `rule`, `neuron`, `task`.
    const FIELD: &'static str;
    /// Name, and other names, in configurations.
    fn names(&self) -> Vec<&'static str>;
    /// One line.
    fn summary(&self) -> &'static str;
}

/// A part that was registered: its row, the schema of its settings, how a table of them is completed, and what is `made` of it.
pub struct Entry<I, M> {
    pub(crate) info: I,
    pub(crate) made: M,
    schema: fn() -> Map<String, Value>,
    complete: fn(Value) -> serde_json::Result<Value>,
}

impl<I: Info, M> Entry<I, M> {
    /// Of a part whose settings are an `S`.
    pub(crate) fn new<S: Serialize + DeserializeOwned + JsonSchema>(info: I, made: M) -> Self {
        Self {
            info,
            made,
            schema: schema::inline::<S>,
            complete: |settings| serde_json::to_value(serde_json::from_value::<S>(settings)?),
        }
    }

    /// The schema of a table of this kind.
    fn table(&self) -> Map<String, Value> {
        let mut table = (self.schema)();
        let mut settings = Map::new();
        settings.insert("kind".into(), kind(&self.info.names()));
        if let Some(Value::Object(own)) = table.get("properties") {
            settings.extend(own.clone());
        }
        table.insert("type".into(), "object".into());
        table.insert("description".into(), self.info.summary().into());
        table.insert("properties".into(), Value::Object(settings));
        let required = table.entry("required").or_insert_with(|| json!([]));
        if let Value::Array(names) = required {
            names.insert(0, "kind".into());
        }
        table
    }
}

/// The schema of the `kind` that has these names.
fn kind(names: &[&str]) -> Value {
    match names {
        [name] => json!({"type": "string", "const": name}),
        names => json!({"type": "string", "enum": names}),
    }
}

/// Every part of one sort that was registered.
pub(crate) type Registry<I, M> = Kept<Entry<I, M>>;

impl<I: Info, M> Registry<I, M> {
    pub(crate) fn find(&self, name: &str) -> Option<&'static Entry<I, M>> {
        let mut all = self.all().into_iter();
        all.find(|entry| entry.info.names().contains(&name))
    }

    /// With the settings it has where nothing is said.
    pub(crate) fn by_name(&self, name: &str) -> Option<Own<I, M>> {
        Own::new(self.find(name)?, Map::new()).ok()
    }

    /// Adds `entry`, whose names no part of the library, in `rows`, and none that was registered may have.
    pub(crate) fn register(&self, entry: Entry<I, M>, rows: &[I]) -> Result<()> {
        self.push_if(entry, |entry, own| {
            let known = rows.iter().chain(own.iter().map(|entry| &entry.info));
            let known: Vec<&str> = known.flat_map(I::names).collect();
            let names = entry.info.names();
            let Some(name) = names.into_iter().find(|name| known.contains(name)) else {
                return Ok(());
            };
            let field = format!("{}.kind", I::FIELD);
            let expected = format!("a name that no other {} has", I::FIELD);
            Err(Error::invalid(
                &field,
                name,
                expected,
                "Choose another name.",
            ))
        })?;
        schema::REGISTERED.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Adds other names and what was registered to the schema of the kinds in `rows`.
    pub(crate) fn complete(&self, rows: &[I], schema: &mut Schema) {
        let Some(Value::Array(kinds)) = schema.get_mut("oneOf") else {
            return;
        };
        for known in kinds.iter_mut() {
            let names = rows.iter().map(I::names);
            let written = &mut known["properties"]["kind"];
            if let Some(names) = names.into_iter().find(|names| written["const"] == names[0]) {
                *written = kind(&names);
            }
        }
        let own = self.all().into_iter().map(|entry| entry.table().into());
        kinds.extend(own);
    }

    /// The rows of the library and those that were registered.
    pub(crate) fn after(&self, rows: &'static [I]) -> Vec<&'static I> {
        let own = self.all().into_iter().map(|entry| &entry.info);
        rows.iter().chain(own).collect()
    }
}

/// The settings of a registered part as its type.
pub(crate) fn typed<S: DeserializeOwned>(field: &str, settings: &Value) -> Result<S> {
    S::deserialize(settings).map_err(|_| {
        let expected = "settings that are read as they were written";
        let mend = "Mend the type that holds them.";
        Error::invalid(field, settings, expected, mend)
    })
}

/// A part that was registered, with its settings.
pub struct Own<I: 'static, M: 'static> {
    pub(crate) entry: &'static Entry<I, M>,
    pub(crate) settings: Value,
}

impl<I: Info, M> Own<I, M> {
    /// With the settings in `table`, those it leaves out at their defaults.
    pub(crate) fn new(
        entry: &'static Entry<I, M>,
        table: Map<String, Value>,
    ) -> serde_json::Result<Self> {
        let settings = (entry.complete)(Value::Object(table))?;
        Ok(Self { entry, settings })
    }

    /// As a table of a configuration.
    pub(crate) fn table(&self) -> Map<String, Value> {
        let mut table = Map::new();
        table.insert("kind".into(), self.entry.info.names()[0].into());
        if let Value::Object(settings) = &self.settings {
            table.extend(settings.clone());
        }
        table
    }
}

impl<I, M> Clone for Own<I, M> {
    fn clone(&self) -> Self {
        Self {
            entry: self.entry,
            settings: self.settings.clone(),
        }
    }
}

impl<I: Info, M> std::fmt::Debug for Own<I, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.entry.info.names()[0], self.settings)
    }
}

impl<I, M> PartialEq for Own<I, M> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.entry, other.entry) && self.settings == other.settings
    }
}

/// `A` as the `B` that it is: numbers are f32 or f64, and only their type tells which.
pub(crate) fn same<A: 'static, B: 'static>(built: A) -> Result<B> {
    let built: Box<dyn Any> = Box::new(built);
    built
        .downcast()
        .map(|built| *built)
        .map_err(|_| other::<B>())
}

/// As [`same`], of what is borrowed.
pub(crate) fn same_ref<A: 'static, B: 'static>(value: &A) -> Result<&B> {
    let value: &dyn Any = value;
    value.downcast_ref().ok_or_else(other::<B>)
}

fn other<B>() -> Error {
    let found = std::any::type_name::<B>();
    let mend = "Use one of these.";
    Error::invalid("precision", found, "numbers of 32 or 64 bits", mend)
}

/// Reads and writes a configuration, and completes its schema: what comes with the library by derived code, what was
/// registered by its name.
macro_rules! with_own {
    ($spec:ident, $registry:path, $rows:path) => {
        pub(super) fn complete(schema: &mut schemars::Schema) {
            $registry.complete($rows, schema);
        }

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
