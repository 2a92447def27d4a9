//! The JSON schema of experiment files, which may leave to another file what they `extends`.

use apical::Experiment;
use serde_json::{Value, json};

use super::extends::KEY;

/// What an experiment file may say: the settings of an experiment, and `extends`.
pub fn file_schema() -> Value {
    let mut schema = apical::schema::of::<Experiment>().clone();
    let whole = json!({"required": schema["required"].clone()});
    relax(&mut schema);
    schema["properties"][KEY] = json!({
        "type": "string",
        "description": "Experiment of which this one states the differences: a built-in name, or a path from this file.",
    });
    schema["anyOf"] = json!([{"required": [KEY]}, whole]);
    schema
}

/// Admits tables that state a part of their settings.
fn relax(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(relax),
        Value::Object(object) => {
            // A list is the key of JSON Schema; a setting of that name would be a table.
            if object.get("required").is_some_and(Value::is_array) {
                object.shift_remove("required");
            }
            // Without its kind a table may be of several.
            if let Some(kinds) = object.shift_remove("oneOf") {
                object.insert("anyOf".into(), kinds);
            }
            object.values_mut().for_each(relax);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_states_all_that_is_needed_or_what_it_extends() {
        let schema = file_schema();
        assert_eq!(schema["anyOf"][0]["required"], json!(["extends"]));
        assert_eq!(
            schema["anyOf"][1]["required"],
            json!(["steps", "task", "loss"])
        );
        assert!(schema["properties"]["extends"]["description"].is_string());
        assert!(!schema["$defs"].to_string().contains("\"required\":["));
    }
}
