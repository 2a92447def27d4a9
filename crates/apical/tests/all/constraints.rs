//! Signs, masks, rewiring and types hold under training, whatever the rule, and bad ones are refused.

use crate::common::rule;
use apical::constraint::{DaleMethod, DaleSpec, RewiringSpec, SparsitySpec, TypesSpec};
use apical::network::NetworkSpec;
use apical::neuron::NEURONS;
use apical::optimizer::{Method, OptimizerSpec};
use apical::rule::RULES;
use apical::task::{DelayedMatchSpec, Sample, TaskSpec};
use apical::{Learner, LearnerSpec, Streams, Update};

const UNITS: usize = 10;

fn spec(change: impl FnOnce(&mut LearnerSpec)) -> LearnerSpec {
    let mut spec = LearnerSpec {
        network: NetworkSpec {
            units: UNITS,
            ..NetworkSpec::default()
        },
        rule: rule(r#"{"kind": "rflo"}"#),
        optimizer: OptimizerSpec {
            kind: Method::Adam,
            rate: 0.02,
            ..OptimizerSpec::default()
        },
        loss: apical::loss::Loss::SigmoidCrossEntropy {},
        update: Update::Every(3),
        ..LearnerSpec::default()
    };
    change(&mut spec);
    spec
}

fn dale(method: DaleMethod, readout: bool) -> Option<DaleSpec> {
    Some(DaleSpec {
        method,
        excitatory: 0.6,
        inhibitory_first: false,
        readout,
    })
}

fn sign(j: usize) -> f64 {
    if j < 6 { 1.0 } else { -1.0 }
}

/// Trains and shows W_rec and W_out to `look` after every step.
fn train(spec: &LearnerSpec, steps: usize, mut look: impl FnMut(&[f64], &[f64])) -> Learner<f64> {
    let mut learner = Learner::<f64>::new(spec, 2, 2, 3).unwrap();
    let read = |l: &Learner<f64>| (l.parameter("W_rec").unwrap(), l.parameter("W_out").unwrap());
    let (rec, out) = read(&learner);
    look(&rec, &out);
    let task = TaskSpec::DelayedMatch(DelayedMatchSpec::default());
    let mut task = task.build(1, 1 << 20, &Streams::new(1), "train").unwrap();
    let mut sample = Sample::new(1, 2, 2);
    for _ in 0..steps {
        task.next(&mut sample);
        learner.learn_sample(&sample).unwrap();
        let (rec, out) = read(&learner);
        look(&rec, &out);
    }
    learner
}

#[test]
fn dales_law_starts_from_the_absolute_weights() {
    let free = Learner::<f64>::new(&spec(|_| ()), 2, 2, 3).unwrap();
    let held = Learner::<f64>::new(
        &spec(|s| s.network.dale = dale(DaleMethod::Clip, true)),
        2,
        2,
        3,
    )
    .unwrap();
    for name in ["W_rec", "W_out"] {
        let pairs = free.parameter(name).unwrap().into_iter();
        for (k, (free, held)) in pairs.zip(held.parameter(name).unwrap()).enumerate() {
            assert_eq!(held, sign(k % UNITS) * free.abs());
        }
    }
    assert_eq!(free.parameter("W_in"), held.parameter("W_in"));
    let excitatory = held.network().constraints().excitatory().unwrap();
    assert_eq!(excitatory.iter().filter(|e| **e).count(), 6);
}

#[test]
fn no_weight_changes_its_sign_under_any_rule() {
    for info in RULES {
        for method in [DaleMethod::Clip, DaleMethod::Magnitude] {
            let (mut zeros, mut moved) = (0, 0);
            let json = format!(r#"{{"kind": "{}"}}"#, info.name);
            let spec = spec(|s| {
                s.rule = rule(&json);
                s.network.dale = dale(method, true);
            });
            let mut first: Option<Vec<f64>> = None;
            train(&spec, 120, |rec, out| {
                for (k, w) in rec.iter().chain(out).enumerate() {
                    assert!(w * sign(k % UNITS) >= 0.0, "{json} {method:?}");
                    zeros += usize::from(*w == 0.0);
                }
                let first = first.get_or_insert_with(|| rec.to_vec());
                moved += usize::from(first != rec);
            });
            // FORCE learns its readout by itself, and the control changes nothing in the recurrent layer.
            if !["readout_only", "force"].contains(&info.name) {
                assert!(moved > 0, "{json}: nothing learned");
            }
            if info.name == "rflo" {
                assert!(
                    zeros > 0,
                    "{json}: no weight ever reached 0, nothing was tested"
                );
            }
        }
    }
}

/// Whether a weight that was 0 came back.
fn comes_back(method: DaleMethod) -> bool {
    let mut before: Option<Vec<f64>> = None;
    let mut back = false;
    train(
        &spec(|s| s.network.dale = dale(method, false)),
        400,
        |rec, _| {
            if let Some(before) = &before {
                back |= before.iter().zip(rec).any(|(b, w)| *b == 0.0 && *w != 0.0);
            }
            before = Some(rec.to_vec());
        },
    );
    back
}

#[test]
fn clipped_weights_may_come_back_magnitudes_may_not() {
    assert!(comes_back(DaleMethod::Clip));
    assert!(!comes_back(DaleMethod::Magnitude));
}

/// The published parametrisation, written out: θ trained by Adam with gradient ξ g, reset where it was not positive.
#[test]
fn magnitudes_follow_the_published_parametrisation() {
    let spec = spec(|s| {
        s.update = Update::Step;
        s.network.dale = dale(DaleMethod::Magnitude, false);
        s.optimizer.weight_decay = 0.01;
    });
    let mut learner = Learner::<f64>::new(&spec, 2, 2, 3).unwrap();
    let mut theta: Vec<f64> = learner
        .parameter("W_rec")
        .unwrap()
        .iter()
        .map(|w| w.abs())
        .collect();
    let (mut first, mut second) = (vec![0.0; 100], vec![0.0; 100]);
    let task = TaskSpec::DelayedMatch(DelayedMatchSpec::default());
    let mut task = task.build(1, 1 << 20, &Streams::new(1), "train").unwrap();
    let mut sample = Sample::<f64>::new(1, 2, 2);
    let mut lost = 0;
    for step in 1..=300 {
        task.next(&mut sample);
        if sample.first {
            learner.begin_trial();
        }
        learner
            .advance(&sample.x, &sample.y, Some(&sample.mask))
            .unwrap();
        for k in 0..100 {
            let (i, xi) = (k / UNITS, sign(k % UNITS));
            let w = if theta[k] > 0.0 { xi * theta[k] } else { 0.0 };
            let slope = xi * (learner.gradient().row(i)[k % UNITS] + 0.01 * w);
            first[k] = 0.9 * first[k] + 0.1 * slope;
            second[k] = 0.999 * second[k] + 0.001 * slope * slope;
            let was = theta[k];
            let correct = [1.0 - 0.9f64.powi(step), 1.0 - 0.999f64.powi(step)];
            theta[k] -= 0.02 * (first[k] / correct[0]) / ((second[k] / correct[1]).sqrt() + 1e-8);
            if was <= 0.0 {
                theta[k] = 0.0;
            }
            lost += usize::from(theta[k] < 0.0);
        }
        learner.update();
        for (k, w) in learner.parameter("W_rec").unwrap().into_iter().enumerate() {
            let expected = sign(k % UNITS) * theta[k].max(0.0);
            assert!((w - expected).abs() < 1e-9, "{step}: {w} {expected}");
        }
    }
    assert!(
        lost > 0,
        "no magnitude ever fell below 0: nothing was tested"
    );
}

#[test]
fn no_self_connections_and_no_synapses_outside_of_the_mask() {
    let spec = spec(|s| {
        s.network.self_connections = false;
        s.network.sparsity = Some(SparsitySpec {
            density: 0.4,
            rewiring: None,
        });
    });
    let mut exists: Option<Vec<bool>> = None;
    train(&spec, 60, |rec, _| {
        let now: Vec<bool> = rec.iter().map(|w| *w != 0.0).collect();
        assert!((0..UNITS).all(|i| !now[i * UNITS + i]));
        assert_eq!(exists.get_or_insert_with(|| now.clone()), &now);
    });
    // Of 90, 36 are expected; the standard error is 4.6.
    let count = exists.unwrap().iter().filter(|e| **e).count();
    assert!((18..=54).contains(&count), "{count}");
}

/// Dale's law, no self-connections, a mask and rewiring, all at once.
#[test]
fn every_rule_and_neuron_keeps_all_constraints() {
    for info in RULES {
        for neuron in NEURONS {
            let json = format!(r#"{{"kind": "{}"}}"#, info.name);
            let what = format!("{json} on {}", neuron.name);
            let spec = spec(|s| {
                s.rule = rule(&json);
                s.network.neuron =
                    serde_json::from_str(&format!(r#"{{"kind": "{}"}}"#, neuron.name)).unwrap();
                s.network.dale = dale(DaleMethod::Magnitude, true);
                s.network.self_connections = false;
                s.network.sparsity = Some(SparsitySpec {
                    density: 0.6,
                    rewiring: Some(RewiringSpec {
                        connected: 0.8,
                        shrink: 0.05,
                    }),
                });
            });
            // Some rules serve some neurons only, and say so.
            if let Err(error) = Learner::<f64>::new(&spec, 2, 2, 3) {
                assert!(error.to_string().contains("rule.kind"), "{what}: {error}");
                assert_eq!((info.name, neuron.name), ("modprop", "two_compartment"));
                continue;
            }
            let mut drawn: Option<Vec<bool>> = None;
            train(&spec, 60, |rec, out| {
                for (k, w) in rec.iter().chain(out).enumerate() {
                    assert!(w * sign(k % UNITS) >= 0.0, "{what}: sign of {k}");
                }
                let now = rec.iter().map(|w| *w != 0.0);
                let drawn = drawn.get_or_insert_with(|| now.clone().collect());
                let outside = drawn
                    .iter()
                    .zip(now)
                    .filter(|(drawn, now)| !**drawn && *now);
                assert_eq!(outside.count(), 0, "{what}: a synapse outside of the mask");
                assert!((0..UNITS).all(|i| rec[i * UNITS + i] == 0.0), "{what}");
            });
        }
    }
}

fn rewired(connected: f64, readout: bool) -> LearnerSpec {
    spec(|s| {
        s.optimizer.rate = 0.05;
        s.network.dale = dale(DaleMethod::Magnitude, readout);
        s.network.self_connections = false;
        s.network.sparsity = Some(SparsitySpec {
            density: 1.0,
            rewiring: Some(RewiringSpec {
                connected,
                shrink: 0.05,
            }),
        });
    })
}

#[test]
fn lost_synapses_are_replaced() {
    let count = |connected: f64| {
        let (mut least, mut changed) = (usize::MAX, 0);
        let mut before: Option<Vec<bool>> = None;
        train(&rewired(connected, false), 400, |rec, _| {
            let now: Vec<bool> = rec.iter().map(|w| *w != 0.0).collect();
            least = least.min(now.iter().filter(|e| **e).count());
            if let Some(before) = &before {
                changed += before.iter().zip(&now).filter(|(b, n)| !**b && **n).count();
            }
            assert!((0..UNITS).all(|i| !now[i * UNITS + i]));
            before = Some(now);
        });
        (least, changed)
    };
    let all = UNITS * (UNITS - 1);
    let (kept, moved) = count(0.9);
    assert_eq!(kept, all * 9 / 10);
    assert!(moved > 0);
    let (without, moved) = count(0.0);
    assert!(without < kept, "{without}");
    assert_eq!(moved, 0);
}

#[test]
fn constrained_training_goes_on_bit_for_bit() {
    let mut specs = vec![rewired(0.9, true)];
    specs.push(spec(|s| {
        s.network.dale = dale(DaleMethod::Clip, false);
        s.network.sparsity = Some(SparsitySpec {
            density: 0.5,
            rewiring: Some(RewiringSpec::default()),
        });
    }));
    for spec in specs {
        let run = |learner: &mut Learner<f64>, from: usize, to: usize| {
            for t in from..to {
                let x = [f64::from(u8::from(t % 3 == 0)), (t as f64).sin()];
                let y = [f64::from(u8::from(t % 5 == 0)), 0.0];
                learner.learn(&x, &y).unwrap();
            }
        };
        let mut whole = Learner::<f64>::new(&spec, 2, 2, 1).unwrap();
        run(&mut whole, 0, 101);
        let stopped = whole.snapshot().unwrap();
        run(&mut whole, 101, 300);
        // Another seed: masks and signs must come from the snapshot.
        let mut resumed = Learner::<f64>::new(&spec, 2, 2, 2).unwrap();
        resumed.restore(&stopped).unwrap();
        run(&mut resumed, 101, 300);
        assert_eq!(whole.snapshot().unwrap(), resumed.snapshot().unwrap());
    }
}

#[test]
fn types_cut_the_units_as_told() {
    let types = |types: TypesSpec, dale: Option<DaleSpec>| {
        let spec = spec(|s| {
            s.network.types = Some(types);
            s.network.dale = dale;
        });
        let learner = Learner::<f64>::new(&spec, 2, 2, 3).unwrap();
        learner.network().constraints().types().clone()
    };
    let contiguous = types(TypesSpec::Contiguous { count: 3 }, None);
    assert_eq!(contiguous.sizes(), [4, 3, 3]);
    assert_eq!(contiguous.of(), [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]);
    let inhibitory_first = DaleSpec {
        inhibitory_first: true,
        ..dale(DaleMethod::Clip, false).unwrap()
    };
    let by_sign = types(TypesSpec::BySign { each: 2 }, Some(inhibitory_first));
    assert_eq!(by_sign.of(), [0, 0, 1, 1, 2, 2, 2, 3, 3, 3]);
    let of = vec![1, 0, 1, 0, 1, 0, 1, 0, 1, 0];
    assert_eq!(types(TypesSpec::Given { of: of.clone() }, None).of(), of);
    let by_default =
        Learner::<f64>::new(&spec(|s| s.network.dale = Some(inhibitory_first)), 2, 2, 3);
    assert_eq!(
        by_default.unwrap().network().constraints().types().sizes(),
        [4, 6]
    );
}

#[track_caller]
fn refused(change: impl FnOnce(&mut NetworkSpec), text: &str) {
    let spec = spec(|s| change(&mut s.network));
    let error = Learner::<f64>::new(&spec, 2, 2, 3)
        .err()
        .expect("it was built");
    assert!(error.to_string().starts_with(text), "{error}");
}

#[test]
fn bad_constraints_are_named() {
    let share = |excitatory: f64| {
        Some(DaleSpec {
            excitatory,
            ..DaleSpec::default()
        })
    };
    for (value, text) in [
        (
            0.0,
            "network.dale.excitatory: got 0, expected a share of the units between 0 and 1",
        ),
        (
            1.0,
            "network.dale.excitatory: got 1, expected a share of the units between 0 and 1",
        ),
        (f64::NAN, "network.dale.excitatory: got NaN"),
        (
            0.01,
            "network.dale.excitatory: got 0.01, which is 0 of 10 units, expected a share that leaves at least one unit of each sign",
        ),
        (
            0.99,
            "network.dale.excitatory: got 0.99, which is 10 of 10 units",
        ),
    ] {
        refused(|n| n.dale = share(value), text);
    }
    let sparse = |density: f64, connected: f64, shrink: f64| {
        Some(SparsitySpec {
            density,
            rewiring: Some(RewiringSpec { connected, shrink }),
        })
    };
    refused(
        |n| n.sparsity = sparse(0.0, 0.5, 0.0),
        "network.sparsity.density: got 0, expected a number in (0, 1]",
    );
    refused(
        |n| n.sparsity = sparse(0.5, 1.5, 0.0),
        "network.sparsity.rewiring.connected: got 1.5",
    );
    refused(
        |n| n.sparsity = sparse(0.5, 0.5, -1.0),
        "network.sparsity.rewiring.shrink: got -1",
    );
    let given = |of: &[usize]| Some(TypesSpec::Given { of: of.to_vec() });
    refused(
        |n| n.types = given(&[0, 1, 0]),
        "network.types.of: got types of 3 units, expected one for each of the 10 units",
    );
    refused(
        |n| n.types = given(&[0, 2, 0, 0, 0, 0, 0, 0, 0, 0]),
        "network.types.of: got no unit of type 1, though there are types up to 2",
    );
    refused(|n| n.types = given(&[]), "network.types.of: got 0 units");
    refused(
        |n| n.types = Some(TypesSpec::Contiguous { count: 0 }),
        "network.types.count: got 0, expected between 1 and 10",
    );
    refused(
        |n| n.types = Some(TypesSpec::Contiguous { count: 11 }),
        "network.types.count: got 11",
    );
    refused(
        |n| n.types = Some(TypesSpec::BySign { each: 1 }),
        "network.types.kind: got by_sign, expected signs of the units",
    );
    refused(
        |n| {
            n.types = Some(TypesSpec::BySign { each: 6 });
            n.dale = share(0.6);
        },
        "network.types.each: got 6, expected between 1 and 4, the number of inhibitory units. Use fewer types or more units",
    );
}

#[test]
fn a_balanced_start_needs_signs() {
    let balanced = apical::synapse::Init::Balanced {};
    let text = "got balanced, expected a start that needs no signs, or Dale's law";
    refused(
        |n| n.recurrent = balanced.clone(),
        &format!("network.recurrent: {text}"),
    );
    refused(
        |n| n.readout = balanced.clone(),
        &format!("network.readout: {text}"),
    );
    refused(
        |n| n.input = balanced.clone(),
        &format!("network.input: {text}"),
    );
    let spec = spec(|s| {
        s.network.dale = dale(DaleMethod::Magnitude, true);
        s.network.recurrent = balanced.clone();
        s.network.readout = balanced;
    });
    let learner = Learner::<f64>::new(&spec, 2, 2, 3).unwrap();
    for name in ["W_rec", "W_out"] {
        let rows = learner.parameter(name).unwrap();
        for row in rows.chunks_exact(UNITS) {
            assert!(row.iter().sum::<f64>().abs() < 1e-12);
            assert!(row.iter().enumerate().all(|(j, w)| w * sign(j) > 0.0));
        }
    }
}

#[test]
fn a_typed_start_needs_signs_and_keeps_its_blocks_in_training() {
    let typed = |zeroed: f64| apical::synapse::Init::Typed {
        between: 1.0,
        within: 0.5,
        zeroed,
    };
    let text = "got typed, expected a start that needs no signs, or Dale's law";
    refused(
        |n| n.recurrent = typed(0.5),
        &format!("network.recurrent: {text}"),
    );
    refused(
        |n| {
            n.dale = dale(DaleMethod::Clip, false);
            n.readout = typed(0.5);
        },
        &format!("network.readout: {text}"),
    );
    refused(
        |n| {
            n.dale = dale(DaleMethod::Clip, false);
            n.recurrent = typed(1.0);
        },
        "network.recurrent.zeroed: got 1, expected a probability in [0, 1)",
    );
    refused(
        |n| {
            n.dale = dale(DaleMethod::Clip, false);
            n.recurrent = apical::synapse::Init::Typed {
                between: -1.0,
                within: 0.5,
                zeroed: 0.0,
            };
        },
        "network.recurrent.between: got -1, expected a standard deviation of logarithms between 0 and 4",
    );
    // Three excitatory units a type, two inhibitory ones.
    let spec = spec(|s| {
        s.network.dale = dale(DaleMethod::Magnitude, false);
        s.network.types = Some(TypesSpec::BySign { each: 2 });
        s.network.recurrent = typed(0.6);
        s.network.sparsity = Some(SparsitySpec {
            density: 1.0,
            rewiring: Some(RewiringSpec {
                connected: 1.0,
                shrink: 0.5,
            }),
        });
    });
    let mut start: Vec<bool> = Vec::new();
    let mut looks = 0;
    train(&spec, 300, |rec, _| {
        let there = rec.iter().map(|w| *w != 0.0);
        if start.is_empty() {
            start = there.collect();
            let gone = start.iter().filter(|there| !**there).count();
            assert!(gone > 0 && gone < UNITS * UNITS, "{gone}");
        } else {
            let grown = there.zip(&start).any(|(there, was)| there && !was);
            assert!(!grown, "a synapse of a zeroed block");
        }
        assert!(
            rec.iter()
                .enumerate()
                .all(|(k, w)| w * sign(k % UNITS) >= 0.0)
        );
        looks += 1;
    });
    assert_eq!(looks, 301);
}

#[test]
fn constraints_are_written_only_where_they_are() {
    let plain = serde_json::to_string(&NetworkSpec::default()).unwrap();
    for word in ["dale", "self_connections", "sparsity", "types"] {
        assert!(!plain.contains(word), "{plain}");
    }
    let unknown = serde_json::from_str::<NetworkSpec>(r#"{"dale": {"excitatry": 0.5}}"#);
    assert!(
        unknown
            .unwrap_err()
            .to_string()
            .contains("unknown field `excitatry`")
    );
}
