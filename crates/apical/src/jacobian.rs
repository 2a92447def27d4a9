//! The Jacobian J(t) = ∂s(t)/∂s(t−1): products with vectors that never form it, and J itself for products with matrices.
//!
//! J = blockdiag(own) + Σ_g gain_g W_g slope(t−1). Vectors hold one sample's states: variable s of unit i at
//! `s * sample + i`, with `sample` the padded number of units.

use crate::kernel::{Buffer, Matrix, add_transposed, product, scale_both};
use crate::network::Dims;
use crate::snapshot::StateIo;
use crate::synapse::Synapses;
use crate::view::View;
use crate::{Result, Scalar};

/// Scratch for products with the Jacobian.
pub struct JacobianProduct<T> {
    through: Buffer<T>,
    current: Buffer<T>,
}

impl<T: Scalar> JacobianProduct<T> {
    /// For a network of these sizes.
    pub fn new(dims: Dims) -> Self {
        Self {
            through: Buffer::zeros(dims.pre()),
            current: Buffer::zeros(dims.units),
        }
    }

    /// result = J v for sample `b`.
    pub fn forward(&mut self, view: &View<'_, T>, b: usize, v: &[T], result: &mut [T]) {
        let dims = view.dims();
        let (n, sample) = (dims.units, dims.sample());
        self.through.fill(T::ZERO);
        for s in 0..dims.states {
            let slope = view.slope_before(s, b);
            let units = self.through.iter_mut().zip(slope).zip(&v[s * sample..]);
            units.for_each(|((t, slope), v)| *t += *slope * *v);
        }
        for s in 0..dims.states {
            let result = &mut result[s * sample..][..n];
            result.fill(T::ZERO);
            for before in 0..dims.states {
                let own = view.own(s, before, b);
                let units = result.iter_mut().zip(own).zip(&v[before * sample..]);
                units.for_each(|((r, own), v)| *r += *own * *v);
            }
        }
        let weights = view.synapses().weights();
        for g in 0..dims.currents {
            let band = weights.band(g * n, n);
            product(
                view.simd(),
                band,
                weights.stride(),
                &self.through,
                &mut self.current[..n],
            );
            for s in 0..dims.states {
                let gain = view.gain(s, g, b);
                let units = result[s * sample..][..n]
                    .iter_mut()
                    .zip(gain)
                    .zip(self.current.iter());
                units.for_each(|((r, gain), u)| *r += *gain * *u);
            }
        }
    }
}

/// J of one step and sample, formed row by row.
pub struct FormedJacobian<T> {
    rows: Matrix<T>,
    /// slope(t−1), padded.
    slope: Buffer<T>,
}

impl<T: Scalar> FormedJacobian<T> {
    /// For a network of these sizes.
    pub fn new(dims: Dims) -> Self {
        let states = dims.states * dims.units;
        Self {
            rows: Matrix::zeros(states, states),
            slope: Buffer::zeros(dims.units),
        }
    }

    /// J of sample `b`: variable s of unit k at row and column s·n + k.
    pub fn form(&mut self, view: &View<'_, T>, b: usize) -> &Matrix<T> {
        let dims = view.dims();
        let n = dims.units;
        let weights = view.synapses().weights();
        if (dims.states, dims.currents) == (1, 1) {
            self.slope[..n].copy_from_slice(view.slope_before(0, b));
            let (gain, stride) = (view.gain(0, 0, b), weights.stride());
            let rows = &mut self.rows;
            scale_both(view.simd(), weights.data(), stride, gain, &self.slope, rows);
        } else {
            for row in 0..dims.states * n {
                let (s, k) = (row / n, row % n);
                let result = self.rows.row_mut(row);
                for (before, part) in result.chunks_exact_mut(n).enumerate() {
                    part.fill(T::ZERO);
                    for g in 0..dims.currents {
                        let gain = view.gain(s, g, b)[k];
                        let terms = part.iter_mut().zip(weights.row(g * n + k));
                        terms.for_each(|(j, w)| *j += gain * *w);
                    }
                    let terms = part.iter_mut().zip(view.slope_before(before, b));
                    terms.for_each(|(j, slope)| *j = *j * *slope);
                }
            }
        }
        for s in 0..dims.states {
            for before in 0..dims.states {
                for (k, own) in view.own(s, before, b).iter().enumerate() {
                    self.rows.row_mut(s * n + k)[before * n + k] += *own;
                }
            }
        }
        &self.rows
    }
}

/// One step of a tape: what the backward product with its Jacobian needs, for one sample.
#[derive(Clone)]
pub struct Kept<T> {
    /// own, one row for each pair (s, s').
    pub own: Matrix<T>,
    /// gain, one row for each pair (s, g).
    pub gain: Matrix<T>,
    /// slope at t−1, one row a state variable.
    pub slope_before: Matrix<T>,
    /// a(t), one row.
    pub pre: Matrix<T>,
}

impl<T: Scalar> Kept<T> {
    /// Zeros.
    pub fn new(dims: Dims) -> Self {
        let Dims {
            units,
            states,
            currents,
            ..
        } = dims;
        Self {
            own: Matrix::zeros(states * states, units),
            gain: Matrix::zeros(states * currents, units),
            slope_before: Matrix::zeros(states, units),
            pre: Matrix::zeros(1, dims.pre()),
        }
    }

    /// Keeps the present step of sample `b`.
    pub fn keep(&mut self, view: &View<'_, T>, b: usize) {
        let Dims {
            states, currents, ..
        } = view.dims();
        for s in 0..states {
            for before in 0..states {
                self.own
                    .row_mut(s * states + before)
                    .copy_from_slice(view.own(s, before, b));
            }
            for g in 0..currents {
                self.gain
                    .row_mut(s * currents + g)
                    .copy_from_slice(view.gain(s, g, b));
            }
            self.slope_before
                .row_mut(s)
                .copy_from_slice(view.slope_before(s, b));
        }
        self.pre.data_mut().copy_from_slice(view.pre(b));
    }

    /// Saves or restores the step.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.matrix("own", &mut self.own)?;
        io.matrix("gain", &mut self.gain)?;
        io.matrix("slope_before", &mut self.slope_before)?;
        io.matrix("pre", &mut self.pre)
    }
}

/// result = Jᵀ λ with the Jacobian of a kept step; λ and result have one row a state variable.
pub fn backward<T: Scalar>(
    kept: &Kept<T>,
    synapses: &Synapses<T>,
    simd: crate::kernel::Simd,
    credit: &Matrix<T>,
    factor: &mut [T],
    back: &mut [T],
    result: &mut Matrix<T>,
) {
    let states = credit.rows();
    let currents = synapses.currents();
    let n = credit.columns();
    let weights = synapses.weights();
    back[..n].fill(T::ZERO);
    for g in 0..currents {
        through_gain(kept, g, credit, factor);
        let band = weights.band(g * n, n);
        add_transposed(simd, band, weights.stride(), &factor[..n], &mut back[..n]);
    }
    for s in 0..states {
        let slope = kept.slope_before.row(s);
        let row = result.row_mut(s).iter_mut().zip(slope).zip(back.iter());
        row.for_each(|((r, slope), b)| *r = *slope * *b);
        for after in 0..states {
            let own = kept.own.row(after * states + s);
            let row = result.row_mut(s).iter_mut().zip(own).zip(credit.row(after));
            row.for_each(|((r, own), c)| *r += *own * *c);
        }
    }
}

/// factor_i = Σ_s gain_sg,i λ_s,i of a kept step.
pub fn through_gain<T: Scalar>(kept: &Kept<T>, g: usize, credit: &Matrix<T>, factor: &mut [T]) {
    let states = credit.rows();
    let currents = kept.gain.rows() / states;
    factor.fill(T::ZERO);
    for s in 0..states {
        let gain = kept.gain.row(s * currents + g);
        let units = factor.iter_mut().zip(gain).zip(credit.row(s));
        units.for_each(|((f, gain), c)| *f += *gain * *c);
    }
}
