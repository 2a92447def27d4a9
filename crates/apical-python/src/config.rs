//! Settings from Python: dictionaries become the same tables that TOML files give, with the same errors.

use apical::feedback::FeedbackSpec;
use apical::loss::Loss;
use apical::neuron::{NEURONS, NeuronSpec};
use apical::optimizer::{OptimizerSpec, Schedule};
use apical::rule::{CreditSpec, EligibilitySpec, RULES, RuleSpec};
use apical::synapse::Init;
use apical::task::{TASKS, TaskSpec};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use toml::{Table, Value};

use crate::arrays::kind_of;
use crate::error::raise;

/// A dictionary as a value of type `T`, with errors that name the key and the nearest known one.
pub fn typed<T: DeserializeOwned>(settings: &Bound<'_, PyDict>) -> PyResult<T> {
    apical_runs::experiment::typed(table(settings, "")?).map_err(raise)
}

/// As [`typed`] for settings that stand under `name`, which errors then say.
pub fn named<T: DeserializeOwned>(name: &str, settings: &Bound<'_, PyDict>) -> PyResult<T> {
    let inner = Value::Table(table(settings, name)?);
    let outer: Table = [(name.to_string(), inner)].into_iter().collect();
    let mut read: std::collections::BTreeMap<String, T> =
        apical_runs::experiment::typed(outer).map_err(raise)?;
    read.remove(name)
        .ok_or_else(|| PyTypeError::new_err(format!("{name}: got nothing, expected settings.")))
}

fn table(settings: &Bound<'_, PyDict>, place: &str) -> PyResult<Table> {
    let mut table = Table::new();
    for (key, value) in settings {
        let key: String = key.extract().map_err(|_| {
            PyTypeError::new_err(format!(
                "{place}: got a key that is a {}, expected text. Write settings as {{\"name\": value}}.",
                kind_of(&key)
            ))
        })?;
        let at = match place {
            "" => key.clone(),
            _ => format!("{place}.{key}"),
        };
        if let Some(value) = toml_value(&value, &at)? {
            table.insert(key, value);
        }
    }
    Ok(table)
}

/// `None` leaves a setting at its default.
fn toml_value(value: &Bound<'_, PyAny>, place: &str) -> PyResult<Option<Value>> {
    if value.is_none() {
        return Ok(None);
    }
    if value.hasattr("tolist")? {
        // NumPy's numbers and arrays.
        return toml_value(&value.call_method0("tolist")?, place);
    }
    if let Ok(dictionary) = value.cast::<PyDict>() {
        return Ok(Some(Value::Table(table(dictionary, place)?)));
    }
    let wrong = |expected: &str| {
        PyTypeError::new_err(format!(
            "{place}: got a {}, expected {expected}. See help() of what it belongs to.",
            kind_of(value)
        ))
    };
    if value.is_instance_of::<PyBool>() {
        return Ok(Some(Value::Boolean(value.extract()?)));
    }
    if value.is_instance_of::<PyInt>() {
        let number = value.extract();
        return number
            .map(|number| Some(Value::Integer(number)))
            .map_err(|_| wrong("a whole number below 2^63"));
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(Some(Value::Float(value.extract()?)));
    }
    if value.is_instance_of::<PyString>() {
        return Ok(Some(Value::String(value.extract()?)));
    }
    if value.hasattr("__fspath__")? {
        let path = value.call_method0("__fspath__")?;
        return Ok(Some(Value::String(path.extract()?)));
    }
    let Ok(items) = value.try_iter() else {
        return Err(wrong("a number, text, list or table"));
    };
    let mut list = Vec::new();
    for (k, item) in items.enumerate() {
        let at = format!("{place}[{k}]");
        let value = toml_value(&item?, &at)?;
        list.push(value.ok_or_else(|| wrong("no None in a list"))?);
    }
    Ok(Some(Value::Array(list)))
}

/// The words between backticks after what was expected.
fn expected(message: &str) -> Vec<String> {
    let Some((_, after)) = message.split_once("expected") else {
        return Vec::new();
    };
    let words = after.split('`').skip(1).step_by(2);
    words.map(String::from).collect()
}

/// The kinds of a table with a `kind`, as its own errors tell them: there is no second list to keep.
fn kinds<T: DeserializeOwned>() -> Vec<String> {
    match serde_json::from_value::<T>(json!({"kind": "?"})) {
        Ok(_) => Vec::new(),
        Err(error) => expected(&error.to_string()),
    }
}

/// The settings of a kind with their defaults; `null` for those without one.
fn settings<T: Serialize + DeserializeOwned>(kind: &str) -> serde_json::Value {
    let mut known = serde_json::Map::new();
    let wrong = serde_json::from_value::<T>(json!({"kind": kind, "?": 0}));
    let names = wrong.err().map(|error| expected(&error.to_string()));
    let default = serde_json::from_value::<T>(json!({"kind": kind}));
    let default = default
        .ok()
        .and_then(|spec| serde_json::to_value(spec).ok());
    for name in names.unwrap_or_default() {
        known.insert(name, serde_json::Value::Null);
    }
    if let Some(serde_json::Value::Object(default)) = default {
        known.extend(default);
    }
    known.remove("kind");
    known.into()
}

fn group<T: Serialize + DeserializeOwned>(
    names: &[String],
    describe: impl Fn(&str) -> serde_json::Value,
) -> serde_json::Value {
    let entries = names.iter().map(|name| {
        let entry = json!({"settings": settings::<T>(name), "info": describe(name)});
        (name.clone(), entry)
    });
    serde_json::Value::Object(entries.collect())
}

/// Everything that has a name in configurations, as JSON: what the modules of the package are made of.
#[pyfunction]
pub fn registry() -> String {
    let row = |found: Option<serde_json::Value>| found.unwrap_or(serde_json::Value::Null);
    let rules: Vec<String> = RULES.iter().map(|info| info.name.to_string()).collect();
    let tasks: Vec<String> = kinds::<TaskSpec>();
    let none = |_: &str| serde_json::Value::Null;
    json!({
        "rules": group::<RuleSpec>(&rules, |name| {
            row(RULES.iter().find(|info| info.name == name).map(|info| json!(info)))
        }),
        "tasks": group::<TaskSpec>(&tasks, |name| {
            row(TASKS.iter().find(|info| info.name == name).map(|info| json!(info)))
        }),
        "neurons": group::<NeuronSpec>(&kinds::<NeuronSpec>(), |name| {
            row(NEURONS.iter().find(|info| info.name == name).map(|info| json!(info)))
        }),
        "feedback": group::<FeedbackSpec>(&kinds::<FeedbackSpec>(), none),
        "losses": group::<Loss>(&kinds::<Loss>(), none),
        "optimizers": group::<OptimizerSpec>(&kinds::<OptimizerSpec>(), none),
        "schedules": group::<Schedule>(&kinds::<Schedule>(), none),
        "init": group::<Init>(&kinds::<Init>(), none),
        "eligibilities": group::<EligibilitySpec>(&kinds::<EligibilitySpec>(), none),
        "credits": group::<CreditSpec>(&kinds::<CreditSpec>(), none),
    })
    .to_string()
}
