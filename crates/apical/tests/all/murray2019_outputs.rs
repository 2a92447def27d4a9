//! The averages of Murray 2019, Appendix 2, for several outputs (Eqs. 39 and 52–55): which traces of W_out and B decide.
//!
//! Linear units; activity of independent Ornstein–Uhlenbeck units, as in `murray2019_means.rs`, which has the case of one output. Sums over
//! steps stand for integrals, in the formulas as in the draws. Gaussian activity lets the terms of relative order 1/N, from units that
//! are their own readout, be written out too: then only chance is left, and bounds are 4 standard errors, measured with the mean.
#![allow(
    clippy::needless_range_loop,
    reason = "indices as the equations have them"
)]

use apical::{Stream, Streams};

const TAU: f64 = 10.0;
const STEPS: usize = 200;
const OUTPUTS: usize = 2;

/// W_out by rows, B by columns: one vector over the units for each output.
struct Weights {
    w: [Vec<f64>; OUTPUTS],
    b: [Vec<f64>; OUTPUTS],
}

type Pairs = [[f64; OUTPUTS]; OUTPUTS];

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn pairs(of: impl Fn(usize, usize) -> f64) -> Pairs {
    std::array::from_fn(|i| std::array::from_fn(|k| of(i, k)))
}

fn sum(of: impl Fn(usize, usize) -> f64) -> f64 {
    pairs(of).iter().flatten().sum()
}

impl Weights {
    /// W_out ~ U(−1, 1)/√N and B ~ N(0, 1).
    fn random(n: usize, stream: &mut Stream) -> Self {
        let size = 1.0 / (n as f64).sqrt();
        Self {
            w: std::array::from_fn(|_| {
                (0..n)
                    .map(|_| size * (2.0 * stream.uniform() - 1.0))
                    .collect()
            }),
            b: std::array::from_fn(|_| (0..n).map(|_| stream.normal()).collect()),
        }
    }

    /// Each output is fed back as if it were the other one, once with the wrong sign: B = √N W_outᵀ R, R a quarter turn.
    fn turned(n: usize, stream: &mut Stream) -> Self {
        let Self { w, .. } = Self::random(n, stream);
        let size = (n as f64).sqrt();
        let b = [1.0, -1.0].map(|sign| sign * size);
        let b = [(b[0], 1), (b[1], 0)].map(|(size, k)| w[k].iter().map(|w| size * w).collect());
        Self { w, b }
    }

    /// W_out B.
    fn loops(&self) -> Pairs {
        pairs(|i, k| dot(&self.w[i], &self.b[k]))
    }

    /// W_out W_outᵀ.
    fn readout(&self) -> Pairs {
        pairs(|i, k| dot(&self.w[i], &self.w[k]))
    }

    /// Bᵀ B.
    fn feedback(&self) -> Pairs {
        pairs(|i, k| dot(&self.b[i], &self.b[k]))
    }
}

/// C(t − t') of the units.
fn correlation(t: usize, s: usize) -> f64 {
    (-(t.abs_diff(s) as f64) / 10.0).exp()
}

/// Two targets, one number an output for t = 1..T.
fn targets() -> Vec<[f64; OUTPUTS]> {
    let turn = |t: usize| std::f64::consts::TAU * t as f64 / STEPS as f64;
    let wave = |a: f64| a.sin() + 0.5 * (2.0 * a).sin() + 0.25 * (4.0 * a).sin();
    (1..=STEPS)
        .map(|t| [wave(turn(t)), 0.7 * (turn(t) + 0.5).cos()])
        .collect()
}

/// Sums over one draw of the activity, one vector over the units an output or column of B.
struct Draw {
    /// Σ_t t ε(t) h(t).
    late: [Vec<f64>; OUTPUTS],
    /// Σ_t t (b·h(t)) h(t).
    back: [Vec<f64>; OUTPUTS],
    /// Σ_t ε(t) h̄(t) with h̄ the trace.
    credit: [Vec<f64>; OUTPUTS],
}

impl Draw {
    fn new(weights: &Weights, targets: &[[f64; OUTPUTS]], stream: &mut Stream) -> Self {
        let n = weights.w[0].len();
        let zeros = || std::array::from_fn(|_| vec![0.0; n]);
        let mut draw = Self {
            late: zeros(),
            back: zeros(),
            credit: zeros(),
        };
        let (keep, leak) = (correlation(0, 1), (-1.0 / TAU).exp());
        let fresh = (1.0 - keep * keep).sqrt();
        let mut h: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let mut trace = vec![0.0; n];
        for (t, target) in targets.iter().enumerate() {
            for i in 0..n {
                if t > 0 {
                    h[i] = keep * h[i] + fresh * stream.normal();
                }
                trace[i] = leak * trace[i] + h[i] / TAU;
            }
            let time = (t + 1) as f64;
            for k in 0..OUTPUTS {
                let error = target[k] - dot(&weights.w[k], &h);
                let heard = dot(&weights.b[k], &h);
                for i in 0..n {
                    draw.late[k][i] += time * error * h[i];
                    draw.back[k][i] += time * heard * h[i];
                    draw.credit[k][i] += error * trace[i];
                }
            }
        }
        draw
    }
}

/// K(t, s) = Σ_v e^(−(s−v)/τ) C(t − v)/τ, one row a t.
fn filtered() -> Vec<Vec<f64>> {
    let leak = (-1.0 / TAU).exp();
    let row = |t: usize| {
        let mut value = 0.0;
        let step = |s: usize| {
            value = leak * value + correlation(t, s) / TAU;
            value
        };
        (0..STEPS).map(step).collect()
    };
    (0..STEPS).map(row).collect()
}

/// Mean and standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (count * (count - 1.0))).sqrt())
}

/// The mean lies within 4 standard errors of what is expected, and at least as far from zero.
fn agrees(name: &str, values: &[f64], expected: f64) {
    let (mean, error) = mean(values);
    println!("{name}: {mean:.2} ± {error:.2}, expected {expected:.2}");
    assert!((mean - expected).abs() < 4.0 * error, "{name}");
    assert!(mean.abs() > 4.0 * error, "{name} is lost in chance");
}

#[test]
fn the_loss_falls_with_the_trace_of_readout_and_feedback() {
    // Eq. 39 without its last 1/T. Units do not hear each other (g = 0: Eq. 36 is tested by itself), so that nothing is left out.
    // −N Σ_ik (W_out B)_ik ⟨ε_i ε_k⟩, whose second part is Tr[W_outᵀ W_out B W_out].
    let (y, low) = (targets(), filtered());
    let leak = (-1.0 / TAU).exp();
    // Σ_u e^(−(t−u)/τ) K(u, s)/τ.
    let mut twice = low.clone();
    for s in 0..STEPS {
        let mut value = 0.0;
        for t in 0..STEPS {
            value = leak * value + low[t][s] / TAU;
            twice[t][s] = value;
        }
    }
    for n in [20, 100] {
        let mut stream = Streams::new(39).stream("readouts", n as u64);
        let mut weights = Weights::random(n, &mut stream);
        for k in 0..OUTPUTS {
            for i in 0..n {
                // Partly aligned: the mean of unaligned networks is small.
                weights.w[k][i] += 0.4 * weights.b[k][i] / (n as f64).sqrt();
            }
        }
        let (loops, readout, size) = (weights.loops(), weights.readout(), n as f64);
        let share = 1.0 / (STEPS * STEPS) as f64;
        let mut expected = 0.0;
        for t in 0..STEPS {
            for s in 0..STEPS {
                let main = size * twice[t][s];
                let own = low[t][t] * low[s][s] + low[t][s] * low[s][t];
                expected -= share
                    * sum(|i, k| {
                        let activity = readout[i][k] * (correlation(t, s) * main + own);
                        loops[i][k] * (y[t][i] * y[s][k] * main + activity)
                    });
            }
        }
        let mut stream = Streams::new(39).stream("draws", n as u64);
        let draws: Vec<f64> = (0..2_000)
            .map(|_| {
                let Draw { credit, .. } = Draw::new(&weights, &y, &mut stream);
                -share * sum(|i, k| loops[i][k] * dot(&credit[i], &credit[k]))
            })
            .collect();
        agrees(&format!("N {n}, change of the loss"), &draws, expected);
        assert!(expected < 0.0);
    }
}

#[test]
fn alignment_grows_on_average_whatever_the_feedback() {
    // Eqs. 50–51 against 54–55. G₂ has Tr[(B W_out)²], which may be negative with several outputs; but G₁ has ‖B W_out‖² at the same
    // place, and ‖M‖² + Tr M² = ½ ‖M + Mᵀ‖² ≥ 0: the activity never speaks against alignment, with 1/N as without. The part of the
    // targets is positive for these; the appendix gives no bound for it.
    let (y, low) = (targets(), filtered());
    let share = 1.0 / (TAU * (STEPS * STEPS) as f64);
    for (n, turned) in [(20, false), (20, true), (100, true)] {
        let name = if turned { "turned" } else { "random" };
        let mut stream = Streams::new(54).stream(name, n as u64);
        let weights = if turned {
            Weights::turned(n, &mut stream)
        } else {
            Weights::random(n, &mut stream)
        };
        let (loops, readout, feedback) = (weights.loops(), weights.readout(), weights.feedback());
        // Of the targets, and what both have of the activity, in leading order and with 1/N.
        let (mut wanted, mut leading, mut activity) = (0.0, 0.0, 0.0);
        for t in 0..STEPS {
            for s in 0..STEPS {
                let time = share * (t + 1) as f64;
                let main = n as f64 * low[t][s];
                wanted += time * main * sum(|i, k| feedback[i][k] * y[t][i] * y[s][k]);
                let c = correlation(t, s);
                leading += time * main * c;
                activity += time * (main * c + low[s][s] + low[t][s] * c);
            }
        }
        let first = sum(|i, k| feedback[i][k] * readout[i][k]);
        let second = sum(|i, k| loops[i][k] * loops[k][i]);
        let mut stream = Streams::new(54).stream("draws", n as u64);
        let draws = (0..4_000).map(|_| {
            let draw = Draw::new(&weights, &y, &mut stream);
            let one = sum(|i, k| feedback[i][k] * dot(&draw.late[i], &draw.credit[k]));
            let two = sum(|i, k| -loops[i][k] * dot(&draw.back[i], &draw.credit[k]));
            (share * one, share * two)
        });
        let (one, two): (Vec<f64>, Vec<f64>) = draws.unzip();
        let both: Vec<f64> = one.iter().zip(&two).map(|(a, b)| a + b).collect();
        println!(
            "N {n}, {name}: leading orders {:.2} and {:.2}",
            wanted + first * leading,
            second * leading
        );
        agrees("G1", &one, wanted + first * activity);
        if turned {
            agrees("G2", &two, second * activity);
            assert!(second < 0.0);
        }
        agrees("G", &both, wanted + (first + second) * activity);
        assert!(wanted > 0.0 && first + second >= 0.0);
    }
}
