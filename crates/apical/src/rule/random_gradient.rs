//! Control: every recurrent gradient is noise that knows nothing of the task.
//!
//! Source: `Random_Noise_Gradients` of Marschall, Cho & Savin's code: g_gij ~ N(bias, σ²) at every step. What a rule gains over
//! it and over the frozen control is what its gradient is worth. Memory O(1), time O(G n m) a step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Contract, Locality, Rule, RuleInfo, Site};
use crate::kernel::Matrix;
use crate::noise::{Distribution, Noise};
use crate::sizes::Sizes;
use crate::snapshot::{Owner, StateIo};
use crate::view::View;
use crate::{Error, Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "random_gradient",
    aliases: &[],
    summary: "control: noise in place of the recurrent gradient",
    source: "Marschall, Cho & Savin 2020, code",
    drops: "everything",
    locality: Locality::Synapse,
    local_in_time: true,
    exact: false,
    stochastic: true,
    memory: "1",
    time: "n m",
};

/// Configuration of the random control.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RandomGradientSpec {
    /// σ, deviation of each element.
    #[schemars(range(min = 0.0))]
    pub sigma: f64,
    /// Mean of each element.
    pub bias: f64,
}

impl Default for RandomGradientSpec {
    fn default() -> Self {
        Self {
            sigma: 0.1,
            bias: 0.0,
        }
    }
}

/// Noise for a gradient.
pub struct RandomGradient<T> {
    sigma: T,
    bias: T,
    noise: Noise<T>,
    row: Vec<T>,
    numbers: usize,
}

impl<T: Scalar> Rule<T> for RandomGradient<T> {
    fn contract(&self) -> Contract {
        Contract {
            draws: self.numbers,
            ..Contract::default()
        }
    }

    fn reset(&mut self) {}

    fn step(&mut self, _: &View<'_, T>, _: &[T], gradient: &mut Matrix<T>) -> Result<()> {
        for i in 0..gradient.rows() {
            self.noise.fill(&mut self.row);
            let row = gradient.row_mut(i).iter_mut().zip(&self.row);
            row.for_each(|(g, noise)| *g += self.bias + self.sigma * *noise);
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        // One stream serves all synapses, each with numbers of its own.
        self.noise.state(io.of(Owner::Broadcast))
    }

    fn noise(&mut self) -> Option<&mut Noise<T>> {
        Some(&mut self.noise)
    }
}

/// Bytes of its arrays.
pub(super) fn memory(_: &RandomGradientSpec, sizes: &Sizes) -> f64 {
    sizes.vector(sizes.pre())
}

pub(super) fn build<T: Scalar>(
    spec: &RandomGradientSpec,
    site: &Site<'_, T>,
) -> Result<Box<dyn Rule<T>>> {
    let dims = site.network.dims();
    for (field, value, least) in [
        ("rule.sigma", spec.sigma, 0.0),
        ("rule.bias", spec.bias, f64::NEG_INFINITY),
    ] {
        if !(value.is_finite() && value >= least) {
            let mend = "Use about the size of the gradients it stands in for.";
            return Err(Error::invalid(
                field,
                value,
                "a finite number, sigma not negative",
                mend,
            ));
        }
    }
    Ok(Box::new(RandomGradient {
        sigma: T::of(spec.sigma),
        bias: T::of(spec.bias),
        noise: Noise::new(site.streams.stream("rule", 0), Distribution::Gaussian),
        row: vec![T::ZERO; dims.pre()],
        numbers: dims.currents * dims.units * dims.pre(),
    }))
}
