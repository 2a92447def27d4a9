//! Tasks of one's own: with settings in TOML and a row in the table.

use std::any::TypeId;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Request, Settings, TASKS, Task, TaskInfo, TaskSpec};
use crate::own::{Entry, Info, Own, Registry, same, typed, with_own};
use crate::stream::Streams;
use crate::{Result, Scalar};

/// What a task of one's own is built for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Independent samples.
    pub batch: usize,
    /// Length of the run.
    pub steps: u64,
    /// The streams of the seed.
    pub streams: &'a Streams,
    /// What the task is for: `train`, `test`; sample b draws from `streams.stream(purpose, b)`.
    pub purpose: &'a str,
}

/// A task that does not come with the library; the type holds its settings, and [`register`] makes it known by its name.
pub trait OwnTask: Default + Serialize + DeserializeOwned + JsonSchema + 'static {
    /// Its row in the table of tasks.
    const INFO: TaskInfo;

    /// Inputs and outputs.
    fn sizes(&self) -> (usize, usize);

    /// Whether the stream is cut into trials.
    fn has_trials(&self) -> bool {
        false
    }

    /// Builds the task.
    ///
    /// # Errors
    /// A setting out of range, or a task that does not fit into the steps of the run.
    fn build<T: Scalar>(&self, wanted: Wanted<'_>) -> Result<Box<dyn Task<T>>>;
}

type Build<T> = fn(&Value, Wanted<'_>) -> Result<Box<dyn Task<T>>>;

/// What is made of a registered task.
pub struct Made {
    sizes: fn(&Value) -> Result<(usize, usize)>,
    has_trials: fn(&Value) -> Result<bool>,
    f32: Build<f32>,
    f64: Build<f64>,
}

impl Info for TaskInfo {
    const FIELD: &'static str = "task";
    fn names(&self) -> Vec<&'static str> {
        vec![self.name]
    }
    fn summary(&self) -> &'static str {
        self.summary
    }
}

static OWN: Registry<TaskInfo, Made> = Registry::new();

/// Makes a task known: experiments may name it from now on, and the table has it.
///
/// # Errors
/// A name that another task has.
pub fn register<K: OwnTask>() -> Result<()> {
    let made = Made {
        sizes: |settings| Ok(typed::<K>("task", settings)?.sizes()),
        has_trials: |settings| Ok(typed::<K>("task", settings)?.has_trials()),
        f32: |settings, wanted| typed::<K>("task", settings)?.build(wanted),
        f64: |settings, wanted| typed::<K>("task", settings)?.build(wanted),
    };
    OWN.register(Entry::new::<K>(K::INFO, made), TASKS)
}

/// The row of every task there is, registered ones last.
pub fn tasks() -> Vec<&'static TaskInfo> {
    OWN.after(TASKS)
}

/// A registered task with its settings.
pub type OwnTaskSpec = Own<TaskInfo, Made>;

impl Settings for OwnTaskSpec {
    // The row of a registered task stands in its entry.
    const INFO: TaskInfo = super::NO_INFO;

    fn sizes(&self) -> (usize, usize) {
        (self.entry.made.sizes)(&self.settings).unwrap_or((0, 0))
    }

    fn has_trials(&self) -> bool {
        (self.entry.made.has_trials)(&self.settings).unwrap_or(false)
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        let wanted = Wanted {
            batch: request.batch,
            steps: request.steps,
            streams: request.streams,
            purpose: request.purpose,
        };
        let (made, settings) = (&self.entry.made, &self.settings);
        match TypeId::of::<T>() == TypeId::of::<f32>() {
            true => same((made.f32)(settings, wanted)?),
            false => same((made.f64)(settings, wanted)?),
        }
    }
}

with_own!(TaskSpec, OWN, TASKS);
