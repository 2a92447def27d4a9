//! Every optimizer against a naive one, number by number; when updates come and what they put together.

use crate::common::{Data, PARAMETERS, difference, flat, parameters, rule};
use apical::kernel::Matrix;
use apical::loss::Loss;
use apical::network::{Network, NetworkSpec};
use apical::optimizer::{Method, Optimizer, OptimizerSpec, PerMatrix, Schedule};
use apical::{Learner, LearnerSpec, Reduction, Streams, Update};

const UNITS: usize = 5;
const SIZES: (usize, usize) = (3, 2);

/// The equations, written down one number at a time.
struct Naive {
    spec: OptimizerSpec,
    weights: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    updates: i32,
}

impl Naive {
    fn new(spec: &OptimizerSpec, weights: Vec<f64>) -> Self {
        let zeros = vec![0.0; weights.len()];
        let (first, second) = (zeros.clone(), zeros);
        Self {
            spec: spec.clone(),
            weights,
            first,
            second,
            updates: 0,
        }
    }

    /// Factor on the rate and weight decay of the number at `index`: the recurrent rows, then those of the readout.
    fn place(&self, index: usize) -> (f64, f64) {
        let (n, m) = (UNITS, UNITS + SIZES.0 + 1);
        let (rates, decay) = (&self.spec.rates, self.spec.weight_decay);
        let Some(index) = index.checked_sub(n * m) else {
            return match index % m {
                j if j < n => (rates.W_rec, decay),
                j if j < m - 1 => (rates.W_in, decay),
                _ => (rates.b_rec, 0.0),
            };
        };
        if index % (n + 1) < n {
            (rates.W_out, decay)
        } else {
            (rates.b_out, 0.0)
        }
    }

    fn update(&mut self, gradient: &[f64], scale: f64, factor: f64) {
        self.updates += 1;
        let mut gradient: Vec<f64> = gradient.iter().map(|g| scale * g).collect();
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        if let Some(clip) = self.spec.clip
            && norm > clip
        {
            gradient.iter_mut().for_each(|g| *g *= clip / norm);
        }
        for (k, gradient) in gradient.into_iter().enumerate() {
            let (rate, decay) = self.place(k);
            let rate = rate * self.spec.rate * factor;
            let slope = gradient + decay * self.weights[k];
            let step = match self.spec.kind {
                Method::Sgd => slope,
                Method::Momentum => {
                    self.first[k] = self.spec.momentum.unwrap_or(0.8) * self.first[k] + slope;
                    self.first[k]
                }
                _ => {
                    let [b1, b2] = self.spec.betas.unwrap_or([0.9, 0.999]);
                    self.first[k] = b1 * self.first[k] + (1.0 - b1) * slope;
                    self.second[k] = b2 * self.second[k] + (1.0 - b2) * slope * slope;
                    let first = self.first[k] / (1.0 - b1.powi(self.updates));
                    let second = self.second[k] / (1.0 - b2.powi(self.updates));
                    first / (second.sqrt() + self.spec.epsilon.unwrap_or(1e-8))
                }
            };
            self.weights[k] -= rate * step;
        }
    }
}

fn network() -> Network<f64> {
    let spec = NetworkSpec {
        units: UNITS,
        ..NetworkSpec::default()
    };
    Network::new(&spec, SIZES.0, SIZES.1, 1, &Streams::new(4)).unwrap()
}

fn weights(network: &Network<f64>) -> Vec<f64> {
    [flat(network.synapses().weights()), flat(network.readout())].concat()
}

const METHODS: [Method; 3] = [Method::Sgd, Method::Momentum, Method::Adam];

/// Twelve updates with random gradients; returns the weights at the end.
fn compare(spec: &OptimizerSpec) -> Vec<f64> {
    let mut network = network();
    let mut naive = Naive::new(spec, weights(&network));
    let dims = network.dims();
    let silent = apical::feedback::FeedbackSpec::None {};
    let mut feedback = silent
        .build(dims.units, dims.outputs, &Streams::new(0))
        .unwrap();
    let mut optimizer = Optimizer::new(spec, dims, &Streams::new(0)).unwrap();
    let mut recurrent = Matrix::zeros(UNITS, dims.pre());
    let mut readout = Matrix::zeros(SIZES.1, UNITS + 1);
    let mut stream = Streams::new(6).stream("gradients", 0);
    for update in 0..12 {
        for matrix in [&mut recurrent, &mut readout] {
            for i in 0..matrix.rows() {
                stream.fill_normal(matrix.row_mut(i), 1.0);
            }
        }
        let gradient = [flat(&recurrent), flat(&readout)].concat();
        let scale = 0.25 + 0.1 * f64::from(update);
        optimizer.update(
            &mut network,
            &mut recurrent,
            &mut readout,
            scale,
            &mut *feedback,
        );
        naive.update(&gradient, scale, spec.schedule.factor(update as u64));
        let apart = difference(&weights(&network), &naive.weights);
        assert!(apart < 1e-13, "update {update}: {apart} {spec:?}");
        let cleared = [flat(&recurrent), flat(&readout)].concat();
        assert!(cleared.iter().all(|g| *g == 0.0));
    }
    assert_eq!(optimizer.updates(), 12);
    naive.weights
}

#[test]
fn methods_are_their_equations() {
    for kind in METHODS {
        let mut seen: Vec<Vec<f64>> = Vec::new();
        let base = OptimizerSpec {
            kind,
            rate: 0.03,
            ..OptimizerSpec::default()
        };
        let uneven = PerMatrix {
            W_rec: 2.0,
            W_in: 0.5,
            b_rec: 0.0,
            W_out: 0.1,
            b_out: 3.0,
        };
        for spec in [
            base.clone(),
            OptimizerSpec {
                weight_decay: 0.3,
                ..base.clone()
            },
            OptimizerSpec {
                rates: uneven,
                ..base.clone()
            },
            // With scales of 0.25 to 1.35 and a norm of about 7.5, updates on both sides of the bound.
            OptimizerSpec {
                clip: Some(5.0),
                weight_decay: 0.3,
                rates: uneven,
                ..base.clone()
            },
            OptimizerSpec {
                schedule: Schedule::Exponential {
                    decay: 0.8,
                    floor: 0.2,
                },
                ..base.clone()
            },
            OptimizerSpec {
                schedule: Schedule::Step {
                    every: 3,
                    factor: 0.5,
                },
                ..base.clone()
            },
            OptimizerSpec {
                schedule: Schedule::Cosine {
                    updates: 8,
                    floor: 0.1,
                },
                ..base.clone()
            },
            OptimizerSpec {
                schedule: Schedule::Warmup { updates: 7 },
                ..base.clone()
            },
        ] {
            let end = compare(&spec);
            assert!(!seen.contains(&end), "a setting without effect: {spec:?}");
            seen.push(end);
        }
    }
    let momentum = |mu| OptimizerSpec {
        kind: Method::Momentum,
        momentum: Some(mu),
        ..OptimizerSpec::default()
    };
    assert_ne!(compare(&momentum(0.5)), compare(&momentum(0.9)));
    let adam = |betas, epsilon| OptimizerSpec {
        kind: Method::Adam,
        betas: Some(betas),
        epsilon: Some(epsilon),
        ..OptimizerSpec::default()
    };
    assert_ne!(
        compare(&adam([0.5, 0.9], 1e-8)),
        compare(&adam([0.5, 0.9], 0.1))
    );
}

fn learner(
    update: Update,
    reduction: Reduction,
    batch: usize,
    optimizer: OptimizerSpec,
) -> Learner<f64> {
    let spec = LearnerSpec {
        network: NetworkSpec {
            units: UNITS,
            ..NetworkSpec::default()
        },
        rule: rule(r#"{"kind": "rtrl"}"#),
        optimizer,
        update,
        reduction,
        batch,
        ..LearnerSpec::default()
    };
    Learner::new(&spec, SIZES.0, SIZES.1, 1).unwrap()
}

#[test]
fn a_rate_of_zero_freezes_exactly() {
    let data = Data::random(Loss::SoftmaxCrossEntropy {}, 30, 1, SIZES, 2);
    for kind in METHODS {
        for (k, name) in PARAMETERS.iter().enumerate() {
            let mut rates = PerMatrix::default();
            *[
                &mut rates.W_rec,
                &mut rates.W_in,
                &mut rates.b_rec,
                &mut rates.W_out,
                &mut rates.b_out,
            ][k] = 0.0;
            let spec = OptimizerSpec {
                kind,
                rate: 0.1,
                rates,
                weight_decay: 0.1,
                ..OptimizerSpec::default()
            };
            let mut learner = learner(Update::Step, Reduction::Sum, 1, spec);
            let before = parameters(&learner);
            for (x, y) in data.x.iter().zip(&data.y) {
                learner.learn(x, y).unwrap();
            }
            for (l, (now, before)) in parameters(&learner).iter().zip(&before).enumerate() {
                assert_eq!(now == before, l == k, "{name} frozen, {}", PARAMETERS[l]);
            }
        }
    }
}

/// The gradients pending at each update add up to those of its steps, and only then do weights change.
#[test]
fn updates_come_when_they_are_due() {
    const STEPS: usize = 24;
    const TRIAL: usize = 4;
    let data = |batch| Data::random(Loss::SoftmaxCrossEntropy {}, STEPS, batch, SIZES, 3);
    for (update, due) in [
        (Update::Step, 1),
        (Update::Every(1), 1),
        (Update::Every(5), 5),
        // Trials of four steps.
        (Update::Trial, TRIAL),
        (Update::Trials(1), TRIAL),
        (Update::Trials(3), 3 * TRIAL),
    ] {
        for reduction in [Reduction::Sum, Reduction::Mean] {
            for batch in [1, 3] {
                let data = data(batch);
                let spec = OptimizerSpec {
                    rate: 0.1,
                    weight_decay: 0.01,
                    ..OptimizerSpec::default()
                };
                let mut learner = learner(update, reduction, batch, spec.clone());
                let start = |l: &Learner<f64>| weights(l.network());
                let mut naive = Naive::new(&spec, start(&learner));
                let mut other = self::learner(Update::Every(u64::MAX), reduction, batch, spec);
                for t in 0..STEPS {
                    let before = start(&learner);
                    let (x, y) = (&data.x[t], &data.y[t]);
                    if t % TRIAL == 0 {
                        learner.begin_trial();
                        other.begin_trial();
                    }
                    learner.learn(x, y).unwrap();
                    other.advance(x, y, None).unwrap();
                    if t % TRIAL == TRIAL - 1 {
                        learner.end_trial();
                        other.end_trial();
                    }
                    let changed = start(&learner) != before;
                    assert_eq!(changed, (t + 1) % due == 0, "{update:?} at {t}");
                    if changed {
                        let gradient =
                            [flat(other.gradient()), flat(other.readout_gradient())].concat();
                        let steps = if reduction == Reduction::Mean { due } else { 1 };
                        naive.update(&gradient, 1.0 / (steps * batch) as f64, 1.0);
                        let apart = difference(&start(&learner), &naive.weights);
                        assert!(
                            apart < 1e-13,
                            "{update:?} {reduction:?} batch {batch} at {t}: {apart}"
                        );
                        other.clear_gradients();
                        for name in PARAMETERS {
                            other
                                .set_parameter(name, &learner.parameter(name).unwrap())
                                .unwrap();
                        }
                    }
                }
            }
        }
    }
}

/// Backpropagation gives the same update whether its trials are flushed one by one or there is only one.
#[test]
fn a_tape_ends_with_its_trial() {
    let data = Data::random(Loss::SoftmaxCrossEntropy {}, 12, 1, SIZES, 3);
    let run = |kind: &str| {
        let spec = LearnerSpec {
            network: NetworkSpec {
                units: UNITS,
                ..NetworkSpec::default()
            },
            rule: rule(&format!(r#"{{"kind": "{kind}"}}"#)),
            optimizer: OptimizerSpec {
                rate: 0.1,
                ..OptimizerSpec::default()
            },
            update: Update::Trials(3),
            ..LearnerSpec::default()
        };
        let mut learner = Learner::<f64>::new(&spec, SIZES.0, SIZES.1, 1).unwrap();
        let before = parameters(&learner);
        for (t, (x, y)) in data.x.iter().zip(&data.y).enumerate() {
            if t % 4 == 0 {
                learner.begin_trial();
            }
            learner.learn(x, y).unwrap();
            assert_eq!(parameters(&learner), before);
        }
        learner.end_trial();
        assert_ne!(parameters(&learner), before);
        parameters(&learner).concat()
    };
    assert!(difference(&run("bptt"), &run("rtrl")) < 1e-12);
}

/// Gradients that are dropped leave no debt behind, not even on a tape.
#[test]
fn dropped_gradients_are_gone() {
    let data = Data::random(Loss::SoftmaxCrossEntropy {}, 6, 1, SIZES, 3);
    for kind in ["bptt", "rtrl", "dendritic"] {
        let spec = LearnerSpec {
            network: NetworkSpec {
                units: UNITS,
                ..NetworkSpec::default()
            },
            rule: rule(&format!(r#"{{"kind": "{kind}"}}"#)),
            optimizer: OptimizerSpec {
                rate: 0.1,
                ..OptimizerSpec::default()
            },
            update: Update::Trial,
            ..LearnerSpec::default()
        };
        let mut learner = Learner::<f64>::new(&spec, SIZES.0, SIZES.1, 1).unwrap();
        let before = parameters(&learner);
        learner.begin_trial();
        for (x, y) in data.x.iter().zip(&data.y) {
            learner.learn(x, y).unwrap();
        }
        learner.clear_gradients();
        learner.end_trial();
        assert_eq!(parameters(&learner), before, "{kind}");
    }
}
