//! What settings there are: the schema of the types that hold them, and how it is read.

mod describe;
mod place;

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

pub use describe::{Choice, Kind, Setting, Type, kinds, written};
pub use place::{Place, Shape, Word};

/// How many parts were registered, which schemas contain.
pub(crate) static REGISTERED: AtomicUsize = AtomicUsize::new(0);

/// The JSON schema (draft 2020-12) of settings of type `T`, with what was registered; it is made once.
pub fn of<T: JsonSchema + 'static>() -> &'static Value {
    type Made = Mutex<HashMap<(TypeId, usize), &'static Value>>;
    static MADE: LazyLock<Made> = LazyLock::new(Made::default);
    let key = (TypeId::of::<T>(), REGISTERED.load(Ordering::Acquire));
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(key).or_insert_with(|| {
        let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(tidy));
        let schema = settings.into_generator().into_root_schema_for::<T>();
        Box::leak(Box::new(schema.into()))
    })
}

/// As [`of`], without definitions or title, to stand inside of another schema.
pub(crate) fn inline<T: JsonSchema>() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema: Value = settings.into_generator().into_root_schema_for::<T>().into();
    let Value::Object(mut schema) = schema else {
        return Map::new();
    };
    schema.shift_remove("title");
    schema
}

/// Makes of a schema for JSON one for TOML, which has no null, with descriptions in one line.
fn tidy(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if object.get("default") == Some(&Value::Null) {
        object.shift_remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(any)) = object.get_mut("anyOf") {
        any.retain(|one| one["type"] != "null");
        if let [Value::Object(only)] = &any[..] {
            let only = only.clone();
            object.shift_remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

fn items(schema: &mut Schema) -> Option<&mut Map<String, Value>> {
    schema.get_mut("items")?.as_object_mut()
}

/// Of a list of numbers in [0, 1).
pub(crate) fn shares(schema: &mut Schema) {
    if let Some(items) = items(schema) {
        items.insert("minimum".into(), 0.0.into());
        items.insert("exclusiveMaximum".into(), 1.0.into());
    }
}

/// Of a list of numbers above 0.
pub(crate) fn positive(schema: &mut Schema) {
    if let Some(items) = items(schema) {
        items.insert("exclusiveMinimum".into(), 0.0.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Passive;
    use crate::task::{AddSpec, EmbeddedSpec, MultiTaskSpec, TaskSpec};
    use crate::{Experiment, LearnerSpec};
    use serde_json::json;

    fn is_null(schema: &Value) -> bool {
        let null = |one: &Value| one == "null" || one["type"] == "null";
        let lists = [&schema["type"], &schema["anyOf"]]
            .into_iter()
            .filter_map(Value::as_array);
        lists.flatten().any(null)
    }

    /// What is missing in a schema as it is derived, before nulls are taken out.
    fn faults(schema: &Value, path: &str, all: &mut Vec<String>) {
        let told = |said: &Value| {
            said["description"]
                .as_str()
                .is_some_and(|text| text.len() > 2 && !text.contains("[`"))
        };
        let settings = schema["properties"].as_object().into_iter().flatten();
        let count = schema["properties"].as_object().map_or(0, Map::len);
        // A word that is the key of a table is described with its table.
        let is_word = path.ends_with(".oneOf") && count == 1 && told(schema);
        for (name, said) in
            settings.filter(|(name, said)| *name != "kind" || said["type"] != "string")
        {
            if !is_word && !told(said) {
                all.push(format!("{path}.{name}: no description"));
            }
            let required = schema["required"]
                .as_array()
                .is_some_and(|names| names.contains(&json!(name)));
            if !required && said.get("default").is_none() && !is_null(said) {
                all.push(format!("{path}.{name}: no default"));
            }
        }
        for word in schema["oneOf"].as_array().into_iter().flatten() {
            if !told(word) {
                all.push(format!("{path}: no description of {word}"));
            }
        }
        // The names of one kind are described with its table.
        if schema["enum"].is_array() && !path.ends_with(".kind") {
            all.push(format!("{path}: no description of {}", schema["enum"]));
        }
        match schema {
            Value::Object(parts) => parts
                .iter()
                .filter(|(key, _)| *key != "default")
                .for_each(|(key, part)| faults(part, &format!("{path}.{key}"), all)),
            Value::Array(parts) => parts.iter().for_each(|part| faults(part, path, all)),
            _ => {}
        }
    }

    #[test]
    fn every_setting_has_a_sentence_and_a_default_or_none_on_purpose() {
        fn raw<T: JsonSchema>() -> Value {
            SchemaSettings::draft2020_12()
                .into_generator()
                .into_root_schema_for::<T>()
                .into()
        }
        let mut all = Vec::new();
        for schema in [raw::<Experiment>(), raw::<LearnerSpec>(), raw::<Passive>()] {
            faults(&schema, "", &mut all);
        }
        assert!(all.is_empty(), "{}", all.join("\n"));
    }

    #[test]
    fn settings_built_in_few_words_have_the_defaults_of_a_text() {
        let add = || TaskSpec::Add(AddSpec::default());
        let text =
            json!({"steps": 9, "task": {"kind": "add"}, "loss": {"kind": "mean_squared_error"}});
        let loss = serde_json::from_value(text["loss"].clone()).unwrap();
        let read: Experiment = serde_json::from_value(text).unwrap();
        assert_eq!(read, Experiment::new(9, add(), loss));
        for (text, built) in [
            (
                json!({"kind": "multi_task", "tasks": [{"kind": "add"}]}),
                TaskSpec::MultiTask(MultiTaskSpec::new(vec![add()])),
            ),
            (
                json!({"kind": "embedded", "task": {"kind": "add"}}),
                TaskSpec::Embedded(EmbeddedSpec::new(add())),
            ),
        ] {
            assert_eq!(serde_json::from_value::<TaskSpec>(text).unwrap(), built);
        }
    }

    #[test]
    fn settings_are_told_as_they_are() {
        let kinds = kinds::<crate::rule::RuleSpec>();
        let of = |name: &str| {
            let kind = kinds
                .iter()
                .find(|kind| kind.names.iter().any(|known| known == name));
            &kind.unwrap().settings
        };
        assert_eq!(of("eprop"), of("rflo"));
        let leak = &of("rflo")[0];
        assert_eq!(
            (leak.name.as_str(), &leak.kind, leak.range.as_deref()),
            ("leak", &Type::Number, Some("(0, 1]"))
        );
        assert_eq!((&leak.default, leak.required), (&None, false));
        let horizon = &of("f_bptt")[0];
        assert_eq!(horizon.range.as_deref(), Some("[1, 1048576]"));
        assert_eq!(
            (horizon.unit.as_deref(), &horizon.default),
            (Some("steps"), &Some(json!(10)))
        );
        let dendritic = of("dendritic");
        let names: Vec<&str> = dendritic
            .iter()
            .map(|setting| setting.name.as_str())
            .collect();
        assert_eq!(names[..4], ["normalize", "rate", "decay", "jacobian"]);
        // Defaults are those of the types, also inside of tables.
        let default = serde_json::to_value(crate::credit::DendriticSpec::default()).unwrap();
        for setting in dendritic.iter().filter(|setting| setting.inside.is_empty()) {
            let written = default.get(&setting.name);
            assert_eq!(setting.default.as_ref(), written, "{}", setting.name);
        }
        let jacobian = &dendritic[3];
        let kinds: Vec<&str> = jacobian
            .choices
            .iter()
            .map(|kind| kind.name.as_str())
            .collect();
        assert_eq!(kinds, ["exact", "learned", "local"]);
        assert_eq!(jacobian.inside[2].settings[1].default, Some(json!(0.005)));
        // A task inside of a task is a task again.
        let tasks = super::kinds::<TaskSpec>();
        let embedded = tasks.iter().find(|kind| kind.names == ["embedded"]);
        let task = &embedded.unwrap().settings[0];
        assert_eq!(
            (&task.kind, task.choices.len()),
            (&Type::Table, tasks.len())
        );
    }
}
