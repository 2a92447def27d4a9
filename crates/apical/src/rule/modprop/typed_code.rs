//! ModProp online with means over types and the drive of the code: no number at any synapse beyond those of its sender.
//!
//! The postsynaptic unit enters through its type alone, so that the filtered traces have one row for each pair of types:
//! R_αβ ← own R_αβ + c Σ_γ W_αγ n_γ R_γβ + c W_αβ ē, ē ← own ē + gain a, gradient_p += c_p e + Σ_α (Σ_{j of type α} c_j) R_αβ(p).
//! Where the means leave out a unit's way onto itself, own becomes own − c W_αα for R and for a ē of each type.
//! Memory O(C² m), time O(C³ m) a step and O(n m) where there is an error. (On rate units local traces are n × m more.)

use super::local::{LocalTrace, advance_mean};
use super::{Contract, Core, Rule, Watch};
use crate::kernel::{Matrix, Mixing, Payment, add_scaled, add_typed_outer, mix, padded};
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Result, Scalar};

/// ModProp through types, with the drive of the code.
pub struct TypedCode<T> {
    core: Core<T>,
    local: LocalTrace<T>,
    /// ē, one row a sample.
    mean: Matrix<T>,
    /// ē of each type where a unit has no way onto itself, of every sample.
    own: Vec<Matrix<T>>,
    /// R_αβ of every sample: a row for each β, of all α line by line.
    filtered: Vec<Matrix<T>>,
    /// For one sample: what units of a type add to the gradient, times their credit and besides.
    times: Matrix<T>,
    plus: Matrix<T>,
    coefficients: Vec<T>,
    enter: Vec<T>,
    /// What R_αβ counts, once for each β.
    weights: Vec<T>,
    ones: Vec<T>,
    room: Vec<T>,
    betas: Vec<usize>,
}

impl<T: Scalar> TypedCode<T> {
    pub(super) fn new(core: Core<T>) -> Self {
        let (dims, count) = (core.dims, core.way.types().count());
        let own = if core.way.has_zero_diagonal() {
            dims.batch
        } else {
            0
        };
        Self {
            local: LocalTrace::new(dims, core.shared),
            mean: Matrix::zeros(dims.batch, dims.pre()),
            own: vec![Matrix::zeros(count, dims.pre()); own],
            filtered: vec![Matrix::zeros(count, count * padded(dims.pre())); dims.batch],
            times: Matrix::zeros(count, dims.pre()),
            plus: Matrix::zeros(count, dims.pre()),
            coefficients: vec![T::ZERO; count * count * count],
            enter: vec![T::ZERO; count * count],
            weights: vec![T::ZERO; count * count],
            ones: vec![T::ONE; count],
            room: vec![T::ZERO; count],
            betas: (0..count).collect(),
            core,
        }
    }
}

impl<T: Scalar> Rule<T> for TypedCode<T> {
    fn contract(&self) -> Contract {
        Contract {
            reads_type_sums: self.core.way.is_typed(),
            ..Contract::default()
        }
    }

    fn reset(&mut self) {
        self.local.clear();
        self.mean.clear();
        self.own.iter_mut().for_each(Matrix::clear);
        self.filtered.iter_mut().for_each(Matrix::clear);
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) -> Result<()> {
        let means = self.core.refresh(view.network(), view.type_sums());
        self.core.assign(view, signal);
        let (dims, simd) = (self.core.dims, view.simd());
        let count = self.core.way.types().count();
        let averages = self.core.way.means();
        let sizes = self.core.way.types().sizes();
        let apart = self.core.way.has_zero_diagonal();
        // The same mixture for every column β of R: own + c W n; what enters is c W_αβ.
        for alpha in 0..count {
            for gamma in 0..count {
                let w = averages[alpha * count + gamma];
                let mut coefficient = means.hop * w * T::of(sizes[gamma] as f64);
                if alpha == gamma {
                    coefficient += means.own;
                    if apart {
                        coefficient -= means.hop * w;
                    }
                }
                for beta in 0..count {
                    self.coefficients[(beta * count + alpha) * count + gamma] = coefficient;
                }
            }
            for beta in 0..count {
                self.enter[beta * count + alpha] = means.hop * averages[alpha * count + beta];
            }
        }
        let sample = dims.sample();
        self.core.way.pool(simd, &self.core.credit, sample);
        for b in 0..dims.batch {
            let pre = view.pre(b);
            let (traces, traces_stride) = if apart {
                (self.own[b].data(), self.own[b].stride())
            } else {
                (self.mean.band(b, 1), 0)
            };
            let stride = self.mean.stride();
            let mixing = Mixing {
                states: self.filtered[b].data_mut(),
                stride,
                count,
                of: &self.betas,
                drive: &self.ones,
                mix: Some(&self.coefficients),
                enter: &self.enter,
                traces,
                traces_stride,
                room: &mut self.room,
            };
            self.plus.clear();
            let payment = self.core.credited[b].then(|| {
                let pooled = self.weights.chunks_exact_mut(count);
                pooled.for_each(|w| w.copy_from_slice(self.core.way.pooled().row(b)));
                Payment {
                    gradient: self.plus.data_mut(),
                    weights: &self.weights,
                    own: None,
                    credit: &self.ones,
                    shared: None,
                }
            });
            mix(simd, mixing, payment);
            advance_mean(simd, means.own, means.gain, pre, self.mean.band_mut(b, 1));
            if apart {
                for beta in 0..count {
                    let w = self.core.way.means()[beta * count + beta];
                    let own = means.own - means.hop * w;
                    advance_mean(simd, own, means.gain, pre, self.own[b].band_mut(beta, 1));
                }
            }
            let credit = &self.core.credit[b * dims.sample()..][..dims.units];
            self.local.advance(view, b, credit, gradient);
            if !self.core.credited[b] {
                continue;
            }
            self.times.clear();
            for beta in 0..count {
                let times = self.times.band_mut(beta, 1);
                if let Some(shared) = self.local.shared(b) {
                    times.copy_from_slice(shared);
                }
                if apart {
                    add_scaled(simd, T::ONE, self.own[b].band(beta, 1), times);
                    add_scaled(simd, -T::ONE, self.mean.band(b, 1), times);
                }
            }
            let (of, stride) = (self.core.way.types().of(), gradient.stride());
            let (times, plus) = (self.times.data(), self.plus.data());
            add_typed_outer(simd, gradient.data_mut(), stride, of, credit, times, plus);
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.core.state(io)?;
        self.local.state(io)?;
        io.matrix("mean", &mut self.mean)?;
        for (b, filtered) in self.filtered.iter_mut().enumerate() {
            io.matrix(&format!("filtered.{b}"), filtered)?;
        }
        for (b, own) in self.own.iter_mut().enumerate() {
            io.matrix(&format!("own.{b}"), own)?;
        }
        Ok(())
    }

    fn watched(&self) -> Option<&dyn Watch<T>> {
        Some(&self.core)
    }
}
