//! Read the head of a text table: its separator, its comments and the names of its columns.

use std::io::BufRead;
use std::path::Path;

use csv::ReaderBuilder;

use super::table::Names;
use super::{broken, cell};
use crate::{Error, Result};

/// What stands before the rows.
pub(super) struct Header {
    pub names: Vec<String>,
    pub delimiter: u8,
    /// Whether lines that begin with # are no rows.
    pub comments: bool,
    /// Lines read.
    pub lines: u64,
    /// What was read beyond them.
    pub rest: Vec<u8>,
}

/// In the order in which they are tried.
const SEPARATORS: [u8; 6] = *b",;\t|: ";
/// Comments that are kept, as one may hold the names.
const COMMENTS: usize = 1000;
/// Longer lines are no header.
const LINE: usize = 64 << 20;

impl Header {
    /// Reads up to the first row. The separator is the one by which the columns that are `numeric`, and that of the
    /// trial, have the names they are asked for by.
    pub fn read(
        path: &Path,
        source: &mut dyn BufRead,
        numeric: &[&str],
        trial: Option<&str>,
    ) -> Result<Self> {
        let wanted = |names: &[String]| {
            let names = Names::new(names.to_vec());
            numeric.iter().chain(&trial).all(|name| names.has(name))
        };
        let fits = |text: &str, given| {
            let cut = tried(given).into_iter().map(|d| (split(text, d), d));
            cut.into_iter().find(|(names, _)| wanted(names))
        };
        let mut lines = 0;
        let mut given = None;
        let mut comments: Vec<String> = Vec::new();
        let header = loop {
            let Some(bytes) = line(path, source)? else {
                let mend = "The first line names the columns, for example x,y.";
                return Err(broken(path, "no header, expected names of columns", mend));
            };
            lines += 1;
            if lines == 1 {
                check_text(path, &bytes)?;
            }
            let mut text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some(rest) = text.strip_prefix('\u{feff}') {
                text = rest.into();
            }
            let bare = text.trim_end_matches(['\r', '\n']);
            if lines == 1
                && let Some(separator) = told(bare)
            {
                given = Some(separator);
            } else if bare.starts_with('#')
                && fits(bare, given).is_none_or(|(names, d)| names[0] != "#" || d == b' ')
            {
                if comments.len() == COMMENTS {
                    comments.remove(0);
                }
                comments.push(bare.into());
            } else if !bare.trim().is_empty() {
                break whole(path, source, text, &mut lines)?;
            }
        };
        let mut next = line(path, source)?;
        if let Some((names, delimiter)) = fits(&header, given) {
            let comments = !next
                .as_ref()
                .is_some_and(|row| is_row(row, &names, delimiter, numeric));
            let next_text = next
                .as_deref()
                .map(String::from_utf8_lossy)
                .unwrap_or_default();
            let gaps = |text: &str| split(text.trim(), b' ').iter().any(String::is_empty);
            if delimiter == b' ' && (gaps(&header) || gaps(&next_text)) {
                let mend =
                    "Write it with one separator: pandas reads it by read_csv(.., sep=r\"\\s+\").";
                return Err(broken(
                    path,
                    "columns are set apart by several spaces, expected a single separator",
                    mend,
                ));
            }
            return Ok(Self {
                names,
                delimiter,
                comments,
                lines,
                rest: next.unwrap_or_default(),
            });
        }
        // As numpy.savetxt writes it: the names are in a comment, and the line taken for a header is a row.
        for comment in comments.iter().rev() {
            let names = comment.trim_start_matches('#').trim();
            if let Some((names, delimiter)) = fits(names, given)
                && split(&header, delimiter).len() == names.len()
            {
                let mut rest = header.into_bytes();
                rest.extend(next.take().unwrap_or_default());
                return Ok(Self {
                    names,
                    delimiter,
                    comments: true,
                    lines: lines - 1,
                    rest,
                });
            }
        }
        // A name is not there: the separator that cuts the next line alike shows which ones are.
        let row = next
            .as_deref()
            .map(|row| String::from_utf8_lossy(row).into_owned());
        let row = row.unwrap_or_default();
        let cuts = |d: &&u8| {
            split(&header, **d).len() > 1 && split(&row, **d).len() == split(&header, **d).len()
        };
        let separators = tried(given);
        let delimiter = separators
            .iter()
            .find(cuts)
            .copied()
            .unwrap_or(separators[0]);
        let names = split(&header, delimiter);
        if names.iter().all(|name| name.parse::<f64>().is_ok()) {
            let what = "no header: the first line holds numbers, expected names of columns";
            let mend = "Write a first line with the names, for example x,y.";
            return Err(broken(path, what, mend));
        }
        Ok(Self {
            names,
            delimiter,
            comments: true,
            lines,
            rest: next.unwrap_or_default(),
        })
    }
}

/// Separators that may be meant.
fn tried(given: Option<u8>) -> Vec<u8> {
    given.map_or(SEPARATORS.to_vec(), |given| vec![given])
}

/// The separator in a line such as `sep=;`, which spreadsheets write.
fn told(line: &str) -> Option<u8> {
    let line = line.trim_matches('"');
    let (key, value) = line.split_at_checked(4)?;
    if !key.eq_ignore_ascii_case("sep=") {
        return None;
    }
    match value.as_bytes() {
        // A tab may have been trimmed by the editor.
        [] => Some(b'\t'),
        [separator] => Some(*separator),
        _ => None,
    }
}

/// Names of a header.
fn split(text: &str, delimiter: u8) -> Vec<String> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => record.iter().map(|name| name.trim().into()).collect(),
        _ => Vec::new(),
    }
}

/// Whether a line that begins with # is a row all the same: as many cells, and # in one that is not used as a number.
fn is_row(line: &[u8], names: &[String], delimiter: u8, numeric: &[&str]) -> bool {
    let text = String::from_utf8_lossy(line);
    text.starts_with('#')
        && split(&text, delimiter).len() == names.len()
        && !names.first().is_some_and(|first| {
            let group = first.rsplit_once('.').map_or("", |(group, _)| group);
            numeric.contains(&first.as_str()) || numeric.contains(&group)
        })
}

/// The next line with its end, if there is one.
fn line(path: &Path, source: &mut dyn BufRead) -> Result<Option<Vec<u8>>> {
    let fail = |error: std::io::Error| unreadable(path, &error);
    let mut line = Vec::new();
    loop {
        let buffer = source.fill_buf().map_err(fail)?;
        if buffer.is_empty() {
            return Ok((!line.is_empty()).then_some(line));
        }
        let end = buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let taken = end.map_or(buffer.len(), |end| end + 1);
        line.extend_from_slice(&buffer[..taken]);
        source.consume(taken);
        if line.last() == Some(&b'\r') && source.fill_buf().map_err(fail)?.first() == Some(&b'\n') {
            line.push(b'\n');
            source.consume(1);
        }
        if end.is_some() {
            return Ok(Some(line));
        }
        if line.len() > LINE {
            let what = "a line of more than 64 MB, expected the names of columns";
            return Err(broken(path, what, "Check that this is a table of text."));
        }
    }
}

/// The header from its first line on: names in quotes may hold ends of lines.
fn whole(
    path: &Path,
    source: &mut dyn BufRead,
    mut text: String,
    lines: &mut u64,
) -> Result<String> {
    let begin = *lines;
    while text.matches('"').count() % 2 == 1 {
        match line(path, source)? {
            Some(more) if *lines < begin + 100 => text.push_str(&String::from_utf8_lossy(&more)),
            _ => {
                let what = format!("line {begin} opens a quote \" that is never closed");
                return Err(broken(path, what, "Close or remove it."));
            }
        }
        *lines += 1;
    }
    Ok(text)
}

/// Refuses what is no text, by its first bytes.
fn check_text(path: &Path, bytes: &[u8]) -> Result<()> {
    let what = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16 text",
        [b'P', b'K', 3, 4, ..] => "a zip archive (a spreadsheet or NPZ file?)",
        [0x93, b'N', b'U', b'M', ..] => "an NPY file",
        [b'P', b'A', b'R', b'1', ..] => "a Parquet file",
        [0x1f, 0x8b, ..] => "a gzip file inside of another",
        _ if bytes.contains(&0) => "binary",
        _ => return Ok(()),
    };
    let mend = "Save the table as plain UTF-8 text, or give the file the name of what it is.";
    Err(broken(
        path,
        format!("it is {what}, expected a table of text"),
        mend,
    ))
}

/// What could not be read; a gzip file may be damaged.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error.kind() {
        InvalidData | InvalidInput | UnexpectedEof => {
            let what = format!(
                "damaged file ({}), expected a table",
                cell::quoted(&error.to_string())
            );
            broken(path, what, "Copy or write it again.")
        }
        _ => Error::io(path, "read this file", error),
    }
}
