//! Eigenvalues and eigenvectors of real square matrices, for spectral radii and linear filters: small, rare, off the hot path.
//!
//! Complex Schur form A = Q T Qᴴ by Householder reduction to Hessenberg form and single-shift QR steps with Wilkinson's shift
//! (Golub & Van Loan, chapter 7), then back substitution. O(n³), f64. Our own because a linear algebra library would be the
//! largest dependency of the core.

use std::ops::{Add, Mul, Neg, Sub};

/// A complex number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Complex {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

impl Complex {
    const ONE: Self = Self { re: 1.0, im: 0.0 };

    /// From its parts.
    pub fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }

    /// |z|.
    pub fn magnitude(self) -> f64 {
        self.re.hypot(self.im)
    }

    fn conjugate(self) -> Self {
        Self::new(self.re, -self.im)
    }

    fn scaled(self, by: f64) -> Self {
        Self::new(self.re * by, self.im * by)
    }

    fn over(self, other: Self) -> Self {
        // Smith's way: no overflow on the way.
        if other.re.abs() >= other.im.abs() {
            let ratio = other.im / other.re;
            let below = other.re + other.im * ratio;
            let (re, im) = (self.re + self.im * ratio, self.im - self.re * ratio);
            Self::new(re / below, im / below)
        } else {
            let ratio = other.re / other.im;
            let below = other.re * ratio + other.im;
            let (re, im) = (self.re * ratio + self.im, self.im * ratio - self.re);
            Self::new(re / below, im / below)
        }
    }

    fn root(self) -> Self {
        let magnitude = self.magnitude();
        let re = (0.5 * (magnitude + self.re)).max(0.0).sqrt();
        let im = (0.5 * (magnitude - self.re)).max(0.0).sqrt();
        Self::new(re, im.copysign(self.im))
    }
}

impl Add for Complex {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.re + other.re, self.im + other.im)
    }
}

impl Sub for Complex {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::new(self.re - other.re, self.im - other.im)
    }
}

impl Mul for Complex {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self::new(
            self.re * other.re - self.im * other.im,
            self.re * other.im + self.im * other.re,
        )
    }
}

impl Neg for Complex {
    type Output = Self;
    fn neg(self) -> Self {
        Self::new(-self.re, -self.im)
    }
}

/// The Schur form: T in `upper`, and Q if it was asked for. Room is kept, so that it can be worked out again and again.
pub struct Schur {
    n: usize,
    upper: Vec<Complex>,
    /// Empty where Q is not wanted.
    unitary: Vec<Complex>,
    reflector: Vec<Complex>,
    along: Vec<Complex>,
}

impl Schur {
    /// Room for n × n matrices, with Q where `vectors` says so.
    pub fn new(n: usize, vectors: bool) -> Self {
        let zeros = |count| vec![Complex::default(); count];
        Self {
            n,
            upper: zeros(n * n),
            unitary: zeros(if vectors { n * n } else { 0 }),
            reflector: Vec::with_capacity(n),
            along: zeros(n),
        }
    }

    /// Of the n × n matrix in `rows`, row by row; `false` if the iteration does not settle or something is not finite.
    pub fn decompose(&mut self, rows: &[f64]) -> bool {
        if !rows.iter().all(|v| v.is_finite()) {
            return false;
        }
        let pairs = self.upper.iter_mut().zip(rows);
        pairs.for_each(|(z, v)| *z = Complex::new(*v, 0.0));
        let n = self.n;
        for (k, z) in self.unitary.iter_mut().enumerate() {
            *z = Complex::new(f64::from(u8::from(k / n == k % n)), 0.0);
        }
        self.reduce();
        self.iterate()
    }

    /// The eigenvalues of the last matrix, in no particular order.
    pub fn values(&self) -> impl Iterator<Item = Complex> + '_ {
        (0..self.n).map(|k| self.upper[k * self.n + k])
    }

    /// To Hessenberg form.
    fn reduce(&mut self) {
        let n = self.n;
        for k in 0..n.saturating_sub(2) {
            let v = &mut self.reflector;
            v.clear();
            v.extend((k + 1..n).map(|i| self.upper[i * n + k]));
            let length = v
                .iter()
                .map(|z| z.re * z.re + z.im * z.im)
                .sum::<f64>()
                .sqrt();
            if length == 0.0 {
                continue;
            }
            let first = v[0].magnitude();
            let phase = if first == 0.0 {
                Complex::ONE
            } else {
                v[0].scaled(1.0 / first)
            };
            v[0] = v[0] + phase.scaled(length);
            let square: f64 = v.iter().map(|z| z.re * z.re + z.im * z.im).sum();
            let scale = 2.0 / square;
            // A ← H A: a row vector vᴴ A, then A −= scale v (vᴴ A), along rows of memory.
            let along = &mut self.along;
            along.fill(Complex::default());
            for (z, row) in v.iter().zip(self.upper[(k + 1) * n..].chunks_exact(n)) {
                let z = z.conjugate();
                along
                    .iter_mut()
                    .zip(row)
                    .for_each(|(s, a)| *s = *s + z * *a);
            }
            for (z, row) in v.iter().zip(self.upper[(k + 1) * n..].chunks_exact_mut(n)) {
                let z = z.scaled(scale);
                row.iter_mut()
                    .zip(along.iter())
                    .for_each(|(a, s)| *a = *a - z * *s);
            }
            // A ← A H and Q ← Q H.
            let from_right = |matrix: &mut [Complex]| {
                for row in matrix.chunks_exact_mut(n) {
                    let part = &mut row[k + 1..];
                    let terms = part.iter().zip(v.iter()).map(|(a, z)| *a * *z);
                    let sum = terms.fold(Complex::default(), Add::add).scaled(scale);
                    let pairs = part.iter_mut().zip(v.iter());
                    pairs.for_each(|(a, z)| *a = *a - sum * z.conjugate());
                }
            };
            from_right(&mut self.upper);
            from_right(&mut self.unitary);
        }
    }

    /// QR steps until nothing is left below the diagonal.
    fn iterate(&mut self) -> bool {
        const MOST: usize = 60;
        let n = self.n;
        let mut high = n;
        let mut tries = 0;
        while high > 1 {
            let mut low = high - 1;
            while low > 0 {
                let (above, below) = (
                    self.upper[(low - 1) * n + low - 1],
                    self.upper[low * n + low],
                );
                let scale = above.magnitude() + below.magnitude();
                let scale = if scale == 0.0 { 1.0 } else { scale };
                if self.upper[low * n + low - 1].magnitude() <= f64::EPSILON * scale {
                    self.upper[low * n + low - 1] = Complex::default();
                    break;
                }
                low -= 1;
            }
            if low == high - 1 {
                high -= 1;
                tries = 0;
                continue;
            }
            tries += 1;
            if tries > MOST {
                return false;
            }
            let shift = if tries % 11 == 10 {
                // Symmetric patterns can keep the usual shift from working.
                let side = self.upper[(high - 1) * n + high - 2];
                self.upper[(high - 1) * n + high - 1] + Complex::new(side.magnitude(), 0.0)
            } else {
                self.shift(high)
            };
            self.step(low, high, shift);
        }
        true
    }

    /// The eigenvalue of the last 2 × 2 block nearer to its corner.
    fn shift(&self, high: usize) -> Complex {
        let n = self.n;
        let at = |i: usize, j: usize| self.upper[(high - 2 + i) * n + high - 2 + j];
        let half = (at(0, 0) - at(1, 1)).scaled(0.5);
        let root = (half * half + at(0, 1) * at(1, 0)).root();
        let (plus, minus) = (half + root, half - root);
        let larger = if plus.magnitude() >= minus.magnitude() {
            plus
        } else {
            minus
        };
        if larger.magnitude() == 0.0 {
            return at(1, 1);
        }
        at(1, 1) - (at(0, 1) * at(1, 0)).over(larger)
    }

    /// One implicit QR step on rows and columns `low..high`.
    fn step(&mut self, low: usize, high: usize, shift: Complex) {
        let n = self.n;
        let mut first = self.upper[low * n + low] - shift;
        let mut second = self.upper[(low + 1) * n + low];
        // Without Q the rows above and the columns behind the block are not needed.
        let (top, right) = match self.unitary.is_empty() {
            false => (0, n),
            true => (low, high),
        };
        for k in low..high - 1 {
            // A rotation with [c, s; −s̄, c] that turns (first, second) into (r, 0).
            let length = first.magnitude().hypot(second.magnitude());
            if length > 0.0 {
                let magnitude = first.magnitude();
                let (c, s) = if magnitude == 0.0 {
                    (0.0, Complex::ONE)
                } else {
                    let phase = first.scaled(1.0 / magnitude);
                    let s = (phase * second.conjugate()).scaled(1.0 / length);
                    (magnitude / length, s)
                };
                let (head, tail) = self.upper.split_at_mut((k + 1) * n);
                let from = if k > low { k - 1 } else { low };
                let rows = head[k * n + from..k * n + right].iter_mut();
                for (a, b) in rows.zip(&mut tail[from..right]) {
                    let (x, y) = (*a, *b);
                    *a = x.scaled(c) + s * y;
                    *b = y.scaled(c) - s.conjugate() * x;
                }
                let turn = |matrix: &mut [Complex], rows: std::ops::Range<usize>| {
                    for i in rows {
                        let (x, y) = (matrix[i * n + k], matrix[i * n + k + 1]);
                        matrix[i * n + k] = x.scaled(c) + s.conjugate() * y;
                        matrix[i * n + k + 1] = y.scaled(c) - s * x;
                    }
                };
                turn(&mut self.upper, top..(k + 3).min(high));
                let rows = self.unitary.len() / n;
                turn(&mut self.unitary, 0..rows);
            }
            if k + 2 < high {
                first = self.upper[(k + 1) * n + k];
                second = self.upper[(k + 2) * n + k];
            }
        }
    }
}

/// Eigenvalues of the n × n matrix in `rows`, row by row, in no particular order; `None` if they cannot be found.
pub fn eigenvalues(rows: &[f64], n: usize) -> Option<Vec<Complex>> {
    let mut schur = Schur::new(n, false);
    schur.decompose(rows).then(|| schur.values().collect())
}

/// A = X diag(λ) X⁻¹.
pub struct Eigen {
    schur: Schur,
    /// Eigenvectors and their inverse in the basis of Q: upper triangular.
    inner: [Vec<Complex>; 2],
    /// λ.
    pub values: Vec<Complex>,
    /// X, row by row: column k belongs to λ_k and has length 1.
    pub vectors: Vec<Complex>,
    /// X⁻¹, row by row.
    pub inverse: Vec<Complex>,
}

impl Eigen {
    /// Room for n × n matrices.
    pub fn new(n: usize) -> Self {
        let zeros = |count| vec![Complex::default(); count];
        Self {
            schur: Schur::new(n, true),
            inner: [zeros(n * n), zeros(n * n)],
            values: zeros(n),
            vectors: zeros(n * n),
            inverse: zeros(n * n),
        }
    }

    /// Of the matrix in `rows`, row by row; `false` if there is no such decomposition in finite numbers.
    pub fn decompose(&mut self, rows: &[f64]) -> bool {
        if !self.schur.decompose(rows) {
            return false;
        }
        let Schur {
            n,
            ref upper,
            ref unitary,
            ..
        } = self.schur;
        for (k, value) in self.schur.values().enumerate() {
            self.values[k] = value;
        }
        let values = &self.values;
        let norm = upper.iter().map(|z| z.magnitude()).fold(0.0, f64::max);
        let small = (f64::EPSILON * norm).max(f64::MIN_POSITIVE);
        // T Y = Y diag(λ) with Y upper triangular, column by column; Y⁻¹ is upper triangular too.
        let [y, z] = &mut self.inner;
        for k in 0..n {
            y[k * n + k] = Complex::ONE;
            for i in (0..k).rev() {
                let terms = (i + 1..=k).map(|j| upper[i * n + j] * y[j * n + k]);
                let sum = terms.fold(Complex::default(), Add::add);
                let mut gap = values[k] - values[i];
                if gap.magnitude() < small {
                    gap = Complex::new(small, 0.0);
                }
                y[i * n + k] = sum.over(gap);
            }
            let square: f64 = (0..=k).map(|i| y[i * n + k].magnitude().powi(2)).sum();
            let scale = 1.0 / square.sqrt();
            (0..=k).for_each(|i| y[i * n + k] = y[i * n + k].scaled(scale));
        }
        for k in 0..n {
            z[k * n + k] = Complex::ONE.over(y[k * n + k]);
            for i in (0..k).rev() {
                let terms = (i + 1..=k).map(|j| y[i * n + j] * z[j * n + k]);
                let sum = terms.fold(Complex::default(), Add::add);
                z[i * n + k] = -sum.over(y[i * n + i]);
            }
        }
        self.vectors.fill(Complex::default());
        self.inverse.fill(Complex::default());
        for i in 0..n {
            for j in 0..n {
                let q = unitary[i * n + j];
                for k in j..n {
                    self.vectors[i * n + k] = self.vectors[i * n + k] + q * y[j * n + k];
                }
            }
        }
        for k in 0..n {
            for j in k..n {
                let f = z[k * n + j];
                for i in 0..n {
                    let q = unitary[i * n + j].conjugate();
                    self.inverse[k * n + i] = self.inverse[k * n + i] + f * q;
                }
            }
        }
        let finite = |list: &[Complex]| list.iter().all(|z| z.re.is_finite() && z.im.is_finite());
        finite(&self.vectors) && finite(&self.inverse)
    }

    /// ‖X‖ ‖X⁻¹‖ (Frobenius): how much the decomposition loses; n at best.
    pub fn condition(&self) -> f64 {
        let norm = |list: &[Complex]| {
            list.iter()
                .map(|z| z.magnitude().powi(2))
                .sum::<f64>()
                .sqrt()
        };
        norm(&self.vectors) * norm(&self.inverse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Streams;

    fn random(n: usize, seed: u64) -> Vec<f64> {
        let mut stream = Streams::new(seed).stream("test", 0);
        (0..n * n).map(|_| stream.normal()).collect()
    }

    #[test]
    fn the_decomposition_gives_the_matrix_back() {
        for (n, seed) in [(1, 1), (2, 2), (3, 3), (8, 4), (25, 5), (60, 6)] {
            let a = random(n, seed);
            let mut eigen = Eigen::new(n);
            assert!(eigen.decompose(&a));
            let tolerance = 1e-13 * eigen.condition() * n as f64;
            for i in 0..n {
                for j in 0..n {
                    let terms = (0..n).map(|k| {
                        eigen.vectors[i * n + k] * eigen.values[k] * eigen.inverse[k * n + j]
                    });
                    let sum = terms.fold(Complex::default(), Add::add);
                    assert!((sum.re - a[i * n + j]).abs() < tolerance, "{n} {i} {j}");
                    assert!(sum.im.abs() < tolerance);
                }
            }
        }
    }

    #[test]
    fn eigenvalues_of_known_matrices() {
        let sorted = |rows: &[f64], n| {
            let mut values = eigenvalues(rows, n).unwrap();
            values.sort_by(|a, b| a.re.total_cmp(&b.re).then(a.im.total_cmp(&b.im)));
            values
        };
        let near = |z: Complex, re: f64, im: f64| (z - Complex::new(re, im)).magnitude() < 1e-12;
        // A rotation by a right angle, twice as long.
        let values = sorted(&[0.0, -2.0, 2.0, 0.0], 2);
        assert!(near(values[0], 0.0, -2.0) && near(values[1], 0.0, 2.0));
        // A cyclic permutation: the third roots of 1, on which an unlucky shift would stand still.
        let values = sorted(&[0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0], 3);
        let side = 0.75f64.sqrt();
        assert!(near(values[0], -0.5, -side) && near(values[1], -0.5, side));
        assert!(near(values[2], 1.0, 0.0));
        assert!(sorted(&[0.0; 16], 4).iter().all(|z| near(*z, 0.0, 0.0)));
    }

    #[test]
    fn eigenvalues_alone_are_those_with_vectors() {
        for (n, seed) in [(7, 1), (40, 2), (120, 3)] {
            let a = random(n, seed);
            let mut with = Eigen::new(n);
            assert!(with.decompose(&a));
            for value in eigenvalues(&a, n).unwrap() {
                let nearest = with.values.iter().map(|z| (*z - value).magnitude());
                assert!(nearest.fold(f64::INFINITY, f64::min) < 1e-9);
            }
        }
    }

    #[test]
    fn what_is_not_finite_has_none() {
        assert!(eigenvalues(&[f64::NAN], 1).is_none());
        assert!(!Eigen::new(2).decompose(&[1.0, f64::INFINITY, 0.0, 1.0]));
    }
}
