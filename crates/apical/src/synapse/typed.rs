//! Recurrent weights whose blocks between types of units differ: in their means, and in whether they exist.
//!
//! |W_ij| = b_αβ w_ij for a synapse from type β to type α, signed by the presynaptic unit. log b is normal with deviation `between`,
//! log w with deviation `within` and w with mean 1, so that means over types tell more of the weights the smaller `within` is beside `between`. A
//! block is 0 with probability `zeroed`, but onto each type one block of each sign stays. Inhibition onto each unit is scaled to the excitation onto
//! it, and all is divided by the spectral radius. Zeroed blocks after the later code of the first author of Liu et al. 2022; the rest is ours.

use std::ops::Range;

use super::balanced::{to_radius_one, without_signs};
use crate::cell_types::CellTypes;
use crate::kernel::Matrix;
use crate::stream::Stream;
use crate::{Error, Result, Scalar};

/// How blocks differ, as in [`Init::Typed`](super::Init::Typed).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    pub between: f64,
    pub within: f64,
    pub zeroed: f64,
}

impl Blocks {
    pub(super) fn check(&self, field: &str) -> Result<()> {
        for (name, deviation) in [("between", self.between), ("within", self.within)] {
            // Beyond this one weight outweighs all others.
            if !(0.0..=4.0).contains(&deviation) {
                return Err(Error::invalid(
                    format!("{field}.{name}"),
                    deviation,
                    "a standard deviation of logarithms between 0 and 4",
                    "0 makes all alike, 1 spreads two thirds of them over a factor of 7.",
                ));
            }
        }
        if !(0.0..1.0).contains(&self.zeroed) {
            return Err(Error::invalid(
                format!("{field}.zeroed"),
                self.zeroed,
                "a probability in [0, 1)",
                "0.5 leaves out half of the blocks, 0 none.",
            ));
        }
        Ok(())
    }

    /// b, `[post, pre]` type by type.
    fn draw(&self, types: &CellTypes, excitatory: &[bool], stream: &mut Stream) -> Vec<f64> {
        let count = types.count();
        let mut there = Vec::with_capacity(count * count);
        let mut means = Vec::with_capacity(count * count);
        for _ in 0..count * count {
            there.push(stream.uniform() >= self.zeroed);
            means.push((self.between * stream.normal()).exp());
        }
        for sign in [false, true] {
            let sends = |t: &usize| {
                let mut units = types.of().iter().zip(excitatory);
                units.any(|(of, excitatory)| of == t && *excitatory == sign)
            };
            let senders: Vec<usize> = (0..count).filter(sends).collect();
            for onto in there.chunks_exact_mut(count) {
                if senders.iter().all(|t| !onto[*t]) {
                    let kept = (stream.uniform() * senders.len() as f64) as usize;
                    onto[senders[kept.min(senders.len() - 1)]] = true;
                }
            }
        }
        let pairs = means.iter().zip(&there);
        pairs
            .map(|(b, there)| if *there { *b } else { 0.0 })
            .collect()
    }
}

/// n × n weights with these blocks, `[post, pre]` row by row, in balance and with spectral radius 1.
fn typed(
    field: &str,
    blocks: &Blocks,
    types: &CellTypes,
    excitatory: &[bool],
    stream: &mut Stream,
) -> Result<Vec<f64>> {
    blocks.check(field)?;
    let (n, of, count) = (excitatory.len(), types.of(), types.count());
    let means = blocks.draw(types, excitatory, stream);
    let mut weights = Vec::with_capacity(n * n);
    for post in of {
        for pre in of {
            let log = blocks.within * stream.normal() - 0.5 * blocks.within.powi(2);
            weights.push(means[post * count + pre] * log.exp());
        }
    }
    for row in weights.chunks_exact_mut(n) {
        let mut sums = [0.0; 2];
        let signed = || excitatory.iter().map(|e| usize::from(*e));
        row.iter()
            .zip(signed())
            .for_each(|(w, sign)| sums[sign] += w);
        let factors = [-sums[1] / sums[0], 1.0];
        row.iter_mut()
            .zip(signed())
            .for_each(|(w, sign)| *w *= factors[sign]);
    }
    to_radius_one(field, "typed", &mut weights, n)?;
    Ok(weights)
}

/// Fills `rows` of `matrix`, columns from 0 on.
pub(crate) fn fill_typed<T: Scalar>(
    field: &str,
    blocks: &Blocks,
    matrix: &mut Matrix<T>,
    rows: Range<usize>,
    (types, excitatory): (&CellTypes, Option<&[bool]>),
    stream: &mut Stream,
) -> Result<()> {
    let Some(excitatory) = excitatory else {
        return Err(without_signs(field, "typed"));
    };
    let weights = typed(field, blocks, types, excitatory, stream)?;
    for (row, weights) in rows.zip(weights.chunks_exact(excitatory.len())) {
        let row = matrix.row_mut(row).iter_mut().zip(weights);
        row.for_each(|(w, typed)| *w = T::of(*typed));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell_types::TypesSpec;
    use crate::eigen::eigenvalues;
    use crate::stream::Streams;

    const N: usize = 120;

    fn excitatory() -> Vec<bool> {
        (0..N).map(|j| j >= 24).collect()
    }

    fn types(each: usize) -> CellTypes {
        CellTypes::new(Some(&TypesSpec::BySign { each }), Some(&excitatory()), N).unwrap()
    }

    fn draw(blocks: &Blocks, each: usize, seed: u64) -> Vec<f64> {
        let mut stream = Streams::new(seed).stream("weights", 0);
        typed("test", blocks, &types(each), &excitatory(), &mut stream).unwrap()
    }

    /// Logarithms of the magnitudes of a block.
    fn block(weights: &[f64], types: &CellTypes, (post, pre): (usize, usize)) -> Vec<f64> {
        let of = types.of();
        let inside = |k: &usize| of[k / N] == post && of[k % N] == pre;
        let chosen = (0..N * N).filter(inside);
        chosen.map(|k| weights[k].abs().ln()).collect()
    }

    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        (mean, (squares / (values.len() - 1) as f64).sqrt())
    }

    #[test]
    fn signs_balance_and_radius_hold_for_any_number_of_types() {
        for each in [1, 2, 4, 8] {
            for zeroed in [0.0, 0.5, 0.95] {
                let blocks = Blocks {
                    between: 1.0,
                    within: 0.5,
                    zeroed,
                };
                let w = draw(&blocks, each, 3);
                for row in w.chunks_exact(N) {
                    assert!(row.iter().sum::<f64>().abs() < 1e-9);
                    let sign = |(w, e): (&f64, &bool)| if *e { *w >= 0.0 } else { *w <= 0.0 };
                    assert!(row.iter().zip(&excitatory()).all(sign));
                }
                let values = eigenvalues(&w, N).unwrap();
                let radius = values.iter().map(|z| z.magnitude()).fold(0.0, f64::max);
                assert!((radius - 1.0).abs() < 1e-9, "{each} {zeroed}: {radius}");
            }
        }
    }

    #[test]
    fn blocks_differ_by_between_and_weights_by_within() {
        let types = types(8);
        let blocks = Blocks {
            between: 0.8,
            within: 0.3,
            zeroed: 0.0,
        };
        // Rows are scaled as wholes, and inhibition by row: within a row, excitatory blocks keep their ratios.
        let (mut apart, mut inside) = (Vec::new(), Vec::new());
        for seed in 0..8 {
            let w = draw(&blocks, 8, seed);
            for post in 0..16 {
                let logs: Vec<Vec<f64>> =
                    (8..16).map(|pre| block(&w, &types, (post, pre))).collect();
                apart.extend(logs[1..].iter().map(|l| moments(l).0 - moments(&logs[0]).0));
                inside.extend(logs.iter().map(|l| moments(l).1));
            }
        }
        // A difference of two normal numbers; 896 of them, seven of eight independent, an error of 3 %; and 12 × 3 weights a block or more.
        let (mean, deviation) = moments(&apart);
        assert!(mean.abs() < 0.2, "{mean}");
        assert!(
            (deviation / (0.8 * 2f64.sqrt()) - 1.0).abs() < 0.12,
            "{deviation}"
        );
        let (mean, _) = moments(&inside);
        assert!((mean / 0.3 - 1.0).abs() < 0.03, "{mean}");
        // The control: without structure block means are alike but for the weights within.
        let flat = draw(
            &Blocks {
                between: 0.0,
                ..blocks
            },
            8,
            1,
        );
        let means: Vec<f64> = (8..16)
            .map(|pre| moments(&block(&flat, &types, (0, pre))).0)
            .collect();
        assert!(moments(&means).1 < 0.15, "{means:?}");
    }

    #[test]
    fn zeroed_blocks_are_whole_and_leave_one_of_each_sign() {
        let types = types(8);
        let zeroed = |share: f64| {
            let (mut zero, mut all) = (0, 0);
            for seed in 0..20 {
                let blocks = Blocks {
                    between: 0.5,
                    within: 0.5,
                    zeroed: share,
                };
                let w = draw(&blocks, 8, seed);
                for post in 0..16 {
                    let gone = |pre: usize| {
                        let logs = block(&w, &types, (post, pre));
                        let gone = logs.iter().filter(|l| l.is_infinite()).count();
                        assert!(gone == 0 || gone == logs.len());
                        gone > 0
                    };
                    let (i, e) = (
                        (0..8).filter(|p| gone(*p)).count(),
                        (8..16).filter(|p| gone(*p)).count(),
                    );
                    assert!(i < 8 && e < 8);
                    zero += i + e;
                    all += 16;
                }
            }
            zero as f64 / f64::from(all)
        };
        // 5,120 blocks, an error of 0.007; one in 256 sets of eight would be gone whole, and has one put back.
        assert!((zeroed(0.5) - 0.5 * (1.0 - 1.0 / 1024.0)).abs() < 0.028);
        assert_eq!(zeroed(0.0), 0.0);
        assert!((zeroed(0.999) - 7.0 / 8.0).abs() < 0.01);
    }
}
