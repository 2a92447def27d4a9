//! Find and open what a task of one's own data names: a file of a known kind, or standard input.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use apical::task::{DataSpec, Loaded, Sequences};
use flate2::bufread::MultiGzDecoder;

use super::csv_file::CsvFile;
use super::numpy::{Npy, Npz};
use super::parquet_file::ParquetFile;
use super::table::Table;
use super::{broken, config, find, rows};
use crate::{Error, Result};

/// What was read from standard input, which can be read once, and for which settings.
static STANDARD: Mutex<Option<DataSpec>> = Mutex::new(None);

/// Reads what `spec` names; the path that was found stands in it from then on.
pub(super) fn sequences(
    place: &str,
    spec: &mut DataSpec,
    folder: Option<&Path>,
) -> Result<Loaded<Sequences>> {
    let field = |name: &str| format!("{place}.{name}");
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
    if spec.file == "-" {
        return standard(place, spec);
    }
    let Some(path) = find(&spec.file, folder).filter(|_| !spec.file.is_empty()) else {
        return Err(config(
            field("file"),
            format!(
                "`{}` is not there, expected a CSV, NPY, NPZ or Parquet file",
                spec.file
            ),
            "Check the spelling; a relative path is taken from the folder of the experiment, or from the current one. If the file was \
             moved, name its place: --set task.file=PATH",
        ));
    };
    if let Some(text) = path.to_str() {
        spec.file = text.into();
    }
    let mut table = open(&path, spec, &field("columns"))?;
    Ok(rows(place, spec, &path, &mut *table)?.into())
}

fn open(path: &Path, spec: &DataSpec, field: &str) -> Result<Box<dyn Table>> {
    let lower = |name: Option<&std::ffi::OsStr>| {
        name.and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let mut extension = lower(path.extension());
    if extension == "gz" {
        extension = format!(
            "{}.gz",
            lower(path.file_stem().map(Path::new).and_then(Path::extension))
        );
    }
    if !spec.columns.is_empty() && extension != "npy" {
        let what = "got names for the columns, expected none";
        let mend = "Only NPY files need them: tables have a header, NPZ files name their arrays.";
        return Err(config(field, what, mend));
    }
    Ok(match extension.as_str() {
        "csv" | "tsv" | "txt" | "csv.gz" | "tsv.gz" | "txt.gz" => {
            let file =
                File::open(path).map_err(|error| Error::io(path, "read this file", &error))?;
            Box::new(text(path, spec, Box::new(file))?)
        }
        "npy" => Box::new(Npy::open(path, &spec.columns, field)?),
        "npz" => Box::new(Npz::open(path)?),
        "parquet" | "pq" => Box::new(ParquetFile::open(path)?),
        _ => {
            let what =
                "the name ends in none of .csv, .tsv, .txt, .csv.gz, .npy, .npz and .parquet";
            let mend = "Save the data in one of these formats, under such a name.";
            return Err(broken(path, what, mend));
        }
    })
}

/// A table of text, plain or gzipped.
fn text(path: &Path, spec: &DataSpec, source: Box<dyn Read>) -> Result<CsvFile> {
    const BUFFER: usize = 1 << 16;
    let mut source = BufReader::with_capacity(BUFFER, source);
    let begin = source
        .fill_buf()
        .map_err(|error| Error::io(path, "read this file", &error))?;
    let source: Box<dyn BufRead> = match begin.starts_with(&[0x1f, 0x8b]) {
        true => Box::new(BufReader::with_capacity(
            BUFFER,
            MultiGzDecoder::new(source),
        )),
        false => Box::new(source),
    };
    let numbers = spec.inputs.iter().chain(&spec.targets).chain(&spec.mask);
    let numbers: Vec<&str> = numbers.map(String::as_str).collect();
    CsvFile::open(path, source, &numbers, spec.trial.as_deref())
}

/// Reads standard input once; asked for the same again, it gives the same.
fn standard(place: &str, spec: &DataSpec) -> Result<Loaded<Sequences>> {
    let mut kept = STANDARD
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(kept) = &*kept {
        let same = DataSpec {
            test: spec.test,
            shuffle: spec.shuffle,
            ..kept.clone()
        };
        if same == *spec {
            return Ok(kept.sequences.clone());
        }
        let what = "standard input (-) was read for other columns, expected to be read once";
        return Err(config(
            format!("{place}.file"),
            what,
            "Save the data in a file and name it.",
        ));
    }
    let input = std::io::stdin();
    if input.is_terminal() {
        let what = "got -, standard input, which is a terminal, expected a table";
        let mend =
            "Pipe one into it, for example zcat data.csv.gz | apical run .., or name a file.";
        return Err(config(format!("{place}.file"), what, mend));
    }
    if !spec.columns.is_empty() {
        let what = "got names for the columns, expected none";
        return Err(config(
            format!("{place}.columns"),
            what,
            "The first line of the table names them.",
        ));
    }
    let path = PathBuf::from("standard input");
    let mut table = text(&path, spec, Box::new(input))?;
    let sequences: Loaded<Sequences> = rows(place, spec, &path, &mut table)?.into();
    *kept = Some(DataSpec {
        sequences: sequences.clone(),
        ..spec.clone()
    });
    Ok(sequences)
}
