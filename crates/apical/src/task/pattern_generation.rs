//! Draw a fixed curve while a fixed noise plays.
//!
//! A trial: the same inputs each time, independent N(0, 1) for every input and step; the target is a sum of sines with 1, 2, 3 and 5 full periods a trial, amplitudes
//! uniform in [0.5, 2) and uniform phases, shifted to start at 0 and scaled to a largest magnitude of 1. Inputs and curve depend on the seed alone and are
//! the same in training and tests.
//! Source: the curve is that of Bellec et al. 2020 (e-prop, pattern generation), from whose code that of Liu et al. 2022 descends; the latter
//! released nothing of the task but its label.

use std::f64::consts::TAU;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Clock, Edge, Generator, Row};
use super::{Request, Settings, Task, TaskInfo, check};
use crate::sizes::Need;
use crate::snapshot::StateIo;
use crate::stream::Streams;
use crate::{Error, Result, Scalar};

/// Configuration of the pattern generation task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PatternGenerationSpec {
    /// Inputs.
    #[schemars(range(min = 1, max = super::check::LARGEST))]
    pub inputs: usize,
    /// Steps of a trial.
    #[schemars(range(min = 2, max = super::check::MOST), extend("unit" = "steps"))]
    pub length: u64,
    /// Periods a trial of the sines.
    #[schemars(length(min = 1), transform = crate::schema::positive)]
    pub periods: Vec<f64>,
}

impl Default for PatternGenerationSpec {
    fn default() -> Self {
        Self {
            inputs: 20,
            length: 1_000,
            periods: vec![1.0, 2.0, 3.0, 5.0],
        }
    }
}

impl PatternGenerationSpec {
    fn check(&self, steps: u64) -> Result<()> {
        check::size("task.inputs", self.inputs, 1)?;
        check::count("task.length", self.length, 2)?;
        if self.periods.is_empty() || self.periods.iter().any(|p| !(p.is_finite() && *p > 0.0)) {
            return Err(Error::invalid(
                "task.periods",
                format!("{:?}", self.periods),
                "one positive number or more",
                "[1, 2, 3, 5] are the published ones.",
            ));
        }
        check::trial(self.length, steps)
    }

    /// The curve of these streams.
    fn curve(&self, streams: &Streams) -> Vec<f64> {
        let mut stream = streams.stream("pattern", 0);
        let mut curve = vec![0.0; self.length as usize];
        for periods in &self.periods {
            let amplitude = 0.5 + 1.5 * stream.uniform();
            let phase = TAU * stream.uniform();
            for (t, y) in curve.iter_mut().enumerate() {
                let turn = TAU * periods * t as f64 / self.length as f64;
                *y += amplitude * (turn + phase).sin();
            }
        }
        let start = curve[0];
        curve.iter_mut().for_each(|y| *y -= start);
        let largest = curve.iter().fold(0.0, |m: f64, y| m.max(y.abs()));
        if largest > 0.0 {
            curve.iter_mut().for_each(|y| *y /= largest);
        }
        curve
    }
}

impl Settings for PatternGenerationSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "pattern_generation",
        summary: "draw a fixed curve while a fixed noise plays",
        sizes: "inputs, 1",
        source: "Bellec et al. 2020; Liu et al. 2022",
    };

    fn sizes(&self) -> (usize, usize) {
        (self.inputs, 1)
    }

    fn longest_trial(&self) -> Option<u64> {
        Some(self.length)
    }

    fn width(&self) -> Option<(&'static str, u64)> {
        Some(("task.inputs", self.inputs as u64))
    }

    fn needs(&self, _: usize) -> Vec<Need> {
        let (inputs, length) = (self.inputs as f64, self.length as f64);
        vec![Need::new(
            "task.length",
            self.length,
            8.0 * (inputs + 1.0) * length,
        )]
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check(request.steps)?;
        let mut stream = request.streams.stream("pattern", 1);
        let mut noise = vec![0.0; self.inputs * self.length as usize];
        stream.fill_normal(&mut noise, 1.0);
        let generator = PatternGeneration {
            curve: self.curve(request.streams),
            noise,
            clock: Clock::new(self.length),
            spec: self.clone(),
        };
        Ok(batch::task(generator, request.batch))
    }
}

struct PatternGeneration {
    spec: PatternGenerationSpec,
    curve: Vec<f64>,
    /// x(t), one step after another.
    noise: Vec<f64>,
    clock: Clock,
}

impl Generator for PatternGeneration {
    fn sizes(&self) -> (usize, usize) {
        Settings::sizes(&self.spec)
    }

    fn advance(&mut self) -> Option<Edge> {
        Some(self.clock.tick())
    }

    fn write(&mut self, _: usize, row: Row<'_>) {
        let (step, inputs) = (self.clock.step() as usize, self.spec.inputs);
        row.x
            .copy_from_slice(&self.noise[step * inputs..][..inputs]);
        row.y[0] = self.curve[step];
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
    fn the_curve_is_a_sum_of_the_sines_and_every_trial_is_the_same() {
        let samples = run(&TaskSpec::PatternGeneration(Default::default()), 1, 3_000);
        let (first, rest) = samples.split_at(1_000);
        assert!(first[0].first && first[999].last && !first[998].last);
        for (t, later) in rest.iter().enumerate() {
            assert_eq!(
                (&later.x, &later.y),
                (&first[t % 1_000].x, &first[t % 1_000].y)
            );
        }
        let y: Vec<f64> = first.iter().map(|s| s.y[0]).collect();
        assert_eq!(y[0], 0.0);
        assert_eq!(y.iter().fold(0.0, |m: f64, y| m.max(y.abs())), 1.0);
        // Its Fourier coefficients vanish but for 0 (the shift), 1, 2, 3 and 5.
        for k in 1..40 {
            let turn = |t: usize| TAU * (k * t) as f64 / 1_000.0;
            let re: f64 = y.iter().enumerate().map(|(t, y)| y * turn(t).cos()).sum();
            let im: f64 = y.iter().enumerate().map(|(t, y)| y * turn(t).sin()).sum();
            let present = [1, 2, 3, 5].contains(&k);
            assert_eq!(re.hypot(im) > 1e-6, present, "{k}");
        }
        let x: Vec<f64> = first.iter().flat_map(|s| s.x.clone()).collect();
        let variance = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        // 20,000 numbers: four standard errors.
        assert!((variance - 1.0).abs() < 0.04);
    }

    #[test]
    fn training_and_tests_have_the_same_pattern_and_another_seed_another() {
        let spec = PatternGenerationSpec::default();
        assert_eq!(spec.curve(&Streams::new(1)), spec.curve(&Streams::new(1)));
        assert_ne!(spec.curve(&Streams::new(1)), spec.curve(&Streams::new(2)));
    }

    #[test]
    fn bad_settings_are_named() {
        let of = |json: &str| TaskSpec::PatternGeneration(serde_json::from_str(json).unwrap());
        for (json, reason) in [
            (r#"{"inputs": 0}"#, "task.inputs: got 0"),
            (r#"{"length": 1}"#, "task.length: got 1"),
            (r#"{"length": 20000}"#, "task: got trials of 20000 steps"),
            (r#"{"periods": []}"#, "task.periods: got []"),
            (r#"{"periods": [1, -2]}"#, "task.periods: got [1.0, -2.0]"),
        ] {
            refused(&of(json), reason);
        }
    }
}
