//! ModProp worked out backward at the end of a trial: the same gradient, at the rate of a matrix product.
//!
//! Λ(t) = c(t) + own Λ(t+1) + slope v(t), v(t) = gain Ŵᵀ Λ(t+1). Traces run backward: b(t) = c(t) + own b(t+1) + slope_p(t) v(t) for the
//! drive of the paper; for that of the code v goes to b̄(t) = own b̄(t+1) + slope v(t), and where all units share their gain b + b̄ is Λ.
//! gradient = Σ_t [gain(t) b(t) + gain b̄(t)] a(t)ᵀ. Values with μ are those without (t). With S taps v(t) is what the errors of the next S steps
//! send, each followed on its own: taking what is older out of Λ again would lose all digits where the filter is unstable.
//! Memory O(T (n + m)), time O(n m) a step through types, twice that through the weights themselves, S n² for each error with S taps. The tape is
//! not local in time, so that nothing but the speed is claimed for this form; the forward ones give the same.

use super::super::credit_tape::CreditTape;
use super::super::planes::chunk;
use super::{Contract, Core, Drive, Flush, Means, Rule, Watch};
use crate::kernel::{Buffer, Factor, Matrix, Scan, Simd, add_outer_sum, padded};
use crate::network::Network;
use crate::snapshot::{Length, StateIo};
use crate::synapse::Synapses;
use crate::view::View;
use crate::{Result, Scalar};

/// ModProp over a tape.
pub struct TrialModProp<T> {
    core: Core<T>,
    /// One step after another: a of every sample; slope where the drive needs it; gain where it varies.
    pre: Vec<T>,
    slope: Vec<T>,
    gain: Vec<T>,
    /// c.
    credit: CreditTape<T>,
    /// Λ(t+1), or the credit of one error on its way; b, b̄ and Ŵᵀ Λ.
    adjoint: Buffer<T>,
    trace: Buffer<T>,
    mean: Buffer<T>,
    back: Buffer<T>,
    /// v of every step, where there are taps.
    arriving: Vec<T>,
    /// What steps that are summed at once add to the gradient: a plane a step.
    factors: Vec<T>,
}

impl<T: Scalar> TrialModProp<T> {
    pub(super) fn new(core: Core<T>) -> Self {
        let dims = core.dims;
        let plane = || Buffer::zeros(dims.plane());
        Self {
            pre: Vec::new(),
            slope: Vec::new(),
            gain: Vec::new(),
            credit: CreditTape::new(dims.plane()),
            adjoint: plane(),
            trace: plane(),
            mean: plane(),
            back: plane(),
            arriving: Vec::new(),
            factors: vec![T::ZERO; chunk(dims) * dims.plane()],
            core,
        }
    }

    fn clear(&mut self) {
        self.credit.clear();
        for list in [&mut self.pre, &mut self.slope, &mut self.gain] {
            list.clear();
        }
    }

    fn pay(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        // Later steps have nothing to pay.
        let steps = self.credit.steps();
        if steps == 0 {
            self.clear();
            return;
        }
        let (simd, synapses) = (network.simd(), network.synapses());
        let means = self.core.refresh(network, None);
        let (plane, stride) = (self.core.dims.plane(), gradient.stride());
        let (batch, sample) = (self.core.dims.batch, self.core.dims.sample());
        // As many taps as there are steps are all of them.
        let taps = self.core.taps.filter(|taps| *taps < steps);
        if let Some(taps) = taps {
            self.follow_errors(simd, synapses, means, taps);
        }
        self.adjoint.fill(T::ZERO);
        self.trace.fill(T::ZERO);
        self.mean.fill(T::ZERO);
        let chunk = chunk(self.core.dims);
        let mut end = steps;
        while end > 0 {
            let first = end.saturating_sub(chunk);
            for t in (first..end).rev() {
                let credit = self.credit.at(t);
                let factors = &mut self.factors[(t - first) * plane..][..plane];
                let own = Factor::all(means.own);
                let gain = match self.core.shared {
                    true => Factor::all(means.gain),
                    false => Factor::each(&self.gain[t * plane..][..plane]),
                };
                let (arriving, scale) = match taps {
                    Some(_) => (&self.arriving[t * plane..][..plane], T::ONE),
                    None => {
                        let (way, adjoint) = (&mut self.core.way, &self.adjoint);
                        way.back(simd, synapses, 0, adjoint, &mut self.back, sample);
                        (&self.back[..], means.gain)
                    }
                };
                let entering = Factor::all(scale * means.slope);
                let is_sum = taps.is_none() && self.core.shared && self.core.drive == Drive::Code;
                if self.core.drive == Drive::Paper {
                    let slope = Factor {
                        scale,
                        each: Some(&self.slope[t * plane..][..plane]),
                    };
                    Scan::new(&mut self.trace, own)
                        .arriving(slope, arriving)
                        .credit(credit)
                        .out(factors, gain)
                        .take(simd);
                } else if !is_sum {
                    Scan::new(&mut self.trace, own)
                        .credit(credit)
                        .out(factors, gain)
                        .take(simd);
                    Scan::new(&mut self.mean, own)
                        .arriving(entering, arriving)
                        .add_to(factors, Factor::all(means.gain))
                        .take(simd);
                }
                if taps.is_none() {
                    let adjoint = Scan::new(&mut self.adjoint, own)
                        .arriving(entering, arriving)
                        .credit(credit);
                    match is_sum {
                        true => adjoint.out(factors, gain).take(simd),
                        false => adjoint.take(simd),
                    }
                }
            }
            let units = self.core.dims.units;
            let factors = &self.factors[..(end - first) * plane];
            let pre = &self.pre[first * batch * stride..end * batch * stride];
            let sum = gradient.data_mut();
            add_outer_sum(simd, sum, stride, factors, sample, units, pre);
            end = first;
        }
        self.clear();
    }

    /// v of every step: what each error sends back within `taps` steps.
    fn follow_errors(&mut self, simd: Simd, synapses: &Synapses<T>, means: Means<T>, taps: usize) {
        let (plane, sample) = (self.core.dims.plane(), self.core.dims.sample());
        let steps = self.credit.steps();
        self.arriving.clear();
        self.arriving.resize(steps * plane, T::ZERO);
        for t in 0..steps {
            let Some(credit) = self.credit.at(t) else {
                continue;
            };
            self.adjoint.copy_from_slice(credit);
            for before in (t.saturating_sub(taps)..t).rev() {
                let (way, adjoint) = (&mut self.core.way, &mut self.adjoint);
                way.back(simd, synapses, 0, adjoint, &mut self.back, sample);
                let arriving = &mut self.arriving[before * plane..][..plane];
                let pairs = arriving.iter_mut().zip(self.back.iter());
                pairs.for_each(|(v, back)| *v += means.gain * *back);
                Scan::new(adjoint, Factor::all(means.own))
                    .arriving(Factor::all(means.hop), &self.back)
                    .take(simd);
            }
        }
    }
}

impl<T: Scalar> Rule<T> for TrialModProp<T> {
    fn contract(&self) -> Contract {
        Contract::by_trial()
    }

    fn reset(&mut self) {
        self.clear();
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], _: &mut Matrix<T>) -> Result<()> {
        self.core.assign(view, signal);
        for b in 0..self.core.dims.batch {
            self.pre.extend_from_slice(view.pre(b));
        }
        if self.core.drive == Drive::Paper {
            self.slope.extend_from_slice(&view.partials().slope);
        }
        if !self.core.shared {
            self.gain.extend_from_slice(&view.partials().gain);
        }
        match self.core.credited.contains(&true) {
            true => self.credit.push(self.core.credit.iter().copied()),
            false => self.credit.skip(),
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.core.state(io)?;
        let dims = self.core.dims;
        let width = dims.batch * padded(dims.pre());
        io.list("pre", &mut self.pre, Length::Rows(width))?;
        let steps = self.pre.len() / width;
        let planes = |kept: bool| Length::Exactly(usize::from(kept) * steps * dims.plane());
        let has_slope = self.core.drive == Drive::Paper;
        io.list("slope", &mut self.slope, planes(has_slope))?;
        io.list("gain", &mut self.gain, planes(!self.core.shared))?;
        self.credit.state(steps, io)
    }

    fn flushing(&mut self) -> Option<&mut dyn Flush<T>> {
        Some(self)
    }

    fn watched(&self) -> Option<&dyn Watch<T>> {
        Some(&self.core)
    }
}

impl<T: Scalar> Flush<T> for TrialModProp<T> {
    fn flush(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        self.pay(network, gradient);
    }
}
