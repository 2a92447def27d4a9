//! One seed of a comparison, which can stop anywhere and go on to the same numbers.

use std::path::Path;
use std::sync::atomic::Ordering;

use apical::analysis::{Alignment, Comparison};
use apical::snapshot::{Snapshot, StateIo};
use apical::task::Task;
use apical::{Learner, Scalar, Streams};

use super::{Plan, comparison};
use crate::runner::Runner;
use crate::{Error, Result, checkpoint_file};

/// Steps between two reports of progress.
const CHUNK: u64 = 512;

pub(super) struct SeedComparison<'a, T> {
    plan: &'a Plan,
    seed: u64,
    learner: Learner<T>,
    comparison: Comparison<T>,
    task: Box<dyn Task<T>>,
    /// Steps done, and whether they are all there are.
    steps: u64,
    is_done: bool,
    /// Steps in the file of the seed.
    saved: u64,
}

impl<'a, T: Scalar> SeedComparison<'a, T> {
    pub fn new(plan: &'a Plan, seed: u64) -> Result<Self> {
        let experiment = &plan.experiment;
        let (learner, comparison) = comparison::<T>(experiment, &plan.passive(), seed)?;
        let streams = Streams::new(seed);
        let (batch, steps) = (experiment.batch, experiment.steps);
        Ok(Self {
            plan,
            seed,
            learner,
            comparison,
            task: experiment.task.build(batch, steps, &streams, "train")?,
            steps: 0,
            is_done: false,
            saved: 0,
        })
    }

    /// Trains from where the seed was kept, if it was, to the end.
    pub fn run(mut self, runner: Runner<'_>) -> Result<Vec<Alignment>> {
        let settings = self.plan.settings(self.seed)?;
        let file = runner.kept(&settings, self.seed);
        let file = file.as_deref();
        if let Some(path) = file.filter(|path| path.exists()) {
            self.restore(path, &settings)?;
            runner.progress.skip(self.steps);
        }
        let every = self.plan.experiment.checkpoint.every;
        while !self.is_done {
            match self.train(runner) {
                Err(Error::Stopped) => {
                    self.save(file, &settings)?;
                    return Err(Error::Stopped);
                }
                trained => trained?,
            }
            if self.is_done || every > 0 && self.steps.is_multiple_of(every) {
                self.save(file, &settings)?;
            }
        }
        Ok(self.comparison.alignments().to_vec())
    }

    /// Trains until there is something to report or to save.
    fn train(&mut self, runner: Runner<'_>) -> Result<()> {
        let experiment = &self.plan.experiment;
        let begun = self.steps;
        let next = |every: u64| match begun.checked_div(every) {
            Some(passed) => (passed + 1).saturating_mul(every),
            None => u64::MAX,
        };
        let until = next(CHUNK)
            .min(next(experiment.checkpoint.every))
            .min(experiment.steps);
        let mut sample = self.learner.sample_for(&*self.task)?;
        let mut go_on = || -> Result<()> {
            while self.steps < until {
                if runner.stop.load(Ordering::Relaxed) {
                    return Err(Error::Stopped);
                }
                if !self.task.next(&mut sample) {
                    self.is_done = true;
                    return Ok(());
                }
                self.comparison.learn(&mut self.learner, &sample)?;
                self.steps += 1;
            }
            Ok(())
        };
        let gone = go_on();
        runner.progress.advance(self.steps - begun);
        gone?;
        if self.steps == experiment.steps {
            self.learner.check_weights()?;
            self.is_done = true;
        }
        Ok(())
    }

    /// What was found; of a seed that is not done also all that the next step depends on.
    fn state(&mut self, io: &mut StateIo<'_>) -> apical::Result<()> {
        io.counter("steps", &mut self.steps, 0..=self.plan.experiment.steps)?;
        io.flag("is_done", &mut self.is_done)?;
        io.scope("found", |io| self.comparison.found(io))?;
        if self.is_done {
            return Ok(());
        }
        io.scope("learner", |io| self.learner.state(io))?;
        io.scope("task", |io| self.task.state(io))?;
        io.scope("comparison", |io| self.comparison.state(io))
    }

    fn save(&mut self, path: Option<&Path>, settings: &str) -> Result<()> {
        let Some(path) = path.filter(|_| self.is_done || self.steps > self.saved) else {
            return Ok(());
        };
        self.saved = self.steps;
        self.learner.check_weights()?;
        let mut snapshot = Snapshot::default();
        self.state(&mut StateIo::save(&mut snapshot))?;
        let texts = &mut snapshot.texts;
        texts.insert("comparison".into(), settings.into());
        texts.insert("seed".into(), self.seed.to_string());
        checkpoint_file::write(path, &snapshot)
    }

    fn restore(&mut self, path: &Path, settings: &str) -> Result<()> {
        let snapshot = checkpoint_file::read_kept(path)?;
        let text = |name: &str| snapshot.texts.get(name).map(String::as_str);
        let is_same =
            text("comparison") == Some(settings) && text("seed") == Some(&self.seed.to_string());
        let refused = |what: &str| Error::Config {
            field: path.display().to_string(),
            what: what.into(),
            mend: "Put the file back under its own name, or remove it to train this seed anew."
                .into(),
        };
        if !is_same {
            return Err(refused("holds another comparison or another seed"));
        }
        self.state(&mut StateIo::restore(&snapshot))?;
        if self.steps > self.plan.experiment.steps {
            return Err(refused("holds more steps than the comparison has"));
        }
        self.saved = self.steps;
        Ok(())
    }
}
