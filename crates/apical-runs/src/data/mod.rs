//! Read the files that tasks name: sequences of one's own (CSV, NPY, NPZ, Parquet) and digits (IDX).
//!
//! A path that stands in a file is taken from the folder of that file or, if there is none, from the current one; a path
//! on the command line from the current folder. What was found is written back into the settings of the run.

mod array;
mod cell;
mod csv_file;
mod header;
mod idx;
mod input;
pub mod mnist;
mod numpy;
mod parquet_file;
mod quotes;
mod store;
mod table;
mod trials;

use std::path::{Path, PathBuf};

use apical::task::{DataSpec, Layout, Origin, Sequences, TaskSpec};

use crate::{Error, Result};
use table::{Plan, Table};

/// Reads what `task`, or any task inside of it, needs; `folder` is that of the experiment.
///
/// # Errors
/// A file that is missing or cannot be read, or whose contents do not fit the settings.
pub fn load(task: &mut TaskSpec, folder: Option<&Path>) -> Result<()> {
    load_at("task", task, folder)
}

fn load_at(place: &str, task: &mut TaskSpec, folder: Option<&Path>) -> Result<()> {
    match task {
        TaskSpec::Data(spec) => {
            spec.sequences = input::sequences(place, spec, folder)?;
            Ok(())
        }
        TaskSpec::SequentialMnist(spec) => {
            spec.digits = idx::digits(place, spec, folder)?.into();
            Ok(())
        }
        TaskSpec::MultiTask(spec) => {
            let tasks = spec.tasks.iter_mut().enumerate();
            let places = tasks.map(|(k, task)| (format!("{place}.tasks[{k}]"), task));
            places
                .into_iter()
                .try_for_each(|(at, task)| load_at(&at, task, folder))
        }
        TaskSpec::Embedded(spec) => load_at(&format!("{place}.task"), &mut spec.task, folder),
        _ => Ok(()),
    }
}

/// An error in a setting.
fn config(field: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Error {
    Error::Config {
        field: field.into(),
        what: what.into(),
        mend: mend.into(),
    }
}

/// An error in a file.
fn broken(path: &Path, what: impl Into<String>, mend: impl Into<String>) -> Error {
    config(path.display().to_string(), what, mend)
}

/// Where `name` is, if anywhere.
fn find(name: &str, folder: Option<&Path>) -> Option<PathBuf> {
    let places = [
        Some(PathBuf::from(name)),
        folder.map(|folder| folder.join(name)),
    ];
    places.into_iter().flatten().find(|path| path.exists())
}

/// The columns that `spec` names.
fn plan(place: &str, spec: &DataSpec, table: &mut dyn Table) -> Result<Plan> {
    let field = |name: &str| format!("{place}.{name}");
    let mut columns = Vec::new();
    let mut resolve = |name: &str, list: &[String]| -> Result<usize> {
        let before = columns.len();
        for column in list {
            columns.extend(table.find(&field(name), column)?);
        }
        Ok(columns.len() - before)
    };
    let inputs = resolve("inputs", &spec.inputs)?;
    let targets = resolve("targets", &spec.targets)?;
    let masks = resolve("mask", spec.mask.as_slice())?;
    if masks > 1 {
        let what = format!("got {masks} columns, expected 1");
        return Err(config(field("mask"), what, "It weighs a step as a whole."));
    }
    if let Some(classes) = spec.classes {
        if targets != 1 {
            let what = format!("got {classes} with {targets} target columns, expected 1");
            let mend = "Classes are counted by the labels of one column.";
            return Err(config(field("classes"), what, mend));
        }
        if !(2..=100_000).contains(&classes) {
            let what = format!("got {classes}, expected between 2 and 100000");
            return Err(config(
                field("classes"),
                what,
                "Count the different labels.",
            ));
        }
    }
    let trial = match &spec.trial {
        None => None,
        Some(name) => match table.find(&field("trial"), name)?[..] {
            [column] => Some(column),
            ref several => {
                let what = format!("got {} columns, expected 1", several.len());
                return Err(config(field("trial"), what, "Name a single column."));
            }
        },
    };
    let layout = Layout {
        inputs,
        targets,
        classes: spec.classes,
        masked: masks == 1,
    };
    Ok(Plan {
        columns,
        layout,
        trial,
    })
}

/// Reads what `spec` names from an open table.
fn rows(place: &str, spec: &DataSpec, path: &Path, table: &mut dyn Table) -> Result<Sequences> {
    let plan = plan(place, spec, table)?;
    let read = table.read(&plan)?;
    if read.rows.is_empty() {
        let mend = "Put at least one row of numbers into it.";
        return Err(broken(path, "no rows, expected some steps of data", mend));
    }
    let origin = Origin {
        file: path.display().to_string(),
        names: plan
            .columns
            .iter()
            .map(|column| table.name(*column))
            .collect(),
        lines: read.lines,
    };
    Ok(Sequences::table(plan.layout, read.rows, read.ends, origin)?)
}
