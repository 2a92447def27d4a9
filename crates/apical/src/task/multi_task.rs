//! Several tasks, one block after another.
//!
//! Inputs and targets are padded with 0 to the largest sizes; with `context`, one more input for each task says
//! which it is. A block has so many steps, and goes on to the end of a trial that is open by then. A task goes on
//! where it was when its next block comes.
//! Source: Marschall, Cho & Savin (code: Multi_Task, which leaves the first block without padding and marks blocks
//! by the length asked for rather than that made).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Request, Sample, Settings, Task, TaskInfo, TaskSpec, check, draw};
use crate::loss::Loss;
use crate::precision::Precision;
use crate::sizes::Need;
use crate::snapshot::{STEPS, StateIo};
use crate::stream::{Stream, Streams};
use crate::{Error, Result, Scalar};

/// Configuration of several tasks in turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MultiTaskSpec {
    /// The tasks.
    #[schemars(length(min = 1))]
    pub tasks: Vec<TaskSpec>,
    /// Steps of a block: one number for all tasks, or one for each.
    #[serde(default = "thousand")]
    #[schemars(length(min = 1), inner(range(min = 1, max = super::check::MOST)), extend("unit" = "steps"))]
    pub blocks: Vec<u64>,
    /// Which task comes next.
    #[serde(default)]
    pub order: BlockOrder,
    /// Whether inputs say which task it is.
    #[serde(default)]
    pub context: bool,
}

/// Which task comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockOrder {
    /// One after another, and again from the first.
    #[default]
    InTurn,
    /// Any, with equal odds.
    Random,
}

fn thousand() -> Vec<u64> {
    vec![1_000]
}

impl MultiTaskSpec {
    /// These tasks in turn, in blocks of 1000 steps.
    pub fn new(tasks: Vec<TaskSpec>) -> Self {
        Self {
            tasks,
            blocks: thousand(),
            order: BlockOrder::InTurn,
            context: false,
        }
    }

    fn check(&self) -> Result<()> {
        check::size("task.tasks", self.tasks.len(), 1)?;
        if self.blocks.len() != 1 && self.blocks.len() != self.tasks.len() {
            return Err(Error::invalid(
                "task.blocks",
                format!("{} numbers", self.blocks.len()),
                format!("1 or {}, one for each task", self.tasks.len()),
                "For example blocks = [1000].",
            ));
        }
        self.blocks
            .iter()
            .try_for_each(|steps| check::count("task.blocks", *steps, 1))
    }
}

impl Settings for MultiTaskSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "multi_task",
        summary: "several tasks in blocks",
        sizes: "the largest of the tasks (+ 1 a task with context)",
        source: "Marschall, Cho & Savin (code)",
    };

    fn sizes(&self) -> (usize, usize) {
        let sizes = self.tasks.iter().map(TaskSpec::sizes);
        let (inputs, outputs) = sizes.fold((0, 0), |(i, o), (a, b)| (i.max(a), o.max(b)));
        let context = if self.context { self.tasks.len() } else { 0 };
        (inputs + context, outputs)
    }

    fn has_trials(&self) -> bool {
        self.tasks.iter().all(TaskSpec::has_trials)
    }

    fn width(&self) -> Option<(&'static str, u64)> {
        Some(("task.tasks", self.tasks.len() as u64))
    }

    fn needs(&self, batch: usize) -> Vec<Need> {
        let tasks = self.tasks.iter().enumerate();
        let of = |(k, task)| super::needs_within(task, &format!("task.tasks[{k}]"), batch);
        tasks.flat_map(of).collect()
    }

    fn longest_trial(&self) -> Option<u64> {
        self.tasks.iter().map(TaskSpec::longest_trial).max()?
    }

    fn check_data(&self, loss: Loss, precision: Precision, tests: bool) -> Result<()> {
        for (k, task) in self.tasks.iter().enumerate() {
            let checked = task.check_data(loss, precision, tests);
            checked.map_err(|error| super::nested(error, &format!("task.tasks[{k}]")))?;
        }
        Ok(())
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check()?;
        let part = |(k, spec): (usize, &TaskSpec)| {
            // Streams of its own, so that two tasks of one kind are not the same.
            let mut seed = request.streams.stream("multi task", k as u64);
            let streams = Streams::new((seed.uniform() * (1u64 << 53) as f64) as u64);
            let Request {
                batch,
                steps,
                purpose,
                ..
            } = *request;
            let task = spec.build(batch, steps, &streams, purpose);
            let task = task.map_err(|error| super::nested(error, &format!("task.tasks[{k}]")))?;
            let (inputs, outputs) = spec.sizes();
            Ok(Part {
                task,
                sample: Sample::new(batch, inputs, outputs),
                has_trials: spec.has_trials(),
                steps: 0,
            })
        };
        let parts = self.tasks.iter().enumerate().map(part);
        Ok(Box::new(MultiTask {
            parts: parts.collect::<Result<_>>()?,
            spec: self.clone(),
            batch: request.batch,
            stream: request
                .streams
                .stream(&format!("{} blocks", request.purpose), 0),
            current: self.tasks.len() as u64 - 1,
            left: 0,
            between: true,
        }))
    }
}

struct Part<T> {
    task: Box<dyn Task<T>>,
    sample: Sample<T>,
    has_trials: bool,
    /// Steps shown so far.
    steps: u64,
}

struct MultiTask<T> {
    spec: MultiTaskSpec,
    batch: usize,
    parts: Vec<Part<T>>,
    stream: Stream,
    current: u64,
    /// Steps left of the block.
    left: u64,
    /// Whether no trial is open.
    between: bool,
}

impl<T> MultiTask<T> {
    /// Steps of a block of the present task.
    fn block(&self) -> u64 {
        let blocks = &self.spec.blocks;
        blocks[(self.current as usize).min(blocks.len() - 1)]
    }
}

impl<T: Scalar> Task<T> for MultiTask<T> {
    fn sizes(&self) -> (usize, usize) {
        Settings::sizes(&self.spec)
    }

    fn next(&mut self, sample: &mut Sample<T>) -> bool {
        if self.left == 0 && self.between {
            let count = self.parts.len() as u64;
            self.current = match self.spec.order {
                BlockOrder::InTurn => (self.current + 1) % count,
                BlockOrder::Random => draw::below(&mut self.stream, count),
            };
            self.left = self.block();
        }
        let begins = self.parts.iter().all(|part| part.steps == 0);
        let part = &mut self.parts[self.current as usize];
        if !part.task.next(&mut part.sample) {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        let inner = &part.sample;
        self.between = inner.last || !part.has_trials;
        let (inputs, tasks) = (sample.x.len() / self.batch, self.spec.tasks.len());
        pad(&inner.x, &mut sample.x, self.batch, |_| T::ZERO);
        pad(&inner.y, &mut sample.y, self.batch, |_| T::ZERO);
        if self.spec.context {
            for x in sample.x.chunks_exact_mut(inputs) {
                x[inputs - tasks + self.current as usize] = T::ONE;
            }
        }
        sample.masked = inner.masked;
        if inner.masked {
            // Their mean weighs a choice between outputs: padding must not change it.
            let mean = |mask: &[T]| {
                let sum = mask.iter().fold(T::ZERO, |sum, m| sum + *m);
                sum / T::of(mask.len() as f64)
            };
            pad(&inner.mask, &mut sample.mask, self.batch, mean);
        }
        sample.has_truth = false;
        // A stream that is met for the first time is no new trial.
        sample.first = inner.first && (part.has_trials || part.steps > 0 || begins);
        sample.last = inner.last;
        part.steps += 1;
        true
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.stream.state("blocks", io)?;
        let last = self.parts.len() as u64 - 1;
        io.counter("current", &mut self.current, 0..=last)?;
        let block = self.block();
        io.counter("left", &mut self.left, 0..=block)?;
        io.flag("between", &mut self.between)?;
        for (k, part) in self.parts.iter_mut().enumerate() {
            io.scope(&k.to_string(), |io| {
                io.counter("steps", &mut part.steps, STEPS)?;
                io.scope("task", |io| part.task.state(io))
            })?;
        }
        Ok(())
    }
}

/// Copies each sample and fills what is left of its place.
fn pad<T: Scalar>(from: &[T], to: &mut [T], batch: usize, fill: impl Fn(&[T]) -> T) {
    let (narrow, wide) = (from.len() / batch, to.len() / batch);
    for (from, to) in from.chunks_exact(narrow).zip(to.chunks_exact_mut(wide)) {
        to[..narrow].copy_from_slice(from);
        to[narrow..].fill(fill(from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::tests::{refused, run};
    use crate::task::{AddSpec, CopySpec, DelayedMatchSpec, FlipFlopSpec};

    fn spec(order: BlockOrder) -> MultiTaskSpec {
        MultiTaskSpec {
            tasks: vec![
                TaskSpec::FlipFlop(FlipFlopSpec::default()),
                TaskSpec::DelayedMatch(DelayedMatchSpec::default()),
                TaskSpec::Copy(CopySpec::default()),
            ],
            blocks: vec![10, 40, 5],
            order,
            context: true,
        }
    }

    /// The task of each step, by its context input.
    fn tasks(samples: &[Sample<f64>]) -> Vec<usize> {
        let which = |s: &Sample<f64>| {
            assert_eq!(s.x[10..13].iter().sum::<f64>(), 1.0);
            s.x[10..13].iter().position(|x| *x == 1.0).unwrap()
        };
        samples.iter().map(which).collect()
    }

    #[test]
    fn blocks_follow_each_other_and_end_with_their_trials() {
        let multi = TaskSpec::MultiTask(spec(BlockOrder::InTurn));
        assert_eq!(multi.sizes(), (13, 9));
        let samples = run(&multi, 2, 238);
        // Trials of the second task have 32 steps, of the third 21: blocks of 10, 64 and 21.
        for (t, task) in tasks(&samples).into_iter().enumerate() {
            let within = t % 95;
            let expected = usize::from(within >= 10) + usize::from(within >= 74);
            assert_eq!(task, expected, "step {t}");
            let sample = &samples[t];
            let (inputs, outputs) = [(3, 3), (2, 2), (10, 9)][task];
            for b in 0..2 {
                assert!(
                    sample.x[13 * b + inputs..13 * b + 10]
                        .iter()
                        .all(|x| *x == 0.0)
                );
                assert!(
                    sample.y[9 * b + outputs..9 * (b + 1)]
                        .iter()
                        .all(|y| *y == 0.0)
                );
                assert_eq!(sample.x[13 * b + 10 + task], 1.0);
            }
            assert_eq!(sample.masked, task == 1);
            if task == 1 {
                let report = (within - 10) % 32 >= 26;
                assert_eq!(sample.mask, [if report { 1.0 } else { 0.1 }; 18]);
            }
        }
    }

    #[test]
    fn each_task_goes_on_where_it_was() {
        let multi = MultiTaskSpec {
            blocks: vec![7],
            ..MultiTaskSpec::new(vec![TaskSpec::Add(AddSpec::default()); 2])
        };
        let samples = run(&TaskSpec::MultiTask(multi), 1, 1_400);
        // The lags of the first task reach back over the blocks of the second.
        let own: Vec<_> = samples.chunks(14).flat_map(|c| &c[..7]).collect();
        let other: Vec<_> = samples.chunks(14).flat_map(|c| &c[7..]).collect();
        assert!(samples.iter().enumerate().all(|(t, s)| s.first == (t == 0)));
        for part in [&own, &other] {
            for t in 6..part.len() {
                let p = 0.5 + 0.5 * part[t - 4].x[0] - 0.25 * part[t - 6].x[0];
                assert!(p < 1.0 || part[t].y[0] == 1.0);
            }
        }
        assert!(
            own.iter().zip(&other).any(|(a, b)| a.x != b.x),
            "streams of their own"
        );
    }

    #[test]
    fn random_blocks_are_equally_likely() {
        let multi = MultiTaskSpec {
            blocks: vec![1],
            order: BlockOrder::Random,
            context: true,
            ..MultiTaskSpec::new(vec![TaskSpec::FlipFlop(FlipFlopSpec::default()); 4])
        };
        let samples = run(&TaskSpec::MultiTask(multi), 1, 8_000);
        for k in 0..4 {
            let count = samples.iter().filter(|s| s.x[3 + k] == 1.0).count() as f64;
            // A quarter: four standard errors.
            assert!((count - 2_000.0).abs() < 155.0, "{count}");
        }
    }

    #[test]
    fn bad_settings_are_named() {
        let with = |change: &dyn Fn(&mut MultiTaskSpec)| {
            let mut spec = spec(BlockOrder::InTurn);
            change(&mut spec);
            TaskSpec::MultiTask(spec)
        };
        refused(&with(&|s| s.tasks.clear()), "task.tasks: got 0");
        refused(
            &with(&|s| s.blocks = vec![1, 2]),
            "task.blocks: got 2 numbers",
        );
        refused(&with(&|s| s.blocks[0] = 0), "task.blocks: got 0");
        let bits = FlipFlopSpec {
            bits: 0,
            ..FlipFlopSpec::default()
        };
        let bad = |s: &mut MultiTaskSpec| s.tasks[1] = TaskSpec::FlipFlop(bits.clone());
        refused(&with(&bad), "task.tasks[1].bits: got 0");
    }
}
