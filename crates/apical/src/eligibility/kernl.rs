//! Influence through a learned kernel: M_p,(g,i,j) ≈ A_p,(s,i) B_sgij, where B decays at learned rates.
//!
//! Source: Roth, Kanitscheider & Fiete 2019 (KeRNL); Marschall, Cho & Savin 2020, section 3.2. The kernel A (S n × S n, at the
//! start the identity) and the decays κ = max(0, 1 − α) are learned by regression: a twin network with the same weights and inputs is perturbed
//! with noise ζ of deviation σ at every step, Ω is the trace of what it received, and A Ω must predict how far it has drifted:
//!
//! Γ ← κ Γ − Ω,  Ω ← κ Ω + ζ,  e = A Ω − (s̃ − s),  A ← A − η e Ωᵀ,  α ← α − η (Aᵀe) ∘ Γ,
//! B ← κ B + gain aᵀ,  gradient_gij = Σ_s (Aᵀ c)_si B_sgij.
//!
//! The published code lets the twin step with the noise of before and then counts the noise of now in Ω: Ω runs one step ahead of
//! what has acted. `order = "corrected"` perturbs the twin after its step with exactly the ζ that Ω counts; `"published"` keeps
//! the code's order. The step of the regression is about η σ² / (1 − κ²), which must stay below 1. Drops: what a decaying linear
//! kernel misses. With A = 1, α the units' own leak and η = 0 it is the local trace. Samples of a batch share A and α.
//! Memory O(S G n m), time O(S G n m) a step, of which a second network. Not local: A links all pairs of units.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Eligibility;
use super::trace::Traces;
use crate::kernel::{Buffer, Matrix, add_outer, add_transposed, product};
use crate::network::{Activity, Dims, Network};
use crate::noise::{Distribution, Noise};
use crate::sizes::Sizes;
use crate::snapshot::{Owner, STEPS, StateIo};
use crate::stream::Stream;
use crate::view::View;
use crate::{Error, Result, Scalar};

/// Configuration of KeRNL.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KernlSpec {
    /// Which noise the twin has received when it is compared.
    pub order: Order,
    /// σ, deviation of the perturbation of the twin.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub sigma: f64,
    /// η, rate of A and α.
    #[schemars(range(min = 0.0))]
    pub rate: f64,
    /// α at the start, the same for all.
    #[schemars(range(min = 0.0))]
    pub timescale: f64,
    /// Steps between resets of the twin and the traces; never by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("unit" = "steps"))]
    pub reset: Option<u64>,
    /// Distribution of the noise, scaled to deviation σ.
    pub noise: Distribution,
}

impl KernlSpec {
    /// Bytes of the kernel, the twin and the traces.
    pub(crate) fn memory(&self, sizes: &Sizes) -> f64 {
        let states = sizes.states * sizes.units;
        sizes.traces()
            + sizes.jacobian()
            + sizes.activity()
            + sizes.matrix(3.0 * sizes.batch + 3.0, states)
            + 3.0 * sizes.states * sizes.plane()
    }
}

/// Which noise the twin has received when it is compared with what Ω predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The same that Ω counts.
    Corrected,
    /// That of the step before, as in the published code.
    Published,
}

impl Default for KernlSpec {
    fn default() -> Self {
        Self {
            order: Order::Corrected,
            sigma: 1e-3,
            rate: 5.0,
            timescale: 0.8,
            reset: None,
            noise: Distribution::Gaussian,
        }
    }
}

/// The learned kernel and its traces.
pub struct Kernl<T> {
    spec: KernlSpec,
    dims: Dims,
    twin: Activity<T>,
    x: Vec<T>,
    noise: Noise<T>,
    /// ζ of now, laid out as the states are; Ω and Γ, one row a sample.
    draw: Buffer<T>,
    omega: Matrix<T>,
    gamma: Matrix<T>,
    kernel: Matrix<T>,
    alpha: Buffer<T>,
    /// κ of every unit, repeated for each sample, one plane a state variable; zeros for pairs of different variables.
    decay: Buffer<T>,
    none: Buffer<T>,
    traces: Traces<T>,
    error: Matrix<T>,
    back: Buffer<T>,
    gathered: Buffer<T>,
    credited: Buffer<T>,
    since_reset: u64,
    /// Whether the twin follows a trajectory already.
    begun: bool,
}

impl<T: Scalar> Kernl<T> {
    /// For `network`.
    ///
    /// # Errors
    /// A deviation, rate or timescale out of range, or a reset every 0 steps.
    pub fn new(spec: &KernlSpec, network: &Network<T>, stream: Stream) -> Result<Self> {
        let dims = network.dims();
        spec.check::<T>()?;
        let states = dims.states * dims.units;
        let mut kernel = Matrix::zeros(states, states);
        for k in 0..states {
            kernel.row_mut(k)[k] = T::ONE;
        }
        let mut alpha = Buffer::zeros(states);
        alpha[..states].fill(T::of(spec.timescale));
        Ok(Self {
            spec: *spec,
            dims,
            twin: Activity::new(dims),
            x: vec![T::ZERO; dims.batch * dims.inputs],
            noise: Noise::new(stream, spec.noise),
            draw: Buffer::zeros(dims.states * dims.plane()),
            omega: Matrix::zeros(dims.batch, states),
            gamma: Matrix::zeros(dims.batch, states),
            kernel,
            alpha,
            decay: Buffer::zeros(dims.states * dims.plane()),
            none: Buffer::zeros(dims.units),
            traces: Traces::new(dims),
            error: Matrix::zeros(dims.batch, states),
            back: Buffer::zeros(states),
            gathered: Buffer::zeros(states),
            credited: Buffer::zeros(dims.states * dims.plane()),
            since_reset: 0,
            begun: false,
        })
    }

    /// The twin follows the network from here; nothing of the past is left.
    fn start(&mut self, view: &View<'_, T>) {
        let dims = self.dims;
        for s in 0..dims.states {
            for b in 0..dims.batch {
                let at = s * dims.plane() + b * dims.sample();
                self.twin.state[at..][..dims.units].copy_from_slice(view.state_before(s, b));
            }
        }
        self.read_twin(view.network());
        self.omega.clear();
        self.gamma.clear();
        self.traces.clear();
        self.draw.fill(T::ZERO);
        self.since_reset = 0;
        self.begun = true;
    }

    fn read_twin(&mut self, network: &Network<T>) {
        network.neuron().read(
            network.simd(),
            self.dims.plane(),
            &self.twin.state,
            &mut self.twin.rate,
            &mut self.twin.partials.slope,
        );
    }

    fn draw_noise(&mut self) {
        let (dims, sigma) = (self.dims, T::of(self.spec.sigma));
        for b in 0..dims.batch {
            for s in 0..dims.states {
                let draw = &mut self.draw[s * dims.plane() + b * dims.sample()..][..dims.units];
                self.noise.fill(draw);
                draw.iter_mut().for_each(|z| *z = *z * sigma);
            }
        }
    }

    fn push_twin(&mut self, network: &Network<T>) {
        let states = self.twin.state.iter_mut().zip(self.draw.iter());
        states.for_each(|(s, z)| *s += *z);
        self.read_twin(network);
    }

    fn step_twin(&mut self, view: &View<'_, T>) {
        let dims = self.dims;
        for b in 0..dims.batch {
            let x = &view.pre(b)[dims.units..dims.units + dims.inputs];
            self.x[b * dims.inputs..][..dims.inputs].copy_from_slice(x);
        }
        if self.spec.order == Order::Published {
            self.push_twin(view.network());
        }
        view.network().step::<false>(&mut self.twin, &self.x);
        self.draw_noise();
        if self.spec.order == Order::Corrected {
            self.push_twin(view.network());
        }
    }

    /// One step of the regression of the drift on Ω.
    fn learn(&mut self, view: &View<'_, T>) {
        let dims = self.dims;
        let (n, simd) = (dims.units, view.simd());
        for b in 0..dims.batch {
            let (omega, gamma) = (self.omega.row_mut(b), self.gamma.row_mut(b));
            for s in 0..dims.states {
                let draw = &self.draw[s * dims.plane() + b * dims.sample()..][..n];
                for (i, zeta) in draw.iter().enumerate() {
                    let p = s * n + i;
                    let kappa = kappa(self.alpha[p]);
                    gamma[p] = kappa * gamma[p] - omega[p];
                    omega[p] = kappa * omega[p] + *zeta;
                }
            }
            let (omega, error) = (self.omega.band(b, 1), self.error.row_mut(b));
            product(simd, self.kernel.data(), self.kernel.stride(), omega, error);
            for s in 0..dims.states {
                let twin = &self.twin.state[s * dims.plane() + b * dims.sample()..][..n];
                let pairs = twin.iter().zip(view.state(s, b));
                for (e, (twin, state)) in error[s * n..].iter_mut().zip(pairs) {
                    *e -= *twin - *state;
                }
            }
        }
        if self.spec.rate == 0.0 {
            return;
        }
        let step = T::of(-self.spec.rate / dims.batch as f64);
        self.gathered.fill(T::ZERO);
        for b in 0..dims.batch {
            self.back.fill(T::ZERO);
            let (kernel, error) = (&self.kernel, self.error.row(b));
            add_transposed(
                simd,
                kernel.data(),
                kernel.stride(),
                error,
                &mut self.back[..error.len()],
            );
            let terms = self.back.iter().zip(self.gamma.row(b));
            self.gathered
                .iter_mut()
                .zip(terms)
                .for_each(|(g, (back, gamma))| *g += *back * *gamma);
        }
        for b in 0..dims.batch {
            let stride = self.kernel.stride();
            let (error, omega) = (self.error.row(b), self.omega.band(b, 1));
            add_outer(simd, self.kernel.data_mut(), stride, step, error, omega);
        }
        let alphas = self.alpha.iter_mut().zip(self.gathered.iter());
        alphas.for_each(|(alpha, g)| *alpha += step * *g);
    }
}

/// κ = max(0, 1 − α), as published: a learned α below 0 lets traces grow.
fn kappa<T: Scalar>(alpha: T) -> T {
    let kappa = T::ONE - alpha;
    if kappa > T::ZERO { kappa } else { T::ZERO }
}

impl KernlSpec {
    fn check<T: Scalar>(&self) -> Result<()> {
        let least = if size_of::<T>() == 4 { 1e-5 } else { 1e-12 };
        if !(self.sigma.is_finite() && self.sigma >= least) {
            return Err(Error::invalid(
                "rule.sigma",
                self.sigma,
                format!(
                    "at least {least:e} at this precision: the drift of the twin must be visible"
                ),
                "1e-3 is the published value of 2019; 1e-7, that of 2020, needs precision = \"f64\".",
            ));
        }
        if !(self.rate.is_finite() && self.rate >= 0.0) {
            let mend = "5 is the published value; 0 keeps the kernel as it starts.";
            return Err(Error::invalid(
                "rule.rate",
                self.rate,
                "a finite number that is not negative",
                mend,
            ));
        }
        if !(self.timescale.is_finite() && self.timescale >= 0.0) {
            let mend =
                "0.8 is the published value; the network's alpha makes the trace that of rflo.";
            return Err(Error::invalid(
                "rule.timescale",
                self.timescale,
                "a finite number that is not negative",
                mend,
            ));
        }
        if self.reset == Some(0) {
            return Err(Error::invalid(
                "rule.reset",
                0,
                "at least 1 step",
                "Remove the key for no resets.",
            ));
        }
        Ok(())
    }
}

impl<T: Scalar> Eligibility<T> for Kernl<T> {
    fn reset(&mut self) {
        self.begun = false;
    }

    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let dims = self.dims;
        let (n, simd) = (dims.units, view.simd());
        let (sample, plane) = (dims.sample(), dims.plane());
        if !self.begun
            || self
                .spec
                .reset
                .is_some_and(|every| self.since_reset >= every)
        {
            self.start(view);
        }
        self.since_reset += 1;
        self.step_twin(view);
        for s in 0..dims.states {
            for b in 0..dims.batch {
                let decay = &mut self.decay[s * plane + b * sample..][..n];
                for (decay, alpha) in decay.iter_mut().zip(&self.alpha[s * n..]) {
                    *decay = kappa(*alpha);
                }
            }
        }
        self.learn(view);
        for b in 0..dims.batch {
            for s in 0..dims.states {
                self.gathered[s * n..(s + 1) * n]
                    .copy_from_slice(&credit[s * plane + b * sample..][..n]);
            }
            self.back.fill(T::ZERO);
            let (kernel, states) = (&self.kernel, dims.states * n);
            add_transposed(
                simd,
                kernel.data(),
                kernel.stride(),
                &self.gathered[..states],
                &mut self.back[..states],
            );
            for s in 0..dims.states {
                self.credited[s * plane + b * sample..][..n]
                    .copy_from_slice(&self.back[s * n..(s + 1) * n]);
            }
        }
        let own = |s: usize, before: usize, b: usize| match s == before {
            true => &self.decay[s * plane + b * sample..][..n],
            false => &self.none[..n],
        };
        let gain = |s, g, b| view.gain(s, g, b);
        self.traces
            .advance(&view.local(), own, gain, &self.credited, gradient);
    }

    fn draws(&self) -> usize {
        self.dims.batch * self.dims.states * self.dims.units
    }

    fn noise(&mut self) -> Option<&mut Noise<T>> {
        Some(&mut self.noise)
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.matrix("kernel", &mut self.kernel)?;
        io.values("alpha", &mut self.alpha)?;
        io.matrix("omega", &mut self.omega)?;
        io.matrix("gamma", &mut self.gamma)?;
        io.values("draw", &mut self.draw)?;
        io.values("twin.state", &mut self.twin.state)?;
        io.values("twin.rate", &mut self.twin.rate)?;
        let longest = self.spec.reset.unwrap_or(*STEPS.end());
        io.of(Owner::Broadcast)
            .counter("since_reset", &mut self.since_reset, 0..=longest)?;
        io.of(Owner::Broadcast).flag("begun", &mut self.begun)?;
        self.traces.state(io)?;
        self.noise.state(io)
    }
}
