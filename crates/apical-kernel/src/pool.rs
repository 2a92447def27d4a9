//! Sums over the rows of each type: alone, and with the product that reads the same matrix.

use super::lanes::{lines, lines_mut};
use super::linear::multiply_rows;
use super::{LaneKernel, Lanes, Level, Simd};
use crate::Number;

struct PoolRows<'a, T> {
    rows: &'a [T],
    stride: usize,
    of: &'a [usize],
    sums: &'a mut [T],
}

impl<T: Number> LaneKernel for PoolRows<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let stride = self.stride;
        let mut from = 0;
        // Rows of one type that lie together: their sums stay in registers, four lines at a time.
        for run in self.of.chunk_by(|a, b| a == b) {
            let rows = &self.rows[from * stride..][..run.len() * stride];
            let sums = lines_mut(&mut self.sums[run[0] * stride..][..stride]);
            let (fours, rest) = sums.as_chunks_mut::<4>();
            let done = 4 * fours.len();
            for (k, [a, b, c, d]) in fours.iter_mut().enumerate() {
                let (mut p, mut q) = (L::Lanes::load(a), L::Lanes::load(b));
                let (mut r, mut s) = (L::Lanes::load(c), L::Lanes::load(d));
                for row in rows.chunks_exact(stride) {
                    let row = &lines(row)[4 * k..][..4];
                    p = p.add(L::Lanes::load(&row[0]));
                    q = q.add(L::Lanes::load(&row[1]));
                    r = r.add(L::Lanes::load(&row[2]));
                    s = s.add(L::Lanes::load(&row[3]));
                }
                p.store(a);
                q.store(b);
                r.store(c);
                s.store(d);
            }
            for (k, sum) in rest.iter_mut().enumerate() {
                let mut total = L::Lanes::load(sum);
                for row in rows.chunks_exact(stride) {
                    total = total.add(L::Lanes::load(&lines(row)[done + k]));
                }
                total.store(sum);
            }
            from += run.len();
        }
    }
}

/// Adds each row to the sum of its type: one row a type, as long as the others.
pub fn pool_rows<T: Number>(simd: Simd, rows: &[T], stride: usize, of: &[usize], sums: &mut [T]) {
    simd.run_lanes(PoolRows {
        rows,
        stride,
        of,
        sums,
    });
}

struct PooledProduct<'a, T> {
    matrix: &'a [T],
    stride: usize,
    vector: &'a [T],
    result: &'a mut [T],
    of: &'a [usize],
    sums: &'a mut [T],
}

impl<T: Number> LaneKernel for PooledProduct<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let vector = lines(&self.vector[..self.stride]);
        let mut from = 0;
        for run in self.of.chunk_by(|a, b| a == b) {
            let rows = &self.matrix[from * self.stride..][..run.len() * self.stride];
            let result = &mut self.result[from..][..run.len()];
            let sums = lines_mut(&mut self.sums[run[0] * self.stride..]);
            multiply_rows::<T, L, true>(rows, vector, result, sums);
            from += run.len();
        }
    }
}

/// y = W x, bit for bit as [`product`](super::product) gives it, and W's rows added to the sums of their types, as [`pool_rows`] adds them.
pub fn pooled_product<T: Number>(
    simd: Simd,
    matrix: &[T],
    stride: usize,
    vector: &[T],
    result: &mut [T],
    of: &[usize],
    sums: &mut [T],
) {
    debug_assert_eq!(result.len(), of.len());
    simd.run_lanes(PooledProduct {
        matrix,
        stride,
        vector,
        result,
        of,
        sums,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;
    use crate::{LANES, product};

    #[test]
    fn rows_are_summed_by_type_wherever_they_lie() {
        let (of, stride) = ([0, 0, 1, 0, 1, 1], 6 * LANES);
        let mut stream = Draws::new(1);
        let mut draw = |len: usize| -> Vec<f64> { (0..len).map(|_| stream.next()).collect() };
        let (rows, start) = (draw(of.len() * stride), draw(2 * stride));
        let mut expected = start.clone();
        for (row, t) in rows.chunks_exact(stride).zip(of) {
            let sums = expected[t * stride..].iter_mut();
            sums.zip(row).for_each(|(sum, w)| *sum += w);
        }
        for simd in Simd::all() {
            let mut sums = start.clone();
            pool_rows(simd, &rows, stride, &of, &mut sums);
            for (got, expected) in sums.iter().zip(&expected) {
                assert!((got - expected).abs() < 1e-13 * (1.0 + expected.abs()));
            }
        }
    }

    #[test]
    fn a_product_that_sums_has_the_bits_of_a_product_and_of_sums() {
        // Runs of one, four, six and seven rows of a type.
        let of: Vec<usize> = [(0, 4), (1, 7), (0, 1), (2, 6)]
            .into_iter()
            .flat_map(|(t, rows)| vec![t; rows])
            .collect();
        let stride = 3 * LANES;
        let mut stream = Draws::new(1);
        let mut draw =
            |len: usize| -> Vec<f32> { (0..len).map(|_| stream.next() as f32).collect() };
        let (rows, vector, start) = (draw(of.len() * stride), draw(stride), draw(3 * stride));
        for simd in Simd::all() {
            let (mut result, mut sums) = (vec![0.0; of.len()], start.clone());
            pooled_product(simd, &rows, stride, &vector, &mut result, &of, &mut sums);
            let (mut alone, mut pooled) = (vec![0.0; of.len()], start.clone());
            product(simd, &rows, stride, &vector, &mut alone);
            pool_rows(simd, &rows, stride, &of, &mut pooled);
            assert_eq!(result, alone);
            assert_eq!(sums, pooled);
        }
    }
}
