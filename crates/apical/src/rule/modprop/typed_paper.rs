//! ModProp online with means over types and the drive of the paper: eligibility traces filtered by the types of synapses.
//!
//! ν_α,p ← own ν_α,p + c Σ_γ W_αγ n_γ ν_γ,p + gain W_αβ(p) slope_p(t−1) e_p(t−1), gradient_p += c_p e_p + Σ_α (Σ_{j of type α} c_j) ν_α,p.
//! Where the means leave out a unit's way onto itself, own becomes own − c W_αα and the unit itself has σ_p more than the others of
//! its type: σ_p ← (own − c W_ββ) σ_p − gain W_ββ slope_p(t−1) e_p(t−1), which enters ν with c W_αβ.
//! The traces are kept in a moving [`Frame`], and between voltage units as [`Gathered`]. Memory O(C n m), time O(C n m + C³) a step,
//! O(C² n m) where the frame starts again: seldom with a slow filter, at every step with one that forgets at once.

use super::frame::Frame;
use super::gathered::{Gathered, HeldDue};
use super::local::LocalTrace;
use super::{Contract, Core, Rule, Watch};
use crate::kernel::{Buffer, Matrix, Mixing, Payment, mix, padded};
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Result, Scalar};

/// ModProp through types, with the drive of the paper.
pub struct TypedPaper<T> {
    core: Core<T>,
    local: LocalTrace<T>,
    /// ν̃, and σ̃ where there is one, of every sample: a row a unit, of K traces line by line.
    filtered: Vec<Matrix<T>>,
    frame: Frame<T>,
    count: usize,
    coefficients: Vec<T>,
    enter: Vec<T>,
    /// Where all units share a row and are alike within a type, of every sample: what their traces have in common.
    gathered: Vec<Gathered<T>>,
    room: Vec<T>,
    /// A shared row as it was.
    before: Buffer<T>,
}

impl<T: Scalar> TypedPaper<T> {
    /// K, filtered traces a synapse.
    fn count(core: &Core<T>) -> usize {
        core.way.types().count() + usize::from(core.way.has_zero_diagonal())
    }

    pub(super) fn new(core: Core<T>) -> Self {
        let (dims, types) = (core.dims, core.way.types().count());
        let count = Self::count(&core);
        // M is the same for all types unless the unit itself is left out.
        let same = count == types;
        Self {
            local: LocalTrace::new(dims, core.shared),
            filtered: vec![Matrix::zeros(dims.units, count * padded(dims.pre())); dims.batch],
            frame: Frame::new(types, count, same),
            count,
            coefficients: vec![T::ZERO; if same { 1 } else { types } * count * count],
            enter: vec![T::ZERO; types * count],
            gathered: match core.shared && same {
                true => (0..dims.batch)
                    .map(|_| Gathered::new(core.way.types(), dims.pre()))
                    .collect(),
                false => Vec::new(),
            },
            room: vec![T::ZERO; count],
            before: Buffer::zeros(dims.pre()),
            core,
        }
    }

    /// M_β, once where it is the same for all types, and what enters, for units of every type.
    fn mixture(&mut self, own: T, gain: T, hop: T) {
        let (types, count) = (self.core.way.types().count(), self.count);
        let (means, sizes) = (self.core.way.means(), self.core.way.types().sizes());
        let apart = self.core.way.has_zero_diagonal();
        self.coefficients.fill(T::ZERO);
        let matrices = self.coefficients.chunks_exact_mut(count * count);
        for (beta, mix) in matrices.enumerate() {
            for alpha in 0..types {
                for gamma in 0..types {
                    mix[alpha * count + gamma] =
                        hop * means[alpha * types + gamma] * T::of(sizes[gamma] as f64);
                }
                mix[alpha * count + alpha] += own;
                if apart {
                    mix[alpha * count + alpha] -= hop * means[alpha * types + alpha];
                    mix[alpha * count + types] = hop * means[alpha * types + beta];
                }
            }
            if apart {
                mix[types * count + types] = own - hop * means[beta * types + beta];
            }
        }
        for (beta, enter) in self.enter.chunks_exact_mut(count).enumerate() {
            for alpha in 0..types {
                enter[alpha] = gain * means[alpha * types + beta];
            }
            if apart {
                enter[types] = -(gain * means[beta * types + beta]);
            }
        }
    }
}

impl<T: Scalar> Rule<T> for TypedPaper<T> {
    fn contract(&self) -> Contract {
        Contract {
            reads_type_sums: self.core.way.is_typed(),
            ..Contract::default()
        }
    }

    fn reset(&mut self) {
        self.local.clear();
        self.frame.restart();
        self.gathered.iter_mut().for_each(|g| g.clear());
        self.filtered.iter_mut().for_each(Matrix::clear);
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) -> Result<()> {
        let means = self.core.refresh(view.network(), view.type_sums());
        self.core.assign(view, signal);
        self.mixture(means.own, means.gain, means.hop);
        let (dims, simd) = (self.core.dims, view.simd());
        let sample = dims.sample();
        self.core.way.pool(simd, &self.core.credit, sample);
        let stride = gradient.stride();
        let zero_diagonal = self.core.way.has_zero_diagonal();
        self.frame.advance(&self.coefficients, &self.enter);
        for b in 0..dims.batch {
            let credit = &self.core.credit[b * sample..][..dims.units];
            let slope = view.slope_before(0, b);
            let credited = self.core.credited[b];
            if credited {
                self.frame.weigh(self.core.way.pooled().row(b));
            }
            // A row that all units share is advanced first, so that everything is paid in one pass.
            let shared = self.local.shared(b).is_some();
            if let Some(row) = self.local.shared(b) {
                self.before.copy_from_slice(row);
                self.local.advance(view, b, credit, gradient);
            }
            let (traces, traces_stride) = match shared {
                true => (&self.before[..], 0),
                false => self.local.rows(b),
            };
            let states = self.filtered[b].data_mut();
            if let (Some(gathered), Some(row)) = (self.gathered.get_mut(b), self.local.shared(b)) {
                if let Some(matrices) = self.frame.matrices() {
                    gathered.turn(simd, matrices, states);
                }
                let due = credited.then(|| HeldDue {
                    gradient: gradient.data_mut(),
                    credit,
                    shared: row,
                });
                gathered.step(simd, &self.frame, slope, traces, states, due);
                continue;
            }
            let mixing = Mixing {
                states,
                stride,
                count: self.count,
                of: self.core.way.types().of(),
                mix: self.frame.matrices(),
                enter: self.frame.enter(),
                drive: slope,
                traces,
                traces_stride,
                room: &mut self.room,
            };
            let payment = credited.then(|| Payment {
                gradient: gradient.data_mut(),
                weights: self.frame.weights(),
                own: zero_diagonal.then_some(self.frame.own()),
                credit,
                shared: self.local.shared(b),
            });
            mix(simd, mixing, payment);
            if !shared {
                self.local.advance(view, b, credit, gradient);
            }
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.core.state(io)?;
        self.local.state(io)?;
        self.frame.state(io)?;
        for (b, filtered) in self.filtered.iter_mut().enumerate() {
            io.matrix(&format!("filtered.{b}"), filtered)?;
        }
        for (b, gathered) in self.gathered.iter_mut().enumerate() {
            io.scope(&format!("common.{b}"), |io| gathered.state(io))?;
        }
        Ok(())
    }

    fn watched(&self) -> Option<&dyn Watch<T>> {
        Some(&self.core)
    }
}
