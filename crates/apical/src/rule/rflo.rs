//! Random-feedback local online learning: local trace × immediate credit.
//!
//! Source: Murray 2019, Eqs. 5–6 (RFLO, on rate units with random feedback); Bellec et al. 2020 (e-prop); the three-factor
//! rule that Liu et al. 2022 compare with (on voltage units). See [`Trace`](crate::eligibility::Trace) for equations and cost.

use super::{Composed, Local, Locality, Rule, RuleInfo, Site, TrialTrace, composed, trial_trace};
use crate::credit::Immediate;
use crate::eligibility::{Trace, TraceSpec};
use crate::sizes::Sizes;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "rflo",
    aliases: &["eprop", "three_factor"],
    summary: "local eligibility traces; e-prop and the three-factor rule on their neurons",
    source: "Murray 2019, Eqs. 5-6; Bellec et al. 2020; Liu et al. 2022",
    drops: "the influence that travels through other units",
    locality: Locality::Synapse,
    local_in_time: true,
    exact: false,
    stochastic: false,
    memory: "n m",
    time: "n m",
};

/// Bytes of its arrays.
pub(super) fn memory(spec: &TraceSpec, sizes: &Sizes) -> f64 {
    if sizes.by_trial {
        return trial_trace::memory(spec, sizes);
    }
    composed::memory(sizes) + spec.memory(sizes)
}

pub(super) fn build<T: Scalar>(spec: &TraceSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let dims = site.network.dims();
    if site.by_trial {
        return Ok(Box::new(TrialTrace::new(dims, spec)?));
    }
    let trace = Local(Trace::with(dims, spec)?);
    Ok(Box::new(Composed::new(dims, trace, Immediate)))
}
