//! ModProp online over any weights with the drive of the code: the filter in the basis of its eigenvectors.
//!
//! With own + c Ŵ = X diag(λ) X⁻¹, worked out whenever the weights have changed: Y_k ← λ_k Y_k + gain a, and what all ways together have
//! brought is Re[X⁻ᵀ diag(Xᵀ c) Y]; the part that never left its unit, c ē, is taken off and the exact local trace put in its place. This is the
//! causal form of what the released code computes. Weights that change within a trial keep Y, whose rows follow the eigenvalues nearest to theirs.
//! Memory O(n m), time O(n m) a step, O(n² m) where there is an error, O(n³) an update. Exact as far as the eigenvectors are well conditioned.

use super::local::{LocalTrace, advance_mean};
use super::{Core, Probe, Rule, Watch};
use crate::eigen::{Complex, Eigen};
use crate::kernel::{Matrix, add_outer_sum, add_scaled};
use crate::snapshot::StateIo;
use crate::view::View;
use crate::warning::Warning;
use crate::{Result, Scalar};

/// ModProp by eigenvectors.
pub struct DiagonalCode<T> {
    core: Core<T>,
    local: LocalTrace<T>,
    /// ē, one row a sample.
    mean: Matrix<T>,
    /// Re Y and Im Y of every sample.
    parts: [Vec<Matrix<T>>; 2],
    /// The matrix whose eigenvectors these are, and the one now.
    known: Vec<f64>,
    present: Vec<f64>,
    row: Vec<T>,
    eigen: Eigen,
    /// λ in the order of Y, real and imaginary parts.
    values: [Vec<f64>; 2],
    order: Vec<usize>,
    free: Vec<bool>,
    /// X, and X⁻¹ as factors: Re and −Im, row k, in the order of Y.
    vectors: Vec<Complex>,
    inverse: [Matrix<T>; 2],
    /// diag(Xᵀ c) Y: Re and Im.
    weighed: [Matrix<T>; 2],
    loss: Matrix<T>,
    condition: f64,
}

impl<T: Scalar> DiagonalCode<T> {
    pub(super) fn new(core: Core<T>) -> Self {
        let (dims, n) = (core.dims, core.dims.units);
        let parts = || vec![Matrix::zeros(n, dims.pre()); dims.batch];
        Self {
            local: LocalTrace::new(dims, core.shared),
            mean: Matrix::zeros(dims.batch, dims.pre()),
            parts: [parts(), parts()],
            known: vec![f64::NAN; n * n],
            present: vec![0.0; n * n],
            row: vec![T::ZERO; n],
            eigen: Eigen::new(n),
            values: [vec![0.0; n], vec![0.0; n]],
            order: (0..n).collect(),
            free: vec![true; n],
            vectors: vec![Complex::new(0.0, 0.0); n * n],
            inverse: [Matrix::zeros(n, n), Matrix::zeros(n, n)],
            weighed: [Matrix::zeros(n, dims.pre()), Matrix::zeros(n, dims.pre())],
            loss: Matrix::zeros(1, dims.pre()),
            condition: 0.0,
            core,
        }
    }

    /// Works out the eigenvectors if the filter is another one than before.
    fn renew(&mut self, view: &View<'_, T>, own: T, hop: T) {
        let n = self.core.dims.units;
        for i in 0..n {
            self.core.way.row(view.synapses(), i, &mut self.row);
            let present = &mut self.present[i * n..][..n];
            let pairs = present.iter_mut().zip(&self.row);
            pairs.for_each(|(p, w)| *p = hop.f64() * w.f64());
            present[i] += own.f64();
        }
        if self.present == self.known {
            return;
        }
        self.known.copy_from_slice(&self.present);
        if !self.eigen.decompose(&self.present) {
            self.condition = f64::INFINITY;
            return;
        }
        self.condition = self.condition.max(self.eigen.condition() / n as f64);
        self.free.fill(true);
        for k in 0..n {
            let before = Complex::new(self.values[0][k], self.values[1][k]);
            let mut best = (f64::INFINITY, 0);
            for (l, value) in self.eigen.values.iter().enumerate() {
                let apart = (value.re - before.re).hypot(value.im - before.im);
                if self.free[l] && apart < best.0 {
                    best = (apart, l);
                }
            }
            self.free[best.1] = false;
            self.order[k] = best.1;
        }
        for (k, l) in self.order.iter().enumerate() {
            let value = self.eigen.values[*l];
            (self.values[0][k], self.values[1][k]) = (value.re, value.im);
            for i in 0..n {
                self.vectors[i * n + k] = self.eigen.vectors[i * n + l];
                let inverse = self.eigen.inverse[l * n + i];
                self.inverse[0].row_mut(k)[i] = T::of(inverse.re);
                self.inverse[1].row_mut(k)[i] = T::of(-inverse.im);
            }
        }
    }
}

impl<T: Scalar> Rule<T> for DiagonalCode<T> {
    fn reset(&mut self) {
        self.local.clear();
        self.mean.clear();
        self.parts.iter_mut().flatten().for_each(Matrix::clear);
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) -> Result<()> {
        let means = self.core.refresh(view.network(), view.type_sums());
        self.core.assign(view, signal);
        self.renew(view, means.own, means.hop);
        let (dims, simd) = (self.core.dims, view.simd());
        let (n, sample, stride) = (dims.units, dims.sample(), gradient.stride());
        for b in 0..dims.batch {
            let pre = view.pre(b);
            advance_mean(simd, means.own, means.gain, pre, self.mean.band_mut(b, 1));
            let [real, imaginary] = &mut self.parts;
            for k in 0..n {
                let (re, im) = (T::of(self.values[0][k]), T::of(self.values[1][k]));
                let (y, z) = (real[b].band_mut(k, 1), imaginary[b].band_mut(k, 1));
                for ((y, z), a) in y.iter_mut().zip(z).zip(pre) {
                    let turned = re * *y - im * *z + means.gain * *a;
                    *z = re * *z + im * *y;
                    *y = turned;
                }
            }
            let credit = &self.core.credit[b * sample..][..n];
            self.local.advance(view, b, credit, gradient);
            if !self.core.credited[b] {
                continue;
            }
            let [weighed_real, weighed_imaginary] = &mut self.weighed;
            for k in 0..n {
                let mut along = Complex::new(0.0, 0.0);
                for (i, c) in credit.iter().enumerate() {
                    let x = self.vectors[i * n + k];
                    along = Complex::new(along.re + x.re * c.f64(), along.im + x.im * c.f64());
                }
                let (re, im) = (T::of(along.re), T::of(along.im));
                let (y, z) = (real[b].band(k, 1), imaginary[b].band(k, 1));
                let out = weighed_real.band_mut(k, 1).iter_mut();
                let out = out.zip(weighed_imaginary.band_mut(k, 1));
                for ((p, q), (y, z)) in out.zip(y.iter().zip(z)) {
                    *p = re * *y - im * *z;
                    *q = re * *z + im * *y;
                }
            }
            for (inverse, weighed) in self.inverse.iter().zip(&self.weighed) {
                let (factors, apart) = (inverse.data(), inverse.stride());
                let rows = weighed.data();
                add_outer_sum(simd, gradient.data_mut(), stride, factors, apart, n, rows);
            }
            // c (e − ē); the rows units have of their own are paid already.
            let loss = self.loss.data_mut();
            loss.fill(T::ZERO);
            add_scaled(simd, -T::ONE, self.mean.band(b, 1), loss);
            if let Some(shared) = self.local.shared(b) {
                add_scaled(simd, T::ONE, shared, loss);
            }
            crate::kernel::add_outer(simd, gradient.data_mut(), stride, T::ONE, credit, loss);
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.core.state(io)?;
        self.local.state(io)?;
        io.matrix("mean", &mut self.mean)?;
        for (name, parts) in ["real", "imaginary"].iter().zip(&mut self.parts) {
            for (b, part) in parts.iter_mut().enumerate() {
                io.matrix(&format!("{name}.{b}"), part)?;
            }
        }
        io.values("values_real", &mut self.values[0])?;
        io.values("values_imaginary", &mut self.values[1])?;
        io.measured("condition", std::slice::from_mut(&mut self.condition))?;
        if io.is_restoring() {
            // Whatever was worked out belongs to other weights.
            self.known.fill(f64::NAN);
        }
        Ok(())
    }

    fn watched(&self) -> Option<&dyn Watch<T>> {
        Some(self)
    }
}

impl<T: Scalar> Watch<T> for DiagonalCode<T> {
    fn probes(&self) -> &'static [&'static str] {
        self.core.probes()
    }

    fn probe(&self, index: usize) -> Probe<'_, T> {
        self.core.probe(index)
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.core.warnings();
        // Half of the digits are left: of sixteen in f64, of seven in f32.
        if self.condition > T::EPSILON.f64().sqrt().recip() {
            let condition = self.condition;
            warnings.push(Warning::IllConditioned { condition });
        }
        warnings
    }
}
