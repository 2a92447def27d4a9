//! Fixed random layers inside of tasks, the same on every machine.

use crate::kernel::Matrix;
use crate::neuron::Activation;
use crate::neuron::activation::{Pointwise, with_pointwise};

/// A matrix kept [pre][post], so that inputs which are 0 cost nothing.
pub(super) struct Weights {
    post: usize,
    by_pre: Vec<f64>,
}

impl Weights {
    /// A copy of `matrix`, which is [post][pre].
    pub fn of(matrix: &Matrix<f64>) -> Self {
        let mut by_pre = Vec::with_capacity(matrix.rows() * matrix.columns());
        for j in 0..matrix.columns() {
            by_pre.extend((0..matrix.rows()).map(|i| matrix.row(i)[j]));
        }
        Self {
            post: matrix.rows(),
            by_pre,
        }
    }

    /// `out` += W `pre`.
    pub fn add<'a>(&self, pre: impl Iterator<Item = &'a f64>, out: &mut [f64]) {
        for (column, a) in self.by_pre.chunks_exact(self.post).zip(pre) {
            if *a != 0.0 {
                for (out, w) in out.iter_mut().zip(column) {
                    *out += a * w;
                }
            }
        }
    }

    /// W_ij.
    #[cfg(test)]
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.by_pre[j * self.post + i]
    }
}

/// φ(u).
pub(super) fn phi(activation: Activation, u: f64) -> f64 {
    with_pointwise!(activation, phi => phi.both::<f64, false>(u).0)
}
