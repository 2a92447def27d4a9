//! Add up the one of two streams of evidence that the context names.
//!
//! Each trial has a coherence for motion, one for colour, and a context; inputs are both streams, each
//! N(sensitivity · c, noise²), and two lines, of which the one of the context is 1.
//! y*(t) = gain · Σ_{s ≤ t} x_context(s), cut off at ± bound.
//! Source: Mante et al. 2013; Marschall, Cho & Savin (code).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::continuous_integration::{COHERENCES, check_coherences};
use super::{Request, Settings, Task, TaskInfo, check, draw};
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Result, Scalar};

/// Configuration of the context-dependent integration task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContextIntegrationSpec {
    /// Steps of a trial.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub trial: u64,
    /// The coherences of either stream, equally likely.
    #[schemars(length(min = 1))]
    pub coherences: Vec<f64>,
    /// Multiplies the coherence.
    pub sensitivity: f64,
    /// Standard deviation of the streams.
    #[schemars(range(min = 0.0))]
    pub noise: f64,
    /// Multiplies the sum.
    pub gain: f64,
    /// Largest magnitude of the target.
    #[schemars(range(min = 0.0))]
    pub bound: f64,
    /// Which stream is cued.
    pub context: Context,
}

impl Default for ContextIntegrationSpec {
    fn default() -> Self {
        Self {
            trial: 50,
            coherences: COHERENCES.into(),
            sensitivity: 0.5,
            noise: 0.5,
            gain: 0.1,
            bound: 1.0,
            context: Context::Random,
        }
    }
}

/// Which stream of evidence is cued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// Either, with equal odds in each trial.
    #[default]
    Random,
    /// Always the first.
    Motion,
    /// Always the second.
    Colour,
}

impl Context {
    /// Index of the cued stream of a new trial.
    pub(super) fn draw(self, stream: &mut Stream) -> usize {
        match self {
            Self::Random => usize::from(stream.coin()),
            Self::Motion => 0,
            Self::Colour => 1,
        }
    }
}

impl Settings for ContextIntegrationSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "context_integration",
        summary: "add up the evidence the context names",
        sizes: "4 inputs, 1 output",
        source: "Mante et al. 2013",
    };

    fn sizes(&self) -> (usize, usize) {
        (4, 1)
    }

    fn longest_trial(&self) -> Option<u64> {
        Some(self.trial)
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        check::count("task.trial", self.trial, 1)?;
        check_coherences(&self.coherences)?;
        check::finite("task.sensitivity", self.sensitivity)?;
        check::not_negative("task.noise", self.noise)?;
        check::finite("task.gain", self.gain)?;
        check::not_negative("task.bound", self.bound)?;
        check::trial(self.trial, request.steps)?;
        Ok(batch::samples(self.clone(), self, request))
    }
}

#[derive(Default)]
pub(super) struct Trial {
    coherences: [f64; 2],
    sum: f64,
    cued: u64,
}

impl batch::Drawn for ContextIntegrationSpec {
    type Kept = Trial;

    fn begin(&self, _: &mut Stream) -> Self::Kept {
        Trial::default()
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        if step == 0 {
            kept.coherences = [(); 2].map(|()| draw::choice(stream, &self.coherences));
            kept.cued = self.context.draw(stream) as u64;
            kept.sum = 0.0;
        }
        for (x, c) in row.x.iter_mut().zip(kept.coherences) {
            *x = self.sensitivity * c + self.noise * stream.normal();
        }
        let cued = kept.cued as usize;
        row.x[2 + cued] = 1.0;
        kept.sum += row.x[cued];
        row.y[0] = (self.gain * kept.sum).clamp(-self.bound, self.bound);
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        io.values("coherences", &mut kept.coherences)?;
        io.values("sum", std::slice::from_mut(&mut kept.sum))?;
        io.counter("cued", &mut kept.cued, 0..=1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    #[test]
    fn targets_sum_the_cued_stream() {
        let spec = ContextIntegrationSpec {
            trial: 10,
            ..ContextIntegrationSpec::default()
        };
        let samples = run(&TaskSpec::ContextIntegration(spec), 1, 40_000);
        let mut colours = 0.0;
        for trial in samples.chunks_exact(10) {
            assert!(trial[0].first && trial[9].last);
            let cued = usize::from(trial[0].x[3] == 1.0);
            colours += cued as f64;
            let mut sum = 0.0;
            for sample in trial {
                assert_eq!(
                    sample.x[2..],
                    if cued == 0 { [1.0, 0.0] } else { [0.0, 1.0] }
                );
                sum += sample.x[cued];
                assert!((sample.y[0] - f64::clamp(0.1 * sum, -1.0, 1.0)).abs() < 1e-15);
            }
        }
        // 4000 contexts: four standard errors.
        assert!((colours / 4000.0f64 - 0.5).abs() < 4.0 * 0.5 / 4000f64.sqrt());
    }

    #[test]
    fn streams_are_independent() {
        let spec = ContextIntegrationSpec {
            trial: 1,
            noise: 0.0,
            sensitivity: 1.0,
            coherences: vec![-1.0, 1.0],
            ..ContextIntegrationSpec::default()
        };
        let samples = run(&TaskSpec::ContextIntegration(spec), 1, 10_000);
        let mean = |of: &dyn Fn(&[f64]) -> f64| samples.iter().map(|s| of(&s.x)).sum::<f64>() / 1e4;
        for of in [|x: &[f64]| x[0], |x: &[f64]| x[1], |x: &[f64]| x[0] * x[1]] {
            assert!(mean(&of).abs() < 0.04);
        }
        for (context, line) in [(Context::Motion, 2), (Context::Colour, 3)] {
            let spec = ContextIntegrationSpec {
                context,
                ..ContextIntegrationSpec::default()
            };
            let samples = run(&TaskSpec::ContextIntegration(spec), 1, 500);
            assert!(samples.iter().all(|s| s.x[line] == 1.0));
        }
    }

    #[test]
    fn bad_settings_are_named() {
        let with = |change: &dyn Fn(&mut ContextIntegrationSpec)| {
            let mut spec = ContextIntegrationSpec::default();
            change(&mut spec);
            TaskSpec::ContextIntegration(spec)
        };
        refused(&with(&|s| s.trial = 0), "task.trial: got 0");
        refused(
            &with(&|s| s.coherences.clear()),
            "task.coherences: got none",
        );
        refused(
            &with(&|s| s.sensitivity = f64::NAN),
            "task.sensitivity: got NaN",
        );
        refused(&with(&|s| s.gain = f64::INFINITY), "task.gain: got inf");
    }
}
