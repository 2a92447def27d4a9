//! The frozen control: nothing reaches the recurrent layer, the readout learns by its exact gradient.
//!
//! Source: `Only_Output_Weights` of Marschall, Cho & Savin 2020. Weight decay, if set, still acts.

use super::{Contract, Empty, Locality, Rule, RuleInfo, Site};
use crate::kernel::Matrix;
use crate::sizes::Sizes;
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "readout_only",
    aliases: &[],
    summary: "control: recurrent and input weights get no gradient, the readout learns",
    source: "Marschall, Cho & Savin 2020, baseline",
    drops: "the whole recurrent gradient",
    locality: Locality::Synapse,
    local_in_time: true,
    exact: false,
    stochastic: false,
    memory: "0",
    time: "0",
};

/// No recurrent gradient.
pub struct ReadoutOnly;

impl<T: Scalar> Rule<T> for ReadoutOnly {
    fn contract(&self) -> Contract {
        Contract {
            is_frozen: true,
            ..Contract::default()
        }
    }

    fn reset(&mut self) {}
    fn step(&mut self, _: &View<'_, T>, _: &[T], _: &mut Matrix<T>) -> Result<()> {
        Ok(())
    }
    fn state(&mut self, _: &mut StateIo<'_>) -> Result<()> {
        Ok(())
    }
}

/// Bytes of its arrays.
pub(super) fn memory(_: &Empty, _: &Sizes) -> f64 {
    0.0
}

pub(super) fn build<T: Scalar>(_: &Empty, _: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    Ok(Box::new(ReadoutOnly))
}
