//! Find an experiment by name or file, change it from the command line, and say what was mistyped.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use apical::Experiment;
use apical::monitor::MonitorSpec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::{Error, Result, data, memory};

/// An experiment that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Name on the command line.
    pub name: &'static str,
    /// The file, as it stands in `experiments/`.
    pub toml: &'static str,
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(BuiltIn {
            name: $name,
            toml: include_str!(concat!("../../../experiments/", $name, ".toml")),
        }),*]
    };
}

/// Every experiment that comes with the program.
pub const BUILT_IN: &[BuiltIn] = built_in![
    "marschall2019/lags46",
    "marschall2019/lags46-frozen",
    "marschall2019/lags46-symmetric",
    "marschall2019/lags35",
    "marschall2019/lags35-frozen",
    "marschall2019/lags35-symmetric",
    "marschall2019/lags59",
    "marschall2019/lags59-frozen",
    "marschall2019/lags46-local-jacobian",
    "marschall2019/lags46-uniform",
    "marschall2019/lags46-uniform-frozen",
    "marschall2019/lags35-scripts2018",
    "marschall2019/lags35-scripts2018-frozen",
    "marschall2019/lags59-rtrl",
    "marschall2020/add-a1",
    "marschall2020/add-a05",
    "marschall2020/mimic-a1",
    "marschall2020/mimic-a05",
    "marschall2020/add-a1-long",
    "marschall2020/add-release",
    "marschall2020/add46",
    "marschall2020/add35",
    "liu2022/xor",
    "liu2022/pattern",
    "murray2019/periodic-200",
    "murray2019/periodic-200-bptt",
    "murray2019/periodic-200-dale",
    "murray2019/periodic-400",
    "murray2019/periodic-400-bptt",
    "murray2019/periodic-400-dale",
    "murray2019/periodic-800",
    "murray2019/periodic-800-bptt",
    "murray2019/periodic-800-dale",
    "murray2019/periodic-1600",
    "murray2019/periodic-1600-bptt",
    "murray2019/periodic-1600-dale",
    "murray2019/interval-150",
    "murray2019/interval-150-bptt",
    "murray2019/interval-200",
    "murray2019/interval-250-bptt",
    "murray2019/periodic-200-online",
    "murray2019/periodic-200-readout",
    "murray2019/periodic-200-recurrent",
    "murray2019/periodic-200-reinforce",
    "murray2019/periodic-800-nonlocal",
    "murray2019/periodic-800-symmetric",
    "murray2019/reach",
    "murray2019/sequence",
    "murray2019/sequence-bptt",
    "murray2019/size-gain",
    "tasks/mimic",
    "tasks/flip_flop",
    "tasks/integration",
    "tasks/context_decision",
    "tasks/delayed_match",
    "tasks/sensorimotor_mapping",
    "tasks/sine_wave",
    "tasks/fixed_point_transition",
    "tasks/binary_addition",
    "tasks/copy",
    "tasks/multi_task",
];

/// Reads a built-in experiment or a TOML file, applies `key = value` changes in order, and builds the
/// experiment, with the data its task names.
///
/// # Errors
/// A name that is neither, a file that cannot be read, a syntax error, an unknown key or value (the nearest
/// known one is suggested), or a setting that cannot work.
pub fn load(name: &str, changes: &[String]) -> Result<Experiment> {
    let built_in = BUILT_IN.iter().any(|known| known.name == name);
    // A file is the place from which the files it names may be found.
    let folder = Path::new(name).parent().filter(|_| !built_in);
    parse_in(&source(name)?, changes, folder).map_err(|error| match error {
        // Where there is a file, say which.
        Error::Config { field, what, mend } if field == "experiment" && !built_in => {
            let field = name.to_string();
            Error::Config { field, what, mend }
        }
        other => other,
    })
}

/// Builds an experiment from TOML text and changes.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, changes: &[String]) -> Result<Experiment> {
    parse_in(text, changes, None)
}

fn parse_in(text: &str, changes: &[String], folder: Option<&Path>) -> Result<Experiment> {
    let mut experiment = parse_unchecked(text, changes)?;
    data::load(&mut experiment.task, folder)?;
    check_size(&experiment)?;
    // What one rule lets record means nothing to another.
    if !changes.is_empty()
        && let Ok(before) = toml::from_str::<Experiment>(text)
        && before.rule.info().name != experiment.rule.info().name
        && before.monitor == experiment.monitor
    {
        let learner = experiment.learner_without_start::<f32>(experiment.seed)?;
        let known = |monitor: &MonitorSpec| learner.find(&monitor.quantity).is_ok();
        experiment.monitor.retain(known);
    }
    experiment.check()?;
    Ok(experiment)
}

/// As [`parse`], without looking whether the settings can work together; a task of one's own data has none yet.
pub(crate) fn parse_unchecked(text: &str, changes: &[String]) -> Result<Experiment> {
    let mut table = table(text, "experiment")?;
    for change in changes {
        set(&mut table, change)?;
    }
    typed(table)
}

/// The settings in the TOML text of a file, which errors call `name`.
///
/// # Errors
/// A syntax error, or a setting that is not understood.
pub(crate) fn read<T: DeserializeOwned>(text: &str, name: &str) -> Result<T> {
    typed(table(text, name)?)
}

fn table(text: &str, name: &str) -> Result<Table> {
    toml::from_str(text).map_err(|error| Error::Config {
        field: name.into(),
        what: format!("got {error}").trim_end().replacen(
            "got TOML parse error",
            "not valid TOML",
            1,
        ),
        mend: "Mend the file at that place.".into(),
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

/// Refuses what no memory could hold, which would end the program without a word.
pub(crate) fn check_size(experiment: &Experiment) -> Result<()> {
    const SEEDS: u64 = 1_000_000;
    if experiment.seeds > SEEDS {
        return Err(Error::Config {
            field: "seeds".into(),
            what: format!("got {}, expected at most {SEEDS}", experiment.seeds),
            mend: "Run fewer at a time; did a digit slip in?".into(),
        });
    }
    memory::check(experiment)
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

fn source(name: &str) -> Result<String> {
    if let Some(found) = BUILT_IN.iter().find(|built_in| built_in.name == name) {
        return Ok(found.toml.into());
    }
    let path = Path::new(name);
    if path.is_dir() {
        return Err(Error::Config {
            field: "experiment".into(),
            what: format!("`{name}` is a folder, expected a TOML file"),
            mend: "Every run folder holds one: config.toml. To go on with a run, use --resume --out DIR."
                .into(),
        });
    }
    if path.exists() || name.ends_with(".toml") {
        let bytes =
            std::fs::read(path).map_err(|error| Error::io(path, "read this experiment", &error))?;
        return String::from_utf8(bytes).map_err(|_| Error::Config {
            field: name.into(),
            what: "not a text file, expected TOML".into(),
            mend: "Check the path; `apical list NAME` prints an experiment to start from.".into(),
        });
    }
    let known: Vec<&str> = BUILT_IN.iter().map(|built_in| built_in.name).collect();
    Err(Error::Config {
        field: "experiment".into(),
        what: format!("`{name}` is neither a built-in experiment nor a file"),
        mend: match known
            .iter()
            .find(|known| known.ends_with(&format!("/{name}")))
        {
            Some(whole) => format!("Did you mean `{whole}`?"),
            None => suggestion(name, &known, "`apical list` shows the built-in ones."),
        },
    })
}

fn set(table: &mut Table, change: &str) -> Result<()> {
    let wrong = |what: String| Error::Config {
        field: format!("--set {change}"),
        what,
        mend: "Write for example --set rule.rate=1e-3 or --set task.lags=[5,9].".into(),
    };
    let (path, value) = change
        .split_once('=')
        .ok_or_else(|| wrong("no `=`, expected key=value".into()))?;
    let path: Vec<&str> = path.trim().split('.').collect();
    if path.iter().any(|part| part.is_empty()) {
        return Err(wrong("an empty key".into()));
    }
    // Bare words are strings: --set rule.kind=rtrl.
    let value = match toml::from_str::<Table>(&format!("value = {}", value.trim())) {
        Ok(mut parsed) => parsed.remove("value").unwrap_or(Value::Boolean(false)),
        Err(_) => Value::String(value.trim().into()),
    };
    let (last, parents) = path
        .split_last()
        .ok_or_else(|| wrong("an empty key".into()))?;
    let mut at = table;
    for part in parents {
        let entry = at
            .entry(*part)
            .or_insert_with(|| Value::Table(Table::new()));
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
    Ok(())
}

/// Deserializes with errors that name the key and the nearest known one.
///
/// # Errors
/// The first setting that is not understood.
pub fn typed<T: DeserializeOwned>(table: Table) -> Result<T> {
    refusal::<T>(&table).map_or_else(
        |(path, message)| Err(explain(&blamed::<T>(table, &path, &message), &message)),
        Ok,
    )
}

/// The value, or where and why not.
fn refusal<T: DeserializeOwned>(table: &Table) -> Result<T, (String, String)> {
    serde_path_to_error::deserialize(Value::Table(table.clone())).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        let line = message.lines().next().unwrap_or_default().trim();
        (path, line.to_string())
    })
}

/// Inside a table with a `kind` the path ends early: the key without which this message would not come is the one.
fn blamed<T: DeserializeOwned>(table: Table, path: &str, message: &str) -> String {
    let mut path = path.to_string();
    loop {
        let Some(Value::Table(inner)) = at_path(&mut table.clone(), &path).cloned() else {
            return path;
        };
        if path == "." || message.starts_with("missing field") {
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

fn at_path<'a>(table: &'a mut Table, path: &str) -> Option<&'a mut Value> {
    let mut parts = path.split('.');
    let mut at = table.get_mut(parts.next()?)?;
    for part in parts {
        at = at.as_table_mut()?.get_mut(part)?;
    }
    Some(at)
}

/// Turns `unknown field `x`, expected one of `a`, `b`` into a message with a suggestion.
fn explain(path: &str, message: &str) -> Error {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let at = |key: &str| match path {
        "." | "" => key.to_string(),
        _ if path == key || path.ends_with(&format!(".{key}")) => path.to_string(),
        _ => format!("{path}.{key}"),
    };
    match words.split_first() {
        Some((unknown, known)) if message.starts_with("unknown field") => Error::Config {
            field: at(unknown),
            what: format!("unknown key `{unknown}`, expected {}", listed(known)),
            mend: suggestion(unknown, known, "Remove it."),
        },
        Some((unknown, known)) if message.starts_with("unknown variant") => Error::Config {
            field: path.into(),
            what: format!("unknown value `{unknown}`, expected {}", listed(known)),
            mend: suggestion(unknown, known, "Use one of these."),
        },
        Some((missing, _)) if message.starts_with("missing field") => Error::Config {
            field: at(missing),
            what: "missing, expected a value".into(),
            mend: format!(
                "Add `{missing}`; `apical list NAME` prints a complete experiment to copy from."
            ),
        },
        _ => Error::Config {
            field: if path == "." {
                "experiment".into()
            } else {
                path.into()
            },
            what: in_plain_words(message),
            mend: "Change the value to what is expected.".into(),
        },
    }
}

/// `invalid type: string "fast", expected f64` says a programmer which type, a user should hear which value.
fn in_plain_words(message: &str) -> String {
    let got = message
        .replacen("invalid type: ", "got ", 1)
        .replacen("invalid value: ", "got ", 1)
        .replacen("invalid length ", "got a list of length ", 1);
    let Some((got, expected)) = got.rsplit_once("expected ") else {
        return got;
    };
    let expected = match expected {
        "u64" | "usize" => "a whole number that is not negative",
        "f64" => "a number",
        "a sequence" => "a list",
        "an array of length 2" | "2 elements in sequence" => "a list of 2 numbers",
        "a boolean" => "true or false",
        other if other.contains("struct ") || other.contains("enum ") => {
            "a table with its settings"
        }
        other => other,
    };
    format!("{got}expected {expected}")
}

fn listed(known: &[&str]) -> String {
    match known {
        [] => "none".into(),
        _ => format!("one of {}", known.join(", ")),
    }
}

/// Names the known word nearest to a mistyped one, or says `otherwise` if none is near.
pub fn suggestion(word: &str, known: &[&str], otherwise: &str) -> String {
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
    use super::*;

    fn message(changes: &[&str]) -> String {
        let changes: Vec<String> = changes.iter().map(|c| (*c).into()).collect();
        load("marschall2019/lags46", &changes)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_built_in_experiment_loads_and_survives_being_resolved() {
        for built_in in BUILT_IN {
            let experiment = load(built_in.name, &[]).unwrap();
            assert!(!experiment.title.is_empty(), "{}", built_in.name);
            let again = parse(&resolved(&experiment).unwrap(), &[]).unwrap();
            assert_eq!(experiment, again, "{}", built_in.name);
        }
    }

    #[test]
    fn mistyped_keys_are_named_with_the_nearest_known_one() {
        for (change, field, near) in [
            ("rule.ratee=1", "rule.ratee", "`rate`"),
            ("optimiser.rate=1", "optimiser", "`optimizer`"),
            (
                "optimizer.weight_decai=1",
                "optimizer.weight_decai",
                "`weight_decay`",
            ),
            ("network.neuron.alfa=1", "network.neuron.alfa", "`alpha`"),
            ("rule.jacobian.rat=1", "rule.jacobian.rat", "`rate`"),
            ("rule.kind=dendritc", "rule", "`dendritic`"),
            ("task.kind=ad", "task", "`add`"),
        ] {
            let text = message(&[change]);
            assert!(
                text.contains(field) && text.contains(near),
                "{change}: {text}"
            );
        }
    }

    #[test]
    fn wrong_types_and_bad_changes_are_named() {
        assert!(
            message(&["steps=-3"]).contains("steps"),
            "{}",
            message(&["steps=-3"])
        );
        assert!(
            message(&["rule.rate=fast"]).contains("rule"),
            "{}",
            message(&["rule.rate=fast"])
        );
        assert!(message(&["steps"]).contains("no `=`"));
        assert!(message(&["steps.x=1"]).contains("`steps` is a value"));
        assert!(message(&["task.lags=[4, 90000]"]).contains("task.lags"));
        let unknown = load("marschall2019/lags45", &[]).unwrap_err().to_string();
        assert!(
            unknown.contains("Did you mean `marschall2019/lags4"),
            "{unknown}"
        );
        let syntax = parse("steps = = 3", &[]).unwrap_err().to_string();
        assert!(syntax.contains("line 1"), "{syntax}");
    }

    #[test]
    fn changing_a_kind_drops_the_settings_of_the_other() {
        let changes = [
            "rule.kind=rtrl".into(),
            "steps=100".into(),
            "precision=f32".into(),
        ];
        let experiment = load("marschall2019/lags46", &changes).unwrap();
        assert_eq!(experiment.rule.info().name, "rtrl");
        assert_eq!(
            (experiment.steps, experiment.precision),
            (100, apical::Precision::F32)
        );
    }
}
