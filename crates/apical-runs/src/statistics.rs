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
    fn curves_of_different_length_average_what_they_share() {
        let curves = [
            (vec![1, 2, 3], vec![1.0, 2.0, 3.0]),
            (vec![1, 2], vec![3.0, 4.0]),
        ];
        assert_eq!(mean_curve(&curves), (vec![1.0, 2.0], vec![2.0, 3.0]));
    }
}
