//! Three ways to the gradient of a trial agree: backward in time, forward in time, finite differences.

mod common;

use apical::feedback::FeedbackSpec;
use common::case::Case;
use common::difference;

const BPTT: &str = r#"{"kind": "bptt"}"#;
const RTRL: &str = r#"{"kind": "rtrl"}"#;

fn symmetric() -> FeedbackSpec {
    FeedbackSpec::Symmetric {}
}

#[test]
fn backward_equals_forward() {
    for gated in [false, true] {
        for seed in 0..150 {
            let case = Case::random(seed, gated, true);
            for feedback in [symmetric(), FeedbackSpec::random()] {
                let bptt = case.gradient(BPTT, feedback.clone(), usize::MAX);
                let rtrl = case.gradient(RTRL, feedback, usize::MAX);
                for (a, b) in bptt.iter().zip(&rtrl) {
                    assert!(difference(a, b) < 1e-9, "case {seed}, gated {gated}");
                }
            }
        }
    }
}

#[test]
fn backward_equals_finite_differences() {
    for gated in [false, true] {
        for seed in 0..60 {
            let case = Case::random(seed, gated, false);
            let bptt = case.gradient(BPTT, symmetric(), usize::MAX);
            for (a, b) in bptt.iter().zip(&case.differences()) {
                let apart = difference(a, b);
                assert!(apart < 1e-6, "case {seed}, gated {gated}: {apart}");
            }
        }
    }
}

/// Cases whose recurrent gradient has several steps and units to differ in.
fn long_cases(gated: bool) -> impl Iterator<Item = Case> {
    let cases = (0..60).map(move |seed| Case::random(seed, gated, false));
    let long = cases.filter(|c| c.units >= 4 && c.data.x.len() >= 6);
    long.take(8)
}

/// The comparisons above can fail: the gradient through random feedback is another one.
#[test]
fn random_feedback_is_not_the_gradient() {
    for case in long_cases(false).chain(long_cases(true)) {
        let rtrl = case.gradient(RTRL, FeedbackSpec::random(), usize::MAX);
        let slopes = case.differences();
        assert!(
            difference(&rtrl[0], &slopes[0]) > 0.05,
            "case {}",
            case.seed
        );
        // The readout's gradient does not travel through the feedback.
        assert!(
            difference(&rtrl[1], &slopes[1]) < 1e-6,
            "case {}",
            case.seed
        );
    }
}

#[test]
fn short_windows_are_not_the_gradient() {
    for gated in [false, true] {
        let apart = |case: &Case| {
            let rtrl = case.gradient(RTRL, symmetric(), usize::MAX);
            let truncated = case.gradient(BPTT, symmetric(), 2);
            difference(&rtrl[0], &truncated[0])
        };
        let smallest = long_cases(gated).map(|c| apart(&c)).fold(1.0, f64::min);
        assert!(smallest > 1e-4, "gated {gated}: {smallest}");
    }
}

/// A state variable, a current or a partial that is left out would show in the comparisons above.
#[test]
fn the_gated_unit_has_no_trivial_partial() {
    let case = long_cases(true).next().unwrap();
    let mut learner = case.learner(RTRL, symmetric());
    case.run(&mut learner, usize::MAX);
    let partials = &learner.activity().partials;
    for list in [&partials.own, &partials.gain, &partials.slope] {
        let plane = learner.network().dims().plane();
        for plane in list.chunks_exact(plane) {
            assert!(
                plane[..case.units].iter().all(|p| p.abs() > 1e-6),
                "{plane:?}"
            );
        }
    }
}
