//! Random networks with their data, and the gradient of a trial by a rule or by finite differences.

use apical::feedback::FeedbackSpec;
use apical::kernel::Simd;
use apical::loss::{Loss, Outputs};
use apical::network::Network;
use apical::neuron::{Activation, Layer, Neuron, NeuronSpec, RateSpec, VoltageSpec};
use apical::synapse::Init;
use apical::{Learner, LearnerSpec, Streams, Update};

use super::{Data, PARAMETERS, flat, parameters, rule};

/// A gated unit that adapts: two state variables, two currents, every partial different from zero.
///
/// s₀ ← 0.6 s₀ + σ(u₁ − s₁/2) tanh(u₀ + 0.4 s₁), s₁ ← 0.8 s₁ + 0.3 s₀ tanh(u₁) + 0.1 s₀ + 0.2 sin u₀,
/// r = tanh(s₀ − 0.7 s₁).
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

/// One random network with its data.
pub struct Case {
    pub neuron: Option<NeuronSpec>,
    pub units: usize,
    pub sizes: (usize, usize),
    pub batch: usize,
    pub loss: Loss,
    pub masked: bool,
    pub data: Data,
    pub seed: u64,
}

const ACTIVATIONS: [Activation; 4] = [
    Activation::Tanh,
    Activation::Softplus,
    Activation::Sigmoid,
    Activation::Relu,
];

impl Case {
    /// Case number `seed`; `gated` for the neuron of this test. Relu comes up only if `kinks`.
    pub fn random(seed: u64, gated: bool, kinks: bool) -> Self {
        let mut stream = Streams::new(seed).stream("case", 0);
        let mut up_to = |count: usize| (stream.uniform() * count as f64) as usize;
        let activation = ACTIVATIONS[up_to(if kinks { 4 } else { 3 })];
        let neuron = match up_to(3) {
            0 => NeuronSpec::Rate(RateSpec {
                alpha: 1.0,
                activation,
            }),
            1 => NeuronSpec::Rate(RateSpec {
                alpha: 0.4,
                activation,
            }),
            _ => NeuronSpec::Voltage(VoltageSpec {
                leak: 0.7,
                activation,
            }),
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
        let sizes = (1 + up_to(4), 1 + least + up_to(3 - least));
        let (units, batch, steps) = (1 + up_to(9), 1 + up_to(3), 1 + up_to(12));
        Self {
            neuron: (!gated).then_some(neuron),
            units,
            sizes,
            batch,
            loss,
            masked: up_to(2) == 1,
            data: Data::random(loss, steps, batch, sizes, seed),
            seed,
        }
    }

    pub fn learner(&self, rule_json: &str, feedback: FeedbackSpec) -> Learner<f64> {
        let streams = Streams::new(self.seed);
        let mut stream = streams.stream("weights", 0);
        let (inputs, outputs) = self.sizes;
        let neuron: Box<dyn Neuron<f64>> = match &self.neuron {
            Some(spec) => spec.build().unwrap(),
            None => Box::new(Gated),
        };
        let mut network =
            Network::with_neuron(neuron, self.units, inputs, outputs, self.batch).unwrap();
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
            .draw(&wide, &wide, &bias, &mut stream)
            .unwrap();
        let columns = 0..self.units + 1;
        wide.fill(
            "readout",
            network.readout_mut(),
            0..outputs,
            columns,
            &mut stream,
        )
        .unwrap();
        let initial = network.initial_mut();
        for s in 0..initial.rows() {
            stream.fill_normal(initial.row_mut(s), 0.5);
        }
        let spec = LearnerSpec {
            loss: self.loss,
            feedback,
            rule: rule(rule_json),
            // Never: the differences need the weights they set.
            update: Update::Every(u64::MAX),
            ..LearnerSpec::default()
        };
        Learner::with_network(network, &spec, &streams).unwrap()
    }

    /// Runs the trial without an update, flushing every `window` steps; returns the summed loss of all samples.
    pub fn run(&self, learner: &mut Learner<f64>, window: usize) -> f64 {
        learner.begin_trial();
        let mut sum = 0.0;
        for t in 0..self.data.x.len() {
            let mask = self.masked.then_some(&self.data.mask[t][..]);
            learner
                .advance(&self.data.x[t], &self.data.y[t], mask)
                .unwrap();
            sum += self.batch as f64 * learner.last_loss();
            if (t + 1) % window == 0 {
                learner.flush();
            }
        }
        learner.flush();
        sum
    }

    /// The gradient by a rule: of the recurrent matrix and of the readout.
    pub fn gradient(&self, rule: &str, feedback: FeedbackSpec, window: usize) -> [Vec<f64>; 2] {
        let mut learner = self.learner(rule, feedback);
        self.run(&mut learner, window);
        [flat(learner.gradient()), flat(learner.readout_gradient())]
    }

    /// The gradient by central differences of the summed loss, arranged as that of a rule.
    pub fn differences(&self) -> [Vec<f64>; 2] {
        const STEP: f64 = 1e-5;
        let mut learner = self.learner(r#"{"kind": "readout_only"}"#, FeedbackSpec::None {});
        let weights = parameters(&learner);
        let mut slopes = weights.clone();
        for (name, (weights, slopes)) in PARAMETERS.iter().zip(weights.iter().zip(&mut slopes)) {
            for k in 0..weights.len() {
                let mut at = |by: f64| {
                    let mut moved = weights.clone();
                    moved[k] += by;
                    learner.set_parameter(name, &moved).unwrap();
                    self.run(&mut learner, usize::MAX)
                };
                slopes[k] = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            }
            learner.set_parameter(name, weights).unwrap();
        }
        let side_by_side = |parts: &[Vec<f64>], rows: usize| -> Vec<f64> {
            let row = |i: usize| {
                let of = move |part: &Vec<f64>| {
                    let width = part.len() / rows;
                    part[i * width..(i + 1) * width].to_vec()
                };
                parts.iter().flat_map(of).collect::<Vec<_>>()
            };
            (0..rows).flat_map(row).collect()
        };
        [
            side_by_side(&slopes[..3], slopes[2].len()),
            side_by_side(&slopes[3..], self.sizes.1),
        ]
    }
}
