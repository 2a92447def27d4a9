//! Say what made a training diverge, as well as can be told cheaply, and how to go on from before it.

use std::fmt;
use std::path::Path;

use apical::task::TaskSpec;
use apical::{Experiment, Learner, Scalar, Streams};

use crate::files::quoted;
use crate::seed_run::run_of;
use crate::{checkpoints, experiment};

/// Magnitude beyond which a number of the data is named.
const HUGE: f64 = 1e4;
/// Steps for which a network is tried without learning.
const TRIAL: u64 = 2_000;
/// By how much a rate is lowered in the command that is named.
const LOWER: f64 = 0.1;

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

    /// The command that goes on from before the divergence, if there is a checkpoint.
    pub fn way_back(&self, experiment: &Experiment, path: Option<&Path>) -> String {
        let Some(path) = path.filter(|path| checkpoints::newest(path).is_some()) else {
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
        let set = self
            .change
            .as_ref()
            .map_or(String::new(), |change| format!(" --set {}", quoted(change)));
        if !self.goes_on {
            let settings = run.map(|run| name(&run.join("config.toml")));
            return settings.map_or("Begin anew.".into(), |settings| {
                format!("Begin anew: apical run {settings}{set}{out}")
            });
        }
        match checkpoints::before_divergence(path) {
            Some((found, snapshot)) => format!(
                "Before that, at step {}, it was saved (a loss up to a million times that of the start counts as before); go \
                 on from there: apical run --from {} --steps {}{set}{out}",
                checkpoints::step(&snapshot),
                name(&found),
                experiment.steps
            ),
            None => "The checkpoints kept are all of a loss above a million times that of the start: begin anew, with a \
                     lower checkpoint.every."
                .into(),
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

/// The rate of what grew most since the start.
fn rate<T: Scalar>(experiment: &Experiment, seed: u64, learner: &Learner<T>) -> Cause {
    let settings = experiment::resolved(experiment).unwrap_or_default();
    let settings = experiment::leaves(&settings);
    let value = |key: &str| settings.get(key).and_then(|v| v.parse::<f64>().ok());
    let start = experiment.learner::<T>(seed).ok();
    let norm = |learner: &Learner<T>, name: &str| {
        let quantity = learner.find(&format!("{name}.norm")).ok()?;
        Some(learner.read(&quantity))
    };
    let candidates = [
        ("rule.jacobian.rate", &["J", "K"][..]),
        ("rule.rate", &["A"]),
        (
            "optimizer.rate",
            &["W_rec", "W_in", "b_rec", "W_out", "b_out"],
        ),
    ];
    let mut most: Option<(f64, &str, &str, f64)> = None;
    for (key, names) in candidates {
        let Some(rate) = value(key).filter(|rate| *rate > 0.0) else {
            continue;
        };
        for name in names {
            let (Some(now), Some(start)) = (norm(learner, name), start.as_ref()) else {
                continue;
            };
            let before = norm(start, name).unwrap_or(0.0);
            let growth = if now.is_finite() {
                now / before.max(1.0)
            } else {
                f64::INFINITY
            };
            if most.is_none_or(|(most, ..)| growth > most) {
                most = Some((growth, name, key, rate));
            }
        }
    }
    let Some((_, name, key, rate)) = most else {
        return Cause {
            says: "Lower `optimizer.rate`, set `optimizer.clip`, or scale the inputs.".into(),
            change: None,
            goes_on: true,
        };
    };
    let clip = match key {
        "optimizer.rate" => ", set `optimizer.clip`, or scale the inputs",
        _ => "",
    };
    Cause {
        says: format!("{name} grew most. Lower `{key}` (it is {rate}){clip}."),
        change: Some(format!("{key}={}", lower(rate))),
        goes_on: true,
    }
}

/// A tenth, without the digits of binary fractions.
fn lower(rate: f64) -> f64 {
    format!("{:.3e}", LOWER * rate)
        .parse()
        .unwrap_or(LOWER * rate)
}
