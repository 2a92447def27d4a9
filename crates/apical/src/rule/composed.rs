//! A rule is an eligibility times a credit.

use super::Rule;
use crate::credit::{Credit, Probe};
use crate::eligibility::{Eligibility, LocalEligibility};
use crate::kernel::{Buffer, Matrix};
use crate::network::Dims;
use crate::noise::Noise;
use crate::sizes::Sizes;
use crate::snapshot::{Owner, StateIo};
use crate::view::View;
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
    fn owner(&self, name: &str) -> Owner {
        self.0.owner(name)
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
    fn reset(&mut self) {
        self.eligibility.reset();
        self.credit.reset();
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) {
        self.credit.assign(view, signal, &mut self.credited);
        self.eligibility.step(view, &self.credited, gradient);
    }

    fn probes(&self) -> &'static [&'static str] {
        self.credit.probes()
    }

    fn probe(&self, index: usize) -> Probe<'_, T> {
        self.credit.probe(index)
    }

    fn matrix_mut(&mut self, name: &str) -> Option<&mut Matrix<T>> {
        match self.eligibility.matrix_mut(name) {
            Some(matrix) => Some(matrix),
            None => self.credit.matrix_mut(name),
        }
    }

    fn noise_mut(&mut self) -> Option<(&mut Noise<T>, usize)> {
        self.eligibility.noise_mut()
    }

    fn set_start(&mut self, name: &str, values: &[T]) -> bool {
        self.eligibility.set_start(name, values)
    }

    fn owner(&self, name: &str) -> Owner {
        match name.split_once('.') {
            Some(("eligibility", name)) => self.eligibility.owner(name),
            Some(("credit", name)) => self.credit.owner(name),
            _ => Owner::Network,
        }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.scope("eligibility", |io| self.eligibility.state(io))?;
        io.scope("credit", |io| self.credit.state(io))
    }
}

impl<T: Scalar> Eligibility<T> for Box<dyn Eligibility<T>> {
    fn reset(&mut self) {
        (**self).reset();
    }
    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        (**self).step(view, credit, gradient);
    }
    fn noise_mut(&mut self) -> Option<(&mut Noise<T>, usize)> {
        (**self).noise_mut()
    }
    fn set_start(&mut self, name: &str, values: &[T]) -> bool {
        (**self).set_start(name, values)
    }
    fn matrix_mut(&mut self, name: &str) -> Option<&mut Matrix<T>> {
        (**self).matrix_mut(name)
    }
    fn owner(&self, name: &str) -> Owner {
        (**self).owner(name)
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
    fn probes(&self) -> &'static [&'static str] {
        (**self).probes()
    }
    fn probe(&self, index: usize) -> Probe<'_, T> {
        (**self).probe(index)
    }
    fn matrix_mut(&mut self, name: &str) -> Option<&mut Matrix<T>> {
        (**self).matrix_mut(name)
    }
    fn owner(&self, name: &str) -> Owner {
        (**self).owner(name)
    }
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        (**self).state(io)
    }
}
