//! Imitate a random recurrent network from its inputs and outputs.
//!
//! a(t) = (1−α) a(t−1) + α φ(W_rec a(t−1) + W_in x(t) + b), y*(t) = W_out a(t) + b_out, with x(t) ~ Bernoulli(p).
//! W_rec is gain times an orthogonal matrix, W_in and W_out are N(0, 1/fan-in), biases N(0, 0.1²), a(0) = φ(0).
//! Source: Marschall, Cho & Savin 2020 (Mimic). The network to imitate belongs to the seed: training and tests,
//! and all samples of a batch, see the same one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::weights::{Weights, phi};
use super::{Request, Settings, Task, TaskInfo, check};
use crate::kernel::Matrix;
use crate::neuron::Activation;
use crate::sizes::Need;
use crate::snapshot::StateIo;
use crate::stream::{Stream, Streams};
use crate::synapse::{Init, Signs};
use crate::{Error, Result, Scalar};

/// Standard deviation of the biases.
const BIAS: f64 = 0.1;

/// Configuration of the mimic task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MimicSpec {
    /// Units of the network to imitate.
    #[schemars(range(min = 1, max = super::check::LARGEST))]
    pub units: usize,
    /// Inputs of that network.
    #[schemars(range(min = 1, max = super::check::LARGEST))]
    pub inputs: usize,
    /// Outputs of that network; as many as inputs unless given.
    #[schemars(range(min = 1, max = super::check::LARGEST))]
    pub outputs: Option<usize>,
    /// α, the leak of its units.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub alpha: f64,
    /// φ, the activation of its units.
    pub activation: Activation,
    /// Multiplies its orthogonal W_rec.
    #[schemars(range(min = 0.0))]
    pub gain: f64,
    /// Which orthogonal matrix; the published code has that of numpy's QR.
    pub signs: Signs,
    /// Probability that an input bit is 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p_input: f64,
    /// τ: each input stays for this many steps.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub stretch: u64,
    /// Bits drawn, each copied to inputs/latent channels; as many as inputs unless given.
    #[schemars(range(min = 1))]
    pub latent: Option<usize>,
}

impl Default for MimicSpec {
    fn default() -> Self {
        Self {
            units: 32,
            inputs: 32,
            outputs: None,
            alpha: 1.0,
            activation: Activation::Tanh,
            gain: 1.0,
            signs: Signs::Householder,
            p_input: 0.5,
            stretch: 1,
            latent: None,
        }
    }
}

impl MimicSpec {
    fn check(&self) -> Result<()> {
        check::size("task.units", self.units, 1)?;
        check::size("task.inputs", self.inputs, 1)?;
        check::size("task.outputs", self.sizes().1, 1)?;
        check::probability("task.p_input", self.p_input)?;
        check::count("task.stretch", self.stretch, 1)?;
        check::not_negative("task.gain", self.gain)?;
        if !(self.alpha > 0.0 && self.alpha <= 1.0) {
            let mend = "1 has no leak.";
            return Err(Error::invalid(
                "task.alpha",
                self.alpha,
                "a number in (0, 1]",
                mend,
            ));
        }
        match self.latent {
            Some(latent) if latent == 0 || !self.inputs.is_multiple_of(latent) => {
                Err(Error::invalid(
                    "task.latent",
                    latent,
                    format!("a divisor of the {} inputs", self.inputs),
                    "Each latent bit is copied to the same number of inputs.",
                ))
            }
            _ => Ok(()),
        }
    }
}

impl Settings for MimicSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "mimic",
        summary: "imitate a random recurrent network",
        sizes: "inputs, outputs",
        source: "Marschall, Cho & Savin 2020",
    };

    fn sizes(&self) -> (usize, usize) {
        (self.inputs, self.outputs.unwrap_or(self.inputs))
    }

    fn width(&self) -> Option<(&'static str, u64)> {
        Some(("task.inputs", self.inputs as u64))
    }

    fn needs(&self, batch: usize) -> Vec<Need> {
        let (n, (inputs, outputs)) = (self.units as f64, Settings::sizes(self));
        let (inputs, outputs) = (inputs as f64, outputs as f64);
        // W as it is drawn, what the orthogonal part is worked out with, and W as it is kept.
        let of_units = n * (3.0 * n + 32.0) + (batch as f64 + 1.0) * n;
        let of_inputs = 2.0 * (n * inputs + (n + 16.0) * outputs) + batch as f64 * inputs;
        vec![
            Need::new("task.units", self.units, 8.0 * of_units),
            Need::new("task.inputs", self.inputs, 8.0 * of_inputs),
        ]
    }

    fn validate(&self, _: &Request<'_>) -> Result<()> {
        // Its network is worked out where it is run.
        self.check()
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check()?;
        let drawn = Mimic {
            target: Target::new(self, request.streams)?,
            drive: vec![0.0; self.units],
            spec: self.clone(),
        };
        Ok(batch::samples(drawn, self, request))
    }
}

/// The network to imitate.
struct Target {
    recurrent: Weights,
    readout: Weights,
}

impl Target {
    fn new(spec: &MimicSpec, streams: &Streams) -> Result<Self> {
        let mut stream = streams.stream("mimic target", 0);
        let (inputs, outputs) = spec.sizes();
        let (n, m) = (spec.units, spec.units + inputs + 1);
        let mut weights = Matrix::<f64>::zeros(n, m);
        let (gain, signs) = (spec.gain, spec.signs);
        let recurrent = Init::Orthogonal { gain, signs };
        recurrent.fill("task", &mut weights, 0..n, 0..n, &mut stream)?;
        Init::gaussian().fill("task.inputs", &mut weights, 0..n, n..m - 1, &mut stream)?;
        let mut readout = Matrix::<f64>::zeros(outputs, n + 1);
        Init::gaussian().fill("task.outputs", &mut readout, 0..outputs, 0..n, &mut stream)?;
        for (matrix, bias) in [(&mut weights, m - 1), (&mut readout, n)] {
            for i in 0..matrix.rows() {
                matrix.row_mut(i)[bias] = BIAS * stream.normal();
            }
        }
        Ok(Self {
            recurrent: Weights::of(&weights),
            readout: Weights::of(&readout),
        })
    }
}

struct Imitated {
    bits: Vec<u64>,
    rate: Vec<f64>,
}

struct Mimic {
    spec: MimicSpec,
    target: Target,
    drive: Vec<f64>,
}

impl batch::Drawn for Mimic {
    type Kept = Imitated;

    fn begin(&self, _: &mut Stream) -> Self::Kept {
        let spec = &self.spec;
        Imitated {
            bits: vec![0; spec.latent.unwrap_or(spec.inputs)],
            rate: vec![phi(spec.activation, 0.0); spec.units],
        }
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        if step.is_multiple_of(self.spec.stretch) {
            for bit in &mut kept.bits {
                *bit = u64::from(stream.uniform() < self.spec.p_input);
            }
        }
        let copies = row.x.len() / kept.bits.len();
        for (x, bit) in row.x.chunks_exact_mut(copies).zip(&kept.bits) {
            x.fill(*bit as f64);
        }
        self.drive.fill(0.0);
        let pre = kept.rate.iter().chain(&*row.x).chain(&[1.0]);
        self.target.recurrent.add(pre, &mut self.drive);
        let alpha = self.spec.alpha;
        for (rate, u) in kept.rate.iter_mut().zip(&self.drive) {
            *rate = (1.0 - alpha) * *rate + alpha * phi(self.spec.activation, *u);
        }
        let pre = kept.rate.iter().chain(&[1.0]);
        self.target.readout.add(pre, row.y);
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        io.counters("bits", &mut kept.bits, 0..=1)?;
        io.values("rate", &mut kept.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::tests::{refused, run};
    use crate::task::{Sample, TaskSpec};

    fn small(stretch: u64) -> MimicSpec {
        MimicSpec {
            units: 5,
            inputs: 4,
            outputs: Some(3),
            alpha: 0.5,
            gain: 1.2,
            stretch,
            latent: Some(2),
            ..MimicSpec::default()
        }
    }

    #[test]
    fn settings_are_looked_at_without_working_out_the_target() {
        let spec = TaskSpec::Mimic(MimicSpec {
            // No memory would hold it.
            units: 1_000_000,
            ..MimicSpec::default()
        });
        spec.check(1, 100, &Streams::new(1), "train").unwrap();
    }

    #[test]
    fn labels_are_the_outputs_of_the_target() {
        for stretch in [1, 3] {
            let spec = small(stretch);
            let target = Target::new(&spec, &Streams::new(11)).unwrap();
            let weight = |i, j| target.recurrent.at(i, j);
            let mut a = [0.0; 5];
            for (t, sample) in run(&TaskSpec::Mimic(spec), 1, 200).iter().enumerate() {
                let x = &sample.x;
                assert!(x[0] == x[1] && x[2] == x[3], "latent bits are copied");
                let drive = |i: usize| -> f64 {
                    let recurrent: f64 = (0..5).map(|j| weight(i, j) * a[j]).sum();
                    let input: f64 = (0..4).map(|k| weight(i, 5 + k) * x[k]).sum();
                    recurrent + input + weight(i, 9)
                };
                let u: Vec<f64> = (0..5).map(drive).collect();
                for i in 0..5 {
                    a[i] = 0.5 * a[i] + 0.5 * u[i].tanh();
                }
                for k in 0..3 {
                    let z: f64 = (0..5).map(|i| target.readout.at(k, i) * a[i]).sum();
                    let z = z + target.readout.at(k, 5);
                    assert!((sample.y[k] - z).abs() < 1e-12, "step {t}");
                }
            }
        }
    }

    #[test]
    fn inputs_stay_and_have_the_stated_odds() {
        let spec = MimicSpec {
            p_input: 0.3,
            inputs: 8,
            stretch: 2,
            ..MimicSpec::default()
        };
        let samples = run(&TaskSpec::Mimic(spec), 1, 20_000);
        for pair in samples.chunks_exact(2) {
            assert_eq!(pair[0].x, pair[1].x);
        }
        let bits: f64 = samples.iter().step_by(2).flat_map(|s| &s.x).sum();
        // 80,000 bits: four standard errors.
        let error = 4.0 * (0.3f64 * 0.7 / 80_000.0).sqrt();
        assert!((bits / 80_000.0 - 0.3).abs() < error, "{bits}");
    }

    #[test]
    fn the_target_has_the_stated_weights() {
        let spec = MimicSpec {
            units: 60,
            inputs: 50,
            gain: 1.5,
            ..MimicSpec::default()
        };
        let target = Target::new(&spec, &Streams::new(3)).unwrap();
        let dot = |a: usize, b: usize| -> f64 {
            let w = &target.recurrent;
            (0..60).map(|i| w.at(i, a) * w.at(i, b)).sum()
        };
        for (a, b) in [(0, 0), (7, 7), (0, 1), (3, 59)] {
            let expected = if a == b { 2.25 } else { 0.0 };
            assert!((dot(a, b) - expected).abs() < 1e-12);
        }
        let within = |w: &Weights, rows: usize, pre: std::ops::Range<usize>, expected: f64| {
            let draws = (rows * pre.len()) as f64;
            let squares = pre.flat_map(|j| (0..rows).map(move |i| w.at(i, j).powi(2)));
            let variance = squares.sum::<f64>() / draws;
            (variance / expected - 1.0).abs() < 4.0 * (2.0 / draws).sqrt()
        };
        assert!(within(&target.recurrent, 60, 60..110, 1.0 / 50.0));
        assert!(within(&target.recurrent, 60, 110..111, 0.01));
        assert!(within(&target.readout, 50, 0..60, 1.0 / 60.0));
        assert!(within(&target.readout, 50, 60..61, 0.01));
    }

    #[test]
    fn training_and_tests_share_the_target_and_nothing_else() {
        let spec = MimicSpec {
            p_input: 1.0,
            ..small(1)
        };
        let streams = Streams::new(4);
        let first = |spec: &MimicSpec, purpose: &str| {
            let spec = TaskSpec::Mimic(spec.clone());
            let mut task = spec.build::<f64>(1, 10, &streams, purpose).unwrap();
            let mut sample = Sample::new(1, 4, 3);
            task.next(&mut sample);
            (sample.x, sample.y)
        };
        // With all inputs 1, the labels are those of the target alone.
        assert_eq!(first(&spec, "train"), first(&spec, "test"));
        let many = MimicSpec {
            latent: None,
            inputs: 64,
            ..small(1)
        };
        let inputs = |purpose| {
            let spec = TaskSpec::Mimic(many.clone());
            let mut task = spec.build::<f64>(1, 10, &streams, purpose).unwrap();
            let mut sample = Sample::new(1, 64, 3);
            task.next(&mut sample);
            sample.x
        };
        assert_ne!(inputs("train"), inputs("test"));
    }

    #[test]
    fn every_activation_starts_at_its_value_of_0() {
        assert_eq!(phi(Activation::Tanh, 0.0), 0.0);
        assert!((phi(Activation::Sigmoid, 0.0) - 0.5).abs() < 1e-15);
        assert!((phi(Activation::Softplus, 0.0) - std::f64::consts::LN_2).abs() < 1e-15);
    }

    #[test]
    fn bad_settings_are_named() {
        let with = |change: &dyn Fn(&mut MimicSpec)| {
            let mut spec = MimicSpec::default();
            change(&mut spec);
            TaskSpec::Mimic(spec)
        };
        refused(&with(&|s| s.units = 0), "task.units: got 0");
        refused(&with(&|s| s.inputs = 0), "task.inputs: got 0");
        refused(&with(&|s| s.outputs = Some(0)), "task.outputs: got 0");
        refused(&with(&|s| s.alpha = 0.0), "task.alpha: got 0");
        refused(&with(&|s| s.p_input = 1.5), "task.p_input: got 1.5");
        refused(&with(&|s| s.stretch = 0), "task.stretch: got 0");
        refused(&with(&|s| s.gain = f64::NAN), "task.gain: got NaN");
        refused(&with(&|s| s.latent = Some(5)), "task.latent: got 5");
    }
}
