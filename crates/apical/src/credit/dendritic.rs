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
//! With `lambda` the target is λ c(t') + (1 − λ) T(t') with the true credit c of the step t' = t − `horizon` + 1 as the errors
//! since then tell it ([`FutureCredit`]): A learns `horizon` − 1 steps late, and V^A comes to include errors further ahead.
//! (The published option takes c from another rule that runs beside.) With λ = 1 there is no bootstrap left.
//!
//! With the exact J the credit is on the states, so that every neuron is served; a learned J predicts rates from rates, and the
//! credit on rates reaches the states through their slopes, dropping what a state does that the rate of now does not show.
//!
//! Order of a step: J; then A against the target; refresh of A⁻; then the credit V^A(t) with the A just updated.
//! Shapes: A S n × (n + n_out + 1) with the exact J, else n × (n + n_out + 1); J n × n. Memory and time O(S G n m).
//! Local in space with a local J (a learned J is used transposed, an exact one needs all weights), local in time.

use serde::{Deserialize, Serialize};

use super::{Credit, FutureCredit, Probe};
use crate::kernel::{
    Buffer, Kernel, Matrix, Simd, add_outer, add_transposed, descend, product, squared_norm,
};
use crate::memory::Sizes;
use crate::network::{Dims, Network};
use crate::snapshot::{Owner, STEPS, StateIo};
use crate::stream::{Stream, Streams};
use crate::synapse::{Fan, Init};
use crate::view::{Locality, View};
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
    /// λ, share of the true credit in the target of A.
    pub lambda: f64,
    /// Steps after which a step's credit counts as true, where λ > 0.
    pub horizon: u64,
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
            lambda: 0.0,
            horizon: 10,
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
    /// What a synapse needs to know: the exact J is in all weights, a learned J is read against the direction of its synapses.
    pub fn locality(&self) -> Locality {
        match self.jacobian {
            JacobianSpec::Local { .. } if self.lambda == 0.0 => Locality::Dendrite,
            _ => Locality::Network,
        }
    }

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
        if !(0.0..=1.0).contains(&self.lambda) {
            let mend = "0 bootstraps as published, 1 learns from true credit alone.";
            return Err(Error::invalid(
                "rule.lambda",
                self.lambda,
                "a number in [0, 1]",
                mend,
            ));
        }
        if self.lambda > 0.0 && !(2..=1 << 20).contains(&self.horizon) {
            return Err(Error::invalid(
                "rule.horizon",
                self.horizon,
                "between 2 and 1048576 steps",
                "The bootstrapped target of a step is known one step later, so 2 is the least.",
            ));
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

/// True credit for the target of A, and what has been known of the steps until it comes.
struct Truth<T> {
    lambda: T,
    window: FutureCredit<T>,
    /// Rings of `horizon` rows a sample: ã and the bootstrapped target of each step, by its number.
    labels: Matrix<T>,
    targets: Matrix<T>,
    horizon: u64,
    step: u64,
}

/// Credit from the distal compartment.
pub struct Dendritic<T> {
    dims: Dims,
    /// Rows of A: the states with the exact J, else the units.
    rows: usize,
    truth: Option<Truth<T>>,
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
    /// What comes back to the rates, and what each unit sends.
    back: Buffer<T>,
    through: Buffer<T>,
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
    target: Matrix<T>,
    error: Matrix<T>,
    bootstrap: Matrix<T>,
    surprise: Matrix<T>,
    voltage_is_current: bool,
    begun: bool,
    apical_loss: f64,
    jacobian_loss: f64,
}

impl DendriticSpec {
    /// Bytes of A, J and what is known of every sample.
    pub(crate) fn memory(&self, sizes: &Sizes) -> f64 {
        let (n, batch) = (sizes.units, sizes.batch);
        let labels = n + sizes.outputs + 1.0;
        let (rows, learned) = match self.jacobian {
            JacobianSpec::Exact {} => (sizes.states * n, 0.0),
            JacobianSpec::Learned { .. } => (n, 1.0),
            JacobianSpec::Local { .. } => (n, 2.0),
        };
        let truth = if self.lambda > 0.0 {
            FutureCredit::<f64>::memory(sizes, self.horizon)
                + self.horizon as f64 * sizes.matrix(batch, labels + rows)
        } else {
            0.0
        };
        sizes.matrix(3.0 * rows + 2.0 * batch + 2.0, labels)
            + sizes.matrix(learned * n, n)
            + sizes.matrix(4.0 * batch, rows)
            + sizes.matrix(3.0 * batch + 2.0, n)
            + truth
    }
}

impl<T: Scalar> Dendritic<T> {
    /// For `network`; A comes from the stream `apical`, a local J's feedback from the stream `jacobian`.
    ///
    /// # Errors
    /// A negative rate or decay, a refresh of zero, λ outside [0, 1], or true credit asked for where it is not on rates.
    pub fn new(spec: &DendriticSpec, network: &Network<T>, streams: &Streams) -> Result<Self> {
        spec.check()?;
        let dims = network.dims();
        let name = network.neuron().name();
        let exact = spec.jacobian == (JacobianSpec::Exact {});
        if spec.lambda > 0.0 && !exact && !(network.neuron().state_is_rate() && dims.states == 1) {
            return Err(Error::invalid(
                "rule.lambda",
                spec.lambda,
                format!(
                    "0 with a learned J on `{name}` neurons: the true credit is on states, that of a learned J on rates"
                ),
                "Set rule.jacobian.kind = \"exact\", or network.neuron.kind = \"rate\".",
            ));
        }
        let rows = if exact {
            dims.states * dims.units
        } else {
            dims.units
        };
        let (n, labels) = (dims.units, dims.units + dims.outputs + 1);
        let mut stream = streams.stream("apical", 0);
        let mut apical = Matrix::zeros(rows, labels);
        for s in 0..rows / n {
            draw_apical(spec.start, &mut apical, s * n, dims, &mut stream)?;
        }
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
        let truth = (spec.lambda > 0.0).then(|| {
            let horizon = spec.horizon as usize;
            Truth {
                lambda: T::of(spec.lambda),
                window: FutureCredit::new(dims, horizon),
                labels: Matrix::zeros(dims.batch * horizon, labels),
                targets: Matrix::zeros(dims.batch * horizon, rows),
                horizon: spec.horizon,
                step: 0,
            }
        });
        Ok(Self {
            dims,
            rows,
            truth,
            rate: T::of(spec.rate),
            jacobian,
            label_activation: spec.label_activation,
            timing: spec.timing,
            phases: spec.phases,
            refresh: spec.refresh,
            since_refresh: 0,
            slow: apical.clone(),
            gradient: Matrix::zeros(rows, labels),
            apical,
            back: Buffer::zeros(n),
            through: Buffer::zeros(n),
            rates,
            decays,
            label: Matrix::zeros(dims.batch, labels),
            label_before: Matrix::zeros(dims.batch, labels),
            voltage: Matrix::zeros(dims.batch, rows),
            signal_before: Matrix::zeros(dims.batch, n),
            rate_before: Matrix::zeros(dims.batch, n),
            target: Matrix::zeros(dims.batch, rows),
            error: Matrix::zeros(dims.batch, rows),
            bootstrap: Matrix::zeros(dims.batch, rows),
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

    /// The bootstrapped target of the step before, of every sample.
    fn aim(&mut self, view: &View<'_, T>, signal: &[T]) {
        let Dims {
            batch,
            units,
            states,
            currents,
            ..
        } = self.dims;
        let (simd, sample) = (view.simd(), self.dims.sample());
        for b in 0..batch {
            let bootstrap = self.bootstrap.row_mut(b);
            let label = self.label.band(b, 1);
            product(simd, self.slow.data(), self.slow.stride(), label, bootstrap);
            if self.label_activation == LabelActivation::Tanh {
                simd.run(Squash(bootstrap));
            }
            let signal = match self.timing {
                Timing::Corrected => self.signal_before.row(b),
                Timing::Scripts2018 => &signal[b * sample..][..units],
            };
            let bootstrap = self.bootstrap.row(b);
            let target = self.target.row_mut(b);
            match &self.jacobian {
                Jacobian::Exact => {
                    // What the rates are told: the error and what comes back through the weights.
                    let back = &mut self.back[..units];
                    back.copy_from_slice(signal);
                    for g in 0..currents {
                        let through = &mut self.through[..units];
                        through.fill(T::ZERO);
                        for s in 0..states {
                            let terms = view.gain(s, g, b).iter().zip(&bootstrap[s * units..]);
                            let terms = through.iter_mut().zip(terms);
                            terms.for_each(|(f, (gain, r))| *f += *gain * *r);
                        }
                        view.synapses().back(simd, g, through, back);
                    }
                    for s in 0..states {
                        let target = &mut target[s * units..][..units];
                        let terms = view.slope_before(s, b).iter().zip(back.iter());
                        let terms = target.iter_mut().zip(terms);
                        terms.for_each(|(t, (slope, back))| *t = *slope * *back);
                        for after in 0..states {
                            let terms = view.own(after, s, b).iter();
                            let terms = terms.zip(&bootstrap[after * units..]);
                            let terms = target.iter_mut().zip(terms);
                            terms.for_each(|(t, (own, r))| *t += *own * *r);
                        }
                    }
                }
                Jacobian::Learned { predictor, .. } => {
                    target.copy_from_slice(signal);
                    add_transposed(
                        simd,
                        predictor.data(),
                        predictor.stride(),
                        bootstrap,
                        target,
                    );
                }
                Jacobian::Local { feedback, .. } => {
                    let bootstrap = self.bootstrap.band(b, 1);
                    product(simd, feedback.data(), feedback.stride(), bootstrap, target);
                    target.iter_mut().zip(signal).for_each(|(t, q)| *t += *q);
                }
            }
        }
    }

    /// e^A of every sample against the target of the step before, and its loss.
    fn compare(&mut self, simd: Simd) {
        let batch = self.dims.batch;
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
            let pairs = self.voltage.row(b).iter().zip(self.target.row(b));
            let error = self.error.row_mut(b).iter_mut();
            error.zip(pairs).for_each(|(e, (v, t))| *e = *v - *t);
            loss += squared_norm(simd, self.error.band(b, 1));
        }
        self.apical_loss = 0.5 * loss.f64() / (batch * self.rows) as f64;
    }

    /// With λ > 0: e^A of the step whose credit counts as true by now; `false` while there is none.
    fn compare_with_truth(&mut self, view: &View<'_, T>, signal: &[T]) -> bool {
        let Some(truth) = &mut self.truth else {
            return false;
        };
        let (batch, units, simd) = (self.dims.batch, self.dims.units, view.simd());
        let place = |step: u64, b: usize| (step % truth.horizon) as usize * batch + b;
        for b in 0..batch {
            let label = truth.labels.row_mut(place(truth.step, b));
            label.copy_from_slice(self.label.row(b));
            if truth.step > 0 {
                let target = truth.targets.row_mut(place(truth.step - 1, b));
                target.copy_from_slice(self.target.row(b));
            }
        }
        truth.window.step(view, signal);
        truth.step += 1;
        if !truth.window.is_full() {
            return false;
        }
        let then = truth.step - truth.horizon;
        let mut loss = T::ZERO;
        for b in 0..batch {
            let at = place(then, b);
            let (label, error) = (truth.labels.band(at, 1), self.error.row_mut(b));
            product(simd, self.apical.data(), self.apical.stride(), label, error);
            let credit = &truth.window.oldest(b).credit;
            let target = self.target.row_mut(b);
            for (k, target) in target.iter_mut().enumerate() {
                let known = credit.row(k / units)[k % units];
                let bootstrapped = truth.targets.row(at)[k];
                *target = truth.lambda * known + (T::ONE - truth.lambda) * bootstrapped;
                error[k] -= *target;
            }
            loss += squared_norm(simd, self.error.band(b, 1));
            self.label_before
                .row_mut(b)
                .copy_from_slice(&label[..self.label.columns()]);
        }
        truth.window.drop_oldest();
        self.apical_loss = 0.5 * loss.f64() / (batch * self.rows) as f64;
        true
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

    /// V^A(t) with the present A, as credit on the states.
    fn read_voltage(&mut self, view: &View<'_, T>, credit: &mut [T]) {
        let dims = self.dims;
        let n = dims.units;
        for b in 0..dims.batch {
            let (label, voltage) = (self.label.band(b, 1), self.voltage.row_mut(b));
            product(
                view.simd(),
                self.apical.data(),
                self.apical.stride(),
                label,
                voltage,
            );
            for s in 0..dims.states {
                let credit = &mut credit[s * dims.plane() + b * dims.sample()..][..n];
                if self.rows == dims.states * n {
                    credit.copy_from_slice(&voltage[s * n..(s + 1) * n]);
                } else {
                    credit.copy_from_slice(&voltage[..n]);
                }
                if !matches!(self.jacobian, Jacobian::Exact) {
                    // Credit on rates until here.
                    let slopes = credit.iter_mut().zip(view.slope(s, b));
                    slopes.for_each(|(c, slope)| *c = *c * *slope);
                }
            }
        }
    }
}

impl<T: Scalar> Credit<T> for Dendritic<T> {
    fn reset(&mut self) {
        self.begun = false;
        if let Some(truth) = &mut self.truth {
            truth.window.reset();
            truth.step = 0;
        }
    }

    fn assign(&mut self, view: &View<'_, T>, signal: &[T], credit: &mut [T]) {
        let simd = view.simd();
        self.read_labels(view);
        if self.timing == Timing::Corrected {
            self.learn_jacobian(view);
        }
        self.aim(view, signal);
        let learns = match self.truth {
            None => {
                self.compare(simd);
                true
            }
            Some(_) => self.compare_with_truth(view, signal),
        };
        if self.phases == Phases::TwoPhase {
            self.read_voltage(view, credit);
        }
        if learns {
            self.learn_apical(simd);
        }
        if self.phases == Phases::Interleaved {
            self.read_voltage(view, credit);
        }
        // In two phases A has moved since: the next comparison computes V^A(t−1) afresh.
        self.voltage_is_current = self.phases == Phases::Interleaved;
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
            ("target", _) => Some(&mut self.target),
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
            "voltage" => Owner::States {
                stride: self.voltage.stride(),
            },
            "signal_before" => Owner::Unit,
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
        if let Some(truth) = &mut self.truth {
            io.scope("truth", |io| {
                truth.window.state(io)?;
                io.values("labels", truth.labels.data_mut())?;
                io.values("targets", truth.targets.data_mut())?;
                io.counter("step", &mut truth.step, STEPS)?;
                // Counted together, until the window is full.
                let held = truth.step.min(truth.horizon - 1);
                let expected = || format!("as many steps as are held, {held}");
                io.require("step", truth.window.held() as u64 == held, expected)
            })?;
        }
        io.counter(
            "since_refresh",
            &mut self.since_refresh,
            0..=self.refresh - 1,
        )?;
        io.flag("voltage_is_current", &mut self.voltage_is_current)?;
        io.flag("begun", &mut self.begun)?;
        let mut losses = [self.apical_loss, self.jacobian_loss];
        io.measured("losses", &mut losses)?;
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

/// J starts as W_rec (of the first current), as published.
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
    first: usize,
    dims: Dims,
    stream: &mut Stream,
) -> Result<()> {
    let (n, z) = (dims.units, dims.outputs);
    let init = Init::Gaussian {
        gain: 1.0,
        fan: Fan::In,
    };
    let rows = first..first + n;
    match start {
        Start::Joint => init.fill("rule.start", apical, rows, 0..n + z + 1, stream),
        Start::Split => {
            init.fill("rule.start", apical, rows.clone(), 0..n, stream)?;
            init.fill("rule.start", apical, rows, n..n + z, stream)
        }
    }
}
