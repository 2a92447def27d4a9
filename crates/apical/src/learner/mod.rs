//! The loop: network, readout, loss, feedback, rule, optimizer, in the order the data flows.

mod monitor;
mod quantity;

use std::sync::atomic::AtomicBool;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use monitor::Monitor;
pub use quantity::{Quantity, Summary};

use crate::error::heed;
use crate::feedback::{Feedback, FeedbackSpec};
use crate::health::Health;
use crate::kernel::{Descent, Matrix, add_outer};
use crate::loss::Loss;
use crate::network::{Activity, Dims, Network, NetworkSpec};
use crate::optimizer::{Method, Optimizer, OptimizerSpec};
use crate::rule::{Emits, Probe, Rule, RuleSpec, Site};
use crate::snapshot::{Parts, STEPS, Snapshot, StateIo};
use crate::step::{self, drop_missing};
use crate::stream::Streams;
use crate::task::{Sample, Task};
use crate::view::View;
use crate::warning::Warning;
use crate::{Error, Result, Scalar};

/// Configuration of a learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LearnerSpec {
    /// Units, their equations and starting weights.
    pub network: NetworkSpec,
    /// What is minimised.
    pub loss: Loss,
    /// How errors come back.
    pub feedback: FeedbackSpec,
    /// How the recurrent layer learns.
    pub rule: RuleSpec,
    /// How gradients become weight changes.
    pub optimizer: OptimizerSpec,
    /// When weights change.
    pub update: Update,
    /// How gradients of several steps are put together.
    pub reduction: Reduction,
    /// Independent samples that share the weights.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub batch: usize,
}

impl Default for LearnerSpec {
    fn default() -> Self {
        Self {
            network: NetworkSpec::default(),
            loss: Loss::SoftmaxCrossEntropy {},
            feedback: FeedbackSpec::default(),
            rule: RuleSpec::default(),
            optimizer: OptimizerSpec::default(),
            update: Update::Step,
            reduction: Reduction::Sum,
            batch: 1,
        }
    }
}

/// When weights change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// At every step.
    #[default]
    Step,
    /// Every so many steps.
    Every(#[schemars(range(min = 1), extend("unit" = "steps"))] u64),
    /// At the end of a trial.
    Trial,
    /// At the end of every so many trials.
    Trials(#[schemars(range(min = 1), extend("unit" = "trials"))] u64),
}

/// How the gradients of the steps between two updates are put together (samples of a batch are averaged).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their sum.
    #[default]
    Sum,
    /// Their mean.
    Mean,
    /// The mean over the steps of a trial, summed over the trials between two updates (1/T of each trial, whose lengths
    /// should be equal). Within a trial, with updates at every step, as `sum`.
    TrialMean,
}

/// What one step gave.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a, T> {
    /// Loss, averaged over the batch.
    pub loss: f64,
    /// Prediction, batch × outputs.
    pub prediction: &'a [T],
}

/// What held-out data gave, per step and sample of weight 1; NaN if nothing counted.
///
/// The weight of a step is the mean of its mask: steps of weight 0 change no number here.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Mean loss against the targets.
    pub loss: f64,
    /// Share of steps whose prediction names the target, of those the mask counts; NaN where that has no meaning.
    pub accuracy: f64,
    /// Mean loss against the probabilities the targets were drawn from; NaN if unknown.
    pub true_loss: f64,
    /// Mean probability of the predicted label; NaN if unknown.
    pub expected_accuracy: f64,
}

/// A network that learns.
pub struct Learner<T> {
    network: Network<T>,
    loss: Loss,
    feedback: Box<dyn Feedback<T>>,
    rule: Box<dyn Rule<T>>,
    optimizer: Optimizer<T>,
    update: Update,
    reduction: Reduction,
    now: step::Step<T>,
    gradient: Matrix<T>,
    readout_gradient: Matrix<T>,
    /// Activity for evaluation, made when first needed.
    scratch: Option<Box<Activity<T>>>,
    health: Health,
    /// Whether a step may change the weights in the pass that moves the traces.
    descends: bool,
    step: u64,
    trials: u64,
    /// Steps and trials since the last update.
    pending: u64,
    pending_trials: u64,
    in_trial: bool,
    /// Whether the trial was begun by [`Learner::begin_trial`].
    trial_is_open: bool,
    last_loss: f64,
    accuracy: f64,
    /// Whether anything counted at the last step.
    counted: bool,
}

impl<T: Scalar> Learner<T> {
    /// Builds a learner for samples with these inputs and outputs; all randomness comes from `seed`.
    ///
    /// # Errors
    /// A setting out of range, or parts that do not fit each other; the field is named.
    #[inline(never)]
    pub fn new(spec: &LearnerSpec, inputs: usize, outputs: usize, seed: u64) -> Result<Self> {
        spec.check_promise::<T>(inputs, outputs)?;
        let streams = Streams::new(seed);
        let network = Network::new(&spec.network, inputs, outputs, spec.batch, &streams)?;
        Self::with_network(network, spec, &streams)
    }

    /// Builds a learner around a network of one's own; `spec.network` and `spec.batch` are not used.
    ///
    /// # Errors
    /// As [`Learner::new`].
    #[inline(never)]
    pub fn with_network(
        network: Network<T>,
        spec: &LearnerSpec,
        streams: &Streams,
    ) -> Result<Self> {
        let dims = network.dims();
        spec.loss.check_outputs(dims.outputs)?;
        let mut rule = spec.rule.build(&Site {
            by_trial: matches!(spec.update, Update::Trial | Update::Trials(_)),
            ..Site::new(&network, streams)
        })?;
        let name = spec.rule.info().name;
        let contract = rule.contract();
        check_update(spec.update, contract.needs_window(), name)?;
        if let (Reduction::TrialMean, Update::Every(_)) = (spec.reduction, spec.update) {
            return Err(Error::invalid(
                "reduction",
                "trial_mean",
                "mean or sum with updates every so many steps: an update may hold parts of several trials",
                "Set reduction = \"mean\", or update = \"trial\".",
            ));
        }
        check_learned_feedback(&spec.feedback, &spec.optimizer)?;
        let health = Health::new(
            dims,
            &spec.optimizer,
            contract.is_frozen,
            rule.teaching().is_some(),
        );
        let feedback = spec.feedback.build(dims.units, dims.outputs, streams)?;
        let optimizer = Optimizer::new(&spec.optimizer, dims, streams)?;
        let now = step::Step::new(&network, spec.loss, &*rule)?;
        let mut learner = Self {
            loss: spec.loss,
            feedback,
            rule,
            optimizer,
            update: spec.update,
            reduction: spec.reduction,
            now,
            gradient: Matrix::zeros(dims.currents * dims.units, dims.pre()),
            readout_gradient: Matrix::zeros(dims.outputs, dims.units + 1),
            scratch: None,
            health,
            descends: false,
            step: 0,
            trials: 0,
            pending: 0,
            pending_trials: 0,
            in_trial: false,
            trial_is_open: false,
            last_loss: f64::NAN,
            accuracy: f64::NAN,
            counted: false,
            network,
        };
        learner.descends = learner.can_descend();
        Ok(learner)
    }

    /// Learns from one step of an endless stream: `x` batch × inputs, `y` batch × outputs.
    ///
    /// Does not allocate. Weights change when the update schedule says so.
    ///
    /// # Errors
    /// Arrays of the wrong length, values that are not finite, targets the loss has no meaning for (nothing is
    /// learned from such a step), or a loss that is no longer finite.
    #[inline(never)]
    pub fn learn(&mut self, x: &[T], y: &[T]) -> Result<Step<'_, T>> {
        if matches!(self.update, Update::Trial | Update::Trials(_)) && !self.trial_is_open {
            return Err(Error::invalid(
                "update",
                "the end of trials",
                "begin_trial before the first step of each, end_trial after the last",
                "Call them, or set update = \"step\": otherwise nothing would ever be learned.",
            ));
        }
        self.learn_part(x, y, None, false)?;
        Ok(Step {
            loss: self.last_loss,
            prediction: self.prediction(),
        })
    }

    /// Learns from one step of a task, with its mask and trial edges.
    ///
    /// # Errors
    /// As [`Learner::learn`].
    #[inline(never)]
    pub fn learn_sample(&mut self, sample: &Sample<T>) -> Result<()> {
        let mask = sample.masked.then_some(&sample.mask[..]);
        // Before the trial edge, so that a refused sample changes nothing.
        self.check_input(&sample.x, &sample.y, mask, self.step)?;
        if sample.first {
            self.begin_trial();
        }
        self.step_checked(&sample.x, &sample.y, mask, sample.last)
    }

    /// Learns from one step of a stream or trial; weights of the loss (batch × outputs) in `mask`, a trial ends with its `last`.
    ///
    /// # Errors
    /// As [`Learner::learn`].
    #[inline(never)]
    pub fn learn_part(&mut self, x: &[T], y: &[T], mask: Option<&[T]>, last: bool) -> Result<()> {
        self.check_input(x, y, mask, self.step)?;
        self.check_noise()?;
        self.step_checked(x, y, mask, last)
    }

    /// A step with its update, in one pass over traces and weights where nobody looks at the gradient between the two.
    fn step_checked(&mut self, x: &[T], y: &[T], mask: Option<&[T]>, last: bool) -> Result<()> {
        // The gradient is looked at now and then, and what is pending goes with it.
        let looked_at = self.step.is_multiple_of(Health::EVERY) || self.pending > 0;
        if looked_at || last || !self.descends {
            self.advance_checked(x, y, mask)?;
            self.finish_step(last);
            return Ok(());
        }
        self.see_checked(x, y, mask)?;
        if let Some(rule) = self.rule.descending() {
            rule.assign(&self.now.view(&self.network), &self.now.signal);
            let view = self.now.local_view(&self.network);
            let (network, readout) = (&mut self.network, &mut self.readout_gradient);
            let descend = |descent: Descent<'_, T>| rule.descend(&view, descent);
            self.optimizer
                .descend(network, readout, &mut *self.feedback, descend);
        }
        self.step += 1;
        Ok(())
    }

    /// Ends a step that [`Learner::advance`] began: with the update that is due, and with the trial if it was its `last`.
    pub fn finish_step(&mut self, last: bool) {
        if last {
            self.end_trial();
        } else {
            self.update_if_due(false);
        }
    }

    /// Learns from `steps` steps of `task`, showing each to `monitor`; returns how many there were.
    ///
    /// # Errors
    /// As [`Learner::learn`], a task of other sizes, or what the monitor returns.
    #[inline(never)]
    pub fn run(
        &mut self,
        task: &mut dyn Task<T>,
        steps: u64,
        monitor: &mut dyn Monitor<T>,
    ) -> Result<u64> {
        self.run_until(task, steps, monitor, &AtomicBool::new(false))
    }

    /// As [`Learner::run`], for as long as `stop` is not set, which is looked at before each step.
    ///
    /// # Errors
    /// As [`Learner::run`], or [`Error::Stopped`] between two steps: [`Learner::steps`] tells how far it came, and the
    /// same task goes on from there.
    pub fn run_until(
        &mut self,
        task: &mut dyn Task<T>,
        steps: u64,
        monitor: &mut dyn Monitor<T>,
        stop: &AtomicBool,
    ) -> Result<u64> {
        let mut sample = self.sample_for(task)?;
        for done in 0..steps {
            heed(stop)?;
            if !task.next(&mut sample) {
                return Ok(done);
            }
            self.learn_sample(&sample)?;
            monitor.on_step(self)?;
        }
        Ok(steps)
    }

    /// Starts a trial: activity and rule forget the past.
    #[inline(never)]
    pub fn begin_trial(&mut self) {
        self.end_trial();
        self.now.begin(&self.network);
        self.rule.reset();
        self.in_trial = true;
        self.trial_is_open = true;
    }

    /// Whether a trial was begun by [`Learner::begin_trial`] that has not ended.
    pub fn trial_is_open(&self) -> bool {
        self.trial_is_open
    }

    /// Ends a trial, if one is open, with the update that is due.
    #[inline(never)]
    pub fn end_trial(&mut self) {
        if self.in_trial {
            self.in_trial = false;
            self.trial_is_open = false;
            self.trials += 1;
            self.pending_trials += 1;
            self.rule.end_trial(&self.network, &mut self.gradient);
            self.update_if_due(true);
        }
    }

    /// One step without an update: activity, loss, error, and the gradient added to what is pending.
    ///
    /// # Errors
    /// As [`Learner::learn`].
    #[inline(never)]
    pub fn advance(&mut self, x: &[T], y: &[T], mask: Option<&[T]>) -> Result<()> {
        self.check_input(x, y, mask, self.step)?;
        self.check_noise()?;
        self.advance_checked(x, y, mask)
    }

    /// Refuses a step for which injected noise has run out.
    fn check_noise(&mut self) -> Result<()> {
        if self.rule.noise().is_none_or(|noise| !noise.is_injected()) {
            return Ok(());
        }
        let draws = self.rule.contract().draws;
        self.rule.noise().map_or(Ok(()), |noise| noise.check(draws))
    }

    /// Activity, loss, the readout's gradient and the error signal of a step.
    fn see_checked(&mut self, x: &[T], y: &[T], mask: Option<&[T]>) -> Result<()> {
        let dims = self.network.dims();
        self.in_trial = true;
        let judged = self
            .now
            .see(&self.network, self.loss, &mut *self.rule, (x, y, mask));
        let loss = judged.loss.f64() / dims.batch as f64;
        if !loss.is_finite() {
            return Err(self.diverged("loss"));
        }
        self.last_loss = loss;
        self.accuracy = judged.correct / judged.counted;
        self.counted = judged.counted > 0.0;
        if self.rule.teaching().is_none() {
            let stride = self.readout_gradient.stride();
            for b in 0..dims.batch {
                let (delta, post) = (self.now.delta.row(b), self.now.activity.post.band(b, 1));
                let readout = self.readout_gradient.data_mut();
                add_outer(self.network.simd(), readout, stride, T::ONE, delta, post);
            }
        }
        self.now.feed_back(&self.network, &mut *self.feedback);
        Ok(())
    }

    fn advance_checked(&mut self, x: &[T], y: &[T], mask: Option<&[T]>) -> Result<()> {
        self.see_checked(x, y, mask)?;
        let learned = self
            .now
            .learn(&self.network, &mut *self.rule, &mut self.gradient);
        if learned.is_err() {
            // Half of a step is not learned from.
            self.clear_gradients();
            return learned;
        }
        if self.step.is_multiple_of(Health::EVERY) {
            // A loss that does not count at this step tells nothing of how it grows.
            let counted = self.counted.then_some(self.last_loss);
            let (gradient, readout) = (&self.gradient, &self.readout_gradient);
            self.health
                .look(counted, &self.now.activity, gradient, readout);
            self.health.look_at_signal(&self.now.signal);
        }
        self.step += 1;
        self.pending += 1;
        Ok(())
    }

    /// Changes the weights by everything pending.
    #[inline(never)]
    pub fn update(&mut self) {
        self.rule.flush(&self.network, &mut self.gradient);
        if self.rule.contract().needs_window() {
            self.health
                .look_at_gradients(&self.gradient, &self.readout_gradient);
        }
        let mut count = self.network.dims().batch as f64;
        match self.reduction {
            Reduction::Sum => {}
            Reduction::Mean => count *= self.pending.max(1) as f64,
            Reduction::TrialMean if self.pending_trials == 0 => {}
            // A late rule may pay at the end of a trial without a step before it.
            Reduction::TrialMean => {
                count *= self.pending.max(1) as f64 / self.pending_trials as f64;
            }
        }
        let scale = T::of(1.0 / count);
        let (recurrent, readout) = (&mut self.gradient, &mut self.readout_gradient);
        self.network.before_update(recurrent, readout);
        let feedback = &mut *self.feedback;
        self.optimizer
            .update(&mut self.network, recurrent, readout, scale, feedback);
        if let (1.., Some(rule)) = (self.pending, self.rule.teaching()) {
            rule.teach(&mut self.network, &self.now.activity, &self.now.delta);
        }
        self.network.after_update(self.optimizer.last_rate());
        self.pending = 0;
        self.pending_trials = 0;
    }

    fn update_if_due(&mut self, trial_ended: bool) {
        let due = match self.update {
            Update::Step => self.pending >= 1,
            Update::Every(steps) => self.pending >= steps,
            Update::Trial => trial_ended,
            Update::Trials(trials) => trial_ended && self.pending_trials >= trials,
        };
        // A rule that pays its steps late has a gradient at the end of a trial without a step before it.
        let late = trial_ended && self.update == Update::Step && self.rule.contract().is_late();
        if due && self.pending > 0 || late {
            self.update();
        }
    }

    /// Refuses a step that cannot be learned from or judged; targets of weight 0 may be missing.
    fn check_input(&self, x: &[T], y: &[T], mask: Option<&[T]>, step: u64) -> Result<()> {
        let Dims {
            batch,
            inputs,
            outputs,
            ..
        } = self.network.dims();
        let given = [
            ("x", x, inputs, "batch x inputs"),
            ("y", y, outputs, "batch x outputs"),
        ];
        let mask_given = mask.map(|mask| ("mask", mask, outputs, "batch x outputs"));
        for (field, values, size, what) in given.into_iter().chain(mask_given) {
            if values.len() != batch * size {
                return Err(Error::length(field, values.len(), batch * size, what));
            }
            if field == "y" {
                continue;
            }
            // The largest magnitude alone would miss NaN; a sum of products with zero keeps it.
            let mut probe = T::ZERO;
            for v in values {
                probe += *v * T::ZERO;
            }
            if !probe.finite() {
                let index = values.iter().position(|v| !v.finite()).unwrap_or(0);
                return Err(Error::NotFinite {
                    field: field.into(),
                    index,
                    value: values[index].f64(),
                    step,
                });
            }
        }
        step::check_mask(mask.unwrap_or(&[]))?;
        self.loss.check_targets(y, mask, outputs, step)
    }

    fn diverged(&self, what: &str) -> Error {
        Error::Diverged {
            step: self.step,
            what: what.into(),
            last_step: self.step.saturating_sub(1),
            last_loss: self.last_loss,
        }
    }

    /// A sample with room for what `task` gives.
    ///
    /// # Errors
    /// A task of other sizes than the network.
    pub fn sample_for(&self, task: &dyn Task<T>) -> Result<Sample<T>> {
        let dims = self.network.dims();
        let (inputs, outputs) = task.sizes();
        if (inputs, outputs) != (dims.inputs, dims.outputs) {
            return Err(Error::invalid(
                "task",
                format!("{inputs} inputs and {outputs} outputs"),
                format!("{} and {}, as the network has", dims.inputs, dims.outputs),
                "Build the learner with the sizes of its task.",
            ));
        }
        Ok(Sample::new(dims.batch, inputs, outputs))
    }

    /// Loss and accuracy on `steps` steps of `task`, with weights frozen and the training activity untouched.
    ///
    /// # Errors
    /// A task of other sizes, steps that [`Learner::learn`] would refuse, or a loss that is not finite.
    #[inline(never)]
    pub fn evaluate(&mut self, task: &mut dyn Task<T>, steps: u64) -> Result<Evaluation> {
        self.evaluate_until(task, steps, &AtomicBool::new(false))
    }

    /// As [`Learner::evaluate`], for as long as `stop` is not set, which is looked at before each step.
    ///
    /// # Errors
    /// As [`Learner::evaluate`], or [`Error::Stopped`]; the learner is as it was and can be evaluated again.
    pub fn evaluate_until(
        &mut self,
        task: &mut dyn Task<T>,
        steps: u64,
        stop: &AtomicBool,
    ) -> Result<Evaluation> {
        let mut sample = self.sample_for(task)?;
        let dims = self.network.dims();
        let mut activity = match self.scratch.take() {
            Some(activity) => activity,
            None => Box::new(Activity::new(dims)),
        };
        self.network.reset(&mut activity);
        let mut sums = [0.0; 4];
        let (mut weights, mut judged) = (0.0, 0u64);
        let mut prediction = vec![T::ZERO; dims.outputs];
        let mut delta = vec![T::ZERO; dims.outputs];
        for step in 0..steps {
            heed(stop)?;
            if !task.next(&mut sample) {
                break;
            }
            let mask = sample.masked.then_some(&sample.mask[..]);
            self.check_input(&sample.x, &sample.y, mask, step)?;
            if sample.masked {
                drop_missing(&mut sample.y);
            }
            if sample.first {
                self.network.reset(&mut activity);
            }
            self.network.step::<false>(&mut activity, &sample.x);
            for b in 0..dims.batch {
                let part = b * dims.outputs..(b + 1) * dims.outputs;
                let z = activity.output.row(b);
                let mask = sample.masked.then_some(&sample.mask[part.clone()]);
                let counts = mask.is_none_or(|mask| mask.iter().any(|w| *w != T::ZERO));
                judged += u64::from(counts);
                weights += Loss::weight(mask);
                if sample.has_truth {
                    let truth = &sample.truth[part.clone()];
                    let loss = self
                        .loss
                        .evaluate(z, truth, mask, &mut prediction, &mut delta);
                    sums[2] += loss.f64();
                    if counts {
                        let expected = self.loss.expected_accuracy(&prediction, truth);
                        sums[3] += expected.unwrap_or(f64::NAN);
                    }
                }
                let target = &sample.y[part];
                let loss = self
                    .loss
                    .evaluate(z, target, mask, &mut prediction, &mut delta);
                sums[0] += loss.f64();
                if counts {
                    let correct = self.loss.is_correct(&prediction, target, mask);
                    sums[1] += correct.map_or(f64::NAN, |c| f64::from(u8::from(c)));
                }
            }
        }
        self.scratch = Some(activity);
        let (loss, true_loss) = (sums[0] / weights, sums[2] / weights);
        let (accuracy, expected_accuracy) = (sums[1] / judged as f64, sums[3] / judged as f64);
        if weights > 0.0 && !loss.is_finite() {
            return Err(self.diverged("held-out loss"));
        }
        let known = |value| if sample.has_truth { value } else { f64::NAN };
        Ok(Evaluation {
            loss,
            accuracy,
            true_loss: known(true_loss),
            expected_accuracy: known(expected_accuracy),
        })
    }

    /// The network.
    pub fn network(&self) -> &Network<T> {
        &self.network
    }

    /// The network, to set weights, initial state or instruction set.
    pub fn network_mut(&mut self) -> &mut Network<T> {
        &mut self.network
    }

    /// The last step as a rule sees it: for rules that watch without learning.
    pub fn view(&self) -> View<'_, T> {
        self.now.view(&self.network)
    }

    /// δ = ∂L/∂z of the last step, one row a sample.
    pub fn output_error(&self) -> &Matrix<T> {
        &self.now.delta
    }

    /// Puts a rule of one's own in the place of the configured one.
    ///
    /// # Errors
    /// A rule that looks back from each update in a learner that updates at every step.
    pub fn set_rule(&mut self, name: &str, rule: Box<dyn Rule<T>>) -> Result<()> {
        check_update(self.update, rule.contract().needs_window(), name)?;
        self.now.serve(&self.network, &*rule);
        self.rule = rule;
        self.descends = self.can_descend();
        Ok(())
    }

    /// True if an update follows every step and is a plain descent of one sample, which a local rule can make row by row.
    fn can_descend(&mut self) -> bool {
        self.update == Update::Step
            && self.network.dims().batch == 1
            && self.network.constraints().is_empty()
            && self.optimizer.is_plain_descent()
            && self.rule.teaching().is_none()
            && self.rule.flushing().is_none()
            && self.rule.descending().is_some()
    }

    /// q(t) of the last step as the feedback pathway told it, one plane.
    pub fn feedback_signal(&self) -> &[T] {
        &self.now.signal
    }

    /// The rule, to look at or set what it has learned.
    pub fn rule_mut(&mut self) -> &mut dyn Rule<T> {
        &mut *self.rule
    }

    /// `"online"` or `"trial"`: how the rule works out its gradient.
    pub fn mode(&self) -> &'static str {
        self.rule.contract().mode()
    }

    /// Whether the rule pays at the end of trials only.
    pub fn needs_trials(&self) -> bool {
        self.rule.contract().emits == Emits::Trial
    }

    /// The feedback weights Bᵀ, one row an output, if the pathway has its own.
    pub fn feedback_weights(&self) -> Option<&Matrix<T>> {
        self.feedback.weights()
    }

    /// Cosine of the angle between W_out and Bᵀ as vectors (Lillicrap et al. 2016): 1 with symmetric feedback, NaN without any.
    pub fn alignment(&self) -> f64 {
        self.feedback.alignment(self.network.readout())
    }

    /// The feedback weights, one row an output, if the pathway has its own.
    pub fn feedback_weights_mut(&mut self) -> Option<&mut Matrix<T>> {
        self.feedback.weights_mut()
    }

    /// Activity of the last step.
    pub fn activity(&self) -> &Activity<T> {
        &self.now.activity
    }

    /// Gradient of the recurrent layer pending since the last update, (G n) × m, summed over the batch.
    pub fn gradient(&self) -> &Matrix<T> {
        &self.gradient
    }

    /// Gradient of [W_out, b_out] pending since the last update, summed over the batch.
    pub fn readout_gradient(&self) -> &Matrix<T> {
        &self.readout_gradient
    }

    /// Adds what a rule that looks back still owes to [`Learner::gradient`].
    pub fn flush(&mut self) {
        self.rule.flush(&self.network, &mut self.gradient);
    }

    /// Drops the pending gradients, for example to look at those of each step with frozen weights.
    pub fn clear_gradients(&mut self) {
        // What a rule that looks back still owes is dropped with the rest.
        self.flush();
        self.gradient.clear();
        self.readout_gradient.clear();
        self.pending = 0;
        self.pending_trials = 0;
    }

    /// Prediction at the last step, batch × outputs.
    pub fn prediction(&self) -> &[T] {
        self.now.prediction()
    }

    /// Loss of the last step, averaged over the batch.
    pub fn last_loss(&self) -> f64 {
        self.last_loss
    }

    /// Steps learned so far.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// What looks wrong so far: parameters without gradient, dead units, a loss that grows.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.health.warnings();
        warnings.extend(self.rule.warnings());
        warnings
    }

    /// Refuses weights that are no longer finite.
    ///
    /// # Errors
    /// The first parameter with a NaN or an infinity.
    pub fn check_weights(&self) -> Result<()> {
        for name in ["W_rec", "W_in", "b_rec", "W_out", "b_out"] {
            let (rows, columns, matrix) = self.block(name).expect("a parameter of every network");
            let finite = |i: usize| matrix.row(i)[columns.clone()].iter().all(|w| w.finite());
            if !rows.into_iter().all(finite) {
                return Err(self.diverged(name));
            }
        }
        Ok(())
    }

    /// Rows and columns of the matrix that holds a parameter.
    pub(crate) fn block(
        &self,
        name: &str,
    ) -> Option<(std::ops::Range<usize>, std::ops::Range<usize>, &Matrix<T>)> {
        let (n, m) = (self.network.dims().units, self.network.dims().pre());
        let recurrent = self.network.synapses().weights();
        let readout = self.network.readout();
        let (matrix, columns) = match name {
            "W_rec" => (recurrent, 0..n),
            "W_in" => (recurrent, n..m - 1),
            "b_rec" => (recurrent, m - 1..m),
            "W_out" => (readout, 0..n),
            "b_out" => (readout, n..n + 1),
            _ => return None,
        };
        Some((0..matrix.rows(), columns, matrix))
    }

    /// Finds a quantity by its name, for [`Learner::read`]: see [`Quantity::parse`] for the words.
    ///
    /// # Errors
    /// A name that is not one of the quantities of this learner, or an element beyond the end of its array.
    #[inline(never)]
    pub fn find(&self, name: &str) -> Result<Quantity> {
        let quantity = Quantity::parse(name, self.rule.probes())?;
        quantity.check(name, self)?;
        Ok(quantity)
    }

    /// The present value of a quantity.
    #[inline(never)]
    pub fn read(&self, quantity: &Quantity) -> f64 {
        quantity.read(self)
    }

    pub(crate) fn scalars(&self) -> (f64, f64) {
        (self.last_loss, self.accuracy)
    }

    /// Whether anything counted at the last step.
    pub(crate) fn counted(&self) -> bool {
        self.counted
    }

    pub(crate) fn rule_probe(&self, index: usize) -> Probe<'_, T> {
        self.rule.probe(index)
    }

    pub(crate) fn signal(&self) -> &[T] {
        &self.now.signal[..self.network.dims().units]
    }

    /// A parameter row by row: `W_rec`, `W_in`, `b_rec`, `W_out` or `b_out`.
    pub fn parameter(&self, name: &str) -> Option<Vec<T>> {
        let (rows, columns, matrix) = self.block(name)?;
        let rows = rows.map(|i| &matrix.row(i)[columns.clone()]);
        Some(rows.collect::<Vec<_>>().concat())
    }

    /// Sets a parameter from its values row by row.
    ///
    /// # Errors
    /// An unknown name, another number of values, or values that are not finite.
    pub fn set_parameter(&mut self, name: &str, values: &[T]) -> Result<()> {
        let Some((rows, columns, _)) = self.block(name) else {
            let expected = "W_rec, W_in, b_rec, W_out or b_out";
            return Err(Error::invalid(
                "parameter",
                name,
                expected,
                "Use one of these names.",
            ));
        };
        let expected = rows.len() * columns.len();
        if values.len() != expected {
            return Err(Error::length(
                name,
                values.len(),
                expected,
                "rows x columns",
            ));
        }
        if let Some(index) = values.iter().position(|v| !v.finite()) {
            return Err(Error::NotFinite {
                field: name.into(),
                index,
                value: values[index].f64(),
                step: self.step,
            });
        }
        let matrix = match name {
            "W_out" | "b_out" => self.network.readout_mut(),
            _ => self.network.synapses_mut().weights_mut(),
        };
        // Without inputs W_in has no columns, and no values.
        for (i, row) in rows.zip(values.chunks_exact(columns.len().max(1))) {
            matrix.row_mut(i)[columns.clone()].copy_from_slice(row);
        }
        Ok(())
    }

    /// Saves or restores everything the next step depends on: weights, activity, traces, what the rule has
    /// learned, optimizer and counters.
    ///
    /// # Errors
    /// A snapshot of another configuration, or with numbers that cannot be; a state to be saved that is not finite.
    #[inline(never)]
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.check_sizes(io)?;
        io.values(
            "weights",
            self.network.synapses_mut().weights_mut().data_mut(),
        )?;
        io.matrix("readout", self.network.readout_mut())?;
        io.matrix("initial", self.network.initial_mut())?;
        if let Some(back) = self.network.output_feedback_mut()
            && io.holds("output_feedback")
        {
            io.matrix("output_feedback", back)?;
        }
        io.scope("activity", |io| self.now.activity.save_or_restore(io))?;
        io.scope("constraints", |io| self.network.constraints_mut().state(io))?;
        io.scope("feedback", |io| self.feedback.state(io))?;
        io.scope("rule", |io| self.rule.state(io))?;
        io.scope("optimizer", |io| self.optimizer.state(io))?;
        io.scope("health", |io| self.health.state(io))?;
        io.matrix("gradient", &mut self.gradient)?;
        io.matrix("readout_gradient", &mut self.readout_gradient)?;
        io.counter("step", &mut self.step, STEPS)?;
        io.counter("trials", &mut self.trials, STEPS)?;
        io.counter("pending", &mut self.pending, 0..=self.step)?;
        io.counter("pending_trials", &mut self.pending_trials, 0..=self.trials)?;
        io.flag("in_trial", &mut self.in_trial)?;
        io.flag("trial_is_open", &mut self.trial_is_open)?;
        io.flag("starting", &mut self.now.starting)?;
        let mut losses = [self.last_loss, self.accuracy];
        io.measured("losses", &mut losses)?;
        [self.last_loss, self.accuracy] = losses;
        match io.not_finite() {
            // What it goes on from would be refused.
            Some(name) => Err(self.diverged(name)),
            None => Ok(()),
        }
    }

    /// Saves the sizes, or refuses other ones: padded rows of different networks can be equally long.
    fn check_sizes(&self, io: &mut StateIo<'_>) -> Result<()> {
        let dims = self.network.dims();
        let named = [
            ("samples", dims.batch),
            ("units", dims.units),
            ("inputs", dims.inputs),
            ("outputs", dims.outputs),
            ("state variables", dims.states),
            ("currents", dims.currents),
        ];
        let mut sizes = named.map(|(_, size)| size as u64);
        io.words("sizes", &mut sizes)?;
        for ((name, size), stored) in named.into_iter().zip(sizes) {
            if stored != size as u64 {
                return Err(Error::Snapshot {
                    what: format!("it is of a learner with {stored} {name}, this one has {size}"),
                    mend: "Resume with the configuration the checkpoint was written with.".into(),
                });
            }
        }
        Ok(())
    }

    /// The whole state as a [`Snapshot`].
    ///
    /// # Errors
    /// A state that is not finite: the run has diverged.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        self.state(&mut StateIo::save(&mut snapshot))?;
        Ok(snapshot)
    }

    /// Every array of the state, with its layout and whose its numbers are.
    ///
    /// # Errors
    /// A rule that cannot tell its state.
    pub fn parts(&mut self) -> Result<Parts> {
        let mut parts = Parts::new();
        self.state(&mut StateIo::describe(&mut parts))?;
        Ok(parts)
    }

    /// Goes back to `snapshot`.
    ///
    /// # Errors
    /// A snapshot of another configuration; the learner is then partly restored and should be dropped.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.state(&mut StateIo::restore(snapshot))
    }
}

/// Feedback that learns beside the readout agrees with it only if both change alike and forget how they began.
fn check_learned_feedback(feedback: &FeedbackSpec, optimizer: &OptimizerSpec) -> Result<()> {
    if !matches!(feedback, FeedbackSpec::KolenPollack { .. }) {
        return Ok(());
    }
    let (kind, decay) = (optimizer.kind, optimizer.weight_decay);
    if kind != Method::Sgd {
        return Err(Error::invalid(
            "optimizer.kind",
            format!("{kind:?}").to_lowercase(),
            "sgd with kolen_pollack feedback: both pathways must change by the same products",
            "Set optimizer.kind = \"sgd\", or another feedback.",
        ));
    }
    if decay == 0.0 {
        return Err(Error::invalid(
            "optimizer.weight_decay",
            decay,
            "a positive number with kolen_pollack feedback: without decay the pathways never agree",
            "1e-3 is a start.",
        ));
    }
    Ok(())
}

fn check_update(update: Update, needs_window: bool, rule: &str) -> Result<()> {
    let mend = "Use \"step\", { every = 100 }, \"trial\" or { trials = 10 }.";
    match update {
        Update::Every(0) => Err(Error::invalid("update.every", 0, "at least 1 step", mend)),
        Update::Trials(0) => Err(Error::invalid("update.trials", 0, "at least 1 trial", mend)),
        Update::Step | Update::Every(1) if needs_window => Err(Error::invalid(
            "update",
            "every step",
            format!("a longer window, because `{rule}` looks back from each update"),
            "Set update = { every = 100 }, or \"trial\" for tasks with trials.",
        )),
        _ => Ok(()),
    }
}
