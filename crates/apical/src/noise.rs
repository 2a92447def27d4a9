//! The noise of stochastic rules: drawn from a stream, or injected so that tests can replay it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Error, Result, Scalar};

/// A distribution with mean 0 and variance 1.
///
/// Unit variance is what makes the rank-one estimators unbiased; the published code's uniform noise on (−1, 1) has
/// variance ⅓ and shrinks every gradient to a third.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// ±1 with equal odds.
    #[default]
    Signs,
    /// Standard normal.
    Gaussian,
    /// Uniform on (−√3, √3).
    Uniform,
}

/// A source of noise.
pub struct Noise<T> {
    stream: Stream,
    distribution: Distribution,
    injected: Option<Vec<T>>,
    next: u64,
}

impl<T: Scalar> Noise<T> {
    /// Noise from a stream.
    pub fn new(stream: Stream, distribution: Distribution) -> Self {
        Self {
            stream,
            distribution,
            injected: None,
            next: 0,
        }
    }

    /// From now on these numbers are used, in order.
    pub fn inject(&mut self, values: &[T]) {
        self.injected = Some(values.to_vec());
        self.next = 0;
    }

    /// Whether numbers were injected.
    pub fn is_injected(&self) -> bool {
        self.injected.is_some()
    }

    /// Refuses a step for which fewer than `count` injected numbers are left.
    ///
    /// # Errors
    /// Too few numbers left.
    pub fn check(&self, count: usize) -> Result<()> {
        let Some(injected) = &self.injected else {
            return Ok(());
        };
        let left = injected.len() - self.next as usize;
        if left >= count {
            return Ok(());
        }
        Err(Error::invalid(
            "noise",
            format!("{left} numbers left"),
            format!("{count} for this step"),
            "Inject as many numbers as the steps need.",
        ))
    }

    /// The next `values.len()` numbers.
    pub fn fill(&mut self, values: &mut [T]) {
        if let Some(injected) = &self.injected {
            let from = self.next as usize;
            values.copy_from_slice(&injected[from..from + values.len()]);
            self.next += values.len() as u64;
            return;
        }
        for value in values {
            *value = T::of(match self.distribution {
                Distribution::Signs if self.stream.coin() => 1.0,
                Distribution::Signs => -1.0,
                Distribution::Gaussian => self.stream.normal(),
                Distribution::Uniform => 3f64.sqrt() * (2.0 * self.stream.uniform() - 1.0),
            });
        }
    }

    /// Standard normal starting values.
    pub fn start(&mut self, values: &mut [T]) {
        self.stream.fill_normal(values, 1.0);
    }

    /// Saves or restores where the noise is; injected numbers are not part of a checkpoint.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.stream.state("stream", io)
    }
}
