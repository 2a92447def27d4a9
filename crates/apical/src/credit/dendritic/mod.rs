//! Credit predicted in the distal compartment: V^A(t) = A ã(t) learns to be dΣL/ds(t).
//!
//! Source: Marschall, Cho & Savin 2019 (rules of W, A, J); Marschall, Cho & Savin 2020 (DNI). With
//! ã(t) = [r(t); y*(t); 1] and q = feedback of δ, the target of the prediction made one step earlier is
//!
//! T = slope(t−1) ∘ q(t−1) + J(t)ᵀ f(A⁻ ã(t)),   e^A = V^A(t−1) − T,   ΔA = −η_A (e^A ã(t−1)ᵀ / p + λ_A A),
//!
//! A⁻ a copy of A refreshed every few steps and f = tanh where the bootstrap travels as a firing rate.
//! J is the exact Jacobian, or learned as a predictor of the next rate, e^J = J r(t−1) − r(t),
//! ΔJ = −η_J e^J r(t−1)ᵀ / p, and used transposed; or learned strictly locally: the predictor P beside a feedback
//! array K with ΔK_ij = −η_J (e_j r_i(t−1) / p + λ K_ij), whose decay makes K and Pᵀ converge (Kolen & Pollack). With
//! regressors `all` it predicts from [r(t−1); x(t); 1], so that J need not explain what came from outside.
//!
//! p = 1 as published. With `normalize` = `power` it is that of what arrives, sample by sample (normalised least mean
//! squares, Widrow & Hoff): ‖ã(t−1)‖² for A, 1 + ‖r(t−1)‖² (+ ‖x(t)‖²) for J, each a sum over a dendrite's own synapses.
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

mod predictor;
mod spec;
mod truth;

pub use spec::{
    DendriticSpec, JacobianSpec, JacobianStart, LabelActivation, Normalize, Phases, Regressors,
    Start, Timing,
};

use predictor::Predictor;
use truth::Truth;

use super::{Credit, FutureCredit};
use crate::kernel::{Buffer, Kernel, Matrix, Simd, add_outer, descend, product, squared_norm};
use crate::network::{Dims, Network};
use crate::probe::{Probe, Watch};
use crate::sizes::Sizes;
use crate::snapshot::{Owner, StateIo};
use crate::stream::{Stream, Streams};
use crate::synapse::{Fan, Init};
use crate::view::View;
use crate::{Error, Result, Scalar};

/// Credit from the distal compartment.
pub struct Dendritic<T> {
    dims: Dims,
    /// Rows of A: the states with the exact J, else the units.
    rows: usize,
    truth: Option<Truth<T>>,
    rate: T,
    normalize: Normalize,
    /// J as it is learned; `None` for the exact one.
    predictor: Option<Predictor<T>>,
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
    /// T, then e^A; r̃; one row a sample.
    target: Matrix<T>,
    error: Matrix<T>,
    bootstrap: Matrix<T>,
    voltage_is_current: bool,
    begun: bool,
    apical_loss: f64,
}

impl DendriticSpec {
    /// Bytes of A, J and what is known of every sample.
    pub(crate) fn memory(&self, sizes: &Sizes) -> f64 {
        let (n, batch) = (sizes.units, sizes.batch);
        let labels = n + sizes.outputs + 1.0;
        let rows = match self.jacobian {
            JacobianSpec::Exact {} => sizes.states * n,
            _ => n,
        };
        let truth = if self.lambda > 0.0 {
            FutureCredit::<f64>::memory(sizes, self.horizon)
                + self.horizon as f64 * sizes.matrix(batch, labels + rows)
        } else {
            0.0
        };
        sizes.matrix(3.0 * rows + 2.0 * batch + 2.0, labels)
            + self.jacobian.memory(sizes)
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
        let predictor = Predictor::new(&spec.jacobian, spec.normalize, network, streams)?;
        let mut rates = Buffer::zeros(labels);
        rates[..labels].fill(T::of(spec.rate));
        let mut decays = Buffer::zeros(labels);
        decays[..labels].fill(T::of(spec.decay));
        let truth = (spec.lambda > 0.0).then(|| Truth::new(spec, dims, rows));
        Ok(Self {
            dims,
            rows,
            truth,
            rate: T::of(spec.rate),
            normalize: spec.normalize,
            predictor,
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
            target: Matrix::zeros(dims.batch, rows),
            error: Matrix::zeros(dims.batch, rows),
            bootstrap: Matrix::zeros(dims.batch, rows),
            voltage_is_current: false,
            begun: false,
            apical_loss: f64::NAN,
        })
    }

    fn learn_jacobian(&mut self, view: &View<'_, T>) {
        if let Some(predictor) = &mut self.predictor {
            predictor.learn(view);
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
            let target = self.target.row_mut(b);
            if let Some(predictor) = &self.predictor {
                predictor.carry_back(simd, signal, self.bootstrap.band(b, 1), target);
                continue;
            }
            let bootstrap = self.bootstrap.row(b);
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
        truth.keep(view, signal, &self.label, &self.target);
        if !truth.is_known() {
            return false;
        }
        let (batch, simd) = (self.dims.batch, view.simd());
        let mut loss = T::ZERO;
        for b in 0..batch {
            let (label, error) = (truth.label(b), self.error.row_mut(b));
            product(simd, self.apical.data(), self.apical.stride(), label, error);
            let target = self.target.row_mut(b);
            truth.tell(b, target);
            error
                .iter_mut()
                .zip(target.iter())
                .for_each(|(e, t)| *e -= *t);
            loss += squared_norm(simd, self.error.band(b, 1));
            self.label_before
                .row_mut(b)
                .copy_from_slice(&label[..self.label.columns()]);
        }
        truth.forget();
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
            let step = self.divided(simd, -self.rate, label);
            add_outer(simd, self.apical.data_mut(), stride, step, error, label);
        } else {
            let scale = T::of(1.0 / batch as f64);
            for b in 0..batch {
                let (error, label) = (self.error.row(b), self.label_before.band(b, 1));
                let scale = self.divided(simd, scale, label);
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

    /// `factor` by the power of one sample's ã, which is at least 1, where rates are normalised.
    fn divided(&self, simd: Simd, factor: T, label: &[T]) -> T {
        match self.normalize {
            Normalize::None => factor,
            Normalize::Power => factor / squared_norm(simd, label),
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
                if self.predictor.is_some() {
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
            truth.reset();
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

    fn watched(&self) -> Option<&dyn Watch<T>> {
        Some(self)
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        let stride = self.apical.stride();
        let io = io.of(Owner::Row { stride });
        io.matrix("A", &mut self.apical)?;
        // r̃_l = f(A⁻_l ã) goes from unit l to all others.
        let owner = Owner::Sender {
            stride,
            offset: 0,
            before: false,
        };
        io.of(owner).matrix("A_slow", &mut self.slow)?;
        if let Some(predictor) = &mut self.predictor {
            predictor.state(io)?;
        }
        // ã(t−1): what every distal compartment receives.
        let io = io.of(Owner::Sent);
        io.matrix("label_before", &mut self.label_before)?;
        let stride = self.voltage.stride();
        let io = io.of(Owner::States { stride });
        io.matrix("voltage", &mut self.voltage)?;
        let io = io.of(Owner::Unit);
        io.matrix("signal_before", &mut self.signal_before)?;
        if let Some(truth) = &mut self.truth {
            io.scope("truth", |io| truth.state(io))?;
        }
        let (io, latest) = (io.of(Owner::Broadcast), self.refresh - 1);
        io.counter("since_refresh", &mut self.since_refresh, 0..=latest)?;
        let io = io.of(Owner::Broadcast);
        io.flag("voltage_is_current", &mut self.voltage_is_current)?;
        io.of(Owner::Broadcast).flag("begun", &mut self.begun)?;
        // What was set by hand has not been read yet.
        self.voltage_is_current &= !io.is_setting();
        let jacobian_loss = self.predictor.as_ref().map_or(f64::NAN, |p| p.loss);
        let mut losses = [self.apical_loss, jacobian_loss];
        io.measured("losses", &mut losses)?;
        self.apical_loss = losses[0];
        if let Some(predictor) = &mut self.predictor {
            predictor.loss = losses[1];
        }
        if io.is_restoring() {
            // They belong to the step before, and the next one writes them before it reads them.
            for b in 0..self.dims.batch {
                self.target.row_mut(b).fill(T::of(f64::NAN));
                self.bootstrap.row_mut(b).fill(T::of(f64::NAN));
            }
        }
        Ok(())
    }
}

impl<T: Scalar> Watch<T> for Dendritic<T> {
    fn probes(&self) -> &'static [&'static str] {
        const SHOWN: &[&str] = &[
            "A_loss",
            "A",
            "V_A",
            "V_A_target",
            "r_distal",
            "J_loss",
            "J",
            "K",
        ];
        let count = match self.predictor.as_ref().map(Predictor::feedback) {
            None => 5,
            Some(None) => 7,
            Some(Some(_)) => 8,
        };
        &SHOWN[..count]
    }

    fn probe(&self, index: usize) -> Probe<'_, T> {
        match (index, &self.predictor) {
            (0, _) => Probe::Number(self.apical_loss),
            (1, _) => Probe::Matrix(&self.apical),
            (2, _) => Probe::Vector(self.voltage.row(0)),
            (3, _) => Probe::Vector(self.target.row(0)),
            (4, _) => Probe::Vector(self.bootstrap.row(0)),
            (5, Some(predictor)) => Probe::Number(predictor.loss),
            (6, Some(predictor)) => Probe::Matrix(&predictor.weights),
            (7, Some(predictor)) => match predictor.feedback() {
                Some(feedback) => Probe::Matrix(feedback),
                None => Probe::Number(f64::NAN),
            },
            _ => Probe::Number(f64::NAN),
        }
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
        Start::Zero => Ok(()),
    }
}
