//! Every task keeps its promises: sizes, trial edges, streams by name, resuming bit for bit, no allocation.

use apical::snapshot::{Snapshot, StateIo};
use apical::task::{DataSpec, Digits, Sample, Sequences, TASKS, Task, TaskSpec};
use apical::{Scalar, Streams};

use crate::counting::allocations;

/// Settings other than the default ones, where they change the structure of a task.
const VARIANTS: &[&str] = &[
    r#"{"kind": "add", "lags": [0, 2], "labels": "soft", "stretch": 3}"#,
    r#"{"kind": "mimic", "units": 6, "inputs": 4, "outputs": 2, "alpha": 0.3, "activation": "relu", "latent": 2,
        "stretch": 2}"#,
    r#"{"kind": "flip_flop", "bits": 2, "p_context": 0.1, "stretch": 2, "magnitudes": [0.5, 1.0]}"#,
    r#"{"kind": "discrete_integration", "report": "both", "mode": {"kind": "trials", "delay": 5,
        "delay_mask": [1, 0]}}"#,
    r#"{"kind": "discrete_integration", "report": "sign", "mode": {"kind": "stream", "resets": "regular"}}"#,
    r#"{"kind": "context_decision", "report_cue": true, "tonic": true, "context_steps": 10}"#,
    r#"{"kind": "delayed_match", "match": false, "stimuli": 4}"#,
    r#"{"kind": "delayed_xor", "cue": 4, "delay": 5, "noise": 0}"#,
    r#"{"kind": "pattern_generation", "inputs": 3, "length": 20, "periods": [2]}"#,
    r#"{"kind": "sensorimotor_mapping", "off_report_weight": 0.5}"#,
    r#"{"kind": "reach", "movement": 8, "hold": 4, "cues": false, "sequence": [0, 2]}"#,
    r#"{"kind": "sine_wave", "never_off": true, "transitions": "regular"}"#,
    r#"{"kind": "fixed_point_transition", "delay": 7, "decay": 0.1, "maps": [[1, 2, 0], [0, 0, 0]]}"#,
    r#"{"kind": "binary_addition", "max_args": 3, "output": "analog"}"#,
    r#"{"kind": "copy", "recall_only": true}"#,
    r#"{"kind": "multi_task", "blocks": [7], "context": true, "order": "random",
        "tasks": [{"kind": "copy"}, {"kind": "delayed_match"}, {"kind": "copy"}]}"#,
    r#"{"kind": "embedded", "inputs": 5, "activation": "relu",
        "task": {"kind": "multi_task", "tasks": [{"kind": "mimic"}, {"kind": "add"}], "blocks": [20]}}"#,
];

/// The settings a task has no default for.
fn needed(name: &str) -> &'static str {
    match name {
        "data" => r#", "file": "", "inputs": [], "targets": []"#,
        "multi_task" => r#", "tasks": [{"kind": "add"}, {"kind": "add"}], "blocks": [20]"#,
        "embedded" => r#", "task": {"kind": "add"}"#,
        // Trials short enough for several of them.
        "periodic" => r#", "period": 20"#,
        "interval_matching" => {
            r#", "shortest": 4, "longest": 9, "first": 6, "tail": 6, "width": 2"#
        }
        "reach" => r#", "movement": 8, "hold": 4"#,
        "delayed_xor" => r#", "cue": 8, "delay": 30"#,
        "pattern_generation" => r#", "length": 50"#,
        _ => "",
    }
}

/// Hands in the data of tasks that need some.
fn with_data(mut spec: TaskSpec) -> TaskSpec {
    match &mut spec {
        TaskSpec::Data(data) => *data = DataSpec::of(trials(4)),
        TaskSpec::SequentialMnist(mnist) => mnist.digits = digits().into(),
        _ => (),
    }
    spec
}

fn number(k: usize) -> f64 {
    (k as f64 * 0.37).sin()
}

/// Forty trials of so many steps, with a mask.
fn trials(length: usize) -> Sequences {
    let mut sequences = Sequences::trials(2, 1);
    for k in 0..40 {
        let x: Vec<f64> = (0..2 * length).map(|i| number(100 * k + i)).collect();
        let mask = vec![0.5; length];
        sequences.add_trial(&x, &x[length..], Some(&mask)).unwrap();
    }
    sequences
}

fn endless() -> Sequences {
    let numbers: Vec<f64> = (0..8_000).map(number).collect();
    Sequences::stream(1, 2, &numbers[..4_000], &numbers, None).unwrap()
}

fn digits() -> Digits {
    let pixels = (0..784 * 20).map(|i| (i * i % 251) as u8).collect();
    let labels = (0..20).map(|k| k % 10).collect();
    Digits::new(pixels, labels, 0..14, 14..20).unwrap()
}

/// Whether the data are dealt to the batch as a whole.
fn is_dealt(spec: &TaskSpec) -> bool {
    matches!(spec, TaskSpec::Data(_) | TaskSpec::SequentialMnist(_))
}

/// Whether every trial of every seed is the same.
fn is_fixed(spec: &TaskSpec) -> bool {
    match spec {
        TaskSpec::Periodic(_) => true,
        TaskSpec::Reach(reach) => !reach.sequence.is_empty(),
        _ => false,
    }
}

pub(crate) fn specs() -> Vec<TaskSpec> {
    let parse = |json: &str| serde_json::from_str::<TaskSpec>(json);
    let plain = TASKS.iter().map(|info| {
        let json = format!(r#"{{"kind": "{}"{}}}"#, info.name, needed(info.name));
        with_data(parse(&json).unwrap())
    });
    let variants = VARIANTS.iter().map(|json| parse(json).unwrap());
    let stream = TaskSpec::Data(DataSpec::of(endless()));
    plain.chain(variants).chain([stream]).collect()
}

fn build<T: Scalar>(spec: &TaskSpec, batch: usize, seed: u64, purpose: &str) -> Box<dyn Task<T>> {
    spec.build(batch, 1_000, &Streams::new(seed), purpose)
        .unwrap()
}

fn sample<T: Scalar>(spec: &TaskSpec, batch: usize) -> Sample<T> {
    let (inputs, outputs) = spec.sizes();
    Sample::new(batch, inputs, outputs)
}

/// Everything a step says, the mask only where it counts.
fn shown<T: Scalar>(task: &mut dyn Task<T>, sample: &mut Sample<T>) -> String {
    assert!(task.next(sample));
    let mask = sample.masked.then_some(&sample.mask);
    let truth = sample.has_truth.then_some(&sample.truth);
    let edges = (sample.first, sample.last);
    format!("{:?} {:?} {mask:?} {truth:?} {edges:?}", sample.x, sample.y)
}

fn stream(spec: &TaskSpec, batch: usize, seed: u64, purpose: &str) -> Vec<String> {
    let mut task = build::<f64>(spec, batch, seed, purpose);
    let mut sample = sample(spec, batch);
    (0..500).map(|_| shown(&mut *task, &mut sample)).collect()
}

#[test]
fn every_task_is_in_the_table_under_its_name() {
    for (spec, info) in specs().iter().zip(TASKS) {
        assert_eq!(spec.info().name, info.name);
        let json = serde_json::to_string(spec).unwrap();
        assert_eq!(*spec, serde_json::from_str(&json).unwrap());
        let strange = json.replacen('{', r#"{"strange": 1, "#, 1);
        let error = serde_json::from_str::<TaskSpec>(&strange).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `strange`"),
            "{error}"
        );
    }
}

#[test]
fn sizes_are_those_announced_and_values_finite() {
    for spec in specs() {
        for batch in [1, 3] {
            let mut task = build::<f32>(&spec, batch, 1, "train");
            assert_eq!(task.sizes(), spec.sizes(), "{spec:?}");
            let mut sample = sample(&spec, batch);
            for _ in 0..1_000 {
                assert!(task.next(&mut sample));
                let masks = sample.masked.then_some(&sample.mask).into_iter().flatten();
                let values = sample.x.iter().chain(&sample.y).chain(masks);
                assert!(values.into_iter().all(|v| v.is_finite()), "{spec:?}");
                if sample.has_truth {
                    assert!(sample.truth.iter().all(|p| (0.0..=1.0).contains(p)));
                }
            }
        }
    }
}

#[test]
fn trials_begin_where_they_ended() {
    for spec in specs() {
        let mut task = build::<f64>(&spec, 2, 1, "train");
        let mut sample = sample(&spec, 2);
        let (mut before, mut trials) = (true, 0);
        for t in 0..1_000 {
            task.next(&mut sample);
            if spec.has_trials() {
                assert_eq!(sample.first, before, "{spec:?} step {t}");
            } else {
                assert!(!sample.last && sample.first == (t == 0), "{spec:?}");
            }
            before = sample.last;
            trials += usize::from(sample.last);
        }
        assert_eq!(trials > 3, spec.has_trials(), "{spec:?}");
    }
}

#[test]
fn streams_depend_on_seed_purpose_and_sample_alone() {
    for spec in specs() {
        let plain = stream(&spec, 1, 5, "train");
        assert_eq!(plain, stream(&spec, 1, 5, "train"), "{spec:?}");
        if is_fixed(&spec) {
            assert_eq!(plain, stream(&spec, 1, 6, "test"), "{spec:?}");
            continue;
        }
        if let TaskSpec::PatternGeneration(_) = spec {
            // One curve a seed, the same for training and tests.
            assert_eq!(plain, stream(&spec, 1, 5, "test"), "{spec:?}");
            assert_ne!(plain, stream(&spec, 1, 6, "train"), "{spec:?}");
            continue;
        }
        if is_dealt(&spec) {
            if spec.has_trials() {
                assert_ne!(plain, stream(&spec, 1, 6, "train"), "{spec:?}");
            }
            continue;
        }
        assert_ne!(plain, stream(&spec, 1, 5, "test"), "{spec:?}");
        assert_ne!(plain, stream(&spec, 1, 6, "train"), "{spec:?}");
        // Samples of a batch differ, and the first is the same in any batch.
        let mut task = build::<f64>(&spec, 2, 5, "train");
        let mut alone = build::<f64>(&spec, 1, 5, "train");
        let (mut pair, mut one) = (sample(&spec, 2), sample(&spec, 1));
        let mut differs = false;
        for _ in 0..300 {
            task.next(&mut pair);
            alone.next(&mut one);
            let (first, second) = pair.x.split_at(one.x.len());
            differs |= first != second;
            assert_eq!(first, one.x, "{spec:?}");
            assert_eq!(pair.y[..one.y.len()], one.y, "{spec:?}");
        }
        assert!(differs, "{spec:?}");
    }
}

fn resumes<T: Scalar>(spec: &TaskSpec) {
    for (batch, at) in [(1, 0), (1, 137), (3, 260)] {
        let mut task = build::<T>(spec, batch, 2, "train");
        let mut one = sample(spec, batch);
        for _ in 0..at {
            task.next(&mut one);
        }
        let mut snapshot = Snapshot::default();
        task.state(&mut StateIo::save(&mut snapshot)).unwrap();
        // Another stream, somewhere else in it: all that differs must come back. What belongs to the seed itself,
        // like the network to mimic, is built anew for every run.
        let mut restored = build::<T>(spec, batch, 2, "another");
        let mut other = sample(spec, batch);
        for _ in 0..55 {
            restored.next(&mut other);
        }
        restored
            .state(&mut StateIo::restore(&snapshot))
            .unwrap_or_else(|error| panic!("{spec:?}: {error}"));
        for t in 0..400 {
            let expected = shown(&mut *task, &mut one);
            assert_eq!(shown(&mut *restored, &mut other), expected, "{spec:?} {t}");
        }
        let mut again = Snapshot::default();
        restored.state(&mut StateIo::save(&mut again)).unwrap();
        task.state(&mut StateIo::save(&mut snapshot)).unwrap();
        assert_eq!(again, snapshot, "{spec:?}");
    }
}

#[test]
fn a_restored_task_goes_on_bit_for_bit() {
    for spec in specs() {
        resumes::<f32>(&spec);
        resumes::<f64>(&spec);
    }
}

#[test]
fn a_step_allocates_nothing() {
    for spec in specs() {
        let mut task = build::<f32>(&spec, 2, 1, "train");
        let mut sample = sample(&spec, 2);
        let taken = allocations(|| {
            for _ in 0..1_000 {
                task.next(&mut sample);
            }
        });
        assert_eq!(taken, 0, "{spec:?}");
    }
}

#[test]
fn a_batch_of_none_is_refused() {
    for spec in specs() {
        let built = spec.build::<f32>(0, 1_000, &Streams::new(0), "train");
        let error = built.err().unwrap().to_string();
        assert!(error.starts_with("batch: got 0"), "{error}");
    }
}

/// Targets of tasks that are meant for a cross-entropy are probabilities.
#[test]
fn probabilities_sum_to_one() {
    let names = ["add", "sensorimotor_mapping", "binary_addition", "copy"];
    for spec in specs().iter().filter(|s| names.contains(&s.info().name)) {
        let mut task = build::<f64>(spec, 1, 1, "train");
        let mut sample = sample(spec, 1);
        for _ in 0..300 {
            task.next(&mut sample);
            let sum: f64 = sample.y.iter().sum();
            assert!(sum == 1.0 || sample.y.len() == 1, "{spec:?}");
        }
    }
}
