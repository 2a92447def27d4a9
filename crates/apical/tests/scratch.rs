//! Scratch.
mod common;
use apical::network::NetworkSpec;
use apical::optimizer::OptimizerSpec;
use apical::task::{AddSpec, TaskSpec};
use apical::{Learner, LearnerSpec, Streams};
use common::rule;
fn run(json: &str, units: usize, rate: f64, steps: u64, seed: u64) -> f64 {
    let spec = LearnerSpec { network: NetworkSpec { units, ..NetworkSpec::default() }, rule: rule(json),
        optimizer: OptimizerSpec { rate, ..OptimizerSpec::default() }, ..LearnerSpec::default() };
    let mut l = Learner::<f32>::new(&spec, 2, 2, seed).unwrap();
    let task = TaskSpec::Add(AddSpec { lags: [1, 2], ..AddSpec::default() });
    let mut train = task.build(1, steps, &Streams::new(seed), "train").unwrap();
    l.run(&mut *train, steps, &mut ()).unwrap();
    let mut test = task.build(1, 10000, &Streams::new(seed), "test").unwrap();
    l.evaluate(&mut *test, 10000).unwrap().true_loss
}
#[test]
fn explore() {
    for units in [2, 4, 8, 16] { for rate in [0.003, 0.01, 0.03] { for steps in [5000, 20000] {
        for (n, json) in [("dend", r#"{"kind":"dendritic"}"#), ("two", r#"{"kind":"dendritic","phases":"two_phase"}"#), ("ro", r#"{"kind":"readout_only"}"#), ("rtrl", r#"{"kind":"rtrl"}"#)] {
            let v: Vec<f64> = (0..8).map(|s| run(json, units, rate, steps, s)).collect();
            let m = v.iter().sum::<f64>()/8.0; let sd = (v.iter().map(|x| (x-m).powi(2)).sum::<f64>()/7.0).sqrt();
            print!("{n} {m:.4}±{sd:.4} max {:.4} | ", v.iter().cloned().fold(0.0, f64::max));
        }
        println!("n={units} lr={rate} T={steps}");
    }}}
}
