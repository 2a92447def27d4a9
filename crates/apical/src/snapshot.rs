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

use crate::dims::Dims;
use crate::kernel::{Matrix, Panels};
use crate::parts::is_called;
pub use crate::parts::{Found, Layout, Owner, Part, Parts};
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
    Describe(&'a mut Parts),
    Find(&'a str, &'a mut Found),
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

/// Saves, restores, describes, reads or sets arrays: the same calls of a component do all of it.
pub struct StateIo<'a> {
    mode: Mode<'a>,
    prefix: String,
    /// Whose the next array's numbers are.
    owner: Owner,
    /// Full names already restored.
    restored: BTreeSet<String>,
    /// The first array saved that is not finite.
    not_finite: Option<String>,
}

impl<'a> StateIo<'a> {
    fn new(mode: Mode<'a>) -> Self {
        Self {
            mode,
            prefix: String::new(),
            owner: Owner::Network,
            restored: BTreeSet::new(),
            not_finite: None,
        }
    }

    /// Copies state into `snapshot`.
    pub fn save(snapshot: &'a mut Snapshot) -> Self {
        Self::new(Mode::Save(snapshot))
    }

    /// Copies state out of `snapshot`.
    pub fn restore(snapshot: &'a Snapshot) -> Self {
        Self::new(Mode::Restore(snapshot))
    }

    /// Notes what each array is.
    pub fn describe(parts: &'a mut Parts) -> Self {
        Self::new(Mode::Describe(parts))
    }

    /// Reads or sets the arrays called `name`, whatever scope and sample they are of.
    pub fn find(name: &'a str, found: &'a mut Found) -> Self {
        Self::new(Mode::Find(name, found))
    }

    /// Declares whose the numbers of the next array are; without a word they are [`Owner::Network`]'s.
    pub fn of(&mut self, owner: Owner) -> &mut Self {
        self.owner = owner;
        self
    }

    /// Whether this pass restores.
    pub fn is_restoring(&self) -> bool {
        matches!(self.mode, Mode::Restore(_))
    }

    /// What was described so far, if this pass describes.
    pub fn described(&mut self) -> Option<&mut Parts> {
        match &mut self.mode {
            Mode::Describe(parts) => Some(parts),
            _ => None,
        }
    }

    /// Whether this pass sets arrays by their name, after which what follows from them has to be worked out.
    pub fn is_setting(&self) -> bool {
        matches!(self.mode, Mode::Find(_, Found::Set { .. }))
    }

    /// Whether an array of this name is to be saved, or was: files of older versions lack what was added since.
    pub fn holds(&self, name: &str) -> bool {
        match &self.mode {
            Mode::Save(_) | Mode::Describe(_) | Mode::Find(..) => true,
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
        self.rows(name, Layout::vector(values.len(), values.len()), values)
    }

    /// Finite numbers of a vector of `length`, with padding behind.
    ///
    /// # Errors
    /// As [`StateIo::values`].
    pub fn vector<V: Scalar>(&mut self, name: &str, length: usize, values: &mut [V]) -> Result<()> {
        self.rows(name, Layout::vector(length, values.len()), values)
    }

    /// Finite numbers of planes (batch × units), one row for each of their samples.
    ///
    /// # Errors
    /// As [`StateIo::values`].
    pub fn planes<V: Scalar>(&mut self, name: &str, dims: Dims, values: &mut [V]) -> Result<()> {
        let (units, sample) = (dims.units, dims.sample());
        let layout = match values.len() / sample {
            1 => Layout::vector(units, sample),
            rows => Layout::matrix(rows, units, sample),
        };
        self.rows(name, layout, values)
    }

    /// Finite numbers of a matrix.
    ///
    /// # Errors
    /// As [`StateIo::values`].
    pub fn matrix<V: Scalar>(&mut self, name: &str, matrix: &mut Matrix<V>) -> Result<()> {
        let layout = Layout::matrix(matrix.rows(), matrix.columns(), matrix.stride());
        self.rows(name, layout, matrix.data_mut())
    }

    /// Finite numbers of a matrix that is kept in panels.
    ///
    /// # Errors
    /// As [`StateIo::values`].
    pub(crate) fn panels<V: Scalar>(&mut self, name: &str, panels: &mut Panels<V>) -> Result<()> {
        let Mode::Find(sought, found) = &mut self.mode else {
            return self.values(name, panels.values_mut());
        };
        if is_called(name, sought) {
            let (rows, columns) = (panels.rows(), panels.columns());
            let numbers = (0..rows * columns).map(|k| panels.get(k / columns, k % columns));
            let mut numbers: Vec<V> = numbers.collect();
            found.meet(Layout::matrix(rows, columns, columns), &mut numbers);
            for (k, row) in numbers.chunks_exact(columns).enumerate() {
                panels.set_row(k, row);
            }
        }
        Ok(())
    }

    /// Finite numbers, laid out as `layout` says.
    ///
    /// # Errors
    /// As [`StateIo::values`].
    pub fn rows<V: Scalar>(&mut self, name: &str, layout: Layout, values: &mut [V]) -> Result<()> {
        if let Mode::Find(sought, found) = &mut self.mode {
            if is_called(name, sought) {
                found.meet(layout, values);
            }
            return Ok(());
        }
        self.laid_out(name, layout, values)?;
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
        self.laid_out(name, Layout::vector(values.len(), values.len()), values)
    }

    fn laid_out<V: Stored>(&mut self, name: &str, layout: Layout, values: &mut [V]) -> Result<()> {
        let full = self.full(name);
        let owner = std::mem::replace(&mut self.owner, Owner::Network);
        match &mut self.mode {
            Mode::Describe(parts) => {
                parts.insert(full, Part { layout, owner });
            }
            Mode::Find(..) => {}
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
        if let Mode::Restore(snapshot) = &self.mode {
            values.clear();
            values.extend_from_slice(find::<V>(snapshot, &self.full(name))?);
        }
        self.words(name, values)?;
        if length.admits(values.len()) {
            return Ok(());
        }
        let (got, expected) = (values.len(), length.expected());
        let full = self.full(name);
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
        let saving = matches!(self.mode, Mode::Save(_));
        if saving && self.not_finite.is_none() && !values.iter().all(|v| v.finite()) {
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
