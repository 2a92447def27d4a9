//! Murray 2019: periodic output (figure 2 and its supplements), interval matching (figure 3), sequences of actions (figure 4).
//!
//! Conditions are the built-in experiments `murray2019/*` at the rates the paper prints and, where it prints rates, also at
//! the best rates of its grid in a search on networks that are not judged. The paper shows orderings, not numbers; what it
//! leaves unstated is stated in the experiments. Nine networks a condition, and more where that leaves a claim open.

mod figures;
mod interval;
mod judged;
mod lab;
mod periodic;
mod reference;
mod sequence;
mod supplements;

use std::time::Instant;

use lab::{Lab, WORST};

use super::study::until;
use super::{Choice, Paper, Report, Reproduction, Size, Work};
use crate::claims::sequential::MEAN_LOOKS;
use crate::claims::{Claim, Claims};
use apical_runs::figure::{Figure, Panel};
use apical_runs::runner::Runner;
use apical_runs::table::Table;
use apical_runs::{Error, Result};

/// The paper.
pub(super) const THIS: Paper = Paper {
    key: "murray2019",
    title: "Murray 2019: RFLO on periodic outputs, interval matching and sequences of actions",
    part: "figure",
    parts: &[
        "2",
        "2a",
        "2b",
        "2c",
        "2d",
        "2s1",
        "2s2",
        "2s3",
        "3",
        "4",
        "reference",
    ],
    in_turn: true,
    work: Work::Own(size, reproduce),
};

/// The figure of ours a panel belongs to.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Main,
    Supplement,
    Intervals,
    Sequences,
}

/// What one figure of the paper gave.
#[derive(Default)]
struct Section {
    panels: Vec<(Part, Panel)>,
    claims: Vec<Claim>,
    reports: Vec<Report>,
    tables: Vec<(String, Table)>,
}

impl Section {
    fn new(part: Part, panels: Vec<Panel>, claims: Vec<Claim>) -> Self {
        Self {
            panels: panels.into_iter().map(|panel| (part, panel)).collect(),
            claims,
            ..Self::default()
        }
    }
}

fn size(choice: Choice) -> Result<Size> {
    let mut all = periodic::Study::new(choice).planned()?;
    if choice.has("3") {
        all.extend(interval::planned(choice)?);
    }
    let mut steps: u64 = all.iter().map(|e| e.steps * e.seeds).sum();
    if choice.has("4") {
        steps += sequence::planned(choice)?;
    }
    Ok(((0, if choice.quick { 3 } else { MEAN_LOOKS[0] }), steps))
}

/// Runs and judges everything, look after look, until every claim is decided or time is up.
fn sections(choice: Choice, runner: Runner<'_>) -> Result<Vec<Section>> {
    let end = choice.budget.map(|budget| Instant::now() + budget);
    let mut seen = None;
    // A look that the time does not suffice for is not judged; its networks are kept for the next call.
    until(end, runner, |runner| {
        let mut lab = Lab::new(runner);
        loop {
            seen = Some(one_look(choice, &mut lab)?);
            if choice.quick || !lab.look_again() {
                return Ok(());
            }
        }
    })?;
    seen.ok_or_else(|| Error::Config {
        field: "--budget".into(),
        what: format!(
            "the time did not suffice for the first look, at {} networks a condition",
            MEAN_LOOKS[0]
        ),
        mend: "Give more; with --resume --out DIR the networks done so far are kept.".into(),
    })
}

fn one_look(choice: Choice, lab: &mut Lab<'_>) -> Result<Vec<Section>> {
    let mut sections = periodic::Study::new(choice).run(lab)?;
    if choice.has("3") {
        sections.extend(interval::run(choice, lab)?);
    }
    if choice.has("4") {
        sections.push(sequence::run(choice, lab)?);
    }
    Ok(sections)
}

fn reproduce(choice: Choice, runner: Runner<'_>) -> Result<Reproduction> {
    let sections = sections(choice, runner)?;
    let drawings: [(Part, &'static str, &str, usize, u64); 4] = [
        (Part::Main, "figure2", "figure 2: periodic output", 2, 3),
        (
            Part::Supplement,
            "figure2-supplements",
            "figure 2, supplements",
            4,
            3,
        ),
        (
            Part::Intervals,
            "figure3",
            "figure 3: interval matching",
            3,
            2,
        ),
        (
            Part::Sequences,
            "figure4",
            "figure 4: sequences of actions",
            3,
            2,
        ),
    ];
    let mut figures = Vec::new();
    for (part, name, title, columns, few) in drawings {
        let networks = match choice.quick {
            true => few.to_string(),
            false => format!("{}+", MEAN_LOOKS[0]),
        };
        let of = |section: &Section| section.panels.clone();
        let panels: Vec<Panel> = sections
            .iter()
            .flat_map(of)
            .filter(|(of, _)| *of == part)
            .map(|(_, panel)| panel)
            .collect();
        if !panels.is_empty() {
            let title = format!(
                "Murray 2019, {title} ({networks} networks; lines: median, bands: quartiles)"
            );
            figures.push((
                name.to_string(),
                Figure {
                    title,
                    panels,
                    columns,
                },
            ));
        }
    }
    let (mut claims, mut reports, mut tables) = (Vec::new(), Vec::new(), Vec::new());
    for section in sections {
        claims.extend(section.claims);
        reports.extend(section.reports);
        tables.extend(section.tables);
    }
    Ok(Reproduction {
        figures,
        claims: Claims {
            paper: THIS.key.into(),
            command: THIS.command(choice),
            claims,
        },
        reports,
        tables,
    })
}

/// Two digits that count, as short as they go.
fn decimal(value: f64) -> String {
    if !value.is_finite() {
        return "-".into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let digits = (1 - value.abs().log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').into(),
        false => text,
    }
}

/// Quartiles and median as one text.
fn quartiles_text(low: f64, median: f64, high: f64) -> String {
    match low.is_finite() {
        true => format!("{} / {} / {}", decimal(low), decimal(median), decimal(high)),
        false => decimal(median),
    }
}

/// log₁₀ of losses, those above the worst that counts as that.
fn logarithms(losses: &[f64]) -> Vec<f64> {
    losses
        .iter()
        .map(|loss| loss.clamp(1e-12, WORST).log10())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let texts = [
            0.03,
            0.000_15,
            0.328_125,
            123.4,
            0.0,
            -1.0,
            f64::NAN,
            2.5e-3,
        ]
        .map(decimal);
        assert_eq!(
            texts,
            ["0.03", "0.00015", "0.33", "123", "0", "-1", "-", "0.0025"]
        );
    }
}
