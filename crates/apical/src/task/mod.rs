//! What is to be learned: a task is an iterator of steps.

mod add;

use serde::{Deserialize, Serialize};

pub use add::{Add, AddSpec, Labels};

use crate::snapshot::StateIo;
use crate::stream::Streams;
use crate::{Result, Scalar};

/// One step of every sample of a batch; arrays hold one sample after another.
#[derive(Clone, Debug)]
pub struct Sample<T> {
    /// x(t), batch × inputs.
    pub x: Vec<T>,
    /// y*(t), batch × outputs.
    pub y: Vec<T>,
    /// Weight of each output's loss, batch × outputs; starts and stays 1 unless the task says otherwise.
    pub mask: Vec<T>,
    /// Whether `mask` is used at all.
    pub masked: bool,
    /// The probabilities y* was drawn from, batch × outputs, where the task knows them.
    pub truth: Vec<T>,
    /// Whether `truth` is filled.
    pub has_truth: bool,
    /// Whether a trial begins with this step.
    pub first: bool,
    /// Whether a trial ends with this step.
    pub last: bool,
}

impl<T: Scalar> Sample<T> {
    /// Zeros.
    pub fn new(batch: usize, inputs: usize, outputs: usize) -> Self {
        Self {
            x: vec![T::ZERO; batch * inputs],
            y: vec![T::ZERO; batch * outputs],
            mask: vec![T::ONE; batch * outputs],
            masked: false,
            truth: vec![T::ZERO; batch * outputs],
            has_truth: false,
            first: false,
            last: false,
        }
    }
}

/// A stream of steps.
pub trait Task<T: Scalar>: Send {
    /// Inputs and outputs of a sample.
    fn sizes(&self) -> (usize, usize);

    /// Writes the next step; `false` when there is none.
    fn next(&mut self, sample: &mut Sample<T>) -> bool;

    /// Saves or restores where the stream is.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()>;
}

/// Configuration of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaskSpec {
    /// Two inputs from the past decide the label.
    Add(AddSpec),
}

impl TaskSpec {
    /// The row of the task table for this task.
    pub fn info(&self) -> &'static TaskInfo {
        match self {
            Self::Add(_) => &add::INFO,
        }
    }

    /// Inputs and outputs.
    pub fn sizes(&self) -> (usize, usize) {
        match self {
            Self::Add(_) => (2, 2),
        }
    }

    /// Whether the stream is cut into trials.
    pub fn has_trials(&self) -> bool {
        match self {
            Self::Add(_) => false,
        }
    }

    /// Builds the task; `purpose` names its random stream (`train`, `test`).
    ///
    /// # Errors
    /// A setting out of range, or a task that does not fit into `steps`.
    pub fn build<T: Scalar>(
        &self,
        batch: usize,
        steps: u64,
        streams: &Streams,
        purpose: &str,
    ) -> Result<Box<dyn Task<T>>> {
        match self {
            Self::Add(spec) => Ok(Box::new(Add::new(spec, batch, steps, streams, purpose)?)),
        }
    }

    /// What a predictor with this or that knowledge can reach at best.
    pub fn bounds(&self) -> Vec<Bound> {
        match self {
            Self::Add(spec) => spec.bounds(),
        }
    }
}

/// The best a predictor with some knowledge of the inputs can do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// What the predictor knows.
    pub knowledge: String,
    /// Least expected cross-entropy, in nats a step.
    pub cross_entropy: f64,
    /// Largest expected accuracy.
    pub accuracy: f64,
}

/// A row of the table of tasks.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TaskInfo {
    /// Name in configurations.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Inputs and outputs.
    pub sizes: &'static str,
    /// Options with their defaults.
    pub options: &'static str,
    /// Paper.
    pub source: &'static str,
}

/// Every task there is.
pub const TASKS: &[TaskInfo] = &[add::INFO];
