//! REINFORCE at the nodes: noise on the currents, credited by how the loss compares with what was expected.
//!
//! Source: Williams 1992; the REINFORCE of Marschall, Cho & Savin's code; Murray 2019, Discussion. Each unit hears
//! u_gi(t) + ξ_gi(t), ξ ~ N(0, σ²), and keeps the score of what it has tried:
//!
//! e_gij ← (1 − d) e_gij + ξ_gi a_j / σ²,   gradient = (L − L̄) e,   L̄ ← (1 − ρ) L̄ + ρ L.
//!
//! With `reward = "trial"` the loss is that of the whole trial and is paid at its end, as Murray 2019 writes it (Eq. 8, with
//! R = −Σ_t L(t), and R̄ its recent mean): gradient = (L_trial − L̄) e(T), e at its end being Σ_t ξ a / σ² without decay, which is then the default.
//! With d = 0 the mean over the noise of Σ_t gradient is the exact gradient of the mean loss of the noisy network, L̄ being any
//! number that the noise of the trial does not touch (the running mean hears a share ρ of it); d > 0 forgets old trials for less variance. The published code adds its noise
//! after the nonlinearity, with deviation σα but dividing by σ², and scales the new term by d; on the currents the score needs no
//! φ' and serves every neuron. Held-out tests run without noise. Drops: nothing in the mean with d = 0; adds much noise.
//! Memory O(G n m), time O(G n m) a step. Local: its own noise and one loss broadcast to all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Contract, Emits, Flush, Locality, Perturb, Rule, RuleInfo, Site, Watch};
use crate::kernel::{Buffer, Matrix, Simd, add_scaled, trace};
use crate::network::{Dims, Network};
use crate::noise::{Distribution, Noise};
use crate::probe::Probe;
use crate::sizes::Sizes;
use crate::snapshot::{Owner, StateIo};
use crate::view::View;
use crate::{Error, Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "node_perturbation",
    aliases: &["reinforce"],
    summary: "noise on the currents, credited by the loss against its running mean",
    source: "Williams 1992; Marschall, Cho & Savin 2020, code; Murray 2019, Discussion",
    drops: "nothing in the mean without `decay`; adds noise",
    locality: Locality::Synapse,
    local_in_time: true,
    exact: false,
    stochastic: true,
    memory: "n m",
    time: "n m",
};

/// Configuration of node perturbation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodePerturbationSpec {
    /// σ, deviation of the noise on each current.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub sigma: f64,
    /// d in [0, 1], what a trace forgets in a step; 0.2 by default, 0 with the reward of the trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub decay: Option<f64>,
    /// ρ in (0, 1], what the expected loss learns in a step, or in a trial.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub baseline: f64,
    /// Which loss credits what was tried.
    #[schemars(!skip_serializing_if)]
    #[serde(skip_serializing_if = "Reward::is_step")]
    pub reward: Reward,
}

impl NodePerturbationSpec {
    /// d, what a trace forgets in a step.
    pub fn forgets(&self) -> f64 {
        self.decay.unwrap_or(match self.reward {
            Reward::Step => 0.2,
            Reward::Trial => 0.0,
        })
    }
}

/// When losses are compared with what was expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reward {
    /// At every step.
    #[default]
    Step,
    /// At the end of a trial, summed over its steps (Murray 2019, Eq. 8).
    Trial,
}

impl Reward {
    /// Whether it is the default, which configurations leave out.
    pub fn is_step(&self) -> bool {
        *self == Self::Step
    }
}

impl Default for NodePerturbationSpec {
    fn default() -> Self {
        Self {
            sigma: 0.1,
            decay: None,
            baseline: 0.01,
            reward: Reward::Step,
        }
    }
}

/// Declares a trace at every synapse, one matrix for each sample and current.
pub(super) fn trace_state<T: Scalar>(
    traces: &mut [Matrix<T>],
    currents: usize,
    io: &mut StateIo<'_>,
) -> Result<()> {
    for (k, trace) in traces.iter_mut().enumerate() {
        let current = k % currents;
        let io = io.of(Owner::Synapse { current });
        io.matrix(&format!("trace.{k}"), trace)?;
    }
    Ok(())
}

/// Refuses a number outside (0, 1], or [0, 1] where `zero` is fine.
pub(super) fn check_share(field: &str, value: f64, zero: bool) -> Result<()> {
    if (value > 0.0 || zero && value == 0.0) && value <= 1.0 {
        return Ok(());
    }
    let expected = if zero {
        "a number in [0, 1]"
    } else {
        "a number in (0, 1]"
    };
    Err(Error::invalid(
        field,
        value,
        expected,
        "Remove the key for its default.",
    ))
}

/// Refuses a deviation that is not a finite positive number.
pub(super) fn check_sigma(value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    let mend = "Without noise nothing is explored; 0.1 is a start for currents of order 1.";
    Err(Error::invalid(
        "rule.sigma",
        value,
        "a finite number greater than 0",
        mend,
    ))
}

/// Node perturbation.
pub struct NodePerturbation<T> {
    spec: NodePerturbationSpec,
    dims: Dims,
    noise: Noise<T>,
    /// ξ/σ² of now, one plane a current.
    score: Buffer<T>,
    keep: Buffer<T>,
    credit: Buffer<T>,
    /// One for each sample and current.
    traces: Vec<Matrix<T>>,
    /// L̄ of each sample; NaN until a loss has come.
    expected: Vec<T>,
    /// Σ_t L(t) of the trial, sample by sample.
    trial: Vec<T>,
    /// Whether anything has happened since the trial began.
    open: bool,
    simd: Simd,
}

impl<T: Scalar> NodePerturbation<T> {
    /// L − L̄ of sample `b`, whose L̄ learns.
    fn surprise(&mut self, b: usize, loss: T) -> T {
        // The first loss is all that is known of what to expect.
        let expected = if self.expected[b].finite() {
            self.expected[b]
        } else {
            loss
        };
        self.expected[b] = expected + T::of(self.spec.baseline) * (loss - expected);
        loss - expected
    }
}

impl<T: Scalar> Rule<T> for NodePerturbation<T> {
    fn contract(&self) -> Contract {
        Contract {
            draws: self.dims.batch * self.dims.currents * self.dims.units,
            ..Contract::emits(match self.spec.reward {
                Reward::Step => Emits::Step,
                Reward::Trial => Emits::Trial,
            })
        }
    }

    fn reset(&mut self) {
        self.traces.iter_mut().for_each(Matrix::clear);
        self.trial.fill(T::ZERO);
        self.open = false;
    }

    fn step(&mut self, view: &View<'_, T>, _: &[T], gradient: &mut Matrix<T>) -> Result<()> {
        let dims = self.dims;
        self.open = true;
        let (n, stride) = (dims.units, gradient.stride());
        for b in 0..dims.batch {
            let loss = view.loss(b);
            let credit = match self.spec.reward {
                Reward::Step => self.surprise(b, loss),
                Reward::Trial => {
                    self.trial[b] += loss;
                    T::ZERO
                }
            };
            self.credit[..n].fill(credit);
            for g in 0..dims.currents {
                let score = &self.score[g * dims.plane() + b * dims.sample()..][..n];
                let band = &mut gradient.data_mut()[g * n * stride..(g + 1) * n * stride];
                let traces = &mut self.traces[b * dims.currents + g];
                let (keep, credit) = (&self.keep[..n], &self.credit[..n]);
                trace(view.simd(), traces, keep, score, view.pre(b), credit, band);
            }
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.of(Owner::Broadcast)
            .measured("expected", &mut self.expected)?;
        if self.spec.reward == Reward::Trial {
            io.of(Owner::Broadcast).values("trial", &mut self.trial)?;
            io.flag("open", &mut self.open)?;
        }
        // Drawn before the units step: part of the state, so that nothing passes from there to the rule unseen.
        io.of(Owner::Unit)
            .planes("score", self.dims, &mut self.score)?;
        trace_state(&mut self.traces, self.dims.currents, io)?;
        self.noise.state(io)
    }

    fn flushing(&mut self) -> Option<&mut dyn Flush<T>> {
        Some(self)
    }

    fn perturbing(&mut self) -> Option<&mut dyn Perturb<T>> {
        Some(self)
    }

    fn watched(&self) -> Option<&dyn Watch<T>> {
        Some(self)
    }

    fn noise(&mut self) -> Option<&mut Noise<T>> {
        Some(&mut self.noise)
    }
}

impl<T: Scalar> Flush<T> for NodePerturbation<T> {
    fn end_trial(&mut self, _: &Network<T>, gradient: &mut Matrix<T>) {
        if self.spec.reward == Reward::Step || !self.open {
            return;
        }
        self.open = false;
        let Dims {
            batch,
            units,
            currents,
            ..
        } = self.dims;
        for b in 0..batch {
            let surprise = self.surprise(b, self.trial[b]);
            self.trial[b] = T::ZERO;
            for g in 0..currents {
                let traces = &self.traces[b * currents + g];
                for i in 0..units {
                    let row = gradient.row_mut(g * units + i);
                    add_scaled(self.simd, surprise, traces.row(i), row);
                }
            }
        }
    }
}

impl<T: Scalar> Perturb<T> for NodePerturbation<T> {
    fn perturb(&mut self, dims: Dims, currents: &mut [T], _: &Matrix<T>) {
        let sigma = T::of(self.spec.sigma);
        for b in 0..dims.batch {
            for g in 0..dims.currents {
                let at = g * dims.plane() + b * dims.sample();
                let score = &mut self.score[at..at + dims.units];
                self.noise.fill(score);
                let units = score.iter_mut().zip(&mut currents[at..at + dims.units]);
                for (score, u) in units {
                    *u += sigma * *score;
                    *score = *score / sigma;
                }
            }
        }
    }
}

impl<T: Scalar> Watch<T> for NodePerturbation<T> {
    fn probes(&self) -> &'static [&'static str] {
        &["expected_loss"]
    }

    fn probe(&self, _: usize) -> Probe<'_, T> {
        Probe::Number(self.expected[0].f64())
    }
}

/// Bytes of its arrays.
pub(super) fn memory(_: &NodePerturbationSpec, sizes: &Sizes) -> f64 {
    sizes.batch * sizes.synapses()
        + sizes.currents * sizes.plane()
        + 3.0 * sizes.vector(sizes.units)
}

pub(super) fn build<T: Scalar>(
    spec: &NodePerturbationSpec,
    site: &Site<'_, T>,
) -> Result<Box<dyn Rule<T>>> {
    let dims = site.network.dims();
    check_sigma(spec.sigma)?;
    check_share("rule.decay", spec.forgets(), true)?;
    check_share("rule.baseline", spec.baseline, false)?;
    let mut keep = Buffer::zeros(dims.units);
    keep.fill(T::of(1.0 - spec.forgets()));
    Ok(Box::new(NodePerturbation {
        spec: *spec,
        dims,
        noise: Noise::new(site.streams.stream("rule", 0), Distribution::Gaussian),
        score: Buffer::zeros(dims.currents * dims.plane()),
        keep,
        credit: Buffer::zeros(dims.units),
        traces: vec![Matrix::zeros(dims.units, dims.pre()); dims.batch * dims.currents],
        expected: vec![T::of(f64::NAN); dims.batch],
        trial: vec![T::ZERO; dims.batch],
        open: false,
        simd: site.network.simd(),
    }))
}
