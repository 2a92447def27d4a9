//! Read the files that tasks name: sequences of one's own (CSV, NPY, NPZ) and digits (IDX).
//!
//! A path that stands in a file is taken from the folder of that file or, if there is none, from the current one; a path
//! on the command line from the current folder. What was found is written back into the settings of the run.

mod columns;
mod csv_file;
mod idx;
mod numpy;

use std::path::{Path, PathBuf};

use apical::task::{DataSpec, Sequences, TaskSpec};

use crate::{Error, Result};
use columns::{Columns, Table};

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
            spec.sequences = sequences(place, spec, folder)?.into();
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

fn sequences(place: &str, spec: &mut DataSpec, folder: Option<&Path>) -> Result<Sequences> {
    let field = |name: &str| format!("{place}.{name}");
    let Some(path) = find(&spec.file, folder).filter(|_| !spec.file.is_empty()) else {
        return Err(config(
            field("file"),
            format!(
                "`{}` is not there, expected a CSV, NPY or NPZ file",
                spec.file
            ),
            "Check the spelling; a relative path is taken from the folder of the experiment, or from the current one. If the file was \
             moved, name its place: --set task.file=PATH",
        ));
    };
    if let Some(text) = path.to_str() {
        spec.file = text.into();
    }
    for (name, list) in [("inputs", &spec.inputs), ("targets", &spec.targets)] {
        if list.is_empty() {
            let mend = "For example inputs = [\"x\"].";
            return Err(config(
                field(name),
                "got none, expected names of columns",
                mend,
            ));
        }
    }
    let mut table = open(&path, &spec.columns, &field("columns"))?;
    let mut indexes = Vec::new();
    let mut resolve = |name: &str, list: &[String]| -> Result<usize> {
        let before = indexes.len();
        for column in list {
            indexes.extend(table.find(&path, &field(name), column)?);
        }
        Ok(indexes.len() - before)
    };
    let inputs = resolve("inputs", &spec.inputs)?;
    let targets = resolve("targets", &spec.targets)?;
    let one = |name: &Option<String>| name.clone().into_iter().collect::<Vec<_>>();
    let masks = resolve("mask", &one(&spec.mask))?;
    if masks > 1 {
        let what = format!("got {masks} columns, expected 1");
        return Err(config(field("mask"), what, "It weighs a step as a whole."));
    }
    let trial = match &spec.trial {
        None => None,
        Some(name) => match table.find(&path, &field("trial"), name)?[..] {
            [index] => Some(index),
            ref several => {
                let what = format!("got {} columns, expected 1", several.len());
                return Err(config(field("trial"), what, "Name a single column."));
            }
        },
    };
    let mut read = table.read(&path, &indexes, trial)?;
    if read.rows == 0 {
        let mend = "Put at least one row of numbers into it.";
        return Err(broken(&path, "no rows, expected some steps of data", mend));
    }
    let mask = (masks == 1).then(|| read.columns.pop().unwrap_or_default());
    if let Some(mask) = &mask
        && let Some(row) = mask.iter().position(|weight| *weight < 0.0)
    {
        let what = format!(
            "row {}, column `{}`: got {}, expected a weight that is not negative",
            row + 1,
            spec.mask.as_deref().unwrap_or_default(),
            mask[row]
        );
        return Err(broken(
            &path,
            what,
            "0 leaves a step out, 1 counts it in full.",
        ));
    }
    let mut labels = read.columns.split_off(inputs);
    if let Some(classes) = spec.classes {
        labels = one_hot(&path, &field("classes"), classes, &labels, &spec.targets)?;
    } else {
        debug_assert_eq!(labels.len(), targets);
    }
    let together = |columns: &[Vec<f64>]| -> Vec<f64> {
        let rows = 0..read.rows;
        rows.flat_map(|row| columns.iter().map(move |column| column[row]))
            .collect()
    };
    let (x, y) = (together(&read.columns), together(&labels));
    let outputs = labels.len();
    if trial.is_none() {
        return Ok(Sequences::stream(inputs, outputs, &x, &y, mask.as_deref())?);
    }
    let mut sequences = Sequences::trials(inputs, outputs);
    let ends = read.starts.iter().skip(1).chain([&read.rows]);
    for (begin, end) in read.starts.iter().zip(ends) {
        let (x, y) = (
            &x[begin * inputs..end * inputs],
            &y[begin * outputs..end * outputs],
        );
        sequences.add_trial(x, y, mask.as_ref().map(|mask| &mask[*begin..*end]))?;
    }
    Ok(sequences)
}

fn open(path: &Path, columns: &[String], field: &str) -> Result<Table> {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    let table = match extension.to_ascii_lowercase().as_str() {
        "csv" => Table::Csv(csv_file::CsvFile::open(path)?),
        "npy" => Table::Arrays(numpy::Arrays::npy(path, columns, field)?),
        "npz" => Table::Arrays(numpy::Arrays::npz(path)?),
        _ => {
            let what = "the name ends in none of .csv, .npy and .npz";
            let mend = "Save the data in one of these formats, under such a name.";
            return Err(broken(path, what, mend));
        }
    };
    if !columns.is_empty() && extension != "npy" {
        let what = "got names for the columns, expected none";
        let mend =
            "Only NPY files need them: CSV files have a header, NPZ files name their arrays.";
        return Err(config(field, what, mend));
    }
    Ok(table)
}

/// A column for each class: 1 where the label is that class.
fn one_hot(
    path: &Path,
    field: &str,
    classes: usize,
    labels: &[Vec<f64>],
    names: &[String],
) -> Result<Vec<Vec<f64>>> {
    let [labels] = labels else {
        let what = format!(
            "got {classes} with {} target columns, expected 1",
            labels.len()
        );
        return Err(config(
            field,
            what,
            "Classes are counted by the labels of one column.",
        ));
    };
    if !(2..=100_000).contains(&classes) {
        let what = format!("got {classes}, expected between 2 and 100000");
        return Err(config(field, what, "Count the different labels."));
    }
    let mut columns = vec![vec![0.0; labels.len()]; classes];
    for (row, label) in labels.iter().enumerate() {
        if label.fract() != 0.0 || *label < 0.0 || *label >= classes as f64 {
            let what = format!(
                "row {}, column `{}`: got {label}, expected a whole number from 0 to {}",
                row + 1,
                names[0],
                classes - 1
            );
            let mend =
                format!("Mend the label, or set {field} to the number of classes there are.");
            return Err(broken(path, what, mend));
        }
        columns[*label as usize][row] = 1.0;
    }
    Ok(columns)
}
