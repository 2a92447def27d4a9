//! Rules that watch: what they say is what they would have said had they trained, compared step by step.

use crate::common::{Data, difference, flat, rule};
use apical::analysis::{Comparison, Passive};
use apical::feedback::FeedbackSpec;
use apical::kernel::Matrix;
use apical::loss::Loss;
use apical::network::NetworkSpec;
use apical::synapse::Init;
use apical::task::Sample;
use apical::{Learner, LearnerSpec, Update};

const SEED: u64 = 7;

fn passive(json: &str) -> Passive {
    Passive {
        rule: rule(json),
        feedback: Some(FeedbackSpec::Symmetric {}),
        noise: 0,
    }
}

fn spec(passive: &Passive, recurrent: Init, update: Update) -> LearnerSpec {
    LearnerSpec {
        network: NetworkSpec {
            units: 6,
            recurrent,
            ..NetworkSpec::default()
        },
        loss: Loss::SoftmaxCrossEntropy {},
        feedback: passive.feedback.clone().unwrap(),
        rule: passive.rule.clone(),
        update,
        ..LearnerSpec::default()
    }
}

fn learner(passive: &Passive, recurrent: Init) -> Learner<f64> {
    Learner::new(&spec(passive, recurrent, Update::Step), 3, 2, SEED).unwrap()
}

fn data(steps: usize) -> Data {
    Data::random(Loss::SoftmaxCrossEntropy {}, steps, 1, (3, 2), 5)
}

/// What each step of a learner gives while its weights stand still.
fn gradients(learner: &mut Learner<f64>, data: &Data) -> Vec<Vec<f64>> {
    let step = |(x, y): (&Vec<f64>, &Vec<f64>)| {
        learner.advance(x, y, None).unwrap();
        let gradient = flat(learner.gradient());
        learner.clear_gradients();
        gradient
    };
    data.x.iter().zip(&data.y).map(step).collect()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn watch(rules: &[Passive], recurrent: Init, data: &Data) -> Comparison<f64> {
    let mut trainer = learner(&rules[0], recurrent);
    let mut comparison = Comparison::new(rules, &trainer, false, SEED).unwrap();
    for (x, y) in data.x.iter().zip(&data.y) {
        trainer.advance(x, y, None).unwrap();
        comparison.watch(&trainer).unwrap();
    }
    comparison
}

#[test]
fn streaming_equals_the_computation_over_all_gradients() {
    let (steps, horizon, block) = (61, 4, 3);
    let mut random = passive(r#"{ "kind": "rflo" }"#);
    random.feedback = Some(FeedbackSpec::random());
    let rules = [
        passive(r#"{ "kind": "rtrl" }"#),
        passive(r#"{ "kind": "uoro" }"#),
        random,
        passive(r#"{ "kind": "dendritic", "rate": 0.1 }"#),
        passive(r#"{ "kind": "f_bptt", "horizon": 4 }"#),
        passive(r#"{ "kind": "e_bptt", "horizon": 3 }"#),
    ];
    let data = data(steps);
    let comparison = watch(&rules, Init::orthogonal(), &data);

    let all: Vec<Vec<Vec<f64>>> = rules
        .iter()
        .map(|passive| gradients(&mut learner(passive, Init::orthogonal()), &data))
        .collect();
    // What rule k says of step t, whenever it says so.
    let settled = steps - (horizon - 1);
    let said = |k: usize, t: usize| &all[k][if k == 4 { t + horizon - 1 } else { t }];
    for row in 0..rules.len() {
        for column in 0..row {
            let cosines: Vec<f64> = if row == 5 {
                let sum = |k: usize, from: usize| {
                    let mut sum = vec![0.0; all[0][0].len()];
                    for t in from..from + block {
                        sum.iter_mut().zip(said(k, t)).for_each(|(s, g)| *s += g);
                    }
                    sum
                };
                let blocks = (0..settled / block).map(|k| k * block);
                blocks
                    .map(|from| cosine(&sum(row, from), &sum(column, from)))
                    .collect()
            } else {
                (0..settled)
                    .map(|t| cosine(said(row, t), said(column, t)))
                    .collect()
            };
            let found = comparison.alignment(row, column).unwrap();
            assert_eq!(found.count(), cosines.len() as u64, "{row} {column}");
            let expected = mean(&cosines);
            assert!(
                (found.mean() - expected).abs() < 1e-12,
                "{row} {column}: {} {expected}",
                found.mean()
            );
            let squares: f64 = cosines.iter().map(|c| (c - expected).powi(2)).sum();
            let deviation = (squares / (cosines.len() - 1) as f64).sqrt();
            assert!((found.deviation() - deviation).abs() < 1e-12);
        }
    }
    assert!(comparison.alignment(2, 2).is_none());
}

#[test]
fn without_recurrent_weights_all_rules_agree_once_late_ones_are_put_in_their_place() {
    let rules = [
        passive(r#"{ "kind": "rtrl" }"#),
        passive(r#"{ "kind": "rflo" }"#),
        passive(r#"{ "kind": "f_bptt", "horizon": 5 }"#),
        passive(r#"{ "kind": "f_bptt", "horizon": 9 }"#),
        passive(r#"{ "kind": "e_bptt", "horizon": 4 }"#),
        passive(r#"{ "kind": "e_bptt", "horizon": 6 }"#),
        passive(r#"{ "kind": "tbptt", "every": 3, "back": 9 }"#),
    ];
    let data = data(200);
    let comparison = watch(&rules, Init::Zero {}, &data);
    for alignment in comparison.alignments() {
        assert!(alignment.mean() > 1.0 - 1e-12, "{}", alignment.mean());
        assert!(alignment.count() >= 192 / 12 && alignment.silent() == 0);
    }

    // The control: read at the step they arrive, the late gradients belong to other steps and agree by chance.
    let late = gradients(&mut learner(&rules[2], Init::Zero {}), &data);
    let exact = gradients(&mut learner(&rules[0], Init::Zero {}), &data);
    let pairs = late.iter().zip(&exact).skip(4);
    let uncorrected: Vec<f64> = pairs.map(|(a, b)| cosine(a, b)).collect();
    assert!(mean(&uncorrected).abs() < 0.3, "{}", mean(&uncorrected));
}

#[test]
fn a_rule_without_a_pathway_of_its_own_hears_what_the_trainer_hears() {
    let mut random = passive(r#"{ "kind": "rflo" }"#);
    random.feedback = Some(FeedbackSpec::random());
    let mut same = random.clone();
    same.feedback = None;
    // The first of the list trains.
    let comparison = watch(&[random, same], Init::orthogonal(), &data(50));
    assert!(comparison.alignments()[0].mean() > 1.0 - 1e-12);
    assert_eq!(comparison.alignments()[0].count(), 50);
}

#[test]
fn equal_rules_agree_and_noise_of_ones_own_does_not() {
    let rules = [
        passive(r#"{ "kind": "rflo" }"#),
        passive(r#"{ "kind": "rflo" }"#),
        passive(r#"{ "kind": "uoro" }"#),
        Passive {
            noise: 1,
            ..passive(r#"{ "kind": "uoro" }"#)
        },
        passive(r#"{ "kind": "readout_only" }"#),
    ];
    let comparison = watch(&rules, Init::orthogonal(), &data(300));
    let of = |a, b| comparison.alignment(a, b).unwrap();
    assert!(of(0, 1).mean() > 1.0 - 1e-12);
    assert!(of(2, 3).mean() < 0.9, "{}", of(2, 3).mean());
    // A rule without a gradient agrees with none: 0, not NaN.
    for other in 0..4 {
        let silent = of(4, other);
        assert_eq!((silent.mean(), silent.weighted_mean()), (0.0, 0.0));
        assert_eq!((silent.silent(), silent.broken()), (silent.count(), 0));
    }
}

/// Trials of these lengths; the weights change at the end of each.
fn trials(rules: &[Passive], lengths: &[usize]) -> Comparison<f64> {
    let spec = spec(&rules[0], Init::orthogonal(), Update::Trial);
    let mut trainer = Learner::<f64>::new(&spec, 3, 2, SEED).unwrap();
    let mut comparison = Comparison::new(rules, &trainer, true, SEED).unwrap();
    let data = data(lengths.iter().sum());
    let mut steps = data.x.iter().zip(&data.y);
    let mut sample = Sample::new(1, 3, 2);
    for length in lengths {
        for k in 0..*length {
            let (x, y) = steps.next().unwrap();
            sample.x.copy_from_slice(x);
            sample.y.copy_from_slice(y);
            (sample.first, sample.last) = (k == 0, k + 1 == *length);
            comparison.learn(&mut trainer, &sample).unwrap();
        }
    }
    comparison
}

#[test]
fn over_whole_trials_the_exact_rules_agree() {
    let lengths = [7, 1, 12, 3, 20];
    let rules = [
        passive(r#"{ "kind": "rtrl" }"#),
        passive(r#"{ "kind": "bptt" }"#),
        // Longer than any trial, so that all it says of one comes as one sum.
        passive(r#"{ "kind": "f_bptt", "horizon": 21 }"#),
        passive(r#"{ "kind": "e_bptt", "horizon": 20 }"#),
        passive(r#"{ "kind": "rflo" }"#),
    ];
    let comparison = trials(&rules, &lengths);
    for row in 0..4 {
        for column in 0..row {
            let found = comparison.alignment(row, column).unwrap();
            assert!(found.mean() > 1.0 - 1e-12, "{row} {column}");
            assert_eq!(found.count(), 5, "{row} {column}");
        }
    }
    // The control: a rule that is not exact does not agree.
    assert!(comparison.alignment(4, 1).unwrap().mean() < 0.999);
}

#[test]
fn nothing_is_carried_from_trial_to_trial() {
    let rules = [
        passive(r#"{ "kind": "rtrl" }"#),
        passive(r#"{ "kind": "rflo" }"#),
        passive(r#"{ "kind": "f_bptt", "horizon": 3 }"#),
    ];
    // At the first step of a trial the influence is the immediate one, and all three say the same.
    let comparison = trials(&rules, &[1; 50]);
    for alignment in comparison.alignments() {
        assert!(alignment.mean() > 1.0 - 1e-12 && alignment.count() == 50);
    }
}

#[test]
fn watching_changes_nothing() {
    let rules = [
        passive(r#"{ "kind": "kf_rtrl" }"#),
        passive(r#"{ "kind": "f_bptt", "horizon": 3 }"#),
        passive(r#"{ "kind": "dendritic" }"#),
    ];
    let data = data(100);
    let (mut alone, mut watched) = (
        learner(&rules[0], Init::orthogonal()),
        learner(&rules[0], Init::orthogonal()),
    );
    let mut comparison = Comparison::new(&rules, &watched, false, SEED).unwrap();
    let mut sample = Sample::new(1, 3, 2);
    for (x, y) in data.x.iter().zip(&data.y) {
        sample.x.copy_from_slice(x);
        sample.y.copy_from_slice(y);
        alone.learn_sample(&sample).unwrap();
        comparison.learn(&mut watched, &sample).unwrap();
    }
    let weights = |learner: &Learner<f64>| -> Vec<f64> {
        let network = learner.network();
        let of = |m: &Matrix<f64>| flat(m);
        [of(network.synapses().weights()), of(network.readout())].concat()
    };
    assert_eq!(difference(&weights(&alone), &weights(&watched)), 0.0);
    assert_eq!(alone.steps(), watched.steps());
}

#[test]
fn rules_that_cannot_watch_are_refused() {
    let rtrl = passive(r#"{ "kind": "rtrl" }"#);
    let trainer = learner(&rtrl, Init::orthogonal());
    let refused = |rules: &[Passive]| {
        let error = Comparison::new(rules, &trainer, false, SEED).err().unwrap();
        error.to_string()
    };
    let text = refused(std::slice::from_ref(&rtrl));
    assert!(text.contains("rules: got 1 of them, expected at least 2"));
    let text = refused(&[rtrl.clone(), passive(r#"{ "kind": "bptt" }"#)]);
    assert!(
        text.contains("rules: got bptt") && text.contains("rtrl, which is exact too"),
        "{text}"
    );
    let text = refused(&[
        rtrl.clone(),
        passive(r#"{ "kind": "f_bptt", "horizon": 0 }"#),
    ]);
    assert!(text.contains("rule.horizon: got 0"), "{text}");
    let text = refused(&[rtrl.clone(), passive(r#"{ "kind": "node_perturbation" }"#)]);
    assert!(text.contains("perturbs the network"), "{text}");
    let mut learned = rtrl.clone();
    learned.feedback = Some(serde_json::from_str(r#"{ "kind": "kolen_pollack" }"#).unwrap());
    let text = refused(&[rtrl, learned]);
    assert!(text.contains("feedback.kind: got kolen_pollack"), "{text}");
}
