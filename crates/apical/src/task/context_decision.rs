//! Decide on the sign of the evidence that the context names, and report it when it is time.
//!
//! Inputs as in context-dependent integration: motion, colour, two context lines; with `report_cue` one more. The
//! target is 0, and output_scale · sign(coherence of the cued stream) in the report: the last `report` steps, or,
//! with a cue at a random step of the second half of the trial, the `report` steps after it (to the end if
//! `tonic`). Between fixation and report nothing is asked: the mask is 0.
//! Source: Mante et al. 2013; Marschall, Cho & Savin (code), where with a cue the mask stays 0 in most of the
//! report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::context_integration::Context;
use super::continuous_integration::{COHERENCES, check_coherences};
use super::{Request, Settings, Task, TaskInfo, check, draw};
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Error, Result, Scalar};

/// Configuration of the context-dependent decision task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContextDecisionSpec {
    /// Steps of a trial.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub trial: u64,
    /// The coherences of either stream, equally likely, none 0.
    #[schemars(length(min = 1))]
    pub coherences: Vec<f64>,
    /// Multiplies the coherence.
    pub sensitivity: f64,
    /// Standard deviation of the streams.
    #[schemars(range(min = 0.0))]
    pub noise: f64,
    /// Which stream is cued.
    pub context: Context,
    /// Steps from the start for which the context lines are on; the whole trial unless given.
    #[schemars(extend("unit" = "steps"))]
    pub context_steps: Option<u64>,
    /// Steps from the start in which the target is 0 and counts.
    #[schemars(range(min = 0, max = super::check::MOST), extend("unit" = "steps"))]
    pub fixation: u64,
    /// Steps of the report.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub report: u64,
    /// Magnitude of the report.
    pub output_scale: f64,
    /// Whether a cue at a random step asks for the report.
    pub report_cue: bool,
    /// Whether the report after a cue goes on to the end of the trial.
    pub tonic: bool,
}

impl Default for ContextDecisionSpec {
    fn default() -> Self {
        Self {
            trial: 50,
            coherences: COHERENCES.into(),
            sensitivity: 0.5,
            noise: 0.5,
            context: Context::Random,
            context_steps: None,
            fixation: 5,
            report: 10,
            output_scale: 1.0,
            report_cue: false,
            tonic: false,
        }
    }
}

impl ContextDecisionSpec {
    fn check(&self, steps: u64) -> Result<()> {
        check::count("task.trial", self.trial, 1)?;
        check_coherences(&self.coherences)?;
        if self.coherences.contains(&0.0) {
            let mend = "A coherence of 0 has no sign to report: remove it.";
            return Err(Error::invalid(
                "task.coherences",
                0,
                "numbers other than 0",
                mend,
            ));
        }
        check::finite("task.sensitivity", self.sensitivity)?;
        check::not_negative("task.noise", self.noise)?;
        check::finite("task.output_scale", self.output_scale)?;
        check::count("task.fixation", self.fixation, 0)?;
        check::count("task.report", self.report, 1)?;
        check::trial(self.trial, steps)?;
        let (most, why) = if self.report_cue {
            let after_cue = self.trial - self.trial / 2;
            let late = self.trial.saturating_sub(self.fixation);
            (
                after_cue.min(late).saturating_sub(1),
                "the cue and the report in the second half of the trial, after the fixation",
            )
        } else {
            (
                self.trial.saturating_sub(self.fixation),
                "the report in the trial, after the fixation",
            )
        };
        if self.report > most {
            return Err(Error::invalid(
                "task.report",
                self.report,
                format!("at most {most}, to have {why}"),
                "Shorten it or lengthen `trial`.",
            ));
        }
        if self.tonic && !self.report_cue {
            return Err(Error::invalid(
                "task.tonic",
                true,
                "false without report_cue",
                "Without a cue the report ends with the trial anyway.",
            ));
        }
        Ok(())
    }

    /// The steps at which the cue may come.
    fn cue_range(&self) -> (u64, u64) {
        let first = (self.trial / 2).max(self.fixation);
        (first, self.trial - self.report)
    }
}

impl Settings for ContextDecisionSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "context_decision",
        summary: "report the sign of the evidence the context names",
        sizes: "4 inputs (with report_cue: 5), 1 output",
        source: "Mante et al. 2013",
    };

    fn sizes(&self) -> (usize, usize) {
        (4 + usize::from(self.report_cue), 1)
    }

    fn longest_trial(&self) -> Option<u64> {
        Some(self.trial)
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check(request.steps)?;
        Ok(batch::samples(self.clone(), self, request))
    }
}

#[derive(Default)]
pub(super) struct Trial {
    coherences: [f64; 2],
    /// Of the present trial: the cued stream, and where the report begins and ends.
    plan: [u64; 3],
}

impl Trial {
    fn begin(&mut self, spec: &ContextDecisionSpec, stream: &mut Stream) {
        self.coherences = [(); 2].map(|()| draw::choice(stream, &spec.coherences));
        let cued = spec.context.draw(stream) as u64;
        let begin = if spec.report_cue {
            let (first, end) = spec.cue_range();
            first + draw::below(stream, end - first) + 1
        } else {
            spec.trial - spec.report
        };
        let end = if spec.tonic {
            spec.trial
        } else {
            begin + spec.report
        };
        self.plan = [cued, begin, end];
    }
}

impl batch::Drawn for ContextDecisionSpec {
    type Kept = Trial;

    fn masked(&self) -> bool {
        true
    }

    fn begin(&self, _: &mut Stream) -> Self::Kept {
        Trial::default()
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        if step == 0 {
            kept.begin(self, stream);
        }
        let [cued, begin, end] = kept.plan;
        for (x, c) in row.x[..2].iter_mut().zip(kept.coherences) {
            *x = self.sensitivity * c + self.noise * stream.normal();
        }
        if self.context_steps.is_none_or(|steps| step < steps) {
            row.x[2 + cued as usize] = 1.0;
        }
        if self.report_cue && step + 1 == begin {
            row.x[4] = 1.0;
        }
        if (begin..end).contains(&step) {
            row.y[0] = self.output_scale * kept.coherences[cued as usize].signum();
        }
        if (self.fixation..begin).contains(&step) {
            row.mask[0] = 0.0;
        }
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        io.values("coherences", &mut kept.coherences)?;
        let latest = self.trial.saturating_add(self.report);
        io.counters("plan", &mut kept.plan, 0..=latest)?;
        io.require("plan", kept.plan[0] <= 1, || {
            "0 or 1 first, the cued stream".into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::tests::{refused, run};
    use crate::task::{Sample, TaskSpec};

    /// Without noise the coherences can be read off the inputs.
    fn plain() -> ContextDecisionSpec {
        ContextDecisionSpec {
            trial: 20,
            noise: 0.0,
            fixation: 3,
            report: 4,
            output_scale: 0.7,
            ..ContextDecisionSpec::default()
        }
    }

    fn trials(spec: &ContextDecisionSpec, count: usize) -> Vec<Sample<f64>> {
        let length = spec.trial as usize;
        let samples = run(&TaskSpec::ContextDecision(spec.clone()), 1, count * length);
        for trial in samples.chunks_exact(length) {
            assert!(trial[0].first && trial[length - 1].last);
        }
        samples
    }

    /// 0.7 times the sign of the stream named at the first step.
    fn answer(trial: &[Sample<f64>]) -> f64 {
        let cued = usize::from(trial[0].x[3] == 1.0);
        assert_eq!(trial[0].x[2] + trial[0].x[3], 1.0);
        0.7 * trial[0].x[cued].signum()
    }

    #[test]
    fn the_last_steps_report_the_sign_of_the_cued_stream() {
        for trial in trials(&plain(), 200).chunks_exact(20) {
            let answer = answer(trial);
            for (t, sample) in trial.iter().enumerate() {
                assert_eq!(sample.y[0], if t >= 16 { answer } else { 0.0 });
                assert_eq!(sample.mask[0], f64::from(!(3..16).contains(&t)));
                assert!(sample.masked);
            }
        }
    }

    #[test]
    fn a_cue_asks_for_the_report_and_the_whole_report_counts() {
        for tonic in [false, true] {
            let spec = ContextDecisionSpec {
                report_cue: true,
                tonic,
                context_steps: Some(6),
                ..plain()
            };
            let mut cues = [0.0f64; 20];
            for trial in trials(&spec, 6_000).chunks_exact(20) {
                let answer = answer(trial);
                let cue = trial.iter().position(|s| s.x[4] == 1.0).unwrap();
                cues[cue] += 1.0;
                let end = if tonic { 20 } else { cue + 5 };
                for (t, sample) in trial.iter().enumerate() {
                    let report = t > cue && t < end;
                    assert_eq!(sample.x[4], f64::from(t == cue));
                    assert_eq!(sample.y[0], if report { answer } else { 0.0 });
                    assert_eq!(sample.mask[0], f64::from(t < 3 || t > cue));
                    assert_eq!(sample.x[2] + sample.x[3], f64::from(t < 6));
                }
            }
            // Steps 10 to 15, 1000 times each with a standard error of 29.
            for (t, count) in cues.iter().enumerate() {
                let expected = if (10..16).contains(&t) { 1000.0 } else { 0.0 };
                assert!((count - expected).abs() < 116.0, "{cues:?}");
            }
        }
    }

    #[test]
    fn bad_settings_are_named() {
        let with = |change: &dyn Fn(&mut ContextDecisionSpec)| {
            let mut spec = plain();
            change(&mut spec);
            TaskSpec::ContextDecision(spec)
        };
        refused(&with(&|s| s.trial = 0), "task.trial: got 0");
        refused(&with(&|s| s.coherences[0] = 0.0), "task.coherences: got 0");
        refused(&with(&|s| s.report = 18), "task.report: got 18");
        refused(&with(&|s| s.report = 0), "task.report: got 0");
        refused(&with(&|s| s.fixation = 20), "task.report: got 4");
        let cued = |s: &mut ContextDecisionSpec| (s.report_cue, s.report) = (true, 10);
        refused(&with(&cued), "task.report: got 10, expected at most 9");
        refused(&with(&|s| s.tonic = true), "task.tonic: got true");
        refused(&with(&|s| s.output_scale = f64::NAN), "task.output_scale");
    }
}
