//! The past-facing half of a rule: how much each synapse has moved its unit's state, carried forward.
//!
//! An eligibility turns credit on the states, c = dL/ds(t) (one plane a state variable), into a gradient
//! for every synapse.

pub(crate) mod influence;
mod instant;
mod kernl;
pub(crate) mod kronecker;
mod lag;
pub(crate) mod reverse_kronecker;
mod snap;
mod trace;
mod uoro;

pub use influence::FullInfluence;
pub use instant::Instant;
pub use kernl::{Kernl, KernlSpec, Order};
pub use kronecker::Kronecker;
pub use lag::InputTrace;
pub(crate) use lag::LaggedInput;
pub use reverse_kronecker::ReverseKronecker;
pub use snap::{Snap, SnapSpec};
pub(crate) use trace::OwnLeak;
pub use trace::{Trace, TraceSpec};
pub use uoro::{NoiseSpec, Uoro, UoroSpec};

use crate::kernel::{Descent, Matrix};
use crate::noise::Noise;
use crate::snapshot::StateIo;
use crate::view::{LocalView, View};
use crate::{Result, Scalar};

/// An eligibility that may read the weights.
pub trait Eligibility<T: Scalar>: Send {
    /// Forgets the past: a trial begins.
    fn reset(&mut self);
    /// Advances by one step and adds credit × eligibility to `gradient`.
    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>);
    /// The eligibility as one whose gradient can be descended row by row.
    fn descending(&mut self) -> Option<&mut dyn Descending<T>> {
        None
    }
    /// Random numbers a step needs.
    fn draws(&self) -> usize {
        0
    }
    /// The source of a stochastic eligibility's noise.
    fn noise(&mut self) -> Option<&mut Noise<T>> {
        None
    }
    /// Declares the traces, with whose their numbers are.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()>;
}

/// Gradients that go into the weights row by row, and need no place of their own in memory.
pub trait Descending<T: Scalar> {
    /// As a step of the eligibility, with weights that change at once, to the same bits.
    fn descend(&mut self, view: &LocalView<'_, T>, credit: &[T], descent: Descent<'_, T>);
}

/// An eligibility that sees only what its synapse sees.
pub trait LocalEligibility<T: Scalar>: Send {
    /// Forgets the past: a trial begins.
    fn reset(&mut self);
    /// Advances by one step and adds credit × eligibility to `gradient`.
    fn step(&mut self, view: &LocalView<'_, T>, credit: &[T], gradient: &mut Matrix<T>);
    /// The eligibility as one whose gradient can be descended row by row.
    fn descending(&mut self) -> Option<&mut dyn Descending<T>> {
        None
    }
    /// Declares the traces, with whose their numbers are.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()>;
}
