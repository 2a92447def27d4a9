//! Oscillate with the period that is asked for, while it is asked for.
//!
//! With probability p_transition the task switches between off and on, each time with a period P drawn from a
//! list. Inputs are −ln P (0 when off) and whether it is on; the target is amplitude · (cos φ, sin φ) with
//! φ = 2πt/P counted from the switch, and (0, 0) when off.
//! Source: Marschall, Cho & Savin (code).

use std::f64::consts::TAU;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::discrete_integration::{Times, interval};
use super::{Request, Settings, Task, TaskInfo, check};
use crate::snapshot::{STEPS, StateIo};
use crate::stream::Stream;
use crate::{Error, Result, Scalar};

/// Configuration of the sine wave task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SineWaveSpec {
    /// Probability of a switch, or one over the steps between two switches.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub p_transition: f64,
    /// When switches come.
    pub transitions: Times,
    /// The periods, in steps.
    #[schemars(length(min = 1), transform = crate::schema::positive, extend("unit" = "steps"))]
    pub periods: Vec<f64>,
    /// How often each period comes, up to a common factor; equally often if empty.
    #[schemars(inner(range(min = 0.0)))]
    pub weights: Vec<f64>,
    /// Whether it switches from period to period without pauses.
    pub never_off: bool,
    /// Amplitude of the target.
    pub amplitude: f64,
}

impl Default for SineWaveSpec {
    fn default() -> Self {
        Self {
            p_transition: 0.02,
            transitions: Times::Random,
            periods: vec![8.0, 12.0, 20.0],
            weights: Vec::new(),
            never_off: false,
            amplitude: 1.0,
        }
    }
}

impl SineWaveSpec {
    fn check(&self) -> Result<()> {
        check::some_probability("task.p_transition", self.p_transition)?;
        check::finite("task.amplitude", self.amplitude)?;
        let bad = |p: &&f64| !(p.is_finite() && **p > 0.0);
        let got = match self.periods.iter().find(bad) {
            Some(period) => period.to_string(),
            None if self.periods.is_empty() => "none".into(),
            None => return self.check_weights(),
        };
        Err(Error::invalid(
            "task.periods",
            got,
            "at least one number, all above 0",
            "For example [8, 12, 20].",
        ))
    }

    fn check_weights(&self) -> Result<()> {
        check::list("task.weights", &self.weights, self.periods.len())?;
        let negative = self.weights.iter().any(|w| *w < 0.0);
        let none = !self.weights.is_empty() && self.weights.iter().sum::<f64>() <= 0.0;
        if negative || none {
            return Err(Error::invalid(
                "task.weights",
                format!("{:?}", self.weights),
                "numbers that are not negative, one of them above 0",
                "Leave it out to have all periods equally often.",
            ));
        }
        Ok(())
    }

    fn draw_period(&self, stream: &mut Stream) -> f64 {
        let weight = |k: usize| self.weights.get(k).copied().unwrap_or(1.0);
        let total: f64 = (0..self.periods.len()).map(weight).sum();
        let mut left = stream.uniform() * total;
        for (k, period) in self.periods.iter().enumerate() {
            left -= weight(k);
            if left < 0.0 {
                return *period;
            }
        }
        // Rounding alone leads here.
        self.periods[self.periods.len() - 1]
    }
}

impl Settings for SineWaveSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "sine_wave",
        summary: "oscillate with the period asked for",
        sizes: "2 inputs, 2 outputs",
        source: "Marschall, Cho & Savin (code)",
    };

    fn sizes(&self) -> (usize, usize) {
        (2, 2)
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check()?;
        Ok(batch::samples(self.clone(), self, request))
    }
}

pub(super) struct Wave {
    on: bool,
    period: f64,
    /// Steps since the last switch.
    since: u64,
}

impl batch::Drawn for SineWaveSpec {
    type Kept = Wave;

    fn begin(&self, stream: &mut Stream) -> Self::Kept {
        Wave {
            on: self.never_off,
            period: if self.never_off {
                self.draw_period(stream)
            } else {
                1.0
            },
            since: 0,
        }
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        let switch = match self.transitions {
            Times::Random => step > 0 && stream.uniform() < self.p_transition,
            Times::Regular => step > 0 && step.is_multiple_of(interval(self.p_transition)),
        };
        kept.since += 1;
        if switch {
            kept.on = self.never_off || !kept.on;
            kept.period = if kept.on {
                self.draw_period(stream)
            } else {
                1.0
            };
        }
        if switch || step == 0 {
            kept.since = 0;
        }
        // Not −0 when off: a sign of zero would show in records.
        row.x[0] = 0.0 - kept.period.ln();
        if kept.on {
            row.x[1] = 1.0;
            let phase = TAU * kept.since as f64 / kept.period;
            row.y[0] = self.amplitude * phase.cos();
            row.y[1] = self.amplitude * phase.sin();
        }
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        io.flag("on", &mut kept.on)?;
        io.values("period", std::slice::from_mut(&mut kept.period))?;
        io.counter("since", &mut kept.since, STEPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    #[test]
    fn the_target_oscillates_while_it_is_on() {
        for transitions in [Times::Random, Times::Regular] {
            let spec = SineWaveSpec {
                transitions,
                amplitude: 0.5,
                p_transition: 0.04,
                ..SineWaveSpec::default()
            };
            let samples = run(&TaskSpec::SineWave(spec), 1, 20_000);
            let (mut since, mut switches) = (0, 0.0);
            for (t, sample) in samples.iter().enumerate() {
                if t > 0 && sample.x[1] != samples[t - 1].x[1] {
                    since = t;
                    switches += 1.0;
                    if transitions == Times::Regular {
                        assert_eq!(t % 25, 0);
                    }
                }
                if sample.x[1] == 0.0 {
                    assert_eq!((sample.x[0], &sample.y[..]), (0.0, &[0.0, 0.0][..]));
                    continue;
                }
                let period = (-sample.x[0]).exp();
                assert!(
                    [8.0, 12.0, 20.0]
                        .iter()
                        .any(|p: &f64| (p - period).abs() < 1e-9)
                );
                let phase = std::f64::consts::TAU * (t - since) as f64 / period;
                assert!((sample.y[0] - 0.5 * phase.cos()).abs() < 1e-9);
                assert!((sample.y[1] - 0.5 * phase.sin()).abs() < 1e-9);
            }
            let error = 4.0 * (0.04f64 * 0.96 / 20_000.0).sqrt();
            assert!((switches / 20_000.0f64 - 0.04).abs() < error, "{switches}");
        }
    }

    #[test]
    fn without_pauses_periods_have_the_stated_odds() {
        let spec = SineWaveSpec {
            never_off: true,
            transitions: Times::Regular,
            p_transition: 0.5,
            weights: vec![2.0, 0.0, 6.0],
            ..SineWaveSpec::default()
        };
        let samples = run(&TaskSpec::SineWave(spec), 1, 20_000);
        assert!(samples.iter().all(|s| s.x[1] == 1.0));
        let starts: Vec<_> = samples.iter().step_by(2).collect();
        assert!(starts.iter().all(|s| s.y == [1.0, 0.0]));
        let share = |period: f64| {
            let of = starts.iter().filter(|s| s.x[0] == -period.ln());
            of.count() as f64 / 10_000.0
        };
        assert!((share(8.0) - 0.25).abs() < 4.0 * (0.1875f64 / 10_000.0).sqrt());
        assert_eq!(share(12.0), 0.0);
        assert_eq!(share(8.0) + share(20.0), 1.0);
    }

    #[test]
    fn bad_settings_are_named() {
        let with = |change: &dyn Fn(&mut SineWaveSpec)| {
            let mut spec = SineWaveSpec::default();
            change(&mut spec);
            TaskSpec::SineWave(spec)
        };
        refused(&with(&|s| s.p_transition = 0.0), "task.p_transition: got 0");
        refused(&with(&|s| s.periods.clear()), "task.periods: got none");
        refused(&with(&|s| s.periods[2] = 0.0), "task.periods: got 0");
        refused(
            &with(&|s| s.weights = vec![1.0]),
            "task.weights: got 1 numbers",
        );
        refused(
            &with(&|s| s.weights = vec![0.0; 3]),
            "task.weights: got [0.0",
        );
        refused(
            &with(&|s| s.amplitude = f64::NAN),
            "task.amplitude: got NaN",
        );
    }
}
