//! Unbiased online recurrent optimization: rank-one influence × immediate credit.
//!
//! See [`Uoro`](crate::eligibility::Uoro) for equations, shapes and cost.

use super::{Composed, Locality, Rule, RuleInfo, Site};
use crate::credit::Immediate;
use crate::eligibility::{NoiseSpec, Uoro};
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

pub(super) fn build<T: Scalar>(spec: &NoiseSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let dims = site.network.dims();
    let influence = Uoro::new(dims, spec, site.streams.stream("rule", 0));
    Ok(Box::new(Composed::new(dims, influence, Immediate)))
}
