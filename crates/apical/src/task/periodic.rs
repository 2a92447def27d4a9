//! Produce a sum of sines of one period, without any input.
//!
//! y*(t) = Σ_k A_k sin(2π h_k t/T), t = 1 … T; a trial is one period of T steps.
//! Source: Murray 2019, Figure 2: A = 1, ½, ¼ and h = 1, 2, 4. The mean of y*² is Σ A_k²/2, so that half the squared error of
//! a silent output is 0.328 there.

use std::f64::consts::TAU;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Clock, Edge, Generator, Row};
use super::{Request, Settings, Task, TaskInfo, check};
use crate::sizes::Need;
use crate::snapshot::StateIo;
use crate::{Error, Result, Scalar};

/// Configuration of the periodic output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PeriodicSpec {
    /// T, the period and the length of a trial, in steps.
    #[schemars(range(min = 2, max = super::check::MOST), extend("unit" = "steps"))]
    pub period: u64,
    /// A_k, the amplitude of each sine.
    #[schemars(length(min = 1))]
    pub amplitudes: Vec<f64>,
    /// h_k, the cycles of each sine in a period.
    #[schemars(length(min = 1))]
    pub harmonics: Vec<f64>,
}

impl Default for PeriodicSpec {
    fn default() -> Self {
        Self {
            period: 200,
            amplitudes: vec![1.0, 0.5, 0.25],
            harmonics: vec![1.0, 2.0, 4.0],
        }
    }
}

impl PeriodicSpec {
    /// y*(t).
    pub fn target(&self, t: u64) -> f64 {
        let phase = TAU * t as f64 / self.period as f64;
        let terms = self.amplitudes.iter().zip(&self.harmonics);
        terms.map(|(a, h)| a * (h * phase).sin()).sum()
    }

    fn check(&self) -> Result<()> {
        check::count("task.period", self.period, 2)?;
        for (field, list) in [
            ("task.amplitudes", &self.amplitudes),
            ("task.harmonics", &self.harmonics),
        ] {
            list.iter().try_for_each(|v| check::finite(field, *v))?;
        }
        let (given, expected) = (self.amplitudes.len(), self.harmonics.len());
        if given == expected && given > 0 {
            return Ok(());
        }
        Err(Error::invalid(
            "task.amplitudes",
            format!("{given} numbers"),
            format!("as many as task.harmonics, which has {expected}, and at least one"),
            "Give one amplitude for each harmonic.",
        ))
    }
}

impl Settings for PeriodicSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "periodic",
        summary: "produce a sum of sines without any input",
        sizes: "0 inputs, 1 output",
        source: "Murray 2019, Figure 2",
    };

    fn sizes(&self) -> (usize, usize) {
        (0, 1)
    }

    fn shortest_time(&self) -> Option<(&'static str, u64)> {
        Some(("task.period", self.period))
    }

    fn longest_trial(&self) -> Option<u64> {
        Some(self.period)
    }

    fn needs(&self, _: usize) -> Vec<Need> {
        vec![Need::new(
            "task.period",
            self.period,
            8.0 * self.period as f64,
        )]
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check()?;
        check::trial(self.period, request.steps)?;
        let generator = Periodic {
            target: (1..=self.period).map(|t| self.target(t)).collect(),
            clock: Clock::new(self.period),
        };
        Ok(batch::task(generator, request.batch))
    }
}

struct Periodic {
    /// One period.
    target: Vec<f64>,
    clock: Clock,
}

impl Generator for Periodic {
    fn sizes(&self) -> (usize, usize) {
        (0, 1)
    }

    fn advance(&mut self) -> Option<Edge> {
        Some(self.clock.tick())
    }

    fn write(&mut self, _: usize, row: Row<'_>) {
        row.y[0] = self.target[self.clock.step() as usize];
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.clock.state(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    #[test]
    fn the_target_is_the_sum_of_sines_of_the_paper() {
        let samples = run(&TaskSpec::Periodic(PeriodicSpec::default()), 2, 600);
        for (k, sample) in samples.iter().enumerate() {
            let t = (k % 200 + 1) as f64;
            let phase = TAU * t / 200.0;
            let expected = phase.sin() + 0.5 * (2.0 * phase).sin() + 0.25 * (4.0 * phase).sin();
            assert!(sample.y.iter().all(|y| (y - expected).abs() < 1e-12));
            assert!(sample.x.is_empty());
            assert_eq!((sample.first, sample.last), (k % 200 == 0, k % 200 == 199));
        }
        let power: f64 = samples[..200].iter().map(|s| s.y[0] * s.y[0]).sum();
        assert!((power / 400.0 - 0.328_125).abs() < 1e-12);
    }

    #[test]
    fn bad_settings_are_named() {
        let of = |json: &str| TaskSpec::Periodic(serde_json::from_str(json).unwrap());
        for (json, reason) in [
            (r#"{"period": 1}"#, "task.period: got 1"),
            (r#"{"period": 20000}"#, "task: got trials of 20000 steps"),
            (r#"{"amplitudes": [1]}"#, "task.amplitudes: got 1 numbers"),
            (
                r#"{"amplitudes": [], "harmonics": []}"#,
                "task.amplitudes: got 0 numbers",
            ),
        ] {
            refused(&of(json), reason);
        }
    }
}
