//! Leak on the rate: s(t) = (1−α) s(t−1) + α φ(u(t)), r = s.
//!
//! Source: Murray 2019, Eq. 1 (α = 1/τ); Marschall, Cho & Savin 2020, section 1.
//! Partials: own = 1−α, gain = α φ'(u), slope = 1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::{Pointwise, with_pointwise};
use super::{Activation, ConstantPartials, Layer, Neuron, NeuronInfo};
use crate::kernel::{Kernel, Simd};
use crate::{Error, Result, Scalar};

pub(super) const INFO: NeuronInfo = NeuronInfo {
    name: "rate",
    summary: "leak on the rate (Murray; Marschall, Cho & Savin)",
    states: 1,
    currents: 1,
    equation: "s(t) = (1-alpha) s(t-1) + alpha phi(u(t)),  r = s",
};

/// Configuration of [`Rate`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateSpec {
    /// α = 1/τ in steps, in (0, 1]; 1 is no leak at all.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub alpha: f64,
    /// φ, the activation of the units.
    pub activation: Activation,
}

impl Default for RateSpec {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            activation: Activation::Tanh,
        }
    }
}

/// A unit whose rate is a leaky integral of φ of its current.
#[derive(Clone, Debug)]
pub struct Rate<T> {
    alpha: T,
    activation: Activation,
}

impl<T: Scalar> Rate<T> {
    /// Builds the neuron.
    ///
    /// # Errors
    /// `alpha` outside (0, 1].
    pub fn new(spec: &RateSpec) -> Result<Self> {
        if !(spec.alpha > 0.0 && spec.alpha <= 1.0) {
            return Err(Error::invalid(
                "network.neuron.alpha",
                spec.alpha,
                "a number in (0, 1]",
                "alpha is 1/tau with tau in steps; 1 means no leak.",
            ));
        }
        Ok(Self {
            alpha: T::of(spec.alpha),
            activation: spec.activation,
        })
    }
}

struct Step<'a, T, P> {
    alpha: T,
    phi: P,
    layer: Layer<'a, T>,
}

impl<T: Scalar, P: Pointwise> Kernel for Step<'_, T, P> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { alpha, phi, layer } = self;
        let keep = T::ONE - alpha;
        let units = layer.state.iter_mut().zip(layer.rate).zip(layer.currents);
        if let Some(partials) = layer.partials {
            for (((s, r), u), gain) in units.zip(partials.gain.iter_mut()) {
                let (f, derivative) = phi.both::<T, FMA>(*u);
                *s = keep.fma::<FMA>(*s, alpha * f);
                *r = *s;
                *gain = alpha * derivative;
            }
            partials.own.fill(keep);
            partials.slope.fill(T::ONE);
        } else {
            for ((s, r), u) in units {
                let (f, _) = phi.both::<T, FMA>(*u);
                *s = keep.fma::<FMA>(*s, alpha * f);
                *r = *s;
            }
        }
    }
}

impl<T: Scalar> Neuron<T> for Rate<T> {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn constant(&self, derivative: f64) -> Option<ConstantPartials> {
        Some(ConstantPartials {
            own: (T::ONE - self.alpha).f64(),
            gain: self.alpha.f64() * derivative,
            slope: 1.0,
            shared: false,
        })
    }

    fn step(&self, layer: Layer<'_, T>) {
        let alpha = self.alpha;
        with_pointwise!(self.activation, phi => layer.simd.run(Step { alpha, phi, layer }));
    }

    fn read(&self, _: Simd, plane: usize, state: &[T], rate: &mut [T], slope: &mut [T]) {
        rate[..plane].copy_from_slice(&state[..plane]);
        slope[..plane].fill(T::ONE);
    }

    fn state_is_rate(&self) -> bool {
        true
    }
}
