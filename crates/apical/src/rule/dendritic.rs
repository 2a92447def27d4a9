//! The rule of Marschall, Cho & Savin 2019: instant eligibility × credit predicted in the distal compartment.
//!
//! Equations, options and order of a step are those of [`Dendritic`](crate::credit::Dendritic).

use super::{Composed, Local, Rule, RuleInfo};
use crate::credit::{Dendritic, DendriticSpec};
use crate::eligibility::Instant;
use crate::network::Network;
use crate::stream::Streams;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "dendritic",
    summary: "somatic and distal compartments: A predicts credit, J the next state",
    source: "Marschall, Cho & Savin 2019; DNI of 2020, section 2",
    drops: "what a linear prediction of credit from (r, y*, 1) misses",
    local_in_space: "if J is local",
    local_in_time: "yes",
    exact: false,
    stochastic: false,
    memory: "n m",
    time: "n m",
};

pub(super) fn build<T: Scalar>(
    spec: &DendriticSpec,
    network: &Network<T>,
    streams: &Streams,
) -> Result<Box<dyn Rule<T>>> {
    let dims = network.dims();
    let credit = Dendritic::new(spec, network, streams)?;
    Ok(Box::new(Composed::new(
        dims,
        Local(Instant::new(dims)),
        credit,
    )))
}
