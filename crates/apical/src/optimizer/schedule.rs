//! How the learning rate changes over updates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A factor on the learning rate, by the number of updates made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// 1 throughout.
    Constant {},
    /// decay^updates, not below `floor`.
    Exponential {
        /// Factor of one update, in (0, 1].
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        decay: f64,
        /// Least value of the factor.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        floor: f64,
    },
    /// `factor` once every `every` updates.
    Step {
        /// Updates between two drops.
        #[schemars(range(min = 1), extend("unit" = "updates"))]
        every: u64,
        /// Factor of one drop, in (0, 1].
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        factor: f64,
    },
    /// From 1 to `floor` along half a cosine over `updates`, then `floor`.
    Cosine {
        /// Length of the descent.
        #[schemars(range(min = 1), extend("unit" = "updates"))]
        updates: u64,
        /// Last value of the factor.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        floor: f64,
    },
    /// From 0 up to 1 in a straight line over `updates`, then 1.
    Warmup {
        /// Length of the rise.
        #[schemars(range(min = 1), extend("unit" = "updates"))]
        updates: u64,
    },
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant {}
    }
}

impl Schedule {
    /// The factor for the update after `updates` updates.
    pub fn factor(&self, updates: u64) -> f64 {
        match *self {
            Self::Constant {} => 1.0,
            Self::Exponential { decay, floor } => decay.powf(updates as f64).max(floor),
            Self::Step { every, factor } => factor.powf((updates / every) as f64),
            Self::Cosine {
                updates: len,
                floor,
            } => {
                let done = (updates as f64 / len as f64).min(1.0);
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
            Self::Warmup { updates: len } => ((updates + 1) as f64 / len as f64).min(1.0),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let unit = |field: &str, value: f64, zero_allowed: bool| {
            let fits = value <= 1.0 && (value > 0.0 || (zero_allowed && value == 0.0));
            if fits {
                return Ok(());
            }
            let field = format!("optimizer.schedule.{field}");
            let expected = if zero_allowed {
                "a number in [0, 1]"
            } else {
                "a number in (0, 1]"
            };
            Err(Error::invalid(
                field,
                value,
                expected,
                "1 leaves the rate as it is.",
            ))
        };
        let some = |field: &str, value: u64| match value {
            0 => Err(Error::invalid(
                format!("optimizer.schedule.{field}"),
                0,
                "at least 1 update",
                "Give the number of updates.",
            )),
            _ => Ok(()),
        };
        match *self {
            Self::Constant {} => Ok(()),
            Self::Exponential { decay, floor } => {
                unit("decay", decay, false).and(unit("floor", floor, true))
            }
            Self::Step { every, factor } => some("every", every).and(unit("factor", factor, false)),
            Self::Cosine { updates, floor } => {
                some("updates", updates).and(unit("floor", floor, true))
            }
            Self::Warmup { updates } => some("updates", updates),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_what_they_say() {
        let exponential = Schedule::Exponential {
            decay: 0.5,
            floor: 0.2,
        };
        assert_eq!(
            [0, 1, 2, 3].map(|u| exponential.factor(u)),
            [1.0, 0.5, 0.25, 0.2]
        );
        let step = Schedule::Step {
            every: 2,
            factor: 0.1,
        };
        assert_eq!([0, 1, 2].map(|u| step.factor(u)), [1.0, 1.0, 0.1]);
        let cosine = Schedule::Cosine {
            updates: 10,
            floor: 0.1,
        };
        assert!((cosine.factor(5) - 0.55).abs() < 1e-12);
        assert_eq!((cosine.factor(0), cosine.factor(99)), (1.0, 0.1));
        let warmup = Schedule::Warmup { updates: 4 };
        assert_eq!([0, 3, 9].map(|u| warmup.factor(u)), [0.25, 1.0, 1.0]);
    }

    #[test]
    fn impossible_schedules_are_refused() {
        assert!(
            Schedule::Step {
                every: 0,
                factor: 0.5
            }
            .check()
            .is_err()
        );
        assert!(
            Schedule::Exponential {
                decay: 1.5,
                floor: 0.0
            }
            .check()
            .is_err()
        );
        assert!(
            Schedule::Cosine {
                updates: 3,
                floor: -0.1
            }
            .check()
            .is_err()
        );
    }
}
