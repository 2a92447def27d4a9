//! Kernel RNN learning: traces with learned decays, linked by a learned kernel × immediate credit.
//!
//! See [`Kernl`](crate::eligibility::Kernl) for equations, source, the two orders and cost.

use super::{Composed, Locality, Rule, RuleInfo, Site, composed};
use crate::credit::Immediate;
use crate::eligibility::{Kernl, KernlSpec};
use crate::sizes::Sizes;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "kernl",
    aliases: &[],
    summary: "traces with learned decays, linked by a kernel learned from noise",
    source: "Roth, Kanitscheider & Fiete 2019; Marschall, Cho & Savin 2020, section 3.2",
    drops: "what a decaying linear kernel misses of the influence",
    locality: Locality::Network,
    local_in_time: true,
    exact: false,
    stochastic: true,
    memory: "n m",
    time: "n m",
};

/// Bytes of its arrays.
pub(super) fn memory(spec: &KernlSpec, sizes: &Sizes) -> f64 {
    composed::memory(sizes) + spec.memory(sizes)
}

pub(super) fn build<T: Scalar>(spec: &KernlSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let stream = site.streams.stream("rule", 0);
    let influence = Kernl::new(spec, site.network, stream)?;
    Ok(Box::new(Composed::new(
        site.network.dims(),
        influence,
        Immediate,
    )))
}
