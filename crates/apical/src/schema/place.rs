//! Reads a schema place by place.

use serde_json::Value;

/// A place in a schema, references followed.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    root: &'a Value,
    pub(super) here: &'a Value,
}

/// What may stand at a place.
pub enum Shape<'a> {
    /// A number.
    Number,
    /// A whole number, perhaps a negative one.
    Whole {
        /// Whether there are negative ones.
        signed: bool,
    },
    /// True or false.
    Truth,
    /// Any text.
    Text,
    /// A list, perhaps of fixed length.
    List {
        /// Of what.
        items: Place<'a>,
        /// The one length it may have.
        length: Option<u64>,
    },
    /// A table with these settings.
    Table,
    /// A table whose settings depend on its `kind`: all names of each kind, and its table.
    Kinds(Vec<(Vec<&'a str>, Place<'a>)>),
    /// One of these words, or a table with the one key named.
    Words(Vec<Word<'a>>),
    /// Anything.
    Any,
}

/// A word that may stand at a place.
pub struct Word<'a> {
    /// The word.
    pub name: &'a str,
    /// What stands under it, where it is the key of a table.
    pub under: Option<Place<'a>>,
    /// One sentence.
    pub about: &'a str,
}

impl<'a> Place<'a> {
    /// The whole of a schema that [`of`](super::of) made.
    pub fn root(schema: &'a Value) -> Self {
        Self {
            root: schema,
            here: schema,
        }
    }

    pub(super) fn at(self, here: &'a Value) -> Self {
        let Some(path) = here["$ref"].as_str() else {
            return Self { here, ..self };
        };
        match path.strip_prefix("#/$defs/") {
            Some(name) => self.at(&self.root["$defs"][name]),
            None => Self::root(self.root),
        }
    }

    /// The settings of a table, in the order in which they are declared.
    pub fn settings(self) -> impl Iterator<Item = (&'a str, Self)> {
        let settings = self.here["properties"].as_object().into_iter().flatten();
        settings.map(move |(name, here)| (name.as_str(), self.at(here)))
    }

    /// The place of the setting `name` of a table.
    pub fn setting(self, name: &str) -> Option<Self> {
        self.here["properties"].get(name).map(|here| self.at(here))
    }

    /// Names of the settings of a table that must be given.
    pub fn required(self) -> impl Iterator<Item = &'a str> {
        let names = self.here["required"].as_array().into_iter().flatten();
        names.filter_map(Value::as_str)
    }

    /// Whether a table may have settings that the schema does not name.
    pub fn is_open(self) -> bool {
        self.here["additionalProperties"] != false
    }

    /// A bound of numbers here, by its keyword such as `exclusiveMinimum`.
    pub fn bound(self, keyword: &str) -> Option<f64> {
        self.here[keyword].as_f64()
    }

    pub(super) fn text(self, key: &str) -> &'a str {
        self.here[key].as_str().unwrap_or_default()
    }

    /// What may stand here.
    pub fn shape(self) -> Shape<'a> {
        if let Some(variants) = self.here["oneOf"].as_array() {
            let kind = |variant| {
                let table = self.at(variant);
                let names = words(&table.here["properties"]["kind"]);
                (!names.is_empty()).then_some((names, table))
            };
            let kinds: Option<Vec<_>> = variants.iter().map(kind).collect();
            return match kinds {
                Some(kinds) => Shape::Kinds(kinds),
                None => Shape::Words(
                    variants
                        .iter()
                        .flat_map(|one| self.at(one).words())
                        .collect(),
                ),
            };
        }
        let items = || self.at(&self.here["items"]);
        match self.text("type") {
            "number" => Shape::Number,
            "integer" => Shape::Whole {
                signed: !self.text("format").starts_with('u'),
            },
            "boolean" => Shape::Truth,
            "string" => match self.words() {
                words if words.is_empty() => Shape::Text,
                words => Shape::Words(words),
            },
            "array" => {
                let [least, most] = ["minItems", "maxItems"].map(|key| self.here[key].as_u64());
                Shape::List {
                    items: items(),
                    length: least.filter(|_| least == most),
                }
            }
            "object" => Shape::Table,
            _ => Shape::Any,
        }
    }

    /// The words, or the key of a table, that this one of several shapes has.
    fn words(self) -> Vec<Word<'a>> {
        let about = self.text("description");
        let mut all: Vec<_> = words(self.here)
            .into_iter()
            .map(|name| Word {
                name,
                under: None,
                about,
            })
            .collect();
        let keys = self.settings().map(|(name, under)| Word {
            name,
            under: Some(under),
            about,
        });
        all.extend(keys);
        all
    }
}

/// The words a schema admits by `const` or `enum`.
fn words(here: &Value) -> Vec<&str> {
    let listed = here["enum"].as_array().into_iter().flatten();
    here.get("const")
        .into_iter()
        .chain(listed)
        .filter_map(Value::as_str)
        .collect()
}
