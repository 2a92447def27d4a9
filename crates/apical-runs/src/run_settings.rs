//! The settings of a run as they stand in its folder.

use std::path::{Path, PathBuf};

use apical::Experiment;

use crate::folder::RunFolder;
use crate::{Error, Result, experiment};

/// The settings of a run as they stand in a file.
#[derive(Clone, Debug)]
pub struct Settings {
    text: String,
    /// From which the files they name may be found.
    folder: PathBuf,
}

impl Settings {
    /// Reads `config`.
    ///
    /// # Errors
    /// A file that cannot be read, or whose `extends` leads nowhere.
    pub fn read(config: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(config).map_err(|error| {
            Error::io(config, "read the settings of the run to go on with", &error)
        })?;
        let folder = config.parent().unwrap_or(Path::new("")).to_path_buf();
        // The program writes none with `extends`; a person may.
        let text = experiment::without_extends(text, &folder)?;
        Ok(Self { text, folder })
    }

    /// The settings of the run in `path`.
    ///
    /// # Errors
    /// A folder without `config.toml`, or one that cannot be read.
    pub fn of_run(path: &Path) -> Result<Self> {
        let config = path.join("config.toml");
        if !config.exists() {
            let mend = match RunFolder::again(path) {
                Some(command) => format!(
                    "A start there ended before it had written its settings, with nothing learned; start again with: {command}"
                ),
                None => "Check the path, or leave out --resume to start a new run.".into(),
            };
            return Err(Error::Config {
                field: "--out".into(),
                what: format!(
                    "{} holds no config.toml, expected the folder of an earlier run",
                    path.display()
                ),
                mend,
            });
        }
        Self::read(&config)
    }

    /// Settings that stand in no file of their own.
    pub(crate) fn of(text: String, folder: PathBuf) -> Self {
        Self { text, folder }
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The experiment, with `key = value` changes and the data its task names, and what [`experiment::load_with_warning`] warns of.
    ///
    /// # Errors
    /// As [`experiment::load`].
    pub fn experiment(&self, changes: &[String]) -> Result<(Experiment, Option<String>)> {
        experiment::parse_in(&self.text, changes, Some(&self.folder))
    }
}
