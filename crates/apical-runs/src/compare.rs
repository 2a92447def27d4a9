//! One rule trains, others watch: how well the gradients of different rules agree along one trajectory.

use std::sync::atomic::{AtomicBool, Ordering};

use apical::analysis::{Alignment, BINS, Comparison, Passive};
use apical::rule::RuleSpec;
use apical::{Experiment, Learner, Precision, Scalar, Streams};
use rayon::prelude::*;

use crate::experiment::{check_size, load, parse_unchecked, resolved};
use crate::figure::{Band, Colour, Curve, Figure, Heat, Panel, Weight};
use crate::runner::pool;
use crate::seed_run::Progress;
use crate::statistics::Spread;
use crate::table::{Column, Table};
use crate::{Error, Result};

/// Rules that are compared unless others are named.
pub const RULES: &str = "rtrl,rflo,uoro,kf_rtrl,r_kf_rtrl,dendritic,f_bptt,e_bptt";

/// Most pairs that get a panel of their own in the figure of histograms.
const PANELS: usize = 28;

/// A rule that watches, and its name in tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Watching {
    /// Name in tables; no two share one.
    pub label: String,
    /// The rule and its feedback.
    pub passive: Passive,
}

/// What is to be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The experiment, with the rule that trains.
    pub experiment: Experiment,
    /// The rules that watch.
    pub rules: Vec<Watching>,
}

impl Plan {
    /// Reads the experiment `name` with `changes`, lets the rule `train` train it (that of the experiment if `None`) and the
    /// list `rules` watch.
    ///
    /// A rule is written `KIND`, `KIND.KEY=VALUE` or `KIND.KEY=VALUE+KEY=VALUE`, with `NAME:` in front to name it in tables.
    /// Keys are those of the rule, and `feedback` or `feedback.KEY` for its feedback pathway, which is the experiment's
    /// unless it says otherwise.
    ///
    /// # Errors
    /// An experiment that cannot be loaded, or a rule that is unknown or has a wrong setting; the nearest known word is
    /// suggested.
    pub fn new(name: &str, changes: &[String], train: Option<&str>, rules: &str) -> Result<Self> {
        let base = load(name, changes)?;
        let text = resolved(&base)?;
        let experiment = match train {
            Some(entry) => {
                let (_, changes) = read(entry).map_err(|error| within("--train", entry, error))?;
                // The monitors of one rule mean nothing to another, and nothing is recorded here.
                let changed = parse_unchecked(&text, &changes);
                let mut changed = changed.map_err(|error| within("--train", entry, error))?;
                changed.monitor.clear();
                changed.task = base.task.clone();
                changed.check()?;
                changed
            }
            None => base.clone(),
        };
        let mut named = Vec::new();
        for entry in split(rules, ',') {
            let entry = entry.trim();
            let place = |error| within("--rules", entry, error);
            let (name, changes) = read(entry).map_err(place)?;
            let mut own = parse_unchecked(&text, &changes).map_err(place)?;
            own.task = base.task.clone();
            check_size(&own).map_err(place)?;
            let passive = Passive {
                rule: own.rule.clone(),
                feedback: (own.feedback != experiment.feedback).then(|| own.feedback.clone()),
                noise: 0,
            };
            let pair = [passive.clone(), passive];
            comparison::<f32>(&experiment, &pair, experiment.seed).map_err(place)?;
            named.push((name, own));
        }
        let plan = Self::of(experiment, named);
        plan.check()?;
        Ok(plan)
    }

    /// Lets the rules of other experiments watch `experiment`, each through the feedback of its own.
    pub fn of(experiment: Experiment, rules: Vec<(String, Experiment)>) -> Self {
        let mut watching: Vec<Watching> = Vec::new();
        for (name, own) in rules {
            let taken = |label: &str| watching.iter().any(|other| other.label == label);
            let mut label = name.clone();
            for k in 2.. {
                if !taken(&label) {
                    break;
                }
                label = format!("{name} ({k})");
            }
            // The rule that trains shares its noise with its own copy; all others have noise of their own.
            let shared = own.feedback == experiment.feedback;
            let trains = shared && own.rule == experiment.rule;
            let copied = watching
                .iter()
                .any(|other| other.passive.rule == own.rule && other.passive.noise == 0);
            let draws = own.rule.info().stochastic || matches!(own.rule, RuleSpec::Combined(_));
            let noise = match draws {
                true if !trains || copied => watching.len() as u64 + 1,
                _ => 0,
            };
            let passive = Passive {
                rule: own.rule,
                feedback: (!shared).then_some(own.feedback),
                noise,
            };
            watching.push(Watching { label, passive });
        }
        Self {
            experiment,
            rules: watching,
        }
    }

    /// Finds out whether all rules can watch, before anything is computed.
    ///
    /// # Errors
    /// Those of [`Comparison::new`].
    pub fn check(&self) -> Result<()> {
        comparison::<f32>(&self.experiment, &self.passive(), self.experiment.seed)?;
        Ok(())
    }

    /// Steps of all seeds.
    pub fn total_steps(&self) -> u64 {
        self.experiment.steps.saturating_mul(self.experiment.seeds)
    }

    fn passive(&self) -> Vec<Passive> {
        self.rules.iter().map(|rule| rule.passive.clone()).collect()
    }

    fn run_seed<T: Scalar>(
        &self,
        seed: u64,
        stop: &AtomicBool,
        progress: &dyn Progress,
    ) -> Result<Vec<Alignment>> {
        let Experiment {
            steps, batch, task, ..
        } = &self.experiment;
        let (mut learner, mut comparison) =
            comparison::<T>(&self.experiment, &self.passive(), seed)?;
        let mut task = task.build::<T>(*batch, *steps, &Streams::new(seed), "train")?;
        let mut sample = learner.sample_for(&*task)?;
        const CHUNK: u64 = 512;
        let mut done = 0;
        while done < *steps {
            let chunk = CHUNK.min(steps - done);
            for _ in 0..chunk {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Stopped);
                }
                if !task.next(&mut sample) {
                    return Ok(comparison.alignments().to_vec());
                }
                comparison.learn(&mut learner, &sample)?;
            }
            done += chunk;
            progress.advance(chunk);
        }
        learner.check_weights()?;
        Ok(comparison.alignments().to_vec())
    }

    /// Trains every seed; the result does not depend on the number of threads.
    ///
    /// # Errors
    /// Training that diverges, or [`Error::Stopped`].
    pub fn run(
        &self,
        threads: usize,
        stop: &AtomicBool,
        progress: &dyn Progress,
    ) -> Result<Compared> {
        let first = self.experiment.seed;
        let seeds: Vec<u64> = (0..self.experiment.seeds).map(|k| first + k).collect();
        let alignments: Vec<Vec<Alignment>> = pool(threads, seeds.len())?.install(|| {
            seeds
                .par_iter()
                .with_max_len(1)
                .map(|seed| match self.experiment.precision {
                    Precision::F32 => self.run_seed::<f32>(*seed, stop, progress),
                    Precision::F64 => self.run_seed::<f64>(*seed, stop, progress),
                })
                .collect::<Result<_>>()
        })?;
        Ok(Compared {
            labels: self.rules.iter().map(|rule| rule.label.clone()).collect(),
            seeds,
            alignments,
        })
    }
}

/// A learner of `experiment`, and rules that will watch it.
fn comparison<T: Scalar>(
    experiment: &Experiment,
    rules: &[Passive],
    seed: u64,
) -> Result<(Learner<T>, Comparison<T>)> {
    let learner = experiment.learner::<T>(seed)?;
    let has_trials = experiment.task.has_trials();
    let comparison = Comparison::new(rules, &learner, has_trials, seed)?;
    Ok((learner, comparison))
}

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

/// Name and changes of a rule as written on the command line.
fn read(entry: &str) -> Result<(String, Vec<String>)> {
    let wrong = |what: &str| {
        Error::Config {
        field: "rule".into(),
        what: what.into(),
        mend: "Write for example rflo, f_bptt.horizon=14 or near:dendritic.rate=0.05+feedback=symmetric.".into(),
    }
    };
    let (name, rule) = match entry.split_once(':') {
        Some((name, rule)) if !name.contains(['=', '.']) => (Some(name.trim()), rule.trim()),
        _ => (None, entry.trim()),
    };
    if rule.is_empty() || name == Some("") {
        return Err(wrong("nothing there, expected the name of a rule"));
    }
    let (kind, settings) = match rule.split_once('.') {
        Some((kind, settings)) => (kind, split(settings, '+')),
        None if rule.contains('=') => return Err(wrong("no rule before the settings")),
        None => (rule, Vec::new()),
    };
    let mut changes = vec![format!("rule.kind={kind}")];
    for setting in settings {
        let (key, value) = setting
            .split_once('=')
            .ok_or_else(|| wrong(&format!("`{setting}` has no `=`, expected key=value")))?;
        let key = key.trim();
        changes.push(match key {
            "feedback" => format!("feedback.kind={value}"),
            _ if key.starts_with("feedback.") => format!("{key}={value}"),
            _ => format!("rule.{key}={value}"),
        });
    }
    Ok((name.unwrap_or(rule).into(), changes))
}

/// Splits outside brackets and quotes; a `+` inside a number such as 1e+3 does not count.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut depth, mut quoted, mut from) = (Vec::new(), 0i32, false, 0);
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            _ if c == separator && depth == 0 && !quoted => {
                let exponent = separator == '+'
                    && before.eq_ignore_ascii_case(&'e')
                    && text[at + 1..].starts_with(|c: char| c.is_ascii_digit());
                if !exponent {
                    parts.push(&text[from..at]);
                    from = at + 1;
                }
            }
            _ => {}
        }
        before = c;
    }
    parts.push(&text[from..]);
    parts
}

/// The same error, with the rule it is about.
fn within(option: &str, entry: &str, error: Error) -> Error {
    let named = |field: &str| format!("{option} {entry}: {field}");
    match error {
        Error::Config { field, what, mend } => Error::Config {
            field: named(&field),
            what,
            mend,
        },
        Error::Apical(apical::Error::Invalid {
            field,
            value,
            expected,
            mend,
        }) => Error::Config {
            field: named(&field),
            what: format!("got {value}, expected {expected}"),
            mend,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(entry: &str) -> (String, Vec<String>) {
        read(entry).unwrap()
    }

    #[test]
    fn rules_are_read_with_their_settings_and_names() {
        assert_eq!(
            changes("rflo"),
            ("rflo".into(), vec!["rule.kind=rflo".into()])
        );
        let (name, found) =
            changes("near: dendritic.jacobian.kind=exact+rate=1e+3+feedback=random");
        assert_eq!(name, "near");
        assert_eq!(
            found,
            [
                "rule.kind=dendritic",
                "rule.jacobian.kind=exact",
                "rule.rate=1e+3",
                "feedback.kind=random"
            ]
        );
        let (name, found) = changes("rflo.feedback.init={ kind = \"gaussian\", gain = 2.0 }");
        assert!(name.starts_with("rflo.feedback.init"));
        assert_eq!(
            found[1],
            "feedback.init={ kind = \"gaussian\", gain = 2.0 }"
        );
        for wrong in ["", "near:", "rate=1", "rflo.rate", ":rflo"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_are_split_outside_brackets() {
        assert_eq!(split("a,b=[1,2],c={ x = 1, y = 2 }", ',').len(), 3);
        assert_eq!(split("a=1e+3+b=2", '+'), ["a=1e+3", "b=2"]);
        assert_eq!(split("a=one+b=2", '+'), ["a=one", "b=2"]);
    }

    #[test]
    fn equal_rules_get_distinct_names_and_unequal_settings_their_own() {
        let plan = Plan::new(
            "marschall2019/lags46",
            &["steps=100".into()],
            Some("rtrl.feedback=symmetric"),
            "rflo,rflo,f_bptt.horizon=3,rflo.feedback=symmetric",
        )
        .unwrap();
        let labels: Vec<&str> = plan.rules.iter().map(|rule| &*rule.label).collect();
        assert_eq!(
            labels,
            [
                "rflo",
                "rflo (2)",
                "f_bptt.horizon=3",
                "rflo.feedback=symmetric"
            ]
        );
        assert_eq!(plan.experiment.rule.info().name, "rtrl");
        assert_ne!(plan.rules[0].passive, plan.rules[3].passive);
        assert_eq!(plan.rules[0].passive, plan.rules[1].passive);
    }

    #[test]
    fn seeds_threads_and_order_do_not_matter() {
        let changes = ["steps=300".into(), "seeds=3".into()];
        let plan = Plan::new("marschall2019/lags46", &changes, None, "rtrl,uoro,f_bptt").unwrap();
        let stop = AtomicBool::new(false);
        let one = plan.run(1, &stop, &()).unwrap();
        assert_eq!(one, plan.run(3, &stop, &()).unwrap());
        assert_eq!(one.means(0, 1), one.means(1, 0));
        assert_eq!(one.table().columns[0].values.len(), 9);
        assert_eq!(one.histogram_table().columns[0].values.len(), 300);
        let panel = one.heat_map("");
        assert_eq!(panel.heat.unwrap().values.len(), 2);
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(plan.run(1, &stop, &()), Err(Error::Stopped)));
    }
}
