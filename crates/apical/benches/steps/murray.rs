//! RFLO as Murray 2019 runs it: a step at 30 units, and the run of the published notebook beside NumPy.

use apical::feedback::FeedbackSpec;
use apical::loss::{Loss, Outputs};
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, RateSpec};
use apical::optimizer::{OptimizerSpec, PerMatrix};
use apical::rule::RuleSpec;
use apical::synapse::{Fan, Init};
use apical::task::{PeriodicSpec, Sample, TaskSpec};
use apical::{Learner, LearnerSpec, Reduction, Scalar, Streams, Update};

use crate::{clock, numpy_numbers, seconds};

fn spec(rule: &str, units: usize, update: Update, rate: f64, readout: f64) -> LearnerSpec {
    LearnerSpec {
        network: NetworkSpec {
            units,
            neuron: NeuronSpec::Rate(RateSpec {
                alpha: 0.1,
                activation: Activation::Tanh,
            }),
            recurrent: Init::Gaussian {
                gain: 1.5,
                fan: Fan::In,
            },
            readout: Init::FanUniform {
                gain: readout,
                fan: Fan::In,
            },
            initial_state: 0.1,
            ..NetworkSpec::default()
        },
        loss: Loss::MeanSquaredError {
            outputs: Outputs::Sum,
        },
        feedback: match rule {
            "bptt" => FeedbackSpec::Symmetric {},
            _ => FeedbackSpec::Random {
                init: Init::Normal { deviation: 1.0 },
            },
        },
        rule: RuleSpec::by_name(rule).expect("a rule that there is"),
        optimizer: OptimizerSpec {
            rate,
            rates: PerMatrix {
                b_rec: 0.0,
                b_out: 0.0,
                ..PerMatrix::default()
            },
            ..OptimizerSpec::default()
        },
        update,
        reduction: Reduction::TrialMean,
        batch: 1,
    }
}

/// Seconds of a step of a trial of `period` steps.
fn step<T: Scalar>(spec: &LearnerSpec, period: u64, quick: bool) -> f64 {
    let mut learner = Learner::<T>::new(spec, 0, 1, 1).expect("sizes that fit");
    let task = TaskSpec::Periodic(PeriodicSpec {
        period,
        ..PeriodicSpec::default()
    });
    let mut task = task
        .build::<T>(1, u64::MAX, &Streams::new(1), "train")
        .expect("a period that fits");
    let mut sample = Sample::new(1, 0, 1);
    seconds(quick, || {
        for _ in 0..period {
            task.next(&mut sample);
            learner.learn_sample(&sample).expect("a finite loss");
        }
    }) / period as f64
}

/// Seconds, first and last loss of the notebook's run.
fn notebook<T: Scalar>(trials: u64) -> (f64, f64, f64) {
    const LENGTH: u64 = 100;
    let spec = spec("rflo", 50, Update::Trial, 0.03, 0.1);
    let mut learner = Learner::<T>::new(&spec, 0, 1, 1).expect("sizes that fit");
    let task = TaskSpec::Periodic(PeriodicSpec {
        period: LENGTH,
        ..PeriodicSpec::default()
    });
    let mut task = task
        .build::<T>(1, trials * LENGTH, &Streams::new(1), "train")
        .expect("a period that fits");
    let mut sample = Sample::new(1, 0, 1);
    let (mut first, mut last) = (f64::NAN, 0.0);
    let start = clock::now();
    for trial in 0..trials {
        last = 0.0;
        for _ in 0..LENGTH {
            task.next(&mut sample);
            learner.learn_sample(&sample).expect("a finite loss");
            last += learner.last_loss() / LENGTH as f64;
        }
        if trial == 0 {
            first = last;
        }
    }
    (clock::now() - start, first, last)
}

/// Prints the table.
pub fn table(quick: bool) {
    println!("periodic output, 30 units, one step of a trial of 200 steps, microseconds:");
    println!("{:34} {:>8} {:>8}", "", "f32", "f64");
    let trial = Update::Trial;
    for (what, rule, update) in [
        ("rflo, weights change every step", "rflo", Update::Step),
        ("rflo, at the end of trials", "rflo", trial),
        ("bptt, at the end of trials", "bptt", trial),
    ] {
        let spec = spec(rule, 30, update, 1e-6, 1.0);
        let (fast, double) = (
            step::<f32>(&spec, 200, quick),
            step::<f64>(&spec, 200, quick),
        );
        println!("{what:34} {:8.3} {:8.3}", 1e6 * fast, 1e6 * double);
    }
    let trials = if quick { 2 } else { 10_000 };
    println!("the notebook's run: rflo, 50 units, {trials} trials of 100 steps:");
    let (single, double) = (notebook::<f32>(trials), notebook::<f64>(trials));
    for (what, (seconds, first, last)) in [("f32", single), ("f64", double)] {
        println!("  {what:6} {seconds:8.2} s, loss {first:.3} to {last:.2e}");
    }
    if quick {
        return;
    }
    match numpy_numbers("numpy_rflo.py", &[]) {
        Ok(numbers) if numbers.len() == 4 => {
            let [_, seconds, first, last] = numbers[..] else {
                return;
            };
            println!("  NumPy  {seconds:8.2} s, loss {first:.3} to {last:.2e}");
            println!(
                "  f32 is {:.0} times, f64 {:.0} times as fast as NumPy in this run",
                seconds / single.0,
                seconds / double.0
            );
        }
        Ok(numbers) => println!("  NumPy printed {} numbers, not 4", numbers.len()),
        Err(reason) => {
            println!("  NumPy was left out ({reason}); PYTHON names another interpreter.")
        }
    }
}
