//! Carry the whole state of a learner, so that a run can stop and go on bit for bit.
//!
//! A component describes its state once, in a function that both saves and restores:
//!
//! ```
//! use apical::snapshot::{Snapshot, StateIo};
//!
//! struct Trace { values: Vec<f64>, steps: u64 }
//! impl Trace {
//!     fn state(&mut self, io: &mut StateIo<'_>) -> apical::Result<()> {
//!         io.values("values", &mut self.values)?;
//!         io.counter("steps", &mut self.steps)
//!     }
//! }
//! # fn main() -> apical::Result<()> {
//! let mut trace = Trace { values: vec![1.0, 2.0], steps: 7 };
//! let mut snapshot = Snapshot::default();
//! trace.state(&mut StateIo::save(&mut snapshot))?;
//!
//! let mut restored = Trace { values: vec![0.0; 2], steps: 0 };
//! restored.state(&mut StateIo::restore(&snapshot))?;
//! assert_eq!((restored.values, restored.steps), (vec![1.0, 2.0], 7));
//! # Ok(()) }
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::{Error, Result};

/// Named arrays and texts; what a checkpoint file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Numbers by dotted name, for example `rule.credit.A`.
    pub arrays: BTreeMap<String, Array>,
    /// Texts by name, for example the resolved configuration.
    pub texts: BTreeMap<String, String>,
}

/// An array of one of the number types a learner holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// 32-bit floating point.
    F32(Vec<f32>),
    /// 64-bit floating point.
    F64(Vec<f64>),
    /// Counters and random-stream positions.
    U64(Vec<u64>),
}

impl Array {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::U64(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of the element type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
            Self::U64(_) => "u64",
        }
    }
}

/// Types that can stand in an [`Array`].
pub trait Stored: Copy + 'static {
    /// Name of the type, as [`Array::kind`] gives it.
    const KIND: &'static str;
    /// Wraps a copy of `values`.
    fn wrap(values: &[Self]) -> Array;
    /// The values, if the array is of this type.
    fn unwrap(array: &Array) -> Option<&[Self]>;
}

macro_rules! stored {
    ($type:ty, $variant:ident, $name:literal) => {
        impl Stored for $type {
            const KIND: &'static str = $name;
            fn wrap(values: &[Self]) -> Array {
                Array::$variant(values.to_vec())
            }
            fn unwrap(array: &Array) -> Option<&[Self]> {
                match array {
                    Array::$variant(values) => Some(values),
                    _ => None,
                }
            }
        }
    };
}
stored!(f32, F32, "f32");
stored!(f64, F64, "f64");
stored!(u64, U64, "u64");

enum Mode<'a> {
    Save(&'a mut Snapshot),
    Restore(&'a Snapshot),
}

/// Saves or restores: the same calls do both.
pub struct StateIo<'a> {
    mode: Mode<'a>,
    prefix: String,
    /// Full names already restored.
    restored: BTreeSet<String>,
}

impl<'a> StateIo<'a> {
    /// Copies state into `snapshot`.
    pub fn save(snapshot: &'a mut Snapshot) -> Self {
        Self {
            mode: Mode::Save(snapshot),
            prefix: String::new(),
            restored: BTreeSet::new(),
        }
    }

    /// Copies state out of `snapshot`.
    pub fn restore(snapshot: &'a Snapshot) -> Self {
        Self {
            mode: Mode::Restore(snapshot),
            prefix: String::new(),
            restored: BTreeSet::new(),
        }
    }

    /// Whether this pass restores.
    pub fn is_restoring(&self) -> bool {
        matches!(self.mode, Mode::Restore(_))
    }

    /// Names below `name` for the length of one call; all that was saved below it must be asked for.
    ///
    /// # Errors
    /// Those of `part`; when restoring, an array `part` did not ask for.
    pub fn scope(&mut self, name: &str, part: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let length = self.prefix.len();
        self.prefix.push_str(name);
        self.prefix.push('.');
        let result = part(self).and_then(|()| self.check_used_up());
        self.prefix.truncate(length);
        result
    }

    /// Refuses a snapshot with more below the present prefix than was restored: it is of something else.
    fn check_used_up(&self) -> Result<()> {
        let Mode::Restore(snapshot) = &self.mode else {
            return Ok(());
        };
        let below = snapshot.arrays.range(self.prefix.clone()..);
        let mut below = below
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(&self.prefix));
        match below.find(|name| !self.restored.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(mismatch(format!("`{name}` has no place in this learner"))),
        }
    }

    /// An array of fixed length.
    ///
    /// # Errors
    /// When restoring: a missing name, another length or another number type.
    pub fn values<V: Stored>(&mut self, name: &str, values: &mut [V]) -> Result<()> {
        let full = format!("{}{name}", self.prefix);
        match &mut self.mode {
            Mode::Save(snapshot) => {
                snapshot.arrays.insert(full, V::wrap(values));
            }
            Mode::Restore(snapshot) => {
                let stored = find::<V>(snapshot, &full)?;
                if stored.len() != values.len() {
                    return Err(mismatch(format!(
                        "`{full}` has {} numbers, the learner needs {}",
                        stored.len(),
                        values.len()
                    )));
                }
                values.copy_from_slice(stored);
                self.restored.insert(full);
            }
        }
        Ok(())
    }

    /// An array whose length is part of the state.
    ///
    /// # Errors
    /// When restoring: a missing name or another number type.
    pub fn list<V: Stored>(&mut self, name: &str, values: &mut Vec<V>) -> Result<()> {
        let full = format!("{}{name}", self.prefix);
        match &mut self.mode {
            Mode::Save(snapshot) => {
                snapshot.arrays.insert(full, V::wrap(values));
            }
            Mode::Restore(snapshot) => {
                let stored = find::<V>(snapshot, &full)?;
                values.clear();
                values.extend_from_slice(stored);
                self.restored.insert(full);
            }
        }
        Ok(())
    }

    /// One counter.
    ///
    /// # Errors
    /// As [`StateIo::values`].
    pub fn counter(&mut self, name: &str, value: &mut u64) -> Result<()> {
        self.values(name, std::slice::from_mut(value))
    }

    /// One yes-or-no.
    ///
    /// # Errors
    /// As [`StateIo::values`].
    pub fn flag(&mut self, name: &str, value: &mut bool) -> Result<()> {
        let mut number = u64::from(*value);
        self.counter(name, &mut number)?;
        *value = number != 0;
        Ok(())
    }
}

fn find<'a, V: Stored>(snapshot: &'a Snapshot, name: &str) -> Result<&'a [V]> {
    let array = snapshot
        .arrays
        .get(name)
        .ok_or_else(|| mismatch(format!("`{name}` is missing")))?;
    V::unwrap(array).ok_or_else(|| {
        mismatch(format!(
            "`{name}` holds {} numbers, the learner works in {}",
            array.kind(),
            V::KIND
        ))
    })
}

fn mismatch(what: String) -> Error {
    Error::Snapshot {
        what,
        mend: "Resume with the configuration the checkpoint was written with.".into(),
    }
}

/// Whose the numbers of a saved array are: what a rule declares of its state and the locality audit goes by.
///
/// n units, m presynaptic elements, rows padded as in [`Matrix`](crate::kernel::Matrix).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// n × m: number (i, j) is at the synapse of this current from j to i.
    Synapse {
        /// The current, from 0.
        current: usize,
    },
    /// Rows of n, one after another: number i of each is in unit i.
    Unit,
    /// Rows of S n, one state variable after another: number s n + i of each is in unit i.
    States {
        /// Distance between rows.
        stride: usize,
    },
    /// Row i, of this length with padding, is in unit i: its own synapses.
    Row {
        /// Distance between rows.
        stride: usize,
    },
    /// As [`Owner::Row`], and unit i sends to the others its row times the rates, one number; not the row.
    Sender {
        /// Distance between rows.
        stride: usize,
        /// Whether the rates are those of the step before.
        before: bool,
    },
    /// Rows with padding: number k of each is at the presynaptic element `offset` + k, for all the synapses it drives.
    Presynaptic {
        /// Distance between rows.
        stride: usize,
        /// The first element's place in a = [r; x; 1].
        offset: usize,
    },
    /// Received by every unit from the others: rates, for example.
    Sent,
    /// The same everywhere and known everywhere: clocks, broadcast signals.
    Broadcast,
    /// Known to no synapse. What is not declared is this.
    Network,
}
