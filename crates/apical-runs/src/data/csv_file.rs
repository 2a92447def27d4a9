//! Text tables with a header, row by row.

use std::io::{BufRead, Cursor, Read};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::broken;
use super::cell::{self, quoted};
use super::header::{Header, unreadable};
use super::quotes::{Fault, Quotes};
use super::store::Store;
use super::table::{self, Names, Plan, Table};
use super::trials::{Id, Trials};
use crate::{Error, Result};

/// A table whose header was read.
pub(super) struct CsvFile {
    path: PathBuf,
    reader: Reader<Quotes<Box<dyn Read>>>,
    names: Names,
    /// Lines before those of the reader.
    before: u64,
    delimiter: u8,
}

impl CsvFile {
    /// Reads the header of `source`, of which the columns `wanted` will be used; `numeric` are all but that of trials.
    pub fn open(
        path: &Path,
        mut source: Box<dyn BufRead>,
        numeric: &[&str],
        trial: Option<&str>,
    ) -> Result<Self> {
        let header = Header::read(path, &mut *source, numeric, trial)?;
        let rest: Box<dyn Read> = Box::new(Cursor::new(header.rest).chain(source));
        let quotes = Quotes::new(rest, header.delimiter, header.comments, header.lines + 1);
        // Ragged rows are let in, to be refused with their number.
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(header.delimiter)
            .comment(header.comments.then_some(b'#'))
            .from_reader(quotes);
        Ok(Self {
            path: path.into(),
            reader,
            names: Names::new(header.names),
            before: header.lines,
            delimiter: header.delimiter,
        })
    }

    fn unreadable(&self, error: &csv::Error) -> Error {
        match (self.reader.get_ref().fault, error.kind()) {
            (Some(fault), _) => bad_quote(&self.path, fault),
            (None, csv::ErrorKind::Io(reason)) => unreadable(&self.path, reason),
            _ => broken(
                &self.path,
                "not a table of text, expected cells with separators",
                "Save the table as plain UTF-8 text.",
            ),
        }
    }

    /// The line on which a row begins.
    fn line(&self, record: &ByteRecord) -> u64 {
        let begin = record.position().map_or(0, csv::Position::line);
        let end = self.reader.position().line().saturating_sub(1);
        if end <= begin {
            return self.before + begin;
        }
        // The position stands before empty lines and comments, and cells may hold ends of lines.
        let inside = record
            .as_slice()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        self.before + begin.max(end.saturating_sub(inside as u64))
    }

    /// Refuses a row whose cells are not those of the header.
    fn check_cells(&self, record: &ByteRecord, row: impl Fn() -> String) -> Result<()> {
        let (got, expected) = (record.len(), self.names.all().len());
        if got == expected {
            return Ok(());
        }
        let what = format!(
            "{}: got {got} cells, expected {expected} as in the header",
            row()
        );
        let mend = match (got > expected, self.delimiter) {
            (false, _) => "Fill the missing cells or remove the row.",
            (true, b',') => {
                "Remove the extra cells; text with a comma needs quotes, and decimals need a point."
            }
            (true, _) => "Remove the extra cells; text that holds a separator needs quotes.",
        };
        Err(broken(&self.path, what, mend))
    }

    /// Refuses a cell of several lines that holds whole rows: the quote before them was not meant.
    fn check_swallowed(&self, record: &ByteRecord, plan: &Plan, line: u64) -> Result<()> {
        for (k, cell) in record
            .iter()
            .enumerate()
            .filter(|(_, cell)| cell.contains(&b'\n'))
        {
            let lines: Vec<&[u8]> = cell.split(|byte| *byte == b'\n').collect();
            let like_a_row = |line: &[u8], cells: usize, least: usize| {
                let parts: Vec<&[u8]> = line.split(|byte| *byte == self.delimiter).collect();
                let used = plan.columns.iter().filter(|column| **column < parts.len());
                let is_number = |column: &usize| {
                    let text = std::str::from_utf8(parts[*column])
                        .unwrap_or_default()
                        .trim();
                    text.parse::<f64>().is_ok()
                };
                parts.len() == cells && used.clone().count() >= least && used.clone().all(is_number)
            };
            let (last, whole) = lines[1..].split_last().unwrap_or((&lines[0], &[]));
            if whole
                .iter()
                .any(|line| like_a_row(line, self.names.all().len(), 1))
                || like_a_row(last, k + 1, 2)
            {
                return Err(bad_quote(&self.path, Fault::Open { line }));
            }
        }
        Ok(())
    }

    fn bad_cell(&self, row: &str, column: usize, fault: cell::Fault) -> Error {
        let name = quoted(&self.names.all()[column]);
        let (got, expected) = (fault.got, fault.expected);
        let what = format!("{row}, column {name}: got {got}, expected {expected}");
        broken(&self.path, what, fault.mend)
    }
}

fn bad_quote(path: &Path, fault: Fault) -> Error {
    let double = "A quote that is part of the text is written twice, in quotes: \"5\"\" probe\".";
    match fault {
        Fault::Open { line } => {
            let what = format!(
                "line {line} opens a quote \" that swallows the rows behind it, expected its end on the same row"
            );
            broken(path, what, format!("Close or remove it. {double}"))
        }
        Fault::Closed { line, at } => {
            let what = format!(
                "line {line} opens a quote \" and line {at} closes it before more text, expected a separator or the end of the row"
            );
            broken(
                path,
                what,
                format!("Close or remove the quote of line {line}. {double}"),
            )
        }
        Fault::Long { line } => {
            let what =
                format!("a row of more than 256 MB ends on line {line} or later, expected a table");
            broken(
                path,
                what,
                "Check that this is a table of text with a row on each line.",
            )
        }
    }
}

impl Table for CsvFile {
    fn find(&mut self, field: &str, name: &str) -> Result<Vec<usize>> {
        self.names.find(&self.path, field, name)
    }

    fn name(&self, column: usize) -> String {
        self.names.all()[column].clone()
    }

    fn read(&mut self, plan: &Plan) -> Result<table::Read> {
        let mut store = Store::new(&self.path);
        let (mut ends, mut lines) = (Vec::new(), Vec::new());
        let mut trials = Trials::default();
        let mut trial_before: Vec<u8> = Vec::new();
        let mut record = ByteRecord::new();
        let (width, inputs) = (plan.layout.width(), plan.layout.inputs);
        let targets = inputs..inputs + plan.layout.targets;
        let mut values = vec![0.0; width];
        let mut rows = 0;
        let mut offset = None;
        loop {
            let more = self.reader.read_byte_record(&mut record);
            if !more.map_err(|error| self.unreadable(&error))? {
                break;
            }
            let line = self.line(&record);
            let place = || format!("row {} (line {line})", rows + 1);
            self.check_cells(&record, place)?;
            let apart = Some(line.wrapping_sub(rows as u64));
            if offset != apart {
                offset = apart;
                lines.push((rows, line));
            }
            if record.as_slice().contains(&b'\n') {
                self.check_swallowed(&record, plan, line)?;
            }
            for (k, column) in plan.columns.iter().enumerate() {
                let text = String::from_utf8_lossy(&record[*column]);
                values[k] = cell::number(text.trim())
                    .map_err(|fault| self.bad_cell(&place(), *column, fault))?;
            }
            let counts = !plan.layout.masked || values[width - 1] != 0.0;
            for (k, column) in plan.columns.iter().enumerate() {
                if values[k].is_finite() || !counts && targets.contains(&k) {
                    continue;
                }
                let text = String::from_utf8_lossy(&record[*column]);
                let fault = missing(text.trim(), targets.contains(&k));
                return Err(self.bad_cell(&place(), *column, fault));
            }
            if let Some(column) = plan.trial
                && (rows == 0 || record[column] != trial_before[..])
            {
                trial_before.clear();
                trial_before.extend_from_slice(&record[column]);
                let text = String::from_utf8_lossy(&trial_before);
                let Some(id) = Id::text(text.trim()) else {
                    return Err(self.bad_cell(
                        &place(),
                        column,
                        no_id(text.trim(), &self.name(column)),
                    ));
                };
                trials.push(rows, id);
            }
            store.push(&values)?;
            rows += 1;
        }
        if let Some(column) = plan.trial {
            let origin = apical::task::Origin {
                lines: lines.clone(),
                ..Default::default()
            };
            let name = self.name(column);
            ends = trials.ends(&self.path, &name, rows, |row| origin.row(row))?;
        }
        Ok(table::Read {
            rows: store.finish()?,
            ends,
            lines,
        })
    }
}

fn missing(text: &str, target: bool) -> cell::Fault {
    let got = match text {
        "" => "an empty cell".into(),
        _ if text.eq_ignore_ascii_case("nan") => "NaN".into(),
        _ if text.parse::<f64>().is_ok() => text.to_ascii_lowercase(),
        _ => format!("{}, a missing value", quoted(text)),
    };
    let mend = match target {
        true => {
            "Fill the gap, remove the row, or mask the step: give it the weight 0 in a column that task.mask names."
        }
        false => "Fill the gap or remove the row.",
    };
    cell::Fault {
        got,
        expected: "a finite number",
        mend: mend.into(),
    }
}

fn no_id(text: &str, column: &str) -> cell::Fault {
    let got = match text {
        "" => "an empty cell".into(),
        _ => format!("{}, a missing value", quoted(text)),
    };
    cell::Fault {
        got,
        expected: "the id of a trial in each of its rows",
        mend: format!("Repeat the id: in pandas df['{column}'].ffill()."),
    }
}
