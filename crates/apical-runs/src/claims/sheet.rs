//! The conditions and claims of a paper as they stand in its file.

use apical::Experiment;
use serde::Deserialize;

use super::measure::Measure;
use crate::{Result, experiment};

/// A paper's conditions, its claims, and grids of both.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    /// First of the seeds that judge: not one of those that chose any setting.
    pub seed: u64,
    /// What is run.
    #[serde(rename = "condition")]
    pub conditions: Vec<Condition>,
    /// What is claimed.
    #[serde(rename = "claim")]
    pub claims: Vec<Row>,
    /// Combinations of changes, each judged by itself.
    #[serde(rename = "grid", default)]
    pub grids: Vec<Grid>,
}

/// A built-in experiment with changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Name in claims, and of its table.
    pub name: String,
    /// A built-in experiment.
    pub of: String,
    /// Changes, as with `--set`.
    #[serde(default)]
    pub set: Vec<String>,
    /// Further changes in a quick version.
    #[serde(default)]
    pub quick: Vec<String>,
}

/// A claim: with more than a share of seeds, a measure lies below or above a threshold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Stable short name.
    pub id: String,
    /// Figure of the paper.
    #[serde(default)]
    pub figure: String,
    /// What is claimed.
    pub statement: String,
    /// Who claims it.
    pub source: String,
    /// What would bear it out, without the share of seeds.
    pub expected: String,
    /// The conditions it is measured on, by name.
    pub on: Vec<String>,
    /// What is measured.
    pub measure: Measure,
    /// The threshold, if the measure is to lie below it.
    #[serde(default)]
    pub below: Option<f64>,
    /// The threshold, if the measure is to lie above it.
    #[serde(default)]
    pub above: Option<f64>,
    /// Share of the seeds that must do so.
    #[serde(default = "half")]
    pub share: f64,
    /// Seeds whose mean traces count as one draw.
    #[serde(default = "one")]
    pub together: u64,
    /// Whether quick versions judge it.
    #[serde(default = "yes")]
    pub quick: bool,
    /// A further threshold, whose count is told without being judged: its name and value.
    #[serde(default)]
    pub also: Option<(String, f64)>,
}

fn half() -> f64 {
    0.5
}

fn yes() -> bool {
    true
}

fn one() -> u64 {
    1
}

/// A table of conditions, one for every combination of one change of each axis.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// File name of its table.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// A built-in experiment.
    pub of: String,
    /// Changes that all share.
    #[serde(default)]
    pub set: Vec<String>,
    /// Names of the axes, as columns.
    pub columns: Vec<String>,
    /// Along each axis the names and changes.
    pub axes: Vec<Vec<Level>>,
    /// What is measured.
    pub measure: Measure,
    /// The threshold below which a seed does it.
    pub below: f64,
    /// Seeds of a cell at most; one that they leave open says how many it would take.
    pub most: u64,
}

/// A place on an axis.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Name.
    pub name: String,
    /// Changes.
    #[serde(default)]
    pub set: Vec<String>,
}

impl Sheet {
    /// Reads the file of a paper.
    ///
    /// # Errors
    /// A file that is no sheet, which a test excludes for those that come with the program.
    pub fn read(key: &str, text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| crate::Error::Config {
            field: format!("papers/{key}.toml"),
            what: error.message().into(),
            mend: "Mend the file and build the program again.".into(),
        })
    }
}

impl Condition {
    /// Its experiment; seeds are those of the sheet.
    ///
    /// # Errors
    /// An unknown experiment or setting.
    pub fn experiment(&self, quick: bool) -> Result<Experiment> {
        let further = self.quick.iter().filter(|_| quick);
        let changes: Vec<String> = self.set.iter().chain(further).cloned().collect();
        experiment::load(&self.of, &changes)
    }
}

impl Row {
    /// Whether a measure bears the claim out; one that is not a number does not.
    pub fn holds(&self, value: f64) -> bool {
        self.below.is_none_or(|below| value < below)
            && self.above.is_none_or(|above| value > above)
            && !value.is_nan()
    }
}

impl Grid {
    /// Every combination: the names of its places and its condition.
    pub fn cells(&self) -> Vec<(Vec<String>, Condition)> {
        let mut cells = vec![(Vec::new(), self.set.clone())];
        for axis in &self.axes {
            let further = |(names, set): &(Vec<String>, Vec<String>)| {
                let each = axis.iter().map(|level| {
                    let names = names.iter().chain([&level.name]).cloned().collect();
                    (names, set.iter().chain(&level.set).cloned().collect())
                });
                each.collect::<Vec<_>>()
            };
            cells = cells.iter().flat_map(further).collect();
        }
        let condition = |(names, set): (Vec<String>, Vec<String>)| {
            let condition = Condition {
                name: format!("{}: {}", self.name, names.join(", ")),
                of: self.of.clone(),
                set,
                quick: Vec::new(),
            };
            (names, condition)
        };
        cells.into_iter().map(condition).collect()
    }
}
