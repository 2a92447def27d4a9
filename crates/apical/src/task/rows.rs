//! Rows of numbers, in memory or outside of it.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Numbers that are kept outside of memory, such as in a file.
pub trait Stored: Send + Sync {
    /// Fills `numbers` with those from number `first` on.
    ///
    /// # Errors
    /// Those of the place they are kept in.
    fn read(&self, first: usize, numbers: &mut [f64]) -> io::Result<()>;
}

/// Numbers row by row, wherever they are.
#[derive(Clone)]
pub enum Rows {
    /// All of them.
    Memory(Vec<f64>),
    /// A part at a time: how many there are, and where.
    Stored(usize, Arc<dyn Stored>),
}

impl Rows {
    /// Count of numbers.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(numbers) => numbers.len(),
            Self::Stored(count, _) => *count,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row of `width` numbers that is row `row`, for one reader of its own. Rows that are fetched pass through `mend`;
    /// those that cannot be are NaN, which no learner takes.
    pub(super) fn row<'a>(
        &'a self,
        row: usize,
        width: usize,
        window: &'a mut Window,
        mend: impl Fn(&mut [f64]),
    ) -> &'a [f64] {
        match self {
            Self::Memory(numbers) => &numbers[row * width..][..width],
            Self::Stored(count, source) => {
                let inside = row.wrapping_sub(window.first) < window.numbers.len() / width;
                if !inside {
                    let rows = (WINDOW / width).max(1).min(count / width - row);
                    window.first = row;
                    window.numbers.resize(rows * width, 0.0);
                    match source.read(row * width, &mut window.numbers) {
                        Ok(()) => window.numbers.chunks_exact_mut(width).for_each(mend),
                        Err(_) => window.numbers.fill(f64::NAN),
                    }
                }
                &window.numbers[(row - window.first) * width..][..width]
            }
        }
    }
}

impl From<Vec<f64>> for Rows {
    fn from(numbers: Vec<f64>) -> Self {
        Self::Memory(numbers)
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} numbers", self.len())
    }
}

/// Numbers that are fetched at a time.
const WINDOW: usize = 8192;

/// The rows that a reader has fetched last.
#[derive(Default)]
pub(super) struct Window {
    first: usize,
    numbers: Vec<f64>,
}
