//! ModProp online over any weights with the drive of the paper: one number for each unit and synapse.
//!
//! n_j,pq ← own n_j,pq + c Σ_l Ŵ_jl n_l,pq + gain Ŵ_jp slope_p(t−1) e_pq(t−1), gradient_pq += c_p e_pq + Σ_j c_j n_j,pq.
//! Memory O(n² m), time O(n³ m) a step: for small networks, and the measure of the other forms.

use super::local::LocalTrace;
use super::{Core, Rule, Watch};
use crate::kernel::{Matrix, Rows, add_scaled, add_transposed, add_transposed_products};
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Result, Scalar};

/// ModProp with everything written out.
pub struct Dense<T> {
    core: Core<T>,
    local: LocalTrace<T>,
    /// n of every sample: row p N + j.
    influence: Vec<Matrix<T>>,
    /// Ŵ, c Ŵ, and the rows of one p before the step.
    way: Matrix<T>,
    scaled: Matrix<T>,
    before: Matrix<T>,
}

impl<T: Scalar> Dense<T> {
    pub(super) fn new(core: Core<T>) -> Self {
        let dims = core.dims;
        let n = dims.units;
        Self {
            local: LocalTrace::new(dims, core.shared),
            influence: vec![Matrix::zeros(n * n, dims.pre()); dims.batch],
            way: Matrix::zeros(n, n),
            scaled: Matrix::zeros(n, n),
            before: Matrix::zeros(n, dims.pre()),
            core,
        }
    }
}

impl<T: Scalar> Rule<T> for Dense<T> {
    fn reset(&mut self) {
        self.local.clear();
        self.influence.iter_mut().for_each(Matrix::clear);
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) -> Result<()> {
        let means = self.core.refresh(view.network(), view.type_sums());
        self.core.assign(view, signal);
        let (dims, simd) = (self.core.dims, view.simd());
        let (n, sample) = (dims.units, dims.sample());
        for i in 0..n {
            self.core.way.row(view.synapses(), i, self.way.row_mut(i));
            let pairs = self.scaled.row_mut(i).iter_mut().zip(self.way.row(i));
            pairs.for_each(|(s, w)| *s = means.hop * *w);
        }
        for b in 0..dims.batch {
            let credit = &self.core.credit[b * sample..][..n];
            let influence = &mut self.influence[b];
            let stride = influence.stride();
            let (traces, distance) = self.local.rows(b);
            for (p, slope) in view.slope_before(0, b).iter().enumerate() {
                let rows = influence.band_mut(p * n, n);
                self.before.data_mut().copy_from_slice(rows);
                rows.iter_mut().for_each(|v| *v = means.own * *v);
                let matrix = Rows {
                    data: self.before.data(),
                    stride,
                };
                let factors = Rows {
                    data: self.scaled.data(),
                    stride: self.scaled.stride(),
                };
                add_transposed_products(simd, matrix, n, dims.pre(), factors, n, rows, stride);
                let trace = &traces[p * distance..][..stride];
                for (j, row) in rows.chunks_exact_mut(stride).enumerate() {
                    let enter = means.gain * self.way.row(j)[p] * *slope;
                    add_scaled(simd, enter, trace, row);
                }
                if self.core.credited[b] {
                    add_transposed(simd, rows, stride, credit, gradient.band_mut(p, 1));
                }
            }
            self.local.advance(view, b, credit, gradient);
            if self.core.credited[b] {
                self.local.pay_shared(simd, b, credit, gradient);
            }
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.core.state(io)?;
        self.local.state(io)?;
        for (b, influence) in self.influence.iter_mut().enumerate() {
            io.matrix(&format!("influence.{b}"), influence)?;
        }
        Ok(())
    }

    fn watched(&self) -> Option<&dyn Watch<T>> {
        Some(&self.core)
    }
}
