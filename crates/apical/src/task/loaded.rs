//! Data that stand beside the settings of a task: this crate reads no files.

use std::fmt;
use std::sync::Arc;

use crate::snapshot::StateIo;
use crate::{Error, Result};

/// Data of a task, if they are there. Settings are compared and written without them.
#[derive(Clone)]
pub struct Loaded<D>(Option<Arc<D>>);

impl<D> Loaded<D> {
    /// The data.
    pub fn get(&self) -> Option<&Arc<D>> {
        self.0.as_ref()
    }

    /// The data, or what to do about it.
    pub(super) fn wanted(&self, field: &str, value: &str) -> Result<&Arc<D>> {
        self.0.as_ref().ok_or_else(|| {
            Error::invalid(
                field,
                format!("`{value}`, which has not been read"),
                "data in memory",
                "This library reads no files: use `apical run` or apical_runs::data::load, or hand in arrays.",
            )
        })
    }
}

impl<D> From<D> for Loaded<D> {
    fn from(data: D) -> Self {
        Self(Some(Arc::new(data)))
    }
}

impl<D> Default for Loaded<D> {
    fn default() -> Self {
        Self(None)
    }
}

impl<D> PartialEq for Loaded<D> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<D> fmt::Debug for Loaded<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "loaded"
        } else {
            "not loaded"
        })
    }
}

/// A number that changes with the data (FNV-1a), so that a checkpoint can tell that they did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Takes eight bytes at a time.
    pub fn take(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        // Multiplication alone never carries high bits down.
        self.0 ^= self.0 >> 32;
    }

    pub fn take_bytes(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.take(u64::from_le_bytes(word));
        }
    }

    pub fn take_numbers(&mut self, numbers: &[f64]) {
        numbers
            .iter()
            .for_each(|number| self.take(number.to_bits()));
    }

    /// Saves itself, or refuses a snapshot made with other data.
    pub fn state(self, io: &mut StateIo<'_>) -> Result<()> {
        let mut stored = self.0;
        io.words("data", std::slice::from_mut(&mut stored))?;
        if stored == self.0 {
            return Ok(());
        }
        Err(Error::Snapshot {
            what: "it was written with other data than the task has now".into(),
            mend: "Restore the data file as it was, or start a new run.".into(),
        })
    }
}
