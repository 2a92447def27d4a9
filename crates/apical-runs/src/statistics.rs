//! Means, spreads, paired differences and resampling.

use apical::Streams;

/// Mean, standard deviation between seeds and standard error of the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation (n − 1).
    pub deviation: f64,
    /// deviation/√n.
    pub error: f64,
    /// Median: beside the mean, it tells of seeds that failed.
    pub median: f64,
    /// Number of values.
    pub n: usize,
}

impl Spread {
    /// Of these values; fewer than two have no deviation (NaN).
    pub fn of(values: &[f64]) -> Self {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let deviation = if n > 1 {
            (squares / (n - 1) as f64).sqrt()
        } else {
            f64::NAN
        };
        Self {
            mean,
            deviation,
            error: deviation / (n as f64).sqrt(),
            median: median(values),
            n,
        }
    }

    /// 95 % confidence interval of the mean by Student's t; without end for fewer than two values.
    pub fn interval(&self) -> (f64, f64) {
        let margin = student(self.n.saturating_sub(1)) * self.error;
        match margin.is_finite() {
            true => (self.mean - margin, self.mean + margin),
            false => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }
}

/// What Student's t exceeds, on either side, in 5 % of draws, by degrees of freedom.
pub fn student(freedom: usize) -> f64 {
    const FEW: [f64; 11] = [
        f64::NAN,
        12.706,
        4.303,
        3.182,
        2.776,
        2.571,
        2.447,
        2.365,
        2.306,
        2.262,
        2.228,
    ];
    let many = |f: f64| 1.96 + 2.3723 / f + 2.8225 / (f * f) + 2.556 / (f * f * f);
    FEW.get(freedom)
        .copied()
        .unwrap_or_else(|| many(freedom as f64))
}

/// The 95 % interval of the difference of two means of unlike spread (Welch; degrees of freedom rounded down).
pub fn welch(a: &Spread, b: &Spread) -> (f64, f64) {
    let (u, v) = (a.error * a.error, b.error * b.error);
    let each = |square: f64, n: usize| square * square / (n.saturating_sub(1)) as f64;
    let freedom = (u + v) * (u + v) / (each(u, a.n) + each(v, b.n));
    let reach = student(freedom as usize) * (u + v).sqrt();
    let apart = a.mean - b.mean;
    (apart - reach, apart + reach)
}

/// Middle value, or the mean of the two in the middle; NaN of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n => 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]),
    }
}

/// The value below which this share of the values lies, between them as they are spaced; NaN of nothing.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share * last as f64;
    let (below, part) = (place as usize, place.fract());
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    // Not 0 · ∞ where the place is exactly one value.
    if part == 0.0 {
        low
    } else {
        low + part * (high - low)
    }
}

/// a − b, pair by pair.
pub fn paired(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Mean of curves recorded at the same steps, up to the length of the shortest.
pub fn mean_curve(curves: &[(Vec<u64>, Vec<f64>)]) -> (Vec<f64>, Vec<f64>) {
    let shortest = curves
        .iter()
        .map(|(steps, _)| steps.len())
        .min()
        .unwrap_or(0);
    let steps = curves
        .first()
        .map_or(&[][..], |(steps, _)| &steps[..shortest]);
    let mean =
        |k: usize| curves.iter().map(|(_, values)| values[k]).sum::<f64>() / curves.len() as f64;
    (
        steps.iter().map(|s| *s as f64).collect(),
        (0..shortest).map(mean).collect(),
    )
}

/// Quartiles of curves recorded at the same steps, up to the length of the shortest: steps, lower and upper.
pub fn quartiles(curves: &[(Vec<u64>, Vec<f64>)]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (steps, _) = mean_curve(curves);
    let at = |k: usize, share: f64| {
        let values: Vec<f64> = curves.iter().map(|(_, values)| values[k]).collect();
        quantile(&values, share)
    };
    let edge = |share: f64| (0..steps.len()).map(|k| at(k, share)).collect();
    let (low, high) = (edge(0.25), edge(0.75));
    (steps, low, high)
}

/// Places in ascending order, from 1; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |v: &f64| {
        let below = values.iter().filter(|other| *other < v).count();
        let equal = values.iter().filter(|other| *other == v).count();
        below as f64 + 0.5 * (equal + 1) as f64
    };
    values.iter().map(rank).collect()
}

/// Spearman's rank correlation; NaN if one of the two does not vary.
pub fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let mean = 0.5 * (a.len() + 1) as f64;
    let sum = |x: &[f64], y: &[f64]| -> f64 {
        let pairs = x.iter().zip(y);
        pairs.map(|(x, y)| (x - mean) * (y - mean)).sum()
    };
    sum(&a, &b) / (sum(&a, &a) * sum(&b, &b)).sqrt()
}

/// Share of `draws` random pairings of `a` and `b` whose rank correlation is at least as far from 0 as theirs, from a
/// fixed stream; the pairing itself counts as one of them.
pub fn permutation_p(a: &[f64], b: &[f64], draws: usize) -> f64 {
    let found = rank_correlation(a, b).abs();
    let mut stream = Streams::new(0).stream("permutation", a.len() as u64);
    let mut shuffled = b.to_vec();
    let mut extreme = 1;
    for _ in 0..draws {
        for k in (1..shuffled.len()).rev() {
            let other = ((stream.uniform() * (k + 1) as f64) as usize).min(k);
            shuffled.swap(k, other);
        }
        if rank_correlation(a, &shuffled).abs() >= found - 1e-12 {
            extreme += 1;
        }
    }
    f64::from(extreme) / (draws + 1) as f64
}

/// √(((n₁−1) s₁² + (n₂−1) s₂²) / (n₁+n₂−2)); one value alone has no deviation of its own and takes the other's.
pub fn pooled_deviation(a: (f64, usize), b: (f64, usize)) -> f64 {
    let part = |(deviation, n): (f64, usize)| match n {
        0 | 1 => (0.0, 0.0),
        _ => ((n - 1) as f64 * deviation * deviation, (n - 1) as f64),
    };
    let ((x, n), (y, m)) = (part(a), part(b));
    ((x + y) / (n + m)).sqrt()
}

/// Step at which a fraction of the fall from the first value to the lowest is done.
pub fn saturation(steps: &[f64], values: &[f64], fraction: f64) -> f64 {
    let Some(first) = values.first() else {
        return f64::NAN;
    };
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let level = first - fraction * (first - lowest);
    let reached = values.iter().position(|v| *v <= level);
    reached.map_or(f64::NAN, |k| steps[k])
}

/// `draws` resamples of the indices 0 … n−1 with replacement, from a fixed stream.
pub fn resamples(n: usize, draws: usize) -> Vec<Vec<usize>> {
    let mut stream = Streams::new(0).stream("bootstrap", n as u64);
    let mut index = || ((stream.uniform() * n as f64) as usize).min(n - 1);
    (0..draws)
        .map(|_| (0..n).map(|_| index()).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_of_differences_are_those_of_welch() {
        let spread = |mean: f64, error: f64, n: usize| Spread {
            mean,
            deviation: error * (n as f64).sqrt(),
            error,
            median: mean,
            n,
        };
        // Alike: 18 degrees of freedom, t = 2.101. One of no spread: those of the other, 2.262 at 9.
        for (b, reach) in [(0.1, 2.101 * 0.1 * 2_f64.sqrt()), (0.0, 2.262 * 0.1)] {
            let (low, high) = welch(&spread(1.0, 0.1, 10), &spread(3.0, b, 10));
            assert!((low + 2.0 + reach).abs() < 2e-3, "{low}");
            assert!((high + 2.0 - reach).abs() < 2e-3, "{high}");
        }
    }

    #[test]
    fn intervals_are_those_of_student() {
        // Tables of t: 2.131 at 15, 2.042 at 30 degrees of freedom.
        for (freedom, t) in [
            (3, 3.182),
            (10, 2.228),
            (11, 2.201),
            (15, 2.131),
            (30, 2.042),
        ] {
            assert!((student(freedom) - t).abs() < 2e-3, "{freedom}");
        }
        let (low, high) = Spread::of(&[1.0, 2.0, 3.0, 4.0]).interval();
        let margin = 3.182 * (5.0f64 / 3.0).sqrt() / 2.0;
        assert!((low - 2.5 + margin).abs() < 1e-9 && (high - 2.5 - margin).abs() < 1e-9);
        assert_eq!(Spread::of(&[1.0]).interval().1, f64::INFINITY);
    }

    #[test]
    fn spread_of_known_values() {
        let spread = Spread::of(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!((spread.mean, spread.n), (2.5, 4));
        assert!((spread.deviation - 1.290_994_448_735_805_6).abs() < 1e-15);
        assert!((spread.error - 0.645_497_224_367_902_8).abs() < 1e-15);
        assert!(Spread::of(&[1.0]).deviation.is_nan());
        assert_eq!((spread.median, median(&[3.0, 1.0, 2.0])), (2.5, 2.0));
    }

    #[test]
    fn saturation_is_the_first_crossing() {
        let steps = [100.0, 200.0, 300.0, 400.0];
        let values = [1.0, 0.5, 0.05, 0.0];
        assert_eq!(saturation(&steps, &values, 0.5), 200.0);
        assert_eq!(saturation(&steps, &values, 0.95), 300.0);
        assert_eq!(saturation(&steps, &values, 0.98), 400.0);
        assert!(saturation(&[], &[], 0.9).is_nan());
    }

    #[test]
    fn ranks_correlate_as_known() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(rank_correlation(&a, &a.map(|v| v.exp())), 1.0);
        assert_eq!(rank_correlation(&a, &a.map(|v| -v)), -1.0);
        // 1 - 6 sum d^2 / (n (n^2 - 1)) with d = 1, 1, 1, 1, 0.
        assert!((rank_correlation(&a, &[2.0, 1.0, 4.0, 3.0, 5.0]) - 0.8).abs() < 1e-12);
        // Ties share their mean rank: 1, 2.5, 2.5, 4.
        assert_eq!(ranks(&[1.0, 7.0, 7.0, 9.0]), [1.0, 2.5, 2.5, 4.0]);
        assert!(rank_correlation(&a, &[1.0; 5]).is_nan());
        // Of the 120 orders of five, two are as extreme as the perfect one; four standard errors of 10,000 draws.
        let p = permutation_p(&a, &a, 10_000);
        assert!((p - 2.0 / 120.0).abs() < 0.0052, "{p}");
    }

    #[test]
    fn deviations_are_pooled_by_their_degrees_of_freedom() {
        assert!((pooled_deviation((1.0, 3), (2.0, 10)) - (38.0f64 / 11.0).sqrt()).abs() < 1e-12);
        assert_eq!(pooled_deviation((f64::NAN, 1), (2.0, 10)), 2.0);
        assert!(pooled_deviation((f64::NAN, 1), (f64::NAN, 1)).is_nan());
    }

    #[test]
    fn quantiles_lie_between_the_values() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(
            [0.0, 0.25, 0.5, 1.0].map(|q| quantile(&values, q)),
            [1.0, 1.75, 2.5, 4.0]
        );
        assert_eq!(quantile(&[1.0, f64::INFINITY], 0.0), 1.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn quartiles_lie_between_the_values() {
        let curves: Vec<_> = [1.0, 2.0, 3.0, 4.0, 9.0]
            .map(|v| (vec![1, 2], vec![v, -v]))
            .into();
        let (steps, low, high) = quartiles(&curves);
        assert_eq!(
            (steps, low, high),
            (vec![1.0, 2.0], vec![2.0, -4.0], vec![4.0, -2.0])
        );
    }

    #[test]
    fn curves_of_different_length_average_what_they_share() {
        let curves = [
            (vec![1, 2, 3], vec![1.0, 2.0, 3.0]),
            (vec![1, 2], vec![3.0, 4.0]),
        ];
        assert_eq!(mean_curve(&curves), (vec![1.0, 2.0], vec![2.0, 3.0]));
    }
}
