//! Checks, comparisons and reproductions, as on the command line; long work can be interrupted.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use apical::check::{Settings, receipt};
use apical::rule::RuleSpec;
use apical_papers::{Choice, PAPERS, Paper, kept_seeds};
use apical_runs::compare::Plan;
use apical_runs::experiment::BUILT_IN;
use apical_runs::folder::RunFolder;
use apical_runs::run::{Environment, write_json};
use apical_runs::runner::Runner;
use apical_runs::seed_run::Progress;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use serde_json::json;

use crate::config::named;
use crate::drive::interruptible;
use crate::error::{guarded, raise};

struct Counter<'a>(&'a AtomicU64);

impl Progress for Counter<'_> {
    fn advance(&self, steps: u64) {
        self.0.fetch_add(steps, Ordering::Relaxed);
    }
}

/// The receipts of rules, as JSON.
#[pyfunction]
pub fn check(
    py: Python<'_>,
    rules: Vec<Bound<'_, PyDict>>,
    cases: u64,
    seed: u64,
    draws: u64,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    guarded(|| {
        let rules: Vec<RuleSpec> = rules
            .iter()
            .map(|rule| named("rule", rule))
            .collect::<PyResult<_>>()?;
        let settings = Settings { seed, cases, draws };
        let receipts = interruptible(py, progress, |stop, counter| {
            let mut receipts = Vec::new();
            for rule in &rules {
                if stop.load(Ordering::Relaxed) {
                    return Err(apical_runs::Error::Stopped);
                }
                receipts.push(receipt(rule, &settings, stop)?);
                counter.fetch_add(1, Ordering::Relaxed);
            }
            Ok(receipts)
        })?;
        Ok(serde_json::to_string(&receipts).unwrap_or_default())
    })
}

/// Alignments of the gradients of rules: JSON of labels, seeds and rows, and the figure as SVG and PNG.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn compare<'py>(
    py: Python<'py>,
    experiment: &str,
    changes: Vec<String>,
    train: Option<&str>,
    rules: &str,
    threads: usize,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<(String, String, Bound<'py, PyBytes>)> {
    guarded(|| {
        let plan = Plan::new(experiment, &changes, train, rules).map_err(raise)?;
        let compared = interruptible(py, progress, |stop, counter| {
            plan.run(Runner {
                threads,
                keep: None,
                stop,
                progress: &Counter(counter),
            })
        })?;
        let mut rows = Vec::new();
        for (row, column) in compared.pairs() {
            let means = compared.means(row, column);
            let place = row * (row - 1) / 2 + column;
            for (k, seed) in compared.seeds.iter().enumerate() {
                let found = &compared.alignments[k][place];
                rows.push(json!({
                    "rule": compared.labels[row],
                    "with": compared.labels[column],
                    "seed": seed,
                    "mean": means[k],
                    "deviation": found.deviation(),
                    "weighted_mean": found.weighted_mean(),
                    "compared": found.count(),
                    "zero_norm": found.silent(),
                    "not_finite": found.broken(),
                }));
            }
        }
        let about = json!({
            "labels": compared.labels,
            "seeds": compared.seeds,
            "rows": rows,
            "steps": plan.experiment.steps,
        });
        let figure = compared.figure(&plan.experiment.title);
        let png = figure.to_png().map_err(raise)?;
        Ok((about.to_string(), figure.to_svg(), PyBytes::new(py, &png)))
    })
}

/// How much of a paper: `part` is the word of its parts (`figure`, `task`) with a name.
fn choice(paper: &Paper, part: Option<&(String, String)>, quick: bool) -> PyResult<Choice> {
    let part = match part {
        Some((word, name)) => Some(paper.part(word, name).map_err(raise)?),
        None => None,
    };
    Ok(Choice {
        quick,
        part,
        budget: None,
    })
}

/// Steps of all runs of a paper, or of a part of it.
#[pyfunction]
pub fn paper_steps(paper: &str, part: Option<(String, String)>, quick: bool) -> PyResult<u64> {
    let paper = Paper::by_key(paper).map_err(raise)?;
    let (_, steps) = paper
        .size(choice(paper, part.as_ref(), quick)?)
        .map_err(raise)?;
    Ok(steps)
}

/// A paper, reproduced: claims and reports as JSON, figures (name, SVG, PNG); with `out`, all of it in a folder as well.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn reproduce<'py>(
    py: Python<'py>,
    paper: &str,
    part: Option<(String, String)>,
    quick: bool,
    threads: usize,
    out: Option<&str>,
    resume: bool,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<(String, Bound<'py, PyList>)> {
    guarded(|| {
        let paper = Paper::by_key(paper).map_err(raise)?;
        let choice = choice(paper, part.as_ref(), quick)?;
        let (mut keep, mut folder) = (None, None);
        let part = part.map_or(String::new(), |(word, name)| format!(", {word}={name:?}"));
        let command = format!("apical.reproduce({:?}{part}, quick={quick})", paper.key);
        if let Some(out) = out.map(Path::new) {
            if resume {
                keep = kept_seeds(out, paper, choice, true).map_err(raise)?;
                folder = Some(RunFolder::hold(out, &command).map_err(raise)?);
            } else {
                folder = Some(RunFolder::claim(out, &command).map_err(raise)?);
                keep = kept_seeds(out, paper, choice, false).map_err(raise)?;
            }
        }
        let (seeds, _) = paper.size(choice).map_err(raise)?;
        let version = env!("CARGO_PKG_VERSION");
        let environment = Environment::now(version, "unknown", command, seeds, threads);
        let reproduction = interruptible(py, progress, |stop, counter| {
            let runner = Runner {
                threads,
                keep: keep.as_deref(),
                stop,
                progress: &Counter(counter),
            };
            paper.reproduce(choice, runner)
        })?;
        if let Some(folder) = folder {
            let dir = folder.path();
            write_json(&dir.join("environment.json"), &environment).map_err(raise)?;
            reproduction.write(dir).map_err(raise)?;
        }
        let figures = PyList::empty(py);
        for (name, figure) in &reproduction.figures {
            let png = figure.to_png().map_err(raise)?;
            figures.append((name.as_str(), figure.to_svg(), PyBytes::new(py, &png)))?;
        }
        let about = json!({
            "claims": reproduction.claims,
            "markdown": reproduction.claims.to_markdown(),
            "reports": reproduction.reports,
        });
        Ok((about.to_string(), figures))
    })
}

/// Key and title of every paper.
#[pyfunction]
pub fn papers() -> Vec<(&'static str, &'static str)> {
    PAPERS
        .iter()
        .map(|paper| (paper.key, paper.title))
        .collect()
}

/// Names of the built-in experiments.
#[pyfunction]
pub fn experiments() -> Vec<&'static str> {
    BUILT_IN.iter().map(|built_in| built_in.name).collect()
}
