//! ModProp's settings, its watch over its own filter, and what it asks of units.

use crate::common::rule;
use apical::constraint::{CellTypes, DaleSpec};
use apical::feedback::FeedbackSpec;
use apical::monitor::{MonitorSpec, Recorder, Warning};
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, RateSpec, VoltageSpec};
use apical::rule::RULES;
use apical::task::Sample;
use apical::{Learner, LearnerSpec, Result, Update};

const UNITS: usize = 8;

fn specification(json: &str, update: Update, neuron: NeuronSpec) -> LearnerSpec {
    LearnerSpec {
        network: NetworkSpec {
            units: UNITS,
            neuron,
            dale: Some(DaleSpec::default()),
            ..NetworkSpec::default()
        },
        feedback: FeedbackSpec::Symmetric {},
        rule: rule(json),
        update,
        ..LearnerSpec::default()
    }
}

fn voltage(leak: f64, activation: Activation) -> NeuronSpec {
    NeuronSpec::Voltage(VoltageSpec { leak, activation })
}

fn build(json: &str, update: Update, leak: f64) -> Result<Learner<f64>> {
    let neuron = voltage(leak, Activation::Relu);
    Learner::new(&specification(json, update, neuron), 2, 2, 1)
}

fn modprop(settings: &str) -> String {
    format!(r#"{{"kind": "modprop", {settings}}}"#)
}

#[track_caller]
fn refused(settings: &str, text: &str) {
    let error = build(&modprop(settings), Update::Step, 0.9)
        .err()
        .expect("it was built");
    assert!(error.to_string().starts_with(text), "{error}");
}

#[test]
fn bad_settings_are_named() {
    refused(
        r#""mu": -0.1"#,
        "rule.mu: got -0.1, expected a finite number that is not negative",
    );
    refused(
        r#""taps": -3"#,
        "rule.taps: got -3, expected between 0 and 1048576 steps. 0 is the three-factor rule",
    );
    refused(r#""taps": 2000000"#, "rule.taps: got 2000000");
    refused(
        r#""feedback_weights": "cell", "zero_diagonal": true"#,
        "rule.zero_diagonal: got true with feedback_weights = \"cell\", expected feedback_weights = \"typed\"",
    );
    let unknown = serde_json::from_str::<apical::rule::RuleSpec>(&modprop(r#""drives": "code""#));
    assert!(
        unknown
            .unwrap_err()
            .to_string()
            .contains("unknown field `drives`")
    );
}

#[test]
fn a_filter_that_ends_needs_no_stability() {
    // mu λ = 3 without a leak: over all taps credit would grow by 3 a step, to 10¹⁹.
    for way in ["typed", "cell"] {
        for drive in ["paper", "code"] {
            let json = modprop(&format!(
                r#""mu": 0.6, "taps": 2, "drive": "{drive}", "feedback_weights": "{way}""#
            ));
            let learned = |update: Update| {
                let spec = specification(&json, update, voltage(0.0, Activation::Tanh));
                let mut learner = Learner::<f64>::new(&spec, 2, 2, 1).unwrap();
                learner.set_parameter("W_rec", &weights(5.0)).unwrap();
                learner.begin_trial();
                for t in 0..40 {
                    let x = [f64::from(t).sin(), 0.1];
                    learner.learn(&x, &[1.0, 0.0]).unwrap();
                }
                learner.end_trial();
                // By 3 · 3 = 9 on its way.
                let unstable = |w: &Warning| matches!(w, Warning::UnstableFilter { .. });
                assert!(!learner.warnings().iter().any(unstable));
                ["W_rec", "W_in"].map(|name| learner.parameter(name).unwrap())
            };
            let (trial, online) = (learned(Update::Trial), learned(Update::Every(40)));
            for (a, b) in trial.iter().flatten().zip(online.iter().flatten()) {
                assert!(
                    (a - b).abs() <= 1e-12 * (1.0 + b.abs()),
                    "{json}: {a} and {b}"
                );
            }
        }
    }
}

#[test]
fn many_taps_of_an_unstable_filter_are_told_of() {
    // mu λ = 1.5 with a leak of 0.9: a factor of 1.05 a step, 18 over 60 taps, 1.7e4 over 200.
    for (taps, told) in [(60, false), (200, true)] {
        let json = modprop(&format!(r#""mu": 0.6, "taps": {taps}"#));
        let mut learner = build(&json, Update::Trial, 0.9).unwrap();
        learner.set_parameter("W_rec", &weights(2.5)).unwrap();
        trials(&mut learner, 1);
        let unstable = |w: &Warning| matches!(w, Warning::UnstableFilter { .. });
        assert_eq!(learner.warnings().iter().any(unstable), told, "{taps}");
    }
}

#[test]
fn a_long_trial_is_the_same_at_its_end() {
    let both = |json: &str| [json.to_string(), json.to_string()];
    let zero_diagonal = |drive: &str| {
        both(&modprop(&format!(
            r#""drive": "{drive}", "zero_diagonal": true"#
        )))
    };
    for [json, online] in [
        both(r#"{"kind": "rflo"}"#),
        both(r#"{"kind": "mdgl"}"#),
        both(r#"{"kind": "mdgl", "feedback_weights": "cell"}"#),
        both(&modprop(r#""drive": "paper""#)),
        both(&modprop(r#""drive": "code""#)),
        zero_diagonal("paper"),
        zero_diagonal("code"),
        both(&modprop(r#""drive": "code", "taps": 3"#)),
        [r#"{"kind": "bptt"}"#.into(), r#"{"kind": "rtrl"}"#.into()],
    ] {
        for neuron in [
            NeuronSpec::Voltage(VoltageSpec::default()),
            // Filters that forget slowly, soon and at once; slopes that change seldom and at every step.
            voltage(0.9, Activation::Tanh),
            voltage(0.5, Activation::Relu),
            voltage(0.0, Activation::Relu),
            NeuronSpec::Rate(RateSpec {
                alpha: 0.4,
                ..RateSpec::default()
            }),
        ] {
            // More steps than are summed at once, errors here and there, not of every sample; and an error of a single sample at every step.
            for (batch, between) in [(3, 41), (1, 1)] {
                let trial = learned(&json, &neuron, Update::Trial, batch, between);
                let every = Update::Every(STEPS as u64);
                let online = learned(&online, &neuron, every, batch, between);
                for (a, b) in trial.iter().flatten().zip(online.iter().flatten()) {
                    assert!(
                        (a - b).abs() <= 1e-11 * (1.0 + b.abs()),
                        "{json} {neuron:?} {batch}: {a} and {b}"
                    );
                }
            }
        }
    }
}

const STEPS: usize = 700;

/// What is learned from one trial with an error of one sample every `between` of them.
fn learned(
    json: &str,
    neuron: &NeuronSpec,
    update: Update,
    batch: usize,
    between: usize,
) -> [Vec<f64>; 3] {
    let spec = LearnerSpec {
        batch,
        ..specification(json, update, neuron.clone())
    };
    let mut learner = Learner::<f64>::new(&spec, 2, 2, 1).unwrap();
    let mut sample = Sample::new(batch, 2, 2);
    sample.masked = true;
    for t in 0..STEPS {
        let x = (0..2 * batch).map(|k| (0.7 * (t * 6 + k) as f64).sin());
        sample.x = x.collect();
        sample.y = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0][..2 * batch].into();
        let counts = |b: usize| (t * batch + b).is_multiple_of(between) && t < STEPS - 20;
        let mask = (0..2 * batch).map(|k| f64::from(u8::from(counts(k / 2))));
        sample.mask = mask.collect();
        (sample.first, sample.last) = (t == 0, t + 1 == STEPS);
        learner.learn_sample(&sample).unwrap();
    }
    ["W_rec", "W_in", "b_rec"].map(|name| learner.parameter(name).unwrap())
}

#[test]
fn units_of_other_kinds_are_refused() {
    let case = apical::check::Case::random(
        3,
        apical::check::Shape {
            kind: apical::check::Kind::Gated,
            ..apical::check::Shape::ANY
        },
    );
    let error = case.learner(&rule(r#"{"kind": "modprop"}"#), &FeedbackSpec::Symmetric {});
    let error = error.err().expect("it was built").to_string();
    assert!(
        error.contains("gated units have others. Set network.neuron.kind"),
        "{error}"
    );
    assert!(RULES.iter().any(|info| info.name == "mdgl"));
    case.learner(&rule(r#"{"kind": "mdgl"}"#), &FeedbackSpec::Symmetric {})
        .unwrap();
}

/// Two types of four units: means that make the 2 × 2 matrix of W_ab n_b = [[p, 0], [0, −p]].
fn weights(p: f64) -> Vec<f64> {
    let mean = p / (UNITS / 2) as f64;
    (0..UNITS * UNITS)
        .map(|k| match (k / UNITS < 4, k % UNITS < 4) {
            (true, true) => mean,
            (false, false) => -mean,
            _ => 0.0,
        })
        .collect()
}

fn trials(learner: &mut Learner<f64>, count: usize) {
    for trial in 0..count {
        learner.begin_trial();
        for t in 0..20 {
            let x = [(t as f64 + trial as f64).sin(), 1.0];
            learner.learn(&x, &[1.0, 0.0]).unwrap();
        }
        learner.end_trial();
    }
}

#[test]
fn an_unstable_filter_is_told_of_with_its_numbers() {
    // mu λ = 0.6 · 2.5 = 1.5: by (1 − a) · 0.5 a step beyond 1.
    for (update, cells) in [
        (Update::Trial, false),
        (Update::Step, false),
        (Update::Trial, true),
        (Update::Step, true),
    ] {
        let way = if cells { "cell" } else { "typed" };
        let json = modprop(&format!(
            r#""mu": 0.6, "drive": "code", "feedback_weights": "{way}""#
        ));
        let mut learner = build(&json, update, 0.9).unwrap();
        learner.set_parameter("W_rec", &weights(2.5)).unwrap();
        trials(&mut learner, 1);
        let warnings = learner.warnings();
        let found = warnings.iter().find_map(|warning| match warning {
            Warning::UnstableFilter {
                gain,
                mu,
                largest,
                critical,
            } => Some([*gain, *mu, *largest, *critical]),
            _ => None,
        });
        let found = found.unwrap_or_else(|| panic!("{json} {update:?}: {warnings:?}"));
        for (got, expected) in found.into_iter().zip([1.05, 0.6, 2.5, 0.4]) {
            assert!((got - expected).abs() < 1e-6, "{found:?}");
        }
        let text = warnings
            .iter()
            .map(ToString::to_string)
            .find(|w| w.starts_with("ModProp's"))
            .unwrap();
        assert!(
            text.contains("a factor of 1.0500 a step") && text.contains("Set rule.mu below 0.4000"),
            "{text}"
        );
    }
}

#[test]
fn a_stable_filter_is_not_complained_of() {
    let mut learner = build(&modprop(r#""mu": 0.39"#), Update::Trial, 0.9).unwrap();
    learner.set_parameter("W_rec", &weights(2.5)).unwrap();
    trials(&mut learner, 1);
    let complains = |w: &Warning| matches!(w, Warning::UnstableFilter { .. });
    assert!(!learner.warnings().iter().any(complains));
}

#[test]
fn an_adaptive_mu_keeps_the_filter_stable_and_is_not_used_where_it_need_not() {
    let read = |settings: &str, p: f64, update: Update, leak: f64| {
        let mut learner = build(&modprop(settings), update, leak).unwrap();
        learner.set_parameter("W_rec", &weights(p)).unwrap();
        let specs = ["filter_gain", "mu"].map(MonitorSpec::new);
        Recorder::new(&specs, &learner).unwrap();
        trials(&mut learner, 1);
        let value = |name: &str| learner.read(&learner.find(name).unwrap());
        (value("filter_gain"), value("mu"), learner.gradient().rows())
    };
    for update in [Update::Trial, Update::Step] {
        let (gain, mu, _) = read(r#""mu": 0.6, "adaptive_mu": true"#, 2.5, update, 0.9);
        assert!((mu - 0.95 * 0.4).abs() < 1e-9 && gain < 1.0, "{mu} {gain}");
        let (gain, mu, _) = read(r#""mu": 0.3, "adaptive_mu": true"#, 2.5, update, 0.9);
        assert!(mu == 0.3 && gain < 1.0);
        // Without a leak the negative eigenvalue is as dangerous as the positive one.
        let (gain, mu, _) = read(r#""mu": 0.6, "adaptive_mu": true"#, 2.5, update, 0.0);
        assert!((mu - 0.38).abs() < 1e-9 && (gain - 0.95).abs() < 1e-9);
    }
}

#[test]
fn weights_without_eigenvectors_are_told_of() {
    let json = modprop(r#""drive": "code", "feedback_weights": "cell""#);
    let mut learner = build(&json, Update::Step, 0.9).unwrap();
    // A chain: every eigenvalue is 0, and there is but one eigenvector.
    let chain: Vec<f64> = (0..UNITS * UNITS)
        .map(|k| f64::from(u8::from(k / UNITS == k % UNITS + 1)))
        .collect();
    learner.set_parameter("W_rec", &chain).unwrap();
    learner.advance(&[1.0, 1.0], &[1.0, 0.0], None).unwrap();
    let ill = |w: &Warning| matches!(w, Warning::IllConditioned { .. });
    assert!(
        learner.warnings().iter().any(ill),
        "{:?}",
        learner.warnings()
    );
}

#[test]
fn types_put_in_place_of_others_do_not_reach_a_rule_that_was_built_before() {
    for json in [modprop(r#""drive": "paper""#), r#"{"kind": "mdgl"}"#.into()] {
        let learned = |other: Option<Vec<usize>>| {
            let mut learner = build(&json, Update::Step, 0.9).unwrap();
            if let Some(of) = other {
                let types = CellTypes::given(&of).unwrap();
                let constraints = learner.network_mut().constraints_mut();
                constraints.set_types(types).unwrap();
            }
            for t in 0..20 {
                let t = f64::from(t);
                learner.learn(&[t.sin(), t.cos()], &[0.0, 1.0]).unwrap();
            }
            learner.parameter("W_rec").unwrap()
        };
        let expected = learned(None);
        assert_eq!(
            learned(Some(vec![0, 1, 2, 0, 1, 2, 0, 1])),
            expected,
            "{json}"
        );
        assert_eq!(learned(Some(vec![0; UNITS])), expected, "{json}");
    }
}
