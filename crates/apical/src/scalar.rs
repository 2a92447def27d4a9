//! Numbers that learners compute with and checkpoints hold.

use crate::kernel::Number;
use crate::snapshot::Stored;

/// A floating-point number type: `f32` for speed, `f64` for checks against exact gradients.
pub trait Scalar: Number + Stored {}

impl Scalar for f32 {}
impl Scalar for f64 {}
