//! Show the inputs of a task through a fixed random layer: x ← f(W x).
//!
//! W is N(0, gain²/inputs), drawn for the seed: training and tests see the same one.
//! Source: Marschall, Cho & Savin (code: Embedded_Inputs_Task).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::weights::{Weights, phi};
use super::{Bound, Request, Sample, Settings, Task, TaskInfo, TaskSpec, check};
use crate::kernel::Matrix;
use crate::loss::Loss;
use crate::neuron::Activation;
use crate::precision::Precision;
use crate::sizes::Need;
use crate::snapshot::StateIo;
use crate::synapse::{Fan, Init};
use crate::{Result, Scalar};

/// Configuration of embedded inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedSpec {
    /// The task whose inputs are embedded.
    pub task: Box<TaskSpec>,
    /// Inputs after the embedding.
    #[serde(default = "thirty_two")]
    #[schemars(range(min = 1, max = super::check::LARGEST))]
    pub inputs: usize,
    /// f, the activation of the layer.
    #[serde(default)]
    pub activation: Activation,
    /// Multiplies W, the random weights of the layer.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0))]
    pub gain: f64,
}

fn thirty_two() -> usize {
    32
}

fn one() -> f64 {
    1.0
}

impl EmbeddedSpec {
    /// This task behind a layer of 32 units.
    pub fn new(task: TaskSpec) -> Self {
        Self {
            task: Box::new(task),
            inputs: thirty_two(),
            activation: Activation::default(),
            gain: one(),
        }
    }
}

impl Settings for EmbeddedSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "embedded",
        summary: "another task, its inputs seen through a fixed random layer",
        sizes: "inputs, those of the task",
        source: "Marschall, Cho & Savin (code)",
    };

    fn sizes(&self) -> (usize, usize) {
        (self.inputs, self.task.sizes().1)
    }

    fn has_trials(&self) -> bool {
        self.task.has_trials()
    }

    fn width(&self) -> Option<(&'static str, u64)> {
        Some(("task.inputs", self.inputs as u64))
    }

    fn needs(&self, batch: usize) -> Vec<Need> {
        let (inputs, _) = self.task.sizes();
        let weights = 16.0 * (inputs as f64 + 1.0) * self.inputs as f64;
        let mut needs = super::needs_within(&self.task, "task.task", batch);
        needs.push(Need::new("task.inputs", self.inputs, weights));
        needs
    }

    fn longest_trial(&self) -> Option<u64> {
        self.task.longest_trial()
    }

    fn check_data(&self, loss: Loss, precision: Precision, tests: bool) -> Result<()> {
        let checked = self.task.check_data(loss, precision, tests);
        checked.map_err(|error| super::nested(error, "task.task"))
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        check::size("task.inputs", self.inputs, 1)?;
        let inner = self.task.build_for(request);
        let task = inner.map_err(|error| super::nested(error, "task.task"))?;
        let (inputs, outputs) = self.task.sizes();
        let mut weights = Matrix::zeros(self.inputs, inputs);
        let (gain, fan) = (self.gain, Fan::In);
        let mut stream = request.streams.stream("embedding", 0);
        let (rows, columns) = (0..self.inputs, 0..inputs);
        Init::Gaussian { gain, fan }.fill("task", &mut weights, rows, columns, &mut stream)?;
        Ok(Box::new(Embedded {
            task,
            sample: Sample::new(request.batch, inputs, outputs),
            weights: Weights::of(&weights),
            activation: self.activation,
            batch: request.batch,
            x: vec![0.0; inputs],
            embedded: vec![0.0; self.inputs],
        }))
    }

    fn bounds(&self) -> Vec<Bound> {
        self.task.bounds()
    }
}

struct Embedded<T> {
    task: Box<dyn Task<T>>,
    sample: Sample<T>,
    weights: Weights,
    activation: Activation,
    batch: usize,
    x: Vec<f64>,
    embedded: Vec<f64>,
}

impl<T: Scalar> Task<T> for Embedded<T> {
    fn sizes(&self) -> (usize, usize) {
        (self.embedded.len(), self.task.sizes().1)
    }

    fn next(&mut self, sample: &mut Sample<T>) -> bool {
        if !self.task.next(&mut self.sample) {
            return false;
        }
        let inner = &self.sample;
        for b in 0..self.batch {
            let from = &inner.x[b * self.x.len()..][..self.x.len()];
            let to = &mut sample.x[b * self.embedded.len()..][..self.embedded.len()];
            self.x.iter_mut().zip(from).for_each(|(x, v)| *x = v.f64());
            self.embedded.fill(0.0);
            self.weights.add(self.x.iter(), &mut self.embedded);
            for (to, u) in to.iter_mut().zip(&self.embedded) {
                *to = T::of(phi(self.activation, *u));
            }
        }
        sample.y.copy_from_slice(&inner.y);
        sample.masked = inner.masked;
        sample.mask.copy_from_slice(&inner.mask);
        sample.has_truth = inner.has_truth;
        sample.truth.copy_from_slice(&inner.truth);
        (sample.first, sample.last) = (inner.first, inner.last);
        true
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.task.state(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Streams;
    use crate::task::tests::{refused, run};
    use crate::task::{AddSpec, FlipFlopSpec};

    fn spec(task: TaskSpec) -> EmbeddedSpec {
        EmbeddedSpec {
            inputs: 6,
            gain: 1.5,
            ..EmbeddedSpec::new(task)
        }
    }

    #[test]
    fn inputs_are_those_of_the_task_behind_the_layer() {
        let inner = TaskSpec::FlipFlop(FlipFlopSpec {
            p_flip: 0.6,
            ..FlipFlopSpec::default()
        });
        let plain = run(&inner, 2, 200);
        let shown = run(&TaskSpec::Embedded(spec(inner)), 2, 200);
        // W as it is drawn: row by row.
        let mut stream = Streams::new(11).stream("embedding", 0);
        let mut draw = || 1.5 / 3f64.sqrt() * stream.normal();
        let weights: Vec<[f64; 3]> = (0..6).map(|_| [(); 3].map(|()| draw())).collect();
        for (plain, shown) in plain.iter().zip(&shown) {
            assert_eq!(plain.y, shown.y);
            for (b, x) in plain.x.chunks_exact(3).enumerate() {
                for (i, row) in weights.iter().enumerate() {
                    let u: f64 = row.iter().zip(x).map(|(w, x)| w * x).sum();
                    assert!((shown.x[6 * b + i] - u.tanh()).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn bounds_and_truth_are_those_of_the_task() {
        let inner = TaskSpec::Add(AddSpec::default());
        let embedded = TaskSpec::Embedded(spec(inner.clone()));
        assert_eq!(embedded.bounds(), inner.bounds());
        let (plain, shown) = (run(&inner, 1, 50), run(&embedded, 1, 50));
        assert!(
            plain
                .iter()
                .zip(&shown)
                .all(|(a, b)| a.truth == b.truth && b.has_truth)
        );
    }

    #[test]
    fn bad_settings_are_named() {
        let with = |change: &dyn Fn(&mut EmbeddedSpec)| {
            let mut spec = spec(TaskSpec::Add(AddSpec::default()));
            change(&mut spec);
            TaskSpec::Embedded(spec)
        };
        refused(&with(&|s| s.inputs = 0), "task.inputs: got 0");
        refused(&with(&|s| s.gain = f64::NAN), "task.gain: got NaN");
        let stretch = AddSpec {
            stretch: 0,
            ..AddSpec::default()
        };
        let bad = |s: &mut EmbeddedSpec| *s.task = TaskSpec::Add(stretch.clone());
        refused(&with(&bad), "task.task.stretch: got 0");
    }
}
