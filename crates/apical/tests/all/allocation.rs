//! After the first steps, learning takes no memory from the heap.

use crate::common::rule;
use crate::counting::{allocations, so_far};
use apical::monitor::{Monitor, MonitorSpec, Recorder};
use apical::network::NetworkSpec;
use apical::neuron::{NeuronSpec, VoltageSpec};
use apical::optimizer::{Method, OptimizerSpec};
use apical::task::{AddSpec, Sample, Task, TaskSpec};
use apical::{Learner, LearnerSpec, Result, Streams, Update};

pub const RULES: [&str; 38] = [
    r#"{"kind": "dendritic"}"#,
    r#"{"kind": "dendritic", "normalize": "none"}"#,
    r#"{"kind": "dendritic", "decay": 0.1, "jacobian": {"kind": "learned", "regressors": "all"}}"#,
    r#"{"kind": "dendritic", "jacobian": {"kind": "local", "regressors": "all"}}"#,
    r#"{"kind": "dendritic", "decay": 0.1, "phases": "two_phase"}"#,
    r#"{"kind": "dendritic", "jacobian": {"kind": "exact"}}"#,
    r#"{"kind": "dendritic", "jacobian": {"kind": "local"}}"#,
    r#"{"kind": "rtrl"}"#,
    r#"{"kind": "readout_only"}"#,
    r#"{"kind": "bptt"}"#,
    r#"{"kind": "rflo"}"#,
    r#"{"kind": "e_bptt", "horizon": 7}"#,
    r#"{"kind": "f_bptt", "horizon": 7}"#,
    r#"{"kind": "uoro"}"#,
    r#"{"kind": "kf_rtrl"}"#,
    r#"{"kind": "r_kf_rtrl"}"#,
    r#"{"kind": "dendritic", "lambda": 0.5, "horizon": 5}"#,
    r#"{"kind": "uoro", "epsilon": 1e-3}"#,
    r#"{"kind": "snap"}"#,
    r#"{"kind": "snap", "order": 2}"#,
    r#"{"kind": "rflo", "leak": 0.3, "input": "previous"}"#,
    r#"{"kind": "node_perturbation", "reward": "trial"}"#,
    r#"{"kind": "kernl"}"#,
    r#"{"kind": "tbptt", "every": 3, "back": 7}"#,
    r#"{"kind": "node_perturbation"}"#,
    r#"{"kind": "miconi"}"#,
    r#"{"kind": "random_gradient"}"#,
    r#"{"kind": "force"}"#,
    r#"{"kind": "mdgl"}"#,
    r#"{"kind": "mdgl", "feedback_weights": "cell"}"#,
    r#"{"kind": "modprop"}"#,
    r#"{"kind": "modprop", "zero_diagonal": true}"#,
    r#"{"kind": "modprop", "drive": "code"}"#,
    r#"{"kind": "modprop", "drive": "code", "zero_diagonal": true}"#,
    r#"{"kind": "modprop", "taps": 4}"#,
    r#"{"kind": "modprop", "feedback_weights": "cell"}"#,
    r#"{"kind": "modprop", "drive": "code", "feedback_weights": "cell"}"#,
    r#"{"kind": "combined", "eligibility": {"kind": "kernl"}, "credit": {"kind": "dendritic"}}"#,
];

fn learner(rule_json: &str, neuron: NeuronSpec, method: Method, batch: usize) -> Learner<f32> {
    let spec = LearnerSpec {
        network: NetworkSpec {
            units: 12,
            neuron,
            ..NetworkSpec::default()
        },
        rule: rule(rule_json),
        optimizer: OptimizerSpec {
            kind: method,
            clip: Some(1.0),
            ..OptimizerSpec::default()
        },
        update: if rule_json.contains("bptt") {
            Update::Every(20)
        } else {
            Update::Step
        },
        batch,
        ..LearnerSpec::default()
    };
    Learner::new(&spec, 2, 2, 1).unwrap()
}

fn task(batch: usize) -> Box<dyn Task<f32>> {
    let spec = TaskSpec::Add(AddSpec::default());
    spec.build(batch, 1_000, &Streams::new(1), "train").unwrap()
}

#[test]
fn the_counter_counts() {
    assert_eq!(
        allocations(|| drop(std::hint::black_box(vec![1_u8; 100]))),
        1
    );
}

#[test]
fn a_step_allocates_nothing() {
    for rule in RULES {
        for method in [Method::Sgd, Method::Momentum, Method::Adam] {
            for batch in [1, 3] {
                // ModProp has another form where units share their traces.
                let neuron = match batch {
                    1 if rule.contains("modprop") => NeuronSpec::Voltage(VoltageSpec::default()),
                    _ => NetworkSpec::default().neuron,
                };
                let mut learner = learner(rule, neuron, method, batch);
                let mut task = task(batch);
                let mut sample = Sample::new(batch, 2, 2);
                let mut steps = |count: usize| {
                    for k in 0..count {
                        task.next(&mut sample);
                        // Trials too, shorter than the window of the warm-up.
                        sample.first = k % 10 == 0 && k > 0;
                        sample.last = k % 10 == 9 && k > 10;
                        learner.learn_sample(&sample).unwrap();
                        learner.learn(&sample.x, &sample.y).unwrap();
                    }
                };
                steps(20);
                let count = allocations(|| steps(200));
                assert_eq!(count, 0, "{rule} {method:?} batch {batch}");
            }
        }
    }
}

/// Notes how much had been allocated after its first and after its latest step.
struct Watch {
    recorder: Recorder,
    first: Option<u64>,
    last: u64,
}

impl Monitor<f32> for Watch {
    fn on_step(&mut self, learner: &Learner<f32>) -> Result<()> {
        self.recorder.on_step(learner)?;
        self.last = so_far();
        self.first.get_or_insert(self.last);
        Ok(())
    }
}

#[test]
fn a_recorded_run_allocates_nothing_once_it_goes() {
    for rule in RULES {
        let mut learner = learner(rule, NetworkSpec::default().neuron, Method::Sgd, 1);
        let mut task = task(1);
        let mut quantities = vec![
            "loss",
            "accuracy",
            "rate.mean",
            "W_rec.norm",
            "W_out[3]",
            "gradient.max",
            "signal",
        ];
        if rule.contains("dendritic") {
            quantities.extend(["A_loss", "A.norm", "V_A", "V_A_target[3]", "r_distal.max"]);
        }
        let spec = |quantity: &&str| MonitorSpec {
            every: 3,
            ..MonitorSpec::new(quantity)
        };
        let specs: Vec<_> = quantities.iter().map(spec).collect();
        let mut recorder = Recorder::new(&specs, &learner).unwrap();
        recorder.reserve(600);
        let mut watch = Watch {
            recorder,
            first: None,
            last: 0,
        };
        learner.run(&mut *task, 100, &mut watch).unwrap();
        watch.first = None;
        learner.run(&mut *task, 500, &mut watch).unwrap();
        assert_eq!(watch.last - watch.first.unwrap(), 0, "{rule}");
        assert_eq!(watch.recorder.channels()[0].values.len(), 200);
    }
}

#[test]
fn a_trial_worked_out_at_its_end_allocates_nothing_once_it_goes() {
    for rule_json in [
        r#"{"kind": "rflo"}"#,
        r#"{"kind": "bptt"}"#,
        r#"{"kind": "mdgl"}"#,
        r#"{"kind": "modprop"}"#,
        r#"{"kind": "modprop", "taps": 3}"#,
        r#"{"kind": "modprop", "drive": "code", "feedback_weights": "cell", "taps": 3}"#,
    ] {
        for batch in [1, 8] {
            let spec = LearnerSpec {
                network: NetworkSpec {
                    units: 12,
                    ..NetworkSpec::default()
                },
                rule: rule(rule_json),
                update: Update::Trial,
                batch,
                ..LearnerSpec::default()
            };
            let mut learner = Learner::<f32>::new(&spec, 2, 2, 1).unwrap();
            let mut task = task(batch);
            let mut sample = Sample::new(batch, 2, 2);
            let mut trials = |count: usize| {
                for k in 0..20 * count {
                    task.next(&mut sample);
                    (sample.first, sample.last) = (k % 20 == 0, k % 20 == 19);
                    learner.learn_sample(&sample).unwrap();
                }
            };
            trials(2);
            assert_eq!(allocations(|| trials(5)), 0, "{rule_json} {batch}");
        }
    }
}
