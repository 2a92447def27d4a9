//! `apical run`: train an experiment and keep what it gives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use apical::Experiment;
use apical_runs::chance::{Part, chance};
use apical_runs::experiment;
use apical_runs::folder::RunFolder;
use apical_runs::record::{Curve, Ending, SeedRecord};
use apical_runs::run::{Environment, RunDir};
use apical_runs::start_from::Origin;
use apical_runs::statistics::Spread;
use clap::Args;

use crate::progress::Meter;
use crate::{COMMIT, VERSION, command_line, numbers, print, quoted, signals, tell};

/// Arguments of `apical run`.
#[derive(Args)]
pub struct Arguments {
    /// Built-in name (see `apical list`) or TOML file; with --resume or --from, left out.
    #[arg(required_unless_present_any = ["resume", "from"])]
    experiment: Option<String>,
    /// Change a setting, for example --set rule.rate=1e-3; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// First seed.
    #[arg(long, value_parser = numbers::seed)]
    seed: Option<u64>,
    /// Number of seeds: seed, seed + 1, ...
    #[arg(long, value_parser = numbers::whole)]
    seeds: Option<u64>,
    /// Steps of training.
    #[arg(long, value_parser = numbers::whole)]
    steps: Option<u64>,
    /// Folder for everything the run gives [default: a new one under runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seeds trained side by side, 0 for one a processor; results do not depend on it.
    #[arg(long, default_value_t = 0, value_parser = numbers::threads)]
    threads: usize,
    /// Go on with the run in --out DIR from its checkpoints.
    #[arg(long, requires = "out")]
    resume: bool,
    /// Begin from the checkpoints of another run (its folder, or one checkpoint), under the settings of --set; --steps counts its
    /// steps too.
    #[arg(long, value_name = "PATH", conflicts_with = "resume")]
    from: Option<PathBuf>,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

impl Arguments {
    fn all_changes(&self) -> Vec<String> {
        let mut changes = self.changes.clone();
        let short = [
            ("seed", self.seed),
            ("seeds", self.seeds),
            ("steps", self.steps),
        ];
        for (key, value) in short {
            changes.extend(value.map(|value| format!("{key}={value}")));
        }
        changes
    }

    /// The folder and the experiment, of a new run or of one to go on with.
    fn prepare(&self) -> Result<(RunDir, Experiment)> {
        let prepared = match (&self.out, &self.from) {
            (Some(out), _) if self.resume => self.go_on(out),
            (_, Some(from)) => self.begin_from(from),
            _ => self.begin(),
        }?;
        if let Some(warning) = prepared.0.warning() {
            tell(&format!("warning: {warning}"));
        }
        Ok(prepared)
    }

    fn go_on(&self, out: &Path) -> Result<(RunDir, Experiment)> {
        let (dir, kept) = RunDir::open(out, &command_line())?;
        let experiment = self.told(match &self.experiment {
            Some(name) => experiment::load_with_warning(name, &self.all_changes())?,
            None => kept.experiment(&self.all_changes())?,
        });
        dir.go_on(&kept, &experiment)?;
        Ok((dir, experiment))
    }

    fn begin(&self) -> Result<(RunDir, Experiment)> {
        let name = self.experiment.as_deref().unwrap_or_default();
        let experiment = self.told(experiment::load_with_warning(name, &self.all_changes())?);
        let folder = self.claim(name)?;
        let dir = RunDir::create(folder, &experiment, &self.environment(&experiment))?;
        Ok((dir, experiment))
    }

    fn begin_from(&self, from: &Path) -> Result<(RunDir, Experiment)> {
        let origin = Origin::open(from)?;
        let mut changes = origin.changes();
        changes.extend(self.all_changes());
        let experiment = self.told(match &self.experiment {
            Some(name) => experiment::load_with_warning(name, &changes)?,
            None => origin.settings().experiment(&changes)?,
        });
        let start = origin.start(&experiment)?;
        let folder = self.claim(&format!("{}-on", origin.name()))?;
        let environment = self.environment(&experiment);
        let (dir, dropped) = RunDir::create_from(folder, &experiment, &environment, &start)?;
        if !self.quiet {
            start.notes().iter().for_each(|note| tell(note));
        }
        if !dropped.is_empty() {
            tell(&format!(
                "warning: begun anew, as it does not fit the new settings: {}",
                dropped.join("; ")
            ));
        }
        Ok((dir, experiment))
    }

    /// The experiment, once its warning is told.
    fn told(&self, (experiment, warning): (Experiment, Option<String>)) -> Experiment {
        if let (false, Some(warning)) = (self.quiet, warning) {
            tell(&format!("warning: {warning}"));
        }
        experiment
    }

    /// The folder asked for, or a new one called after `name`.
    fn claim(&self, name: &str) -> Result<RunFolder> {
        Ok(match &self.out {
            Some(out) => RunFolder::claim(out, &command_line())?,
            None => RunFolder::numbered(name, &command_line())?,
        })
    }

    fn environment(&self, experiment: &Experiment) -> Environment {
        let seeds = (experiment.seed, experiment.seeds);
        Environment::now(VERSION, COMMIT, command_line(), seeds, self.threads)
    }
}

/// Bytes of a run of which its memory is told.
const LARGE: f64 = 1e9;

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (dir, experiment) = arguments.prepare()?;
    let total = experiment.all_steps().saturating_mul(experiment.seeds);
    let meter = Meter::new(total, arguments.quiet);
    if !arguments.quiet && !experiment.title.is_empty() {
        meter.say(&experiment.title);
    }
    let bytes = apical::memory::total(&experiment.needs());
    if !arguments.quiet && bytes > LARGE {
        meter.say(&format!(
            "Each seed takes up to {:.0} GB of memory.",
            bytes / 1e9
        ));
    }
    if let (false, Some(slow)) = (arguments.quiet, experiment.slow_start()) {
        meter.say(&slow);
    }
    if let (false, Some(data)) = (arguments.quiet, experiment.task.in_words()) {
        meter.say(&data);
    }
    let outcome = dir.run(
        &experiment,
        arguments.threads,
        arguments.resume || arguments.from.is_some(),
        signals::heeded(),
        &meter,
    );
    meter.finish();
    let records = outcome?;
    let stopped = records
        .iter()
        .any(|record| record.ending == Ending::Stopped);
    let diverged: Vec<&SeedRecord> = records
        .iter()
        .filter(|record| matches!(record.ending, Ending::Diverged(_)))
        .collect();
    if !arguments.quiet {
        warn(&records);
        print(&summary(&experiment, &records, &dir))?;
    }
    if stopped {
        let path = quoted(&dir.path().to_string_lossy());
        tell(&format!(
            "stopped; go on with: apical run --resume --out {path}"
        ));
        return Ok(signals::stopped());
    }
    if let Some(first) = diverged.first()
        && let Ending::Diverged(message) = &first.ending
    {
        bail!(
            "{} of {} seeds diverged. {message}",
            diverged.len(),
            records.len()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Each warning once, with the number of seeds it concerns.
fn warn(records: &[SeedRecord]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for warning in records.iter().flat_map(|record| &record.warnings) {
        *seen.entry(warning.to_string()).or_default() += 1;
    }
    for (warning, seeds) in seen {
        tell(&format!(
            "warning ({seeds} of {} seeds): {warning}",
            records.len()
        ));
    }
}

fn summary(experiment: &Experiment, records: &[SeedRecord], dir: &RunDir) -> String {
    let mut text = String::new();
    let seeds: Vec<u64> = records.iter().map(|record| record.seed).collect();
    let mut line = |name: &str, values: Vec<f64>| {
        let spread = Spread::of(&values);
        let part = match name {
            "accuracy" => Some(Part::Train),
            "held-out accuracy" => Some(Part::Test),
            _ => None,
        };
        // No error is hidden: the run has built the same task.
        let chance = part.and_then(|part| chance(experiment, &seeds, part).ok().flatten());
        let chance = chance.map_or(String::new(), |chance| format!("; chance {chance:.4}"));
        if spread.n > 1 {
            text.push_str(&format!(
                "{name:<28} {:.4} (sd {:.4}, {} seeds){chance}\n",
                spread.mean, spread.deviation, spread.n
            ));
        } else if spread.mean.is_finite() {
            text.push_str(&format!("{name:<28} {:.4}{chance}\n", spread.mean));
        }
    };
    let recorded = records.first().map_or(&[][..], |record| &record.curves);
    for name in recorded.iter().map(|curve| &curve.name) {
        let curves = records.iter().filter_map(|record| record.curve(name));
        line(
            name,
            curves.filter_map(|c| c.values.last().copied()).collect(),
        );
        if name == "loss" {
            // Late training may be unstable: the last loss alone would hide how well it once went.
            let curves = records.iter().filter_map(|record| record.curve(name));
            let least = |c: &Curve| c.values.iter().copied().fold(f64::NAN, f64::min);
            line("loss, least recorded", curves.map(least).collect());
        }
    }
    for (index, name) in [(0, "held-out loss"), (1, "held-out accuracy")] {
        let values: Vec<f64> = records
            .iter()
            .map(|record| record.tests.last(index, 1))
            .collect();
        if values.iter().all(|value| value.is_finite()) {
            line(name, values);
        }
    }
    // In nats, so not to be compared with a squared error.
    let bounds = experiment.loss == apical::loss::Loss::SoftmaxCrossEntropy {};
    for bound in experiment.task.bounds().iter().filter(|_| bounds) {
        text.push_str(&format!(
            "  bound, knowing {:<12} {:.4} nats, accuracy {:.3}\n",
            bound.knowledge, bound.cross_entropy, bound.accuracy
        ));
    }
    text.push_str(&format!("wrote {}\n", dir.path().display()));
    text
}
