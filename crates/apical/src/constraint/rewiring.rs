//! Synapses that shrink to nothing are replaced by others, after DEEP-R (Bellec et al. 2018) as in the code of Liu et al. 2022.
//!
//! Every synapse keeps the sign it was drawn with. After an update with learning rate η: one that was 0 before it, or has crossed
//! 0 in it, is 0; all others shrink by η · `shrink`; if fewer than `connected` of the synapses drawn are left, the missing ones
//! are put at random places of those that are 0, with a magnitude of 10⁻¹². The missing are shared out between W_rec
//! and W_out (if Dale's law holds there) by chance, in proportion to their sizes. No temperature noise.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Constraint, Gradients, Weights};
use crate::dims::Dims;
use crate::kernel::Matrix;
use crate::snapshot::StateIo;
use crate::stream::{Stream, Streams};
use crate::{Error, Result, Scalar};

/// Configuration of rewiring.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RewiringSpec {
    /// Share of the synapses drawn that is kept in being, in [0, 1].
    #[schemars(range(min = 0.0, max = 1.0))]
    pub connected: f64,
    /// By how much magnitudes shrink at an update, as a multiple of the learning rate.
    #[schemars(range(min = 0.0))]
    pub shrink: f64,
}

impl Default for RewiringSpec {
    fn default() -> Self {
        Self {
            connected: 0.99,
            shrink: 0.01,
        }
    }
}

/// Magnitude of a new synapse.
const NEW: f64 = 1e-12;

pub(super) struct Rewiring<T> {
    spec: RewiringSpec,
    stream: Stream,
    readout: bool,
    units: usize,
    /// The sign each synapse was drawn with, 0 where there was none: W_rec and W_out.
    signs: [Matrix<T>; 2],
    active: [Matrix<T>; 2],
    /// Places of synapses that are 0.
    free: Vec<(usize, usize)>,
}

impl<T: Scalar> Rewiring<T> {
    pub(super) fn new(
        spec: &RewiringSpec,
        readout: bool,
        dims: Dims,
        streams: &Streams,
    ) -> Result<Self> {
        if !(0.0..=1.0).contains(&spec.connected) {
            return Err(Error::invalid(
                "network.sparsity.rewiring.connected",
                spec.connected,
                "a share between 0 and 1",
                "0.99 is the published value.",
            ));
        }
        if !(spec.shrink.is_finite() && spec.shrink >= 0.0) {
            return Err(Error::invalid(
                "network.sparsity.rewiring.shrink",
                spec.shrink,
                "a finite number that is not negative",
                "0.01 is the published value.",
            ));
        }
        let outputs = if readout { dims.outputs } else { 0 };
        let signs = [dims.currents * dims.units, outputs].map(|n| Matrix::zeros(n, dims.units));
        Ok(Self {
            spec: *spec,
            stream: streams.stream("rewiring", 0),
            readout,
            units: dims.units,
            free: Vec::with_capacity((dims.currents * dims.units + outputs) * dims.units),
            active: signs.clone(),
            signs,
        })
    }

    fn part<'w>(weights: &'w mut Weights<'_, T>, part: usize) -> &'w mut Matrix<T> {
        match part {
            0 => weights.synapses.weights_mut(),
            _ => weights.readout,
        }
    }

    /// `count` uniform choices without repetition out of the free places of one matrix.
    fn reconnect(&mut self, weights: &mut Weights<'_, T>, part: usize, count: usize) {
        let matrix = Self::part(weights, part);
        let signs = &self.signs[part];
        self.free.clear();
        for i in 0..signs.rows() {
            for (j, (sign, w)) in signs.row(i).iter().zip(matrix.row(i)).enumerate() {
                if *sign != T::ZERO && *w == T::ZERO {
                    self.free.push((i, j));
                }
            }
        }
        for _ in 0..count.min(self.free.len()) {
            let chosen = (self.stream.uniform() * self.free.len() as f64) as usize;
            let (i, j) = self.free.swap_remove(chosen.min(self.free.len() - 1));
            matrix.row_mut(i)[j] = T::of(NEW) * signs.row(i)[j];
        }
    }
}

impl<T: Scalar> Constraint<T> for Rewiring<T> {
    fn start(&mut self, weights: &mut Weights<'_, T>) {
        for (part, signs) in self.signs.iter_mut().enumerate() {
            let matrix = Self::part(weights, part);
            for i in 0..signs.rows() {
                for (sign, w) in signs.row_mut(i).iter_mut().zip(matrix.row(i)) {
                    let positive = if *w > T::ZERO { T::ONE } else { T::ZERO };
                    *sign = if *w < T::ZERO { -T::ONE } else { positive };
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

    fn after(&mut self, weights: &mut Weights<'_, T>, rate: f64) {
        let shrink = T::of(rate * self.spec.shrink);
        let (mut alive, mut drawn) = (0usize, 0usize);
        let mut sizes = [0.0; 2];
        for (part, size) in sizes.iter_mut().enumerate() {
            let (signs, active) = (&self.signs[part], &self.active[part]);
            let matrix = Self::part(weights, part);
            for i in 0..signs.rows() {
                let row = matrix.row_mut(i).iter_mut().zip(signs.row(i));
                for ((w, sign), active) in row.zip(active.row(i)) {
                    if *sign == T::ZERO {
                        continue;
                    }
                    drawn += 1;
                    let magnitude = *w * *sign * *active;
                    // NaN stays NaN.
                    if magnitude <= T::ZERO {
                        *w = T::ZERO;
                    } else {
                        let left = magnitude - shrink;
                        *w = if left <= T::ZERO {
                            T::ZERO
                        } else {
                            left * *sign
                        };
                        alive += usize::from(*w != T::ZERO);
                    }
                }
            }
            *size = (signs.rows() * self.units) as f64;
        }
        let wanted = (self.spec.connected * drawn as f64) as usize;
        let missing = wanted.saturating_sub(alive);
        if missing == 0 {
            return;
        }
        let share = sizes[0] / (sizes[0] + sizes[1]);
        let recurrent = if self.readout {
            (0..missing)
                .filter(|_| self.stream.uniform() < share)
                .count()
        } else {
            missing
        };
        self.reconnect(weights, 0, recurrent);
        self.reconnect(weights, 1, missing - recurrent);
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.stream.state("stream", io)?;
        io.signs("signs", self.signs[0].data_mut())?;
        io.signs("readout_signs", self.signs[1].data_mut())
    }
}
