//! NPY files, with one array, and NPZ files, with several, of which only those that are named are read.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::array::Array;
use super::table::{Names, Plan, Read, Table, unknown};
use super::trials::Trials;
use super::{broken, config, store};
use crate::{Error, Result};

/// An array of steps × columns in a file of its own.
pub(super) struct Npy {
    path: PathBuf,
    array: Array,
    names: Names,
    file: BufReader<File>,
}

impl Npy {
    /// `columns` are the names of its columns, `field` the setting that gives them.
    pub fn open(path: &Path, columns: &[String], field: &str) -> Result<Self> {
        let fail = |error: std::io::Error| Error::io(path, "read this file", &error);
        let file = File::open(path).map_err(fail)?;
        let bytes = file.metadata().map_err(fail)?.len();
        let mut file = BufReader::with_capacity(1 << 20, file);
        let array = Array::open(path, "the array", &mut file, bytes)?;
        let own = array.names(path)?;
        if !columns.is_empty() && columns.len() != own.len() {
            let (got, expected, path) = (columns.len(), own.len(), path.display());
            let what = format!("got {got} names, expected {expected}, the columns of {path}");
            return Err(config(field, what, "Give one name for each column."));
        }
        let names = if columns.is_empty() {
            own
        } else {
            columns.to_vec()
        };
        Ok(Self {
            path: path.into(),
            array,
            names: Names::new(names),
            file,
        })
    }
}

impl Table for Npy {
    fn find(&mut self, field: &str, name: &str) -> Result<Vec<usize>> {
        self.names.find(&self.path, field, name)
    }

    fn name(&self, column: usize) -> String {
        self.names.all()[column].clone()
    }

    fn read(&mut self, plan: &Plan) -> Result<Read> {
        let used = Used::of(plan, Some);
        self.array.check(&self.path, &used)?;
        let mut sink = Sink::new(&self.path, plan, self.array.rows())?;
        self.array
            .read(&self.path, &mut self.file, &used, &mut sink)?;
        sink.finish(&self.path, plan, |column| self.name(column))
    }
}

/// Several arrays by name.
pub(super) struct Npz {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    /// Those that were asked for.
    arrays: Vec<Member>,
    by_name: HashMap<String, usize>,
    /// Of each column: its array and its place there.
    columns: Vec<(usize, usize)>,
}

struct Member {
    index: usize,
    array: Array,
    name: String,
    /// Names of its columns within it, and its first column.
    names: Vec<String>,
    first: usize,
}

impl Npz {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, "read this file", &error))?;
        let archive = ZipArchive::new(BufReader::new(file));
        Ok(Self {
            path: path.into(),
            archive: archive.map_err(|error| damaged(path, &error))?,
            arrays: Vec::new(),
            by_name: HashMap::new(),
            columns: Vec::new(),
        })
    }

    /// The array called `name`, if there is one; its header is read when it is first asked for.
    fn member(&mut self, name: &str) -> Result<Option<usize>> {
        if let Some(known) = self.by_name.get(name) {
            return Ok(Some(*known));
        }
        let Some(index) = self.archive.index_for_name(&format!("{name}.npy")) else {
            return Ok(None);
        };
        let path = &self.path;
        let mut entry = self
            .archive
            .by_index(index)
            .map_err(|error| damaged(path, &error))?;
        let bytes = entry.size();
        let label = format!("array `{name}`");
        let array = Array::open(path, &label, &mut entry, bytes)?;
        let (place, first) = (self.arrays.len(), self.columns.len());
        let names = array.names(path)?;
        self.columns.extend((0..names.len()).map(|k| (place, k)));
        self.by_name.insert(name.into(), place);
        self.arrays.push(Member {
            index,
            array,
            name: name.into(),
            names,
            first,
        });
        Ok(Some(place))
    }

    /// Refuses arrays of different length.
    fn rows(&self, plan: &Plan) -> Result<usize> {
        let used = plan
            .columns
            .iter()
            .chain(&plan.trial)
            .map(|c| &self.arrays[self.columns[*c].0]);
        let mut first: Option<&Member> = None;
        for member in used {
            let Some(other) = first else {
                first = Some(member);
                continue;
            };
            let (got, expected) = (member.array.rows(), other.array.rows());
            if got == expected {
                continue;
            }
            let what = format!(
                "array `{}` has {got} rows, expected {expected} as array `{}`",
                member.name, other.name
            );
            let across = [(member, expected), (other, got)]
                .into_iter()
                .find(|(member, rows)| member.array.width() == *rows);
            let mend = match across {
                Some((member, _)) => {
                    format!(
                        "Is `{0}` transposed? Rows are steps: save {0}.T.",
                        member.name
                    )
                }
                None => "All arrays that are used need a row for each step.".into(),
            };
            return Err(broken(&self.path, what, mend));
        }
        Ok(first.map_or(0, |member| member.array.rows()))
    }
}

fn damaged(path: &Path, error: &zip::result::ZipError) -> Error {
    let what = format!("not an NPZ file ({error}), expected a zip archive of arrays");
    broken(path, what, "Write it with numpy.savez, or copy it again.")
}

impl Table for Npz {
    fn find(&mut self, field: &str, name: &str) -> Result<Vec<usize>> {
        if let Some(place) = self.member(name)? {
            let member = &self.arrays[place];
            return Ok((member.first..member.first + member.names.len()).collect());
        }
        if let Some((base, part)) = name.rsplit_once('.')
            && let Some(place) = self.member(base)?
        {
            let member = &self.arrays[place];
            let within = member.names.iter().position(|name| name == part);
            if let Some(k) = within.filter(|_| !member.array.is_column()) {
                return Ok(vec![member.first + k]);
            }
            let known: Vec<String> = match member.array.is_column() {
                true => vec![base.into()],
                false => member
                    .names
                    .iter()
                    .map(|part| format!("{base}.{part}"))
                    .collect(),
            };
            return Err(unknown(&self.path, field, name, &known));
        }
        let known: Vec<String> = self
            .archive
            .file_names()
            .filter_map(|name| name.ok())
            .filter_map(|name| name.strip_suffix(".npy").map(String::from))
            .collect();
        Err(unknown(&self.path, field, name, &known))
    }

    fn name(&self, column: usize) -> String {
        let (place, k) = self.columns[column];
        let member = &self.arrays[place];
        match member.array.is_column() {
            true => member.name.clone(),
            false => format!("{}.{}", member.name, member.names[k]),
        }
    }

    fn read(&mut self, plan: &Plan) -> Result<Read> {
        let rows = self.rows(plan)?;
        let mut parts = Vec::new();
        for (place, member) in self.arrays.iter().enumerate() {
            let used = Used::of(plan, |column| {
                let (of, k) = self.columns[column];
                (of == place).then_some(k)
            });
            if !used.0.is_empty() {
                member.array.check(&self.path, &used)?;
                parts.push((member, used));
            }
        }
        let mut sink = Sink::new(&self.path, plan, rows)?;
        for (member, used) in parts {
            let entry = self.archive.by_index(member.index);
            let mut entry = entry.map_err(|error| damaged(&self.path, &error))?;
            let bytes = entry.size();
            // Its header once more, to stand behind it.
            Array::open(&self.path, "the array", &mut entry, bytes)?;
            member
                .array
                .read(&self.path, &mut entry, &used, &mut sink)?;
        }
        sink.finish(&self.path, plan, |column| self.name(column))
    }
}

/// Where a column of an array goes in a row; none for the trial.
pub(super) struct Used(pub Vec<(usize, Option<usize>)>);

impl Used {
    /// Those columns of a plan that `within` places in the array.
    fn of(plan: &Plan, within: impl Fn(usize) -> Option<usize>) -> Self {
        let columns = plan.columns.iter().enumerate();
        let numbers = columns.filter_map(|(to, column)| Some((within(*column)?, Some(to))));
        let trial = plan.trial.and_then(&within).map(|k| (k, None));
        Self(numbers.chain(trial).collect())
    }
}

/// Rows that are filled column by column.
pub(super) struct Sink {
    pub numbers: Vec<f64>,
    pub width: usize,
    pub trials: Trials,
}

impl Sink {
    fn new(path: &Path, plan: &Plan, rows: usize) -> Result<Self> {
        let width = plan.layout.width();
        let mut numbers = store::reserve(path, rows.saturating_mul(width))?;
        numbers.resize(rows * width, 0.0);
        Ok(Self {
            numbers,
            width,
            trials: Trials::default(),
        })
    }

    fn finish(self, path: &Path, plan: &Plan, name: impl Fn(usize) -> String) -> Result<Read> {
        let rows = self.numbers.len() / self.width;
        let ends = match plan.trial {
            Some(column) if rows > 0 => {
                let place = |row: usize| format!("row {}", row + 1);
                self.trials.ends(path, &name(column), rows, place)?
            }
            _ => Vec::new(),
        };
        Ok(Read {
            rows: self.numbers.into(),
            ends,
            lines: Vec::new(),
        })
    }
}
