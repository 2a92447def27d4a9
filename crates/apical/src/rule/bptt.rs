//! Backpropagation through time over everything since the last update.
//!
//! Source: Murray 2019, Eqs. 18–23; Marschall, Cho & Savin 2020, section 3.2. With updates at the end of a trial
//! the gradient is exact; with updates every k steps it is E-BPTT with block k: credit stops at the edge.
//! λ_s(t) = Σ_s' own_s's(t+1) λ_s'(t+1) + slope_s(t) [q(t) + Σ_g W_gᵀ Σ_s' gain_s'g(t+1) λ_s'(t+1)],
//! gradient of (g, i, j) = Σ_t Σ_s gain_sg,i(t) λ_s,i(t) a_j(t).
//! Memory O(T (m + S² n)), time O(G n m) a step. Neither local in space nor in time.

use super::planes::{add_through_own, chunk, through_gain};
use super::{Contract, Emits, Empty, Flush, Locality, Rule, RuleInfo, Site};
use crate::kernel::{Buffer, Matrix, Simd, add_outer_sum, padded};
use crate::network::{Dims, Network};
use crate::sizes::Sizes;
use crate::snapshot::{Length, STEPS, StateIo};
use crate::synapse::Synapses;
use crate::view::View;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "bptt",
    aliases: &[],
    summary: "exact gradient of a whole trial, carried backward in time",
    source: "Murray 2019, Eqs. 18-23; Marschall, Cho & Savin 2020, section 3.2",
    drops: "nothing within the window between two updates",
    locality: Locality::Network,
    local_in_time: false,
    exact: true,
    stochastic: false,
    memory: "T m",
    time: "n m",
};

/// The tape: what the backward pass needs of each step, one step after another.
#[derive(Default)]
struct Tape<T> {
    steps: u64,
    pre: Vec<T>,
    own: Vec<T>,
    gain: Vec<T>,
    slope: Vec<T>,
    signal: Vec<T>,
}

/// Backpropagation through time.
pub struct Bptt<T> {
    dims: Dims,
    tape: Tape<T>,
    /// λ(t+1) and λ(t), one plane a state variable.
    adjoint: Buffer<T>,
    earlier: Buffer<T>,
    /// q(t) and what comes back through the weights, one plane.
    back: Buffer<T>,
    /// gain λ, one plane a current; the same of several steps.
    factors: Buffer<T>,
    chunk: Vec<T>,
    /// Steps after which the gradient comes by itself; `None` waits for an update.
    block: Option<u64>,
}

impl<T: Scalar> Bptt<T> {
    /// For a network of these sizes. The tape grows with the longest window seen, then no more.
    pub fn new(dims: Dims) -> Self {
        let plane = dims.plane();
        Self {
            dims,
            tape: Tape::default(),
            adjoint: Buffer::zeros(dims.states * plane),
            earlier: Buffer::zeros(dims.states * plane),
            back: Buffer::zeros(plane),
            factors: Buffer::zeros(dims.currents * plane),
            chunk: Vec::new(),
            block: None,
        }
    }

    /// The gradient comes at the end of every `block` steps.
    pub fn in_blocks(dims: Dims, block: usize) -> Self {
        Self {
            block: Some(block as u64),
            ..Self::new(dims)
        }
    }

    fn clear(&mut self) {
        let tape = &mut self.tape;
        tape.steps = 0;
        for list in [
            &mut tape.pre,
            &mut tape.own,
            &mut tape.gain,
            &mut tape.slope,
            &mut tape.signal,
        ] {
            list.clear();
        }
    }

    /// The backward pass over the whole tape, which is empty afterwards.
    fn backward(&mut self, synapses: &Synapses<T>, simd: Simd, gradient: &mut Matrix<T>) {
        let Dims {
            batch,
            units,
            states,
            currents,
            ..
        } = self.dims;
        let (sample, plane) = (self.dims.sample(), self.dims.plane());
        let stride = gradient.stride();
        let steps = self.tape.steps as usize;
        let chunk = chunk(self.dims);
        self.chunk.resize(currents * chunk * plane, T::ZERO);
        let mut end = steps;
        while end > 0 {
            let first = end.saturating_sub(chunk);
            for t in (first..end).rev() {
                self.back
                    .copy_from_slice(&self.tape.signal[t * plane..][..plane]);
                self.earlier.fill(T::ZERO);
                if t + 1 < steps {
                    for g in 0..currents {
                        let factors = &self.factors[g * plane..][..plane];
                        synapses.back_all(simd, g, factors, &mut self.back, sample);
                    }
                    let own = &self.tape.own[(t + 1) * states * states * plane..];
                    add_through_own(self.dims, own, &self.adjoint, &mut self.earlier);
                }
                let slope = &self.tape.slope[t * states * plane..][..states * plane];
                for (s, slope) in slope.chunks_exact(plane).enumerate() {
                    let earlier = &mut self.earlier[s * plane..][..plane];
                    for ((e, slope), q) in earlier.iter_mut().zip(slope).zip(self.back.iter()) {
                        *e += *slope * *q;
                    }
                }
                std::mem::swap(&mut self.adjoint, &mut self.earlier);
                self.through_gain(t);
                for g in 0..currents {
                    let at = (g * chunk + t - first) * plane;
                    self.chunk[at..at + plane].copy_from_slice(&self.factors[g * plane..][..plane]);
                }
            }
            let pre = &self.tape.pre[first * batch * stride..end * batch * stride];
            for g in 0..currents {
                let band = &mut gradient.data_mut()[g * units * stride..][..units * stride];
                let factors = &self.chunk[g * chunk * plane..][..(end - first) * plane];
                add_outer_sum(simd, band, stride, factors, sample, units, pre);
            }
            end = first;
        }
        self.clear();
    }

    /// factors_g = Σ_s gain_sg(t) λ_s(t), one plane a current.
    fn through_gain(&mut self, t: usize) {
        let Dims {
            states, currents, ..
        } = self.dims;
        let plane = self.dims.plane();
        let gain = &self.tape.gain[t * states * currents * plane..];
        for g in 0..currents {
            let factors = &mut self.factors[g * plane..][..plane];
            through_gain(self.dims, g, gain, &self.adjoint, factors);
        }
    }
}

impl<T: Scalar> Rule<T> for Bptt<T> {
    fn contract(&self) -> Contract {
        Contract::emits(self.block.map_or(Emits::Window, Emits::Block))
    }

    fn reset(&mut self) {
        self.clear();
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) -> Result<()> {
        let tape = &mut self.tape;
        tape.steps += 1;
        for b in 0..self.dims.batch {
            tape.pre.extend_from_slice(view.pre(b));
        }
        let partials = view.partials();
        tape.own.extend_from_slice(&partials.own);
        tape.gain.extend_from_slice(&partials.gain);
        tape.slope.extend_from_slice(&partials.slope);
        tape.signal.extend_from_slice(signal);
        if self.block == Some(self.tape.steps) {
            self.backward(view.synapses(), view.simd(), gradient);
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        let Dims {
            states, currents, ..
        } = self.dims;
        let (plane, tape) = (self.dims.plane(), &mut self.tape);
        let longest = self.block.map_or(*STEPS.end(), |block| block - 1);
        io.counter("steps", &mut tape.steps, 0..=longest)?;
        let steps = |width: usize| Length::Exactly((tape.steps as usize).saturating_mul(width));
        io.list(
            "pre",
            &mut tape.pre,
            steps(self.dims.batch * padded(self.dims.pre())),
        )?;
        io.list("own", &mut tape.own, steps(states * states * plane))?;
        io.list("gain", &mut tape.gain, steps(states * currents * plane))?;
        io.list("slope", &mut tape.slope, steps(states * plane))?;
        io.list("signal", &mut tape.signal, steps(plane))
    }

    fn flushing(&mut self) -> Option<&mut dyn Flush<T>> {
        Some(self)
    }
}

impl<T: Scalar> Flush<T> for Bptt<T> {
    fn flush(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        if self.block.is_none() {
            self.backward(network.synapses(), network.simd(), gradient);
        }
    }

    fn end_trial(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        self.backward(network.synapses(), network.simd(), gradient);
    }
}

/// Bytes of its planes and of a tape over the window.
pub(super) fn planes_and_tape(sizes: &Sizes) -> f64 {
    let (s, g) = (sizes.states, sizes.currents);
    let step = sizes.matrix(sizes.batch, sizes.pre()) + (s * s + s * g + s + 1.0) * sizes.plane();
    (2.0 * s + g + 1.0) * sizes.plane() + sizes.chunk() + sizes.tape(step)
}

/// Bytes of its arrays.
pub(super) fn memory(_: &Empty, sizes: &Sizes) -> f64 {
    planes_and_tape(sizes)
}

pub(super) fn build<T: Scalar>(_: &Empty, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    Ok(Box::new(Bptt::new(site.network.dims())))
}
