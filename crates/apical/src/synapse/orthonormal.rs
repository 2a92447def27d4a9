//! Orthonormal vectors by the Householder QR of a Gaussian matrix, in blocks where it is large.
//!
//! H_k x = x − 2 v_k (v_k·x)/(v_k·v_k). The product of a block of reflectors takes x to x − Σ_k c_k v_k, where the c_k follow from V x and
//! V Vᵀ by substitution (the compact WY form of Schreiber & Van Loan 1989), so that the work is products of matrices. Products are
//! rounded before they are added: the same bits for every instruction set.

use super::Signs;
use crate::kernel::{Matrix, Rows, Simd, take_off};
use crate::stream::Stream;

/// Most vectors that are worked out one reflector after another: no published network is larger, and their bits stay.
const UNBLOCKED: usize = 256;
/// Reflectors in a block, a whole number of lines.
const BLOCK: usize = 32;

/// `count` orthonormal vectors of length `len`, one a row: the columns of Q in the QR of a Gaussian matrix.
pub(super) fn orthonormal(
    count: usize,
    len: usize,
    signs: Signs,
    stream: &mut Stream,
) -> Matrix<f64> {
    let mut columns = Matrix::zeros(count, len);
    for k in 0..count {
        columns.row_mut(k).fill_with(|| stream.normal());
    }
    let (reflectors, diagonal) = if count <= UNBLOCKED {
        factor(columns)
    } else {
        factor_in_blocks(columns)
    };
    let mut q = Matrix::zeros(count, len);
    for (k, on_axis) in diagonal.iter().enumerate() {
        q.row_mut(k)[k] = match signs {
            Signs::Householder => 1.0,
            Signs::Uniform => 1.0_f64.copysign(*on_axis),
        };
    }
    if count <= UNBLOCKED {
        for column in 0..count {
            for k in (0..count).rev() {
                reflect(&reflectors.row(k)[k..], &mut q.row_mut(column)[k..]);
            }
        }
    } else {
        for first in (0..count).step_by(BLOCK).rev() {
            // Vectors before the block are zero where its reflectors are not.
            Block::of(&reflectors, first).apply(&mut q, first, Order::LastFirst);
        }
    }
    q
}

/// The reflectors, row k from place k on, and the diagonal of R.
fn factor(mut columns: Matrix<f64>) -> (Matrix<f64>, Vec<f64>) {
    let rows = columns.rows();
    let diagonal = (0..rows).map(|k| eliminate(&mut columns, k, rows));
    let diagonal = diagonal.collect();
    (columns, diagonal)
}

/// As [`factor`], where each block reaches the columns after it at once.
fn factor_in_blocks(mut columns: Matrix<f64>) -> (Matrix<f64>, Vec<f64>) {
    let rows = columns.rows();
    let mut diagonal = Vec::with_capacity(rows);
    for first in (0..rows).step_by(BLOCK) {
        let end = rows.min(first + BLOCK);
        diagonal.extend((first..end).map(|k| eliminate(&mut columns, k, end)));
        Block::of(&columns, first).apply(&mut columns, end, Order::FirstFirst);
    }
    (columns, diagonal)
}

/// Turns column `k` into its reflector, applies it to the columns up to `end`, and returns the element of R.
fn eliminate(columns: &mut Matrix<f64>, k: usize, end: usize) -> f64 {
    let (len, stride) = (columns.columns(), columns.stride());
    let (v, after) = columns.band_mut(k, end - k).split_at_mut(stride);
    let v = &mut v[k..len];
    // Away from the axis, so that nothing cancels; a last element alone is left as it is.
    let on_axis = if v.len() == 1 {
        v[0]
    } else {
        -norm(v).copysign(v[0])
    };
    v[0] -= on_axis;
    for column in after.chunks_exact_mut(stride) {
        reflect(v, &mut column[k..len]);
    }
    on_axis
}

/// x ← x − 2 v (v·x)/(v·v).
fn reflect(v: &[f64], x: &mut [f64]) {
    let square: f64 = v.iter().map(|v| v * v).sum();
    if square > 0.0 {
        let along: f64 = v.iter().zip(&*x).map(|(v, x)| v * x).sum();
        let factor = 2.0 * along / square;
        x.iter_mut().zip(v).for_each(|(x, v)| *x -= factor * v);
    }
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Which reflector of a block acts first on a vector.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    FirstFirst,
    LastFirst,
}

/// Some reflectors in a row, from the place of the first on.
struct Block {
    first: usize,
    /// One reflector a row, zero before its place.
    vectors: Matrix<f64>,
    /// v_r·v_s.
    products: Matrix<f64>,
}

impl Block {
    /// The reflectors from `first` on.
    fn of(reflectors: &Matrix<f64>, first: usize) -> Self {
        let count = BLOCK.min(reflectors.rows() - first);
        let mut vectors = Matrix::zeros(count, reflectors.columns() - first);
        for r in 0..count {
            vectors.row_mut(r)[r..].copy_from_slice(&reflectors.row(first + r)[first + r..]);
        }
        let mut products = Matrix::zeros(count, count);
        for r in 0..count {
            for s in 0..=r {
                let pairs = vectors.row(r)[r..].iter().zip(&vectors.row(s)[r..]);
                let product = pairs.map(|(v, w)| v * w).sum();
                products.row_mut(r)[s] = product;
                products.row_mut(s)[r] = product;
            }
        }
        Self {
            first,
            vectors,
            products,
        }
    }

    /// Reflects the rows of `vectors` from `row` on.
    fn apply(&self, vectors: &mut Matrix<f64>, row: usize, order: Order) {
        self.apply_with(Simd::detect(), vectors, row, order);
    }

    fn apply_with(&self, simd: Simd, vectors: &mut Matrix<f64>, row: usize, order: Order) {
        let (rows, stride) = (vectors.rows() - row, vectors.stride());
        if rows == 0 {
            return;
        }
        let count = self.vectors.rows();
        let substitute = |c: &mut [f64]| {
            for k in 0..count {
                let (r, before) = match order {
                    Order::FirstFirst => (k, 0..k),
                    Order::LastFirst => (count - 1 - k, count - k..count),
                };
                let products = self.products.row(r);
                let along = before.fold(c[r], |along, s| along - products[s] * c[s]);
                let square = products[r];
                c[r] = if square > 0.0 {
                    2.0 * along / square
                } else {
                    0.0
                };
            }
        };
        let reflectors = Rows {
            data: self.vectors.data(),
            stride: self.vectors.stride(),
        };
        let part = &mut vectors.band_mut(row, rows)[self.first..];
        take_off(simd, reflectors, count, part, stride, rows, substitute);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Streams;

    fn gaussian(count: usize, len: usize) -> Matrix<f64> {
        let mut stream = Streams::new(7).stream("weights", 0);
        let mut columns = Matrix::zeros(count, len);
        for k in 0..count {
            columns.row_mut(k).fill_with(|| stream.normal());
        }
        columns
    }

    /// Largest difference of any two elements.
    fn apart(a: &Matrix<f64>, b: &Matrix<f64>) -> f64 {
        let pairs = a.data().iter().zip(b.data());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn blocks_give_the_reflectors_of_one_after_another() {
        for (count, len) in [(1, 1), (32, 32), (33, 40), (50, 50), (100, 131)] {
            let (one, diagonal) = factor(gaussian(count, len));
            let (blocked, blocked_diagonal) = factor_in_blocks(gaussian(count, len));
            assert!(apart(&one, &blocked) < 1e-10, "{count} x {len}");
            for (a, b) in diagonal.iter().zip(&blocked_diagonal) {
                assert!((a - b).abs() < 1e-10, "{count} x {len}: {a} {b}");
            }
        }
    }

    #[test]
    fn blocks_give_the_matrix_of_one_after_another() {
        for (count, len) in [(257, 257), (260, 300)] {
            for signs in [Signs::Uniform, Signs::Householder] {
                let mut stream = Streams::new(7).stream("weights", 0);
                let q = orthonormal(count, len, signs, &mut stream);
                let (reflectors, diagonal) = factor(gaussian(count, len));
                for column in [0, 1, 31, 32, 200, count - 1] {
                    let mut expected = vec![0.0; len];
                    expected[column] = match signs {
                        Signs::Householder => 1.0,
                        Signs::Uniform => diagonal[column].signum(),
                    };
                    for k in (0..count).rev() {
                        reflect(&reflectors.row(k)[k..], &mut expected[k..]);
                    }
                    for (a, b) in q.row(column).iter().zip(&expected) {
                        assert!((a - b).abs() < 1e-12, "{count} x {len}, {column}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let of = |simd| {
            let (reflectors, _) = factor(gaussian(70, 90));
            let mut vectors = gaussian(70, 90);
            let block = Block::of(&reflectors, 32);
            block.apply_with(simd, &mut vectors, 3, Order::FirstFirst);
            vectors
        };
        let portable = of(Simd::portable());
        for simd in Simd::all() {
            let bits = |m: &Matrix<f64>| m.data().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&of(simd)), bits(&portable), "{}", simd.name());
        }
    }
}
