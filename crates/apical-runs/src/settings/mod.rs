//! Settings as TOML text: read with changes from a command line, written, and what was mistyped.

mod explain;
mod set;

use std::collections::BTreeMap;

use apical::Experiment;
use apical::schema;
use apical::shown::{around, sentence};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub(crate) use explain::described;
pub use explain::{named, suggestion, typed};
use set::Change;
pub(crate) use set::default_at;

use crate::{Error, Result};

/// The experiment in a TOML text with changes, without looking whether the settings can work together; a task of one's own data has none yet.
pub(crate) fn parse_unchecked(text: &str, changes: &[String]) -> Result<Experiment> {
    parse_table(table(text, "experiment")?, changes)
}

/// As [`parse_unchecked`] of a text that was read.
pub(crate) fn parse_table(mut table: Table, changes: &[String]) -> Result<Experiment> {
    let changes: Vec<Change> = changes
        .iter()
        .map(|change| set::apply(&mut table, change))
        .collect::<Result<_>>()?;
    set::fit(schema::of::<Experiment>(), &mut table, &changes);
    typed(table).map_err(|error| set::with_hint(error, &changes))
}

/// The settings in the TOML text of a file, which errors call `name`.
///
/// # Errors
/// A syntax error, or a setting that is not understood.
pub(crate) fn read<T: DeserializeOwned + JsonSchema + 'static>(
    text: &str,
    name: &str,
) -> Result<T> {
    typed(table(text, name)?)
}

/// Most tables and lists in one another.
const DEEPEST: usize = 64;

/// How deep tables and lists lie in one another at most, and how many parts a key has.
fn depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0usize, 0);
    for line in text.lines() {
        let key = line.split('=').next().unwrap_or_default().trim();
        if !key.contains([',', ' ']) {
            deepest = deepest.max(key.matches('.').count());
        }
        for c in line.chars() {
            match c {
                '[' | '{' => open += 1,
                ']' | '}' => open = open.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(open);
        }
    }
    deepest
}

/// Whether a whole number stands here that has more than 63 bits.
fn is_large(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let end = digits.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let digits = &digits[..end.unwrap_or(digits.len())];
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.len() > 17
}

/// What stands in the TOML text of a file, which errors call `name`.
pub(crate) fn table(text: &str, name: &str) -> Result<Table> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let before = &text[..text.floor_char_boundary(at)];
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = text[start..].lines().next().unwrap_or_default();
        let said = match &text[at..] {
            _ if depth(&text[..start + line.len()]) > DEEPEST => {
                "tables and lists lie too deep in one another"
            }
            rest if is_large(rest) => "a number is too large, expected one below 2^63",
            _ => error.message(),
        };
        Error::Config {
            field: name.into(),
            what: format!(
                "not valid TOML at line {}, column {}, `{}`: {}",
                1 + before.matches('\n').count(),
                1 + before[start..].chars().count(),
                around(line, at - start),
                sentence(said)
            ),
            mend: "Mend the file at that place.".into(),
        }
    })
}

/// The experiment as TOML with every setting written out.
///
/// # Errors
/// None for experiments that were loaded.
pub fn resolved(experiment: &Experiment) -> Result<String> {
    text(experiment)
}

/// Settings as TOML.
///
/// # Errors
/// None for settings that were read.
pub(crate) fn text(settings: &impl Serialize) -> Result<String> {
    toml::to_string_pretty(settings).map_err(|error| Error::Config {
        field: "experiment".into(),
        what: format!("cannot be written as TOML: {error}"),
        mend: "Keep whole numbers below 2^63.".into(),
    })
}

/// Every single setting of a TOML text, by its whole key.
pub(crate) fn leaves(text: &str) -> BTreeMap<String, String> {
    fn visit(key: &str, value: &Value, into: &mut BTreeMap<String, String>) {
        let Value::Table(table) = value else {
            into.insert(key.into(), value.to_string());
            return;
        };
        for (name, value) in table {
            let dot = if key.is_empty() { "" } else { "." };
            visit(&format!("{key}{dot}{name}"), value, into);
        }
    }
    let mut all = BTreeMap::new();
    if let Ok(table) = toml::from_str::<Table>(text) {
        visit("", &Value::Table(table), &mut all);
    }
    all
}
