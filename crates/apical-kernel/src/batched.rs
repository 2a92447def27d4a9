//! The products of [`product`](super::product) and [`add_transposed`](super::add_transposed) for a whole batch, bit for bit
//! what they give sample by sample: weights are read once for several samples, and sums stay in registers.

use super::lanes::{Line, line_at, line_at_mut, lines};
use super::{LANES, LaneKernel, Lanes, Level, Simd, separate};
use crate::Number;

/// A matrix in memory: numbers and the distance between rows.
#[derive(Clone, Copy)]
pub struct Rows<'a, T> {
    /// Row after row, padding included.
    pub data: &'a [T],
    /// Distance between rows.
    pub stride: usize,
}

impl<'a, T> Rows<'a, T> {
    #[inline(always)]
    fn row(&self, i: usize, length: usize) -> &'a [T] {
        &self.data[i * self.stride..][..length]
    }
}

struct Products<'a, T> {
    matrix: Rows<'a, T>,
    rows: usize,
    vectors: Rows<'a, T>,
    samples: usize,
    result: &'a mut [T],
    result_stride: usize,
}

impl<T: Number> LaneKernel for Products<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self {
            matrix,
            rows,
            vectors,
            samples,
            result,
            result_stride,
        } = self;
        let length = matrix.stride;
        let mut i = 0;
        while i + 4 <= rows {
            let w = four(matrix, i, length);
            let mut b = 0;
            // Without room for sixteen sums two rows times three vectors are what the registers hold.
            while L::Lanes::<T>::ROOM == 8 && b + 3 <= samples {
                let x = [
                    lines(vectors.row(b, length)),
                    lines(vectors.row(b + 1, length)),
                    lines(vectors.row(b + 2, length)),
                ];
                let sums = small_tiles::<T, L>(w, x);
                for (k, sums) in sums.iter().enumerate() {
                    result[(b + k) * result_stride + i..][..4].copy_from_slice(sums);
                }
                b += 3;
            }
            while L::Lanes::<T>::ROOM > 8 && b + 4 <= samples {
                let sums = tile::<T, L>(w, four(vectors, b, length));
                for (k, sums) in sums.iter().enumerate() {
                    result[(b + k) * result_stride + i..][..4].copy_from_slice(sums);
                }
                b += 4;
            }
            while b < samples {
                let x = lines(vectors.row(b, length));
                let zero = L::Lanes::<T>::splat(T::ZERO);
                let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
                let rows = w[0].iter().zip(w[1]).zip(w[2]).zip(w[3]);
                for ((((a, b), c), d), x) in rows.zip(x) {
                    let x = L::Lanes::load(x);
                    s0 = L::Lanes::load(a).fma(x, s0);
                    s1 = L::Lanes::load(b).fma(x, s1);
                    s2 = L::Lanes::load(c).fma(x, s2);
                    s3 = L::Lanes::load(d).fma(x, s3);
                }
                let sums = L::Lanes::sums([s0, s1, s2, s3]);
                result[b * result_stride + i..][..4].copy_from_slice(&sums);
                b += 1;
            }
            i += 4;
        }
        while i < rows {
            let w = lines(matrix.row(i, length));
            for b in 0..samples {
                let mut sum = L::Lanes::<T>::splat(T::ZERO);
                for (w, x) in w.iter().zip(lines(vectors.row(b, length))) {
                    sum = L::Lanes::load(w).fma(L::Lanes::load(x), sum);
                }
                result[b * result_stride + i] = sum.sum();
            }
            i += 1;
        }
    }
}

/// Four rows, without a closure: it would be compiled for the baseline, and called.
#[inline(always)]
fn four<T>(rows: Rows<'_, T>, i: usize, length: usize) -> [&[Line<T>]; 4] {
    [
        lines(rows.row(i, length)),
        lines(rows.row(i + 1, length)),
        lines(rows.row(i + 2, length)),
        lines(rows.row(i + 3, length)),
    ]
}

/// Four rows times four vectors: one row of sums a vector.
#[inline(always)]
fn tile<T: Number, L: Level>(w: [&[Line<T>]; 4], x: [&[Line<T>]; 4]) -> [[T; 4]; 4] {
    // Names, not arrays: an array indexed in a loop would live in memory.
    let z = L::Lanes::<T>::splat(T::ZERO);
    let (mut a0, mut a1, mut a2, mut a3) = (z, z, z, z);
    let (mut b0, mut b1, mut b2, mut b3) = (z, z, z, z);
    let (mut c0, mut c1, mut c2, mut c3) = (z, z, z, z);
    let (mut d0, mut d1, mut d2, mut d3) = (z, z, z, z);
    let rows = w[0].iter().zip(w[1]).zip(w[2]).zip(w[3]);
    let vectors = x[0].iter().zip(x[1]).zip(x[2]).zip(x[3]);
    for ((((w0, w1), w2), w3), (((p, q), r), s)) in rows.zip(vectors) {
        let (w0, w1) = (L::Lanes::load(w0), L::Lanes::load(w1));
        let (w2, w3) = (L::Lanes::load(w2), L::Lanes::load(w3));
        let x = L::Lanes::load(p);
        (a0, a1, a2, a3) = (w0.fma(x, a0), w1.fma(x, a1), w2.fma(x, a2), w3.fma(x, a3));
        let x = L::Lanes::load(q);
        (b0, b1, b2, b3) = (w0.fma(x, b0), w1.fma(x, b1), w2.fma(x, b2), w3.fma(x, b3));
        let x = L::Lanes::load(r);
        (c0, c1, c2, c3) = (w0.fma(x, c0), w1.fma(x, c1), w2.fma(x, c2), w3.fma(x, c3));
        let x = L::Lanes::load(s);
        (d0, d1, d2, d3) = (w0.fma(x, d0), w1.fma(x, d1), w2.fma(x, d2), w3.fma(x, d3));
    }
    [
        L::Lanes::sums([a0, a1, a2, a3]),
        L::Lanes::sums([b0, b1, b2, b3]),
        L::Lanes::sums([c0, c1, c2, c3]),
        L::Lanes::sums([d0, d1, d2, d3]),
    ]
}

/// Four rows times three vectors, two rows at a time: one row of sums a vector.
#[inline(always)]
fn small_tiles<T: Number, L: Level>(w: [&[Line<T>]; 4], x: [&[Line<T>]; 3]) -> [[T; 4]; 3] {
    let (a0, a1, b0, b1, c0, c1) = small_tile::<T, L>(w[0], w[1], x);
    let (a2, a3, b2, b3, c2, c3) = small_tile::<T, L>(w[2], w[3], x);
    [
        L::Lanes::sums([a0, a1, a2, a3]),
        L::Lanes::sums([b0, b1, b2, b3]),
        L::Lanes::sums([c0, c1, c2, c3]),
    ]
}

type Six<T> = (T, T, T, T, T, T);

#[inline(always)]
fn small_tile<T: Number, L: Level>(
    w0: &[Line<T>],
    w1: &[Line<T>],
    x: [&[Line<T>]; 3],
) -> Six<L::Lanes<T>> {
    let z = L::Lanes::<T>::splat(T::ZERO);
    let (mut a0, mut a1, mut b0, mut b1, mut c0, mut c1) = (z, z, z, z, z, z);
    let vectors = x[0].iter().zip(x[1]).zip(x[2]);
    for ((w0, w1), ((p, q), r)) in w0.iter().zip(w1).zip(vectors) {
        let (w0, w1) = (L::Lanes::load(w0), L::Lanes::load(w1));
        let x = L::Lanes::load(p);
        (a0, a1) = (w0.fma(x, a0), w1.fma(x, a1));
        let x = L::Lanes::load(q);
        (b0, b1) = (w0.fma(x, b0), w1.fma(x, b1));
        let x = L::Lanes::load(r);
        (c0, c1) = (w0.fma(x, c0), w1.fma(x, c1));
    }
    (a0, a1, b0, b1, c0, c1)
}

/// Y = X Wᵀ: for every sample b, y_b = W x_b with the first `rows` rows of W. Vectors must reach to the end of W's padding.
pub fn products<T: Number>(
    simd: Simd,
    matrix: Rows<'_, T>,
    rows: usize,
    vectors: Rows<'_, T>,
    samples: usize,
    result: &mut [T],
    result_stride: usize,
) {
    simd.run_lanes(Products {
        matrix,
        rows,
        vectors,
        samples,
        result,
        result_stride,
    });
}

struct AddTransposedProducts<'a, T> {
    matrix: Rows<'a, T>,
    rows: usize,
    factors: Rows<'a, T>,
    samples: usize,
    result: &'a mut [T],
    result_stride: usize,
    columns: usize,
}

impl<T: Number> LaneKernel for AddTransposedProducts<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self {
            matrix,
            rows,
            factors,
            samples,
            result,
            result_stride,
            columns,
        } = self;
        let lines = columns.div_ceil(LANES);
        let mut b = 0;
        while b < samples {
            // As many samples and lines of columns as the registers have room for.
            let (count, width) = match samples - b {
                8.. if L::Lanes::<T>::ROOM > 16 => (8, 2),
                4.. => (4, 1),
                _ => (1, 2),
            };
            let mut line = 0;
            while line < lines {
                let at = line * LANES;
                let wide = width.min(lines - line);
                match (count, wide) {
                    (8, 2) => tile8x2::<T, L>(matrix, rows, factors, b, at, result, result_stride),
                    (8, _) => tile8::<T, L>(matrix, rows, factors, b, at, result, result_stride),
                    (4, _) => tile4::<T, L>(matrix, rows, factors, b, at, result, result_stride),
                    (_, 2) => tile1x2::<T, L>(matrix, rows, factors, b, at, result, result_stride),
                    _ => tile1::<T, L>(matrix, rows, factors, b, at, result, result_stride),
                }
                line += wide;
            }
            b += count;
        }
    }
}

/// Some samples and lines of columns, all sums in registers: of each line its place, and of each of its samples the place and a
/// name. Names, not arrays: an array indexed in a loop would live in memory.
macro_rules! tile {
    ($name:ident, $samples:literal: $($l:literal $x:ident [$($k:literal $sum:ident),*]),*) => {
        #[inline(always)]
        fn $name<T: Number, L: Level>(
            matrix: Rows<'_, T>,
            rows: usize,
            factors: Rows<'_, T>,
            b: usize,
            at: usize,
            result: &mut [T],
            stride: usize,
        ) {
            $($(let mut $sum = L::Lanes::load(line_at(result, (b + $k) * stride + at + $l * LANES));)*)*
            let mut f = [&[][..]; $samples];
            for (k, f) in f.iter_mut().enumerate() {
                *f = factors.row(b + k, rows);
            }
            #[allow(clippy::needless_range_loop, reason = "several lists at the same place")]
            for j in 0..rows {
                let row = j * matrix.stride + at;
                $(let $x = L::Lanes::load(line_at(matrix.data, row + $l * LANES));)*
                $($($sum = L::Lanes::splat(f[$k][j]).fma($x, $sum);)*)*
            }
            $($($sum.store(line_at_mut(result, (b + $k) * stride + at + $l * LANES));)*)*
        }
    };
}

tile!(tile8x2, 8: 0 x [0 a0, 1 a1, 2 a2, 3 a3, 4 a4, 5 a5, 6 a6, 7 a7], 1 y [0 b0, 1 b1, 2 b2, 3 b3, 4 b4, 5 b5, 6 b6, 7 b7]);
tile!(tile8, 8: 0 x [0 a0, 1 a1, 2 a2, 3 a3, 4 a4, 5 a5, 6 a6, 7 a7]);
tile!(tile4, 4: 0 x [0 a0, 1 a1, 2 a2, 3 a3]);
tile!(tile1x2, 1: 0 x [0 a0], 1 y [0 b0]);
tile!(tile1, 1: 0 x [0 a0]);

/// Y += F W: for every sample b, y_b += Wᵀ f_b, with the first `rows` rows of W and its first `columns` columns; the padding of
/// Y up to whole lines receives what W has there.
#[allow(clippy::too_many_arguments)]
pub fn add_transposed_products<T: Number>(
    simd: Simd,
    matrix: Rows<'_, T>,
    rows: usize,
    columns: usize,
    factors: Rows<'_, T>,
    samples: usize,
    result: &mut [T],
    result_stride: usize,
) {
    simd.run_lanes(AddTransposedProducts {
        matrix,
        rows,
        factors,
        samples,
        result,
        result_stride,
        columns,
    });
}

/// X ← X − C(X Vᵀ) V, with the same bits for every instruction set: `vectors` are the `count` rows of V, each as long as its
/// stride; the rows of X are `samples` parts of `result` as long; `coefficients` turns a row of X Vᵀ into what is taken off.
pub fn take_off(
    simd: Simd,
    vectors: Rows<'_, f64>,
    count: usize,
    result: &mut [f64],
    result_stride: usize,
    samples: usize,
    mut coefficients: impl FnMut(&mut [f64]),
) {
    /// Rows of X that stay in the cache between the two products.
    const SAMPLES: usize = 64;
    let stride = count.next_multiple_of(LANES);
    let mut along = vec![0.0; SAMPLES * stride];
    let mut first = 0;
    while first < samples {
        let samples = SAMPLES.min(samples - first);
        let part = &mut result[first * result_stride..];
        separate::run(
            simd,
            Products {
                matrix: vectors,
                rows: count,
                vectors: Rows {
                    data: part,
                    stride: result_stride,
                },
                samples,
                result: &mut along,
                result_stride: stride,
            },
        );
        for row in along.chunks_exact_mut(stride).take(samples) {
            coefficients(&mut row[..count]);
            row.iter_mut().for_each(|c| *c = -*c);
        }
        separate::run(
            simd,
            AddTransposedProducts {
                matrix: vectors,
                rows: count,
                factors: Rows {
                    data: &along,
                    stride,
                },
                samples,
                result: part,
                result_stride,
                columns: vectors.stride,
            },
        );
        first += samples;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Matrix, add_transposed, product};
    use super::*;
    use crate::draws::Draws;

    fn random<T: Number>(rows: usize, columns: usize, seed: u64) -> Matrix<T> {
        let mut matrix = Matrix::zeros(rows, columns);
        let mut stream = Draws::new(seed);
        for i in 0..rows {
            let row = matrix.row_mut(i).iter_mut();
            row.for_each(|number| *number = T::of(stream.next()));
        }
        matrix
    }

    fn rows<T: Number>(matrix: &Matrix<T>) -> Rows<'_, T> {
        Rows {
            data: matrix.data(),
            stride: matrix.stride(),
        }
    }

    #[test]
    fn a_batch_is_one_sample_after_another_bit_for_bit() {
        batch_is_one_after_another::<f64>();
        batch_is_one_after_another::<f32>();
    }

    fn batch_is_one_after_another<T: Number>() {
        for simd in Simd::all() {
            for (n, m, batch) in [(7, 20, 3), (16, 40, 8), (33, 50, 21), (4, 5, 32), (1, 3, 1)] {
                let (w, x, f) = (
                    random::<T>(n, m, 1),
                    random(batch, m, 2),
                    random(batch, n, 3),
                );
                let mut y = random::<T>(batch, n, 4);
                let stride = y.stride();
                products(simd, rows(&w), n, rows(&x), batch, y.data_mut(), stride);
                let mut back = random::<T>(batch, m, 5);
                let start = back.clone();
                let stride = back.stride();
                let (factors, result) = (rows(&f), back.data_mut());
                add_transposed_products(simd, rows(&w), n, m, factors, batch, result, stride);
                for b in 0..batch {
                    let mut expected = vec![T::ZERO; n];
                    product(simd, w.data(), w.stride(), x.band(b, 1), &mut expected);
                    assert_eq!(y.row(b), expected);
                    let mut expected = start.row(b).to_vec();
                    add_transposed(simd, w.data(), w.stride(), f.row(b), &mut expected);
                    assert_eq!(back.row(b), expected, "{n} {m} {batch}");
                }
            }
        }
    }
}
