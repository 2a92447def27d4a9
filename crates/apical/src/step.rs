//! One step of learning, in the order the data flow: network, loss, feedback, rule.
//!
//! The learner, gradients of a single rule and the checks all take this step; only what they do with the gradient differs.

use crate::feedback::Feedback;
use crate::kernel::{Buffer, Matrix};
use crate::loss::Loss;
use crate::network::{Activity, Dims, Network, TypeSums};
use crate::rule::Rule;
use crate::view::{LocalView, View};
use crate::{Error, Result, Scalar};

/// What a network, its loss and its feedback have at a step.
pub struct Step<T> {
    /// Activity of the units.
    pub activity: Activity<T>,
    /// q(t) as the feedback pathway tells it, one plane.
    pub signal: Buffer<T>,
    /// Prediction, batch × outputs, with padding behind.
    pub prediction: Buffer<T>,
    /// δ = ∂L/∂z, one row a sample.
    pub delta: Matrix<T>,
    /// y*(t), batch × outputs; 0 where a target is missing.
    pub target: Vec<T>,
    /// L(t) of each sample.
    pub losses: Vec<T>,
    /// Whether the step was the first since [`Step::begin`].
    pub first: bool,
    /// Whether the next one is.
    pub(crate) starting: bool,
}

/// Loss of a step, and how many of its samples were right.
#[derive(Clone, Copy, Debug)]
pub struct Judged<T> {
    /// Loss summed over the batch.
    pub loss: T,
    /// Samples whose prediction names the target; NaN where that has no meaning.
    pub correct: f64,
    /// Samples that the mask counts.
    pub counted: f64,
}

impl<T: Scalar> Step<T> {
    /// Of `network` at the start of a trial, with what `rule` reads of it.
    ///
    /// # Errors
    /// A loss that has no meaning for this number of outputs.
    pub fn new(network: &Network<T>, loss: Loss, rule: &dyn Rule<T>) -> Result<Self> {
        let dims = network.dims();
        loss.check_outputs(dims.outputs)?;
        let mut step = Self {
            activity: Activity::new(dims),
            signal: Buffer::zeros(dims.plane()),
            prediction: Buffer::zeros(dims.batch * dims.outputs),
            delta: Matrix::zeros(dims.batch, dims.outputs),
            target: vec![T::ZERO; dims.batch * dims.outputs],
            losses: vec![T::ZERO; dims.batch],
            first: false,
            starting: true,
        };
        step.serve(network, rule);
        step.begin(network);
        Ok(step)
    }

    /// Makes room for what `rule` reads.
    pub fn serve(&mut self, network: &Network<T>, rule: &dyn Rule<T>) {
        let sums = rule
            .contract()
            .reads_type_sums
            .then(|| TypeSums::new(network));
        self.activity.type_sums = sums.flatten();
    }

    /// The start of a trial.
    pub fn begin(&mut self, network: &Network<T>) {
        network.reset(&mut self.activity);
        self.starting = true;
    }

    /// Advances the network by `x` (batch × inputs) and holds its output against `y` (batch × outputs).
    #[inline]
    pub fn see(
        &mut self,
        network: &Network<T>,
        loss: Loss,
        rule: &mut dyn Rule<T>,
        (x, y, mask): (&[T], &[T], Option<&[T]>),
    ) -> Judged<T> {
        let dims = network.dims();
        self.first = std::mem::take(&mut self.starting);
        self.target.copy_from_slice(y);
        if mask.is_some() {
            drop_missing(&mut self.target);
        }
        let perturb = |currents: &mut [T], pre: &Matrix<T>| {
            if let Some(rule) = rule.perturbing() {
                rule.perturb(dims, currents, pre);
            }
        };
        network.step_with::<true>(&mut self.activity, x, perturb);
        let outputs = dims.outputs;
        let mut judged = Judged {
            loss: T::ZERO,
            correct: 0.0,
            counted: 0.0,
        };
        for b in 0..dims.batch {
            let part = b * outputs..(b + 1) * outputs;
            let target = &self.target[part.clone()];
            let prediction = &mut self.prediction[part.clone()];
            let mask = mask.map(|mask| &mask[part]);
            let (z, delta) = (self.activity.output.row(b), self.delta.row_mut(b));
            self.losses[b] = loss.evaluate(z, target, mask, prediction, delta);
            judged.loss += self.losses[b];
            // A step whose loss does not count at all does not count as right or wrong either.
            if mask.is_none_or(|mask| mask.iter().any(|w| *w != T::ZERO)) {
                let right = loss.is_correct(prediction, target, mask);
                judged.correct += right.map_or(f64::NAN, |right| f64::from(u8::from(right)));
                judged.counted += 1.0;
            }
        }
        judged
    }

    /// Brings the errors back to the units.
    #[inline]
    pub fn feed_back(&mut self, network: &Network<T>, feedback: &mut dyn Feedback<T>) {
        let Dims { batch, units, .. } = network.dims();
        let sample = network.dims().sample();
        for b in 0..batch {
            let signal = &mut self.signal[b * sample..][..units];
            feedback.deliver(network.simd(), network.readout(), self.delta.row(b), signal);
        }
    }

    /// Adds the gradient of `rule` to `gradient`.
    ///
    /// # Errors
    /// Those of the rule.
    #[inline]
    pub fn learn(
        &self,
        network: &Network<T>,
        rule: &mut dyn Rule<T>,
        gradient: &mut Matrix<T>,
    ) -> Result<()> {
        rule.step(&self.view(network), &self.signal, gradient)
    }

    /// The step as what is local to a synapse sees it.
    #[inline]
    pub fn local_view(&self, network: &Network<T>) -> LocalView<'_, T> {
        let (dims, simd) = (network.dims(), network.simd());
        LocalView::new(
            dims,
            simd,
            &self.activity,
            &self.target,
            &self.losses,
            self.first,
        )
    }

    /// The step as a rule sees it.
    #[inline]
    pub fn view<'a>(&'a self, network: &'a Network<T>) -> View<'a, T> {
        View::new(
            network,
            &self.activity,
            &self.target,
            &self.losses,
            self.first,
        )
    }

    /// Prediction, batch × outputs.
    pub fn prediction(&self) -> &[T] {
        &self.prediction[..self.target.len()]
    }
}

/// Refuses weights of outputs in the loss that are negative.
///
/// # Errors
/// The first of them.
pub fn check_mask<T: Scalar>(mask: &[T]) -> Result<()> {
    match mask.iter().find(|w| **w < T::ZERO) {
        None => Ok(()),
        Some(weight) => Err(Error::invalid(
            "mask",
            weight.f64(),
            "weights of 0 or more",
            "A negative weight would raise the loss; 0 leaves an output out.",
        )),
    }
}

/// Puts 0 in the place of targets that are missing, which count for nothing.
pub(crate) fn drop_missing<T: Scalar>(target: &mut [T]) {
    for y in target.iter_mut().filter(|y| !y.finite()) {
        *y = T::ZERO;
    }
}
