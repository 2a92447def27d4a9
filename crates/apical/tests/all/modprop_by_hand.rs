//! ModProp written out in plain loops, synapse by synapse: on random networks and types the library gives the same gradients.
//!
//! The loops are tied to the exact gradient first: with the derivatives as they were in place of μ they are RTRL.

use crate::common::{difference, rule};
use apical::constraint::TypesSpec;
use apical::feedback::FeedbackSpec;
use apical::loss::Loss;
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, VoltageSpec};
use apical::{Learner, LearnerSpec, Stream, Streams, Update};

const UNITS: usize = 5;
const INPUTS: usize = 2;
const OUTPUTS: usize = 3;
const STEPS: usize = 9;
const LEAK: f64 = 0.8;
const MU: f64 = 0.6;
const TOLERANCE: f64 = 1e-9;

/// A network, a trial whose last step counts, and types of the units.
struct Case {
    w: Vec<f64>,
    u: Vec<f64>,
    v: Vec<f64>,
    x: Vec<f64>,
    class: usize,
    types: Vec<usize>,
    relu: bool,
}

/// What stands between two hops.
#[derive(Clone, Copy, PartialEq)]
enum Between {
    True,
    Mu,
}

impl Case {
    fn random(seed: u64) -> Self {
        let mut stream = Streams::new(seed).stream("case", 0);
        let mut normal = |count: usize, deviation: f64| {
            let mut values = vec![0.0; count];
            Stream::fill_normal(&mut stream, &mut values, deviation);
            values
        };
        let kinds = 1 + seed as usize % 3;
        Self {
            w: normal(UNITS * UNITS, 0.7),
            u: normal(UNITS * INPUTS, 1.0),
            v: normal(OUTPUTS * UNITS, 1.0),
            x: normal(STEPS * INPUTS, 1.0),
            class: seed as usize % OUTPUTS,
            // Every type has a unit, and they are not in a row.
            types: (0..UNITS).map(|j| (j + seed as usize) % kinds).collect(),
            relu: seed.is_multiple_of(2),
        }
    }

    /// Gradients of W_rec and W_in, one row a unit.
    fn learned(&self, json: &str, update: Update) -> Vec<f64> {
        let activation = if self.relu {
            Activation::Relu
        } else {
            Activation::Tanh
        };
        let spec = LearnerSpec {
            network: NetworkSpec {
                units: UNITS,
                neuron: NeuronSpec::Voltage(VoltageSpec {
                    leak: LEAK,
                    activation,
                }),
                types: Some(TypesSpec::Given {
                    of: self.types.clone(),
                }),
                ..NetworkSpec::default()
            },
            loss: Loss::SoftmaxCrossEntropy {},
            feedback: FeedbackSpec::Symmetric {},
            rule: rule(json),
            update,
            ..LearnerSpec::default()
        };
        let mut learner = Learner::<f64>::new(&spec, INPUTS, OUTPUTS, 0).unwrap();
        for (name, values) in [("W_rec", &self.w), ("W_in", &self.u), ("W_out", &self.v)] {
            learner.set_parameter(name, values).unwrap();
        }
        learner.set_parameter("b_out", &[0.0; OUTPUTS]).unwrap();
        learner.set_parameter("b_rec", &[0.0; UNITS]).unwrap();
        let mut y = [0.0; OUTPUTS];
        y[self.class] = 1.0;
        learner.begin_trial();
        for (t, x) in self.x.chunks_exact(INPUTS).enumerate() {
            let counts = if t + 1 == STEPS { 1.0 } else { 0.0 };
            learner.advance(x, &y, Some(&[counts; OUTPUTS])).unwrap();
        }
        learner.flush();
        let row = |i: usize| learner.gradient().row(i)[..UNITS + INPUTS].to_vec();
        (0..UNITS).flat_map(row).collect()
    }

    /// Ŵ, [post, pre].
    fn way(&self, typed: bool) -> Vec<f64> {
        if !typed {
            return self.w.clone();
        }
        let mean = |alpha: usize, beta: usize| {
            let (mut sum, mut count) = (0.0, 0.0);
            for i in 0..UNITS {
                for j in 0..UNITS {
                    if self.types[i] == alpha && self.types[j] == beta {
                        sum += self.w[i * UNITS + j];
                        count += 1.0;
                    }
                }
            }
            sum / count
        };
        let pairs = (0..UNITS * UNITS).map(|k| (k / UNITS, k % UNITS));
        pairs
            .map(|(i, j)| mean(self.types[i], self.types[j]))
            .collect()
    }

    /// Eq. (MP): what leaves a unit through its own synapses travels over Ŵ within the last `taps` steps.
    fn by_hand(&self, typed: bool, paper: bool, between: Between, taps: usize) -> Vec<f64> {
        let way = self.way(typed);
        let pres = UNITS + INPUTS;
        let (mut s, mut z) = ([0.0; UNITS], [0.0; UNITS]);
        let mut h = [0.0; UNITS];
        let mut trace = vec![0.0; pres];
        // n[j][p][q]
        let mut n = vec![0.0; UNITS * UNITS * pres];
        for (t, x) in self.x.chunks_exact(INPUTS).enumerate() {
            // The filter opens `taps` steps before the end.
            if t + taps >= STEPS && t > 0 {
                let mut next = vec![0.0; n.len()];
                for j in 0..UNITS {
                    for p in 0..UNITS {
                        for (q, e) in trace.iter().enumerate() {
                            let at = |k: usize| n[(k * UNITS + p) * pres + q];
                            let sender = if paper { h[p] } else { MU };
                            let mut sum = LEAK * at(j);
                            for (k, slope) in h.iter().enumerate() {
                                let slope = match between {
                                    Between::True => *slope,
                                    Between::Mu => MU,
                                };
                                sum += (1.0 - LEAK) * slope * way[j * UNITS + k] * at(k);
                            }
                            sum += (1.0 - LEAK) * way[j * UNITS + p] * sender * e;
                            next[(j * UNITS + p) * pres + q] = sum;
                        }
                    }
                }
                n = next;
            }
            let pre: Vec<f64> = z.iter().chain(x).copied().collect();
            for (e, pre) in trace.iter_mut().zip(&pre) {
                *e = LEAK * *e + (1.0 - LEAK) * pre;
            }
            for (i, s) in s.iter_mut().enumerate() {
                let w = &self.w[i * UNITS..][..UNITS];
                let u = &self.u[i * INPUTS..][..INPUTS];
                let current: f64 = w.iter().chain(u).zip(&pre).map(|(w, a)| w * a).sum();
                *s = LEAK * *s + (1.0 - LEAK) * current;
            }
            for ((z, h), s) in z.iter_mut().zip(&mut h).zip(s) {
                (*z, *h) = match self.relu {
                    true if s > 0.0 => (s, 1.0),
                    true => (0.0, 0.0),
                    false => (s.tanh(), 1.0 - s.tanh().powi(2)),
                };
            }
        }
        let y: Vec<f64> = self
            .v
            .chunks_exact(UNITS)
            .map(|row| row.iter().zip(&z).map(|(v, z)| v * z).sum::<f64>().exp())
            .collect();
        let all: f64 = y.iter().sum();
        let target = |k: usize| f64::from(u8::from(k == self.class));
        let error: Vec<f64> = (0..OUTPUTS).map(|k| y[k] / all - target(k)).collect();
        let credit: Vec<f64> = (0..UNITS)
            .map(|j| {
                let q: f64 = (0..OUTPUTS).map(|k| self.v[k * UNITS + j] * error[k]).sum();
                q * h[j]
            })
            .collect();
        let mut gradient = Vec::new();
        for p in 0..UNITS {
            for q in 0..pres {
                let far: f64 = (0..UNITS)
                    .map(|j| credit[j] * n[(j * UNITS + p) * pres + q])
                    .sum();
                gradient.push(credit[p] * trace[q] + far);
            }
        }
        gradient
    }
}

#[test]
fn with_the_derivatives_as_they_were_the_loops_are_exact() {
    for seed in 0..12 {
        let case = Case::random(seed);
        let exact = case.learned(r#"{"kind": "rtrl"}"#, Update::Trial);
        let loops = case.by_hand(false, true, Between::True, STEPS);
        assert!(difference(&loops, &exact) < TOLERANCE, "{seed}");
        // And they are not without them.
        let mu = case.by_hand(false, true, Between::Mu, STEPS);
        assert!(difference(&mu, &exact) > 1e-4, "{seed}");
    }
}

#[test]
fn a_filter_of_some_taps_is_credit_within_as_many_steps_before_the_end() {
    for seed in 0..12 {
        let case = Case::random(seed);
        for (typed, weights) in [(true, "typed"), (false, "cell")] {
            for (paper, drive) in [(true, "paper"), (false, "code")] {
                for taps in [Some(0), Some(1), Some(3), Some(STEPS), None] {
                    let bound = taps.map_or(String::new(), |taps| format!(r#", "taps": {taps}"#));
                    let json = format!(
                        r#"{{"kind": "modprop", "mu": {MU}, "drive": "{drive}", "feedback_weights": "{weights}"{bound}}}"#
                    );
                    let loops = case.by_hand(typed, paper, Between::Mu, taps.unwrap_or(STEPS));
                    for update in [Update::Trial, Update::Every(1 << 20)] {
                        let apart = difference(&case.learned(&json, update), &loops);
                        assert!(apart < TOLERANCE, "{seed}, {json}, {update:?}: {apart:e}");
                    }
                }
                // The bound matters.
                let (few, all) = (
                    case.by_hand(typed, paper, Between::Mu, 3),
                    case.by_hand(typed, paper, Between::Mu, STEPS),
                );
                assert!(difference(&few, &all) > 1e-6, "{seed}");
            }
        }
    }
}
