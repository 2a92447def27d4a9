//! What a sheet draws and tells: figures, tables of texts and of numbers, and what others measured.

use apical_runs::figure::{Colour, Weight};
use serde::Deserialize;

use super::expression::Expression;
use super::sheet::{Ranks, yes};

/// A figure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    /// The part of the paper it belongs to.
    #[serde(default)]
    pub part: String,
    /// File name.
    pub name: String,
    /// Title; `{seeds}` is how many were drawn.
    pub title: String,
    /// Panels in a row.
    pub columns: usize,
    /// Most seeds of a condition that are drawn.
    #[serde(default)]
    pub most: Option<usize>,
    /// What is said of conditions with fewer seeds than others.
    #[serde(default)]
    pub fewer: String,
    /// Panels; those with nothing in them are left out.
    #[serde(rename = "panel")]
    pub panels: Vec<Axes>,
}

/// A panel of a figure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axes {
    /// Title; `{rho}` is the correlation of `ranks`.
    #[serde(default)]
    pub title: String,
    /// What the horizontal axis shows.
    #[serde(default)]
    pub x_label: String,
    /// What the vertical axis shows.
    #[serde(default)]
    pub y_label: String,
    /// Ends of the vertical axis.
    #[serde(default)]
    pub y_range: Option<(f64, f64)>,
    /// Logarithmic horizontal axis.
    #[serde(default)]
    pub log_x: bool,
    /// Logarithmic vertical axis.
    #[serde(default)]
    pub log_y: bool,
    /// Names of curves at their ends.
    #[serde(default)]
    pub direct: bool,
    /// Rankings whose correlation the title tells.
    #[serde(default)]
    pub ranks: Option<Ranks>,
    /// Least cross-entropies by what is known, of the task of a condition.
    #[serde(default)]
    pub bounds: Option<Bounds>,
    /// Means as levels.
    #[serde(default)]
    pub levels: Vec<Mean>,
    /// Curves.
    #[serde(default)]
    pub series: Vec<Series>,
    /// Means and their standard errors along a line.
    #[serde(default)]
    pub lines: Vec<Means>,
    /// Points.
    #[serde(default)]
    pub marks: Vec<Point>,
    /// The comparison whose alignments are drawn.
    #[serde(default)]
    pub heat: Option<String>,
}

/// Levels that a task knows of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The condition.
    pub of: String,
    /// What is known, and what is written there.
    pub labels: Vec<[String; 2]>,
}

/// A mean as a level.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mean {
    /// What it is the mean of.
    pub of: Expression,
    /// What is written there.
    pub label: String,
}

/// A curve in a band, over the seeds of a condition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// The condition.
    pub on: String,
    /// A recorded quantity, or one of the held-out tests.
    pub of: String,
    /// Entry in the legend.
    pub label: String,
    /// Colour.
    pub colour: Colour,
    /// Look.
    #[serde(default)]
    pub weight: Weight,
    /// The mean in place of the median; the band has the quartiles in both cases.
    #[serde(default)]
    pub mean: bool,
    /// Every run beside the mean, in place of the band.
    #[serde(default)]
    pub runs: bool,
    /// Means over groups of records, so that at most so many points are left.
    #[serde(default)]
    pub points: Option<usize>,
}

/// Means over seeds, and their standard errors, along a line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Means {
    /// Entry in the legend.
    pub label: String,
    /// Colour.
    pub colour: Colour,
    /// Places, and what is measured there.
    pub at: Vec<Spot>,
}

/// A place on a line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    /// Where.
    pub x: f64,
    /// What is measured.
    pub of: Expression,
}

/// A point with a name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// What its place is the mean of.
    pub x: Expression,
    /// What its height is the mean of.
    pub y: Expression,
    /// Its name.
    pub label: String,
    /// Colour.
    pub colour: Colour,
}

/// A table of texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// File name.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// Whether it belongs on a screen.
    #[serde(default)]
    pub on_screen: bool,
    /// Whether quick versions have it.
    #[serde(default = "yes")]
    pub quick: bool,
    /// Names of the columns; of `cells` those that have a condition.
    pub header: Vec<Cell>,
    /// What stands in it.
    pub of: Content,
    /// Rows of `cells`.
    #[serde(default)]
    pub row: Vec<Line>,
}

/// What stands in a table of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// What its rows say.
    Cells,
    /// The command of each condition.
    Commands,
    /// What others measured, beside ours.
    References,
    /// The alignments that others measured, beside ours.
    Aligned,
}

/// A row of texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The cells.
    pub cell: Vec<Cell>,
}

/// A text, or a number around which seeds spread.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The text.
    #[serde(default)]
    pub text: String,
    /// What is measured; empty where there is no such condition.
    #[serde(default)]
    pub of: Option<Expression>,
    /// Whether quick versions have it.
    #[serde(default = "yes")]
    pub quick: bool,
}

/// A table of numbers.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case", deny_unknown_fields)]
pub enum Numbers {
    /// Everything recorded, a table a condition.
    Records {},
    /// A row a seed, all conditions together.
    Seeds {
        /// File name.
        name: String,
        /// Names of columns, and the quantities in them.
        columns: Vec<[String; 2]>,
    },
    /// A row a record of a quantity, all conditions together.
    Curves {
        /// File name.
        name: String,
        /// The quantity.
        quantity: String,
        /// Its column.
        column: String,
    },
}

/// What others measured of a condition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The condition.
    pub on: String,
    /// The quantity of ours that it is compared with.
    pub of: String,
    /// Its kind, for readers.
    pub kind: String,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (n − 1), where there are several.
    #[serde(default = "none")]
    pub sd: f64,
    /// Their seeds.
    #[serde(default = "three")]
    pub n: usize,
    /// Entropy of the labels on their held-out steps, if it is to be taken off.
    #[serde(default)]
    pub floor: Option<f64>,
}

fn none() -> f64 {
    f64::NAN
}

fn three() -> usize {
    3
}

/// Mean alignments of pairs that others measured; `{item}` in `on` is one of a pair.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aligned {
    /// The condition of an item.
    pub on: String,
    /// Items, in the order of rows and columns.
    pub items: Vec<String>,
    /// The lower triangle: of the second with the first, of the third with both, ...
    pub lower: Vec<Vec<f64>>,
}
