//! A rule is an eligibility times a credit.

use super::{Contract, Descend, Rule, Watch};
use crate::credit::Credit;
use crate::eligibility::{Descending, Eligibility, LocalEligibility};
use crate::kernel::{Buffer, Descent, Matrix};
use crate::network::Dims;
use crate::noise::Noise;
use crate::sizes::Sizes;
use crate::snapshot::StateIo;
use crate::view::{LocalView, View};
use crate::{Result, Scalar};

/// Gives a part that was written against the local face the place of one that sees everything.
pub struct Local<P>(pub P);

impl<T: Scalar, E: LocalEligibility<T>> Eligibility<T> for Local<E> {
    fn reset(&mut self) {
        self.0.reset();
    }
    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        self.0.step(&view.local(), credit, gradient);
    }
    fn descending(&mut self) -> Option<&mut dyn Descending<T>> {
        self.0.descending()
    }
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.0.state(io)
    }
}

/// Bytes of the credit between the two halves.
pub(super) fn memory(sizes: &Sizes) -> f64 {
    sizes.states * sizes.plane()
}

/// Eligibility × credit.
pub struct Composed<T, E, C> {
    eligibility: E,
    credit: C,
    credited: Buffer<T>,
}

impl<T: Scalar, E: Eligibility<T>, C: Credit<T>> Composed<T, E, C> {
    /// For a network of these sizes.
    pub fn new(dims: Dims, eligibility: E, credit: C) -> Self {
        Self {
            eligibility,
            credit,
            credited: Buffer::zeros(dims.states * dims.plane()),
        }
    }
}

impl<T: Scalar, E: Eligibility<T>, C: Credit<T>> Rule<T> for Composed<T, E, C> {
    fn contract(&self) -> Contract {
        Contract {
            draws: self.eligibility.draws(),
            ..Contract::default()
        }
    }

    fn reset(&mut self) {
        self.eligibility.reset();
        self.credit.reset();
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) -> Result<()> {
        self.credit.assign(view, signal, &mut self.credited);
        self.eligibility.step(view, &self.credited, gradient);
        Ok(())
    }

    fn watched(&self) -> Option<&dyn Watch<T>> {
        self.credit.watched()
    }

    fn noise(&mut self) -> Option<&mut Noise<T>> {
        self.eligibility.noise()
    }

    fn descending(&mut self) -> Option<&mut dyn Descend<T>> {
        match self.eligibility.descending() {
            Some(_) => Some(self),
            None => None,
        }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.scope("eligibility", |io| self.eligibility.state(io))?;
        io.scope("credit", |io| self.credit.state(io))
    }
}

impl<T: Scalar, E: Eligibility<T>, C: Credit<T>> Descend<T> for Composed<T, E, C> {
    fn assign(&mut self, view: &View<'_, T>, signal: &[T]) {
        self.credit.assign(view, signal, &mut self.credited);
    }

    fn descend(&mut self, view: &LocalView<'_, T>, descent: Descent<'_, T>) {
        if let Some(eligibility) = self.eligibility.descending() {
            eligibility.descend(view, &self.credited, descent);
        }
    }
}

impl<T: Scalar> Eligibility<T> for Box<dyn Eligibility<T>> {
    fn reset(&mut self) {
        (**self).reset();
    }
    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        (**self).step(view, credit, gradient);
    }
    fn descending(&mut self) -> Option<&mut dyn Descending<T>> {
        (**self).descending()
    }
    fn draws(&self) -> usize {
        (**self).draws()
    }
    fn noise(&mut self) -> Option<&mut Noise<T>> {
        (**self).noise()
    }
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        (**self).state(io)
    }
}

impl<T: Scalar> Credit<T> for Box<dyn Credit<T>> {
    fn reset(&mut self) {
        (**self).reset();
    }
    fn assign(&mut self, view: &View<'_, T>, signal: &[T], credit: &mut [T]) {
        (**self).assign(view, signal, credit);
    }
    fn watched(&self) -> Option<&dyn Watch<T>> {
        (**self).watched()
    }
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        (**self).state(io)
    }
}
