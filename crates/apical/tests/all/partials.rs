//! own, gain and slope of every neuron and activation against finite differences of its own step.

use apical::Streams;
use apical::kernel::{Simd, padded};
use apical::neuron::{
    Activation, Layer, Neuron, NeuronSpec, Partials, RateSpec, TwoCompartmentSpec, VoltageSpec,
};

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
            NeuronSpec::TwoCompartment(TwoCompartmentSpec {
                activation,
                ..TwoCompartmentSpec::default()
            }),
            NeuronSpec::TwoCompartment(TwoCompartmentSpec {
                tau_soma: 3.0,
                tau_apical: 0.7,
                phase: 1,
                coupling: 0.6,
                inhibition: 0.25,
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
    let plane = state.len() / neuron.states();
    let (mut state, mut rate) = (state.to_vec(), vec![0.0; plane]);
    neuron.step(Layer {
        simd,
        plane,
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

#[test]
fn partials_are_the_derivatives_of_the_step() {
    let mut stream = Streams::new(2).stream("partials", 0);
    for neuron in neurons() {
        for simd in [Simd::detect(), Simd::portable()] {
            for (units, batch) in [(1, 1), (5, 3), (16, 1), (33, 2)] {
                let plane = batch * padded(units);
                let neuron = &*neuron;
                let (states, currents) = (neuron.states(), neuron.currents());
                // A unit's numbers share a sign, so that a leaky voltage stays away from 0 too.
                let signs: Vec<f64> = (0..plane)
                    .map(|_| if stream.coin() { 1.0 } else { -1.0 })
                    .collect();
                let mut signed = |planes: usize, spread: f64| -> Vec<f64> {
                    let sign = |k: usize| signs[k % plane] * (0.1 + spread * stream.uniform());
                    (0..planes * plane).map(sign).collect()
                };
                let (drive, state) = (signed(currents, 2.0), signed(states, 1.0));
                let mut partials = Partials::zeros(states, currents, plane);
                let (after, rate) = step(neuron, simd, &state, &drive, Some(&mut partials));
                assert_eq!(
                    (&after, &rate),
                    (
                        &step(neuron, simd, &state, &drive, None).0,
                        &step(neuron, simd, &state, &drive, None).1
                    )
                );
                // One number at a time: a partial must not hide an effect on another unit.
                let moved = |values: &[f64], at: usize, by: f64| {
                    let mut values = values.to_vec();
                    values[at] += by;
                    values
                };
                let alone = |other: &[f64], k: usize| {
                    (0..states * plane).all(|l| l % plane == k || other[l] == after[l])
                };
                for k in 0..plane {
                    for (before, s) in (0..states).flat_map(|b| (0..states).map(move |s| (b, s))) {
                        let at = |by| moved(&state, before * plane + k, by);
                        let up = step(neuron, simd, &at(STEP), &drive, None).0;
                        let down = step(neuron, simd, &at(-STEP), &drive, None).0;
                        assert!(alone(&up, k) && alone(&down, k));
                        let slope = (up[s * plane + k] - down[s * plane + k]) / (2.0 * STEP);
                        let own = partials.own[(s * states + before) * plane + k];
                        close("own", neuron, slope, own);
                    }
                    for (g, s) in (0..currents).flat_map(|g| (0..states).map(move |s| (g, s))) {
                        let at = |by| moved(&drive, g * plane + k, by);
                        let up = step(neuron, simd, &state, &at(STEP), None).0;
                        let down = step(neuron, simd, &state, &at(-STEP), None).0;
                        assert!(alone(&up, k) && alone(&down, k));
                        let slope = (up[s * plane + k] - down[s * plane + k]) / (2.0 * STEP);
                        let gain = partials.gain[(s * currents + g) * plane + k];
                        close("gain", neuron, slope, gain);
                    }
                }
                let read = |state: &[f64]| {
                    let (mut rate, mut slope) = (vec![0.0; plane], vec![0.0; states * plane]);
                    neuron.read(simd, plane, state, &mut rate, &mut slope);
                    (rate, slope)
                };
                for k in 0..states * plane {
                    let rate = |by| read(&moved(&after, k, by)).0[k % plane];
                    let slope = (rate(STEP) - rate(-STEP)) / (2.0 * STEP);
                    close("slope", neuron, slope, partials.slope[k]);
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
