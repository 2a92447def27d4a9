//! The stream of `benches/python_peers.py` learned by a loop in Rust: microseconds a step, for `fit` to be measured against.
//!
//! `cargo run --release -p apical --example rust_loop -- 32 float32`

use std::time::Instant;

use apical::feedback::FeedbackSpec;
use apical::loss::{Loss, Outputs};
use apical::neuron::{NeuronSpec, RateSpec};
use apical::rule::RuleSpec;
use apical::{Learner, LearnerSpec, Scalar, Streams};

/// As long and as many as those of `fit`: the least of shorter ones would be less for being shorter.
const STEPS: usize = 20_000;
const BURSTS: usize = 15;

fn least<T: Scalar>(units: usize) -> apical::Result<f64> {
    let mut spec = LearnerSpec {
        loss: Loss::MeanSquaredError {
            outputs: Outputs::Sum,
        },
        rule: RuleSpec::by_name("rflo")?,
        feedback: FeedbackSpec::random(),
        ..LearnerSpec::default()
    };
    spec.network.units = units;
    spec.network.neuron = NeuronSpec::Rate(RateSpec {
        alpha: 0.5,
        ..RateSpec::default()
    });
    let mut learner = Learner::<T>::new(&spec, 2, 2, 1)?;
    let mut stream = Streams::new(0).stream("bench", 0);
    let mut values = vec![T::ZERO; 4 * STEPS];
    stream.fill_normal(&mut values, 1.0);
    let (x, y) = values.split_at(2 * STEPS);
    let mut best = f64::INFINITY;
    for _ in 0..BURSTS {
        let begun = Instant::now();
        for (x, y) in x.chunks_exact(2).zip(y.chunks_exact(2)) {
            learner.learn(x, y)?;
        }
        best = best.min(begun.elapsed().as_secs_f64());
    }
    Ok(1e6 * best / STEPS as f64)
}

fn main() -> apical::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let units = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(32);
    let time = match arguments.next().as_deref() {
        Some("float64") => least::<f64>(units)?,
        _ => least::<f32>(units)?,
    };
    println!("{time:.3}");
    Ok(())
}
