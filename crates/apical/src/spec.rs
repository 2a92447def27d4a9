//! An experiment as plain data: what TOML files and the command line say.

mod circuit;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::circuit::{CircuitSpec, Competition};
use crate::feedback::FeedbackSpec;
use crate::learner::{Learner, LearnerSpec, Reduction, Update};
use crate::loss::Loss;
use crate::monitor::MonitorSpec;
use crate::network::NetworkSpec;
use crate::optimizer::OptimizerSpec;
pub use crate::precision::Precision;
use crate::rule::RuleSpec;
use crate::synapse::Init;
use crate::task::{ReachSpec, Sample, TaskSpec};
use crate::{Error, Result, Scalar};

/// A whole experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// What it is, in one line.
    #[serde(default)]
    pub title: String,
    /// Steps of training.
    #[schemars(range(min = 1), extend("unit" = "steps"))]
    pub steps: u64,
    /// First seed; seed, seed + 1, … are run.
    #[serde(default)]
    pub seed: u64,
    /// Number of seeds.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub seeds: u64,
    /// Number type of a run.
    #[serde(default)]
    pub precision: Precision,
    /// Independent samples that share the weights.
    #[serde(default = "one_sample")]
    #[schemars(range(min = 1, max = 1 << 20))]
    pub batch: usize,
    /// When weights change.
    #[serde(default)]
    pub update: Update,
    /// How the gradients of several steps are put together.
    #[serde(default)]
    pub reduction: Reduction,
    /// What is to be learned.
    pub task: TaskSpec,
    /// Units and weights.
    #[serde(default)]
    pub network: NetworkSpec,
    /// What is minimised.
    pub loss: Loss,
    /// How errors come back.
    #[serde(default)]
    pub feedback: FeedbackSpec,
    /// How the recurrent layer learns.
    #[serde(default)]
    pub rule: RuleSpec,
    /// How gradients become weight changes.
    #[serde(default)]
    pub optimizer: OptimizerSpec,
    /// A loop circuit that is trained afterwards, the network staying as it is; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit: Option<CircuitSpec>,
    /// Held-out tests.
    #[serde(default)]
    pub evaluate: EvaluateSpec,
    /// Checkpoints.
    #[serde(default)]
    pub checkpoint: CheckpointSpec,
    /// What is recorded.
    #[serde(default = "loss_alone")]
    pub monitor: Vec<MonitorSpec>,
}

fn one() -> u64 {
    1
}

fn one_sample() -> usize {
    1
}

fn loss_alone() -> Vec<MonitorSpec> {
    vec![MonitorSpec::new("loss")]
}

/// When and how long to test on held-out data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateSpec {
    /// Training steps between two tests; 0 tests only at the end.
    #[schemars(extend("unit" = "steps"))]
    pub every: u64,
    /// Steps of a test; 0 switches tests off.
    #[schemars(extend("unit" = "steps"))]
    pub steps: u64,
}

impl Default for EvaluateSpec {
    fn default() -> Self {
        Self {
            every: 500,
            steps: 1_000,
        }
    }
}

/// When to write checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointSpec {
    /// Training steps between two checkpoints; 0 writes one at the end only.
    #[schemars(extend("unit" = "steps"))]
    pub every: u64,
}

impl Default for CheckpointSpec {
    fn default() -> Self {
        Self { every: 5_000 }
    }
}

impl Experiment {
    /// This many steps of a task, everything else at its default.
    pub fn new(steps: u64, task: TaskSpec, loss: Loss) -> Self {
        Self {
            title: String::new(),
            steps,
            seed: 0,
            seeds: one(),
            precision: Precision::default(),
            batch: one_sample(),
            update: Update::default(),
            reduction: Reduction::default(),
            task,
            network: NetworkSpec::default(),
            loss,
            feedback: FeedbackSpec::default(),
            rule: RuleSpec::default(),
            optimizer: OptimizerSpec::default(),
            circuit: None,
            evaluate: EvaluateSpec::default(),
            checkpoint: CheckpointSpec::default(),
            monitor: loss_alone(),
        }
    }

    /// The part that makes a learner.
    pub fn learner_spec(&self) -> LearnerSpec {
        LearnerSpec {
            network: self.network.clone(),
            loss: self.loss,
            feedback: self.feedback.clone(),
            rule: self.rule.clone(),
            optimizer: self.optimizer.clone(),
            update: self.update,
            reduction: self.reduction,
            batch: self.batch,
        }
    }

    /// A learner for one seed of this experiment.
    ///
    /// # Errors
    /// A setting out of range, or parts that do not fit each other.
    pub fn learner<T: Scalar>(&self, seed: u64) -> Result<Learner<T>> {
        let (inputs, outputs) = self.task.sizes();
        Learner::new(&self.learner_spec(), inputs, outputs, seed)
    }

    /// As [`Experiment::learner`], where orthogonal weights are 0 in place of what takes long to work out: to look at settings and
    /// names, not to run.
    ///
    /// # Errors
    /// Those of [`Experiment::learner`].
    pub fn learner_without_start<T: Scalar>(&self, seed: u64) -> Result<Learner<T>> {
        let mut spec = self.learner_spec();
        let network = &mut spec.network;
        for (field, init) in [
            ("network.recurrent", &mut network.recurrent),
            ("network.input", &mut network.input),
            ("network.readout", &mut network.readout),
        ] {
            if matches!(init, Init::Orthogonal { .. }) {
                init.check(field)?;
                *init = Init::Zero {};
            }
        }
        let (inputs, outputs) = self.task.sizes();
        Learner::new(&spec, inputs, outputs, seed)
    }

    /// What is worked out before the first step and takes long, in words; `None` where it is a matter of seconds.
    pub fn slow_start(&self) -> Option<String> {
        /// Seconds that nobody asks about.
        const SHORT: f64 = 5.0;
        let cubed = |n: usize| (n as f64).powi(3);
        // Measured on one thread: 8/3 n³ products and sums in blocks, and the eigenvalues of a full matrix.
        let orthogonal = |n: usize| 1.3e-10 * cubed(n);
        let own = match self.network.recurrent {
            Init::Orthogonal { .. } => (
                "network.recurrent",
                self.network.units,
                orthogonal(self.network.units),
            ),
            Init::Balanced {} | Init::Typed { .. } => (
                "network.recurrent",
                self.network.units,
                2e-8 * cubed(self.network.units),
            ),
            _ => ("network.recurrent", 0, 0.0),
        };
        let tests = if self.evaluate.steps > 0 { 2.0 } else { 1.0 };
        let imitated = match &self.task {
            TaskSpec::Mimic(spec) => ("task.units", spec.units, tests * orthogonal(spec.units)),
            _ => ("task.units", 0, 0.0),
        };
        let slow = [own, imitated]
            .into_iter()
            .filter(|(.., seconds)| *seconds > SHORT);
        let notes: Vec<String> = slow
            .map(|(field, n, seconds)| {
                format!("the {n} x {n} matrix of {field}, about {seconds:.0} s")
            })
            .collect();
        let all = notes.join(", and ");
        (!notes.is_empty())
            .then(|| format!("Worked out for each seed before its first step: {all}."))
    }

    /// Steps of one seed, those of the loop circuit included.
    pub fn all_steps(&self) -> u64 {
        let circuit = match self.chained() {
            Ok(Some((circuit, reach))) => {
                let syllables = circuit.sequence.len() as u64;
                let trial = reach.syllable().saturating_mul(syllables);
                trial.saturating_mul(circuit.trials)
            }
            _ => 0,
        };
        self.steps.saturating_add(circuit)
    }

    /// The settings of the loop circuit, if there is one, and of the task whose movements it chains.
    ///
    /// # Errors
    /// Another task than `reach`.
    pub fn chained(&self) -> Result<Option<(&CircuitSpec, &ReachSpec)>> {
        match (&self.circuit, &self.task) {
            (None, _) => Ok(None),
            (Some(circuit), TaskSpec::Reach(reach)) => Ok(Some((circuit, reach))),
            (Some(_), task) => Err(Error::invalid(
                "circuit",
                format!("a loop circuit for task `{}`", task.info().name),
                "one for the task `reach`, whose movements it chains",
                "Set task.kind = \"reach\", or remove [circuit].",
            )),
        }
    }

    /// Refuses tests that end before any step counts.
    fn check_tests(&self, streams: &crate::Streams) -> Result<()> {
        /// Tasks that draw their steps are not followed for longer.
        const MOST: u64 = 1_000_000;
        let steps = self.evaluate.steps;
        let all = self.steps.max(steps);
        if !may_mask(&self.task) {
            return Ok(());
        }
        let mut task = self.task.build::<f32>(self.batch, all, streams, "test")?;
        let (inputs, outputs) = task.sizes();
        let mut sample = Sample::new(self.batch, inputs, outputs);
        let mut shown = 0;
        while shown < steps && task.next(&mut sample) {
            shown += 1;
            let counts = !sample.masked || sample.mask.iter().any(|weight| *weight > 0.0);
            if counts || shown == MOST {
                return Ok(());
            }
        }
        if shown == 0 {
            return Ok(());
        }
        Err(Error::invalid(
            "evaluate.steps",
            steps,
            format!("a test of some steps that count: the first {shown} held out have weight 0"),
            "Raise it, change the mask, or set it to 0 to run without tests.",
        ))
    }

    /// Everything that can be checked without running.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn check(&self) -> Result<()> {
        for (field, value) in [("steps", self.steps), ("seeds", self.seeds)] {
            if value == 0 {
                return Err(Error::invalid(
                    field,
                    0,
                    "at least 1",
                    "Set it to 1 or more.",
                ));
            }
        }
        if matches!(self.update, Update::Trial | Update::Trials(_)) && !self.task.has_trials() {
            return Err(Error::invalid(
                "update",
                "the end of trials",
                format!(
                    "steps, because task `{}` is one endless stream",
                    self.task.info().name
                ),
                "Set update = \"step\" or { every = 100 }: no trial of it ever ends.",
            ));
        }
        self.check_promise()?;
        let streams = crate::Streams::new(self.seed);
        self.task.check(self.batch, self.steps, &streams, "train")?;
        let tests = self.evaluate.steps > 0;
        self.task.check_data(self.loss, self.precision, tests)?;
        if tests {
            let steps = self.steps.max(self.evaluate.steps);
            self.task.check(self.batch, steps, &streams, "test")?;
            self.check_tests(&streams)?;
        }
        let learner = self.learner_without_start::<f32>(self.seed)?;
        if learner.needs_trials() && !self.task.has_trials() {
            return Err(Error::invalid(
                "rule.kind",
                self.rule.info().name,
                format!(
                    "a rule that learns within trials, because task `{}` is one endless stream",
                    self.task.info().name
                ),
                "Use rule.kind = \"node_perturbation\", or a task with trials (`apical tasks`).",
            ));
        }
        if let Some((circuit, _)) = self.chained()? {
            circuit.check(self.task.sizes(), self.batch)?;
        }
        let tau = self.network.neuron.time_constant();
        if let Some((field, steps)) = self.task.shortest_time()
            && (steps as f64) < tau
        {
            return Err(Error::invalid(
                field,
                steps,
                format!(
                    "at least {:.0} steps, the time constant of the units",
                    tau.ceil()
                ),
                "Make it longer, or network.neuron faster: units could not follow.",
            ));
        }
        crate::monitor::Recorder::new(&self.monitor, &learner)?;
        Ok(())
    }
}

/// Whether steps of a task may count for nothing; a network to imitate, which may be large, is not built to find out.
fn may_mask(task: &TaskSpec) -> bool {
    match task {
        TaskSpec::Mimic(_) => false,
        TaskSpec::MultiTask(spec) => spec.tasks.iter().any(may_mask),
        TaskSpec::Embedded(spec) => may_mask(&spec.task),
        _ => true,
    }
}
