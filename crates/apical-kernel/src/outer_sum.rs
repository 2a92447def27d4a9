//! G += Σ_t f(t) a(t)ᵀ over many steps at once: the matrix product behind learning at the end of trials.

use super::lanes::{Line, line_at, line_at_mut, lines};
use super::{LANES, LaneKernel, Lanes, Level, Simd};
use crate::Number;

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

impl<T: Number> LaneKernel for OuterSum<'_, T> {
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
        let length = cached_steps(factor_stride, stride);
        let factors = self.factors.chunks(length * factor_stride);
        for (factors, vectors) in factors.zip(self.vectors.chunks(length * stride)) {
            block::<T, L>(result, stride, factors, factor_stride, rows, vectors);
        }
    }
}

#[inline(always)]
fn block<T: Number, L: Level>(
    result: &mut [T],
    stride: usize,
    factors: &[T],
    factor_stride: usize,
    rows: usize,
    vectors: &[T],
) {
    let steps = Steps {
        factors,
        factor_stride,
        vectors: lines(vectors),
        lines: stride / LANES,
    };
    let mut row = 0;
    while row < rows {
        // As many rows and lines of sums as the registers have room for.
        let (count, width) = match rows - row {
            8.. if L::Lanes::<T>::ROOM > 16 => (8, 2),
            4.. => (4, 1),
            _ => (1, 2),
        };
        let mut line = 0;
        while line < steps.lines {
            let out = &mut result[row * stride + line * LANES..];
            let wide = width.min(steps.lines - line);
            match (count, wide) {
                (8, 2) => tile8x2::<T, L>(out, stride, steps, row, line),
                (8, _) => tile8::<T, L>(out, stride, steps, row, line),
                (4, _) => tile4::<T, L>(out, stride, steps, row, line),
                (_, 2) => tile1x2::<T, L>(out, stride, steps, row, line),
                _ => tile1::<T, L>(out, stride, steps, row, line),
            }
            line += wide;
        }
        row += count;
    }
}

/// Factors and vectors of some steps.
#[derive(Clone, Copy)]
struct Steps<'a, T> {
    factors: &'a [T],
    factor_stride: usize,
    vectors: &'a [Line<T>],
    lines: usize,
}

/// Sums over all steps for some rows and lines, in registers from the first step to the last: of each line its place, and of each
/// of its rows the place and a name. Names, not arrays: an array indexed in a loop would live in memory.
macro_rules! tile {
    ($name:ident, $rows:literal: $($l:literal $x:ident [$($r:literal $sum:ident),*]),*) => {
        #[inline(always)]
        fn $name<T: Number, L: Level>(
            out: &mut [T],
            stride: usize,
            steps: Steps<'_, T>,
            row: usize,
            line: usize,
        ) {
            $($(let mut $sum = L::Lanes::load(line_at(out, $r * stride + $l * LANES));)*)*
            let factors = steps.factors.chunks_exact(steps.factor_stride);
            for (f, a) in factors.zip(steps.vectors.chunks_exact(steps.lines)) {
                let f = &f[row..row + $rows];
                $(let $x = L::Lanes::load(&a[line + $l]);)*
                $($($sum = L::Lanes::splat(f[$r]).fma($x, $sum);)*)*
            }
            $($($sum.store(line_at_mut(out, $r * stride + $l * LANES));)*)*
        }
    };
}

tile!(tile8x2, 8: 0 x [0 a0, 1 a1, 2 a2, 3 a3, 4 a4, 5 a5, 6 a6, 7 a7], 1 y [0 b0, 1 b1, 2 b2, 3 b3, 4 b4, 5 b5, 6 b6, 7 b7]);
tile!(tile8, 8: 0 x [0 a0, 1 a1, 2 a2, 3 a3, 4 a4, 5 a5, 6 a6, 7 a7]);
tile!(tile4, 4: 0 x [0 a0, 1 a1, 2 a2, 3 a3]);
tile!(tile1x2, 1: 0 x [0 a0], 1 y [0 b0]);
tile!(tile1, 1: 0 x [0 a0]);

/// How many steps of factors and vectors of these lengths stay in the cache.
pub fn cached_steps(factor_stride: usize, stride: usize) -> usize {
    (BLOCK / (factor_stride + stride)).max(1)
}

/// result += Σ_t f(t) a(t)ᵀ: `factors` has `factor_stride` numbers a step, of which the first `rows` count, `vectors` has
/// `stride` a step, padding included, as every row of `result`.
pub fn add_outer_sum<T: Number>(
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
    use crate::draws::Draws;

    #[test]
    fn equals_one_outer_product_after_another() {
        for simd in Simd::all() {
            sums_are_right::<f64>(simd, 1e-12);
            sums_are_right::<f32>(simd, 1e-5);
        }
    }

    fn sums_are_right<T: Number>(simd: Simd, tolerance: f64) {
        let mut stream = Draws::new(1);
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
                |count: usize| -> Vec<T> { (0..count).map(|_| T::of(stream.next())).collect() };
            let (factors, vectors) = (draw(steps * factor_stride), draw(steps * stride));
            let mut got = draw(rows * stride);
            let mut expected: Vec<f64> = got.iter().map(|g| g.f64()).collect();
            for t in 0..steps {
                for i in 0..rows {
                    for j in 0..stride {
                        expected[i * stride + j] +=
                            factors[t * factor_stride + i].f64() * vectors[t * stride + j].f64();
                    }
                }
            }
            add_outer_sum(
                simd,
                &mut got,
                stride,
                &factors,
                factor_stride,
                rows,
                &vectors,
            );
            for (g, e) in got.iter().zip(&expected) {
                assert!(
                    (g.f64() - e).abs() < tolerance * (1.0 + e.abs()),
                    "{} {rows} {lines} {steps}",
                    simd.name()
                );
            }
        }
    }
}
