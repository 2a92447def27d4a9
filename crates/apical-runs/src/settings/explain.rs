//! Say which setting was not understood, what stands there and what is expected, in words of settings alone.

use std::cmp::Reverse;

use apical::shown::shown;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::{Error, Result};

/// Deserializes with errors that name the key and the nearest known one.
///
/// # Errors
/// The first setting that is not understood.
pub fn typed<T: DeserializeOwned>(table: Table) -> Result<T> {
    refuse_dates::<T>(&table)?;
    match refusal::<T>(&table) {
        Ok(value) => Ok(value),
        Err((path, message)) => Err(explain::<T>(&table, &path, &message)),
    }
}

/// The value, or where and why not.
pub(super) fn refusal<T: DeserializeOwned>(table: &Table) -> Result<T, (String, String)> {
    serde_path_to_error::deserialize(Value::Table(table.clone())).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        let line = message.lines().next().unwrap_or_default().trim();
        (path, line.to_string())
    })
}

/// Refuses dates, which no setting is: a library would tell of its own way to carry them.
fn refuse_dates<T: DeserializeOwned>(table: &Table) -> Result<()> {
    let Some(path) = date(&Value::Table(table.clone()), "") else {
        return Ok(());
    };
    let mut quoted = table.clone();
    let Some(value) = at_path(&mut quoted, &path) else {
        return Ok(());
    };
    let written = value.to_string();
    *value = Value::String(written.clone());
    // As a text it may be what is expected, or no less wrong.
    match refusal::<T>(&quoted) {
        Err((at, message)) if blamed::<T>(&quoted, &at, &message) == path => {
            let error = explain::<T>(&quoted, &at, &message);
            Err(match error {
                Error::Config { field, what, mend } => Error::Config {
                    field,
                    what: what.replacen(
                        &format!("string \"{written}\""),
                        &format!("the date {written}"),
                        1,
                    ),
                    mend,
                },
                other => other,
            })
        }
        _ => Err(Error::Config {
            field: path,
            what: format!("got the date {written}, expected a text or a number"),
            mend: "Put it in quotes if it is a name.".into(),
        }),
    }
}

/// The path of the first date.
pub(super) fn date(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Datetime(_) => Some(path.into()),
        Value::Array(list) => {
            let mut each = list.iter().enumerate();
            each.find_map(|(k, value)| date(value, &format!("{path}[{k}]")))
        }
        Value::Table(table) => {
            let dot = if path.is_empty() { "" } else { "." };
            let mut each = table.iter();
            each.find_map(|(key, value)| date(value, &format!("{path}{dot}{key}")))
        }
        _ => None,
    }
}

/// Inside a table with a `kind` the path ends early: the key without which this message would not come is the one.
pub(super) fn blamed<T: DeserializeOwned>(table: &Table, path: &str, message: &str) -> String {
    /// Larger tables hold keys nobody knows, and are named as a whole.
    const KEYS: usize = 200;
    let mut path = path.to_string();
    loop {
        let Some(Value::Table(inner)) = at_path(&mut table.clone(), &path).cloned() else {
            return path;
        };
        let whole = ["missing field", ONE_KEY];
        if path == "." || inner.len() > KEYS || whole.iter().any(|w| message.starts_with(w)) {
            return path;
        }
        let kind = inner.get("kind").and_then(Value::as_str);
        if kind.is_some_and(|kind| message.starts_with(&format!("unknown variant `{kind}`"))) {
            return format!("{path}.kind");
        }
        let guilty = inner.keys().find(|key| {
            let mut without = table.clone();
            if let Some(Value::Table(inner)) = at_path(&mut without, &path) {
                inner.remove(*key);
            }
            // Without its kind any table is refused.
            let refused = refusal::<T>(&without).err();
            refused.is_none_or(|(_, now)| now != message && now != "missing field `kind`")
        });
        match guilty {
            Some(key) => path = format!("{path}.{key}"),
            None => return path,
        }
    }
}

/// The value at a path such as `monitor[0].every`.
pub(super) fn at_path<'a>(table: &'a mut Table, path: &str) -> Option<&'a mut Value> {
    let mut steps = path.split(['.', '[']);
    let mut at = table.get_mut(steps.next()?)?;
    for step in steps {
        at = match step.strip_suffix(']') {
            Some(index) => at.as_array_mut()?.get_mut(index.parse::<usize>().ok()?)?,
            None => at.as_table_mut()?.get_mut(step)?,
        };
    }
    Some(at)
}

fn explain<T: DeserializeOwned>(table: &Table, path: &str, message: &str) -> Error {
    let path = blamed::<T>(table, path, message);
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let at = |key: &str| match path.as_str() {
        "." | "" => key.to_string(),
        _ if path == key || path.ends_with(&format!(".{key}")) => path.clone(),
        _ => format!("{path}.{key}"),
    };
    let here = || match path.as_str() {
        "." | "" => "experiment".to_string(),
        _ => path.clone(),
    };
    match words.split_first() {
        Some((unknown, known)) if message.starts_with("unknown field") => Error::Config {
            field: at(unknown),
            what: format!(
                "unknown key `{}`, expected {}",
                shown(unknown),
                listed(known)
            ),
            mend: suggestion(unknown, known, "Remove it."),
        },
        Some((unknown, known)) if message.starts_with("unknown variant") => Error::Config {
            field: here(),
            what: format!(
                "unknown value `{}`, expected {}",
                shown(unknown),
                listed(known)
            ),
            mend: suggestion(unknown, known, "Use one of these."),
        },
        Some((missing, _)) if message.starts_with("missing field") => Error::Config {
            field: at(missing),
            what: "missing, expected a value".into(),
            mend: format!(
                "Add `{missing}`; `apical list NAME --resolved` prints a complete experiment to copy from."
            ),
        },
        _ => Error::Config {
            // Where no list is expected its elements are not to blame.
            field: match path.rsplit_once('[') {
                Some((list, _)) if !is_list_taken::<T>(table, list) => list.into(),
                _ => here(),
            },
            what: in_plain_words::<T>(table, &path, message),
            mend: MEND.into(),
        },
    }
}

/// How the library says that a table has not the one key that chooses.
const ONE_KEY: &str = "wanted exactly 1 element";

/// What to do where nothing better is known.
pub(super) const MEND: &str = "Change the value to what is expected.";

/// `invalid type: string "fast", expected f64` says a programmer which type, a user should hear which value.
fn in_plain_words<T: DeserializeOwned>(table: &Table, path: &str, message: &str) -> String {
    let mut copy = table.clone();
    if let Some((list, _)) = path.rsplit_once('[')
        && !is_list_taken::<T>(table, list)
    {
        let expected = probed::<T>(table, list);
        return format!("got a list, expected {expected}");
    }
    let value = at_path(&mut copy, path);
    if let (true, Some(Value::Table(inner))) = (message.starts_with(ONE_KEY), &value)
        && !inner.is_empty()
    {
        let keys: Vec<String> = inner.keys().map(|key| shown(key).into_owned()).collect();
        return format!(
            "got {} together, expected one of them",
            shown(&keys.join(", "))
        );
    }
    let found = |kind: &str| match (&value, kind) {
        // Of a list the message may mean an element.
        (Some(value), _) if !value.is_array() => described(value),
        (_, "sequence") => "a list".to_string(),
        (_, "map") => "a table".to_string(),
        (_, simple) if SIMPLE.iter().any(|word| simple.starts_with(word)) => shown(simple).into(),
        (Some(value), _) => described(value),
        (None, _) => "something else".into(),
    };
    let (got, expected) = match message.rsplit_once(", expected ") {
        Some((got, expected)) => (got, expected),
        None if INTERNAL.iter().all(|word| !message.contains(word)) => return message.into(),
        None => ("", ""),
    };
    let got = match got.strip_prefix("invalid length ") {
        Some(length) => format!("a list of length {length}"),
        None => {
            let kind = got.strip_prefix("invalid type: ");
            let kind = kind.or(got.strip_prefix("invalid value: "));
            found(kind.unwrap_or_default())
        }
    };
    let expected = match expected {
        "u64" | "usize" | "u32" => "a whole number that is not negative".into(),
        "f64" | "f32" => "a number".into(),
        "a sequence" => "a list".into(),
        "an array of length 2" | "2 elements in sequence" => "a list of 2 numbers".into(),
        "a boolean" => "true or false".into(),
        "a string" => "a text".into(),
        other if other.contains("struct ") || other.starts_with("internally tagged") => {
            "a table with its settings".into()
        }
        other if !other.is_empty() && INTERNAL.iter().all(|word| !other.contains(word)) => {
            other.to_string()
        }
        _ => probed::<T>(table, path),
    };
    format!("got {got}, expected {expected}")
}

/// Kinds of values that messages call as users do.
const SIMPLE: [&str; 4] = ["string ", "integer ", "floating point ", "boolean "];

/// Words of libraries and of the language, which are no settings.
const INTERNAL: [&str; 19] = [
    "string only",
    "struct",
    "enum",
    "variant",
    "tuple",
    "newtype",
    "untagged",
    "unit",
    "sequence",
    "map",
    "u64",
    "usize",
    "u32",
    "i64",
    "f64",
    "wanted",
    "overflow",
    "empty",
    "$__",
];

/// A value as a message tells of it.
pub(crate) fn described(value: &Value) -> String {
    match value {
        Value::String(text) => format!("string {}", shown(&format!("{text:?}"))),
        Value::Integer(number) => format!("integer `{number}`"),
        Value::Float(number) => format!("floating point `{number:?}`"),
        Value::Boolean(truth) => format!("boolean `{truth}`"),
        Value::Datetime(date) => format!("the date {date}"),
        Value::Array(list) => format!("a list of length {}", list.len()),
        Value::Table(_) => "a table".into(),
    }
}

/// Why `value` is refused at `path`, if it is.
fn refused<T: DeserializeOwned>(table: &Table, path: &str, value: Value) -> Option<String> {
    let mut tried = table.clone();
    *at_path(&mut tried, path)? = value;
    refusal::<T>(&tried).err().map(|(_, message)| message)
}

/// Whether a value of this kind is taken, though this one may have the wrong keys or length.
fn is_taken(refused: Option<String>) -> bool {
    let inner = ["unknown field", "missing field"];
    refused.is_none_or(|message| inner.iter().any(|start| message.starts_with(start)))
}

/// Whether a list is taken, perhaps of another length.
fn is_list_taken<T: DeserializeOwned>(table: &Table, path: &str) -> bool {
    let tables = ["tagged", "struct "];
    refused::<T>(table, path, Value::Array(Vec::new())).is_none_or(|message| {
        message.starts_with("invalid length") && !tables.iter().any(|word| message.contains(word))
    })
}

/// What is taken at `path`, found out by trying each kind of value.
fn probed<T: DeserializeOwned>(table: &Table, path: &str) -> String {
    let refused = |value: Value| refused::<T>(table, path, value);
    let is_taken = |value: Value| is_taken(refused(value));
    let mut kinds = Vec::new();
    if is_taken(Value::Float(0.5)) {
        kinds.push("a number".to_string());
    } else if is_taken(Value::Integer(1)) {
        kinds.push("a whole number".into());
    }
    if is_taken(Value::Boolean(true)) {
        kinds.push("true or false".into());
    }
    match refused(Value::String("?".into())) {
        None => kinds.push("a text".into()),
        Some(message) if message.starts_with("unknown variant") => {
            let words = message.split('`').skip(3).step_by(2);
            let words: Vec<String> = words
                .map(|word| match refused(Value::String(word.into())) {
                    None => word.to_string(),
                    Some(_) => format!("{{ {word} = ... }}"),
                })
                .collect();
            kinds.push(listed(&words));
        }
        _ => {}
    }
    if is_list_taken::<T>(table, path) {
        kinds.push("a list".into());
    }
    if is_taken(Value::Table(Table::new())) {
        kinds.push("a table with its settings".into());
    }
    match kinds.is_empty() {
        true => "another kind of value".into(),
        false => kinds.join(" or "),
    }
}

fn listed(known: &[impl AsRef<str>]) -> String {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    match known.as_slice() {
        [] => "none".into(),
        _ => format!("one of {}", known.join(", ")),
    }
}

/// Names the known word nearest to a mistyped one, or says `otherwise` if none is near.
pub fn suggestion(word: &str, known: &[&str], otherwise: &str) -> String {
    // Nothing is near to what is longer than any word.
    if word.len() > 200 {
        return otherwise.into();
    }
    let near = known
        .iter()
        .map(|candidate| {
            let pairs = word.bytes().zip(candidate.bytes());
            let alike = pairs.take_while(|(a, b)| a == b).count();
            // Of equally near ones, that with the longest common beginning.
            let distance = strsim::damerau_levenshtein(word, candidate);
            (distance, Reverse(alike), candidate)
        })
        .filter(|(distance, _, candidate)| *distance <= 2.max(candidate.len() / 3))
        .min();
    match near {
        Some((.., candidate)) => format!("Did you mean `{candidate}`?"),
        None => otherwise.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{parse_unchecked, resolved};
    use super::*;
    use crate::experiment::load;
    use apical::rule::RULES;
    use apical::task::TASKS;

    /// Values of every kind, as TOML writes them.
    const VALUES: [&str; 20] = [
        "\"x\"",
        "\"\"",
        "3",
        "-3",
        "1.5",
        "-inf",
        "nan",
        "true",
        "2020-01-02",
        "07:30:00",
        "[]",
        "[1, 2]",
        "[\"a\", 2]",
        "[2020-01-02]",
        "[[1], {}]",
        "{}",
        "{ a = 1 }",
        "{ kind = 3 }",
        "{ kind = \"zz\" }",
        "[{ a = 1 }, { quantity = 3 }]",
    ];

    /// Words of libraries and of the language.
    const FOREIGN: [&str; 25] = [
        "string only",
        "another kind",
        "something else",
        "variant",
        "struct ",
        "enum",
        "newtype",
        "tuple",
        "untagged",
        "a sequence",
        "a map",
        "type: map",
        "expected map",
        "u64",
        "usize",
        "i64",
        "expected f64",
        "wanted",
        "overflow",
        "Spec",
        "$__",
        "unit value",
        "Option",
        "::",
        "invalid type",
    ];

    fn keys(value: &Value, path: &str, all: &mut Vec<String>) {
        if let Value::Table(table) = value {
            for (key, value) in table {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{key}");
                keys(value, &path, all);
                all.push(path);
            }
        }
    }

    fn check(text: &str, change: &str) {
        let Err(error) = parse_unchecked(text, &[change.to_string()]) else {
            return;
        };
        let said = error.to_string();
        let found = FOREIGN.iter().find(|word| said.contains(*word));
        assert!(found.is_none(), "{change}: {said}");
        assert!(said.contains("expected"), "{change}: {said}");
        assert!(said.chars().all(|c| !c.is_control()), "{change}: {said:?}");
    }

    /// Puts every kind of value, or each `nth` of them, at every key below `part`, as changes and as text.
    fn every_value(text: &str, part: &str, nth: usize) {
        let table: Table = toml::from_str(text).unwrap();
        let mut all = vec![format!("{part}.unknown")];
        keys(&Value::Table(table.clone()), "", &mut all);
        let all = all.iter().filter(|key| key.starts_with(part));
        for key in all.map(|key| key.trim_start_matches('.')) {
            for value in VALUES.iter().step_by(nth) {
                check(text, &format!("{key}={value}"));
                let mut written = table.clone();
                let Some(at) = at_path(&mut written, key) else {
                    continue;
                };
                let mut parsed: Table = toml::from_str(&format!("value = {value}")).unwrap();
                *at = parsed.remove("value").unwrap();
                check(&toml::to_string(&written).unwrap(), "batch=1");
            }
        }
    }

    #[test]
    fn no_value_at_any_key_is_answered_in_the_words_of_a_library() {
        for name in ["marschall2019/lags46-local-jacobian", "murray2019/reach"] {
            every_value(&resolved(&load(name, &[]).unwrap()).unwrap(), "", 1);
        }
        let base = resolved(&load("tasks/copy", &[]).unwrap()).unwrap();
        let of = |part: &str, names: Vec<&str>| {
            for name in names {
                // Some kinds have settings that must be given: their table is then tried without.
                let changed = parse_unchecked(&base, &[format!("{part}.kind={name}")]);
                if let Ok(experiment) = changed {
                    every_value(&resolved(&experiment).unwrap(), part, 3);
                }
            }
        };
        of("rule", RULES.iter().map(|info| info.name).collect());
        of("task", TASKS.iter().map(|info| info.name).collect());
    }

    #[test]
    fn the_experiment_itself_may_be_anything_but_what_is_meant() {
        for text in [
            "",
            "a = 1",
            "kind = 3",
            "[[task]]\nx = 1",
            "[[a.b]]\n[a.b.c]",
            "task = 1979-05-27",
        ] {
            check(text, "batch=1");
        }
    }
}
