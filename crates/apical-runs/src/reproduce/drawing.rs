//! The figures of a sheet.

use super::study::Study;
use crate::Result;
use crate::claims::sheet::{Axes, Bounds, Drawing, Mean, Point, Series};
use crate::figure::{Colour, Figure, Level, Mark, Panel};
use crate::statistics::{Spread, mean_curve, quartiles};

/// Steps and values of each seed.
type Runs = Vec<(Vec<u64>, Vec<f64>)>;

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
            panels,
            columns: drawing.columns,
        })
    }

    /// A panel; `drawn` gets the number of seeds of each of its curves.
    fn panel(&self, axes: &Axes, most: Option<usize>, drawn: &mut Vec<usize>) -> Result<Panel> {
        let mut panel = Panel {
            title: axes.title.clone(),
            x_label: axes.x_label.clone(),
            y_label: axes.y_label.clone(),
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
                let mut runs = self.ran(place).curves(&series.of);
                runs.truncate(most.unwrap_or(usize::MAX));
                if !runs.is_empty() {
                    drawn.push(runs.len());
                    add(&mut panel, series, runs);
                }
            }
        }
        if let Some(name) = &axes.heat {
            let comparisons = self.sheet.comparisons.iter().zip(&self.compared);
            let found = comparisons.filter(|(comparison, _)| comparison.name == *name);
            panel.heat = found.last().and_then(|(_, c)| c.heat_map("").heat);
            drawn.extend(self.compared.iter().map(|compared| compared.seeds.len()));
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
            label: Some(level.label.clone()),
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

fn add(panel: &mut Panel, series: &Series, runs: Runs) {
    let runs: Runs = match series.points {
        Some(most) => runs.iter().map(|run| coarse(run, most)).collect(),
        None => runs,
    };
    if !series.mean {
        return panel.add_runs(&runs, series.label.clone(), series.colour);
    }
    let (_, low, high) = quartiles(&runs);
    let (x, y) = mean_curve(&runs);
    let look = (series.colour, series.weight);
    panel.add_banded(series.label.clone(), x, [low, y, high], look);
}

/// Means over groups of points, so that at most `most` are left.
fn coarse((steps, values): &(Vec<u64>, Vec<f64>), most: usize) -> (Vec<u64>, Vec<f64>) {
    let group = steps.len().div_ceil(most).max(1);
    let ends = steps.chunks(group).filter_map(|part| part.last().copied());
    let means = values.chunks(group);
    let means = means.map(|part| part.iter().sum::<f64>() / part.len() as f64);
    (ends.collect(), means.collect())
}
