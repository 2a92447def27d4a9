//! Reverse Kronecker-factored RTRL: the missing pairing × immediate credit.
//!
//! See [`ReverseKronecker`](crate::eligibility::ReverseKronecker) for equations, shapes and cost.

use super::{Composed, Locality, Rule, RuleInfo, Site, composed};
use crate::credit::Immediate;
use crate::eligibility::reverse_kronecker;
use crate::eligibility::{NoiseSpec, ReverseKronecker};
use crate::sizes::Sizes;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "r_kf_rtrl",
    aliases: &[],
    summary: "unbiased estimate of the exact influence, factors paired the other way",
    source: "Marschall, Cho & Savin 2020, section 3.2",
    drops: "nothing in the mean; adds noise",
    locality: Locality::Network,
    local_in_time: true,
    exact: false,
    stochastic: true,
    memory: "n m",
    time: "n^2 m",
};

/// Bytes of its arrays.
pub(super) fn memory(_: &NoiseSpec, sizes: &Sizes) -> f64 {
    composed::memory(sizes) + reverse_kronecker::memory(sizes)
}

pub(super) fn build<T: Scalar>(spec: &NoiseSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let dims = site.network.dims();
    let influence = ReverseKronecker::new(dims, spec, site.streams.stream("rule", 0));
    Ok(Box::new(Composed::new(dims, influence, Immediate)))
}
