//! Find an experiment by name or file, change it from the command line, and say what was mistyped.

mod built_in;
mod extends;
mod file_schema;
mod recorded;

use std::path::Path;

use apical::Experiment;
use toml::Table;

pub use self::built_in::{BUILT_IN, BuiltIn};
pub use self::file_schema::file_schema;
use crate::data::{self, mnist};
use crate::settings::table;
pub(crate) use crate::settings::{leaves, parse_table, parse_unchecked, read, text};
pub use crate::settings::{named, resolved, suggestion, typed};
use crate::{Error, Result, memory};

/// Reads a built-in experiment or a TOML file, applies `key = value` changes in order, and builds the
/// experiment, with the data its task names.
///
/// A quantity that the file records and the changed settings lack, such as `J_loss` of another rule, is left out.
///
/// # Errors
/// A name that is neither, a file that cannot be read, a syntax error, an unknown key or value (the nearest
/// known one is suggested), or a setting that cannot work.
pub fn load(name: &str, changes: &[String]) -> Result<Experiment> {
    Ok(load_with_warning(name, changes)?.0)
}

/// As [`load`], with a warning that names the quantities left out, if there are any.
///
/// # Errors
/// As [`load`].
pub fn load_with_warning(name: &str, changes: &[String]) -> Result<(Experiment, Option<String>)> {
    let built_in = BuiltIn::find(name);
    // A file is the place from which the files it names may be found.
    let folder = Path::new(name).parent().filter(|_| built_in.is_none());
    let text = match built_in {
        Some(built_in) => built_in.toml.into(),
        None => source(name)?,
    };
    let load = || {
        let whole = extends::whole(&text, "experiment", folder)?;
        let changes = match built_in.is_some() || whole.has_built_in_data {
            true => &mnist::changes(&whole.table, changes)[..],
            false => changes,
        };
        build(&whole.table, changes, folder)
    };
    load().map_err(|error| match error {
        // Where there is a file, say which.
        Error::Config { field, what, mend } if field == "experiment" && built_in.is_none() => {
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
    Ok(parse_in(text, changes, None)?.0)
}

/// As [`load_with_warning`] from TOML text, where the files that it names may be found from `folder` too.
///
/// # Errors
/// As [`load`].
pub(crate) fn parse_in(
    text: &str,
    changes: &[String],
    folder: Option<&Path>,
) -> Result<(Experiment, Option<String>)> {
    let whole = extends::whole(text, "experiment", folder)?;
    build(&whole.table, changes, folder)
}

/// The text of a file of settings with all that it extends; as it is where it extends nothing.
pub(crate) fn without_extends(text: String, folder: &Path) -> Result<String> {
    match table(&text, "experiment") {
        Ok(own) if own.contains_key(extends::KEY) => {
            self::text(&extends::whole(&text, "experiment", Some(folder))?.table)
        }
        _ => Ok(text),
    }
}

fn build(
    table: &Table,
    changes: &[String],
    folder: Option<&Path>,
) -> Result<(Experiment, Option<String>)> {
    let key = |change: &String| change.split('=').next().map(|key| key.trim().to_string());
    if changes
        .iter()
        .any(|change| key(change).as_deref() == Some(extends::KEY))
    {
        return Err(Error::Config {
            field: extends::KEY.into(),
            what: "got it as a change, expected it in a file".into(),
            mend: "Write `extends` into a file and run that, or run what it names with the other changes.".into(),
        });
    }
    let mut experiment = parse_table(table.clone(), changes)?;
    data::load(&mut experiment.task, folder)?;
    check_size(&experiment)?;
    let warning = match changes {
        [] => None,
        _ => recorded::leave_out(&mut experiment, table),
    };
    experiment.check()?;
    Ok((experiment, warning))
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

/// The text of the file `name`.
fn source(name: &str) -> Result<String> {
    let path = Path::new(name);
    match path.exists() || name.ends_with(".toml") {
        true => read_file(path),
        false => Err(unknown(name)),
    }
}

fn read_file(path: &Path) -> Result<String> {
    if path.is_dir() {
        return Err(Error::Config {
            field: "experiment".into(),
            what: format!("`{}` is a folder, expected a TOML file", path.display()),
            mend: "Every run folder holds one: config.toml. To go on with a run, use --resume --out DIR."
                .into(),
        });
    }
    let bytes =
        std::fs::read(path).map_err(|error| Error::io(path, "read this experiment", &error))?;
    String::from_utf8(bytes).map_err(|_| Error::Config {
        field: path.display().to_string(),
        what: "not a text file, expected TOML".into(),
        mend: "Check the path; `apical list NAME` prints an experiment to start from.".into(),
    })
}

/// A name that is neither a built-in experiment nor a file.
fn unknown(name: &str) -> Error {
    let known: Vec<&str> = BUILT_IN.iter().map(|built_in| built_in.name).collect();
    Error::Config {
        field: "experiment".into(),
        what: format!("`{name}` is neither a built-in experiment nor a file"),
        mend: match known
            .iter()
            .find(|known| known.ends_with(&format!("/{name}")))
        {
            Some(whole) => format!("Did you mean `{whole}`?"),
            None => suggestion(name, &known, "`apical list` shows the built-in ones."),
        },
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
            let experiment = built_in.settings().unwrap();
            assert!(!experiment.title.is_empty(), "{}", built_in.name);
            let again = parse_unchecked(&resolved(&experiment).unwrap(), &[]).unwrap();
            assert_eq!(experiment, again, "{}", built_in.name);
            // Digits are no part of the program.
            if experiment.task.info().name != "sequential_mnist" {
                assert_eq!(load(built_in.name, &[]).unwrap(), experiment);
            }
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
