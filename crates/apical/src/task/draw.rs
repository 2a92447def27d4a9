//! Draw whole numbers, choices and orders from a stream.

use crate::stream::Stream;

/// Uniform over 0, …, `count` − 1.
pub(super) fn below(stream: &mut Stream, count: u64) -> u64 {
    // `uniform` has 53 bits: the odds of numbers below 2^30 differ by less than 1e-7 of themselves.
    ((stream.uniform() * count as f64) as u64).min(count - 1)
}

/// One of `values`.
pub(super) fn choice<V: Copy>(stream: &mut Stream, values: &[V]) -> V {
    values[below(stream, values.len() as u64) as usize]
}

/// −1 or 1 with probability `p`/2 each, else 0.
pub(super) fn pulse(stream: &mut Stream, p: f64) -> f64 {
    let u = stream.uniform();
    match u {
        _ if u < p / 2.0 => -1.0,
        _ if u < p => 1.0,
        _ => 0.0,
    }
}

/// Puts `values` into a random order, all orders being equally likely.
pub(super) fn shuffle<V>(stream: &mut Stream, values: &mut [V]) {
    for k in (1..values.len()).rev() {
        values.swap(k, below(stream, k as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Streams;

    #[test]
    fn all_orders_are_equally_likely() {
        let mut stream = Streams::new(1).stream("test", 0);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..24_000 {
            let mut values = [0, 1, 2, 3];
            shuffle(&mut stream, &mut values);
            *counts.entry(values).or_insert(0.0) += 1.0;
        }
        assert_eq!(counts.len(), 24);
        // Each comes 1000 times, with a standard error of 31.
        assert!(counts.values().all(|c: &f64| (c - 1000.0).abs() < 124.0));
    }

    #[test]
    fn numbers_and_pulses_have_the_stated_odds() {
        let mut stream = Streams::new(1).stream("test", 0);
        let mut counts = [0.0; 5];
        let mut pulses = [0.0; 3];
        for _ in 0..50_000 {
            counts[below(&mut stream, 5) as usize] += 1.0;
            pulses[(pulse(&mut stream, 0.2) + 1.0) as usize] += 1.0;
        }
        // Standard errors: 89, and 67 for a tenth.
        assert!(counts.iter().all(|c: &f64| (c - 10_000.0).abs() < 358.0));
        assert!((pulses[0] - 5_000.0f64).abs() < 268.0);
        assert!((pulses[2] - 5_000.0f64).abs() < 268.0);
    }
}
