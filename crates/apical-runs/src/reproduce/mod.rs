//! Whole papers: every run, the figures, the claims.

pub mod liu2022;
pub mod marschall2019;
pub mod marschall2020;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use crate::claims::Claims;
use crate::experiment::suggestion;
use crate::figure::Figure;
use crate::run::{write_figure, write_json};
use crate::seed_run::Progress;
use crate::table::Table;
use crate::{Error, Result, files};

/// First seed and number of seeds, and the steps of all runs together.
pub type Size = ((u64, u64), u64);

/// A paper that can be reproduced.
#[derive(Clone, Copy)]
pub struct Paper {
    /// Citation key, as on the command line.
    pub key: &'static str,
    /// Authors, year and what is reproduced of it.
    pub title: &'static str,
    /// How much there is to run; `true` asks for the quick version.
    pub size: fn(bool) -> Result<Size>,
    /// Runs everything, draws the figures and judges the claims.
    pub reproduce: fn(bool, usize, &AtomicBool, &dyn Progress) -> Result<Reproduction>,
}

/// Every paper there is.
pub const PAPERS: &[Paper] = &[
    marschall2019::THIS,
    marschall2020::THIS,
    liu2022::THIS,
    liu2022::XOR,
    liu2022::PATTERN,
    liu2022::SMNIST,
];

impl Paper {
    /// The paper with this key.
    ///
    /// # Errors
    /// A key that is not in [`PAPERS`]; the nearest one is suggested.
    pub fn by_key(key: &str) -> Result<&'static Self> {
        let keys = PAPERS.iter().map(|paper| paper.key);
        let keys: Vec<&str> = keys.filter(|key| !key.contains('/')).collect();
        PAPERS.iter().find(|paper| paper.key == key).ok_or_else(|| {
            let example = format!("Write for example: apical reproduce {}", keys[0]);
            Error::Config {
                field: "paper".into(),
                what: format!("got `{key}`, expected one of {}", keys.join(", ")),
                mend: suggestion(key, &keys, &example),
            }
        })
    }

    /// The part of a paper that is about one task.
    ///
    /// # Errors
    /// A paper that is not in [`PAPERS`], or a task it has no part for; the nearest one is suggested.
    pub fn part(paper: &str, task: &str) -> Result<&'static Self> {
        let whole = Self::by_key(paper)?;
        let parts = PAPERS.iter().filter_map(|part| {
            let (key, name) = part.key.split_once('/')?;
            (key == whole.key).then_some((name, part))
        });
        let parts: Vec<(&str, &'static Self)> = parts.collect();
        if let Some((_, part)) = parts.iter().find(|(name, _)| *name == task) {
            return Ok(part);
        }
        let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
        let (expected, mend) = if names.is_empty() {
            let expected = format!("no --task: {paper} is reproduced as a whole");
            (expected, "Remove it.".into())
        } else {
            let example = format!("Write for example: --task {}", names[0]);
            (
                format!("one of {}", names.join(", ")),
                suggestion(task, &names, &example),
            )
        };
        Err(Error::Config {
            field: "task".into(),
            what: format!("got `{task}`, expected {expected}"),
            mend,
        })
    }

    /// The command line that reproduces it.
    pub fn command(&self, quick: bool) -> String {
        let quick = if quick { " --quick" } else { "" };
        // A part of a paper: its key, then that of the task.
        match self.key.split_once('/') {
            Some((paper, task)) => format!("apical reproduce {paper} --task {task}{quick}"),
            None => format!("apical reproduce {}{quick}", self.key),
        }
    }
}

/// What a reproduction gave.
#[derive(Clone, Debug)]
pub struct Reproduction {
    /// Figures by file name.
    pub figures: Vec<(&'static str, Figure)>,
    /// The claims.
    pub claims: Claims,
    /// Tables of texts, for readers.
    pub reports: Vec<Report>,
    /// Tables of numbers by file name, for further analysis.
    pub tables: Vec<(String, Table)>,
}

/// A table of texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// File name.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// Whether it belongs on a screen, beside the claims.
    pub on_screen: bool,
    /// Names of the columns.
    pub header: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<String>>,
}

impl Report {
    /// A Markdown table.
    pub fn to_markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&self.header);
        text.push_str(&format!("|{}\n", "---|".repeat(self.header.len())));
        text.extend(self.rows.iter().map(|row| line(row)));
        text
    }
}

impl Reproduction {
    /// Writes figures, claims, reports and tables into `dir`, a new folder.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        for (name, figure) in &self.figures {
            write_figure(&dir.join(name), figure)?;
        }
        write_json(&dir.join("claims.json"), &self.claims)?;
        files::write_atomic(dir.join("claims.md"), self.claims.to_markdown().as_bytes())?;
        for report in &self.reports {
            let path = dir.join(format!("{}.md", report.name));
            files::write_atomic(path, report.to_markdown().as_bytes())?;
        }
        for (name, table) in &self.tables {
            files::write_atomic(dir.join(format!("{name}.csv")), &table.to_csv()?)?;
            files::write_atomic(dir.join(format!("{name}.parquet")), &table.to_parquet()?)?;
        }
        Ok(())
    }
}
