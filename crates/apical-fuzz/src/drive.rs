//! Use what was accepted, for a few steps, as a run would.

use apical::monitor::Recorder;
use apical::snapshot::{Snapshot, StateIo};
use apical::task::{Sample, Task, TaskSpec};
use apical::{Error, Experiment, Learner, Precision, Result, Scalar, Streams};
use apical_runs::circuit::SequenceLoop;

/// Steps of a run.
const STEPS: u64 = 12;
/// Steps after a checkpoint: over the ends of trials, windows and updates.
const AFTER: u64 = 40;

/// Whether building it takes little time: what is large and allowed is no fault, and only slow.
fn is_small(experiment: &Experiment) -> bool {
    let (inputs, outputs) = experiment.task.sizes();
    experiment.network.units <= 64 && inputs <= 256 && outputs <= 256 && experiment.batch <= 16
}

/// A run without files.
pub struct Run<T> {
    learner: Learner<T>,
    task: Box<dyn Task<T>>,
    recorder: Recorder,
}

impl<T: Scalar> Run<T> {
    /// The run of the first seed.
    ///
    /// # Errors
    /// A setting that cannot work.
    pub fn new(experiment: &Experiment) -> Result<Self> {
        let (seed, batch) = (experiment.seed, experiment.batch);
        let learner = experiment.learner::<T>(seed)?;
        let streams = Streams::new(seed);
        Ok(Self {
            task: experiment
                .task
                .build(batch, experiment.steps, &streams, "train")?,
            recorder: Recorder::new(&experiment.monitor, &learner)?,
            learner,
        })
    }

    /// Learns from `steps` steps.
    ///
    /// # Errors
    /// Divergence, or data the loss cannot have.
    pub fn steps(&mut self, steps: u64) -> Result<u64> {
        self.learner.run(&mut *self.task, steps, &mut self.recorder)
    }

    /// The state as that of a checkpoint.
    ///
    /// # Errors
    /// A checkpoint of something else, or with numbers that cannot be.
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.scope("learner", |io| self.learner.state(io))?;
        io.scope("task", |io| self.task.state(io))?;
        io.scope("recorder", |io| self.recorder.state(io))
    }
}

/// Trains, saves and tests a few steps; `false` where it was refused or too large to try.
pub fn experiment(experiment: &Experiment) -> bool {
    if !is_small(experiment) {
        return false;
    }
    match experiment.precision {
        Precision::F32 => train::<f32>(experiment),
        Precision::F64 => train::<f64>(experiment),
    }
    .is_ok()
}

fn train<T: Scalar>(experiment: &Experiment) -> Result<()> {
    let mut run = Run::<T>::new(experiment)?;
    run.steps(STEPS.min(experiment.steps))?;
    let mut snapshot = Snapshot::default();
    run.state(&mut StateIo::save(&mut snapshot))?;
    if experiment.evaluate.steps > 0 {
        let streams = Streams::new(experiment.seed);
        let steps = experiment.steps.max(experiment.evaluate.steps);
        let task = experiment
            .task
            .build(experiment.batch, steps, &streams, "test");
        run.learner.evaluate(&mut *task?, STEPS)?;
    }
    let _ = run.learner.warnings();
    if let Some(mut circuit) = SequenceLoop::of(experiment, &run.learner, experiment.seed)? {
        circuit.train(1);
    }
    Ok(())
}

/// Goes on from a checkpoint; `false` where it was refused.
pub fn resume(experiment: &Experiment, snapshot: &Snapshot) -> bool {
    let go_on = || -> Result<()> {
        let mut run = Run::<f64>::new(experiment)?;
        run.state(&mut StateIo::restore(snapshot))?;
        run.steps(AFTER)?;
        // What runs on can be saved again, or has diverged.
        run.state(&mut StateIo::save(&mut Snapshot::default()))
    };
    match go_on() {
        Ok(()) | Err(Error::Diverged { .. }) => true,
        Err(_) => false,
    }
}

/// Shows a few samples of a task.
pub fn task(spec: &TaskSpec, batch: usize) -> bool {
    let show = || -> Result<()> {
        for purpose in ["train", "test"] {
            let mut task = spec.build::<f64>(batch, 100, &Streams::new(1), purpose)?;
            // A task that is refused has sizes of which no sample can be made.
            let (inputs, outputs) = task.sizes();
            let mut sample = Sample::new(batch, inputs, outputs);
            for _ in 0..STEPS {
                task.next(&mut sample);
            }
        }
        Ok(())
    };
    show().is_ok()
}
