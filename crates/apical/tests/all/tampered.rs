//! A checkpoint is untrusted: whatever number is changed in it, it is refused by name, or the run goes on or diverges.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::common::rule;
use crate::resume::rules;
use crate::tasks::specs;
use apical::constraint::{DaleSpec, RewiringSpec, SparsitySpec, TypesSpec};
use apical::loss::{Loss, Outputs};
use apical::monitor::{MonitorSpec, Recorder};
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, RateSpec, VoltageSpec};
use apical::optimizer::{Method, OptimizerSpec};
use apical::snapshot::{Array, Snapshot, StateIo};
use apical::task::{Task, TaskSpec};
use apical::{Error, Learner, LearnerSpec, Result, Streams, Update};

/// Steps before the checkpoint: within trials, windows and refreshes of most.
const BEFORE: u64 = 13;
const AFTER: u64 = 200;
/// No change may make a resumed run slower than this, at the best of so many tries.
const LONGEST: Duration = Duration::from_secs(1);
const TRIES: usize = 5;

/// A run whose state is that of a checkpoint.
struct Run {
    learner: Learner<f64>,
    task: Box<dyn Task<f64>>,
    recorder: Recorder,
}

impl Run {
    fn new(spec: &LearnerSpec, task: &TaskSpec) -> Result<Self> {
        let (inputs, outputs) = task.sizes();
        let learner = Learner::new(spec, inputs, outputs, 1)?;
        let monitor = MonitorSpec {
            quantity: "loss".into(),
            every: 3,
            window: Some(4),
        };
        Ok(Self {
            task: task.build(spec.batch, 1_000, &Streams::new(1), "train")?,
            recorder: Recorder::new(&[monitor], &learner)?,
            learner,
        })
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.scope("learner", |io| self.learner.state(io))?;
        io.scope("task", |io| self.task.state(io))?;
        io.scope("recorder", |io| self.recorder.state(io))
    }

    fn steps(&mut self, count: u64) -> Result<u64> {
        self.learner.run(&mut *self.task, count, &mut self.recorder)
    }
}

fn spec(rule_json: &str, update: Update) -> LearnerSpec {
    LearnerSpec {
        network: NetworkSpec {
            units: 5,
            ..NetworkSpec::default()
        },
        loss: Loss::MeanSquaredError {
            outputs: Outputs::Sum,
        },
        rule: rule(rule_json),
        optimizer: OptimizerSpec {
            kind: Method::Adam,
            rate: 1e-3,
            ..OptimizerSpec::default()
        },
        update,
        batch: 2,
        ..LearnerSpec::default()
    }
}

/// What an array of counters may be changed to.
fn counters(values: &[u64]) -> Vec<Vec<u64>> {
    let mut changed = Vec::new();
    for place in [0, values.len() / 2, values.len().saturating_sub(1)] {
        let Some(value) = values.get(place) else {
            continue;
        };
        let near = [value.wrapping_add(1), value.wrapping_sub(1), 10, 1 << 53];
        for other in [0, 1, u64::MAX, 0x9e37_79b9_7f4a_7c15]
            .into_iter()
            .chain(near)
        {
            let mut tampered = values.to_vec();
            tampered[place] = other;
            changed.push(tampered);
        }
    }
    changed.extend([vec![], values.repeat(2)]);
    changed
}

fn numbers(values: &[f64]) -> Vec<Vec<f64>> {
    let mut changed = vec![vec![], values.repeat(2)];
    for other in [f64::NAN, f64::INFINITY, -1e308, -0.5, 7.0] {
        let mut tampered = values.to_vec();
        let place = values.len() / 3;
        if let Some(value) = tampered.get_mut(place) {
            *value = other;
            changed.push(tampered);
        }
    }
    changed
}

/// Restores every change of every array and goes on; the messages of those refused.
fn tamper(spec: &LearnerSpec, task: &TaskSpec) -> Vec<String> {
    let mut whole = Run::new(spec, task).unwrap();
    whole.steps(BEFORE).unwrap();
    let mut snapshot = Snapshot::default();
    whole.state(&mut StateIo::save(&mut snapshot)).unwrap();
    let mut refused = Vec::new();
    for (name, array) in snapshot.clone().arrays {
        let changed: Vec<Array> = match &array {
            Array::U64(values) => counters(values).into_iter().map(Array::U64).collect(),
            Array::F64(values) => numbers(values).into_iter().map(Array::F64).collect(),
            Array::F32(_) => unreachable!("learners here are in 64 bits"),
        };
        for tampered in changed {
            let about = format!("{name} = {tampered:?} of {spec:?} at {task:?}");
            snapshot.arrays.insert(name.clone(), tampered);
            let going_on = || {
                let mut run = Run::new(spec, task)?;
                run.state(&mut StateIo::restore(&snapshot))?;
                run.steps(AFTER)
            };
            let mut took = Duration::MAX;
            let mut end: std::thread::Result<Result<u64>> = Ok(Ok(0));
            // Some milliseconds by itself, but machines are shared.
            for _ in 0..TRIES {
                let begun = Instant::now();
                end = catch_unwind(AssertUnwindSafe(going_on));
                took = took.min(begun.elapsed());
                if took < LONGEST {
                    break;
                }
            }
            assert!(took < LONGEST, "{about}: took {took:?}");
            match end {
                Ok(Ok(steps)) => assert_eq!(steps, AFTER, "{about}"),
                Ok(Err(error @ Error::Snapshot { .. })) => refused.push(error.to_string()),
                Ok(Err(Error::Diverged { .. } | Error::NotFinite { .. })) => (),
                // A target of the data that the loss cannot have.
                Ok(Err(Error::Invalid { field, .. })) => assert_eq!(field, "y", "{about}"),
                Ok(Err(error)) => panic!("{about}: {error}"),
                Err(_) => panic!("{about}: panicked"),
            }
        }
        snapshot.arrays.insert(name, array);
    }
    refused
}

fn copy() -> TaskSpec {
    let json = r#"{"kind": "copy", "symbols": 2, "length": 2, "delay": 3}"#;
    serde_json::from_str(json).unwrap()
}

fn neurons() -> [NeuronSpec; 3] {
    let leaky = |leak| VoltageSpec {
        leak,
        activation: Activation::Relu,
    };
    [
        NeuronSpec::Rate(RateSpec::default()),
        NeuronSpec::Voltage(leaky(0.8)),
        NeuronSpec::Voltage(leaky(0.0)),
    ]
}

#[test]
fn no_number_of_a_rule_leads_astray() {
    for (k, rule) in rules().iter().enumerate() {
        for (update, turn) in [Update::Every([3, 50][k % 2]), Update::Trial]
            .into_iter()
            .zip(k..)
        {
            // One of the neurons the rule can do with.
            let with = |neuron: &NeuronSpec| {
                let mut spec = spec(rule, update);
                spec.network.neuron = neuron.clone();
                let types = rule
                    .contains("modprop")
                    .then_some(TypesSpec::Contiguous { count: 2 });
                spec.network.types = types;
                Run::new(&spec, &copy()).is_ok().then_some(spec)
            };
            let neurons = neurons();
            let mut from_turn = neurons.iter().cycle().skip(turn % 3).take(3);
            let spec = from_turn.find_map(with).unwrap();
            assert!(tamper(&spec, &copy()).len() > 20, "{rule}");
        }
    }
}

#[test]
fn no_number_of_a_task_leads_astray() {
    let spec = spec(r#"{"kind": "rflo"}"#, Update::Step);
    for task in specs() {
        let refused = tamper(&spec, &task);
        let of_task = |message: &&String| message.contains("`task.");
        assert!(refused.iter().filter(of_task).count() > 5, "{task:?}");
    }
}

#[test]
fn no_number_of_a_constraint_or_an_optimizer_leads_astray() {
    for kind in [Method::Sgd, Method::Momentum, Method::Adam] {
        let mut spec = spec(r#"{"kind": "snap", "order": 2}"#, Update::Step);
        spec.optimizer.kind = kind;
        spec.network.dale = Some(DaleSpec::default());
        spec.network.sparsity = Some(SparsitySpec {
            density: 0.5,
            rewiring: Some(RewiringSpec::default()),
        });
        let refused = tamper(&spec, &copy());
        for what in [
            "constraints.rewiring.signs[26]` is 7.0, expected -1, 0 or 1",
            "optimizer.updates` is 18446744073709551615, expected 0 to 9007199254740992",
        ] {
            assert!(refused.iter().any(|m| m.contains(what)), "{refused:#?}");
        }
    }
}

/// The message of restoring with one array changed.
fn message(rule: &str, update: Update, name: &str, tampered: Array) -> String {
    let (spec, task) = (spec(rule, update), copy());
    let mut run = Run::new(&spec, &task).unwrap();
    run.steps(BEFORE).unwrap();
    let mut snapshot = Snapshot::default();
    run.state(&mut StateIo::save(&mut snapshot)).unwrap();
    assert!(snapshot.arrays.insert(name.into(), tampered).is_some());
    let mut restored = Run::new(&spec, &task).unwrap();
    let refused = restored.state(&mut StateIo::restore(&snapshot));
    refused.unwrap_err().to_string()
}

#[test]
fn what_is_refused_is_named_with_its_bound() {
    let mend = "The checkpoint is damaged or of another version: go on from another one, or start a new run.";
    for (rule, name, tampered, what) in [
        (
            r#"{"kind": "f_bptt", "horizon": 4}"#,
            "learner.rule.held",
            Array::U64(vec![1 << 60]),
            "`learner.rule.held` is 1152921504606846976, expected 0 to 3",
        ),
        (
            r#"{"kind": "e_bptt", "horizon": 8}"#,
            "learner.rule.steps",
            Array::U64(vec![7]),
            "`learner.rule.pre` has 160 numbers, expected 224",
        ),
        (
            r#"{"kind": "tbptt", "every": 3, "back": 5}"#,
            "learner.rule.waiting",
            Array::U64(vec![4]),
            "`learner.rule.waiting` is 4, expected 0 to 2",
        ),
        (
            r#"{"kind": "rflo"}"#,
            "task.clock",
            Array::U64(vec![3, 1]),
            "`task.clock` does not fit the rest, expected the next step and the one before it",
        ),
        (
            r#"{"kind": "rflo"}"#,
            "learner.in_trial",
            Array::U64(vec![2]),
            "`learner.in_trial` is 2, expected 0 to 1",
        ),
        (
            r#"{"kind": "rflo"}"#,
            "recorder.0:loss.steps",
            Array::U64(vec![6, 3]),
            "`recorder.0:loss.steps` does not fit the rest, expected steps in their order",
        ),
        (
            r#"{"kind": "rflo"}"#,
            "learner.activity.rate",
            Array::F64([vec![0.0, f64::NAN], vec![0.0; 30]].concat()),
            "`learner.activity.rate[1]` is NaN, expected a finite number",
        ),
    ] {
        let message = message(rule, Update::Every(3), name, tampered);
        assert_eq!(message, format!("checkpoint: {what}. {mend}"));
    }
}

#[test]
fn what_has_diverged_is_not_saved() {
    let (spec, task) = (spec(r#"{"kind": "dendritic"}"#, Update::Step), copy());
    let mut run = Run::new(&spec, &task).unwrap();
    run.steps(BEFORE).unwrap();
    let rule = run.learner.rule_mut();
    let (_, mut kernel) = rule.array("A").unwrap().unwrap();
    kernel[0] = f64::INFINITY;
    assert!(rule.set_array("A", &kernel).unwrap());
    let error = run.learner.snapshot().unwrap_err();
    assert!(matches!(error, Error::Diverged { .. }), "{error}");
    let message = error.to_string();
    assert!(
        message.contains("the rule.credit.A is not finite"),
        "{message}"
    );
}
