//! Leak on the voltage: s(t) = a s(t−1) + (1−a) u(t), r = φ(s).
//!
//! Source: Liu et al. 2022, section 2 (there a = e^{−dt/τ} and φ = relu).
//! Partials: own = a, gain = 1−a, slope = φ'(s).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::{Pointwise, Read, with_pointwise};
use super::{Activation, ConstantPartials, Layer, Neuron, NeuronInfo};
use crate::kernel::{Kernel, Simd};
use crate::{Error, Result, Scalar};

pub(super) const INFO: NeuronInfo = NeuronInfo {
    name: "voltage",
    summary: "leak on the voltage (Liu et al. 2022)",
    states: 1,
    currents: 1,
    equation: "s(t) = leak s(t-1) + (1-leak) u(t),  r = phi(s)",
};

/// Configuration of [`Voltage`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VoltageSpec {
    /// a, what is left of the voltage after one step, in [0, 1).
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub leak: f64,
    /// φ, the activation of the units.
    pub activation: Activation,
}

impl Default for VoltageSpec {
    fn default() -> Self {
        Self {
            leak: 0.9,
            activation: Activation::Relu,
        }
    }
}

/// A unit whose voltage is a leaky integral of its current.
#[derive(Clone, Debug)]
pub struct Voltage<T> {
    leak: T,
    activation: Activation,
}

impl<T: Scalar> Voltage<T> {
    /// Builds the neuron.
    ///
    /// # Errors
    /// `leak` outside [0, 1).
    pub fn new(spec: &VoltageSpec) -> Result<Self> {
        if !(spec.leak >= 0.0 && spec.leak < 1.0) {
            return Err(Error::invalid(
                "network.neuron.leak",
                spec.leak,
                "a number in [0, 1)",
                "leak is exp(-dt/tau), what is left of the voltage after one step.",
            ));
        }
        Ok(Self {
            leak: T::of(spec.leak),
            activation: spec.activation,
        })
    }
}

struct Step<'a, T, P> {
    leak: T,
    phi: P,
    layer: Layer<'a, T>,
}

impl<T: Scalar, P: Pointwise> Kernel for Step<'_, T, P> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { leak, phi, layer } = self;
        let enter = T::ONE - leak;
        let units = layer.state.iter_mut().zip(layer.rate).zip(layer.currents);
        if let Some(partials) = layer.partials {
            for (((s, r), u), slope) in units.zip(partials.slope.iter_mut()) {
                *s = leak.fma::<FMA>(*s, enter * *u);
                (*r, *slope) = phi.both::<T, FMA>(*s);
            }
            partials.own.fill(leak);
            partials.gain.fill(enter);
        } else {
            for ((s, r), u) in units {
                *s = leak.fma::<FMA>(*s, enter * *u);
                *r = phi.both::<T, FMA>(*s).0;
            }
        }
    }
}

impl<T: Scalar> Neuron<T> for Voltage<T> {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn constant(&self, derivative: f64) -> Option<ConstantPartials> {
        // The gain as the units have it, rounding included.
        Some(ConstantPartials {
            own: self.leak.f64(),
            gain: (T::ONE - self.leak).f64(),
            slope: derivative,
            shared: true,
        })
    }

    fn step(&self, layer: Layer<'_, T>) {
        let leak = self.leak;
        with_pointwise!(self.activation, phi => layer.simd.run(Step { leak, phi, layer }));
    }

    fn read(&self, simd: Simd, plane: usize, state: &[T], rate: &mut [T], slope: &mut [T]) {
        let (state, rate, slope) = (&state[..plane], &mut rate[..plane], &mut slope[..plane]);
        with_pointwise!(self.activation, phi => simd.run(Read { phi, state, rate, slope }));
    }
}
