//! Tests of the sheets that come with the program: what they name is there, and what they run runs.

use std::collections::BTreeSet;

use apical::Evaluation;

use super::study::Study;
use super::{Choice, PAPERS, Work};
use crate::claims::sheet::{Condition, Sheet, Test};
use apical_runs::experiment;
use apical_runs::record::{Curve, Ending, SeedRecord, Tests};
use apical_runs::runner::Runner;

const QUICK: Choice = Choice {
    quick: true,
    part: None,
    budget: None,
};

/// The sheets with their keys.
fn sheets() -> Vec<(&'static str, Sheet)> {
    let sheet = |paper: &super::Paper| match paper.work {
        Work::Sheet(text, _) => Some((paper.key, Sheet::read(paper.key, text).unwrap())),
        Work::Own(..) => None,
    };
    PAPERS.iter().filter_map(sheet).collect()
}

fn study(key: &str, choice: Choice) -> Study {
    let sheets = sheets().into_iter();
    let (_, sheet) = sheets.into_iter().find(|(known, _)| *known == key).unwrap();
    Study::new(sheet, None, choice).unwrap()
}

/// A condition that cannot be built would be found after minutes.
#[test]
fn every_condition_and_every_cell_runs() {
    let study = study("marschall2019", Choice::default());
    for place in 0..study.conditions.len() {
        let mut experiment = study.ran(place).experiment.clone();
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
fn names_are_of_one_thing_each() {
    for (key, sheet) in sheets() {
        for quick in [false, true] {
            let choice = Choice {
                quick,
                ..Choice::default()
            };
            let study =
                Study::new(sheet.clone().part(|part| part != "smnist"), None, choice).unwrap();
            let conditions: BTreeSet<_> = study.conditions.iter().map(|c| &c.name).collect();
            assert_eq!(conditions.len(), study.conditions.len(), "{key}");
            let ids: BTreeSet<_> = study.sheet.claims.iter().map(|claim| &claim.id).collect();
            assert_eq!(ids.len(), study.sheet.claims.len(), "{key}");
        }
    }
}

#[test]
fn the_command_of_a_condition_says_what_is_run() {
    for (key, sheet) in sheets() {
        // Digits are no part of the program.
        let sheet = sheet.part(|part| part != "smnist");
        for condition in &sheet.conditions {
            let command = condition.command();
            let sets = command.split(" --set ").skip(1).map(String::from);
            let name = command.split(' ').nth(2).unwrap();
            let again = experiment::load(name, &sets.collect::<Vec<_>>()).unwrap();
            let run = condition.experiment(false, &[]).unwrap();
            assert_eq!(again, run, "{key}: {command}");
            assert!(sheet.test == Test::Count || run.seeds >= 5, "{key}");
        }
        let known = |name: &String| sheet.conditions.iter().any(|c| c.name == *name);
        for reference in &sheet.references {
            assert!(known(&reference.on), "{key}: {}", reference.on);
        }
    }
}

#[test]
fn the_bounds_in_a_sheet_are_those_of_the_task() {
    let study = study("marschall2019", QUICK);
    for (place, condition) in study.named() {
        let bounds = study.ran(place).experiment.task.bounds();
        let of = |k: usize| (bounds[k].cross_entropy * 1e4).round() / 1e4;
        let expected = [of(0), of(2), of(3)];
        assert_eq!(expected, [0.6616, 0.5192, 0.4545], "{}", condition.name);
        assert!((bounds[3].accuracy - 0.75).abs() < 1e-12);
    }
}

#[test]
fn the_framework_has_every_rule_in_its_settings_and_four_comparisons() {
    for (choice, conditions) in [(Choice::default(), 101), (QUICK, 60)] {
        let study = study("marschall2020", choice);
        assert_eq!(study.conditions.len(), conditions);
        assert_eq!(study.sheet.comparisons.len(), 4);
        assert_eq!(study.sheet.comparisons[1].watch.len(), 13);
    }
}

/// What only whole versions tell would else be read for the first time after hours.
#[test]
fn whole_versions_are_told_and_drawn() {
    let study = study("marschall2020", Choice::default());
    let record = |_: &Condition, seed: u64| {
        let mut tests = Tests::default();
        let loss = 0.5 + 0.01 * seed as f64;
        tests.push(
            1000,
            Evaluation {
                loss,
                accuracy: 0.7,
                true_loss: loss,
                expected_accuracy: 0.7,
            },
        );
        SeedRecord {
            seed,
            steps: 1000,
            ending: Ending::Finished,
            curves: vec![Curve {
                name: "loss".into(),
                steps: vec![500, 1000],
                values: vec![0.7, loss],
                end: None,
            }],
            tests,
            warnings: Vec::new(),
        }
    };
    let study = study.with_records(record).unwrap();
    let claims = study.claims().unwrap();
    assert_eq!(claims.len(), 23 + 2 * 4 + 7 * 4);
    let reports = study.reports().unwrap();
    let names: Vec<_> = reports.iter().map(|report| &*report.name).collect();
    let all = ["losses", "reference", "alignment-reference", "commands"];
    assert_eq!(names, all);
    for report in &reports {
        let whole = report
            .rows
            .iter()
            .all(|row| row.len() == report.header.len());
        assert!(whole && !report.rows.is_empty(), "{}", report.name);
    }
    // Theirs and ours: both losses in the settings of 2019, both rates where ours are two.
    assert_eq!(reports[1].rows.len(), 11 + 13 + 13 + 8 + 7 + 2 * 26);
    assert_eq!(reports[2].rows.len(), 2 * 28);
    let figures = study.figures().unwrap();
    assert_eq!(figures[0].1.panels.len(), 5 * 4);
    let title = "(lines: mean of 10 seeds, 5 at full length; shaded: quartiles)";
    assert!(
        figures[0].1.title.ends_with(title),
        "{}",
        figures[0].1.title
    );
    let title = "(15000 steps, 10 seeds)";
    assert!(
        figures[1].1.title.ends_with(title),
        "{}",
        figures[1].1.title
    );
    assert_eq!(study.tables().unwrap().len(), 2 + 4);
}
