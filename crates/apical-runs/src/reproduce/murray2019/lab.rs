//! Train networks once for all the figures that need them, and keep what the figures show.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use apical::monitor::{Monitor, Recorder};
use apical::network::Activity;
use apical::task::Task;
use apical::{Experiment, Learner, Precision, Scalar, Streams};
use rayon::prelude::*;

use crate::run::pool;
use crate::seed_run::Progress;
use crate::{Error, Result, experiment};

/// Losses above this, those of diverged runs among them, count as this: a silent output has 0.328 at figure 2's task.
pub const WORST: f64 = 1.0;
/// Steps between two looks at the stop flag, at least.
const CHUNK: u64 = 8192;

/// What one network gave.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Loss of each trial, or of each update's worth of steps, before its update.
    pub losses: Vec<f64>,
    /// Alignment of W_out with B, and the steps at which it was taken.
    pub alignments: (Vec<u64>, Vec<f64>),
    /// Weights whose sign is not that of their unit.
    pub wrong_signs: usize,
    /// What the look at the trained network found.
    pub seen: Seen,
}

/// What a look at a trained network can find.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Output of one more trial with the weights as they are, outputs of one step after another.
    pub output: Vec<f64>,
    /// Numbers by their place, as the look has it.
    pub numbers: Vec<Vec<f64>>,
}

impl Outcome {
    /// Loss of the untrained network.
    pub fn first(&self) -> f64 {
        self.losses.first().map_or(f64::NAN, |loss| loss.min(WORST))
    }

    /// Loss of the last trial.
    pub fn last(&self) -> f64 {
        self.losses.last().map_or(f64::NAN, |loss| loss.min(WORST))
    }

    /// Least loss of any trial.
    pub fn best(&self) -> f64 {
        self.losses.iter().copied().fold(f64::NAN, f64::min)
    }

    /// Mean loss of the last hundredth of the trials, by which rates are chosen.
    pub fn late(&self) -> f64 {
        let count = (self.losses.len() / 100).max(1);
        let last = &self.losses[self.losses.len().saturating_sub(count)..];
        let sum: f64 = last.iter().map(|loss| loss.min(WORST)).sum();
        sum / last.len() as f64
    }

    /// Alignment at the end.
    pub fn alignment(&self) -> f64 {
        self.alignments.1.last().copied().unwrap_or(f64::NAN)
    }
}

/// Looks at a network after its training.
pub trait Look: Sync {
    /// What there is to be seen.
    fn look<T: Scalar>(
        &self,
        experiment: &Experiment,
        learner: &mut Learner<T>,
        seed: u64,
    ) -> Result<Seen>;
}

/// One more trial of the task.
pub struct OneTrial;

impl Look for OneTrial {
    fn look<T: Scalar>(
        &self,
        experiment: &Experiment,
        learner: &mut Learner<T>,
        seed: u64,
    ) -> Result<Seen> {
        let streams = Streams::new(seed);
        let mut task =
            experiment
                .task
                .build::<T>(experiment.batch, experiment.steps, &streams, "test")?;
        Ok(Seen {
            output: trial(learner, &mut *task)?,
            numbers: Vec::new(),
        })
    }
}

/// Output of the next trial of `task`, weights and training activity untouched.
pub fn trial<T: Scalar>(learner: &Learner<T>, task: &mut dyn Task<T>) -> Result<Vec<f64>> {
    let mut sample = learner.sample_for(task)?;
    let mut activity = Activity::new(learner.network().dims());
    learner.network().reset(&mut activity);
    let mut output = Vec::new();
    while task.next(&mut sample) {
        learner.network().step::<false>(&mut activity, &sample.x);
        output.extend(activity.output.row(0).iter().map(|z| z.f64()));
        if sample.last {
            break;
        }
    }
    Ok(output)
}

/// The loss of `steps` steps at a time, in one number.
struct Losses {
    steps: u64,
    sum: f64,
    count: u64,
    means: Vec<f64>,
}

impl<T: Scalar> Monitor<T> for Losses {
    fn on_step(&mut self, learner: &Learner<T>) -> apical::Result<()> {
        self.sum += learner.last_loss();
        self.count += 1;
        if self.count == self.steps {
            self.means.push(self.sum / self.steps as f64);
            (self.sum, self.count) = (0.0, 0);
        }
        Ok(())
    }
}

struct Both<'a>(&'a mut Losses, &'a mut Recorder);

impl<T: Scalar> Monitor<T> for Both<'_> {
    fn on_step(&mut self, learner: &Learner<T>) -> apical::Result<()> {
        self.0.on_step(learner)?;
        self.1.on_step(learner)
    }
}

/// Steps whose mean loss is one number: the period of the experiment's loss monitor.
pub fn block(experiment: &Experiment) -> u64 {
    let mut monitors = experiment.monitor.iter();
    monitors
        .find(|monitor| monitor.quantity == "loss")
        .map_or(100, |monitor| monitor.every)
}

fn train<T: Scalar>(
    experiment: &Experiment,
    seed: u64,
    look: &impl Look,
    stop: &AtomicBool,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let mut learner = experiment.learner::<T>(seed)?;
    let streams = Streams::new(seed);
    let mut task =
        experiment
            .task
            .build::<T>(experiment.batch, experiment.steps, &streams, "train")?;
    let others: Vec<_> = experiment
        .monitor
        .iter()
        .filter(|monitor| monitor.quantity != "loss")
        .cloned()
        .collect();
    let mut recorder = Recorder::new(&others, &learner)?;
    let mut losses = Losses {
        steps: block(experiment),
        sum: 0.0,
        count: 0,
        means: Vec::new(),
    };
    let mut outcome = Outcome::default();
    let start = learner.alignment();
    let mut done = 0;
    let mut diverged = false;
    while done < experiment.steps {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let chunk = CHUNK.min(experiment.steps - done);
        let both = &mut Both(&mut losses, &mut recorder);
        match learner.run(&mut *task, chunk, both) {
            Ok(_) => {}
            // What diverges is a result, and the rest of its steps need not be made.
            Err(apical::Error::Diverged { .. }) => {
                diverged = true;
                progress.advance(experiment.steps - done);
                break;
            }
            Err(error) => return Err(error.into()),
        }
        done += chunk;
        progress.advance(chunk);
    }
    outcome.losses = losses.means;
    if diverged {
        outcome.losses.push(f64::INFINITY);
    }
    let (mut steps, mut values) = (vec![0], vec![start]);
    if let Some(channel) = recorder.channel("alignment") {
        steps.extend(&channel.steps);
        values.extend(&channel.values);
    }
    outcome.alignments = (steps, values);
    if let Some(excitatory) = learner.network().constraints().excitatory() {
        let weights = learner.network().synapses().weights();
        for i in 0..weights.rows() {
            let wrong = weights
                .row(i)
                .iter()
                .zip(excitatory)
                .filter(|(w, up)| **w != T::ZERO && (**w > T::ZERO) != **up);
            outcome.wrong_signs += wrong.count();
        }
    }
    if !diverged {
        outcome.seen = look.look(experiment, &mut learner, seed)?;
    }
    Ok(outcome)
}

/// Networks that were trained, by their settings.
pub struct Lab<'a> {
    threads: usize,
    stop: &'a AtomicBool,
    progress: &'a dyn Progress,
    done: BTreeMap<String, Vec<Outcome>>,
}

/// Settings without their title: what tells one condition from another.
fn key(experiment: &Experiment) -> Result<String> {
    let mut same = experiment.clone();
    same.title.clear();
    experiment::resolved(&same)
}

impl<'a> Lab<'a> {
    /// An empty one.
    pub fn new(threads: usize, stop: &'a AtomicBool, progress: &'a dyn Progress) -> Self {
        Self {
            threads,
            stop,
            progress,
            done: BTreeMap::new(),
        }
    }

    /// Set when everything should stop.
    pub fn stop(&self) -> &'a AtomicBool {
        self.stop
    }

    /// Told of steps that are done.
    pub fn progress(&self) -> &'a dyn Progress {
        self.progress
    }

    /// Trains every seed of every experiment that was not trained before, and looks at each network.
    pub fn run(&mut self, experiments: &[Experiment], look: &impl Look) -> Result<()> {
        let mut new: Vec<(String, &Experiment)> = Vec::new();
        for experiment in experiments {
            let key = key(experiment)?;
            if self.done.contains_key(&key) || new.iter().any(|(known, _)| *known == key) {
                // Counted where the steps were planned.
                self.progress.advance(experiment.steps * experiment.seeds);
            } else {
                new.push((key, experiment));
            }
        }
        let mut jobs: Vec<(usize, u64)> = Vec::new();
        for (index, (_, experiment)) in new.iter().enumerate() {
            jobs.extend((0..experiment.seeds).map(|k| (index, experiment.seed + k)));
        }
        // Long runs first, so that no thread is left with one at the end.
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        order.sort_by_key(|job| std::cmp::Reverse(new[jobs[*job].0].1.steps));
        let (stop, progress) = (self.stop, self.progress);
        let mut outcomes: Vec<(usize, Outcome)> =
            pool(self.threads, jobs.len())?.install(|| {
                order
                    .par_iter()
                    .with_max_len(1)
                    .map(|job| {
                        let (index, seed) = jobs[*job];
                        let experiment = new[index].1;
                        let outcome = match experiment.precision {
                            Precision::F32 => train::<f32>(experiment, seed, look, stop, progress),
                            Precision::F64 => train::<f64>(experiment, seed, look, stop, progress),
                        };
                        outcome.map(|outcome| (*job, outcome))
                    })
                    .collect::<Result<_>>()
            })?;
        outcomes.sort_by_key(|(job, _)| *job);
        let mut sorted = vec![Vec::new(); new.len()];
        for (job, outcome) in outcomes {
            sorted[jobs[job].0].push(outcome);
        }
        let keys = new.into_iter().map(|(key, _)| key);
        self.done.extend(keys.zip(sorted));
        Ok(())
    }

    /// The networks of an experiment that was trained.
    ///
    /// # Panics
    /// If it was not.
    pub fn of(&self, experiment: &Experiment) -> &[Outcome] {
        let key = key(experiment).unwrap_or_default();
        self.done.get(&key).expect("an experiment that was trained")
    }

    /// One number of each network of an experiment that was trained.
    pub fn each(&self, experiment: &Experiment, number: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        self.of(experiment).iter().map(number).collect()
    }
}
