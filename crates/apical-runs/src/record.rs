//! What one seed gave: recorded curves, held-out tests, warnings, and how it ended.

use std::collections::BTreeMap;

use apical::monitor::{Recorder, Warning};
use apical::snapshot::{Length, StateIo};
use apical::{Evaluation, Learner, Scalar};

use crate::table::{Column, Table};

/// A recorded quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Name as configured; a quantity recorded a second time ends in `_2`.
    pub name: String,
    /// Steps learned when each value was recorded.
    pub steps: Vec<u64>,
    /// Values, box-filtered as configured.
    pub values: Vec<f64>,
    /// Last step of the run and the value there, if it was not recorded; no longer run has it.
    pub end: Option<(u64, f64)>,
}

impl Curve {
    /// Puts the value at the end of the run behind the others, for those who look at the run as a whole.
    pub fn close(&mut self) {
        if let Some((step, value)) = self.end.take() {
            self.steps.push(step);
            self.values.push(value);
        }
    }

    /// Mean of the values recorded after `from` and up to `to` steps; NaN if there are none.
    pub fn mean_between(&self, from: u64, to: u64) -> f64 {
        let inside = |step: &u64| *step > from && *step <= to;
        let chosen = self
            .steps
            .iter()
            .zip(&self.values)
            .filter(|(step, _)| inside(step));
        let (sum, count) = chosen.fold((0.0, 0.0), |(s, n), (_, v)| (s + v, n + 1.0));
        sum / count
    }
}

/// Held-out tests of one seed, in the order of steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tests {
    steps: Vec<u64>,
    /// loss, accuracy, true loss, expected accuracy of each test, one after another.
    values: Vec<f64>,
}

impl Tests {
    /// Adds a test made after `step` steps of training.
    pub fn push(&mut self, step: u64, result: Evaluation) {
        self.steps.push(step);
        self.values.extend([
            result.loss,
            result.accuracy,
            result.true_loss,
            result.expected_accuracy,
        ]);
    }

    /// Steps of training before each test.
    pub fn steps(&self) -> &[u64] {
        &self.steps
    }

    /// Names of the quantities of a test, as columns.
    pub const NAMES: [&'static str; 4] = [
        "held_out_loss",
        "held_out_accuracy",
        "held_out_true_loss",
        "held_out_expected_accuracy",
    ];

    /// One of the quantities, one number a test.
    pub fn column(&self, index: usize) -> Vec<f64> {
        self.values.iter().skip(index).step_by(4).copied().collect()
    }

    /// Step and quantities of each test.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u64, &[f64])> {
        let rows = self.values.chunks_exact(Self::NAMES.len());
        self.steps.iter().copied().zip(rows)
    }

    /// Puts back what [`Tests::rows`] gave, one quantity after another.
    pub(crate) fn put_back(&mut self, index: usize, step: u64, value: f64) {
        if index == 0 {
            self.steps.push(step);
        }
        self.values.push(value);
    }

    /// Whether every test has all its quantities, in the order of steps.
    pub(crate) fn are_whole(&self) -> bool {
        self.steps.is_sorted() && self.values.len() == self.steps.len() * Self::NAMES.len()
    }

    /// Mean of a quantity over the last `count` tests.
    pub fn last(&self, index: usize, count: usize) -> f64 {
        let all = self.column(index);
        let last = &all[all.len().saturating_sub(count)..];
        last.iter().sum::<f64>() / last.len() as f64
    }

    pub(crate) fn state(&mut self, io: &mut StateIo<'_>) -> apical::Result<()> {
        io.step_list("steps", &mut self.steps)?;
        let all = Length::Exactly(self.steps.len().saturating_mul(Self::NAMES.len()));
        io.measured_list("values", &mut self.values, all)
    }
}

/// How the run of a seed ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// All steps done.
    Finished,
    /// Asked to stop; a checkpoint holds the rest, if there is a folder for it.
    Stopped,
    /// The loss or a weight was no longer finite.
    Diverged(String),
}

/// Everything one seed gave.
#[derive(Clone, Debug, PartialEq)]
pub struct SeedRecord {
    /// The seed.
    pub seed: u64,
    /// Steps done.
    pub steps: u64,
    /// How it ended.
    pub ending: Ending,
    /// Recorded quantities.
    pub curves: Vec<Curve>,
    /// Held-out tests.
    pub tests: Tests,
    /// What looked wrong.
    pub warnings: Vec<Warning>,
}

impl SeedRecord {
    /// That of a seed whose turn had not come when the run was stopped.
    pub(crate) fn not_begun(seed: u64) -> Self {
        Self {
            seed,
            steps: 0,
            ending: Ending::Stopped,
            curves: Vec::new(),
            tests: Tests::default(),
            warnings: Vec::new(),
        }
    }

    /// The curve of a quantity.
    pub fn curve(&self, name: &str) -> Option<&Curve> {
        self.curves.iter().find(|curve| curve.name == name)
    }

    pub(crate) fn curves_of<T: Scalar>(recorder: &Recorder, learner: &Learner<T>) -> Vec<Curve> {
        let ends = recorder.ends(learner);
        let channels = recorder.channels();
        let copy = |(index, channel): (usize, &apical::monitor::Channel)| {
            // A quantity may be recorded twice, with different windows: loss, loss_2.
            let before = channels[..index].iter().filter(|c| c.name == channel.name);
            let name = match before.count() {
                0 => channel.name.clone(),
                earlier => format!("{}_{}", channel.name, earlier + 1),
            };
            Curve {
                name,
                steps: channel.steps.clone(),
                values: channel.values.clone(),
                end: ends[index]
                    .filter(|value| value.is_finite())
                    .map(|value| (learner.steps(), value)),
            }
        };
        channels.iter().enumerate().map(copy).collect()
    }
}

/// All records as one table: a row for each seed and step, a column for each quantity, empty where a quantity was
/// not recorded.
pub fn metrics_table(records: &[SeedRecord]) -> Table {
    let mut names: Vec<String> = Vec::new();
    for curve in records.iter().flat_map(|record| &record.curves) {
        if !names.contains(&curve.name) {
            names.push(curve.name.clone());
        }
    }
    let curves = names.len();
    names.extend(Tests::NAMES.map(String::from));
    let mut rows: BTreeMap<(u64, u64), Vec<f64>> = BTreeMap::new();
    let width = names.len();
    for record in records {
        let mut put = |step: u64, column: usize, value: f64| {
            let row = rows.entry((record.seed, step));
            row.or_insert_with(|| vec![f64::NAN; width])[column] = value;
        };
        for curve in &record.curves {
            let column = names
                .iter()
                .position(|name| *name == curve.name)
                .unwrap_or(0);
            for (step, value) in curve.steps.iter().zip(&curve.values) {
                put(*step, column, *value);
            }
        }
        for index in 0..Tests::NAMES.len() {
            let values = record.tests.column(index);
            for (step, value) in record.tests.steps().iter().zip(values) {
                put(*step, curves + index, value);
            }
        }
    }
    let mut columns = vec![
        Column::u64(
            "seed",
            rows.keys().map(|(seed, _)| *seed).collect::<Vec<_>>(),
        ),
        Column::u64(
            "step",
            rows.keys().map(|(_, step)| *step).collect::<Vec<_>>(),
        ),
    ];
    for (index, name) in names.into_iter().enumerate() {
        columns.push(Column::f64(
            name,
            rows.values().map(|row| row[index]).collect::<Vec<_>>(),
        ));
    }
    Table { columns }
}
