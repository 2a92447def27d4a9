//! "Ready, set, go": repeat the interval between two pulses.
//!
//! The input pulses at `first` and again a delay D later; the target pulses once more D after that. Pulses are Gaussian in
//! time, D is uniform over `shortest`, `shortest` + `spacing`, … up to `longest`, and all trials are equally long:
//! first + 2 longest + tail steps.
//! Source: Murray 2019, Figure 3 (deviation of the pulses 15 steps). Amplitude, place of the first pulse, number of inputs,
//! shortest delay, distribution of delays and length of trials are not stated there; the defaults are ours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::{Request, Settings, Task, TaskInfo, check, draw};
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Error, Result, Scalar};

/// Configuration of interval matching.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IntervalMatchingSpec {
    /// Shortest delay, in steps.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub shortest: u64,
    /// Longest delay, in steps.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub longest: u64,
    /// Step of the first pulse.
    #[schemars(range(min = 1), extend("unit" = "steps"))]
    pub first: u64,
    /// Steps after the latest target pulse.
    #[schemars(range(min = 1), extend("unit" = "steps"))]
    pub tail: u64,
    /// Standard deviation of the pulses, in steps.
    #[schemars(extend("exclusiveMinimum" = 0.0), extend("unit" = "steps"))]
    pub width: f64,
    /// Height of the pulses.
    pub amplitude: f64,
    /// Steps between one delay and the next that can be drawn.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub spacing: u64,
    /// 1 for both pulses on one input, 2 for one on each.
    #[schemars(range(min = 1, max = 2))]
    pub inputs: usize,
}

impl Default for IntervalMatchingSpec {
    fn default() -> Self {
        Self {
            shortest: 50,
            longest: 150,
            first: 50,
            tail: 60,
            width: 15.0,
            amplitude: 1.0,
            spacing: 1,
            inputs: 1,
        }
    }
}

/// Deviations from its centre at which a pulse counts as over.
const EDGE: f64 = 3.0;

impl IntervalMatchingSpec {
    /// Steps of a trial.
    pub fn trial(&self) -> u64 {
        let delays = self.longest.saturating_mul(2);
        self.first.saturating_add(delays).saturating_add(self.tail)
    }

    /// A pulse around `centre`, at step `t` counted from 1.
    pub fn pulse(&self, t: u64, centre: u64) -> f64 {
        let z = (t as f64 - centre as f64) / self.width;
        self.amplitude * (-0.5 * z * z).exp()
    }

    /// x(t) of a trial with this delay, t counted from 1; where there is one input, the second number is 0.
    pub fn input(&self, t: u64, delay: u64) -> [f64; 2] {
        let mut x = [self.pulse(t, self.first), 0.0];
        x[self.inputs - 1] += self.pulse(t, self.first + delay);
        x
    }

    /// y*(t) of a trial with this delay, t counted from 1.
    pub fn target(&self, t: u64, delay: u64) -> f64 {
        self.pulse(t, self.first + 2 * delay)
    }

    fn check(&self) -> Result<()> {
        check::count("task.shortest", self.shortest, 1)?;
        check::count("task.longest", self.longest, self.shortest)?;
        check::count("task.spacing", self.spacing, 1)?;
        check::finite("task.amplitude", self.amplitude)?;
        if !(1..=2).contains(&self.inputs) {
            return Err(Error::invalid(
                "task.inputs",
                self.inputs,
                "1 or 2",
                "Both pulses share one input, or have one each.",
            ));
        }
        if !(self.width.is_finite() && self.width > 0.0) {
            return Err(Error::invalid(
                "task.width",
                self.width,
                "a finite number of steps greater than 0",
                "The published pulses have 15.",
            ));
        }
        let edge = (EDGE * self.width).ceil();
        for (field, value, what) in [
            ("task.first", self.first, "the start of the trial"),
            ("task.tail", self.tail, "the end of the trial"),
        ] {
            if (value as f64) < edge {
                return Err(Error::invalid(
                    field,
                    value,
                    format!("at least {edge} steps, three widths, or a pulse overlaps {what}"),
                    "Raise it, or make task.width smaller.",
                ));
            }
        }
        Ok(())
    }
}

impl Settings for IntervalMatchingSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "interval_matching",
        summary: "repeat the interval between two pulses",
        sizes: "1 or 2 inputs, 1 output",
        source: "Murray 2019, Figure 3",
    };

    fn sizes(&self) -> (usize, usize) {
        (self.inputs, 1)
    }

    fn longest_trial(&self) -> Option<u64> {
        Some(self.trial())
    }

    fn width(&self) -> Option<(&'static str, u64)> {
        Some(("task.inputs", self.inputs as u64))
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check()?;
        check::trial(self.trial(), request.steps)?;
        Ok(batch::samples(self.clone(), self, request))
    }
}

impl batch::Drawn for IntervalMatchingSpec {
    /// The delay of the present trial.
    type Kept = u64;

    fn begin(&self, _: &mut Stream) -> Self::Kept {
        0
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        if step == 0 {
            let count = (self.longest - self.shortest) / self.spacing + 1;
            *kept = self.shortest + self.spacing * draw::below(stream, count);
        }
        let x = self.input(step + 1, *kept);
        row.x.copy_from_slice(&x[..self.inputs]);
        row.y[0] = self.target(step + 1, *kept);
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        io.counter("delay", kept, 0..=self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    #[test]
    fn the_target_repeats_the_interval() {
        let samples = run(
            &TaskSpec::IntervalMatching(IntervalMatchingSpec::default()),
            1,
            410 * 2_000,
        );
        let peak = |values: &[f64]| {
            let order = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]);
            (0..values.len()).max_by(order).unwrap() + 1
        };
        let mut sum = 0.0;
        for trial in samples.chunks_exact(410) {
            assert!(trial[0].first && trial[409].last);
            let x: Vec<f64> = trial.iter().map(|s| s.x[0]).collect();
            let y: Vec<f64> = trial.iter().map(|s| s.y[0]).collect();
            let set = peak(&x[75..]) + 75;
            let delay = set - 50;
            assert!((50..=150).contains(&delay), "{delay}");
            assert_eq!(peak(&y), set + delay);
            assert!((y[set + delay - 1] - 1.0).abs() < 1e-12);
            // One deviation away a Gaussian is at e^-1/2.
            assert!((y[set + delay + 14] - (-0.5f64).exp()).abs() < 1e-12);
            sum += delay as f64;
        }
        // Uniform over 101 numbers: deviation 29.2, standard error 0.65; four of them.
        assert!((sum / 2_000.0 - 100.0).abs() < 2.7, "{}", sum / 2_000.0);
    }

    #[test]
    fn pulses_have_inputs_of_their_own_and_delays_a_spacing() {
        let spec = IntervalMatchingSpec {
            spacing: 40,
            inputs: 2,
            ..IntervalMatchingSpec::default()
        };
        let mut seen = std::collections::BTreeSet::new();
        for trial in run(&TaskSpec::IntervalMatching(spec), 1, 410 * 60).chunks_exact(410) {
            assert!((trial[49].x[0] - 1.0).abs() < 1e-12);
            let set: Vec<usize> = (0..410).filter(|t| trial[*t].x[1] == 1.0).collect();
            assert_eq!(set.len(), 1);
            assert!(trial[set[0]].x[0] < 0.01);
            seen.insert(set[0] + 1 - 50);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [50, 90, 130]);
    }

    #[test]
    fn bad_settings_are_named() {
        let of = |json: &str| TaskSpec::IntervalMatching(serde_json::from_str(json).unwrap());
        for (json, reason) in [
            (r#"{"tail": 20}"#, "task.tail: got 20, expected at least 45"),
            (r#"{"first": 44}"#, "task.first: got 44"),
            (r#"{"width": 0}"#, "task.width: got 0"),
            (r#"{"longest": 40}"#, "task.longest: got 40"),
            (r#"{"shortest": 0}"#, "task.shortest: got 0"),
            (r#"{"spacing": 0}"#, "task.spacing: got 0"),
            (r#"{"inputs": 3}"#, "task.inputs: got 3, expected 1 or 2"),
            (r#"{"longest": 9000}"#, "task: got trials of 18110 steps"),
        ] {
            refused(&of(json), reason);
        }
    }
}
