//! Two cues with a long delay between them: were they equal?
//!
//! A trial: two fair bits. If the first is 1, input 0 shows a bump during the first `cue` steps; if the second is 1, input 1 shows one during the last
//! `cue`. A bump is amplitude · exp(−u²/(2 (cue/4)²)) above the baseline, with u evenly from −cue/2 to cue/2; everything else is the baseline, and all
//! inputs are noisy. The target is [0, 1] if the bits are equal, else [1, 0], and counts at the last step alone.
//! Source: Liu et al. 2022 (code: delayedXOR), where `cue` = 100 and `delay` = 700 steps of a millisecond.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::{Request, Settings, Task, TaskInfo, check};
use crate::sizes::Need;
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Result, Scalar};

/// Configuration of the delayed XOR task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DelayedXorSpec {
    /// Steps of each cue.
    #[schemars(range(min = 2, max = super::check::MOST), extend("unit" = "steps"))]
    pub cue: u64,
    /// Steps between the cues.
    #[schemars(range(min = 0, max = super::check::MOST), extend("unit" = "steps"))]
    pub delay: u64,
    /// Height of a bump.
    pub amplitude: f64,
    /// Inputs without a cue.
    pub baseline: f64,
    /// Standard deviation of the noise on every input.
    #[schemars(range(min = 0.0))]
    pub noise: f64,
}

impl Default for DelayedXorSpec {
    fn default() -> Self {
        Self {
            cue: 100,
            delay: 700,
            amplitude: 2.0,
            baseline: 0.02,
            noise: 0.01,
        }
    }
}

impl DelayedXorSpec {
    fn check(&self, steps: u64) -> Result<()> {
        check::count("task.cue", self.cue, 2)?;
        check::count("task.delay", self.delay, 0)?;
        check::finite("task.amplitude", self.amplitude)?;
        check::finite("task.baseline", self.baseline)?;
        check::not_negative("task.noise", self.noise)?;
        check::trial(self.length(), steps)
    }

    fn length(&self) -> u64 {
        self.cue.saturating_mul(2).saturating_add(self.delay)
    }

    /// The bump `step` steps after it began.
    fn bump(&self, step: u64) -> f64 {
        let cue = self.cue as f64;
        let u = cue * (step as f64 / (cue - 1.0) - 0.5);
        let width = cue / 4.0;
        self.amplitude * (-u * u / (2.0 * width * width)).exp()
    }
}

impl Settings for DelayedXorSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "delayed_xor",
        summary: "say whether two cues far apart were equal",
        sizes: "2, 2",
        source: "Liu et al. 2022 (code)",
    };

    fn sizes(&self) -> (usize, usize) {
        (2, 2)
    }

    fn longest_trial(&self) -> Option<u64> {
        Some(self.length())
    }

    fn needs(&self, _: usize) -> Vec<Need> {
        vec![Need::new("task.cue", self.cue, 8.0 * self.cue as f64)]
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check(request.steps)?;
        let drawn = DelayedXor {
            bump: (0..self.cue).map(|step| self.bump(step)).collect(),
            spec: self.clone(),
        };
        Ok(batch::samples(drawn, self, request))
    }
}

struct DelayedXor {
    spec: DelayedXorSpec,
    bump: Vec<f64>,
}

impl batch::Drawn for DelayedXor {
    /// The bits of the present trial.
    type Kept = [u64; 2];

    fn masked(&self) -> bool {
        true
    }

    fn begin(&self, _: &mut Stream) -> Self::Kept {
        [0; 2]
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        let spec = &self.spec;
        if step == 0 {
            *kept = [0, 1].map(|_| u64::from(stream.coin()));
        }
        for (k, (x, cue)) in row.x.iter_mut().zip(*kept).enumerate() {
            let begin = k as u64 * (spec.cue + spec.delay);
            *x = spec.baseline + spec.noise * stream.normal();
            if cue == 1 && (begin..begin + spec.cue).contains(&step) {
                *x += self.bump[(step - begin) as usize];
            }
        }
        row.y[usize::from(kept[0] == kept[1])] = 1.0;
        if step + 1 < spec.length() {
            row.mask.fill(0.0);
        }
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        io.counters("cues", kept, 0..=1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    #[test]
    fn trials_are_as_published() {
        let quiet = DelayedXorSpec {
            noise: 0.0,
            ..DelayedXorSpec::default()
        };
        let samples = run(&TaskSpec::DelayedXor(quiet), 1, 900 * 400);
        let mut kinds = [0; 4];
        for trial in samples.chunks_exact(900) {
            assert!(trial[0].first && trial[899].last);
            let at = |t: usize, k: usize| trial[t].x[k];
            let cues = [at(49, 0) > 1.0, at(849, 1) > 1.0];
            kinds[usize::from(cues[0]) + 2 * usize::from(cues[1])] += 1;
            for (t, sample) in trial.iter().enumerate() {
                let shown = [t < 100, t >= 800];
                for k in 0..2 {
                    let u = -50.0 + 100.0 * (t % 100) as f64 / 99.0;
                    let bump = 2.0 * (-u * u / (2.0 * 25.0 * 25.0)).exp();
                    let expected = 0.02 + if cues[k] && shown[k] { bump } else { 0.0 };
                    assert!((sample.x[k] - expected).abs() < 1e-12, "{t} {k}");
                }
                let equal = cues[0] == cues[1];
                let answer = [f64::from(!equal), f64::from(equal)];
                assert_eq!(sample.y, answer);
                let counts = if t == 899 { 1.0 } else { 0.0 };
                assert_eq!(sample.mask, [counts; 2]);
            }
            let edge = at(0, 0);
            assert!(!cues[0] || (edge - 0.29).abs() < 0.005 && (at(49, 0) - 2.02).abs() < 0.005);
        }
        // Each of four kinds comes 100 times, with a standard error of 8.7.
        assert!(
            kinds.iter().all(|count| (65..=135).contains(count)),
            "{kinds:?}"
        );
    }

    #[test]
    fn noise_is_on_every_input() {
        let samples = run(&TaskSpec::DelayedXor(DelayedXorSpec::default()), 1, 9_000);
        let waiting = samples.iter().enumerate();
        let waiting = waiting.filter(|(t, _)| (100..800).contains(&(t % 900)));
        let values: Vec<f64> = waiting.flat_map(|(_, s)| s.x.clone()).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        // Four standard errors over 14,000 numbers.
        assert!((mean - 0.02).abs() < 4.0 * 0.01 / count.sqrt());
        assert!((variance.sqrt() / 0.01 - 1.0).abs() < 4.0 * (0.5 / count).sqrt());
    }

    #[test]
    fn bad_settings_are_named() {
        let of = |json: &str| TaskSpec::DelayedXor(serde_json::from_str(json).unwrap());
        for (json, reason) in [
            (r#"{"cue": 1}"#, "task.cue: got 1"),
            (r#"{"noise": -1}"#, "task.noise: got -1"),
            (r#"{"delay": 10000}"#, "task: got trials of 10200 steps"),
        ] {
            refused(&of(json), reason);
        }
    }
}
