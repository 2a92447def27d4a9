//! Classical momentum: v ← μ v + (g + λ w), w ← w − η v.

use super::{Part, Update};
use crate::kernel::{Matrix, Simd};
use crate::snapshot::StateIo;
use crate::{Error, Result, Scalar};

pub(super) struct Momentum<T> {
    mu: T,
    velocity: [Matrix<T>; 2],
}

impl<T: Scalar> Momentum<T> {
    pub(super) fn new(mu: f64, velocity: [Matrix<T>; 2]) -> Result<Self> {
        if !(0.0..1.0).contains(&mu) {
            let mend = "0.8 and 0.9 are common.";
            return Err(Error::invalid(
                "optimizer.momentum",
                mu,
                "a number in [0, 1)",
                mend,
            ));
        }
        Ok(Self {
            mu: T::of(mu),
            velocity,
        })
    }
}

impl<T: Scalar> Update<T> for Momentum<T> {
    fn update(&mut self, _: Simd, part: usize, p: Part<'_, T>, _: T, scale: T, _: u64) {
        let stride = p.rate.len();
        let velocity = self.velocity[part].data_mut().chunks_exact_mut(stride);
        let weights = p.weights.data_mut().chunks_exact_mut(stride);
        let gradient = p.gradient.data_mut().chunks_exact_mut(stride);
        for ((v, w), g) in velocity.zip(weights).zip(gradient) {
            for j in 0..stride {
                v[j] = self.mu * v[j] + scale * g[j] + p.decay[j] * w[j];
                w[j] -= p.rate[j] * v[j];
                g[j] = T::ZERO;
            }
        }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.matrix("velocity.recurrent", &mut self.velocity[0])?;
        io.matrix("velocity.readout", &mut self.velocity[1])
    }
}
