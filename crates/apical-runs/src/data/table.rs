//! Columns with names, whatever the file.

use std::collections::HashMap;
use std::path::Path;

use apical::task::{Layout, Rows};

use super::cell::quoted;
use super::{broken, config};
use crate::settings::suggestion;
use crate::{Error, Result};

/// A file whose columns have names.
pub(super) trait Table {
    /// The columns called `name`, or `name.0`, `name.1`, …, for the setting `field`.
    fn find(&mut self, field: &str, name: &str) -> Result<Vec<usize>>;

    /// The name of a column.
    fn name(&self, column: usize) -> String;

    /// The rows of the columns of `plan`.
    fn read(&mut self, plan: &Plan) -> Result<Read>;
}

/// The columns that are used.
pub(super) struct Plan {
    /// Those of a row, in the order of its layout.
    pub columns: Vec<usize>,
    pub layout: Layout,
    /// The one that tells trials apart.
    pub trial: Option<usize>,
}

/// What was read.
pub(super) struct Read {
    /// Row by row the columns of the plan; NaN where a value is missing.
    pub rows: Rows,
    /// Where each trial ends, if there are trials.
    pub ends: Vec<usize>,
    /// As in [`apical::task::Origin`].
    pub lines: Vec<(usize, u64)>,
}

/// Names of columns by what they may be asked for.
pub(super) struct Names {
    all: Vec<String>,
    /// Each name, where it stands first and how often.
    exact: HashMap<String, (usize, usize)>,
    /// The columns `x.0`, `x.1`, … by `x`.
    groups: HashMap<String, Vec<usize>>,
}

impl Names {
    pub fn new(all: Vec<String>) -> Self {
        let mut exact: HashMap<String, (usize, usize)> = HashMap::with_capacity(all.len());
        let mut groups: HashMap<String, Vec<usize>> = HashMap::new();
        for (k, name) in all.iter().enumerate() {
            exact.entry(name.clone()).or_insert((k, 0)).1 += 1;
            if let Some((base, number)) = name.rsplit_once('.')
                && number.parse::<usize>().is_ok()
            {
                groups.entry(base.into()).or_default().push(k);
            }
        }
        Self { all, exact, groups }
    }

    pub fn all(&self) -> &[String] {
        &self.all
    }

    pub fn has(&self, name: &str) -> bool {
        self.exact.contains_key(name) || self.groups.contains_key(name)
    }

    /// As [`Table::find`].
    pub fn find(&self, path: &Path, field: &str, name: &str) -> Result<Vec<usize>> {
        match (self.exact.get(name), self.groups.get(name)) {
            (Some((column, 1)), _) => Ok(vec![*column]),
            (Some((_, count)), _) => {
                let name = quoted(name);
                let what =
                    format!("{count} columns are called {name}, expected one, as it is used");
                Err(broken(path, what, "Rename the others in the first line."))
            }
            (None, Some(group)) => Ok(group.clone()),
            (None, None) => Err(unknown(path, field, name, &self.all)),
        }
    }
}

/// A name that is not among the columns.
pub(super) fn unknown(path: &Path, field: &str, name: &str, known: &[String]) -> Error {
    const MOST: usize = 20;
    let list: Vec<String> = known.iter().take(MOST).map(|name| bare(name)).collect();
    let listed = match known.len() {
        0..=MOST => list.join(", "),
        more => format!("{}, … ({more} columns)", list.join(", ")),
    };
    let known: Vec<&str> = known
        .iter()
        .map(String::as_str)
        .filter(|name| !name.is_empty())
        .collect();
    config(
        field,
        format!(
            "no column {} in {}, expected one of {listed}",
            quoted(name),
            path.display()
        ),
        suggestion(name, &known, "Use one of these names."),
    )
}

fn bare(name: &str) -> String {
    quoted(name).trim_matches('`').into()
}
