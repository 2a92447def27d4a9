//! What an experiment will keep in memory is known before, and what does not fit is refused by the setting that asks for most.

use crate::allocation::RULES;
use crate::common::rule;
use crate::counting::most_held;
use apical::memory::total;
use apical::network::NetworkSpec;
use apical::neuron::{NEURONS, NeuronSpec};
use apical::optimizer::{Method, OptimizerSpec};
use apical::synapse::Init;
use apical::task::{Sample, TaskSpec};
use apical::{Experiment, Learner, LearnerSpec, Streams, Update};

/// Steps between two updates, and in a trial.
const WINDOW: usize = 32;

/// What is wrong where the estimate lies below what was held, or above twice as much.
fn judge(what: &str, estimate: f64, held: f64) -> Option<String> {
    let right = held <= estimate && estimate <= 2.0 * held;
    let times = estimate / held;
    (!right).then(|| format!("{what}: held {held}, foretold {estimate}, {times:.2} times"))
}

fn spec(
    rule_json: &str,
    neuron: NeuronSpec,
    (units, batch): (usize, usize),
    update: Update,
) -> LearnerSpec {
    LearnerSpec {
        network: NetworkSpec {
            units,
            neuron,
            // Not the orthogonal start, which may be most of what small learners hold.
            recurrent: Init::gaussian(),
            ..NetworkSpec::default()
        },
        rule: rule(rule_json),
        optimizer: OptimizerSpec {
            kind: Method::Momentum,
            rate: 1e-6,
            ..OptimizerSpec::default()
        },
        update,
        batch,
        ..LearnerSpec::default()
    }
}

/// Learns for three windows.
fn learn(learner: &mut Learner<f32>, batch: usize) {
    let mut sample = Sample::new(batch, 4, 3);
    for step in 0..3 * WINDOW {
        sample.x.fill((step % 3) as f32);
        sample.y.fill(0.0);
        sample.y.iter_mut().step_by(3).for_each(|y| *y = 1.0);
        sample.first = step % WINDOW == 0;
        sample.last = step % WINDOW == WINDOW - 1;
        learner.learn_sample(&sample).unwrap();
    }
}

#[test]
fn every_rule_on_every_neuron_takes_what_was_foretold() {
    let mut run = 0;
    let mut wrong = Vec::new();
    for rule_json in RULES {
        for info in NEURONS {
            let neuron = format!("{{\"kind\": \"{}\"}}", info.name);
            let neuron: NeuronSpec = serde_json::from_str(&neuron).unwrap();
            for sizes in [(64, 1), (80, 3)] {
                for update in [Update::Every(WINDOW as u64), Update::Trial] {
                    let spec = spec(rule_json, neuron.clone(), sizes, update);
                    let mut fits = false;
                    let held = most_held(|| {
                        if let Ok(mut learner) = Learner::<f32>::new(&spec, 4, 3, 1) {
                            learn(&mut learner, sizes.1);
                            fits = true;
                        }
                    });
                    if fits {
                        run += 1;
                        let estimate = total(&spec.needs::<f32>(4, 3, WINDOW as u64));
                        let what = format!("{rule_json} on {}, {sizes:?}, {update:?}", info.name);
                        wrong.extend(judge(&what, estimate, held));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(run > 200, "{run}");
}

#[test]
fn starts_and_constraints_take_what_was_foretold() {
    let networks = [
        r#"{"units": 300, "recurrent": {"kind": "orthogonal"}}"#,
        r#"{"units": 200, "recurrent": {"kind": "orthogonal"}, "readout": {"kind": "orthogonal"}}"#,
        r#"{"units": 100, "dale": {}, "recurrent": {"kind": "balanced"}}"#,
        r#"{"units": 100, "dale": {}, "types": {"kind": "by_sign", "each": 8}, "recurrent": {"kind": "typed"}}"#,
        r#"{"units": 200, "sparsity": {"density": 0.1}}"#,
        r#"{"units": 200, "dale": {"method": "magnitude"}, "recurrent": {"kind": "gaussian"},
            "sparsity": {"density": 0.1, "rewiring": {}}}"#,
        r#"{"units": 200, "output_feedback": {"kind": "gaussian"}, "recurrent": {"kind": "gaussian"}}"#,
    ];
    let wrong = networks.iter().filter_map(|json| {
        let spec = LearnerSpec {
            network: serde_json::from_str(json).unwrap(),
            rule: rule(r#"{"kind": "rflo"}"#),
            ..LearnerSpec::default()
        };
        let held = most_held(|| drop(Learner::<f64>::new(&spec, 4, 3, 1).unwrap()));
        judge(json, total(&spec.needs::<f64>(4, 3, 1)), held)
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_task_takes_what_was_foretold() {
    let tasks = [
        r#"{"kind": "mimic", "units": 300}"#,
        r#"{"kind": "mimic", "units": 20, "inputs": 4000}"#,
        r#"{"kind": "flip_flop", "bits": 5000}"#,
        r#"{"kind": "copy", "length": 20000}"#,
        r#"{"kind": "delayed_xor", "cue": 20000}"#,
        r#"{"kind": "pattern_generation", "length": 20000}"#,
        r#"{"kind": "periodic", "period": 100000}"#,
        r#"{"kind": "add", "lags": [50000, 40000]}"#,
        r#"{"kind": "fixed_point_transition", "delay": 50000}"#,
        r#"{"kind": "binary_addition", "max_digits": 10, "max_args": 5000, "output": "analog"}"#,
        r#"{"kind": "embedded", "inputs": 3000, "task": {"kind": "mimic", "units": 20}}"#,
        r#"{"kind": "multi_task", "tasks": [{"kind": "copy", "length": 20000}, {"kind": "copy"}]}"#,
    ];
    let batch = 2;
    let wrong = tasks.iter().filter_map(|json| {
        let spec: TaskSpec = serde_json::from_str(json).unwrap();
        let held = most_held(|| {
            let streams = Streams::new(1);
            let mut task = spec
                .build::<f64>(batch, 1 << 20, &streams, "train")
                .unwrap();
            let (inputs, outputs) = spec.sizes();
            let mut sample = Sample::new(batch, inputs, outputs);
            assert!(task.next(&mut sample), "{json}");
        });
        let (inputs, outputs) = spec.sizes();
        // Of each sample what a step shows, and what the task writes it from.
        let step = 8.0 * (batch as f64 + 1.0) * (inputs + 3 * outputs) as f64 + 4096.0;
        judge(json, total(&spec.needs(batch)) + step, held)
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn experiment(task: &str, rest: &str) -> Experiment {
    let json = format!(
        r#"{{"steps": 1000000, "task": {task}, "loss": {{"kind": "mean_squared_error"}},
            "feedback": {{"kind": "symmetric"}} {rest}}}"#
    );
    serde_json::from_str(&json).unwrap()
}

/// What is said where there are 16 GB.
fn refused(experiment: &Experiment) -> String {
    experiment.check_memory(16e9).unwrap_err().to_string()
}

#[test]
fn the_setting_that_asks_for_most_is_named() {
    let add = r#"{"kind": "add"}"#;
    let copy = r#"{"kind": "copy", "length": 400000}"#;
    let cases = [
        (
            add,
            r#""rflo"}, "network": {"units": 100000}"#,
            "network.units: got 100000,",
        ),
        (
            add,
            r#""rtrl"}, "network": {"units": 3000}"#,
            "network.units: got 3000,",
        ),
        (add, r#""rflo"}, "batch": 1000000"#, "batch: got 1000000,"),
        (
            add,
            r#""f_bptt", "horizon": 100000000}"#,
            "rule.horizon: got 100000000,",
        ),
        (
            add,
            r#""tbptt", "back": 1000000000}"#,
            "rule.back: got 1000000000,",
        ),
        (
            add,
            r#""modprop", "taps": 1000000}, "network": {"units": 100}"#,
            "rule.taps: got 1000000,",
        ),
        (
            add,
            r#""modprop"}, "network": {"units": 3000, "types": {"kind": "contiguous", "count": 3000}}"#,
            "network.types: got 3000,",
        ),
        (
            add,
            r#""bptt"}, "update": {"every": 1000000}, "network": {"units": 2000}"#,
            "update.every: got 1000000,",
        ),
        (
            copy,
            r#""bptt"}, "update": "trial", "network": {"units": 3000}"#,
            "task: got trials of 800011 steps,",
        ),
        (
            r#"{"kind": "mimic", "units": 65536}"#,
            r#""rflo"}"#,
            "task.units: got 65536,",
        ),
        (
            r#"{"kind": "mimic", "inputs": 1000000}"#,
            r#""rflo"}, "network": {"units": 500}"#,
            "task.inputs: got 1000000,",
        ),
        (
            r#"{"kind": "flip_flop", "bits": 1000000}"#,
            r#""rflo"}, "network": {"units": 500}"#,
            "task.bits: got 1000000,",
        ),
        (
            r#"{"kind": "copy", "length": 900000000}"#,
            r#""rflo"}, "batch": 4"#,
            "task.length: got 900000000,",
        ),
    ];
    for (task, rest, expected) in cases {
        let message = refused(&experiment(task, &format!(r#", "rule": {{"kind": {rest}"#)));
        assert!(message.starts_with(expected), "{message}");
        assert!(
            message.contains("the 16 GB of memory there is"),
            "{message}"
        );
    }
}

#[test]
fn what_fits_is_not_refused() {
    for (task, rest) in [
        (
            r#"{"kind": "add"}"#,
            r#", "rule": {"kind": "rflo"}, "network": {"units": 4000}"#,
        ),
        (
            r#"{"kind": "mimic", "units": 4000}"#,
            r#", "rule": {"kind": "rtrl"}"#,
        ),
        (
            r#"{"kind": "copy"}"#,
            r#", "rule": {"kind": "bptt"}, "update": "trial""#,
        ),
    ] {
        experiment(task, rest).check_memory(16e9).unwrap();
    }
}

#[test]
fn sizes_beyond_all_numbers_are_refused_in_words() {
    let most = i64::MAX;
    let add = r#"{"kind": "add"}"#;
    for (task, rest) in [
        (
            add.to_string(),
            format!(r#", "rule": {{"kind": "rtrl"}}, "network": {{"units": {most}}}"#),
        ),
        (
            add.to_string(),
            format!(r#", "rule": {{"kind": "f_bptt", "horizon": {most}}}, "batch": {most}"#),
        ),
        (
            format!(r#"{{"kind": "copy", "length": {most}, "symbols": {most}}}"#),
            r#", "rule": {"kind": "bptt"}"#.into(),
        ),
        (
            format!(r#"{{"kind": "mimic", "units": {most}}}"#),
            r#", "rule": {"kind": "rflo"}"#.into(),
        ),
    ] {
        let message = refused(&experiment(&task, &rest));
        assert!(message.contains("this needs about"), "{message}");
    }
}

#[test]
fn a_slow_start_is_told() {
    let with =
        |network: &str| experiment(r#"{"kind": "mimic", "units": 6000}"#, network).slow_start();
    let rule = r#", "rule": {"kind": "rflo"}"#;
    let note = with(&format!(r#"{rule}, "network": {{"units": 5000}}"#)).unwrap();
    assert!(
        note.contains("5000 x 5000 matrix of network.recurrent"),
        "{note}"
    );
    assert!(note.contains("6000 x 6000 matrix of task.units"), "{note}");
    let add = r#"{"kind": "add"}"#;
    assert_eq!(
        experiment(add, &format!(r#"{rule}, "network": {{"units": 1000}}"#)).slow_start(),
        None
    );
}

/// Settings are looked at without the start that a run works out.
#[test]
fn a_check_does_not_work_out_the_start() {
    let network = r#", "rule": {"kind": "rflo"}, "network": {"units": 2000}"#;
    let experiment = experiment(r#"{"kind": "add"}"#, network);
    let squared = 2000.0 * 2000.0;
    // Weights, gradients and traces in f32; the start would take 16 bytes for each pair of units.
    let held = most_held(|| experiment.check().unwrap());
    assert!(held < 13.0 * squared, "{}", held / squared);
    let learner = experiment.learner_without_start::<f32>(1).unwrap();
    let recurrent = learner.parameter("W_rec").unwrap();
    assert!(recurrent.iter().all(|w| *w == 0.0));
    let mut wrong = experiment.clone();
    wrong.network.recurrent = Init::Orthogonal {
        gain: -1.0,
        signs: Default::default(),
    };
    let message = wrong.check().unwrap_err().to_string();
    assert!(
        message.starts_with("network.recurrent.gain: got -1"),
        "{message}"
    );
}
