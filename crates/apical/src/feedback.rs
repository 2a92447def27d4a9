//! The pathway that brings the output error back to the units.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::{Matrix, Simd, add_transposed};
use crate::snapshot::StateIo;
use crate::stream::Streams;
use crate::synapse::{Fan, Init};
use crate::{Result, Scalar};

/// Delivers the error at the outputs to the units.
pub trait Feedback<T: Scalar>: Send {
    /// q = ∂L/∂r as this pathway tells it, for one sample: `delta` one number an output, `signal` one a unit.
    fn deliver(&self, simd: Simd, readout: &Matrix<T>, delta: &[T], signal: &mut [T]);

    /// Learns beside the readout, whose weights are about to change by −rate (scale · gradient + decay · W_out).
    fn learn(&mut self, _simd: Simd, _gradient: &Matrix<T>, _scale: T, _rate: T, _decay: T) {}

    /// The feedback weights, one row an output, if the pathway has its own.
    fn weights(&self) -> Option<&Matrix<T>> {
        None
    }

    /// Cosine of the angle between W_out and Bᵀ as vectors (Lillicrap et al. 2016); NaN where there is no B.
    fn alignment(&self, readout: &Matrix<T>) -> f64 {
        self.weights()
            .map_or(f64::NAN, |weights| cosine(readout, weights))
    }

    /// The feedback weights, to be set.
    fn weights_mut(&mut self) -> Option<&mut Matrix<T>> {
        None
    }

    /// Saves or restores the pathway.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        match self.weights_mut() {
            Some(weights) => io.matrix("weights", weights),
            None => Ok(()),
        }
    }
}

/// Configuration of a feedback pathway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum FeedbackSpec {
    /// q = W_outᵀ δ with the present readout weights: the exact immediate credit.
    Symmetric {},
    /// q = B δ with fixed random B, units × outputs.
    Random {
        /// Distribution of B; `fan = "in"` counts the outputs, `"out"` the units.
        #[serde(default = "outgoing")]
        init: Init,
    },
    /// q = B δ with B learned by the same products as W_outᵀ, both decaying, until they agree (Kolen & Pollack 1994).
    KolenPollack {
        /// Distribution of B at the start; `fan` as for `random`.
        #[serde(default = "outgoing")]
        init: Init,
    },
    /// q_i = b_i Σ_k c_k δ_k: one number is broadcast, which each unit weighs in its own fixed way; c has length 1.
    Scalar {
        /// Distribution of b; `fan = "out"` counts the units.
        #[serde(default = "outgoing")]
        init: Init,
    },
    /// q = 0: nothing reaches the recurrent layer.
    None {},
}

/// N(0, 1/units), as the scripts of Marschall, Cho & Savin 2019.
fn outgoing() -> Init {
    Init::Gaussian {
        gain: 1.0,
        fan: Fan::Out,
    }
}

impl Default for FeedbackSpec {
    fn default() -> Self {
        Self::random()
    }
}

impl FeedbackSpec {
    /// Fixed random feedback, N(0, 1/units).
    pub fn random() -> Self {
        Self::Random { init: outgoing() }
    }

    /// Builds the pathway; weights come from the stream `feedback`.
    ///
    /// # Errors
    /// Those of [`Init::fill`].
    #[inline(never)]
    pub fn build<T: Scalar>(
        &self,
        units: usize,
        outputs: usize,
        streams: &Streams,
    ) -> Result<Box<dyn Feedback<T>>> {
        Ok(match self {
            Self::Symmetric {} => Box::new(Symmetric),
            Self::None {} => Box::new(Silent),
            Self::Random { init } => Box::new(Random {
                weights: drawn(init, units, outputs, streams)?,
            }),
            Self::KolenPollack { init } => Box::new(KolenPollack {
                weights: drawn(init, units, outputs, streams)?,
            }),
            Self::Scalar { init } => {
                let own = drawn(init, units, 1, streams)?;
                let mut stream = streams.stream("feedback", 1);
                let common: Vec<f64> = (0..outputs).map(|_| stream.normal()).collect();
                let length = common.iter().map(|c| c * c).sum::<f64>().sqrt();
                let mut weights = Matrix::zeros(outputs, units);
                for (k, c) in common.iter().enumerate() {
                    let row = weights.row_mut(k).iter_mut().zip(own.row(0));
                    row.for_each(|(w, b)| *w = T::of(c / length) * *b);
                }
                Box::new(Random { weights })
            }
        })
    }
}

/// B [units, outputs], so that fan-in and fan-out mean what they say, transposed so that delivery reads whole rows.
fn drawn<T: Scalar>(
    init: &Init,
    units: usize,
    outputs: usize,
    streams: &Streams,
) -> Result<Matrix<T>> {
    let mut b = Matrix::zeros(units, outputs);
    let mut stream = streams.stream("feedback", 0);
    init.fill("feedback.init", &mut b, 0..units, 0..outputs, &mut stream)?;
    let mut weights = Matrix::zeros(outputs, units);
    for k in 0..outputs {
        for i in 0..units {
            weights.row_mut(k)[i] = b.row(i)[k];
        }
    }
    Ok(weights)
}

struct Symmetric;

impl<T: Scalar> Feedback<T> for Symmetric {
    fn deliver(&self, simd: Simd, readout: &Matrix<T>, delta: &[T], signal: &mut [T]) {
        signal.fill(T::ZERO);
        add_transposed(simd, readout.data(), readout.stride(), delta, signal);
    }

    fn alignment(&self, _: &Matrix<T>) -> f64 {
        1.0
    }
}

/// Cosine of the angle between two matrices as vectors, over the columns of the second.
fn cosine<T: Scalar>(readout: &Matrix<T>, back: &Matrix<T>) -> f64 {
    let (mut dot, mut out, mut feedback) = (0.0, 0.0, 0.0);
    for k in 0..back.rows() {
        for (w, b) in readout.row(k).iter().zip(back.row(k)) {
            let (w, b) = (w.f64(), b.f64());
            dot += w * b;
            out += w * w;
            feedback += b * b;
        }
    }
    dot / (out * feedback).sqrt()
}

struct Random<T> {
    weights: Matrix<T>,
}

impl<T: Scalar> Feedback<T> for Random<T> {
    fn deliver(&self, simd: Simd, _: &Matrix<T>, delta: &[T], signal: &mut [T]) {
        signal.fill(T::ZERO);
        let w = &self.weights;
        add_transposed(simd, w.data(), w.stride(), delta, signal);
    }

    fn weights(&self) -> Option<&Matrix<T>> {
        Some(&self.weights)
    }

    fn weights_mut(&mut self) -> Option<&mut Matrix<T>> {
        Some(&mut self.weights)
    }
}

/// Learns as the readout does: ΔB = −η (r δᵀ + λ B), so that B − W_outᵀ shrinks by 1 − η λ at every update.
struct KolenPollack<T> {
    weights: Matrix<T>,
}

impl<T: Scalar> Feedback<T> for KolenPollack<T> {
    fn deliver(&self, simd: Simd, _: &Matrix<T>, delta: &[T], signal: &mut [T]) {
        signal.fill(T::ZERO);
        let w = &self.weights;
        add_transposed(simd, w.data(), w.stride(), delta, signal);
    }

    fn learn(&mut self, _: Simd, gradient: &Matrix<T>, scale: T, rate: T, decay: T) {
        for k in 0..self.weights.rows() {
            let row = self.weights.row_mut(k).iter_mut().zip(gradient.row(k));
            row.for_each(|(b, g)| *b -= rate * (scale * *g + decay * *b));
        }
    }

    fn weights(&self) -> Option<&Matrix<T>> {
        Some(&self.weights)
    }

    fn weights_mut(&mut self) -> Option<&mut Matrix<T>> {
        Some(&mut self.weights)
    }
}

struct Silent;

impl<T: Scalar> Feedback<T> for Silent {
    fn deliver(&self, _: Simd, _: &Matrix<T>, _: &[T], signal: &mut [T]) {
        signal.fill(T::ZERO);
    }
}
