//! Rules without golden vectors: each against what it must equal, and the options all rules share.

mod common;

use apical::feedback::FeedbackSpec;
use apical::loss::{Loss, Outputs};
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, RateSpec};
use apical::optimizer::OptimizerSpec;
use apical::rule::RULES;
use apical::synapse::Init;
use apical::{Learner, LearnerSpec, Streams, Update};
use common::case::Case;
use common::{Data, difference, flat, of_rule, rule};

const RTRL: &str = r#"{"kind": "rtrl"}"#;
const RFLO: &str = r#"{"kind": "rflo"}"#;

/// The recurrent gradient of every step, after `change` to the learner; what comes at the end of the trial last.
fn steps(case: &Case, json: &str, change: &dyn Fn(&mut Learner<f64>)) -> Vec<Vec<f64>> {
    let mut learner = case.learner(json, FeedbackSpec::random());
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

#[test]
fn sparse_influence_with_enough_steps_is_exact_step_by_step() {
    for gated in [false, true] {
        for seed in 0..60 {
            let case = Case::random(seed, gated, true);
            let ring = |to: usize, from: usize| (to + 1) % case.units == from || to == from;
            for keep in [&(|_, _| true) as &dyn Fn(usize, usize) -> bool, &ring] {
                let sparse = |learner: &mut Learner<f64>| set_weights(learner, keep);
                let exact = steps(&case, RTRL, &sparse);
                let got = steps(&case, &snap(case.units.max(2)), &sparse);
                let apart = worst(&got, &exact);
                assert!(apart < 1e-9, "case {seed}, gated {gated}: {apart}");
            }
        }
    }
}

#[test]
fn sparse_influence_of_order_one() {
    let mut seen = 0.0_f64;
    for gated in [false, true] {
        for seed in 0..60 {
            let case = Case::random(seed, gated, true);
            let diagonal = |l: &mut Learner<f64>| set_weights(l, &|to, from| to == from);
            let apart = worst(
                &steps(&case, &snap(1), &diagonal),
                &steps(&case, RTRL, &diagonal),
            );
            assert!(
                apart < 1e-9,
                "diagonal, case {seed}, gated {gated}: {apart}"
            );
            let hollow = |l: &mut Learner<f64>| set_weights(l, &|to, from| to != from);
            let apart = worst(
                &steps(&case, &snap(1), &hollow),
                &steps(&case, RFLO, &hollow),
            );
            assert!(apart < 1e-9, "hollow, case {seed}, gated {gated}: {apart}");
            // And something is dropped otherwise.
            let all = |_: &mut Learner<f64>| {};
            seen = seen.max(worst(
                &steps(&case, &snap(1), &all),
                &steps(&case, RTRL, &all),
            ));
        }
    }
    assert!(seen > 0.1, "{seen}");
}

/// Influence over exactly the connections the order allows: dense RTRL with the mask applied by hand.
#[test]
fn sparse_influence_drops_what_it_says() {
    let cases = (0..).map(|seed| Case::random(seed, false, false));
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

#[test]
fn truncated_bptt_with_a_long_window_is_rtrl_step_by_step() {
    for gated in [false, true] {
        for seed in 0..60 {
            let case = Case::random(seed, gated, true);
            let all = |_: &mut Learner<f64>| {};
            let long = case.data.x.len() + 1;
            let json = format!(r#"{{"kind": "tbptt", "every": 1, "back": {long}}}"#);
            let apart = worst(&steps(&case, &json, &all), &steps(&case, RTRL, &all));
            assert!(apart < 1e-9, "case {seed}, gated {gated}: {apart}");
            for block in [1, 3] {
                let json = format!(r#"{{"kind": "tbptt", "every": {block}, "back": {block}}}"#);
                let e_bptt = format!(r#"{{"kind": "e_bptt", "horizon": {block}}}"#);
                let (mut ours, mut theirs) =
                    (steps(&case, &json, &all), steps(&case, &e_bptt, &all));
                // At the end of the trial the window still reaches back over the edge of the last block.
                ours.pop();
                theirs.pop();
                let apart = worst(&ours, &theirs);
                assert!(
                    apart < 1e-12,
                    "case {seed}, gated {gated}, block {block}: {apart}"
                );
            }
        }
    }
}

#[test]
fn a_kernel_that_stays_the_identity_is_the_local_trace() {
    for seed in 0..60 {
        let case = Case::random(seed, false, true);
        let own = match &case.neuron {
            Some(NeuronSpec::Rate(spec)) => 1.0 - spec.alpha,
            Some(NeuronSpec::Voltage(spec)) => spec.leak,
            _ => unreachable!(),
        };
        let all = |_: &mut Learner<f64>| {};
        for order in ["corrected", "published"] {
            let of = |timescale: f64| {
                format!(
                    r#"{{"kind": "kernl", "order": "{order}", "rate": 0, "timescale": {timescale}}}"#
                )
            };
            let exact = steps(&case, RFLO, &all);
            let apart = worst(&steps(&case, &of(1.0 - own), &all), &exact);
            assert!(apart < 1e-9, "case {seed}, {order}: {apart}");
        }
    }
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
        let case = Case::random(seed, false, false);
        let run = |json: &str| {
            let start = |l: &mut Learner<f64>| {
                let (dims, mut s) = (l.network().dims(), Streams::new(9).stream("nu", 0));
                let mut draw = |count: usize| (0..count).map(|_| s.normal()).collect::<Vec<_>>();
                let count = dims.batch * dims.units;
                let noise = draw(count * 20);
                l.rule_mut().noise_mut().unwrap().0.inject(&noise);
            };
            let mut learner = case.learner(json, FeedbackSpec::Symmetric {});
            start(&mut learner);
            learner.begin_trial();
            let dims = learner.network().dims();
            let mut s = Streams::new(8).stream("start", 0);
            let a: Vec<f64> = (0..dims.units).map(|_| s.normal()).collect();
            let b: Vec<f64> = (0..dims.units * dims.pre()).map(|_| s.normal()).collect();
            assert!(learner.rule_mut().set_start("A", &a));
            assert!(learner.rule_mut().set_start("B", &b));
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
fn combinations_with_a_name_are_that_rule() {
    for seed in 0..20 {
        let case = Case::random(seed, seed % 2 == 1, true);
        let all = |_: &mut Learner<f64>| {};
        for (eligibility, credit, named) in [
            ("trace", "immediate", "rflo"),
            ("influence", "immediate", "rtrl"),
            ("instant", "dendritic", "dendritic"),
            ("uoro", "immediate", "uoro"),
            ("kronecker", "immediate", "kf_rtrl"),
            ("reverse_kronecker", "immediate", "r_kf_rtrl"),
            ("snap", "immediate", "snap"),
            ("kernl", "immediate", "kernl"),
        ] {
            let json = format!(
                r#"{{"kind": "combined", "eligibility": {{"kind": "{eligibility}"}}, "credit": {{"kind": "{credit}"}}}}"#
            );
            let named = format!(r#"{{"kind": "{named}"}}"#);
            assert_eq!(
                steps(&case, &json, &all),
                steps(&case, &named, &all),
                "{json}"
            );
        }
        // One without a name runs and is neither of its relatives.
        let hybrid = r#"{"kind": "combined", "eligibility": {"kind": "snap"}, "credit": {"kind": "dendritic"}}"#;
        let apart = worst(&steps(&case, hybrid, &all), &steps(&case, &snap(1), &all));
        assert!(apart > 1e-6 || case.units < 2, "case {seed}: {apart}");
    }
}

#[test]
fn a_trace_with_the_leak_of_its_units_is_theirs() {
    for seed in 0..40 {
        let case = Case::random(seed, false, true);
        let own = match &case.neuron {
            Some(NeuronSpec::Rate(spec)) => 1.0 - spec.alpha,
            Some(NeuronSpec::Voltage(spec)) => spec.leak,
            _ => unreachable!(),
        };
        let all = |_: &mut Learner<f64>| {};
        let with = |leak: f64| {
            let json = format!(
                r#"{{"kind": "combined", "eligibility": {{"kind": "trace", "leak": {leak}}}}}"#
            );
            steps(&case, &json, &all)
        };
        let trace = steps(&case, RFLO, &all);
        assert!(worst(&with(1.0 - own), &trace) < 1e-12, "case {seed}");
        if case.data.x.len() > 2 && own > 0.0 {
            assert!(
                worst(&with(0.9 * (1.0 - own)), &trace) > 1e-4,
                "case {seed}"
            );
        }
    }
}

#[test]
fn the_trial_form_of_the_trace_is_the_online_form() {
    for gated in [false, true] {
        for seed in 0..60 {
            let case = Case::random(seed, gated, true);
            let whole = |update: Update| {
                let mut learner = case.learner(RFLO, FeedbackSpec::random());
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
                case.run(&mut learner, usize::MAX);
                flat(learner.gradient())
            };
            let apart = difference(&whole(Update::Trials(2)), &whole(Update::Every(u64::MAX)));
            assert!(apart < 1e-9, "case {seed}, gated {gated}: {apart}");
        }
    }
}

/// A network to leave behind.
fn other(case: &Case) -> apical::network::Network<f64> {
    let learner = case.learner(RFLO, FeedbackSpec::random());
    let mut learner = learner;
    let spec = NetworkSpec {
        units: 1,
        ..NetworkSpec::default()
    };
    let small = apical::network::Network::new(&spec, 1, 1, 1, &Streams::new(0)).unwrap();
    std::mem::replace(learner.network_mut(), small)
}

#[test]
fn with_true_credit_alone_the_target_is_that_of_future_facing_bptt() {
    for gated in [false, true] {
        for seed in 0..40 {
            let case = Case::random(seed, gated, true);
            let horizon = 3.min(case.data.x.len()).max(2);
            if case.data.x.len() < horizon {
                continue;
            }
            let json = format!(
                r#"{{"kind": "dendritic", "rate": 0, "lambda": 1, "horizon": {horizon}, "jacobian": {{"kind": "exact"}}}}"#
            );
            let mut learner = case.learner(&json, FeedbackSpec::random());
            // F-BPTT pays gain · credit · a: with credit alone the gradient is that of its oldest step.
            let f_bptt = format!(r#"{{"kind": "f_bptt", "horizon": {horizon}}}"#);
            let paid = steps(&case, &f_bptt, &|_| {});
            learner.begin_trial();
            let dims = learner.network().dims();
            let mut views = Vec::new();
            for (t, (x, y)) in case.data.x.iter().zip(&case.data.y).enumerate() {
                learner.advance(x, y, None).unwrap();
                let view = learner.view();
                let gains: Vec<Vec<f64>> = (0..dims.batch)
                    .flat_map(|b| (0..dims.states * dims.currents).map(move |k| (b, k)))
                    .map(|(b, k)| view.gain(k / dims.currents, k % dims.currents, b).to_vec())
                    .collect();
                let pre: Vec<Vec<f64>> = (0..dims.batch)
                    .map(|b| view.pre(b)[..dims.pre()].to_vec())
                    .collect();
                views.push((gains, pre));
                if t + 1 < horizon {
                    continue;
                }
                let target = of_rule(&mut learner, "target");
                let (gains, pre) = &views[t + 1 - horizon];
                let mut expected = vec![0.0; dims.currents * dims.units * dims.pre()];
                for b in 0..dims.batch {
                    for s in 0..dims.states {
                        for g in 0..dims.currents {
                            for i in 0..dims.units {
                                let credit = target[(b * dims.states + s) * dims.units + i];
                                let gain = gains[(b * dims.states + s) * dims.currents + g][i];
                                for (j, a) in pre[b].iter().enumerate() {
                                    expected[(g * dims.units + i) * dims.pre() + j] +=
                                        credit * gain * a;
                                }
                            }
                        }
                    }
                }
                let apart = difference(&expected, &paid[t]);
                assert!(
                    apart < 1e-9,
                    "case {seed}, gated {gated}, step {t}: {apart}"
                );
            }
        }
    }
}

/// The mean over the noise of Σ_t (L − L̄) e is the gradient of the mean loss of the noisy network, which for small σ is that of
/// the network.
#[test]
fn node_perturbation_is_unbiased_without_decay() {
    let case = Case {
        batch: 256,
        units: 2,
        ..Case::random(12, false, false)
    };
    let data = Data::random(case.loss, 3, 1, case.sizes, 3).repeated(256);
    let case = Case {
        data,
        masked: false,
        ..case
    };
    let mut exact = case.learner(RTRL, FeedbackSpec::Symmetric {});
    case.run(&mut exact, usize::MAX);
    let exact = flat(exact.gradient());
    let norm = exact.iter().map(|g| g * g).sum::<f64>();
    let json = r#"{"kind": "node_perturbation", "sigma": 0.01, "decay": 0, "baseline": 0.05}"#;
    let mut learner = case.learner(json, FeedbackSpec::Symmetric {});
    // Warm up what the loss is expected to be.
    for _ in 0..50 {
        case.run(&mut learner, usize::MAX);
        learner.clear_gradients();
    }
    let mut slopes = Vec::new();
    for _ in 0..4000 {
        case.run(&mut learner, usize::MAX);
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
