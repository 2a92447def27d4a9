//! Rates divided by the power of what arrives, and J regressed on everything: what must come to the same.

use crate::common::{Data, difference, flat, of_rule, rule};
use apical::loss::Loss;
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, RateSpec};
use apical::synapse::Init;
use apical::{Learner, LearnerSpec, Update};

const UNITS: usize = 6;
const SIZES: (usize, usize) = (3, 2);
const STEPS: usize = 20;

/// Weights of the network stay as they are; A, J and K learn.
fn learner(rule_json: &str, network: NetworkSpec) -> Learner<f64> {
    let spec = LearnerSpec {
        network: NetworkSpec {
            units: UNITS,
            ..network
        },
        rule: rule(rule_json),
        update: Update::Every(u64::MAX),
        ..LearnerSpec::default()
    };
    let mut learner = Learner::new(&spec, SIZES.0, SIZES.1, 7).unwrap();
    learner.begin_trial();
    learner
}

fn advance(learners: &mut [Learner<f64>]) {
    let data = Data::random(Loss::SoftmaxCrossEntropy {}, STEPS, 1, SIZES, 3);
    for learner in learners {
        for (x, y) in data.x.iter().zip(&data.y) {
            // One-hot: of constant power.
            let label = if y[0] > y[1] { [1.0, 0.0] } else { [0.0, 1.0] };
            learner.advance(x, &label, None).unwrap();
        }
    }
}

/// Units whose rate never changes receive a constant power, and rates divided by it beforehand do the same.
#[test]
fn a_constant_power_is_a_smaller_rate() {
    const RATE: f64 = 0.5;
    let n = UNITS as f64;
    let silent = || NetworkSpec {
        recurrent: Init::Zero {},
        input: Init::Zero {},
        bias: Init::Uniform {
            low: RATE.atanh(),
            high: RATE.atanh(),
        },
        initial_state: RATE,
        ..NetworkSpec::default()
    };
    let (eta, inner, decay) = (0.4, 0.3, 0.2);
    let apical = n * RATE * RATE + 2.0;
    let basal = n * RATE * RATE + 1.0;
    for kind in ["learned", "local"] {
        let with = |normalize: &str, over_a: f64, over_j: f64| {
            let lambda = match kind {
                // The rate at which K and Pᵀ converge is not divided.
                "local" => format!(r#", "decay": {}"#, decay * over_j),
                _ => String::new(),
            };
            let json = format!(
                r#"{{"kind": "dendritic", "normalize": "{normalize}", "rate": {}, "decay": {},
                    "jacobian": {{"kind": "{kind}", "regressors": "rates", "rate": {}{lambda}}}}}"#,
                eta / over_a,
                decay * over_a,
                inner / over_j
            );
            learner(&json, silent())
        };
        let mut both = [with("power", 1.0, 1.0), with("none", apical, basal)];
        let start = of_rule(&mut both[0], "A");
        advance(&mut both);
        let names: &[&str] = match kind {
            "local" => &["A", "A_slow", "J", "K"],
            _ => &["A", "A_slow", "J"],
        };
        let [power, none] = &mut both;
        for name in names {
            let apart = difference(&of_rule(power, name), &of_rule(none, name));
            assert!(apart < 1e-12, "{kind} {name}: {apart}");
        }
        assert!(difference(&start, &of_rule(power, "A")) > 0.1);
    }
}

/// What linear units do is W_rec r + W_in x + b: J knows it from the start, unless it must explain x by r.
#[test]
fn regressed_on_everything_j_of_linear_units_stays_exact() {
    let linear = || NetworkSpec {
        neuron: NeuronSpec::Rate(RateSpec {
            alpha: 1.0,
            activation: Activation::Identity,
        }),
        bias: Init::Uniform {
            low: -0.5,
            high: 0.5,
        },
        ..NetworkSpec::default()
    };
    for normalize in ["none", "power"] {
        let with = |jacobian: &str| {
            let json = format!(
                r#"{{"kind": "dendritic", "normalize": "{normalize}", "rate": 0.02, "jacobian": {jacobian}}}"#
            );
            learner(&json, linear())
        };
        let learned = |regressors: &str| {
            with(&format!(
                r#"{{"kind": "learned", "rate": 0.005, "regressors": "{regressors}"}}"#
            ))
        };
        let mut three = [
            learned("all"),
            learned("rates"),
            with(r#"{"kind": "exact"}"#),
        ];
        advance(&mut three);
        let weights = three[0].network().synapses().weights();
        let recurrent: Vec<f64> = (0..UNITS)
            .flat_map(|i| weights.row(i)[..UNITS].to_vec())
            .collect();
        let [all, rates, exact] = &mut three;
        let apart = difference(&of_rule(all, "J"), &recurrent);
        assert!(apart < 1e-12, "{normalize}: {apart}");
        assert!(difference(&of_rule(rates, "J"), &recurrent) > 1e-3);
        let expected = flat(exact.gradient());
        assert!(difference(&flat(all.gradient()), &expected) < 1e-12);
        assert!(difference(&flat(rates.gradient()), &expected) > 1e-6);
    }
}
