//! Relations between rules that must hold on every network, and some that must not.

mod common;

use apical::feedback::FeedbackSpec;
use apical::rule::Site;
use common::case::Case;
use common::{difference, flat};

const BPTT: &str = r#"{"kind": "bptt"}"#;
const RTRL: &str = r#"{"kind": "rtrl"}"#;
const RFLO: &str = r#"{"kind": "rflo"}"#;

fn symmetric() -> FeedbackSpec {
    FeedbackSpec::Symmetric {}
}

/// The recurrent gradient of the whole trial, what is paid at its end included.
fn gradient(case: &Case, rule: &str, feedback: FeedbackSpec) -> Vec<f64> {
    let mut learner = case.learner(rule, feedback);
    case.run(&mut learner, usize::MAX);
    learner.end_trial();
    flat(learner.gradient())
}

fn horizon(kind: &str, steps: usize) -> String {
    format!(r#"{{"kind": "{kind}", "horizon": {steps}}}"#)
}

#[test]
fn a_horizon_as_long_as_the_trial_is_exact() {
    for gated in [false, true] {
        for seed in 0..100 {
            let case = Case::random(seed, gated, true);
            let steps = case.data.x.len();
            for feedback in [symmetric(), FeedbackSpec::random()] {
                let exact = gradient(&case, BPTT, feedback.clone());
                for rule in [
                    horizon("e_bptt", steps),
                    horizon("f_bptt", steps),
                    horizon("e_bptt", steps + 3),
                    horizon("f_bptt", steps + 3),
                ] {
                    let apart = difference(&gradient(&case, &rule, feedback.clone()), &exact);
                    assert!(apart < 1e-9, "case {seed}, gated {gated}, {rule}: {apart}");
                }
            }
        }
    }
}

#[test]
fn local_traces_are_exact_without_recurrent_weights() {
    for gated in [false, true] {
        for seed in 0..100 {
            let case = Case::random(seed, gated, true);
            let of = |rule: &str| {
                let mut learner = case.learner(rule, symmetric());
                let count = learner.parameter("W_rec").unwrap().len();
                learner.set_parameter("W_rec", &vec![0.0; count]).unwrap();
                case.run(&mut learner, usize::MAX);
                flat(learner.gradient())
            };
            let apart = difference(&of(RFLO), &of(RTRL));
            assert!(apart < 1e-9, "case {seed}, gated {gated}: {apart}");
        }
    }
}

#[test]
fn truncations_are_not_exact() {
    for gated in [false, true] {
        let cases = (0..60).map(|seed| Case::random(seed, gated, false));
        for case in cases
            .filter(|c| c.units >= 4 && c.data.x.len() >= 6)
            .take(8)
        {
            let exact = gradient(&case, BPTT, symmetric());
            for rule in [RFLO.to_string(), horizon("e_bptt", 2), horizon("f_bptt", 2)] {
                let apart = difference(&gradient(&case, &rule, symmetric()), &exact);
                assert!(
                    apart > 1e-4,
                    "case {}, gated {gated}, {rule}: {apart}",
                    case.seed
                );
            }
        }
    }
}

/// Mean and standard error over noise draws of every element of the gradient.
fn over_noise(case: &Case, rule: &str, draws: usize) -> (Vec<f64>, Vec<f64>) {
    let mut learner = case.learner(rule, symmetric());
    let (mut sums, mut squares) = (Vec::new(), Vec::new());
    for _ in 0..draws {
        learner.clear_gradients();
        case.run(&mut learner, usize::MAX);
        let gradient = flat(learner.gradient());
        sums.resize(gradient.len(), 0.0);
        squares.resize(gradient.len(), 0.0);
        for (k, g) in gradient.iter().enumerate() {
            sums[k] += g;
            squares[k] += g * g;
        }
    }
    let n = draws as f64;
    let means: Vec<f64> = sums.iter().map(|s| s / n).collect();
    let errors = squares
        .iter()
        .zip(&means)
        .map(|(s, m)| ((s / n - m * m) / (n - 1.0)).sqrt());
    let errors = errors.collect();
    (means, errors)
}

#[test]
fn stochastic_rules_are_right_in_the_mean() {
    for noise in ["signs", "gaussian", "uniform"] {
        for kind in ["uoro", "kf_rtrl", "r_kf_rtrl"] {
            for gated in [false, true] {
                // Long enough for the influence to travel, small enough for its mean to be seen.
                let fits =
                    |c: &Case| (2..=3).contains(&c.units) && (3..=5).contains(&c.data.x.len());
                let case = (0..500)
                    .map(|s| Case::random(s, gated, false))
                    .find(fits)
                    .unwrap();
                let rule = format!(r#"{{"kind": "{kind}", "noise": "{noise}"}}"#);
                // The starting A and B are random signs' worth of mean zero: they add noise, no bias.
                let (means, errors) = over_noise(&case, &rule, 12_000);
                let exact = gradient(&case, RTRL, symmetric());
                for (k, ((mean, error), exact)) in means.iter().zip(&errors).zip(&exact).enumerate()
                {
                    // Four standard errors, and rounding where an element is always zero.
                    let apart = (mean - exact).abs();
                    assert!(
                        apart <= 4.0 * error + 1e-9,
                        "{rule}, gated {gated}, element {k}: {mean} ± {error}, exact {exact}"
                    );
                }
                let size = exact.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
                let seen = errors
                    .iter()
                    .zip(&exact)
                    .filter(|(e, g)| g.abs() > 6.0 * **e)
                    .count();
                assert!(
                    seen > 0,
                    "{rule}: nothing is told apart from zero (largest {size})"
                );
            }
        }
    }
}

#[test]
fn a_horizon_of_zero_and_noise_that_runs_out_are_refused() {
    let case = Case::random(3, false, false);
    for kind in ["e_bptt", "f_bptt"] {
        let spec = common::rule(&horizon(kind, 0));
        let network = apical::network::Network::<f64>::new(
            &Default::default(),
            2,
            2,
            1,
            &apical::Streams::new(0),
        );
        let built = spec.build(&Site::new(&network.unwrap(), &apical::Streams::new(0)));
        let text = built.err().unwrap().to_string();
        assert!(
            text.starts_with("rule.horizon: got 0, expected between 1"),
            "{text}"
        );
    }
    for (kind, count) in [
        ("uoro", case.batch * case.units),
        ("kf_rtrl", 2 * case.batch),
        ("r_kf_rtrl", case.batch * case.units),
    ] {
        let mut learner = case.learner(&format!(r#"{{"kind": "{kind}"}}"#), symmetric());
        learner.begin_trial();
        let (noise, needed) = learner.rule_mut().noise_mut().unwrap();
        assert_eq!(needed, count, "{kind}");
        noise.inject(&vec![1.0; 2 * count - 1]);
        let (x, y) = (&case.data.x[0], &case.data.y[0]);
        learner.advance(x, y, None).unwrap();
        let before = flat(learner.gradient());
        let text = learner.advance(x, y, None).unwrap_err().to_string();
        let expected = format!("noise: got {} numbers left, expected {count}", count - 1);
        assert!(text.starts_with(&expected), "{text}");
        // A refused step changes nothing.
        assert_eq!(flat(learner.gradient()), before);
        assert_eq!(learner.steps(), 1);
    }
}
