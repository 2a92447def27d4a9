//! What a rule or a part of it lets monitors see.

use crate::Scalar;
use crate::kernel::Matrix;
use crate::warning::Warning;

/// A quantity of a rule as it stands.
#[derive(Clone, Copy, Debug)]
pub enum Probe<'a, T> {
    /// One number.
    Number(f64),
    /// A matrix, row by row without padding.
    Matrix(&'a Matrix<T>),
    /// A vector.
    Vector(&'a [T]),
}

/// What monitors may see of a rule.
pub trait Watch<T: Scalar> {
    /// Names of what [`Watch::probe`] shows.
    fn probes(&self) -> &'static [&'static str];

    /// The quantity `probes()[index]`.
    fn probe(&self, index: usize) -> Probe<'_, T>;

    /// What looks wrong in the rule's own working so far.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }
}
