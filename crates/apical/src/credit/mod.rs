//! The future-facing half of a rule: from the error signal of this step to credit on the states.
//!
//! A credit turns the signal q on the rates (one plane) into credit c = dL/ds(t), one plane a state variable.

mod dendritic;
mod future;
mod immediate;

pub use dendritic::{
    Dendritic, DendriticSpec, JacobianSpec, JacobianStart, LabelActivation, Normalize, Phases,
    Regressors, Start, Timing,
};
pub use future::{Entry, FutureCredit};
pub use immediate::Immediate;

use crate::snapshot::{Owner, StateIo};
use crate::view::View;
use crate::{Result, Scalar};

/// What a rule or a part of it lets monitors see.
#[derive(Clone, Copy, Debug)]
pub enum Probe<'a, T> {
    /// One number.
    Number(f64),
    /// A matrix, row by row without padding.
    Matrix(&'a crate::kernel::Matrix<T>),
    /// A vector.
    Vector(&'a [T]),
}

/// Assigns credit to the states.
pub trait Credit<T: Scalar>: Send {
    /// Forgets the past: a trial begins.
    fn reset(&mut self);
    /// Writes dL/ds(t) into `credit`; `signal` is q(t).
    fn assign(&mut self, view: &View<'_, T>, signal: &[T], credit: &mut [T]);
    /// Names of what [`Credit::probe`] shows.
    fn probes(&self) -> &'static [&'static str] {
        &[]
    }
    /// The quantity `probes()[index]`.
    fn probe(&self, _index: usize) -> Probe<'_, T> {
        Probe::Number(f64::NAN)
    }
    /// A matrix of the credit by its name, to be set from outside.
    fn matrix_mut(&mut self, _name: &str) -> Option<&mut crate::kernel::Matrix<T>> {
        None
    }
    /// Whose the numbers of the array `name` of [`Credit::state`] are.
    fn owner(&self, _name: &str) -> Owner {
        Owner::Network
    }
    /// Saves or restores what is learned and carried.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()>;
}
