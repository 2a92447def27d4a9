//! ModProp online with a filter of S taps, over any weights: the last S traces are kept as their two factors.
//!
//! With u_1 = c(t) and v_k = gain Ŵᵀ u_k, u_{k+1} = own u_k + slope v_k, gradient_p += c_p e_p + Σ_{k=1..S} v_k,p d_p(t−k), where d_p is
//! slope_p e_p or its mean. The way back is taken at steps with an error only. (slope: with μ for the derivative.)
//! Memory O(S (n + m)) where units share their traces or the drive is that of the code, else O(S n m); time O(S n m) at a step with an error.

use super::local::{LocalTrace, advance_mean};
use super::{Contract, Core, Drive, Rule, Watch};
use crate::kernel::{Buffer, Matrix, add_outer, add_scaled};
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Result, Scalar};

/// What enters the filter at one step, of every sample.
#[derive(Clone)]
struct Entry<T> {
    /// slope of every unit, with its μ under the drive of the code: a plane.
    slope: Buffer<T>,
    /// Traces: one row a sample, or n.
    traces: Vec<Matrix<T>>,
}

/// ModProp with a finite filter.
pub struct Taps<T> {
    core: Core<T>,
    local: LocalTrace<T>,
    /// ē, one row a sample.
    mean: Matrix<T>,
    /// A ring; where the next entry goes, and how many there are.
    ring: Vec<Entry<T>>,
    next: u64,
    held: u64,
    /// u and v, one plane each.
    here: Buffer<T>,
    back: Buffer<T>,
    factors: Vec<T>,
}

impl<T: Scalar> Taps<T> {
    /// Rows of traces of one step and sample.
    fn rows(core: &Core<T>) -> usize {
        let single = core.shared || core.drive == Drive::Code;
        if single { 1 } else { core.dims.units }
    }

    pub(super) fn new(core: Core<T>, taps: usize) -> Self {
        let (dims, rows) = (core.dims, Self::rows(&core));
        let entry = Entry {
            slope: Buffer::zeros(dims.plane()),
            traces: vec![Matrix::zeros(rows, dims.pre()); dims.batch],
        };
        Self {
            local: LocalTrace::new(dims, core.shared),
            mean: Matrix::zeros(dims.batch, dims.pre()),
            ring: vec![entry; taps],
            next: 0,
            held: 0,
            here: Buffer::zeros(dims.plane()),
            back: Buffer::zeros(dims.plane()),
            factors: vec![T::ZERO; dims.units],
            core,
        }
    }

    /// What enters at this step is what was there after the last one.
    fn keep(&mut self, view: &View<'_, T>, slope: T) {
        let (dims, taps) = (self.core.dims, self.ring.len() as u64);
        let Some(entry) = self.ring.get_mut(self.next as usize) else {
            return;
        };
        for b in 0..dims.batch {
            let slopes = &mut entry.slope[b * dims.sample()..][..dims.units];
            if self.core.drive == Drive::Code {
                slopes.fill(slope);
                let row = entry.traces[b].data_mut();
                row.copy_from_slice(self.mean.band(b, 1));
            } else {
                slopes.copy_from_slice(view.slope_before(0, b));
                let rows = entry.traces[b].data_mut();
                rows.copy_from_slice(self.local.rows(b).0);
            }
        }
        self.next = (self.next + 1) % taps;
        self.held = (self.held + 1).min(taps);
    }
}

impl<T: Scalar> Rule<T> for Taps<T> {
    fn contract(&self) -> Contract {
        Contract {
            reads_type_sums: self.core.way.is_typed(),
            ..Contract::default()
        }
    }

    fn reset(&mut self) {
        self.local.clear();
        self.mean.clear();
        self.held = 0;
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) -> Result<()> {
        let means = self.core.refresh(view.network(), view.type_sums());
        self.core.assign(view, signal);
        self.keep(view, means.slope);
        let (dims, simd) = (self.core.dims, view.simd());
        let (n, sample, stride) = (dims.units, dims.sample(), gradient.stride());
        for b in 0..dims.batch {
            let mean = self.mean.band_mut(b, 1);
            advance_mean(simd, means.own, means.gain, view.pre(b), mean);
            let credit = &self.core.credit[b * sample..][..n];
            self.local.advance(view, b, credit, gradient);
            if self.core.credited[b] {
                self.local.pay_shared(simd, b, credit, gradient);
            }
        }
        if !self.core.credited.contains(&true) {
            return Ok(());
        }
        self.here.copy_from_slice(&self.core.credit);
        let taps = self.ring.len();
        for k in 1..=self.held as usize {
            let (here, back) = (&mut self.here, &mut self.back);
            let synapses = view.synapses();
            self.core.way.back(simd, synapses, 0, here, back, sample);
            back.iter_mut().for_each(|v| *v = means.gain * *v);
            let entry = &self.ring[(self.next as usize + 2 * taps - k) % taps];
            for b in 0..dims.batch {
                if !self.core.credited[b] {
                    continue;
                }
                let terms = back[b * sample..].iter().zip(&entry.slope[b * sample..]);
                let factors = self.factors.iter_mut().zip(terms);
                factors.for_each(|(f, (v, slope))| *f = *v * *slope);
                let traces = &entry.traces[b];
                if traces.rows() == 1 {
                    let (gradient, row) = (gradient.data_mut(), traces.data());
                    add_outer(simd, gradient, stride, T::ONE, &self.factors, row);
                } else {
                    for (p, f) in self.factors.iter().enumerate() {
                        add_scaled(simd, *f, traces.band(p, 1), gradient.band_mut(p, 1));
                    }
                }
            }
            for (u, v) in here.iter_mut().zip(back.iter()) {
                *u = means.own * *u + means.slope * *v;
            }
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.core.state(io)?;
        self.local.state(io)?;
        io.matrix("mean", &mut self.mean)?;
        let taps = self.ring.len() as u64;
        io.counter("next", &mut self.next, 0..=taps - 1)?;
        io.counter("held", &mut self.held, 0..=taps)?;
        for (k, entry) in self.ring.iter_mut().enumerate() {
            io.scope(&format!("ring.{k}"), |io| {
                io.values("slope", &mut entry.slope)?;
                for (b, traces) in entry.traces.iter_mut().enumerate() {
                    io.matrix(&format!("traces.{b}"), traces)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn watched(&self) -> Option<&dyn Watch<T>> {
        Some(&self.core)
    }
}
