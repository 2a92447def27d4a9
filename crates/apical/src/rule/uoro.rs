//! Unbiased online recurrent optimization: rank-one influence × immediate credit.
//!
//! See [`Uoro`](crate::eligibility::Uoro) for equations, shapes and cost.

use super::{Composed, Locality, Rule, RuleInfo, Site, composed};
use crate::credit::Immediate;
use crate::eligibility::{Uoro, UoroSpec};
use crate::sizes::Sizes;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "uoro",
    aliases: &[],
    summary: "unbiased rank-one estimate of the exact influence",
    source: "Tallec & Ollivier 2017; Marschall, Cho & Savin 2020, section 3.2",
    drops: "nothing in the mean; adds noise",
    locality: Locality::Network,
    local_in_time: true,
    exact: false,
    stochastic: true,
    memory: "n m",
    time: "n m",
};

/// Bytes of its arrays.
pub(super) fn memory(spec: &UoroSpec, sizes: &Sizes) -> f64 {
    composed::memory(sizes) + spec.memory(sizes)
}

pub(super) fn build<T: Scalar>(spec: &UoroSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let influence = Uoro::new(spec, site.network, site.streams.stream("rule", 0))?;
    Ok(Box::new(Composed::new(
        site.network.dims(),
        influence,
        Immediate,
    )))
}
