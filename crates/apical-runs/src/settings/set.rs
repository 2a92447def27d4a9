//! Changes from the command line: `key=value`, where a shell may have taken the quotes away.

use apical::LearnerSpec;
use apical::shown::shown;
use toml::{Table, Value};

use super::explain::{MEND, at_path, refused};
use crate::{Error, Result};

/// Most parts of a key; tables are nested far less.
const PARTS: usize = 16;

/// A change as it was written.
pub(super) struct Change {
    key: String,
    text: String,
}

/// Puts the change `key=value` into `table`.
pub(super) fn apply(table: &mut Table, change: &str) -> Result<Change> {
    let wrong = |what: String| Error::Config {
        field: format!("--set {}", shown(change)),
        what,
        mend: "Write for example --set rule.rate=1e-3 or --set task.lags=[5,9].".into(),
    };
    let (key, text) = change
        .split_once('=')
        .ok_or_else(|| wrong("no `=`, expected key=value".into()))?;
    let (key, text) = (key.trim(), text.trim());
    let path: Vec<&str> = key.split('.').collect();
    if path.iter().any(|part| part.is_empty()) {
        return Err(wrong("an empty key".into()));
    }
    if path.len() > PARTS {
        let parts = path.len();
        return Err(wrong(format!(
            "a key of {parts} parts, expected at most {PARTS}"
        )));
    }
    if text.len() > 18 && text.bytes().all(|c| c.is_ascii_digit()) && text.parse::<i64>().is_err() {
        return Err(Error::Config {
            field: key.into(),
            what: format!("got {}, expected a whole number below 2^63", shown(text)),
            mend: "Use a smaller one; did a digit slip in?".into(),
        });
    }
    let value = read(text).unwrap_or_else(|| Value::String(text.into()));
    let (last, parents) = path
        .split_last()
        .ok_or_else(|| wrong("an empty key".into()))?;
    let mut at = table;
    for (depth, part) in parents.iter().enumerate() {
        let entry = at
            .entry(*part)
            .or_insert_with(|| default_at(&parents[..=depth]).into());
        at = match entry {
            Value::Table(inner) => inner,
            _ => return Err(wrong(format!("`{part}` is a value, not a table"))),
        };
    }
    // The settings of one kind mean nothing to another.
    if *last == "kind" && at.get("kind").is_some_and(|old| *old != value) {
        at.clear();
    }
    at.insert((*last).into(), value);
    Ok(Change {
        key: key.into(),
        text: text.into(),
    })
}

/// What stands for a table that an experiment leaves out, where a change of one setting must keep the others.
pub(crate) fn default_at(path: &[&str]) -> Table {
    let LearnerSpec {
        network,
        feedback,
        rule,
        ..
    } = LearnerSpec::default();
    let default = match path {
        ["rule"] => Table::try_from(rule),
        ["feedback"] => Table::try_from(feedback),
        ["network", "neuron"] => Table::try_from(network.neuron),
        _ => Ok(Table::new()),
    };
    default.unwrap_or_default()
}

/// A value of TOML, or a list or table of it whose texts have lost their quotes.
fn read(text: &str) -> Option<Value> {
    toml_value(text).or_else(|| toml_value(&with_quotes(text)?))
}

fn toml_value(text: &str) -> Option<Value> {
    let mut parsed = toml::from_str::<Table>(&format!("value = {text}")).ok()?;
    let value = parsed.remove("value")?;
    // What looks like a date is a name; a second line would be another setting.
    (parsed.is_empty() && !has_date(&value)).then_some(value)
}

fn has_date(value: &Value) -> bool {
    match value {
        Value::Datetime(_) => true,
        Value::Array(list) => list.iter().any(has_date),
        Value::Table(table) => table.iter().any(|(_, value)| has_date(value)),
        _ => false,
    }
}

/// `[x, y]` and `{kind=rflo}` with quotes around their plain words.
fn with_quotes(text: &str) -> Option<String> {
    if !text.starts_with(['[', '{']) {
        return None;
    }
    let (mut all, mut word) = (String::new(), String::new());
    let mut quote = None;
    for c in text.chars() {
        if quote.is_some() || "\"'".contains(c) {
            quote = match quote {
                Some(open) if open == c => None,
                Some(open) => Some(open),
                None => Some(c),
            };
            word.push(c);
            continue;
        }
        if !"[]{},=".contains(c) {
            word.push(c);
            continue;
        }
        let plain = word.trim();
        if c == '=' || plain.is_empty() || toml_value(plain).is_some() {
            all.push_str(plain);
        } else {
            all.push_str(&Value::String(plain_word(plain)?.into()).to_string());
        }
        all.push(c);
        word.clear();
    }
    (quote.is_none() && word.trim().is_empty()).then_some(all)
}

/// A word that can mean nothing but itself.
fn plain_word(word: &str) -> Option<&str> {
    let word = word.trim();
    let odd = |c: char| c.is_control() || "\"'`#[]{}=,\\".contains(c);
    (!word.is_empty() && !word.contains(odd)).then_some(word)
}

/// The value with whole numbers for 1e4 and 3.0.
fn whole(value: &Value) -> Value {
    match value {
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 2f64.powi(53) => {
            Value::Integer(*number as i64)
        }
        Value::Array(list) => Value::Array(list.iter().map(whole).collect()),
        other => other.clone(),
    }
}

/// The words of `x`, `x,y`, `[x]` or `[x,y]`.
fn words(text: &str) -> Option<Value> {
    let inner = match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None => text,
    };
    let words = inner.split(',').map(plain_word);
    let strings = words.map(|word| Some(Value::String(word?.into())));
    strings.collect::<Option<Vec<_>>>().map(Value::Array)
}

/// Reads changes again whose meaning shows from what is expected: 1e4 for a whole number, `x,y` for a list, 3 for a name.
pub(super) fn fit(schema: &serde_json::Value, table: &mut Table, changes: &[Change]) {
    for _ in 0..4 * changes.len() {
        let Some(refusal) = refused(schema, table) else {
            return;
        };
        let path = refusal.path;
        let Some(change) = changes.iter().rev().find(|change| change.holds(&path)) else {
            return;
        };
        let Some(value) = at_path(table, &path).cloned() else {
            return;
        };
        let fits = change
            .others(&path, &value)
            .into_iter()
            .find_map(|(at, other)| {
                let mut tried = table.clone();
                *at_path(&mut tried, at)? = other;
                let is_mended = match refused(schema, &tried) {
                    None => true,
                    Some(refusal) => {
                        !change.holds(&refusal.path) && !change.is_within(&refusal.path)
                    }
                };
                is_mended.then_some(tried)
            });
        match fits {
            Some(fitting) => *table = fitting,
            None => return,
        }
    }
}

impl Change {
    /// Whether `path` is this key or lies below it.
    fn holds(&self, path: &str) -> bool {
        path.strip_prefix(self.key.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// Whether this key lies in the table at `path`.
    fn is_within(&self, path: &str) -> bool {
        self.key
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    }

    /// What else the text may mean, each with its place.
    fn others<'a>(&'a self, path: &'a str, value: &Value) -> Vec<(&'a str, Value)> {
        let (key, text) = (self.key.as_str(), self.text.as_str());
        let mut others = Vec::new();
        others.push((path, whole(value)));
        match value {
            Value::String(word) if path == key && text.starts_with(['"', '\'']) => {
                others.push((key, Value::Array(vec![Value::String(word.clone())])));
            }
            Value::Table(_) => {}
            _ => {
                if path == key && plain_word(text).is_some() {
                    others.push((key, Value::String(text.into())));
                }
                others.extend(read(&format!("[{text}]")).map(|list| (key, list)));
                others.extend(words(text).map(|list| (key, list)));
            }
        }
        others
    }

    /// What to type instead of a list or table that could not be read.
    fn retyped(&self) -> String {
        let mut whole = self.text.clone();
        let mut open = Vec::new();
        for c in self.text.chars() {
            match c {
                '[' => open.push(']'),
                '{' => open.push('}'),
                ']' | '}' => drop(open.pop()),
                _ => {}
            }
        }
        whole.extend(open.iter().rev());
        match read(&whole) {
            Some(value) if whole.len() < 100 => format!("--set '{}={value}'", self.key),
            _ => format!("--set '{}=[\"x\", \"y\"]'", self.key),
        }
    }
}

/// The same error; where it is about a list or table of a change, with how to write it for a shell.
pub(super) fn with_hint(error: Error, changes: &[Change]) -> Error {
    match error {
        Error::Config { field, what, mend } => {
            let listed = |change: &&Change| {
                change.holds(&field)
                    && change.text.starts_with(['[', '{'])
                    && read(&change.text).is_none()
            };
            let mend = match changes.iter().rev().find(listed) {
                Some(change) if mend == MEND => {
                    format!("In a shell, quote lists and tables: {}.", change.retyped())
                }
                _ => mend,
            };
            Error::Config { field, what, mend }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_unchecked;
    use super::*;
    use crate::experiment::load;
    use apical::Experiment;
    use apical::task::TaskSpec;

    fn with(changes: &[&str]) -> Result<Experiment> {
        let text = super::super::resolved(&load("marschall2019/lags46", &[])?)?;
        let changes: Vec<String> = changes.iter().map(|change| change.to_string()).collect();
        parse_unchecked(&text, &changes)
    }

    fn inputs(value: &str) -> Vec<String> {
        let change = format!("task.inputs={value}");
        let all = [
            "task.kind=data",
            "task.file=a.csv",
            "task.targets=z",
            &change,
        ];
        match with(&all)
            .unwrap_or_else(|error| panic!("{value}: {error}"))
            .task
        {
            TaskSpec::Data(spec) => spec.inputs,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lists_of_words_are_read_with_and_without_the_quotes_a_shell_takes() {
        for value in ["[\"x\"]", "['x']", "[x]", "x", "\"x\"", "[ x ]"] {
            assert_eq!(inputs(value), ["x"], "{value}");
        }
        for value in [
            "[\"x\",\"y 2\"]",
            "[x,y 2]",
            "x,y 2",
            "[x, \"y 2\"]",
            "[\"x\", y 2 ]",
        ] {
            assert_eq!(inputs(value), ["x", "y 2"], "{value}");
        }
        // What looks like numbers and dates are names where names are expected.
        assert_eq!(inputs("[1,2.0]"), ["1", "2.0"]);
        assert_eq!(inputs("[1,x]"), ["1", "x"]);
        assert_eq!(inputs("3"), ["3"]);
        assert_eq!(inputs("2020-01-02"), ["2020-01-02"]);
        assert_eq!(inputs("\"x,y\""), ["x,y"]);
        assert_eq!(inputs("größe (µV)"), ["größe (µV)"]);
    }

    #[test]
    fn tables_lists_and_numbers_are_read_where_there_is_no_doubt() {
        for change in [
            "rule={kind=rflo}",
            "rule={ kind = \"rflo\" }",
            "rule={kind=rflo,leak=0.5}",
        ] {
            assert_eq!(
                with(&[change]).unwrap().rule.info().name,
                "rflo",
                "{change}"
            );
        }
        for change in ["steps=1e4", "steps=10_000", "steps=10000.0", "steps=1e+4"] {
            assert_eq!(with(&[change]).unwrap().steps, 10_000, "{change}");
        }
        assert_eq!(with(&["title=2019"]).unwrap().title, "2019");
        let lags = |change| match with(&[change]).unwrap().task {
            TaskSpec::Add(spec) => spec.lags,
            other => panic!("{other:?}"),
        };
        assert_eq!(lags("task.lags=4,9"), lags("task.lags=[4,9]"));
        assert_eq!(lags("task.lags=[4e0,9]"), lags("task.lags=[4,9]"));
        let every = with(&["update={every=1e2}"]).unwrap().update;
        assert_eq!(every, apical::Update::Every(100));
    }

    #[test]
    fn what_is_in_doubt_is_refused_with_what_to_type() {
        for (change, parts) in [
            (
                "steps=1.5e0",
                &["steps: got floating point `1.5`", "a whole number"][..],
            ),
            (
                "steps=ten",
                &["steps: got string \"ten\"", "a whole number"],
            ),
            ("precision=32", &["precision", "f32, f64"]),
            (
                "precision={}",
                &["precision: got a table, expected one of f32, f64"],
            ),
            (
                "update=3",
                &["update: got integer `3`, expected one of step, { every = ... }"],
            ),
            (
                "update={every=1,trials=2}",
                &["update: got every, trials together, expected one of them"],
            ),
            (
                "network.neuron=[1]",
                &["network.neuron: got a list", "expected a table"],
            ),
            (
                "rule=2020-01-01",
                &["rule: got string \"2020-01-01\"", "expected a table"],
            ),
            (
                "checkpoint=[100]",
                &["checkpoint: got a list, expected a table with its settings"],
            ),
            ("title=[1]", &["title: got a list", "expected a text"]),
            (
                "task.lags=[4,5",
                &["In a shell, quote", "--set 'task.lags=[4, 5]'"],
            ),
            ("steps=99999999999999999999", &["below 2^63"]),
            ("steps=1\nbatch=2", &["steps: got string"]),
        ] {
            let said = with(&[change]).unwrap_err().to_string();
            for part in parts {
                assert!(said.contains(part), "{change}: {said}");
            }
        }
        let deep = format!("{}=1", vec!["a"; 10_000].join("."));
        let said = with(&[&deep]).unwrap_err().to_string();
        assert!(said.contains("10000 parts") && said.len() < 500, "{said}");
    }

    #[test]
    fn deeply_nested_and_long_texts_are_refused_in_few_words() {
        for text in [
            format!("a = {}", "[".repeat(10_000)),
            format!("a = {}1{}", "[".repeat(10_000), "]".repeat(10_000)),
            format!("a = {}", "{a=".repeat(10_000)),
            format!("[{}]", vec!["a"; 10_000].join(".")),
            format!("{} = 1", vec!["a"; 10_000].join(".")),
            format!("steps = \"{}", "x".repeat(100_000)),
            format!("steps = \"{}\"", "x".repeat(100_000)),
            format!("{} = 1", "k".repeat(100_000)),
        ] {
            let said = parse_unchecked(&text, &[]).unwrap_err().to_string();
            assert!(said.len() < 1_500, "{} bytes: {said}", said.len());
            let is_deep = ["[[", "{a=", "a.a"].iter().any(|deep| text.contains(deep));
            assert_eq!(said.contains("too deep"), is_deep, "{said}");
        }
        for large in ["99999999999999999999", "-0xFFFFFFFFFFFFFFFFFF"] {
            let said = parse_unchecked(&format!("steps = {large}"), &[]);
            let said = said.unwrap_err().to_string();
            assert!(said.contains("below 2^63"), "{large}: {said}");
        }
        for text in [
            "[".repeat(10_000),
            "{a=".repeat(10_000),
            "x".repeat(100_000),
        ] {
            let said = with(&[&format!("task.lags={text}")])
                .unwrap_err()
                .to_string();
            assert!(said.len() < 1_500, "{said}");
        }
    }
}
