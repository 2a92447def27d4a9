//! Let several rules watch one learner and compare the gradients each of them would have used.
//!
//! Source: Marschall, Cho & Savin 2020, section 3.5. One rule trains; the others see the same steps through feedback pathways
//! of their own and change nothing. Gradients are compared for the step they belong to: a rule that answers L steps late
//! (`f_bptt`) is compared with what the others said L steps before. A rule that answers for a block of steps at once
//! (`e_bptt`, `bptt`) is compared with the sum of the others over the same block; the published code compares its block sums
//! with single steps and finds nothing in between. What late rules still owe at the end of a trial comes as one sum,
//! and is compared with the sum of the others over those steps.
//! Memory: a gradient a rule for each step of the longest lag, and one for each length of block; none grows with the run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alignment::{Alignment, norm};
use crate::feedback::{Feedback, FeedbackSpec};
use crate::kernel::{Buffer, Matrix, Simd, dot};
use crate::learner::Learner;
use crate::network::Network;
use crate::rule::{Rule, RuleSpec, Site};
use crate::snapshot::{STEPS, StateIo};
use crate::stream::Streams;
use crate::task::Sample;
use crate::{Error, Result, Scalar};

/// A rule that watches: how it learns, if it did, and how errors reach it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Passive {
    /// The rule.
    pub rule: RuleSpec,
    /// Its feedback pathway; that of the rule that trains if `None`.
    pub feedback: Option<FeedbackSpec>,
    /// Which of many independent streams its noise and starting values come from; 0 has those of a rule that trains.
    /// Two stochastic rules with the same noise look more alike than they are.
    pub noise: u64,
}

/// Alignments of all pairs of several rules along one trajectory.
pub struct Comparison<T> {
    watchers: Vec<Watcher<T>>,
    groups: Vec<Group<T>>,
    /// Of each pair (row, column < row), row after row.
    alignments: Vec<Alignment>,
    simd: Simd,
    /// Longest lag of all rules.
    lag: u64,
    /// Steps since the trial began.
    steps: u64,
    /// Norms of the gradients compared at present.
    norms: Vec<f64>,
}

struct Watcher<T> {
    rule: Box<dyn Rule<T>>,
    feedback: Option<Box<dyn Feedback<T>>>,
    signal: Buffer<T>,
    lag: u64,
    /// Gradients of the last steps, until the latest rule has answered; step t lies at t modulo their number.
    ring: Vec<Matrix<T>>,
    /// What is left at the end of a trial.
    rest: Matrix<T>,
}

/// Pairs that are compared over blocks of the same length.
struct Group<T> {
    /// Steps of a block; `u64::MAX` for whole trials.
    block: u64,
    pairs: Vec<(usize, usize)>,
    /// Steps summed so far, and the sums; none for blocks of one step.
    filled: u64,
    sums: Vec<Matrix<T>>,
}

impl<T: Scalar> Comparison<T> {
    /// Rules that will watch `learner`, which was built with `seed`.
    ///
    /// # Errors
    /// Fewer than two rules, a setting out of range, or a rule that cannot watch: one that perturbs the network or has
    /// no gradient before a trial or window ends, in a stream without trials.
    #[inline(never)]
    pub fn new(
        rules: &[Passive],
        learner: &Learner<T>,
        has_trials: bool,
        seed: u64,
    ) -> Result<Self> {
        if rules.len() < 2 {
            return Err(Error::invalid(
                "rules",
                format!("{} of them", rules.len()),
                "at least 2",
                "Name two or more rules to compare.",
            ));
        }
        let network = learner.network();
        let dims = network.dims();
        let mut built = Vec::new();
        for passive in rules {
            let kind = passive.rule.info();
            // Far from every seed a user writes.
            let away = passive.noise.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let own = Streams::new(seed.wrapping_add(away));
            let mut rule = passive.rule.build(&Site::new(network, &own))?;
            check(kind.name, &mut *rule, has_trials)?;
            let streams = Streams::new(seed);
            let feedback = match &passive.feedback {
                Some(FeedbackSpec::KolenPollack { .. }) => return Err(learned_feedback()),
                Some(spec) => Some(spec.build(dims.units, dims.outputs, &streams)?),
                None => None,
            };
            built.push((rule, feedback));
        }
        let lag = built
            .iter()
            .map(|(rule, _)| rule.contract().lag())
            .max()
            .unwrap_or(0);
        let zeros = || Matrix::zeros(dims.currents * dims.units, dims.pre());
        let mut groups: Vec<Group<T>> = Vec::new();
        for row in 0..built.len() {
            for column in 0..row {
                let block = common(
                    built[row].0.contract().block(),
                    built[column].0.contract().block(),
                );
                let group = match groups.iter_mut().find(|group| group.block == block) {
                    Some(group) => group,
                    None => {
                        let sums = if block == 1 { 0 } else { built.len() };
                        groups.push(Group {
                            block,
                            pairs: Vec::new(),
                            filled: 0,
                            sums: (0..sums).map(|_| zeros()).collect(),
                        });
                        groups.last_mut().expect("just added")
                    }
                };
                group.pairs.push((row, column));
            }
        }
        let watchers: Vec<Watcher<T>> = built
            .into_iter()
            .map(|(rule, feedback)| {
                let own = rule.contract().lag();
                Watcher {
                    rule,
                    feedback,
                    signal: Buffer::zeros(dims.plane()),
                    lag: own,
                    ring: (0..lag - own + 1).map(|_| zeros()).collect(),
                    rest: zeros(),
                }
            })
            .collect();
        let count = watchers.len();
        Ok(Self {
            watchers,
            groups,
            alignments: vec![Alignment::default(); count * (count - 1) / 2],
            simd: network.simd(),
            lag,
            steps: 0,
            norms: vec![0.0; count],
        })
    }

    /// Lets `learner` learn from a step of a task while the rules watch.
    ///
    /// # Errors
    /// As [`Learner::learn_sample`].
    #[inline(never)]
    pub fn learn(&mut self, learner: &mut Learner<T>, sample: &Sample<T>) -> Result<()> {
        if sample.first {
            self.end_trial(learner.network());
            learner.begin_trial();
        }
        let mask = sample.masked.then_some(&sample.mask[..]);
        learner.advance(&sample.x, &sample.y, mask)?;
        self.watch(learner)?;
        if sample.last {
            self.end_trial(learner.network());
        }
        learner.finish_step(sample.last);
        Ok(())
    }

    /// Sees the step `learner` has just advanced by; its weights must not have changed since.
    ///
    /// # Errors
    /// Those of the rules.
    #[inline(never)]
    pub fn watch(&mut self, learner: &Learner<T>) -> Result<()> {
        let (network, delta) = (learner.network(), learner.output_error());
        let dims = network.dims();
        let view = learner.view();
        for watcher in &mut self.watchers {
            let signal = match &watcher.feedback {
                Some(feedback) => {
                    for b in 0..dims.batch {
                        let signal = &mut watcher.signal[b * dims.sample()..][..dims.units];
                        feedback.deliver(self.simd, network.readout(), delta.row(b), signal);
                    }
                    &watcher.signal[..]
                }
                None => learner.feedback_signal(),
            };
            let slot = (self.steps % watcher.ring.len() as u64) as usize;
            watcher.ring[slot].clear();
            watcher.rule.step(&view, signal, &mut watcher.ring[slot])?;
        }
        self.steps += 1;
        if self.steps > self.lag {
            self.settle();
        }
        Ok(())
    }

    /// A trial ends: late rules pay what they owe, and all forget the past.
    #[inline(never)]
    pub fn end_trial(&mut self, network: &Network<T>) {
        if self.steps == 0 {
            return;
        }
        let left = self.steps.min(self.lag);
        for watcher in &mut self.watchers {
            watcher.rest.clear();
            watcher.rule.end_trial(network, &mut watcher.rest);
            for step in self.steps - left + watcher.lag..self.steps {
                let slot = (step % watcher.ring.len() as u64) as usize;
                add(&mut watcher.rest, &watcher.ring[slot]);
            }
            watcher.rule.reset();
        }
        let Self {
            watchers,
            groups,
            alignments,
            norms,
            simd,
            ..
        } = self;
        for group in groups {
            if group.filled + left == 0 {
                continue;
            }
            if group.block == 1 {
                measure(*simd, alignments, norms, &group.pairs, |k| {
                    &watchers[k].rest
                });
                continue;
            }
            for (sum, watcher) in group.sums.iter_mut().zip(&*watchers) {
                add(sum, &watcher.rest);
            }
            group.measure(*simd, alignments, norms);
        }
        self.steps = 0;
    }

    /// Compares what every rule has said by now about the step `lag` steps ago.
    fn settle(&mut self) {
        let Self {
            watchers,
            groups,
            alignments,
            norms,
            simd,
            steps,
            ..
        } = self;
        let said = |k: usize| -> &Matrix<T> {
            let ring = &watchers[k].ring;
            &ring[(*steps % ring.len() as u64) as usize]
        };
        for group in groups {
            if group.block == 1 {
                measure(*simd, alignments, norms, &group.pairs, said);
                continue;
            }
            for (k, sum) in group.sums.iter_mut().enumerate() {
                add(sum, said(k));
            }
            group.filled += 1;
            if group.filled == group.block {
                group.measure(*simd, alignments, norms);
            }
        }
    }

    /// Alignment of two rules, by their places in the list; a rule has none with itself.
    pub fn alignment(&self, a: usize, b: usize) -> Option<&Alignment> {
        let (row, column) = (a.max(b), a.min(b));
        if row == column || row >= self.watchers.len() {
            return None;
        }
        self.alignments.get(pair(row, column))
    }

    /// Saves or restores what was found: the alignments.
    ///
    /// # Errors
    /// When restoring: the state of other rules or of other sizes.
    pub fn found(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        for (k, alignment) in self.alignments.iter_mut().enumerate() {
            io.scope(&k.to_string(), |io| alignment.state(io))?;
        }
        Ok(())
    }

    /// Saves or restores what the next step depends on: the rules, their last gradients and unfinished blocks.
    ///
    /// # Errors
    /// As [`Comparison::found`].
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.counter("steps", &mut self.steps, STEPS)?;
        for (k, watcher) in self.watchers.iter_mut().enumerate() {
            io.scope(&format!("rule.{k}"), |io| {
                io.scope("own", |io| watcher.rule.state(io))?;
                for (t, gradient) in watcher.ring.iter_mut().enumerate() {
                    io.matrix(&format!("gradient.{t}"), gradient)?;
                }
                Ok(())
            })?;
        }
        for (k, group) in self.groups.iter_mut().enumerate() {
            let filled = format!("block.{k}.filled");
            io.counter(&filled, &mut group.filled, 0..=group.block - 1)?;
            for (rule, sum) in group.sums.iter_mut().enumerate() {
                io.matrix(&format!("block.{k}.sum.{rule}"), sum)?;
            }
        }
        Ok(())
    }

    /// Alignments of all pairs (row, column < row), row after row.
    pub fn alignments(&self) -> &[Alignment] {
        &self.alignments
    }
}

impl<T: Scalar> Group<T> {
    fn measure(&mut self, simd: Simd, alignments: &mut [Alignment], norms: &mut [f64]) {
        let sums = &self.sums;
        measure(simd, alignments, norms, &self.pairs, |k| &sums[k]);
        self.sums.iter_mut().for_each(Matrix::clear);
        self.filled = 0;
    }
}

fn measure<'a, T: Scalar>(
    simd: Simd,
    alignments: &mut [Alignment],
    norms: &mut [f64],
    pairs: &[(usize, usize)],
    gradient: impl Fn(usize) -> &'a Matrix<T>,
) {
    for (k, length) in norms.iter_mut().enumerate() {
        *length = norm(simd, gradient(k));
    }
    for (row, column) in pairs {
        let product = dot(simd, gradient(*row).data(), gradient(*column).data()).f64();
        alignments[pair(*row, *column)].add_product(product, norms[*row], norms[*column]);
    }
}

fn add<T: Scalar>(sum: &mut Matrix<T>, gradient: &Matrix<T>) {
    let pairs = sum.data_mut().iter_mut().zip(gradient.data());
    pairs.for_each(|(sum, g)| *sum += *g);
}

/// Place of (row, column < row) when rows follow each other.
fn pair(row: usize, column: usize) -> usize {
    row * (row - 1) / 2 + column
}

/// The shortest block that holds whole blocks of both.
fn common(a: u64, b: u64) -> u64 {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    (a / x).saturating_mul(b)
}

fn learned_feedback() -> Error {
    Error::invalid(
        "feedback.kind",
        "kolen_pollack",
        "a pathway that learns nothing, for a rule that watches",
        "Its weights learn beside the readout of the rule that trains: give that rule the same feedback, or use random.",
    )
}

fn check<T: Scalar>(name: &str, rule: &mut dyn Rule<T>, has_trials: bool) -> Result<()> {
    if rule.perturbing().is_some() {
        return Err(Error::invalid(
            "rules",
            name,
            "rules that watch without changing anything",
            "This one perturbs the network it learns in, so it cannot watch another learn; leave it out.",
        ));
    }
    if rule.contract().block() == u64::MAX && !has_trials {
        return Err(Error::invalid(
            "rules",
            name,
            "rules that have a gradient of every step or block",
            "This one has none before a trial ends, and the task is one endless stream: use rtrl, which is exact too, \
             or e_bptt with a horizon.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_meet_at_their_least_common_multiple() {
        assert_eq!((common(1, 1), common(1, 10), common(10, 10)), (1, 10, 10));
        assert_eq!((common(4, 6), common(1, u64::MAX)), (12, u64::MAX));
        assert_eq!(common(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(common(6, u64::MAX), u64::MAX);
    }
}
