//! Gradients that are descended at once, row by row, and never stand in memory.
//!
//! Every number goes through the operations of [`trace`](crate::trace) or [`add_outer`](crate::add_outer) and then
//! of [`descend`](crate::descend), whose line is the same: the weights have the same bits.

use super::lanes::{Line, lines, lines_mut};
use super::{LaneKernel, Lanes, Level, Matrix, Simd};
use crate::Number;

/// Where a gradient goes: w ← w − rate ∘ (scale · g + decay ∘ w), column by column.
pub struct Descent<'a, T> {
    /// Weights, one row a current and unit.
    pub weights: &'a mut Matrix<T>,
    /// Learning rate of each column, with padding.
    pub rate: &'a [T],
    /// Weight decay of each column, with padding.
    pub decay: &'a [T],
    /// Factor on the gradient.
    pub scale: T,
}

/// The rows of a descent, from the first of a band on.
struct Rows<'a, T> {
    weights: &'a mut [T],
    rate: &'a [T],
    decay: &'a [T],
    scale: T,
}

impl<T: Number> Descent<'_, T> {
    fn band(&mut self, first: usize, rows: usize) -> Rows<'_, T> {
        Rows {
            weights: self.weights.band_mut(first, rows),
            rate: self.rate,
            decay: self.decay,
            scale: self.scale,
        }
    }
}

/// w ← w − rate ∘ (gradient + decay ∘ w) of sixteen columns.
#[inline(always)]
pub(super) fn descend_line<T: Number, V: Lanes<T>>(
    w: &mut Line<T>,
    gradient: V,
    rate: &Line<T>,
    decay: &Line<T>,
) {
    let old = V::load(w);
    let slope = V::load(decay).fma(old, gradient);
    let step = V::load(rate).mul(V::splat(-T::ONE));
    step.fma(slope, old).store(w);
}

struct TraceDescent<'a, T> {
    traces: &'a mut [T],
    own: &'a [T],
    gain: &'a [T],
    pre: &'a [T],
    credit: &'a [T],
    rows: Rows<'a, T>,
}

impl<T: Number> LaneKernel for TraceDescent<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let stride = self.rows.rate.len();
        let pre = lines(&self.pre[..stride]);
        let (rate, decay) = (lines(self.rows.rate), lines(self.rows.decay));
        let scale = L::Lanes::splat(self.rows.scale);
        let zero = L::Lanes::splat(T::ZERO);
        let rows = self.traces.chunks_exact_mut(stride);
        let rows = rows.zip(self.rows.weights.chunks_exact_mut(stride));
        let units = self.own.iter().zip(self.gain).zip(self.credit);
        for ((e, w), ((own, gain), credit)) in rows.zip(units) {
            let own = L::Lanes::splat(*own);
            let gain = L::Lanes::splat(*gain);
            let credit = L::Lanes::splat(*credit);
            let row = lines_mut(e).iter_mut().zip(lines_mut(w)).zip(pre);
            for (((e, w), a), (rate, decay)) in row.zip(rate.iter().zip(decay)) {
                let new = own.fma(L::Lanes::load(e), gain.mul(L::Lanes::load(a)));
                new.store(e);
                let gradient = scale.mul(credit.fma(new, zero));
                descend_line(w, gradient, rate, decay);
            }
        }
    }
}

/// e ← own ∘ e + gain aᵀ, and a descent along credit ∘ e in the rows from `first` on.
#[inline]
#[allow(clippy::too_many_arguments)]
pub fn descend_trace<T: Number>(
    simd: Simd,
    traces: &mut Matrix<T>,
    own: &[T],
    gain: &[T],
    pre: &[T],
    credit: &[T],
    first: usize,
    descent: &mut Descent<'_, T>,
) {
    let rows = descent.band(first, credit.len());
    simd.run_lanes(TraceDescent {
        traces: traces.data_mut(),
        own,
        gain,
        pre,
        credit,
        rows,
    });
}

struct OuterDescent<'a, T> {
    factors: &'a [T],
    pre: &'a [T],
    rows: Rows<'a, T>,
}

impl<T: Number> LaneKernel for OuterDescent<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let stride = self.rows.rate.len();
        let pre = lines(&self.pre[..stride]);
        let (rate, decay) = (lines(self.rows.rate), lines(self.rows.decay));
        let scale = L::Lanes::splat(self.rows.scale);
        let zero = L::Lanes::splat(T::ZERO);
        let rows = self.rows.weights.chunks_exact_mut(stride);
        for (w, factor) in rows.zip(self.factors) {
            let factor = L::Lanes::splat(*factor);
            let row = lines_mut(w).iter_mut().zip(pre);
            for ((w, a), (rate, decay)) in row.zip(rate.iter().zip(decay)) {
                let gradient = scale.mul(factor.fma(L::Lanes::load(a), zero));
                descend_line(w, gradient, rate, decay);
            }
        }
    }
}

/// A descent along factors aᵀ in the rows from `first` on.
#[inline]
pub fn descend_outer<T: Number>(
    simd: Simd,
    factors: &[T],
    pre: &[T],
    first: usize,
    descent: &mut Descent<'_, T>,
) {
    let rows = descent.band(first, factors.len());
    simd.run_lanes(OuterDescent { factors, pre, rows });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;
    use crate::{add_outer, descend, trace};

    /// Weights after a gradient that stood in memory, and after one that did not.
    #[test]
    fn a_descent_at_once_has_the_bits_of_one_after_another() {
        for simd in Simd::all() {
            for (rows, columns, first) in [(1, 1, 0), (5, 37, 2), (32, 64, 0)] {
                let mut draws = Draws::new(rows as u64);
                let mut list = |count: usize| -> Vec<f32> {
                    (0..count).map(|_| draws.next() as f32).collect()
                };
                let mut matrix = |rows: usize| {
                    let mut matrix = Matrix::<f32>::zeros(rows, columns);
                    (0..rows).for_each(|i| matrix.row_mut(i).copy_from_slice(&list(columns)));
                    matrix
                };
                let (weights, mut traces) = (matrix(first + rows), matrix(rows));
                let vectors = matrix(6);
                let stride = weights.stride();
                let [own, gain, credit] = [(); 3].map(|()| list(rows));
                let vector = |k: usize| &vectors.data()[k * stride..][..stride];
                let (pre, rate, decay) = (vector(0), vector(1), vector(2));
                let scale = 0.7;
                let band = first * stride..(first + rows) * stride;

                let mut kept = traces.clone();
                let mut apart = weights.clone();
                let mut gradient = Matrix::zeros(first + rows, columns);
                let part = &mut gradient.data_mut()[band.clone()];
                trace(simd, &mut kept, &own, &gain, pre, &credit, part);
                descend(simd, &mut apart, &mut gradient, rate, decay, scale);
                let part = &mut gradient.data_mut()[band.clone()];
                add_outer(simd, part, stride, 1.0, &gain, pre);
                descend(simd, &mut apart, &mut gradient, rate, decay, scale);

                let mut at_once = weights.clone();
                let mut descent = Descent {
                    weights: &mut at_once,
                    rate,
                    decay,
                    scale,
                };
                let (traces, to) = (&mut traces, &mut descent);
                descend_trace(simd, traces, &own, &gain, pre, &credit, first, to);
                descend_outer(simd, &gain, pre, first, to);
                assert_eq!(at_once.data()[band.clone()], apart.data()[band]);
                assert_eq!(traces.data(), kept.data());
            }
        }
    }
}
