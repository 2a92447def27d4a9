//! Cut rows into trials where their id changes, and refuse ids that cannot mean that.

use std::collections::HashSet;
use std::path::Path;

use super::broken;
use crate::Result;

/// The id of a trial; `1` and `1.0` are the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Id {
    Whole(i128),
    Bits(u64),
    Text(String),
}

impl Id {
    /// None if there is no number.
    pub fn number(value: f64) -> Option<Self> {
        // Beyond 2^63 neighbours are far apart, and their bits tell them.
        let whole = value.fract() == 0.0 && value.abs() < 9.2e18;
        (!value.is_nan()).then(|| match whole {
            true => Self::Whole(value as i128),
            false => Self::Bits(value.to_bits()),
        })
    }

    /// None if it says that a value is missing.
    pub fn text(text: &str) -> Option<Self> {
        if super::cell::is_missing(text) {
            return None;
        }
        if let Ok(whole) = text.parse() {
            return Some(Self::Whole(whole));
        }
        match text.parse() {
            Ok(number) => Self::number(number),
            Err(_) => Some(Self::Text(text.into())),
        }
    }
}

/// Trials as far as they have been read.
#[derive(Default)]
pub(super) struct Trials {
    starts: Vec<usize>,
    last: Option<Id>,
    seen: HashSet<Id>,
    /// The first row whose id was that of an earlier trial.
    back: Option<usize>,
    /// Whether the id 1 stood in two rows on end, which no mark of a first row does.
    stays: bool,
}

impl Trials {
    /// Takes the id of the next row.
    pub fn push(&mut self, row: usize, id: Id) {
        if self.last.as_ref() == Some(&id) {
            return;
        }
        let long = self.starts.last().is_some_and(|start| row > start + 1);
        self.stays |= long && self.last == Some(Id::Whole(1));
        self.starts.push(row);
        if !self.seen.insert(id.clone()) {
            self.back.get_or_insert(row);
        }
        self.last = Some(id);
    }

    /// Where each trial ends, of `rows` rows; `place` names a row.
    ///
    /// # Errors
    /// Ids that come back after another one, or a new id in every row.
    pub fn ends(
        self,
        path: &Path,
        column: &str,
        rows: usize,
        place: impl Fn(usize) -> String,
    ) -> Result<Vec<usize>> {
        if self.starts.is_empty() {
            let what = format!(
                "column `{column}` is empty, expected the id of a trial in each of its rows"
            );
            return Err(broken(
                path,
                what,
                "Name another column in task.trial, or leave it out for one stream.",
            ));
        }
        let ends: Vec<usize> = self.starts.iter().skip(1).copied().chain([rows]).collect();
        let single = |k: usize| ends[k] == self.starts[k] + 1;
        let singles = (0..ends.len()).all(single);
        if let Some(row) = self.back {
            let what = format!(
                "{}, column `{column}`: the id of an earlier trial comes back, expected a new one, as a trial begins where \
                 the id changes",
                place(row)
            );
            let flags = [0, 1].map(Id::Whole);
            let mend = if !self.stays
                && !singles
                && self.seen.len() == 2
                && flags.iter().all(|flag| self.seen.contains(flag))
            {
                format!(
                    "If it marks the first row of each trial, number the trials: in pandas df['{column}'].cumsum()."
                )
            } else if singles {
                format!(
                    "Sort the rows by trial: in pandas df.sort_values('{column}', kind='stable')."
                )
            } else {
                format!(
                    "Put the rows of a trial together, or number the trials: in pandas \
                     df['{column}'].ne(df['{column}'].shift()).cumsum()."
                )
            };
            return Err(broken(path, what, mend));
        }
        if singles && ends.len() > 1 {
            let what = format!(
                "column `{column}` has another value in every row, which makes {} trials of 1 step, expected one that \
                 stays the same within a trial",
                ends.len()
            );
            let mend = "Name another column in task.trial (times and row numbers are none), or leave it out for one stream.";
            return Err(broken(path, what, mend));
        }
        Ok(ends)
    }
}
