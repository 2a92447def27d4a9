//! Rules without golden vectors: each against what it must equal, and the options all rules share.

use crate::common::{Data, difference, flat, of_rule, rule};
use apical::check::{Case, Kind, Shape};
use apical::feedback::FeedbackSpec;
use apical::loss::{Loss, Outputs};
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, RateSpec};
use apical::optimizer::OptimizerSpec;
use apical::rule::RULES;
use apical::synapse::Init;
use apical::{Learner, LearnerSpec, Streams, Update};

const RTRL: &str = r#"{"kind": "rtrl"}"#;
const RFLO: &str = r#"{"kind": "rflo"}"#;

/// Case number `seed`, with gated units or plain ones.
fn case_of(seed: u64, gated: bool, kinks: bool) -> Case {
    let kind = if gated { Kind::Gated } else { Kind::Plain };
    Case::random(
        seed,
        Shape {
            kinks,
            kind,
            ..Shape::ANY
        },
    )
}

fn learner_of(case: &Case, json: &str, feedback: FeedbackSpec) -> Learner<f64> {
    case.learner(&rule(json), &feedback).unwrap()
}

/// The recurrent gradient of every step, after `change` to the learner; what comes at the end of the trial last.
fn steps(case: &Case, json: &str, change: &dyn Fn(&mut Learner<f64>)) -> Vec<Vec<f64>> {
    let mut learner = learner_of(case, json, FeedbackSpec::random());
    change(&mut learner);
    learner.begin_trial();
    let mut gradients = Vec::new();
    let mut before = flat(learner.gradient());
    let mut note = |learner: &Learner<f64>| {
        let now = flat(learner.gradient());
        gradients.push(now.iter().zip(&before).map(|(a, b)| a - b).collect());
        before = now;
    };
    for (x, y) in case.data.x.iter().zip(&case.data.y) {
        learner.advance(x, y, None).unwrap();
        note(&learner);
    }
    learner.end_trial();
    note(&learner);
    gradients
}

fn worst(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| difference(a, b)).fold(0.0, f64::max)
}

/// Sets elements of W_rec by row and column of each current's block.
fn set_weights(learner: &mut Learner<f64>, keep: &dyn Fn(usize, usize) -> bool) {
    let n = learner.network().dims().units;
    let mut weights = learner.parameter("W_rec").unwrap();
    for (k, w) in weights.iter_mut().enumerate() {
        if !keep((k / n) % n, k % n) {
            *w = 0.0;
        }
    }
    learner.set_parameter("W_rec", &weights).unwrap();
}

fn snap(order: usize) -> String {
    format!(r#"{{"kind": "snap", "order": {order}}}"#)
}

/// Influence over exactly the connections the order allows: dense RTRL with the mask applied by hand.
#[test]
fn sparse_influence_drops_what_it_says() {
    let cases = (0..).map(|seed| case_of(seed, false, false));
    let mut cases = cases.filter(|case| case.units > 4 && case.data.x.len() > 8);
    let case = cases.next().unwrap();
    let n = case.units;
    let ring =
        |l: &mut Learner<f64>| set_weights(l, &|to, from| to == from || to == (from + 1) % n);
    let exact = steps(&case, RTRL, &ring);
    let mut apart = Vec::new();
    for order in 1..=n {
        apart.push(worst(&steps(&case, &snap(order), &ring), &exact));
    }
    assert!(apart[n - 1] < 1e-9, "{apart:?}");
    assert!(apart[..2].iter().all(|a| *a > 1e-6), "{apart:?}");
}

/// With a linear network the drift of the twin is A Ω with A = 1 and κ the units' own decay, if weights are zero:
/// the corrected order finds the decay, the published one cannot.
#[test]
fn the_corrected_kernel_learns_the_decay_of_the_units() {
    let unexplained = |order: &str| {
        let spec = LearnerSpec {
            network: NetworkSpec {
                units: 8,
                neuron: NeuronSpec::Rate(RateSpec {
                    alpha: 0.5,
                    activation: Activation::Tanh,
                }),
                recurrent: Init::Zero {},
                ..NetworkSpec::default()
            },
            rule: rule(&format!(
                r#"{{"kind": "kernl", "order": "{order}", "sigma": 1e-3, "rate": 2000}}"#
            )),
            optimizer: OptimizerSpec {
                rate: 0.0,
                ..OptimizerSpec::default()
            },
            ..LearnerSpec::default()
        };
        let mut learner = Learner::<f64>::new(&spec, 2, 2, 1).unwrap();
        let mut stream = Streams::new(2).stream("x", 0);
        for _ in 0..20_000 {
            learner.learn(&[stream.normal(), 1.0], &[0.5, 0.5]).unwrap();
        }
        of_rule(&mut learner, "kernel")
    };
    let diagonal = |kernel: &[f64]| (0..8).map(|k| kernel[k * 9]).sum::<f64>() / 8.0;
    let (corrected, published) = (unexplained("corrected"), unexplained("published"));
    assert!(
        (diagonal(&corrected) - 1.0).abs() < 0.02,
        "{}",
        diagonal(&corrected)
    );
    assert!(diagonal(&published) < 0.8, "{}", diagonal(&published));
}

#[test]
fn a_forward_difference_gives_the_product_with_the_jacobian() {
    for seed in 0..30 {
        let case = case_of(seed, false, false);
        let run = |json: &str| {
            let start = |l: &mut Learner<f64>| {
                let (dims, mut s) = (l.network().dims(), Streams::new(9).stream("nu", 0));
                let mut draw = |count: usize| (0..count).map(|_| s.normal()).collect::<Vec<_>>();
                let count = dims.batch * dims.units;
                let noise = draw(count * 20);
                l.rule_mut().noise().unwrap().inject(&noise);
            };
            let mut learner = learner_of(&case, json, FeedbackSpec::Symmetric {});
            start(&mut learner);
            learner.begin_trial();
            let dims = learner.network().dims();
            let mut s = Streams::new(8).stream("start", 0);
            let a: Vec<f64> = (0..dims.units).map(|_| s.normal()).collect();
            let b: Vec<f64> = (0..dims.units * dims.pre()).map(|_| s.normal()).collect();
            assert!(learner.rule_mut().set_array("A", &a).unwrap());
            assert!(learner.rule_mut().set_array("B", &b).unwrap());
            for (x, y) in case.data.x.iter().zip(&case.data.y) {
                learner.advance(x, y, None).unwrap();
            }
            flat(learner.gradient())
        };
        let exact = run(r#"{"kind": "uoro"}"#);
        let difference_of = |epsilon: f64| {
            difference(
                &run(&format!(r#"{{"kind": "uoro", "epsilon": {epsilon:e}}}"#)),
                &exact,
            )
        };
        // The error falls with ε until rounding takes over.
        assert!(
            difference_of(1e-6) < 1e-4,
            "case {seed}: {}",
            difference_of(1e-6)
        );
        assert!(
            difference_of(1e-3) < 0.1,
            "case {seed}: {}",
            difference_of(1e-3)
        );
    }
}

#[test]
fn the_trial_form_of_the_trace_is_the_online_form() {
    for gated in [false, true] {
        for seed in 0..60 {
            let case = case_of(seed, gated, true);
            let whole = |update: Update| {
                let mut learner = learner_of(&case, RFLO, FeedbackSpec::random());
                let spec = LearnerSpec {
                    loss: case.loss,
                    rule: rule(RFLO),
                    optimizer: OptimizerSpec {
                        rate: 0.0,
                        ..OptimizerSpec::default()
                    },
                    update,
                    ..LearnerSpec::default()
                };
                let network = std::mem::replace(learner.network_mut(), other(&case));
                let streams = Streams::new(case.seed);
                let mut learner = Learner::with_network(network, &spec, &streams).unwrap();
                let expected = if update == Update::Trials(2) {
                    "trial"
                } else {
                    "online"
                };
                assert_eq!(learner.mode(), expected);
                case.run(&mut learner, usize::MAX).unwrap();
                flat(learner.gradient())
            };
            let apart = difference(&whole(Update::Trials(2)), &whole(Update::Every(u64::MAX)));
            assert!(apart < 1e-9, "case {seed}, gated {gated}: {apart}");
        }
    }
}

/// A network to leave behind.
fn other(case: &Case) -> apical::network::Network<f64> {
    let learner = learner_of(case, RFLO, FeedbackSpec::random());
    let mut learner = learner;
    let spec = NetworkSpec {
        units: 1,
        ..NetworkSpec::default()
    };
    let small = apical::network::Network::new(&spec, 1, 1, 1, &Streams::new(0)).unwrap();
    std::mem::replace(learner.network_mut(), small)
}

/// The mean over the noise of Σ_t (L − L̄) e is the gradient of the mean loss of the noisy network, which for small σ is that of
/// the network.
#[test]
fn node_perturbation_is_unbiased_without_decay() {
    let mut case = case_of(12, false, false);
    case.data = Data::random(case.loss, 3, 1, case.sizes, 3).repeated(256);
    (case.batch, case.units, case.masked) = (256, 2, false);
    case.types = vec![0; 2];
    let mut exact = learner_of(&case, RTRL, FeedbackSpec::Symmetric {});
    case.run(&mut exact, usize::MAX).unwrap();
    let exact = flat(exact.gradient());
    let norm = exact.iter().map(|g| g * g).sum::<f64>();
    let json = r#"{"kind": "node_perturbation", "sigma": 0.01, "decay": 0, "baseline": 0.05}"#;
    let mut learner = learner_of(&case, json, FeedbackSpec::Symmetric {});
    // Warm up what the loss is expected to be.
    for _ in 0..50 {
        case.run(&mut learner, usize::MAX).unwrap();
        learner.clear_gradients();
    }
    let mut slopes = Vec::new();
    for _ in 0..4000 {
        case.run(&mut learner, usize::MAX).unwrap();
        let gradient = flat(learner.gradient());
        learner.clear_gradients();
        slopes.push(gradient.iter().zip(&exact).map(|(a, b)| a * b).sum::<f64>() / norm);
    }
    let count = slopes.len() as f64;
    let mean = slopes.iter().sum::<f64>() / count;
    let variance = slopes.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let error = (variance / count).sqrt();
    assert!((mean - 1.0).abs() < 4.0 * error, "{mean} +- {error}");
    assert!(error < 0.1, "the test must be able to fail: {error}");
}

#[test]
fn kolen_pollack_feedback_becomes_the_transpose_of_the_readout() {
    let spec = LearnerSpec {
        network: NetworkSpec {
            units: 6,
            ..NetworkSpec::default()
        },
        loss: Loss::MeanSquaredError {
            outputs: Outputs::Sum,
        },
        feedback: serde_json::from_str(r#"{"kind": "kolen_pollack"}"#).unwrap(),
        rule: rule(RFLO),
        optimizer: OptimizerSpec {
            rate: 0.05,
            weight_decay: 0.05,
            ..OptimizerSpec::default()
        },
        ..LearnerSpec::default()
    };
    let mut learner = Learner::<f64>::new(&spec, 2, 3, 4).unwrap();
    let mut stream = Streams::new(5).stream("x", 0);
    let distance = |learner: &mut Learner<f64>| {
        let readout = learner.parameter("W_out").unwrap();
        let feedback = flat(learner.feedback_weights_mut().unwrap());
        let apart: f64 = readout
            .iter()
            .zip(&feedback)
            .map(|(a, b)| (a - b).powi(2))
            .sum();
        (
            apart.sqrt(),
            readout.iter().map(|w| w * w).sum::<f64>().sqrt(),
        )
    };
    let (begun, _) = distance(&mut learner);
    for _ in 0..2000 {
        let x = [stream.normal(), stream.normal()];
        learner.learn(&x, &[x[0], x[1], x[0] * x[1]]).unwrap();
    }
    let (apart, norm) = distance(&mut learner);
    // B − W_outᵀ shrinks by 1 − η λ at every update, whatever the data.
    let expected = begun * (1.0 - 0.05 * 0.05_f64).powi(2000);
    assert!((apart - expected).abs() < 1e-9, "{apart} {expected}");
    assert!(norm > 0.1, "{norm}");
}

#[test]
fn scalar_feedback_has_rank_one() {
    let spec = LearnerSpec {
        feedback: serde_json::from_str(r#"{"kind": "scalar"}"#).unwrap(),
        ..LearnerSpec::default()
    };
    let mut learner = Learner::<f64>::new(&spec, 2, 3, 4).unwrap();
    let weights = learner.feedback_weights_mut().unwrap();
    for k in 1..3 {
        for i in 1..32 {
            let minor =
                weights.row(0)[0] * weights.row(k)[i] - weights.row(0)[i] * weights.row(k)[0];
            assert!(minor.abs() < 1e-12);
        }
    }
    assert!(weights.row(0)[0] != 0.0);
}

#[test]
fn zero_weights_stay_zero_if_asked_and_noise_and_l1_do_what_they_say() {
    let run = |change: &dyn Fn(&mut OptimizerSpec)| {
        let mut spec = LearnerSpec {
            rule: rule(RFLO),
            feedback: FeedbackSpec::Symmetric {},
            ..LearnerSpec::default()
        };
        spec.optimizer.rate = 0.1;
        change(&mut spec.optimizer);
        let mut learner = Learner::<f64>::new(&spec, 2, 2, 4).unwrap();
        set_weights(&mut learner, &|to, from| (to + from) % 3 == 0);
        let before = learner.parameter("W_rec").unwrap();
        learner.learn(&[1.0, 0.5], &[1.0, 0.0]).unwrap();
        learner.learn(&[0.2, -0.5], &[0.0, 1.0]).unwrap();
        (before, learner.parameter("W_rec").unwrap())
    };
    let (before, kept) = run(&|o| o.keep_sparsity = true);
    let (_, free) = run(&|_| {});
    for ((before, kept), free) in before.iter().zip(&kept).zip(&free) {
        if *before == 0.0 {
            assert_eq!(*kept, 0.0);
        } else {
            assert!((kept - free).abs() < 1e-12);
        }
    }
    assert!(
        free.iter()
            .zip(&before)
            .any(|(f, b)| *b == 0.0 && *f != 0.0)
    );
    let (_, sparse) = run(&|o| {
        o.rates.W_out = 0.0;
        o.l1 = 1e-3;
    });
    let (_, plain) = run(&|o| o.rates.W_out = 0.0);
    let shrunk = before.iter().zip(sparse.iter().zip(&plain));
    // Two updates of rate 0.1 towards zero; the second gradient differs a little.
    for (before, (sparse, plain)) in shrunk.filter(|(b, _)| b.abs() > 0.1) {
        assert!(
            (plain - sparse - before.signum() * 2e-4).abs() < 1e-5,
            "{plain} {sparse}"
        );
    }
    let (_, noisy) = run(&|o| o.gradient_noise = 0.5);
    let moved: Vec<f64> = noisy.iter().zip(&free).map(|(a, b)| a - b).collect();
    let deviation = (moved.iter().map(|d| d * d).sum::<f64>() / moved.len() as f64).sqrt();
    // Two draws of 0.5 at rate 0.1: 0.0707, four standard errors over 1,024 weights, and what the draws change after.
    assert!(
        (deviation - 0.0707).abs() < 0.0707 * 4.0 / 2048_f64.sqrt() + 2e-3,
        "{deviation}"
    );
}

/// FORCE holds a network together that hears nothing but its own output: it goes on by itself after learning.
#[test]
fn force_learns_a_wave_that_goes_on_by_itself() {
    let spec = |rule_json: &str| LearnerSpec {
        network: NetworkSpec {
            units: 100,
            neuron: NeuronSpec::Rate(RateSpec {
                alpha: 0.1,
                activation: Activation::Tanh,
            }),
            recurrent: Init::Gaussian {
                gain: 1.3,
                fan: Default::default(),
            },
            readout: Init::Zero {},
            output_feedback: Some(Init::Uniform {
                low: -1.0,
                high: 1.0,
            }),
            ..NetworkSpec::default()
        },
        loss: Loss::MeanSquaredError {
            outputs: Outputs::Sum,
        },
        rule: rule(rule_json),
        ..LearnerSpec::default()
    };
    let error = |rule_json: &str| {
        let mut learner = Learner::<f64>::new(&spec(rule_json), 1, 1, 3).unwrap();
        let wave = |t: usize| (t as f64 * std::f64::consts::TAU / 60.0).sin();
        for t in 0..6000 {
            learner.learn(&[0.0], &[wave(t)]).unwrap();
        }
        let mut sum = 0.0;
        for t in 6000..6300 {
            // Nothing is updated any more.
            learner.advance(&[0.0], &[wave(t)], None).unwrap();
            sum += learner.last_loss();
        }
        sum / 300.0
    };
    let (force, frozen) = (
        error(r#"{"kind": "force"}"#),
        error(r#"{"kind": "readout_only"}"#),
    );
    assert!(force < 0.01, "{force}");
    // The gradient of the readout at the default rate does not.
    assert!(frozen > 0.1, "{frozen}");
}

#[test]
fn rules_that_know_no_way_through_the_readout_refuse_a_loop() {
    for info in RULES {
        let spec = LearnerSpec {
            network: NetworkSpec {
                output_feedback: Some(Init::gaussian()),
                ..NetworkSpec::default()
            },
            rule: rule(&format!(r#"{{"kind": "{}"}}"#, info.name)),
            update: Update::Every(10),
            ..LearnerSpec::default()
        };
        let built = Learner::<f64>::new(&spec, 2, 2, 0);
        let fine = [
            "readout_only",
            "rflo",
            "node_perturbation",
            "miconi",
            "random_gradient",
            "force",
            "combined",
        ];
        assert_eq!(built.is_ok(), fine.contains(&info.name), "{}", info.name);
    }
}

/// Miconi's rule learns a choice from the loss of whole trials alone; without its pushes nothing is learned.
#[test]
fn miconi_learns_from_trials() {
    let late = |kind: &str, rate: f64| {
        let spec = LearnerSpec {
            network: NetworkSpec {
                units: 16,
                neuron: NeuronSpec::Rate(RateSpec {
                    alpha: 0.5,
                    activation: Activation::Tanh,
                }),
                ..NetworkSpec::default()
            },
            loss: Loss::MeanSquaredError {
                outputs: Outputs::Sum,
            },
            rule: rule(kind),
            optimizer: OptimizerSpec {
                rate,
                rates: apical::optimizer::PerMatrix {
                    W_out: 0.0,
                    b_out: 0.0,
                    ..Default::default()
                },
                ..OptimizerSpec::default()
            },
            update: Update::Trial,
            ..LearnerSpec::default()
        };
        let mut learner = Learner::<f64>::new(&spec, 2, 1, 3).unwrap();
        let mut last = 0.0;
        for trial in 0..4000 {
            learner.begin_trial();
            let mut sum = 0.0;
            for _ in 0..8 {
                learner.learn(&[1.0, 0.0], &[0.8]).unwrap();
                sum += learner.last_loss() / 8.0;
            }
            learner.end_trial();
            if trial >= 3600 {
                last += sum / 400.0;
            }
        }
        last
    };
    let miconi = r#"{"kind": "miconi", "sigma": 3, "averaging": 0.3}"#;
    let (learned, still) = (late(miconi, 1e-3), late(miconi, 0.0));
    assert!(learned < 0.3 * still, "{learned} {still}");
}

#[test]
fn every_rule_is_in_the_registry_under_its_name() {
    for info in RULES {
        let spec = rule(&format!(r#"{{"kind": "{}"}}"#, info.name));
        assert_eq!(spec.info().name, info.name);
        assert_eq!(apical::rule::RuleSpec::by_name(info.name).unwrap(), spec);
        for other in info.aliases {
            assert_eq!(apical::rule::RuleSpec::by_name(other).unwrap(), spec);
            assert_eq!(rule(&format!(r#"{{"kind": "{other}"}}"#)), spec);
        }
    }
}
