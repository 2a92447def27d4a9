//! Future-facing BPTT: each step sends its error back over the last `horizon` steps, and the oldest of them pays out.
//!
//! Source: Marschall, Cho & Savin 2020, section 3.2 (F-BPTT). λ = slope(t) q(t) is added to the credit of step t, then
//! λ ← J(t)ᵀ λ to that of t−1, and so on; when the window holds T steps, the oldest leaves with the gradient gain λ aᵀ. The
//! gradient at step t therefore belongs to step t−T+1; what is left is paid out at the end of a trial. Jacobians are those of their own step,
//! weights those of the present. Drops: credit from more than T−1 steps ahead.
//! Memory O(T (m + S² n)), time O(T S G n²) a step. Neither local in space nor in time.

use super::{Contract, Emits, Flush, HorizonSpec, Locality, Rule, RuleInfo, Site};
use crate::credit::FutureCredit;
use crate::jacobian::through_gain;
use crate::kernel::{Buffer, Matrix, Simd, add_outer};
use crate::network::{Dims, Network};
use crate::sizes::Sizes;
use crate::snapshot::StateIo;
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

/// Future-facing BPTT.
pub struct FutureBptt<T> {
    dims: Dims,
    horizon: u64,
    window: FutureCredit<T>,
    factor: Buffer<T>,
}

impl<T: Scalar> FutureBptt<T> {
    /// For a network of these sizes.
    pub fn new(dims: Dims, horizon: usize) -> Self {
        Self {
            dims,
            horizon: horizon as u64,
            window: FutureCredit::new(dims, horizon),
            factor: Buffer::zeros(dims.units),
        }
    }

    /// The oldest step leaves and pays out.
    fn pay_out(&mut self, simd: Simd, gradient: &mut Matrix<T>) {
        let dims = self.dims;
        let (n, stride) = (dims.units, gradient.stride());
        for b in 0..dims.batch {
            let entry = self.window.oldest(b);
            for g in 0..dims.currents {
                through_gain(&entry.kept, g, &entry.credit, &mut self.factor[..n]);
                let band = &mut gradient.data_mut()[g * n * stride..(g + 1) * n * stride];
                let pre = entry.kept.pre.band(0, 1);
                add_outer(simd, band, stride, T::ONE, &self.factor[..n], pre);
            }
        }
        self.window.drop_oldest();
    }
}

impl<T: Scalar> Rule<T> for FutureBptt<T> {
    fn contract(&self) -> Contract {
        Contract::emits(Emits::Later(self.horizon - 1))
    }

    fn reset(&mut self) {
        self.window.reset();
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) -> Result<()> {
        self.window.step(view, signal);
        if self.window.is_full() {
            self.pay_out(view.simd(), gradient);
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.window.state(io)
    }

    fn flushing(&mut self) -> Option<&mut dyn Flush<T>> {
        Some(self)
    }
}

impl<T: Scalar> Flush<T> for FutureBptt<T> {
    fn end_trial(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        while self.window.held() > 0 {
            self.pay_out(network.simd(), gradient);
        }
    }
}

/// Bytes of its arrays.
pub(super) fn memory(spec: &HorizonSpec, sizes: &Sizes) -> f64 {
    sizes.vector(sizes.units) + FutureCredit::<f64>::memory(sizes, spec.horizon)
}

pub(super) fn build<T: Scalar>(spec: &HorizonSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    let horizon = spec.check()?;
    Ok(Box::new(FutureBptt::new(site.network.dims(), horizon)))
}
