//! Adam (Kingma & Ba 2015), bias-corrected; weight decay enters the gradient.

use super::{Part, Update};
use crate::kernel::{Matrix, Simd};
use crate::snapshot::StateIo;
use crate::{Error, Result, Scalar};

pub(super) struct Adam<T> {
    beta1: f64,
    beta2: f64,
    epsilon: T,
    first: [Matrix<T>; 2],
    second: [Matrix<T>; 2],
}

impl<T: Scalar> Adam<T> {
    pub(super) fn new(
        [beta1, beta2]: [f64; 2],
        epsilon: f64,
        first: [Matrix<T>; 2],
        second: [Matrix<T>; 2],
    ) -> Result<Self> {
        for beta in [beta1, beta2] {
            if !(0.0..1.0).contains(&beta) {
                let mend = "The usual values are 0.9 and 0.999.";
                return Err(Error::invalid(
                    "optimizer.betas",
                    beta,
                    "two numbers in [0, 1)",
                    mend,
                ));
            }
        }
        if !(epsilon > 0.0 && epsilon.is_finite()) {
            let field = "optimizer.epsilon";
            let mend = "The usual value is 1e-8.";
            return Err(Error::invalid(
                field,
                epsilon,
                "a small positive number",
                mend,
            ));
        }
        Ok(Self {
            beta1,
            beta2,
            epsilon: T::of(epsilon),
            first,
            second,
        })
    }
}

impl<T: Scalar> Update<T> for Adam<T> {
    fn update(&mut self, _: Simd, part: usize, p: Part<'_, T>, _: T, scale: T, update: u64) {
        let (b1, b2) = (T::of(self.beta1), T::of(self.beta2));
        let power = i32::try_from(update).unwrap_or(i32::MAX);
        let correct1 = T::of(1.0 / (1.0 - self.beta1.powi(power)));
        let correct2 = T::of(1.0 / (1.0 - self.beta2.powi(power)));
        let stride = p.rate.len();
        let first = self.first[part].data_mut().chunks_exact_mut(stride);
        let second = self.second[part].data_mut().chunks_exact_mut(stride);
        let weights = p.weights.data_mut().chunks_exact_mut(stride);
        let gradient = p.gradient.data_mut().chunks_exact_mut(stride);
        for (((v, s), w), g) in first.zip(second).zip(weights).zip(gradient) {
            for j in 0..stride {
                let slope = scale * g[j] + p.decay[j] * w[j];
                v[j] = b1 * v[j] + (T::ONE - b1) * slope;
                s[j] = b2 * s[j] + (T::ONE - b2) * slope * slope;
                let step = (correct1 * v[j]) / ((correct2 * s[j]).root() + self.epsilon);
                w[j] -= p.rate[j] * step;
                g[j] = T::ZERO;
            }
        }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        for (part, name) in ["recurrent", "readout"].iter().enumerate() {
            io.matrix(&format!("first.{name}"), &mut self.first[part])?;
            io.matrix(&format!("second.{name}"), &mut self.second[part])?;
        }
        Ok(())
    }
}
