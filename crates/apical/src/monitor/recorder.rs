//! Record quantities every so many steps, each averaged over a box of the latest values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Monitor, Quantity};
use crate::learner::Learner;
use crate::snapshot::{Length, STEPS, StateIo};
use crate::{Error, Result, Scalar};

/// Configuration of one recorded quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MonitorSpec {
    /// What is recorded: `loss` or another number, or an array as in `W_rec.norm` and `rate[3]`.
    pub quantity: String,
    /// Steps between two records.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 1_000_000), extend("unit" = "steps"))]
    pub every: u64,
    /// Length of the box filter in steps; 1 records the value of the step itself. Default: `every` for numbers,
    /// 1 for arrays, whose summaries cost a pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000), extend("unit" = "steps"))]
    pub window: Option<u64>,
}

fn hundred() -> u64 {
    100
}

impl MonitorSpec {
    /// Every 100 steps, averaged over them.
    pub fn new(quantity: &str) -> Self {
        Self {
            quantity: quantity.into(),
            every: hundred(),
            window: None,
        }
    }
}

/// The record of one quantity.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Name as configured.
    pub name: String,
    /// Steps learned when each value was recorded.
    pub steps: Vec<u64>,
    /// Recorded values.
    pub values: Vec<f64>,
    quantity: Quantity,
    every: u64,
    window: u64,
    /// The latest `window` values, as a ring; the next goes to `filled % window`.
    ring: Vec<f64>,
    filled: u64,
}

/// Records any number of quantities.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    channels: Vec<Channel>,
}

impl Recorder {
    /// A recorder for the quantities of `learner`.
    ///
    /// # Errors
    /// An unknown quantity, a period or window of zero.
    #[inline(never)]
    pub fn new<T: Scalar>(specs: &[MonitorSpec], learner: &Learner<T>) -> Result<Self> {
        let channel = |spec: &MonitorSpec| {
            let quantity = learner.find(&spec.quantity)?;
            let default = if quantity.is_array() { 1 } else { spec.every };
            let window = spec.window.unwrap_or(default);
            for (field, value) in [("every", spec.every), ("window", window)] {
                if value == 0 || value > 1_000_000 {
                    return Err(Error::invalid(
                        format!("monitor.{field} of {}", spec.quantity),
                        value,
                        "between 1 and 1000000 steps",
                        "100 is a common choice.",
                    ));
                }
            }
            Ok(Channel {
                name: spec.quantity.clone(),
                steps: Vec::new(),
                values: Vec::new(),
                quantity,
                every: spec.every,
                window,
                ring: vec![0.0; window as usize],
                filled: 0,
            })
        };
        let channels = specs.iter().map(channel).collect::<Result<_>>()?;
        Ok(Self { channels })
    }

    /// Makes room for the records of `steps` more steps, so that none of them allocates.
    pub fn reserve(&mut self, steps: u64) {
        for channel in &mut self.channels {
            let records = (steps / channel.every + 1) as usize;
            channel.steps.reserve(records);
            channel.values.reserve(records);
        }
    }

    /// All records.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// The record of a quantity.
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// All records, to put back what was kept elsewhere than with [`Recorder::state`].
    pub fn channels_mut(&mut self) -> &mut [Channel] {
        &mut self.channels
    }

    /// For each channel the box filter at the present step, if its last record is of an earlier one.
    ///
    /// It belongs to what a run shows at its end, not to its records: a longer run has none at this step.
    pub fn ends<T: Scalar>(&self, learner: &Learner<T>) -> Vec<Option<f64>> {
        let step = learner.steps();
        let end = |channel: &Channel| {
            let since = step % channel.every;
            if step == 0 || since == 0 {
                return None;
            }
            // Where boxes do not touch, only values after the last record are of this one.
            let held = match (since + channel.window).checked_sub(channel.every) {
                _ if channel.window >= channel.every => channel.filled.min(channel.window),
                Some(held) if held > 0 => held.min(channel.filled),
                _ => return Some(learner.read(&channel.quantity)),
            };
            if held == 0 {
                // A recorder that began at this very step has seen nothing.
                return None;
            }
            let slot = |back: u64| ((channel.filled - back) % channel.window) as usize;
            let values = (1..=held).rev().map(|back| channel.ring[slot(back)]);
            Some(channel.mean(values))
        };
        self.channels.iter().map(end).collect()
    }

    /// Saves or restores records and filters.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.state_with(io, true)
    }

    /// As [`Recorder::state`], without the records, for a file that keeps them apart.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn filters(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.state_with(io, false)
    }

    fn state_with(&mut self, io: &mut StateIo<'_>, records: bool) -> Result<()> {
        for (index, channel) in self.channels.iter_mut().enumerate() {
            // A quantity may be recorded twice, with different windows.
            io.scope(&format!("{index}:{}", channel.name), |io| {
                if records {
                    io.step_list("steps", &mut channel.steps)?;
                    let records = Length::Exactly(channel.steps.len());
                    io.measured_list("values", &mut channel.values, records)?;
                }
                io.measured("ring", &mut channel.ring)?;
                io.counter("filled", &mut channel.filled, STEPS)
            })?;
        }
        Ok(())
    }
}

impl Channel {
    /// The mean of values of the box. Steps that do not count add nothing to a loss, which is per step, and are no part of
    /// an accuracy, which is per judgement; NaN if no step counted.
    fn mean(&self, values: impl Iterator<Item = f64> + Clone) -> f64 {
        let judges = self.quantity.is_loss() || self.quantity.is_accuracy();
        let counted = values.clone().filter(|value| !(judges && value.is_nan()));
        let count = match (counted.clone().count(), self.quantity.is_accuracy()) {
            (0, _) => return f64::NAN,
            (count, true) => count,
            _ => values.count(),
        };
        counted.sum::<f64>() / count as f64
    }
}

impl<T: Scalar> Monitor<T> for Recorder {
    fn on_step(&mut self, learner: &Learner<T>) -> Result<()> {
        let step = learner.steps();
        for channel in &mut self.channels {
            let since = step % channel.every;
            let left = (channel.every - since) % channel.every;
            // A value matters if it is still in the box at the next record.
            if left < channel.window {
                let slot = (channel.filled % channel.window) as usize;
                let silent = channel.quantity.is_loss() && !learner.counted();
                channel.ring[slot] = match silent {
                    true => f64::NAN,
                    false => learner.read(&channel.quantity),
                };
                channel.filled += 1;
            }
            if left == 0 {
                let held = channel.filled.min(channel.window) as usize;
                channel.steps.push(step);
                let mean = channel.mean(channel.ring[..held].iter().copied());
                channel.values.push(mean);
            }
        }
        Ok(())
    }
}
