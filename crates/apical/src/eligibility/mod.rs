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

use crate::kernel::Matrix;
use crate::noise::Noise;
use crate::snapshot::{Owner, StateIo};
use crate::view::{LocalView, View};
use crate::{Result, Scalar};

/// An eligibility that may read the weights.
pub trait Eligibility<T: Scalar>: Send {
    /// Forgets the past: a trial begins.
    fn reset(&mut self);
    /// Advances by one step and adds credit × eligibility to `gradient`.
    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>);
    /// Where a stochastic eligibility takes its noise from, and how many numbers a step needs.
    fn noise_mut(&mut self) -> Option<(&mut Noise<T>, usize)> {
        None
    }
    /// Sets starting values by name, row by row; `false` if there are none of that name and size.
    fn set_start(&mut self, _name: &str, _values: &[T]) -> bool {
        false
    }
    /// A matrix of the eligibility by its name, to be set from outside.
    fn matrix_mut(&mut self, _name: &str) -> Option<&mut Matrix<T>> {
        None
    }
    /// Whose the numbers of the array `name` of [`Eligibility::state`] are.
    fn owner(&self, _name: &str) -> Owner {
        Owner::Network
    }
    /// Saves or restores the traces.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()>;
}

/// An eligibility that sees only what its synapse sees.
pub trait LocalEligibility<T: Scalar>: Send {
    /// Forgets the past: a trial begins.
    fn reset(&mut self);
    /// Advances by one step and adds credit × eligibility to `gradient`.
    fn step(&mut self, view: &LocalView<'_, T>, credit: &[T], gradient: &mut Matrix<T>);
    /// Whose the numbers of the array `name` of [`LocalEligibility::state`] are.
    fn owner(&self, _name: &str) -> Owner {
        Owner::Network
    }
    /// Saves or restores the traces.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()>;
}
