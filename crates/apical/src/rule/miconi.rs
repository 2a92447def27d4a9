//! Miconi's rule: now and then a unit is pushed; what the push did to its current is remembered, cubed, until the trial's end.
//!
//! Source: Miconi 2017; the code of Marschall, Cho & Savin, corrected: there the push is added to a current that is computed anew,
//! so that it never acts. With probability p a unit's current is changed by N(0, σ²);
//!
//! e_gij += ((u_gi(t) − ū_gi) a_j(t))³,   ū ← ū + ρ (u − ū),
//!
//! and when the trial ends gradient = (L − L̄) e with L the trial's mean loss and L̄ the running mean over trials. Cubing lets the
//! few large pushes outweigh the many small fluctuations. ū must follow faster than the current itself changes: on eight-step
//! trials from rest the mean update agrees with the exact gradient to a cosine of 0.89 with ρ = 0.3 and of −0.2 with the 0.03 of
//! the published code, whose trace then holds the start of the trial and not the pushes. Drops: it is no estimate of the gradient, only related to its sign.
//! Memory O(G n m), time O(G n m) a step. Local: its own current and one loss broadcast to all. Needs trials.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::node_perturbation::{check_share, check_sigma, trace_state};
use super::{Contract, Emits, Flush, Locality, Perturb, Rule, RuleInfo, Site};
use crate::kernel::{Buffer, Matrix};
use crate::network::{Dims, Network};
use crate::noise::{Distribution, Noise};
use crate::sizes::Sizes;
use crate::snapshot::{Owner, STEPS, StateIo};
use crate::stream::Stream;
use crate::view::View;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "miconi",
    aliases: &[],
    summary: "rare pushes, a cubed trace, and the loss of the trial against its mean",
    source: "Miconi 2017; Marschall, Cho & Savin 2020, code (corrected)",
    drops: "is no gradient: only its sign is related",
    locality: Locality::Synapse,
    local_in_time: true,
    exact: false,
    stochastic: true,
    memory: "n m",
    time: "n m",
};

/// Configuration of Miconi's rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MiconiSpec {
    /// p in (0, 1], probability that a unit is pushed in a step.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub probability: f64,
    /// σ, deviation of a push.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub sigma: f64,
    /// ρ in (0, 1], what the mean current learns in a step.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub averaging: f64,
    /// What the expected loss learns in a trial, in (0, 1].
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub baseline: f64,
}

impl Default for MiconiSpec {
    fn default() -> Self {
        Self {
            probability: 0.03,
            sigma: 1.0,
            averaging: 0.3,
            baseline: 0.1,
        }
    }
}

/// Miconi's rule.
pub struct Miconi<T> {
    spec: MiconiSpec,
    dims: Dims,
    stream: Stream,
    noise: Noise<T>,
    push: [T; 1],
    /// u of now and ū, one plane a current.
    current: Buffer<T>,
    mean: Buffer<T>,
    /// Whether ū has been set in this trial.
    begun: bool,
    /// One for each sample and current.
    traces: Vec<Matrix<T>>,
    /// Sum of the losses of the trial, and their expected mean, for each sample.
    losses: Vec<T>,
    expected: Vec<T>,
    steps: u64,
}

impl<T: Scalar> Rule<T> for Miconi<T> {
    fn contract(&self) -> Contract {
        Contract {
            draws: self.dims.batch * self.dims.currents * self.dims.units,
            ..Contract::emits(Emits::Trial)
        }
    }

    fn reset(&mut self) {
        self.traces.iter_mut().for_each(Matrix::clear);
        self.losses.fill(T::ZERO);
        self.steps = 0;
        self.begun = false;
    }

    fn step(&mut self, view: &View<'_, T>, _: &[T], _: &mut Matrix<T>) -> Result<()> {
        let dims = self.dims;
        if !self.begun {
            self.mean.copy_from_slice(&self.current);
            self.begun = true;
        }
        for b in 0..dims.batch {
            self.losses[b] += view.loss(b);
            for g in 0..dims.currents {
                let at = g * dims.plane() + b * dims.sample();
                let traces = &mut self.traces[b * dims.currents + g];
                for i in 0..dims.units {
                    let away = self.current[at + i] - self.mean[at + i];
                    for (e, a) in traces.row_mut(i).iter_mut().zip(view.pre(b)) {
                        let moved = away * *a;
                        *e += moved * moved * moved;
                    }
                }
            }
        }
        let share = T::of(self.spec.averaging);
        let means = self.mean.iter_mut().zip(self.current.iter());
        means.for_each(|(mean, u)| *mean += share * (*u - *mean));
        self.steps += 1;
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.of(Owner::Unit)
            .planes("current", self.dims, &mut self.current)?;
        io.of(Owner::Unit)
            .planes("mean", self.dims, &mut self.mean)?;
        io.of(Owner::Broadcast).flag("begun", &mut self.begun)?;
        io.of(Owner::Broadcast).values("losses", &mut self.losses)?;
        io.of(Owner::Broadcast)
            .measured("expected", &mut self.expected)?;
        io.of(Owner::Broadcast)
            .counter("steps", &mut self.steps, STEPS)?;
        trace_state(&mut self.traces, self.dims.currents, io)?;
        self.stream.state("when", io)?;
        self.noise.state(io)
    }

    fn flushing(&mut self) -> Option<&mut dyn Flush<T>> {
        Some(self)
    }

    fn perturbing(&mut self) -> Option<&mut dyn Perturb<T>> {
        Some(self)
    }

    fn noise(&mut self) -> Option<&mut Noise<T>> {
        Some(&mut self.noise)
    }
}

impl<T: Scalar> Flush<T> for Miconi<T> {
    fn end_trial(&mut self, _: &Network<T>, gradient: &mut Matrix<T>) {
        let dims = self.dims;
        if self.steps == 0 {
            return;
        }
        for b in 0..dims.batch {
            let loss = self.losses[b] / T::of(self.steps as f64);
            let expected = if self.expected[b].finite() {
                self.expected[b]
            } else {
                loss
            };
            self.expected[b] = expected + T::of(self.spec.baseline) * (loss - expected);
            for g in 0..dims.currents {
                let traces = &self.traces[b * dims.currents + g];
                for i in 0..dims.units {
                    let row = gradient.row_mut(g * dims.units + i).iter_mut();
                    row.zip(traces.row(i))
                        .for_each(|(g, e)| *g += (loss - expected) * *e);
                }
            }
        }
        // What was paid is not paid again.
        self.steps = 0;
        self.traces.iter_mut().for_each(Matrix::clear);
    }
}

impl<T: Scalar> Perturb<T> for Miconi<T> {
    fn perturb(&mut self, dims: Dims, currents: &mut [T], _: &Matrix<T>) {
        let sigma = T::of(self.spec.sigma);
        for b in 0..dims.batch {
            for g in 0..dims.currents {
                let at = g * dims.plane() + b * dims.sample();
                for u in &mut currents[at..at + dims.units] {
                    // Injected numbers are one for each unit, mostly 0: when a unit is pushed is theirs too.
                    let pushed =
                        self.noise.is_injected() || self.stream.uniform() < self.spec.probability;
                    if pushed {
                        self.noise.fill(&mut self.push);
                        *u += sigma * self.push[0];
                    }
                }
            }
        }
        self.current.copy_from_slice(currents);
    }
}

/// Bytes of its arrays.
pub(super) fn memory(_: &MiconiSpec, sizes: &Sizes) -> f64 {
    sizes.batch * sizes.synapses()
        + 2.0 * sizes.currents * sizes.plane()
        + 3.0 * sizes.batch * sizes.number
}

pub(super) fn build<T: Scalar>(spec: &MiconiSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let dims = site.network.dims();
    check_sigma(spec.sigma)?;
    check_share("rule.probability", spec.probability, false)?;
    check_share("rule.averaging", spec.averaging, false)?;
    check_share("rule.baseline", spec.baseline, false)?;
    let planes = dims.currents * dims.plane();
    Ok(Box::new(Miconi {
        spec: *spec,
        dims,
        stream: site.streams.stream("rule", 1),
        noise: Noise::new(site.streams.stream("rule", 0), Distribution::Gaussian),
        push: [T::ZERO],
        current: Buffer::zeros(planes),
        mean: Buffer::zeros(planes),
        begun: false,
        traces: vec![Matrix::zeros(dims.units, dims.pre()); dims.batch * dims.currents],
        losses: vec![T::ZERO; dims.batch],
        expected: vec![T::of(f64::NAN); dims.batch],
        steps: 0,
    }))
}
