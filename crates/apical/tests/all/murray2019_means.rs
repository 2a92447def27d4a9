//! The averages of Murray 2019, Appendix 2, by Monte Carlo: how the loss falls (Eqs. 36–40) and why feedback aligns (Eqs. 46–55).
//!
//! Linear units; activity of independent Ornstein–Uhlenbeck units with C(s) = exp(−|s|/10), as the appendix assumes, not that of a
//! network. Time runs in steps t = 1..T and integrals are sums, in the formulas as in the draws, so that only chance and powers of 1/N
//! part them. All draws have fixed seeds; bounds are 4 standard errors, measured with the mean.
#![allow(
    clippy::needless_range_loop,
    reason = "indices as the equations have them"
)]

use std::f64::consts::TAU as TURN;

use apical::Streams;

const TAU: f64 = 10.0;

/// A square matrix, row by row.
#[derive(Clone)]
struct Square {
    n: usize,
    values: Vec<f64>,
}

impl Square {
    fn from(n: usize, value: impl FnMut(usize) -> f64) -> Self {
        let values = (0..n * n).map(value).collect();
        Self { n, values }
    }

    fn identity(n: usize) -> Self {
        Self::from(n, |k| f64::from(u8::from(k / n == k % n)))
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.n + j]
    }

    fn scaled(&self, by: f64) -> Self {
        Self::from(self.n, |k| by * self.values[k])
    }

    fn plus(&self, other: &Self, by: f64) -> Self {
        Self::from(self.n, |k| self.values[k] + by * other.values[k])
    }

    fn times(&self, other: &Self) -> Self {
        let n = self.n;
        let mut product = vec![0.0; n * n];
        for (row, left) in product.chunks_exact_mut(n).zip(self.values.chunks_exact(n)) {
            for (right, l) in other.values.chunks_exact(n).zip(left) {
                row.iter_mut().zip(right).for_each(|(p, r)| *p += l * r);
            }
        }
        Self { n, values: product }
    }

    fn norm(&self) -> f64 {
        self.values.iter().map(|v| v * v).sum::<f64>().sqrt()
    }

    /// ‖self − other‖ / ‖other‖.
    fn error(&self, other: &Self) -> f64 {
        self.plus(other, -1.0).norm() / other.norm()
    }

    /// exp by the Taylor series of exp(A/16), four times squared.
    fn exp(&self) -> Self {
        let small = self.scaled(1.0 / 16.0);
        let mut sum = Self::identity(self.n);
        for k in (1..=14).rev() {
            sum = Self::identity(self.n).plus(&small.times(&sum), 1.0 / f64::from(k));
        }
        (0..4).fold(sum, |power, _| power.times(&power))
    }
}

/// Normal(0, g²/N).
fn weights(n: usize, g: f64, mut draw: impl FnMut() -> f64) -> Square {
    let size = g / (n as f64).sqrt();
    Square::from(n, |_| size * draw())
}

/// Mean and its standard error.
#[derive(Clone, Copy, Default)]
struct Mean {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    fn value(&self) -> f64 {
        self.sum / self.count
    }

    fn error(&self) -> f64 {
        let variance = self.squares / self.count - self.value().powi(2);
        (variance / (self.count - 1.0)).sqrt()
    }

    /// Distance from `expected` beyond `slack`, in standard errors.
    fn off(&self, expected: f64, slack: f64) -> f64 {
        ((self.value() - expected).abs() - slack).max(0.0) / self.error()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// C(t − t') of the units.
fn correlation(steps: f64) -> f64 {
    (-steps.abs() / 10.0).exp()
}

/// A target of the tasks of figure 2, t = 1..T.
fn target(steps: usize) -> Vec<f64> {
    let wave = |t: f64| t.sin() + 0.5 * (2.0 * t).sin() + 0.25 * (4.0 * t).sin();
    (1..=steps)
        .map(|t| wave(TURN * t as f64 / steps as f64))
        .collect()
}

/// Activity h_i(t) with correlation C, one row a step.
fn activity(n: usize, steps: usize, mut draw: impl FnMut() -> f64) -> Vec<Vec<f64>> {
    let keep = correlation(1.0);
    let fresh = (1.0 - keep * keep).sqrt();
    let mut rows = vec![(0..n).map(|_| draw()).collect::<Vec<f64>>()];
    for t in 1..steps {
        let next = rows[t - 1].iter().map(|h| keep * h + fresh * draw());
        let next = next.collect();
        rows.push(next);
    }
    rows
}

#[test]
fn mean_propagators_are_those_of_units_alone() {
    // T11, Eq. 36 at t − u = τ, g = 1: ⟨exp(W)⟩ e⁻¹. To first order in 1/N, ⟨(W^2k)_aa⟩ = 1/N (a walk of k steps, taken twice), so that
    // the diagonal is e⁻¹ [1 + (cosh 1 − 1)/N], 0.2/N above e⁻¹. Off it, ⟨(W^k)²_ab⟩ = 1/N: mean square e⁻² Σ_k 1/(k!² N).
    let bessel: f64 = (1..20)
        .scan(1.0, |f, k| {
            *f *= f64::from(k);
            Some(1.0 / (*f * *f))
        })
        .sum();
    let alone = (-1f64).exp();
    for (n, draws) in [(20, 2_000), (80, 600), (160, 60)] {
        let mut stream = Streams::new(11).stream("W", n);
        let (n, size) = (n as usize, n as f64);
        let (mut diagonal, mut other, mut square) =
            (Mean::default(), Mean::default(), Mean::default());
        for _ in 0..draws {
            let power = weights(n, 1.0, || stream.normal()).exp().scaled(alone);
            let trace: f64 = (0..n).map(|a| power.at(a, a)).sum();
            let own: f64 = (0..n).map(|a| power.at(a, a).powi(2)).sum();
            let pairs = size * (size - 1.0);
            diagonal.add(trace / size);
            other.add((power.values.iter().sum::<f64>() - trace) / pairs);
            square.add((power.norm().powi(2) - own) / pairs);
        }
        let (expected, spread) = (
            alone * (1.0 + (1f64.cosh() - 1.0) / size),
            alone * (bessel / size).sqrt(),
        );
        println!(
            "N {n}: diagonal {:.5} ± {:.5} ({expected:.5}, leading {alone:.5}), off {:.5} ± {:.5}, rms {:.4} ({spread:.4})",
            diagonal.value(),
            diagonal.error(),
            other.value(),
            other.error(),
            square.value().sqrt()
        );
        // Further terms are O(1/N²).
        assert!(diagonal.off(expected, 1.0 / (size * size)) < 4.0);
        assert!(other.off(0.0, 0.0) < 4.0);
        assert!((square.value().sqrt() / spread - 1.0).abs() < 2.0 / size + 0.02);
        if n == 20 {
            // The draws are enough to see the correction.
            assert!(diagonal.off(alone, 0.0) > 4.0);
        }
    }
    // With W_ij = W_ji the way to another unit and back does not average out: e⁻¹ I₁(2), whatever N.
    let mut stream = Streams::new(11).stream("symmetric", 0);
    let mut diagonal = Mean::default();
    for _ in 0..100 {
        let w = weights(80, 1.0, || stream.normal());
        let both = Square::from(80, |k| {
            let (i, j) = (k / 80, k % 80);
            w.at(i.max(j), i.min(j))
        });
        let power = both.exp();
        diagonal.add(alone * (0..80).map(|a| power.at(a, a)).sum::<f64>() / 80.0);
    }
    println!(
        "symmetric: {:.3} ± {:.3}",
        diagonal.value(),
        diagonal.error()
    );
    assert!(diagonal.off(alone * 1.5906, 0.01) < 4.0);
}

/// Readout w ~ U(−1, 1)/√N and feedback b ~ N(0, 1), then w partly along b: w·b is about `along` √N.
fn readouts(n: usize, along: f64, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let (mut w, mut b) = (
        Streams::new(seed).stream("w", n as u64),
        Streams::new(seed).stream("b", n as u64),
    );
    let root = (n as f64).sqrt();
    let b: Vec<f64> = (0..n).map(|_| b.normal()).collect();
    let w = b
        .iter()
        .map(|b| (2.0 * w.uniform() - 1.0 + along * b) / root)
        .collect();
    (w, b)
}

#[test]
fn mean_change_of_the_loss_has_the_sign_of_the_alignment() {
    // T12, Eq. 40 without its last 1/T, for one output: P^j_ab(t) = Σ_u (M^(t−u))_ja h_b(u)/τ with M = 1 − (1 − W)/τ, as Eq. 1 steps,
    // whose mean is λ^(t−u) δ_ja, λ = 1 − 1/τ, to leading order. Two corrections of relative order 1/N are known: the twice-walked
    // paths of T11, [(λ + g/τ)^k + (λ − g/τ)^k]/2 − λ^k, and units that are their own readout. Over 15 τ at g = 1 longer walks matter in
    // small networks (N = 20: −4.84 ± 0.04 of 100,000 draws, −4.85 in leading order, −5.40 with 1/N), so that N = 20 has g = 0.7.
    let steps = 150;
    let (y, lambda) = (target(steps), 1.0 - 1.0 / TAU);
    let c: Vec<f64> = (0..steps).map(|s| correlation(s as f64)).collect();
    // A(t, t') = Σ_u Σ_v f(t − u) λ^(t' − v) C(u − v) / τ², and the same with further factors.
    let formula = |w: &[f64], b: &[f64], n: usize, g: f64| {
        let (wb, w2, size) = (dot(w, b), dot(w, w), n as f64);
        let walk = |k: usize| {
            let k = k as i32;
            let twice = (lambda + g / TAU).powi(k) + (lambda - g / TAU).powi(k);
            twice / 2.0 - lambda.powi(k)
        };
        let power: Vec<f64> = (0..steps).map(|k| lambda.powi(k as i32)).collect();
        let walks: Vec<f64> = (0..steps).map(walk).collect();
        let at = |a: usize, b: usize| c[a.abs_diff(b)];
        // Low-pass over v first: K(u, t') = Σ_v λ^(t'−v) C(u − v)/τ.
        let mut low = vec![vec![0.0; steps]; steps];
        for u in 0..steps {
            for t in 0..steps {
                let before = if t > 0 { low[u][t - 1] } else { 0.0 };
                low[u][t] = lambda * before + at(u, t) / TAU;
            }
        }
        let through = |f: &[f64], g: &dyn Fn(usize, usize, usize) -> f64, t: usize, s: usize| {
            (0..=t).map(|u| f[t - u] * g(u, t, s)).sum::<f64>() / TAU
        };
        let main = |u: usize, _: usize, s: usize| low[u][s];
        // The pairings ⟨h_b(u) h_b(t)⟩⟨h_b(v) h_b(t')⟩ and ⟨h_b(u) h_b(t')⟩⟨h_b(v) h_b(t)⟩.
        let same = |u: usize, t: usize, s: usize| at(u, t) * low[s][s] + at(u, s) * low[t][s];
        let (mut leading, mut next) = (0.0, 0.0);
        for t in 0..steps {
            for s in 0..steps {
                let errors = y[t] * y[s] + w2 * at(t, s);
                leading += size * errors * through(&power, &main, t, s);
                next += errors * through(&walks, &main, t, s);
                next += w2 * through(&power, &same, t, s);
            }
        }
        let mean = -wb / (steps * steps) as f64;
        (mean * leading, mean * next)
    };
    for (n, draws, along, g) in [
        (20, 4_000, 0.5, 0.7),
        (50, 2_000, 0.5, 1.0),
        (150, 300, 0.5, 1.0),
        (50, 1_000, -0.5, 1.0),
    ] {
        let (w, b) = readouts(n, along, 12);
        let mut stream = Streams::new(12).stream("draws", n as u64);
        let mut mean = Mean::default();
        for _ in 0..draws {
            let weights = weights(n, g, || stream.normal());
            let h = activity(n, steps, || stream.normal());
            let error: Vec<f64> = h.iter().zip(&y).map(|(h, y)| y - dot(&w, h)).collect();
            // Σ_t ε(t) Σ_j w_j P^j_ab(t) = Σ_u z_a(u) h_b(u)/τ with z(u) = w ε(u) + Mᵀ z(u + 1); likewise p with λ alone.
            let (mut z, mut local) = (vec![0.0; n], 0.0);
            let (mut full, mut heard) = (Vec::new(), vec![0.0; n]);
            for u in (0..steps).rev() {
                let mut back: Vec<f64> = (0..n).map(|i| w[i] * error[u] + lambda * z[i]).collect();
                for (row, z) in weights.values.chunks_exact(n).zip(&z) {
                    back.iter_mut()
                        .zip(row)
                        .for_each(|(b, w)| *b += w * z / TAU);
                }
                z = back;
                local = error[u] + lambda * local;
                heard
                    .iter_mut()
                    .zip(&h[u])
                    .for_each(|(r, h)| *r += local * h / TAU);
                full.push((dot(&z, &b), u));
            }
            let sum: f64 = full
                .iter()
                .map(|(zb, u)| zb * dot(&h[*u], &heard) / TAU)
                .sum();
            mean.add(-sum / (steps * steps) as f64);
        }
        let (leading, next) = formula(&w, &b, n, g);
        println!(
            "N {n}, g {g}, w·b {:.2}: {:.3} ± {:.3}, leading {leading:.3}, with 1/N {:.3}",
            dot(&w, &b),
            mean.value(),
            mean.error(),
            leading + next
        );
        // What is left is of second order: (next/leading)² of the leading term.
        assert!(
            mean.off(leading + next, next * next / leading.abs()) < 4.0,
            "{n}"
        );
        assert_eq!(mean.value() < 0.0, dot(&w, &b) > 0.0);
        assert!(mean.off(0.0, 0.0) > 4.0);
        // As printed, with 1/T more.
        assert!(mean.off(leading / steps as f64, 0.0) > 4.0);
    }
}

#[test]
fn alignment_grows_on_average() {
    // T13, Eqs. 50–51 against 54–55 for one output. Gaussian activity lets the terms of relative order 1/N be written out as well:
    // |w|² [K(t', t') + K(t, t') C] beside N |w|² C K, from units that are their own readout; then nothing is left but chance.
    let steps = 200;
    let (y, keep) = (target(steps), (-1.0 / TAU).exp());
    let c: Vec<f64> = (0..steps).map(|s| correlation(s as f64)).collect();
    // K(t, t') = Σ_t'' e^(−t''/τ) C(t − t' + t'')/τ.
    let mut low = vec![vec![0.0; steps]; steps];
    for t in 0..steps {
        for s in 0..steps {
            let before = if s > 0 { low[t][s - 1] } else { 0.0 };
            low[t][s] = keep * before + c[t.abs_diff(s)] / TAU;
        }
    }
    for (n, draws) in [(20, 4_000), (50, 3_000), (200, 1_000)] {
        let (w, b) = readouts(n, 0.3, 13);
        let (w2, b2, wb, size) = (dot(&w, &w), dot(&b, &b), dot(&w, &b), n as f64);
        let (mut leading, mut next) = ([0.0; 2], [0.0; 2]);
        let share = 1.0 / (TAU * (steps * steps) as f64);
        for t in 0..steps {
            for s in 0..steps {
                let (time, k, c) = (share * (t + 1) as f64, low[t][s], c[t.abs_diff(s)]);
                let own = low[s][s] + k * c;
                leading[0] += time * size * b2 * (y[t] * y[s] + w2 * c) * k;
                leading[1] += time * size * wb * wb * c * k;
                next[0] += time * b2 * w2 * own;
                next[1] += time * wb * wb * own;
            }
        }
        let mut stream = Streams::new(13).stream("draws", n as u64);
        let mut means = [Mean::default(); 2];
        for _ in 0..draws {
            let h = activity(n, steps, || stream.normal());
            let error: Vec<f64> = h.iter().zip(&y).map(|(h, y)| y - dot(&w, h)).collect();
            // Σ_t t ε(t) h(t), Σ_t t (b·h(t)) h(t) and Σ_t' ε(t') h̄(t').
            let (mut first, mut second) = (vec![0.0; n], vec![0.0; n]);
            let (mut trace, mut credit) = (vec![0.0; n], vec![0.0; n]);
            for t in 0..steps {
                let (time, h) = ((t + 1) as f64, &h[t]);
                let back = time * dot(&b, h);
                for i in 0..n {
                    trace[i] = keep * trace[i] + h[i] / TAU;
                    first[i] += time * error[t] * h[i];
                    second[i] += back * h[i];
                    credit[i] += error[t] * trace[i];
                }
            }
            means[0].add(share * b2 * dot(&first, &credit));
            means[1].add(-share * wb * dot(&second, &credit));
        }
        for k in 0..2 {
            let (mean, exact) = (means[k], leading[k] + next[k]);
            println!(
                "N {n}: G{} {:.1} ± {:.1}, leading {:.1}, with 1/N {exact:.1}",
                k + 1,
                mean.value(),
                mean.error(),
                leading[k]
            );
            assert!(mean.off(exact, 0.0) < 4.0, "N {n}, G{}", k + 1);
            assert!(leading[k] > 0.0 && next[k] > 0.0);
        }
        // Small networks show that the formulas are those of large ones.
        if n == 20 {
            assert!(means[0].off(leading[0], 0.0) > 4.0);
        }
        assert!(means[0].off(0.0, 0.0) > 4.0);
    }
}

#[test]
fn perturbed_activity_is_a_duhamel_integral() {
    // T14. The derivative of exp((W + ε ΔW) t/τ) is ∫ exp(W (s − r)) ΔW exp(W r) dr; Eq. 46, s ΔW exp(W s), is its beginning:
    // the error is s ‖[W, ΔW]‖ / (2 ‖ΔW‖) at first. The leak, a multiple of 1, drops out of the ratio.
    let n = 20;
    let mut stream = Streams::new(14).stream("W", 0);
    let (w, change) = (
        weights(n, 1.0, || stream.normal()),
        weights(n, 1.0, || stream.normal()),
    );
    let commutator = w.times(&change).plus(&change.times(&w), -1.0);
    let printed = |change: &Square, s: f64| change.times(&w.scaled(s).exp()).scaled(s);
    let measured = |change: &Square, s: f64| {
        let step = 1e-3;
        let moved = |by: f64| w.plus(change, by).scaled(s).exp();
        // Fourth order in the step.
        let slope = |step: f64| moved(step).plus(&moved(-step), -1.0).scaled(0.5 / step);
        slope(step)
            .scaled(4.0 / 3.0)
            .plus(&slope(2.0 * step), -1.0 / 3.0)
    };
    let mut errors = Vec::new();
    for s in [0.01, 0.1, 0.5, 1.0, 2.0] {
        // Simpson's rule over 256 pieces.
        let pieces = 256;
        let mut integral = Square::from(n, |_| 0.0);
        for k in 0..=pieces {
            let r = s * k as f64 / pieces as f64;
            let weight = match k {
                0 => 1.0,
                k if k == pieces => 1.0,
                k => 2.0 + 2.0 * (k % 2) as f64,
            };
            let term = w
                .scaled(s - r)
                .exp()
                .times(&change)
                .times(&w.scaled(r).exp());
            integral = integral.plus(&term, weight * s / (3 * pieces) as f64);
        }
        let exact = measured(&change, s);
        let (duhamel, short) = (integral.error(&exact), printed(&change, s).error(&exact));
        println!("t/τ {s}: Duhamel {duhamel:.1e}, Eq. 46 {short:.3}");
        assert!(duhamel < 1e-9, "{s}: {duhamel}");
        errors.push(short);
        // Where W and ΔW commute, Eq. 46 is right at any time.
        let square = w.times(&w);
        let error = printed(&square, s).error(&measured(&square, s));
        assert!(error < 1e-9, "{s}: {error}");
    }
    let first = 0.01 * commutator.norm() / (2.0 * change.norm());
    assert!((errors[0] / first - 1.0).abs() < 0.05, "{errors:?} {first}");
    assert!(errors.is_sorted(), "{errors:?}");
    assert!(errors[0] < 0.02 && errors[4] > 0.5, "{errors:?}");
}
