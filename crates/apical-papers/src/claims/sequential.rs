//! A sequential test of how often something happens: it looks at more and more seeds until the numbers decide.
//!
//! An event either happens with a seed or not. The claim is that it happens with more than a share of all seeds there
//! could be. After each look the exact binomial probability of a count as high (or as low) under that share is compared
//! with an equal part of the error that all looks together may have (Bonferroni; Jennison & Turnbull 2000, chapter 2):
//! a claim that is false is called reproduced with a probability of at most 2.5 %, one that is true not reproduced with
//! at most 2.5 %, whatever the dependence between looks. [`power`] is exact.

/// Numbers of seeds at which the test looks.
pub const LOOKS: [u64; 5] = [20, 40, 80, 160, 320];

/// The only look of a quick version.
pub const QUICK: [u64; 1] = [8];

/// Probability of a wrong verdict on either side, all looks together.
pub const ERROR: f64 = 0.025;

/// That of a single look, in quick versions as well.
const LEVEL: f64 = ERROR / LOOKS.len() as f64;

/// Numbers of seeds at which the test of a mean looks.
pub const MEAN_LOOKS: [u64; 4] = [9, 18, 36, 72];

/// Standard errors between the mean of `n` seeds and a threshold that decide at one of [`MEAN_LOOKS`], by Student's t at an
/// equal part of [`ERROR`]; before the first look, in quick versions, 2.
pub fn errors_that_decide(n: usize) -> f64 {
    if (n as u64) < MEAN_LOOKS[0] {
        return 2.0;
    }
    // What a normal exceeds with 0.025/4, and Fisher and Cornish's expansion for Student's t (Abramowitz & Stegun 26.7.5).
    let z = 2.497_7_f64;
    let freedom = (n - 1) as f64;
    let odd = |coefficients: &[f64]| -> f64 {
        let powers = coefficients.iter().rev().zip([1, 3, 5, 7]);
        powers.map(|(c, power)| c * z.powi(power)).sum()
    };
    z + odd(&[1.0, 1.0]) / (4.0 * freedom)
        + odd(&[5.0, 16.0, 3.0]) / (96.0 * freedom.powi(2))
        + odd(&[3.0, 19.0, 17.0, -15.0]) / (384.0 * freedom.powi(3))
}

/// Whether the event happens with more than `share` of all seeds, having happened with `count` of `n`; `None` if that is
/// open.
pub fn decide(count: u64, n: u64, share: f64) -> Option<bool> {
    if at_least(count, n, share) <= LEVEL {
        return Some(true);
    }
    // As many misses, each with the other probability.
    (at_least(n - count, n, 1.0 - share) <= LEVEL).then_some(false)
}

/// Number of seeds a single further look would need, for nine chances in ten that it decides, if the share seen is the true one.
pub fn seeds_needed(count: u64, n: u64, share: f64) -> Option<u64> {
    // 2.576 and 1.282: what a normal exceeds with LEVEL and with a tenth.
    let seen = count as f64 / n as f64;
    let spread = 2.576 * (share * (1.0 - share)).sqrt() + 1.282 * (seen * (1.0 - seen)).sqrt();
    let needed = (spread / (seen - share)).powi(2).ceil();
    (needed < 1e6).then_some((needed as u64).max(n + 1))
}

/// Probability that the test with these looks says so, where the event happens with a share `truth`: reproduced, not
/// reproduced.
pub fn power(looks: &[u64], share: f64, truth: f64) -> (f64, f64) {
    let (mut yes, mut no) = (0.0, 0.0);
    // Probability of each count while the test is open.
    let mut open = vec![1.0];
    let mut seen = 0;
    for look in looks {
        for _ in seen..*look {
            let mut next = vec![0.0; open.len() + 1];
            for (count, p) in open.iter().enumerate() {
                next[count] += p * (1.0 - truth);
                next[count + 1] += p * truth;
            }
            open = next;
        }
        seen = *look;
        for (count, p) in open.iter_mut().enumerate() {
            match decide(count as u64, seen, share) {
                Some(true) => yes += std::mem::take(p),
                Some(false) => no += std::mem::take(p),
                None => {}
            }
        }
    }
    (yes, no)
}

/// Probability of `count` or more events in `n` draws.
fn at_least(count: u64, n: u64, share: f64) -> f64 {
    if count == 0 {
        return 1.0;
    }
    let mut log = 0.0;
    for k in 0..count {
        log += ((n - k) as f64 / (count - k) as f64).ln();
    }
    let (hit, miss) = (share.ln(), (1.0 - share).ln());
    let mut term = (log + count as f64 * hit + (n - count) as f64 * miss).exp();
    let mut sum = 0.0;
    for k in count..=n {
        sum += term;
        term *= (n - k) as f64 / (k + 1) as f64 * share / (1.0 - share);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_binomial() {
        // 1 + 20 + 190 + 1140 of 2^20 ways.
        assert!((at_least(17, 20, 0.5) - 1351.0 / 1_048_576.0).abs() < 1e-15);
        assert!((at_least(1, 5, 0.1) - (1.0 - 0.9_f64.powi(5))).abs() < 1e-15);
        let all: f64 = at_least(0, 320, 0.3);
        assert!((all - 1.0).abs() < 1e-12);
    }

    /// Quantiles at 0.99375 from tables of Student's t.
    #[test]
    fn a_mean_is_decided_by_students_t() {
        for (n, t) in [(9, 3.206), (18, 2.793), (36, 2.633), (72, 2.563)] {
            assert!((errors_that_decide(n) - t).abs() < 4e-3, "{n}");
        }
        assert_eq!(errors_that_decide(3), 2.0);
    }

    #[test]
    fn a_look_decides_where_chance_would_not() {
        assert_eq!(decide(17, 20, 0.5), Some(true));
        assert_eq!(decide(16, 20, 0.5), None);
        assert_eq!(decide(3, 20, 0.5), Some(false));
        assert_eq!(decide(8, 8, 0.5), Some(true));
        assert_eq!(decide(7, 8, 0.5), None);
        // 0.9^20 is 12 %: twenty seeds cannot show that more than nine in ten learn.
        assert_eq!(decide(20, 20, 0.9), None);
        assert_eq!(decide(80, 80, 0.9), Some(true));
    }

    /// What docs/results/README.md says of the test.
    #[test]
    fn errors_and_power_are_as_documented() {
        for share in [0.5, 0.9] {
            let (yes, no) = power(&LOOKS, share, share);
            assert!(yes <= ERROR && no <= ERROR, "{yes} {no}");
        }
        for (share, truth, least) in [(0.5, 0.6, 0.85), (0.5, 0.65, 0.99), (0.9, 0.97, 0.99)] {
            let (yes, no) = power(&LOOKS, share, truth);
            assert!(yes > least && no < 1e-3, "{share} {truth}: {yes} {no}");
        }
        let (yes, _) = power(&QUICK, 0.5, 0.95);
        assert!((yes - 0.95_f64.powi(8)).abs() < 1e-12);
    }

    #[test]
    fn what_is_open_says_how_many_seeds_it_takes() {
        let needed = seeds_needed(170, 320, 0.5).unwrap();
        assert!((3000..5000).contains(&needed), "{needed}");
        assert_eq!(seeds_needed(160, 320, 0.5), None);
    }
}
