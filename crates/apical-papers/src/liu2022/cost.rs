//! What rules cost on delayed XOR, over the steps of a trial and the number of units: where each of them wins.
//!
//! Memory is what `apical::memory` counts for the rule alone (weights, gradients and activity are the same under all). Time is measured in the same run, on one
//! sample with an update at the end of each trial: a statement about this machine and no claim.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use apical::{Experiment, Learner, LearnerSpec, Streams, Update};

use super::rule;
use crate::Report;
use apical_runs::experiment::BUILT_IN;
use apical_runs::figure::{Colour, Curve, Figure, Panel, Weight};
use apical_runs::runner::Runner;
use apical_runs::table::{Column, Table};
use apical_runs::{Error, Result};

/// The rules whose cost is shown, by keys of the conditions, BPTT first.
const SHOWN: [&str; 6] = [
    "bptt",
    "modprop_cell_code",
    "modprop_typed_paper",
    "modprop_typed_code",
    "mdgl_typed",
    "three_factor",
];

/// A rule whose cost is shown.
#[derive(Clone, Copy)]
struct Contender {
    key: &'static str,
    label: &'static str,
    colour: Colour,
    /// Its settings.
    set: &'static str,
}

/// What none of the comparisons trains.
const RTRL: Contender = Contender {
    key: "rtrl",
    label: "RTRL",
    colour: Colour::Grey,
    set: r#"{kind="rtrl"}"#,
};

fn contenders() -> Vec<Contender> {
    let shown = SHOWN.iter().filter_map(|key| rule(key));
    let contender = |rule: &'static super::Rule| Contender {
        key: &rule.key,
        label: &rule.label,
        colour: rule.colour,
        set: &rule.set,
    };
    let mut all: Vec<_> = shown.map(contender).collect();
    all.insert(1, RTRL);
    all
}

/// RTRL costs the same at every step and is not followed for whole trials.
fn is_steady(contender: Contender) -> bool {
    contender.key == RTRL.key
}

/// Steps of a trial, and units, over which memory is counted.
const STEPS: [u64; 7] = [10, 30, 100, 300, 1_000, 3_000, 10_000];
const UNITS: [usize; 6] = [32, 64, 128, 256, 512, 1_024];
/// Where the other of the two stands.
const AT_UNITS: usize = 128;
const AT_STEPS: u64 = 1_000;
/// A trial that no tape holds.
const NEVER: u64 = 1 << 30;

/// Units at which time is measured, the steps of a trial, and how long each rule is watched at least.
fn timed(quick: bool) -> (&'static [usize], u64, Duration) {
    match quick {
        true => (&[16, 32], 100, Duration::from_millis(5)),
        false => (&[32, 64, 128, 256], 300, Duration::from_millis(100)),
    }
}

/// What is drawn and written.
pub(super) struct Cost {
    pub figure: Figure,
    pub reports: [Report; 2],
    pub table: Table,
}

/// Counts and measures.
pub(super) fn measure(quick: bool, runner: Runner<'_>) -> Result<Cost> {
    let (units, steps, least) = timed(quick);
    let mut times = Vec::new();
    for contender in contenders() {
        let mut own = Vec::new();
        for n in units {
            if runner.stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            own.push(seconds(contender, *n, steps, least)?);
        }
        times.push(own);
    }
    Ok(Cost {
        figure: figure(quick, &times)?,
        reports: [costs(quick, &times)?, crossings()?],
        table: table(quick, &times)?,
    })
}

/// Delayed XOR with this rule, `units` and trials of `steps` steps, one sample at a time.
fn setting(contender: Contender, units: usize, steps: u64) -> Result<(Experiment, LearnerSpec)> {
    let cue = (steps / 10).max(1);
    let changes = [
        format!("rule={}", contender.set),
        format!("network.units={units}"),
        format!("task.cue={cue}"),
        format!("task.delay={}", steps - 2 * cue),
        "batch=1".into(),
        "evaluate.steps=0".into(),
    ];
    // As they are written: what so much takes is counted here, not refused.
    let experiment = xor_unchecked(&changes)?;
    let learner = LearnerSpec {
        update: Update::Every(steps),
        ..experiment.learner_spec()
    };
    Ok((experiment, learner))
}

/// Delayed XOR with these changes, which may be more than memory holds.
fn xor_unchecked(changes: &[String]) -> Result<Experiment> {
    let mut all = BUILT_IN.iter();
    let found = all.find(|built_in| built_in.name == "liu2022/xor");
    let xor = found.ok_or_else(|| Error::Config {
        field: "experiment".into(),
        what: "`liu2022/xor` is not built in".into(),
        mend: "Mend the list of experiments and build the program again.".into(),
    })?;
    xor.changed(changes)
}

/// Bytes that the rule itself keeps.
fn bytes(contender: Contender, units: usize, steps: u64) -> Result<f64> {
    let (experiment, learner) = setting(contender, units, steps)?;
    let (inputs, outputs) = experiment.task.sizes();
    let needs = learner.needs::<f32>(inputs, outputs, steps);
    let own = needs.iter().filter(|need| need.key == "rule.kind");
    Ok(own.map(|need| need.bytes).sum())
}

/// Seconds of a step, the update of its trial included.
fn seconds(contender: Contender, units: usize, steps: u64, least: Duration) -> Result<f64> {
    let (experiment, spec) = setting(contender, units, steps)?;
    let (inputs, outputs) = experiment.task.sizes();
    let mut learner = Learner::<f32>::new(&spec, inputs, outputs, 0)?;
    let mut task = experiment
        .task
        .build::<f32>(1, NEVER, &Streams::new(0), "train")?;
    let mut sample = learner.sample_for(&*task)?;
    let begun = Instant::now();
    for done in 1.. {
        task.next(&mut sample);
        learner.learn_sample(&sample)?;
        let is_whole = done % steps == 0 || is_steady(contender) && done >= 3;
        if is_whole && begun.elapsed() >= least {
            return Ok(begun.elapsed().as_secs_f64() / done as f64);
        }
    }
    Ok(f64::NAN)
}

/// The shortest trial whose tape under BPTT takes more than this rule keeps; none up to a billion steps.
fn crossing(contender: Contender, units: usize) -> Result<Option<u64>> {
    let bptt = contenders()[0];
    let shortest = 3;
    let more = |steps| Ok::<_, Error>(bytes(bptt, units, steps)? > bytes(contender, units, steps)?);
    let (mut low, mut high) = (shortest, NEVER);
    if !more(high)? {
        return Ok(None);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        match more(middle)? {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    Ok(Some(high))
}

fn curve(contender: Contender, x: Vec<f64>, y: Vec<f64>) -> Curve {
    Curve {
        label: Some(contender.label.into()),
        x,
        y,
        colour: contender.colour,
        weight: Weight::Dark,
    }
}

fn figure(quick: bool, times: &[Vec<f64>]) -> Result<Figure> {
    let panel = |title: String, x_label: &str, y_label: &str| Panel {
        title,
        x_label: x_label.into(),
        y_label: y_label.into(),
        log_x: true,
        log_y: true,
        ..Panel::default()
    };
    let (units, steps, _) = timed(quick);
    let mut over_steps = panel(
        format!("{AT_UNITS} units"),
        "steps of a trial, T",
        "bytes the rule keeps",
    );
    let mut over_units = panel(
        format!("T = {AT_STEPS}"),
        "units, N",
        "bytes the rule keeps",
    );
    let mut time = panel(
        format!("T = {steps}"),
        "units, N",
        "microseconds a step, as measured",
    );
    for (contender, times) in contenders().into_iter().zip(times) {
        let kept = STEPS.iter().map(|steps| bytes(contender, AT_UNITS, *steps));
        let x = STEPS.iter().map(|steps| *steps as f64).collect();
        over_steps
            .curves
            .push(curve(contender, x, kept.collect::<Result<_>>()?));
        let kept = UNITS.iter().map(|n| bytes(contender, *n, AT_STEPS));
        let x = UNITS.iter().map(|n| *n as f64).collect();
        over_units
            .curves
            .push(curve(contender, x, kept.collect::<Result<_>>()?));
        let x = units.iter().map(|n| *n as f64).collect();
        time.curves
            .push(curve(contender, x, times.iter().map(|s| s * 1e6).collect()));
    }
    Ok(Figure {
        title: "What rules cost on delayed XOR: one sample, f32, two types".into(),
        columns: 3,
        panels: vec![over_steps, over_units, time],
    })
}

/// Bytes as people read them.
fn size(bytes: f64) -> String {
    match bytes {
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.1} kB", b / 1e3),
    }
}

fn costs(quick: bool, times: &[Vec<f64>]) -> Result<Report> {
    let (units, steps, _) = timed(quick);
    let mut header = vec!["rule".to_string(), "units".into()];
    let lengths = [100, 1_000, 10_000];
    header.extend(lengths.map(|steps| format!("kept at T = {steps}")));
    header.push(format!("us a step at T = {steps}, as measured"));
    let mut rows = Vec::new();
    for (contender, times) in contenders().into_iter().zip(times) {
        for (n, seconds) in units.iter().zip(times) {
            let mut row = vec![contender.label.to_string(), n.to_string()];
            for steps in lengths {
                row.push(size(bytes(contender, *n, steps)?));
            }
            row.push(format!("{:.2}", seconds * 1e6));
            rows.push(row);
        }
    }
    Ok(Report {
        name: "cost-table".into(),
        title: "what rules keep (counted) and take (this machine), one sample, f32, two types"
            .into(),
        on_screen: true,
        header,
        rows,
    })
}

fn crossings() -> Result<Report> {
    let rivals = &contenders()[1..];
    let mut header = vec!["units".to_string()];
    header.extend(rivals.iter().map(|rival| rival.label.to_string()));
    let mut rows = Vec::new();
    for n in UNITS {
        let mut row = vec![n.to_string()];
        for rival in rivals {
            let from = crossing(*rival, n)?;
            row.push(from.map_or("never".into(), |steps| steps.to_string()));
        }
        rows.push(row);
    }
    Ok(Report {
        name: "cost-wins".into(),
        title:
            "steps of a trial from which a rule keeps less than BPTT, whose tape grows with them"
                .into(),
        on_screen: true,
        header,
        rows,
    })
}

fn table(quick: bool, times: &[Vec<f64>]) -> Result<Table> {
    let (timed_units, timed_steps, _) = timed(quick);
    let (mut rules, mut units, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    let (mut kept, mut taken) = (Vec::new(), Vec::new());
    for (contender, times) in contenders().into_iter().zip(times) {
        let counted = UNITS
            .iter()
            .flat_map(|n| STEPS.map(|steps| (*n, steps, f64::NAN)));
        let measured = timed_units.iter().zip(times);
        let measured = measured.map(|(n, seconds)| (*n, timed_steps, seconds * 1e6));
        for (n, t, microseconds) in counted.chain(measured) {
            rules.push(contender.key.to_string());
            units.push(n as u64);
            steps.push(t);
            kept.push(bytes(contender, n, t)?);
            taken.push(microseconds);
        }
    }
    Ok(Table {
        columns: vec![
            Column::text("rule", rules),
            Column::u64("units", units),
            Column::u64("trial_steps", steps),
            Column::f64("bytes", kept),
            Column::f64("microseconds_a_step", taken),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(key: &str) -> Contender {
        let mut all = contenders().into_iter();
        all.find(|c| c.key == key).unwrap()
    }

    #[test]
    fn only_the_tape_grows_with_the_trial() {
        for contender in contenders() {
            let at = |steps| bytes(contender, 64, steps).unwrap();
            let grows = at(10_000) / at(1_000);
            match contender.key {
                "bptt" => assert!((9.0..11.0).contains(&grows), "{grows}"),
                key => assert_eq!(grows, 1.0, "{key}"),
            }
        }
    }

    #[test]
    fn memory_grows_with_units_as_each_rule_says() {
        let power = |key| {
            let at = |n| bytes(named(key), n, 1_000).unwrap();
            (at(1_024) / at(256)).log(4.0)
        };
        // n² m numbers, n m, or m.
        for (key, expected) in [
            ("rtrl", 3.0),
            ("modprop_cell_code", 2.0),
            ("modprop_typed_paper", 2.0),
            ("modprop_typed_code", 1.0),
            ("three_factor", 2.0),
        ] {
            let found = power(key);
            assert!((found - expected).abs() < 0.25, "{key}: {found}");
        }
    }

    #[test]
    fn a_rule_wins_from_its_crossing_on() {
        for n in [32, 256] {
            let rule = named("modprop_typed_code");
            let from = crossing(rule, n).unwrap().unwrap();
            let bptt = |steps| bytes(named("bptt"), n, steps).unwrap();
            let own = bytes(rule, n, from).unwrap();
            assert!(
                bptt(from) > own && (from == 3 || bptt(from - 1) <= own),
                "{from}"
            );
        }
        // RTRL keeps n² m numbers: with more units its trials must be longer.
        let at = |n| crossing(named("rtrl"), n).unwrap().unwrap();
        assert!(
            at(64) > 100 && at(256) > 10 * at(64),
            "{} {}",
            at(64),
            at(256)
        );
        assert_eq!(crossing(named("bptt"), 64).unwrap(), None);
    }
}
