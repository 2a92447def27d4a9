//! Settings from Python: dictionaries become the same tables that TOML files give, with the same errors.

use apical::feedback::FeedbackSpec;
use apical::loss::Loss;
use apical::neuron::{NEURONS, NeuronSpec};
use apical::optimizer::{OptimizerSpec, Schedule};
use apical::rule::{CreditSpec, EligibilitySpec, RULES, RuleSpec};
use apical::schema;
use apical::synapse::Init;
use apical::task::{TASKS, TaskSpec};
use apical_runs::experiment;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use toml::{Table, Value};

use crate::arrays::kind_of;
use crate::error::raise;

/// A dictionary as a value of type `T`, with errors that name the key and the nearest known one.
pub fn typed<T: DeserializeOwned + JsonSchema + 'static>(
    settings: &Bound<'_, PyDict>,
) -> PyResult<T> {
    experiment::typed(table(settings, "")?).map_err(raise)
}

/// As [`typed`] for settings that stand under `name`, which errors then say.
pub fn named<T: DeserializeOwned + JsonSchema + 'static>(
    name: &str,
    settings: &Bound<'_, PyDict>,
) -> PyResult<T> {
    experiment::named(name, table(settings, name)?).map_err(raise)
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

/// The kinds of `T` by name, with what `info` says of each.
fn group<T: JsonSchema + 'static>(info: impl Fn(&str) -> serde_json::Value) -> serde_json::Value {
    let kinds = schema::kinds::<T>().into_iter();
    let entries = kinds.filter_map(|kind| {
        let name = kind.names.first()?.clone();
        let entry = json!({"about": kind.about, "settings": kind.settings, "info": info(&name)});
        Some((name, entry))
    });
    serde_json::Value::Object(entries.collect())
}

/// The row that has this name.
fn row<I: Serialize>(rows: &[I], name: impl Fn(&I) -> bool) -> serde_json::Value {
    rows.iter()
        .find(|row| name(row))
        .map(|row| json!(row))
        .unwrap_or_default()
}

/// Everything that has a name in configurations, as JSON: what the modules of the package are made of.
#[pyfunction]
pub fn registry() -> String {
    let none = |_: &str| serde_json::Value::Null;
    json!({
        "rules": group::<RuleSpec>(|name| row(RULES, |info| info.name == name)),
        "tasks": group::<TaskSpec>(|name| row(TASKS, |info| info.name == name)),
        "neurons": group::<NeuronSpec>(|name| row(NEURONS, |info| info.name == name)),
        "feedback": group::<FeedbackSpec>(none),
        "losses": group::<Loss>(none),
        "optimizers": group::<OptimizerSpec>(none),
        "schedules": group::<Schedule>(none),
        "init": group::<Init>(none),
        "eligibilities": group::<EligibilitySpec>(none),
        "credits": group::<CreditSpec>(none),
    })
    .to_string()
}
