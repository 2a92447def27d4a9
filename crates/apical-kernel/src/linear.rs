//! Matrix–vector products, outer products and the descent step.

use super::descent::descend_line;
use super::lanes::{Line, lines, lines_mut};
use super::{LANES, LaneKernel, Lanes, Level, Matrix, Simd, padded};
use crate::Number;

struct Product<'a, T> {
    matrix: &'a [T],
    stride: usize,
    vector: &'a [T],
    result: &'a mut [T],
}

impl<T: Number> LaneKernel for Product<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let vector = lines(&self.vector[..self.stride]);
        multiply_rows::<T, L, false>(self.matrix, vector, self.result, &mut []);
    }
}

/// Each row times the vector; with `SUM` the rows are added to `sums`, one after another, as they are read.
#[inline(always)]
pub(super) fn multiply_rows<T: Number, L: Level, const SUM: bool>(
    matrix: &[T],
    vector: &[Line<T>],
    result: &mut [T],
    sums: &mut [Line<T>],
) {
    // Four rows at a time: each line of the vector is loaded once for four products.
    const ROWS: usize = 4;
    let stride = vector.len() * LANES;
    let sums = &mut sums[..if SUM { vector.len() } else { 0 }];
    let zero = L::Lanes::<T>::splat(T::ZERO);
    let (blocks, rest) = result.as_chunks_mut::<ROWS>();
    let (matrix, last) = matrix.split_at(blocks.len() * ROWS * stride);
    for (y, band) in blocks.iter_mut().zip(matrix.chunks_exact(ROWS * stride)) {
        let (r0, band) = band.split_at(stride);
        let (r1, band) = band.split_at(stride);
        let (r2, r3) = band.split_at(stride);
        let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
        let rows = lines(r0)
            .iter()
            .zip(lines(r1))
            .zip(lines(r2))
            .zip(lines(r3));
        for (k, ((((a, b), c), d), x)) in rows.zip(vector).enumerate() {
            let (a, b) = (L::Lanes::load(a), L::Lanes::load(b));
            let (c, d) = (L::Lanes::load(c), L::Lanes::load(d));
            let x = L::Lanes::load(x);
            s0 = a.fma(x, s0);
            s1 = b.fma(x, s1);
            s2 = c.fma(x, s2);
            s3 = d.fma(x, s3);
            if SUM {
                let total = L::Lanes::load(&sums[k]).add(a).add(b).add(c).add(d);
                total.store(&mut sums[k]);
            }
        }
        *y = L::Lanes::sums([s0, s1, s2, s3]);
    }
    for (y, row) in rest.iter_mut().zip(last.chunks_exact(stride)) {
        *y = along::<T, L>(lines(row), vector);
        for (sum, w) in sums.iter_mut().zip(lines(row)) {
            L::Lanes::load(sum).add(L::Lanes::load(w)).store(sum);
        }
    }
}

#[inline(always)]
fn along<T: Number, L: Level>(a: &[Line<T>], b: &[Line<T>]) -> T {
    let mut sum = L::Lanes::<T>::splat(T::ZERO);
    for (a, b) in a.iter().zip(b) {
        sum = L::Lanes::load(a).fma(L::Lanes::load(b), sum);
    }
    sum.sum()
}

/// y = W x for the rows in `matrix`.
///
/// `vector` must reach to the end of the padding; `result` has one number a row.
#[inline]
pub fn product<T: Number>(simd: Simd, matrix: &[T], stride: usize, vector: &[T], result: &mut [T]) {
    simd.run_lanes(Product {
        matrix,
        stride,
        vector,
        result,
    });
}

struct AddTransposed<'a, T> {
    matrix: &'a [T],
    stride: usize,
    factors: &'a [T],
    result: &'a mut [T],
}

impl<T: Number> LaneKernel for AddTransposed<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        // Four rows at a time: each line of the result is read and written once for four rows.
        const ROWS: usize = 4;
        let Self {
            matrix,
            stride,
            factors,
            result,
        } = self;
        let (whole, tail) = result.as_chunks_mut::<LANES>();
        let done = whole.len() * LANES;
        let (blocks, rest) = factors.as_chunks::<ROWS>();
        for (block, f) in blocks.iter().enumerate() {
            let band = &matrix[block * ROWS * stride..][..ROWS * stride];
            let (r0, band) = band.split_at(stride);
            let (r1, band) = band.split_at(stride);
            let (r2, r3) = band.split_at(stride);
            let (f0, f1) = (L::Lanes::splat(f[0]), L::Lanes::splat(f[1]));
            let (f2, f3) = (L::Lanes::splat(f[2]), L::Lanes::splat(f[3]));
            let rows = lines(r0)
                .iter()
                .zip(lines(r1))
                .zip(lines(r2))
                .zip(lines(r3));
            for ((((a, b), c), d), y) in rows.zip(whole.iter_mut()) {
                let low = f0.fma(L::Lanes::load(a), L::Lanes::load(y));
                let low = f1.fma(L::Lanes::load(b), low);
                let low = f2.fma(L::Lanes::load(c), low);
                f3.fma(L::Lanes::load(d), low).store(y);
            }
            for (j, y) in tail.iter_mut().enumerate() {
                let j = done + j;
                let low = L::fma(f[1], r1[j], L::fma(f[0], r0[j], *y));
                *y = L::fma(f[3], r3[j], L::fma(f[2], r2[j], low));
            }
        }
        let first = factors.len() - rest.len();
        for (row, &f) in rest.iter().enumerate() {
            let row = &matrix[(first + row) * stride..][..stride];
            let factor = L::Lanes::splat(f);
            for (w, y) in lines(row).iter().zip(whole.iter_mut()) {
                factor.fma(L::Lanes::load(w), L::Lanes::load(y)).store(y);
            }
            for (w, y) in row[done..].iter().zip(tail.iter_mut()) {
                *y = L::fma(f, *w, *y);
            }
        }
    }
}

/// y += Wᵀ f, one factor a row; as many columns as `result` has numbers.
#[inline]
pub fn add_transposed<T: Number>(
    simd: Simd,
    matrix: &[T],
    stride: usize,
    factors: &[T],
    result: &mut [T],
) {
    simd.run_lanes(AddTransposed {
        matrix,
        stride,
        factors,
        result,
    });
}

struct Outer<'a, T, const ADD: bool> {
    matrix: &'a mut [T],
    stride: usize,
    scale: T,
    column: &'a [T],
    row: &'a [T],
}

impl<T: Number, const ADD: bool> LaneKernel for Outer<'_, T, ADD> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let vector = lines(&self.row[..self.stride]);
        for (row, c) in self.matrix.chunks_exact_mut(self.stride).zip(self.column) {
            let factor = L::Lanes::splat(self.scale * *c);
            for (w, x) in lines_mut(row).iter_mut().zip(vector) {
                let x = L::Lanes::load(x);
                let new = if ADD {
                    factor.fma(x, L::Lanes::load(w))
                } else {
                    factor.mul(x)
                };
                new.store(w);
            }
        }
    }
}

/// G += scale · c aᵀ, one number of `column` a row.
#[inline]
pub fn add_outer<T: Number>(
    simd: Simd,
    matrix: &mut [T],
    stride: usize,
    scale: T,
    column: &[T],
    row: &[T],
) {
    simd.run_lanes(Outer::<T, true> {
        matrix,
        stride,
        scale,
        column,
        row,
    });
}

/// G = scale · c aᵀ.
#[inline]
pub fn outer<T: Number>(
    simd: Simd,
    matrix: &mut [T],
    stride: usize,
    scale: T,
    column: &[T],
    row: &[T],
) {
    simd.run_lanes(Outer::<T, false> {
        matrix,
        stride,
        scale,
        column,
        row,
    });
}

struct Descend<'a, T> {
    weights: &'a mut [T],
    gradient: &'a mut [T],
    rate: &'a [T],
    decay: &'a [T],
    scale: T,
}

impl<T: Number> LaneKernel for Descend<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let stride = self.rate.len();
        let (rate, decay) = (lines(self.rate), lines(self.decay));
        let scale = L::Lanes::splat(self.scale);
        let zero = L::Lanes::splat(T::ZERO);
        let rows = self.weights.chunks_exact_mut(stride);
        for (w, g) in rows.zip(self.gradient.chunks_exact_mut(stride)) {
            let row = lines_mut(w)
                .iter_mut()
                .zip(lines_mut(g))
                .zip(rate)
                .zip(decay);
            for (((w, g), rate), decay) in row {
                descend_line(w, scale.mul(L::Lanes::load(g)), rate, decay);
                zero.store(g);
            }
        }
    }
}

/// w ← w − rate ∘ (scale · g + decay ∘ w) column by column, then g ← 0, in one pass.
#[inline]
pub fn descend<T: Number>(
    simd: Simd,
    weights: &mut Matrix<T>,
    gradient: &mut Matrix<T>,
    rate: &[T],
    decay: &[T],
    scale: T,
) {
    debug_assert_eq!(rate.len(), weights.stride());
    simd.run_lanes(Descend {
        weights: weights.data_mut(),
        gradient: gradient.data_mut(),
        rate,
        decay,
        scale,
    });
}

struct Dot<'a, T>(&'a [T], &'a [T]);

impl<T: Number> LaneKernel for Dot<'_, T> {
    type Output = T;
    #[inline(always)]
    fn run<L: Level>(self) -> T {
        along::<T, L>(lines(self.0), lines(self.1))
    }
}

/// Σ a_j b_j over whole lines.
#[inline]
pub fn dot<T: Number>(simd: Simd, a: &[T], b: &[T]) -> T {
    debug_assert_eq!(a.len(), padded(a.len()));
    simd.run_lanes(Dot(a, b))
}

/// Σ a_j² over whole lines.
#[inline]
pub fn squared_norm<T: Number>(simd: Simd, values: &[T]) -> T {
    dot(simd, values, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matrix(rows: usize, columns: usize, values: &[f64]) -> Matrix<f64> {
        let mut m = Matrix::zeros(rows, columns);
        for i in 0..rows {
            for (j, w) in m.row_mut(i).iter_mut().enumerate() {
                *w = values[(i * columns + j * 7 + 3) % values.len()];
            }
        }
        m
    }

    fn vector(len: usize, values: &[f64]) -> Vec<f64> {
        let mut v = vec![0.0; padded(len)];
        for (j, x) in v[..len].iter_mut().enumerate() {
            *x = values[(5 * j + 1) % values.len()];
        }
        v
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * (1.0 + a.abs().max(b.abs()))
    }

    proptest! {
        // Each kernel against a naive loop, for every instruction set of this machine.
        #[test]
        fn kernels_equal_naive_loops(
            rows in 1usize..23,
            columns in 1usize..50,
            values in prop::collection::vec(-2.0f64..2.0, 31..97),
        ) {
            let w = matrix(rows, columns, &values);
            let x = vector(columns, &values);
            let f = vector(rows, &values);
            for simd in Simd::all() {
                let mut y = vec![0.0; rows];
                product(simd, w.data(), w.stride(), &x, &mut y);
                for (i, y) in y.iter().enumerate() {
                    let naive: f64 = w.row(i).iter().zip(&x).map(|(a, b)| a * b).sum();
                    prop_assert!(close(*y, naive));
                }
                // Rows summed four at a time and alone have the same bits.
                for (i, y) in y.iter().enumerate() {
                    prop_assert_eq!(*y, dot(simd, w.band(i, 1), &x));
                    let short = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<_>>();
                    let (rows, x) = (short(w.data()), short(&x));
                    let mut together = vec![0.0; w.rows()];
                    product(simd, &rows, w.stride(), &x, &mut together);
                    let alone = dot(simd, &rows[i * w.stride()..][..w.stride()], &x);
                    prop_assert_eq!(together[i], alone);
                }
                let mut back = vec![0.25; columns];
                add_transposed(simd, w.data(), w.stride(), &f[..rows], &mut back);
                for (j, b) in back.iter().enumerate() {
                    let naive = 0.25 + (0..rows).map(|i| f[i] * w.row(i)[j]).sum::<f64>();
                    prop_assert!(close(*b, naive));
                }
                let stride = w.stride();
                let mut g = w.clone();
                add_outer(simd, g.data_mut(), stride, 0.5, &f[..rows], &x);
                let mut set = w.clone();
                outer(simd, set.data_mut(), stride, 0.5, &f[..rows], &x);
                for (i, f) in f[..rows].iter().enumerate() {
                    for (j, x) in x[..columns].iter().enumerate() {
                        prop_assert!(close(g.row(i)[j], w.row(i)[j] + 0.5 * f * x));
                        prop_assert!(close(set.row(i)[j], 0.5 * f * x));
                    }
                }
                let (rate, decay) = (vector(columns, &values), vector(columns, &values[1..]));
                let (mut moved, mut gradient) = (w.clone(), g.clone());
                descend(simd, &mut moved, &mut gradient, &rate, &decay, 0.3);
                for i in 0..rows {
                    for j in 0..columns {
                        let old = w.row(i)[j];
                        let naive = old - rate[j] * (0.3 * g.row(i)[j] + decay[j] * old);
                        prop_assert!(close(moved.row(i)[j], naive));
                    }
                }
                prop_assert!(gradient.data().iter().all(|g| *g == 0.0));
                prop_assert!(close(squared_norm(simd, &x), x.iter().map(|x| x * x).sum()));
            }
        }
    }
}
