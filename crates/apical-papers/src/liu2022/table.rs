//! Every rule at every rate of a task, as a table for readers.

use std::collections::BTreeMap;

use apical::monitor::Warning;

use super::Task;
use super::curves::{Losses, chance, is_squared};
use crate::Report;
use crate::judge::iterations;
use crate::study::Study;
use apical_runs::Result;
use apical_runs::record::{Ending, SeedRecord};
use apical_runs::statistics::{Spread, median};

/// The table of a task, if it was run.
pub fn report(study: &Study, task: &Task) -> Result<Option<Report>> {
    let cells = study.named().filter(|(_, c)| c.title == task.title);
    let cells: Vec<_> = cells.collect();
    let Some((first, _)) = cells.first() else {
        return Ok(None);
    };
    let experiment = study.ran(*first).experiment;
    let squared = is_squared(experiment);
    // Only delayed XOR records its accuracy along the way.
    let has_criterion = ["xor", "mu", "types", "taps"].contains(&&*task.key);
    let chance = chance(experiment).map_or_else(String::new, |c| format!(" (chance {c:.3})"));
    let mut header = vec!["rule".to_string(), "rate".into(), "seeds".into()];
    if has_criterion {
        header.extend(["iterations to 0.95, sorted", "median"].map(String::from));
    }
    if !squared {
        header.push(format!("accuracy at the end{chance}: median; worst"));
    }
    header.extend(
        [
            "loss over training: mean ± sd; median",
            "loss at the end: mean ± sd; median",
            "warnings",
        ]
        .map(String::from),
    );
    let mut rows = Vec::new();
    let mut ceiling = f64::NAN;
    for (place, condition) in &cells {
        let (losses, ran) = (Losses::of(study, *place), study.ran(*place));
        ceiling = losses.ceiling;
        let of = |name: &str| losses.quantity(name).map(Option::unwrap_or_default);
        let mut row = vec![
            condition.label.clone(),
            format!("{:e}", ran.experiment.optimizer.rate),
            ran.records.len().to_string(),
        ];
        if has_criterion {
            let mut reached = of("reached")?;
            let middle = median(&reached);
            reached.sort_by(f64::total_cmp);
            let texts: Vec<String> = reached.iter().map(|it| iterations(*it)).collect();
            row.extend([texts.join(" "), iterations(middle)]);
        }
        if !squared {
            let all = of("accuracy")?;
            let worst = all.iter().copied().fold(f64::INFINITY, f64::min);
            row.push(format!("{:.3}; {worst:.3}", median(&all)));
        }
        for name in ["area", "final"] {
            let s = Spread::of(&of(name)?);
            row.push(format!(
                "{:.4} ± {:.4}; {:.4}",
                s.mean, s.deviation, s.median
            ));
        }
        row.push(warnings(ran.records));
        rows.push(row);
    }
    let loss = match squared {
        true => "normalised squared error",
        false => "cross-entropy",
    };
    let split = split(study, *first);
    Ok(Some(Report {
        name: format!("{}-table", task.key).into(),
        title: format!(
            "{}: every rule at every rate ({loss}, at most {ceiling:.2}{split})",
            task.title
        ),
        on_screen: true,
        header,
        rows,
    }))
}

/// How many seeds were warned of what.
fn warnings(records: &[SeedRecord]) -> String {
    let mut warned: BTreeMap<&str, usize> = BTreeMap::new();
    for record in records {
        let unstable = |w: &Warning| matches!(w, Warning::UnstableFilter { .. });
        if record.warnings.iter().any(unstable) {
            *warned.entry("filter unstable").or_default() += 1;
        }
        if matches!(record.ending, Ending::Diverged(_)) {
            *warned.entry("diverged").or_default() += 1;
        }
    }
    let texts = warned
        .iter()
        .map(|(what, count)| format!("{what}: {count}"));
    texts.collect::<Vec<_>>().join(", ")
}

/// How many examples there are, where they are a fixed set, and how many of them a test shows.
fn split(study: &Study, place: usize) -> String {
    let e = study.ran(place).experiment;
    told(e, Losses::of(study, place).trial())
}

fn told(e: &apical::Experiment, trial: u64) -> String {
    let shown = e.evaluate.steps / trial * e.batch as u64;
    e.task.split().map_or_else(String::new, |(train, test)| {
        let shown = shown.min(test as u64);
        format!("; {train} images to train on, {shown} of {test} for tests")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use apical_runs::experiment;

    #[test]
    fn the_split_of_a_fixed_set_is_told_in_whole_batches() {
        let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/../apical-cli/tests/digits");
        let file = |name: &str| format!("task.{name}=\"{digits}/{name}.gz\"");
        let changes = [
            file("images"),
            file("labels"),
            "task.train=250".into(),
            "evaluate.steps=28".into(),
        ];
        let experiment = experiment::load("liu2022/smnist", &changes).unwrap();
        let split = "; 250 images to train on, 32 of 50 for tests";
        assert_eq!(told(&experiment, 28), split);
    }
}
