//! The rule of Marschall, Cho & Savin 2019: instant eligibility × credit predicted in the distal compartment.
//!
//! Equations, options and order of a step are those of [`Dendritic`](crate::credit::Dendritic).

use super::{Composed, Local, Locality, Rule, RuleInfo, Site, composed};
use crate::credit::{Dendritic, DendriticSpec};
use crate::eligibility::Instant;
use crate::sizes::Sizes;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "dendritic",
    aliases: &[],
    summary: "somatic and distal compartments: A predicts credit, J the next state",
    source: "Marschall, Cho & Savin 2019; DNI of 2020, section 2",
    drops: "what a linear prediction of credit from (r, y*, 1) misses",
    locality: Locality::Network,
    local_in_time: true,
    exact: false,
    stochastic: false,
    memory: "n m",
    time: "n m",
};

/// Bytes of its arrays.
pub(super) fn memory(spec: &DendriticSpec, sizes: &Sizes) -> f64 {
    composed::memory(sizes) + spec.memory(sizes)
}

pub(super) fn build<T: Scalar>(
    spec: &DendriticSpec,
    site: &Site<'_, T>,
) -> Result<Box<dyn Rule<T>>> {
    let dims = site.network.dims();
    let credit = Dendritic::new(spec, site.network, site.streams)?;
    Ok(Box::new(Composed::new(
        dims,
        Local(Instant::new(dims)),
        credit,
    )))
}
