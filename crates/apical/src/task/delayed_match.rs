//! Say whether two stimuli, one after the other, were the same.
//!
//! A trial: `wait` steps, a stimulus, a delay, a stimulus, a delay, the report. Each stimulus is one of several,
//! one-hot. In the report the target is [1, 0] (go) if they matched, else [0, 1] (no go); with `match = false` it
//! is the other way round. Elsewhere it is [0, 0], with a smaller weight.
//! Source: Marschall, Cho & Savin (code: Delay_Nonmatch, which does not run; in spite of its name equal stimuli
//! are to give [1, 0] there).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::{Request, Settings, Task, TaskInfo, check, draw};
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Result, Scalar};

/// Configuration of the delayed match task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DelayedMatchSpec {
    /// Whether equal stimuli mean go; otherwise different ones do (non-match).
    #[serde(rename = "match")]
    pub go_if_equal: bool,
    /// Number of different stimuli.
    #[schemars(range(min = 2, max = super::check::LARGEST))]
    pub stimuli: usize,
    /// Steps before the first stimulus.
    #[schemars(range(min = 0, max = super::check::MOST), extend("unit" = "steps"))]
    pub wait: u64,
    /// Steps of each stimulus.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub stimulus: u64,
    /// Steps after each stimulus.
    #[schemars(range(min = 0, max = super::check::MOST), extend("unit" = "steps"))]
    pub delay: u64,
    /// Steps of the report.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub report: u64,
    /// Weight of the loss outside the report.
    #[schemars(range(min = 0.0))]
    pub off_report_weight: f64,
}

impl Default for DelayedMatchSpec {
    fn default() -> Self {
        Self {
            go_if_equal: true,
            stimuli: 2,
            wait: 2,
            stimulus: 4,
            delay: 8,
            report: 6,
            off_report_weight: 0.1,
        }
    }
}

impl DelayedMatchSpec {
    fn check(&self, steps: u64) -> Result<()> {
        check::size("task.stimuli", self.stimuli, 2)?;
        check::count("task.wait", self.wait, 0)?;
        check::count("task.stimulus", self.stimulus, 1)?;
        check::count("task.delay", self.delay, 0)?;
        check::count("task.report", self.report, 1)?;
        check::not_negative("task.off_report_weight", self.off_report_weight)?;
        check::trial(self.report_at() + self.report, steps)
    }

    fn report_at(&self) -> u64 {
        self.stimulus
            .saturating_add(self.delay)
            .saturating_mul(2)
            .saturating_add(self.wait)
    }
}

impl Settings for DelayedMatchSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "delayed_match",
        summary: "say whether two stimuli were the same (or different)",
        sizes: "stimuli, 2",
        source: "Marschall, Cho & Savin (code)",
    };

    fn sizes(&self) -> (usize, usize) {
        (self.stimuli, 2)
    }

    fn longest_trial(&self) -> Option<u64> {
        Some(self.report_at().saturating_add(self.report))
    }

    fn width(&self) -> Option<(&'static str, u64)> {
        Some(("task.stimuli", self.stimuli as u64))
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check(request.steps)?;
        Ok(batch::samples(self.clone(), self, request))
    }
}

impl batch::Drawn for DelayedMatchSpec {
    /// The two stimuli of the present trial.
    type Kept = [u64; 2];

    fn masked(&self) -> bool {
        true
    }

    fn begin(&self, _: &mut Stream) -> Self::Kept {
        [0; 2]
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        if step == 0 {
            // Match and non-match are equally likely, whatever the number of stimuli.
            let kinds = self.stimuli as u64;
            let first = draw::below(stream, kinds);
            let other = (first + 1 + draw::below(stream, kinds - 1)) % kinds;
            let same = stream.coin();
            *kept = [first, if same { first } else { other }];
        }
        for (k, shown) in kept.iter().enumerate() {
            let begin = self.wait + k as u64 * (self.stimulus + self.delay);
            if (begin..begin + self.stimulus).contains(&step) {
                row.x[*shown as usize] = 1.0;
            }
        }
        if step < self.report_at() {
            row.mask.fill(self.off_report_weight);
        } else {
            let equal = kept[0] == kept[1];
            row.y[usize::from(equal != self.go_if_equal)] = 1.0;
        }
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        let last = self.stimuli as u64 - 1;
        io.counters("shown", kept, 0..=last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    #[test]
    fn the_report_compares_the_stimuli() {
        for go_if_equal in [true, false] {
            let spec = DelayedMatchSpec {
                go_if_equal,
                stimuli: 3,
                wait: 1,
                stimulus: 2,
                delay: 3,
                report: 2,
                ..DelayedMatchSpec::default()
            };
            let samples = run(&TaskSpec::DelayedMatch(spec), 1, 13 * 3_000);
            let mut equal = 0.0;
            for trial in samples.chunks_exact(13) {
                assert!(trial[0].first && trial[12].last);
                let shown = |t: usize| trial[t].x.iter().position(|x| *x == 1.0);
                let windows: Vec<_> = (0..13).map(shown).collect();
                let (a, b) = (windows[1], windows[6]);
                assert!(a.is_some() && b.is_some());
                let none = None;
                let expected = [
                    none, a, a, none, none, none, b, b, none, none, none, none, none,
                ];
                assert_eq!(windows, expected);
                equal += f64::from(a == b);
                let answer = if (a == b) == go_if_equal {
                    [1.0, 0.0]
                } else {
                    [0.0, 1.0]
                };
                for (t, sample) in trial.iter().enumerate() {
                    assert_eq!(sample.y, if t >= 11 { answer } else { [0.0; 2] });
                    assert_eq!(sample.mask, [if t >= 11 { 1.0 } else { 0.1 }; 2]);
                }
            }
            // Half of 3000 trials: four standard errors.
            assert!((equal / 3000.0f64 - 0.5).abs() < 4.0 * 0.5 / 3000f64.sqrt());
        }
    }

    #[test]
    fn bad_settings_are_named() {
        let of = |json: &str| TaskSpec::DelayedMatch(serde_json::from_str(json).unwrap());
        for (json, reason) in [
            (r#"{"stimuli": 1}"#, "task.stimuli: got 1"),
            (r#"{"stimulus": 0}"#, "task.stimulus: got 0"),
            (r#"{"report": 0}"#, "task.report: got 0"),
            (
                r#"{"match": false, "delay": 5000}"#,
                "task: got trials of 10016 steps",
            ),
            (
                r#"{"off_report_weight": -1}"#,
                "task.off_report_weight: got -1",
            ),
        ] {
            refused(&of(json), reason);
        }
    }
}
