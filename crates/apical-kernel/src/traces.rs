//! Passes over traces that read and write memory once.

use super::lanes::{lines, lines_mut};
use super::{LANES, LaneKernel, Lanes, Level, Matrix, Simd};
use crate::Number;

struct Trace<'a, T> {
    traces: &'a mut [T],
    stride: usize,
    own: &'a [T],
    gain: &'a [T],
    pre: &'a [T],
    credit: &'a [T],
    gradient: &'a mut [T],
}

impl<T: Number> LaneKernel for Trace<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let pre = lines(&self.pre[..self.stride]);
        let rows = self.traces.chunks_exact_mut(self.stride);
        let rows = rows.zip(self.gradient.chunks_exact_mut(self.stride));
        let units = self.own.iter().zip(self.gain).zip(self.credit);
        for ((e, g), ((own, gain), credit)) in rows.zip(units) {
            let own = L::Lanes::splat(*own);
            let gain = L::Lanes::splat(*gain);
            let credit = L::Lanes::splat(*credit);
            for ((e, g), a) in lines_mut(e).iter_mut().zip(lines_mut(g)).zip(pre) {
                let new = own.fma(L::Lanes::load(e), gain.mul(L::Lanes::load(a)));
                new.store(e);
                credit.fma(new, L::Lanes::load(g)).store(g);
            }
        }
    }
}

/// e ← own ∘ e + gain aᵀ, G ← G + credit ∘ e, row by row: one number of `own`, `gain` and `credit` a row.
#[inline]
pub fn trace<T: Number>(
    simd: Simd,
    traces: &mut Matrix<T>,
    own: &[T],
    gain: &[T],
    pre: &[T],
    credit: &[T],
    gradient: &mut [T],
) {
    let stride = traces.stride();
    simd.run_lanes(Trace {
        traces: traces.data_mut(),
        stride,
        own,
        gain,
        pre,
        credit,
        gradient,
    });
}

struct RankOne<'a, T> {
    matrix: &'a mut [T],
    stride: usize,
    keep: T,
    factors: &'a [T],
    row: &'a [T],
    credit: T,
    gradient: &'a mut [T],
}

impl<T: Number> LaneKernel for RankOne<'_, T> {
    type Output = T;
    #[inline(always)]
    fn run<L: Level>(self) -> T {
        let row = lines(&self.row[..self.stride]);
        let (keep, credit) = (L::Lanes::splat(self.keep), L::Lanes::splat(self.credit));
        let mut squares = L::Lanes::splat(T::ZERO);
        let rows = self.matrix.chunks_exact_mut(self.stride);
        let rows = rows.zip(self.gradient.chunks_exact_mut(self.stride));
        for ((b, g), factor) in rows.zip(self.factors) {
            let factor = L::Lanes::splat(*factor);
            for ((b, g), a) in lines_mut(b).iter_mut().zip(lines_mut(g)).zip(row) {
                let new = keep.fma(L::Lanes::load(b), factor.mul(L::Lanes::load(a)));
                new.store(b);
                squares = new.fma(new, squares);
                credit.fma(new, L::Lanes::load(g)).store(g);
            }
        }
        squares.sum()
    }
}

/// B ← keep · B + f aᵀ, G ← G + credit · B; returns ‖B‖².
#[inline]
pub fn rank_one<T: Number>(
    simd: Simd,
    matrix: &mut Matrix<T>,
    keep: T,
    factors: &[T],
    row: &[T],
    credit: T,
    gradient: &mut [T],
) -> T {
    let stride = matrix.stride();
    simd.run_lanes(RankOne {
        matrix: matrix.data_mut(),
        stride,
        keep,
        factors,
        row,
        credit,
        gradient,
    })
}

struct AddScaled<'a, T> {
    scale: T,
    row: &'a [T],
    result: &'a mut [T],
}

impl<T: Number> LaneKernel for AddScaled<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let scale = L::Lanes::splat(self.scale);
        let (whole, tail) = self.result.as_chunks_mut::<LANES>();
        let done = whole.len() * LANES;
        for (y, x) in whole.iter_mut().zip(lines(self.row)) {
            scale.fma(L::Lanes::load(x), L::Lanes::load(y)).store(y);
        }
        for (y, x) in tail.iter_mut().zip(&self.row[done..]) {
            *y = L::fma(self.scale, *x, *y);
        }
    }
}

/// y ← y + scale · x.
#[inline]
pub fn add_scaled<T: Number>(simd: Simd, scale: T, row: &[T], result: &mut [T]) {
    simd.run_lanes(AddScaled { scale, row, result });
}
