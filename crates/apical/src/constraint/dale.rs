//! Dale's law: all synapses a unit sends have its sign.
//!
//! By clipping (Murray 2019, figure 2, supplement 1): at the start W_ij ← ξ_j |W_ij|; after each update a weight of the wrong
//! sign becomes 0, from where the next update may take it up again.
//! By magnitude (Liu et al. 2022, code): W = ξ θ where θ > 0, else 0, and θ is what is trained, with the gradient ξ g also where
//! θ ≤ 0; a θ that was not positive before an update is 0 after it, so that a lost synapse stays lost unless it is rewired.
//! Since SGD, momentum and Adam treat W = ξ θ and θ alike, W itself is kept: 0 stands for every θ ≤ 0.
//! W_rec is constrained, of every current; W_out too if asked for. W_in and biases are free.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Constraint, Gradients, Weights};
use crate::dims::Dims;
use crate::kernel::Matrix;
use crate::{Error, Result, Scalar};

/// How weights keep their signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DaleMethod {
    /// A weight of the wrong sign becomes 0 after the update.
    #[default]
    Clip,
    /// The magnitude is trained; 0 is the end of it.
    Magnitude,
}

/// Configuration of Dale's law.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DaleSpec {
    /// How weights keep their signs.
    pub method: DaleMethod,
    /// Share of excitatory units, in (0, 1); their number is rounded.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub excitatory: f64,
    /// Whether the first units are the inhibitory ones.
    pub inhibitory_first: bool,
    /// Whether W_out keeps the signs too.
    pub readout: bool,
}

impl Default for DaleSpec {
    fn default() -> Self {
        Self {
            method: DaleMethod::Clip,
            excitatory: 0.5,
            inhibitory_first: false,
            readout: false,
        }
    }
}

impl DaleSpec {
    /// Which of `units` units are excitatory.
    ///
    /// # Errors
    /// A share outside (0, 1), or one that leaves no unit of one sign.
    pub fn signs(&self, units: usize) -> Result<Vec<bool>> {
        let field = "network.dale.excitatory";
        if !(self.excitatory > 0.0 && self.excitatory < 1.0) {
            return Err(Error::invalid(
                field,
                self.excitatory,
                "a share of the units between 0 and 1, without the ends",
                "0.8 makes four of five units excitatory; with units of one sign alone nothing can balance them.",
            ));
        }
        let count = (self.excitatory * units as f64).round() as usize;
        if count == 0 || count == units {
            return Err(Error::invalid(
                field,
                format!("{}, which is {count} of {units} units", self.excitatory),
                "a share that leaves at least one unit of each sign",
                "Use more units or another share.",
            ));
        }
        let first = if self.inhibitory_first {
            units - count
        } else {
            count
        };
        Ok((0..units)
            .map(|j| (j < first) != self.inhibitory_first)
            .collect())
    }

    pub(super) fn build<T: Scalar>(
        &self,
        excitatory: &[bool],
        dims: Dims,
    ) -> Box<dyn Constraint<T>> {
        let sign = |excitatory: &bool| if *excitatory { T::ONE } else { -T::ONE };
        let keep = |rows: usize| match self.method {
            DaleMethod::Clip => Matrix::zeros(0, 0),
            DaleMethod::Magnitude => Matrix::zeros(rows, dims.units),
        };
        let readout = if self.readout { dims.outputs } else { 0 };
        Box::new(Dale {
            signs: excitatory.iter().map(sign).collect(),
            readout: self.readout,
            active: [keep(dims.currents * dims.units), keep(readout)],
        })
    }
}

struct Dale<T> {
    /// ξ.
    signs: Vec<T>,
    readout: bool,
    /// 1 where a weight was not 0 before the update, for training by magnitude: W_rec and W_out.
    active: [Matrix<T>; 2],
}

impl<T: Scalar> Dale<T> {
    fn parts<'w>(&self, weights: &'w mut Weights<'_, T>) -> [Option<&'w mut Matrix<T>>; 2] {
        let readout = self.readout.then_some(&mut *weights.readout);
        [Some(weights.synapses.weights_mut()), readout]
    }
}

impl<T: Scalar> Constraint<T> for Dale<T> {
    fn start(&mut self, weights: &mut Weights<'_, T>) {
        for matrix in self.parts(weights).into_iter().flatten() {
            for i in 0..matrix.rows() {
                for (w, sign) in matrix.row_mut(i).iter_mut().zip(&self.signs) {
                    *w = *sign * w.magnitude();
                }
            }
        }
    }

    fn before(&mut self, weights: &Weights<'_, T>, _: &mut Gradients<'_, T>) {
        let parts = [weights.synapses.weights(), &*weights.readout];
        for (active, matrix) in self.active.iter_mut().zip(parts) {
            for i in 0..active.rows() {
                for (a, w) in active.row_mut(i).iter_mut().zip(matrix.row(i)) {
                    *a = if *w == T::ZERO { T::ZERO } else { T::ONE };
                }
            }
        }
    }

    fn after(&mut self, weights: &mut Weights<'_, T>, _: f64) {
        let parts = self.parts(weights);
        for (active, matrix) in self.active.iter().zip(parts) {
            let Some(matrix) = matrix else { continue };
            for i in 0..matrix.rows() {
                let row = matrix.row_mut(i);
                if active.rows() > 0 {
                    row.iter_mut()
                        .zip(active.row(i))
                        .for_each(|(w, a)| *w = *w * *a);
                }
                for (w, sign) in row.iter_mut().zip(&self.signs) {
                    // A weight that is no number must not turn into a quiet zero.
                    *w = if *w * *sign < T::ZERO { T::ZERO } else { *w };
                }
            }
        }
    }
}
