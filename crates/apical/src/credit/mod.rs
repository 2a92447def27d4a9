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

use crate::probe::Watch;
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Result, Scalar};

/// Assigns credit to the states.
pub trait Credit<T: Scalar>: Send {
    /// Forgets the past: a trial begins.
    fn reset(&mut self);
    /// Writes dL/ds(t) into `credit`; `signal` is q(t).
    fn assign(&mut self, view: &View<'_, T>, signal: &[T], credit: &mut [T]);
    /// The credit as one that shows quantities to monitors.
    fn watched(&self) -> Option<&dyn Watch<T>> {
        None
    }
    /// Declares what is learned and carried, with whose the numbers are.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()>;
}
