//! The settings of a loop circuit around a trained network, and what they refuse.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::task::{DIRECTIONS, check_sequence};
use crate::{Error, Result};

/// Configuration of the loop circuit and its training, which follows that of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CircuitSpec {
    /// Trials of training.
    #[schemars(range(min = 1), extend("unit" = "trials"))]
    pub trials: u64,
    /// η of Ws.
    #[schemars(range(min = 0.0))]
    pub rate: f64,
    /// Probability of choosing at random.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub exploration: f64,
    /// What z is in the update.
    pub activity: Competition,
    /// Whether rows of Ws that have learned are scaled to unit length.
    pub normalise: bool,
    /// Directions to be chained; the first one is given.
    #[schemars(length(min = 2), inner(range(max = 3)))]
    pub sequence: Vec<usize>,
}

impl Default for CircuitSpec {
    fn default() -> Self {
        Self {
            trials: 10_000,
            rate: 0.1,
            exploration: 0.1,
            activity: Competition::Winner,
            normalise: true,
            sequence: vec![0, 2, 1, 3],
        }
    }
}

/// Activity of the selectors in the learning rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Competition {
    /// After the competition: 1 for the winner, 0 for the others.
    #[default]
    Winner,
    /// Before it: the current Ws h of each.
    Linear,
}

impl CircuitSpec {
    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// No trials, a rate or probability out of range, a sequence that leaves the square or is ambiguous, a network with other
    /// `sizes` than 4 inputs and 2 outputs, or a `batch` of several samples.
    pub fn check(&self, sizes: (usize, usize), batch: usize) -> Result<()> {
        self.check_own()?;
        let (inputs, outputs) = sizes;
        if sizes != (DIRECTIONS.len(), 2) {
            return Err(Error::invalid(
                "circuit",
                format!("a network with {inputs} inputs and {outputs} outputs"),
                "one that has learned the task reach with cues: 4 inputs, 2 outputs",
                "Set task.kind = \"reach\" and task.cues = true.",
            ));
        }
        if batch != 1 {
            return Err(Error::invalid(
                "batch",
                batch,
                "1 with a loop circuit, which has one cursor",
                "Set batch = 1.",
            ));
        }
        Ok(())
    }

    fn check_own(&self) -> Result<()> {
        if self.trials == 0 {
            let mend = "Set it to 1 or more, or remove [circuit].";
            return Err(Error::invalid("circuit.trials", 0, "at least 1", mend));
        }
        if !(self.rate.is_finite() && self.rate >= 0.0) {
            return Err(Error::invalid(
                "circuit.rate",
                self.rate,
                "a finite number that is not negative",
                "0.1 is the default.",
            ));
        }
        if !(0.0..=1.0).contains(&self.exploration) {
            return Err(Error::invalid(
                "circuit.exploration",
                self.exploration,
                "a probability in [0, 1]",
                "It is the share of choices made at random; the published one is 0.1.",
            ));
        }
        let field = "circuit.sequence";
        check_sequence(field, &self.sequence)?;
        if self.sequence.len() < 2 {
            return Err(Error::invalid(
                field,
                format!("{:?}", self.sequence),
                "at least two directions",
                "A closed path is [0, 2, 1, 3].",
            ));
        }
        for direction in 0..DIRECTIONS.len() {
            let mut after = self
                .sequence
                .windows(2)
                .filter(|pair| pair[0] == direction)
                .map(|pair| pair[1]);
            if let Some(first) = after.next()
                && after.any(|other| other != first)
            {
                return Err(Error::invalid(
                    field,
                    format!("{:?}", self.sequence),
                    format!("one successor of each direction; {direction} has several"),
                    "The state at the end of a syllable tells the direction, not how often it came.",
                ));
            }
        }
        Ok(())
    }

    /// The direction that is to follow, if the sequence has one.
    pub fn successor(&self, direction: usize) -> Option<usize> {
        let mut pairs = self.sequence.windows(2);
        pairs.find(|pair| pair[0] == direction).map(|pair| pair[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_named() {
        let of = |json: &str| {
            let circuit: CircuitSpec = serde_json::from_str(json).unwrap();
            circuit.check((4, 2), 1)
        };
        for (json, reason) in [
            (r#"{"exploration": 1.2}"#, "circuit.exploration: got 1.2"),
            (r#"{"exploration": -0.1}"#, "circuit.exploration: got -0.1"),
            (r#"{"rate": -1}"#, "circuit.rate: got -1"),
            (r#"{"trials": 0}"#, "circuit.trials: got 0"),
            (r#"{"sequence": [0]}"#, "circuit.sequence: got [0]"),
            (r#"{"sequence": [0, 3]}"#, "circuit.sequence: got [0, 3]"),
            (
                r#"{"sequence": [0, 1, 0, 2]}"#,
                "circuit.sequence: got [0, 1, 0, 2]",
            ),
        ] {
            let error = of(json).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn a_loop_needs_the_network_it_chains() {
        let circuit = CircuitSpec::default();
        let error = circuit.check((3, 2), 1).unwrap_err().to_string();
        assert!(
            error.starts_with("circuit: got a network with 3 inputs"),
            "{error}"
        );
        let error = circuit.check((4, 2), 2).unwrap_err();
        assert!(error.to_string().starts_with("batch: got 2"), "{error}");
    }
}
