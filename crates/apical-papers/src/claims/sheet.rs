//! A paper as it stands in its file: conditions, claims, grids, comparisons, and what is drawn and told of them.

use apical::Experiment;
use serde::Deserialize;

use super::each;
use super::expression::Expression;
use super::measure::Measure;
use super::shown::{Aligned, Drawing, Numbers, Reference, Told};
use apical_runs::{Error, Result, experiment};

/// A paper.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    /// First of the seeds that judge, where these are as many as claims take: not one of those that chose any setting.
    #[serde(default)]
    pub seed: u64,
    /// How claims are judged, unless they say otherwise.
    #[serde(default)]
    pub test: Test,
    /// Whether squared errors are told as means over outputs.
    #[serde(default)]
    pub mean_over_outputs: bool,
    /// What is run.
    #[serde(rename = "condition")]
    pub conditions: Vec<Condition>,
    /// Names for whichever of some conditions does best.
    #[serde(rename = "best", default)]
    pub best: Vec<Best>,
    /// Rules that watch while another trains.
    #[serde(rename = "comparison", default)]
    pub comparisons: Vec<Comparison>,
    /// What is claimed.
    #[serde(rename = "claim")]
    pub claims: Vec<Row>,
    /// Combinations of changes, each judged by itself.
    #[serde(rename = "grid", default)]
    pub grids: Vec<Grid>,
    /// Figures.
    #[serde(rename = "figure", default)]
    pub figures: Vec<Drawing>,
    /// Tables of texts.
    #[serde(rename = "report", default)]
    pub reports: Vec<Told>,
    /// Tables of numbers.
    #[serde(rename = "table", default)]
    pub tables: Vec<Numbers>,
    /// What others measured.
    #[serde(rename = "reference", default)]
    pub references: Vec<Reference>,
    /// Mean alignments that others measured.
    #[serde(rename = "aligned", default)]
    pub aligned: Vec<Aligned>,
}

/// How the numbers decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// By the number of seeds that do it, of as many as it takes ([`super::sequential`]).
    #[default]
    Count,
    /// By the mean, two standard errors from the threshold, of a fixed number of seeds.
    Mean,
    /// By the 95 % interval of the mean (Student's t), of a fixed number of seeds.
    Interval,
}

/// What a quick version makes of a condition.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Quick {
    /// Whether it is there at all.
    Is(bool),
    /// Further changes.
    Changes(Vec<String>),
}

impl Default for Quick {
    fn default() -> Self {
        Self::Is(true)
    }
}

/// A built-in experiment with changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The part of the paper it belongs to.
    #[serde(default)]
    pub part: String,
    /// Name in claims, and of its table.
    pub name: String,
    /// What it shares with others, for readers.
    #[serde(default)]
    pub title: String,
    /// What tells it from these, for readers.
    #[serde(default)]
    pub label: String,
    /// Columns that name it in tables of numbers.
    #[serde(default)]
    pub columns: Vec<[String; 2]>,
    /// A built-in experiment.
    pub of: String,
    /// Changes, as with `--set`.
    #[serde(default)]
    pub set: Vec<String>,
    /// What becomes of it in a quick version.
    #[serde(default)]
    pub quick: Quick,
}

/// A name for whichever of some conditions has the least mean of a quantity; those that are not there are passed over.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// The name.
    pub name: String,
    /// The conditions.
    pub of: Vec<String>,
    /// The quantity.
    pub by: String,
}

/// Rules of conditions that watch while the rule of another trains.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Name, and ending of that of its table.
    pub name: String,
    /// The condition that trains.
    pub trains: String,
    /// The conditions whose rules watch.
    pub watch: Vec<Watch>,
    /// Changes to all of them.
    #[serde(default)]
    pub set: Vec<String>,
    /// Further changes in a quick version.
    #[serde(default)]
    pub quick: Vec<String>,
}

/// A condition whose rule watches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Its name.
    pub on: String,
}

/// A claim: a measure lies below or above a threshold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The part of the paper it belongs to.
    #[serde(default)]
    pub part: String,
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
    /// The conditions whose records are measured, by name.
    #[serde(default)]
    pub on: Vec<String>,
    /// What is measured.
    #[serde(default)]
    pub measure: Option<Expression>,
    /// A choice that is judged on seeds that did not make it, in place of a measure.
    #[serde(default)]
    pub crossed: Option<Crossed>,
    /// Two rankings that should not explain each other, in place of a measure.
    #[serde(default)]
    pub unexplained: Option<Ranks>,
    /// The threshold, if the measure is to lie below it.
    #[serde(default)]
    pub below: Option<f64>,
    /// The threshold, if the measure is to lie above it.
    #[serde(default)]
    pub above: Option<f64>,
    /// The threshold, if the measure is to lie nearer to 0 than this.
    #[serde(default)]
    pub within: Option<f64>,
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
    /// Whether single seeds that do it are told beside their mean.
    #[serde(default)]
    pub counted: bool,
    /// What is told of the measurement, in place of the mean: a text with `{mean}`, `{count}`, `{n}` and numbers of conditions.
    #[serde(default)]
    pub measured: Option<String>,
}

/// Each half of the seeds is judged at what is best on the other half.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crossed {
    /// What the first is chosen from.
    pub first: Vec<Candidate>,
    /// What the second is chosen from.
    pub second: Vec<Candidate>,
}

/// Something to choose.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// What is told of it; empty if nothing is.
    pub name: String,
    /// What should be least.
    pub of: Expression,
}

fn half() -> f64 {
    0.5
}

pub(super) fn yes() -> bool {
    true
}

fn one() -> u64 {
    1
}

/// Two quantities by which items are ranked; `{item}` in them is the item.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranks {
    /// The items.
    pub items: Vec<String>,
    /// The first.
    pub x: String,
    /// The second.
    pub y: String,
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
    pub axes: Vec<Vec<Place>>,
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
pub struct Place {
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
        let wrong = |what: String| Error::Config {
            field: format!("papers/{key}.toml"),
            what,
            mend: "Mend the file and build the program again.".into(),
        };
        let table = toml::from_str(text).map_err(|error| wrong(error.message().into()))?;
        let table = each::expanded(table).map_err(wrong)?;
        Self::deserialize(table).map_err(|error| wrong(error.message().into()))
    }

    /// Without the parts that `has` does not have.
    pub fn part(mut self, has: impl Fn(&str) -> bool) -> Self {
        self.conditions.retain(|condition| has(&condition.part));
        self.claims.retain(|claim| has(&claim.part));
        self.figures.retain(|figure| has(&figure.part));
        self
    }

    /// Without what a quick version leaves out.
    pub fn quick(mut self) -> Self {
        self.conditions.retain(|c| c.quick != Quick::Is(false));
        self.claims.retain(|claim| claim.quick);
        self.reports.retain(|report| report.quick);
        self.grids.clear();
        self
    }
}

impl Condition {
    /// Its experiment with further changes; seeds are those of the sheet.
    ///
    /// # Errors
    /// An unknown experiment or setting.
    pub fn experiment(&self, quick: bool, further: &[String]) -> Result<Experiment> {
        let mut changes = self.set.clone();
        match &self.quick {
            Quick::Changes(own) if quick => changes.extend_from_slice(own),
            _ => {}
        }
        changes.extend_from_slice(further);
        experiment::load(&self.of, &changes)
    }

    /// The command that trains it.
    pub fn command(&self) -> String {
        let sets = self.set.iter().map(|change| format!(" --set {change}"));
        format!("apical run {}{}", self.of, sets.collect::<String>())
    }
}

impl Row {
    /// Whether a measure bears the claim out; one that is not a number does not.
    pub fn holds(&self, value: f64) -> bool {
        self.below.is_none_or(|below| value < below)
            && self.above.is_none_or(|above| value > above)
            && self.within.is_none_or(|within| value.abs() < within)
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
                part: String::new(),
                name: format!("{}: {}", self.name, names.join(", ")),
                title: String::new(),
                label: String::new(),
                columns: Vec::new(),
                of: self.of.clone(),
                set,
                quick: Quick::default(),
            };
            (names, condition)
        };
        cells.into_iter().map(condition).collect()
    }
}
