//! Liu, Smith, Mihalas, Shea-Brown & Sümbül 2022: what its sheet cannot say.
//!
//! Learning curves by the authors' protocol ([`curves`]), the curves they released, agreement of gradients along training, credit over lags,
//! and what rules cost. Without the files of MNIST, the tasks there are data for.

mod alignment;
mod cost;
mod credit;
mod curves;
mod released;
mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::LazyLock;

use apical::Experiment;
use serde::Deserialize;

use super::study::Study;
use super::{Choice, Own, Paper, Report, Reproduction, Work};
use crate::claims::each;
use crate::claims::measured::Runs;
use apical_runs::figure::Colour;
use apical_runs::runner::Runner;
use apical_runs::{Error, Result, data, experiment};
use curves::Losses;

const SHEET: &str = include_str!("../../../papers/liu2022.toml");
/// Parts that train no rule of the comparison.
const ALIGNMENT: &str = "alignment";
const COST: &str = "cost";

/// The paper.
pub(super) const THIS: Paper = Paper {
    key: "liu2022",
    title: "Liu et al. 2022: ModProp beside BPTT, MDGL and the three-factor rule, on three tasks",
    part: "task",
    parts: &[
        "xor", "mu", "types", "taps", "pattern", "smnist", ALIGNMENT, COST,
    ],
    in_turn: false,
    work: Work::Sheet(
        SHEET,
        Some(Own {
            has,
            quantity,
            curves: runs,
            add,
        }),
    ),
};

/// The lists of the sheet that are used here.
#[derive(Deserialize)]
struct Lists {
    rule: Vec<Rule>,
    task: Vec<Task>,
    released: Vec<Released>,
}

/// A rule of the comparison.
#[derive(Deserialize)]
struct Rule {
    key: String,
    label: String,
    colour: Colour,
    /// Its settings.
    set: String,
}

/// A task.
#[derive(Deserialize)]
struct Task {
    key: String,
    title: String,
    /// What makes its trials quick.
    #[serde(default)]
    quick: Vec<String>,
}

/// Numbers of the authors' own runs.
#[derive(Deserialize)]
struct Released {
    key: String,
    values: Vec<f64>,
}

static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    let lists = each::lists(SHEET)
        .and_then(|lists| Lists::deserialize(lists).map_err(|error| error.message().to_string()));
    // A test reads the sheet: it comes with the program.
    lists.unwrap_or_else(|error| panic!("papers/liu2022.toml: {error}"))
});

fn rule(key: &str) -> Option<&'static Rule> {
    LISTS.rule.iter().find(|rule| rule.key == key)
}

/// Delayed XOR with these changes, at steps of 9 ms if it is to be quick.
fn xor(quick: bool, changes: &[String]) -> Result<Experiment> {
    let task = LISTS.task.iter().find(|task| quick && task.key == "xor");
    let mut all = task.map_or_else(Vec::new, |task| task.quick.clone());
    all.extend_from_slice(changes);
    experiment::load("liu2022/xor", &all)
}

/// Steps of a trial of [`xor`].
fn trial(quick: bool) -> u64 {
    if quick { 100 } else { 900 }
}

/// Whether a part is asked for; where none is, those that can be run here.
fn has(choice: Choice, part: &str) -> Result<bool> {
    match (choice.has(part), part, choice.part) {
        (true, "smnist", None) => Ok(mnist().is_ok()),
        (true, "smnist", _) => mnist().map(|_| true),
        (asked, ..) => Ok(asked),
    }
}

/// The files of MNIST, of which 8,000 images are to train on and 2,000 for tests: any file of 10,000 or more will do.
fn mnist() -> Result<(PathBuf, PathBuf)> {
    data::mnist::find().map_err(|what| Error::Config {
        field: "task".into(),
        what: format!("got smnist, but {what}"),
        mend: "Fetch them from https://storage.googleapis.com/cvdf-datasets/mnist/ into the folder mnist or one that the variable \
               APICAL_MNIST names, or reproduce another task with --task xor or --task pattern."
            .into(),
    })
}

fn quantity(study: &Study, place: usize, name: &str) -> Result<Option<Vec<f64>>> {
    Losses::of(study, place).quantity(name)
}

fn runs(study: &Study, place: usize, name: &str) -> Result<Option<Runs>> {
    let losses = Losses::of(study, place);
    match name {
        "published" => losses.published().map(Some),
        "whole" => losses.runs().map(Some),
        _ => Ok(None),
    }
}

/// Adds the tables of all rules at all rates, the curves the authors released, and the parts that train no rule of the comparison.
fn add(
    study: &Study,
    choice: Choice,
    runner: Runner<'_>,
    reproduction: &mut Reproduction,
) -> Result<()> {
    let quick = choice.quick;
    for task in &LISTS.task {
        reproduction.reports.extend(table::report(study, task)?);
    }
    let claims = &mut reproduction.claims.claims;
    let last = claims
        .iter()
        .rposition(|claim| claim.id.starts_with("xor."));
    if let Some(last) = last {
        if !quick {
            let released = released::claims(study)?;
            claims.splice(last + 1..last + 1, released);
        }
        let filter = ("filter".to_string(), credit::figure(quick)?);
        reproduction.figures.push(filter);
    }
    if choice.part.is_none()
        && let Err(why) = mnist()
    {
        let digits = LISTS.task.iter().find(|task| task.key == "smnist");
        let title = digits.map_or("", |task| &task.title);
        reproduction.reports.push(Report {
            name: "left-out".into(),
            title: "Left out".into(),
            on_screen: true,
            header: vec!["task".into(), "why".into()],
            rows: vec![vec![title.into(), why.to_string()]],
        });
    }
    if choice.has(ALIGNMENT) {
        let (report, claim) = alignment::measure(quick, runner)?;
        reproduction.reports.push(report);
        claims.push(claim);
    }
    if choice.has(COST) {
        let cost = cost::measure(quick, runner)?;
        reproduction.figures.push((COST.to_string(), cost.figure));
        reproduction.reports.extend(cost.reports);
        reproduction
            .tables
            .insert(0, (COST.to_string(), cost.table));
    }
    Ok(())
}

/// A rule of the comparison for readers.
fn label(key: &str) -> String {
    rule(key).map_or(key, |rule| &rule.label).to_string()
}

/// A claim that differences, seed by seed, are below 0.
fn compared(source: &str, differences: &[f64]) -> crate::claims::Claim {
    let spread = apical_runs::statistics::Spread::of(differences);
    crate::claims::Claim {
        figure: "learning curves".into(),
        source: source.into(),
        spread: super::judge::interval(&spread),
        verdict: crate::claims::Verdict::negative(spread.interval()),
        ..crate::claims::measured(&spread)
    }
}
