//! Count pulses up and down.
//!
//! *Stream*: the input b(t) is −1 or +1 with probability p_bit/2 each, else 0; the target is the sum since the last
//! reset, n(t) = b(t) + (1 − reset(t)) n(t−1), or its sign. *Trials*: the net count of a trial is uniform over
//! −max_count … max_count, then the number of +1 is uniform over what max_pulses allows and their places over the
//! first `period` steps; `delay` steps without pulses follow, in which the count is to be held.
//! Source: Marschall, Cho & Savin, whose stream cannot be built (three values returned where five are unpacked,
//! three inputs declared and two made).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::{Request, Settings, Task, TaskInfo, check, draw};
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Error, Result, Scalar};

/// Configuration of the discrete integration task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiscreteIntegrationSpec {
    /// What is to be reported.
    pub report: Report,
    /// Where pulses and resets come from.
    pub mode: Mode,
}

/// What is to be reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The count.
    #[default]
    Count,
    /// Its sign: −1, 0 or 1.
    Sign,
    /// The count and its sign, in two outputs.
    Both,
}

/// Where pulses and resets come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Mode {
    /// One endless stream; inputs are the pulse and the reset.
    Stream {
        /// Probability of a pulse.
        #[serde(default = "half")]
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        p_bit: f64,
        /// Probability of a reset, or one over the steps between two resets.
        #[serde(default = "twentieth")]
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        p_reset: f64,
        /// When resets come.
        #[serde(default)]
        resets: Times,
    },
    /// Trials; inputs are the pulse, the start, and the beginning of the delay.
    Trials {
        /// Steps in which pulses may come.
        #[serde(default = "twenty")]
        #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
        period: u64,
        /// Steps of the trial after those of the period.
        #[serde(default)]
        #[schemars(range(min = 0, max = super::check::MOST), extend("unit" = "steps"))]
        delay: u64,
        /// Largest net count.
        #[serde(default = "five")]
        max_count: u64,
        /// Largest number of pulses.
        #[serde(default = "ten")]
        max_pulses: u64,
        /// The third input at the first step of the delay.
        #[serde(default = "one")]
        delay_hint: f64,
        /// Weights of the outputs while pulses may come; all 1 if empty.
        #[serde(default)]
        period_mask: Vec<f64>,
        /// Weights of the outputs in the delay; all 1 if empty.
        #[serde(default)]
        delay_mask: Vec<f64>,
    },
}

/// When events come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Times {
    /// At random, with the same probability at every step.
    #[default]
    Random,
    /// Every 1/probability steps.
    Regular,
}

fn half() -> f64 {
    0.5
}
fn twentieth() -> f64 {
    0.05
}
fn one() -> f64 {
    1.0
}
fn five() -> u64 {
    5
}
fn ten() -> u64 {
    10
}
fn twenty() -> u64 {
    20
}

impl Default for Mode {
    fn default() -> Self {
        Self::Stream {
            p_bit: half(),
            p_reset: twentieth(),
            resets: Times::default(),
        }
    }
}

impl DiscreteIntegrationSpec {
    fn outputs(&self) -> usize {
        if self.report == Report::Both { 2 } else { 1 }
    }

    fn check(&self, steps: u64) -> Result<()> {
        match &self.mode {
            Mode::Stream { p_bit, p_reset, .. } => {
                check::some_probability("task.mode.p_bit", *p_bit)?;
                check::some_probability("task.mode.p_reset", *p_reset)
            }
            Mode::Trials {
                period,
                delay,
                max_count,
                max_pulses,
                delay_hint,
                period_mask,
                delay_mask,
            } => {
                check::count("task.mode.period", *period, 1)?;
                check::count("task.mode.delay", *delay, 0)?;
                check::finite("task.mode.delay_hint", *delay_hint)?;
                check::list("task.mode.period_mask", period_mask, self.outputs())?;
                check::list("task.mode.delay_mask", delay_mask, self.outputs())?;
                check::trial(period + delay, steps)?;
                if max_pulses > period {
                    return Err(Error::invalid(
                        "task.mode.max_pulses",
                        max_pulses,
                        format!("at most {period}, the steps of the period"),
                        "There is one pulse a step.",
                    ));
                }
                if max_count > max_pulses {
                    return Err(Error::invalid(
                        "task.mode.max_count",
                        max_count,
                        format!("at most {max_pulses}, as max_pulses"),
                        "A net count needs as many pulses.",
                    ));
                }
                Ok(())
            }
        }
    }
}

impl Settings for DiscreteIntegrationSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "discrete_integration",
        summary: "count pulses up and down",
        sizes: "2 inputs (trials: 3), 1 output (both: 2)",
        source: "Marschall, Cho & Savin (code)",
    };

    fn sizes(&self) -> (usize, usize) {
        match self.mode {
            Mode::Stream { .. } => (2, self.outputs()),
            Mode::Trials { .. } => (3, self.outputs()),
        }
    }

    fn longest_trial(&self) -> Option<u64> {
        match self.mode {
            Mode::Stream { .. } => None,
            Mode::Trials { period, delay, .. } => Some(period.saturating_add(delay)),
        }
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check(request.steps)?;
        Ok(batch::samples(self.clone(), self, request))
    }
}

pub(super) struct Pulses {
    count: f64,
    /// Those of the present trial.
    pulses: Vec<f64>,
}

impl Pulses {
    fn begin_trial(&mut self, max_count: u64, max_pulses: u64, stream: &mut Stream) {
        let net = draw::below(stream, 2 * max_count + 1) as i64 - max_count as i64;
        let (fewest, most) = (net.max(0), (max_pulses as i64 + net) / 2);
        let up = fewest + draw::below(stream, (most - fewest + 1) as u64) as i64;
        self.pulses.fill(0.0);
        let (up, all) = (up as usize, (2 * up - net) as usize);
        self.pulses[..up].fill(1.0);
        self.pulses[up..all].fill(-1.0);
        draw::shuffle(stream, &mut self.pulses);
        self.count = 0.0;
    }
}

impl batch::Drawn for DiscreteIntegrationSpec {
    type Kept = Pulses;

    fn masked(&self) -> bool {
        match &self.mode {
            Mode::Stream { .. } => false,
            Mode::Trials {
                period_mask,
                delay_mask,
                ..
            } => !(period_mask.is_empty() && delay_mask.is_empty()),
        }
    }

    fn begin(&self, _: &mut Stream) -> Self::Kept {
        let places = match self.mode {
            Mode::Stream { .. } => 0,
            Mode::Trials { period, .. } => period as usize,
        };
        Pulses {
            count: 0.0,
            pulses: vec![0.0; places],
        }
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        match &self.mode {
            Mode::Stream {
                p_bit,
                p_reset,
                resets,
            } => {
                row.x[0] = draw::pulse(stream, *p_bit);
                let reset = match resets {
                    Times::Random => stream.uniform() < *p_reset,
                    Times::Regular => step > 0 && step.is_multiple_of(interval(*p_reset)),
                };
                if reset {
                    row.x[1] = 1.0;
                    kept.count = 0.0;
                }
            }
            Mode::Trials {
                period,
                max_count,
                max_pulses,
                delay_hint,
                period_mask,
                delay_mask,
                ..
            } => {
                if step == 0 {
                    kept.begin_trial(*max_count, *max_pulses, stream);
                    row.x[1] = 1.0;
                }
                let mask = if step < *period {
                    row.x[0] = kept.pulses[step as usize];
                    period_mask
                } else {
                    delay_mask
                };
                if step == *period {
                    row.x[2] = *delay_hint;
                }
                if !mask.is_empty() {
                    row.mask.copy_from_slice(mask);
                }
            }
        }
        kept.count += row.x[0];
        let sign = if kept.count == 0.0 {
            0.0
        } else {
            kept.count.signum()
        };
        match self.report {
            Report::Count => row.y[0] = kept.count,
            Report::Sign => row.y[0] = sign,
            Report::Both => row.y.copy_from_slice(&[kept.count, sign]),
        }
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        io.values("count", std::slice::from_mut(&mut kept.count))?;
        io.values("pulses", &mut kept.pulses)
    }
}

/// Steps between events that come regularly with this mean probability.
pub(super) fn interval(p: f64) -> u64 {
    (1.0 / p).round().clamp(1.0, 1e18) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    fn trials(delay: u64) -> DiscreteIntegrationSpec {
        DiscreteIntegrationSpec {
            report: Report::Both,
            mode: Mode::Trials {
                period: 8,
                delay,
                max_count: 2,
                max_pulses: 5,
                delay_hint: 0.5,
                period_mask: vec![0.0, 1.0],
                delay_mask: Vec::new(),
            },
        }
    }

    #[test]
    fn targets_count_since_the_last_reset() {
        for resets in [Times::Random, Times::Regular] {
            let spec = DiscreteIntegrationSpec {
                report: Report::Both,
                mode: Mode::Stream {
                    p_bit: 0.4,
                    p_reset: 0.1,
                    resets,
                },
            };
            let samples = run(&TaskSpec::DiscreteIntegration(spec), 1, 20_000);
            let mut since = 0;
            for (t, sample) in samples.iter().enumerate() {
                if sample.x[1] == 1.0 {
                    since = t;
                }
                let count: f64 = samples[since..=t].iter().map(|s| s.x[0]).sum();
                let sign = f64::from((count > 0.0) as i8 - (count < 0.0) as i8);
                assert_eq!(sample.y, [count, sign], "step {t}");
                if resets == Times::Regular {
                    assert_eq!(sample.x[1] == 1.0, t > 0 && t % 10 == 0);
                }
            }
            let share = |p: f64, of: &dyn Fn(&[f64]) -> f64| {
                let mean = samples.iter().map(|s| of(&s.x)).sum::<f64>() / 20_000.0;
                assert!(
                    (mean - p).abs() < 4.0 * (p * (1.0 - p) / 20_000.0).sqrt(),
                    "{p}: {mean}"
                );
            };
            share(0.4, &|x| x[0].abs());
            share(0.1, &|x| x[1]);
        }
    }

    #[test]
    fn trials_have_uniform_net_counts_to_be_held() {
        let samples = run(&TaskSpec::DiscreteIntegration(trials(3)), 1, 11 * 5_000);
        let mut nets = [0.0; 5];
        for trial in samples.chunks_exact(11) {
            assert!(trial[0].first && trial[10].last);
            let mut count = 0.0;
            for (t, sample) in trial.iter().enumerate() {
                count += sample.x[0];
                assert_eq!(sample.y[0], count);
                assert_eq!(sample.x[1], f64::from(t == 0));
                assert_eq!(sample.x[2], if t == 8 { 0.5 } else { 0.0 });
                assert_eq!(sample.mask, if t < 8 { [0.0, 1.0] } else { [1.0, 1.0] });
                assert!(t < 8 || sample.x[0] == 0.0);
                assert!(sample.masked && sample.first == (t == 0) && sample.last == (t == 10));
            }
            let pulses: f64 = trial.iter().map(|s| s.x[0].abs()).sum();
            assert!(pulses <= 5.0 && count.abs() <= 2.0);
            nets[(count + 2.0) as usize] += 1.0;
        }
        // Each of five counts comes 1000 times, with a standard error of 28.
        assert!(
            nets.iter().all(|n: &f64| (n - 1000.0).abs() < 113.0),
            "{nets:?}"
        );
    }

    #[test]
    fn bad_settings_are_named() {
        let of = |json: &str| TaskSpec::DiscreteIntegration(serde_json::from_str(json).unwrap());
        for (json, reason) in [
            (
                r#"{"mode": {"kind": "stream", "p_bit": 0}}"#,
                "task.mode.p_bit: got 0",
            ),
            (
                r#"{"mode": {"kind": "stream", "p_reset": 1.1}}"#,
                "task.mode.p_reset: got 1.1",
            ),
            (
                r#"{"mode": {"kind": "trials", "period": 0}}"#,
                "task.mode.period: got 0",
            ),
            (
                r#"{"mode": {"kind": "trials", "max_pulses": 21}}"#,
                "task.mode.max_pulses: got 21",
            ),
            (
                r#"{"mode": {"kind": "trials", "max_count": 11}}"#,
                "task.mode.max_count: got 11",
            ),
            (
                r#"{"mode": {"kind": "trials", "delay_mask": [1, 2]}}"#,
                "task.mode.delay_mask: got 2",
            ),
            (
                r#"{"mode": {"kind": "trials", "delay": 10000}}"#,
                "task: got trials of 10020 steps",
            ),
        ] {
            refused(&of(json), reason);
        }
    }
}
