//! Random-feedback local online learning: local trace × immediate credit.
//!
//! Source: Murray 2019, Eqs. 5–6 (RFLO, on rate units with random feedback); Bellec et al. 2020 (e-prop); the three-factor
//! rule that Liu et al. 2022 compare with (on voltage units). See [`Trace`](crate::eligibility::Trace) for equations and cost.

use super::{Composed, Local, Rule, RuleInfo};
use crate::Scalar;
use crate::credit::Immediate;
use crate::eligibility::Trace;
use crate::network::Network;

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "rflo",
    summary: "local eligibility traces; e-prop and the three-factor rule on their neurons",
    source: "Murray 2019, Eqs. 5-6; Bellec et al. 2020; Liu et al. 2022",
    drops: "the influence that travels through other units",
    local_in_space: "yes",
    local_in_time: "yes",
    exact: false,
    stochastic: false,
    memory: "n m",
    time: "n m",
};

pub(super) fn build<T: Scalar>(network: &Network<T>) -> Box<dyn Rule<T>> {
    let dims = network.dims();
    Box::new(Composed::new(dims, Local(Trace::new(dims)), Immediate))
}
