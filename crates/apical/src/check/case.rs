//! Random networks with their data, each from one number, and the gradient of a trial by a rule.

use std::fmt;

use crate::constraint::CellTypes;
use crate::feedback::FeedbackSpec;
use crate::kernel::{Matrix, Simd};
use crate::loss::{Loss, Outputs};
use crate::network::Network;
use crate::neuron::{
    Activation, Layer, Neuron, NeuronSpec, RateSpec, TwoCompartmentSpec, VoltageSpec,
};
use crate::rule::{RuleSpec, Site};
use crate::stream::{Stream, Streams};
use crate::synapse::Init;
use crate::{Learner, LearnerSpec, Result, Scalar, Update};

/// A gated unit that adapts: two state variables, two currents, every partial different from zero.
///
/// s₀ ← 0.6 s₀ + σ(u₁ − s₁/2) tanh(u₀ + 0.4 s₁), s₁ ← 0.8 s₁ + 0.3 s₀ tanh(u₁) + 0.1 s₀ + 0.2 sin u₀,
/// r = tanh(s₀ − 0.7 s₁). It models nothing: a rule that forgets a partial shows it here.
pub struct Gated;

impl Neuron<f64> for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }
    fn states(&self) -> usize {
        2
    }
    fn currents(&self) -> usize {
        2
    }
    fn step(&self, layer: Layer<'_, f64>) {
        let plane = layer.plane;
        let mut partials = layer.partials;
        for k in 0..plane {
            let (u0, u1) = (layer.currents[k], layer.currents[plane + k]);
            let (s0, s1) = (layer.state[k], layer.state[plane + k]);
            let gate = 1.0 / (1.0 + (0.5 * s1 - u1).exp());
            let (drive, bend) = ((u0 + 0.4 * s1).tanh(), u1.tanh());
            let (new0, new1) = (
                0.6 * s0 + gate * drive,
                0.8 * s1 + 0.3 * s0 * bend + 0.1 * s0 + 0.2 * u0.sin(),
            );
            layer.state[k] = new0;
            layer.state[plane + k] = new1;
            let rate = (new0 - 0.7 * new1).tanh();
            layer.rate[k] = rate;
            let Some(p) = partials.as_deref_mut() else {
                continue;
            };
            let gated = gate * (1.0 - gate) * drive;
            let driven = gate * (1.0 - drive * drive);
            let set = |list: &mut [f64], values: &[f64]| {
                for (index, value) in values.iter().enumerate() {
                    list[index * plane + k] = *value;
                }
            };
            set(
                &mut p.own,
                &[0.6, 0.4 * driven - 0.5 * gated, 0.3 * bend + 0.1, 0.8],
            );
            set(
                &mut p.gain,
                &[
                    driven,
                    gated,
                    0.2 * u0.cos(),
                    0.3 * s0 * (1.0 - bend * bend),
                ],
            );
            let slope = 1.0 - rate * rate;
            set(&mut p.slope, &[slope, -0.7 * slope]);
        }
    }
    fn read(&self, _: Simd, plane: usize, state: &[f64], rate: &mut [f64], slope: &mut [f64]) {
        for k in 0..plane {
            rate[k] = (state[k] - 0.7 * state[plane + k]).tanh();
            slope[k] = 1.0 - rate[k] * rate[k];
            slope[plane + k] = -0.7 * slope[k];
        }
    }
}

/// Inputs, targets and masks, one vector a step.
#[derive(Clone, Debug)]
pub struct Data {
    /// Inputs, batch × inputs.
    pub x: Vec<Vec<f64>>,
    /// Targets, batch × outputs.
    pub y: Vec<Vec<f64>>,
    /// Weights of the outputs in the loss, batch × outputs.
    pub mask: Vec<Vec<f64>>,
}

impl Data {
    /// Random steps for a batch; targets are such as `loss` has a meaning for. `sizes` are inputs and outputs.
    pub fn random(
        loss: Loss,
        steps: usize,
        batch: usize,
        sizes: (usize, usize),
        seed: u64,
    ) -> Self {
        let mut stream = Streams::new(seed).stream("data", 0);
        let (inputs, outputs) = sizes;
        let target = |stream: &mut Stream| -> Vec<f64> {
            let raw: Vec<f64> = (0..outputs).map(|_| 0.05 + stream.uniform()).collect();
            let sum: f64 = raw.iter().sum();
            match loss {
                Loss::SoftmaxCrossEntropy {} => raw.iter().map(|v| v / sum).collect(),
                Loss::SigmoidCrossEntropy {} => raw.iter().map(|v| v / 1.05).collect(),
                _ => raw.iter().map(|v| 4.0 * v - 2.0).collect(),
            }
        };
        let mut data = Self {
            x: Vec::new(),
            y: Vec::new(),
            mask: Vec::new(),
        };
        for _ in 0..steps {
            let x = (0..batch * inputs).map(|_| stream.normal()).collect();
            let y = (0..batch).flat_map(|_| target(&mut stream)).collect();
            // Some steps count for no sample, some for a few.
            let (counts, of_sample) = (stream.uniform() < 0.8, stream.uniform());
            let mask = (0..batch * outputs).map(|k| {
                let silent = k / outputs < (of_sample * batch as f64) as usize;
                let weight = stream.uniform();
                if counts && !silent { weight } else { 0.0 }
            });
            let mask = mask.collect();
            data.x.push(x);
            data.y.push(y);
            data.mask.push(mask);
        }
        data
    }

    /// The steps of sample `b` alone.
    pub fn sample(&self, b: usize, batch: usize) -> Self {
        self.map(|row| {
            let size = row.len() / batch;
            row[b * size..(b + 1) * size].to_vec()
        })
    }

    /// The same steps for `count` samples at once.
    pub fn repeated(&self, count: usize) -> Self {
        self.map(|row| row.repeat(count))
    }

    /// The first `count` steps.
    pub fn truncated(&self, count: usize) -> Self {
        let of = |all: &[Vec<f64>]| all.iter().take(count).cloned().collect();
        Self {
            x: of(&self.x),
            y: of(&self.y),
            mask: of(&self.mask),
        }
    }

    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.x.len()
    }

    fn map(&self, part: impl Fn(&Vec<f64>) -> Vec<f64>) -> Self {
        let of = |all: &[Vec<f64>]| all.iter().map(&part).collect();
        Self {
            x: of(&self.x),
            y: of(&self.y),
            mask: of(&self.mask),
        }
    }
}

/// From what ranges cases are drawn, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Recurrent units.
    pub units: (usize, usize),
    /// Steps of the trial.
    pub steps: (usize, usize),
    /// Samples.
    pub batch: (usize, usize),
    /// Whether relu may come up, whose kink spoils finite differences.
    pub kinks: bool,
    /// Which units may come up.
    pub kind: Kind,
    /// Whether networks that hear their own output may come up, for rules that serve them.
    pub loops: bool,
}

/// Which units a case may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All of them.
    Any,
    /// Those with one state variable.
    Plain,
    /// Those whose state is their rate.
    Rate,
    /// [`Gated`] ones.
    Gated,
}

impl Shape {
    /// Everything from a single unit and a single step on.
    pub const ANY: Self = Self {
        units: (1, 9),
        steps: (1, 12),
        batch: (1, 3),
        kinks: true,
        kind: Kind::Any,
        loops: false,
    };
    /// The same, also with outputs that come back to the units.
    pub const LOOPED: Self = Self {
        loops: true,
        ..Self::ANY
    };
    /// Without kinks.
    pub const SMOOTH: Self = Self {
        kinks: false,
        ..Self::ANY
    };
    /// Units and steps enough for rules to differ.
    pub const LONG: Self = Self {
        units: (4, 9),
        steps: (6, 12),
        ..Self::SMOOTH
    };
    /// One step.
    pub const ONE_STEP: Self = Self {
        steps: (1, 1),
        ..Self::ANY
    };
    /// One sample.
    pub const SINGLE: Self = Self {
        batch: (1, 1),
        steps: (2, 12),
        ..Self::ANY
    };
    /// So few noise numbers that all their signs can be tried.
    pub const TINY: Self = Self {
        units: (1, 3),
        steps: (1, 4),
        batch: (1, 1),
        ..Self::ANY
    };

    /// The same with units of this kind.
    pub const fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The same with one sample.
    pub const fn single(self) -> Self {
        Self {
            batch: (1, 1),
            ..self
        }
    }
}

/// One random network with its data and feedback.
#[derive(Clone, Debug)]
pub struct Case {
    /// `None` for [`Gated`].
    pub neuron: Option<NeuronSpec>,
    /// Recurrent units.
    pub units: usize,
    /// Inputs and outputs.
    pub sizes: (usize, usize),
    /// Samples.
    pub batch: usize,
    /// What is minimised.
    pub loss: Loss,
    /// Symmetric or random.
    pub feedback: FeedbackSpec,
    /// Whether outputs are weighted.
    pub masked: bool,
    /// Whether the network hears its own output.
    pub hears: bool,
    /// The trial.
    pub data: Data,
    /// The type of each unit, for rules that ask for it.
    pub types: Vec<usize>,
    /// What everything is drawn from.
    pub seed: u64,
    /// Other neurons with the same draw, for rules that do not serve the first.
    others: [NeuronSpec; 2],
}

const ACTIVATIONS: [Activation; 4] = [
    Activation::Tanh,
    Activation::Softplus,
    Activation::Sigmoid,
    Activation::Relu,
];

impl Case {
    /// Case number `seed`.
    pub fn random(seed: u64, shape: Shape) -> Self {
        let mut stream = Streams::new(seed).stream("case", 0);
        let mut up_to = |count: usize| (stream.uniform() * count as f64) as usize;
        let activation = ACTIVATIONS[up_to(if shape.kinks { 4 } else { 3 })];
        let alpha = [1.0, 0.4][up_to(2)];
        let rate = NeuronSpec::Rate(RateSpec { alpha, activation });
        let voltage = NeuronSpec::Voltage(VoltageSpec {
            leak: 0.7,
            activation,
        });
        let plain = [&rate, &voltage][up_to(2)].clone();
        let (tau_soma, tau_apical) = if alpha < 1.0 { (1.5, 2.5) } else { (0.0, 1.0) };
        let two_compartment = NeuronSpec::TwoCompartment(TwoCompartmentSpec {
            tau_soma,
            tau_apical,
            phase: 2,
            coupling: 0.4,
            inhibition: 0.8,
            activation,
        });
        let kind = up_to(6);
        let neuron = match shape.kind {
            Kind::Gated => None,
            Kind::Any if kind < 2 => None,
            Kind::Any if kind == 2 => Some(two_compartment),
            Kind::Any | Kind::Plain => Some(plain),
            Kind::Rate => Some(rate.clone()),
        };
        let loss = [
            Loss::SoftmaxCrossEntropy {},
            Loss::SigmoidCrossEntropy {},
            Loss::MeanSquaredError {
                outputs: Outputs::Sum,
            },
            Loss::MeanSquaredError {
                outputs: Outputs::Mean,
            },
        ][up_to(4)];
        let least = usize::from(loss == Loss::SoftmaxCrossEntropy {});
        let sizes = (1 + up_to(4), 1 + least + up_to(4 - least));
        let mut between = |(low, high): (usize, usize)| low + up_to(high - low + 1);
        let (units, batch, steps) = (
            between(shape.units),
            between(shape.batch),
            between(shape.steps),
        );
        let masked = up_to(2) == 1;
        let feedback = if up_to(2) == 0 {
            FeedbackSpec::Symmetric {}
        } else {
            FeedbackSpec::random()
        };
        let hears = shape.loops && up_to(2) == 0;
        Self {
            neuron,
            units,
            sizes,
            batch,
            loss,
            feedback,
            masked,
            hears,
            data: Data::random(loss, steps, batch, sizes, seed),
            types: types(units, seed),
            seed,
            others: [voltage, rate],
        }
    }

    /// Case number `seed` with units `rule` serves.
    ///
    /// # Errors
    /// A rule that serves none of the neurons, or a setting of it out of range.
    pub fn served(seed: u64, shape: Shape, rule: &RuleSpec) -> Result<Self> {
        let mut case = Self::random(seed, shape);
        // Few rules know the way through the readout: the others get the same network without it.
        case.hears = case.hears && case.serves(rule);
        for other in case.others.clone() {
            if case.serves(rule) {
                return Ok(case);
            }
            case.neuron = Some(other);
        }
        // The last resort's refusal is the one to tell.
        let network = case.network()?;
        rule.build(&Site::new(&network, &Streams::new(seed)))?;
        Ok(case)
    }

    pub(super) fn serves(&self, rule: &RuleSpec) -> bool {
        let streams = Streams::new(self.seed);
        let network = self.network();
        network.is_ok_and(|network| rule.build(&Site::new(&network, &streams)).is_ok())
    }

    /// The same network, with other data.
    pub(super) fn with_other_data(&self) -> Self {
        Self {
            data: self.sibling(!self.seed).data,
            ..self.clone()
        }
    }

    /// The same sizes and units with other weights and data.
    pub fn sibling(&self, seed: u64) -> Self {
        let data = Data::random(self.loss, self.data.steps(), self.batch, self.sizes, seed);
        Self {
            data,
            seed,
            ..self.clone()
        }
    }

    /// The network, with weights, biases and initial states all different from zero.
    ///
    /// # Errors
    /// Those of [`Network::with_neuron`].
    pub fn network(&self) -> Result<Network<f64>> {
        let mut stream = Streams::new(self.seed).stream("weights", 0);
        let (inputs, outputs) = self.sizes;
        let neuron: Box<dyn Neuron<f64>> = match &self.neuron {
            Some(spec) => spec.build()?,
            None => Box::new(Gated),
        };
        let mut network = Network::with_neuron(neuron, self.units, inputs, outputs, self.batch)?;
        let wide = Init::Gaussian {
            gain: 1.2,
            fan: Default::default(),
        };
        let bias = Init::Uniform {
            low: -0.5,
            high: 0.5,
        };
        network
            .synapses_mut()
            .draw(&wide, &wide, &bias, &mut stream)?;
        let (columns, readout) = (0..self.units + 1, network.readout_mut());
        wide.fill("readout", readout, 0..outputs, columns, &mut stream)?;
        if self.hears {
            let mut back = Matrix::zeros(network.dims().currents * outputs, self.units);
            let columns = 0..self.units;
            wide.fill(
                "output_feedback",
                &mut back,
                0..outputs,
                columns,
                &mut stream,
            )?;
            network.set_output_feedback(Some(back))?;
        }
        let types = CellTypes::given(&self.types)?;
        network.constraints_mut().set_types(types)?;
        let initial = network.initial_mut();
        for s in 0..initial.rows() {
            stream.fill_normal(initial.row_mut(s), 0.5);
        }
        Ok(network)
    }

    /// A learner that never updates its weights by itself.
    ///
    /// # Errors
    /// A rule that does not serve the network, or a setting of it out of range.
    pub fn learner(&self, rule: &RuleSpec, feedback: &FeedbackSpec) -> Result<Learner<f64>> {
        self.learner_with(rule, feedback, Update::Every(u64::MAX))
    }

    /// As [`Case::learner`], with weights that wait for the end of a trial that never comes: rules may work out the
    /// gradient of a trial at its end.
    ///
    /// # Errors
    /// As [`Case::learner`].
    pub fn trial_learner(&self, rule: &RuleSpec) -> Result<Learner<f64>> {
        self.learner_with(rule, &self.feedback, Update::Trials(u64::MAX))
    }

    fn learner_with(
        &self,
        rule: &RuleSpec,
        feedback: &FeedbackSpec,
        update: Update,
    ) -> Result<Learner<f64>> {
        let spec = LearnerSpec {
            loss: self.loss,
            feedback: feedback.clone(),
            rule: rule.clone(),
            update,
            ..LearnerSpec::default()
        };
        Learner::with_network(self.network()?, &spec, &Streams::new(self.seed))
    }

    /// One step of the trial.
    ///
    /// # Errors
    /// Those of [`Learner::advance`].
    pub fn advance(&self, learner: &mut Learner<f64>, t: usize) -> Result<()> {
        let mask = self.masked.then_some(&self.data.mask[t][..]);
        learner.advance(&self.data.x[t], &self.data.y[t], mask)
    }

    /// Runs the trial without an update, flushing every `window` steps; returns the summed loss of all samples.
    ///
    /// # Errors
    /// Those of [`Learner::advance`].
    pub fn run(&self, learner: &mut Learner<f64>, window: usize) -> Result<f64> {
        learner.begin_trial();
        let mut sum = 0.0;
        for t in 0..self.data.steps() {
            self.advance(learner, t)?;
            sum += self.batch as f64 * learner.last_loss();
            if (t + 1) % window == 0 {
                learner.flush();
            }
        }
        learner.flush();
        Ok(sum)
    }

    /// The recurrent gradient of the whole trial, what is paid at its end included.
    ///
    /// # Errors
    /// Those of [`Case::learner`] and [`Case::run`].
    pub fn gradient(&self, rule: &RuleSpec, feedback: &FeedbackSpec) -> Result<Vec<f64>> {
        let mut learner = self.learner(rule, feedback)?;
        self.gradient_of(&mut learner)
    }

    /// As [`Case::gradient`], of a learner that has been prepared.
    ///
    /// # Errors
    /// Those of [`Case::run`].
    pub fn gradient_of(&self, learner: &mut Learner<f64>) -> Result<Vec<f64>> {
        self.run(learner, usize::MAX)?;
        learner.end_trial();
        Ok(flat(learner.gradient()))
    }

    /// The gradient of the summed loss by finite differences, arranged as that of a rule: of the recurrent matrix
    /// and of the readout.
    ///
    /// # Errors
    /// Those of [`Case::run`].
    pub fn differences(&self) -> Result<[Vec<f64>; 2]> {
        let mut learner = self.learner(&readout_only(), &FeedbackSpec::None {})?;
        let mut both = [Vec::new(), Vec::new()];
        for (recurrent, slopes) in [true, false].into_iter().zip(&mut both) {
            let matrix = weights(&mut learner, recurrent);
            let (rows, columns) = (matrix.rows(), matrix.columns());
            for (i, j) in (0..rows * columns).map(|k| (k / columns, k % columns)) {
                let at_rest = weights(&mut learner, recurrent).row(i)[j];
                slopes.push(slope(|by| {
                    weights(&mut learner, recurrent).row_mut(i)[j] = at_rest + by;
                    self.run(&mut learner, usize::MAX)
                })?);
                weights(&mut learner, recurrent).row_mut(i)[j] = at_rest;
            }
        }
        Ok(both)
    }
}

/// Up to three types, in no order.
fn types(units: usize, seed: u64) -> Vec<usize> {
    let mut stream = Streams::new(seed).stream("types", 0);
    let mut below = |count: usize| ((stream.uniform() * count as f64) as usize).min(count - 1);
    let count = 1 + below(units.min(3));
    (0..units)
        .map(|i| if i < count { i } else { below(count) })
        .collect()
}

/// The derivative at 0 by central differences, extrapolated to a step of zero (Ridders 1982).
///
/// A fixed step is too long for some networks, whose loss bends at a thousandth, and too short for others to be exact to
/// nine digits; the table of extrapolations tells for each number which entry has settled best.
fn slope(mut f: impl FnMut(f64) -> Result<f64>) -> Result<f64> {
    const LEVELS: usize = 12;
    const SHRINK: f64 = 1.6;
    let mut step = 0.05;
    let (mut best, mut best_error) = (f64::NAN, f64::INFINITY);
    let mut above: Vec<f64> = Vec::new();
    for level in 0..LEVELS {
        let mut row = vec![(f(step)? - f(-step)?) / (2.0 * step)];
        for k in 1..=level {
            let factor = SHRINK.powi(2 * k as i32);
            let next = (factor * row[k - 1] - above[k - 1]) / (factor - 1.0);
            let error = (next - row[k - 1]).abs().max((next - above[k - 1]).abs());
            if error <= best_error {
                (best, best_error) = (next, error);
            }
            row.push(next);
        }
        // Rounding has taken over: shorter steps only make it worse.
        if level > 2
            && (row[level] - above[level - 1]).abs() > 2.0 * best_error
            && best_error < 1e-10
        {
            break;
        }
        step /= SHRINK;
        above = row;
    }
    Ok(best)
}

fn weights(learner: &mut Learner<f64>, recurrent: bool) -> &mut Matrix<f64> {
    let network = learner.network_mut();
    if recurrent {
        network.synapses_mut().weights_mut()
    } else {
        network.readout_mut()
    }
}

pub(super) fn readout_only() -> RuleSpec {
    RuleSpec::ReadoutOnly(Default::default())
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let neuron = match &self.neuron {
            None => "gated".into(),
            Some(NeuronSpec::Rate(spec)) => format!(
                "rate ({}, alpha {})",
                word(&format!("{:?}", spec.activation)),
                spec.alpha
            ),
            Some(NeuronSpec::Voltage(spec)) => format!(
                "voltage ({}, leak {})",
                word(&format!("{:?}", spec.activation)),
                spec.leak
            ),
            Some(NeuronSpec::TwoCompartment(spec)) => format!(
                "two_compartment ({}, tau {} and {})",
                word(&format!("{:?}", spec.activation)),
                spec.tau_soma,
                spec.tau_apical
            ),
            Some(NeuronSpec::Own(spec)) => format!("{spec:?}"),
        };
        let ((inputs, outputs), steps) = (self.sizes, self.data.steps());
        write!(
            f,
            "seed {}: {} {neuron} unit{}, {inputs} in, {outputs} out, {}{}{}, batch {}, {steps} step{}",
            self.seed,
            self.units,
            plural(self.units),
            self.loss.name(),
            if self.masked { " masked" } else { "" },
            if self.hears { ", hears its output" } else { "" },
            self.batch,
            plural(steps)
        )
    }
}

fn word(name: &str) -> String {
    name.to_lowercase()
}

/// A matrix row by row.
pub fn flat<T: Scalar>(matrix: &Matrix<T>) -> Vec<T> {
    (0..matrix.rows())
        .flat_map(|i| matrix.row(i).to_vec())
        .collect()
}

/// The largest difference, relative to the largest magnitude; infinite if anything is not finite.
pub fn difference(a: &[f64], b: &[f64]) -> f64 {
    if a.len() != b.len() || !a.iter().chain(b).all(|v| v.is_finite()) {
        return f64::INFINITY;
    }
    let largest = a.iter().chain(b).fold(1e-300, |m: f64, v| m.max(v.abs()));
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f64::max) / largest
}
