//! Credit predicted in the distal compartment: V^A(t) = A ã(t) learns to be dΣL/ds(t).
//!
//! Source: Marschall, Cho & Savin 2019 (rules of W, A, J); Marschall, Cho & Savin 2020 (DNI). With
//! ã(t) = [r(t); y*(t); 1] and q = feedback of δ, the target of the prediction made one step earlier is
//!
//! T = slope(t−1) ∘ q(t−1) + J(t)ᵀ f(A⁻ ã(t)),   e^A = V^A(t−1) − T,   ΔA = −η_A (e^A ã(t−1)ᵀ + λ_A A),
//!
//! A⁻ a copy of A refreshed every few steps and f = tanh where the bootstrap travels as a firing rate.
//! J is the exact Jacobian, or learned as a predictor of the next rate, e^J = J r(t−1) − r(t),
//! ΔJ = −η_J e^J r(t−1)ᵀ, and used transposed; or learned strictly locally: the predictor P beside a feedback
//! array K with ΔK_ij = −η_J (e_j r_i(t−1) + λ K_ij), whose decay makes K and Pᵀ converge (Kolen & Pollack).
//!
//! Order of a step: J; then A against the target; refresh of A⁻; then the credit V^A(t) with the A just updated.
//! Shapes: A n × (n + n_out + 1), J n × n, credit S n with S = G = 1. Memory and time O(n m).
//! Local in space with a local J (a learned J is used transposed, an exact one needs all weights), local in time.

use serde::{Deserialize, Serialize};

use super::{Credit, Probe};
use crate::kernel::{
    Buffer, Kernel, Matrix, Simd, add_outer, add_transposed, descend, product, squared_norm,
};
use crate::network::{Dims, Network};
use crate::snapshot::{Owner, StateIo};
use crate::stream::{Stream, Streams};
use crate::synapse::{Fan, Init};
use crate::view::View;
use crate::{Error, Result, Scalar};

/// Configuration of the dendritic rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DendriticSpec {
    /// η_A, learning rate of A.
    pub rate: f64,
    /// λ_A, weight decay of A.
    pub decay: f64,
    /// Where J comes from.
    pub jacobian: JacobianSpec,
    /// f, through which the bootstrapped credit passes.
    pub label_activation: LabelActivation,
    /// Steps between refreshes of the slow copy A⁻.
    pub refresh: u64,
    /// Which error enters the target of A.
    pub timing: Timing,
    /// Whether W sees A before or after its update of the same step.
    pub phases: Phases,
    /// Distribution of A at the start.
    pub start: Start,
}

impl Default for DendriticSpec {
    fn default() -> Self {
        Self {
            rate: 0.01,
            decay: 0.0,
            jacobian: JacobianSpec::default(),
            label_activation: LabelActivation::Tanh,
            refresh: 5,
            timing: Timing::Corrected,
            phases: Phases::Interleaved,
            start: Start::Joint,
        }
    }
}

/// Where the Jacobian that carries credit back one step comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum JacobianSpec {
    /// The true Jacobian; needs every weight.
    Exact {},
    /// Learned as a predictor of the next rate, used transposed (as published).
    Learned {
        /// η_J.
        #[serde(default = "jacobian_rate")]
        rate: f64,
    },
    /// A predictor P and a feedback array K of its own, each with decay: strictly local.
    Local {
        /// η_J of both arrays.
        #[serde(default = "jacobian_rate")]
        rate: f64,
        /// λ of both arrays; the rate at which K and Pᵀ converge is η_J λ.
        #[serde(default = "jacobian_decay")]
        decay: f64,
    },
}

fn jacobian_rate() -> f64 {
    0.01
}

fn jacobian_decay() -> f64 {
    0.01
}

impl Default for JacobianSpec {
    fn default() -> Self {
        Self::Learned {
            rate: jacobian_rate(),
        }
    }
}

/// What the bootstrapped credit passes through on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelActivation {
    /// tanh: it is carried by firing rates (2019).
    Tanh,
    /// Unchanged (DNI "a" of 2020).
    Identity,
}

/// Which error enters the target of A, and when J learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// q(t−1), as derived; J learns before A.
    Corrected,
    /// q(t), as the scripts of November 2018; J learns after A.
    Scripts2018,
}

/// Order of the updates of A and W within a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phases {
    /// W sees the A just updated (the published code).
    Interleaved,
    /// W learns in the somatic phase with the A of before, then A in the distal phase (the abstract).
    TwoPhase,
}

/// Distribution of A at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// N(0, 1/(n + n_out + 1)) throughout (2020).
    Joint,
    /// N(0, 1/n) from rates, N(0, 1/n_out) from labels, no bias (scripts of 2018).
    Split,
}

impl DendriticSpec {
    fn check(&self) -> Result<()> {
        let (jacobian_rate, jacobian_decay) = match self.jacobian {
            JacobianSpec::Exact {} => (0.0, 0.0),
            JacobianSpec::Learned { rate } => (rate, 0.0),
            JacobianSpec::Local { rate, decay } => (rate, decay),
        };
        for (field, value) in [
            ("rule.rate", self.rate),
            ("rule.decay", self.decay),
            ("rule.jacobian.rate", jacobian_rate),
            ("rule.jacobian.decay", jacobian_decay),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::invalid(
                    field,
                    value,
                    "a finite number that is not negative",
                    "0 switches this part of learning off.",
                ));
            }
        }
        if self.refresh == 0 {
            return Err(Error::invalid(
                "rule.refresh",
                0,
                "at least 1 step",
                "1 uses A itself, 5 is the published interval.",
            ));
        }
        Ok(())
    }
}

/// A way to J.
enum Jacobian<T> {
    Exact,
    Learned {
        rate: T,
        predictor: Matrix<T>,
    },
    Local {
        rate: T,
        decay: T,
        predictor: Matrix<T>,
        feedback: Matrix<T>,
    },
}

/// Credit from the distal compartment.
pub struct Dendritic<T> {
    dims: Dims,
    rate: T,
    jacobian: Jacobian<T>,
    label_activation: LabelActivation,
    timing: Timing,
    phases: Phases,
    refresh: u64,
    since_refresh: u64,
    apical: Matrix<T>,
    slow: Matrix<T>,
    gradient: Matrix<T>,
    /// Rates and decays of A, column by column.
    rates: Buffer<T>,
    decays: Buffer<T>,
    /// ã(t) and ã(t−1), one row a sample.
    label: Matrix<T>,
    label_before: Matrix<T>,
    /// V^A(t−1), q(t−1), one row a sample.
    voltage: Matrix<T>,
    signal_before: Matrix<T>,
    /// r(t−1) with its padding zero; T, then e^A; r̃; e^J; one row a sample.
    rate_before: Matrix<T>,
    error: Matrix<T>,
    bootstrap: Matrix<T>,
    surprise: Matrix<T>,
    voltage_is_current: bool,
    begun: bool,
    apical_loss: f64,
    jacobian_loss: f64,
}

impl<T: Scalar> Dendritic<T> {
    /// For `network`; A comes from the stream `apical`, a local J's feedback from the stream `jacobian`.
    ///
    /// # Errors
    /// A negative rate or decay, a refresh of zero, or a neuron the rule does not serve: one with more than one
    /// state variable or current, or, for a learned J, one whose rate is not its state.
    pub fn new(spec: &DendriticSpec, network: &Network<T>, streams: &Streams) -> Result<Self> {
        spec.check()?;
        let dims = network.dims();
        let name = network.neuron().name();
        if dims.states != 1 || dims.currents != 1 {
            return Err(Error::invalid(
                "rule.kind",
                "dendritic",
                format!(
                    "a neuron with one state variable and one current, `{name}` has {} and {}",
                    dims.states, dims.currents
                ),
                "Use network.neuron.kind = \"rate\" or \"voltage\", or another rule.",
            ));
        }
        if !network.neuron().state_is_rate() && spec.jacobian != (JacobianSpec::Exact {}) {
            return Err(Error::invalid(
                "rule.jacobian.kind",
                match spec.jacobian {
                    JacobianSpec::Local { .. } => "local",
                    _ => "learned",
                },
                format!(
                    "exact, with `{name}` neurons: J is learned as a predictor of the next rate, which is not their state"
                ),
                "Set rule.jacobian.kind = \"exact\", or network.neuron.kind = \"rate\".",
            ));
        }
        let (n, labels) = (dims.units, dims.units + dims.outputs + 1);
        let mut stream = streams.stream("apical", 0);
        let mut apical = Matrix::zeros(n, labels);
        draw_apical(spec.start, &mut apical, dims, &mut stream)?;
        let jacobian = match spec.jacobian {
            JacobianSpec::Exact {} => Jacobian::Exact,
            JacobianSpec::Learned { rate } => Jacobian::Learned {
                rate: T::of(rate),
                predictor: recurrent(network),
            },
            JacobianSpec::Local { rate, decay } => {
                let mut feedback = Matrix::zeros(n, n);
                let mut stream = streams.stream("jacobian", 0);
                let init = Init::gaussian();
                init.fill("rule.jacobian", &mut feedback, 0..n, 0..n, &mut stream)?;
                Jacobian::Local {
                    rate: T::of(rate),
                    decay: T::of(decay),
                    predictor: recurrent(network),
                    feedback,
                }
            }
        };
        let mut rates = Buffer::zeros(labels);
        rates[..labels].fill(T::of(spec.rate));
        let mut decays = Buffer::zeros(labels);
        decays[..labels].fill(T::of(spec.decay));
        Ok(Self {
            dims,
            rate: T::of(spec.rate),
            jacobian,
            label_activation: spec.label_activation,
            timing: spec.timing,
            phases: spec.phases,
            refresh: spec.refresh,
            since_refresh: 0,
            slow: apical.clone(),
            gradient: Matrix::zeros(n, labels),
            apical,
            rates,
            decays,
            label: Matrix::zeros(dims.batch, labels),
            label_before: Matrix::zeros(dims.batch, labels),
            voltage: Matrix::zeros(dims.batch, n),
            signal_before: Matrix::zeros(dims.batch, n),
            rate_before: Matrix::zeros(dims.batch, n),
            error: Matrix::zeros(dims.batch, n),
            bootstrap: Matrix::zeros(dims.batch, n),
            surprise: Matrix::zeros(dims.batch, n),
            voltage_is_current: false,
            begun: false,
            apical_loss: f64::NAN,
            jacobian_loss: f64::NAN,
        })
    }

    /// J, or P and K: the prediction error of every sample first, then one step down its mean gradient.
    fn learn_jacobian(&mut self, view: &View<'_, T>) {
        let (rate, predictor) = match &mut self.jacobian {
            Jacobian::Exact => return,
            Jacobian::Learned { rate, predictor } => (*rate, predictor),
            Jacobian::Local {
                rate, predictor, ..
            } => (*rate, predictor),
        };
        let Dims { batch, units, .. } = self.dims;
        let simd = view.simd();
        let mut loss = T::ZERO;
        for b in 0..batch {
            self.rate_before
                .row_mut(b)
                .copy_from_slice(view.rate_before(b));
            let (rates, error) = (self.rate_before.band(b, 1), self.surprise.row_mut(b));
            product(simd, predictor.data(), predictor.stride(), rates, error);
            for (e, r) in error.iter_mut().zip(view.rate(b)) {
                *e -= *r;
            }
            loss += squared_norm(simd, self.surprise.band(b, 1));
        }
        self.jacobian_loss = 0.5 * loss.f64() / (batch * units) as f64;
        let step = T::of(-1.0 / batch as f64) * rate;
        let shrink = match &mut self.jacobian {
            Jacobian::Local { rate, decay, .. } => T::ONE - *rate * *decay,
            _ => T::ONE,
        };
        let (predictor, feedback) = match &mut self.jacobian {
            Jacobian::Exact => return,
            Jacobian::Learned { predictor, .. } => (predictor, None),
            Jacobian::Local {
                predictor,
                feedback,
                ..
            } => (predictor, Some(feedback)),
        };
        let stride = predictor.stride();
        if let Some(feedback) = feedback {
            predictor
                .data_mut()
                .iter_mut()
                .for_each(|w| *w = *w * shrink);
            feedback
                .data_mut()
                .iter_mut()
                .for_each(|w| *w = *w * shrink);
            for b in 0..batch {
                // K_ij sees the surprise sent by neuron j and the rate neuron i had: the transpose of ΔP.
                let errors = self.surprise.band(b, 1);
                let rates = self.rate_before.row(b);
                add_outer(simd, feedback.data_mut(), stride, step, rates, errors);
            }
        }
        for b in 0..batch {
            let errors = self.surprise.row(b);
            let rates = self.rate_before.band(b, 1);
            add_outer(simd, predictor.data_mut(), stride, step, errors, rates);
        }
    }

    /// ã(t) of every sample, and ã(t−1), q(t−1) at the first step of a trial.
    fn read_labels(&mut self, view: &View<'_, T>) {
        let n = self.dims.units;
        for b in 0..self.dims.batch {
            write_label(self.label.row_mut(b), view.rate(b), view.target(b), n);
            if !self.begun {
                // What the published code does: the label of the first step stands in for the missing one.
                write_label(
                    self.label_before.row_mut(b),
                    view.rate_before(b),
                    view.target(b),
                    n,
                );
            }
        }
        if !self.begun {
            self.signal_before.clear();
            self.voltage_is_current = false;
            self.begun = true;
        }
    }

    /// e^A of every sample against the bootstrapped target, and its loss.
    fn compare(&mut self, view: &View<'_, T>, signal: &[T]) {
        let Dims { batch, units, .. } = self.dims;
        let (simd, sample) = (view.simd(), self.dims.sample());
        let mut loss = T::ZERO;
        for b in 0..batch {
            if !self.voltage_is_current {
                let (label, voltage) = (self.label_before.band(b, 1), self.voltage.row_mut(b));
                product(
                    simd,
                    self.apical.data(),
                    self.apical.stride(),
                    label,
                    voltage,
                );
            }
            let bootstrap = self.bootstrap.row_mut(b);
            let label = self.label.band(b, 1);
            product(simd, self.slow.data(), self.slow.stride(), label, bootstrap);
            if self.label_activation == LabelActivation::Tanh {
                simd.run(Squash(bootstrap));
            }
            let error = self.error.row_mut(b);
            match self.timing {
                Timing::Corrected => error.copy_from_slice(self.signal_before.row(b)),
                Timing::Scripts2018 => error.copy_from_slice(&signal[b * sample..][..units]),
            }
            let bootstrap = self.bootstrap.row(b);
            match &self.jacobian {
                Jacobian::Exact => {
                    let (own, gain) = (view.own(0, 0, b), view.gain(0, 0, b));
                    let through = self.surprise.row_mut(b);
                    for ((f, gain), r) in through.iter_mut().zip(gain).zip(bootstrap) {
                        *f = *gain * *r;
                    }
                    view.synapses().back(simd, 0, through, error);
                    let slopes = view.slope_before(0, b);
                    let units = error.iter_mut().zip(slopes).zip(own).zip(bootstrap);
                    for (((e, slope), own), r) in units {
                        *e = *slope * *e + *own * *r;
                    }
                }
                Jacobian::Learned { predictor, .. } => {
                    add_transposed(simd, predictor.data(), predictor.stride(), bootstrap, error);
                }
                Jacobian::Local { feedback, .. } => {
                    let carried = self.surprise.row_mut(b);
                    let bootstrap = self.bootstrap.band(b, 1);
                    product(simd, feedback.data(), feedback.stride(), bootstrap, carried);
                    error.iter_mut().zip(carried).for_each(|(e, c)| *e += *c);
                }
            }
            for (e, v) in self.error.row_mut(b).iter_mut().zip(self.voltage.row(b)) {
                *e = *v - *e;
            }
            loss += squared_norm(simd, self.error.band(b, 1));
        }
        self.apical_loss = 0.5 * loss.f64() / (batch * units) as f64;
    }

    /// One step down the gradient of A's loss, and the refresh of its slow copy.
    fn learn_apical(&mut self, simd: Simd) {
        let batch = self.dims.batch;
        let stride = self.apical.stride();
        if batch == 1 && self.decays[0] == T::ZERO {
            // One pass instead of three: no batch mean to form, nothing to decay.
            let (error, label) = (self.error.row(0), self.label_before.band(0, 1));
            add_outer(
                simd,
                self.apical.data_mut(),
                stride,
                -self.rate,
                error,
                label,
            );
        } else {
            let scale = T::of(1.0 / batch as f64);
            for b in 0..batch {
                let (error, label) = (self.error.row(b), self.label_before.band(b, 1));
                add_outer(simd, self.gradient.data_mut(), stride, scale, error, label);
            }
            let (apical, gradient) = (&mut self.apical, &mut self.gradient);
            descend(simd, apical, gradient, &self.rates, &self.decays, T::ONE);
        }
        self.since_refresh += 1;
        if self.since_refresh >= self.refresh {
            self.since_refresh = 0;
            self.slow.data_mut().copy_from_slice(self.apical.data());
        }
    }

    /// V^A(t) with the present A, as credit.
    fn read_voltage(&mut self, simd: Simd, credit: &mut [T]) {
        let sample = self.dims.sample();
        for b in 0..self.dims.batch {
            let (label, voltage) = (self.label.band(b, 1), self.voltage.row_mut(b));
            product(
                simd,
                self.apical.data(),
                self.apical.stride(),
                label,
                voltage,
            );
            credit[b * sample..][..voltage.len()].copy_from_slice(voltage);
        }
    }
}

impl<T: Scalar> Credit<T> for Dendritic<T> {
    fn reset(&mut self) {
        self.begun = false;
    }

    fn assign(&mut self, view: &View<'_, T>, signal: &[T], credit: &mut [T]) {
        let simd = view.simd();
        self.read_labels(view);
        if self.timing == Timing::Corrected {
            self.learn_jacobian(view);
        }
        self.compare(view, signal);
        match self.phases {
            Phases::Interleaved => {
                self.learn_apical(simd);
                self.read_voltage(simd, credit);
                self.voltage_is_current = true;
            }
            Phases::TwoPhase => {
                self.read_voltage(simd, credit);
                self.learn_apical(simd);
                // A has moved since: the next comparison computes V^A(t−1) afresh.
                self.voltage_is_current = false;
            }
        }
        if self.timing == Timing::Scripts2018 {
            self.learn_jacobian(view);
        }
        for b in 0..self.dims.batch {
            let row = self.signal_before.row_mut(b);
            row.copy_from_slice(&signal[b * self.dims.sample()..][..row.len()]);
        }
        std::mem::swap(&mut self.label, &mut self.label_before);
    }

    fn probes(&self) -> &'static [&'static str] {
        match self.jacobian {
            Jacobian::Exact => &["A_loss", "A"],
            Jacobian::Learned { .. } => &["A_loss", "A", "J_loss", "J"],
            Jacobian::Local { .. } => &["A_loss", "A", "J_loss", "J", "K"],
        }
    }

    fn probe(&self, index: usize) -> Probe<'_, T> {
        match (index, &self.jacobian) {
            (0, _) => Probe::Number(self.apical_loss),
            (1, _) => Probe::Matrix(&self.apical),
            (2, _) => Probe::Number(self.jacobian_loss),
            (3, Jacobian::Learned { predictor, .. } | Jacobian::Local { predictor, .. }) => {
                Probe::Matrix(predictor)
            }
            (4, Jacobian::Local { feedback, .. }) => Probe::Matrix(feedback),
            _ => Probe::Number(f64::NAN),
        }
    }

    fn matrix_mut(&mut self, name: &str) -> Option<&mut Matrix<T>> {
        self.voltage_is_current = false;
        match (name, &mut self.jacobian) {
            ("A", _) => Some(&mut self.apical),
            ("A_slow", _) => Some(&mut self.slow),
            ("J", Jacobian::Learned { predictor, .. } | Jacobian::Local { predictor, .. }) => {
                Some(predictor)
            }
            ("K", Jacobian::Local { feedback, .. }) => Some(feedback),
            _ => None,
        }
    }

    fn owner(&self, name: &str) -> Owner {
        let (labels, rates) = (self.apical.stride(), self.rate_before.stride());
        match name {
            "A" => Owner::Row { stride: labels },
            // r̃_l = f(A⁻_l ã) goes from unit l to all others.
            "A_slow" => Owner::Sender {
                stride: labels,
                before: false,
            },
            // So does the surprise e_l = P_l r(t−1) − r_l(t) where K learns from it.
            "J" if matches!(self.jacobian, Jacobian::Local { .. }) => Owner::Sender {
                stride: rates,
                before: true,
            },
            "J" | "K" => Owner::Row { stride: rates },
            // ã(t−1): what every distal compartment receives.
            "label_before" => Owner::Sent,
            "voltage" | "signal_before" => Owner::Unit,
            "since_refresh" | "voltage_is_current" | "begun" => Owner::Broadcast,
            _ => Owner::Network,
        }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.values("A", self.apical.data_mut())?;
        io.values("A_slow", self.slow.data_mut())?;
        match &mut self.jacobian {
            Jacobian::Exact => {}
            Jacobian::Learned { predictor, .. } => io.values("J", predictor.data_mut())?,
            Jacobian::Local {
                predictor,
                feedback,
                ..
            } => {
                io.values("J", predictor.data_mut())?;
                io.values("K", feedback.data_mut())?;
            }
        }
        io.values("label_before", self.label_before.data_mut())?;
        io.values("voltage", self.voltage.data_mut())?;
        io.values("signal_before", self.signal_before.data_mut())?;
        io.counter("since_refresh", &mut self.since_refresh)?;
        io.flag("voltage_is_current", &mut self.voltage_is_current)?;
        io.flag("begun", &mut self.begun)?;
        let mut losses = [self.apical_loss, self.jacobian_loss];
        io.values("losses", &mut losses)?;
        [self.apical_loss, self.jacobian_loss] = losses;
        Ok(())
    }
}

struct Squash<'a, T>(&'a mut [T]);

impl<T: Scalar> Kernel for Squash<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for value in self.0 {
            *value = value.tanh::<FMA>();
        }
    }
}

fn write_label<T: Scalar>(label: &mut [T], rate: &[T], target: &[T], units: usize) {
    label[..units].copy_from_slice(rate);
    label[units..units + target.len()].copy_from_slice(target);
    label[units + target.len()] = T::ONE;
}

/// J starts as W_rec, as published.
fn recurrent<T: Scalar>(network: &Network<T>) -> Matrix<T> {
    let n = network.dims().units;
    let mut matrix = Matrix::zeros(n, n);
    for i in 0..n {
        let weights = &network.synapses().weights().row(i)[..n];
        matrix.row_mut(i).copy_from_slice(weights);
    }
    matrix
}

fn draw_apical<T: Scalar>(
    start: Start,
    apical: &mut Matrix<T>,
    dims: Dims,
    stream: &mut Stream,
) -> Result<()> {
    let (n, z) = (dims.units, dims.outputs);
    let init = Init::Gaussian {
        gain: 1.0,
        fan: Fan::In,
    };
    match start {
        Start::Joint => init.fill("rule.start", apical, 0..n, 0..n + z + 1, stream),
        Start::Split => {
            init.fill("rule.start", apical, 0..n, 0..n, stream)?;
            init.fill("rule.start", apical, 0..n, n..n + z, stream)
        }
    }
}
