//! What a comparison gave, as tables, heat map and histograms.

use apical::analysis::{Alignment, BINS};

use crate::figure::{Band, Colour, Curve, Figure, Heat, Panel, Weight};
use crate::statistics::Spread;
use crate::table::{Column, Table};

/// Most pairs that get a panel of their own in the figure of histograms.
const PANELS: usize = 28;

/// Alignments of all pairs, for each seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Names of the rules.
    pub labels: Vec<String>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// For each seed those of the pairs (row, column < row), row after row.
    pub alignments: Vec<Vec<Alignment>>,
}

impl Compared {
    /// All pairs (row, column < row), row after row.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let count = self.labels.len();
        (0..count).flat_map(|row| (0..row).map(move |column| (row, column)))
    }

    /// Mean alignment of two rules, once a seed.
    pub fn means(&self, a: usize, b: usize) -> Vec<f64> {
        let place = |row: usize, column: usize| row * (row - 1) / 2 + column;
        if a == b {
            return vec![1.0; self.seeds.len()];
        }
        let place = place(a.max(b), a.min(b));
        let of = |alignments: &Vec<Alignment>| alignments[place].mean();
        self.alignments.iter().map(of).collect()
    }

    /// Everything seen of a pair, all seeds together.
    pub fn pooled(&self, row: usize, column: usize) -> Alignment {
        let place = row * (row - 1) / 2 + column;
        let mut pooled = Alignment::default();
        for alignments in &self.alignments {
            pooled.merge(&alignments[place]);
        }
        pooled
    }

    /// A row for each pair and seed.
    pub fn table(&self) -> Table {
        let mut names = [Vec::new(), Vec::new()];
        let (mut seeds, mut counts) = (Vec::new(), [const { Vec::new() }; 3]);
        let mut numbers = [const { Vec::new() }; 3];
        for (place, (row, column)) in self.pairs().enumerate() {
            for (seed, alignments) in self.seeds.iter().zip(&self.alignments) {
                let found = &alignments[place];
                names[0].push(self.labels[row].clone());
                names[1].push(self.labels[column].clone());
                seeds.push(*seed);
                let values = [found.mean(), found.deviation(), found.weighted_mean()];
                numbers
                    .iter_mut()
                    .zip(values)
                    .for_each(|(to, v)| to.push(v));
                let values = [found.count(), found.silent(), found.broken()];
                counts.iter_mut().zip(values).for_each(|(to, v)| to.push(v));
            }
        }
        let ([rule, with], [mean, deviation, weighted]) = (names, numbers);
        let [pairs, silent, broken] = counts;
        Table {
            columns: vec![
                Column::text("rule", rule),
                Column::text("with", with),
                Column::u64("seed", seeds),
                Column::f64("mean", mean),
                Column::f64("deviation", deviation),
                Column::f64("weighted_mean", weighted),
                Column::u64("compared", pairs),
                Column::u64("zero_norm", silent),
                Column::u64("not_finite", broken),
            ],
        }
    }

    /// A row for each pair and bin, all seeds together.
    pub fn histogram_table(&self) -> Table {
        let mut names = [Vec::new(), Vec::new()];
        let mut numbers = [const { Vec::new() }; 3];
        let mut counts = Vec::new();
        for (row, column) in self.pairs() {
            let pooled = self.pooled(row, column);
            let bins = pooled.histogram().iter().zip(pooled.weighted_histogram());
            for (bin, (count, weight)) in bins.enumerate() {
                names[0].push(self.labels[row].clone());
                names[1].push(self.labels[column].clone());
                let values = [edge(bin), edge(bin + 1), *weight];
                numbers
                    .iter_mut()
                    .zip(values)
                    .for_each(|(to, v)| to.push(v));
                counts.push(*count);
            }
        }
        let ([rule, with], [low, high, weight]) = (names, numbers);
        Table {
            columns: vec![
                Column::text("rule", rule),
                Column::text("with", with),
                Column::f64("low", low),
                Column::f64("high", high),
                Column::u64("count", counts),
                Column::f64("weight", weight),
            ],
        }
    }

    /// Mean alignments of all pairs as coloured cells.
    pub fn heat_map(&self, title: &str) -> Panel {
        let last = self.labels.len().saturating_sub(1);
        let cell = |row: usize, column: usize| {
            if column < row {
                Spread::of(&self.means(row, column)).mean
            } else {
                f64::NAN
            }
        };
        Panel {
            title: title.into(),
            heat: Some(Heat {
                rows: self.labels[1.min(last)..].to_vec(),
                columns: self.labels[..last].to_vec(),
                values: (1..=last)
                    .map(|row| (0..last).map(|column| cell(row, column)).collect())
                    .collect(),
            }),
            ..Panel::default()
        }
    }

    /// The heat map alone.
    pub fn figure(&self, title: &str) -> Figure {
        Figure {
            title: title.into(),
            columns: 1,
            panels: vec![self.heat_map("mean alignment of the recurrent gradients")],
        }
    }

    /// Histograms of all pairs, or of the pairs with the first rule where these are many.
    pub fn histograms(&self, title: &str) -> Figure {
        let mut pairs: Vec<(usize, usize)> = self.pairs().collect();
        if pairs.len() > PANELS {
            pairs.retain(|(_, column)| *column == 0);
        }
        let panels: Vec<Panel> = pairs
            .iter()
            .map(|(row, column)| self.histogram(*row, *column))
            .collect();
        let columns = match panels.len() {
            0..=3 => panels.len().max(1),
            4..=12 => 3,
            _ => 4,
        };
        Figure {
            title: title.into(),
            panels,
            columns,
        }
    }

    fn histogram(&self, row: usize, column: usize) -> Panel {
        let pooled = self.pooled(row, column);
        // Densities, so that heights can be compared.
        let density = |values: Vec<f64>| -> Vec<f64> {
            let total: f64 = values.iter().sum();
            let per_bin = BINS as f64 / 2.0;
            let scale = if total > 0.0 { per_bin / total } else { 0.0 };
            values.iter().map(|v| v * scale).collect()
        };
        let counts = density(pooled.histogram().iter().map(|c| *c as f64).collect());
        let weighted = smooth(&density(pooled.weighted_histogram().to_vec()));
        let (mut x, mut high) = (Vec::new(), Vec::new());
        for (bin, height) in counts.iter().enumerate() {
            x.extend([edge(bin), edge(bin + 1)]);
            high.extend([*height; 2]);
        }
        let top = counts
            .iter()
            .chain(&weighted)
            .fold(0.0, |m: f64, v| m.max(*v));
        let mean = pooled.mean();
        Panel {
            title: format!("{} with {}", self.labels[row], self.labels[column]),
            x_label: "alignment".into(),
            y_label: "density".into(),
            x_range: Some((-1.0, 1.0)),
            bands: vec![Band {
                label: Some("all steps alike".into()),
                low: vec![0.0; x.len()],
                x,
                high,
                colour: Colour::Blue,
            }],
            curves: vec![
                Curve {
                    label: Some("weighted by both norms, smoothed over 10 bins".into()),
                    x: (0..BINS)
                        .map(|bin| 0.5 * (edge(bin) + edge(bin + 1)))
                        .collect(),
                    y: weighted,
                    colour: Colour::Blue,
                    weight: Weight::Dark,
                },
                Curve {
                    label: Some("mean".into()),
                    x: vec![mean; 2],
                    y: vec![0.0, top],
                    colour: Colour::Vermilion,
                    weight: Weight::Dashed,
                },
            ],
            ..Panel::default()
        }
    }
}

/// Lower edge of a bin.
fn edge(bin: usize) -> f64 {
    2.0 * bin as f64 / BINS as f64 - 1.0
}

/// Means over windows of ten bins, cut at the ends.
fn smooth(values: &[f64]) -> Vec<f64> {
    let window = |k: usize| {
        let part = &values[k.saturating_sub(5)..(k + 5).min(values.len())];
        part.iter().sum::<f64>() / part.len() as f64
    };
    (0..values.len()).map(window).collect()
}
