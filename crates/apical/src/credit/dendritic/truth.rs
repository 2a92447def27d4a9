//! True credit for the target of A, and what has been known of the steps until it comes.

use super::DendriticSpec;
use crate::credit::FutureCredit;
use crate::kernel::Matrix;
use crate::network::Dims;
use crate::snapshot::{STEPS, StateIo};
use crate::view::View;
use crate::{Result, Scalar};

/// The last `horizon` steps, the oldest of which is told its credit.
pub(super) struct Truth<T> {
    lambda: T,
    window: FutureCredit<T>,
    /// Rings of `horizon` rows a sample: ã and the bootstrapped target of each step, by its number.
    labels: Matrix<T>,
    targets: Matrix<T>,
    dims: Dims,
    horizon: u64,
    step: u64,
}

impl<T: Scalar> Truth<T> {
    /// For targets of `rows` numbers a sample.
    pub(super) fn new(spec: &DendriticSpec, dims: Dims, rows: usize) -> Self {
        let horizon = spec.horizon as usize;
        let labels = dims.units + dims.outputs + 1;
        Self {
            lambda: T::of(spec.lambda),
            window: FutureCredit::new(dims, horizon),
            labels: Matrix::zeros(dims.batch * horizon, labels),
            targets: Matrix::zeros(dims.batch * horizon, rows),
            dims,
            horizon: spec.horizon,
            step: 0,
        }
    }

    pub(super) fn reset(&mut self) {
        self.window.reset();
        self.step = 0;
    }

    /// Keeps ã(t) and the target of t−1, and carries the error of t back over the window.
    pub(super) fn keep(
        &mut self,
        view: &View<'_, T>,
        signal: &[T],
        label: &Matrix<T>,
        target: &Matrix<T>,
    ) {
        for b in 0..self.dims.batch {
            let at = self.place(self.step, b);
            self.labels.row_mut(at).copy_from_slice(label.row(b));
            if self.step > 0 {
                let at = self.place(self.step - 1, b);
                self.targets.row_mut(at).copy_from_slice(target.row(b));
            }
        }
        self.window.step(view, signal);
        self.step += 1;
    }

    /// Whether the credit of the oldest step counts as true.
    pub(super) fn is_known(&self) -> bool {
        self.window.is_full()
    }

    /// ã of the oldest step, with its padding.
    pub(super) fn label(&self, b: usize) -> &[T] {
        self.labels.band(self.place(self.oldest(), b), 1)
    }

    /// The target of the oldest step: λ of its true credit, 1 − λ of what was bootstrapped.
    pub(super) fn tell(&self, b: usize, target: &mut [T]) {
        let units = self.dims.units;
        let credit = &self.window.oldest(b).credit;
        let bootstrapped = self.targets.row(self.place(self.oldest(), b));
        for (k, target) in target.iter_mut().enumerate() {
            let known = credit.row(k / units)[k % units];
            *target = self.lambda * known + (T::ONE - self.lambda) * bootstrapped[k];
        }
    }

    /// Forgets the oldest step.
    pub(super) fn forget(&mut self) {
        self.window.drop_oldest();
    }

    fn oldest(&self) -> u64 {
        self.step - self.horizon
    }

    fn place(&self, step: u64, b: usize) -> usize {
        (step % self.horizon) as usize * self.dims.batch + b
    }

    /// Saves or restores the window.
    pub(super) fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.window.state(io)?;
        io.matrix("labels", &mut self.labels)?;
        io.matrix("targets", &mut self.targets)?;
        io.counter("step", &mut self.step, STEPS)?;
        // Counted together, until the window is full.
        let held = self.step.min(self.horizon - 1);
        let expected = || format!("as many steps as are held, {held}");
        io.require("step", self.window.held() as u64 == held, expected)
    }
}
