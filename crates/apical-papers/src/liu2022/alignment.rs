//! How far each rule's gradient agrees with the exact one on delayed XOR, along training by BPTT.

use std::sync::atomic::Ordering;

use apical::Streams;
use apical::task::Sample;

use super::{LISTS, compared, label, rule, trial, xor};
use crate::Report;
use crate::claims::Claim;
use apical_runs::runner::Runner;
use apical_runs::statistics::{Spread, paired};
use apical_runs::{Error, Result};

/// Iterations of BPTT after which gradients are compared.
const PROBES: [u64; 5] = [0, 60, 120, 200, 300];
const EXACT: &str = "bptt";
/// Whose agreement the claim compares.
const PAIR: [&str; 2] = ["modprop_typed_paper", "mdgl_typed"];

/// Cosines and ratios of norms of one rule with the exact gradient: a list of probes a seed.
struct Agreement {
    rule: &'static str,
    cosines: Vec<Vec<f64>>,
    /// At the last probe, by seed.
    norms: Vec<f64>,
}

impl Agreement {
    /// The mean over all probes, by seed.
    fn means(&self) -> Vec<f64> {
        let mean = |cosines: &Vec<f64>| Spread::of(cosines).mean;
        self.cosines.iter().map(mean).collect()
    }
}

/// The table and its claim: delayed XOR at steps of 9 ms, some seeds side by side.
pub(super) fn measure(quick: bool, runner: Runner<'_>) -> Result<(Report, Claim)> {
    let seeds = if quick { 2 } else { 8 };
    let changes: Vec<String> = vec![
        format!("rule={}", text(EXACT)),
        format!("seeds={seeds}"),
        "optimizer.rate=5e-4".into(),
    ];
    let base = xor(true, &changes)?;
    let made = runner.each_seed(std::slice::from_ref(&base), |_, seed| {
        along(&changes, seed, runner)
    })?;
    let rules = watching();
    let mut all: Vec<Agreement> = rules
        .iter()
        .map(|rule| Agreement {
            rule,
            cosines: Vec::new(),
            norms: Vec::new(),
        })
        .collect();
    for seed in made.into_iter().flatten() {
        for (agreement, found) in all.iter_mut().zip(seed) {
            let last = found.last().map_or(f64::NAN, |(_, norm)| *norm);
            agreement.norms.push(last);
            let cosines = found.into_iter().map(|(cosine, _)| cosine);
            agreement.cosines.push(cosines.collect());
        }
    }
    Ok((report(&all), claim(&all)))
}

fn text(key: &str) -> &'static str {
    rule(key).map_or("", |rule| &rule.set)
}

/// Rules of the table: all that have a gradient of W_rec but the exact one.
fn watching() -> Vec<&'static str> {
    let keys = LISTS.rule.iter().map(|rule| rule.key.as_str());
    keys.filter(|key| ![EXACT, "readout_only"].contains(key))
        .collect()
}

/// Cosine and ratio of norms of each rule at each probe.
fn along(changes: &[String], seed: u64, runner: Runner<'_>) -> Result<Vec<Vec<(f64, f64)>>> {
    let of = |rule: &str, more: &[String]| {
        let mut all = changes.to_vec();
        all.push(format!("rule={}", text(rule)));
        all.extend_from_slice(more);
        xor(true, &all)
    };
    let trained = of(EXACT, &[])?;
    let mut learner = trained.learner::<f64>(seed)?;
    let trial = trial(true);
    let steps = trained.steps;
    let streams = Streams::new(seed);
    let mut task = trained
        .task
        .build::<f64>(trained.batch, steps, &streams, "train")?;
    // No update at the end of a trial, after which its gradient would be gone.
    let held = ["update={trials=2}".to_string()];
    let rules: Vec<&str> = [EXACT].into_iter().chain(watching()).collect();
    let mut found = vec![Vec::new(); rules.len() - 1];
    let mut done = 0;
    for probe in PROBES {
        while done < probe * trial {
            if runner.stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let mut sample = learner.sample_for(&*task)?;
            for _ in 0..trial {
                task.next(&mut sample);
                learner.learn_sample(&sample)?;
            }
            done += trial;
        }
        learner.end_trial();
        let mut gradients = Vec::new();
        for rule in &rules {
            let mut watcher = of(rule, &held)?.learner::<f64>(seed)?;
            for name in ["W_rec", "W_in", "b_rec", "W_out", "b_out"] {
                let values = learner.parameter(name).unwrap_or_default();
                watcher.set_parameter(name, &values)?;
            }
            let mut same = trained
                .task
                .build::<f64>(trained.batch, steps, &streams, "probe")?;
            let mut sample: Sample<f64> = watcher.sample_for(&*same)?;
            for _ in 0..trial {
                same.next(&mut sample);
                watcher.learn_sample(&sample)?;
            }
            watcher.end_trial();
            let units = watcher.network().dims().units;
            let row = |unit: usize| watcher.gradient().row(unit)[..units].to_vec();
            gradients.push((0..units).flat_map(row).collect::<Vec<f64>>());
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let norm = |a: &[f64]| dot(a, a).sqrt();
        let exact = &gradients[0];
        for (found, own) in found.iter_mut().zip(&gradients[1..]) {
            let cosine = dot(own, exact) / (norm(own) * norm(exact));
            found.push((cosine, norm(own) / norm(exact)));
        }
    }
    Ok(found)
}

fn report(all: &[Agreement]) -> Report {
    let mut header = vec!["rule".to_string()];
    header.extend(PROBES.iter().map(|probe| format!("iteration {probe}")));
    header.push("mean ± s.e.".into());
    header.push("ratio of norms at the end".into());
    let row = |agreement: &Agreement| {
        let at = |k: usize| {
            let values: Vec<f64> = agreement.cosines.iter().map(|c| c[k]).collect();
            format!("{:.3}", Spread::of(&values).mean)
        };
        let whole = Spread::of(&agreement.means());
        let mut row = vec![label(agreement.rule)];
        row.extend((0..PROBES.len()).map(at));
        row.push(format!("{:.3} ± {:.3}", whole.mean, whole.error));
        row.push(format!("{:.2}", Spread::of(&agreement.norms).mean));
        row
    };
    Report {
        name: "alignment".into(),
        title: format!(
            "delayed XOR at steps of 9 ms: cosine of each rule's gradient of W_rec with the exact one, along training by BPTT ({} seeds)",
            all.first().map_or(0, |agreement| agreement.cosines.len())
        ),
        on_screen: true,
        header,
        rows: all.iter().map(row).collect(),
    }
}

fn claim(all: &[Agreement]) -> Claim {
    let means = |rule: &str| {
        let found = all.iter().find(|agreement| agreement.rule == rule);
        found.map_or_else(Vec::new, Agreement::means)
    };
    let [first, second] = PAIR.map(means);
    let differences = paired(&second, &first);
    let ahead = differences.iter().filter(|d| **d < 0.0).count();
    Claim {
        id: "alignment.typed".into(),
        figure: "alignment".into(),
        statement: format!(
            "delayed XOR: the gradient of {} is nearer to the exact one than that of {}",
            label(PAIR[0]),
            label(PAIR[1])
        ),
        expected: "cosine with the exact gradient of W_rec, mean over five probes along 300 iterations of BPTT, second - first, below 0 (same \
                   weights and trials, steps of 9 ms)"
            .into(),
        measured: format!(
            "{:.3} and {:.3}; {ahead} of {} seeds nearer",
            Spread::of(&first).mean,
            Spread::of(&second).mean,
            differences.len()
        ),
        ..compared(
            "abstract and introduction: not cutting credit off in time improves on MDGL",
            &differences,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::claims::Verdict;

    #[test]
    fn agreement_is_one_with_itself_and_stops_when_told() {
        let stop = AtomicBool::new(true);
        let runner = Runner {
            threads: 1,
            keep: None,
            stop: &stop,
            progress: &(),
        };
        assert!(matches!(measure(true, runner), Err(Error::Stopped)));
        let of = |rule, cosines: [f64; 3]| Agreement {
            rule,
            cosines: cosines.map(|c| vec![c; PROBES.len()]).into(),
            norms: vec![1.0; 3],
        };
        let all = [
            of(PAIR[0], [0.70, 0.71, 0.69]),
            of(PAIR[1], [0.50, 0.52, 0.50]),
        ];
        let found = claim(&all);
        assert_eq!(found.verdict, Verdict::Reproduced, "{found:?}");
        assert!(
            found.measured.starts_with("0.700 and 0.507; 3 of 3"),
            "{found:?}"
        );
        let table = report(&all).to_markdown();
        assert!(table.contains("| 0.700 ± 0.006 | 1.00 |"), "{table}");
        let turned = [
            of(PAIR[0], [0.50, 0.52, 0.50]),
            of(PAIR[1], [0.70, 0.71, 0.69]),
        ];
        assert_eq!(claim(&turned).verdict, Verdict::NotReproduced);
    }
}
