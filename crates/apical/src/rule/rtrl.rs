//! Real-time recurrent learning: full influence × immediate credit.
//!
//! Source: Williams & Zipser 1989; Marschall, Cho & Savin 2020, section 3.2. See
//! [`FullInfluence`](crate::eligibility::FullInfluence) for shapes and cost.

use super::{Composed, Empty, Locality, Rule, RuleInfo, Site, composed};
use crate::credit::Immediate;
use crate::eligibility::FullInfluence;
use crate::eligibility::influence;
use crate::sizes::Sizes;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "rtrl",
    aliases: &[],
    summary: "exact gradient, carried forward in time",
    source: "Williams & Zipser 1989; Marschall, Cho & Savin 2020, section 3.2",
    drops: "nothing (O(rate) while weights move)",
    locality: Locality::Network,
    local_in_time: true,
    exact: true,
    stochastic: false,
    memory: "n^2 m",
    time: "n^3 m",
};

/// Bytes of its arrays.
pub(super) fn memory(_: &Empty, sizes: &Sizes) -> f64 {
    composed::memory(sizes) + influence::memory(sizes)
}

pub(super) fn build<T: Scalar>(_: &Empty, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let dims = site.network.dims();
    let influence = FullInfluence::new(dims)?;
    Ok(Box::new(Composed::new(dims, influence, Immediate)))
}
