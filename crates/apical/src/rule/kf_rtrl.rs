//! Kronecker-factored RTRL: Kronecker influence × immediate credit.
//!
//! See [`Kronecker`](crate::eligibility::Kronecker) for equations, shapes and cost.

use super::{Composed, Locality, Rule, RuleInfo, Site, composed};
use crate::credit::Immediate;
use crate::eligibility::kronecker;
use crate::eligibility::{Kronecker, NoiseSpec};
use crate::sizes::Sizes;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "kf_rtrl",
    aliases: &[],
    summary: "unbiased Kronecker-factored estimate of the exact influence",
    source: "Mujika, Meier & Steger 2018; Marschall, Cho & Savin 2020, section 3.2",
    drops: "nothing in the mean; adds noise",
    locality: Locality::Network,
    local_in_time: true,
    exact: false,
    stochastic: true,
    memory: "n^2",
    time: "n^3",
};

/// Bytes of its arrays.
pub(super) fn memory(_: &NoiseSpec, sizes: &Sizes) -> f64 {
    composed::memory(sizes) + kronecker::memory(sizes)
}

pub(super) fn build<T: Scalar>(spec: &NoiseSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let dims = site.network.dims();
    let influence = Kronecker::new(dims, spec, site.streams.stream("rule", 0));
    Ok(Box::new(Composed::new(dims, influence, Immediate)))
}
