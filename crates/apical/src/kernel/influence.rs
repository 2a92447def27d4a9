//! The full influence matrix and the one dense product that carries it forward.
//!
//! M has one row for each state variable and one column for each parameter. It is kept in panels of
//! [`PANEL`] columns, each panel contiguous over all rows, so that M ← J M + direct term works panel by
//! panel inside the cache and needs one copy of M, not two.

use super::{Buffer, Kernel, LANES, Simd};
use crate::Scalar;

/// Columns in a panel.
pub const PANEL: usize = LANES;
/// Rows of the register tile.
const TILE: usize = 8;

type Line<T> = [T; PANEL];

/// ds/dW for one sample: `states` rows (state variable s of unit k at row `s * units + k`),
/// one column for each parameter in the order (current, post, pre).
#[derive(Clone)]
pub struct Influence<T> {
    panels: Buffer<T>,
    scratch: Buffer<T>,
    /// Jacobian, transposed in blocks of `TILE` rows: `[block][column][row in block]`.
    packed: Buffer<T>,
    /// Non-zero entries of the direct term for each segment of equal `post`.
    credited: Buffer<T>,
    states: usize,
    parameters: usize,
}

impl<T: Scalar> Influence<T> {
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
        simd.run(Advance {
            panels: &mut self.panels,
            scratch: &mut self.scratch,
            packed: &self.packed,
            credited: &mut self.credited,
            states,
            parameters: self.parameters,
            direct,
            credit,
        });
        &self.credited[..self.parameters]
    }
}

/// Direct influence: parameter (g, i, j) acts on state variable s of unit i by
/// gain[s][g]_i · a_j and on nothing else.
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
    direct: &'a Direct<'a, T>,
    credit: &'a [T],
}

impl<T: Scalar> Kernel for Advance<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let states = self.states;
        let scratch: &mut [Line<T>] = self.scratch.as_chunks_mut().0;
        let packed: &[[T; TILE]] = self.packed.as_chunks().0;
        let panels: &mut [Line<T>] = self.panels.as_chunks_mut().0;
        let credited: &mut [Line<T>] = self.credited.as_chunks_mut().0;
        for (index, panel) in panels.chunks_exact_mut(states).enumerate() {
            for (block, out) in packed
                .chunks_exact(states)
                .zip(scratch.as_chunks_mut::<TILE>().0)
            {
                *out = tile::<T, FMA>(block, panel);
            }
            add_direct::<T, FMA>(scratch, states, self.direct, index * PANEL, self.parameters);
            let mut sum = [T::ZERO; PANEL];
            for ((new, old), c) in scratch.iter().zip(panel.iter_mut()).zip(self.credit) {
                *old = *new;
                for k in 0..PANEL {
                    sum[k] = c.fma::<FMA>(new[k], sum[k]);
                }
            }
            credited[index] = sum;
        }
    }
}

/// `TILE` rows of J times one panel, all partial sums in registers.
#[inline(always)]
fn tile<T: Scalar, const FMA: bool>(block: &[[T; TILE]], panel: &[Line<T>]) -> [Line<T>; TILE] {
    let mut sums = [[T::ZERO; PANEL]; TILE];
    for (factors, line) in block.iter().zip(panel) {
        for r in 0..TILE {
            for k in 0..PANEL {
                sums[r][k] = factors[r].fma::<FMA>(line[k], sums[r][k]);
            }
        }
    }
    sums
}

/// Adds gain_i a_j to the rows of unit i for the parameters of the panel that starts at `first`.
#[inline(always)]
fn add_direct<T: Scalar, const FMA: bool>(
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
                *m = gain.fma::<FMA>(*a, *m);
            }
        }
        parameter += count;
    }
}
