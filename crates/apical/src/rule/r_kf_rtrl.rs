//! Reverse Kronecker-factored RTRL: the missing pairing × immediate credit.
//!
//! See [`ReverseKronecker`](crate::eligibility::ReverseKronecker) for equations, shapes and cost.

use super::{Composed, Rule, RuleInfo};
use crate::Scalar;
use crate::credit::Immediate;
use crate::eligibility::{NoiseSpec, ReverseKronecker};
use crate::network::Network;
use crate::stream::Streams;

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "r_kf_rtrl",
    summary: "unbiased estimate of the exact influence, factors paired the other way",
    source: "Marschall, Cho & Savin 2020, section 3.2",
    drops: "nothing in the mean; adds noise",
    local_in_space: "no",
    local_in_time: "yes",
    exact: false,
    stochastic: true,
    memory: "n m",
    time: "n^2 m",
};

pub(super) fn build<T: Scalar>(
    spec: &NoiseSpec,
    network: &Network<T>,
    streams: &Streams,
) -> Box<dyn Rule<T>> {
    let dims = network.dims();
    let influence = ReverseKronecker::new(dims, spec, streams.stream("rule", 0));
    Box::new(Composed::new(dims, influence, Immediate))
}
