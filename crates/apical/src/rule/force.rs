//! FORCE: the readout learns by recursive least squares, fast enough to hold a network together that hears its own output.
//!
//! Source: Sussillo & Abbott 2009, Eqs. 2–5. With r̄ = [r; 1] and P the running inverse correlation of r̄, P(0) = 1/α:
//!
//! k = P r̄,  c = 1 / (1 + r̄ᵀ k),  P ← P − c k kᵀ,  [W_out, b_out] ← [W_out, b_out] − δ (c k)ᵀ.
//!
//! δ is the error before the update; it is the exact least-squares step for the squared error. Recurrent weights stay as they
//! are; the loop from the outputs back into the network is `network.output_feedback`. The optimizer's rate does not act on the
//! readout, its weight decay does. Samples of a batch are taken one after another. Updates every k steps use the last of them.
//! Drops: the recurrent gradient. Memory O(n²), time O(n²) a step. Not local: P links all synapses of an output.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Contract, Locality, Rule, RuleInfo, Site, Teach};
use crate::kernel::{Buffer, Matrix, add_outer, dot, product};
use crate::network::{Activity, Network};
use crate::sizes::Sizes;
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Error, Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "force",
    aliases: &[],
    summary: "readout by recursive least squares; the network may hear its own output",
    source: "Sussillo & Abbott 2009",
    drops: "the whole recurrent gradient",
    locality: Locality::Network,
    local_in_time: true,
    exact: false,
    stochastic: false,
    memory: "n^2",
    time: "n^2",
};

/// Configuration of FORCE.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForceSpec {
    /// α, the inverse of P at the start: small learns fast.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub alpha: f64,
}

impl Default for ForceSpec {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

/// FORCE.
pub struct Force<T> {
    /// P.
    inverse: Matrix<T>,
    /// k.
    gain: Buffer<T>,
}

impl<T: Scalar> Rule<T> for Force<T> {
    fn contract(&self) -> Contract {
        Contract {
            is_frozen: true,
            ..Contract::default()
        }
    }

    fn reset(&mut self) {}

    fn step(&mut self, _: &View<'_, T>, _: &[T], _: &mut Matrix<T>) -> Result<()> {
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.matrix("P", &mut self.inverse)
    }

    fn teaching(&mut self) -> Option<&mut dyn Teach<T>> {
        Some(self)
    }
}

impl<T: Scalar> Teach<T> for Force<T> {
    fn teach(&mut self, network: &mut Network<T>, activity: &Activity<T>, delta: &Matrix<T>) {
        let simd = network.simd();
        let post = network.dims().units + 1;
        let stride = self.inverse.stride();
        for b in 0..network.dims().batch {
            let rates = activity.post.band(b, 1);
            self.gain.fill(T::ZERO);
            product(
                simd,
                self.inverse.data(),
                stride,
                rates,
                &mut self.gain[..post],
            );
            let c = T::ONE / (T::ONE + dot(simd, rates, &self.gain));
            let column = &self.gain[..post];
            add_outer(
                simd,
                self.inverse.data_mut(),
                stride,
                -c,
                column,
                &self.gain,
            );
            let readout = network.readout_mut();
            let stride = readout.stride();
            add_outer(
                simd,
                readout.data_mut(),
                stride,
                -c,
                delta.row(b),
                &self.gain,
            );
        }
    }
}

/// Bytes of its arrays.
pub(super) fn memory(_: &ForceSpec, sizes: &Sizes) -> f64 {
    let post = sizes.units + 1.0;
    sizes.matrix(post, post) + sizes.vector(post)
}

pub(super) fn build<T: Scalar>(spec: &ForceSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    if !(spec.alpha.is_finite() && spec.alpha > 0.0) {
        let mend = "1 is the published start; larger values learn more slowly.";
        return Err(Error::invalid(
            "rule.alpha",
            spec.alpha,
            "a finite number greater than 0",
            mend,
        ));
    }
    let post = site.network.dims().units + 1;
    let mut inverse = Matrix::zeros(post, post);
    for k in 0..post {
        inverse.row_mut(k)[k] = T::of(1.0 / spec.alpha);
    }
    Ok(Box::new(Force {
        inverse,
        gain: Buffer::zeros(post),
    }))
}
