//! Sparse n-step approximation: influence over fewer than n connections × immediate credit.
//!
//! See [`Snap`](crate::eligibility::Snap) for equations, source and cost.

use super::{Composed, Locality, Rule, RuleInfo, Site, composed};
use crate::credit::Immediate;
use crate::eligibility::{Snap, SnapSpec};
use crate::sizes::Sizes;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "snap",
    aliases: &[],
    summary: "exact influence, kept only where `order` steps of the network lead",
    source: "Menick et al. 2021 (SnAp-n)",
    drops: "influence over `order` or more connections",
    locality: Locality::Network,
    local_in_time: true,
    exact: false,
    stochastic: false,
    memory: "n p m, p units reachable",
    time: "n p^2 m",
};

/// Bytes of its arrays.
pub(super) fn memory(spec: &SnapSpec, sizes: &Sizes) -> f64 {
    composed::memory(sizes) + spec.memory(sizes)
}

pub(super) fn build<T: Scalar>(spec: &SnapSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let influence = Snap::new(spec, site.network)?;
    Ok(Box::new(Composed::new(
        site.network.dims(),
        influence,
        Immediate,
    )))
}
