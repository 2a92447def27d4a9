//! A matrix with one row for each state variable, and the dense product J M that carries it forward.
//!
//! M is kept in panels of [`PANEL`] columns, each panel contiguous over all rows, so that M ← J M works panel by
//! panel inside the cache and needs one copy of M, not two. RTRL has one column for each parameter and
//! adds the direct influence and sums the gradient in the same pass; Kronecker-factored rules have fewer columns.

use super::{Buffer, LANES, LaneKernel, Lanes, Level, Simd};
use crate::Scalar;

/// Columns in a panel.
pub const PANEL: usize = LANES;
/// Rows of the register tile.
const TILE: usize = 8;

type Line<T> = [T; PANEL];

/// M for one sample: state variable s of unit k at row `s * units + k`.
#[derive(Clone)]
pub struct Panels<T> {
    panels: Buffer<T>,
    scratch: Buffer<T>,
    /// Jacobian, transposed in blocks of `TILE` rows: `[block][column][row in block]`.
    packed: Buffer<T>,
    /// Non-zero entries of the direct term for each segment of equal `post`.
    credited: Buffer<T>,
    states: usize,
    parameters: usize,
}

impl<T: Scalar> Panels<T> {
    /// Zeros: nothing has had an influence yet.
    pub fn zeros(states: usize, parameters: usize) -> Self {
        let panels = parameters.div_ceil(PANEL);
        let blocks = states.div_ceil(TILE);
        Self {
            panels: Buffer::zeros(panels * states * PANEL),
            scratch: Buffer::zeros(blocks * TILE * PANEL),
            packed: Buffer::zeros(blocks * TILE * states),
            credited: Buffer::zeros(panels * PANEL),
            states,
            parameters,
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.panels.fill(T::ZERO);
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

    /// Row `state` of M, from column `first` on, += factor · values.
    pub fn add_to_row(&mut self, state: usize, first: usize, factor: T, values: &[T]) {
        let mut column = first;
        let mut rest = values;
        while !rest.is_empty() {
            let (panel, within) = (column / PANEL, column % PANEL);
            let count = (PANEL - within).min(rest.len());
            let at = (panel * self.states + state) * PANEL + within;
            let line = self.panels[at..at + count].iter_mut();
            line.zip(rest).for_each(|(m, v)| *m += factor * *v);
            column += count;
            rest = &rest[count..];
        }
    }

    /// M += p aᵀ, one number of `p` a row.
    pub fn add_outer(&mut self, p: &[T], a: &[T]) {
        let states = self.states;
        let panels: &mut [Line<T>] = self.panels.as_chunks_mut().0;
        for (panel, a) in panels.chunks_exact_mut(states).zip(a.chunks(PANEL)) {
            for (line, p) in panel.iter_mut().zip(p) {
                line.iter_mut().zip(a).for_each(|(m, a)| *m += *p * *a);
            }
        }
    }

    /// M ← factor · M.
    pub fn scale(&mut self, factor: T) {
        self.panels.iter_mut().for_each(|m| *m = *m * factor);
    }

    /// Σ M².
    pub fn squared_norm(&self, simd: Simd) -> T {
        super::squared_norm(simd, &self.panels)
    }

    /// M ← J M.
    pub fn multiply(&mut self, simd: Simd, jacobian: impl Fn(usize, usize) -> T) {
        self.pack(jacobian);
        self.run(simd, None, &[]);
    }

    /// creditᵀ M, one number a column, with padding.
    pub fn credited(&mut self, simd: Simd, credit: &[T]) -> &[T] {
        simd.run_lanes(Credited {
            panels: &self.panels,
            credited: &mut self.credited,
            states: self.states,
            credit,
        });
        &self.credited
    }

    /// M ← J M + D, then returns creditᵀ M for every parameter.
    ///
    /// `jacobian(k, l)` is J_kl, `credit` has one number for each row of M.
    pub fn advance(
        &mut self,
        simd: Simd,
        jacobian: impl Fn(usize, usize) -> T,
        direct: &Direct<'_, T>,
        credit: &[T],
    ) -> &[T] {
        self.pack(jacobian);
        self.run(simd, Some(direct), credit);
        &self.credited[..self.parameters]
    }

    fn pack(&mut self, jacobian: impl Fn(usize, usize) -> T) {
        let states = self.states;
        for block in 0..states.div_ceil(TILE) {
            for l in 0..states {
                for r in 0..TILE {
                    let k = block * TILE + r;
                    self.packed[(block * states + l) * TILE + r] =
                        if k < states { jacobian(k, l) } else { T::ZERO };
                }
            }
        }
    }

    fn run(&mut self, simd: Simd, direct: Option<&Direct<'_, T>>, credit: &[T]) {
        let states = self.states;
        simd.run_lanes(Advance {
            panels: &mut self.panels,
            scratch: &mut self.scratch,
            packed: &self.packed,
            credited: &mut self.credited,
            states,
            parameters: self.parameters,
            direct,
            credit,
        });
    }
}

/// Direct influence: parameter (g, i, j) acts on state variable s of unit i by
/// gain_sg,i · a_j and on nothing else.
pub struct Direct<'a, T> {
    /// Gains; that of (s, g, i) at `(s * currents + g) * plane + offset + i`.
    pub gain: &'a [T],
    /// Distance between the planes of `gain`.
    pub plane: usize,
    /// Where the sample begins in each plane.
    pub offset: usize,
    /// Synaptic currents a unit.
    pub currents: usize,
    /// Units.
    pub units: usize,
    /// Presynaptic vector a, without padding.
    pub pre: &'a [T],
}

struct Advance<'a, T> {
    panels: &'a mut [T],
    scratch: &'a mut [T],
    packed: &'a [T],
    credited: &'a mut [T],
    states: usize,
    parameters: usize,
    direct: Option<&'a Direct<'a, T>>,
    credit: &'a [T],
}

impl<T: Scalar> LaneKernel for Advance<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let states = self.states;
        let scratch: &mut [Line<T>] = self.scratch.as_chunks_mut().0;
        let packed: &[[T; TILE]] = self.packed.as_chunks().0;
        let panels: &mut [Line<T>] = self.panels.as_chunks_mut().0;
        let credited: &mut [Line<T>] = self.credited.as_chunks_mut().0;
        for (index, panel) in panels.chunks_exact_mut(states).enumerate() {
            let tiles = scratch.as_chunks_mut::<TILE>().0;
            for (block, out) in packed.chunks_exact(states).zip(tiles) {
                tile::<T, L>(block, panel, out);
            }
            if let Some(direct) = self.direct {
                add_direct::<T, L>(scratch, states, direct, index * PANEL, self.parameters);
            }
            if self.credit.is_empty() {
                panel.copy_from_slice(&scratch[..states]);
                continue;
            }
            let mut sum = L::Lanes::splat(T::ZERO);
            for ((new, old), c) in scratch.iter().zip(panel.iter_mut()).zip(self.credit) {
                let new = L::Lanes::load(new);
                new.store(old);
                sum = L::Lanes::splat(*c).fma(new, sum);
            }
            sum.store(&mut credited[index]);
        }
    }
}

struct Credited<'a, T> {
    panels: &'a [T],
    credited: &'a mut [T],
    states: usize,
    credit: &'a [T],
}

impl<T: Scalar> LaneKernel for Credited<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let panels: &[Line<T>] = self.panels.as_chunks().0;
        let credited: &mut [Line<T>] = self.credited.as_chunks_mut().0;
        for (panel, out) in panels.chunks_exact(self.states).zip(credited) {
            let mut sum = L::Lanes::splat(T::ZERO);
            for (line, c) in panel.iter().zip(self.credit) {
                sum = L::Lanes::splat(*c).fma(L::Lanes::load(line), sum);
            }
            sum.store(out);
        }
    }
}

/// `TILE` rows of J times one panel, all partial sums in registers.
#[inline(always)]
fn tile<T: Scalar, L: Level>(block: &[[T; TILE]], panel: &[Line<T>], out: &mut [Line<T>; TILE]) {
    // Eight names, not an array of eight: an array indexed in a loop would live in memory.
    let zero = L::Lanes::<T>::splat(T::ZERO);
    let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
    let (mut s4, mut s5, mut s6, mut s7) = (zero, zero, zero, zero);
    for (f, line) in block.iter().zip(panel) {
        let line = L::Lanes::load(line);
        s0 = L::Lanes::splat(f[0]).fma(line, s0);
        s1 = L::Lanes::splat(f[1]).fma(line, s1);
        s2 = L::Lanes::splat(f[2]).fma(line, s2);
        s3 = L::Lanes::splat(f[3]).fma(line, s3);
        s4 = L::Lanes::splat(f[4]).fma(line, s4);
        s5 = L::Lanes::splat(f[5]).fma(line, s5);
        s6 = L::Lanes::splat(f[6]).fma(line, s6);
        s7 = L::Lanes::splat(f[7]).fma(line, s7);
    }
    for (sum, out) in [s0, s1, s2, s3, s4, s5, s6, s7].into_iter().zip(out) {
        sum.store(out);
    }
}

/// Adds gain_i a_j to the rows of unit i for the parameters of the panel that starts at `first`.
#[inline(always)]
fn add_direct<T: Scalar, L: Level>(
    scratch: &mut [Line<T>],
    states: usize,
    direct: &Direct<'_, T>,
    first: usize,
    parameters: usize,
) {
    let Direct {
        gain,
        plane,
        offset,
        currents,
        units,
        pre,
    } = *direct;
    let per_current = units * pre.len();
    let last = (first + PANEL).min(parameters);
    let mut parameter = first;
    while parameter < last {
        let (current, within) = (parameter / per_current, parameter % per_current);
        let (i, j) = (within / pre.len(), within % pre.len());
        let count = (pre.len() - j).min(last - parameter);
        let column = parameter - first;
        for s in 0..states / units {
            let gain = gain[(s * currents + current) * plane + offset + i];
            let line = &mut scratch[s * units + i][column..column + count];
            for (m, a) in line.iter_mut().zip(&pre[j..j + count]) {
                *m = L::fma(gain, *a, *m);
            }
        }
        parameter += count;
    }
}
