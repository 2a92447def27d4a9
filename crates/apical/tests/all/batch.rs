//! A batch is the mean over its samples, and 32 bits follow 64 as far as their rounding allows.

use crate::common::{Data, PARAMETERS, difference, of_rule, parameters, rule};
use apical::loss::Loss;
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, RateSpec};
use apical::optimizer::OptimizerSpec;
use apical::{Learner, LearnerSpec, Scalar, Update};

const SIZES: (usize, usize) = (3, 2);
const BATCH: usize = 4;
const FROZEN: &str =
    r#"{"kind": "dendritic", "rate": 0, "jacobian": {"kind": "learned", "rate": 0}}"#;
const LEARNED: &str = r#"{"kind": "dendritic", "rate": 0.05, "decay": 0.1, "refresh": 2}"#;
const LOCAL: &str = r#"{"kind": "dendritic", "rate": 0.05,
    "jacobian": {"kind": "local", "rate": 0.03, "decay": 0.2}}"#;
const STILL: &str = r#"{"kind": "dendritic", "rate": 0.05, "decay": 0.1, "phases": "two_phase",
    "jacobian": {"kind": "local", "rate": 0}}"#;
const POWER: &str = r#"{"kind": "dendritic", "normalize": "power", "decay": 0.1, "refresh": 2,
    "jacobian": {"kind": "local", "regressors": "all"}}"#;
const STILL_POWER: &str = r#"{"kind": "dendritic", "normalize": "power", "phases": "two_phase",
    "jacobian": {"kind": "learned", "rate": 0}}"#;
const EXACT: &str = r#"{"kind": "dendritic", "rate": 0.05, "jacobian": {"kind": "exact"}}"#;
const TWO_PHASE: &str = r#"{"kind": "dendritic", "rate": 0.05, "phases": "two_phase"}"#;
const OTHERS: [&str; 3] = [
    r#"{"kind": "rtrl"}"#,
    r#"{"kind": "bptt"}"#,
    r#"{"kind": "readout_only"}"#,
];

fn learner<T: Scalar>(rule_json: &str, batch: usize, update: Update) -> Learner<T> {
    let spec = LearnerSpec {
        network: NetworkSpec {
            units: 7,
            neuron: NeuronSpec::Rate(RateSpec {
                alpha: 0.6,
                activation: Activation::Tanh,
            }),
            ..NetworkSpec::default()
        },
        rule: rule(rule_json),
        optimizer: OptimizerSpec {
            rate: 0.1,
            weight_decay: 0.01,
            ..OptimizerSpec::default()
        },
        update,
        batch,
        ..LearnerSpec::default()
    };
    Learner::new(&spec, SIZES.0, SIZES.1, 3).unwrap()
}

fn data(steps: usize, batch: usize) -> Data {
    Data::random(Loss::SoftmaxCrossEntropy {}, steps, batch, SIZES, 5)
}

/// One trial with one update at its end; the loss and the rates of each step.
fn trial(learner: &mut Learner<f64>, data: &Data) -> Vec<(f64, Vec<f64>)> {
    learner.begin_trial();
    let dims = learner.network().dims();
    let mut seen = Vec::new();
    for (x, y) in data.x.iter().zip(&data.y) {
        learner.advance(x, y, None).unwrap();
        let rate = &learner.activity().rate;
        let rates = (0..dims.batch).flat_map(|b| rate[b * dims.sample()..][..dims.units].to_vec());
        seen.push((learner.last_loss(), rates.collect()));
    }
    learner.end_trial();
    seen
}

fn mean(lists: &[Vec<f64>]) -> Vec<f64> {
    let of = |k: usize| lists.iter().map(|list| list[k]).sum::<f64>() / lists.len() as f64;
    (0..lists[0].len()).map(of).collect()
}

#[test]
fn one_update_is_the_mean_over_samples() {
    let data = data(8, BATCH);
    for json in OTHERS.into_iter().chain([FROZEN]) {
        let mut whole = learner(json, BATCH, Update::Trial);
        let before = parameters(&whole);
        let seen = trial(&mut whole, &data);
        let mut parts = Vec::new();
        let mut alone = Vec::new();
        for b in 0..BATCH {
            let mut part = learner(json, 1, Update::Trial);
            alone.push(trial(&mut part, &data.sample(b, BATCH)));
            parts.push(parameters(&part));
        }
        for (t, (loss, rates)) in seen.iter().enumerate() {
            let losses: Vec<_> = alone.iter().map(|a| vec![a[t].0]).collect();
            assert!(
                (loss - mean(&losses)[0]).abs() < 1e-12,
                "{json} loss at {t}"
            );
            let of: Vec<f64> = alone.iter().flat_map(|a| a[t].1.clone()).collect();
            assert!(difference(rates, &of) < 1e-12, "{json} rates at {t}");
        }
        for (k, name) in PARAMETERS.iter().enumerate() {
            let of: Vec<_> = parts.iter().map(|p| p[k].clone()).collect();
            assert!(
                difference(&parameters(&whole)[k], &mean(&of)) < 1e-12,
                "{json} {name}"
            );
            // Without a recurrent gradient, decay alone moves the recurrent weights, and all alike.
            let learns = json != OTHERS[2] || name.ends_with("out");
            assert_eq!(of[0] != of[1], learns, "{json} {name}");
            assert_eq!(
                of[0] != before[k],
                learns || name.starts_with('W'),
                "{json} {name}"
            );
        }
    }
}

/// What A, J and K learn in one step is the mean of what they would learn from each sample.
#[test]
fn the_distal_matrices_learn_from_the_mean_over_samples() {
    let data = data(1, BATCH);
    for (json, names) in [
        // The target of A is made with the J just learned: A is compared where J stands still.
        (STILL, &["A"][..]),
        (EXACT, &["A"]),
        (LEARNED, &["J"]),
        (LOCAL, &["J", "K"]),
        // Each sample is divided by a power of its own.
        (STILL_POWER, &["A"]),
        (POWER, &["J", "J_context", "K"]),
    ] {
        let step = |batch: usize, data: &Data| {
            let mut learner = learner(json, batch, Update::Step);
            // J learns from the rates before, which a trial that starts at 0 does not have.
            learner.network_mut().initial_mut().row_mut(0).fill(0.3);
            learner.begin_trial();
            learner.learn(&data.x[0], &data.y[0]).unwrap();
            names
                .iter()
                .map(|name| of_rule(&mut learner, name))
                .collect::<Vec<_>>()
        };
        let whole = step(BATCH, &data);
        let parts: Vec<_> = (0..BATCH)
            .map(|b| step(1, &data.sample(b, BATCH)))
            .collect();
        for (k, name) in names.iter().enumerate() {
            let of: Vec<_> = parts.iter().map(|p| p[k].clone()).collect();
            assert!(difference(&whole[k], &mean(&of)) < 1e-13, "{json} {name}");
            assert_ne!(of[0], of[1], "{json} {name}: all samples are alike");
        }
    }
}

#[test]
fn identical_samples_are_one_sample() {
    let single = data(60, 1);
    let repeated = single.repeated(BATCH);
    for json in [
        FROZEN, LEARNED, LOCAL, POWER, EXACT, TWO_PHASE, OTHERS[0], OTHERS[1], OTHERS[2],
    ] {
        // Long enough for several updates of W, of A and refreshes.
        let mut runs = [(1, &single), (BATCH, &repeated)].map(|(batch, data)| {
            let mut learner = learner::<f64>(json, batch, Update::Every(3));
            for (x, y) in data.x.iter().zip(&data.y) {
                learner.learn(x, y).unwrap();
            }
            learner
        });
        let [one, many] = &mut runs;
        for (a, b) in parameters(one).iter().zip(&parameters(many)) {
            assert!(difference(a, b) < 1e-12, "{json}: {}", difference(a, b));
        }
        for name in ["A", "A_slow", "J", "J_context", "K"] {
            let Some((_, one)) = one.rule_mut().array(name).unwrap() else {
                continue;
            };
            assert!(
                difference(&one, &of_rule(many, name)) < 1e-12,
                "{json} {name}"
            );
        }
    }
}

/// 50 steps round each number a few hundred times by at most 6e-8; measured: up to 8e-7 of the largest weight.
#[test]
fn single_precision_follows_double() {
    let data = data(50, BATCH);
    let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<_>>();
    for json in [
        LEARNED, LOCAL, EXACT, TWO_PHASE, OTHERS[0], OTHERS[1], OTHERS[2],
    ] {
        let mut wide = learner::<f64>(json, BATCH, Update::Every(2));
        let mut short = learner::<f32>(json, BATCH, Update::Every(2));
        for (x, y) in data.x.iter().zip(&data.y) {
            let expected = wide.learn(x, y).unwrap().loss;
            let loss = short.learn(&narrow(x), &narrow(y)).unwrap().loss;
            assert!(
                (loss - expected).abs() < 1e-5 * expected,
                "{json}: {loss} {expected}"
            );
        }
        for (a, b) in parameters(&short).iter().zip(&parameters(&wide)) {
            let a: Vec<f64> = a.iter().map(|v| f64::from(*v)).collect();
            let apart = difference(&a, b);
            assert!(apart < 1e-5, "{json}: {apart}");
        }
    }
}
