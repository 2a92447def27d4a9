//! Sequences of one's own, from a file or from arrays in memory.
//!
//! The last share of the trials is held out for tests. In training the trials come in a new random order each
//! epoch, dealt to the samples of a batch; samples of a batch share trial edges, so that with a batch above 1 all
//! trials must be equally long. Data without trials are one stream: the last share of its steps is held out, the
//! rest is cut into one part for each sample, and each epoch begins anew. A test ends after one pass.

use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Edge, Generator, Row};
use super::deck::Deck;
use super::loaded::Loaded;
use super::rows::Window;
use super::sequences::Sequences;
use super::{Request, Settings, Task, TaskInfo};
use crate::loss::Loss;
use crate::precision::Precision;
use crate::snapshot::{STEPS, StateIo};
use crate::{Error, Result, Scalar};

/// Configuration of a task made of sequences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// A CSV, NPY, NPZ or Parquet file; `-` reads CSV from standard input.
    pub file: String,
    /// Names of the columns that are inputs.
    pub inputs: Vec<String>,
    /// Names of the columns that are targets.
    pub targets: Vec<String>,
    /// Number of classes, if the one target column holds labels 0, …, classes − 1.
    #[serde(default)]
    pub classes: Option<usize>,
    /// Name of a column whose value changes when a trial begins.
    #[serde(default)]
    pub trial: Option<String>,
    /// Name of a column that weighs the loss of each step.
    #[serde(default)]
    pub mask: Option<String>,
    /// Names of the columns of an NPY file; "0", "1", … if empty.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Share of the trials (or steps), at the end, held out for tests.
    #[serde(default = "fifth")]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub test: f64,
    /// Whether training shows the trials in random order.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// The data themselves.
    #[serde(skip)]
    pub sequences: Loaded<Sequences>,
}

fn fifth() -> f64 {
    0.2
}

fn yes() -> bool {
    true
}

impl DataSpec {
    /// A task made of sequences in memory, a fifth of them held out.
    pub fn of(sequences: Sequences) -> Self {
        Self {
            file: String::new(),
            inputs: Vec::new(),
            targets: Vec::new(),
            classes: None,
            trial: None,
            mask: None,
            columns: Vec::new(),
            test: fifth(),
            shuffle: yes(),
            sequences: sequences.into(),
        }
    }
}

impl DataSpec {
    /// Which of `count` trials or steps are shown.
    fn share(&self, count: usize, purpose: &str) -> Result<Range<usize>> {
        if !(0.0..1.0).contains(&self.test) {
            return Err(Error::invalid(
                "task.test",
                self.test,
                "a share in [0, 1)",
                "0.2 holds out the last fifth for tests.",
            ));
        }
        let held = (self.test * count as f64).round() as usize;
        // A share above 0 is at least one, where that leaves something to learn from.
        let held = if self.test > 0.0 { held.max(1) } else { 0 };
        let held = held.min(count.saturating_sub(1));
        let shown = if purpose == "test" {
            count - held..count
        } else {
            0..count - held
        };
        if shown.is_empty() {
            let what = match self.sequences.get() {
                Some(sequences) => format!("{} of {}", self.test, sequences.in_words()),
                None => self.test.to_string(),
            };
            let mend = match (count, self.trial.is_some()) {
                (1, true) => {
                    "A trial is not split: leave task.trial out for one stream, or set evaluate.steps = 0 to run without tests."
                }
                _ => "Raise it, bring more data, or set evaluate.steps = 0 to run without tests.",
            };
            let expected = "a share that leaves data for training and for tests";
            return Err(Error::invalid("task.test", what, expected, mend));
        }
        Ok(shown)
    }

    /// The trials or, of one stream, the steps of a part, and its rows; a part where nothing counts is refused.
    fn part(&self, sequences: &Sequences, purpose: &str) -> Result<(Range<usize>, Range<usize>)> {
        let trials = sequences.trial_count();
        let (shown, rows) = if trials > 0 {
            let shown = self.share(trials, purpose)?;
            let rows = sequences.trial(shown.start).start..sequences.trial(shown.end - 1).end;
            (shown, rows)
        } else {
            let rows = self.share(sequences.steps(), purpose)?;
            (rows.clone(), rows)
        };
        let (part, mend) = if purpose == "test" {
            (
                "held-out",
                "Nothing would be tested: change the mask or task.test, or set evaluate.steps = 0.",
            )
        } else {
            (
                "training",
                "Nothing would be learned: change the mask or task.test.",
            )
        };
        sequences.check_counts(rows.clone(), part, mend)?;
        Ok((shown, rows))
    }

    /// What was read and how it is split, in words.
    pub(super) fn in_words(&self) -> Option<String> {
        let sequences = self.sequences.get()?;
        let count = match sequences.trial_count() {
            0 => sequences.steps(),
            trials => trials,
        };
        let train = self.share(count, "train").ok()?.len();
        let all = sequences.in_words();
        Some(format!(
            "{all}: {train} to train on, {} for tests",
            count - train
        ))
    }
}

impl Settings for DataSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "data",
        summary: "sequences from a CSV, NPY, NPZ or Parquet file",
        sizes: "inputs, targets (or classes)",
        source: "your own",
    };

    fn sizes(&self) -> (usize, usize) {
        match self.sequences.get() {
            Some(sequences) => sequences.sizes(),
            None => (
                self.inputs.len(),
                self.classes.unwrap_or(self.targets.len()),
            ),
        }
    }

    fn has_trials(&self) -> bool {
        match self.sequences.get() {
            Some(sequences) => sequences.trial_count() > 0,
            None => self.trial.is_some(),
        }
    }

    fn check_data(&self, loss: Loss, precision: Precision, tests: bool) -> Result<()> {
        let Some(sequences) = self.sequences.get() else {
            return Ok(());
        };
        let purposes = ["train", "test"].into_iter().take(1 + usize::from(tests));
        for purpose in purposes {
            let (_, rows) = self.part(sequences, purpose)?;
            sequences.check(rows, loss, precision)?;
        }
        Ok(())
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        let sequences = self.sequences.wanted("task.file", &self.file)?.clone();
        let once = request.purpose == "test";
        let (shown, _) = self.part(&sequences, request.purpose)?;
        let order = if sequences.trial_count() > 0 {
            if request.batch > 1 {
                check_lengths(&sequences, shown.clone(), request.batch)?;
            }
            let shuffle = self.shuffle && !once;
            let stream = shuffle.then(|| request.streams.stream(request.purpose, 0));
            Order::Trials(Box::new(Deck::new(shown, request.batch, stream, once)?))
        } else {
            let part = shown.len() / request.batch;
            if part == 0 {
                return Err(Error::invalid(
                    "batch",
                    request.batch,
                    format!("at most {}, the steps there are", shown.len()),
                    "Each sample of a batch has a part of the stream of its own.",
                ));
            }
            Order::Parts {
                begin: shown.start,
                part,
                once,
            }
        };
        let generator = Data {
            sequences,
            order,
            windows: (0..request.batch).map(|_| Window::default()).collect(),
            next: 0,
            length: 0,
        };
        Ok(batch::task(generator, request.batch))
    }
}

/// Refuses trials of different lengths.
fn check_lengths(sequences: &Sequences, trials: Range<usize>, batch: usize) -> Result<()> {
    let first = trials.start;
    let expected = sequences.trial(first).len();
    for k in trials {
        let steps = sequences.trial(k).len();
        if steps != expected {
            return Err(Error::invalid(
                "batch",
                batch,
                format!(
                    "1, since trial {} has {steps} steps and trial {} has {expected}",
                    k + 1,
                    first + 1
                ),
                "Samples of a batch begin their trials together: make the trials equally long, or set batch = 1.",
            ));
        }
    }
    Ok(())
}

enum Order {
    Trials(Box<Deck>),
    /// One stream, cut into parts of equal length.
    Parts {
        begin: usize,
        part: usize,
        once: bool,
    },
}

struct Data {
    sequences: Arc<Sequences>,
    order: Order,
    /// One for each sample.
    windows: Vec<Window>,
    /// The next step of the trial or part, and its length; both 0 before the first.
    next: u64,
    length: u64,
}

impl Data {
    /// Where the trial or part of sample `b` begins.
    fn begin(&self, b: usize) -> usize {
        match &self.order {
            Order::Trials(deck) => self.sequences.trial(deck.trial(b)).start,
            Order::Parts { begin, part, .. } => begin + b * part,
        }
    }
}

impl Generator for Data {
    fn sizes(&self) -> (usize, usize) {
        self.sequences.sizes()
    }

    fn masked(&self) -> bool {
        self.sequences.masked()
    }

    fn advance(&mut self) -> Option<Edge> {
        let first = self.next == self.length;
        if first {
            match &mut self.order {
                Order::Trials(deck) => {
                    if !deck.deal() {
                        return None;
                    }
                    self.length = self.sequences.trial(deck.trial(0)).len() as u64;
                }
                Order::Parts { part, once, .. } => {
                    if *once && self.length > 0 {
                        return None;
                    }
                    self.length = *part as u64;
                }
            }
            self.next = 0;
        }
        self.next += 1;
        let last = self.next == self.length && matches!(self.order, Order::Trials(_));
        Some(Edge { first, last })
    }

    fn write(&mut self, b: usize, row: Row<'_>) {
        let at = self.begin(b) + self.next as usize - 1;
        let window = &mut self.windows[b];
        if let Some(weight) = self.sequences.write(at, window, row.x, row.y) {
            row.mask.fill(weight);
        }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.sequences.fingerprint().state(io)?;
        io.counter("next", &mut self.next, STEPS)?;
        io.counter("length", &mut self.length, STEPS)?;
        let shown = match &mut self.order {
            Order::Trials(deck) => {
                deck.state(io)?;
                match deck.is_dealt() {
                    true => self.sequences.trial(deck.trial(0)).len(),
                    false => 0,
                }
            }
            // Before the first step no length is known.
            Order::Parts { part, .. } => usize::from(self.next > 0) * *part,
        };
        io.require("length", self.length == shown as u64, || {
            format!("{shown} steps, as those shown have")
        })?;
        let first = u64::from(shown > 0);
        io.require("next", (first..=self.length).contains(&self.next), || {
            format!("{first} to {shown}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Streams;
    use crate::task::tests::refused;
    use crate::task::{Sample, TaskSpec};

    /// Trials whose inputs are [trial, step] and whose target is 100 trial + step.
    fn trials(lengths: &[usize]) -> Sequences {
        let mut sequences = Sequences::trials(2, 1);
        for (k, length) in lengths.iter().enumerate() {
            let x: Vec<f64> = (0..*length).flat_map(|t| [k as f64, t as f64]).collect();
            let y: Vec<f64> = (0..*length).map(|t| (100 * k + t) as f64).collect();
            let mask: Vec<f64> = (0..*length).map(|t| 0.5 * t as f64).collect();
            sequences.add_trial(&x, &y, Some(&mask)).unwrap();
        }
        sequences
    }

    fn all(spec: &DataSpec, batch: usize, purpose: &str, most: usize) -> Vec<Sample<f64>> {
        let spec = TaskSpec::Data(spec.clone());
        let mut task = spec.build(batch, 10, &Streams::new(1), purpose).unwrap();
        let mut sample = Sample::new(batch, 2, 1);
        let mut samples = Vec::new();
        while samples.len() < most && task.next(&mut sample) {
            samples.push(sample.clone());
        }
        samples
    }

    #[test]
    fn trials_are_shown_whole_and_the_last_share_is_held_out() {
        let spec = DataSpec::of(trials(&[3, 2, 4, 1, 5, 2, 3, 1, 2, 4]));
        assert!(TaskSpec::Data(spec.clone()).has_trials());
        // Eight trials of 21 steps are for training.
        let samples = all(&spec, 1, "train", 42);
        assert_eq!(samples.len(), 42);
        for epoch in samples.chunks_exact(21) {
            let mut seen: Vec<f64> = epoch.iter().map(|s| s.y[0]).collect();
            for (t, sample) in epoch.iter().enumerate() {
                let (trial, step) = (sample.x[0], sample.x[1]);
                assert_eq!(sample.y[0], 100.0 * trial + step);
                assert!(sample.masked && sample.mask == [0.5 * step]);
                assert_eq!(sample.first, step == 0.0);
                let next = epoch.get(t + 1);
                assert_eq!(sample.last, next.is_none_or(|n| n.x[1] == 0.0));
            }
            seen.sort_by(f64::total_cmp);
            seen.dedup();
            assert_eq!(seen.len(), 21);
            assert!(seen.iter().all(|y| *y < 800.0));
        }
        // A test is one pass in the order of the file.
        let tested = all(&spec, 1, "test", 100);
        let targets: Vec<f64> = tested.iter().map(|s| s.y[0]).collect();
        assert_eq!(targets, [800.0, 801.0, 900.0, 901.0, 902.0, 903.0]);
        let plain = DataSpec {
            shuffle: false,
            ..spec
        };
        let shown = all(&plain, 1, "train", 22);
        assert!(shown[..21].windows(2).all(|w| w[0].y[0] < w[1].y[0]));
        assert_eq!(shown[21].y[0], 0.0);
    }

    #[test]
    fn a_batch_deals_different_trials() {
        let spec = DataSpec::of(trials(&[3; 10]));
        for sample in all(&spec, 4, "train", 60) {
            let trial = |b: usize| sample.x[2 * b];
            assert!((0..4).all(|b| sample.x[2 * b + 1] == sample.x[1] && trial(b) < 8.0));
            assert!((0..4).all(|a| (0..a).all(|b| trial(a) != trial(b))));
            assert_eq!(
                (sample.first, sample.last),
                (sample.x[1] == 0.0, sample.x[1] == 2.0)
            );
        }
        let spec = TaskSpec::Data(DataSpec::of(trials(&[3, 3, 2, 3, 3])));
        refused(
            &spec,
            "batch: got 2, expected 1, since trial 3 has 2 steps and trial 1 has 3",
        );
        let spec = TaskSpec::Data(DataSpec::of(trials(&[3, 3])));
        refused(&spec, "batch: got 2, expected at most 1");
    }

    #[test]
    fn a_stream_is_cut_into_parts() {
        let x: Vec<f64> = (0..26).map(f64::from).collect();
        let y: Vec<f64> = (0..13).map(f64::from).collect();
        let stream = Sequences::stream(2, 1, &x, &y, None).unwrap();
        let spec = DataSpec::of(stream);
        assert!(!TaskSpec::Data(spec.clone()).has_trials());
        // Three steps are held out, ten remain: two parts of five.
        for (t, sample) in all(&spec, 2, "train", 12).iter().enumerate() {
            let at = (t % 5) as f64;
            assert_eq!(sample.y, [at, 5.0 + at]);
            assert_eq!(
                sample.x,
                [2.0 * at, 2.0 * at + 1.0, 10.0 + 2.0 * at, 11.0 + 2.0 * at]
            );
            assert_eq!(
                (sample.first, sample.last, sample.masked),
                (at == 0.0, false, false)
            );
        }
        let tested = all(&spec, 1, "test", 100);
        let targets: Vec<f64> = tested.iter().map(|s| s.y[0]).collect();
        assert_eq!(targets, [10.0, 11.0, 12.0]);
    }

    #[test]
    fn a_checkpoint_remembers_the_data() {
        use crate::snapshot::{Snapshot, StateIo};
        let build = |sequences| {
            let spec = TaskSpec::Data(DataSpec::of(sequences));
            spec.build::<f64>(1, 10, &Streams::new(1), "train").unwrap()
        };
        let mut snapshot = Snapshot::default();
        let mut task = build(trials(&[3; 10]));
        task.state(&mut StateIo::save(&mut snapshot)).unwrap();
        let mut same = build(trials(&[3; 10]));
        same.state(&mut StateIo::restore(&snapshot)).unwrap();
        let mut other = build(trials(&[3, 3, 3, 3, 3, 3, 3, 3, 3, 4]));
        let error = other.state(&mut StateIo::restore(&snapshot)).unwrap_err();
        assert!(error.to_string().contains("other data"), "{error}");
    }

    #[test]
    fn bad_arrays_and_settings_are_named() {
        let add = |x: &[f64], y: &[f64], mask: Option<&[f64]>| {
            let result = trials(&[2]).add_trial(x, y, mask);
            result.unwrap_err().to_string()
        };
        for (text, reason) in [
            (add(&[], &[], None), "x: got 0 numbers"),
            (add(&[1.0; 3], &[1.0], Some(&[1.0])), "x: got 3 numbers"),
            (add(&[1.0; 2], &[1.0; 2], Some(&[1.0])), "y: got 2 numbers"),
            (add(&[1.0; 2], &[1.0], None), "mask: got none"),
            (
                add(&[1.0; 2], &[1.0], Some(&[1.0; 2])),
                "mask: got 2 numbers",
            ),
            (add(&[1.0, f64::NAN], &[1.0], Some(&[1.0])), "x[1]: got NaN"),
            (add(&[1.0; 2], &[1.0], Some(&[-1.0])), "mask[0]: got -1"),
        ] {
            assert!(text.starts_with(reason), "{text}");
        }
        let none = Sequences::trials(0, 1).add_trial(&[], &[1.0], None);
        assert!(none.unwrap_err().to_string().starts_with("inputs: got 0"));
        let with = |change: &dyn Fn(&mut DataSpec)| {
            let mut spec = DataSpec::of(trials(&[3; 10]));
            change(&mut spec);
            TaskSpec::Data(spec)
        };
        refused(&with(&|s| s.test = 1.0), "task.test: got 1");
        refused(&with(&|s| s.test = f64::NAN), "task.test: got NaN");
        let unread = |s: &mut DataSpec| {
            s.file = "mine.csv".into();
            s.sequences = Loaded::default();
        };
        refused(
            &with(&unread),
            "task.file: got `mine.csv`, which has not been read",
        );
        let spec = with(&|s| s.test = 0.0);
        let test = spec.build::<f32>(1, 10, &Streams::new(0), "test");
        let error = test.err().unwrap().to_string();
        assert!(error.contains("evaluate.steps = 0"), "{error}");
    }
}
