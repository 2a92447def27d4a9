//! Scores, claims, tables and learning curves of one task.

use std::collections::BTreeMap;

use apical::task::Sample;
use apical::{Experiment, Streams};

use super::{CONDITIONS, Cell, Condition, Task, accuracy, condition, grids, reference};
use crate::Result;
use crate::claims::{Claim, Verdict, counted, measured};
use crate::figure::{Colour, Curve, Figure, Level, Panel, Weight};
use crate::record::{Ending, SeedRecord};
use crate::reproduce::Report;
use crate::statistics::{Spread, mean_curve, median, paired, welch};

/// Records of the authors' moving mean.
const WINDOW: usize = 15;
/// Points whose mean chooses the learning rate of a rule.
const LAST: usize = 50;
/// Drives of ModProp, as the keys of its conditions have them.
const DRIVES: [&str; 2] = ["paper", "code"];
/// The μ of the released script, which keys leave out.
const PUBLISHED_MU: f64 = 0.25;
/// The records of one task.
pub(super) struct Study<'a> {
    task: Task,
    quick: bool,
    cells: Vec<(&'a Cell, &'a [SeedRecord])>,
    /// What losses are relative to, by seed: 1, or what an output of 0 would have.
    units: BTreeMap<u64, f64>,
    /// Losses above this, twice that of an output of 0, count as this, and so do those a diverged run did not live to have.
    ceiling: f64,
    /// Iterations of a whole curve.
    grid: Vec<f64>,
}

impl<'a> Study<'a> {
    pub fn new(
        task: Task,
        quick: bool,
        plan: &'a [Cell],
        records: &'a [Vec<SeedRecord>],
    ) -> Result<Self> {
        let cells: Vec<_> = plan
            .iter()
            .zip(records)
            .filter(|(cell, _)| cell.task == task)
            .map(|(cell, records)| (cell, &records[..]))
            .collect();
        let mut units = BTreeMap::new();
        for record in cells.iter().flat_map(|(_, records)| *records) {
            if task == Task::Pattern && !units.contains_key(&record.seed) {
                let unit = power(&cells[0].0.experiment, record.seed)?;
                units.insert(record.seed, unit);
            }
        }
        let zero = match task {
            Task::Pattern => 1.0,
            _ => (cells[0].0.experiment.task.sizes().1 as f64).ln(),
        };
        let curves = cells.iter().flat_map(|(_, records)| *records);
        let curves = curves.filter_map(|record| record.curve("loss"));
        let grid = curves.map(|curve| &curve.steps).max_by_key(|s| s.len());
        let trial = task.trial(quick) as f64;
        Ok(Self {
            task,
            quick,
            units,
            ceiling: 2.0 * zero,
            grid: grid.map_or_else(Vec::new, |s| s.iter().map(|s| *s as f64 / trial).collect()),
            cells,
        })
    }

    /// One of its experiments: its task is that of all.
    pub fn experiment(&self) -> Option<&'a Experiment> {
        self.cells.first().map(|(cell, _)| &cell.experiment)
    }

    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        self.task.name()
    }

    pub fn title(&self) -> &'static str {
        self.task.title()
    }

    /// Seeds of each rule.
    pub fn seeds(&self) -> usize {
        self.cells.first().map_or(0, |(_, records)| records.len())
    }

    fn iterations(&self, step: u64) -> f64 {
        step as f64 / self.task.trial(self.quick) as f64
    }

    /// Iterations of a whole run.
    fn end(&self) -> f64 {
        self.grid.last().copied().unwrap_or(f64::NAN)
    }

    /// Iterations and losses of one run.
    fn losses(&self, record: &SeedRecord) -> (Vec<f64>, Vec<f64>) {
        let Some(curve) = record.curve("loss") else {
            return (Vec::new(), Vec::new());
        };
        let unit = self.units.get(&record.seed).copied().unwrap_or(1.0);
        let at_most = |loss: &f64| (loss / unit).min(self.ceiling);
        let mut values: Vec<f64> = curve.values.iter().map(at_most).collect();
        values.resize(self.grid.len(), self.ceiling);
        (self.grid.clone(), values)
    }

    fn at(&self, rule: &str, rate: f64) -> &'a [SeedRecord] {
        let found = self
            .cells
            .iter()
            .find(|(cell, _)| cell.rule == rule && cell.rate == rate);
        found.map_or(&[], |(_, records)| records)
    }

    fn rates(&self) -> &'static [f64] {
        self.task.rates(self.quick)
    }

    /// Squared errors span decades, over which one run that fails would hide what all others do.
    fn is_log(&self) -> bool {
        self.task == Task::Pattern
    }

    /// A loss on the scale of comparison.
    fn scaled(&self, loss: f64) -> f64 {
        if self.is_log() { loss.log10() } else { loss }
    }

    /// The learning rate with the lower mean of the last points of the curves as the authors plot them, as they choose it.
    pub fn better_rate(&self, rule: &str) -> f64 {
        let last = |rate: f64| {
            let runs: Vec<_> = self.at(rule, rate).iter().map(|r| self.losses(r)).collect();
            let (_, kept) = published(&runs);
            let of = |losses: &Vec<f64>| {
                let last = &losses[losses.len().saturating_sub(LAST)..];
                mean(&last.iter().map(|l| self.scaled(*l)).collect::<Vec<_>>())
            };
            mean(&kept.iter().map(of).collect::<Vec<_>>())
        };
        let rates = self.rates().iter().copied();
        rates
            .map(|rate| (last(rate), rate))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(f64::NAN, |(_, rate)| rate)
    }

    pub fn best(&self, rule: &str) -> &'a [SeedRecord] {
        self.at(rule, self.better_rate(rule))
    }

    /// The loss averaged over training, one number a seed: how fast and how far, in one.
    pub fn areas(&self, records: &[SeedRecord]) -> Vec<f64> {
        records.iter().map(|r| mean(&self.losses(r).1)).collect()
    }

    fn finals(&self, records: &[SeedRecord]) -> Vec<f64> {
        let last = |record: &SeedRecord| {
            let (_, losses) = self.losses(record);
            mean(&losses[losses.len().saturating_sub(WINDOW)..])
        };
        records.iter().map(last).collect()
    }

    /// First recorded iteration from which three records on end have an accuracy of 0.95; infinite if there is none.
    fn sustained(&self, record: &SeedRecord) -> f64 {
        let Some(curve) = record.curve("accuracy") else {
            return f64::NAN;
        };
        let found = curve
            .values
            .windows(3)
            .position(|three| three.iter().all(|accuracy| *accuracy >= 0.95));
        found.map_or(f64::INFINITY, |k| self.iterations(curve.steps[k]))
    }

    pub fn accuracies(&self, records: &[SeedRecord]) -> Vec<f64> {
        let last = |record: &SeedRecord| match record.curve("accuracy") {
            _ if matches!(record.ending, Ending::Diverged(_)) => 0.0,
            Some(curve) => mean(&curve.values[curve.values.len().saturating_sub(WINDOW)..]),
            None => record.tests.last(1, 1),
        };
        records.iter().map(last).collect()
    }

    pub fn claims(&self) -> Vec<Claim> {
        if self.task == Task::Mu {
            return DRIVES.map(|drive| self.best_mu(drive)).into();
        }
        if matches!(self.task, Task::Types | Task::Taps) {
            return grids::claims(self, self.task);
        }
        let order =
            "paper, as far as it could be read: BPTT < ModProp < MDGL < three-factor in loss";
        let types = "title of the paper: modulators of types suffice; which of its runs used means of types is not known";
        let ours = "our control";
        let means = "our question: what means over types lose";
        let pairs = [
            ("bptt", "modprop_cell_code", order),
            ("bptt", "modprop_cell_paper", order),
            ("bptt", "modprop_typed_code", order),
            ("bptt", "modprop_typed_paper", order),
            ("modprop_cell_code", "mdgl_cell", order),
            ("modprop_cell_paper", "mdgl_cell", order),
            ("modprop_cell_code", "three_factor", order),
            ("modprop_cell_paper", "three_factor", order),
            ("mdgl_cell", "three_factor", order),
            ("mdgl_typed", "three_factor", types),
            ("modprop_typed_code", "mdgl_typed", types),
            ("modprop_typed_paper", "mdgl_typed", types),
            ("modprop_typed_code", "mdgl_cell", types),
            ("modprop_typed_paper", "mdgl_cell", types),
            ("modprop_typed_code", "three_factor", types),
            ("modprop_typed_paper", "three_factor", types),
            ("modprop_cell_code", "modprop_typed_code", means),
            ("modprop_cell_paper", "modprop_typed_paper", means),
            ("three_factor", "readout_only", ours),
        ];
        let mut claims = Vec::new();
        for (better, worse, source) in pairs {
            claims.push(self.order(better, worse, source));
            if self.task.is_xor() {
                claims.push(self.sooner(better, worse, source));
            }
        }
        if self.task == Task::Smnist {
            claims.extend(accuracy::claims(self));
        }
        if self.task == Task::Xor && !self.quick {
            claims.extend(self.released());
        }
        claims
    }

    pub fn order(&self, better: &str, worse: &str, source: &str) -> Claim {
        let areas = |rule| -> Vec<f64> {
            let areas = self.areas(self.best(rule)).into_iter();
            areas.map(|area| self.scaled(area)).collect()
        };
        let differences = paired(&areas(better), &areas(worse));
        let what = if self.is_log() { "log10 of the " } else { "" };
        let rates = [better, worse].map(|rule| format!("{:e}", self.better_rate(rule)));
        Claim {
            id: format!("{}.{better}_before_{worse}", self.task.name()),
            statement: format!(
                "{}: {} learns better than {}",
                self.task.title(),
                label(better),
                label(worse)
            ),
            expected: format!(
                "{what}loss averaged over training (at most {:.2}), first - second, below 0 (same seeds; rates {} and {})",
                self.ceiling, rates[0], rates[1]
            ),
            measured: counted(&Spread::of(&differences), &differences, |d| d < 0.0),
            ..compared(source, &differences)
        }
    }

    /// Which of two rules is sooner at the criterion, a run that never is counting as one that is at its end.
    fn sooner(&self, better: &str, worse: &str, source: &str) -> Claim {
        let end = self.end();
        let reached = |rule| -> Vec<f64> {
            let records = self.best(rule).iter();
            records.map(|record| self.sustained(record)).collect()
        };
        let (a, b) = (reached(better), reached(worse));
        let until = |all: &[f64]| all.iter().map(|it| it.min(end)).collect::<Vec<f64>>();
        let differences = paired(&until(&a), &until(&b));
        let first = differences.iter().filter(|d| **d < 0.0).count();
        let rates = [better, worse].map(|rule| format!("{:e}", self.better_rate(rule)));
        Claim {
            id: format!("{}.{better}_sooner_than_{worse}", self.task.name()),
            statement: format!(
                "{}: {} is sooner at 0.95 than {}",
                self.task.title(),
                label(better),
                label(worse)
            ),
            expected: format!(
                "iterations to an accuracy of 0.95 for three records, never as {end:.0}, first - second, below 0 (same seeds; \
                 rates {} and {})",
                rates[0], rates[1]
            ),
            measured: format!(
                "medians {} and {}; {first} of {} seeds sooner",
                iterations(median(&a)),
                iterations(median(&b)),
                differences.len()
            ),
            ..compared(source, &differences)
        }
    }

    /// Keys of ModProp with this drive, by μ.
    fn grid(&self, drive: &str) -> Vec<(f64, &'a str)> {
        let key = format!("modprop_typed_{drive}");
        let mut grid = Vec::new();
        for (cell, _) in &self.cells {
            let mu = match cell.rule.strip_prefix(&key) {
                Some("") => PUBLISHED_MU,
                Some(rest) => rest.trim_start_matches(" mu=").parse().unwrap_or(f64::NAN),
                None => continue,
            };
            if !grid.contains(&(mu, cell.rule.as_str())) {
                grid.push((mu, cell.rule.as_str()));
            }
        }
        grid.sort_by(|a, b| a.0.total_cmp(&b.0));
        grid
    }

    /// The best μ of a drive against the three-factor rule. Each half of the seeds is judged at the μ and the rates that are best on the
    /// other half, so that what is chosen is not what is tested.
    fn best_mu(&self, drive: &str) -> Claim {
        let seeds = self.at("three_factor", self.rates()[0]).len();
        let halves = [0..seeds / 2, seeds / 2..seeds];
        let best = |rules: &[(f64, &str)], on: &std::ops::Range<usize>| {
            let mut tried = Vec::new();
            for (mu, rule) in rules {
                for rate in self.rates() {
                    let areas = self.areas(self.at(rule, *rate));
                    let on: Vec<f64> = areas[on.clone()].to_vec();
                    tried.push((mean(&on), *mu, areas));
                }
            }
            let first = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
            first.map_or((f64::NAN, Vec::new()), |(_, mu, areas)| (mu, areas))
        };
        let (mut differences, mut chosen) = (Vec::new(), Vec::new());
        for (here, there) in [(&halves[0], &halves[1]), (&halves[1], &halves[0])] {
            let (mu, ours) = best(&self.grid(drive), there);
            let (_, theirs) = best(&[(0.0, "three_factor")], there);
            differences.extend(paired(&ours[here.clone()], &theirs[here.clone()]));
            chosen.push(mu);
        }
        Claim {
            id: format!("mu.best_{drive}_before_three_factor"),
            statement: format!(
                "delayed XOR: {} with the best mu of the grid learns better than three-factor",
                label(&format!("modprop_typed_{drive}"))
            ),
            expected: format!(
                "loss averaged over {} iterations (at most {:.2}), first - second, below 0 (same seeds; mu and rates chosen on the other half)",
                iterations(self.end()),
                self.ceiling
            ),
            measured: format!(
                "{}; mu {} and {}",
                counted(&Spread::of(&differences), &differences, |d| d < 0.0),
                chosen[0],
                chosen[1]
            ),
            ..compared("title of the paper; the grid is ours", &differences)
        }
    }

    /// The loss over training by μ: a panel for each rate, the three-factor rule as a level.
    fn mu_figure(&self) -> Figure {
        let mut panels = Vec::new();
        for rate in self.rates() {
            let mut panel = Panel {
                title: format!("rate {rate:e}"),
                x_label: "mu".into(),
                y_label: format!("loss over {} iterations", iterations(self.end())),
                ..Panel::default()
            };
            for (drive, colour) in DRIVES.into_iter().zip([Colour::Vermilion, Colour::Orange]) {
                let grid = self.grid(drive);
                let all: Vec<Spread> = grid
                    .iter()
                    .map(|(_, rule)| Spread::of(&self.areas(self.at(rule, *rate))))
                    .collect();
                let x: Vec<f64> = grid.iter().map(|(mu, _)| *mu).collect();
                let key = format!("modprop_typed_{drive}");
                add_means(&mut panel, label(&key), x, &all, colour);
            }
            let yardstick = Spread::of(&self.areas(self.at("three_factor", *rate)));
            panel.levels.push(Level {
                y: yardstick.mean,
                label: Some(format!(
                    "three-factor, {:.3} ± {:.3}",
                    yardstick.mean, yardstick.error
                )),
                colour: Colour::Grey,
            });
            panels.push(panel);
        }
        Figure {
            title: format!(
                "{}: mean and standard error of {} seeds",
                self.task.title(),
                self.seeds()
            ),
            columns: panels.len(),
            panels,
        }
    }

    /// Against the ten curves the authors released.
    fn released(&self) -> Vec<Claim> {
        let records = self.at("modprop_cell_code", 5e-4);
        let claim = |id: &str, statement: &str, expected: String| Claim {
            id: format!("xor.released_{id}"),
            figure: "released curves".into(),
            statement: format!("ModProp as released (W, code, 5e-4): {statement}"),
            source: "the authors' result files, ten runs".into(),
            expected,
            n: records.len(),
            ..measured(&Spread::of(&[]))
        };
        let reached: Vec<f64> = records.iter().map(|r| self.sustained(r)).collect();
        let within = reached.iter().filter(|it| **it <= 1500.0).count();
        let middle = median(&reached);
        let theirs = median(&reference::SUSTAINED);
        let decide = |yes: bool| {
            if yes {
                Verdict::Reproduced
            } else {
                Verdict::NotReproduced
            }
        };
        let accuracies = self.accuracies(records);
        let accuracy = median(&accuracies);
        let worst = accuracies.iter().copied().fold(f64::INFINITY, f64::min);
        let list = |values: &[f64]| {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            let texts: Vec<String> = sorted.iter().map(|it| iterations(*it)).collect();
            texts.join(" ")
        };
        let mut claims = vec![
            Claim {
                measured: format!("{within} of {}", records.len()),
                spread: format!("iterations {}", list(&reached)),
                verdict: decide(within == records.len() && !records.is_empty()),
                ..claim(
                    "solved",
                    "every run reaches 0.95",
                    "within 1,500 iterations".into(),
                )
            },
            Claim {
                measured: iterations(middle),
                spread: format!("theirs {}", list(&reference::SUSTAINED)),
                verdict: decide((100.0..=350.0).contains(&middle)),
                ..claim(
                    "speed",
                    "iterations to 0.95, median",
                    format!("between 100 and 350; theirs {theirs:.0}"),
                )
            },
            Claim {
                measured: format!("{accuracy:.3}"),
                spread: format!("worst {worst:.3}; theirs 1.000, every run"),
                verdict: decide(accuracy >= 0.999),
                ..claim(
                    "accuracy",
                    "accuracy of the last 15 records, median",
                    "1.000".into(),
                )
            },
        ];
        // Factors that eight runs can decide against ten if they spread as those do: by one of 1.6 and one of 3.7 (sd of logarithms).
        for (id, statement, ours, theirs, factor) in [
            (
                "area",
                "mean loss over training",
                self.areas(records),
                &reference::MEAN_LOSS,
                2.0_f64,
            ),
            (
                "loss",
                "loss of the last 15 records",
                self.finals(records),
                &reference::LAST_LOSS,
                4.0,
            ),
        ] {
            let logs = |losses: &[f64]| losses.iter().map(|l| l.ln()).collect::<Vec<_>>();
            let (a, b) = (Spread::of(&logs(&ours)), Spread::of(&logs(theirs)));
            let interval = welch(&a, &b);
            claims.push(Claim {
                measured: format!("{:.4} (median {:.4})", a.mean.exp(), median(&ours)),
                spread: format!(
                    "ratio {:.2}, 95 % interval {:.2} to {:.2}",
                    (a.mean - b.mean).exp(),
                    interval.0.exp(),
                    interval.1.exp()
                ),
                verdict: Verdict::near(interval, factor.ln()),
                ..claim(
                    id,
                    statement,
                    format!(
                        "theirs {:.4} (median {:.4}), geometric means; the interval of the ratio within a factor of {factor}",
                        b.mean.exp(),
                        median(theirs)
                    ),
                )
            });
        }
        claims
    }

    /// How many examples there are, where they are a fixed set, and how many of them a test shows.
    fn split(&self) -> String {
        let Some(e) = self.experiment() else {
            return String::new();
        };
        let shown = e.evaluate.steps / self.task.trial(self.quick) * e.batch as u64;
        e.task.split().map_or_else(String::new, |(train, test)| {
            let shown = shown.min(test as u64);
            format!("; {train} images to train on, {shown} of {test} for tests")
        })
    }

    /// Every rule at every rate.
    pub fn report(&self) -> Report {
        let loss = match self.task {
            Task::Pattern => "normalised squared error",
            _ => "cross-entropy",
        };
        let chance =
            accuracy::chance(self).map_or_else(String::new, |c| format!(" (chance {c:.3})"));
        let accuracy = format!("accuracy at the end{chance}: median; worst");
        let mut header = vec!["rule", "rate", "seeds"];
        if self.task.is_xor() {
            header.extend(["iterations to 0.95, sorted", "median"]);
        }
        if self.task != Task::Pattern {
            header.push(&accuracy);
        }
        header.extend([
            "loss over training: mean ± sd; median",
            "loss at the end: mean ± sd; median",
            "warnings",
        ]);
        let mut rows = Vec::new();
        for (cell, records) in &self.cells {
            let mut row = vec![
                label(&cell.rule),
                format!("{:e}", cell.rate),
                records.len().to_string(),
            ];
            if self.task.is_xor() {
                let mut reached: Vec<f64> = records.iter().map(|r| self.sustained(r)).collect();
                let middle = median(&reached);
                reached.sort_by(f64::total_cmp);
                let texts: Vec<String> = reached.iter().map(|it| iterations(*it)).collect();
                row.extend([texts.join(" "), iterations(middle)]);
            }
            if self.task != Task::Pattern {
                let all = self.accuracies(records);
                let worst = all.iter().copied().fold(f64::INFINITY, f64::min);
                row.push(format!("{:.3}; {worst:.3}", median(&all)));
            }
            let (area, end) = (
                Spread::of(&self.areas(records)),
                Spread::of(&self.finals(records)),
            );
            row.push(format!(
                "{:.4} ± {:.4}; {:.4}",
                area.mean, area.deviation, area.median
            ));
            row.push(format!(
                "{:.4} ± {:.4}; {:.4}",
                end.mean, end.deviation, end.median
            ));
            let mut warned: BTreeMap<String, usize> = BTreeMap::new();
            for record in *records {
                let unstable = |w: &&apical::monitor::Warning| {
                    matches!(w, apical::monitor::Warning::UnstableFilter { .. })
                };
                if record.warnings.iter().any(|w| unstable(&w)) {
                    *warned.entry("filter unstable".into()).or_default() += 1;
                }
                if matches!(record.ending, Ending::Diverged(_)) {
                    *warned.entry("diverged".into()).or_default() += 1;
                }
            }
            let texts = warned
                .iter()
                .map(|(what, count)| format!("{what}: {count}"));
            row.push(texts.collect::<Vec<_>>().join(", "));
            rows.push(row);
        }
        Report {
            name: match self.task {
                Task::Xor => "xor-table",
                Task::Mu => "mu-table",
                Task::Types => "types-table",
                Task::Taps => "taps-table",
                Task::Pattern => "pattern-table",
                Task::Smnist => "smnist-table",
            }
            .into(),
            title: format!(
                "{}: every rule at every rate ({loss}, at most {:.2}{})",
                self.task.title(),
                self.ceiling,
                self.split()
            ),
            on_screen: true,
            header: header.into_iter().map(String::from).collect(),
            rows,
        }
    }

    pub fn figure(&self) -> Figure {
        if self.task == Task::Mu {
            return self.mu_figure();
        }
        if matches!(self.task, Task::Types | Task::Taps) {
            return grids::figure(self, self.task);
        }
        let mut published = Panel {
            title: format!("{}, as the authors plot", self.task.title()),
            ..self.panel()
        };
        let mut whole = Panel {
            title: format!("every run (losses above {:.2} as that)", self.ceiling),
            ..self.panel()
        };
        for condition in &CONDITIONS {
            let runs: Vec<(Vec<f64>, Vec<f64>)> = self
                .best(condition.key)
                .iter()
                .map(|r| self.losses(r))
                .collect();
            if runs.iter().all(|(x, _)| x.is_empty()) {
                continue;
            }
            let rate = self.better_rate(condition.key);
            let name = format!("{} ({rate:e})", condition.label);
            self.add_published(&mut published, condition, &name, &runs);
            add_whole(&mut whole, condition, &name, &runs);
        }
        let seeds = self.seeds();
        Figure {
            title: format!(
                "Liu et al. 2022: {} ({seeds} seeds a rule)",
                self.task.title()
            ),
            panels: vec![published, whole],
            columns: 2,
        }
    }

    fn panel(&self) -> Panel {
        Panel {
            x_label: "iteration".into(),
            y_label: match self.task {
                Task::Pattern => "normalised squared error".into(),
                _ => "cross-entropy".into(),
            },
            log_y: self.is_log(),
            ..Panel::default()
        }
    }

    /// The last record dropped, a moving mean, the runs with the largest and the smallest sum dropped; of the rest median and
    /// quartiles, where the authors draw mean and deviation, which leaves the range a loss can have.
    fn add_published(
        &self,
        panel: &mut Panel,
        condition: &Condition,
        name: &str,
        runs: &[(Vec<f64>, Vec<f64>)],
    ) {
        let (x, kept) = published(runs);
        let Some(length) = kept.iter().map(Vec::len).min() else {
            return;
        };
        let at = |k: usize| kept.iter().map(|run| run[k]).collect();
        let values: Vec<Vec<f64>> = (0..length).map(at).collect();
        panel.add_spread(x[..length].to_vec(), &values, name, condition.colour);
    }
}

/// Means and their standard errors.
pub(super) fn add_means(
    panel: &mut Panel,
    label: String,
    x: Vec<f64>,
    all: &[Spread],
    colour: Colour,
) {
    let at = |errors: f64| all.iter().map(|s| s.mean + errors * s.error).collect();
    let edges = [-1.0, 0.0, 1.0].map(at);
    panel.add_banded(label, x, edges, (colour, Weight::Dark));
}

/// The authors' plotting protocol: steps, and smoothed runs without the best and the worst.
fn published(runs: &[(Vec<f64>, Vec<f64>)]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut smooth: Vec<Vec<f64>> = runs
        .iter()
        .map(|(_, losses)| {
            let losses = &losses[..losses.len().saturating_sub(1)];
            let window = WINDOW.min(losses.len().max(1));
            losses.windows(window).map(mean).collect()
        })
        .collect();
    smooth.sort_by(|a, b| a.iter().sum::<f64>().total_cmp(&b.iter().sum()));
    if smooth.len() > 2 {
        smooth.pop();
        smooth.remove(0);
    }
    let x = runs.first().map_or(&[][..], |(x, _)| x);
    let from = (WINDOW.min(x.len()).max(1)) - 1;
    (x.get(from..).unwrap_or(&[]).to_vec(), smooth)
}

fn add_whole(panel: &mut Panel, condition: &Condition, name: &str, runs: &[(Vec<f64>, Vec<f64>)]) {
    for (x, y) in runs {
        panel.curves.push(Curve {
            label: None,
            x: x.clone(),
            y: y.clone(),
            colour: condition.colour,
            weight: Weight::Light,
        });
    }
    let whole: Vec<(Vec<u64>, Vec<f64>)> = runs
        .iter()
        .map(|(x, y)| {
            let seen = |y: &f64| if panel.log_y { y.log10() } else { *y };
            let x = x.iter().map(|x| x.round() as u64);
            (x.collect(), y.iter().map(seen).collect())
        })
        .collect();
    let (x, mut y) = mean_curve(&whole);
    if panel.log_y {
        y.iter_mut().for_each(|y| *y = 10f64.powf(*y));
    }
    panel.curves.push(Curve {
        label: Some(name.into()),
        x,
        y,
        colour: condition.colour,
        weight: Weight::Dark,
    });
}

pub(super) fn label(rule: &str) -> String {
    let (key, rest) = rule.split_once(' ').unwrap_or((rule, ""));
    let label = condition(key).map_or(key, |condition| condition.label);
    format!("{label} {rest}").trim_end().into()
}

fn iterations(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.0}")
    } else {
        "never".into()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A claim that differences, seed by seed, are below 0.
pub(super) fn compared(source: &str, differences: &[f64]) -> Claim {
    let spread = Spread::of(differences);
    let (low, high) = spread.interval();
    // Where all seeds differ alike, or there is one, there is no effect in deviations.
    let effect = spread.mean / spread.deviation;
    let effect = match effect.is_finite() {
        true => format!(", effect {effect:.2} sd"),
        false => String::new(),
    };
    Claim {
        figure: "learning curves".into(),
        source: source.into(),
        spread: format!(
            "difference {:.4}, 95 % interval {low:.4} to {high:.4}{effect}",
            spread.mean
        ),
        verdict: Verdict::negative((low, high)),
        ..measured(&spread)
    }
}

/// ½ Σ y*² a step: the loss of an output of zero. The curve is another one for each seed.
fn power(experiment: &Experiment, seed: u64) -> Result<f64> {
    let streams = Streams::new(seed);
    let steps = experiment.evaluate.steps;
    let mut task = experiment
        .task
        .build::<f64>(1, experiment.steps, &streams, "test")?;
    let (inputs, outputs) = experiment.task.sizes();
    let mut sample = Sample::new(1, inputs, outputs);
    let mut sum = 0.0;
    for _ in 0..steps {
        task.next(&mut sample);
        sum += 0.5 * sample.y.iter().map(|y| y * y).sum::<f64>();
    }
    Ok(sum / steps as f64)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn the_protocol_smooths_and_drops_the_extremes() {
        let run = |level: f64| {
            let x: Vec<f64> = (1..=20).map(|k| 20.0 * f64::from(k)).collect();
            let mut y = vec![level; 20];
            y[19] = 1e9;
            (x, y)
        };
        let (x, kept) = published(&[run(1.0), run(4.0), run(2.0), run(3.0)]);
        // 19 records left, a window of 15: the first mean stands at the 15th record.
        assert_eq!((x[0], kept[0].len()), (300.0, 5));
        assert_eq!(
            kept.iter().map(|run| run[0]).collect::<Vec<_>>(),
            [2.0, 3.0]
        );
    }

    const GRID: [u64; 6] = [18_000, 36_000, 54_000, 72_000, 90_000, 108_000];

    /// A run with these losses, its accuracy 1 where the loss is below 0.3.
    fn record(seed: u64, losses: &[f64]) -> SeedRecord {
        let curve = |name: &str, values: Vec<f64>| crate::record::Curve {
            name: name.into(),
            steps: GRID[..losses.len()].to_vec(),
            values,
            end: None,
        };
        let right = |loss: &f64| if *loss < 0.3 { 1.0 } else { 0.5 };
        SeedRecord {
            seed,
            steps: 108_000,
            ending: Ending::Finished,
            curves: vec![
                curve("loss", losses.to_vec()),
                curve("accuracy", losses.iter().map(right).collect()),
            ],
            tests: Default::default(),
            warnings: Vec::new(),
        }
    }

    /// The whole study of `task` with the losses of each rule, rate and seed.
    pub fn judged<R>(
        task: Task,
        losses: impl Fn(&str, f64, u64) -> Vec<f64>,
        look: impl Fn(&Study<'_>) -> R,
    ) -> R {
        let plan = super::super::plan(&[task], false).unwrap();
        let of = |cell: &Cell| {
            let seeds = 0..cell.experiment.seeds;
            let record = |seed| record(seed, &losses(&cell.rule, cell.rate, seed));
            seeds.map(record).collect()
        };
        let records: Vec<Vec<SeedRecord>> = plan.iter().map(of).collect();
        look(&Study::new(task, false, &plan, &records).unwrap())
    }

    pub fn claim(study: &Study<'_>, id: &str) -> Claim {
        let found = study.claims().into_iter().find(|claim| claim.id == id);
        found.unwrap_or_else(|| panic!("{id}"))
    }

    #[test]
    fn orders_are_found_the_right_way_round() {
        let losses = |rule: &str, rate: f64, seed: u64| {
            let level = match rule {
                "bptt" => 0.1,
                "modprop_cell_code" => 0.2,
                // At the better rate between the two, at the other above all.
                "mdgl_cell" if rate == 1e-3 => 0.25,
                // Alike but for the seeds.
                "modprop_typed_code" => 0.5 + 0.01 * (seed % 2) as f64,
                "three_factor" => 0.5 + 0.01 * ((seed + 1) % 2) as f64,
                _ => 0.6,
            };
            vec![level + 0.001 * seed as f64; 6]
        };
        judged(Task::Xor, losses, |study| {
            let verdict = |id: &str| claim(study, &format!("xor.{id}")).verdict;
            assert_eq!(
                verdict("bptt_before_modprop_cell_code"),
                Verdict::Reproduced
            );
            assert_eq!(
                verdict("modprop_typed_code_before_mdgl_cell"),
                Verdict::NotReproduced
            );
            assert!(!verdict("modprop_typed_code_before_three_factor").is_decided());
            assert_eq!(study.better_rate("mdgl_cell"), 1e-3);
            assert_eq!(
                verdict("modprop_cell_code_before_mdgl_cell"),
                Verdict::Reproduced
            );
            // Both are there at the first record.
            assert!(!verdict("bptt_sooner_than_modprop_cell_code").is_decided());
            let sooner = claim(study, "xor.bptt_sooner_than_modprop_typed_paper");
            assert_eq!(sooner.verdict, Verdict::Reproduced);
            assert!(
                sooner.measured.starts_with("medians 20 and never"),
                "{sooner:?}"
            );
        });
    }

    #[test]
    fn the_criterion_has_to_last_and_the_last_record_chooses_no_rate() {
        let losses = |_: &str, rate: f64, _: u64| match rate {
            1e-3 => vec![0.6, 0.2, 0.6, 0.2, 0.2, 0.2],
            // Lower, but for the record that is dropped.
            _ => vec![0.1, 0.1, 0.1, 0.1, 0.1, 9.0],
        };
        judged(Task::Xor, losses, |study| {
            assert_eq!(study.sustained(&study.at("bptt", 1e-3)[0]), 80.0);
            assert_eq!(study.better_rate("bptt"), 5e-4);
        });
    }

    #[test]
    fn one_run_that_fails_chooses_no_rate() {
        // Lower at 1e-3, but for one seed.
        let losses = |_: &str, rate: f64, seed: u64| match (rate, seed) {
            (1e-3, 0) => vec![1.3; 6],
            (1e-3, _) => vec![0.1 + 0.001 * seed as f64; 6],
            _ => vec![0.15; 6],
        };
        judged(Task::Xor, losses, |study| {
            assert_eq!(study.better_rate("bptt"), 1e-3);
        });
    }

    #[test]
    fn cells_are_compared_with_types_and_with_the_three_factor_rule() {
        let losses = |rule: &str, _: f64, seed: u64| {
            let level = match rule {
                "modprop_cell_code" => 0.2,
                "modprop_typed_code" => 0.4,
                "three_factor" => 0.3,
                _ => 0.1,
            };
            vec![level + 0.001 * seed as f64; 6]
        };
        judged(Task::Xor, losses, |study| {
            let verdict = |id: &str| claim(study, &format!("xor.modprop_cell_{id}")).verdict;
            for worse in ["three_factor", "modprop_typed_code"] {
                assert_eq!(
                    verdict(&format!("code_before_{worse}")),
                    Verdict::Reproduced
                );
            }
            // No difference at all between these two.
            assert!(!verdict("paper_before_modprop_typed_paper").is_decided());
        });
    }

    #[test]
    fn the_split_of_a_fixed_set_is_told_in_whole_batches() {
        let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/../apical-cli/tests/digits");
        let file = |name: &str| format!("task.{name}=\"{digits}/{name}.gz\"");
        let changes = [
            file("images"),
            file("labels"),
            "task.train=250".into(),
            "evaluate.steps=28".into(),
        ];
        let cell = Cell {
            task: Task::Smnist,
            rule: "bptt".into(),
            rate: 1e-3,
            experiment: crate::experiment::parse(Task::Smnist.toml(), &changes).unwrap(),
        };
        let study = Study {
            task: Task::Smnist,
            quick: false,
            cells: vec![(&cell, &[])],
            units: BTreeMap::new(),
            ceiling: 1.0,
            grid: Vec::new(),
        };
        let told = "; 250 images to train on, 32 of 50 for tests";
        assert_eq!(study.split(), told);
    }

    #[test]
    fn a_run_that_diverges_counts_to_its_end() {
        let losses = |rule: &str, _: f64, seed: u64| match (rule, seed) {
            ("bptt", 0) => vec![0.1, 0.1, f64::NAN],
            _ => vec![0.1; 6],
        };
        judged(Task::Xor, losses, |study| {
            let mut run = study.at("bptt", 1e-3)[0].clone();
            let ceiling = 2.0 * 2f64.ln();
            let area = study.areas(std::slice::from_ref(&run))[0];
            assert!((area - (0.2 + 4.0 * ceiling) / 6.0).abs() < 1e-12, "{area}");
            run.ending = Ending::Diverged(String::new());
            assert_eq!(study.accuracies(&[run]), [0.0]);
        });
    }

    #[test]
    fn noise_is_no_agreement_with_the_released_curves() {
        for (id, theirs) in [
            ("xor.released_area", &reference::MEAN_LOSS),
            ("xor.released_loss", &reference::LAST_LOSS),
        ] {
            let logs: Vec<f64> = theirs.iter().map(|loss| loss.ln()).collect();
            let spread = Spread::of(&logs);
            // Eight runs about `shift` times their mean that spread `wide` times as theirs do.
            let verdict = |shift: f64, wide: f64| {
                let losses = |_: &str, _: f64, seed: u64| {
                    let place = (seed as f64 - 3.5) / 6_f64.sqrt();
                    let log = spread.mean + wide * spread.deviation * place;
                    vec![shift * log.exp(); 6]
                };
                judged(Task::Xor, losses, |study| claim(study, id).verdict)
            };
            assert_eq!(verdict(1.0, 1.0), Verdict::Reproduced, "{id}");
            assert!(!verdict(1.0, 3.0).is_decided(), "{id}");
            assert!(!verdict(1.9, 1.0).is_decided(), "{id}");
            assert_eq!(verdict(0.04, 0.5), Verdict::NotReproduced, "{id}");
        }
    }

    #[test]
    fn the_best_of_a_grid_is_judged_on_seeds_that_did_not_choose_it() {
        // Each value of μ is good on one half of the seeds alone: the best on the seeds that choose it is worse on the others.
        let losses = |rule: &str, _: f64, seed: u64| {
            let first = seed < 4;
            let level = match rule {
                "modprop_typed_paper mu=0.5" => {
                    if first {
                        0.2
                    } else {
                        0.6
                    }
                }
                "modprop_typed_paper mu=1" => {
                    if first {
                        0.6
                    } else {
                        0.2
                    }
                }
                "three_factor" => 0.5,
                _ => 0.55,
            };
            vec![level + 0.001 * seed as f64; 6]
        };
        judged(Task::Mu, losses, |study| {
            let found = claim(study, "mu.best_paper_before_three_factor");
            assert_eq!(found.verdict, Verdict::NotReproduced);
            assert!(found.measured.contains("mu 1 and 0.5"), "{found:?}");
        });
    }

    #[test]
    fn a_curve_is_measured_by_its_own_power() {
        let plan = super::super::plan(&[Task::Pattern], false).unwrap();
        let e = &plan[0].experiment;
        let (a, b) = (power(e, 0).unwrap(), power(e, 1).unwrap());
        assert!((a / b - 1.0).abs() > 0.01, "{a} {b}");
        judged(
            Task::Pattern,
            |_, _, _| vec![0.05; 6],
            |study| {
                let areas = study.areas(study.at("bptt", 1e-3));
                assert!((areas[0] * a - 0.05).abs() < 1e-12 && (areas[1] * b - 0.05).abs() < 1e-12);
            },
        );
    }
}
