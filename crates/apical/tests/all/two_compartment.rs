//! The neuron of two compartments: its instants one by one, and the published equations as its limit.

use crate::common::{difference, rule};
use apical::kernel::Simd;
use apical::network::Network;
use apical::neuron::{
    Activation, Layer, Neuron, NeuronSpec, RateSpec, TwoCompartmentSpec, VoltageSpec,
};
use apical::optimizer::OptimizerSpec;
use apical::synapse::Init;
use apical::{Learner, LearnerSpec, Streams};

const PLANE: usize = 16;

fn of(spec: &TwoCompartmentSpec) -> Box<dyn Neuron<f64>> {
    NeuronSpec::TwoCompartment(spec.clone()).build().unwrap()
}

/// States and rates of ten steps under the same currents, u^S in the first plane and u^A in the second.
fn run(neuron: &dyn Neuron<f64>, simd: Simd) -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut stream = Streams::new(4).stream("currents", 0);
    let mut state = vec![0.5; neuron.states() * PLANE];
    let mut step = || {
        let mut currents = vec![0.0; 2 * PLANE];
        stream.fill_normal(&mut currents, 1.0);
        let mut rate = vec![0.0; PLANE];
        neuron.step(Layer {
            simd,
            plane: PLANE,
            currents: &currents[..neuron.currents() * PLANE],
            state: &mut state,
            rate: &mut rate,
            partials: None,
        });
        state.extend(&currents[PLANE..]);
        let both = (state.clone(), rate);
        state.truncate(neuron.states() * PLANE);
        both
    };
    (0..10).map(|_| step()).collect()
}

#[test]
fn without_coupling_and_time_constants_it_is_the_published_unit_bit_for_bit() {
    let published = NeuronSpec::Rate(RateSpec::default()).build().unwrap();
    let mut limits = Vec::new();
    for (phase, inhibition) in [(1, 1.0), (1, 0.0), (7, 0.5)] {
        limits.push(TwoCompartmentSpec {
            tau_soma: 0.0,
            tau_apical: 0.0,
            phase,
            coupling: 0.0,
            inhibition,
            activation: Activation::Tanh,
        });
    }
    // Phases that are long to both time constants.
    limits.push(TwoCompartmentSpec {
        phase: 10_000,
        coupling: 0.0,
        ..TwoCompartmentSpec::default()
    });
    for simd in [Simd::detect(), Simd::portable()] {
        let expected = run(&*published, simd);
        for limit in &limits {
            let instant = limit.tau_soma == 0.0;
            for (got, expected) in run(&*of(limit), simd).iter().zip(&expected) {
                let (state, distal_current) = got.0.split_at(2 * PLANE);
                let rates = difference(&got.1, &expected.1);
                let voltages = difference(&state[PLANE..], distal_current);
                match instant {
                    true => assert_eq!((rates, voltages), (0.0, 0.0), "{limit:?}"),
                    false => assert!(rates < 1e-12 && voltages < 1e-12, "{limit:?}"),
                }
            }
        }
    }
}

#[test]
fn longer_phases_come_closer_to_the_published_unit() {
    let simd = Simd::portable();
    let published = run(
        &*NeuronSpec::Rate(RateSpec::default()).build().unwrap(),
        simd,
    );
    let apart = |phase| {
        let spec = TwoCompartmentSpec {
            phase,
            coupling: 0.0,
            tau_soma: 4.0,
            ..TwoCompartmentSpec::default()
        };
        let pairs = run(&*of(&spec), simd).into_iter().zip(&published);
        pairs
            .map(|(a, b)| difference(&a.1, &b.1))
            .fold(0.0, f64::max)
    };
    let errors: Vec<f64> = [1, 2, 5, 10, 20].map(apart).to_vec();
    assert!(errors.is_sorted_by(|a, b| a > b), "{errors:?}");
    // What is left of a voltage after a cycle of 2 N instants is e^(−2 N/τ).
    assert!(errors[0] > 0.1 && errors[4] < 1e-3, "{errors:?}");
}

#[test]
fn fully_coupled_the_rate_is_that_of_the_distal_phase() {
    let spec = TwoCompartmentSpec {
        tau_soma: 0.0,
        tau_apical: 0.0,
        phase: 1,
        coupling: 1.0,
        ..TwoCompartmentSpec::default()
    };
    for (state, rate) in run(&*of(&spec), Simd::detect()) {
        let expected: Vec<f64> = state[2 * PLANE..].iter().map(|u| u.tanh()).collect();
        assert!(difference(&rate, &expected) < 1e-14);
    }
}

#[test]
fn uncoupled_its_soma_is_a_voltage_unit() {
    let spec = TwoCompartmentSpec {
        coupling: 0.0,
        activation: Activation::Relu,
        ..TwoCompartmentSpec::default()
    };
    let leak = (-2.0 * spec.phase as f64 / spec.tau_soma).exp();
    let voltage = NeuronSpec::Voltage(VoltageSpec {
        leak,
        activation: Activation::Relu,
    });
    let expected = run(&*voltage.build().unwrap(), Simd::detect());
    for (got, expected) in run(&*of(&spec), Simd::detect()).iter().zip(expected) {
        assert!(difference(&got.1, &expected.1) < 1e-12);
    }
}

#[test]
fn a_step_is_its_instants_one_by_one() {
    for (phase, inhibition, coupling) in [(1, 1.0, 0.3), (3, 0.4, 0.7), (5, 0.0, 1.0)] {
        let spec = TwoCompartmentSpec {
            tau_soma: 1.7,
            tau_apical: 3.1,
            phase,
            coupling,
            inhibition,
            activation: Activation::Sigmoid,
        };
        let keep = [(-1.0_f64 / 1.7).exp(), (-1.0_f64 / 3.1).exp()];
        let mut stream = Streams::new(4).stream("currents", 0);
        let (mut soma, mut distal) = ([0.5; PLANE], [0.5; PLANE]);
        for (state, rate) in run(&*of(&spec), Simd::detect()) {
            let mut currents = [0.0; 2 * PLANE];
            stream.fill_normal(&mut currents, 1.0);
            for k in 0..PLANE {
                let (us, ua) = (currents[k], currents[PLANE + k]);
                for instant in 0..2 * phase {
                    let open = if instant < phase {
                        1.0 - inhibition
                    } else {
                        1.0
                    };
                    distal[k] = keep[1] * distal[k] + (1.0 - keep[1]) * open * ua;
                    let drive = us + coupling * open * (distal[k] - us);
                    soma[k] = keep[0] * soma[k] + (1.0 - keep[0]) * drive;
                }
            }
            let expected = [soma, distal].concat();
            let apart = difference(&state[..2 * PLANE], &expected);
            assert!(apart < 1e-12, "{spec:?}: {apart}");
            let rates: Vec<f64> = soma.iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect();
            assert!(difference(&rate, &rates) < 1e-12);
        }
    }
}

/// A learner on units of which the first current has the weights of seed 3 and the second, if there is one, others.
fn learner(neuron: NeuronSpec, rule_json: &str) -> Learner<f64> {
    let (n, inputs, outputs) = (8, 2, 2);
    let spec = LearnerSpec {
        rule: rule(rule_json),
        optimizer: OptimizerSpec {
            rate: 0.05,
            ..OptimizerSpec::default()
        },
        ..LearnerSpec::default()
    };
    let mut network = Network::with_neuron(neuron.build().unwrap(), n, inputs, outputs, 1).unwrap();
    let mut stream = Streams::new(3).stream("weights", 0);
    let gaussian = Init::gaussian();
    gaussian
        .fill(
            "readout",
            network.readout_mut(),
            0..outputs,
            0..n,
            &mut stream,
        )
        .unwrap();
    let weights = network.synapses_mut().weights_mut();
    let (rows, columns) = (weights.rows(), weights.columns());
    gaussian
        .fill("weights", weights, 0..rows, 0..columns, &mut stream)
        .unwrap();
    let mut learner = Learner::with_network(network, &spec, &Streams::new(3)).unwrap();
    learner.begin_trial();
    learner
}

#[test]
fn in_the_limit_it_learns_as_the_published_network_does() {
    let limit = || {
        NeuronSpec::TwoCompartment(TwoCompartmentSpec {
            tau_soma: 0.0,
            tau_apical: 0.0,
            phase: 1,
            coupling: 0.0,
            ..TwoCompartmentSpec::default()
        })
    };
    let coupled = NeuronSpec::TwoCompartment(TwoCompartmentSpec::default());
    for rule in [
        r#"{"kind": "dendritic"}"#,
        r#"{"kind": "dendritic", "jacobian": {"kind": "local"}}"#,
        r#"{"kind": "rtrl"}"#,
        r#"{"kind": "rflo"}"#,
        r#"{"kind": "f_bptt", "horizon": 4}"#,
        r#"{"kind": "snap", "order": 2}"#,
    ] {
        let losses = |neuron: NeuronSpec| -> Vec<f64> {
            let mut learner = learner(neuron, rule);
            let mut stream = Streams::new(5).stream("data", 0);
            let mut step = || {
                let one_of_two = |first: bool| if first { [1.0, 0.0] } else { [0.0, 1.0] };
                let (x, y) = (one_of_two(stream.coin()), one_of_two(stream.coin()));
                learner.learn(&x, &y).unwrap();
                learner.last_loss()
            };
            (0..200).map(|_| step()).collect()
        };
        let published = losses(NeuronSpec::Rate(RateSpec::default()));
        let apart = difference(&published, &losses(limit()));
        assert!(apart < 1e-9, "{rule}: {apart}");
        assert!(
            difference(&published, &losses(coupled.clone())) > 1e-3,
            "{rule}"
        );
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let plain = TwoCompartmentSpec::default;
    let wrong = |spec: TwoCompartmentSpec, expected: &str| {
        let built = NeuronSpec::TwoCompartment(spec).build::<f32>();
        let text = built.err().expect("it was built").to_string();
        assert!(text.starts_with(expected), "{text}");
    };
    for tau in [-1.0, f64::NAN, f64::INFINITY] {
        let expected = format!("network.neuron.tau_soma: got {tau}, expected a finite number");
        wrong(
            TwoCompartmentSpec {
                tau_soma: tau,
                ..plain()
            },
            &expected,
        );
    }
    let expected = "network.neuron.tau_apical: got -0.5, expected a finite number";
    wrong(
        TwoCompartmentSpec {
            tau_apical: -0.5,
            ..plain()
        },
        expected,
    );
    let expected = "network.neuron.coupling: got 1.5, expected a number in [0, 1]";
    wrong(
        TwoCompartmentSpec {
            coupling: 1.5,
            ..plain()
        },
        expected,
    );
    let expected = "network.neuron.inhibition: got -1, expected a number in [0, 1]";
    wrong(
        TwoCompartmentSpec {
            inhibition: -1.0,
            ..plain()
        },
        expected,
    );
    for phase in [0, 10_001] {
        let expected =
            format!("network.neuron.phase: got {phase}, expected between 1 and 10000 instants");
        wrong(TwoCompartmentSpec { phase, ..plain() }, &expected);
    }
}
