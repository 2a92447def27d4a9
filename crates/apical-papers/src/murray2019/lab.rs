//! Train networks once for all the figures that need them, and keep what the figures show.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use apical::monitor::{Monitor, Recorder};
use apical::network::Activity;
use apical::snapshot::{Length, STEPS, Snapshot, StateIo};
use apical::task::Task;
use apical::{Experiment, Learner, Precision, Scalar, Streams};

use crate::claims::Claim;
use crate::claims::sequential::MEAN_LOOKS;
use apical_runs::runner::Runner;
use apical_runs::{Result, checkpoint_file, experiment};

/// Losses above this, those of diverged runs among them, count as this: a silent output has 0.328 at figure 2's task.
pub const WORST: f64 = 1.0;
/// Steps between two reports of progress.
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

    /// Whether it ended in a loss that is no number.
    pub fn diverged(&self) -> bool {
        self.losses.last().is_some_and(|loss| !loss.is_finite())
    }

    /// Mean loss of the last hundredth of the trials, by which rates are chosen; the worst if it diverged.
    pub fn late(&self) -> f64 {
        if self.diverged() {
            return WORST;
        }
        let count = (self.losses.len() / 100).max(1);
        let last = &self.losses[self.losses.len().saturating_sub(count)..];
        let sum: f64 = last.iter().map(|loss| loss.min(WORST)).sum();
        sum / last.len() as f64
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> apical::Result<()> {
        io.measured_list("losses", &mut self.losses, Length::Any)?;
        let (steps, alignments) = &mut self.alignments;
        io.step_list("alignment_steps", steps)?;
        io.measured_list("alignments", alignments, Length::Exactly(steps.len()))?;
        let mut wrong = self.wrong_signs as u64;
        io.counter("wrong_signs", &mut wrong, STEPS)?;
        self.wrong_signs = wrong as usize;
        io.measured_list("output", &mut self.seen.output, Length::Any)?;
        let mut lengths: Vec<u64> = self.seen.numbers.iter().map(|n| n.len() as u64).collect();
        io.counter_list("lengths", &mut lengths, Length::Any, STEPS)?;
        self.seen.numbers.resize(lengths.len(), Vec::new());
        for (index, (numbers, length)) in self.seen.numbers.iter_mut().zip(lengths).enumerate() {
            let length = Length::Exactly(length as usize);
            io.measured_list(&format!("numbers.{index}"), numbers, length)?;
        }
        Ok(())
    }

    fn write(mut self, path: &Path) -> Result<()> {
        let mut snapshot = Snapshot::default();
        self.state(&mut StateIo::save(&mut snapshot))?;
        checkpoint_file::write(path, &snapshot)
    }

    fn read(path: &Path) -> Result<Self> {
        let snapshot = checkpoint_file::read_kept(path)?;
        let mut outcome = Self::default();
        outcome.state(&mut StateIo::restore(&snapshot))?;
        Ok(outcome)
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
    runner: Runner<'_>,
) -> Result<Outcome> {
    let Runner { stop, progress, .. } = runner;
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
        let chunk = CHUNK.min(experiment.steps - done);
        let both = &mut Both(&mut losses, &mut recorder);
        match learner.run_until(&mut *task, chunk, both, stop) {
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

/// Networks that were trained, by their settings, and the claims on them.
///
/// Claims are judged look after look: the conditions that an open one has read get more networks for the next.
pub struct Lab<'a> {
    runner: Runner<'a>,
    look: usize,
    done: BTreeMap<String, Vec<Outcome>>,
    /// Networks a condition is to have, where that is more than its experiment says.
    wanted: BTreeMap<String, u64>,
    book: RefCell<Book>,
}

/// What the claims of a look have read, and what came of them.
#[derive(Default)]
struct Book {
    read: BTreeSet<String>,
    open: BTreeSet<String>,
    decided: BTreeMap<String, Claim>,
}

/// Settings without their title and number of networks: what tells one condition from another.
fn key(experiment: &Experiment) -> Result<String> {
    let mut same = experiment.clone();
    same.title.clear();
    same.seeds = 1;
    experiment::resolved(&same)
}

impl<'a> Lab<'a> {
    /// An empty one.
    pub fn new(runner: Runner<'a>) -> Self {
        Self {
            runner,
            look: 0,
            done: BTreeMap::new(),
            wanted: BTreeMap::new(),
            book: RefCell::default(),
        }
    }

    /// How its networks are trained.
    pub fn runner(&self) -> Runner<'a> {
        self.runner
    }

    /// What a claim comes to; one that an earlier look has decided stays as it was then.
    pub fn judge(&self, make: impl FnOnce() -> Result<Claim>) -> Result<Claim> {
        self.book.borrow_mut().read.clear();
        let claim = make()?;
        let mut book = self.book.borrow_mut();
        if let Some(decided) = book.decided.get(&claim.id) {
            return Ok(decided.clone());
        }
        if claim.verdict.is_decided() {
            book.decided.insert(claim.id.clone(), claim.clone());
        } else if claim.verdict.wants_seeds() {
            let read = std::mem::take(&mut book.read);
            book.open.extend(read);
        }
        Ok(claim)
    }

    /// Gives the conditions of open claims the networks of the next look; whether there are any, and a next look.
    pub fn look_again(&mut self) -> bool {
        let open = std::mem::take(&mut self.book.get_mut().open);
        let Some(networks) = MEAN_LOOKS.get(self.look + 1) else {
            return false;
        };
        self.look += 1;
        let any = !open.is_empty();
        let wanted = open.into_iter().map(|key| (key, *networks));
        self.wanted.extend(wanted);
        any
    }

    /// Trains every seed of every experiment that was not trained before, and looks at each network.
    pub fn run(&mut self, experiments: &[Experiment], look: &impl Look) -> Result<()> {
        let progress = self.runner.progress;
        let mut new: Vec<(String, Experiment)> = Vec::new();
        for experiment in experiments {
            let key = key(experiment)?;
            let have = self.done.get(&key).map_or(0, |done| done.len() as u64);
            let wanted = self.wanted.get(&key).copied().unwrap_or(0);
            let further = wanted.max(experiment.seeds).saturating_sub(have);
            if further == 0 || new.iter().any(|(known, _)| *known == key) {
                if self.look == 0 {
                    // Counted where the steps were planned.
                    progress.advance(experiment.steps * experiment.seeds);
                }
                continue;
            }
            if self.look > 0 {
                progress.expect(experiment.all_steps() * further);
            }
            let mut experiment = experiment.clone();
            experiment.seed += have;
            experiment.seeds = further;
            new.push((key, experiment));
        }
        let (keys, new): (Vec<String>, Vec<Experiment>) = new.into_iter().unzip();
        let outcomes = self.runner.each_seed(&new, |experiment, seed| {
            let kept = self.runner.file(experiment, seed)?;
            if let Some(path) = kept.as_deref().filter(|path| path.exists()) {
                self.runner.progress.skip(experiment.steps);
                return Outcome::read(path);
            }
            let outcome = match experiment.precision {
                Precision::F32 => train::<f32>(experiment, seed, look, self.runner),
                Precision::F64 => train::<f64>(experiment, seed, look, self.runner),
            }?;
            if let Some(path) = kept {
                outcome.clone().write(&path)?;
            }
            Ok(outcome)
        })?;
        for (key, outcomes) in keys.into_iter().zip(outcomes) {
            self.done.entry(key).or_default().extend(outcomes);
        }
        Ok(())
    }

    /// The networks of an experiment that was trained.
    ///
    /// # Panics
    /// If it was not.
    pub fn of(&self, experiment: &Experiment) -> &[Outcome] {
        let key = key(experiment).unwrap_or_default();
        let done = self.done.get(&key).expect("an experiment that was trained");
        self.book.borrow_mut().read.insert(key);
        done
    }

    /// One number of each network of an experiment that was trained.
    pub fn each(&self, experiment: &Experiment, number: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        self.of(experiment).iter().map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use apical_runs::Error;

    #[test]
    fn a_network_that_was_kept_is_not_trained_again() {
        let changes = ["steps=4000".to_string(), "seeds=2".into()];
        let experiment = experiment::load("murray2019/periodic-200", &changes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let train = |stopped: bool, keep| {
            let stop = AtomicBool::new(stopped);
            let mut lab = Lab::new(Runner {
                threads: 1,
                keep,
                stop: &stop,
                progress: &(),
            });
            lab.run(std::slice::from_ref(&experiment), &OneTrial)?;
            Ok::<_, Error>(format!("{:?}", lab.of(&experiment)))
        };
        let first = train(false, Some(folder.path())).unwrap();
        assert!(first.contains("losses: [") && first.contains("output: ["));
        // Training would stop at once.
        assert!(matches!(train(true, None), Err(Error::Stopped)));
        assert_eq!(train(true, Some(folder.path())).unwrap(), first);
    }
}
