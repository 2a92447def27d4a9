//! MDGL: local traces, and credit that reaches one step and one synapse further.
//!
//! Source: Liu, Smith, Mihalas, Shea-Brown & Sümbül 2021; as compared with in Liu et al. 2022. Of the influence that leaves a unit
//! through its own synapses only what arrives within one step is kept: gradient_p = Σ_t c_p(t) e_p(t) + c'_p(t) e_p(t−1) with
//! c = slope q, c'_s(t) = slope_s(t−1) Σ_g Ŵ_gᵀ Σ_s' gain_s'g(t) c_s'(t). Derivatives are exact at both ends; Ŵ is W or its means over types.
//! Drops: all influence that takes longer. With a leak a of the voltage the step carries the factor 1 − a: for slow units the rule is close to the
//! three-factor rule. Shapes: S G n × m for each sample. With updates at the end of trials the same gradient comes from the tape of [`TrialTrace`].
//! Memory O(S G n m), time O(S² G n m) a step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::modprop::{FeedbackWeights, Way};
use super::{
    Contract, Flush, Locality, Rule, RuleInfo, Site, TrialTrace, any, modprop, trial_trace,
};
use crate::eligibility::{LocalEligibility, Trace, TraceSpec};
use crate::kernel::{Buffer, Matrix};
use crate::network::{Dims, Network};
use crate::sizes::Sizes;
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "mdgl",
    aliases: &[],
    summary: "credit that spreads by one synapse and one step, through types of cells",
    source: "Liu, Smith, Mihalas, Shea-Brown & Sumbul 2021 and 2022",
    drops: "influence through other units that takes more than one step",
    locality: Locality::Network,
    local_in_time: true,
    exact: false,
    stochastic: false,
    memory: "n m",
    time: "n m",
};

/// Configuration of MDGL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MdglSpec {
    /// What credit travels over.
    pub feedback_weights: FeedbackWeights,
}

/// Where the traces are kept.
enum Form<T> {
    Online(Trace<T>),
    Trial(TrialTrace<T>),
}

/// MDGL.
pub struct Mdgl<T> {
    dims: Dims,
    way: Way<T>,
    form: Form<T>,
    /// c and c', one plane a state variable.
    credit: Buffer<T>,
    earlier: Buffer<T>,
    /// Σ_s gain_sg c_s, what comes back of one current, and of all: one plane each.
    factors: Buffer<T>,
    back: Buffer<T>,
    sum: Buffer<T>,
}

impl<T: Scalar> Mdgl<T> {
    /// c' of this step.
    fn send_back(&mut self, view: &View<'_, T>) {
        let dims = self.dims;
        let (sample, plane) = (dims.sample(), dims.plane());
        let (partials, synapses) = (view.partials(), view.synapses());
        self.way.refresh(view.simd(), synapses, view.type_sums());
        self.sum.fill(T::ZERO);
        for g in 0..dims.currents {
            self.factors.fill(T::ZERO);
            for s in 0..dims.states {
                let gain = &partials.gain[(s * dims.currents + g) * plane..][..plane];
                let terms = gain.iter().zip(&self.credit[s * plane..]);
                let factors = self.factors.iter_mut().zip(terms);
                factors.for_each(|(f, (gain, c))| *f += *gain * *c);
            }
            let (factors, back) = (&self.factors, &mut self.back);
            self.way
                .back(view.simd(), synapses, g, factors, back, sample);
            let pairs = self.sum.iter_mut().zip(back.iter());
            pairs.for_each(|(sum, back)| *sum += *back);
        }
        for b in 0..dims.batch {
            for s in 0..dims.states {
                let at = s * plane + b * sample;
                let sum = self.sum[b * sample..].iter().zip(view.slope_before(s, b));
                let earlier = self.earlier[at..][..dims.units].iter_mut().zip(sum);
                earlier.for_each(|(e, (sum, slope))| *e = *slope * *sum);
            }
        }
    }
}

impl<T: Scalar> Rule<T> for Mdgl<T> {
    fn contract(&self) -> Contract {
        match self.form {
            Form::Trial(_) => Contract::by_trial(),
            Form::Online(_) => Contract {
                reads_type_sums: self.way.is_typed(),
                ..Contract::default()
            },
        }
    }

    fn reset(&mut self) {
        match &mut self.form {
            Form::Online(trace) => trace.reset(),
            Form::Trial(trace) => trace.reset(),
        }
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) -> Result<()> {
        let plane = self.dims.plane();
        // Without an error nothing travels.
        let any = any(signal);
        if any {
            let slopes = view.partials().slope.chunks_exact(plane);
            for (credit, slope) in self.credit.chunks_exact_mut(plane).zip(slopes) {
                let terms = credit.iter_mut().zip(signal).zip(slope);
                terms.for_each(|((c, q), slope)| *c = *q * *slope);
            }
            self.send_back(view);
        }
        match &mut self.form {
            Form::Online(trace) => {
                if any {
                    trace.pay(&view.local(), &self.earlier, gradient);
                } else {
                    self.credit.fill(T::ZERO);
                }
                trace.step(&view.local(), &self.credit, gradient);
            }
            Form::Trial(trace) => {
                if let (true, Some(before)) = (any, trace.last_credit()) {
                    let pairs = before.iter_mut().zip(self.earlier.iter());
                    pairs.for_each(|(b, e)| *b += *e);
                }
                trace.step(view, signal, gradient)?;
            }
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        match &mut self.form {
            Form::Online(trace) => io.scope("eligibility", |io| trace.state(io)),
            Form::Trial(trace) => trace.state(io),
        }
    }

    fn flushing(&mut self) -> Option<&mut dyn Flush<T>> {
        Some(self)
    }
}

impl<T: Scalar> Flush<T> for Mdgl<T> {
    fn flush(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        if let Form::Trial(trace) = &mut self.form {
            trace.flush(network, gradient);
        }
    }
}

/// Bytes of its arrays.
pub(super) fn memory(_: &MdglSpec, sizes: &Sizes) -> f64 {
    let own = if sizes.by_trial {
        trial_trace::memory(&TraceSpec::default(), sizes)
    } else {
        sizes.traces()
    };
    own + modprop::way_memory(sizes) + (2.0 * sizes.states + 3.0) * sizes.plane()
}

pub(super) fn build<T: Scalar>(spec: &MdglSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let dims = site.network.dims();
    let plane = dims.plane();
    Ok(Box::new(Mdgl {
        dims,
        way: Way::new(spec.feedback_weights, false, site.network),
        form: if site.by_trial {
            Form::Trial(TrialTrace::new(dims, &TraceSpec::default())?)
        } else {
            Form::Online(Trace::new(dims))
        },
        credit: Buffer::zeros(dims.states * plane),
        earlier: Buffer::zeros(dims.states * plane),
        factors: Buffer::zeros(plane),
        back: Buffer::zeros(plane),
        sum: Buffer::zeros(plane),
    }))
}
