//! A test on held-out data leaves training as it was.

use crate::common::rule;
use apical::loss::{Loss, Outputs};
use apical::monitor::{MonitorSpec, Recorder};
use apical::network::NetworkSpec;
use apical::task::{AddSpec, DataSpec, Sequences, TaskSpec};
use apical::{Learner, LearnerSpec, Streams, Update};

#[test]
fn evaluation_leaves_training_as_it_was() {
    for kind in ["dendritic", "rtrl", "bptt", "readout_only"] {
        let start = || {
            let spec = LearnerSpec {
                network: NetworkSpec {
                    units: 8,
                    ..NetworkSpec::default()
                },
                rule: rule(&format!(r#"{{"kind": "{kind}"}}"#)),
                update: Update::Every(4),
                ..LearnerSpec::default()
            };
            Learner::<f64>::new(&spec, 2, 2, 1).unwrap()
        };
        let task = |purpose| {
            let spec = TaskSpec::Add(AddSpec::default());
            spec.build::<f64>(1, 1_000, &Streams::new(1), purpose)
                .unwrap()
        };
        let mut learner = start();
        let mut train = task("train");
        learner.run(&mut *train, 7, &mut ()).unwrap();
        let before = format!("{:?}", learner.snapshot().unwrap());
        let first = learner.evaluate(&mut *task("test"), 50).unwrap();
        let again = learner.evaluate(&mut *task("test"), 50).unwrap();
        // The same data give the same result: a test starts afresh, too.
        assert_eq!((first, first.loss.is_finite()), (again, true));
        assert_eq!(
            format!("{:?}", learner.snapshot().unwrap()),
            before,
            "{kind}"
        );
        learner.run(&mut *train, 7, &mut ()).unwrap();
        let mut other = start();
        other.run(&mut *task("train"), 14, &mut ()).unwrap();
        assert_eq!(
            crate::common::parameters(&learner),
            crate::common::parameters(&other),
            "{kind}"
        );
        assert_eq!(learner.last_loss(), other.last_loss(), "{kind}");
    }
}

/// y is x, at 12 steps; from step 6 on targets are missing and count for nothing if there is a mask.
fn stream(weight: Option<f64>) -> TaskSpec {
    let x: Vec<f64> = (0..12).map(|t| f64::from(t % 5) / 4.0).collect();
    let mut y = x.clone();
    let mask = weight.map(|weight| {
        y[6..].fill(f64::NAN);
        [vec![weight; 6], vec![0.0; 6]].concat()
    });
    let stream = Sequences::stream(1, 1, &x, &y, mask.as_deref()).unwrap();
    TaskSpec::Data(DataSpec {
        test: 0.0,
        ..DataSpec::of(stream)
    })
}

fn learner(loss: Loss) -> Learner<f64> {
    let spec = LearnerSpec {
        rule: rule(r#"{"kind": "rflo"}"#),
        loss,
        ..LearnerSpec::default()
    };
    Learner::new(&spec, 1, 1, 3).unwrap()
}

const LOSSES: [Loss; 2] = [
    Loss::SigmoidCrossEntropy {},
    Loss::MeanSquaredError {
        outputs: Outputs::Sum,
    },
];

#[test]
fn the_loss_of_a_test_is_that_of_the_weight_that_counted() {
    for loss in LOSSES {
        let test = |weight, steps| {
            let task = stream(weight).build::<f64>(1, 12, &Streams::new(0), "train");
            learner(loss).evaluate(&mut *task.unwrap(), steps).unwrap()
        };
        let plain = test(None, 6);
        let masked = test(Some(1.0), 12);
        assert_eq!(plain.loss, masked.loss);
        assert!(plain.loss > 0.01);
        let same = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan();
        assert!(same(plain.accuracy, masked.accuracy));
        assert!((test(Some(0.25), 12).loss - plain.loss).abs() < 1e-12);
    }
    // Where nothing counts there is no loss, not a perfect one.
    let mut task = stream(Some(1.0))
        .build::<f64>(1, 12, &Streams::new(0), "train")
        .unwrap();
    let mut skipped = learner(LOSSES[0]);
    skipped.evaluate(&mut *task, 6).unwrap();
    assert!(skipped.evaluate(&mut *task, 6).unwrap().loss.is_nan());
}

#[test]
fn missing_targets_of_weight_0_teach_nothing() {
    for loss in LOSSES {
        let (mut missing, mut given) = (learner(loss), learner(loss));
        let step = |learner: &mut Learner<f64>, y: f64, weight: f64| {
            learner.advance(&[0.5], &[y], Some(&[weight])).unwrap();
            learner.update();
        };
        for (y, weight) in [(1.0, 1.0), (f64::NAN, 0.0), (0.0, 1.0)] {
            step(&mut missing, y, weight);
            step(&mut given, if y.is_nan() { 0.7 } else { y }, weight);
        }
        assert_eq!(
            crate::common::parameters(&missing),
            crate::common::parameters(&given)
        );
        let error = missing.advance(&[0.5], &[f64::NAN], None).unwrap_err();
        assert!(
            error.to_string().starts_with("y: element 0 is NaN"),
            "{error}"
        );
    }
}

#[test]
fn tests_refuse_what_training_refuses() {
    let spec = |x: &[f64], y: &[f64]| {
        let stream = Sequences::stream(1, 1, x, y, None).unwrap();
        TaskSpec::Data(DataSpec {
            test: 0.0,
            ..DataSpec::of(stream)
        })
    };
    let negative = spec(&[0.0; 4], &[0.0, 1.0, -1.0, 0.0]);
    let mut task = negative.build(1, 4, &Streams::new(0), "train").unwrap();
    let error = learner(LOSSES[0]).evaluate(&mut *task, 4).unwrap_err();
    assert!(
        error.to_string().starts_with("y[0] at step 2: got -1"),
        "{error}"
    );
    // What 32 bits cannot hold is no large number.
    let settings = LearnerSpec {
        loss: LOSSES[0],
        rule: rule(r#"{"kind": "rflo"}"#),
        ..LearnerSpec::default()
    };
    let mut small = Learner::<f32>::new(&settings, 1, 1, 3).unwrap();
    let large = spec(&[0.0, 1e39], &[1.0; 2]);
    let mut task = large.build(1, 2, &Streams::new(0), "train").unwrap();
    let error = small.evaluate(&mut *task, 2).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("x: element 0 is inf at step 1"),
        "{error}"
    );
}

#[test]
fn a_record_of_steps_that_do_not_count_is_no_loss() {
    let mut task = stream(Some(1.0))
        .build::<f64>(1, 12, &Streams::new(0), "train")
        .unwrap();
    let mut learner = learner(LOSSES[1]);
    let spec = MonitorSpec {
        every: 3,
        ..MonitorSpec::new("loss")
    };
    let mut recorder = Recorder::new(&[spec], &learner).unwrap();
    learner.run(&mut *task, 12, &mut recorder).unwrap();
    let values = &recorder.channel("loss").unwrap().values;
    let known: Vec<bool> = values.iter().map(|value| value.is_finite()).collect();
    assert_eq!(known, [true, true, false, false]);
}
