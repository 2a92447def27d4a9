//! Rows of a table: in memory as far as they fit, else in a temporary file from which training reads them.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use apical::task::{Rows, Stored};

use super::broken;
use crate::memory::available;
use crate::{Error, Result};

/// Bytes of a number.
const BYTES: usize = size_of::<f64>();

/// Rows as they are read.
pub(super) struct Store {
    path: PathBuf,
    /// Bytes of memory that they may take.
    room: f64,
    memory: Vec<f64>,
    file: Option<Overflow>,
    count: usize,
}

/// The file of rows that do not fit.
struct Overflow {
    folder: PathBuf,
    file: BufWriter<File>,
}

impl Store {
    /// Of the rows of `path`; they may take half of the memory there is.
    pub fn new(path: &Path) -> Self {
        Self::within(path, available() / 2.0)
    }

    /// They may take `room` bytes of memory.
    pub fn within(path: &Path, room: f64) -> Self {
        Self {
            path: path.into(),
            room,
            memory: Vec::new(),
            file: None,
            count: 0,
        }
    }

    /// Takes numbers at the end.
    ///
    /// # Errors
    /// Those of the temporary file.
    pub fn push(&mut self, numbers: &[f64]) -> Result<()> {
        self.count += numbers.len();
        if self.file.is_none() && self.fits(numbers.len()) {
            self.memory.extend_from_slice(numbers);
            return Ok(());
        }
        let overflow = match self.file.take() {
            Some(overflow) => overflow,
            None => Overflow::of(&self.path, &std::mem::take(&mut self.memory))?,
        };
        self.file.insert(overflow).write(&self.path, numbers)
    }

    /// Makes room for `more` numbers in memory, if they fit.
    fn fits(&mut self, more: usize) -> bool {
        let needed = self.memory.len() + more;
        if needed <= self.memory.capacity() {
            return true;
        }
        // While it grows, the old memory is there as well.
        let bytes = |numbers: usize| (numbers * BYTES) as f64;
        let grown = needed.max(2 * self.memory.len()).max(8192);
        let room = self.room - bytes(self.memory.len());
        [grown, needed].into_iter().any(|count| {
            let more = count - self.memory.len();
            bytes(count) <= room && self.memory.try_reserve_exact(more).is_ok()
        })
    }

    /// All that were taken.
    ///
    /// # Errors
    /// Those of the temporary file.
    pub fn finish(self) -> Result<Rows> {
        let Some(overflow) = self.file else {
            return Ok(Rows::Memory(self.memory));
        };
        let Overflow { folder, file } = overflow;
        let file = file
            .into_inner()
            .map_err(|error| unwritten(&self.path, &folder, error.error()))?;
        Ok(Rows::Stored(
            self.count,
            Arc::new(Numbers(Mutex::new(file))),
        ))
    }
}

impl Overflow {
    fn of(path: &Path, numbers: &[f64]) -> Result<Self> {
        let folder = folder();
        let file =
            tempfile::tempfile_in(&folder).map_err(|error| unwritten(path, &folder, &error))?;
        let mut overflow = Self {
            folder,
            file: BufWriter::with_capacity(1 << 20, file),
        };
        overflow.write(path, numbers)?;
        Ok(overflow)
    }

    fn write(&mut self, path: &Path, numbers: &[f64]) -> Result<()> {
        let mut write = |number: &f64| self.file.write_all(&number.to_ne_bytes());
        let written = numbers.iter().try_for_each(&mut write);
        written.map_err(|error| unwritten(path, &self.folder, &error))
    }
}

/// A folder for large files: what TMPDIR names, or one that is not kept in memory, as /tmp may be.
fn folder() -> PathBuf {
    let large = Path::new("/var/tmp");
    match std::env::var_os("TMPDIR") {
        None if large.is_dir() => large.into(),
        _ => std::env::temp_dir(),
    }
}

fn unwritten(path: &Path, folder: &Path, error: &std::io::Error) -> Error {
    let what = format!(
        "the columns that are used do not fit into memory, and no copy of them can be written in {} ({error})",
        folder.display()
    );
    let mend = "Let TMPDIR name a folder with more room, or use fewer columns or rows.";
    broken(path, what, mend)
}

/// The file, without a name, that holds the numbers.
struct Numbers(Mutex<File>);

impl Stored for Numbers {
    fn read(&self, first: usize, numbers: &mut [f64]) -> std::io::Result<()> {
        let mut bytes = vec![0; numbers.len() * BYTES];
        {
            let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start((first * BYTES) as u64))?;
            file.read_exact(&mut bytes)?;
        }
        let (bytes, _) = bytes.as_chunks::<BYTES>();
        for (number, bytes) in numbers.iter_mut().zip(bytes) {
            *number = f64::from_ne_bytes(*bytes);
        }
        Ok(())
    }
}

/// Makes room for `count` numbers, all at once in memory.
///
/// # Errors
/// Too little memory for them.
pub(super) fn reserve(path: &Path, count: usize) -> Result<Vec<f64>> {
    let bytes = count.saturating_mul(BYTES);
    let mut numbers = Vec::new();
    if bytes as f64 <= available() && numbers.try_reserve_exact(count).is_ok() {
        return Ok(numbers);
    }
    let what = format!(
        "the columns that are used need {} of memory or more, expected no more than there is",
        size(bytes)
    );
    let mend =
        "Use fewer columns or rows, or save them as CSV or Parquet, which are read part by part.";
    Err(broken(path, what, mend))
}

/// A size in words.
fn size(bytes: usize) -> String {
    match bytes as f64 {
        bytes if bytes < 1e9 => format!("{:.0} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use apical::Precision;
    use apical::loss::Loss;
    use apical::task::{Layout, Origin, Sequences, TaskSpec};

    use super::*;

    fn rows(room: f64) -> Rows {
        let mut store = Store::within(Path::new("d.csv"), room);
        for row in 0..5000 {
            let counts = row % 3 != 0;
            let target = if counts { (row % 7) as f64 } else { f64::NAN };
            let row = [(row as f64).sin(), 1.0 / row as f64, target, counts.into()];
            store
                .push(&row.map(|v: f64| if v.is_infinite() { 0.0 } else { v }))
                .unwrap();
        }
        store.finish().unwrap()
    }

    #[test]
    fn rows_beyond_the_room_are_stored_and_read_back_bit_for_bit() {
        let [few, all] = [1e5, 1e9].map(rows);
        let Rows::Memory(numbers) = all else {
            panic!("they fit");
        };
        let Rows::Stored(count, source) = few else {
            panic!("they do not fit");
        };
        assert_eq!((count, numbers.len()), (20_000, 20_000));
        let mut read = vec![0.0; count];
        source.read(0, &mut read).unwrap();
        let bits = |numbers: &[f64]| -> Vec<u64> { numbers.iter().map(|v| v.to_bits()).collect() };
        assert_eq!(bits(&read), bits(&numbers));
        source.read(12_345, &mut read[..10]).unwrap();
        assert_eq!(bits(&read[..10]), bits(&numbers[12_345..12_355]));
        assert!(source.read(count - 5, &mut read[..10]).is_err());
    }

    #[test]
    fn stored_rows_are_checked_and_counted_as_those_in_memory() {
        let layout = Layout {
            inputs: 2,
            targets: 1,
            classes: None,
            masked: true,
        };
        let [few, all] = [1e5, 1e9].map(|room| {
            let trials = vec![100, 1700, 5000];
            Sequences::table(layout, rows(room), trials, Origin::default()).unwrap()
        });
        assert_eq!(few.steps(), all.steps());
        assert_eq!(few.largest(), all.largest());
        let words = |sequences: &Sequences| {
            let spec = apical::task::DataSpec::of(sequences.clone());
            TaskSpec::Data(spec)
        };
        let losses = [Loss::SigmoidCrossEntropy {}, Loss::SoftmaxCrossEntropy {}];
        for loss in losses {
            let check = |sequences| {
                let found = words(sequences).check_data(loss, Precision::F32, true);
                found.map_err(|error| error.to_string())
            };
            assert_eq!(check(&few), check(&all));
        }
        let wrong = [0.0, f64::NAN, 0.0, 1.0];
        let mut store = Store::within(Path::new("d.csv"), 10.0);
        store.push(&wrong).unwrap();
        let refused = Sequences::table(layout, store.finish().unwrap(), vec![1], Origin::default());
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("row 1, input 1: got NaN"), "{error}");
    }
}
