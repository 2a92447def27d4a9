//! Only this step counts: e_ij(t) = gain_i(t) a_j(t).
//!
//! Source: the immediate influence M̄ of Marschall, Cho & Savin 2020, section 3.1; with a credit that looks
//! ahead (dendritic, DNI) nothing of the past is needed. Drops: the influence of earlier steps.
//! Shapes: credit S × n, gradient (G n) × m. Memory O(1), time O(G n m) a step. Local.

use super::{Descending, LocalEligibility};
use crate::kernel::{Buffer, Descent, Matrix, add_outer, descend_outer};
use crate::network::Dims;
use crate::snapshot::StateIo;
use crate::view::LocalView;
use crate::{Result, Scalar};

/// Eligibility without memory.
pub struct Instant<T> {
    factor: Buffer<T>,
    batch: usize,
}

impl<T: Scalar> Instant<T> {
    /// For a network of these sizes.
    pub fn new(dims: Dims) -> Self {
        Self {
            factor: Buffer::zeros(dims.units),
            batch: dims.batch,
        }
    }

    /// Σ_s c_s gain_sg of sample `b`, one number a unit.
    fn factors(&mut self, view: &LocalView<'_, T>, credit: &[T], g: usize, b: usize) {
        let dims = view.dims();
        let factor = &mut self.factor[..dims.units];
        factor.fill(T::ZERO);
        for s in 0..dims.states {
            let credit = &credit[s * dims.plane() + b * dims.sample()..];
            for ((f, c), gain) in factor.iter_mut().zip(credit).zip(view.gain(s, g, b)) {
                *f += *c * *gain;
            }
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
                self.factors(view, credit, g, b);
                let (factor, pre) = (&self.factor[..n], view.pre(b));
                add_outer(view.simd(), band, stride, T::ONE, factor, pre);
            }
        }
    }

    fn descending(&mut self) -> Option<&mut dyn Descending<T>> {
        (self.batch == 1).then_some(self as _)
    }

    fn state(&mut self, _: &mut StateIo<'_>) -> Result<()> {
        Ok(())
    }
}

impl<T: Scalar> Descending<T> for Instant<T> {
    fn descend(&mut self, view: &LocalView<'_, T>, credit: &[T], mut descent: Descent<'_, T>) {
        let Dims {
            units, currents, ..
        } = view.dims();
        for g in 0..currents {
            self.factors(view, credit, g, 0);
            let factors = &self.factor[..units];
            descend_outer(view.simd(), factors, view.pre(0), g * units, &mut descent);
        }
    }
}
