//! CSV files with a header.

use std::fs::File;
use std::path::Path;

use csv::{Reader, ReaderBuilder, StringRecord, Trim};

use super::broken;
use super::columns::{Columns, Selected, check_finite};
use crate::{Error, Result};

/// An open file whose header was read.
pub(super) struct CsvFile {
    reader: Reader<File>,
    names: Vec<String>,
}

impl CsvFile {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, "read this file", &error))?;
        // Ragged rows are let in, to be refused with their number.
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::All)
            .from_reader(file);
        let header = reader.headers().map_err(|error| unreadable(path, &error))?;
        let mut names: Vec<String> = header.iter().map(String::from).collect();
        if let Some(first) = names.first_mut()
            && let Some(rest) = first.strip_prefix('\u{feff}')
        {
            *first = rest.trim_matches('"').into();
        }
        if names.iter().all(String::is_empty) {
            let mend = "The first line names the columns, for example x,y.";
            return Err(broken(path, "no header, expected names of columns", mend));
        }
        if let [only] = &names[..]
            && let Some(other) = [';', '\t'].into_iter().find(|c| only.contains(*c))
        {
            let what = format!("cells are separated by {other:?}, expected commas");
            return Err(broken(path, what, "Save the table with commas."));
        }
        for (k, name) in names.iter().enumerate() {
            if names[..k].contains(name) {
                let what = format!("two columns are called `{name}`, expected different names");
                return Err(broken(path, what, "Rename one of them in the first line."));
            }
        }
        Ok(Self { reader, names })
    }
}

fn unreadable(path: &Path, error: &csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::Io(reason) => Error::io(path, "read this file", reason),
        _ => broken(
            path,
            format!("not a CSV file ({error}), expected text with commas"),
            "Save the table as plain UTF-8 text.",
        ),
    }
}

impl Columns for CsvFile {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn read(&mut self, path: &Path, indexes: &[usize], trial: Option<usize>) -> Result<Selected> {
        let mut columns = vec![Vec::new(); indexes.len()];
        let mut starts = vec![0];
        let mut trial_before = String::new();
        let mut record = StringRecord::new();
        let mut rows = 0;
        loop {
            let more = self.reader.read_record(&mut record);
            if !more.map_err(|error| unreadable(path, &error))? {
                break;
            }
            // The reader stands behind the row, where its position stands before empty lines.
            let begin = record.position().map_or(0, csv::Position::line);
            let line = begin.max(self.reader.position().line().saturating_sub(1));
            let row = format!("row {} (line {line})", rows + 1);
            if record.len() != self.names.len() {
                let (got, expected) = (record.len(), self.names.len());
                let what = format!("{row}: got {got} cells, expected {expected} as in the header");
                return Err(broken(
                    path,
                    what,
                    "Fill the missing cells or remove the row.",
                ));
            }
            for (column, index) in columns.iter_mut().zip(indexes) {
                column.push(number(path, &record[*index], &row, &self.names[*index])?);
            }
            if let Some(index) = trial {
                if rows > 0 && record[index] != trial_before {
                    starts.push(rows);
                }
                trial_before.clear();
                trial_before.push_str(&record[index]);
            }
            rows += 1;
        }
        Ok(Selected {
            rows,
            columns,
            starts,
        })
    }
}

fn number(path: &Path, cell: &str, row: &str, column: &str) -> Result<f64> {
    let got = match cell.parse() {
        Ok(value) => return check_finite(path, value, row, column),
        Err(_) if cell.is_empty() => "an empty cell".into(),
        Err(_) => format!("`{cell}`"),
    };
    let what = format!("{row}, column `{column}`: got {got}, expected a finite number");
    Err(broken(path, what, "Fill the gap or remove the row."))
}
