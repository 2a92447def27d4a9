//! The receipt of a neuron: exact gradients through its partials are those of finite differences.

use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::{Case, Measured, Settings, relations};
use crate::Result;
use crate::neuron::{NeuronInfo, NeuronSpec};
use crate::rule::RuleSpec;

/// Relations and the rules they are measured by; each needs every partial of the neuron.
const THROUGH: [(&str, &str); 3] = [
    ("finite differences", "rtrl"),
    ("backward and forward", "bptt"),
    ("resumed", "rtrl"),
];

/// Everything checked of one neuron.
#[derive(Clone, Debug, Serialize)]
pub struct NeuronReceipt {
    /// Its row in the table of neurons.
    pub neuron: NeuronInfo,
    /// Relations that must hold.
    pub relations: Vec<Measured>,
    /// Whether they do.
    pub passed: bool,
}

/// Checks networks of `neuron`, for as long as `stop` is not set.
///
/// A derivative of a state or rate that is wrong or forgotten shows in the gradient of the weights, of trials long enough
/// that every partial counts.
///
/// # Errors
/// Settings that check nothing, a setting of the neuron out of range, or [`crate::Error::Stopped`].
pub fn neuron_receipt(
    neuron: &NeuronSpec,
    settings: &Settings,
    stop: &AtomicBool,
) -> Result<NeuronReceipt> {
    settings.check()?;
    let mut measured = Vec::new();
    for (name, rule) in THROUGH {
        let rule = RuleSpec::by_name(rule)?;
        for relation in relations().filter(|relation| relation.name == name) {
            let case = |seed| {
                let mut case = Case::random(seed, relation.shape);
                case.neuron = Some(neuron.clone());
                case.hears = false;
                Ok(case)
            };
            let (seed, cases) = (settings.seed, settings.cases);
            measured.push(relation.measure_on(&case, &rule, seed, cases, stop)?);
        }
    }
    Ok(NeuronReceipt {
        neuron: *neuron.info(),
        passed: measured.iter().all(|relation| relation.passed),
        relations: measured,
    })
}
