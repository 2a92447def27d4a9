//! Only this step counts: e_ij(t) = gain_i(t) a_j(t).
//!
//! Source: the immediate influence M̄ of Marschall, Cho & Savin 2020, section 3.1; with a credit that looks
//! ahead (dendritic, DNI) nothing of the past is needed. Drops: the influence of earlier steps.
//! Shapes: credit S × n, gradient (G n) × m. Memory O(1), time O(G n m) a step. Local.

use super::LocalEligibility;
use crate::kernel::{Buffer, Matrix, add_outer};
use crate::network::Dims;
use crate::snapshot::StateIo;
use crate::view::LocalView;
use crate::{Result, Scalar};

/// Eligibility without memory.
pub struct Instant<T> {
    factor: Buffer<T>,
}

impl<T: Scalar> Instant<T> {
    /// For a network of these sizes.
    pub fn new(dims: Dims) -> Self {
        Self {
            factor: Buffer::zeros(dims.units),
        }
    }
}

impl<T: Scalar> LocalEligibility<T> for Instant<T> {
    fn reset(&mut self) {}

    fn step(&mut self, view: &LocalView<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let dims = view.dims();
        let n = dims.units;
        let stride = gradient.stride();
        for g in 0..dims.currents {
            let band = &mut gradient.data_mut()[g * n * stride..(g + 1) * n * stride];
            for b in 0..dims.batch {
                let factor = &mut self.factor[..n];
                factor.fill(T::ZERO);
                for s in 0..dims.states {
                    let credit = &credit[s * dims.plane() + b * dims.sample()..][..n];
                    for ((f, c), gain) in factor.iter_mut().zip(credit).zip(view.gain(s, g, b)) {
                        *f += *c * *gain;
                    }
                }
                add_outer(view.simd(), band, stride, T::ONE, factor, view.pre(b));
            }
        }
    }

    fn state(&mut self, _: &mut StateIo<'_>) -> Result<()> {
        Ok(())
    }
}
