//! What fails in silence is said; a healthy run, and what is meant to stand still, is not complained of.

use crate::common::rule;
use apical::feedback::FeedbackSpec;
use apical::loss::{Loss, Outputs};
use apical::monitor::{Health, Warning};
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, RateSpec, VoltageSpec};
use apical::optimizer::{OptimizerSpec, PerMatrix};
use apical::task::{AddSpec, TaskSpec};
use apical::{Learner, LearnerSpec, Streams, Update};

fn build(change: impl FnOnce(&mut LearnerSpec)) -> Learner<f64> {
    let mut spec = LearnerSpec {
        network: NetworkSpec {
            units: 8,
            ..NetworkSpec::default()
        },
        ..LearnerSpec::default()
    };
    change(&mut spec);
    Learner::new(&spec, 2, 2, 1).unwrap()
}

/// Long enough for every kind of warning.
const STEPS: u64 = 30 * Health::EVERY;

fn warnings_after(mut learner: Learner<f64>, steps: u64) -> Vec<Warning> {
    let spec = TaskSpec::Add(AddSpec {
        lags: [0, 1],
        ..AddSpec::default()
    });
    let mut task = spec.build(1, 100_000, &Streams::new(1), "train").unwrap();
    learner.run(&mut *task, steps, &mut ()).unwrap();
    learner.warnings()
}

fn no_gradient(parameters: &[&'static str]) -> Vec<Warning> {
    parameters
        .iter()
        .map(|parameter| Warning::NoGradient { parameter })
        .collect()
}

const RECURRENT: [&str; 3] = ["W_rec", "W_in", "b_rec"];

#[test]
fn a_healthy_run_is_not_complained_of() {
    for kind in ["dendritic", "rtrl", "bptt"] {
        for neuron in [
            NeuronSpec::Rate(RateSpec::default()),
            NeuronSpec::Voltage(VoltageSpec {
                leak: 0.5,
                activation: Activation::Softplus,
            }),
        ] {
            let exact = r#", "jacobian": {"kind": "exact"}"#;
            let options = if kind == "dendritic" { exact } else { "" };
            let learner = build(|s| {
                s.rule = rule(&format!(r#"{{"kind": "{kind}" {options}}}"#));
                s.network.neuron = neuron;
                s.update = Update::Every(10);
            });
            assert_eq!(warnings_after(learner, STEPS), [], "{kind}");
        }
    }
}

#[test]
fn nothing_is_said_too_early() {
    let silent = |s: &mut LearnerSpec| {
        s.rule = rule(r#"{"kind": "rtrl"}"#);
        s.feedback = FeedbackSpec::None {};
    };
    assert_eq!(warnings_after(build(silent), Health::EVERY), []);
}

#[test]
fn parameters_without_gradient_are_named() {
    let silent = |json: &'static str| {
        move |s: &mut LearnerSpec| {
            s.rule = rule(json);
            s.feedback = FeedbackSpec::None {};
        }
    };
    let rtrl = build(silent(r#"{"kind": "rtrl"}"#));
    let warnings = warnings_after(rtrl, STEPS);
    assert_eq!(warnings, no_gradient(&RECURRENT));
    let text = warnings[1].to_string();
    assert!(
        text.starts_with("W_in never received a gradient")
            && text.contains("optimizer.rates.W_in = 0"),
        "{text}"
    );
    // Credit from the random A reaches the weights even so, but it knows nothing of the task.
    let dendritic = build(silent(r#"{"kind": "dendritic"}"#));
    let warnings = warnings_after(dendritic, STEPS);
    assert_eq!(warnings, [Warning::NoSignal]);
    assert!(
        warnings[0]
            .to_string()
            .contains("feedback.kind = \"symmetric\" or \"random\"")
    );
}

#[test]
fn what_is_meant_to_stand_still_is_not_complained_of() {
    let still = PerMatrix {
        W_rec: 0.0,
        W_in: 0.0,
        b_rec: 0.0,
        ..PerMatrix::default()
    };
    for kind in ["rtrl", "dendritic", "readout_only"] {
        let learner = build(|s| {
            s.rule = rule(&format!(r#"{{"kind": "{kind}"}}"#));
            s.feedback = FeedbackSpec::None {};
            s.optimizer = OptimizerSpec {
                rates: still,
                ..OptimizerSpec::default()
            };
        });
        assert_eq!(warnings_after(learner, STEPS), [], "{kind}");
    }
    // The control is asked for by its name.
    let learner = build(|s| s.rule = rule(r#"{"kind": "readout_only"}"#));
    assert_eq!(warnings_after(learner, STEPS), []);
    let learner = build(|s| {
        s.rule = rule(r#"{"kind": "rtrl"}"#);
        s.feedback = FeedbackSpec::None {};
        s.optimizer.rates.W_in = 0.0;
    });
    let mut expected = no_gradient(&["W_rec", "b_rec"]);
    expected.push(Warning::NoSignal);
    assert_eq!(warnings_after(learner, STEPS), expected);
    let learner = build(|s| {
        s.rule = rule(r#"{"kind": "readout_only"}"#);
        s.optimizer.rate = 0.0;
    });
    assert_eq!(warnings_after(learner, STEPS), []);
}

#[test]
fn dead_units_are_counted() {
    for batch in [1, 2] {
        let mut learner = build(|s| {
            s.network.neuron = NeuronSpec::Rate(RateSpec {
                alpha: 0.5,
                activation: Activation::Relu,
            });
            s.batch = batch;
        });
        // Far below the kink, whatever the input; the others far above it.
        let biases = [-50.0, 50.0, -50.0, 50.0, 50.0, -50.0, 50.0, 50.0];
        learner.set_parameter("b_rec", &biases).unwrap();
        learner.set_parameter("W_rec", &[0.0; 64]).unwrap();
        for _ in 0..STEPS {
            let (x, y) = ([1.0, 0.0].repeat(batch), [0.5, 0.5].repeat(batch));
            learner.advance(&x, &y, None).unwrap();
        }
        let warnings = learner.warnings();
        assert_eq!(warnings, [Warning::DeadUnits { dead: 3, units: 8 }]);
        assert!(
            warnings[0]
                .to_string()
                .starts_with("3 of 8 units were silent or saturated")
        );
    }
}

/// A unit that reacts for one sample of the batch only is alive.
#[test]
fn every_sample_counts() {
    let mut learner = build(|s| {
        s.network.neuron = NeuronSpec::Rate(RateSpec {
            alpha: 1.0,
            activation: Activation::Relu,
        });
        s.batch = 2;
    });
    learner.set_parameter("W_rec", &[0.0; 64]).unwrap();
    learner.set_parameter("W_in", &[1.0; 16]).unwrap();
    for _ in 0..STEPS {
        learner
            .advance(&[-1.0, -1.0, 1.0, 1.0], &[0.5; 4], None)
            .unwrap();
    }
    assert_eq!(learner.warnings(), []);
}

#[test]
fn a_growing_loss_is_noticed() {
    let mut learner = build(|s| {
        s.loss = Loss::MeanSquaredError {
            outputs: Outputs::Sum,
        };
        s.optimizer.rate = 0.0;
    });
    // The first eight looks see a loss near 1, later ones one that is ten times as large.
    let target = |step: u64| if step < 10 * Health::EVERY { 1.0 } else { 4.0 };
    for step in 0..STEPS {
        let y = [target(step); 2];
        learner.learn(&[0.0, 0.0], &y).unwrap();
    }
    let warnings = learner.warnings();
    let [Warning::GrowingLoss { first, now }] = warnings[..] else {
        panic!("{warnings:?}");
    };
    assert!(
        (first - 1.0).abs() < 0.5 && now > 10.0 && now < 20.0,
        "{first} {now}"
    );
    assert!(warnings[0].to_string().starts_with("the loss grew from"));
}
