//! Settings as tables, help and signatures describe them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::of;
use super::place::{Place, Shape};

/// The type of a setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// A number.
    Number,
    /// A whole number.
    Whole,
    /// True or false.
    Truth,
    /// Any text.
    Text,
    /// One of some words, or a table with one of them as its key.
    Words,
    /// A table.
    Table,
    /// A list.
    List {
        /// Of what.
        of: Box<Type>,
        /// The one length it may have.
        length: Option<u64>,
    },
    /// Anything.
    Any,
}

impl Type {
    fn of(place: Place<'_>) -> Self {
        match place.shape() {
            Shape::Number => Self::Number,
            Shape::Whole { .. } => Self::Whole,
            Shape::Truth => Self::Truth,
            Shape::Text => Self::Text,
            Shape::Words(_) => Self::Words,
            Shape::Table | Shape::Kinds(_) => Self::Table,
            Shape::List { items, length } => Self::List {
                of: Box::new(Self::of(items)),
                length,
            },
            Shape::Any => Self::Any,
        }
    }

    fn many(&self) -> String {
        match self {
            Self::Number => "numbers".into(),
            Self::Whole => "whole numbers".into(),
            Self::Text => "texts".into(),
            Self::Table => "tables".into(),
            Self::List { of, .. } => format!("lists of {}", of.many()),
            other => format!("{other}"),
        }
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number => f.write_str("number"),
            Self::Whole => f.write_str("whole number"),
            Self::Truth => f.write_str("true or false"),
            Self::Text => f.write_str("text"),
            Self::Words => f.write_str("word"),
            Self::Table => f.write_str("table"),
            Self::List {
                of,
                length: Some(length),
            } => write!(f, "list of {length} {}", of.many()),
            Self::List { of, length: None } => write!(f, "list of {}", of.many()),
            Self::Any => f.write_str("any"),
        }
    }
}

/// A word that a setting may have, or the kind of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// The word.
    pub name: String,
    /// Whether it is the one key of a table and not a word by itself.
    pub is_key: bool,
    /// One sentence.
    pub about: String,
}

/// A setting as tables and help describe it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// Name in its table.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Where numbers may lie, such as `(0, 1]`; of a list, each of them.
    pub range: Option<String>,
    /// What numbers count, such as `steps`.
    pub unit: Option<String>,
    /// Its value if it is left out; none if it must be given, or does nothing then.
    pub default: Option<Value>,
    /// Whether it must be given.
    pub required: bool,
    /// The words it may be, or the kinds of its table.
    pub choices: Vec<Choice>,
    /// One sentence.
    pub about: String,
    /// The settings inside of its table, by kind.
    #[serde(skip)]
    pub inside: Vec<Kind>,
}

/// Settings that belong together: those of one kind, or those of a table without kinds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kind {
    /// Its name and other names; empty for a table without kinds.
    pub names: Vec<String>,
    /// One sentence.
    pub about: String,
    /// Its settings, `kind` left out.
    pub settings: Vec<Setting>,
}

/// The kinds of settings of type `T`.
pub fn kinds<T: JsonSchema + 'static>() -> Vec<Kind> {
    all_kinds(Place::root(of::<T>()), true)
}

fn all_kinds(place: Place<'_>, deep: bool) -> Vec<Kind> {
    let kind = |names: Vec<&str>, table: Place<'_>| Kind {
        names: names.into_iter().map(String::from).collect(),
        about: table.text("description").into(),
        settings: settings(table, deep),
    };
    match place.shape() {
        Shape::Kinds(kinds) => kinds
            .into_iter()
            .map(|(names, table)| kind(names, table))
            .collect(),
        Shape::Table => match place.setting("kind").map(Place::shape) {
            Some(Shape::Words(words)) => words
                .iter()
                .map(|word| Kind {
                    about: word.about.into(),
                    ..kind(vec![word.name], place)
                })
                .collect(),
            _ => vec![kind(Vec::new(), place)],
        },
        _ => Vec::new(),
    }
}

/// The settings of a table; with those inside of it if `deep`.
fn settings(table: Place<'_>, deep: bool) -> Vec<Setting> {
    let all = table.here["properties"].as_object().into_iter().flatten();
    let all = all.filter(|(name, _)| *name != "kind");
    all.map(|(name, said)| {
        let place = table.at(said);
        let choices = match place.shape() {
            Shape::Words(words) => words
                .iter()
                .map(|word| Choice {
                    name: word.name.into(),
                    is_key: word.under.is_some(),
                    about: word.about.into(),
                })
                .collect(),
            Shape::Kinds(kinds) => kinds
                .iter()
                .map(|(names, table)| Choice {
                    name: names[0].into(),
                    is_key: false,
                    about: table.text("description").into(),
                })
                .collect(),
            _ => Vec::new(),
        };
        let numbers = match place.shape() {
            Shape::List { items, .. } => items.here,
            _ => place.here,
        };
        // What stands at the setting itself goes before what its type says.
        let first = |key: &str| said.get(key).or(place.here.get(key)).cloned();
        Setting {
            kind: Type::of(place),
            range: range(numbers),
            unit: first("unit").and_then(|unit| Some(unit.as_str()?.into())),
            default: first("default"),
            required: table.required().any(|required| required == name),
            choices,
            about: first("description")
                .and_then(|text| Some(text.as_str()?.into()))
                .unwrap_or_default(),
            inside: if deep {
                all_kinds(place, false)
            } else {
                Vec::new()
            },
            name: name.clone(),
        }
    })
    .collect()
}

/// Where numbers may lie, as errors say it.
fn range(here: &Value) -> Option<String> {
    let bound = |key: &str| {
        here.get(key)
            .filter(|bound| bound.is_number())
            .map(Value::to_string)
    };
    let short = |text: String| text.strip_suffix(".0").map(String::from).unwrap_or(text);
    let bound = |key: &str| bound(key).map(short);
    let least = bound("minimum")
        .map(|b| ('[', b))
        .or(bound("exclusiveMinimum").map(|b| ('(', b)));
    let most = bound("maximum")
        .map(|b| (']', b))
        .or(bound("exclusiveMaximum").map(|b| (')', b)));
    Some(match (least, most) {
        (Some((open, least)), Some((close, most))) => format!("{open}{least}, {most}{close}"),
        (Some(('[', least)), None) => format!("at least {least}"),
        (Some((_, least)), None) => format!("above {least}"),
        (None, Some((']', most))) => format!("at most {most}"),
        (None, Some((_, most))) => format!("below {most}"),
        (None, None) => return None,
    })
}

/// A value as TOML writes it; a word alone without its quotes.
pub fn written(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        other => inner(other),
    }
}

fn inner(value: &Value) -> String {
    match value {
        Value::Array(list) => format!(
            "[{}]",
            list.iter().map(inner).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(table) if table.is_empty() => "{}".into(),
        Value::Object(table) => {
            let pairs = table
                .iter()
                .map(|(key, value)| format!("{key} = {}", inner(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
