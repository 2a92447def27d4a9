//! The dendritic rule, step by step against its equations, and what it learns.

use crate::common::{Data, difference, flat, of_rule, rule};
use apical::feedback::FeedbackSpec;
use apical::loss::Loss;
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, RateSpec, VoltageSpec};
use apical::optimizer::OptimizerSpec;
use apical::task::{AddSpec, TaskSpec};
use apical::{Learner, LearnerSpec, Streams, Update};

type Rows = Vec<Vec<f64>>;

fn times(matrix: &Rows, vector: &[f64]) -> Vec<f64> {
    let along = |row: &Vec<f64>| row.iter().zip(vector).map(|(a, b)| a * b).sum();
    matrix.iter().map(along).collect()
}

fn transposed(matrix: &Rows) -> Rows {
    (0..matrix[0].len())
        .map(|j| matrix.iter().map(|row| row[j]).collect())
        .collect()
}

fn add_outer(matrix: &mut Rows, scale: f64, post: &[f64], pre: &[f64]) {
    for (row, f) in matrix.iter_mut().zip(post) {
        row.iter_mut()
            .zip(pre)
            .for_each(|(w, a)| *w += scale * f * a);
    }
}

fn rows(flat: &[f64], columns: usize) -> Rows {
    flat.chunks_exact(columns).map(<[f64]>::to_vec).collect()
}

/// What one step of the network showed.
#[derive(Clone)]
struct Seen {
    state: Vec<f64>,
    rate: Vec<f64>,
    pre: Vec<f64>,
    signal: Vec<f64>,
    label: Vec<f64>,
}

/// The settings of a run by hand.
#[derive(Clone)]
struct Setting {
    neuron: NeuronSpec,
    feedback: FeedbackSpec,
    jacobian: &'static str,
    timing: &'static str,
    phases: &'static str,
    label: &'static str,
    refresh: usize,
    normalize: &'static str,
    regressors: &'static str,
}

const UNITS: usize = 6;
const SIZES: (usize, usize) = (3, 2);
const RATE_A: f64 = 0.05;
const RATE_J: f64 = 0.03;
const DECAY: f64 = 0.2;

impl Setting {
    fn learner(&self) -> Learner<f64> {
        let jacobian = match self.jacobian {
            "exact" => r#"{"kind": "exact"}"#.to_string(),
            kind => {
                let decay = match kind {
                    "local" => format!(r#", "decay": {DECAY}"#),
                    _ => String::new(),
                };
                let regressors = self.regressors;
                format!(
                    r#"{{"kind": "{kind}", "rate": {RATE_J}, "regressors": "{regressors}"{decay}}}"#
                )
            }
        };
        let normalize = self.normalize;
        let (timing, phases, label, refresh) = (self.timing, self.phases, self.label, self.refresh);
        let spec = LearnerSpec {
            network: NetworkSpec {
                units: UNITS,
                neuron: self.neuron.clone(),
                ..NetworkSpec::default()
            },
            feedback: self.feedback.clone(),
            rule: rule(&format!(
                r#"{{"kind": "dendritic", "normalize": "{normalize}", "rate": {RATE_A}, "decay": {DECAY}, "timing": "{timing}", "phases": "{phases}",
                    "label_activation": "{label}", "refresh": {refresh}, "jacobian": {jacobian}}}"#
            )),
            update: Update::Every(u64::MAX),
            ..LearnerSpec::default()
        };
        let mut learner = Learner::new(&spec, SIZES.0, SIZES.1, 7).unwrap();
        let mut stream = Streams::new(7).stream("initial", 0);
        stream.fill_normal(learner.network_mut().initial_mut().row_mut(0), 0.7);
        learner.begin_trial();
        learner
    }

    /// φ' of tanh at the current or the voltage: own, gain at t and slope at t−1, and hence J(t).
    fn jacobian(&self, weights: &Rows, before: &Seen, now: &Seen) -> (Rows, Vec<f64>, Vec<f64>) {
        let steep = |v: &f64| 1.0 - v.tanh() * v.tanh();
        let (own, gain, slope): (f64, Vec<f64>, Vec<f64>) = match &self.neuron {
            NeuronSpec::Rate(spec) => {
                let currents = times(weights, &now.pre);
                let gain = currents.iter().map(|u| spec.alpha * steep(u)).collect();
                (1.0 - spec.alpha, gain, vec![1.0; UNITS])
            }
            NeuronSpec::Voltage(spec) => (
                spec.leak,
                vec![1.0 - spec.leak; UNITS],
                before.state.iter().map(steep).collect(),
            ),
            _ => unreachable!(),
        };
        let element = |k: usize, l: usize| {
            gain[k] * weights[k][l] * slope[l] + if k == l { own } else { 0.0 }
        };
        let jacobian = (0..UNITS)
            .map(|k| (0..UNITS).map(|l| element(k, l)).collect())
            .collect();
        (jacobian, gain, slope)
    }

    /// Twelve steps beside the rule; A, J, K and the gradient of every step must agree.
    fn compare(&self, steps: usize) {
        let mut learner = self.learner();
        let data = Data::random(Loss::SoftmaxCrossEntropy {}, steps, 1, SIZES, 3);
        let weights = rows(
            &flat(learner.network().synapses().weights()),
            UNITS + SIZES.0 + 1,
        );
        let readout = rows(&flat(learner.network().readout()), UNITS + 1);
        let labels = UNITS + SIZES.1 + 1;
        let mut a = rows(&of_rule(&mut learner, "A"), labels);
        let mut slow = a.clone();
        let local = self.jacobian == "local";
        let learned = self.jacobian != "exact";
        // [J, and the columns of x and 1 beside it].
        let outside = learned && self.regressors == "all";
        let mut p = if learned {
            rows(&of_rule(&mut learner, "J"), UNITS)
        } else {
            Rows::new()
        };
        if outside {
            let context = rows(&of_rule(&mut learner, "J_context"), SIZES.0 + 1);
            p.iter_mut().zip(context).for_each(|(p, c)| p.extend(c));
            let start = weights.iter().zip(&p).all(|(w, p)| w == p);
            assert!(start, "it starts as W_rec, W_in and b_rec");
        }
        let over = |power: f64| match self.normalize {
            "power" => 1.0 / power,
            _ => 1.0,
        };
        let square = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>();
        let mut k = if local {
            rows(&of_rule(&mut learner, "K"), UNITS)
        } else {
            Rows::new()
        };
        let with_label = |rate: &[f64], y: &[f64]| [rate, y, &[1.0]].concat();
        let state = |l: &Learner<f64>| l.activity().state[..UNITS].to_vec();
        let rate = |l: &Learner<f64>| l.activity().rate[..UNITS].to_vec();
        let mut before = Seen {
            state: state(&learner),
            rate: rate(&learner),
            pre: Vec::new(),
            signal: vec![0.0; UNITS],
            label: with_label(&rate(&learner), &data.y[0]),
        };
        for t in 0..steps {
            let (x, y) = (&data.x[t], &data.y[t]);
            learner.advance(x, y, None).unwrap();
            let r = rate(&learner);
            // q from the outputs: δ = softmax(z) − y*, through W_out or B.
            let z = times(&readout, &[&r[..], &[1.0]].concat());
            let total: f64 = z.iter().map(|z| z.exp()).sum();
            let delta: Vec<f64> = z.iter().zip(y).map(|(z, y)| z.exp() / total - y).collect();
            let back = match learner.feedback_weights_mut() {
                Some(weights) => rows(&flat(weights), UNITS),
                None => readout.iter().map(|row| row[..UNITS].to_vec()).collect(),
            };
            let now = Seen {
                state: state(&learner),
                pre: [&before.rate[..], x, &[1.0]].concat(),
                signal: times(&transposed(&back), &delta),
                label: with_label(&r, y),
                rate: r,
            };
            let (jacobian, gain, slope) = self.jacobian(&weights, &before, &now);
            let learn_jacobian = |p: &mut Rows, k: &mut Rows| {
                if !learned {
                    return;
                }
                let regressors = match outside {
                    true => &now.pre,
                    false => &before.rate,
                };
                let constant = if outside { 0.0 } else { 1.0 };
                let rate = RATE_J * over(square(regressors) + constant);
                let surprise = times(p, regressors);
                let surprise: Vec<f64> =
                    surprise.iter().zip(&now.rate).map(|(p, r)| p - r).collect();
                if local {
                    for w in p.iter_mut().chain(k.iter_mut()).flatten() {
                        *w *= 1.0 - RATE_J * DECAY;
                    }
                    add_outer(k, -rate, &before.rate, &surprise);
                }
                add_outer(p, -rate, &surprise, regressors);
            };
            let corrected = self.timing == "corrected";
            if corrected {
                learn_jacobian(&mut p, &mut k);
            }
            // T = slope(t−1) ∘ q(t−1) + J(t)ᵀ f(A⁻ ã(t))
            let mut distal = times(&slow, &now.label);
            if self.label == "tanh" {
                distal.iter_mut().for_each(|v| *v = v.tanh());
            }
            let carried = match self.jacobian {
                "exact" => times(&transposed(&jacobian), &distal),
                "learned" => times(&transposed(&p)[..UNITS].to_vec(), &distal),
                _ => times(&k, &distal),
            };
            let signal = if corrected {
                &before.signal
            } else {
                &now.signal
            };
            let voltage = times(&a, &before.label);
            let target: Vec<f64> = (0..UNITS)
                .map(|i| slope[i] * signal[i] + carried[i])
                .collect();
            let error: Vec<f64> = (0..UNITS).map(|i| voltage[i] - target[i]).collect();
            let loss = 0.5 * error.iter().map(|e| e * e).sum::<f64>() / UNITS as f64;
            let old = a.clone();
            for (row, old) in a.iter_mut().zip(&old) {
                row.iter_mut()
                    .zip(old)
                    .for_each(|(w, old)| *w -= RATE_A * DECAY * old);
            }
            let rate = RATE_A * over(square(&before.label));
            add_outer(&mut a, -rate, &error, &before.label);
            if (t + 1) % self.refresh == 0 {
                slow = a.clone();
            }
            let credit = times(
                if self.phases == "two_phase" { &old } else { &a },
                &now.label,
            );
            if !corrected {
                learn_jacobian(&mut p, &mut k);
            }
            let factors: Vec<f64> = credit.iter().zip(&gain).map(|(c, g)| c * g).collect();
            let mut gradient = vec![vec![0.0; now.pre.len()]; UNITS];
            add_outer(&mut gradient, 1.0, &factors, &now.pre);

            let what = format!(
                "{} {} {} {} {} {} {} at {t}",
                learner.network().neuron().name(),
                self.jacobian,
                self.normalize,
                self.regressors,
                self.timing,
                self.phases,
                self.label
            );
            let same = |name: &str, got: &[f64], by_hand: &Rows| {
                let apart = difference(got, &by_hand.concat());
                assert!(apart < 1e-12, "{name}, {what}: {apart}");
            };
            same("gradient", &flat(learner.gradient()), &gradient);
            learner.clear_gradients();
            let read = learner.read(&learner.find("A_loss").unwrap());
            assert!(
                (read - loss).abs() < 1e-12 * loss,
                "A_loss, {what}: {read} {loss}"
            );
            let shown = |name: &str| -> Vec<f64> {
                let element = |i| learner.read(&learner.find(&format!("{name}[{i}]")).unwrap());
                (0..UNITS).map(element).collect()
            };
            same("V_A", &shown("V_A"), &vec![credit.clone()]);
            same("V_A_target", &shown("V_A_target"), &vec![target]);
            same("r_distal", &shown("r_distal"), &vec![distal]);
            same("A", &of_rule(&mut learner, "A"), &a);
            same("A_slow", &of_rule(&mut learner, "A_slow"), &slow);
            if learned {
                let part = |columns: std::ops::Range<usize>| -> Rows {
                    p.iter().map(|row| row[columns.clone()].to_vec()).collect()
                };
                same("J", &of_rule(&mut learner, "J"), &part(0..UNITS));
                if outside {
                    let context = of_rule(&mut learner, "J_context");
                    same("J_context", &context, &part(UNITS..now.pre.len()));
                }
            }
            if local {
                same("K", &of_rule(&mut learner, "K"), &k);
            }
            before = now;
        }
    }
}

fn neurons() -> [NeuronSpec; 3] {
    let activation = Activation::Tanh;
    [
        NeuronSpec::Rate(RateSpec {
            alpha: 1.0,
            activation,
        }),
        NeuronSpec::Rate(RateSpec {
            alpha: 0.4,
            activation,
        }),
        NeuronSpec::Voltage(VoltageSpec {
            leak: 0.6,
            activation,
        }),
    ]
}

/// The target of A with the true Jacobian, W_outᵀδ and no squashing, for both neurons.
#[test]
fn the_target_is_the_credit_one_step_back() {
    for neuron in neurons() {
        let setting = Setting {
            neuron,
            feedback: FeedbackSpec::Symmetric {},
            jacobian: "exact",
            timing: "corrected",
            phases: "interleaved",
            label: "identity",
            refresh: 1,
            normalize: "none",
            regressors: "rates",
        };
        setting.compare(12);
    }
}

const NORMALIZED: [(&str, &str); 4] = [
    ("none", "rates"),
    ("none", "all"),
    ("power", "rates"),
    ("power", "all"),
];

#[test]
fn every_variant_follows_its_equations() {
    for neuron in neurons() {
        for jacobian in ["exact", "learned", "local"] {
            for timing in ["corrected", "scripts2018"] {
                for phases in ["interleaved", "two_phase"] {
                    for label in ["tanh", "identity"] {
                        let exact_only = matches!(neuron, NeuronSpec::Voltage(_));
                        if exact_only && jacobian != "exact" {
                            continue;
                        }
                        for (normalize, regressors) in NORMALIZED {
                            let setting = Setting {
                                neuron: neuron.clone(),
                                feedback: FeedbackSpec::random(),
                                jacobian,
                                timing,
                                phases,
                                label,
                                refresh: 3,
                                normalize,
                                regressors,
                            };
                            setting.compare(12);
                        }
                    }
                }
            }
        }
    }
}

/// The comparisons above can fail: which error enters the target makes another rule.
#[test]
fn the_other_error_is_another_rule() {
    let corrected = Setting {
        neuron: neurons()[0].clone(),
        feedback: FeedbackSpec::random(),
        jacobian: "exact",
        timing: "corrected",
        phases: "interleaved",
        label: "tanh",
        refresh: 3,
        normalize: "none",
        regressors: "rates",
    };
    let published = Setting {
        timing: "scripts2018",
        ..corrected.clone()
    };
    let data = Data::random(Loss::SoftmaxCrossEntropy {}, 2, 1, SIZES, 3);
    let [a, b] = [corrected, published].map(|setting| {
        let mut learner = setting.learner();
        for (x, y) in data.x.iter().zip(&data.y) {
            learner.advance(x, y, None).unwrap();
        }
        of_rule(&mut learner, "A")
    });
    assert!(difference(&a, &b) > 1e-4);
}

fn add_task(lags: [u64; 2]) -> TaskSpec {
    TaskSpec::Add(AddSpec {
        lags,
        ..AddSpec::default()
    })
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// K − Pᵀ shrinks by (1 − η λ) a step whatever the two learn: e⁻¹⁰ of it is left after 10/(η λ) steps.
#[test]
fn a_local_jacobian_becomes_the_transpose_of_its_predictor() {
    const N: usize = 16;
    let aligned = |decay: f64| {
        let rule = format!(
            r#"{{"kind": "dendritic", "jacobian": {{"kind": "local", "rate": 0.05, "decay": {decay}}}}}"#
        );
        let spec = LearnerSpec {
            network: NetworkSpec {
                units: N,
                ..NetworkSpec::default()
            },
            rule: crate::common::rule(&rule),
            ..LearnerSpec::default()
        };
        let mut learner = Learner::<f64>::new(&spec, 2, 2, 1).unwrap();
        let mut task = add_task([1, 2])
            .build(1, 20_000, &Streams::new(1), "train")
            .unwrap();
        let mut trace = Vec::new();
        for _ in 0..3 {
            let k = rows(&of_rule(&mut learner, "K"), N);
            let p = rows(&of_rule(&mut learner, "J"), N);
            trace.push(cosine(&k.concat(), &transposed(&p).concat()));
            learner.run(&mut *task, 5_000, &mut ()).unwrap();
        }
        trace
    };
    let with = aligned(0.02);
    assert!(
        with[0] < 0.3 && with[0] < with[1] && with[2] > 0.99,
        "{with:?}"
    );
    let without = aligned(0.0);
    assert!(without[2] < 0.9, "{without:?}");
}

const SEEDS: u64 = 8;
const STEPS: u64 = 20_000;

/// Loss against the true odds on 10,000 held-out steps, for each seed.
fn losses(json: &str) -> Vec<f64> {
    let of = |seed: u64| {
        let spec = LearnerSpec {
            network: NetworkSpec {
                units: 8,
                ..NetworkSpec::default()
            },
            rule: rule(json),
            optimizer: OptimizerSpec {
                rate: 0.003,
                ..OptimizerSpec::default()
            },
            ..LearnerSpec::default()
        };
        let mut learner = Learner::<f32>::new(&spec, 2, 2, seed).unwrap();
        // Instruction sets round differently, and 20,000 steps make much of little.
        learner
            .network_mut()
            .set_simd(apical::kernel::Simd::portable());
        let build = |purpose| {
            add_task([1, 2])
                .build(1, STEPS, &Streams::new(seed), purpose)
                .unwrap()
        };
        learner.run(&mut *build("train"), STEPS, &mut ()).unwrap();
        learner
            .evaluate(&mut *build("test"), 10_000)
            .unwrap()
            .true_loss
    };
    (0..SEEDS).map(of).collect()
}

/// Mean and standard error over seeds.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

const INTERLEAVED: &str = r#"{"kind": "dendritic", "normalize": "none"}"#;

/// The difference lies within three standard errors of the two means, measured here over the same seeds:
/// seeds spread by about 0.004, so the means of eight are known to about 0.002.
#[test]
fn two_phases_learn_as_well_as_one() {
    let (one, two) = (
        losses(INTERLEAVED),
        losses(r#"{"kind": "dendritic", "normalize": "none", "phases": "two_phase"}"#),
    );
    assert_ne!(one, two);
    let ((a, ea), (b, eb)) = (mean_and_error(&one), mean_and_error(&two));
    let error = ea.hypot(eb);
    assert!(
        error < 0.004,
        "the comparison has become too blunt: {one:?} {two:?}"
    );
    assert!((a - b).abs() < 3.0 * error, "{a} {b} {error}");
}

/// Measured over these seeds: dendritic 0.4765, standard deviation 0.003; readout alone 0.501, standard deviation 0.026.
#[test]
fn credit_from_dendrites_is_worth_having() {
    let (dendritic, control) = (losses(INTERLEAVED), losses(r#"{"kind": "readout_only"}"#));
    let bounds = add_task([1, 2]).bounds();
    let (best, first_lag) = (bounds[3].cross_entropy, bounds[2].cross_entropy);
    for loss in &dendritic {
        // Below what one lag alone can give by more than ten standard deviations, and not below the best possible.
        assert!(
            *loss < best + 0.04 && *loss > best - 0.01 && best + 0.04 < first_lag,
            "{dendritic:?}"
        );
    }
    let gains: Vec<f64> = control.iter().zip(&dendritic).map(|(c, d)| c - d).collect();
    let (gain, error) = mean_and_error(&gains);
    assert!(gain > 2.0 * error && gain > 0.01, "{gain} {error}");
}
