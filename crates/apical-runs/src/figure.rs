//! Describe scientific figures in a few plain types and draw them as SVG or PNG.
//!
//! ```
//! use apical_runs::figure::{Colour, Curve, Figure, Level, Panel, Weight};
//!
//! let figure = Figure {
//!     title: "Copy task".into(),
//!     columns: 1,
//!     panels: vec![Panel {
//!         x_label: "Step".into(),
//!         y_label: "Loss".into(),
//!         curves: vec![Curve {
//!             label: Some("learning".into()),
//!             x: vec![0.0, 1.0, 2.0],
//!             y: vec![0.7, 0.5, 0.45],
//!             colour: Colour::Blue,
//!             weight: Weight::Dark,
//!         }],
//!         levels: vec![Level { y: 0.45, label: Some("bound".into()), colour: Colour::Grey }],
//!         ..Panel::default()
//!     }],
//! };
//! assert!(figure.to_svg().contains("learning"));
//! ```

mod draw;
mod heat;
mod legend;
mod line;
mod page;
mod picture;
mod scale;
mod text;

use kuva::backend::svg::SvgBackend;
use serde::Deserialize;

use crate::statistics::quantile;
use crate::{Error, Result};

/// A title over a grid of panels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    /// Title of the whole figure; may be empty.
    pub title: String,
    /// Panels in reading order.
    pub panels: Vec<Panel>,
    /// Panels per row; 0 counts as 1.
    pub columns: usize,
}

/// One pair of axes and what is drawn between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// Title; a letter is put in front if the figure has several panels.
    pub title: String,
    /// What the horizontal axis shows.
    pub x_label: String,
    /// What the vertical axis shows.
    pub y_label: String,
    /// Ends of the horizontal axis; taken from the data if absent or impossible.
    pub x_range: Option<(f64, f64)>,
    /// Ends of the vertical axis; taken from the data if absent or impossible.
    pub y_range: Option<(f64, f64)>,
    /// Logarithmic horizontal axis; numbers that are not positive are left out.
    pub log_x: bool,
    /// Logarithmic vertical axis; numbers that are not positive are left out.
    pub log_y: bool,
    /// Shaded spreads, behind everything else.
    pub bands: Vec<Band>,
    /// Curves; thick ones are drawn over thin ones, otherwise in this order.
    pub curves: Vec<Curve>,
    /// Dashed horizontal lines, labelled at their right end.
    pub levels: Vec<Level>,
    /// Points with a name beside them.
    pub marks: Vec<Mark>,
    /// Whether names of dark and dashed curves stand at their right ends, instead of in a legend.
    pub direct: bool,
    /// Coloured cells instead of axes; everything above but title and labels is then left out.
    pub heat: Option<Heat>,
}

impl Panel {
    /// A curve in the middle of a band, from the low edge over the middle to the high one.
    pub fn add_banded(
        &mut self,
        label: impl Into<String>,
        x: Vec<f64>,
        [low, y, high]: [Vec<f64>; 3],
        (colour, weight): (Colour, Weight),
    ) {
        self.bands.push(Band {
            label: None,
            x: x.clone(),
            low,
            high,
            colour,
        });
        self.curves.push(Curve {
            label: Some(label.into()),
            x,
            y,
            colour,
            weight,
        });
    }

    /// Median and quartiles of `values`, one list a place.
    pub fn add_spread(
        &mut self,
        x: Vec<f64>,
        values: &[Vec<f64>],
        label: impl Into<String>,
        colour: Colour,
    ) {
        let at = |share: f64| values.iter().map(|v| quantile(v, share)).collect();
        let edges = [0.25, 0.5, 0.75].map(at);
        self.add_banded(label, x, edges, (colour, Weight::Dark));
    }

    /// Median and quartiles over runs recorded at the same steps; one that ended early stays where it was.
    pub fn add_runs(
        &mut self,
        runs: &[(Vec<u64>, Vec<f64>)],
        label: impl Into<String>,
        colour: Colour,
    ) {
        let longest = runs.iter().max_by_key(|(steps, _)| steps.len());
        let Some((steps, _)) = longest else { return };
        let value = |(_, values): &(Vec<u64>, Vec<f64>), k: usize| {
            let last = values.get(k).or(values.last());
            last.copied().unwrap_or(f64::NAN)
        };
        let at = |k: usize| runs.iter().map(|run| value(run, k)).collect();
        let values: Vec<Vec<f64>> = (0..steps.len()).map(at).collect();
        let x = steps.iter().map(|step| *step as f64).collect();
        self.add_spread(x, &values, label, colour);
    }
}

/// A point with a name beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mark {
    /// Horizontal position.
    pub x: f64,
    /// Height.
    pub y: f64,
    /// The name.
    pub label: String,
    /// Colour.
    pub colour: Colour,
}

/// A table of numbers between −1 and 1 as coloured cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heat {
    /// Names of the rows, from the top.
    pub rows: Vec<String>,
    /// Names of the columns, from the left.
    pub columns: Vec<String>,
    /// Numbers row by row; one that is not a number leaves its cell empty.
    pub values: Vec<Vec<f64>>,
}

/// A line through points; a point that is not a number leaves a gap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// Entry in the legend; curves that share label and look share the entry.
    pub label: Option<String>,
    /// Horizontal positions.
    pub x: Vec<f64>,
    /// Heights; surplus points of the longer of the two lists are ignored.
    pub y: Vec<f64>,
    /// Colour.
    pub colour: Colour,
    /// Look.
    pub weight: Weight,
}

/// The area between two curves, for example a spread over seeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Band {
    /// Entry in the legend.
    pub label: Option<String>,
    /// Horizontal positions.
    pub x: Vec<f64>,
    /// Lower edge.
    pub low: Vec<f64>,
    /// Upper edge.
    pub high: Vec<f64>,
    /// Colour.
    pub colour: Colour,
}

/// A dashed horizontal line, for example a bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Level {
    /// Height.
    pub y: f64,
    /// Text at the right end.
    pub label: Option<String>,
    /// Colour.
    pub colour: Colour,
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Thin and pale, for single seeds.
    Light,
    /// Dashed, for comparisons.
    Dashed,
    /// Thick, for means.
    #[default]
    Dark,
}

/// Colours that stay apart for colour-blind readers (Okabe and Ito), and grey.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// Black.
    #[default]
    Black,
    /// Blue.
    Blue,
    /// Vermilion, a reddish orange.
    Vermilion,
    /// Bluish green.
    Green,
    /// Reddish purple.
    Purple,
    /// Orange.
    Orange,
    /// Sky blue.
    SkyBlue,
    /// Yellow; too pale for thin lines.
    Yellow,
    /// Grey, for bounds and references.
    Grey,
}

impl Colour {
    /// The colour of the `index`th group of curves, strongest first, starting over
    /// after the last.
    pub fn series(index: usize) -> Self {
        const ORDER: [Colour; 6] = [
            Colour::Blue,
            Colour::Vermilion,
            Colour::Green,
            Colour::Purple,
            Colour::Orange,
            Colour::SkyBlue,
        ];
        ORDER[index % ORDER.len()]
    }

    /// Red, green and blue.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            Self::Black => [0, 0, 0],
            Self::Blue => [0, 114, 178],
            Self::Vermilion => [213, 94, 0],
            Self::Green => [0, 158, 115],
            Self::Purple => [204, 121, 167],
            Self::Orange => [230, 159, 0],
            Self::SkyBlue => [86, 180, 233],
            Self::Yellow => [240, 228, 66],
            Self::Grey => [110, 110, 110],
        }
    }
}

impl Figure {
    /// The figure as SVG, with its text as text.
    pub fn to_svg(&self) -> String {
        let scene = draw::page(self).whole();
        let svg = SvgBackend::new().render_scene(&scene);
        // Without a view box the drawing cannot be scaled by what it is embedded in.
        let root = format!(
            r#"<svg viewBox="0 0 {} {}" stroke-linejoin="round" "#,
            scene.width, scene.height
        );
        svg.replacen("<svg ", &root, 1)
    }

    /// The figure as PNG, at twice the size of the SVG.
    ///
    /// # Errors
    /// [`Error::Encode`] if the picture cannot be compressed.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let (scene, turned) = draw::page(self).apart();
        picture::png(&scene, turned.as_ref()).map_err(|reason| Error::Encode {
            what: "PNG figure",
            reason,
            mend: "Write the figure as SVG, and report this as a fault of Apical.",
        })
    }
}
