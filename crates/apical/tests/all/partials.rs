//! own, gain and slope of every neuron and activation against finite differences of its own step.

use apical::kernel::{Simd, padded};
use apical::neuron::{Activation, Layer, Neuron, NeuronSpec, Partials, RateSpec, VoltageSpec};
use apical::{Stream, Streams};

const ACTIVATIONS: [Activation; 5] = [
    Activation::Tanh,
    Activation::Relu,
    Activation::Softplus,
    Activation::Sigmoid,
    Activation::Identity,
];
/// Steps of the differences, and what their truncation (order h²) and rounding (order 1e-16/h) leave.
const STEP: f64 = 1e-5;
const BOUND: f64 = 1e-9;

fn neurons() -> Vec<Box<dyn Neuron<f64>>> {
    let of = |activation| {
        [
            NeuronSpec::Rate(RateSpec {
                alpha: 0.3,
                activation,
            }),
            NeuronSpec::Rate(RateSpec {
                alpha: 1.0,
                activation,
            }),
            NeuronSpec::Voltage(VoltageSpec {
                leak: 0.8,
                activation,
            }),
            NeuronSpec::Voltage(VoltageSpec {
                leak: 0.0,
                activation,
            }),
        ]
    };
    let specs = ACTIVATIONS.into_iter().flat_map(of);
    specs.map(|spec| spec.build().unwrap()).collect()
}

/// s(t) and r(t) from s(t−1) and u(t), with the partials when asked for.
fn step(
    neuron: &dyn Neuron<f64>,
    simd: Simd,
    state: &[f64],
    currents: &[f64],
    partials: Option<&mut Partials<f64>>,
) -> (Vec<f64>, Vec<f64>) {
    let (mut state, mut rate) = (state.to_vec(), vec![0.0; state.len()]);
    neuron.step(Layer {
        simd,
        plane: state.len(),
        currents,
        state: &mut state,
        rate: &mut rate,
        partials,
    });
    (state, rate)
}

fn close(what: &str, neuron: &dyn Neuron<f64>, slope: f64, partial: f64) {
    let bound = BOUND * (1.0 + partial.abs());
    let name = neuron.name();
    assert!(
        (slope - partial).abs() < bound,
        "{name} {what}: {slope} != {partial}"
    );
}

/// Far enough from 0 that no difference straddles the kink of relu; both signs occur.
fn away_from_zero(stream: &mut Stream) -> f64 {
    let magnitude = 0.1 + 2.0 * stream.uniform();
    if stream.coin() { magnitude } else { -magnitude }
}

#[test]
fn partials_are_the_derivatives_of_the_step() {
    let mut stream = Streams::new(2).stream("partials", 0);
    for neuron in neurons() {
        for simd in [Simd::detect(), Simd::portable()] {
            for (units, batch) in [(1, 1), (5, 3), (16, 1), (33, 2)] {
                let plane = batch * padded(units);
                let currents: Vec<f64> = (0..plane).map(|_| away_from_zero(&mut stream)).collect();
                // Of the sign of the current, so that a leaky voltage stays away from 0 too.
                let state: Vec<f64> = currents
                    .iter()
                    .map(|u| u.signum() * (0.1 + stream.uniform()))
                    .collect();
                let mut partials = Partials::zeros(1, 1, plane);
                let neuron = &*neuron;
                let (after, rate) = step(neuron, simd, &state, &currents, Some(&mut partials));
                assert_eq!(
                    (&after, &rate),
                    (
                        &step(neuron, simd, &state, &currents, None).0,
                        &step(neuron, simd, &state, &currents, None).1
                    )
                );
                for k in 0..plane {
                    // One unit at a time: a partial must not hide an effect on another unit.
                    let moved = |values: &[f64], by: f64| {
                        let mut values = values.to_vec();
                        values[k] += by;
                        values
                    };
                    let others = |other: &[f64]| (0..plane).all(|l| l == k || other[l] == after[l]);
                    let up = step(neuron, simd, &moved(&state, STEP), &currents, None).0;
                    let down = step(neuron, simd, &moved(&state, -STEP), &currents, None).0;
                    assert!(others(&up) && others(&down));
                    close(
                        "own",
                        neuron,
                        (up[k] - down[k]) / (2.0 * STEP),
                        partials.own[k],
                    );
                    let up = step(neuron, simd, &state, &moved(&currents, STEP), None).0;
                    let down = step(neuron, simd, &state, &moved(&currents, -STEP), None).0;
                    assert!(others(&up) && others(&down));
                    close(
                        "gain",
                        neuron,
                        (up[k] - down[k]) / (2.0 * STEP),
                        partials.gain[k],
                    );
                }
                let read = |state: &[f64]| {
                    let (mut rate, mut slope) = (vec![0.0; plane], vec![0.0; plane]);
                    neuron.read(simd, plane, state, &mut rate, &mut slope);
                    (rate, slope)
                };
                let shifted = |by: f64| after.iter().map(|s| s + by).collect::<Vec<_>>();
                let (up, down) = (read(&shifted(STEP)).0, read(&shifted(-STEP)).0);
                for k in 0..plane {
                    close(
                        "slope",
                        neuron,
                        (up[k] - down[k]) / (2.0 * STEP),
                        partials.slope[k],
                    );
                }
                // A trial that began at this state would see the same rate and slope.
                assert_eq!(read(&after), (rate, partials.slope.to_vec()));
            }
        }
    }
}

#[test]
fn activations_have_their_own_shapes() {
    let at = |activation, u: f64| {
        let neuron = NeuronSpec::Rate(RateSpec {
            alpha: 1.0,
            activation,
        });
        let neuron = neuron.build().unwrap();
        step(&*neuron, Simd::portable(), &[0.0; 16], &[u; 16], None).1[0]
    };
    let u = 0.7_f64;
    let expected = [
        u.tanh(),
        u,
        (1.0 + u.exp()).ln(),
        1.0 / (1.0 + (-u).exp()),
        u,
    ];
    for (activation, expected) in ACTIVATIONS.into_iter().zip(expected) {
        assert!(
            (at(activation, u) - expected).abs() < 1e-15,
            "{activation:?}"
        );
    }
    assert_eq!(at(Activation::Relu, -u), 0.0);
    assert_eq!(at(Activation::Identity, -u), -u);
    for activation in ACTIVATIONS {
        assert!(
            at(activation, f64::NAN).is_nan(),
            "{activation:?} hides NaN"
        );
    }
}
