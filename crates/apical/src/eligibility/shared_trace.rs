//! The local trace where units are alike: e_j(t) = own e_j(t−1) + gain a_j(t), one row for all of them.
//!
//! As [`Trace`](super::Trace) for units whose partials are constant and the same, as voltage units' are: what a synapse remembers does not
//! depend on the unit it is at. (Each synapse may be thought to keep it for itself; here it is kept once.) Shapes: m for each sample.
//! Memory O(m), time O(m) a step and O(n m) where there is credit. Local in space and in time.

use super::LocalEligibility;
use crate::kernel::{Buffer, Matrix, Simd, add_outer, add_outer_sum, add_scaled};
use crate::network::{Dims, Network};
use crate::snapshot::{Owner, StateIo};
use crate::view::LocalView;
use crate::{Result, Scalar};

/// One row of traces a sample.
pub struct SharedTrace<T> {
    /// e(t−1) and e(t) of each sample.
    rows: Vec<Matrix<T>>,
    /// Room for the credit of both.
    factors: Buffer<T>,
}

impl<T: Scalar> SharedTrace<T> {
    /// Whether the units of this network are alike.
    pub fn serves(network: &Network<T>) -> bool {
        let dims = network.dims();
        let constant = network.neuron().constant(1.0);
        dims.states == 1 && dims.currents == 1 && constant.is_some_and(|partials| partials.shared)
    }

    /// For a network of these sizes.
    pub fn new(dims: Dims) -> Self {
        Self {
            rows: vec![Matrix::zeros(2, dims.pre()); dims.batch],
            factors: Buffer::zeros(2 * dims.sample()),
        }
    }

    /// One step, and gradient += credit e(t) + earlier e(t−1).
    pub fn step_back(
        &mut self,
        view: &LocalView<'_, T>,
        credit: &[T],
        earlier: &[T],
        gradient: &mut Matrix<T>,
    ) {
        self.advance(view);
        let (dims, stride, sample) = (view.dims(), gradient.stride(), view.dims().sample());
        for (b, rows) in self.rows.iter().enumerate() {
            for (room, credit) in self.factors.chunks_exact_mut(sample).zip([earlier, credit]) {
                room.copy_from_slice(&credit[b * sample..][..sample]);
            }
            add_outer_sum(
                view.simd(),
                gradient.data_mut(),
                stride,
                &self.factors,
                sample,
                dims.units,
                rows.data(),
            );
        }
    }

    fn advance(&mut self, view: &LocalView<'_, T>) {
        for (b, rows) in self.rows.iter_mut().enumerate() {
            let stride = rows.stride();
            rows.data_mut().copy_within(stride.., 0);
            let (own, gain) = (view.own(0, 0, b)[0], view.gain(0, 0, b)[0]);
            advance_row(view.simd(), own, gain, view.pre(b), rows.band_mut(1, 1));
        }
    }
}

/// e ← own e + gain a, for one row.
pub(crate) fn advance_row<T: Scalar>(simd: Simd, own: T, gain: T, pre: &[T], row: &mut [T]) {
    row.iter_mut().for_each(|e| *e = own * *e);
    add_scaled(simd, gain, pre, row);
}

impl<T: Scalar> LocalEligibility<T> for SharedTrace<T> {
    fn reset(&mut self) {
        self.rows.iter_mut().for_each(Matrix::clear);
    }

    fn step(&mut self, view: &LocalView<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        self.advance(view);
        let (dims, stride) = (view.dims(), gradient.stride());
        for (b, rows) in self.rows.iter().enumerate() {
            let credit = &credit[b * dims.sample()..][..dims.units];
            if credit.iter().fold(false, |any, c| any | (*c != T::ZERO)) {
                let row = rows.band(1, 1);
                add_outer(
                    view.simd(),
                    gradient.data_mut(),
                    stride,
                    T::ONE,
                    credit,
                    row,
                );
            }
        }
    }

    fn owner(&self, name: &str) -> Owner {
        match (name.starts_with("trace."), self.rows.first()) {
            (true, Some(rows)) => Owner::Presynaptic {
                stride: rows.stride(),
                offset: 0,
            },
            _ => Owner::Network,
        }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        for (b, rows) in self.rows.iter_mut().enumerate() {
            io.values(&format!("trace.{b}"), rows.data_mut())?;
        }
        Ok(())
    }
}
