//! What is to be learned: a task is an iterator of steps.

mod add;
mod batch;
mod binary_addition;
mod check;
mod context_decision;
mod context_integration;
mod continuous_integration;
mod copy;
mod data;
mod deck;
mod delayed_match;
mod delayed_xor;
mod discrete_integration;
mod draw;
mod embedded;
mod fixed_point_transition;
mod flip_flop;
mod interval_matching;
mod loaded;
mod mimic;
mod multi_task;
mod own;
mod pattern_generation;
mod periodic;
mod reach;
mod rows;
mod sensorimotor_mapping;
mod sequences;
mod sequential_mnist;
mod sine_wave;
mod weights;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use add::{Add, AddSpec, Labels};
pub use binary_addition::{BinaryAdditionSpec, SumOutput};
pub use context_decision::ContextDecisionSpec;
pub use context_integration::{Context, ContextIntegrationSpec};
pub use continuous_integration::ContinuousIntegrationSpec;
pub use copy::CopySpec;
pub use data::DataSpec;
pub use delayed_match::DelayedMatchSpec;
pub use delayed_xor::DelayedXorSpec;
pub use discrete_integration::{DiscreteIntegrationSpec, Mode, Report, Times};
pub use embedded::EmbeddedSpec;
pub use fixed_point_transition::FixedPointTransitionSpec;
pub use flip_flop::FlipFlopSpec;
pub use interval_matching::IntervalMatchingSpec;
pub use loaded::Loaded;
pub use mimic::MimicSpec;
pub use multi_task::{BlockOrder, MultiTaskSpec};
pub use own::{OwnTask, OwnTaskSpec, Wanted, register, tasks};
pub use pattern_generation::PatternGenerationSpec;
pub use periodic::PeriodicSpec;
pub(crate) use reach::check_sequence;
pub use reach::{Corner, DIRECTIONS, ReachSpec};
pub use rows::{Rows, Stored};
pub use sensorimotor_mapping::SensorimotorMappingSpec;
pub use sequences::{Layout, Origin, Sequences};
pub use sequential_mnist::{Digits, LabelTime, SequentialMnistSpec};
pub use sine_wave::SineWaveSpec;

use crate::loss::Loss;
use crate::precision::Precision;
use crate::sizes::Need;
use crate::snapshot::StateIo;
use crate::stream::{Stream, Streams};
use crate::{Error, Result, Scalar};

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

/// What a task is built for.
pub(crate) struct Request<'a> {
    /// Independent samples.
    pub batch: usize,
    /// Length of the run.
    pub steps: u64,
    /// The streams of the seed.
    pub streams: &'a Streams,
    /// What the task is for, and the name of its streams.
    pub purpose: &'a str,
}

impl Request<'_> {
    /// A stream for each sample.
    pub fn sources(&self) -> impl Iterator<Item = Stream> {
        (0..self.batch as u64).map(|b| self.streams.stream(self.purpose, b))
    }
}

/// What the file of a task says of its settings.
pub(crate) trait Settings {
    /// Row of the table.
    const INFO: TaskInfo;

    /// Inputs and outputs.
    fn sizes(&self) -> (usize, usize);

    /// Whether the stream is cut into trials.
    fn has_trials(&self) -> bool {
        self.longest_trial().is_some()
    }

    /// Field and steps of the shortest event that units have to follow, where their time constant should not be longer.
    fn shortest_time(&self) -> Option<(&'static str, u64)> {
        None
    }

    /// Steps of the longest trial, where the settings tell.
    fn longest_trial(&self) -> Option<u64> {
        None
    }

    /// The setting that decides how many inputs or outputs there are, and its value.
    fn width(&self) -> Option<(&'static str, u64)> {
        None
    }

    /// What a batch of it keeps in memory beside one step of every sample.
    fn needs(&self, _batch: usize) -> Vec<Need> {
        Vec::new()
    }

    /// Refuses data that `loss` has no meaning for or `precision` cannot hold; those held out only if there are `tests`.
    fn check_data(&self, _loss: Loss, _precision: Precision, _tests: bool) -> Result<()> {
        Ok(())
    }

    /// Builds the task.
    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>>;

    /// Refuses what [`Settings::build`] would, sooner where building takes long.
    fn validate(&self, request: &Request<'_>) -> Result<()> {
        self.build::<f32>(request).map(drop)
    }

    /// What a predictor with this or that knowledge can reach at best, where that is known.
    fn bounds(&self) -> Vec<Bound> {
        Vec::new()
    }
}

/// The list of tasks: the name of each in configurations is its variant in snake case.
macro_rules! registry {
    ($($(#[$doc:meta])* $variant:ident($spec:ty)),* $(,)?) => {
        /// Configuration of a task.
        // The derived code reads and writes those that come with the library (`own.rs`).
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(remote = "Self", tag = "kind", rename_all = "snake_case")]
        #[schemars(rename = "TaskSpec", transform = own::complete)]
        #[non_exhaustive]
        pub enum TaskSpec {
            $($(#[$doc])* $variant($spec),)*
            /// A task of one's own, made known by [`register`].
            #[serde(skip)]
            Own(OwnTaskSpec),
        }

        /// Every task that comes with the library.
        pub const TASKS: &[TaskInfo] = &[$(<$spec as Settings>::INFO),*];

        impl TaskSpec {
            /// The row of the task table for this task.
            pub fn info(&self) -> &'static TaskInfo {
                match self {
                    $(Self::$variant(_) => &<$spec as Settings>::INFO,)*
                    Self::Own(own) => &own.entry.info,
                }
            }

            /// Inputs and outputs.
            pub fn sizes(&self) -> (usize, usize) {
                match self {
                    $(Self::$variant(spec) => Settings::sizes(spec),)*
                    Self::Own(spec) => Settings::sizes(spec),
                }
            }

            /// Whether the stream is cut into trials.
            pub fn has_trials(&self) -> bool {
                match self {
                    $(Self::$variant(spec) => Settings::has_trials(spec),)*
                    Self::Own(spec) => Settings::has_trials(spec),
                }
            }

            /// Field and steps of the shortest event that units have to follow.
            pub(crate) fn shortest_time(&self) -> Option<(&'static str, u64)> {
                match self {
                    $(Self::$variant(spec) => Settings::shortest_time(spec),)*
                    Self::Own(spec) => Settings::shortest_time(spec),
                }
            }

            /// Steps of the longest trial, where the settings tell.
            pub(crate) fn longest_trial(&self) -> Option<u64> {
                match self {
                    $(Self::$variant(spec) => Settings::longest_trial(spec),)*
                    Self::Own(spec) => Settings::longest_trial(spec),
                }
            }

            /// The setting that decides how many inputs or outputs there are, and its value.
            pub(crate) fn width(&self) -> Option<(&'static str, u64)> {
                match self {
                    $(Self::$variant(spec) => Settings::width(spec),)*
                    Self::Own(spec) => Settings::width(spec),
                }
            }

            /// What a batch of it keeps in memory beside one step of every sample.
            pub fn needs(&self, batch: usize) -> Vec<Need> {
                match self {
                    $(Self::$variant(spec) => Settings::needs(spec, batch),)*
                    Self::Own(spec) => Settings::needs(spec, batch),
                }
            }

            fn check_for(&self, request: &Request<'_>) -> Result<()> {
                match self {
                    $(Self::$variant(spec) => Settings::validate(spec, request),)*
                    Self::Own(spec) => Settings::validate(spec, request),
                }
            }

            /// Refuses data, all rows that a run may see, that `loss` has no meaning for or `precision` cannot hold.
            ///
            /// # Errors
            /// The first such row; a part, held out or to learn from, where nothing counts. Rows that are held out
            /// matter only if there are `tests`.
            pub fn check_data(&self, loss: Loss, precision: Precision, tests: bool) -> Result<()> {
                match self {
                    $(Self::$variant(spec) => Settings::check_data(spec, loss, precision, tests),)*
                    Self::Own(spec) => Settings::check_data(spec, loss, precision, tests),
                }
            }

            fn build_for<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
                match self {
                    $(Self::$variant(spec) => Settings::build(spec, request),)*
                    Self::Own(spec) => Settings::build(spec, request),
                }
            }

            /// What a predictor with this or that knowledge can reach at best.
            pub fn bounds(&self) -> Vec<Bound> {
                match self {
                    $(Self::$variant(spec) => Settings::bounds(spec),)*
                    Self::Own(spec) => Settings::bounds(spec),
                }
            }
        }
    };
}

registry! {
    /// Two inputs from the past decide the label.
    Add(AddSpec),
    /// Imitate a random network.
    Mimic(MimicSpec),
    /// Remember the last pulses.
    FlipFlop(FlipFlopSpec),
    /// Count pulses.
    DiscreteIntegration(DiscreteIntegrationSpec),
    /// Add up evidence.
    ContinuousIntegration(ContinuousIntegrationSpec),
    /// Add up the evidence the context names.
    ContextIntegration(ContextIntegrationSpec),
    /// Report the sign of the evidence the context names.
    ContextDecision(ContextDecisionSpec),
    /// Compare two stimuli.
    DelayedMatch(DelayedMatchSpec),
    /// Keep a stimulus until asked.
    SensorimotorMapping(SensorimotorMappingSpec),
    /// Oscillate on demand.
    SineWave(SineWaveSpec),
    /// Follow an automaton.
    FixedPointTransition(FixedPointTransitionSpec),
    /// Add binary numbers.
    BinaryAddition(BinaryAdditionSpec),
    /// Repeat a sequence.
    Copy(CopySpec),
    /// Read a digit pixel by pixel.
    SequentialMnist(SequentialMnistSpec),
    /// Produce a sum of sines.
    Periodic(PeriodicSpec),
    /// Repeat an interval.
    IntervalMatching(IntervalMatchingSpec),
    /// Move a cursor.
    Reach(ReachSpec),
    /// Compare two cues far apart.
    DelayedXor(DelayedXorSpec),
    /// Draw a curve.
    PatternGeneration(PatternGenerationSpec),
    /// Sequences of one's own.
    Data(DataSpec),
    /// Several tasks in blocks.
    MultiTask(MultiTaskSpec),
    /// Another task behind a random layer.
    Embedded(EmbeddedSpec),
}

/// In the place of a row that stands elsewhere.
const NO_INFO: TaskInfo = TaskInfo {
    name: "",
    summary: "",
    sizes: "",
    source: "",
};

impl TaskSpec {
    /// Examples to train on and for tests, of a task made of a fixed set that has been read.
    pub fn split(&self) -> Option<(usize, usize)> {
        match self {
            Self::SequentialMnist(spec) => spec.digits.get().map(|digits| digits.counts()),
            _ => None,
        }
    }

    /// What was read for a task made of a fixed set, in words: how much, and how it is split.
    pub fn in_words(&self) -> Option<String> {
        match self {
            Self::Data(spec) => spec.in_words(),
            _ => {
                let (train, test) = self.split()?;
                Some(format!("{train} examples to train on, {test} for tests"))
            }
        }
    }

    /// Builds the task; `purpose` names its random stream (`train`, `test`).
    ///
    /// # Errors
    /// A setting out of range, or a task that does not fit into `steps`.
    #[inline(never)]
    pub fn build<T: Scalar>(
        &self,
        batch: usize,
        steps: u64,
        streams: &Streams,
        purpose: &str,
    ) -> Result<Box<dyn Task<T>>> {
        check_batch(batch)?;
        self.check_promise(batch)?;
        self.build_for(&Request {
            batch,
            steps,
            streams,
            purpose,
        })
    }

    /// Refuses what [`TaskSpec::build`] would, without working out what takes long.
    ///
    /// # Errors
    /// Those of [`TaskSpec::build`].
    pub(crate) fn check(
        &self,
        batch: usize,
        steps: u64,
        streams: &Streams,
        purpose: &str,
    ) -> Result<()> {
        check_batch(batch)?;
        self.check_for(&Request {
            batch,
            steps,
            streams,
            purpose,
        })
    }
}

pub(crate) fn check_batch(batch: usize) -> Result<()> {
    const MOST: usize = 1 << 20;
    if batch == 0 {
        let mend = "Set it to 1 or more.";
        return Err(Error::invalid("batch", 0, "at least 1", mend));
    }
    if batch > MOST {
        let mend = "That would not fit in memory; did a digit slip in?";
        return Err(Error::invalid(
            "batch",
            batch,
            format!("at most {MOST}"),
            mend,
        ));
    }
    Ok(())
}

/// What a task inside of another keeps in memory, its settings named from the outside.
fn needs_within(task: &TaskSpec, place: &str, batch: usize) -> Vec<Need> {
    let (inputs, outputs) = task.sizes();
    let mut needs = task.needs(batch);
    for need in &mut needs {
        if let Some(rest) = need.key.strip_prefix("task") {
            need.key = format!("{place}{rest}");
        }
    }
    let sample = 8.0 * batch as f64 * (inputs as f64 + 3.0 * outputs as f64);
    needs.push(Need::new(place, task.info().name, sample));
    needs
}

/// An error of a task inside of another, its field named from the outside.
fn nested(mut error: Error, place: &str) -> Error {
    if let Error::Invalid { field, .. } = &mut error
        && let Some(rest) = field.strip_prefix("task")
        && (rest.is_empty() || rest.starts_with('.'))
    {
        *field = format!("{place}{rest}");
    }
    error
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
    /// Paper.
    pub source: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first `count` steps of the training stream of seed 11.
    pub fn run(spec: &TaskSpec, batch: usize, count: usize) -> Vec<Sample<f64>> {
        let streams = Streams::new(11);
        let (inputs, outputs) = spec.sizes();
        let mut task = spec.build(batch, count as u64, &streams, "train").unwrap();
        let mut sample = Sample::new(batch, inputs, outputs);
        (0..count)
            .map(|_| {
                assert!(task.next(&mut sample));
                sample.clone()
            })
            .collect()
    }

    /// Checks that a run of 10,000 steps is refused for `reason`.
    #[track_caller]
    pub fn refused(spec: &TaskSpec, reason: &str) {
        let built = spec.build::<f32>(2, 10_000, &Streams::new(0), "train");
        let error = built.err().expect("it was built").to_string();
        assert!(error.starts_with(reason), "{error}");
    }
}
