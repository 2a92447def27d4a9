//! Say which setting was not understood, what stands there and what is expected, by looking it up in the schema.

use std::cmp::Reverse;

use apical::schema::{self, Place, Shape, Word};
use apical::shown::shown;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::{Error, Result};

/// Deserializes with errors that name the key and the nearest known one.
///
/// # Errors
/// The first setting that is not understood.
pub fn typed<T: DeserializeOwned + JsonSchema + 'static>(table: Table) -> Result<T> {
    named("", table)
}

/// As [`typed`] for settings that stand under `name`, which errors then say.
///
/// # Errors
/// The first setting that is not understood.
pub fn named<T: DeserializeOwned + JsonSchema + 'static>(name: &str, table: Table) -> Result<T> {
    let value = Value::Table(table);
    match refusal(Place::root(schema::of::<T>()), &value, name) {
        Some(refusal) => Err(refusal.error()),
        None => T::deserialize(value).map_err(|_| together(name)),
    }
}

/// Settings each of which is fine.
fn together(name: &str) -> Error {
    Error::Config {
        field: whole(name),
        what: "got settings that do not go together, expected others".into(),
        mend: MEND.into(),
    }
}

/// Why a value is refused, and where.
pub(super) struct Refusal<'a> {
    pub(super) path: String,
    why: Why<'a>,
}

enum Why<'a> {
    /// A key is missing.
    Missing(&'a str),
    /// A key is none of these.
    Key(String, Vec<&'a str>),
    /// A word is none of these.
    Word(String, Vec<Word<'a>>),
    /// Another kind of value is expected: both in words, and what to do.
    Other(String, String, &'static str),
}

/// What to do where nothing better is known.
pub(super) const MEND: &str = "Change the value to what is expected.";

impl Refusal<'_> {
    fn error(self) -> Error {
        let field = whole(&self.path);
        let (what, mend) = match self.why {
            Why::Missing(key) => (
                "missing, expected a value".into(),
                format!(
                    "Add `{key}`; `apical list NAME --resolved` prints a complete experiment to copy from."
                ),
            ),
            Why::Key(key, known) => (
                format!("unknown key `{}`, expected {}", shown(&key), listed(&known)),
                suggestion(&key, &known, "Remove it."),
            ),
            Why::Word(word, known) => {
                let names: Vec<&str> = known.iter().map(|word| word.name).collect();
                let expected = any_of(&known);
                (
                    format!("unknown value `{}`, expected {expected}", shown(&word)),
                    suggestion(&word, &names, "Use one of these."),
                )
            }
            Why::Other(got, expected, mend) => {
                (format!("got {got}, expected {expected}"), mend.into())
            }
        };
        Error::Config { field, what, mend }
    }
}

fn whole(path: &str) -> String {
    match path {
        "" => "experiment".into(),
        _ => path.into(),
    }
}

fn below(path: &str, key: &str) -> String {
    match path {
        "" => key.into(),
        _ => format!("{path}.{key}"),
    }
}

/// The first part of `table`, which stands at `path`, that the schema refuses.
pub(super) fn refused<'a>(schema: &'a serde_json::Value, table: &Table) -> Option<Refusal<'a>> {
    of_table(Place::root(schema), table, "", false)
}

/// The first part of `value`, which stands at `path`, that is refused at this place of the schema.
fn refusal<'a>(place: Place<'a>, value: &Value, path: &str) -> Option<Refusal<'a>> {
    let because = |why| {
        let path = path.to_string();
        Some(Refusal { path, why })
    };
    let other = |got: String| because(Why::Other(got, expected(place), mend(place, value)));
    match (place.shape(), value) {
        (Shape::Any, _)
        | (Shape::Number, Value::Float(_) | Value::Integer(_))
        | (Shape::Whole { signed: true }, Value::Integer(_))
        | (Shape::Whole { .. }, Value::Integer(0..))
        | (Shape::Truth, Value::Boolean(_))
        | (Shape::Text, Value::String(_)) => None,
        (
            Shape::List {
                length: Some(length),
                ..
            },
            Value::Array(list),
        ) if list.len() as u64 != length => other(format!("a list of length {}", list.len())),
        (Shape::List { items, .. }, Value::Array(list)) => {
            let mut list = list.iter().enumerate();
            list.find_map(|(k, value)| refusal(items, value, &format!("{path}[{k}]")))
        }
        (Shape::Table, Value::Table(table)) => of_table(place, table, path, false),
        (Shape::Kinds(kinds), Value::Table(table)) => of_kind(kinds, table, path),
        (Shape::Words(words), Value::String(word)) => {
            let fits = words
                .iter()
                .any(|known| known.name == word && known.under.is_none());
            if fits {
                None
            } else {
                because(Why::Word(word.clone(), words))
            }
        }
        (Shape::Words(words), Value::Table(table)) => {
            let under = |key: &str| words.iter().find(|word| word.name == key)?.under;
            let keys: Vec<&str> = words
                .iter()
                .filter(|word| word.under.is_some())
                .map(|word| word.name)
                .collect();
            if keys.is_empty() || table.is_empty() {
                return other(described(value));
            }
            if let Some(key) = table.keys().find(|key| under(key).is_none()) {
                let path = below(path, key);
                return Some(Refusal {
                    path,
                    why: Why::Key(key.clone(), keys),
                });
            }
            if table.len() > 1 {
                let given: Vec<&str> = table.keys().map(String::as_str).collect();
                let given = format!("{} together", given.join(", "));
                return because(Why::Other(given, "one of them".into(), MEND));
            }
            let mut only = table.iter();
            only.find_map(|(key, value)| refusal(under(key)?, value, &below(path, key)))
        }
        (_, Value::Array(_)) => other("a list".into()),
        _ => other(described(value)),
    }
}

/// As [`refusal`] of a table whose `kind` decides on its settings.
fn of_kind<'a>(
    kinds: Vec<(Vec<&'a str>, Place<'a>)>,
    table: &Table,
    path: &str,
) -> Option<Refusal<'a>> {
    let place = below(path, "kind");
    let words = || {
        let names = kinds.iter().map(|(names, _)| names[0]);
        names
            .map(|name| Word {
                name,
                under: None,
                about: "",
            })
            .collect::<Vec<_>>()
    };
    let why = match table.get("kind") {
        None => Why::Missing("kind"),
        Some(Value::String(kind)) => {
            match kinds
                .iter()
                .find(|(names, _)| names.contains(&kind.as_str()))
            {
                Some((_, settings)) => return of_table(*settings, table, path, true),
                None => Why::Word(kind.clone(), words()),
            }
        }
        Some(other) => Why::Other(described(other), any_of(&words()), MEND),
    };
    Some(Refusal { path: place, why })
}

/// As [`refusal`] of a table with these settings, the `kind` among them looked at before if it `has_kind`.
fn of_table<'a>(
    place: Place<'a>,
    table: &Table,
    path: &str,
    has_kind: bool,
) -> Option<Refusal<'a>> {
    let known = |key: &&str| !(has_kind && *key == "kind");
    for (key, value) in table.iter().filter(|(key, _)| known(&key.as_str())) {
        let path = below(path, key);
        match place.setting(key) {
            Some(place) => {
                if let Some(refusal) = refusal(place, value, &path) {
                    return Some(refusal);
                }
            }
            None if place.is_open() => {}
            None => {
                let known = place
                    .settings()
                    .map(|(name, _)| name)
                    .filter(known)
                    .collect();
                return Some(Refusal {
                    path,
                    why: Why::Key(key.clone(), known),
                });
            }
        }
    }
    let missing = place.required().find(|key| !table.contains_key(*key))?;
    Some(Refusal {
        path: below(path, missing),
        why: Why::Missing(missing),
    })
}

/// What is taken at a place, in words.
fn expected(place: Place<'_>) -> String {
    match place.shape() {
        Shape::Number => "a number".into(),
        Shape::Whole { signed: true } => "a whole number".into(),
        Shape::Whole { signed: false } => "a whole number that is not negative".into(),
        Shape::Truth => "true or false".into(),
        Shape::Text => "a text".into(),
        Shape::List {
            length: Some(length),
            ..
        } => format!("a list of {length} numbers"),
        Shape::List { length: None, .. } => "a list".into(),
        Shape::Table | Shape::Kinds(_) => "a table with its settings".into(),
        Shape::Words(words) => any_of(&words),
        Shape::Any => "another value".into(),
    }
}

/// What to do about a value that is no such thing.
fn mend(place: Place<'_>, value: &Value) -> &'static str {
    match (value, place.shape()) {
        (Value::Datetime(_), Shape::Text | Shape::Words(_)) => "Put it in quotes if it is a name.",
        _ => MEND,
    }
}

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

fn any_of(words: &[Word<'_>]) -> String {
    let written = |word: &Word<'_>| match word.under {
        None => word.name.to_string(),
        Some(_) => format!("{{ {} = ... }}", word.name),
    };
    listed(&words.iter().map(written).collect::<Vec<_>>())
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
    use apical::Experiment;
    use apical::rule::RULES;
    use apical::task::TASKS;
    use serde::Deserialize;

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
    const FOREIGN: [&str; 26] = [
        "go together",
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
    fn every_value(schema: &serde_json::Value, text: &str, part: &str, nth: usize) {
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
                let no_text = matches!(at, Value::Datetime(_) | Value::Array(_));
                // What the types do not take the schema refuses, and it takes no list for a table and no date for a text.
                let read = Experiment::deserialize(written.clone()).is_ok();
                let refusal = refused(schema, &written).map(|refusal| refusal.path);
                let fits = read == refusal.is_none() || read && no_text;
                assert!(fits, "{key}={value}: {refusal:?}");
                check(&toml::to_string(&written).unwrap(), "batch=1");
            }
        }
    }

    #[test]
    fn no_value_at_any_key_is_answered_in_the_words_of_a_library() {
        let schema = schema::of::<Experiment>();
        for name in ["marschall2019/lags46-local-jacobian", "murray2019/reach"] {
            every_value(schema, &resolved(&load(name, &[]).unwrap()).unwrap(), "", 1);
        }
        let base = resolved(&load("tasks/copy", &[]).unwrap()).unwrap();
        let of = |part: &str, names: Vec<&str>| {
            for name in names {
                // Some kinds have settings that must be given: their table is then tried without.
                let changed = parse_unchecked(&base, &[format!("{part}.kind={name}")]);
                if let Ok(experiment) = changed {
                    every_value(schema, &resolved(&experiment).unwrap(), part, 3);
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
