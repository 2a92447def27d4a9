//! How weights start.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::balanced::without_signs;
use super::orthonormal::orthonormal;
use crate::kernel::Matrix;
use crate::stream::Stream;
use crate::{Error, Result, Scalar};

/// Which side of a `[post, pre]` matrix counts its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fan {
    /// Number of presynaptic units.
    #[default]
    In,
    /// Number of postsynaptic units.
    Out,
}

/// A distribution of starting weights for a matrix `[post, pre]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Init {
    /// All zero.
    Zero {},
    /// Normal with standard deviation gain/√fan.
    Gaussian {
        /// Multiplies the standard deviation.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0))]
        gain: f64,
        /// Which side of the matrix `fan` counts.
        #[serde(default)]
        fan: Fan,
    },
    /// Uniform between `low` and `high`.
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Uniform between −gain/√fan and gain/√fan.
    FanUniform {
        /// Multiplies the width.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0))]
        gain: f64,
        /// Which side of the matrix `fan` counts.
        #[serde(default)]
        fan: Fan,
    },
    /// Normal with this standard deviation, whatever the size.
    Normal {
        /// Standard deviation.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0))]
        deviation: f64,
    },
    /// gain · Q with Q orthogonal; orthonormal rows or columns when not square.
    Orthogonal {
        /// Multiplies the matrix.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0))]
        gain: f64,
        /// Which distribution of Q.
        #[serde(default)]
        signs: Signs,
    },
    /// Excitation and inhibition in balance, spectral radius 1 (Liu et al. 2022, code); needs Dale's law; recurrent or readout weights.
    Balanced {},
    /// Blocks between types of units that differ in their means and in whether they exist, in balance, spectral radius 1; needs Dale's law;
    /// recurrent weights alone.
    Typed {
        /// Standard deviation of the logarithms of the blocks' means.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0, max = 4.0))]
        between: f64,
        /// Standard deviation of the logarithms of the weights of a block.
        #[serde(default = "half")]
        #[schemars(range(min = 0.0, max = 4.0))]
        within: f64,
        /// Probability that a block is 0; one of each sign onto each type stays.
        #[serde(default = "half")]
        #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
        zeroed: f64,
    },
}

/// Which orthogonal factor of a Gaussian matrix is taken: Q is unique up to the signs of its columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signs {
    /// Those that make Q uniform over all orthogonal matrices (R with a positive diagonal).
    #[default]
    Uniform,
    /// Those a Householder QR leaves, as `numpy.linalg.qr` returns: Q is not uniform, its trace is −3.3 ± 0.8 at
    /// n = 32, and such a network remembers longer. The published codes of Marschall et al. start here.
    Householder,
}

fn one() -> f64 {
    1.0
}

fn half() -> f64 {
    0.5
}

impl Init {
    /// Uniform over orthogonal matrices.
    pub fn orthogonal() -> Self {
        Self::Orthogonal {
            gain: 1.0,
            signs: Signs::Uniform,
        }
    }

    /// Normal with standard deviation 1/√(presynaptic units).
    pub fn gaussian() -> Self {
        Self::Gaussian {
            gain: 1.0,
            fan: Fan::In,
        }
    }

    /// Refuses a gain, deviation or range that cannot work; `field` is named.
    pub(crate) fn check(&self, field: &str) -> Result<()> {
        match *self {
            Self::Gaussian { gain, .. }
            | Self::FanUniform { gain, .. }
            | Self::Orthogonal { gain, .. } => check_gain(field, gain),
            Self::Normal { deviation } if !(deviation.is_finite() && deviation >= 0.0) => {
                Err(Error::invalid(
                    format!("{field}.deviation"),
                    deviation,
                    "a finite number that is not negative",
                    "1 is the default.",
                ))
            }
            Self::Uniform { low, high }
                if !(low.is_finite() && high.is_finite() && low <= high) =>
            {
                Err(Error::invalid(
                    format!("{field}.low, {field}.high"),
                    format!("{low}, {high}"),
                    "finite numbers with low <= high",
                    "Swap them or give a finite range.",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Draws the block `rows` × `columns` of `matrix`, row by row.
    ///
    /// # Errors
    /// A gain that is negative or not finite, or an empty range; `field` is named.
    pub fn fill<T: Scalar>(
        &self,
        field: &str,
        matrix: &mut Matrix<T>,
        rows: Range<usize>,
        columns: Range<usize>,
        stream: &mut Stream,
    ) -> Result<()> {
        self.check(field)?;
        let (post, pre) = (rows.len(), columns.len());
        match *self {
            Self::Balanced {} => return Err(without_signs(field, "balanced")),
            Self::Typed { .. } => return Err(without_signs(field, "typed")),
            Self::Zero {} => each(matrix, rows, columns, || 0.0),
            Self::Gaussian { gain, fan } => {
                let deviation = gain / root(fan, post, pre);
                each(matrix, rows, columns, || deviation * stream.normal());
            }
            Self::FanUniform { gain, fan } => {
                let end = gain / root(fan, post, pre);
                each(matrix, rows, columns, || {
                    end * (2.0 * stream.uniform() - 1.0)
                });
            }
            Self::Normal { deviation } => {
                each(matrix, rows, columns, || deviation * stream.normal());
            }
            Self::Uniform { low, high } => {
                each(matrix, rows, columns, || {
                    low + (high - low) * stream.uniform()
                });
            }
            Self::Orthogonal { gain, signs } => {
                let q = orthonormal(post.min(pre), post.max(pre), signs, stream);
                for (i, row) in rows.enumerate() {
                    for (j, w) in matrix.row_mut(row)[columns.clone()].iter_mut().enumerate() {
                        let (a, b) = if post <= pre { (i, j) } else { (j, i) };
                        *w = T::of(gain * q.row(a)[b]);
                    }
                }
            }
        }
        Ok(())
    }
}

/// √fan of a matrix `[post, pre]`.
fn root(fan: Fan, post: usize, pre: usize) -> f64 {
    let fan = match fan {
        Fan::In => pre,
        Fan::Out => post,
    };
    (fan.max(1) as f64).sqrt()
}

fn check_gain(field: &str, gain: f64) -> Result<()> {
    if gain.is_finite() && gain >= 0.0 {
        return Ok(());
    }
    Err(Error::invalid(
        format!("{field}.gain"),
        gain,
        "a finite number that is not negative",
        "1 keeps the variance of the drive.",
    ))
}

fn each<T: Scalar>(
    matrix: &mut Matrix<T>,
    rows: Range<usize>,
    columns: Range<usize>,
    mut draw: impl FnMut() -> f64,
) {
    for i in rows {
        for w in &mut matrix.row_mut(i)[columns.clone()] {
            *w = T::of(draw());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Streams;

    fn draw(init: &Init, rows: usize, columns: usize) -> Matrix<f64> {
        let mut m = Matrix::zeros(rows, columns);
        let mut stream = Streams::new(5).stream("weights", 0);
        init.fill("test", &mut m, 0..rows, 0..columns, &mut stream)
            .unwrap();
        m
    }

    #[test]
    fn orthogonal_rows_or_columns() {
        for (rows, columns) in [(20, 20), (7, 12), (12, 7), (1, 1)] {
            for signs in [Signs::Uniform, Signs::Householder] {
                let m = draw(&Init::Orthogonal { gain: 1.5, signs }, rows, columns);
                let at = |i: usize, j: usize| {
                    if rows <= columns {
                        m.row(i)[j]
                    } else {
                        m.row(j)[i]
                    }
                };
                for a in 0..rows.min(columns) {
                    for b in 0..rows.min(columns) {
                        let dot: f64 = (0..rows.max(columns)).map(|k| at(a, k) * at(b, k)).sum();
                        let expected = if a == b { 2.25 } else { 0.0 };
                        assert!((dot - expected).abs() < 1e-12, "{a} {b} {dot}");
                    }
                }
            }
        }
    }

    #[test]
    fn signs_decide_the_distribution() {
        let trace = |signs| {
            let mut stream = Streams::new(2).stream("weights", 0);
            let traces: Vec<f64> = (0..200)
                .map(|_| {
                    let q = orthonormal(32, 32, signs, &mut stream);
                    (0..32).map(|k| q.row(k)[k]).sum()
                })
                .collect();
            traces.iter().sum::<f64>() / 200.0
        };
        // The trace of a uniform Q has mean 0 and deviation 1; numpy.linalg.qr gave -3.34 over 4,000 draws.
        // Standard errors over 200 draws are 0.07; four of them.
        let (uniform, householder) = (trace(Signs::Uniform), trace(Signs::Householder));
        assert!(uniform.abs() < 0.28, "{uniform}");
        assert!((householder + 3.34).abs() < 0.28, "{householder}");
    }

    #[test]
    fn gaussian_counts_the_right_side() {
        let deviation = |fan| {
            let m = draw(&Init::Gaussian { gain: 2.0, fan }, 40, 250);
            let sum: f64 = (0..40).flat_map(|i| m.row(i).to_vec()).map(|w| w * w).sum();
            (sum / 10_000.0).sqrt()
        };
        // Relative standard error of a standard deviation from 10,000 draws is 0.7 %.
        assert!((deviation(Fan::In) / (2.0 / 250f64.sqrt()) - 1.0).abs() < 0.03);
        assert!((deviation(Fan::Out) / (2.0 / 40f64.sqrt()) - 1.0).abs() < 0.03);
    }

    #[test]
    fn uniform_and_normal_have_the_stated_spread() {
        let all = |init: &Init| -> Vec<f64> {
            let m = draw(init, 40, 250);
            (0..40).flat_map(|i| m.row(i).to_vec()).collect()
        };
        let values = all(&Init::FanUniform {
            gain: 2.0,
            fan: Fan::In,
        });
        let end = 2.0 / 250f64.sqrt();
        assert!(values.iter().all(|w| w.abs() <= end));
        // Largest of 10,000: the odds of staying below 99 % of the end are e^-100.
        assert!(values.iter().any(|w| w.abs() > 0.99 * end));
        let values = all(&Init::Normal { deviation: 3.0 });
        let deviation = (values.iter().map(|w| w * w).sum::<f64>() / 1e4).sqrt();
        assert!((deviation / 3.0 - 1.0).abs() < 0.03, "{deviation}");
    }

    #[test]
    fn a_bad_gain_is_named() {
        let mut m = Matrix::<f64>::zeros(2, 2);
        let mut stream = Streams::new(5).stream("weights", 0);
        let init = Init::Orthogonal {
            gain: f64::NAN,
            signs: Signs::Uniform,
        };
        let error = init
            .fill("network.recurrent", &mut m, 0..2, 0..2, &mut stream)
            .unwrap_err();
        assert!(
            error.to_string().contains("network.recurrent.gain"),
            "{error}"
        );
    }
}
