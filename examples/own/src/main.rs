//! The command line of Apical with a rule, a neuron and a task that are no part of it.

mod neuron;
mod rule;
mod task;

use std::process::ExitCode;

use apical::check::{Case, Concerns, Expect, Relation, Shape, add_relation, difference};
use apical::neuron::{Activation, NeuronSpec, RateSpec};
use apical::rule::RuleSpec;

/// The same trial by the rule and by the one it equals where the slope never changes, on units with this activation.
fn beside_rflo(case: &Case, rule: &RuleSpec, activation: Activation) -> apical::Result<f64> {
    let mut case = case.clone();
    case.neuron = Some(NeuronSpec::Rate(RateSpec {
        alpha: 0.5,
        activation,
    }));
    let rflo = case.gradient(&RuleSpec::by_name("rflo")?, &case.feedback)?;
    Ok(difference(&case.gradient(rule, &case.feedback)?, &rflo))
}

fn registered() -> apical::Result<()> {
    apical::rule::register::<rule::Presynaptic>()?;
    add_relation(Relation {
        name: "linear units",
        concerns: Concerns::Only(&["presynaptic"]),
        says: "= rflo where slopes never change",
        shape: Shape::ANY,
        expect: Expect::Within(1e-9),
        error: |case, rule| beside_rflo(case, rule, Activation::Identity),
    });
    add_relation(Relation {
        name: "bent units",
        concerns: Concerns::Only(&["presynaptic"]),
        says: "is not rflo where they do",
        shape: Shape::LONG,
        expect: Expect::Apart(1e-3),
        error: |case, rule| beside_rflo(case, rule, Activation::Tanh),
    });
    apical::neuron::register::<neuron::Swing>()?;
    apical::task::register::<task::ParitySpec>()
}

fn main() -> ExitCode {
    match registered() {
        Ok(()) => apical_cli::main(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
