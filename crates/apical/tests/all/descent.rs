//! A step that changes weights in the pass over traces has the bits of one whose gradient stands in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use apical::kernel::{Descent, Matrix};
use apical::loss::Loss;
use apical::network::NetworkSpec;
use apical::neuron::NeuronSpec;
use apical::optimizer::{Method, OptimizerSpec};
use apical::rule::{Descend, Rule};
use apical::snapshot::StateIo;
use apical::view::{LocalView, View};
use apical::{Learner, LearnerSpec, Scalar, Streams, Update};

use crate::common::rule;

const SIZES: (usize, usize) = (3, 2);

fn spec(neuron: &str) -> LearnerSpec {
    LearnerSpec {
        network: NetworkSpec {
            units: 19,
            neuron: serde_json::from_str::<NeuronSpec>(neuron).unwrap(),
            ..NetworkSpec::default()
        },
        loss: Loss::SigmoidCrossEntropy {},
        optimizer: OptimizerSpec {
            rate: 0.02,
            weight_decay: 1e-3,
            schedule: serde_json::from_str(r#"{"kind": "exponential", "decay": 0.99}"#).unwrap(),
            ..OptimizerSpec::default()
        },
        ..LearnerSpec::default()
    }
}

/// 150 steps in trials of 40, with a weight of the loss that is sometimes 0.
fn steps<T: Scalar>(mut take: impl FnMut(&[T], &[T], &[T], bool, bool)) {
    let mut stream = Streams::new(3).stream("steps", 0);
    for t in 0..150 {
        let mut list = |count| -> Vec<T> { (0..count).map(|_| T::of(stream.normal())).collect() };
        let x = list(SIZES.0);
        // Targets of the loss are probabilities.
        let y = [0.25, 1.0].map(|y| T::of(if t % 3 == 0 { y } else { 1.0 - y }));
        let mask = [T::ONE, T::of(f64::from(u8::from(t % 5 != 0)))];
        take(&x, &y, &mask, t % 40 == 0, t % 40 == 39);
    }
}

fn same<T: Scalar>(spec: &LearnerSpec) {
    let new = || Learner::<T>::new(spec, SIZES.0, SIZES.1, 5).unwrap();
    let [mut at_once, mut apart] = [new(), new()];
    steps(|x, y, mask, first, last| {
        for learner in [&mut at_once, &mut apart] {
            if first {
                learner.begin_trial();
            }
        }
        at_once.learn_part(x, y, Some(mask), last).unwrap();
        apart.advance(x, y, Some(mask)).unwrap();
        apart.finish_step(last);
    });
    let (at_once, apart) = (at_once.snapshot().unwrap(), apart.snapshot().unwrap());
    for (name, array) in &at_once.arrays {
        assert_eq!(Some(array), apart.arrays.get(name), "{name}: {spec:?}");
    }
}

#[test]
fn the_bits_are_those_of_a_gradient_in_memory() {
    for neuron in [
        r#"{"kind": "rate", "alpha": 0.6}"#,
        r#"{"kind": "voltage"}"#,
        r#"{"kind": "two_compartment"}"#,
    ] {
        for json in [
            r#"{"kind": "rflo"}"#,
            r#"{"kind": "rflo", "leak": 0.3, "input": "previous"}"#,
            r#"{"kind": "dendritic"}"#,
            r#"{"kind": "dendritic", "jacobian": {"kind": "local"}, "phases": "two_phase"}"#,
            r#"{"kind": "combined", "eligibility": {"kind": "instant"}, "credit": {"kind": "immediate"}}"#,
        ] {
            let mut spec = spec(neuron);
            spec.rule = rule(json);
            let states = Learner::<f64>::new(&spec, SIZES.0, SIZES.1, 5);
            if states.is_err() {
                // A leak of its own is for units with one state variable.
                assert!(json.contains("leak"), "{neuron} {json}");
                continue;
            }
            same::<f64>(&spec);
            same::<f32>(&spec);
        }
    }
}

/// Counts its descents.
struct Counting(Arc<AtomicU64>);

impl<T: Scalar> Rule<T> for Counting {
    fn reset(&mut self) {}
    fn step(&mut self, _: &View<'_, T>, _: &[T], _: &mut Matrix<T>) -> apical::Result<()> {
        Ok(())
    }
    fn state(&mut self, _: &mut StateIo<'_>) -> apical::Result<()> {
        Ok(())
    }
    fn descending(&mut self) -> Option<&mut dyn Descend<T>> {
        Some(self)
    }
}

impl<T: Scalar> Descend<T> for Counting {
    fn assign(&mut self, _: &View<'_, T>, _: &[T]) {}
    fn descend(&mut self, _: &LocalView<'_, T>, _: Descent<'_, T>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn descents(change: impl FnOnce(&mut LearnerSpec)) -> u64 {
    let mut spec = spec(r#"{"kind": "rate"}"#);
    change(&mut spec);
    let mut learner = Learner::<f64>::new(&spec, SIZES.0, SIZES.1, 5).unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let rule = Box::new(Counting(count.clone()));
    learner.set_rule("counting", rule).unwrap();
    steps(|x, y, _, first, last| {
        if first {
            learner.begin_trial();
        }
        let batch = learner.network().dims().batch;
        let (x, y) = (x.repeat(batch), y.repeat(batch));
        learner.learn_part(&x, &y, None, last).unwrap();
    });
    count.load(Ordering::Relaxed)
}

#[test]
fn a_gradient_is_kept_where_somebody_needs_it() {
    // Not at the three ends of trials, nor at steps 0, 61 and 122, which are looked at.
    assert_eq!(descents(|_| {}), 150 - 3 - 3);
    assert_eq!(descents(|spec| spec.optimizer.kind = Method::Adam), 0);
    assert_eq!(descents(|spec| spec.optimizer.clip = Some(1.0)), 0);
    assert_eq!(descents(|spec| spec.optimizer.l1 = 1e-3), 0);
    assert_eq!(descents(|spec| spec.update = Update::Every(2)), 0);
    assert_eq!(descents(|spec| spec.batch = 2), 0);
    assert_eq!(descents(|spec| spec.network.self_connections = false), 0);
}
