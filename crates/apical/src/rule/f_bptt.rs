//! Future-facing BPTT: each step sends its error back over the last `horizon` steps, and the oldest of them pays out.
//!
//! Source: Marschall, Cho & Savin 2020, section 3.2 (F-BPTT). λ = slope(t) q(t) is added to the credit of step t, then
//! λ ← J(t)ᵀ λ to that of t−1, and so on; when the window holds T steps, the oldest leaves with the gradient gain λ aᵀ. The
//! gradient at step t therefore belongs to step t−T+1; what is left is paid out at the end of a trial. Jacobians are those of their own step,
//! weights those of the present. Drops: credit from more than T−1 steps ahead.
//! Memory O(T (m + S² n)), time O(T S G n²) a step. Neither local in space nor in time.

use super::{HorizonSpec, Locality, Rule, RuleInfo, Site};
use crate::jacobian::{Kept, backward, through_gain};
use crate::kernel::{Buffer, Matrix, Simd, add_outer};
use crate::network::{Dims, Network};
use crate::snapshot::StateIo;
use crate::synapse::Synapses;
use crate::view::View;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "f_bptt",
    aliases: &[],
    summary: "errors travel back over the last `horizon` steps; the oldest step learns",
    source: "Marschall, Cho & Savin 2020, section 3.2",
    drops: "credit from `horizon` or more steps ahead",
    locality: Locality::Network,
    local_in_time: false,
    exact: false,
    stochastic: false,
    memory: "T m",
    time: "T n^2",
};

/// One step of one sample, with its credit so far.
#[derive(Clone)]
struct Entry<T> {
    kept: Kept<T>,
    /// One row a state variable.
    credit: Matrix<T>,
}

/// Future-facing BPTT.
pub struct FutureBptt<T> {
    dims: Dims,
    horizon: usize,
    /// A ring of entries for each sample.
    windows: Vec<Vec<Entry<T>>>,
    /// Where the next step goes, and how many steps are held.
    next: u64,
    held: u64,
    moving: Matrix<T>,
    moved: Matrix<T>,
    factor: Buffer<T>,
    back: Buffer<T>,
}

impl<T: Scalar> FutureBptt<T> {
    /// For a network of these sizes.
    pub fn new(dims: Dims, horizon: usize) -> Self {
        let credit = Matrix::zeros(dims.states, dims.units);
        let entry = Entry {
            kept: Kept::new(dims),
            credit: credit.clone(),
        };
        Self {
            dims,
            horizon,
            windows: vec![vec![entry; horizon]; dims.batch],
            next: 0,
            held: 0,
            moving: credit.clone(),
            moved: credit,
            factor: Buffer::zeros(dims.units),
            back: Buffer::zeros(dims.units),
        }
    }

    /// The step `age` steps before the present one.
    fn slot(&self, age: u64) -> usize {
        let horizon = self.horizon as u64;
        ((self.next + 2 * horizon - 1 - age) % horizon) as usize
    }

    fn send_back(&mut self, view: &View<'_, T>, signal: &[T], synapses: &Synapses<T>, simd: Simd) {
        let dims = self.dims;
        for b in 0..dims.batch {
            let signal = &signal[b * dims.sample()..][..dims.units];
            for s in 0..dims.states {
                let row = self
                    .moving
                    .row_mut(s)
                    .iter_mut()
                    .zip(view.slope(s, b))
                    .zip(signal);
                row.for_each(|((m, slope), q)| *m = *slope * *q);
            }
            for age in 0..self.held {
                let slot = self.slot(age);
                let entry = &mut self.windows[b][slot];
                let credit = entry.credit.data_mut().iter_mut().zip(self.moving.data());
                credit.for_each(|(c, m)| *c += *m);
                if age + 1 < self.held {
                    backward(
                        &entry.kept,
                        synapses,
                        simd,
                        &self.moving,
                        &mut self.factor[..dims.units],
                        &mut self.back,
                        &mut self.moved,
                    );
                    std::mem::swap(&mut self.moving, &mut self.moved);
                }
            }
        }
    }

    /// The oldest step leaves and pays out.
    fn pay_out(&mut self, simd: Simd, gradient: &mut Matrix<T>) {
        let dims = self.dims;
        let (n, stride) = (dims.units, gradient.stride());
        let slot = self.slot(self.held - 1);
        for b in 0..dims.batch {
            let entry = &self.windows[b][slot];
            for g in 0..dims.currents {
                through_gain(&entry.kept, g, &entry.credit, &mut self.factor[..n]);
                let band = &mut gradient.data_mut()[g * n * stride..(g + 1) * n * stride];
                add_outer(
                    simd,
                    band,
                    stride,
                    T::ONE,
                    &self.factor[..n],
                    entry.kept.pre.band(0, 1),
                );
            }
        }
        self.held -= 1;
    }
}

impl<T: Scalar> Rule<T> for FutureBptt<T> {
    fn reset(&mut self) {
        self.held = 0;
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) {
        let slot = self.next as usize;
        for b in 0..self.dims.batch {
            let entry = &mut self.windows[b][slot];
            entry.kept.keep(view, b);
            entry.credit.clear();
        }
        self.next = (self.next + 1) % self.horizon as u64;
        self.held += 1;
        self.send_back(view, signal, view.synapses(), view.simd());
        if self.held == self.horizon as u64 {
            self.pay_out(view.simd(), gradient);
        }
    }

    fn end_trial(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        while self.held > 0 {
            self.pay_out(network.simd(), gradient);
        }
    }

    fn is_late(&self) -> bool {
        true
    }

    fn lag(&self) -> u64 {
        self.horizon as u64 - 1
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.counter("next", &mut self.next)?;
        io.counter("held", &mut self.held)?;
        for (b, window) in self.windows.iter_mut().enumerate() {
            for (k, entry) in window.iter_mut().enumerate() {
                io.scope(&format!("{b}.{k}"), |io| {
                    io.values("own", entry.kept.own.data_mut())?;
                    io.values("gain", entry.kept.gain.data_mut())?;
                    io.values("slope_before", entry.kept.slope_before.data_mut())?;
                    io.values("pre", entry.kept.pre.data_mut())?;
                    io.values("credit", entry.credit.data_mut())
                })?;
            }
        }
        Ok(())
    }
}

pub(super) fn build<T: Scalar>(spec: &HorizonSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let horizon = spec.check()?;
    Ok(Box::new(FutureBptt::new(site.network.dims(), horizon)))
}
