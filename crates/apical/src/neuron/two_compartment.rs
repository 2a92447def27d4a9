//! Soma and distal apical compartment with time constants of their own, in two phases a step.
//!
//! A step is a cycle of 2 N instants, through which the currents u^S (soma) and u^A (distal) hold still: N of the somatic phase, in
//! which inhibition leaves the distal compartment open by o = 1 − `inhibition`, then N of the distal phase, o = 1. At each instant
//!
//! V^A ← e^{−1/τ_A} V^A + (1 − e^{−1/τ_A}) o u^A,   V^S ← e^{−1/τ_S} V^S + (1 − e^{−1/τ_S}) [(1 − g o) u^S + g o V^A],
//!
//! g the `coupling`; r = φ(V^S) at the end of the cycle. Instants are linear, so a step is one linear map of (V^S, V^A, u^S, u^A),
//! worked out once: N costs nothing.
//!
//! Source: the two compartments and phases of Marschall, Cho & Savin 2019, given dynamics. With g = 0 and τ_S = τ_A = 0, or N → ∞,
//! V^S(t) = u^S, V^A(t) = u^A and r = φ(u^S): the published equations, `rate` with alpha = 1. With g = 1 it is r̃ = φ(V^A) instead.
//! Partials: own = ∂(V^S, V^A)(t)/∂(V^S, V^A)(t−1) = [[κ, λ], [0, μ]], gain likewise, both constant; slope = [φ'(V^S), 0].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::{Pointwise, Read, with_pointwise};
use super::{Activation, Layer, Neuron, NeuronInfo};
use crate::kernel::{Kernel, Simd};
use crate::{Error, Result, Scalar};

pub(super) const INFO: NeuronInfo = NeuronInfo {
    name: "two_compartment",
    summary: "soma and distal apical compartment in two phases (after Marschall, Cho & Savin 2019)",
    states: 2,
    currents: 2,
    equation: "in the distal phase (o = 1), after the somatic one (o = 1-inhibition), phase times each: VA <- a VA + (1-a) o uA, VS <- b VS + (1-b) ((1-g o) uS + g o VA), a = exp(-1/tau_apical), b = exp(-1/tau_soma), g = coupling;  r = phi(VS)",
};

/// Longest phase, in instants.
const LONGEST: u64 = 10_000;

/// Configuration of [`TwoCompartment`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TwoCompartmentSpec {
    /// τ_S in instants of a phase; 0 follows its current at once.
    #[schemars(range(min = 0.0), extend("unit" = "instants"))]
    pub tau_soma: f64,
    /// τ_A in instants of a phase; 0 follows its current at once.
    #[schemars(range(min = 0.0), extend("unit" = "instants"))]
    pub tau_apical: f64,
    /// N, instants of each of the two phases of a step.
    #[schemars(range(min = 1, max = LONGEST), extend("unit" = "instants"))]
    pub phase: u64,
    /// g in [0, 1]: the share of V^A in what drives the soma of an open neuron.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub coupling: f64,
    /// In [0, 1]: how far inhibition closes the distal compartment in the somatic phase.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub inhibition: f64,
    /// φ, the activation of the units.
    pub activation: Activation,
}

impl Default for TwoCompartmentSpec {
    fn default() -> Self {
        Self {
            tau_soma: 2.0,
            tau_apical: 5.0,
            phase: 5,
            coupling: 0.3,
            inhibition: 1.0,
            activation: Activation::Tanh,
        }
    }
}

/// What is left after an instant.
fn left(tau: f64) -> f64 {
    if tau == 0.0 { 0.0 } else { (-1.0 / tau).exp() }
}

impl TwoCompartmentSpec {
    fn check(&self) -> Result<()> {
        for (name, tau) in [("tau_soma", self.tau_soma), ("tau_apical", self.tau_apical)] {
            if !(tau >= 0.0 && tau.is_finite()) {
                return Err(Error::invalid(
                    format!("network.neuron.{name}"),
                    tau,
                    "a finite number that is not negative",
                    "It is a time constant in instants of a phase; 0 follows its current at once.",
                ));
            }
        }
        for (name, share) in [("coupling", self.coupling), ("inhibition", self.inhibition)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::invalid(
                    format!("network.neuron.{name}"),
                    share,
                    "a number in [0, 1]",
                    "0 is none of it, 1 is all.",
                ));
            }
        }
        if !(1..=LONGEST).contains(&self.phase) {
            return Err(Error::invalid(
                "network.neuron.phase",
                self.phase,
                format!("between 1 and {LONGEST} instants"),
                "Long phases are short time constants: lower tau_soma and tau_apical instead.",
            ));
        }
        Ok(())
    }

    /// The slower of the time constants that reach the rate, in steps: 1/(1 − what is left of a voltage after one).
    pub(super) fn time_constant(&self) -> f64 {
        let distal = if self.coupling > 0.0 {
            left(self.tau_apical)
        } else {
            0.0
        };
        let left = left(self.tau_soma).max(distal);
        1.0 / (1.0 - left.powf(2.0 * self.phase as f64))
    }

    /// The map of a whole step: rows V^S and V^A, columns V^S(t−1), V^A(t−1), u^S, u^A.
    fn step(&self) -> [[f64; 4]; 2] {
        let (b, a) = (left(self.tau_soma), left(self.tau_apical));
        let (mut soma, mut apical) = ([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]);
        for open in [1.0 - self.inhibition, 1.0] {
            let enters = self.coupling * open;
            for _ in 0..self.phase {
                apical = apical.map(|weight| a * weight);
                apical[3] += (1.0 - a) * open;
                soma = soma.map(|weight| b * weight);
                soma[2] += (1.0 - b) * (1.0 - enters);
                for (soma, apical) in soma.iter_mut().zip(apical) {
                    *soma += (1.0 - b) * enters * apical;
                }
            }
        }
        [soma, apical]
    }
}

/// A unit of two compartments.
#[derive(Clone, Debug)]
pub struct TwoCompartment<T> {
    soma: [T; 4],
    apical: [T; 4],
    activation: Activation,
}

impl<T: Scalar> TwoCompartment<T> {
    /// Builds the neuron.
    ///
    /// # Errors
    /// A time constant below 0, a share outside [0, 1], or a phase of no instants or too many.
    pub fn new(spec: &TwoCompartmentSpec) -> Result<Self> {
        spec.check()?;
        let [soma, apical] = spec.step().map(|row| row.map(T::of));
        Ok(Self {
            soma,
            apical,
            activation: spec.activation,
        })
    }
}

struct Step<'a, T, P> {
    neuron: &'a TwoCompartment<T>,
    phi: P,
    layer: Layer<'a, T>,
}

impl<T: Scalar, P: Pointwise> Kernel for Step<'_, T, P> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { neuron, phi, layer } = self;
        let (plane, [soma, apical]) = (layer.plane, [neuron.soma, neuron.apical]);
        let (basal, distal) = layer.currents.split_at(plane);
        let (states, voltages) = layer.state.split_at_mut(plane);
        let currents = basal.iter().zip(distal);
        for ((vs, va), (us, ua)) in states.iter_mut().zip(voltages).zip(currents) {
            // From the largest term of a unit without time constants on, which the others then leave as it is.
            let mut next = soma[2] * *us;
            next = soma[3].fma::<FMA>(*ua, next);
            next = soma[1].fma::<FMA>(*va, next);
            *vs = soma[0].fma::<FMA>(*vs, next);
            *va = apical[1].fma::<FMA>(*va, apical[3] * *ua);
        }
        let Some(partials) = layer.partials else {
            for (r, vs) in layer.rate.iter_mut().zip(states) {
                *r = phi.both::<T, FMA>(*vs).0;
            }
            return;
        };
        for (part, row) in [soma, apical].iter().enumerate() {
            for column in 0..2 {
                let at = (2 * part + column) * plane;
                partials.own[at..at + plane].fill(row[column]);
                partials.gain[at..at + plane].fill(row[2 + column]);
            }
        }
        let (slope, none) = partials.slope.split_at_mut(plane);
        none[..plane].fill(T::ZERO);
        for ((r, slope), vs) in layer.rate.iter_mut().zip(slope).zip(states) {
            (*r, *slope) = phi.both::<T, FMA>(*vs);
        }
    }
}

impl<T: Scalar> Neuron<T> for TwoCompartment<T> {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn states(&self) -> usize {
        INFO.states
    }

    fn currents(&self) -> usize {
        INFO.currents
    }

    fn step(&self, layer: Layer<'_, T>) {
        let neuron = self;
        with_pointwise!(self.activation, phi => layer.simd.run(Step { neuron, phi, layer }));
    }

    fn read(&self, simd: Simd, plane: usize, state: &[T], rate: &mut [T], slope: &mut [T]) {
        let (slope, none) = slope.split_at_mut(plane);
        none[..plane].fill(T::ZERO);
        let (state, rate) = (&state[..plane], &mut rate[..plane]);
        with_pointwise!(self.activation, phi => simd.run(Read { phi, state, rate, slope }));
    }
}
