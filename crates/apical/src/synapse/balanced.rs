//! Excitation and inhibition in balance: the start of recurrent and readout weights under Dale's law in the code of Liu et al. 2022.
//!
//! |N(0, 1)| everywhere, signed by the presynaptic unit; inhibition scaled to the sum of all excitation; for each postsynaptic
//! unit what is left over is spread evenly over its inhibitory synapses, or over its excitatory ones if it is negative; all
//! divided by the spectral radius.

use std::ops::Range;

use crate::eigen::eigenvalues;
use crate::kernel::Matrix;
use crate::stream::Stream;
use crate::{Error, Result, Scalar};

/// n × n balanced weights, `[post, pre]` row by row, with spectral radius 1.
fn balanced(field: &str, excitatory: &[bool], stream: &mut Stream) -> Result<Vec<f64>> {
    let n = excitatory.len();
    let mut weights: Vec<f64> = (0..n * n).map(|_| stream.normal().abs()).collect();
    let sums = weights
        .iter()
        .enumerate()
        .fold([0.0; 2], |mut sums, (k, w)| {
            sums[usize::from(excitatory[k % n])] += w;
            sums
        });
    let inhibitory = -sums[1] / sums[0];
    let counts = [false, true].map(|sign| excitatory.iter().filter(|e| **e == sign).count());
    for row in weights.chunks_exact_mut(n) {
        for (w, excitatory) in row.iter_mut().zip(excitatory) {
            *w *= if *excitatory { 1.0 } else { inhibitory };
        }
        let left: f64 = row.iter().sum();
        let taken_by = left < 0.0;
        let share = left / counts[usize::from(taken_by)] as f64;
        for (w, excitatory) in row.iter_mut().zip(excitatory) {
            *w -= if *excitatory == taken_by { share } else { 0.0 };
        }
    }
    to_radius_one(field, "balanced", &mut weights, n)?;
    Ok(weights)
}

/// Divides n × n weights of this kind by their spectral radius.
pub(super) fn to_radius_one(field: &str, kind: &str, weights: &mut [f64], n: usize) -> Result<()> {
    let values = eigenvalues(weights, n).unwrap_or_default();
    let radius = values.iter().map(|z| z.magnitude()).fold(0.0, f64::max);
    if radius.is_nan() || radius <= 1e-12 {
        return Err(Error::invalid(
            field,
            format!("{kind} weights between {n} units whose spectral radius is {radius}"),
            "a matrix that can be scaled to spectral radius 1",
            "Use more units, or another kind of start.",
        ));
    }
    weights.iter_mut().for_each(|w| *w /= radius);
    Ok(())
}

/// Fills `rows` of `matrix`, columns from 0 on, with the first rows of balanced weights.
pub(crate) fn fill_balanced<T: Scalar>(
    field: &str,
    matrix: &mut Matrix<T>,
    rows: Range<usize>,
    excitatory: Option<&[bool]>,
    stream: &mut Stream,
) -> Result<()> {
    let Some(excitatory) = excitatory else {
        return Err(without_signs(field, "balanced"));
    };
    let n = excitatory.len();
    if rows.len() > n {
        return Err(Error::invalid(
            field,
            format!("balanced weights onto {} units", rows.len()),
            format!("at most {n}, the number of units they come from"),
            "Use more units, or another kind of start.",
        ));
    }
    let weights = balanced(field, excitatory, stream)?;
    for (row, weights) in rows.zip(weights.chunks_exact(n)) {
        let row = matrix.row_mut(row).iter_mut().zip(weights);
        row.for_each(|(w, balanced)| *w = T::of(*balanced));
    }
    Ok(())
}

pub(super) fn without_signs(field: &str, kind: &str) -> Error {
    let mend = match kind {
        "typed" => {
            "Add [network.dale], or use another kind; only recurrent weights join units of types."
        }
        _ => {
            "Add [network.dale], or use another kind; only recurrent and readout weights can be balanced."
        }
    };
    let expected = "a start that needs no signs, or Dale's law, which gives the units theirs";
    Error::invalid(field, kind, expected, mend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Streams;

    #[test]
    fn statistics_of_the_published_start() {
        // 97 excitatory and 23 inhibitory units; means and deviations over 20 draws as measured with a NumPy replica of the
        // published recipe, diagonal set to zero before averaging.
        let excitatory: Vec<bool> = (0..120).map(|j| j >= 23).collect();
        let mut sums = [[0.0; 2]; 2];
        let mut radii = 0.0;
        for seed in 0..20 {
            let mut stream = Streams::new(seed).stream("weights", 0);
            let mut w = balanced("test", &excitatory, &mut stream).unwrap();
            for i in 0..120 {
                let row = &w[i * 120..][..120];
                assert!(row.iter().sum::<f64>().abs() < 1e-12, "row {i}");
                let kept = row.iter().zip(&excitatory).all(|(w, e)| (*w >= 0.0) == *e);
                assert!(kept, "row {i}");
            }
            (0..120).for_each(|i| w[i * 120 + i] = 0.0);
            for (k, w) in w.iter().enumerate() {
                let (post, pre) = (excitatory[k / 120], excitatory[k % 120]);
                let count = if pre { 97 } else { 23 } * if post { 97 } else { 23 };
                sums[usize::from(post)][usize::from(pre)] += w / (20.0 * f64::from(count));
            }
            let values = eigenvalues(&w, 120).unwrap();
            radii += values.iter().map(|z| z.magnitude()).fold(0.0, f64::max) / 20.0;
        }
        // Four standard errors of the difference of two means of 20 draws.
        let near = |got: f64, mean: f64, deviation: f64| {
            assert!(
                (got - mean).abs() < 4.0 * deviation * (2.0f64 / 20.0).sqrt(),
                "{got} {mean}"
            );
        };
        near(sums[1][1], 0.0587, 0.005);
        near(sums[0][1], 0.0591, 0.005);
        near(sums[1][0], -0.250, 0.021);
        near(sums[0][0], -0.239, 0.019);
        near(radii, 1.34, 0.13);
    }
}
