//! Keep the records of a seed in a file that only grows, so that a checkpoint costs what is new and not all there was.
//!
//! An entry is the channel (4 bytes), the step (8) and the value (8), little-endian, ordered by step and channel, so that the
//! bytes do not depend on when they were written. A checkpoint says how many bytes it has seen, and their checksum.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use apical::monitor::Recorder;

use crate::error::ANOTHER_COPY;
use crate::record::Tests;
use crate::{Error, Result};

const ENTRY: usize = 20;

/// How far a file of records goes: what a checkpoint says of it.
#[derive(Clone, Debug, Default)]
struct Extent {
    bytes: u64,
    sum: crc32fast::Hasher,
    /// Entries of each channel that are in the file; a test counts as one.
    counts: Vec<usize>,
}

/// The file beside the checkpoints of a seed.
#[derive(Debug)]
pub(crate) struct RecordsFile {
    path: PathBuf,
    extent: Extent,
    /// As it was before the last [`RecordsFile::append`].
    before: Extent,
}

impl RecordsFile {
    /// A file that has nothing yet, or whose contents no checkpoint knows.
    pub fn new(path: PathBuf) -> Self {
        let extent = Extent::default();
        Self {
            path,
            before: extent.clone(),
            extent,
        }
    }

    /// Fills `recorder` and `tests` with what the file holds up to `note`, which a checkpoint kept; the file is only read.
    ///
    /// # Errors
    /// A file that is missing, shorter or not what was written.
    pub fn read(
        path: PathBuf,
        note: [u64; 2],
        recorder: &mut Recorder,
        tests: &mut Tests,
    ) -> Result<Self> {
        let (bytes, sum) = load(&path, note)?;
        let mut extent = Extent {
            bytes: note[0],
            sum,
            counts: Vec::new(),
        };
        let damaged = |what: String| damaged(&path, what);
        let channels = recorder.channels_mut();
        let (own, all) = (channels.len(), channels.len() + Tests::NAMES.len());
        extent.counts = vec![0; own + 1];
        let (entries, rest) = bytes.as_chunks::<ENTRY>();
        if !rest.is_empty() {
            return Err(damaged("its records end within an entry".into()));
        }
        for entry in entries {
            let (channel, step, value) = decode(entry);
            match channels.get_mut(channel) {
                Some(found) if found.steps.last().is_some_and(|last| *last >= step) => {
                    return Err(damaged("its records are out of order".into()));
                }
                Some(found) => {
                    found.steps.push(step);
                    found.values.push(f64::from_bits(value));
                    extent.counts[channel] += 1;
                }
                None if channel < all => {
                    extent.counts[own] += usize::from(channel == own);
                    tests.put_back(channel - own, step, f64::from_bits(value));
                }
                None => {
                    return Err(damaged(format!(
                        "its records name channel {channel} of {all}"
                    )));
                }
            }
        }
        if !tests.are_whole() {
            return Err(damaged("a test among its records is not whole".into()));
        }
        Ok(Self {
            path,
            before: extent.clone(),
            extent,
        })
    }

    /// Cuts off what came after the checkpoint that was read.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn cut(&self) -> Result<()> {
        let cut = match self.extent.bytes {
            0 => match fs::remove_file(&self.path) {
                Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other,
            },
            bytes => OpenOptions::new()
                .write(true)
                .open(&self.path)
                .and_then(|file| file.set_len(bytes)),
        };
        cut.map_err(|reason| Error::io(&self.path, "write this file", &reason))
    }

    /// What a checkpoint keeps: bytes and their checksum.
    pub fn note(&self) -> [u64; 2] {
        let sum = self.extent.sum.clone().finalize();
        [self.extent.bytes, u64::from(sum)]
    }

    /// Adds what is not in the file yet, onto the disk.
    ///
    /// # Errors
    /// A file that cannot be written; it is then as it was.
    pub fn append(&mut self, recorder: &Recorder, tests: &Tests) -> Result<()> {
        self.before = self.extent.clone();
        let mut entries: Vec<(u64, usize, f64)> = Vec::new();
        let channels = recorder.channels();
        let counts = &mut self.extent.counts;
        counts.resize(channels.len() + 1, 0);
        for (index, channel) in channels.iter().enumerate() {
            let new = channel.steps.iter().zip(&channel.values);
            entries.extend(new.skip(counts[index]).map(|(s, v)| (*s, index, *v)));
            counts[index] = channel.steps.len();
        }
        let own = channels.len();
        for (step, values) in tests.rows().skip(counts[own]) {
            let values = values.iter().enumerate();
            entries.extend(values.map(|(index, value)| (step, own + index, *value)));
        }
        counts[own] = tests.steps().len();
        if entries.is_empty() {
            return Ok(());
        }
        entries.sort_by_key(|(step, channel, _)| (*step, *channel));
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY);
        for (step, channel, value) in entries {
            bytes.extend((channel as u32).to_le_bytes());
            bytes.extend(step.to_le_bytes());
            bytes.extend(value.to_bits().to_le_bytes());
        }
        let written = self.write(&bytes);
        if let Err(reason) = written {
            self.undo();
            return Err(Error::io(&self.path, "write this file", &reason));
        }
        self.extent.bytes += bytes.len() as u64;
        self.extent.sum.update(&bytes);
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)?;
        file.set_len(self.extent.bytes)?;
        file.seek(SeekFrom::Start(self.extent.bytes))?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    /// Takes the last [`RecordsFile::append`] back, whose checkpoint could not be written.
    pub fn undo(&mut self) {
        self.extent = self.before.clone();
        // What stays behind is cut off when the seed goes on.
        let _ = self.cut();
    }
}

/// Reads as much of a file of records as `note` says, if it is what was written.
///
/// # Errors
/// A file that is missing, shorter or not what was written.
pub(crate) fn load(path: &Path, note: [u64; 2]) -> Result<(Vec<u8>, crc32fast::Hasher)> {
    let [length, expected] = note;
    let mut bytes = Vec::new();
    if length > 0 {
        File::open(path)
            .and_then(|file| file.take(length).read_to_end(&mut bytes))
            .map_err(|reason| match reason.kind() {
                io::ErrorKind::NotFound => damaged(path, "its records are missing".into()),
                _ => Error::io(path, "read these records", &reason),
            })?;
    }
    let mut sum = crc32fast::Hasher::new();
    sum.update(&bytes);
    let found = u64::from(sum.clone().finalize());
    if bytes.len() as u64 != length {
        let what = format!("its records have {} bytes, expected {length}", bytes.len());
        return Err(damaged(path, what));
    }
    if found != expected {
        let what = format!("the checksum of its records is {found:08x}, expected {expected:08x}");
        return Err(damaged(path, what));
    }
    Ok((bytes, sum))
}

fn damaged(path: &Path, what: String) -> Error {
    Error::CheckpointDamaged {
        path: path.into(),
        what,
        mend: ANOTHER_COPY.into(),
    }
}

fn decode(entry: &[u8; ENTRY]) -> (usize, u64, u64) {
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|k| entry[at + k]));
    let channel = u32::from_le_bytes(std::array::from_fn(|k| entry[k]));
    (channel as usize, word(4), word(12))
}

/// The records beside a checkpoint.
pub(crate) fn beside(checkpoint: &Path) -> PathBuf {
    checkpoint.with_extension("records")
}

#[cfg(test)]
mod tests {
    use apical::{Evaluation, Learner, LearnerSpec, monitor::MonitorSpec};

    use super::*;

    fn recorder() -> Recorder {
        let learner = Learner::<f64>::new(&LearnerSpec::default(), 2, 2, 1).unwrap();
        let specs = ["loss", "A_loss"].map(MonitorSpec::new);
        Recorder::new(&specs, &learner).unwrap()
    }

    /// Records of both channels and a test at one step; a value may be anything.
    fn add(recorder: &mut Recorder, tests: &mut Tests, step: u64) {
        for (k, channel) in recorder.channels_mut().iter_mut().enumerate() {
            channel.steps.push(step);
            channel.values.push(if step == 2 {
                f64::NAN
            } else {
                (step + k as u64) as f64
            });
        }
        tests.push(
            step,
            Evaluation {
                loss: step as f64,
                accuracy: 0.5,
                true_loss: f64::NAN,
                expected_accuracy: -0.0,
            },
        );
    }

    #[test]
    fn the_bytes_do_not_depend_on_when_they_were_written_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (mut recorded, mut tests) = (recorder(), Tests::default());
        let mut often = RecordsFile::new(path("often"));
        let mut notes = Vec::new();
        for step in 1..=4 {
            add(&mut recorded, &mut tests, step);
            often.append(&recorded, &tests).unwrap();
            notes.push(often.note());
        }
        let mut once = RecordsFile::new(path("once"));
        once.append(&recorded, &tests).unwrap();
        assert_eq!(once.note(), notes[3]);
        assert_eq!(
            fs::read(path("once")).unwrap(),
            fs::read(path("often")).unwrap()
        );
        // A checkpoint of the second step sees what it saw then, goes on, and comes to the same bytes.
        let (mut again, mut tests_again) = (recorder(), Tests::default());
        let mut file =
            RecordsFile::read(path("often"), notes[1], &mut again, &mut tests_again).unwrap();
        file.cut().unwrap();
        assert_eq!(again.channels()[1].steps, [1, 2]);
        let same = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same(
            &again.channels()[1].values,
            &recorded.channels()[1].values[..2]
        ));
        assert!(same(&tests_again.column(3), &tests.column(3)[..2]));
        for step in 3..=4 {
            add(&mut again, &mut tests_again, step);
        }
        file.append(&again, &tests_again).unwrap();
        assert_eq!(file.note(), notes[3]);
        assert_eq!(
            fs::read(path("once")).unwrap(),
            fs::read(path("often")).unwrap()
        );
        // What no checkpoint came to know is taken back.
        let before = fs::read(path("often")).unwrap();
        add(&mut again, &mut tests_again, 5);
        file.append(&again, &tests_again).unwrap();
        file.undo();
        assert_eq!(before, fs::read(path("often")).unwrap());
        assert_eq!(file.note(), notes[3]);
    }

    #[test]
    fn a_file_that_is_not_what_was_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let (mut recorded, mut tests) = (recorder(), Tests::default());
        add(&mut recorded, &mut tests, 1);
        let mut file = RecordsFile::new(path.clone());
        file.append(&recorded, &tests).unwrap();
        let note = file.note();
        let sound = fs::read(&path).unwrap();
        let refused = |bytes: Option<&[u8]>, note: [u64; 2]| {
            match bytes {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let (mut recorder, mut tests) = (recorder(), Tests::default());
            let read = RecordsFile::read(path.clone(), note, &mut recorder, &mut tests);
            read.unwrap_err().to_string()
        };
        let mut flipped = sound.clone();
        flipped[5] ^= 1;
        assert!(refused(Some(&flipped), note).contains("the checksum of its records"));
        assert!(refused(Some(&sound[1..]), note).contains("119 bytes, expected 120"));
        assert!(refused(None, note).contains("its records are missing"));
        // With a checksum that holds, but of another experiment.
        let mut other = sound.clone();
        other[0] = 9;
        let sum = u64::from(crc32fast::hash(&other));
        assert!(refused(Some(&other), [120, sum]).contains("name channel 9 of 6"));
        let sum = u64::from(crc32fast::hash(&sound[..30]));
        assert!(refused(Some(&sound), [30, sum]).contains("end within an entry"));
    }
}
