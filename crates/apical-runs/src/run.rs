//! Run an experiment in a folder that keeps its settings, records and figures.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use apical::Experiment;
use rayon::prelude::*;
use serde::Serialize;

use crate::figure::{Colour, Curve, Figure, Level, Panel, Weight};
use crate::folder::RunFolder;
use crate::memory::side_by_side;
use crate::record::{self, SeedRecord, metrics_table};
pub use crate::run_settings::Settings;
use crate::runner::pool;
use crate::same_run::{comparable, same_data, same_settings};
use crate::seed_run::{Progress, Surroundings, run_seed};
use crate::start_from::{Parent, Start};
use crate::statistics::mean_curve;
use crate::{Error, Result, checkpoints, data_paths, experiment, files};

/// Where and when a run was made; what is needed to make it again.
#[derive(Clone, Debug, Serialize)]
pub struct Environment {
    /// Version of Apical.
    pub version: String,
    /// Commit it was built from.
    pub commit: String,
    /// The command line.
    pub command: String,
    /// First seed and number of seeds.
    pub seeds: (u64, u64),
    /// Instruction set of the kernels.
    pub simd: String,
    /// Operating system and processor family.
    pub platform: String,
    /// Threads asked for, 0 meaning one a processor.
    pub threads: usize,
    /// Start of the run, UTC.
    pub started: String,
    /// The checkpoints of another run from which this one went on, if it did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Parent>,
}

impl Environment {
    /// The environment of this process.
    pub fn now(
        version: &str,
        commit: &str,
        command: String,
        seeds: (u64, u64),
        threads: usize,
    ) -> Self {
        Self {
            version: version.into(),
            commit: commit.into(),
            command,
            seeds,
            simd: apical::kernel::Simd::detect().name().into(),
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            threads,
            started: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
            from: Vec::new(),
        }
    }
}

/// The folder of a run, in which this process alone works.
#[derive(Debug)]
pub struct RunDir {
    folder: RunFolder,
}

impl RunDir {
    /// A new run in a folder that was claimed; the environment and the resolved settings are written at once.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn create(
        folder: RunFolder,
        experiment: &Experiment,
        environment: &Environment,
    ) -> Result<Self> {
        let dir = Self { folder };
        dir.begin(experiment, environment)?;
        Ok(dir)
    }

    /// As [`RunDir::create`], with seeds that go on from the checkpoints of another run; says what of these did not fit.
    ///
    /// # Errors
    /// Files that cannot be written, or weights that do not fit.
    pub fn create_from(
        folder: RunFolder,
        experiment: &Experiment,
        environment: &Environment,
        start: &Start,
    ) -> Result<(Self, Vec<String>)> {
        let dir = Self { folder };
        dir.make_checkpoints()?;
        let dropped = start.write(experiment, |seed| dir.checkpoint(seed))?;
        let environment = Environment {
            from: start.parents(),
            ..environment.clone()
        };
        // Last, so that a run is never taken up without the checkpoints it began with.
        dir.begin(experiment, &environment)?;
        Ok((dir, dropped))
    }

    fn begin(&self, experiment: &Experiment, environment: &Environment) -> Result<()> {
        self.make_checkpoints()?;
        self.write_config(experiment)?;
        self.write_json("environment.json", environment)
    }

    fn make_checkpoints(&self) -> Result<()> {
        let checkpoints = self.path().join("checkpoints");
        std::fs::create_dir_all(&checkpoints)
            .map_err(|error| Error::io(&checkpoints, "create this folder", &error))
    }

    fn write_config(&self, experiment: &Experiment) -> Result<()> {
        let config = data_paths::resolved_in(self.path(), experiment)?;
        files::write_atomic(self.path().join("config.toml"), config.as_bytes())
    }

    /// The folder of a run that is to go on, and its settings as they were; `command` is told to others who try.
    ///
    /// # Errors
    /// A folder without `config.toml`, one in which another process works, or one that cannot be read.
    pub fn open(path: &Path, command: &str) -> Result<(Self, Settings)> {
        // Before anything is put there, and be it a lock.
        Settings::of_run(path)?;
        let folder = RunFolder::hold(path, command)?;
        let settings = Settings::of_run(path)?;
        Ok((Self { folder }, settings))
    }

    /// Checks that `experiment` goes on with the run `kept` here, and keeps what it changes, such as more steps.
    ///
    /// # Errors
    /// A setting that differs, fewer steps or seeds, or a checkpoint that cannot be used; nothing was changed.
    pub fn go_on(&self, kept: &Settings, experiment: &Experiment) -> Result<()> {
        let config = self.path().join("config.toml");
        let old = &experiment::parse_unchecked(kept.text(), &[])?;
        let new = experiment;
        for (field, got, expected, fits) in [
            ("steps", new.steps, old.steps, new.steps >= old.steps),
            ("seed", new.seed, old.seed, new.seed == old.seed),
            ("seeds", new.seeds, old.seeds, new.seeds >= old.seeds),
        ] {
            if !fits {
                let least = if field == "seed" { "" } else { "at least " };
                return Err(Error::Config {
                    field: field.into(),
                    what: format!(
                        "got {got}, expected {least}{expected} as in {}",
                        config.display()
                    ),
                    mend: format!(
                        "Leave --{field} out to finish that run, or choose another --out."
                    ),
                });
            }
        }
        same_settings(&config, &comparable(old)?, new)?;
        for seed in (0..new.seeds).map(|k| new.seed + k) {
            if let Some(checkpoint) = checkpoints::newest(&self.checkpoint(seed)) {
                let snapshot = checkpoints::read(&checkpoint, new, seed)?;
                same_data(new, seed, &snapshot, self.path())?;
            }
        }
        // A run may have been killed before it made this folder.
        self.make_checkpoints()?;
        if data_paths::resolved_in(self.path(), new)? != kept.text() {
            self.write_config(new)?;
        }
        Ok(())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What a user must see to, where the file system has no locks.
    pub fn warning(&self) -> Option<String> {
        self.folder.warning()
    }

    /// The checkpoint of a seed.
    pub fn checkpoint(&self, seed: u64) -> PathBuf {
        self.path()
            .join(format!("checkpoints/seed-{seed:04}.safetensors"))
    }

    /// Runs all seeds, with checkpoints, and writes metrics and figures.
    ///
    /// # Errors
    /// The first error of any seed, after the records of the others were written.
    pub fn run(
        &self,
        experiment: &Experiment,
        threads: usize,
        resume: bool,
        stop: &AtomicBool,
        progress: &dyn Progress,
    ) -> Result<Vec<SeedRecord>> {
        let seeds: Vec<u64> = (0..experiment.seeds).map(|k| experiment.seed + k).collect();
        let results: Vec<Result<SeedRecord>> =
            pool(side_by_side(threads, [experiment]), seeds.len())?.install(|| {
                seeds
                    .par_iter()
                    .with_max_len(1)
                    .map(|seed| {
                        let checkpoint = self.checkpoint(*seed);
                        let around = Surroundings {
                            checkpoint: Some(&checkpoint),
                            resume,
                            stop,
                            progress,
                        };
                        run_seed(experiment, *seed, around)
                    })
                    .collect()
            });
        let mut records = Vec::new();
        let mut failure = None;
        for result in results {
            match result {
                Ok(mut seed) => {
                    seed.curves.iter_mut().for_each(record::Curve::close);
                    records.push(seed);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if !records.is_empty() {
            let written = self.write_records(experiment, &records);
            if failure.is_none() {
                written?;
            }
        }
        failure.map_or(Ok(records), Err)
    }

    fn write_records(&self, experiment: &Experiment, records: &[SeedRecord]) -> Result<()> {
        let table = metrics_table(records);
        files::write_atomic(self.path().join("metrics.csv"), &table.to_csv()?)?;
        files::write_atomic(self.path().join("metrics.parquet"), &table.to_parquet()?)?;
        write_figure(&self.path().join("figure"), &overview(experiment, records))
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        write_json(&self.path().join(name), value)
    }
}

/// Finds out before a long run whether a file can be written at `path`; leaves what is there as it is.
///
/// # Errors
/// A folder that is missing or not writable, or something in the way.
pub fn check_writable(path: &Path) -> Result<()> {
    let existed = path.exists();
    let opened = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path);
    opened.map_err(|error| Error::io(path, "write this file", &error))?;
    if !existed {
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// Writes a value as indented JSON.
///
/// # Errors
/// A file that cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| Error::Config {
        field: path.display().to_string(),
        what: format!("cannot be written as JSON: {error}"),
        mend: "Please report this.".into(),
    })?;
    text.push('\n');
    files::write_atomic(path, text.as_bytes())
}

/// Writes `path`.svg and `path`.png.
///
/// # Errors
/// A file that cannot be written.
pub fn write_figure(path: &Path, figure: &Figure) -> Result<()> {
    files::write_atomic(path.with_extension("svg"), figure.to_svg().as_bytes())?;
    files::write_atomic(path.with_extension("png"), &figure.to_png()?)
}

/// A panel for each recorded quantity and for the tests: seeds light, mean dark, bounds dashed.
pub fn overview(experiment: &Experiment, records: &[SeedRecord]) -> Figure {
    let mut panels = Vec::new();
    let levels = |pick: &dyn Fn(&apical::task::Bound) -> f64| -> Vec<Level> {
        let mut levels: Vec<Level> = Vec::new();
        for bound in experiment.task.bounds() {
            let y = pick(&bound);
            if !levels.iter().any(|level| level.y == y) {
                let label = Some(format!("{}, {y:.2}", bound.knowledge));
                levels.push(Level {
                    y,
                    label,
                    colour: Colour::Grey,
                });
            }
        }
        levels
    };
    // The bounds are those of a choice between outputs; independent sigmoids add up differently.
    let cross_entropy = experiment.loss == apical::loss::Loss::SoftmaxCrossEntropy {};
    let recorded = records.first().map_or(&[][..], |record| &record.curves);
    for name in recorded.iter().map(|curve| &curve.name) {
        let curves = records.iter().filter_map(|record| record.curve(name));
        let curves: Vec<(Vec<u64>, Vec<f64>)> = curves
            .map(|curve| (curve.steps.clone(), curve.values.clone()))
            .collect();
        let bounds = if name == "loss" && cross_entropy {
            levels(&|b| b.cross_entropy)
        } else {
            Vec::new()
        };
        panels.push(panel(name, &curves, Colour::Blue, bounds));
    }
    for (index, name) in [(0, "held-out loss"), (1, "held-out accuracy")] {
        let curves: Vec<(Vec<u64>, Vec<f64>)> = records
            .iter()
            .map(|record| (record.tests.steps().to_vec(), record.tests.column(index)))
            .filter(|(_, values)| values.iter().any(|v| v.is_finite()))
            .collect();
        if curves.is_empty() {
            continue;
        }
        let bounds = match index {
            _ if !cross_entropy => Vec::new(),
            0 => levels(&|b| b.cross_entropy),
            _ => levels(&|b| b.accuracy),
        };
        panels.push(panel(name, &curves, Colour::Vermilion, bounds));
    }
    Figure {
        title: experiment.title.clone(),
        columns: panels.len().clamp(1, 3),
        panels,
    }
}

/// Light lines for single curves and a dark one for their mean.
pub fn panel(
    title: &str,
    curves: &[(Vec<u64>, Vec<f64>)],
    colour: Colour,
    levels: Vec<Level>,
) -> Panel {
    let mut drawn = Vec::new();
    for (steps, values) in curves {
        drawn.push(Curve {
            label: None,
            x: steps.iter().map(|step| *step as f64).collect(),
            y: values.clone(),
            colour,
            weight: if curves.len() > 1 {
                Weight::Light
            } else {
                Weight::Dark
            },
        });
    }
    if curves.len() > 1 {
        let (x, y) = mean_curve(curves);
        drawn.push(Curve {
            label: None,
            x,
            y,
            colour,
            weight: Weight::Dark,
        });
    }
    Panel {
        title: title.into(),
        x_label: "step".into(),
        y_label: title.into(),
        curves: drawn,
        levels,
        ..Panel::default()
    }
}
