//! The local trace run backward: the same gradient as trace × immediate credit, for weights that wait for the trial's end.
//!
//! Σ_t c(t) e(t) with e(t) = own(t) e(t−1) + gain(t) a(t) is Σ_t [gain(t) b(t)] a(t)ᵀ with b(t) = own(t+1)ᵀ b(t+1) + c(t): one scan
//! over S n numbers a step and one matrix product a trial, and no trace at any synapse. Each form is the other's test.
//! Memory O(T (m + S² n)), time O(S G n m) a step, at the rate of a matrix product. Local in space; the tape is not local in time,
//! so that nothing but the speed is claimed for it.

use super::Rule;
use crate::eligibility::{LaggedInput, OwnLeak, TraceSpec};
use crate::kernel::{Buffer, Matrix, Simd, add_outer_sum};
use crate::network::{Dims, Network};
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Result, Scalar};

/// The trace of a trial, from its tape.
pub struct TrialTrace<T> {
    dims: Dims,
    steps: u64,
    /// One step after another: a of every sample, own and gain planes, immediate credit slope q on the states.
    pre: Vec<T>,
    own: Vec<T>,
    gain: Vec<T>,
    credit: Vec<T>,
    /// gain b, one plane a step, for one current at a time.
    factors: Vec<T>,
    adjoint: Buffer<T>,
    earlier: Buffer<T>,
    leak: Option<OwnLeak<T>>,
    lag: Option<LaggedInput<T>>,
}

impl<T: Scalar> TrialTrace<T> {
    /// For a network of these sizes. The tape grows with the longest trial seen, then no more.
    ///
    /// # Errors
    /// A leak outside (0, 1], or one for units with several state variables.
    pub fn new(dims: Dims, spec: &TraceSpec) -> Result<Self> {
        spec.check(dims)?;
        let states = dims.states * dims.plane();
        Ok(Self {
            dims,
            steps: 0,
            pre: Vec::new(),
            own: Vec::new(),
            gain: Vec::new(),
            credit: Vec::new(),
            factors: Vec::new(),
            adjoint: Buffer::zeros(states),
            earlier: Buffer::zeros(states),
            leak: spec.leak.map(|leak| OwnLeak::new(dims, leak)),
            lag: (!spec.input.is_current()).then(|| LaggedInput::new(dims)),
        })
    }

    /// Credit of the last step on the tape, one plane a state variable, for rules that add to it.
    pub(super) fn last_credit(&mut self) -> Option<&mut [T]> {
        let length = self.dims.states * self.dims.plane();
        self.credit.rchunks_exact_mut(length).next()
    }

    fn clear(&mut self) {
        self.steps = 0;
        for list in [
            &mut self.pre,
            &mut self.own,
            &mut self.gain,
            &mut self.credit,
        ] {
            list.clear();
        }
    }

    fn pay(&mut self, simd: Simd, gradient: &mut Matrix<T>) {
        let Dims {
            batch,
            units,
            states,
            currents,
            ..
        } = self.dims;
        let (sample, plane, steps) = (self.dims.sample(), self.dims.plane(), self.steps as usize);
        let stride = gradient.stride();
        self.factors.resize(currents * steps * plane, T::ZERO);
        self.adjoint.fill(T::ZERO);
        for t in (0..steps).rev() {
            self.earlier
                .copy_from_slice(&self.credit[t * states * plane..(t + 1) * states * plane]);
            if t + 1 < steps {
                let own = &self.own[(t + 1) * states * states * plane..];
                for s in 0..states {
                    for after in 0..states {
                        let own = &own[(after * states + s) * plane..][..plane];
                        let adjoint = &self.adjoint[after * plane..][..plane];
                        let earlier = self.earlier[s * plane..][..plane].iter_mut();
                        let terms = earlier.zip(own.iter().zip(adjoint));
                        terms.for_each(|(e, (own, b))| *e += *own * *b);
                    }
                }
            }
            std::mem::swap(&mut self.adjoint, &mut self.earlier);
            for g in 0..currents {
                let factors = &mut self.factors[(g * steps + t) * plane..][..plane];
                factors.fill(T::ZERO);
                for s in 0..states {
                    let gain = &self.gain[((t * states + s) * currents + g) * plane..][..plane];
                    let terms = gain.iter().zip(&self.adjoint[s * plane..]);
                    let terms = factors.iter_mut().zip(terms);
                    terms.for_each(|(f, (gain, b))| *f += *gain * *b);
                }
            }
        }
        debug_assert_eq!(sample * batch, plane);
        for g in 0..currents {
            let band = &mut gradient.data_mut()[g * units * stride..(g + 1) * units * stride];
            // A plane is one sample after another, as the rows of `pre` are: every sample is a step of its own.
            let factors = &self.factors[g * steps * plane..(g + 1) * steps * plane];
            add_outer_sum(simd, band, stride, factors, sample, units, &self.pre);
        }
        self.clear();
    }
}

impl<T: Scalar> Rule<T> for TrialTrace<T> {
    fn reset(&mut self) {
        self.clear();
        if let Some(lag) = &mut self.lag {
            lag.clear();
        }
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], _: &mut Matrix<T>) {
        self.steps += 1;
        if let Some(lag) = &mut self.lag {
            lag.advance(&view.local());
        }
        for b in 0..self.dims.batch {
            let pre = self.lag.as_ref().map(|lag| lag.pre(b));
            self.pre.extend_from_slice(pre.unwrap_or(view.pre(b)));
        }
        let partials = view.partials();
        if let Some(leak) = &mut self.leak {
            leak.scale(&view.local());
            self.own.extend_from_slice(leak.own());
            self.gain.extend_from_slice(leak.gain());
        } else {
            self.own.extend_from_slice(&partials.own);
            self.gain.extend_from_slice(&partials.gain);
        }
        for slope in partials.slope.chunks_exact(self.dims.plane()) {
            let credit = slope.iter().zip(signal).map(|(slope, q)| *slope * *q);
            self.credit.extend(credit);
        }
    }

    fn flush(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        self.pay(network.simd(), gradient);
    }

    fn needs_window(&self) -> bool {
        true
    }

    fn mode(&self) -> &'static str {
        "trial"
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        if let Some(lag) = &mut self.lag {
            lag.state(io)?;
        }
        io.counter("steps", &mut self.steps)?;
        io.list("pre", &mut self.pre)?;
        io.list("own", &mut self.own)?;
        io.list("gain", &mut self.gain)?;
        io.list("credit", &mut self.credit)
    }
}
