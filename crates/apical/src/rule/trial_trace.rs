//! The local trace run backward: the same gradient as trace × immediate credit, for weights that wait for the trial's end.
//!
//! Σ_t c(t) e(t) with e(t) = own(t) e(t−1) + gain(t) a(t) is Σ_t [gain(t) b(t)] a(t)ᵀ with b(t) = own(t+1)ᵀ b(t+1) + c(t): one scan
//! over S n numbers a step and one matrix product a trial, and no trace at any synapse. Each form is the other's test.
//! Memory O(T (m + S² n)), time O(S G n m) a step, at the rate of a matrix product. Local in space; the tape is not local in time,
//! so that nothing but the speed is claimed for it.

use super::credit_tape::CreditTape;
use super::planes::{add_through_own, chunk, through_gain};
use super::{Contract, Flush, Rule, any};
use crate::eligibility::{LaggedInput, OwnLeak, TraceSpec};
use crate::kernel::{Buffer, Factor, Matrix, Scan, Simd, add_outer_sum, padded};
use crate::network::{Dims, Network};
use crate::sizes::Sizes;
use crate::snapshot::{Length, StateIo};
use crate::view::View;
use crate::{Result, Scalar};

/// The trace of a trial, from its tape.
pub struct TrialTrace<T> {
    dims: Dims,
    /// One step after another: a of every sample, and own and gain planes where they vary.
    pre: Vec<T>,
    own: Vec<T>,
    gain: Vec<T>,
    /// Immediate credit slope q on the states.
    credit: CreditTape<T>,
    /// own and gain of every unit at every step, where those are constant.
    constant: Option<(T, T)>,
    /// gain b, one plane a step of those summed at once, one current after another.
    factors: Vec<T>,
    adjoint: Buffer<T>,
    earlier: Buffer<T>,
    leak: Option<OwnLeak<T>>,
    lag: Option<LaggedInput<T>>,
}

/// Bytes of its planes and of a tape over the trial.
pub(super) fn memory(spec: &TraceSpec, sizes: &Sizes) -> f64 {
    let (s, g) = (sizes.states, sizes.currents);
    let constant = sizes.shared && spec.leak.is_none();
    let partials = if constant { 0.0 } else { s * s + s * g };
    let step = sizes.matrix(sizes.batch, sizes.pre()) + (s + partials) * sizes.plane();
    2.0 * s * sizes.plane() + spec.extras(sizes) + sizes.chunk() + sizes.tape(step)
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
            pre: Vec::new(),
            own: Vec::new(),
            gain: Vec::new(),
            credit: CreditTape::new(states),
            constant: None,
            factors: vec![T::ZERO; dims.currents * chunk(dims) * dims.plane()],
            adjoint: Buffer::zeros(states),
            earlier: Buffer::zeros(states),
            leak: spec.leak.map(|leak| OwnLeak::new(dims, leak)),
            lag: (!spec.input.is_current()).then(|| LaggedInput::new(dims)),
        })
    }

    /// Credit of the last step on the tape, one plane a state variable, for rules that add to it.
    pub(super) fn last_credit(&mut self) -> Option<&mut [T]> {
        self.credit.last_mut()
    }

    fn clear(&mut self) {
        self.credit.clear();
        for list in [&mut self.pre, &mut self.own, &mut self.gain] {
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
        let (sample, plane) = (self.dims.sample(), self.dims.plane());
        let stride = gradient.stride();
        // Later steps have nothing to pay.
        let (steps, chunk) = (self.credit.steps(), chunk(self.dims));
        self.adjoint.fill(T::ZERO);
        let mut end = steps;
        while end > 0 {
            let first = end.saturating_sub(chunk);
            for t in (first..end).rev() {
                if states * currents == 1 {
                    self.scan(simd, t, t - first, t + 1 < steps);
                } else {
                    self.step_back(t, t - first, t + 1 < steps);
                }
            }
            // A plane is one sample after another, as the rows of `pre` are: every sample is a step of its own.
            let pre = &self.pre[first * batch * stride..end * batch * stride];
            for g in 0..currents {
                let band = &mut gradient.data_mut()[g * units * stride..(g + 1) * units * stride];
                let factors = &self.factors[g * chunk * plane..][..(end - first) * plane];
                add_outer_sum(simd, band, stride, factors, sample, units, pre);
            }
            end = first;
        }
        self.clear();
    }

    /// b ← own(t+1) b + c(t) and the factor of step t, at `slot` of its chunk, for units of one state and one current.
    fn scan(&mut self, simd: Simd, t: usize, slot: usize, has_later: bool) {
        let plane = self.dims.plane();
        let (own, gain) = match self.constant {
            Some((own, gain)) => (Factor::all(own), Factor::all(gain)),
            None => {
                let own = match has_later {
                    true => Factor::each(&self.own[(t + 1) * plane..][..plane]),
                    // The state is 0.
                    false => Factor::all(T::ONE),
                };
                (own, Factor::each(&self.gain[t * plane..][..plane]))
            }
        };
        Scan::new(&mut self.adjoint, own)
            .credit(self.credit.at(t))
            .out(&mut self.factors[slot * plane..][..plane], gain)
            .take(simd);
    }

    /// b ← own(t+1)ᵀ b + c(t) and the factors of step t, for any units.
    fn step_back(&mut self, t: usize, slot: usize, has_later: bool) {
        let Dims {
            states, currents, ..
        } = self.dims;
        let plane = self.dims.plane();
        if has_later {
            let own = &self.own[(t + 1) * states * states * plane..];
            self.earlier.fill(T::ZERO);
            add_through_own(self.dims, own, &self.adjoint, &mut self.earlier);
            std::mem::swap(&mut self.adjoint, &mut self.earlier);
        }
        if let Some(credit) = self.credit.at(t) {
            let pairs = self.adjoint.iter_mut().zip(credit);
            pairs.for_each(|(b, c)| *b += *c);
        }
        let gain = &self.gain[t * states * currents * plane..];
        for g in 0..currents {
            let factors = &mut self.factors[(g * chunk(self.dims) + slot) * plane..][..plane];
            through_gain(self.dims, g, gain, &self.adjoint, factors);
        }
    }
}

impl<T: Scalar> Rule<T> for TrialTrace<T> {
    fn contract(&self) -> Contract {
        Contract::by_trial()
    }

    fn reset(&mut self) {
        self.clear();
        if let Some(lag) = &mut self.lag {
            lag.clear();
        }
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], _: &mut Matrix<T>) -> Result<()> {
        if self.credit.is_empty() {
            let plain = self.leak.is_none() && self.dims.states * self.dims.currents == 1;
            let constant = view.network().neuron().constant(1.0);
            let constant = constant.filter(|partials| plain && partials.shared);
            self.constant = constant.map(|p| (T::of(p.own), T::of(p.gain)));
        }
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
        } else if self.constant.is_none() {
            self.own.extend_from_slice(&partials.own);
            self.gain.extend_from_slice(&partials.gain);
        }
        if any(signal) {
            let slopes = partials.slope.chunks_exact(self.dims.plane());
            let credit = slopes.flat_map(|slope| slope.iter().zip(signal));
            self.credit.push(credit.map(|(slope, q)| *slope * *q));
        } else {
            self.credit.skip();
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        if let Some(lag) = &mut self.lag {
            lag.state(io)?;
        }
        let mut constant: Vec<T> = self
            .constant
            .map_or(Vec::new(), |(own, gain)| vec![own, gain]);
        io.list("constant", &mut constant, Length::Rows(2))?;
        self.constant = match constant[..] {
            [own, gain, ..] => Some((own, gain)),
            _ => None,
        };
        let Dims {
            states, currents, ..
        } = self.dims;
        let is_plain = self.leak.is_none() && states * currents == 1;
        io.require("constant", is_plain || self.constant.is_none(), || {
            "nothing, as partials vary".into()
        })?;
        let width = self.dims.batch * padded(self.dims.pre());
        io.list("pre", &mut self.pre, Length::Rows(width))?;
        let steps = self.pre.len() / width;
        let planes = match self.constant {
            Some(_) => 0,
            None => steps * self.dims.plane(),
        };
        io.list(
            "own",
            &mut self.own,
            Length::Exactly(states * states * planes),
        )?;
        io.list(
            "gain",
            &mut self.gain,
            Length::Exactly(states * currents * planes),
        )?;
        self.credit.state(steps, io)
    }

    fn flushing(&mut self) -> Option<&mut dyn Flush<T>> {
        Some(self)
    }
}

impl<T: Scalar> Flush<T> for TrialTrace<T> {
    fn flush(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        self.pay(network.simd(), gradient);
    }
}
