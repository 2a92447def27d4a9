//! How far the output is from its target, and the derivative of exactly that number.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, Scalar};

/// A loss on one step of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Loss {
    /// L = −Σ_k y*_k ln softmax(z)_k; targets are probabilities that sum to 1.
    SoftmaxCrossEntropy {},
    /// L = −Σ_k [y*_k ln σ(z_k) + (1−y*_k) ln(1−σ(z_k))]; targets lie in [0, 1].
    SigmoidCrossEntropy {},
    /// L = ½ Σ_k (z_k − y*_k)², divided by the number of outputs when `outputs = "mean"`.
    MeanSquaredError {
        /// How the outputs are put together.
        #[serde(default)]
        outputs: Outputs,
    },
}

/// How the squared errors of the outputs are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outputs {
    /// Sum (δ = z − y*), as Murray 2019, Eq. 2 and the gradients of Marschall et al.
    #[default]
    Sum,
    /// Mean (δ = (z − y*)/n_out).
    Mean,
}

impl Loss {
    /// Name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::SoftmaxCrossEntropy {} => "softmax_cross_entropy",
            Self::SigmoidCrossEntropy {} => "sigmoid_cross_entropy",
            Self::MeanSquaredError { .. } => "mean_squared_error",
        }
    }

    /// Whether targets are probabilities, so that accuracy has a meaning.
    pub fn is_cross_entropy(self) -> bool {
        !matches!(self, Self::MeanSquaredError { .. })
    }

    /// The loss at one step of one sample; writes the prediction and δ = ∂L/∂z.
    ///
    /// All slices have one number an output. `mask` weighs the terms of the outputs; for the softmax,
    /// whose outputs are one choice, the mean of the mask weighs the step.
    #[inline]
    pub fn evaluate<T: Scalar>(
        self,
        z: &[T],
        target: &[T],
        mask: Option<&[T]>,
        prediction: &mut [T],
        delta: &mut [T],
    ) -> T {
        match self {
            Self::SoftmaxCrossEntropy {} => {
                let largest = z.iter().fold(z[0], |m, &z| if z > m { z } else { m });
                let mut total = T::ZERO;
                for (p, &z) in prediction.iter_mut().zip(z) {
                    *p = (z - largest).exponential();
                    total += *p;
                }
                let mut loss = T::ZERO;
                let mut mass = T::ZERO;
                // ln Σe^{z−max} = ln(1 + (Σ − 1)): exact where the largest output dominates.
                let log_total = (total - T::ONE).log1p();
                for (&z, &y) in z.iter().zip(target) {
                    loss += y * (log_total - (z - largest));
                    mass += y;
                }
                let weight = mask.map_or(T::ONE, mean);
                let share = T::ONE / total;
                for ((d, p), &y) in delta.iter_mut().zip(prediction).zip(target) {
                    *p = *p * share;
                    *d = weight * (*p * mass - y);
                }
                weight * loss
            }
            Self::SigmoidCrossEntropy {} => {
                let mut loss = T::ZERO;
                for k in 0..z.len() {
                    let weight = mask.map_or(T::ONE, |m| m[k]);
                    // softplus(z) − y z, without overflow on either side.
                    let positive = if z[k] > T::ZERO { z[k] } else { z[k] * T::ZERO };
                    let softplus = positive + (-z[k].magnitude()).exponential().log1p();
                    loss += weight * (softplus - target[k] * z[k]);
                    prediction[k] = T::HALF + T::HALF * (T::HALF * z[k]).tanh::<false>();
                    delta[k] = weight * (prediction[k] - target[k]);
                }
                loss
            }
            Self::MeanSquaredError { outputs } => {
                let share = match outputs {
                    Outputs::Sum => T::ONE,
                    Outputs::Mean => T::of(1.0 / z.len() as f64),
                };
                let mut loss = T::ZERO;
                for k in 0..z.len() {
                    let weight = share * mask.map_or(T::ONE, |m| m[k]);
                    let error = z[k] - target[k];
                    prediction[k] = z[k];
                    delta[k] = weight * error;
                    loss += T::HALF * weight * error * error;
                }
                loss
            }
        }
    }

    /// How much of a full step counts: the mean of its mask, 1 without one.
    #[inline]
    pub fn weight<T: Scalar>(mask: Option<&[T]>) -> f64 {
        mask.map_or(1.0, |mask| mean(mask).f64())
    }

    /// Whether the target of output `k` counts; a softmax is one choice between all outputs.
    fn counts<T: Scalar>(self, mask: Option<&[T]>, k: usize) -> bool {
        match (mask, self) {
            (None, _) => true,
            (Some(mask), Self::SoftmaxCrossEntropy {}) => mask.iter().any(|w| *w != T::ZERO),
            (Some(mask), _) => mask[k] != T::ZERO,
        }
    }

    /// Whether the prediction names the same choice as the target, at the outputs that count; `None` where that has no
    /// meaning.
    pub fn is_correct<T: Scalar>(
        self,
        prediction: &[T],
        target: &[T],
        mask: Option<&[T]>,
    ) -> Option<bool> {
        match self {
            Self::SoftmaxCrossEntropy {} => Some(largest(prediction) == largest(target)),
            Self::SigmoidCrossEntropy {} => {
                let side = |v: T| v > T::HALF;
                let mut pairs = prediction.iter().zip(target).enumerate();
                Some(pairs.all(|(k, (p, y))| !self.counts(mask, k) || side(*p) == side(*y)))
            }
            Self::MeanSquaredError { .. } => None,
        }
    }

    /// Probability that a label drawn from `truth` is the one predicted.
    pub fn expected_accuracy<T: Scalar>(self, prediction: &[T], truth: &[T]) -> Option<f64> {
        match self {
            Self::SoftmaxCrossEntropy {} => Some(truth[largest(prediction)].f64()),
            Self::SigmoidCrossEntropy {} => {
                let agree = |(p, y): (&T, &T)| {
                    if *p > T::HALF { y.f64() } else { 1.0 - y.f64() }
                };
                Some(prediction.iter().zip(truth).map(agree).product())
            }
            Self::MeanSquaredError { .. } => None,
        }
    }

    /// Refuses a number of outputs the loss has no meaning for.
    ///
    /// # Errors
    /// The softmax of a single output.
    pub fn check_outputs(self, outputs: usize) -> Result<()> {
        if self != (Self::SoftmaxCrossEntropy {}) || outputs >= 2 {
            return Ok(());
        }
        Err(Error::invalid(
            "loss.kind",
            "softmax_cross_entropy",
            "at least 2 outputs",
            "The softmax of a single output is always 1: use sigmoid_cross_entropy.",
        ))
    }

    /// Refuses targets the loss has no meaning for: `y` samples × outputs, as the weights in `mask`.
    ///
    /// # Errors
    /// Where it counts, a target that is not finite, one outside [0, 1] for a cross-entropy, and targets that do not
    /// sum to 1 for the softmax; zeros of less than full weight are no label.
    pub fn check_targets<T: Scalar>(
        self,
        y: &[T],
        mask: Option<&[T]>,
        outputs: usize,
        step: u64,
    ) -> Result<()> {
        for (b, target) in y.chunks_exact(outputs).enumerate() {
            let first = b * outputs;
            let Some(misfit) = self.misfit(target, mask.map(|m| &m[first..][..outputs])) else {
                continue;
            };
            let field = match misfit {
                Misfit::Value(k) if !target[k].finite() => {
                    return Err(Error::NotFinite {
                        field: "y".into(),
                        index: first + k,
                        value: target[k].f64(),
                        step,
                    });
                }
                Misfit::Value(k) => format!("y[{}] at step {step}", first + k),
                Misfit::Sum(_) => format!("y at step {step}"),
            };
            let zeros = "Give a step without a label the weight 0 in its mask.";
            return Err(self.refusal(misfit, field, target, zeros));
        }
        Ok(())
    }

    /// What is wrong with the targets of a step, if anything.
    #[inline]
    pub(crate) fn misfit<T: Scalar>(self, target: &[T], mask: Option<&[T]>) -> Option<Misfit> {
        let fits = |y: T| match self {
            Self::MeanSquaredError { .. } => y.finite(),
            _ => y >= T::ZERO && y <= T::ONE,
        };
        let bad = |k: &usize| !fits(target[*k]) && self.counts(mask, *k);
        if let Some(k) = (0..target.len()).find(bad) {
            return Some(Misfit::Value(k));
        }
        if self != (Self::SoftmaxCrossEntropy {}) {
            return None;
        }
        let sum: f64 = target.iter().map(|y| y.f64()).sum();
        // Tasks with a report ask for silence around it: zeros, of less than full weight.
        let silent = sum == 0.0 && mask.is_some_and(|mask| mask.iter().all(|w| *w < T::ONE));
        ((sum - 1.0).abs() > SUM && self.counts(mask, 0) && !silent).then_some(Misfit::Sum(sum))
    }

    /// The refusal of targets that do not fit; `zeros` mends a step without a label.
    pub(crate) fn refusal<T: Scalar>(
        self,
        misfit: Misfit,
        field: String,
        target: &[T],
        zeros: &str,
    ) -> Error {
        let name = self.name();
        match misfit {
            Misfit::Value(k) => Error::invalid(
                field,
                target[k],
                format!("a probability in [0, 1], as {name} needs"),
                "Use one-hot labels or probabilities, or loss.kind = \"mean_squared_error\".",
            ),
            Misfit::Sum(sum) => {
                let whole = target.iter().all(|y| *y == T::ZERO || *y == T::ONE);
                let mend = match (sum == 0.0, whole) {
                    (true, _) => zeros,
                    (_, true) => {
                        "For several labels at a step set loss.kind = \"sigmoid_cross_entropy\"."
                    }
                    _ => "Divide the probabilities of a step by their sum.",
                };
                let value = format!("targets that sum to {}", (sum * 1e6).round() / 1e6);
                let expected = format!("probabilities that sum to 1, as {name} needs");
                Error::invalid(field, value, expected, mend)
            }
        }
    }
}

/// How far probabilities may sum from 1: those printed with two decimals do.
const SUM: f64 = 0.02;

/// What is wrong with the targets of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Misfit {
    /// The target of this output.
    Value(usize),
    /// What they sum to.
    Sum(f64),
}

fn mean<T: Scalar>(values: &[T]) -> T {
    let sum = values.iter().fold(T::ZERO, |sum, &v| sum + v);
    sum / T::of(values.len() as f64)
}

fn largest<T: Scalar>(values: &[T]) -> usize {
    let mut best = 0;
    for (k, v) in values.iter().enumerate() {
        if *v > values[best] {
            best = k;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOSSES: [Loss; 4] = [
        Loss::SoftmaxCrossEntropy {},
        Loss::SigmoidCrossEntropy {},
        Loss::MeanSquaredError {
            outputs: Outputs::Sum,
        },
        Loss::MeanSquaredError {
            outputs: Outputs::Mean,
        },
    ];

    #[test]
    fn delta_is_the_derivative_of_the_loss() {
        let target = [0.2, 0.5, 0.3];
        let mask = [1.0, 0.5, 0.0];
        for loss in LOSSES {
            for mask in [None, Some(&mask[..])] {
                let z = [0.3, -1.2, 2.0];
                let at = |z: &[f64; 3], delta: &mut [f64; 3]| {
                    loss.evaluate(z, &target, mask, &mut [0.0; 3], delta)
                };
                let mut delta = [0.0; 3];
                at(&z, &mut delta);
                for k in 0..3 {
                    let (mut up, mut down) = (z, z);
                    up[k] += 1e-5;
                    down[k] -= 1e-5;
                    let slope = (at(&up, &mut [0.0; 3]) - at(&down, &mut [0.0; 3])) / 2e-5;
                    assert!(
                        (slope - delta[k]).abs() < 1e-9,
                        "{loss:?} {k}: {slope} {}",
                        delta[k]
                    );
                }
            }
        }
    }

    #[test]
    fn extreme_outputs_stay_finite() {
        for loss in LOSSES {
            let mut delta = [0.0_f64; 2];
            let value = loss.evaluate(
                &[800.0, -800.0],
                &[0.0, 1.0],
                None,
                &mut [0.0; 2],
                &mut delta,
            );
            assert!(
                value.is_finite() && delta.iter().all(|d| d.is_finite()),
                "{loss:?}"
            );
        }
    }

    #[test]
    fn the_uniform_guess_costs_ln_2() {
        let mut prediction = [0.0; 2];
        let loss = Loss::SoftmaxCrossEntropy {};
        let value = loss.evaluate(
            &[1.0, 1.0],
            &[1.0, 0.0],
            None,
            &mut prediction,
            &mut [0.0; 2],
        );
        assert!((value - std::f64::consts::LN_2).abs() < 1e-15);
        assert_eq!(prediction, [0.5, 0.5]);
        assert_eq!(
            loss.expected_accuracy(&[0.7, 0.3], &[0.75, 0.25]),
            Some(0.75)
        );
        assert_eq!(loss.is_correct(&[0.7, 0.3], &[0.0, 1.0], None), Some(false));
    }

    #[test]
    fn targets_are_checked_where_they_count() {
        let softmax = Loss::SoftmaxCrossEntropy {};
        let sigmoid = Loss::SigmoidCrossEntropy {};
        let squares = Loss::MeanSquaredError {
            outputs: Outputs::Sum,
        };
        let nan = f64::NAN;
        for (loss, target, part) in [
            (softmax, [0.5, -1.0], "y[1] at step 7: got -1"),
            (
                softmax,
                [0.0, 0.0],
                "y at step 7: got targets that sum to 0, expected probabilities",
            ),
            (softmax, [1.0, 1.0], "sigmoid_cross_entropy"),
            (softmax, [0.5, 0.4], "Divide the probabilities"),
            (
                sigmoid,
                [2.0, 1.0],
                "y[0] at step 7: got 2, expected a probability in [0, 1]",
            ),
            (squares, [-3.0, nan], "y: element 1 is NaN at step 7"),
        ] {
            let error = loss.check_targets(&target, None, 2, 7).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            // A step that does not count may have any target.
            assert_eq!(loss.check_targets(&target, Some(&[0.0; 2]), 2, 7), Ok(()));
        }
        assert_eq!(softmax.check_targets(&[0.33, 0.66], None, 2, 0), Ok(()));
        assert_eq!(sigmoid.check_targets(&[1.0, 1.0], None, 2, 0), Ok(()));
        assert_eq!(squares.check_targets(&[-1.0], None, 1, 0), Ok(()));
        let later = squares.check_targets(&[0.0, 0.0, nan, 0.0], None, 2, 0);
        assert!(later.unwrap_err().to_string().starts_with("y: element 2"));
        // Outputs of a softmax are one choice, those of the others count one by one.
        let mask = Some(&[1.0, 0.0][..]);
        assert!(softmax.check_targets(&[0.0, nan], mask, 2, 0).is_err());
        assert_eq!(sigmoid.check_targets(&[0.0, nan], mask, 2, 0), Ok(()));
        assert_eq!(
            sigmoid.is_correct(&[0.9, 0.9], &[1.0, 0.0], mask),
            Some(true)
        );
        assert_eq!(
            sigmoid.is_correct(&[0.9, 0.9], &[1.0, 0.0], None),
            Some(false)
        );
        assert_eq!(Loss::weight(mask), 0.5);
    }
}
