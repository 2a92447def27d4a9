//! Train one seed, with tests, records and checkpoints, so that it can stop anywhere and go on bit for bit.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use apical::monitor::Recorder;
use apical::snapshot::{Snapshot, StateIo};
use apical::task::Task;
use apical::{Experiment, Learner, Precision, Scalar, Streams};

use crate::circuit::SequenceLoop;
use crate::record::{Curve, Ending, SeedRecord, Tests};
use crate::records_file::{RecordsFile, beside};
use crate::same_run::comparable;
use crate::{Error, Result, checkpoints, divergence};

/// Sees how far runs have come; called from several threads.
pub trait Progress: Sync {
    /// `steps` more steps are done.
    fn advance(&self, steps: u64);
    /// `steps` steps were done already, before this run.
    fn skip(&self, steps: u64) {
        self.advance(steps);
    }
    /// There are `steps` more steps to do than was thought.
    fn expect(&self, _steps: u64) {}
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
    let is_kept = around.resume && around.checkpoint.is_some_and(Path::exists);
    if around.stop.load(Ordering::Relaxed) && !is_kept {
        // A start takes long to draw, and would be drawn again.
        return Ok(SeedRecord::not_begun(seed));
    }
    match experiment.precision {
        Precision::F32 => SeedRun::<f32>::new(experiment, seed)?.run(around),
        Precision::F64 => SeedRun::<f64>::new(experiment, seed)?.run(around),
    }
}

/// A seed under way.
pub(crate) struct SeedRun<'a, T> {
    experiment: &'a Experiment,
    seed: u64,
    learner: Learner<T>,
    task: Box<dyn Task<T>>,
    recorder: Recorder,
    tests: Tests,
    /// Records that are kept beside the checkpoint, if there is one.
    records: Option<RecordsFile>,
    saved: Option<Saved>,
}

/// The last checkpoint of a seed.
struct Saved {
    step: u64,
    /// Tests made until then: a test due at this step may have been interrupted.
    tests: usize,
    /// Whether training had begun to diverge.
    is_past: bool,
}

/// Trials of the loop circuit that make a record.
const TRIALS: u64 = 100;
/// Steps between two reports of progress.
const CHUNK: u64 = 512;

impl<'a, T: Scalar> SeedRun<'a, T> {
    pub fn new(experiment: &'a Experiment, seed: u64) -> Result<Self> {
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
            records: None,
            saved: None,
        })
    }

    fn run(mut self, around: Surroundings<'_>) -> Result<SeedRecord> {
        self.records = around.checkpoint.map(|path| RecordsFile::new(beside(path)));
        if let (true, Some(path)) = (around.resume, around.checkpoint)
            && let Some(newest) = checkpoints::newest(path)
        {
            self.restore(&newest, path)?;
            around.progress.skip(self.learner.steps());
        }
        // Longer runs make room as they go: a mistyped number of steps is no reason to run out of memory.
        self.recorder.reserve(self.experiment.steps.min(1 << 24));
        let mut chained = Vec::new();
        let trained = match self.train(around) {
            Err(Error::Stopped) if self.is_saved() => Ok(Ending::Stopped),
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
        let mut curves = SeedRecord::curves_of(&self.recorder, &self.learner);
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
            if save_due && !self.is_saved() {
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
                if !self.is_saved() {
                    self.save(around.checkpoint)?;
                }
                return Ok(Ending::Finished);
            }
        }
    }

    /// Trains the loop circuit, if there is one, around the network as it now is. Its state is in no checkpoint: it starts
    /// anew from the trained network, with the same numbers.
    fn chain(&self, around: Surroundings<'_>, curves: &mut Vec<Curve>) -> Result<Ending> {
        let experiment = self.experiment;
        let Some(mut circuit) = SequenceLoop::of(experiment, &self.learner, self.seed)? else {
            return Ok(Ending::Finished);
        };
        let trials = experiment.circuit.as_ref().map_or(0, |c| c.trials);
        let trial = (experiment.all_steps() - experiment.steps) / trials.max(1);
        let mut curve = Curve {
            name: "right_transitions".into(),
            steps: Vec::new(),
            values: Vec::new(),
            end: None,
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
            end: None,
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

    /// Everything the next step depends on; with `records`, what was recorded as well.
    pub fn state(&mut self, io: &mut StateIo<'_>, records: bool) -> apical::Result<()> {
        io.scope("learner", |io| self.learner.state(io))?;
        io.scope("task", |io| self.task.state(io))?;
        if records {
            io.scope("recorder", |io| self.recorder.state(io))?;
            return io.scope("tests", |io| self.tests.state(io));
        }
        io.scope("recorder", |io| self.recorder.filters(io))
    }

    /// Whether the last checkpoint has all there is: what was just read is not written again.
    fn is_saved(&self) -> bool {
        let now = (self.learner.steps(), self.tests.steps().len());
        let saved = self.saved.as_ref();
        saved.is_some_and(|saved| (saved.step, saved.tests) == now)
    }

    /// Writes a checkpoint, after its records: until it has its name, they end where the one before says.
    pub fn save(&mut self, path: Option<&Path>) -> Result<()> {
        let Some(path) = path else { return Ok(()) };
        self.learner.check_weights()?;
        let mut snapshot = Snapshot::default();
        let mut io = StateIo::save(&mut snapshot);
        self.state(&mut io, false)?;
        if let Some(name) = io.not_finite() {
            return Err(apical::Error::Diverged {
                step: self.learner.steps(),
                what: name.trim_start_matches("learner.").into(),
                last_step: self.learner.steps().saturating_sub(1),
                last_loss: self.learner.last_loss(),
            }
            .into());
        }
        let config = comparable(self.experiment)?;
        snapshot.texts.insert("experiment".into(), config);
        snapshot.texts.insert("seed".into(), self.seed.to_string());
        let records = self
            .records
            .get_or_insert_with(|| RecordsFile::new(beside(path)));
        records.append(&self.recorder, &self.tests)?;
        checkpoints::note(&mut snapshot, records);
        // One from before training began to diverge is worth more than the one after it.
        let keep = self.saved.as_ref().is_some_and(|saved| !saved.is_past);
        if let Err(error) = checkpoints::write(path, &snapshot, keep) {
            records.undo();
            return Err(error);
        }
        self.saved = Some(Saved {
            step: self.learner.steps(),
            tests: self.tests.steps().len(),
            is_past: checkpoints::is_past(&snapshot),
        });
        Ok(())
    }

    /// Goes on from the checkpoint `newest`, which is `path` or the one before it.
    fn restore(&mut self, newest: &Path, path: &Path) -> Result<()> {
        let snapshot = checkpoints::read(newest, self.experiment, self.seed)?;
        let note = checkpoints::noted(&snapshot);
        self.state(&mut StateIo::restore(&snapshot), note.is_none())?;
        if let Some(note) = note {
            let records =
                RecordsFile::read(beside(path), note, &mut self.recorder, &mut self.tests)?;
            records.cut()?;
            self.records = Some(records);
        }
        // The one before gets its successor anew, and stays.
        self.saved = (newest == path).then(|| Saved {
            step: self.learner.steps(),
            tests: self.tests.steps().len(),
            is_past: checkpoints::is_past(&snapshot),
        });
        Ok(())
    }

    fn diverged(&self, error: &apical::Error, path: Option<&Path>) -> String {
        let what = error.divergence().unwrap_or_else(|| error.to_string());
        let cause = divergence::Cause::of(self.experiment, self.seed, &self.learner);
        let way_back = cause.way_back::<T>(self.experiment, self.seed, path);
        format!("seed {}: {what}. {cause} {way_back}", self.seed)
    }
}
