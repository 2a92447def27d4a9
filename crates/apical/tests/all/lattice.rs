//! Settings of the rules of the lattice that are refused. The relations themselves are in `check.rs`.

use crate::common::{flat, rule};
use apical::check::{Case, Kind, Shape};
use apical::rule::Site;

#[test]
fn a_horizon_of_zero_and_noise_that_runs_out_are_refused() {
    let case = Case::random(
        3,
        Shape {
            units: (4, 4),
            kind: Kind::Plain,
            ..Shape::LONG
        },
    );
    for kind in ["e_bptt", "f_bptt"] {
        let spec = rule(&format!(r#"{{"kind": "{kind}", "horizon": 0}}"#));
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
        let mut learner = case
            .learner(&rule(&format!(r#"{{"kind": "{kind}"}}"#)), &case.feedback)
            .unwrap();
        learner.begin_trial();
        assert_eq!(learner.rule_mut().contract().draws, count, "{kind}");
        let noise = learner.rule_mut().noise().unwrap();
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
