//! Say what made a training diverge, as well as can be told cheaply, and how to go on from before it.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use apical::snapshot::{Snapshot, StateIo};
use apical::task::TaskSpec;
use apical::{Experiment, Learner, Scalar, Streams};

use crate::files::quoted;
use crate::same_run::run_of;
use crate::{checkpoints, experiment};

/// Magnitude beyond which a number of the data is named.
const HUGE: f64 = 1e4;
/// Steps for which a network is tried without learning, or with a lower rate, and the time after which that is enough.
const TRIAL: u64 = 2_000;
const PATIENCE: Duration = Duration::from_secs(1);
/// Steps between two looks at the clock.
const CHUNK: u64 = 50;
/// How many times a rate is divided by ten, at most, until the start survives it.
const TENTHS: i32 = 4;

/// What made a training diverge.
pub(crate) struct Cause {
    says: String,
    /// The setting to change on the way, with its new value.
    change: Option<String>,
    /// Whether going on from a checkpoint can help.
    goes_on: bool,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

impl Cause {
    /// Looks at the data, then at the network before it learned, then at what grew most while it learned.
    pub fn of<T: Scalar>(experiment: &Experiment, seed: u64, learner: &Learner<T>) -> Self {
        data(experiment)
            .or_else(|| start::<T>(experiment, seed))
            .unwrap_or_else(|| rate(experiment, seed, learner))
    }

    /// The command that goes on from before the divergence, if there is a checkpoint from which the change is seen to help.
    pub fn way_back<T: Scalar>(
        &self,
        experiment: &Experiment,
        seed: u64,
        path: Option<&Path>,
    ) -> String {
        let Some(path) = path else {
            return "No checkpoint was written before.".into();
        };
        let run = run_of(path);
        let name = |path: &Path| quoted(&path.to_string_lossy());
        let out = run.map_or(String::new(), |run| {
            let run = run.to_string_lossy();
            let free = (2..).map(|k| format!("{run}-{k}"));
            let mut free = free.filter(|path| !Path::new(path).exists());
            format!(" --out {}", quoted(&free.next().unwrap_or_default()))
        });
        let change = self.change.as_ref();
        let set = change.map_or(String::new(), |change| format!(" --set {}", quoted(change)));
        let settings = run.map(|run| name(&run.join("config.toml")));
        let anew = settings.map_or("Begin anew.".into(), |settings| {
            format!("Begin anew: apical run {settings}{set}{out}")
        });
        if checkpoints::newest(path).is_none() {
            return format!("No checkpoint was written before. {anew}");
        }
        if !self.goes_on {
            return anew;
        }
        let helps = |snapshot: &Snapshot| {
            let left = experiment.steps.saturating_sub(checkpoints::step(snapshot));
            change.is_none_or(|change| {
                survives::<T>(experiment, seed, change, Some(snapshot), left.min(TRIAL))
            })
        };
        let before = checkpoints::before_divergence(path);
        match before.filter(|(_, snapshot)| helps(snapshot)) {
            Some((found, snapshot)) => format!(
                "It was saved before that at step {} (before, that is: with a loss below a hundred times that of the start, and \
                 no weight above a million); go on from there: apical run --from {} --steps {}{set}{out}",
                checkpoints::step(&snapshot),
                name(&found),
                experiment.steps
            ),
            None => format!(
                "The checkpoints kept come too late (with a loss above a hundred times that of the start, a weight above a million, or \
                 a divergence that goes on with this change too); a lower checkpoint.every keeps earlier ones. {anew}"
            ),
        }
    }
}

/// The largest number of one's own data, if that is huge.
fn data(experiment: &Experiment) -> Option<Cause> {
    let TaskSpec::Data(spec) = &experiment.task else {
        return None;
    };
    let (value, row, is_target) = spec.sequences.get()?.largest()?;
    if value.abs() <= HUGE {
        return None;
    }
    let what = if is_target { "a target" } else { "an input" };
    let from = match spec.file.as_str() {
        "" => "the data".into(),
        file => format!("`{file}`"),
    };
    Some(Cause {
        says: format!(
            "Row {} of {from} has {value:e} as {what}: scale the columns to about 1, or mend that row.",
            row + 1
        ),
        change: None,
        goes_on: true,
    })
}

/// Whether the network explodes by itself, without learning.
fn start<T: Scalar>(experiment: &Experiment, seed: u64) -> Option<Cause> {
    let mut learner = experiment.learner::<T>(seed).ok()?;
    let (batch, streams) = (experiment.batch, Streams::new(seed));
    let task = experiment
        .task
        .build(batch, experiment.steps, &streams, "train");
    let explodes = learner.evaluate(&mut *task.ok()?, TRIAL).is_err();
    let gain = experiment::leaves(&experiment::resolved(experiment).ok()?)
        .get("network.recurrent.gain")
        .and_then(|gain| gain.parse::<f64>().ok())?;
    explodes.then(|| Cause {
        says: format!(
            "The network grows without bound before it learns anything: lower `network.recurrent.gain` (it is {gain})."
        ),
        change: Some("network.recurrent.gain=0.9".into()),
        goes_on: false,
    })
}

/// The rate that was too high: that of what grew most, or another that prevents an early divergence when lowered.
fn rate<T: Scalar>(experiment: &Experiment, seed: u64, learner: &Learner<T>) -> Cause {
    let settings = experiment::resolved(experiment).unwrap_or_default();
    let settings = experiment::leaves(&settings);
    let value = |key: &str| settings.get(key).and_then(|v| v.parse::<f64>().ok());
    let mut rates = grown(experiment, seed, learner);
    rates.retain(|(key, _)| value(key).is_some_and(|rate| rate > 0.0));
    let lowered = |key: &str, tenths| lower(value(key).unwrap_or(0.0), tenths);
    let helps = |key: &str, tenths| {
        let change = format!("{key}={}", lowered(key, tenths));
        survives::<T>(experiment, seed, &change, None, TRIAL)
    };
    // A late divergence would take long to see again.
    let tried = if learner.steps() <= TRIAL { TENTHS } else { 0 };
    let proven = (1..=tried)
        .flat_map(|tenths| rates.iter().map(move |rate| (tenths, rate)))
        .find(|(tenths, (key, _))| helps(key, *tenths));
    let first = rates.first().map(|rate| (1, rate));
    let Some((tenths, (key, name))) = proven.or(first) else {
        return Cause {
            says: "Lower `optimizer.rate`, set `optimizer.clip`, or scale the inputs.".into(),
            change: None,
            goes_on: true,
        };
    };
    let rate = value(key).unwrap_or(0.0);
    let clip = match *key {
        "optimizer.rate" => ", set `optimizer.clip`, or scale the inputs",
        _ => "",
    };
    Cause {
        says: format!("{name} grew without bound. Lower `{key}` (it is {rate}){clip}."),
        change: Some(format!("{key}={}", lowered(key, tenths))),
        goes_on: true,
    }
}

/// Rates with the array each moves that grew most, the one of the fastest growth first.
fn grown<T: Scalar>(
    experiment: &Experiment,
    seed: u64,
    learner: &Learner<T>,
) -> Vec<(&'static str, &'static str)> {
    let start = experiment.learner::<T>(seed).ok();
    let norm = |learner: &Learner<T>, name: &str| {
        let quantity = learner.find(&format!("{name}.norm")).ok()?;
        Some(learner.read(&quantity))
    };
    let growth = |name: &str| {
        let (now, start) = (norm(learner, name)?, norm(start.as_ref()?, name)?);
        let finite = now.is_finite();
        Some(if finite {
            now / start.max(1.0)
        } else {
            f64::INFINITY
        })
    };
    let mut rates = Vec::new();
    for (key, names) in [
        ("rule.jacobian.rate", &["J", "K"][..]),
        ("rule.rate", &["A"]),
        (
            "optimizer.rate",
            &["W_rec", "W_in", "b_rec", "W_out", "b_out"],
        ),
    ] {
        let grown = names.iter().filter_map(|name| Some((growth(name)?, *name)));
        if let Some((growth, name)) = grown.max_by(|(a, _), (b, _)| a.total_cmp(b)) {
            rates.push((growth, key, name));
        }
    }
    rates.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
    rates
        .into_iter()
        .map(|(_, key, name)| (key, name))
        .collect()
}

/// Whether `steps` steps from the start, or from a checkpoint, come to no divergence with one setting changed.
fn survives<T: Scalar>(
    experiment: &Experiment,
    seed: u64,
    change: &str,
    from: Option<&Snapshot>,
    steps: u64,
) -> bool {
    let train = || -> crate::Result<bool> {
        let settings = experiment::resolved(experiment)?;
        let mut changed = experiment::parse_unchecked(&settings, &[change.into()])?;
        // With the data it holds.
        changed.task = experiment.task.clone();
        let (batch, streams) = (changed.batch, Streams::new(seed));
        let mut task = changed
            .task
            .build(batch, changed.steps, &streams, "train")?;
        let mut learner = changed.learner::<T>(seed)?;
        if let Some(snapshot) = from {
            let mut io = StateIo::restore(snapshot);
            io.scope("learner", |io| learner.state(io))?;
            io.scope("task", |io| task.state(io))?;
        }
        let (begun, mut left) = (Instant::now(), steps);
        while left > 0 && begun.elapsed() < PATIENCE {
            learner.run(&mut *task, left.min(CHUNK), &mut ())?;
            left -= left.min(CHUNK);
        }
        learner.check_weights()?;
        Ok(learner.last_loss() < HUGE)
    };
    train().unwrap_or(false)
}

/// A rate divided by ten so many times, without the digits of binary fractions.
fn lower(rate: f64, tenths: i32) -> f64 {
    let lowered = rate * 0.1f64.powi(tenths);
    format!("{lowered:.3e}").parse().unwrap_or(lowered)
}
