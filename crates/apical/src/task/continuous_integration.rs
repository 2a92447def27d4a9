//! Add up noisy evidence.
//!
//! Each trial has a coherence c, drawn from a list; x(t) ~ N(sensitivity · c, noise²) and
//! y*(t) = gain · Σ_{s ≤ t} x(s), cut off at ± bound.
//! Source: Marschall, Cho & Savin (code), whose second input and output, always 0, are left out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::{Request, Settings, Task, TaskInfo, check, draw};
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Error, Result, Scalar};

/// Configuration of the continuous integration task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContinuousIntegrationSpec {
    /// Steps of a trial.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub trial: u64,
    /// The coherences, equally likely.
    #[schemars(length(min = 1))]
    pub coherences: Vec<f64>,
    /// Multiplies the coherence.
    pub sensitivity: f64,
    /// Standard deviation of the inputs.
    #[schemars(range(min = 0.0))]
    pub noise: f64,
    /// Multiplies the sum.
    pub gain: f64,
    /// Largest magnitude of the target.
    #[schemars(range(min = 0.0))]
    pub bound: f64,
}

impl Default for ContinuousIntegrationSpec {
    fn default() -> Self {
        Self {
            trial: 50,
            coherences: COHERENCES.into(),
            sensitivity: 0.5,
            noise: 0.5,
            gain: 0.1,
            bound: 1.0,
        }
    }
}

/// What is drawn from unless told otherwise.
pub(super) const COHERENCES: [f64; 6] = [-0.8, -0.4, -0.2, 0.2, 0.4, 0.8];

/// A list of coherences to draw from.
pub(super) fn check_coherences(coherences: &[f64]) -> Result<()> {
    if coherences.is_empty() {
        return Err(Error::invalid(
            "task.coherences",
            "none",
            "at least one number",
            "For example [-0.5, 0.5].",
        ));
    }
    check::list("task.coherences", coherences, coherences.len())
}

impl Settings for ContinuousIntegrationSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "continuous_integration",
        summary: "add up noisy evidence",
        sizes: "1 input, 1 output",
        source: "Marschall, Cho & Savin (code)",
    };

    fn sizes(&self) -> (usize, usize) {
        (1, 1)
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

impl batch::Drawn for ContinuousIntegrationSpec {
    /// Coherence of the trial and the sum so far.
    type Kept = [f64; 2];

    fn begin(&self, _: &mut Stream) -> Self::Kept {
        [0.0; 2]
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        if step == 0 {
            *kept = [draw::choice(stream, &self.coherences), 0.0];
        }
        let [coherence, sum] = kept;
        row.x[0] = self.sensitivity * *coherence + self.noise * stream.normal();
        *sum += row.x[0];
        row.y[0] = (self.gain * *sum).clamp(-self.bound, self.bound);
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        io.values("numbers", kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    #[test]
    fn targets_are_bounded_sums() {
        let spec = ContinuousIntegrationSpec {
            trial: 20,
            ..ContinuousIntegrationSpec::default()
        };
        let samples = run(&TaskSpec::ContinuousIntegration(spec), 1, 2_000);
        let mut bounded = 0;
        for trial in samples.chunks_exact(20) {
            assert!(trial[0].first && trial[19].last);
            let mut sum = 0.0;
            for sample in trial {
                sum += sample.x[0];
                let expected = f64::clamp(0.1 * sum, -1.0, 1.0);
                assert!((sample.y[0] - expected).abs() < 1e-15);
                bounded += usize::from(sample.y[0].abs() == 1.0);
            }
        }
        assert!(bounded > 0);
    }

    #[test]
    fn inputs_have_the_stated_mean_and_deviation() {
        let spec = ContinuousIntegrationSpec {
            coherences: vec![0.6],
            ..ContinuousIntegrationSpec::default()
        };
        let samples = run(&TaskSpec::ContinuousIntegration(spec), 1, 40_000);
        let mean = samples.iter().map(|s| s.x[0]).sum::<f64>() / 40_000.0;
        let square = |x: f64| (x - 0.3).powi(2);
        let variance = samples.iter().map(|s| square(s.x[0])).sum::<f64>() / 40_000.0;
        assert!((mean - 0.3).abs() < 4.0 * 0.5 / 200.0);
        assert!((variance / 0.25 - 1.0).abs() < 4.0 * 2f64.sqrt() / 200.0);
        // Without noise each trial is one of the coherences, all equally often.
        let spec = ContinuousIntegrationSpec {
            trial: 2,
            noise: 0.0,
            sensitivity: 1.0,
            ..ContinuousIntegrationSpec::default()
        };
        let samples = run(&TaskSpec::ContinuousIntegration(spec), 1, 12_000);
        for c in COHERENCES {
            let count = samples.iter().filter(|s| s.x[0] == c).count() as f64 / 2.0;
            assert!((count - 1000.0).abs() < 116.0, "{c}: {count}");
        }
    }

    #[test]
    fn bad_settings_are_named() {
        let with = |change: &dyn Fn(&mut ContinuousIntegrationSpec)| {
            let mut spec = ContinuousIntegrationSpec::default();
            change(&mut spec);
            TaskSpec::ContinuousIntegration(spec)
        };
        refused(&with(&|s| s.trial = 0), "task.trial: got 0");
        refused(&with(&|s| s.trial = 20_000), "task: got trials of 20000");
        refused(
            &with(&|s| s.coherences.clear()),
            "task.coherences: got none",
        );
        let reason = "task.coherences: got NaN";
        refused(&with(&|s| s.coherences[1] = f64::NAN), reason);
        refused(&with(&|s| s.noise = -1.0), "task.noise: got -1");
        refused(&with(&|s| s.bound = f64::NAN), "task.bound: got NaN");
    }
}
