//! Papers reproduced: every run, the figures, the claims.
//!
//! Most of a paper is data: its sheet in `papers/KEY.toml` names conditions, claims, figures and what others measured, and one engine runs, judges
//! and draws it. What no sheet can say stands in a module of the paper's name.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod claims;
mod drawing;
mod judge;
mod liu2022;
mod murray2019;
mod reports;
#[cfg(test)]
mod sheets;
mod study;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use self::study::Study;

use crate::claims::Claims;
use crate::claims::measured::Runs;
use crate::claims::sheet::Sheet;
use apical::shown::sentence;

use apical_runs::experiment::suggestion;
use apical_runs::figure::Figure;
use apical_runs::run::{write_figure, write_json};
use apical_runs::runner::Runner;
use apical_runs::table::Table;
use apical_runs::{Error, Result, files};

/// First seed and number of seeds, and the steps of all runs together.
pub type Size = ((u64, u64), u64);

/// How much of a paper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Fewer seeds and steps; verdicts are weaker.
    pub quick: bool,
    /// One of [`Paper::parts`], or all of them.
    pub part: Option<&'static str>,
    /// Time for all of it, where a paper's rows are judged in turn.
    pub budget: Option<Duration>,
}

impl Choice {
    /// Whether `part` belongs to it: figure 2a to figure 2.
    pub fn has(self, part: &str) -> bool {
        self.part.is_none_or(|only| part.starts_with(only))
    }
}

/// A paper that can be reproduced.
#[derive(Clone, Copy)]
pub struct Paper {
    /// Citation key, as on the command line.
    pub key: &'static str,
    /// Authors, year and what is reproduced of it.
    pub title: &'static str,
    /// What its parts are on the command line: `figure`, `task`.
    pub part: &'static str,
    /// Parts that can be reproduced alone; none if it is one piece.
    pub parts: &'static [&'static str],
    /// Whether its rows are judged in turn, with as many seeds as each needs, so that a budget can be spent.
    pub in_turn: bool,
    work: Work,
}

/// What there is to do.
#[derive(Clone, Copy)]
enum Work {
    /// What its sheet says, and what it has for itself.
    Sheet(&'static str, Option<Own>),
    /// What its own file says: how much there is to run, at first, and the whole of it.
    Own(fn(Choice) -> Result<Size>, Reproduce),
}

/// Runs and judges a paper.
type Reproduce = fn(Choice, Runner<'_>) -> Result<Reproduction>;

/// Looks up a quantity.
type Quantity = fn(&Study, usize, &str) -> Result<Option<Vec<f64>>>;

/// Looks up curves.
type Curves = fn(&Study, usize, &str) -> Result<Option<Runs>>;

/// What a paper has beside its sheet.
#[derive(Clone, Copy)]
struct Own {
    /// Which parts can be run here.
    has: fn(Choice, &str) -> Result<bool>,
    /// A quantity of a condition, one number a seed; `None` leaves it to what all papers have.
    quantity: Quantity,
    /// Steps and values of each seed; `None` leaves it to what all papers have.
    curves: Curves,
    /// Adds what no sheet can say.
    add: fn(&Study, Choice, Runner<'_>, &mut Reproduction) -> Result<()>,
}

/// Every paper there is.
pub const PAPERS: &[Paper] = &[
    Paper {
        key: "marschall2019",
        title: "Marschall, Cho & Savin 2019: Figure 1D, with the controls the abstract lacks",
        part: "",
        parts: &[],
        in_turn: true,
        work: Work::Sheet(include_str!("../../../papers/marschall2019.toml"), None),
    },
    Paper {
        key: "marschall2020",
        title: "Marschall, Cho & Savin 2020: all rules on Add and Mimic, alignment of their gradients",
        part: "",
        parts: &[],
        in_turn: false,
        work: Work::Sheet(include_str!("../../../papers/marschall2020.toml"), None),
    },
    murray2019::THIS,
    liu2022::THIS,
];

impl Paper {
    /// The paper with this key.
    ///
    /// # Errors
    /// A key that is not in [`PAPERS`]; the nearest one is suggested.
    pub fn by_key(key: &str) -> Result<&'static Self> {
        let keys: Vec<&str> = PAPERS.iter().map(|paper| paper.key).collect();
        PAPERS.iter().find(|paper| paper.key == key).ok_or_else(|| {
            let example = format!("Write for example: apical reproduce {}", keys[0]);
            Error::Config {
                field: "paper".into(),
                what: format!("got `{key}`, expected one of {}", keys.join(", ")),
                mend: suggestion(key, &keys, &example),
            }
        })
    }

    /// How much there is to run, at first.
    ///
    /// # Errors
    /// Data that are not there.
    pub fn size(&self, choice: Choice) -> Result<Size> {
        match self.work {
            Work::Sheet(text, own) => Ok(self.study(text, own, choice)?.size()),
            Work::Own(size, _) => size(choice),
        }
    }

    /// Runs what was chosen, draws the figures and judges the claims.
    ///
    /// # Errors
    /// The first error of any run; [`Error::Stopped`] if it was asked to stop.
    pub fn reproduce(&self, choice: Choice, runner: Runner<'_>) -> Result<Reproduction> {
        let (text, own) = match self.work {
            Work::Sheet(text, own) => (text, own),
            Work::Own(_, reproduce) => return reproduce(choice, runner),
        };
        let mut study = self.study(text, own, choice)?;
        study.run(runner)?;
        let mut reproduction = Reproduction {
            figures: study.figures()?,
            claims: Claims {
                paper: self.key.into(),
                command: self.command(choice),
                claims: study.claims()?,
            },
            reports: study.reports()?,
            tables: study.tables()?,
        };
        if let Some(own) = own {
            (own.add)(&study, choice, runner, &mut reproduction)?;
        }
        Ok(reproduction)
    }

    fn study(&self, text: &str, own: Option<Own>, choice: Choice) -> Result<Study> {
        let mut sheet = Sheet::read(self.key, text)?;
        if let Some(own) = own {
            for part in self.parts {
                if !(own.has)(choice, part)? {
                    sheet = sheet.part(|named| named != *part);
                }
            }
        }
        Study::new(sheet, own, choice)
    }

    /// The part of this name, asked for with the option `--{word}`.
    ///
    /// # Errors
    /// A paper whose parts are called otherwise or that has none, or a part it does not have; the known ones are listed.
    pub fn part(&self, word: &str, name: &str) -> Result<&'static str> {
        let field = format!("--{word}");
        if self.parts.is_empty() || word != self.part {
            let (expected, mend) = match self.parts.is_empty() {
                true => (
                    "no part: it is reproduced whole",
                    format!("Leave --{word} out."),
                ),
                false => (
                    "another option",
                    format!("Use --{} for one of {}.", self.part, self.parts.join(", ")),
                ),
            };
            return Err(Error::Config {
                field,
                what: format!("got `{name}`, expected {expected} with paper {}", self.key),
                mend,
            });
        }
        let found = self.parts.iter().find(|part| **part == name).copied();
        found.ok_or_else(|| Error::Config {
            field,
            what: format!("got `{name}`, expected one of {}", self.parts.join(", ")),
            mend: suggestion(
                name,
                self.parts,
                "Leave it out to reproduce the whole paper.",
            ),
        })
    }

    /// Time to spend on it, from the text of `--budget`.
    ///
    /// # Errors
    /// A text that is no time, no time at all, or a paper whose seeds are fixed.
    pub fn budget(&self, text: &str) -> Result<Duration> {
        let refused = |what: String, mend: &str| Error::Config {
            field: "--budget".into(),
            what,
            mend: mend.into(),
        };
        let mend = "Write for example --budget 10m, 90s or 1h 30m.";
        let text = sentence(text);
        let time = humantime::parse_duration(&text)
            .map_err(|_| refused(format!("got `{text}`, expected a time"), mend))?;
        if time.is_zero() {
            return Err(refused("got no time, expected some".into(), mend));
        }
        if !self.in_turn {
            let in_turn = PAPERS.iter().filter(|paper| paper.in_turn);
            let keys: Vec<&str> = in_turn.map(|paper| paper.key).collect();
            let what = format!(
                "expected a paper whose rows are judged in turn ({}): {} has a fixed number of seeds",
                keys.join(", "),
                self.key
            );
            return Err(refused(
                what,
                "Leave --budget out; what is stopped by Ctrl-C goes on by --resume.",
            ));
        }
        Ok(time)
    }

    /// The command line that reproduces it.
    pub fn command(&self, choice: Choice) -> String {
        let part = choice
            .part
            .map_or(String::new(), |part| format!(" --{} {part}", self.part));
        let quick = if choice.quick { " --quick" } else { "" };
        format!("apical reproduce {}{part}{quick}", self.key)
    }
}

/// The folder for the seeds of a reproduction in `dir`, made if it is a new one and found again with `resume`. The quick version, which
/// takes seconds, keeps none.
///
/// # Errors
/// With `resume`, a folder that holds no seeds or those of another command; a folder that cannot be written.
pub fn kept_seeds(
    dir: &Path,
    paper: &Paper,
    choice: Choice,
    resume: bool,
) -> Result<Option<PathBuf>> {
    let (seeds, command) = (dir.join("seeds"), paper.command(choice));
    let note = seeds.join("command.txt");
    let refused = |what: String, mend: &str| {
        Err(Error::Config {
            field: "--resume".into(),
            what,
            mend: mend.into(),
        })
    };
    if !resume {
        if choice.quick {
            return Ok(None);
        }
        std::fs::create_dir_all(&seeds)
            .map_err(|error| Error::io(&seeds, "create this folder", &error))?;
        files::write_atomic(&note, command.as_bytes())?;
        return Ok(Some(seeds));
    }
    if choice.quick {
        return refused(
            "got a quick version, of which nothing is kept".into(),
            "Leave --resume out, or --quick.",
        );
    }
    if !note.exists() {
        return refused(
            format!(
                "{} does not exist, expected the folder of a reproduction that was stopped",
                note.display()
            ),
            "Check --out, or leave --resume out to begin a new one.",
        );
    }
    let kept = std::fs::read_to_string(&note)
        .map_err(|error| Error::io(&note, "read what is kept here", &error))?;
    if kept != command {
        return refused(
            format!(
                "got `{command}`, expected `{kept}` as in {}",
                note.display()
            ),
            "Ask for the same again, or choose another --out and leave --resume out.",
        );
    }
    Ok(Some(seeds))
}

/// What a reproduction gave.
#[derive(Clone, Debug)]
pub struct Reproduction {
    /// Figures by file name.
    pub figures: Vec<(String, Figure)>,
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
    pub name: Cow<'static, str>,
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
