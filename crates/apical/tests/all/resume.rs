//! A restored learner goes on bit for bit, and a snapshot of something else is refused.

use crate::common::{parameters, rule};
use apical::constraint::TypesSpec;
use apical::feedback::FeedbackSpec;
use apical::monitor::{Monitor, MonitorSpec, Recorder};
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, VoltageSpec};
use apical::optimizer::{Method, OptimizerSpec, Schedule};
use apical::snapshot::{STEPS, Snapshot, StateIo};
use apical::task::{AddSpec, Sample, Task, TaskSpec};
use apical::{Learner, LearnerSpec, Reduction, Result, Scalar, Streams, Update};

/// The add task cut into trials of seven steps, with masks.
struct Trials<T> {
    inner: Box<dyn Task<T>>,
    step: u64,
}

impl<T: Scalar> Trials<T> {
    const LENGTH: u64 = 7;

    fn new() -> Self {
        let spec = TaskSpec::Add(AddSpec {
            lags: [1, 3],
            ..AddSpec::default()
        });
        let inner = spec.build(2, 100, &Streams::new(8), "train").unwrap();
        Self { inner, step: 0 }
    }
}

impl<T: Scalar> Task<T> for Trials<T> {
    fn sizes(&self) -> (usize, usize) {
        self.inner.sizes()
    }
    fn next(&mut self, sample: &mut Sample<T>) -> bool {
        self.inner.next(sample);
        let within = self.step % Self::LENGTH;
        sample.first = within == 0;
        sample.last = within == Self::LENGTH - 1;
        // Steps without an error among them.
        sample.masked = within < 5;
        sample.mask.fill(T::of(if within < 2 { 0.25 } else { 0.0 }));
        self.step += 1;
        true
    }
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.counter("trial_step", &mut self.step, STEPS)?;
        io.scope("inner", |io| self.inner.state(io))
    }
}

/// A run with all of its parts.
struct Run<T> {
    learner: Learner<T>,
    task: Trials<T>,
    recorder: Recorder,
    sample: Sample<T>,
}

impl<T: Scalar> Run<T> {
    fn new(spec: &LearnerSpec, seed: u64) -> Self {
        let learner = Learner::new(spec, 2, 2, seed).unwrap();
        let monitor = |quantity: &str, every, window| MonitorSpec {
            quantity: quantity.into(),
            every,
            window,
        };
        let mut specs = vec![
            monitor("loss", 5, Some(8)),
            monitor("loss", 9, Some(4)),
            monitor("W_rec.norm", 6, None),
            monitor("W_rec", 6, None),
            monitor("rate[3]", 1, None),
        ];
        if learner.find("A_loss").is_ok() {
            specs.extend([monitor("A_loss", 4, None), monitor("A.norm", 4, None)]);
            specs.extend([monitor("V_A[2]", 3, None), monitor("V_A_target", 4, None)]);
            specs.push(monitor("r_distal.max", 1, None));
        }
        Self {
            recorder: Recorder::new(&specs, &learner).unwrap(),
            sample: Sample::new(2, 2, 2),
            task: Trials::new(),
            learner,
        }
    }

    fn steps(&mut self, count: usize) -> Vec<u64> {
        let mut step = || {
            self.task.next(&mut self.sample);
            self.learner.learn_sample(&self.sample).unwrap();
            self.recorder.on_step(&self.learner).unwrap();
            self.learner.last_loss().to_bits()
        };
        (0..count).map(|_| step()).collect()
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.scope("learner", |io| self.learner.state(io))?;
        io.scope("task", |io| self.task.state(io))?;
        io.scope("recorder", |io| self.recorder.state(io))
    }

    fn snapshot(&mut self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        self.state(&mut StateIo::save(&mut snapshot)).unwrap();
        snapshot
    }
}

/// Every J, both timings, phases and label activations; every rule without options.
pub(crate) fn rules() -> Vec<String> {
    let names = apical::rule::RULES.iter().map(|info| info.name);
    let mut rules: Vec<String> = names.map(|k| format!(r#"{{"kind": "{k}"}}"#)).collect();
    rules.extend(
        [
            r#"{"kind": "dendritic", "rate": 0.05, "lambda": 0.5, "horizon": 3}"#,
            r#"{"kind": "uoro", "epsilon": 1e-3}"#,
            r#"{"kind": "snap", "order": 2}"#,
            r#"{"kind": "rflo", "leak": 0.3, "input": "previous"}"#,
            r#"{"kind": "node_perturbation", "reward": "trial"}"#,
            r#"{"kind": "kernl", "order": "published", "reset": 7}"#,
            r#"{"kind": "tbptt", "every": 2, "back": 4}"#,
            r#"{"kind": "modprop", "zero_diagonal": true, "adaptive_mu": true, "mu": 3.0}"#,
            r#"{"kind": "modprop", "drive": "code", "zero_diagonal": true}"#,
            r#"{"kind": "modprop", "drive": "code", "taps": 3}"#,
            r#"{"kind": "modprop", "taps": 2, "feedback_weights": "cell"}"#,
            r#"{"kind": "modprop", "drive": "code", "feedback_weights": "cell"}"#,
            r#"{"kind": "modprop", "feedback_weights": "cell"}"#,
            r#"{"kind": "mdgl", "feedback_weights": "cell"}"#,
        ]
        .map(String::from),
    );
    for kind in ["learned", "local"] {
        for regressors in ["rates", "all"] {
            rules.push(format!(
                r#"{{"kind": "dendritic", "normalize": "power", "refresh": 4,
                    "jacobian": {{"kind": "{kind}", "regressors": "{regressors}"}}}}"#
            ));
        }
    }
    for jacobian in ["exact", "learned", "local"] {
        for timing in ["corrected", "scripts2018"] {
            for phases in ["interleaved", "two_phase"] {
                for label in ["tanh", "identity"] {
                    rules.push(format!(
                        r#"{{"kind": "dendritic", "rate": 0.05, "refresh": 4, "timing": "{timing}",
                            "phases": "{phases}", "label_activation": "{label}",
                            "jacobian": {{"kind": "{jacobian}"}}}}"#
                    ));
                }
            }
        }
    }
    rules
}

fn spec(rule_json: &str, method: Method, update: Update) -> LearnerSpec {
    LearnerSpec {
        network: NetworkSpec {
            units: 5,
            ..NetworkSpec::default()
        },
        rule: rule(rule_json),
        optimizer: OptimizerSpec {
            kind: method,
            rate: 0.05,
            weight_decay: 0.01,
            clip: Some(1.0),
            schedule: Schedule::Exponential {
                decay: 0.97,
                floor: 0.0,
            },
            ..OptimizerSpec::default()
        },
        update,
        reduction: Reduction::Mean,
        batch: 2,
        ..LearnerSpec::default()
    }
}

const METHODS: [Method; 3] = [Method::Sgd, Method::Momentum, Method::Adam];

fn goes_on<T: Scalar>(spec: &LearnerSpec) {
    const STEPS: usize = 32;
    // The first step, within a window and a refresh, the last and first step of a trial, and the end.
    let stops = [0, 1, 6, 7, 17, STEPS];
    let mut whole = Run::<T>::new(spec, 1);
    let mut losses = Vec::new();
    let mut snapshots = Vec::new();
    for step in 0..=STEPS {
        if stops.contains(&step) {
            snapshots.push(whole.snapshot());
        }
        if step < STEPS {
            losses.extend(whole.steps(1));
        }
    }
    let end = whole.snapshot();
    assert_ne!(snapshots[0], end, "nothing was learned");
    for (step, snapshot) in stops.into_iter().zip(snapshots) {
        // Another seed: whatever the snapshot left out would differ.
        let mut resumed = Run::<T>::new(spec, 2);
        resumed.state(&mut StateIo::restore(&snapshot)).unwrap();
        assert_eq!(
            resumed.steps(STEPS - step),
            losses[step..],
            "from {step}: {spec:?}"
        );
        assert_eq!(
            parameters(&resumed.learner),
            parameters(&whole.learner),
            "from {step}: {spec:?}"
        );
        // Weights, traces, moments, records, task: everything, bit for bit.
        assert!(same(&resumed.snapshot(), &end), "from {step}: {spec:?}");
    }
}

/// Equality of bits, for which two NaNs are the same.
fn same(a: &Snapshot, b: &Snapshot) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

#[test]
fn every_rule_goes_on_where_it_stopped() {
    for rule in rules() {
        for update in [
            Update::Step,
            Update::Every(3),
            Update::Trial,
            Update::Trials(2),
        ] {
            if rule.contains("bptt") && update == Update::Step {
                continue;
            }
            goes_on::<f64>(&spec(&rule, Method::Sgd, update));
        }
    }
}

#[test]
fn modprop_goes_on_between_units_that_share_their_traces() {
    // Filters that are slow, so that traces are seldom written, and that forget at once.
    for leak in [0.95, 0.0] {
        for settings in ["", r#", "zero_diagonal": true"#, r#", "drive": "code""#] {
            for update in [Update::Step, Update::Every(3)] {
                let rule = format!(r#"{{"kind": "modprop"{settings}}}"#);
                let mut spec = spec(&rule, Method::Sgd, update);
                spec.network.neuron = NeuronSpec::Voltage(VoltageSpec {
                    leak,
                    activation: Activation::Relu,
                });
                spec.network.types = Some(TypesSpec::Contiguous { count: 2 });
                goes_on::<f64>(&spec);
            }
        }
    }
}

#[test]
fn every_optimizer_goes_on_where_it_stopped() {
    for rule in ["rtrl", "bptt", "readout_only", "dendritic"] {
        for method in METHODS {
            for update in [Update::Every(4), Update::Trial] {
                let spec = spec(&format!(r#"{{"kind": "{rule}"}}"#), method, update);
                goes_on::<f64>(&spec);
                goes_on::<f32>(&spec);
            }
        }
    }
}

#[test]
fn a_snapshot_of_something_else_is_refused() {
    let base = || spec(r#"{"kind": "dendritic"}"#, Method::Sgd, Update::Trial);
    let json = |kind: &str| {
        rule(&format!(
            r#"{{"kind": "dendritic", "jacobian": {{"kind": "{kind}"}}}}"#
        ))
    };
    let with = |change: &dyn Fn(&mut LearnerSpec)| {
        let mut spec = base();
        change(&mut spec);
        (spec, 2)
    };
    let others = [
        with(&|s| s.rule = rule(r#"{"kind": "readout_only"}"#)),
        with(&|s| s.rule = rule(r#"{"kind": "rtrl"}"#)),
        with(&|s| s.rule = rule(r#"{"kind": "bptt"}"#)),
        with(&|s| s.rule = json("exact")),
        with(&|s| s.rule = json("local")),
        with(&|s| {
            s.rule = rule(
                r#"{"kind": "dendritic", "jacobian": {"kind": "learned", "regressors": "rates"}}"#,
            );
        }),
        with(&|s| s.optimizer.kind = Method::Momentum),
        with(&|s| s.optimizer.kind = Method::Adam),
        with(&|s| s.feedback = FeedbackSpec::Symmetric {}),
        with(&|s| s.network.units = 6),
        with(&|s| s.batch = 1),
        // As long as the other with its padding.
        (base(), 3),
    ];
    let build =
        |(spec, inputs): &(LearnerSpec, usize)| Learner::<f64>::new(spec, *inputs, 2, 1).unwrap();
    let own = build(&(base(), 2)).snapshot().unwrap();
    build(&(base(), 2)).restore(&own).unwrap();
    for other in &others {
        // Both ways: an array too many is as wrong as one too few.
        let mut there = build(other);
        let mut back = build(&(base(), 2));
        let errors = [
            there.restore(&own),
            back.restore(&build(other).snapshot().unwrap()),
        ];
        for error in errors {
            let error = error.expect_err(&format!("{other:?}")).to_string();
            assert!(error.starts_with("checkpoint: "), "{error}");
            assert!(
                error.ends_with("Resume with the configuration the checkpoint was written with."),
                "{error}"
            );
        }
    }
}

#[test]
fn a_snapshot_of_the_other_precision_is_refused() {
    let spec = spec(r#"{"kind": "dendritic"}"#, Method::Adam, Update::Trial);
    let narrow = Learner::<f32>::new(&spec, 2, 2, 1)
        .unwrap()
        .snapshot()
        .unwrap();
    let wide = Learner::<f64>::new(&spec, 2, 2, 1)
        .unwrap()
        .snapshot()
        .unwrap();
    let error = Learner::<f64>::new(&spec, 2, 2, 1)
        .unwrap()
        .restore(&narrow)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`weights` holds f32 numbers, the learner works in f64"),
        "{error}"
    );
    let error = Learner::<f32>::new(&spec, 2, 2, 1)
        .unwrap()
        .restore(&wide)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`weights` holds f64 numbers, the learner works in f32"),
        "{error}"
    );
}

#[test]
fn a_missing_array_is_named() {
    let spec = spec(r#"{"kind": "dendritic"}"#, Method::Sgd, Update::Trial);
    let mut learner = Learner::<f64>::new(&spec, 2, 2, 1).unwrap();
    let mut snapshot = learner.snapshot().unwrap();
    snapshot.arrays.remove("rule.credit.A_slow").unwrap();
    let error = learner.restore(&snapshot).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`rule.credit.A_slow` is missing"),
        "{error}"
    );
}
