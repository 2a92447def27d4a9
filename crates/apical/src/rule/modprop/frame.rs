//! Traces seen from a frame that moves as they do, so that a step writes only those that something enters.
//!
//! ν ← M_β ν + d e · enter_β would write every trace at every step. With ν = Φ_β ν̃ and Φ_β ← M_β Φ_β it is ν̃ ← ν̃ + d e · Φ_β⁻¹ enter_β: a
//! few numbers a type move in place of all traces. What rounding loses grows with the condition of Φ_β; before it is large the traces
//! themselves are advanced, ν̃ ← M_β Φ_β ν̃ + d e · enter_β, and the frame starts again at Φ_β = 1. (A filter that forgets at once starts it
//! at every step.) Derived here; the traces are the same.

use crate::snapshot::StateIo;
use crate::{Result, Scalar};

/// Largest condition of Φ_β, in the norm of largest row sums: three bits.
const CONDITION: f64 = 8.0;
/// Largest number in Φ_β and in its inverse, far from where numbers end.
const LARGEST: f64 = 1024.0;
/// Most traces a synapse for which types that differ each move a frame of their own: an inverse a type costs more than it saves beyond.
const MOST: usize = 16;

/// Φ_β for every type of unit and K traces a synapse, and what follows from it.
pub struct Frame<T> {
    count: usize,
    /// Types that share one M: all, or each has its own.
    together: usize,
    /// Φ_β, K × K row by row, one after another.
    now: Vec<f64>,
    next: Vec<f64>,
    inverse: Vec<f64>,
    room: Vec<f64>,
    /// Once a type: M_β Φ_β, what enters ν̃, the weights of ν̃ for credit, and what a unit's own credit adds to them.
    matrices: Vec<T>,
    enter: Vec<T>,
    weights: Vec<T>,
    own: Vec<T>,
    /// Whether the last step advanced the traces themselves.
    restarted: bool,
}

impl<T: Scalar> Frame<T> {
    /// For `types` types of units with `count` traces a synapse; either all have the same M_β or each its own.
    pub fn new(types: usize, count: usize, same: bool) -> Self {
        let (together, square) = (if same { types } else { 1 }, count * count);
        let mut frame = Self {
            count,
            together,
            now: vec![0.0; types / together * square],
            next: vec![0.0; types / together * square],
            inverse: vec![0.0; square],
            room: vec![0.0; square],
            matrices: vec![T::ZERO; types * square],
            enter: vec![T::ZERO; types * count],
            weights: vec![T::ZERO; types * count],
            own: vec![T::ZERO; types * count],
            restarted: false,
        };
        frame.restart();
        frame
    }

    /// Φ_β = 1.
    pub fn restart(&mut self) {
        self.now.fill(0.0);
        for phi in self.now.chunks_exact_mut(self.count * self.count) {
            phi.iter_mut()
                .step_by(self.count + 1)
                .for_each(|x| *x = 1.0);
        }
    }

    /// Moves on by M_β (of each type that has its own); `enter` has K numbers a type.
    pub fn advance(&mut self, mix: &[T], enter: &[T]) {
        if self.together == 1 && self.count > MOST {
            let pairs = self.next.iter_mut().zip(mix);
            pairs.for_each(|(next, m)| *next = m.f64());
            return self.start_again(enter);
        }
        self.multiply(mix);
        if !self.see(enter) {
            return self.start_again(enter);
        }
        self.restarted = false;
        std::mem::swap(&mut self.now, &mut self.next);
    }

    /// next = M_β Φ_β.
    fn multiply(&mut self, mix: &[T]) {
        let (count, square) = (self.count, self.count * self.count);
        let blocks = self.now.chunks_exact(square);
        let blocks = blocks.zip(self.next.chunks_exact_mut(square));
        for ((now, next), mix) in blocks.zip(mix.chunks_exact(square)) {
            for (row, mix) in next.chunks_exact_mut(count).zip(mix.chunks_exact(count)) {
                row.fill(0.0);
                for (m, now) in mix.iter().zip(now.chunks_exact(count)) {
                    let m = m.f64();
                    row.iter_mut().zip(now).for_each(|(x, now)| *x += m * now);
                }
            }
        }
    }

    /// What enters as seen from `next`; false where that is ill-conditioned.
    fn see(&mut self, enter: &[T]) -> bool {
        let (count, square) = (self.count, self.count * self.count);
        let each = self.together * count;
        let blocks = self.next.chunks_exact(square);
        let blocks = blocks.zip(self.enter.chunks_exact_mut(each));
        for ((next, inner), enter) in blocks.zip(enter.chunks_exact(each)) {
            let inverse = &mut self.inverse;
            self.room.copy_from_slice(next);
            invert(&mut self.room, inverse, count);
            let (size, back) = (norm(next, count), norm(inverse, count));
            // Written so that NaN fails.
            if !(size * back <= CONDITION && size <= LARGEST && back <= LARGEST) {
                return false;
            }
            for (inner, enter) in inner.chunks_exact_mut(count).zip(enter.chunks_exact(count)) {
                for (x, row) in inner.iter_mut().zip(inverse.chunks_exact(count)) {
                    let terms = row.iter().zip(enter).map(|(a, e)| a * e.f64());
                    *x = T::of(terms.sum());
                }
            }
        }
        true
    }

    /// Traces are multiplied with `next`, and Φ_β = 1 from here.
    fn start_again(&mut self, enter: &[T]) {
        let square = self.count * self.count;
        for (beta, matrix) in self.matrices.chunks_exact_mut(square).enumerate() {
            let next = &self.next[beta / self.together * square..][..square];
            let pairs = matrix.iter_mut().zip(next);
            pairs.for_each(|(m, next)| *m = T::of(*next));
        }
        self.enter.copy_from_slice(enter);
        self.restart();
        self.restarted = true;
    }

    /// What ν̃ are multiplied with at this step, once a type, if they do not stay as they are.
    pub fn matrices(&self) -> Option<&[T]> {
        self.restarted.then_some(&self.matrices[..])
    }

    /// What enters ν̃, K numbers a type.
    pub fn enter(&self) -> &[T] {
        &self.enter
    }

    /// Finds the weights of ν̃ where those of ν are `weights`; if they are fewer than traces, a unit's own credit is that of the last one.
    pub fn weigh(&mut self, weights: &[T]) {
        let (count, square) = (self.count, self.count * self.count);
        let types = self.weights.chunks_exact_mut(count);
        for (beta, (out, own)) in types.zip(self.own.chunks_exact_mut(count)).enumerate() {
            let phi = &self.now[beta / self.together * square..][..square];
            for (k, x) in out.iter_mut().enumerate() {
                let column = phi[k..].iter().step_by(count);
                let terms = weights.iter().zip(column).map(|(w, phi)| w.f64() * phi);
                *x = T::of(terms.sum());
            }
            let last = own.iter_mut().zip(&phi[square - count..]);
            last.for_each(|(x, phi)| *x = T::of(*phi));
        }
    }

    /// The weights of ν̃, K numbers a type.
    pub fn weights(&self) -> &[T] {
        &self.weights
    }

    /// What a unit's own credit adds to them, K numbers a type.
    pub fn own(&self) -> &[T] {
        &self.own
    }

    /// Saves or restores Φ_β.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.values("frame", &mut self.now)
    }
}

/// Largest sum of magnitudes of a row; NaN if there is any.
fn norm(matrix: &[f64], n: usize) -> f64 {
    let rows = matrix.chunks_exact(n);
    let sums = rows.map(|row| row.iter().map(|x| x.abs()).sum::<f64>());
    sums.fold(0.0, |most, sum| {
        if sum > most || sum.is_nan() {
            sum
        } else {
            most
        }
    })
}

/// The inverse of `room`, which is used up, by elimination with pivots; not finite where there is none.
fn invert(room: &mut [f64], inverse: &mut [f64], n: usize) {
    // Of two types, the most common case.
    if let ([a, b, c, d], [p, q, r, s]) = (&*room, &mut *inverse) {
        let scale = 1.0 / (a * d - b * c);
        (*p, *q, *r, *s) = (scale * d, -scale * b, -scale * c, scale * a);
        return;
    }
    for (i, row) in inverse.chunks_exact_mut(n).enumerate() {
        row.fill(0.0);
        row[i] = 1.0;
    }
    for column in 0..n {
        let mut pivot = column;
        for row in column + 1..n {
            if room[row * n + column].abs() > room[pivot * n + column].abs() {
                pivot = row;
            }
        }
        let scale = 1.0 / room[pivot * n + column];
        for matrix in [&mut *room, &mut *inverse] {
            for k in 0..n {
                matrix.swap(pivot * n + k, column * n + k);
                matrix[column * n + k] *= scale;
            }
        }
        for row in (0..n).filter(|row| *row != column) {
            let factor = room[row * n + column];
            for matrix in [&mut *room, &mut *inverse] {
                for k in 0..n {
                    matrix[row * n + k] -= factor * matrix[column * n + k];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Streams;

    #[test]
    fn an_inverse_is_one_also_where_it_needs_pivots() {
        let matrix = [0.0, 2.0, 1.0, 3.0, 0.0, 0.5, 1.0, -1.0, 4.0];
        let (mut room, mut inverse) = (matrix, [0.0; 9]);
        invert(&mut room, &mut inverse, 3);
        for i in 0..3 {
            for j in 0..3 {
                let product: f64 = (0..3).map(|k| matrix[3 * i + k] * inverse[3 * k + j]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-15);
            }
        }
        let mut nothing = [1.0, 2.0, 2.0, 4.0];
        invert(&mut nothing, &mut inverse[..4], 2);
        let size = norm(&inverse[..4], 2);
        assert!(size.is_nan() || size > LARGEST);
    }

    /// One trace of one synapse for each type, and its sum weighed, by the definition and from the frame.
    fn compare(own: f64, spread: f64, same: bool, steps: usize) -> usize {
        let (types, count) = (2, 3);
        let mut stream = Streams::new(3).stream("test", 0);
        let mut frame = Frame::<f64>::new(types, count, same);
        let mut plain = [[0.0; 3]; 2];
        let mut moved = plain;
        let mut restarts = 0;
        for step in 0..steps {
            // M changes a little with the weights.
            let mut mix: Vec<f64> = (0..18).map(|_| spread * stream.normal()).collect();
            if same {
                mix.copy_within(..9, 9);
            }
            (0..2).for_each(|b| (0..3).for_each(|k| mix[9 * b + 4 * k] += own));
            let enter: Vec<f64> = (0..6).map(|_| stream.normal()).collect();
            let drive = if step % 3 == 0 { 0.0 } else { stream.normal() };
            let apart = &mix[..if same { 9 } else { 18 }];
            frame.advance(apart, &enter);
            restarts += usize::from(frame.matrices().is_some());
            for beta in 0..types {
                let advance = |trace: &[f64; 3], mix: &[f64], enter: &[f64]| -> [f64; 3] {
                    std::array::from_fn(|k| {
                        (0..3).map(|l| mix[3 * k + l] * trace[l]).sum::<f64>() + enter[k] * drive
                    })
                };
                let (m, e) = (&mix[9 * beta..], &enter[3 * beta..]);
                plain[beta] = advance(&plain[beta], m, e);
                let still = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
                let m = frame.matrices().map_or(&still[..], |m| &m[9 * beta..]);
                moved[beta] = advance(&moved[beta], m, &frame.enter()[3 * beta..]);
            }
            let (weights, credit) = ([0.7, -0.4], 1.3);
            frame.weigh(&weights);
            let (through, own) = (frame.weights(), frame.own());
            for beta in 0..types {
                let (p, m) = (plain[beta], moved[beta]);
                let expected = 0.7 * p[0] - 0.4 * p[1] + credit * p[2];
                let k = |k: usize| through[3 * beta + k] + credit * own[3 * beta + k];
                let got = (0..3).map(|i| k(i) * m[i]).sum::<f64>();
                assert!(
                    (got - expected).abs() < 1e-12 * (1.0 + expected.abs()),
                    "step {step}"
                );
            }
        }
        restarts
    }

    #[test]
    fn traces_are_the_same_in_a_frame_that_moves() {
        for same in [false, true] {
            // Slow filters start again seldom, fast ones at every step.
            let seldom = compare(0.99, 0.01, same, 2_000);
            assert!((1..200).contains(&seldom), "{seldom}");
            assert_eq!(compare(0.0, 1e-4, same, 50), 50);
            let between = compare(0.5, 0.2, same, 500);
            assert!((50..500).contains(&between), "{between}");
        }
    }

    #[test]
    fn many_types_that_differ_have_no_frames() {
        let (types, count) = (2, MOST + 1);
        let mut frame = Frame::<f64>::new(types, count, false);
        let mix = vec![0.5; types * count * count];
        frame.advance(&mix, &vec![1.0; types * count]);
        assert_eq!(frame.matrices(), Some(&mix[..]));
    }

    #[test]
    fn numbers_that_are_none_start_it_again() {
        let mut frame = Frame::<f64>::new(1, 2, true);
        let mix = [f64::NAN, 0.0, 0.0, 1.0];
        frame.advance(&mix, &[1.0, 1.0]);
        assert!(frame.matrices().is_some());
        frame.advance(&[1.0, 0.0, 0.0, 1.0], &[1.0, 1.0]);
        assert!(frame.matrices().is_none());
        assert_eq!(frame.enter(), [1.0, 1.0]);
    }
}
