//! Marschall, Cho & Savin 2019, Figure 1D, with the controls the abstract lacks.
//!
//! Conditions and claims stand in `papers/marschall2019.toml`: the published settings on true lags (4, 6) and on (3, 5), which is
//! what the generator of 2018 called 4 and 6; Add(5, 9), where a frozen network fails; and the default rates. The published codes
//! start W_rec as the Q of a Householder QR, which is not uniform over orthogonal matrices and remembers longer; further
//! conditions take a uniform start, and the target timing of the 2018 scripts.

use apical::task::Bound;

use super::study::Study;
use super::{Choice, Paper, Reproduction, Size};
use crate::Result;
use crate::claims::Claims;
use crate::claims::sheet::Sheet;
use crate::figure::{Colour, Figure, Level, Panel};
use crate::record::{SeedRecord, metrics_table};
use crate::runner::Runner;
use crate::table::{Column, Table};

/// The paper.
pub(super) const THIS: Paper = Paper {
    key: PAPER,
    title: "Marschall, Cho & Savin 2019: Figure 1D, with the controls the abstract lacks",
    part: "",
    parts: &[],
    in_turn: true,
    size,
    reproduce,
};

const PAPER: &str = "marschall2019";
const SHEET: &str = include_str!("../../../../papers/marschall2019.toml");

fn study(choice: Choice) -> Result<Study> {
    Study::new(&Sheet::read(PAPER, SHEET)?, choice)
}

fn size(choice: Choice) -> Result<Size> {
    Ok(study(choice)?.size())
}

fn reproduce(choice: Choice, runner: Runner<'_>) -> Result<Reproduction> {
    let mut study = study(choice)?;
    study.run(runner)?;
    let named = study
        .conditions()
        .filter(|(.., records)| !records.is_empty());
    Ok(Reproduction {
        figures: vec![("figure1d", figure(&study)), ("traces", traces(&study))],
        claims: Claims {
            paper: PAPER.into(),
            command: THIS.command(choice),
            claims: study.claims(),
        },
        reports: study.reports(),
        tables: named
            .map(|(name, _, records)| (name.into(), condition_table(name, records)))
            .collect(),
    })
}

fn condition_table(name: &str, records: &[SeedRecord]) -> Table {
    let mut table = metrics_table(records);
    let rows = table
        .columns
        .first()
        .map_or(0, |column| column.values.len());
    let names = vec![name.to_string(); rows];
    table.columns.insert(0, Column::text("condition", names));
    table
}

/// Seeds of a figure: those of the first look.
const SHOWN: usize = 20;

/// The same learning rule without and with what a synapse cannot know, beside its control, in one panel.
fn figure(study: &Study) -> Figure {
    let conditions = [
        ("default-frozen", "W frozen", Colour::Vermilion),
        ("default-local", "strictly local", Colour::Blue),
        ("default-exact", "all weights known", Colour::Green),
    ];
    let mut panel = Panel {
        x_label: "step".into(),
        y_label: "held-out cross-entropy (nats)".into(),
        y_range: Some((0.44, 0.68)),
        levels: levels(study, "default"),
        direct: true,
        ..Panel::default()
    };
    let mut seeds = usize::MAX;
    for (name, label, colour) in conditions {
        let records = shown(study, name);
        seeds = seeds.min(records.len());
        let test = |record: &SeedRecord| {
            let tests = &record.tests;
            (tests.steps().to_vec(), tests.column(TRUE_LOSS))
        };
        let runs: Vec<_> = records.iter().map(test).collect();
        panel.add_runs(&runs, label, colour);
    }
    Figure {
        title: format!("Add(4,6), default rates: {seeds} seeds, median and middle half"),
        panels: vec![panel],
        columns: 1,
    }
}

/// The losses of W, A and J as the paper shows them, with its own rates.
fn traces(study: &Study) -> Figure {
    let mut panels = Vec::new();
    for (name, lags) in [("lags46", "(4,6)"), ("lags35", "(3,5)")] {
        for (quantity, title, log_y) in [
            ("loss", "training cross-entropy", false),
            ("A_loss", "½ mean error² of A", true),
            ("J_loss", "½ mean error² of J", false),
        ] {
            let mut panel = Panel {
                title: format!("Add{lags}"),
                x_label: "step".into(),
                y_label: title.into(),
                log_y,
                ..Panel::default()
            };
            if quantity == "loss" {
                panel.y_range = Some((0.42, 0.75));
                panel.levels = levels(study, name);
            }
            for (condition, label, colour) in [
                (format!("{name}-frozen"), "W frozen", Colour::Vermilion),
                (name.into(), "published rule", Colour::Blue),
            ] {
                let records = shown(study, &condition).iter();
                let runs: Vec<_> = records
                    .filter_map(|record| record.curve(quantity))
                    .map(|curve| (curve.steps.clone(), curve.values.clone()))
                    .collect();
                panel.add_runs(&runs, label, colour);
            }
            if !panel.curves.is_empty() {
                panels.push(panel);
            }
        }
    }
    let seeds = shown(study, "lags46").len();
    Figure {
        title: format!(
            "Marschall, Cho & Savin 2019, Figure 1D, with a control ({seeds} seeds: median, middle half)"
        ),
        panels,
        columns: 3,
    }
}

fn shown<'a>(study: &'a Study, name: &str) -> &'a [SeedRecord] {
    let records = study.records(name);
    &records[..records.len().min(SHOWN)]
}

/// Place of `held_out_true_loss` in a test.
const TRUE_LOSS: usize = 2;

/// Least cross-entropies by what is known of the past.
fn levels(study: &Study, condition: &str) -> Vec<Level> {
    let mut conditions = study.conditions();
    let found = conditions.find(|(name, ..)| *name == condition);
    let bounds = found.map_or(Vec::new(), |(_, experiment, _)| experiment.task.bounds());
    let level = |bound: Bound| {
        let label = match bound.knowledge.as_str() {
            "nothing" => "nothing known",
            "first lag" => "first lag known",
            "both lags" => "both known",
            _ => return None,
        };
        Some(Level {
            y: bound.cross_entropy,
            label: Some(label.into()),
            colour: Colour::Grey,
        })
    };
    bounds.into_iter().filter_map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A condition that cannot be built would be found after minutes.
    #[test]
    fn every_condition_and_every_cell_runs() {
        let study = study(Choice::default()).unwrap();
        for mut experiment in study.experiments().iter().cloned() {
            (experiment.steps, experiment.seeds) = (20, 1);
            experiment.evaluate.steps = 0;
            let runner = Runner {
                threads: 1,
                keep: None,
                stop: &Default::default(),
                progress: &(),
            };
            runner.records(&[experiment]).unwrap();
        }
    }

    #[test]
    fn the_bounds_of_the_sheet_are_those_of_the_task() {
        let study = study(Choice::default()).unwrap();
        for (name, experiment, _) in study.conditions() {
            let bounds = experiment.task.bounds();
            let of = |k: usize| (bounds[k].cross_entropy * 1e4).round() / 1e4;
            let expected = [of(0), of(2), of(3)];
            assert_eq!(expected, [0.6616, 0.5192, 0.4545], "{name}");
            assert!((bounds[3].accuracy - 0.75).abs() < 1e-12, "{name}");
        }
    }
}
