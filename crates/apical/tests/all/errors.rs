//! Everything that cannot work is refused with its field, value, expectation and mend, and changes nothing.

use crate::common::rule;
use apical::feedback::FeedbackSpec;
use apical::loss::{Loss, Outputs};
use apical::monitor::{MonitorSpec, Recorder};
use apical::network::{Network, NetworkSpec};
use apical::neuron::{Activation, NeuronSpec, RateSpec, VoltageSpec};
use apical::optimizer::{Method, OptimizerSpec, Schedule};
use apical::synapse::Init;
use apical::task::{AddSpec, Sample, TaskSpec};
use apical::{Error, Learner, LearnerSpec, Streams, Update};

/// The error names field, value and expectation as given here, and says in a sentence what to do.
fn names<V>(result: Result<V, Error>, field: &str, value: &str, expected: &str) {
    let Err(error) = result else {
        panic!("{field} = {value} was accepted");
    };
    let text = error.to_string();
    let Error::Invalid {
        field: f,
        value: v,
        expected: e,
        mend,
    } = error
    else {
        panic!("{field}: {text}");
    };
    assert_eq!((&*f, &*v), (field, value), "{text}");
    assert!(e.contains(expected), "{text}");
    assert!(
        mend.ends_with(['.', '?', '"']) && mend.contains(' '),
        "{text}"
    );
    assert_eq!(text, format!("{f}: got {v}, expected {e}. {mend}"));
}

fn build(change: impl FnOnce(&mut LearnerSpec)) -> Result<Learner<f64>, Error> {
    let mut spec = LearnerSpec {
        network: NetworkSpec {
            units: 4,
            ..NetworkSpec::default()
        },
        ..LearnerSpec::default()
    };
    change(&mut spec);
    Learner::new(&spec, 2, 2, 1)
}

fn optimizer(change: impl FnOnce(&mut OptimizerSpec)) -> Result<Learner<f64>, Error> {
    build(|spec| change(&mut spec.optimizer))
}

fn with_rule(json: &str) -> Result<Learner<f64>, Error> {
    build(|spec| spec.rule = rule(json))
}

#[test]
fn sizes() {
    names(
        build(|s| s.network.units = 0),
        "network.units",
        "0",
        "at least 1",
    );
    names(build(|s| s.batch = 0), "batch", "0", "at least 1");
    names(
        build(|s| s.network.units = 1 << 21),
        "network.units",
        "2097152",
        "at most 1048576",
    );
    let spec = LearnerSpec::default();
    // Without inputs a network runs by itself.
    let mut alone = Learner::<f64>::new(&spec, 0, 2, 1).unwrap();
    alone.learn(&[], &[0.0, 1.0]).unwrap();
    assert!(alone.parameter("W_in").unwrap().is_empty());
    alone.set_parameter("W_in", &[]).unwrap();
    names(
        build(|s| s.network.initial_state = f64::NAN),
        "network.initial_state",
        "NaN",
        "a finite number",
    );
    names(
        Learner::<f64>::new(&spec, 2, 0, 1),
        "outputs",
        "0",
        "at least 1",
    );
    let many = |s: &mut LearnerSpec| {
        s.network.units = 4_000;
        s.network.recurrent = Init::Zero {};
        s.rule = rule(r#"{"kind": "rtrl"}"#);
    };
    names(
        build(many),
        "network.units",
        "4000",
        "with the rule `rtrl` this needs about 513 GB",
    );
}

#[test]
fn neurons() {
    for alpha in [0.0, -0.1, 1.5, f64::NAN] {
        let neuron = NeuronSpec::Rate(RateSpec {
            alpha,
            activation: Activation::Tanh,
        });
        let built = build(|s| s.network.neuron = neuron);
        names(
            built,
            "network.neuron.alpha",
            &alpha.to_string(),
            "a number in (0, 1]",
        );
    }
    for leak in [1.0, -0.1, f64::NAN] {
        let neuron = NeuronSpec::Voltage(VoltageSpec {
            leak,
            activation: Activation::Tanh,
        });
        let built = build(|s| s.network.neuron = neuron);
        names(
            built,
            "network.neuron.leak",
            &leak.to_string(),
            "a number in [0, 1)",
        );
    }
    let mut network =
        Network::<f64>::new(&NetworkSpec::default(), 2, 2, 1, &Streams::new(1)).unwrap();
    struct Two;
    impl apical::neuron::Neuron<f64> for Two {
        fn name(&self) -> &'static str {
            "two"
        }
        fn states(&self) -> usize {
            2
        }
        fn step(&self, _: apical::neuron::Layer<'_, f64>) {}
        fn read(&self, _: apical::kernel::Simd, _: usize, _: &[f64], _: &mut [f64], _: &mut [f64]) {
        }
    }
    let set = network.set_neuron(Box::new(Two));
    names(set, "neuron", "2 state variables and 1 currents", "1 and 1");
    let network = Network::with_neuron(Box::new(Two), 4, 2, 2, 1).unwrap();
    let spec = LearnerSpec {
        rule: rule(r#"{"kind": "combined", "eligibility": {"kind": "trace", "leak": 0.5}}"#),
        ..LearnerSpec::default()
    };
    let learner = Learner::with_network(network, &spec, &Streams::new(1));
    names(
        learner,
        "rule.leak",
        "0.5",
        "none: these units have 2 state variables",
    );
}

#[test]
fn starting_weights() {
    let init = Init::Gaussian {
        gain: -1.0,
        fan: Default::default(),
    };
    names(
        build(|s| s.network.readout = init),
        "network.readout.gain",
        "-1",
        "not negative",
    );
    let init = Init::Orthogonal {
        gain: f64::INFINITY,
        signs: Default::default(),
    };
    names(
        build(|s| s.network.recurrent = init),
        "network.recurrent.gain",
        "inf",
        "finite",
    );
    let init = Init::Uniform {
        low: 1.0,
        high: 0.0,
    };
    names(
        build(|s| s.network.bias = init),
        "network.bias.low, network.bias.high",
        "1, 0",
        "low <= high",
    );
    let init = Init::Gaussian {
        gain: f64::NAN,
        fan: Default::default(),
    };
    let feedback = FeedbackSpec::Random { init };
    names(
        build(|s| s.feedback = feedback),
        "feedback.init.gain",
        "NaN",
        "finite",
    );
}

#[test]
fn optimizers() {
    for rate in [-1.0, f64::NAN, f64::INFINITY] {
        let text = rate.to_string();
        names(
            optimizer(|o| o.rate = rate),
            "optimizer.rate",
            &text,
            "finite number that is not negative",
        );
        names(
            optimizer(|o| o.weight_decay = rate),
            "optimizer.weight_decay",
            &text,
            "not negative",
        );
        names(
            optimizer(|o| o.rates.W_in = rate),
            "optimizer.rates.W_in",
            &text,
            "not negative",
        );
        names(
            optimizer(|o| o.clip = Some(rate)),
            "optimizer.clip",
            &text,
            "greater than 0",
        );
    }
    names(
        optimizer(|o| o.clip = Some(0.0)),
        "optimizer.clip",
        "0",
        "greater than 0",
    );
    let momentum = |o: &mut OptimizerSpec| (o.kind, o.momentum) = (Method::Momentum, Some(1.0));
    names(
        optimizer(momentum),
        "optimizer.momentum",
        "1",
        "a number in [0, 1)",
    );
    let adam = |o: &mut OptimizerSpec| (o.kind, o.betas) = (Method::Adam, Some([0.9, 1.0]));
    names(
        optimizer(adam),
        "optimizer.betas",
        "1",
        "two numbers in [0, 1)",
    );
    let adam = |o: &mut OptimizerSpec| (o.kind, o.epsilon) = (Method::Adam, Some(0.0));
    names(
        optimizer(adam),
        "optimizer.epsilon",
        "0",
        "a small positive number",
    );
    let stray = optimizer(|o| o.momentum = Some(0.9));
    names(
        stray,
        "optimizer.momentum",
        "a value",
        "none, because optimizer.kind is sgd",
    );
    let schedule = |schedule| optimizer(|o| o.schedule = schedule);
    let of = |field: &str| format!("optimizer.schedule.{field}");
    names(
        schedule(Schedule::Exponential {
            decay: 1.5,
            floor: 0.0,
        }),
        &of("decay"),
        "1.5",
        "(0, 1]",
    );
    names(
        schedule(Schedule::Exponential {
            decay: 0.5,
            floor: -1.0,
        }),
        &of("floor"),
        "-1",
        "[0, 1]",
    );
    names(
        schedule(Schedule::Step {
            every: 0,
            factor: 0.5,
        }),
        &of("every"),
        "0",
        "at least 1 update",
    );
    names(
        schedule(Schedule::Step {
            every: 1,
            factor: 0.0,
        }),
        &of("factor"),
        "0",
        "(0, 1]",
    );
    names(
        schedule(Schedule::Cosine {
            updates: 0,
            floor: 0.0,
        }),
        &of("updates"),
        "0",
        "at least 1 update",
    );
    names(
        schedule(Schedule::Warmup { updates: 0 }),
        &of("updates"),
        "0",
        "at least 1 update",
    );
}

#[test]
fn rules_and_updates() {
    for (json, field, value) in [
        (r#"{"kind": "dendritic", "rate": -1}"#, "rule.rate", "-1"),
        (r#"{"kind": "dendritic", "decay": -1}"#, "rule.decay", "-1"),
        (
            r#"{"kind": "dendritic", "jacobian": {"kind": "learned", "rate": -2}}"#,
            "rule.jacobian.rate",
            "-2",
        ),
        (
            r#"{"kind": "dendritic", "jacobian": {"kind": "local", "decay": -2}}"#,
            "rule.jacobian.decay",
            "-2",
        ),
    ] {
        names(with_rule(json), field, value, "not negative");
    }
    for (json, field, value) in [
        (
            r#"{"kind": "dendritic", "normalize": "power", "rate": 2}"#,
            "rule.rate",
            "2",
        ),
        (
            r#"{"kind": "dendritic", "jacobian": {"kind": "local", "rate": 3}, "normalize": "power"}"#,
            "rule.jacobian.rate",
            "3",
        ),
    ] {
        names(with_rule(json), field, value, "less than 2");
    }
    names(
        with_rule(r#"{"kind": "dendritic", "refresh": 0}"#),
        "rule.refresh",
        "0",
        "at least 1 step",
    );
    let voltage = |s: &mut LearnerSpec| {
        s.network.neuron = NeuronSpec::Voltage(VoltageSpec::default());
        s.rule = rule(r#"{"kind": "dendritic", "lambda": 0.5}"#);
    };
    names(
        build(voltage),
        "rule.lambda",
        "0.5",
        "0 with a learned J on `voltage` neurons",
    );
    for (json, field, value, expected) in [
        (
            r#"{"kind": "dendritic", "lambda": 1.5}"#,
            "rule.lambda",
            "1.5",
            "[0, 1]",
        ),
        (
            r#"{"kind": "dendritic", "lambda": 0.5, "horizon": 1}"#,
            "rule.horizon",
            "1",
            "between 2",
        ),
        (
            r#"{"kind": "snap", "order": 0}"#,
            "rule.order",
            "0",
            "at least 1",
        ),
        (
            r#"{"kind": "kernl", "sigma": 0}"#,
            "rule.sigma",
            "0",
            "the drift of the twin must be visible",
        ),
        (
            r#"{"kind": "kernl", "rate": -1}"#,
            "rule.rate",
            "-1",
            "not negative",
        ),
        (
            r#"{"kind": "kernl", "timescale": -1}"#,
            "rule.timescale",
            "-1",
            "not negative",
        ),
        (
            r#"{"kind": "kernl", "reset": 0}"#,
            "rule.reset",
            "0",
            "at least 1 step",
        ),
        (
            r#"{"kind": "tbptt", "back": 0}"#,
            "rule.back",
            "0",
            "between 1",
        ),
        (
            r#"{"kind": "tbptt", "every": 0}"#,
            "rule.every",
            "0",
            "between 1 and rule.back = 10",
        ),
        (
            r#"{"kind": "tbptt", "every": 11}"#,
            "rule.every",
            "11",
            "between 1 and rule.back = 10",
        ),
        (
            r#"{"kind": "uoro", "epsilon": 0}"#,
            "rule.epsilon",
            "0",
            "below it the difference is rounding",
        ),
        (
            r#"{"kind": "node_perturbation", "sigma": 0}"#,
            "rule.sigma",
            "0",
            "greater than 0",
        ),
        (
            r#"{"kind": "node_perturbation", "decay": 1.1}"#,
            "rule.decay",
            "1.1",
            "[0, 1]",
        ),
        (
            r#"{"kind": "node_perturbation", "baseline": 0}"#,
            "rule.baseline",
            "0",
            "(0, 1]",
        ),
        (
            r#"{"kind": "miconi", "probability": 2}"#,
            "rule.probability",
            "2",
            "(0, 1]",
        ),
        (
            r#"{"kind": "random_gradient", "sigma": -1}"#,
            "rule.sigma",
            "-1",
            "not negative",
        ),
        (
            r#"{"kind": "combined", "eligibility": {"kind": "trace", "leak": 0}}"#,
            "rule.leak",
            "0",
            "(0, 1]",
        ),
    ] {
        names(with_rule(json), field, value, expected);
    }
    for update in [Update::Step, Update::Every(1)] {
        let bptt = |s: &mut LearnerSpec| {
            s.rule = rule(r#"{"kind": "bptt"}"#);
            s.update = update;
        };
        names(build(bptt), "update", "every step", "a longer window");
    }
    names(
        build(|s| s.update = Update::Every(0)),
        "update.every",
        "0",
        "at least 1 step",
    );
    names(
        build(|s| s.update = Update::Trials(0)),
        "update.trials",
        "0",
        "at least 1 trial",
    );
    let single = Learner::<f64>::new(&LearnerSpec::default(), 2, 1, 1);
    names(
        single,
        "loss.kind",
        "softmax_cross_entropy",
        "at least 2 outputs",
    );
}

#[test]
fn tasks_and_monitors() {
    let task = |lags, stretch| {
        let spec = TaskSpec::Add(AddSpec {
            lags,
            stretch,
            ..AddSpec::default()
        });
        spec.build::<f64>(1, 100, &Streams::new(1), "train")
    };
    names(
        task([4, 100], 1),
        "task.lags",
        "[4, 100] with stretch 1",
        "shorter than the run of 100 steps",
    );
    names(
        task([4, 40], 3),
        "task.lags",
        "[4, 40] with stretch 3",
        "shorter than the run of 100 steps",
    );
    names(
        task([4, u64::MAX], 1),
        "task.lags",
        &u64::MAX.to_string(),
        "at most 1000000",
    );
    names(task([1, 2], 0), "task.stretch", "0", "at least 1 step");
    let learner = Learner::<f64>::new(&LearnerSpec::default(), 3, 2, 1).unwrap();
    let other = task([1, 2], 1).unwrap();
    let sample = learner.sample_for(&*other).map(drop);
    names(
        sample,
        "task",
        "2 inputs and 2 outputs",
        "3 and 2, as the network has",
    );

    for (name, expected) in [
        ("W_rek", "one of loss, accuracy"),
        ("A_loss.sum", "one of loss"),
        ("rate[x]", "a whole number between the brackets"),
        ("rate[32]", "an index below 32"),
        ("W_in[96]", "an index below 96"),
        ("A[1120]", "an index below 1120"),
        ("loss[0]", "no index: it is a single number"),
        ("J_loss[1]", "no index: it is a single number"),
    ] {
        names(
            learner.find(name).map(drop),
            "monitor.quantity",
            &format!("`{name}`"),
            expected,
        );
    }
    for name in [
        "rate[31]",
        "W_in[95]",
        "A[1119]",
        "output[1]",
        "gradient[0]",
        "loss",
    ] {
        assert!(
            learner.read(&learner.find(name).unwrap()).is_finite() || name == "loss",
            "{name}"
        );
    }
    let zero = |every, window| MonitorSpec {
        quantity: "loss".into(),
        every,
        window,
    };
    let recorder = |spec| Recorder::new(&[spec], &learner).map(drop);
    names(
        recorder(zero(0, None)),
        "monitor.every of loss",
        "0",
        "between 1 and",
    );
    names(
        recorder(zero(9, Some(0))),
        "monitor.window of loss",
        "0",
        "between 1 and",
    );
}

#[test]
fn parameters() {
    let mut learner = build(|_| ()).unwrap();
    names(
        learner.set_parameter("W", &[]),
        "parameter",
        "W",
        "W_rec, W_in, b_rec, W_out or b_out",
    );
    names(
        learner.set_parameter("W_in", &[0.0; 7]),
        "W_in",
        "7 numbers",
        "8 (rows x columns)",
    );
    let before = learner.parameter("b_rec");
    let error = learner
        .set_parameter("b_rec", &[0.0, 1.0, f64::NAN, 0.0])
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("b_rec: element 2 is NaN at step 0, expected a finite"),
        "{error}"
    );
    assert_eq!(learner.parameter("b_rec"), before);
    learner
        .set_parameter("b_rec", &[1.0, 2.0, 3.0, 4.0])
        .unwrap();
    assert_eq!(learner.parameter("b_rec").unwrap(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(learner.parameter("W"), None);
}

/// A learner in the midst of a trial, for every rule.
fn under_way(json: &str) -> Learner<f64> {
    let mut learner = build(|s| {
        s.rule = rule(json);
        s.batch = 2;
        s.update = Update::Trial;
    })
    .unwrap();
    learner.begin_trial();
    for k in 0..5 {
        let x = [0.1 * f64::from(k), 0.5, -0.5, 1.0];
        learner.learn(&x, &[1.0, 0.0, 0.25, 0.75]).unwrap();
    }
    learner
}

#[test]
fn a_refused_input_changes_nothing() {
    const X: [f64; 4] = [0.5, -1.0, 2.0, 0.0];
    const Y: [f64; 4] = [1.0, 0.0, 0.0, 1.0];
    let broken = |values: [f64; 4], index: usize, value: f64| {
        let mut values = values;
        values[index] = value;
        values
    };
    for kind in ["dendritic", "rtrl", "bptt", "readout_only"] {
        let json = format!(r#"{{"kind": "{kind}"}}"#);
        let mut learner = under_way(&json);
        let before = format!("{:?}", learner.snapshot().unwrap());
        let text = |result: Result<(), Error>| result.unwrap_err().to_string();
        let mut sample = Sample::<f64>::new(2, 2, 2);

        names(
            learner.learn(&X[..3], &Y).map(drop),
            "x",
            "3 numbers",
            "4 (batch x inputs)",
        );
        names(
            learner.learn(&[0.0; 5], &Y).map(drop),
            "x",
            "5 numbers",
            "4 (batch x inputs)",
        );
        names(
            learner.learn(&X, &Y[..2]).map(drop),
            "y",
            "2 numbers",
            "4 (batch x outputs)",
        );
        names(
            learner.advance(&X, &Y, Some(&[1.0])),
            "mask",
            "1 numbers",
            "4 (batch x outputs)",
        );
        for (value, written) in [
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            let end = "Clean or drop this sample before handing it to the learner; nothing was learned from it.";
            for index in [0, 3] {
                let message = |field: &str| {
                    format!(
                        "{field}: element {index} is {written} at step 5, expected a finite number. {end}"
                    )
                };
                let (x, y) = (broken(X, index, value), broken(Y, index, value));
                assert_eq!(text(learner.learn(&x, &Y).map(drop)), message("x"));
                assert_eq!(text(learner.learn(&X, &y).map(drop)), message("y"));
                assert_eq!(text(learner.advance(&X, &Y, Some(&y))), message("mask"));
                // The first step of a trial, too: neither the trial before nor this one is touched.
                sample.first = true;
                sample.x.copy_from_slice(&x);
                sample.y.copy_from_slice(&Y);
                assert_eq!(text(learner.learn_sample(&sample)), message("x"));
            }
        }
        for (index, value) in [(1, -0.1), (2, 1.5)] {
            let refused = learner.learn(&X, &broken(Y, index, value)).map(drop);
            let field = format!("y[{index}] at step 5");
            names(
                refused,
                &field,
                &value.to_string(),
                "a probability in [0, 1]",
            );
        }
        assert_eq!(
            format!("{:?}", learner.snapshot().unwrap()),
            before,
            "{kind}"
        );

        // As if nothing had been: the next steps are those of a learner that saw no broken sample.
        let mut other = under_way(&json);
        for learner in [&mut learner, &mut other] {
            learner.learn(&X, &Y).unwrap();
            learner.end_trial();
            learner.begin_trial();
            learner.learn(&X, &Y).unwrap();
        }
        let now = |learner: &mut Learner<f64>| format!("{:?}", learner.snapshot().unwrap());
        assert_eq!(now(&mut learner), now(&mut other), "{kind}");
        assert_ne!(now(&mut learner), before);
    }
}

#[test]
fn divergence_ends_with_the_step_and_never_with_a_panic() {
    for json in [
        r#"{"kind": "dendritic"}"#,
        r#"{"kind": "dendritic", "normalize": "power", "jacobian": {"kind": "local", "regressors": "all"}}"#,
        r#"{"kind": "dendritic", "rate": 1e6, "jacobian": {"kind": "local", "rate": 1e6}}"#,
        r#"{"kind": "dendritic", "rate": 1e6, "jacobian": {"kind": "exact"}}"#,
        r#"{"kind": "rtrl"}"#,
        r#"{"kind": "bptt"}"#,
        r#"{"kind": "readout_only"}"#,
    ] {
        for method in [Method::Sgd, Method::Momentum] {
            for activation in [Activation::Relu, Activation::Tanh] {
                let mut learner = build(|s| {
                    s.rule = rule(json);
                    s.network.neuron = NeuronSpec::Rate(RateSpec {
                        alpha: 0.5,
                        activation,
                    });
                    s.network.input = Init::Uniform {
                        low: 0.5,
                        high: 1.0,
                    };
                    s.loss = Loss::MeanSquaredError {
                        outputs: Outputs::Sum,
                    };
                    s.optimizer.kind = method;
                    s.optimizer.rate = 1e12;
                    s.update = Update::Every(2);
                })
                .unwrap();
                let mut last = f64::NAN;
                let error = loop {
                    match learner.learn(&[1.0, 0.5], &[0.5, 1.0]) {
                        Ok(step) => {
                            assert!(step.loss.is_finite());
                            last = step.loss;
                        }
                        Err(error) => break error,
                    }
                    assert!(learner.steps() < 1_000, "{json} {method:?}: {last}");
                };
                let Error::Diverged {
                    step,
                    ref what,
                    last_step,
                    last_loss,
                } = error
                else {
                    panic!("{error}");
                };
                assert_eq!(
                    (step, what.as_str(), last_step),
                    (learner.steps(), "loss", step - 1)
                );
                assert_eq!(last_loss, last);
                let text = error.to_string();
                assert!(
                    text.starts_with(&format!(
                        "training diverged at step {step}: the loss is not finite"
                    )),
                    "{text}"
                );
                assert!(
                    text.contains("Lower `optimizer.rate`, set `optimizer.clip`"),
                    "{text}"
                );
                // It stays an error.
                assert!(matches!(
                    learner.learn(&[1.0, 0.5], &[0.5, 1.0]),
                    Err(Error::Diverged { .. })
                ));
            }
        }
    }
}

#[test]
fn weights_that_are_not_finite_are_found() {
    let mut learner = build(|_| ()).unwrap();
    learner.check_weights().unwrap();
    learner.network_mut().readout_mut().row_mut(1)[4] = f64::INFINITY;
    let error = learner.check_weights().unwrap_err();
    assert!(
        error.to_string().contains("the b_out is not finite"),
        "{error}"
    );
    learner
        .network_mut()
        .synapses_mut()
        .weights_mut()
        .row_mut(0)[4] = f64::NAN;
    let error = learner.check_weights().unwrap_err();
    assert!(
        error.to_string().contains("the W_in is not finite"),
        "{error}"
    );
}
