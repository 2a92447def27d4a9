//! What is recorded while a learner runs: any named quantity, every so many steps, box-filtered.

mod health;
mod quantity;
mod recorder;

pub use health::{Health, Warning};
pub use quantity::{Quantity, Summary};
pub use recorder::{Channel, MonitorSpec, Recorder};

use crate::learner::Learner;
use crate::{Result, Scalar};

/// Sees every step of a run.
pub trait Monitor<T: Scalar> {
    /// Called after each step.
    ///
    /// # Errors
    /// Anything that should stop the run.
    fn on_step(&mut self, _learner: &Learner<T>) -> Result<()> {
        Ok(())
    }
}

/// Sees nothing and costs nothing.
impl<T: Scalar> Monitor<T> for () {}
