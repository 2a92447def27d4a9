//! Begin a run from the checkpoints of another, under other settings, and say what of them does not fit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use apical::snapshot::{Array, Snapshot, StateIo};
use apical::{Experiment, Precision, Scalar};
use serde::Serialize;

use crate::run_settings::Settings;
use crate::same_run::run_of;
use crate::seed_run::SeedRun;
use crate::{Error, Result, checkpoint_file, checkpoints, data_paths, experiment};

/// A checkpoint from which a seed went on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parent {
    /// The seed.
    pub seed: u64,
    /// The file.
    pub checkpoint: PathBuf,
    /// Steps learned when it was written.
    pub step: u64,
    /// Checksum of the whole file.
    pub checksum: String,
}

/// Where a run is to begin: the folder of another, or one of its checkpoints.
#[derive(Clone, Debug)]
pub struct Origin {
    path: PathBuf,
    settings: Settings,
    /// The one checkpoint and its seed, if a file was named.
    file: Option<(Snapshot, u64)>,
}

impl Origin {
    /// Looks at `path`.
    ///
    /// # Errors
    /// Neither the folder of a run nor a checkpoint of one.
    pub fn open(path: &Path) -> Result<Self> {
        let config = path.join("config.toml");
        if config.exists() {
            return Ok(Self {
                path: path.into(),
                settings: Settings::read(&config)?,
                file: None,
            });
        }
        if !path.is_file() {
            return Err(Error::Config {
                field: "--from".into(),
                what: format!(
                    "got {}, expected the folder of a run, with its config.toml, or one of its checkpoints",
                    path.display()
                ),
                mend: "Check the path.".into(),
            });
        }
        let snapshot = checkpoint_file::read(path)?;
        let text = |name: &str| snapshot.texts.get(name).cloned().unwrap_or_default();
        let seed = text("seed").parse().map_err(|_| Error::NotACheckpoint {
            path: path.into(),
            what: "it is not of a run".into(),
            mend: "Name a file from the folder `checkpoints` of a run.".into(),
        })?;
        let settings = match run_of(path) {
            Some(run) => Settings::read(&run.join("config.toml"))?,
            None => Settings::of(text("experiment"), path.parent().unwrap_or(path).into()),
        };
        Ok(Self {
            path: path.into(),
            settings,
            file: Some((snapshot, seed)),
        })
    }

    /// What to call a run after that begins here: the folder.
    pub fn name(&self) -> String {
        let run = run_of(&self.path).unwrap_or(&self.path);
        let run = if self.file.is_some() { run } else { &self.path };
        let name = run.file_stem().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The settings of the other run.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What a run from here changes by itself: a single checkpoint is of a single seed.
    pub fn changes(&self) -> Vec<String> {
        let one = |(_, seed): &(Snapshot, u64)| vec![format!("seed={seed}"), "seeds=1".into()];
        self.file.as_ref().map_or(Vec::new(), one)
    }

    /// Finds the checkpoint of every seed of `experiment`.
    ///
    /// # Errors
    /// Seeds without a checkpoint from before a divergence, no steps left to learn, or weights of another size.
    pub fn start(&self, experiment: &Experiment) -> Result<Start> {
        let mut start = Start {
            seeds: Vec::new(),
            notes: Vec::new(),
        };
        let mut missing = Vec::new();
        let of_file = self.file.as_ref().map(|(_, seed)| *seed);
        for seed in (0..experiment.seeds).map(|k| experiment.seed + k) {
            let newest = self
                .path
                .join(format!("checkpoints/seed-{seed:04}.safetensors"));
            let (path, snapshot) = match &self.file {
                Some((snapshot, of)) if *of == seed => (self.path.clone(), snapshot.clone()),
                None if checkpoints::newest(&newest).is_some() => {
                    find(seed, &newest, &mut start.notes)?
                }
                _ => {
                    missing.push(seed.to_string());
                    continue;
                }
            };
            let step = checkpoints::step(&snapshot);
            if experiment.steps <= step {
                return Err(Error::Config {
                    field: "steps".into(),
                    what: format!(
                        "got {}, expected more than the {step} which seed {seed} has learned in {}",
                        experiment.steps,
                        path.display()
                    ),
                    mend:
                        "Steps count on from there: say with --steps where the new run is to end."
                            .into(),
                });
            }
            check_sizes(experiment, seed, &snapshot, &path)?;
            start.seeds.push((seed, path));
        }
        if missing.is_empty() {
            return Ok(start);
        }
        Err(Error::Config {
            field: "--from".into(),
            what: format!(
                "{} has no checkpoint of seed {}, expected one for each seed",
                self.path.display(),
                missing.join(", ")
            ),
            mend: match of_file {
                Some(seed) => format!("Leave --seed and --seeds out: the file is of seed {seed}."),
                None => "Choose others by --seed and --seeds, or train them there first (apical run --resume).".into(),
            },
        })
    }
}

/// The newest checkpoint of a seed that can be read and is from before a divergence; what was passed over is noted.
fn find(seed: u64, newest: &Path, notes: &mut Vec<String>) -> Result<(PathBuf, Snapshot)> {
    let first = checkpoints::newest(newest).unwrap_or(newest.into());
    let found = checkpoints::before_divergence(newest);
    let Some((path, snapshot)) = found else {
        // Damage is told as it is.
        checkpoint_file::read(&first)?;
        return Err(Error::Config {
            field: "--from".into(),
            what: format!(
                "seed {seed} has a loss above a hundred times that of its start, or a weight above a million, in all checkpoints \
                 kept, expected one from before it diverged"
            ),
            mend: format!(
                "Begin anew with a lower checkpoint.every, or name a checkpoint all the same: --from {}",
                first.display()
            ),
        });
    };
    if path != first {
        let why = match checkpoint_file::read(&first) {
            Ok(_) => {
                "has a loss above a hundred times that of its start or a weight above a million"
            }
            Err(_) => "is damaged",
        };
        notes.push(format!(
            "seed {seed} goes on from {} at step {}: {} {why}",
            path.display(),
            checkpoints::step(&snapshot),
            first.display()
        ));
    }
    Ok((path, snapshot))
}

/// Refuses weights that have no place in the networks of `experiment`.
fn check_sizes(experiment: &Experiment, seed: u64, parent: &Snapshot, path: &Path) -> Result<()> {
    let refuse = |field: &str, got: String, expected: String| {
        Err(Error::Config {
            field: field.into(),
            what: format!("got {got}, expected {expected} as in {}", path.display()),
            mend: "The weights there fit no other network: leave this setting as it is, or begin anew without --from."
                .into(),
        })
    };
    let kind = match parent.arrays.get("learner.weights") {
        Some(Array::F32(_)) => Precision::F32,
        _ => Precision::F64,
    };
    let word = |precision: Precision| match precision {
        Precision::F32 => "f32".to_string(),
        Precision::F64 => "f64".to_string(),
    };
    if kind != experiment.precision {
        return refuse("precision", word(experiment.precision), word(kind));
    }
    let mut fresh = experiment.learner::<f32>(seed)?;
    let fresh = fresh.snapshot()?;
    let (Some(Array::U64(new)), Some(Array::U64(old))) = (
        fresh.arrays.get("sizes"),
        parent.arrays.get("learner.sizes"),
    ) else {
        return Ok(());
    };
    let fields = [
        "network.units",
        "task (its inputs)",
        "task (its outputs)",
        "network.neuron (its state variables)",
        "network.neuron (its currents)",
    ];
    // The first is the batch, which the weights know nothing of.
    for ((field, new), old) in fields.into_iter().zip(new[1..].iter()).zip(old[1..].iter()) {
        if new != old {
            return refuse(field, new.to_string(), old.to_string());
        }
    }
    Ok(())
}

/// The checkpoints with which a run begins.
#[derive(Clone, Debug)]
pub struct Start {
    seeds: Vec<(u64, PathBuf)>,
    notes: Vec<String>,
}

impl Start {
    /// What a user should know of the choice of checkpoints.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The checkpoints, for the record.
    pub fn parents(&self) -> Vec<Parent> {
        let parent = |(seed, path): &(u64, PathBuf)| {
            let bytes = std::fs::read(path).ok()?;
            let snapshot = checkpoint_file::decode(path, &bytes).ok()?;
            Some(Parent {
                seed: *seed,
                checkpoint: path.clone(),
                step: checkpoints::step(&snapshot),
                checksum: format!("crc32:{:08x}", crc32fast::hash(&bytes)),
            })
        };
        self.seeds.iter().filter_map(parent).collect()
    }

    /// Writes the first checkpoint of each seed of the new run; gives what did not fit, each once.
    pub(crate) fn write(
        &self,
        experiment: &Experiment,
        checkpoint: impl Fn(u64) -> PathBuf,
    ) -> Result<Vec<String>> {
        let mut dropped = BTreeSet::new();
        for (seed, path) in &self.seeds {
            let parent = checkpoint_file::read(path)?;
            let to = checkpoint(*seed);
            dropped.extend(match experiment.precision {
                Precision::F32 => adopt::<f32>(experiment, *seed, &parent, &to)?,
                Precision::F64 => adopt::<f64>(experiment, *seed, &parent, &to)?,
            });
        }
        Ok(dropped.into_iter().map(String::from).collect())
    }
}

/// Parts of a checkpoint that fit or not as a whole, and what people call them.
const PARTS: [(&str, &str); 6] = [
    ("learner.activity.", "the activity of the network"),
    (
        "learner.constraints.",
        "what constraints keep (masks, signs)",
    ),
    ("learner.feedback.", "the feedback weights"),
    (
        "learner.rule.",
        "what the rule carries (traces, learned matrices)",
    ),
    (
        "learner.optimizer.",
        "what the optimizer carries (moments, updates done)",
    ),
    ("task.", "the place in the task's stream"),
];

/// Takes over what fits of `parent`, and saves it as the first checkpoint of a seed; gives what was dropped.
fn adopt<T: Scalar>(
    experiment: &Experiment,
    seed: u64,
    parent: &Snapshot,
    path: &Path,
) -> Result<Vec<&'static str>> {
    let mut run = SeedRun::<T>::new(experiment, seed)?;
    let mut taken = Snapshot::default();
    run.state(&mut StateIo::save(&mut taken), false)?;
    let fresh = taken.clone();
    // Weights, pending gradients and counters; warnings and box filters begin anew.
    for (name, array) in &parent.arrays {
        let own = name
            .strip_prefix("learner.")
            .filter(|own| !own.contains('.'));
        if own.is_some_and(|own| own != "sizes") {
            taken.arrays.insert(name.clone(), array.clone());
        }
    }
    run.state(&mut StateIo::restore(&taken), false)?;
    let kept = parent.texts.get("experiment").map_or("", String::as_str);
    let alike = Alike::new(kept, experiment)?;
    let mut dropped = Vec::new();
    for (prefix, what) in PARTS {
        let of = |snapshot: &Snapshot| -> Vec<(String, Array)> {
            let all = snapshot.arrays.iter();
            all.filter(|(name, _)| name.starts_with(prefix))
                .map(|(name, array)| (name.clone(), array.clone()))
                .collect()
        };
        let before = of(&fresh);
        let mut tried = taken.clone();
        tried.arrays.retain(|name, _| !name.starts_with(prefix));
        tried.arrays.extend(of(parent));
        if alike.fits(prefix) && run.state(&mut StateIo::restore(&tried), false).is_ok() {
            taken = tried;
        } else if !before.is_empty() || !of(parent).is_empty() {
            dropped.push(what);
        }
    }
    run.state(&mut StateIo::restore(&taken), false)?;
    run.save(Some(path))?;
    Ok(dropped)
}

/// Which settings of two experiments are alike enough for their states to mean the same.
struct Alike {
    old: BTreeMap<String, String>,
    new: BTreeMap<String, String>,
}

impl Alike {
    fn new(kept: &str, experiment: &Experiment) -> Result<Self> {
        let leaves = |mut experiment: Experiment| -> Result<_> {
            data_paths::leave_out(&mut experiment.task);
            Ok(experiment::leaves(&experiment::resolved(&experiment)?))
        };
        Ok(Self {
            old: leaves(experiment::parse_unchecked(kept, &[])?)?,
            new: leaves(experiment.clone())?,
        })
    }

    fn fits(&self, prefix: &str) -> bool {
        match prefix {
            "learner.feedback." => self.same(|key| key == "feedback.kind"),
            "learner.optimizer." => self.same(|key| key == "optimizer.kind"),
            "task." => self.same(|key| key.starts_with("task.")),
            // Real numbers scale what a rule does; words and whole numbers say what it is and how far it looks.
            "learner.rule." => {
                let of_rule = |key: &str| key.starts_with("rule.");
                self.same(|key| {
                    of_rule(key) && !(is_real(&self.old, key) && is_real(&self.new, key))
                })
            }
            _ => true,
        }
    }

    fn same(&self, counts: impl Fn(&str) -> bool) -> bool {
        let keys = self.old.keys().chain(self.new.keys());
        keys.filter(|key| counts(key))
            .all(|key| self.old.get(key) == self.new.get(key))
    }
}

fn is_real(leaves: &BTreeMap<String, String>, key: &str) -> bool {
    leaves
        .get(key)
        .is_some_and(|value| value.parse::<i64>().is_err() && value.parse::<f64>().is_ok())
}
