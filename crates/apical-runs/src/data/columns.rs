//! Columns of numbers with names, whatever the file.

use std::path::Path;

use super::csv_file::CsvFile;
use super::numpy::Arrays;
use super::{broken, config};
use crate::Result;
use crate::experiment::suggestion;

/// A file whose columns have names.
pub(super) enum Table {
    Csv(CsvFile),
    Arrays(Arrays),
}

/// Columns that were asked for.
pub(super) struct Selected {
    pub rows: usize,
    pub columns: Vec<Vec<f64>>,
    /// Rows with which trials begin, from 0.
    pub starts: Vec<usize>,
}

pub(super) trait Columns {
    /// Names, in the order of the file.
    fn names(&self) -> &[String];

    /// The numbers of the columns `indexes`, and where the value of column `trial` changes.
    fn read(&mut self, path: &Path, indexes: &[usize], trial: Option<usize>) -> Result<Selected>;

    /// The columns called `name`, or `name.0`, `name.1`, ….
    fn find(&self, path: &Path, field: &str, name: &str) -> Result<Vec<usize>> {
        let names = self.names();
        let group = |known: &str| {
            let number = known
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('.'));
            number.is_some_and(|n| n.parse::<usize>().is_ok())
        };
        let exact: Vec<usize> = (0..names.len()).filter(|k| names[*k] == name).collect();
        let found = if exact.is_empty() {
            (0..names.len()).filter(|k| group(&names[*k])).collect()
        } else {
            exact
        };
        if !found.is_empty() {
            return Ok(found);
        }
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let listed = match known.len() {
            0..=20 => known.join(", "),
            more => format!("{}, … ({more} columns)", known[..20].join(", ")),
        };
        Err(config(
            field,
            format!(
                "no column `{name}` in {}, expected one of {listed}",
                path.display()
            ),
            suggestion(name, &known, "Use one of these names."),
        ))
    }
}

impl Columns for Table {
    fn names(&self) -> &[String] {
        match self {
            Self::Csv(file) => file.names(),
            Self::Arrays(arrays) => arrays.names(),
        }
    }

    fn read(&mut self, path: &Path, indexes: &[usize], trial: Option<usize>) -> Result<Selected> {
        match self {
            Self::Csv(file) => file.read(path, indexes, trial),
            Self::Arrays(arrays) => arrays.read(path, indexes, trial),
        }
    }
}

/// Refuses a number that is not finite; rows count from 1.
pub(super) fn check_finite(path: &Path, value: f64, row: &str, column: &str) -> Result<f64> {
    if value.is_finite() {
        return Ok(value);
    }
    let what = format!("{row}, column `{column}`: got {value}, expected a finite number");
    Err(broken(path, what, "Fill the gap or remove the row."))
}
