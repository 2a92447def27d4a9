//! Keep the sign of a stimulus until it is asked for.
//!
//! A trial: `wait` steps, the stimulus ±1 on the first input, a delay, the report, cued by the second input. The
//! target is [1, 0] for +1 and [0, 1] for −1 in the report, and [½, ½] elsewhere.
//! Source: Marschall, Cho & Savin (code), which cannot be built (three values returned where five are unpacked).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::{Request, Settings, Task, TaskInfo, check};
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Result, Scalar};

/// Configuration of the sensorimotor mapping task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SensorimotorMappingSpec {
    /// Steps before the stimulus.
    #[schemars(range(min = 0, max = super::check::MOST), extend("unit" = "steps"))]
    pub wait: u64,
    /// Steps of the stimulus.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub stimulus: u64,
    /// Steps between stimulus and report.
    #[schemars(range(min = 0, max = super::check::MOST), extend("unit" = "steps"))]
    pub delay: u64,
    /// Steps of the report.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub report: u64,
    /// Steps after the report.
    #[schemars(range(min = 0, max = super::check::MOST), extend("unit" = "steps"))]
    pub rest: u64,
    /// Weight of the loss outside the report.
    #[schemars(range(min = 0.0))]
    pub off_report_weight: f64,
}

impl Default for SensorimotorMappingSpec {
    fn default() -> Self {
        Self {
            wait: 1,
            stimulus: 2,
            delay: 10,
            report: 2,
            rest: 5,
            off_report_weight: 1.0,
        }
    }
}

impl SensorimotorMappingSpec {
    fn report_at(&self) -> u64 {
        self.wait
            .saturating_add(self.stimulus)
            .saturating_add(self.delay)
    }

    fn trial(&self) -> u64 {
        self.report_at()
            .saturating_add(self.report)
            .saturating_add(self.rest)
    }

    fn check(&self, steps: u64) -> Result<()> {
        check::count("task.wait", self.wait, 0)?;
        check::count("task.stimulus", self.stimulus, 1)?;
        check::count("task.delay", self.delay, 0)?;
        check::count("task.report", self.report, 1)?;
        check::count("task.rest", self.rest, 0)?;
        check::not_negative("task.off_report_weight", self.off_report_weight)?;
        check::trial(self.trial(), steps)
    }
}

impl Settings for SensorimotorMappingSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "sensorimotor_mapping",
        summary: "keep the sign of a stimulus until it is asked for",
        sizes: "2 inputs, 2 outputs",
        source: "Marschall, Cho & Savin (code)",
    };

    fn sizes(&self) -> (usize, usize) {
        (2, 2)
    }

    fn longest_trial(&self) -> Option<u64> {
        Some(self.trial())
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check(request.steps)?;
        Ok(batch::samples(self.clone(), self, request))
    }
}

impl batch::Drawn for SensorimotorMappingSpec {
    /// Whether the stimulus of the present trial is positive.
    type Kept = bool;

    fn masked(&self) -> bool {
        self.off_report_weight != 1.0
    }

    fn begin(&self, _: &mut Stream) -> Self::Kept {
        false
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        if step == 0 {
            *kept = stream.coin();
        }
        if (self.wait..self.wait + self.stimulus).contains(&step) {
            row.x[0] = if *kept { 1.0 } else { -1.0 };
        }
        if (self.report_at()..self.report_at() + self.report).contains(&step) {
            row.x[1] = 1.0;
            row.y[usize::from(!*kept)] = 1.0;
        } else {
            row.y.fill(0.5);
            row.mask.fill(self.off_report_weight);
        }
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        io.flag("positive", kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    #[test]
    fn the_report_names_the_stimulus() {
        let spec = SensorimotorMappingSpec {
            off_report_weight: 0.2,
            ..SensorimotorMappingSpec::default()
        };
        let samples = run(&TaskSpec::SensorimotorMapping(spec), 1, 20 * 3_000);
        let mut positive = 0.0;
        for trial in samples.chunks_exact(20) {
            assert!(trial[0].first && trial[19].last);
            let sign = trial[1].x[0];
            positive += f64::from(sign == 1.0);
            let answer = if sign == 1.0 { [1.0, 0.0] } else { [0.0, 1.0] };
            for (t, sample) in trial.iter().enumerate() {
                let report = (13..15).contains(&t);
                assert_eq!(sample.x[0], if (1..3).contains(&t) { sign } else { 0.0 });
                assert_eq!(sample.x[1], f64::from(report));
                assert_eq!(sample.y, if report { answer } else { [0.5; 2] });
                assert_eq!(sample.mask, [if report { 1.0 } else { 0.2 }; 2]);
            }
        }
        assert!((positive / 3000.0f64 - 0.5).abs() < 4.0 * 0.5 / 3000f64.sqrt());
    }

    #[test]
    fn bad_settings_are_named() {
        let of = |json: &str| TaskSpec::SensorimotorMapping(serde_json::from_str(json).unwrap());
        for (json, reason) in [
            (r#"{"stimulus": 0}"#, "task.stimulus: got 0"),
            (r#"{"report": 0}"#, "task.report: got 0"),
            (r#"{"rest": 2000000000}"#, "task.rest: got 2000000000"),
            (r#"{"delay": 10000}"#, "task: got trials of 10010 steps"),
        ] {
            refused(&of(json), reason);
        }
    }
}
