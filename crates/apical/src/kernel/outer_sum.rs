//! G += Σ_t f(t) a(t)ᵀ over many steps at once: the matrix product behind learning at the end of trials.

use super::{LANES, LaneKernel, Lanes, Level, Simd};
use crate::Scalar;

type Line<T> = [T; LANES];

/// Rows of the register tile; two lines wide.
const TILE: usize = 8;

/// Numbers of factors and vectors that are passed over together: a quarter of a megabyte in f32.
const BLOCK: usize = 1 << 16;

struct OuterSum<'a, T> {
    result: &'a mut [T],
    stride: usize,
    factors: &'a [T],
    factor_stride: usize,
    rows: usize,
    vectors: &'a [T],
}

impl<T: Scalar> LaneKernel for OuterSum<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        // Steps in blocks that stay in the cache while tile after tile passes over them.
        let Self {
            result,
            stride,
            factor_stride,
            rows,
            ..
        } = self;
        let length = (BLOCK / (factor_stride + stride)).max(1);
        let factors = self.factors.chunks(length * factor_stride);
        for (factors, vectors) in factors.zip(self.vectors.chunks(length * stride)) {
            block::<T, L>(result, stride, factors, factor_stride, rows, vectors);
        }
    }
}

#[inline(always)]
fn block<T: Scalar, L: Level>(
    result: &mut [T],
    stride: usize,
    factors: &[T],
    factor_stride: usize,
    rows: usize,
    vectors: &[T],
) {
    let lines = stride / LANES;
    let vectors: &[Line<T>] = vectors.as_chunks().0;
    let mut row = 0;
    while row < rows {
        let count = TILE.min(rows - row);
        let mut line = 0;
        while line < lines {
            let wide = line + 1 < lines;
            let at = |r: usize| (row + r) * stride + line * LANES;
            let steps = factors.chunks_exact(factor_stride);
            let steps = steps.zip(vectors.chunks_exact(lines));
            // Factors beyond the last row are summed too where there are any, and left behind.
            let sums = match (wide, row + TILE <= factor_stride) {
                (true, true) => {
                    tile2::<T, L>(steps.map(|(f, a)| (first(&f[row..]), &a[line], &a[line + 1])))
                }
                (false, true) => tile1::<T, L>(steps.map(|(f, a)| (first(&f[row..]), &a[line]))),
                _ => {
                    let mut padded = [T::ZERO; TILE];
                    let mut sums = [[[T::ZERO; LANES]; 2]; TILE];
                    for (f, a) in steps {
                        padded[..count].copy_from_slice(&f[row..row + count]);
                        for (sums, f) in sums.iter_mut().zip(padded) {
                            let f = L::Lanes::splat(f);
                            for (k, sum) in sums.iter_mut().enumerate().take(1 + usize::from(wide))
                            {
                                f.fma(L::Lanes::load(&a[line + k]), L::Lanes::load(sum))
                                    .store(sum);
                            }
                        }
                    }
                    sums
                }
            };
            for (r, sums) in sums.iter().enumerate().take(count) {
                let at = at(r);
                for (k, sum) in sums.iter().enumerate().take(1 + usize::from(wide)) {
                    let out = &mut result[at + k * LANES..at + (k + 1) * LANES];
                    out.iter_mut().zip(sum).for_each(|(o, s)| *o += *s);
                }
            }
            line += 2;
        }
        row += count;
    }
}

#[inline(always)]
fn first<T: Copy>(values: &[T]) -> &[T; TILE] {
    match values.first_chunk() {
        Some(chunk) => chunk,
        None => unreachable!("a whole tile was asked for"),
    }
}

/// Eight rows and two lines of sums, all in registers.
#[inline(always)]
fn tile2<'a, T: Scalar, L: Level>(
    steps: impl Iterator<Item = (&'a [T; TILE], &'a Line<T>, &'a Line<T>)>,
) -> [[Line<T>; 2]; TILE] {
    // Names, not arrays: an array indexed in a loop would live in memory.
    let z = L::Lanes::<T>::splat(T::ZERO);
    let (mut a0, mut a1, mut a2, mut a3, mut a4, mut a5, mut a6, mut a7) = (z, z, z, z, z, z, z, z);
    let (mut b0, mut b1, mut b2, mut b3, mut b4, mut b5, mut b6, mut b7) = (z, z, z, z, z, z, z, z);
    for (f, x, y) in steps {
        let (x, y) = (L::Lanes::load(x), L::Lanes::load(y));
        let s = L::Lanes::splat(f[0]);
        (a0, b0) = (s.fma(x, a0), s.fma(y, b0));
        let s = L::Lanes::splat(f[1]);
        (a1, b1) = (s.fma(x, a1), s.fma(y, b1));
        let s = L::Lanes::splat(f[2]);
        (a2, b2) = (s.fma(x, a2), s.fma(y, b2));
        let s = L::Lanes::splat(f[3]);
        (a3, b3) = (s.fma(x, a3), s.fma(y, b3));
        let s = L::Lanes::splat(f[4]);
        (a4, b4) = (s.fma(x, a4), s.fma(y, b4));
        let s = L::Lanes::splat(f[5]);
        (a5, b5) = (s.fma(x, a5), s.fma(y, b5));
        let s = L::Lanes::splat(f[6]);
        (a6, b6) = (s.fma(x, a6), s.fma(y, b6));
        let s = L::Lanes::splat(f[7]);
        (a7, b7) = (s.fma(x, a7), s.fma(y, b7));
    }
    let pairs = [
        (a0, b0),
        (a1, b1),
        (a2, b2),
        (a3, b3),
        (a4, b4),
        (a5, b5),
        (a6, b6),
        (a7, b7),
    ];
    pairs.map(|(a, b)| {
        let mut lines = [[T::ZERO; LANES]; 2];
        a.store(&mut lines[0]);
        b.store(&mut lines[1]);
        lines
    })
}

/// Eight rows and one line of sums, for the last line of an odd number.
#[inline(always)]
fn tile1<'a, T: Scalar, L: Level>(
    steps: impl Iterator<Item = (&'a [T; TILE], &'a Line<T>)>,
) -> [[Line<T>; 2]; TILE] {
    let z = L::Lanes::<T>::splat(T::ZERO);
    let (mut a0, mut a1, mut a2, mut a3, mut a4, mut a5, mut a6, mut a7) = (z, z, z, z, z, z, z, z);
    for (f, x) in steps {
        let x = L::Lanes::load(x);
        a0 = L::Lanes::splat(f[0]).fma(x, a0);
        a1 = L::Lanes::splat(f[1]).fma(x, a1);
        a2 = L::Lanes::splat(f[2]).fma(x, a2);
        a3 = L::Lanes::splat(f[3]).fma(x, a3);
        a4 = L::Lanes::splat(f[4]).fma(x, a4);
        a5 = L::Lanes::splat(f[5]).fma(x, a5);
        a6 = L::Lanes::splat(f[6]).fma(x, a6);
        a7 = L::Lanes::splat(f[7]).fma(x, a7);
    }
    [a0, a1, a2, a3, a4, a5, a6, a7].map(|a| {
        let mut lines = [[T::ZERO; LANES]; 2];
        a.store(&mut lines[0]);
        lines
    })
}

/// result += Σ_t f(t) a(t)ᵀ: `factors` has `factor_stride` numbers a step, of which the first `rows` count, `vectors` has
/// `stride` a step, padding included, as every row of `result`.
pub fn add_outer_sum<T: Scalar>(
    simd: Simd,
    result: &mut [T],
    stride: usize,
    factors: &[T],
    factor_stride: usize,
    rows: usize,
    vectors: &[T],
) {
    simd.run_lanes(OuterSum {
        result,
        stride,
        factors,
        factor_stride,
        rows,
        vectors,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Streams;

    #[test]
    fn equals_one_outer_product_after_another() {
        let mut stream = Streams::new(1).stream("test", 0);
        // Strides that leave room for whole tiles, and some that do not.
        for (rows, lines, steps, room) in [
            (8, 2, 5, 2),
            (3, 1, 7, 2),
            (3, 1, 7, 13),
            (30, 2, 6, 2),
            (19, 3, 4, 5),
            (19, 3, 4, 2),
            (16, 4, 1, 0),
            (9, 5, 0, 7),
        ] {
            let (stride, factor_stride) = (lines * LANES, rows + room);
            let mut draw =
                |count: usize| -> Vec<f64> { (0..count).map(|_| stream.normal()).collect() };
            let (factors, vectors) = (draw(steps * factor_stride), draw(steps * stride));
            let mut got = draw(rows * stride);
            let mut expected = got.clone();
            for t in 0..steps {
                for i in 0..rows {
                    for j in 0..stride {
                        expected[i * stride + j] +=
                            factors[t * factor_stride + i] * vectors[t * stride + j];
                    }
                }
            }
            add_outer_sum(
                Simd::detect(),
                &mut got,
                stride,
                &factors,
                factor_stride,
                rows,
                &vectors,
            );
            for (g, e) in got.iter().zip(&expected) {
                assert!(
                    (g - e).abs() < 1e-12 * (1.0 + e.abs()),
                    "{rows} {lines} {steps}"
                );
            }
        }
    }
}
