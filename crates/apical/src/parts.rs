//! What the arrays of a component are: how they are laid out, and whose their numbers are.

use std::collections::BTreeMap;

use crate::Scalar;

/// How the numbers of an array stand in memory: rows of `columns` numbers, `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows of a matrix; a vector has none.
    pub rows: Option<usize>,
    /// Numbers of a row.
    pub columns: usize,
    /// Distance between the beginnings of two rows; what is beyond `columns` is padding.
    pub stride: usize,
}

impl Layout {
    /// Of a vector of `length` numbers in a place for `stride`.
    pub fn vector(length: usize, stride: usize) -> Self {
        Self {
            rows: None,
            columns: length,
            stride,
        }
    }

    /// Of a matrix whose rows are `stride` apart.
    pub fn matrix(rows: usize, columns: usize, stride: usize) -> Self {
        Self {
            rows: Some(rows),
            columns,
            stride,
        }
    }

    /// Rows and columns; a vector has one side.
    pub fn shape(&self) -> Vec<usize> {
        self.rows.into_iter().chain([self.columns]).collect()
    }

    /// Numbers without padding.
    pub fn count(&self) -> usize {
        self.rows.unwrap_or(1) * self.columns
    }

    /// The numbers of every row without padding.
    pub fn unpack<V: Copy>(&self, stored: &[V]) -> Vec<V> {
        let rows = stored.chunks(self.stride.max(1));
        let rows = rows.map(|row| &row[..self.columns]);
        rows.collect::<Vec<_>>().concat()
    }

    /// Puts numbers without padding in their places; there must be [`Layout::count`] of them.
    pub fn pack<V>(&self, values: impl IntoIterator<Item = V>, stored: &mut [V]) {
        let places = stored.chunks_mut(self.stride.max(1));
        let places = places.flat_map(|row| &mut row[..self.columns]);
        places.zip(values).for_each(|(place, value)| *place = value);
    }
}

/// An array as its component declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Rows and padding.
    pub layout: Layout,
    /// Whose its numbers are.
    pub owner: Owner,
}

/// Arrays by dotted name, for example `rule.credit.A`.
pub type Parts = BTreeMap<String, Part>;

/// What is asked of the arrays of a name, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// To read the first one.
    Get {
        /// Its shape and its numbers row by row, once it is found.
        values: Option<(Vec<usize>, Vec<f64>)>,
    },
    /// To set every one of as many numbers, those of each sample for example.
    Set {
        /// Numbers row by row, without padding.
        values: Vec<f64>,
        /// How many arrays were set.
        hits: usize,
    },
}

impl Found {
    /// Reads or sets an array.
    pub(crate) fn meet<V: Scalar>(&mut self, layout: Layout, stored: &mut [V]) {
        match self {
            Self::Get { values } => {
                let numbers = || layout.unpack(stored).iter().map(|v| v.f64()).collect();
                values.get_or_insert_with(|| (layout.shape(), numbers()));
            }
            Self::Set { values, hits } if values.len() == layout.count() => {
                layout.pack(values.iter().map(|v| V::of(*v)), stored);
                *hits += 1;
            }
            Self::Set { .. } => {}
        }
    }
}

/// Whether an array's name is `sought`, but for the number of a sample behind it.
pub(crate) fn is_called(name: &str, sought: &str) -> bool {
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    match name.strip_prefix(sought) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(is_number),
        None => false,
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
