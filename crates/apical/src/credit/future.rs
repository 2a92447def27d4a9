//! The true credit of the steps of a window, as errors that came since tell it.
//!
//! Source: Marschall, Cho & Savin 2020, section 3.2 (F-BPTT). λ = slope(t) q(t) is added to the credit of step t, then
//! λ ← J(t)ᵀ λ to that of t−1, and so on over the window. Jacobians are those of their own step, weights those of the present.
//! Memory O(T (m + S² n)), time O(T S G n²) a step. Neither local in space nor in time.

use crate::jacobian::{Kept, backward};
use crate::kernel::{Buffer, Matrix};
use crate::network::Dims;
use crate::sizes::Sizes;
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Result, Scalar};

/// One step of one sample, with its credit so far.
#[derive(Clone)]
pub struct Entry<T> {
    /// What the backward product needs of the step.
    pub kept: Kept<T>,
    /// dΣL/ds over the errors seen so far, one row a state variable.
    pub credit: Matrix<T>,
}

/// The last `horizon` steps of every sample.
pub struct FutureCredit<T> {
    dims: Dims,
    horizon: usize,
    /// A ring of entries for each sample.
    windows: Vec<Vec<Entry<T>>>,
    /// Where the next step goes, and how many steps are held.
    next: u64,
    held: u64,
    moving: Matrix<T>,
    moved: Matrix<T>,
    factor: Buffer<T>,
    back: Buffer<T>,
}

impl<T: Scalar> FutureCredit<T> {
    /// For a network of these sizes.
    pub fn new(dims: Dims, horizon: usize) -> Self {
        let credit = Matrix::zeros(dims.states, dims.units);
        let entry = Entry {
            kept: Kept::new(dims),
            credit: credit.clone(),
        };
        Self {
            dims,
            horizon,
            windows: vec![vec![entry; horizon]; dims.batch],
            next: 0,
            held: 0,
            moving: credit.clone(),
            moved: credit,
            factor: Buffer::zeros(dims.units),
            back: Buffer::zeros(dims.units),
        }
    }

    /// Bytes of a window over `horizon` steps.
    pub(crate) fn memory(sizes: &Sizes, horizon: u64) -> f64 {
        let credit = sizes.matrix(sizes.states, sizes.units);
        // Beside its arrays each entry has a place for them.
        let entry = sizes.kept() + credit + 256.0;
        (sizes.batch * horizon as f64 + 1.0) * entry
            + 2.0 * credit
            + 2.0 * sizes.vector(sizes.units)
    }

    /// Forgets all steps.
    pub fn reset(&mut self) {
        self.held = 0;
    }

    /// Steps held.
    pub fn held(&self) -> usize {
        self.held as usize
    }

    /// Whether the window is full: the oldest step must leave before the next one comes.
    pub fn is_full(&self) -> bool {
        self.held == self.horizon as u64
    }

    /// Takes in the present step and sends its error back over the window.
    pub fn step(&mut self, view: &View<'_, T>, signal: &[T]) {
        let dims = self.dims;
        let slot = self.next as usize;
        for b in 0..dims.batch {
            let entry = &mut self.windows[b][slot];
            entry.kept.keep(view, b);
            entry.credit.clear();
        }
        self.next = (self.next + 1) % self.horizon as u64;
        self.held += 1;
        for b in 0..dims.batch {
            let signal = &signal[b * dims.sample()..][..dims.units];
            for s in 0..dims.states {
                let row = self.moving.row_mut(s).iter_mut();
                let row = row.zip(view.slope(s, b)).zip(signal);
                row.for_each(|((m, slope), q)| *m = *slope * *q);
            }
            for age in 0..self.held {
                let slot = self.slot(age);
                let entry = &mut self.windows[b][slot];
                let credit = entry.credit.data_mut().iter_mut().zip(self.moving.data());
                credit.for_each(|(c, m)| *c += *m);
                if age + 1 < self.held {
                    backward(
                        &entry.kept,
                        view.synapses(),
                        view.simd(),
                        &self.moving,
                        &mut self.factor[..dims.units],
                        &mut self.back,
                        &mut self.moved,
                    );
                    std::mem::swap(&mut self.moving, &mut self.moved);
                }
            }
        }
    }

    /// The oldest step held, of sample `b`.
    pub fn oldest(&self, b: usize) -> &Entry<T> {
        &self.windows[b][self.slot(self.held - 1)]
    }

    /// The oldest step leaves.
    pub fn drop_oldest(&mut self) {
        self.held -= 1;
    }

    /// The step `age` steps before the present one.
    fn slot(&self, age: u64) -> usize {
        let horizon = self.horizon as u64;
        ((self.next + 2 * horizon - 1 - age) % horizon) as usize
    }

    /// Saves or restores the window.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        // The oldest step leaves as soon as the window is full.
        let last = self.horizon as u64 - 1;
        io.counter("next", &mut self.next, 0..=last)?;
        io.counter("held", &mut self.held, 0..=last)?;
        for (b, window) in self.windows.iter_mut().enumerate() {
            for (k, entry) in window.iter_mut().enumerate() {
                io.scope(&format!("{b}.{k}"), |io| {
                    entry.kept.state(io)?;
                    io.matrix("credit", &mut entry.credit)
                })?;
            }
        }
        Ok(())
    }
}
