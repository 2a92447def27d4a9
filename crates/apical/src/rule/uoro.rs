//! Unbiased online recurrent optimization: rank-one influence × immediate credit.
//!
//! See [`Uoro`](crate::eligibility::Uoro) for equations, shapes and cost.

use super::{Composed, Rule, RuleInfo};
use crate::Scalar;
use crate::credit::Immediate;
use crate::eligibility::{NoiseSpec, Uoro};
use crate::network::Network;
use crate::stream::Streams;

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "uoro",
    summary: "unbiased rank-one estimate of the exact influence",
    source: "Tallec & Ollivier 2017; Marschall, Cho & Savin 2020, section 3.2",
    drops: "nothing in the mean; adds noise",
    local_in_space: "no",
    local_in_time: "yes",
    exact: false,
    stochastic: true,
    memory: "n m",
    time: "n m",
};

pub(super) fn build<T: Scalar>(
    spec: &NoiseSpec,
    network: &Network<T>,
    streams: &Streams,
) -> Box<dyn Rule<T>> {
    let dims = network.dims();
    let influence = Uoro::new(dims, spec, streams.stream("rule", 0));
    Box::new(Composed::new(dims, influence, Immediate))
}
