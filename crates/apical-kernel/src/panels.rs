//! A matrix with one row for each state variable, and the dense product J M that carries it forward.
//!
//! M is kept in panels of [`PANEL`] columns, each panel contiguous over all rows, so that M ← J M works panel by
//! panel inside the cache and needs one copy of M, not two. RTRL has one column for each parameter and
//! adds the direct influence and sums the gradient in the same pass; Kronecker-factored rules have fewer columns.
//!
//! J comes row by row as it lies in memory: each element is broadcast once for a whole line, eight rows at a time, so that
//! nothing is packed or transposed.

use super::lanes::Line;
use super::{Buffer, LANES, LaneKernel, Lanes, Level, Matrix, Simd};
use crate::Number;

/// Columns in a panel.
pub const PANEL: usize = LANES;
/// Rows of the register tile.
const TILE: usize = 8;

/// M for one sample: state variable s of unit k at row `s * units + k`.
#[derive(Clone)]
pub struct Panels<T> {
    panels: Buffer<T>,
    scratch: Buffer<T>,
    credited: Buffer<T>,
    states: usize,
    parameters: usize,
}

impl<T: Number> Panels<T> {
    /// Zeros: nothing has had an influence yet.
    pub fn zeros(states: usize, parameters: usize) -> Self {
        let panels = parameters.div_ceil(PANEL);
        let blocks = states.div_ceil(TILE);
        Self {
            panels: Buffer::zeros(panels * states * PANEL),
            scratch: Buffer::zeros(blocks * TILE * PANEL),
            credited: Buffer::zeros(panels * PANEL),
            states,
            parameters,
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.panels.fill(T::ZERO);
    }

    /// Rows, one a state.
    pub fn rows(&self) -> usize {
        self.states
    }

    /// Columns, one a parameter.
    pub fn columns(&self) -> usize {
        self.parameters
    }

    /// All values, panel by panel.
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.panels
    }

    /// The element of row `state` and column `parameter`.
    pub fn get(&self, state: usize, parameter: usize) -> T {
        let (panel, column) = (parameter / PANEL, parameter % PANEL);
        self.panels[(panel * self.states + state) * PANEL + column]
    }

    /// Sets row `state`.
    pub fn set_row(&mut self, state: usize, values: &[T]) {
        for (column, value) in values.iter().enumerate() {
            self.add_to(state, column, |_| *value);
        }
    }

    /// M_kc += value.
    pub fn add(&mut self, state: usize, column: usize, value: T) {
        self.add_to(state, column, |old| old + value);
    }

    fn add_to(&mut self, state: usize, column: usize, change: impl Fn(T) -> T) {
        let (panel, within) = (column / PANEL, column % PANEL);
        let element = &mut self.panels[(panel * self.states + state) * PANEL + within];
        *element = change(*element);
    }

    /// M ← J M with the rows of J `stride` apart; returns Σ M².
    pub fn multiply(&mut self, simd: Simd, jacobian: &[T], stride: usize) -> T {
        simd.run_lanes(Multiply {
            panels: &mut self.panels,
            scratch: &mut self.scratch,
            jacobian,
            stride,
            states: self.states,
        })
    }

    /// M ← factor · M + p aᵀ, then returns creditᵀ M, one number a column, with padding.
    ///
    /// `p` has one number a row and `a` one a column, with padding; both may be empty.
    pub fn rescale(&mut self, simd: Simd, factor: T, p: &[T], a: &[T], credit: &[T]) -> &mut [T] {
        let (panels, credited) = (&mut self.panels, &mut self.credited);
        let states = self.states;
        let credit = &credit[..states];
        match p.is_empty() {
            true => simd.run_lanes(Rescale::<T, false> {
                panels,
                credited,
                states,
                factor,
                p: credit,
                a,
                credit,
            }),
            false => simd.run_lanes(Rescale::<T, true> {
                panels,
                credited,
                states,
                factor,
                p: &p[..states],
                a,
                credit,
            }),
        }
        &mut self.credited
    }

    /// M ← J M + D, then returns creditᵀ M for every parameter.
    ///
    /// The rows of J are `stride` apart, `credit` has one number for each row of M.
    pub fn advance(
        &mut self,
        simd: Simd,
        jacobian: &[T],
        stride: usize,
        direct: &Direct<'_, T>,
        credit: &[T],
    ) -> &[T] {
        simd.run_lanes(Advance {
            panels: &mut self.panels,
            scratch: &mut self.scratch,
            credited: &mut self.credited,
            jacobian,
            stride,
            states: self.states,
            parameters: self.parameters,
            direct,
            credit: &credit[..self.states],
        });
        &self.credited[..self.parameters]
    }
}

/// Direct influence: the parameters come in groups of one synapse each presynaptic signal, and each group acts on a few rows of M.
#[derive(Clone, Copy)]
pub struct Direct<'a, T> {
    /// Rows of M and gains, `each` of them a group: parameter j of the group acts on the row by gain · a_j.
    pub rows: &'a [(usize, T)],
    /// State variables a unit.
    pub each: usize,
    /// Presynaptic vector a, without padding.
    pub pre: &'a [T],
}

struct Multiply<'a, T> {
    panels: &'a mut [T],
    scratch: &'a mut [T],
    jacobian: &'a [T],
    stride: usize,
    states: usize,
}

impl<T: Number> LaneKernel for Multiply<'_, T> {
    type Output = T;
    #[inline(always)]
    fn run<L: Level>(self) -> T {
        let scratch: &mut [Line<T>] = self.scratch.as_chunks_mut().0;
        let panels: &mut [Line<T>] = self.panels.as_chunks_mut().0;
        let mut squares = L::Lanes::splat(T::ZERO);
        for panel in panels.chunks_exact_mut(self.states) {
            product::<T, L>(self.jacobian, self.stride, panel, scratch);
            let sums = replace::<T, L>(panel, scratch, |_, new| new);
            squares = L::Lanes::splat(T::ONE).fma(squares, sums);
        }
        squares.sum()
    }
}

struct Advance<'a, T> {
    panels: &'a mut [T],
    scratch: &'a mut [T],
    credited: &'a mut [T],
    jacobian: &'a [T],
    stride: usize,
    states: usize,
    parameters: usize,
    direct: &'a Direct<'a, T>,
    credit: &'a [T],
}

impl<T: Number> LaneKernel for Advance<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let scratch: &mut [Line<T>] = self.scratch.as_chunks_mut().0;
        let panels: &mut [Line<T>] = self.panels.as_chunks_mut().0;
        let credited: &mut [Line<T>] = self.credited.as_chunks_mut().0;
        let panels = panels.chunks_exact_mut(self.states);
        for (index, (panel, credited)) in panels.zip(credited).enumerate() {
            product::<T, L>(self.jacobian, self.stride, panel, scratch);
            add_direct::<T, L>(scratch, self.direct, index * PANEL, self.parameters);
            let credit = self.credit;
            replace::<T, L>(panel, scratch, |k, _| L::Lanes::splat(credit[k])).store(credited);
        }
    }
}

struct Rescale<'a, T, const OUTER: bool> {
    panels: &'a mut [T],
    credited: &'a mut [T],
    states: usize,
    factor: T,
    p: &'a [T],
    a: &'a [T],
    credit: &'a [T],
}

impl<T: Number, const OUTER: bool> LaneKernel for Rescale<'_, T, OUTER> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let factor = L::Lanes::splat(self.factor);
        let panels: &mut [Line<T>] = self.panels.as_chunks_mut().0;
        let credited: &mut [Line<T>] = self.credited.as_chunks_mut().0;
        let pre: &[Line<T>] = self.a.as_chunks().0;
        let zero = L::Lanes::splat(T::ZERO);
        let panels = panels.chunks_exact_mut(self.states).zip(credited);
        for (index, (panel, credited)) in panels.enumerate() {
            let pre = if OUTER {
                L::Lanes::load(&pre[index])
            } else {
                zero
            };
            let (mut even, mut odd) = (zero, zero);
            let rows = panel.iter_mut().zip(self.credit).zip(self.p);
            for (k, ((line, credit), p)) in rows.enumerate() {
                let mut new = factor.mul(L::Lanes::load(line));
                if OUTER {
                    new = L::Lanes::splat(*p).fma(pre, new);
                }
                new.store(line);
                let credit = L::Lanes::splat(*credit);
                if k % 2 == 0 {
                    even = credit.fma(new, even);
                } else {
                    odd = credit.fma(new, odd);
                }
            }
            L::Lanes::splat(T::ONE).fma(even, odd).store(credited);
        }
    }
}

/// The panel takes its new values; returns Σ_k weight(k, new_k) · new_k.
#[inline(always)]
fn replace<T: Number, L: Level>(
    panel: &mut [Line<T>],
    scratch: &[Line<T>],
    weight: impl Fn(usize, L::Lanes<T>) -> L::Lanes<T>,
) -> L::Lanes<T> {
    // Four sums: one alone would wait for each of its additions.
    let zero = L::Lanes::splat(T::ZERO);
    let (mut a, mut b, mut c, mut d) = (zero, zero, zero, zero);
    let (fours, rest) = panel.as_chunks_mut::<4>();
    let (new, new_rest) = scratch[..4 * fours.len() + rest.len()].as_chunks::<4>();
    for (block, (old, new)) in fours.iter_mut().zip(new).enumerate() {
        let k = 4 * block;
        let (w, x) = (L::Lanes::load(&new[0]), L::Lanes::load(&new[1]));
        let (y, z) = (L::Lanes::load(&new[2]), L::Lanes::load(&new[3]));
        w.store(&mut old[0]);
        x.store(&mut old[1]);
        y.store(&mut old[2]);
        z.store(&mut old[3]);
        a = weight(k, w).fma(w, a);
        b = weight(k + 1, x).fma(x, b);
        c = weight(k + 2, y).fma(y, c);
        d = weight(k + 3, z).fma(z, d);
    }
    let first = 4 * fours.len();
    for (r, (old, new)) in rest.iter_mut().zip(new_rest).enumerate() {
        let new = L::Lanes::load(new);
        new.store(old);
        a = weight(first + r, new).fma(new, a);
    }
    let one = L::Lanes::splat(T::ONE);
    one.fma(one.fma(a, b), one.fma(c, d))
}

/// scratch = J panel, for as many rows as the panel has lines.
#[inline(always)]
fn product<T: Number, L: Level>(
    jacobian: &[T],
    stride: usize,
    panel: &[Line<T>],
    scratch: &mut [Line<T>],
) {
    let states = panel.len();
    let mut first = 0;
    while first < states {
        // Rows beyond the last are the last one again, and nobody looks at what they give.
        let row = |r: usize| {
            let k = (first + r).min(states - 1);
            &jacobian[k * stride..][..states]
        };
        let out = &mut scratch[first..];
        if L::Lanes::<T>::ROOM > TILE && states - first > TILE / 2 {
            let rows = [0, 1, 2, 3, 4, 5, 6, 7].map(row);
            tile8::<T, L>(rows, panel, out);
            first += TILE;
        } else {
            tile4::<T, L>([0, 1, 2, 3].map(row), panel, out);
            first += TILE / 2;
        }
    }
}

/// Eight rows of J times one panel, all partial sums in registers.
#[inline(always)]
fn tile8<T: Number, L: Level>(rows: [&[T]; 8], panel: &[Line<T>], out: &mut [Line<T>]) {
    // Names, not arrays: an array indexed in a loop would live in memory.
    let n = panel.len();
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows.map(|row| &row[..n]);
    let zero = L::Lanes::<T>::splat(T::ZERO);
    let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
    let (mut s4, mut s5, mut s6, mut s7) = (zero, zero, zero, zero);
    for l in 0..n {
        let line = L::Lanes::load(&panel[l]);
        s0 = L::Lanes::splat(r0[l]).fma(line, s0);
        s1 = L::Lanes::splat(r1[l]).fma(line, s1);
        s2 = L::Lanes::splat(r2[l]).fma(line, s2);
        s3 = L::Lanes::splat(r3[l]).fma(line, s3);
        s4 = L::Lanes::splat(r4[l]).fma(line, s4);
        s5 = L::Lanes::splat(r5[l]).fma(line, s5);
        s6 = L::Lanes::splat(r6[l]).fma(line, s6);
        s7 = L::Lanes::splat(r7[l]).fma(line, s7);
    }
    for (sum, out) in [s0, s1, s2, s3, s4, s5, s6, s7].into_iter().zip(out) {
        sum.store(out);
    }
}

/// Four rows of J times one panel.
#[inline(always)]
fn tile4<T: Number, L: Level>(rows: [&[T]; 4], panel: &[Line<T>], out: &mut [Line<T>]) {
    let n = panel.len();
    let [r0, r1, r2, r3] = rows.map(|row| &row[..n]);
    let zero = L::Lanes::<T>::splat(T::ZERO);
    let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
    for l in 0..n {
        let line = L::Lanes::load(&panel[l]);
        s0 = L::Lanes::splat(r0[l]).fma(line, s0);
        s1 = L::Lanes::splat(r1[l]).fma(line, s1);
        s2 = L::Lanes::splat(r2[l]).fma(line, s2);
        s3 = L::Lanes::splat(r3[l]).fma(line, s3);
    }
    for (sum, out) in [s0, s1, s2, s3].into_iter().zip(out) {
        sum.store(out);
    }
}

/// Adds the direct influence of the parameters of the panel that starts at `first`.
#[inline(always)]
fn add_direct<T: Number, L: Level>(
    scratch: &mut [Line<T>],
    direct: &Direct<'_, T>,
    first: usize,
    parameters: usize,
) {
    let Direct { rows, each, pre } = *direct;
    let last = (first + PANEL).min(parameters);
    let (mut group, mut j) = (first / pre.len(), first % pre.len());
    let mut column = 0;
    while first + column < last {
        let count = (pre.len() - j).min(last - first - column);
        for (row, gain) in &rows[group * each..(group + 1) * each] {
            let line = &mut scratch[*row][column..column + count];
            for (m, a) in line.iter_mut().zip(&pre[j..j + count]) {
                *m = L::fma(*gain, *a, *m);
            }
        }
        column += count;
        (group, j) = (group + 1, 0);
    }
}

struct Form<'a, T> {
    weights: &'a [T],
    weight_stride: usize,
    gain: &'a [T],
    slope: &'a [T],
    result: &'a mut [T],
    stride: usize,
}

impl<T: Number> LaneKernel for Form<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let slope: &[Line<T>] = self.slope[..self.stride].as_chunks().0;
        let rows = self.result.chunks_exact_mut(self.stride);
        let rows = rows.zip(self.weights.chunks_exact(self.weight_stride));
        for ((row, weights), gain) in rows.zip(self.gain) {
            let gain = L::Lanes::splat(*gain);
            let lines: &mut [Line<T>] = row.as_chunks_mut().0;
            for ((j, w), slope) in lines.iter_mut().zip(weights.as_chunks().0).zip(slope) {
                let through = gain.mul(L::Lanes::load(w));
                through.mul(L::Lanes::load(slope)).store(j);
            }
        }
    }
}

/// J = gain W slope: row k times gain_k, column l times slope_l, which is zero in the padding.
pub fn scale_both<T: Number>(
    simd: Simd,
    weights: &[T],
    weight_stride: usize,
    gain: &[T],
    slope: &[T],
    result: &mut Matrix<T>,
) {
    let stride = result.stride();
    simd.run_lanes(Form {
        weights,
        weight_stride,
        gain,
        slope,
        result: result.data_mut(),
        stride,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;

    /// Every product and sum against naive loops, for sizes with and without remainders.
    #[test]
    fn panels_equal_naive_loops() {
        let mut stream = Draws::new(1);
        for (states, columns) in [(1, 1), (3, 20), (4, 16), (8, 7), (13, 33), (32, 35)] {
            let mut draw =
                |count: usize| -> Vec<f64> { (0..count).map(|_| stream.next()).collect() };
            let mut jacobian = Matrix::zeros(states, states);
            let mut start = Vec::new();
            for k in 0..states {
                jacobian.row_mut(k).copy_from_slice(&draw(states));
                start.push(draw(columns));
            }
            let (credit, p, mut a) = (draw(states), draw(states), draw(columns));
            // Two groups of parameters, if they can be split, each acting on two rows.
            let groups = if columns % 2 == 0 { 2 } else { 1 };
            let rows: Vec<(usize, f64)> = (0..2 * groups)
                .map(|r| (r * 5 % states, 0.5 + r as f64))
                .collect();
            let pre = draw(columns / groups);
            let moved = |k: usize, c: usize| -> f64 {
                (0..states).map(|l| jacobian.row(k)[l] * start[l][c]).sum()
            };
            let close = |x: f64, y: f64| assert!((x - y).abs() < 1e-12 * (1.0 + y.abs()));
            for simd in Simd::all() {
                let filled = || {
                    let mut panels = Panels::zeros(states, columns);
                    for (k, row) in start.iter().enumerate() {
                        panels.set_row(k, row);
                    }
                    panels
                };
                let mut panels = filled();
                let squares = panels.multiply(simd, jacobian.data(), jacobian.stride());
                let mut expected = 0.0;
                for k in 0..states {
                    for c in 0..columns {
                        close(panels.get(k, c), moved(k, c));
                        expected += moved(k, c).powi(2);
                    }
                }
                close(squares, expected);
                a.resize(super::super::padded(columns), 0.0);
                let credited = panels.rescale(simd, 0.3, &p, &a, &credit).to_vec();
                for c in 0..columns {
                    let new = |k: usize| 0.3 * moved(k, c) + p[k] * a[c];
                    close(credited[c], (0..states).map(|k| credit[k] * new(k)).sum());
                    (0..states).for_each(|k| close(panels.get(k, c), new(k)));
                }
                let before = panels.get(0, 0);
                panels.rescale(simd, 0.5, &[], &[], &credit);
                close(panels.get(0, 0), 0.5 * before);
                let mut panels = filled();
                let direct = Direct {
                    rows: &rows,
                    each: 2,
                    pre: &pre,
                };
                let credited = panels
                    .advance(simd, jacobian.data(), jacobian.stride(), &direct, &credit)
                    .to_vec();
                for (c, got) in credited.iter().enumerate().take(columns) {
                    let (group, j) = (c / pre.len(), c % pre.len());
                    let new = |k: usize| {
                        let acts = rows[2 * group..2 * group + 2].iter();
                        let acts = acts.filter(|(row, _)| *row == k);
                        moved(k, c) + acts.map(|(_, gain)| gain * pre[j]).sum::<f64>()
                    };
                    (0..states).for_each(|k| close(panels.get(k, c), new(k)));
                    close(*got, (0..states).map(|k| credit[k] * new(k)).sum());
                }
            }
        }
    }
}
