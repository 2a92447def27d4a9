//! The pointwise nonlinearities and their derivatives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Scalar;
use crate::kernel::Kernel;

/// φ, applied unit by unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activation {
    /// tanh u.
    #[default]
    Tanh,
    /// max(0, u); the derivative at 0 is 0.
    Relu,
    /// ln(1 + eᵘ).
    Softplus,
    /// 1/(1 + e⁻ᵘ).
    Sigmoid,
    /// u itself.
    Identity,
}

/// φ as a type, so that each loop is compiled for one function.
pub(crate) trait Pointwise: Copy {
    /// φ(u) and φ'(u).
    fn both<T: Scalar, const FMA: bool>(self, u: T) -> (T, T);
}

/// Rates and slopes of voltages as they are: r = φ(s).
pub(super) struct Read<'a, T, P> {
    pub phi: P,
    pub state: &'a [T],
    pub rate: &'a mut [T],
    pub slope: &'a mut [T],
}

impl<T: Scalar, P: Pointwise> Kernel for Read<'_, T, P> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for ((s, r), slope) in self.state.iter().zip(self.rate).zip(self.slope) {
            (*r, *slope) = self.phi.both::<T, FMA>(*s);
        }
    }
}

/// Calls `$body` with `$phi` bound to the type of the activation `$kind`.
macro_rules! with_pointwise {
    ($kind:expr, $phi:ident => $body:expr) => {
        match $kind {
            $crate::neuron::Activation::Tanh => {
                let $phi = $crate::neuron::activation::Tanh;
                $body
            }
            $crate::neuron::Activation::Relu => {
                let $phi = $crate::neuron::activation::Relu;
                $body
            }
            $crate::neuron::Activation::Softplus => {
                let $phi = $crate::neuron::activation::Softplus;
                $body
            }
            $crate::neuron::Activation::Sigmoid => {
                let $phi = $crate::neuron::activation::Sigmoid;
                $body
            }
            $crate::neuron::Activation::Identity => {
                let $phi = $crate::neuron::activation::Identity;
                $body
            }
        }
    };
}
pub(crate) use with_pointwise;

#[derive(Clone, Copy)]
pub(crate) struct Tanh;
#[derive(Clone, Copy)]
pub(crate) struct Relu;
#[derive(Clone, Copy)]
pub(crate) struct Softplus;
#[derive(Clone, Copy)]
pub(crate) struct Sigmoid;
#[derive(Clone, Copy)]
pub(crate) struct Identity;

impl Pointwise for Tanh {
    #[inline(always)]
    fn both<T: Scalar, const FMA: bool>(self, u: T) -> (T, T) {
        let f = u.tanh::<FMA>();
        (f, (-f).fma::<FMA>(f, T::ONE))
    }
}

impl Pointwise for Relu {
    #[inline(always)]
    fn both<T: Scalar, const FMA: bool>(self, u: T) -> (T, T) {
        // NaN fails the comparison and must not turn into a quiet zero.
        if u > T::ZERO {
            (u, T::ONE)
        } else {
            (u * T::ZERO, T::ZERO)
        }
    }
}

impl Pointwise for Softplus {
    #[inline(always)]
    fn both<T: Scalar, const FMA: bool>(self, u: T) -> (T, T) {
        let positive = if u > T::ZERO { u } else { u * T::ZERO };
        let value = positive + (-u.magnitude()).exponential().log1p();
        (value, Sigmoid.both::<T, FMA>(u).0)
    }
}

impl Pointwise for Sigmoid {
    #[inline(always)]
    fn both<T: Scalar, const FMA: bool>(self, u: T) -> (T, T) {
        let f = (T::HALF * u).tanh::<FMA>().fma::<FMA>(T::HALF, T::HALF);
        (f, f * (T::ONE - f))
    }
}

impl Pointwise for Identity {
    #[inline(always)]
    fn both<T: Scalar, const FMA: bool>(self, u: T) -> (T, T) {
        (u, T::ONE)
    }
}
