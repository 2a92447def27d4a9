//! Refuse settings of tasks that cannot work.

use crate::{Error, Result};

/// No array and no trial of a task is longer than this.
pub(super) const MOST: u64 = 1_000_000_000;

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

/// No task has more inputs, outputs or units.
pub(super) const LARGEST: usize = 1_000_000;

/// A number of inputs, outputs or units.
pub(super) fn size(field: &str, value: usize, least: usize) -> Result<()> {
    if (least..=LARGEST).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        value,
        format!("between {least} and {LARGEST}"),
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

/// A probability that must not be 0.
pub(super) fn some_probability(field: &str, value: f64) -> Result<()> {
    if value > 0.0 && value <= 1.0 {
        return Ok(());
    }
    let mend = "With 0 nothing would ever happen.";
    Err(Error::invalid(
        field,
        value,
        "a probability in (0, 1]",
        mend,
    ))
}

/// A finite number.
pub(super) fn finite(field: &str, value: f64) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    let mend = "Set it to an ordinary number, for example 1.";
    Err(Error::invalid(field, value, "a finite number", mend))
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

/// A list of finite numbers, empty or of `length`.
pub(super) fn list(field: &str, values: &[f64], length: usize) -> Result<()> {
    if !values.is_empty() && values.len() != length {
        return Err(Error::invalid(
            field,
            format!("{} numbers", values.len()),
            format!("{length}, or none"),
            "Give one number for each, or leave it out.",
        ));
    }
    values.iter().try_for_each(|value| finite(field, *value))
}

/// A trial that ends within the run.
pub(super) fn trial(length: u64, steps: u64) -> Result<()> {
    if length <= steps {
        return Ok(());
    }
    Err(Error::invalid(
        "task",
        format!("trials of {length} steps"),
        format!("at most {steps}, the length of the run"),
        "Shorten the parts of the trial or raise `steps`: no trial would ever end.",
    ))
}
