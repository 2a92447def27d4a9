//! Remember the last pulse of each channel.
//!
//! Each input is −1 or +1 with probability p/2 each, else 0; each target is the last input of its channel that was
//! not 0, and 0 before the first. With a context, one more input c = ±1 changes its sign with probability
//! p_context, and the pulses are shown multiplied by c while the targets stay.
//! Source: Sussillo & Barak 2013; Marschall, Cho & Savin, who have it for three bits only, and whose context turns
//! the first step over as well.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::{Request, Settings, Task, TaskInfo, check, draw};
use crate::sizes::Need;
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Error, Result, Scalar};

/// Configuration of the flip-flop task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlipFlopSpec {
    /// Channels.
    #[schemars(range(min = 1, max = super::check::LARGEST))]
    pub bits: usize,
    /// p: probability of a pulse in a channel.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub p_flip: f64,
    /// τ: each set of inputs stays for this many steps.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub stretch: u64,
    /// Probability that the context changes its sign; 0 leaves its input out.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p_context: f64,
    /// Pulses are multiplied by a number drawn uniformly between these two, after the target was set.
    pub magnitudes: Option<[f64; 2]>,
    /// Factors of the input channels; all 1 if empty.
    pub input_mask: Vec<f64>,
    /// Factors of the target channels; all 1 if empty.
    pub target_mask: Vec<f64>,
}

impl Default for FlipFlopSpec {
    fn default() -> Self {
        Self {
            bits: 3,
            p_flip: 0.05,
            stretch: 1,
            p_context: 0.0,
            magnitudes: None,
            input_mask: Vec::new(),
            target_mask: Vec::new(),
        }
    }
}

impl FlipFlopSpec {
    fn check(&self) -> Result<()> {
        check::size("task.bits", self.bits, 1)?;
        check::some_probability("task.p_flip", self.p_flip)?;
        check::count("task.stretch", self.stretch, 1)?;
        check::probability("task.p_context", self.p_context)?;
        check::list("task.input_mask", &self.input_mask, self.bits)?;
        check::list("task.target_mask", &self.target_mask, self.bits)?;
        match self.magnitudes {
            Some([low, high]) if !(low.is_finite() && high.is_finite() && low <= high) => {
                Err(Error::invalid(
                    "task.magnitudes",
                    format!("[{low}, {high}]"),
                    "two finite numbers, the smaller one first",
                    "Swap them, or leave it out for pulses of 1.",
                ))
            }
            _ => Ok(()),
        }
    }
}

impl Settings for FlipFlopSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "flip_flop",
        summary: "remember the last pulse of each channel",
        sizes: "bits (+ 1 with context), bits",
        source: "Sussillo & Barak 2013",
    };

    fn sizes(&self) -> (usize, usize) {
        (self.bits + usize::from(self.p_context > 0.0), self.bits)
    }

    fn width(&self) -> Option<(&'static str, u64)> {
        Some(("task.bits", self.bits as u64))
    }

    fn needs(&self, batch: usize) -> Vec<Need> {
        let numbers = 2.0 * batch as f64 * self.bits as f64;
        vec![Need::new("task.bits", self.bits, 8.0 * numbers)]
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check()?;
        Ok(batch::samples(self.clone(), self, request))
    }
}

pub(super) struct Channels {
    context: f64,
    pulses: Vec<f64>,
    targets: Vec<f64>,
}

impl Channels {
    fn draw(&mut self, spec: &FlipFlopSpec, stream: &mut Stream) {
        for (pulse, target) in self.pulses.iter_mut().zip(&mut self.targets) {
            *pulse = draw::pulse(stream, spec.p_flip);
            if *pulse != 0.0 {
                *target = *pulse;
                if let Some([low, high]) = spec.magnitudes {
                    *pulse *= low + (high - low) * stream.uniform();
                }
            }
        }
        if spec.p_context > 0.0 && stream.uniform() < spec.p_context {
            self.context = -self.context;
        }
    }
}

impl batch::Drawn for FlipFlopSpec {
    type Kept = Channels;

    fn begin(&self, stream: &mut Stream) -> Self::Kept {
        Channels {
            context: if self.p_context > 0.0 && stream.coin() {
                -1.0
            } else {
                1.0
            },
            pulses: vec![0.0; self.bits],
            targets: vec![0.0; self.bits],
        }
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        if step.is_multiple_of(self.stretch) {
            kept.draw(self, stream);
        }
        let factor = |mask: &[f64], k: usize| mask.get(k).copied().unwrap_or(1.0);
        for k in 0..self.bits {
            row.x[k] = kept.context * kept.pulses[k] * factor(&self.input_mask, k);
            row.y[k] = kept.targets[k] * factor(&self.target_mask, k);
        }
        if let Some(context) = row.x.get_mut(self.bits) {
            *context = kept.context;
        }
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        io.values("context", std::slice::from_mut(&mut kept.context))?;
        io.values("pulses", &mut kept.pulses)?;
        io.values("targets", &mut kept.targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    #[test]
    fn targets_are_the_last_pulses() {
        for (bits, stretch, p_context) in [(1, 1, 0.0), (3, 2, 0.0), (5, 1, 0.1), (2, 3, 0.2)] {
            let spec = FlipFlopSpec {
                bits,
                stretch,
                p_context,
                p_flip: 0.2,
                ..FlipFlopSpec::default()
            };
            let mut last = vec![0.0; bits];
            for sample in run(&TaskSpec::FlipFlop(spec), 1, 600) {
                let context = sample.x.get(bits).copied().unwrap_or(1.0);
                for (last, x) in last.iter_mut().zip(&sample.x) {
                    if *x != 0.0 {
                        *last = context * x;
                    }
                }
                assert_eq!(sample.y, last);
            }
        }
    }

    #[test]
    fn pulses_and_contexts_have_the_stated_odds() {
        let spec = FlipFlopSpec {
            bits: 2,
            p_flip: 0.3,
            p_context: 0.1,
            ..FlipFlopSpec::default()
        };
        let samples = run(&TaskSpec::FlipFlop(spec), 1, 40_000);
        let pulses = samples.iter().flat_map(|s| &s.x[..2]);
        let (mut some, mut sum) = (0.0, 0.0);
        pulses.for_each(|x| (some, sum) = (some + x.abs(), sum + x));
        // Four standard errors over 80,000 pulses.
        assert!((some / 80_000.0f64 - 0.3).abs() < 4.0 * (0.21f64 / 80_000.0).sqrt());
        assert!((sum / 80_000.0f64).abs() < 4.0 * (0.3f64 / 80_000.0).sqrt());
        let changes = samples.windows(2).filter(|w| w[0].x[2] != w[1].x[2]);
        let share = changes.count() as f64 / 39_999.0;
        assert!((share - 0.1).abs() < 4.0 * (0.09f64 / 40_000.0).sqrt());
    }

    #[test]
    fn magnitudes_change_the_pulses_and_masks_the_channels() {
        let spec = FlipFlopSpec {
            bits: 2,
            p_flip: 0.5,
            magnitudes: Some([0.5, 2.0]),
            input_mask: vec![1.0, 0.0],
            target_mask: vec![3.0, 1.0],
            ..FlipFlopSpec::default()
        };
        let (mut least, mut most) = (f64::INFINITY, 0.0f64);
        for sample in run(&TaskSpec::FlipFlop(spec), 1, 2_000) {
            assert_eq!(sample.x[1], 0.0);
            if sample.x[0] != 0.0 {
                assert_eq!(sample.y[0], 3.0 * sample.x[0].signum());
                least = least.min(sample.x[0].abs());
                most = most.max(sample.x[0].abs());
            }
        }
        assert!((0.5..0.52).contains(&least) && (1.98..2.0).contains(&most));
    }

    #[test]
    fn bad_settings_are_named() {
        let with = |change: &dyn Fn(&mut FlipFlopSpec)| {
            let mut spec = FlipFlopSpec::default();
            change(&mut spec);
            TaskSpec::FlipFlop(spec)
        };
        refused(&with(&|s| s.bits = 0), "task.bits: got 0");
        refused(&with(&|s| s.p_flip = 0.0), "task.p_flip: got 0");
        refused(&with(&|s| s.p_flip = f64::NAN), "task.p_flip: got NaN");
        refused(&with(&|s| s.stretch = 0), "task.stretch: got 0");
        refused(&with(&|s| s.p_context = 2.0), "task.p_context: got 2");
        let reason = "task.magnitudes: got [2, 1]";
        refused(&with(&|s| s.magnitudes = Some([2.0, 1.0])), reason);
        let reason = "task.input_mask: got 2 numbers";
        refused(&with(&|s| s.input_mask = vec![1.0; 2]), reason);
        let reason = "task.target_mask: got inf";
        refused(&with(&|s| s.target_mask = vec![f64::INFINITY; 3]), reason);
    }
}
