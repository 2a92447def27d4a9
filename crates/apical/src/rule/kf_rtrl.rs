//! Kronecker-factored RTRL: Kronecker influence × immediate credit.
//!
//! See [`Kronecker`](crate::eligibility::Kronecker) for equations, shapes and cost.

use super::{Composed, Rule, RuleInfo};
use crate::Scalar;
use crate::credit::Immediate;
use crate::eligibility::{Kronecker, NoiseSpec};
use crate::network::Network;
use crate::stream::Streams;

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "kf_rtrl",
    summary: "unbiased Kronecker-factored estimate of the exact influence",
    source: "Mujika, Meier & Steger 2018; Marschall, Cho & Savin 2020, section 3.2",
    drops: "nothing in the mean; adds noise",
    local_in_space: "no",
    local_in_time: "yes",
    exact: false,
    stochastic: true,
    memory: "n^2",
    time: "n^3",
};

pub(super) fn build<T: Scalar>(
    spec: &NoiseSpec,
    network: &Network<T>,
    streams: &Streams,
) -> Box<dyn Rule<T>> {
    let dims = network.dims();
    let influence = Kronecker::new(dims, spec, streams.stream("rule", 0));
    Box::new(Composed::new(dims, influence, Immediate))
}
