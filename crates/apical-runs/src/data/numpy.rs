//! NPY files, with one array, and NPZ files, with several.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use npyz::{DType, NpyFile, Order, TypeChar};

use super::columns::{Columns, Selected, check_finite};
use super::{broken, config};
use crate::{Error, Result};

/// Arrays as columns of equal length.
pub(super) struct Arrays {
    names: Vec<String>,
    /// Of each column: its array and its place there.
    places: Vec<(usize, usize)>,
    arrays: Vec<Array>,
}

struct Array {
    name: String,
    /// The whole NPY file.
    bytes: Vec<u8>,
    shape: Vec<u64>,
}

impl Arrays {
    /// One array of steps × columns; `columns` are their names.
    pub fn npy(path: &Path, columns: &[String], field: &str) -> Result<Self> {
        let bytes = std::fs::read(path);
        let bytes = bytes.map_err(|error| Error::io(path, "read this file", &error))?;
        let array = Array::new(path, "the array", bytes)?;
        let count = array.columns(path)?;
        if !columns.is_empty() && columns.len() != count {
            let (got, path) = (columns.len(), path.display());
            let what = format!("got {got} names, expected {count}, the columns of {path}");
            return Err(config(field, what, "Give one name for each column."));
        }
        let named = |k: usize| columns.get(k).cloned().unwrap_or_else(|| k.to_string());
        Ok(Self {
            names: (0..count).map(named).collect(),
            places: (0..count).map(|k| (0, k)).collect(),
            arrays: vec![array],
        })
    }

    /// Named arrays: one of one dimension is a column of its name, one of two gives `name.0`, `name.1`, ….
    pub fn npz(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, "read this file", &error))?;
        let damaged = |reason: String| {
            let what = format!("not an NPZ file ({reason}), expected a zip archive of arrays");
            broken(path, what, "Write it with numpy.savez, or copy it again.")
        };
        let mut archive = zip::ZipArchive::new(file).map_err(|error| damaged(error.to_string()))?;
        let mut all = Self {
            names: Vec::new(),
            places: Vec::new(),
            arrays: Vec::new(),
        };
        for index in 0..archive.len() {
            let entry = archive.by_index(index);
            let mut entry = entry.map_err(|error| damaged(error.to_string()))?;
            let name = entry.name().map_err(|error| damaged(error.to_string()))?;
            let Some(name) = name.strip_suffix(".npy").map(String::from) else {
                continue;
            };
            let mut bytes = Vec::new();
            let read = entry.read_to_end(&mut bytes);
            read.map_err(|error| damaged(format!("array `{name}`: {error}")))?;
            let array = Array::new(path, &format!("array `{name}`"), bytes)?;
            let place = all.arrays.len();
            if array.shape.len() == 2 {
                for k in 0..array.columns(path)? {
                    all.names.push(format!("{name}.{k}"));
                    all.places.push((place, k));
                }
            } else {
                // Refused if it is asked for.
                all.names.push(name);
                all.places.push((place, 0));
            }
            all.arrays.push(array);
        }
        Ok(all)
    }
}

impl Array {
    fn new(path: &Path, name: &str, bytes: Vec<u8>) -> Result<Self> {
        let mut array = Self {
            name: name.into(),
            bytes,
            shape: Vec::new(),
        };
        array.shape = array.open(path)?.shape().to_vec();
        Ok(array)
    }

    fn open(&self, path: &Path) -> Result<NpyFile<Cursor<&[u8]>>> {
        NpyFile::new(Cursor::new(&self.bytes[..])).map_err(|error| {
            let what = format!("{} is not in the NPY format ({error})", self.name);
            broken(path, what, "Write it with numpy.save or numpy.savez.")
        })
    }

    /// Number of columns, if it can be read as columns.
    fn columns(&self, path: &Path) -> Result<usize> {
        match self.shape[..] {
            [_] => Ok(1),
            [_, columns] if columns <= 1_000_000 => Ok(columns as usize),
            _ => {
                let what = format!(
                    "{} has the shape {:?}, expected (steps) or (steps, columns)",
                    self.name, self.shape
                );
                let mend = "Save trials one below the other, with a column that numbers them.";
                Err(broken(path, what, mend))
            }
        }
    }

    /// Its numbers, a column after another.
    fn numbers(&self, path: &Path) -> Result<Vec<Vec<f64>>> {
        let columns = self.columns(path)?;
        let file = self.open(path)?;
        let (dtype, order) = (file.dtype(), file.order());
        let wrong = || {
            let what = format!(
                "{} has the dtype {}, expected floats (f4, f8), integers or booleans",
                self.name,
                dtype.descr()
            );
            broken(path, what, "Save it with array.astype(float).")
        };
        let DType::Plain(kind) = &dtype else {
            return Err(wrong());
        };
        let count = self
            .shape
            .iter()
            .try_fold(1u64, |product, n| product.checked_mul(*n));
        let bytes = count.and_then(|count| count.checked_mul(kind.num_bytes()? as u64));
        let there = self.bytes.len() as u64 - self.open(path)?.into_inner().position();
        if bytes.is_none_or(|bytes| bytes > there) {
            let what = format!(
                "{} is truncated: its shape is {:?}, and {there} bytes follow the header",
                self.name, self.shape
            );
            return Err(broken(path, what, "Copy or write the file again."));
        }
        macro_rules! read {
            ($type:ty, $to:expr) => {
                file.into_vec::<$type>()
                    .map(|values| values.into_iter().map($to).collect())
            };
        }
        let values: std::io::Result<Vec<f64>> = match (kind.type_char(), kind.size_field()) {
            (TypeChar::Float, 8) => file.into_vec::<f64>(),
            (TypeChar::Float, 4) => read!(f32, f64::from),
            (TypeChar::Int, 1) => read!(i8, f64::from),
            (TypeChar::Int, 2) => read!(i16, f64::from),
            (TypeChar::Int, 4) => read!(i32, f64::from),
            (TypeChar::Int, 8) => read!(i64, |v| v as f64),
            (TypeChar::Uint, 1) => read!(u8, f64::from),
            (TypeChar::Uint, 2) => read!(u16, f64::from),
            (TypeChar::Uint, 4) => read!(u32, f64::from),
            (TypeChar::Uint, 8) => read!(u64, |v| v as f64),
            (TypeChar::Bool, _) => read!(bool, f64::from),
            _ => return Err(wrong()),
        };
        let values = values.map_err(|error| {
            let what = format!("{} cannot be read ({error})", self.name);
            broken(path, what, "Copy or write the file again.")
        })?;
        let rows = values.len() / columns.max(1);
        let at = |row: usize, column: usize| match order {
            Order::C => values[row * columns + column],
            Order::Fortran => values[column * rows + row],
        };
        let column = |k: usize| (0..rows).map(|row| at(row, k)).collect();
        Ok((0..columns).map(column).collect())
    }
}

impl Columns for Arrays {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn read(&mut self, path: &Path, indexes: &[usize], trial: Option<usize>) -> Result<Selected> {
        let mut numbers: Vec<Option<Vec<Vec<f64>>>> = self.arrays.iter().map(|_| None).collect();
        let mut columns = Vec::new();
        let mut first: Option<(usize, &str)> = None;
        for index in indexes.iter().chain(&trial) {
            let (place, k) = self.places[*index];
            let array = &self.arrays[place];
            if numbers[place].is_none() {
                numbers[place] = Some(array.numbers(path)?);
            }
            let read = numbers[place].as_ref().and_then(|read| read.get(k));
            let column = read.cloned().unwrap_or_default();
            for (row, value) in column.iter().enumerate() {
                check_finite(
                    path,
                    *value,
                    &format!("row {}", row + 1),
                    &self.names[*index],
                )?;
            }
            match first {
                Some((rows, other)) if rows != column.len() => {
                    let (got, name) = (column.len(), &array.name);
                    let what = format!("{name} has {got} rows, expected {rows} as {other}");
                    let mend = "All arrays that are used need a row for each step.";
                    return Err(broken(path, what, mend));
                }
                Some(_) => (),
                None => first = Some((column.len(), &array.name)),
            }
            columns.push(column);
        }
        let rows = first.map_or(0, |(rows, _)| rows);
        let mut starts = vec![0];
        if trial.is_some()
            && let Some(values) = columns.pop()
        {
            let changes = values.windows(2).enumerate();
            starts.extend(changes.filter(|(_, w)| w[0] != w[1]).map(|(k, _)| k + 1));
        }
        Ok(Selected {
            rows,
            columns,
            starts,
        })
    }
}
