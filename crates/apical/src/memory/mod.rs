//! How much memory an experiment takes, worked out from its settings before anything is allocated.
//!
//! Each rule and each task says beside its arrays how large they are; the rest is counted here. An allocation that fails ends a program
//! without a word, and one that is promised but not there stops the machine: whoever runs an experiment compares the sum with what the
//! machine can give first ([`Experiment::check_memory`]).

mod plan;

pub use crate::sizes::{Need, total};
pub(crate) use plan::Plan;

use crate::learner::LearnerSpec;
use crate::network::{NetworkSpec, check_sizes};
use crate::rule::{Empty, RuleSpec};
use crate::sizes::{gigabytes, promised, room};
use crate::spec::Experiment;
use crate::task::{TaskSpec, check_batch};
use crate::{Error, Result, Scalar};

impl LearnerSpec {
    /// What a learner of trials of `trial` steps keeps in memory at most, part by part; empty where its units cannot be built.
    ///
    /// Rules that look back from an update keep a tape of the steps since the one before, or of the trial if that is shorter.
    pub fn needs<T: Scalar>(&self, inputs: usize, outputs: usize, trial: u64) -> Vec<Need> {
        let plan = Plan::of_learner(self, inputs, outputs, trial, size_of::<T>());
        plan.map_or(Vec::new(), |plan| plan.needs())
    }

    /// Refuses a learner that takes more than the `there` bytes there are, whatever its tape.
    ///
    /// # Errors
    /// No units, outputs or samples, or more than a million; the setting that asks for most is named.
    pub fn check_memory<T: Scalar>(&self, inputs: usize, outputs: usize, there: f64) -> Result<()> {
        match Plan::of_learner(self, inputs, outputs, 1, size_of::<T>()) {
            Some(plan) => plan.check(there),
            // What is wrong with the units is said where they are built.
            None => Ok(()),
        }
    }

    /// Refuses a learner for which the system does not even promise memory.
    pub(crate) fn check_promise<T: Scalar>(&self, inputs: usize, outputs: usize) -> Result<()> {
        check_sizes(self.network.units, inputs, outputs, self.batch)?;
        match Plan::of_learner(self, inputs, outputs, 1, size_of::<T>()) {
            Some(plan) => plan.check_promise(),
            None => Ok(()),
        }
    }
}

impl NetworkSpec {
    /// Refuses a network for which the system does not even promise memory.
    pub(crate) fn check_promise<T: Scalar>(
        &self,
        inputs: usize,
        outputs: usize,
        batch: usize,
    ) -> Result<()> {
        let bare = LearnerSpec {
            network: self.clone(),
            rule: RuleSpec::ReadoutOnly(Empty {}),
            batch,
            ..LearnerSpec::default()
        };
        bare.check_promise::<T>(inputs, outputs)
    }
}

impl Experiment {
    /// What a run of one seed keeps in memory at most, part by part: training, tests and checkpoints; empty where its units cannot be
    /// built.
    pub fn needs(&self) -> Vec<Need> {
        Plan::of_experiment(self).map_or(Vec::new(), |plan| plan.needs())
    }

    /// Refuses an experiment of which one seed takes more than the `there` bytes there are.
    ///
    /// # Errors
    /// The setting that asks for most is named.
    pub fn check_memory(&self, there: f64) -> Result<()> {
        self.check_memory_with(there, &[])
    }

    /// As [`Experiment::check_memory`], with rules that watch beside the one that learns.
    ///
    /// # Errors
    /// As [`Experiment::check_memory`].
    pub fn check_memory_with(&self, there: f64, watching: &[RuleSpec]) -> Result<()> {
        match Plan::of_experiment(self) {
            Some(plan) => plan.watched_by(watching).check(there),
            // What is wrong with the units is said where they are built.
            None => Ok(()),
        }
    }

    /// Refuses an experiment for which the system does not even promise memory.
    pub(crate) fn check_promise(&self) -> Result<()> {
        match Plan::of_experiment(self) {
            Some(plan) => plan.check_promise(),
            None => Ok(()),
        }
    }
}

impl TaskSpec {
    /// Refuses a task of which `batch` samples take more than the `there` bytes there are.
    ///
    /// # Errors
    /// The setting that asks for most is named.
    pub fn check_memory(&self, batch: usize, there: f64) -> Result<()> {
        check_batch(batch)?;
        let (inputs, outputs) = self.sizes();
        let (key, value) = self.width().unwrap_or(("batch", batch as u64));
        let row = inputs as f64 + 3.0 * outputs as f64;
        let step = 8.0 * row * (batch as f64 + 1.0) + 512.0 * batch as f64;
        let mut needs = self.needs(batch);
        needs.push(Need::new(key, value, step));
        let bytes = total(&needs);
        if bytes <= there {
            return Ok(());
        }
        let largest = needs.into_iter().max_by(|a, b| a.bytes.total_cmp(&b.bytes));
        let Need { key, value, .. } = largest.unwrap_or(Need::new("task", self.info().name, 0.0));
        let expected = format!(
            "what fits into {}: the task `{}` needs about {}",
            room(there),
            self.info().name,
            gigabytes(bytes)
        );
        let mend = "Set it lower; did a digit slip in?";
        Err(Error::invalid(key, value, expected, mend))
    }

    /// Refuses a task for which the system does not even promise memory.
    pub(crate) fn check_promise(&self, batch: usize) -> Result<()> {
        if promised(total(&self.needs(batch))) {
            return Ok(());
        }
        self.check_memory(batch, f64::NAN)
    }
}
