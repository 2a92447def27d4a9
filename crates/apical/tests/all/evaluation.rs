//! A test on held-out data leaves training as it was.

use crate::common::rule;
use apical::network::NetworkSpec;
use apical::task::{AddSpec, TaskSpec};
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
