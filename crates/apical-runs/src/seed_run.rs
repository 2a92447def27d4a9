//! Train one seed, with tests, records and checkpoints, so that it can stop anywhere and go on bit for bit.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use apical::monitor::Recorder;
use apical::snapshot::{Snapshot, StateIo};
use apical::task::Task;
use apical::{Experiment, Learner, Precision, Scalar, Streams};

use crate::record::{Curve, Ending, SeedRecord, Tests};
use crate::{Error, Result, checkpoint_file, experiment};

/// Sees how far runs have come; called from several threads.
pub trait Progress: Sync {
    /// `steps` more steps are done.
    fn advance(&self, steps: u64);
    /// `steps` steps were done already, before this run.
    fn skip(&self, steps: u64) {
        self.advance(steps);
    }
    /// A seed has ended.
    fn ended(&self, _record: &SeedRecord) {}
}

/// Sees nothing.
impl Progress for () {
    fn advance(&self, _: u64) {}
}

/// What a run needs from around it.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Where to write checkpoints; `None` writes none.
    pub checkpoint: Option<&'a Path>,
    /// Whether to go on from the checkpoint, if there is one.
    pub resume: bool,
    /// Set to stop at the next opportunity.
    pub stop: &'a AtomicBool,
    /// Told of every few hundred steps.
    pub progress: &'a dyn Progress,
}

/// Trains one seed of `experiment`.
///
/// # Errors
/// A setting that cannot work, or a checkpoint that cannot be read or written. A run that diverges is not an
/// error: its record says so.
pub fn run_seed(
    experiment: &Experiment,
    seed: u64,
    around: Surroundings<'_>,
) -> Result<SeedRecord> {
    match experiment.precision {
        Precision::F32 => SeedRun::<f32>::new(experiment, seed)?.run(around),
        Precision::F64 => SeedRun::<f64>::new(experiment, seed)?.run(around),
    }
}

struct SeedRun<'a, T> {
    experiment: &'a Experiment,
    seed: u64,
    learner: Learner<T>,
    task: Box<dyn Task<T>>,
    recorder: Recorder,
    tests: Tests,
    /// Steps of the last checkpoint, if any.
    saved: Option<u64>,
}

/// Trials of the loop circuit that make a record.
const TRIALS: u64 = 100;
/// Steps between two reports of progress.
const CHUNK: u64 = 512;

impl<'a, T: Scalar> SeedRun<'a, T> {
    fn new(experiment: &'a Experiment, seed: u64) -> Result<Self> {
        let learner = experiment.learner::<T>(seed)?;
        let streams = Streams::new(seed);
        let (batch, steps) = (experiment.batch, experiment.steps);
        let task = experiment.task.build(batch, steps, &streams, "train")?;
        let recorder = Recorder::new(&experiment.monitor, &learner)?;
        Ok(Self {
            experiment,
            seed,
            learner,
            task,
            recorder,
            tests: Tests::default(),
            saved: None,
        })
    }

    fn run(mut self, around: Surroundings<'_>) -> Result<SeedRecord> {
        if let (true, Some(path)) = (around.resume, around.checkpoint)
            && path.exists()
        {
            self.restore(path)?;
            around.progress.skip(self.learner.steps());
        }
        // Longer runs make room as they go: a mistyped number of steps is no reason to run out of memory.
        self.recorder.reserve(self.experiment.steps.min(1 << 24));
        let mut chained = Vec::new();
        let trained = match self.train(around) {
            Err(Error::Stopped) => self.save(around.checkpoint).map(|()| Ending::Stopped),
            other => other,
        };
        let ending = match trained {
            Ok(Ending::Finished) => self.chain(around, &mut chained)?,
            Ok(ending) => ending,
            Err(Error::Apical(error @ apical::Error::Diverged { .. })) => {
                Ending::Diverged(self.diverged(&error, around.checkpoint))
            }
            Err(error) => return Err(error),
        };
        let mut curves = SeedRecord::curves_of(&self.recorder);
        curves.extend(chained);
        let record = SeedRecord {
            seed: self.seed,
            steps: self.learner.steps(),
            ending,
            curves,
            tests: self.tests,
            warnings: self.learner.warnings(),
        };
        around.progress.ended(&record);
        Ok(record)
    }

    fn train(&mut self, around: Surroundings<'_>) -> Result<Ending> {
        let steps = self.experiment.steps;
        let (test_every, test_steps) = (
            self.experiment.evaluate.every,
            self.experiment.evaluate.steps,
        );
        let save_every = self.experiment.checkpoint.every;
        loop {
            let done = self.learner.steps();
            let tested = self.tests.steps().last().is_some_and(|step| *step == done);
            let test_due = done == steps || (test_every > 0 && done.is_multiple_of(test_every));
            if test_steps > 0 && test_due && !tested {
                self.test(around.stop)?;
            }
            let save_due =
                done == steps || (save_every > 0 && done.is_multiple_of(save_every) && done > 0);
            if save_due {
                self.save(around.checkpoint)?;
            }
            if done >= steps {
                return Ok(Ending::Finished);
            }
            let mut until = (done / CHUNK + 1) * CHUNK;
            for every in [test_every, save_every] {
                if let Some(passed) = done.checked_div(every) {
                    until = until.min((passed + 1) * every);
                }
            }
            let chunk = until.min(steps) - done;
            let ran =
                self.learner
                    .run_until(&mut *self.task, chunk, &mut self.recorder, around.stop);
            around.progress.advance(self.learner.steps() - done);
            if ran? < chunk {
                // The task has no more steps: what was recorded is all there is.
                self.save(around.checkpoint)?;
                return Ok(Ending::Finished);
            }
        }
    }

    /// Trains the loop circuit, if there is one, around the network as it now is. Its state is in no checkpoint: it starts
    /// anew from the trained network, with the same numbers.
    fn chain(&self, around: Surroundings<'_>, curves: &mut Vec<Curve>) -> Result<Ending> {
        let experiment = self.experiment;
        let Some(mut circuit) = experiment.sequence_loop(&self.learner, self.seed)? else {
            return Ok(Ending::Finished);
        };
        let trials = experiment.circuit.as_ref().map_or(0, |c| c.trials);
        let trial = (experiment.all_steps() - experiment.steps) / trials.max(1);
        let mut curve = Curve {
            name: "right_transitions".into(),
            steps: Vec::new(),
            values: Vec::new(),
        };
        let mut done = 0;
        while done < trials {
            if around.stop.load(Ordering::Relaxed) {
                return Ok(Ending::Stopped);
            }
            let block = TRIALS.min(trials - done);
            let share = circuit.train(block);
            done += block;
            curve.steps.push(experiment.steps + done * trial);
            curve.values.push(share);
            around.progress.advance(block * trial);
        }
        // How it does without exploring: as many as are right of as many as there are.
        let (right, all) = circuit.trial(false, false).right;
        let end = Curve {
            name: "right_transitions_at_the_end".into(),
            steps: curve.steps.last().copied().into_iter().collect(),
            values: vec![right as f64 / all as f64],
        };
        curves.extend([curve, end]);
        Ok(Ending::Finished)
    }

    /// The same held-out stream every time, so that tests differ by the weights alone.
    fn test(&mut self, stop: &AtomicBool) -> Result<()> {
        let steps = self.experiment.evaluate.steps;
        let streams = Streams::new(self.seed);
        let (batch, all) = (self.experiment.batch, self.experiment.steps.max(steps));
        let mut task = self.experiment.task.build(batch, all, &streams, "test")?;
        self.learner.check_weights()?;
        let result = self.learner.evaluate_until(&mut *task, steps, stop)?;
        self.tests.push(self.learner.steps(), result);
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> apical::Result<()> {
        io.scope("learner", |io| self.learner.state(io))?;
        io.scope("task", |io| self.task.state(io))?;
        io.scope("recorder", |io| self.recorder.state(io))?;
        io.scope("tests", |io| self.tests.state(io))
    }

    fn save(&mut self, path: Option<&Path>) -> Result<()> {
        let Some(path) = path else { return Ok(()) };
        self.learner.check_weights()?;
        let mut snapshot = Snapshot::default();
        self.state(&mut StateIo::save(&mut snapshot))?;
        let config = comparable(self.experiment)?;
        snapshot.texts.insert("experiment".into(), config);
        snapshot.texts.insert("seed".into(), self.seed.to_string());
        checkpoint_file::write(path, &snapshot)?;
        self.saved = Some(self.learner.steps());
        Ok(())
    }

    fn restore(&mut self, path: &Path) -> Result<()> {
        let snapshot = read_checkpoint(path, self.experiment, self.seed)?;
        self.state(&mut StateIo::restore(&snapshot))?;
        self.saved = Some(self.learner.steps());
        Ok(())
    }

    fn diverged(&self, error: &apical::Error, path: Option<&Path>) -> String {
        let back = match (self.saved, path) {
            (Some(steps), Some(path)) => {
                format!(" Last checkpoint: {} at step {steps}.", path.display())
            }
            _ => " No checkpoint was written before.".into(),
        };
        format!("seed {}: {error}{back}", self.seed)
    }
}

/// The checkpoint of a seed, if it belongs to this experiment.
pub(crate) fn read_checkpoint(path: &Path, experiment: &Experiment, seed: u64) -> Result<Snapshot> {
    let snapshot = checkpoint_file::read(path)?;
    let text = |name: &str| snapshot.texts.get(name).map_or("", String::as_str);
    same_settings(path, text("experiment"), experiment)?;
    if text("seed") != seed.to_string() {
        return Err(Error::Config {
            field: path.display().to_string(),
            what: format!("holds seed {}, expected {seed}", text("seed")),
            mend: "Put the file back under its own name, or remove it to train this seed anew."
                .into(),
        });
    }
    Ok(snapshot)
}

/// The settings that decide what happens up to a step: not how long, how many or how often saved.
pub(crate) fn comparable(experiment: &Experiment) -> Result<String> {
    let mut same = experiment.clone();
    (same.steps, same.seed, same.seeds) = (0, 0, 1);
    same.title.clear();
    same.checkpoint = Default::default();
    experiment::resolved(&same)
}

/// Refuses to go on with `experiment` where `path` holds another; the first setting that differs is named.
pub(crate) fn same_settings(path: &Path, kept: &str, experiment: &Experiment) -> Result<()> {
    let new = comparable(experiment)?;
    if kept == new {
        return Ok(());
    }
    let (kept, new) = (experiment::leaves(kept), experiment::leaves(&new));
    let differs = |key: &&String| kept.get(*key) != new.get(*key);
    let key = new.keys().chain(kept.keys()).find(differs);
    let key = key.map_or("experiment", String::as_str);
    let value = |of: &BTreeMap<String, String>| of.get(key).map_or("nothing".into(), String::clone);
    Err(Error::Config {
        field: key.into(),
        what: format!(
            "got {}, expected {} as in {}",
            value(&new),
            value(&kept),
            path.display()
        ),
        mend: "Resume with the settings of the run, or choose another --out for a new one.".into(),
    })
}
