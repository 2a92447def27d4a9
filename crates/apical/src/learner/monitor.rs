//! What sees every step of a run.

use super::Learner;
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
