//! Stochastic gradient descent: w ← w − η (g + λ w).

use super::{Part, Update};
use crate::kernel::{Simd, descend};
use crate::snapshot::StateIo;
use crate::{Result, Scalar};

pub(super) struct Sgd;

impl<T: Scalar> Update<T> for Sgd {
    fn update(&mut self, simd: Simd, _: usize, p: Part<'_, T>, _: T, scale: T, _: u64) {
        descend(simd, p.weights, p.gradient, p.rate, p.decay, scale);
    }

    fn is_descent(&self) -> bool {
        true
    }

    fn state(&mut self, _: &mut StateIo<'_>) -> Result<()> {
        Ok(())
    }
}
