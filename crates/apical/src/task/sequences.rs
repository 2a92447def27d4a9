//! Inputs, targets and weights of many steps, row by row, and what must hold of them.

use std::fmt::Display;
use std::ops::Range;

use super::check;
use super::loaded::Fingerprint;
use super::rows::{Rows, Window};
use crate::loss::{Loss, Misfit};
use crate::precision::Precision;
use crate::{Error, Result};

/// Inputs, targets and perhaps weights of many steps: trials, or one stream.
#[derive(Clone, Debug)]
pub struct Sequences {
    layout: Layout,
    /// One row a step.
    rows: Rows,
    /// Where each trial ends, in steps; empty for one stream.
    ends: Vec<usize>,
    /// Steps of weight 0.
    left_out: usize,
    fingerprint: Fingerprint,
    origin: Origin,
}

/// What the numbers of a row are: inputs, then targets, then perhaps the weight of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Numbers that are inputs.
    pub inputs: usize,
    /// Numbers that are targets; 1 with `classes`.
    pub targets: usize,
    /// Number of classes, if the target is a label 0, …, classes − 1.
    pub classes: Option<usize>,
    /// Whether a weight follows.
    pub masked: bool,
}

impl Layout {
    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.inputs + self.targets + usize::from(self.masked)
    }

    /// Outputs of a network that learns them.
    pub fn outputs(&self) -> usize {
        self.classes.unwrap_or(self.targets)
    }

    fn targets_of<'a>(&self, row: &'a [f64]) -> &'a [f64] {
        &row[self.inputs..][..self.targets]
    }

    /// The weight of a step, if there is a mask.
    fn weight_of(&self, row: &[f64]) -> Option<f64> {
        self.masked.then(|| row[self.width() - 1])
    }

    fn counts(&self, row: &[f64]) -> bool {
        self.weight_of(row).is_none_or(|weight| weight > 0.0)
    }

    /// Whether a number can be a target, whatever the loss.
    fn is_target(&self, value: f64) -> bool {
        match self.classes {
            Some(classes) => value.fract() == 0.0 && value >= 0.0 && value < classes as f64,
            None => value.is_finite(),
        }
    }

    /// Makes targets that are missing where nothing counts 0 or no class.
    fn fill(&self, row: &mut [f64]) {
        if self.counts(row) {
            return;
        }
        let none = if self.classes.is_some() { -1.0 } else { 0.0 };
        for value in &mut row[self.inputs..][..self.targets] {
            if !self.is_target(*value) {
                *value = none;
            }
        }
    }
}

/// Where rows were read, to name them in messages; empty for arrays in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// Names of the columns of a row, in the order of its [`Layout`].
    pub names: Vec<String>,
    /// Rows from which on lines of the file run along with rows, and the line of each; empty if it has no lines.
    pub lines: Vec<(usize, u64)>,
}

impl Origin {
    /// A row in words; rows and lines count from 1.
    pub fn row(&self, row: usize) -> String {
        let after = self.lines.partition_point(|(first, _)| *first <= row);
        match after.checked_sub(1).map(|k| self.lines[k]) {
            Some((first, line)) => {
                format!("row {} (line {})", row + 1, line + (row - first) as u64)
            }
            None => format!("row {}", row + 1),
        }
    }

    /// The field of an error: file, row and column.
    pub fn place(&self, row: usize, column: &str) -> String {
        let file = match &self.file[..] {
            "" => String::new(),
            file => format!("{file}: "),
        };
        format!("{file}{}, {column}", self.row(row))
    }
}

const FILL: &str = "Fill the gap or remove the row.";
const FILL_TARGET: &str = "Fill the gap, remove the row, or give the step the weight 0 in a mask: it then counts as masked.";
const WEIGHT: &str = "0 leaves a step out, 1 counts it in full.";

impl Sequences {
    /// No trials yet, of samples with these sizes.
    pub fn trials(inputs: usize, outputs: usize) -> Self {
        Self {
            layout: Layout {
                inputs,
                targets: outputs,
                classes: None,
                masked: false,
            },
            rows: Vec::new().into(),
            ends: Vec::new(),
            left_out: 0,
            fingerprint: Fingerprint::new(),
            origin: Origin::default(),
        }
    }

    /// Rows as they stand in a table; trials end with the rows before `ends`, which is empty for one stream.
    ///
    /// # Errors
    /// Sizes of 0, rows that do not fit the layout or the ends, a number that is not finite, a negative weight, or a
    /// label that is no class; row and column are named. Targets of weight 0 may be missing: NaN.
    pub fn table(
        layout: Layout,
        rows: impl Into<Rows>,
        ends: Vec<usize>,
        origin: Origin,
    ) -> Result<Self> {
        let mut rows = rows.into();
        check::size("inputs", layout.inputs, 1)?;
        check::size("outputs", layout.outputs(), 1)?;
        let count = rows.len() / layout.width();
        if count == 0 || !rows.len().is_multiple_of(layout.width()) {
            let got = format!("{} numbers", rows.len());
            let expected = format!("some rows of {} numbers", layout.width());
            return Err(Error::invalid("rows", got, expected, "Hand in whole rows."));
        }
        let rising = [0].iter().chain(&ends).is_sorted_by(|a, b| a < b);
        if !rising || ends.last().is_some_and(|end| *end != count) {
            let mend = "Name where each trial ends, the last one with the last row.";
            let expected = format!("rising ends up to {count}");
            return Err(Error::invalid("ends", "others", expected, mend));
        }
        if let Rows::Memory(rows) = &mut rows {
            rows.chunks_exact_mut(layout.width())
                .for_each(|row| layout.fill(row));
        }
        let mut sequences = Self {
            layout,
            rows,
            ends,
            left_out: 0,
            fingerprint: Fingerprint::new(),
            origin,
        };
        let mut window = Window::default();
        for row in 0..count {
            let numbers = sequences.row(row, &mut window);
            sequences.check_row(row, numbers)?;
            sequences.left_out += usize::from(!layout.counts(numbers));
        }
        if sequences.ends.is_empty() {
            sequences.take(0..count);
        }
        for k in 0..sequences.ends.len() {
            sequences.take(sequences.trial(k));
        }
        Ok(sequences)
    }

    /// One stream: `x` steps × inputs, `y` steps × outputs, `mask` one weight a step.
    ///
    /// # Errors
    /// Sizes of 0, arrays that do not fit each other, or numbers that are not finite, but for targets of weight 0.
    pub fn stream(
        inputs: usize,
        outputs: usize,
        x: &[f64],
        y: &[f64],
        mask: Option<&[f64]>,
    ) -> Result<Self> {
        let mut sequences = Self::trials(inputs, outputs);
        sequences.add_trial(x, y, mask)?;
        sequences.ends.clear();
        Ok(sequences)
    }

    /// Adds a trial: `x` steps × inputs, `y` steps × outputs, `mask` one weight a step.
    ///
    /// # Errors
    /// As [`Sequences::stream`]; a mask for some trials but not for all.
    pub fn add_trial(&mut self, x: &[f64], y: &[f64], mask: Option<&[f64]>) -> Result<()> {
        let (inputs, outputs) = self.sizes();
        check::size("inputs", inputs, 1)?;
        check::size("outputs", outputs, 1)?;
        let steps = x.len() / inputs;
        if steps == 0 || !x.len().is_multiple_of(inputs) {
            let expected = format!("some steps of {inputs} inputs");
            let got = format!("{} numbers", x.len());
            let mend = "Hand in an array of steps x inputs.";
            return Err(Error::invalid("x", got, expected, mend));
        }
        if y.len() != steps * outputs {
            let expected = steps * outputs;
            return Err(Error::length("y", y.len(), expected, "steps x outputs"));
        }
        let before = self.steps();
        if before > 0 && mask.is_some() != self.layout.masked {
            return Err(Error::invalid(
                "mask",
                if mask.is_some() { "one" } else { "none" },
                "a mask for all trials or for none",
                "Use a mask of ones where every step counts.",
            ));
        }
        if let Some(mask) = mask
            && mask.len() != steps
        {
            return Err(Error::length("mask", mask.len(), steps, "one a step"));
        }
        let finite = |field: &str, values: &[f64], mend: &str| {
            let Some(index) = values.iter().position(|v| !v.is_finite()) else {
                return Ok(());
            };
            let (field, value) = (format!("{field}[{index}]"), values[index]);
            Err(Error::invalid(field, value, "a finite number", mend))
        };
        finite(
            "x",
            x,
            "Fill or drop missing values before handing them in.",
        )?;
        finite("mask", mask.unwrap_or_default(), WEIGHT)?;
        if let Some((index, weight)) = mask
            .unwrap_or_default()
            .iter()
            .enumerate()
            .find(|(_, w)| **w < 0.0)
        {
            let expected = "a weight that is not negative";
            return Err(Error::invalid(
                format!("mask[{index}]"),
                weight,
                expected,
                WEIGHT,
            ));
        }
        let counts = |step: usize| mask.is_none_or(|mask| mask[step] > 0.0);
        if let Some(index) = (0..y.len()).find(|k| !y[*k].is_finite() && counts(k / outputs)) {
            let (field, value) = (format!("y[{index}]"), y[index]);
            return Err(Error::invalid(field, value, "a finite number", FILL_TARGET));
        }
        let Rows::Memory(rows) = &mut self.rows else {
            let mend = "Write the trial into the file the others come from.";
            return Err(Error::invalid(
                "x",
                "a trial more",
                "none, as the others are outside of memory",
                mend,
            ));
        };
        self.layout.masked = mask.is_some();
        rows.reserve(steps * self.layout.width());
        for step in 0..steps {
            rows.extend_from_slice(&x[step * inputs..][..inputs]);
            let known = |y: &f64| if y.is_finite() { *y } else { 0.0 };
            rows.extend(y[step * outputs..][..outputs].iter().map(known));
            rows.extend(mask.map(|mask| mask[step]));
        }
        self.left_out += (0..steps).filter(|step| !counts(*step)).count();
        self.ends.push(before + steps);
        self.take(before..before + steps);
        Ok(())
    }

    /// Adds rows to the fingerprint.
    fn take(&mut self, rows: Range<usize>) {
        let (inputs, outputs) = self.sizes();
        let mut fingerprint = self.fingerprint;
        let mut window = Window::default();
        let mut y = vec![0.0; outputs];
        fingerprint.take((rows.len() * inputs) as u64);
        for row in rows.clone() {
            fingerprint.take_numbers(&self.row(row, &mut window)[..inputs]);
        }
        fingerprint.take((rows.len() * outputs) as u64);
        for row in rows.clone() {
            self.write_target(self.row(row, &mut window), &mut y);
            fingerprint.take_numbers(&y);
        }
        fingerprint.take(if self.layout.masked { rows.len() } else { 0 } as u64);
        if self.layout.masked {
            for row in rows {
                let weight = self.layout.weight_of(self.row(row, &mut window));
                fingerprint.take_numbers(weight.as_slice());
            }
        }
        self.fingerprint = fingerprint;
    }

    /// Inputs and outputs.
    pub fn sizes(&self) -> (usize, usize) {
        (self.layout.inputs, self.layout.outputs())
    }

    /// Steps of all trials together.
    pub fn steps(&self) -> usize {
        self.rows.len() / self.layout.width()
    }

    /// The number of the largest magnitude, with its step over all trials and whether it is a target.
    pub fn largest(&self) -> Option<(f64, usize, bool)> {
        let used = self.layout.inputs + self.layout.targets;
        let mut largest: Option<(f64, usize, bool)> = None;
        let mut window = Window::default();
        for row in 0..self.steps() {
            let numbers = self.row(row, &mut window)[..used].iter().enumerate();
            // Targets of weight 0 may be missing.
            for (column, value) in numbers.filter(|(_, value)| value.is_finite()) {
                if largest.is_none_or(|(most, ..)| value.abs() >= most.abs()) {
                    largest = Some((*value, row, column >= self.layout.inputs));
                }
            }
        }
        largest
    }

    /// Number of trials; 0 for one stream.
    pub fn trial_count(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Rows of a trial.
    pub(super) fn trial(&self, k: usize) -> Range<usize> {
        let begin = if k == 0 { 0 } else { self.ends[k - 1] };
        begin..self.ends[k]
    }

    pub(super) fn masked(&self) -> bool {
        self.layout.masked
    }

    /// A step, for one reader of its own.
    fn row<'a>(&'a self, row: usize, window: &'a mut Window) -> &'a [f64] {
        self.rows.row(row, self.layout.width(), window, |numbers| {
            self.layout.fill(numbers);
        })
    }

    /// Writes inputs and targets of a step, one number an output; the weight of the step, if there is a mask.
    pub(super) fn write(
        &self,
        row: usize,
        window: &mut Window,
        x: &mut [f64],
        y: &mut [f64],
    ) -> Option<f64> {
        let numbers = self.row(row, window);
        x.copy_from_slice(&numbers[..self.layout.inputs]);
        self.write_target(numbers, y);
        self.layout.weight_of(numbers)
    }

    /// Writes one number an output; a label becomes one-hot.
    fn write_target(&self, row: &[f64], y: &mut [f64]) {
        let targets = self.layout.targets_of(row);
        if self.layout.classes.is_none() {
            y.copy_from_slice(targets);
            return;
        }
        y.fill(0.0);
        // A missing label, of weight 0, is no class.
        if let Some(y) = y.get_mut(targets[0] as usize)
            && targets[0] >= 0.0
        {
            *y = 1.0;
        }
    }

    /// A column in words.
    fn column(&self, k: usize) -> String {
        let Layout {
            inputs, targets, ..
        } = self.layout;
        match self.origin.names.get(k) {
            Some(name) => format!("column `{name}`"),
            None if k < inputs => format!("input {k}"),
            None if k < inputs + targets => format!("target {}", k - inputs),
            None => "the mask".into(),
        }
    }

    fn refuse(
        &self,
        (row, numbers): (usize, &[f64]),
        column: usize,
        expected: impl Into<String>,
        mend: impl Into<String>,
    ) -> Error {
        let field = self.origin.place(row, &self.column(column));
        Error::invalid(field, shown(numbers[column]), expected, mend)
    }

    /// Refuses a row that means nothing, whatever the loss.
    fn check_row(&self, row: usize, numbers: &[f64]) -> Result<()> {
        let Layout {
            inputs,
            targets,
            classes,
            ..
        } = self.layout;
        let finite = "a finite number";
        if let Some(k) = (0..inputs).find(|k| !numbers[*k].is_finite()) {
            return Err(self.refuse((row, numbers), k, finite, FILL));
        }
        if let Some(weight) = self.layout.weight_of(numbers)
            && !(weight >= 0.0 && weight.is_finite())
        {
            let expected = "a weight that is not negative";
            return Err(self.refuse((row, numbers), inputs + targets, expected, WEIGHT));
        }
        let refused = |k: &usize| !self.layout.is_target(numbers[*k]);
        if let Some(k) = (inputs..inputs + targets).find(refused)
            && self.layout.counts(numbers)
        {
            return Err(match classes {
                Some(classes) if numbers[k].is_finite() => self.refuse(
                    (row, numbers),
                    k,
                    format!("a whole number from 0 to {}", classes - 1),
                    "Mend the label, or set task.classes to the number of classes there are: labels count from 0.",
                ),
                _ => self.refuse((row, numbers), k, finite, FILL_TARGET),
            });
        }
        Ok(())
    }

    /// Refuses rows among `rows` that `loss` has no meaning for or `precision` cannot hold, and a part where nothing
    /// counts; what does not count may be anything.
    ///
    /// # Errors
    /// The first such row and column, by the names they have in the file.
    pub fn check(&self, rows: Range<usize>, loss: Loss, precision: Precision) -> Result<()> {
        let Layout {
            inputs,
            targets,
            classes,
            ..
        } = self.layout;
        let mut window = Window::default();
        for row in rows.clone() {
            let numbers = self.row(row, &mut window);
            let counts = self.layout.counts(numbers);
            if precision == Precision::F32 {
                let used = |k: &usize| counts || !(inputs..inputs + targets).contains(k);
                let large = |k: &usize| !(numbers[*k] as f32).is_finite() && used(k);
                if let Some(k) = (0..numbers.len()).find(large) {
                    return Err(self.refuse(
                        (row, numbers),
                        k,
                        "at most 3.4e38, the largest number of precision = \"f32\"",
                        "Scale the column, or set precision = \"f64\".",
                    ));
                }
            }
            if classes.is_some() || !counts {
                continue;
            }
            let y = self.layout.targets_of(numbers);
            let Some(misfit) = loss.misfit(y, None) else {
                continue;
            };
            let column = match misfit {
                Misfit::Value(k) => self.column(inputs + k),
                Misfit::Sum(_) => match (self.column(inputs), self.column(inputs + targets - 1)) {
                    (only, _) if targets == 1 => only,
                    (first, last) if targets > 2 => format!("{first} to {last}"),
                    (first, last) => format!("{first} and {last}"),
                },
            };
            let classes = self.label_classes(rows);
            let softmax = Loss::SoftmaxCrossEntropy {};
            if let (Some(classes), true) = (classes, loss == softmax) {
                return Err(Error::invalid(
                    "task.targets",
                    format!(
                        "labels up to {} in {}",
                        classes - 1,
                        self.origin.place(row, &column)
                    ),
                    format!("probabilities, as {} needs", loss.name()),
                    format!("Set task.classes = {classes}."),
                ));
            }
            let zeros =
                "A step without a label needs the weight 0, in a column that task.mask names.";
            let mut error = loss.refusal(misfit, self.origin.place(row, &column), y, zeros);
            if let (Error::Invalid { mend, .. }, Some(classes)) = (&mut error, classes) {
                let name = softmax.name();
                mend.push_str(&format!(
                    " If these are labels, set task.classes = {classes} and loss.kind = \"{name}\"."
                ));
            }
            return Err(error);
        }
        Ok(())
    }

    /// How many classes there are if a single column of targets seems to hold their labels.
    fn label_classes(&self, rows: Range<usize>) -> Option<u32> {
        if self.layout.targets > 1 || self.layout.classes.is_some() {
            return None;
        }
        let mut window = Window::default();
        let mut largest: f64 = 1.0;
        for row in rows {
            let numbers = self.row(row, &mut window);
            let label = numbers[self.layout.inputs];
            if !self.layout.counts(numbers) {
                continue;
            }
            if label.fract() != 0.0 || !(0.0..1e5).contains(&label) {
                return None;
            }
            largest = largest.max(label);
        }
        Some(largest as u32 + 1)
    }

    /// Refuses a part where no step counts.
    pub(super) fn check_counts(&self, rows: Range<usize>, part: &str, mend: &str) -> Result<()> {
        let mut window = Window::default();
        if !self.masked()
            || rows
                .clone()
                .any(|row| self.layout.counts(self.row(row, &mut window)))
        {
            return Ok(());
        }
        let column = self.column(self.layout.width() - 1);
        Err(Error::invalid(
            "task.mask",
            format!(
                "weight 0 at every step of the {part} part, {} to {} ({column})",
                self.origin.row(rows.start),
                self.origin.row(rows.end - 1),
            ),
            "some steps that count",
            mend,
        ))
    }

    /// How many trials or steps there are, in words.
    pub(super) fn in_words(&self) -> String {
        let many = |n: usize, what: &str| match n {
            1 => format!("1 {what}"),
            n => format!("{n} {what}s"),
        };
        let lengths = (0..self.ends.len()).map(|k| self.trial(k).len());
        let masked = match self.left_out {
            0 => String::new(),
            n => format!(", {n} masked"),
        };
        match (lengths.clone().min(), lengths.max()) {
            (Some(least), Some(most)) => {
                let trials = many(self.ends.len(), "trial");
                let steps = match least == most {
                    true => many(most, "step"),
                    false => format!("{least} to {most} steps"),
                };
                format!("{trials} of {steps}{masked}")
            }
            _ => format!("{}{masked}", many(self.steps(), "step")),
        }
    }
}

/// A number as it may stand in a file.
fn shown(value: f64) -> impl Display {
    let size = value.abs();
    if size.is_finite() && size != 0.0 && !(1e-5..1e16).contains(&size) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: Layout = Layout {
        inputs: 1,
        targets: 1,
        classes: Some(3),
        masked: true,
    };

    #[test]
    fn rows_of_a_table_are_inputs_targets_and_weights() {
        let nan = f64::NAN;
        let rows = vec![0.5, 2.0, 1.0, 1.5, nan, 0.0, 2.5, 7.0, 0.0, 3.5, 0.0, 0.5];
        let sequences = Sequences::table(LABELS, rows, vec![1, 4], Origin::default()).unwrap();
        assert_eq!(sequences.sizes(), (1, 3));
        assert_eq!((sequences.trial(0), sequences.trial(1)), (0..1, 1..4));
        let mut y = [9.0; 3];
        // Labels that are missing or no class, where nothing counts, are none.
        let expected = [[0.0, 0.0, 1.0], [0.0; 3], [0.0; 3], [1.0, 0.0, 0.0]];
        for (row, hot) in expected.into_iter().enumerate() {
            let weight = sequences.write(row, &mut Window::default(), &mut [0.0], &mut y);
            assert_eq!((y, weight), (hot, Some([1.0, 0.0, 0.0, 0.5][row])));
        }
        assert_eq!(sequences.in_words(), "2 trials of 1 to 3 steps, 2 masked");
        // The same as trials added one by one.
        let mut added = Sequences::trials(1, 3);
        added.add_trial(&[0.5], &expected[0], Some(&[1.0])).unwrap();
        let y = expected[1..].concat();
        added
            .add_trial(&[1.5, 2.5, 3.5], &y, Some(&[0.0, 0.0, 0.5]))
            .unwrap();
        assert_eq!(added.fingerprint(), sequences.fingerprint());
    }

    #[test]
    fn rows_that_mean_nothing_are_named() {
        let origin = || Origin {
            file: "a.csv".into(),
            names: ["x", "y", "m"].map(String::from).into(),
            lines: vec![(0, 2), (1, 5)],
        };
        for (rows, ends, part) in [
            (vec![0.0; 4], vec![], "rows: got 4 numbers"),
            (vec![0.0; 6], vec![2, 1], "ends: got others"),
            (vec![0.0; 6], vec![1], "expected rising ends up to 2"),
            (
                vec![f64::INFINITY, 0.0, 0.0],
                vec![],
                "a.csv: row 1 (line 2), column `x`: got inf",
            ),
            (
                vec![0.0, 0.0, 1.0, 0.0, 3.0, 1.0],
                vec![],
                "row 2 (line 5), column `y`: got 3",
            ),
            (vec![0.0, 0.0, -1.0], vec![], "column `m`: got -1"),
        ] {
            let error = Sequences::table(LABELS, rows, ends, origin()).unwrap_err();
            assert!(error.to_string().contains(part), "{error}\nlacks {part}");
        }
    }
}
