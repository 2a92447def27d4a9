//! Summarise the angle between two gradients over many steps, in constant memory.
//!
//! Alignment is the normalised scalar product ⟨g, h⟩ / (|g| |h|) of the flattened gradients, weighted in some summaries by
//! |g| |h| (Marschall, Cho & Savin 2020, section 3.5). Where a norm is 0 the alignment is 0, not NaN, and weighs nothing.

use crate::kernel::{Matrix, Simd, dot};
use crate::snapshot::{STEPS, StateIo};
use crate::{Result, Scalar};

/// Bins of the histogram over [−1, 1].
pub const BINS: usize = 100;

/// Running summary of the alignment of two rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    count: u64,
    mean: f64,
    /// Σ (c − mean)².
    squares: f64,
    weight: f64,
    weighted: f64,
    silent: u64,
    broken: u64,
    histogram: [u64; BINS],
    weights: [f64; BINS],
}

impl Default for Alignment {
    fn default() -> Self {
        Self {
            count: 0,
            mean: 0.0,
            squares: 0.0,
            weight: 0.0,
            weighted: 0.0,
            silent: 0,
            broken: 0,
            histogram: [0; BINS],
            weights: [0.0; BINS],
        }
    }
}

impl Alignment {
    /// Adds one pair of gradients.
    pub fn add<T: Scalar>(&mut self, simd: Simd, a: &Matrix<T>, b: &Matrix<T>) {
        let product = dot(simd, a.data(), b.data()).f64();
        self.add_product(product, norm(simd, a), norm(simd, b));
    }

    /// Adds one pair by its scalar product and its norms.
    pub(super) fn add_product(&mut self, product: f64, a: f64, b: f64) {
        let weight = a * b;
        if !(product.is_finite() && weight.is_finite()) {
            self.broken += 1;
            return;
        }
        let cosine = if weight > 0.0 {
            (product / weight).clamp(-1.0, 1.0)
        } else {
            self.silent += 1;
            0.0
        };
        self.count += 1;
        let apart = cosine - self.mean;
        self.mean += apart / self.count as f64;
        self.squares += apart * (cosine - self.mean);
        self.weight += weight;
        self.weighted += weight * cosine;
        let bin = (((cosine + 1.0) * 0.5 * BINS as f64) as usize).min(BINS - 1);
        self.histogram[bin] += 1;
        self.weights[bin] += weight;
    }

    /// Adds everything `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        let count = self.count + other.count;
        if other.count > 0 {
            let (n, m) = (self.count as f64, other.count as f64);
            let apart = other.mean - self.mean;
            self.mean += apart * m / (n + m);
            self.squares += other.squares + apart * apart * n * m / (n + m);
        }
        self.count = count;
        self.weight += other.weight;
        self.weighted += other.weighted;
        self.silent += other.silent;
        self.broken += other.broken;
        for k in 0..BINS {
            self.histogram[k] += other.histogram[k];
            self.weights[k] += other.weights[k];
        }
    }

    /// Saves or restores everything seen.
    pub(super) fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        for (name, count) in [
            ("count", &mut self.count),
            ("silent", &mut self.silent),
            ("broken", &mut self.broken),
        ] {
            io.counter(name, count, STEPS)?;
        }
        let mut sums = [self.mean, self.squares, self.weight, self.weighted];
        io.values("sums", &mut sums)?;
        [self.mean, self.squares, self.weight, self.weighted] = sums;
        io.counters("histogram", &mut self.histogram, STEPS)?;
        io.values("weights", &mut self.weights)
    }

    /// Pairs of gradients seen, those with a zero norm included.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean alignment; NaN of nothing.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.mean }
    }

    /// Standard deviation over steps (n − 1); NaN of fewer than two.
    pub fn deviation(&self) -> f64 {
        if self.count < 2 {
            return f64::NAN;
        }
        (self.squares / (self.count - 1) as f64).sqrt()
    }

    /// Mean weighted by the product of the norms; 0 if every product is 0, NaN of nothing.
    pub fn weighted_mean(&self) -> f64 {
        match self.count {
            0 => f64::NAN,
            _ if self.weight == 0.0 => 0.0,
            _ => self.weighted / self.weight,
        }
    }

    /// Pairs of which a norm was 0.
    pub fn silent(&self) -> u64 {
        self.silent
    }

    /// Pairs left out because a gradient was not finite.
    pub fn broken(&self) -> u64 {
        self.broken
    }

    /// How many pairs fell into each bin from −1 to 1.
    pub fn histogram(&self) -> &[u64; BINS] {
        &self.histogram
    }

    /// Products of norms summed in each bin from −1 to 1.
    pub fn weighted_histogram(&self) -> &[f64; BINS] {
        &self.weights
    }
}

/// |g|, of the flattened matrix.
pub(super) fn norm<T: Scalar>(simd: Simd, gradient: &Matrix<T>) -> f64 {
    dot(simd, gradient.data(), gradient.data()).f64().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(values: &[f64]) -> Matrix<f64> {
        let mut m = Matrix::zeros(1, values.len());
        m.row_mut(0).copy_from_slice(values);
        m
    }

    fn of(pairs: &[(&[f64], &[f64])]) -> Alignment {
        let mut alignment = Alignment::default();
        for (a, b) in pairs {
            alignment.add(Simd::portable(), &matrix(a), &matrix(b));
        }
        alignment
    }

    #[test]
    fn alignment_is_the_cosine_whatever_the_lengths() {
        let same = of(&[(&[3.0, 4.0], &[30.0, 40.0])]);
        assert_eq!((same.mean(), same.histogram()[BINS - 1]), (1.0, 1));
        let opposite = of(&[(&[3.0, 4.0], &[-3e-9, -4e-9])]);
        assert_eq!((opposite.mean(), opposite.histogram()[0]), (-1.0, 1));
        let half = of(&[(&[1.0, 0.0], &[1.0, 3f64.sqrt()])]);
        assert!((half.mean() - 0.5).abs() < 1e-15);
    }

    #[test]
    fn a_zero_gradient_counts_as_zero_and_weighs_nothing() {
        let half = of(&[(&[1.0, 0.0], &[0.0, 0.0]), (&[2.0, 0.0], &[3.0, 0.0])]);
        assert_eq!((half.mean(), half.weighted_mean()), (0.5, 1.0));
        assert_eq!((half.count(), half.silent(), half.broken()), (2, 1, 0));
        let never = of(&[(&[0.0], &[0.0]), (&[0.0], &[1.0])]);
        assert_eq!((never.mean(), never.weighted_mean()), (0.0, 0.0));
        assert_eq!(never.deviation(), 0.0);
        assert!(Alignment::default().mean().is_nan());
    }

    #[test]
    fn gradients_that_are_not_finite_are_counted_and_left_out() {
        let broken = of(&[
            (&[f64::NAN], &[1.0]),
            (&[f64::INFINITY], &[1.0]),
            (&[1.0], &[1.0]),
        ]);
        assert_eq!(
            (broken.broken(), broken.count(), broken.mean()),
            (2, 1, 1.0)
        );
    }

    #[test]
    fn running_sums_equal_those_over_everything_and_merge() {
        let cosines: Vec<(f64, f64)> = (0..1000)
            .map(|k| {
                let x = f64::from(k);
                ((0.37 * x).sin(), 1.0 + (0.11 * x).cos())
            })
            .collect();
        let run = |part: &[(f64, f64)]| {
            let mut alignment = Alignment::default();
            part.iter()
                .for_each(|(c, w)| alignment.add_product(c * w, *w, 1.0));
            alignment
        };
        let whole = run(&cosines);
        let n = cosines.len() as f64;
        let mean = cosines.iter().map(|(c, _)| c).sum::<f64>() / n;
        let squares: f64 = cosines.iter().map(|(c, _)| (c - mean).powi(2)).sum();
        let weight: f64 = cosines.iter().map(|(_, w)| w).sum();
        let weighted = cosines.iter().map(|(c, w)| c * w).sum::<f64>() / weight;
        assert!((whole.mean() - mean).abs() < 1e-14);
        assert!((whole.deviation() - (squares / (n - 1.0)).sqrt()).abs() < 1e-14);
        assert!((whole.weighted_mean() - weighted).abs() < 1e-14);
        assert_eq!(whole.histogram().iter().sum::<u64>(), 1000);
        assert!((whole.weighted_histogram().iter().sum::<f64>() - weight).abs() < 1e-9);

        let mut merged = Alignment::default();
        for part in cosines.chunks(333) {
            merged.merge(&run(part));
        }
        merged.merge(&Alignment::default());
        assert!((merged.mean() - whole.mean()).abs() < 1e-14);
        assert!((merged.deviation() - whole.deviation()).abs() < 1e-14);
        assert!((merged.weighted_mean() - whole.weighted_mean()).abs() < 1e-14);
        assert_eq!(merged.histogram(), whole.histogram());
    }
}
