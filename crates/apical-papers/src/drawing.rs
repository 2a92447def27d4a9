//! The figures of a sheet.

use super::study::Study;
use crate::claims::measured::Runs;
use crate::claims::shown::{Axes, Bounds, Drawing, Mean, Means, Point, Series};
use apical_runs::Result;
use apical_runs::figure::{Colour, Curve, Figure, Level, Mark, Panel, Weight};
use apical_runs::statistics::{Spread, mean_curve, quartiles};

impl Study {
    /// Figures by file name.
    ///
    /// # Errors
    /// A quantity that is not there.
    pub fn figures(&self) -> Result<Vec<(String, Figure)>> {
        let figures = self.sheet.figures.iter();
        figures
            .map(|drawing| Ok((drawing.name.clone(), self.figure(drawing)?)))
            .collect()
    }

    fn figure(&self, drawing: &Drawing) -> Result<Figure> {
        let mut panels = Vec::new();
        let mut drawn = Vec::new();
        for axes in &drawing.panels {
            let panel = self.panel(axes, drawing.most, &mut drawn)?;
            let empty = panel.curves.is_empty() && panel.marks.is_empty() && panel.heat.is_none();
            if !empty {
                panels.push(panel);
            }
        }
        let least = drawn.iter().min().copied().unwrap_or(0);
        let most = drawn.iter().max().copied().unwrap_or(0);
        let seeds = match least == most {
            true => format!("{most} seeds"),
            false => format!("{most} seeds, {least} {}", drawing.fewer),
        };
        Ok(Figure {
            title: drawing
                .title
                .replace("{seeds}", seeds.trim_end())
                .replace("{steps}", &self.watched().to_string()),
            columns: drawing.columns.min(panels.len().max(1)),
            panels,
        })
    }

    /// A panel; `drawn` gets the number of seeds of each of its curves.
    fn panel(&self, axes: &Axes, most: Option<usize>, drawn: &mut Vec<usize>) -> Result<Panel> {
        let mut panel = Panel {
            title: axes.title.clone(),
            x_label: axes.x_label.clone(),
            y_label: axes.y_label.clone(),
            log_x: axes.log_x,
            y_range: axes.y_range,
            log_y: axes.log_y,
            direct: axes.direct,
            ..Panel::default()
        };
        if let Some(bounds) = &axes.bounds {
            panel.levels.extend(self.bounds(bounds));
        }
        for series in &axes.series {
            if let Ok(place) = self.place(&series.on) {
                let mut runs = self.runs(place, &series.of)?;
                runs.truncate(most.unwrap_or(usize::MAX));
                if runs.iter().any(|(x, _)| !x.is_empty()) {
                    let seeds = self.ran(place).records.len();
                    drawn.push(seeds.min(most.unwrap_or(usize::MAX)));
                    add(&mut panel, series, self.text(&series.label)?, runs);
                }
            }
        }
        if let Some(name) = &axes.heat {
            let comparisons = self.sheet.comparisons.iter().zip(&self.compared);
            let mut found = comparisons.filter(|(comparison, _)| comparison.name == *name);
            panel.heat = found.next().and_then(|(_, c)| c.heat_map("").heat);
            drawn.extend(self.compared.iter().map(|compared| compared.seeds.len()));
        }
        for means in &axes.lines {
            if let Some(seeds) = self.line(&mut panel, means)? {
                drawn.push(seeds);
                panel.y_label = self.text(&axes.y_label)?;
            }
        }
        for point in &axes.marks {
            if self.has(&point.x)? && self.has(&point.y)? {
                panel.marks.push(self.mark(point)?);
            }
        }
        for level in &axes.levels {
            if self.has(&level.of)? {
                panel.levels.push(self.level(level)?);
            }
        }
        if let Some(ranks) = &axes.ranks {
            let rho = format!("{:.2}", self.correlation(ranks)?).replace('-', "−");
            panel.title = panel.title.replace("{rho}", &rho);
        }
        Ok(panel)
    }

    /// Adds means along a line; gives the number of seeds, if anything is there.
    fn line(&self, panel: &mut Panel, means: &Means) -> Result<Option<usize>> {
        let (mut x, mut all) = (Vec::new(), Vec::new());
        for spot in &means.at {
            if self.has(&spot.of)? {
                x.push(spot.x);
                all.push(Spread::of(&spot.of.values(self)?));
            }
        }
        let Some(first) = all.first() else {
            return Ok(None);
        };
        let seeds = first.n;
        let at = |errors: f64| all.iter().map(|s| s.mean + errors * s.error).collect();
        let edges = [-1.0, 0.0, 1.0].map(at);
        panel.add_banded(means.label.clone(), x, edges, (means.colour, Weight::Dark));
        Ok(Some(seeds))
    }

    fn mark(&self, point: &Point) -> Result<Mark> {
        Ok(Mark {
            x: Spread::of(&point.x.values(self)?).mean,
            y: Spread::of(&point.y.values(self)?).mean,
            label: point.label.clone(),
            colour: point.colour,
        })
    }

    fn level(&self, level: &Mean) -> Result<Level> {
        Ok(Level {
            y: Spread::of(&level.of.values(self)?).mean,
            label: Some(self.text(&level.label)?),
            colour: Colour::Grey,
        })
    }

    fn bounds(&self, bounds: &Bounds) -> Vec<Level> {
        let Ok(place) = self.place(&bounds.of) else {
            return Vec::new();
        };
        let task = &self.ran(place).experiment.task;
        let level = |bound: apical::task::Bound| {
            let mut labels = bounds.labels.iter();
            let [_, label] = labels.find(|[knowledge, _]| *knowledge == bound.knowledge)?;
            Some(Level {
                y: bound.cross_entropy,
                label: Some(label.clone()),
                colour: Colour::Grey,
            })
        };
        task.bounds().into_iter().filter_map(level).collect()
    }
}

fn add(panel: &mut Panel, series: &Series, label: String, runs: Runs) {
    if series.runs {
        return add_every(panel, series, label, &runs);
    }
    let runs: Runs = match series.points {
        Some(most) => runs.iter().map(|run| coarse(run, most)).collect(),
        None => runs,
    };
    if !series.mean {
        return panel.add_runs(&runs, label, series.colour);
    }
    let (_, low, high) = quartiles(&runs);
    let (x, y) = mean_curve(&runs);
    let look = (series.colour, series.weight);
    panel.add_banded(label, x, [low, y, high], look);
}

/// Every run, and their mean on the scale of the panel.
fn add_every(panel: &mut Panel, series: &Series, label: String, runs: &Runs) {
    let curve = |label, x, y, weight| Curve {
        label,
        x,
        y,
        colour: series.colour,
        weight,
    };
    for (x, y) in runs {
        let x = x.iter().map(|x| *x as f64).collect();
        let run = curve(None, x, y.clone(), Weight::Light);
        panel.curves.push(run);
    }
    let log = panel.log_y;
    let seen = |y: &f64| if log { y.log10() } else { *y };
    let of = |(x, y): &(Vec<u64>, Vec<f64>)| (x.clone(), y.iter().map(seen).collect());
    let (x, mut y) = mean_curve(&runs.iter().map(of).collect::<Vec<_>>());
    if log {
        y.iter_mut().for_each(|y| *y = 10f64.powf(*y));
    }
    panel.curves.push(curve(Some(label), x, y, Weight::Dark));
}

/// Means over groups of points, so that at most `most` are left.
fn coarse((steps, values): &(Vec<u64>, Vec<f64>), most: usize) -> (Vec<u64>, Vec<f64>) {
    let group = steps.len().div_ceil(most).max(1);
    let ends = steps.chunks(group).filter_map(|part| part.last().copied());
    let means = values.chunks(group);
    let means = means.map(|part| part.iter().sum::<f64>() / part.len() as f64);
    (ends.collect(), means.collect())
}
