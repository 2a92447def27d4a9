//! BPTT over blocks: every `horizon` steps the gradient of the block comes at once; credit stops at its edge.
//!
//! Source: Marschall, Cho & Savin 2020, section 3.2 (E-BPTT). The readout still learns at every step, and so does the
//! recurrent layer, with a zero gradient until a block is full. The weights of the last step serve for the whole block, as
//! published. Drops: credit across the edges of blocks. With a trial for a block the gradient is exact.
//! See [`Bptt`] for equations, shapes and cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bptt, Locality, Rule, RuleInfo, Site, bptt};
use crate::sizes::Sizes;
use crate::{Error, Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "e_bptt",
    aliases: &[],
    summary: "backpropagation over blocks of `horizon` steps",
    source: "Marschall, Cho & Savin 2020, section 3.2",
    drops: "credit across the edges of blocks",
    locality: Locality::Network,
    local_in_time: false,
    exact: false,
    stochastic: false,
    memory: "T m",
    time: "n m",
};

/// Configuration of rules that look back over a fixed horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HorizonSpec {
    /// T, the steps that the rule looks over.
    #[schemars(range(min = 1, max = 1 << 20), extend("unit" = "steps"))]
    pub horizon: u64,
}

impl Default for HorizonSpec {
    fn default() -> Self {
        Self { horizon: 10 }
    }
}

impl HorizonSpec {
    pub(super) fn check(self) -> Result<usize> {
        if (1..=1 << 20).contains(&self.horizon) {
            return Ok(self.horizon as usize);
        }
        Err(Error::invalid(
            "rule.horizon",
            self.horizon,
            "between 1 and 1048576 steps",
            "1 looks at the present step alone, 10 is the published value.",
        ))
    }
}

/// Bytes of its arrays.
pub(super) fn memory(spec: &HorizonSpec, sizes: &Sizes) -> f64 {
    let window = spec.horizon as f64;
    bptt::planes_and_tape(&Sizes {
        window,
        ..sizes.clone()
    })
}

pub(super) fn build<T: Scalar>(spec: &HorizonSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let block = spec.check()?;
    Ok(Box::new(Bptt::in_blocks(site.network.dims(), block)))
}
