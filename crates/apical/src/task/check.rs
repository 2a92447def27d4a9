//! Refuse settings of tasks that cannot work.

use crate::{Error, Result};

/// No array and no trial of a task is longer than this.
const MOST: u64 = 1_000_000_000;

/// A number of things from `least` on.
pub(super) fn count(field: &str, value: u64, least: u64) -> Result<()> {
    if (least..=MOST).contains(&value) {
        return Ok(());
    }
    let (expected, mend) = if value < least {
        (
            format!("at least {least}"),
            format!("Set it to {least} or more."),
        )
    } else {
        (
            format!("at most {MOST}"),
            "Did a digit slip in?".to_string(),
        )
    };
    Err(Error::invalid(field, value, expected, mend))
}

/// A number of inputs, outputs or units.
pub(super) fn size(field: &str, value: usize, least: usize) -> Result<()> {
    const MOST: usize = 1_000_000;
    if (least..=MOST).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        value,
        format!("between {least} and {MOST}"),
        "Set it to a number in this range.",
    ))
}

/// A probability.
pub(super) fn probability(field: &str, value: f64) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    let mend = "It is the probability of an event at a step.";
    Err(Error::invalid(
        field,
        value,
        "a probability in [0, 1]",
        mend,
    ))
}

/// A finite number from 0 on.
pub(super) fn not_negative(field: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    let expected = "a finite number that is not negative";
    Err(Error::invalid(
        field,
        value,
        expected,
        "Set it to 0 or more.",
    ))
}
