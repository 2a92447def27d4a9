//! Name a quantity of a running learner: `loss`, `A_loss`, `W_rec.norm`, `rate[3]`.

use crate::learner::Learner;
use crate::probe::Probe;
use crate::{Error, Result, Scalar};

/// How an array becomes one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    /// Euclidean norm.
    Norm,
    /// Mean.
    Mean,
    /// Largest magnitude.
    Max,
    /// The element at this position, row by row.
    Element(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Loss,
    Accuracy,
    Alignment,
    Rate,
    State,
    Output,
    Signal,
    Gradient,
    Parameter(&'static str),
    Rule(usize),
}

/// A quantity of a learner, found once and read at every step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    source: Source,
    summary: Summary,
}

const NAMED: [(&str, Source); 13] = [
    ("loss", Source::Loss),
    ("accuracy", Source::Accuracy),
    ("alignment", Source::Alignment),
    ("rate", Source::Rate),
    ("state", Source::State),
    ("output", Source::Output),
    ("signal", Source::Signal),
    ("gradient", Source::Gradient),
    ("W_rec", Source::Parameter("W_rec")),
    ("W_in", Source::Parameter("W_in")),
    ("b_rec", Source::Parameter("b_rec")),
    ("W_out", Source::Parameter("W_out")),
    ("b_out", Source::Parameter("b_out")),
];

impl Quantity {
    /// Reads a name: a number (`loss`, `accuracy`, `alignment` of W_out with B, or one of the rule's, such as `A_loss`) or an array followed by
    /// `.norm`, `.mean`, `.max` or `[index]`; `rate`, `state`, `output`, `signal`, `gradient`, `W_rec`, `W_in`,
    /// `b_rec`, `W_out`, `b_out`, or one of the rule's, such as `A`. Activity is that of the first sample; the states of a unit lie n apart in `state`.
    ///
    /// # Errors
    /// An unknown name; the known ones are listed.
    pub fn parse(name: &str, rule: &'static [&'static str]) -> Result<Self> {
        let (base, summary) = split(name)?;
        let named = NAMED
            .iter()
            .find(|(known, _)| *known == base)
            .map(|(_, s)| s.clone());
        let of_rule = || {
            rule.iter()
                .position(|known| *known == base)
                .map(Source::Rule)
        };
        let Some(source) = named.or_else(of_rule) else {
            let known = NAMED
                .iter()
                .map(|(known, _)| *known)
                .chain(rule.iter().copied());
            let mend = "Arrays take .norm, .mean, .max or [index], for example W_rec.norm.";
            let expected = format!("one of {}", known.collect::<Vec<_>>().join(", "));
            return Err(Error::invalid(
                "monitor.quantity",
                format!("`{name}`"),
                expected,
                mend,
            ));
        };
        Ok(Self { source, summary })
    }

    /// Whether it is the loss, which means nothing at a step that does not count.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(self.source, Source::Loss)
    }

    /// Whether it is the accuracy, which is NaN at a step that does not count.
    pub(crate) fn is_accuracy(&self) -> bool {
        matches!(self.source, Source::Accuracy)
    }

    /// Whether reading costs a pass over an array, so that it is read only when recorded.
    pub fn is_array(&self) -> bool {
        match self.source {
            Source::Loss | Source::Accuracy => false,
            // The rule tells only when read; its numbers are cheap and its arrays are summarised.
            Source::Rule(_) => self.summary != Summary::Mean,
            _ => true,
        }
    }

    /// Refuses an element beyond the end of its array.
    pub(crate) fn check<T: Scalar>(&self, name: &str, learner: &Learner<T>) -> Result<()> {
        let Summary::Element(index) = self.summary else {
            return Ok(());
        };
        let dims = learner.network().dims();
        let of = |matrix: &crate::kernel::Matrix<T>| matrix.rows() * matrix.columns();
        let len = match &self.source {
            Source::Loss | Source::Accuracy | Source::Alignment => 0,
            Source::Rate | Source::Signal => dims.units,
            Source::State => dims.states * dims.units,
            Source::Output => dims.outputs,
            Source::Gradient => of(learner.gradient()),
            Source::Parameter(name) => {
                let (rows, columns, _) = learner.block(name).expect("a name from `NAMED`");
                rows.len() * columns.len()
            }
            Source::Rule(index) => match learner.rule_probe(*index) {
                Probe::Number(_) => 0,
                Probe::Matrix(matrix) => of(matrix),
                Probe::Vector(values) => values.len(),
            },
        };
        if index < len {
            return Ok(());
        }
        let expected = match len {
            0 => "no index: it is a single number".to_string(),
            _ => format!("an index below {len}"),
        };
        let mend = "Elements are counted from 0, row by row.";
        Err(Error::invalid(
            "monitor.quantity",
            format!("`{name}`"),
            expected,
            mend,
        ))
    }

    pub(crate) fn read<T: Scalar>(&self, learner: &Learner<T>) -> f64 {
        let dims = learner.network().dims();
        let activity = learner.activity();
        let of = |values: &[T]| self.summarise(std::iter::once(values), values.len());
        match &self.source {
            Source::Loss => learner.scalars().0,
            Source::Accuracy => learner.scalars().1,
            Source::Alignment => learner.alignment(),
            Source::Rate => of(&activity.rate[..dims.units]),
            Source::State => {
                let plane = |s: usize| &activity.state[s * dims.plane()..][..dims.units];
                self.summarise((0..dims.states).map(plane), dims.units)
            }
            Source::Output => of(activity.output.row(0)),
            Source::Signal => of(learner.signal()),
            Source::Gradient => self.matrix(learner.gradient()),
            Source::Parameter(name) => {
                let (rows, columns, matrix) = learner.block(name).expect("a name from `NAMED`");
                let rows = rows.map(|i| &matrix.row(i)[columns.clone()]);
                self.summarise(rows, columns.len())
            }
            Source::Rule(index) => match learner.rule_probe(*index) {
                Probe::Number(value) => value,
                Probe::Matrix(matrix) => self.matrix(matrix),
                Probe::Vector(values) => of(values),
            },
        }
    }

    fn matrix<T: Scalar>(&self, matrix: &crate::kernel::Matrix<T>) -> f64 {
        let rows = (0..matrix.rows()).map(|i| matrix.row(i));
        self.summarise(rows, matrix.columns())
    }

    fn summarise<'a, T: Scalar>(
        &self,
        mut rows: impl Iterator<Item = &'a [T]>,
        columns: usize,
    ) -> f64 {
        if let Summary::Element(index) = self.summary {
            let row = rows.nth(index / columns.max(1));
            return row.map_or(f64::NAN, |row| row[index % columns].f64());
        }
        let values = rows.flatten().map(|v| v.f64());
        match self.summary {
            Summary::Norm => values.map(|v| v * v).sum::<f64>().sqrt(),
            Summary::Max => values.fold(0.0, |max: f64, v| max.max(v.abs())),
            _ => {
                let (sum, count) = values.fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
                sum / count
            }
        }
    }
}

fn split(name: &str) -> Result<(&str, Summary)> {
    if let Some((base, index)) = name.strip_suffix(']').and_then(|n| n.split_once('[')) {
        let index = index.trim().parse().map_err(|_| {
            let expected = "a whole number between the brackets";
            Error::invalid(
                "monitor.quantity",
                format!("`{name}`"),
                expected,
                "Write rate[3].",
            )
        })?;
        return Ok((base, Summary::Element(index)));
    }
    match name.rsplit_once('.') {
        Some((base, "norm")) => Ok((base, Summary::Norm)),
        Some((base, "max")) => Ok((base, Summary::Max)),
        Some((base, "mean")) => Ok((base, Summary::Mean)),
        _ => Ok((name, Summary::Mean)),
    }
}
