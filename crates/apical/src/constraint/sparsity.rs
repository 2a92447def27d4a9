//! Not every synapse of W_rec exists: a mask drawn once.
//!
//! Weights are drawn for all and then masked; a gain of 1/√density keeps the variance of the drive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Constraint, Gradients, RewiringSpec, Weights};
use crate::dims::Dims;
use crate::kernel::Matrix;
use crate::snapshot::StateIo;
use crate::stream::Streams;
use crate::{Error, Result, Scalar};

/// Configuration of sparsity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SparsitySpec {
    /// Probability that a synapse of W_rec may exist, in (0, 1].
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub density: f64,
    /// How lost synapses are replaced; not at all by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewiring: Option<RewiringSpec>,
}

impl Default for SparsitySpec {
    fn default() -> Self {
        Self {
            density: 1.0,
            rewiring: None,
        }
    }
}

pub(super) struct Sparsity<T> {
    /// 1 where a synapse may exist, (G n) × n.
    mask: Matrix<T>,
}

impl<T: Scalar> Sparsity<T> {
    pub(super) fn new(spec: &SparsitySpec, dims: Dims, streams: &Streams) -> Result<Self> {
        if !(spec.density > 0.0 && spec.density <= 1.0) {
            return Err(Error::invalid(
                "network.sparsity.density",
                spec.density,
                "a number in (0, 1]",
                "0.1 keeps one recurrent synapse of ten.",
            ));
        }
        let mut stream = streams.stream("sparsity", 0);
        let mut mask = Matrix::zeros(dims.currents * dims.units, dims.units);
        for i in 0..mask.rows() {
            for exists in mask.row_mut(i) {
                *exists = T::of(f64::from(u8::from(stream.uniform() < spec.density)));
            }
        }
        Ok(Self { mask })
    }

    fn apply(&self, matrix: &mut Matrix<T>) {
        for i in 0..self.mask.rows() {
            let row = matrix.row_mut(i).iter_mut().zip(self.mask.row(i));
            row.for_each(|(w, exists)| *w = *w * *exists);
        }
    }
}

impl<T: Scalar> Constraint<T> for Sparsity<T> {
    fn start(&mut self, weights: &mut Weights<'_, T>) {
        self.apply(weights.synapses.weights_mut());
    }

    fn before(&mut self, _: &Weights<'_, T>, gradients: &mut Gradients<'_, T>) {
        self.apply(gradients.recurrent);
    }

    fn after(&mut self, weights: &mut Weights<'_, T>, _: f64) {
        self.apply(weights.synapses.weights_mut());
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.mask("mask", self.mask.data_mut())
    }
}
