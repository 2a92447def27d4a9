//! A trace at each synapse: e_ij(t) = own_i(t) e_ij(t−1) + gain_i(t) a_j(t).
//!
//! Source: RFLO on a rate unit (Murray 2019, Eqs. 5–6), e-prop on a rate or spiking unit (Bellec et al. 2020), the
//! three-factor rule on a voltage unit (Liu et al. 2022): one rule, three names. Drops: the influence of a synapse
//! that travels through other units. Exact without recurrent weights.
//! With S state variables e has S numbers a synapse and `own` is S × S. Shapes: S G n × m for each sample.
//! Memory O(S G n m), time O(S² G n m) a step. Local in space and in time.

use super::LocalEligibility;
use crate::kernel::{Matrix, add_scaled, trace};
use crate::network::Dims;
use crate::snapshot::{Owner, StateIo};
use crate::view::LocalView;
use crate::{Result, Scalar};

/// The local trace.
pub struct Trace<T> {
    /// One matrix (n × m) for each sample, current and state variable: `(b * currents + g) * states + s`.
    traces: Vec<Matrix<T>>,
    currents: usize,
    /// One row a state variable: the traces of one unit before this step.
    before: Matrix<T>,
}

impl<T: Scalar> Trace<T> {
    /// For a network of these sizes.
    pub fn new(dims: Dims) -> Self {
        let count = dims.batch * dims.currents * dims.states;
        Self {
            traces: vec![Matrix::zeros(dims.units, dims.pre()); count],
            currents: dims.currents,
            before: Matrix::zeros(dims.states, dims.pre()),
        }
    }

    /// One state variable: trace and gradient in one pass over memory.
    fn step_single(&mut self, view: &LocalView<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let dims = view.dims();
        let (n, stride) = (dims.units, gradient.stride());
        for b in 0..dims.batch {
            let credit = &credit[b * dims.sample()..][..n];
            for g in 0..dims.currents {
                let band = &mut gradient.data_mut()[g * n * stride..(g + 1) * n * stride];
                let trace_of = &mut self.traces[b * dims.currents + g];
                let (own, gain) = (view.own(0, 0, b), view.gain(0, g, b));
                trace(view.simd(), trace_of, own, gain, view.pre(b), credit, band);
            }
        }
    }

    /// Any number of state variables, unit by unit.
    fn step_general(&mut self, view: &LocalView<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let dims = view.dims();
        let (n, states, simd) = (dims.units, dims.states, view.simd());
        for b in 0..dims.batch {
            for g in 0..dims.currents {
                let first = (b * dims.currents + g) * states;
                let traces = &mut self.traces[first..first + states];
                for i in 0..n {
                    for (s, trace) in traces.iter().enumerate() {
                        self.before.row_mut(s).copy_from_slice(trace.row(i));
                    }
                    for (s, trace) in traces.iter_mut().enumerate() {
                        let row = trace.row_mut(i);
                        let gain = view.gain(s, g, b)[i];
                        for (e, a) in row.iter_mut().zip(view.pre(b)) {
                            *e = gain * *a;
                        }
                        for before in 0..states {
                            let own = view.own(s, before, b)[i];
                            add_scaled(simd, own, self.before.row(before), row);
                        }
                        let c = credit[s * dims.plane() + b * dims.sample() + i];
                        add_scaled(simd, c, row, gradient.row_mut(g * n + i));
                    }
                }
            }
        }
    }
}

impl<T: Scalar> LocalEligibility<T> for Trace<T> {
    fn reset(&mut self) {
        self.traces.iter_mut().for_each(Matrix::clear);
    }

    fn step(&mut self, view: &LocalView<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        if view.dims().states == 1 {
            self.step_single(view, credit, gradient);
        } else {
            self.step_general(view, credit, gradient);
        }
    }

    fn owner(&self, name: &str) -> Owner {
        let index = name
            .strip_prefix("trace.")
            .and_then(|k| k.parse::<usize>().ok());
        index.map_or(Owner::Network, |k| Owner::Synapse {
            current: k / self.before.rows() % self.currents,
        })
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        for (k, trace) in self.traces.iter_mut().enumerate() {
            io.values(&format!("trace.{k}"), trace.data_mut())?;
        }
        Ok(())
    }
}
