//! Carry the whole state of a learner, so that a run can stop and go on bit for bit.
//!
//! A component describes its state once, in a function that both saves and restores:
//!
//! ```
//! use apical::snapshot::{STEPS, Snapshot, StateIo};
//!
//! struct Trace { values: Vec<f64>, steps: u64 }
//! impl Trace {
//!     fn state(&mut self, io: &mut StateIo<'_>) -> apical::Result<()> {
//!         io.values("values", &mut self.values)?;
//!         io.counter("steps", &mut self.steps, STEPS)
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
//!
//! A checkpoint is untrusted: every number says what it may be where it is described, counters their range, lists their length.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::{Error, Result, Scalar};

/// What steps, trials and updates may be: no run comes near, and sums of a few still fit.
pub const STEPS: RangeInclusive<u64> = 0..=1 << 53;

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

/// How long a list may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Any length: nothing else depends on it.
    Any,
    /// As many numbers as other state says.
    Exactly(usize),
    /// Whole rows of this many numbers.
    Rows(usize),
}

impl Length {
    fn admits(self, length: usize) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(expected) => length == expected,
            Self::Rows(width) => width > 0 && length.is_multiple_of(width),
        }
    }

    fn expected(self) -> String {
        match self {
            Self::Any => "any number of numbers".into(),
            Self::Exactly(length) => length.to_string(),
            Self::Rows(width) => format!("a multiple of {width}"),
        }
    }
}

/// Saves or restores: the same calls do both.
pub struct StateIo<'a> {
    mode: Mode<'a>,
    prefix: String,
    /// Full names already restored.
    restored: BTreeSet<String>,
    /// The first array saved that is not finite.
    not_finite: Option<String>,
}

impl<'a> StateIo<'a> {
    /// Copies state into `snapshot`.
    pub fn save(snapshot: &'a mut Snapshot) -> Self {
        Self {
            mode: Mode::Save(snapshot),
            prefix: String::new(),
            restored: BTreeSet::new(),
            not_finite: None,
        }
    }

    /// Copies state out of `snapshot`.
    pub fn restore(snapshot: &'a Snapshot) -> Self {
        Self {
            mode: Mode::Restore(snapshot),
            prefix: String::new(),
            restored: BTreeSet::new(),
            not_finite: None,
        }
    }

    /// Whether this pass restores.
    pub fn is_restoring(&self) -> bool {
        matches!(self.mode, Mode::Restore(_))
    }

    /// Whether an array of this name is to be saved, or was: files of older versions lack what was added since.
    pub fn holds(&self, name: &str) -> bool {
        match &self.mode {
            Mode::Save(_) => true,
            Mode::Restore(snapshot) => snapshot.arrays.contains_key(&self.full(name)),
        }
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

    /// The first array saved so far that is not finite, by its full name.
    pub fn not_finite(&self) -> Option<&str> {
        self.not_finite.as_deref()
    }

    /// Finite numbers, as many as there are.
    ///
    /// # Errors
    /// When restoring: a missing name, another length or number type, a NaN or an infinity.
    pub fn values<V: Scalar>(&mut self, name: &str, values: &mut [V]) -> Result<()> {
        self.words(name, values)?;
        self.check_finite(name, values)
    }

    /// Numbers that may be NaN or infinite, because no step goes wrong by them: what was measured, or not yet.
    ///
    /// # Errors
    /// When restoring: a missing name, another length or number type.
    pub fn measured<V: Scalar>(&mut self, name: &str, values: &mut [V]) -> Result<()> {
        self.words(name, values)
    }

    /// Measured numbers, as many as `length` admits.
    ///
    /// # Errors
    /// When restoring: a missing name, another length or number type.
    pub fn measured_list<V: Scalar>(
        &mut self,
        name: &str,
        values: &mut Vec<V>,
        length: Length,
    ) -> Result<()> {
        self.word_list(name, values, length)
    }

    /// Numbers of a mask: each 0 or 1.
    ///
    /// # Errors
    /// As [`StateIo::values`]; another number.
    pub fn mask<V: Scalar>(&mut self, name: &str, values: &mut [V]) -> Result<()> {
        self.words(name, values)?;
        self.check_each(name, values, "0 or 1", |v| *v == V::ZERO || *v == V::ONE)
    }

    /// Signs: each -1, 0 or 1.
    ///
    /// # Errors
    /// As [`StateIo::values`]; another number.
    pub fn signs<V: Scalar>(&mut self, name: &str, values: &mut [V]) -> Result<()> {
        self.words(name, values)?;
        self.check_each(name, values, "-1, 0 or 1", |v| {
            *v == V::ZERO || v.magnitude() == V::ONE
        })
    }

    /// Finite numbers, as many as `length` admits.
    ///
    /// # Errors
    /// As [`StateIo::values`].
    pub fn list<V: Scalar>(
        &mut self,
        name: &str,
        values: &mut Vec<V>,
        length: Length,
    ) -> Result<()> {
        self.word_list(name, values, length)?;
        self.check_finite(name, values)
    }

    /// One counter, index or phase, and the range outside which it would lead astray.
    ///
    /// # Errors
    /// As [`StateIo::values`]; a number outside the range.
    pub fn counter(
        &mut self,
        name: &str,
        value: &mut u64,
        range: RangeInclusive<u64>,
    ) -> Result<()> {
        self.counters(name, std::slice::from_mut(value), range)
    }

    /// Counters, indices or phases of one range, as many as there are.
    ///
    /// # Errors
    /// As [`StateIo::values`]; a number outside the range.
    pub fn counters(
        &mut self,
        name: &str,
        values: &mut [u64],
        range: RangeInclusive<u64>,
    ) -> Result<()> {
        self.words(name, values)?;
        self.check_range(name, values, range)
    }

    /// Counters, indices or phases of one range, as many as `length` admits.
    ///
    /// # Errors
    /// As [`StateIo::values`]; a number outside the range.
    pub fn counter_list(
        &mut self,
        name: &str,
        values: &mut Vec<u64>,
        length: Length,
        range: RangeInclusive<u64>,
    ) -> Result<()> {
        self.word_list(name, values, length)?;
        self.check_range(name, values, range)
    }

    /// The steps at which something was noted, in their order.
    ///
    /// # Errors
    /// As [`StateIo::values`]; steps out of order or beyond [`STEPS`].
    pub fn step_list(&mut self, name: &str, values: &mut Vec<u64>) -> Result<()> {
        self.counter_list(name, values, Length::Any, STEPS)?;
        self.require(name, values.is_sorted(), || "steps in their order".into())
    }

    /// One yes-or-no.
    ///
    /// # Errors
    /// As [`StateIo::values`].
    pub fn flag(&mut self, name: &str, value: &mut bool) -> Result<()> {
        let mut number = u64::from(*value);
        self.counter(name, &mut number, 0..=1)?;
        *value = number != 0;
        Ok(())
    }

    /// Numbers of which every pattern of bits is right, as many as there are.
    ///
    /// # Errors
    /// When restoring: a missing name, another length or number type.
    pub fn words<V: Stored>(&mut self, name: &str, values: &mut [V]) -> Result<()> {
        let full = self.full(name);
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

    /// Numbers of which every pattern of bits is right, as many as `length` admits.
    ///
    /// # Errors
    /// When restoring: a missing name, another length or number type.
    pub fn word_list<V: Stored>(
        &mut self,
        name: &str,
        values: &mut Vec<V>,
        length: Length,
    ) -> Result<()> {
        let full = self.full(name);
        match &mut self.mode {
            Mode::Save(snapshot) => {
                snapshot.arrays.insert(full.clone(), V::wrap(values));
            }
            Mode::Restore(snapshot) => {
                values.clear();
                values.extend_from_slice(find::<V>(snapshot, &full)?);
                self.restored.insert(full.clone());
            }
        }
        if length.admits(values.len()) {
            return Ok(());
        }
        let (got, expected) = (values.len(), length.expected());
        Err(damaged(format!(
            "`{full}` has {got} numbers, expected {expected}"
        )))
    }

    /// Refuses a state whose parts, each right by itself, do not fit each other.
    ///
    /// # Errors
    /// `holds` is false; `expected` then says what should be.
    pub fn require(
        &self,
        name: &str,
        holds: bool,
        expected: impl FnOnce() -> String,
    ) -> Result<()> {
        if holds {
            return Ok(());
        }
        Err(damaged(format!(
            "`{}` does not fit the rest, expected {}",
            self.full(name),
            expected()
        )))
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn check_range(&self, name: &str, values: &[u64], range: RangeInclusive<u64>) -> Result<()> {
        let expected = match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        };
        self.check_each(name, values, &expected, |value| range.contains(value))
    }

    fn check_each<V: std::fmt::Debug>(
        &self,
        name: &str,
        values: &[V],
        expected: &str,
        is_right: impl Fn(&V) -> bool,
    ) -> Result<()> {
        let Some(index) = values.iter().position(|value| !is_right(value)) else {
            return Ok(());
        };
        let place = match values.len() {
            1 => String::new(),
            _ => format!("[{index}]"),
        };
        Err(damaged(format!(
            "`{}{place}` is {:?}, expected {expected}",
            self.full(name),
            values[index]
        )))
    }

    /// A run that has just diverged is no damage: what saves it asks for [`StateIo::not_finite`].
    fn check_finite<V: Scalar>(&mut self, name: &str, values: &[V]) -> Result<()> {
        if self.is_restoring() {
            return self.check_each(name, values, "a finite number", |v| v.finite());
        }
        if self.not_finite.is_none() && !values.iter().all(|v| v.finite()) {
            self.not_finite = Some(self.full(name));
        }
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

fn damaged(what: String) -> Error {
    Error::Snapshot {
        what,
        mend: "The checkpoint is damaged or of another version: go on from another one, or start a new run.".into(),
    }
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
        /// The first column's place in what is sent: the rates, then what every unit receives anyway.
        offset: usize,
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
