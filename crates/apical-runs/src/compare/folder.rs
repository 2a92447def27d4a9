//! The folder of a comparison: its settings and the seeds that are done or under way, so that it can go on.

use std::path::{Path, PathBuf};

use apical::Experiment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Plan, Watching};
use crate::files::write_atomic;
use crate::run::{Environment, Settings, write_json};
use crate::same_run::{comparable, same_settings};
use crate::{Error, Result, data_paths, experiment};

const RULES: &str = "rules.toml";

/// `rules.toml`: the rules that watch, with every setting written out.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rules {
    rules: Vec<Watching>,
}

impl Plan {
    /// Begins a comparison in the folder `dir`, which was claimed; returns where its seeds are kept.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn begin(&self, dir: &Path, environment: &Environment) -> Result<PathBuf> {
        write_json(&dir.join("environment.json"), environment)?;
        write_atomic(dir.join(RULES), self.rules_text()?.as_bytes())?;
        self.write_config(dir)?;
        seeds(dir)
    }

    /// The comparison in `dir`, as far as it is, with the places of its data that `changes` name.
    ///
    /// # Errors
    /// A folder that holds none, or files that cannot be read.
    pub fn open(dir: &Path, changes: &[String]) -> Result<Self> {
        let path = dir.join(RULES);
        let settings = Settings::of_run(dir)?;
        if !path.exists() {
            return Err(Error::Config {
                field: "--out".into(),
                what: format!(
                    "{} holds no {RULES}, expected the folder of a comparison",
                    dir.display()
                ),
                mend: "Check the path; a run goes on with `apical run --resume --out DIR`.".into(),
            });
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Error::io(&path, "read the rules of the comparison", &error))?;
        let (experiment, _) = settings.experiment(&data_paths::among(changes))?;
        let Rules { rules } = experiment::read(&text, &path.display().to_string())?;
        let plan = Self { experiment, rules };
        plan.check()?;
        Ok(plan)
    }

    /// Goes on with the comparison `kept` in `dir`, perhaps with more seeds; returns where its seeds are kept.
    ///
    /// # Errors
    /// A setting or a rule that differs, or fewer seeds; nothing was changed.
    pub fn go_on(&self, kept: &Self, dir: &Path) -> Result<PathBuf> {
        let (old, new) = (&kept.experiment, &self.experiment);
        let config = dir.join("config.toml");
        for (field, got, expected, fits) in [
            ("steps", new.steps, old.steps, new.steps == old.steps),
            ("seed", new.seed, old.seed, new.seed == old.seed),
            ("seeds", new.seeds, old.seeds, new.seeds >= old.seeds),
        ] {
            if !fits {
                let least = if field == "seeds" { "at least " } else { "" };
                return Err(Error::Config {
                    field: field.into(),
                    what: format!(
                        "got {got}, expected {least}{expected} as in {}",
                        config.display()
                    ),
                    mend: format!(
                        "Leave --{field} out to finish that comparison, or choose another --out."
                    ),
                });
            }
        }
        same_settings(&config, &comparable(old)?, new)?;
        if self.rules != kept.rules {
            let names = |plan: &Self| -> String {
                let labels = plan.rules.iter().map(|rule| rule.label.as_str());
                labels.collect::<Vec<_>>().join(",")
            };
            return Err(Error::Config {
                field: "--rules".into(),
                what: format!(
                    "got {}, expected {} with the settings in {}",
                    names(self),
                    names(kept),
                    dir.join(RULES).display()
                ),
                mend: "Leave --rules out to finish that comparison, or choose another --out."
                    .into(),
            });
        }
        if new != old {
            self.write_config(dir)?;
        }
        seeds(dir)
    }

    fn write_config(&self, dir: &Path) -> Result<()> {
        let config = data_paths::resolved_in(dir, &self.experiment)?;
        write_atomic(dir.join("config.toml"), config.as_bytes())
    }

    fn rules_text(&self) -> Result<String> {
        let rules = self.rules.clone();
        experiment::text(&Rules { rules })
    }

    /// All that decides what a seed gives.
    pub(super) fn settings(&self, seed: u64) -> Result<String> {
        let mut same: Experiment = self.experiment.clone();
        same.title.clear();
        same.checkpoint = Default::default();
        data_paths::leave_out(&mut same.task);
        (same.seed, same.seeds) = (seed, 1);
        Ok(experiment::resolved(&same)? + &self.rules_text()?)
    }
}

/// The folder of seeds; a comparison may have been killed before it was made.
fn seeds(dir: &Path) -> Result<PathBuf> {
    let seeds = dir.join("seeds");
    std::fs::create_dir_all(&seeds)
        .map_err(|error| Error::io(&seeds, "create this folder", &error))?;
    Ok(seeds)
}
