//! What several tests share: random data that suit a loss, and parameters as flat lists.
#![allow(dead_code, reason = "each test file uses its own part")]

use apical::rule::RuleSpec;
use apical::{Learner, Scalar};

#[allow(unused_imports, reason = "each test file uses its own part")]
pub use apical::check::{Data, difference, flat};

/// Names of all parameters.
pub const PARAMETERS: [&str; 5] = ["W_rec", "W_in", "b_rec", "W_out", "b_out"];

/// A rule from JSON.
pub fn rule(json: &str) -> RuleSpec {
    serde_json::from_str(json).unwrap()
}

/// All parameters.
pub fn parameters<T: Scalar>(learner: &Learner<T>) -> Vec<Vec<T>> {
    PARAMETERS
        .map(|name| learner.parameter(name).unwrap())
        .into()
}

/// A matrix a rule has learned.
pub fn of_rule<T: Scalar>(learner: &mut Learner<T>, name: &str) -> Vec<T> {
    flat(learner.rule_mut().matrix_mut(name).unwrap())
}
