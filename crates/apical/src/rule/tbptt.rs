//! Truncated BPTT(k₁, k₂): every k₁ steps the errors of those steps travel back over the last k₂.
//!
//! Source: Williams & Peng 1990; the `BPTT` of Marschall, Cho & Savin's 2018 code. λ is what the newer steps send
//! back, and for the newest k₁ steps alone slope q too, so that each error is used once; it runs on over the k₂ − k₁ steps before.
//! k₁ = k₂ is E-BPTT, but for a trial that ends within a block, where the window reaches over its edge; k₁ = 1 with k₂ as long as the trial gives the gradient of RTRL step by step, at T times the cost of BPTT.
//! The weights of the last step serve for the whole window. Drops: what inputs more than k₂ steps ago did.
//! Memory O(k₂ (m + S² n)), time O(k₂/k₁ G n m) a step. Neither local in space nor in time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Contract, Emits, Flush, Locality, Rule, RuleInfo, Site};
use crate::jacobian::{Kept, backward, through_gain};
use crate::kernel::{Buffer, Matrix, Simd, add_outer};
use crate::network::{Dims, Network};
use crate::sizes::Sizes;
use crate::snapshot::StateIo;
use crate::synapse::Synapses;
use crate::view::View;
use crate::{Error, Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "tbptt",
    aliases: &[],
    summary: "every `every` steps their errors travel back over the last `back` steps",
    source: "Williams & Peng 1990; Marschall, Cho & Savin 2018, code",
    drops: "what inputs more than `back` steps ago did",
    locality: Locality::Network,
    local_in_time: false,
    exact: false,
    stochastic: false,
    memory: "T m",
    time: "T n m",
};

/// Configuration of truncated BPTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TbpttSpec {
    /// k₁, steps between two backward passes.
    #[schemars(range(min = 1), extend("unit" = "steps"))]
    pub every: u64,
    /// k₂, steps a pass goes back.
    #[schemars(range(min = 1, max = 1 << 20), extend("unit" = "steps"))]
    pub back: u64,
}

impl Default for TbpttSpec {
    fn default() -> Self {
        Self { every: 1, back: 10 }
    }
}

impl TbpttSpec {
    fn check(self) -> Result<()> {
        if !(1..=1 << 20).contains(&self.back) {
            let mend = "1 looks at the present step alone, 10 is a start.";
            return Err(Error::invalid(
                "rule.back",
                self.back,
                "between 1 and 1048576 steps",
                mend,
            ));
        }
        if !(1..=self.back).contains(&self.every) {
            return Err(Error::invalid(
                "rule.every",
                self.every,
                format!("between 1 and rule.back = {} steps", self.back),
                "Otherwise errors between two passes would be lost.",
            ));
        }
        Ok(())
    }
}

/// One step of one sample, with the credit its own error gives its states.
#[derive(Clone)]
struct Entry<T> {
    kept: Kept<T>,
    /// slope q, one row a state variable.
    error: Matrix<T>,
}

/// Truncated BPTT.
pub struct TruncatedBptt<T> {
    dims: Dims,
    spec: TbpttSpec,
    /// A ring of entries for each sample.
    windows: Vec<Vec<Entry<T>>>,
    /// Where the next step goes, how many steps are held, and how many of them have not yet sent their errors.
    next: u64,
    held: u64,
    waiting: u64,
    credit: Matrix<T>,
    moved: Matrix<T>,
    factor: Buffer<T>,
    back: Buffer<T>,
}

impl<T: Scalar> TruncatedBptt<T> {
    /// For a network of these sizes.
    ///
    /// # Errors
    /// A window of no steps, or passes further apart than they reach back.
    pub fn new(dims: Dims, spec: TbpttSpec) -> Result<Self> {
        spec.check()?;
        let credit = Matrix::zeros(dims.states, dims.units);
        let entry = Entry {
            kept: Kept::new(dims),
            error: credit.clone(),
        };
        Ok(Self {
            dims,
            spec,
            windows: vec![vec![entry; spec.back as usize]; dims.batch],
            next: 0,
            held: 0,
            waiting: 0,
            credit: credit.clone(),
            moved: credit,
            factor: Buffer::zeros(dims.units),
            back: Buffer::zeros(dims.units),
        })
    }

    fn pass(&mut self, synapses: &Synapses<T>, simd: Simd, gradient: &mut Matrix<T>) {
        let dims = self.dims;
        let (n, stride, back) = (dims.units, gradient.stride(), self.spec.back);
        for b in 0..dims.batch {
            self.credit.clear();
            for age in 0..self.held {
                let slot = ((self.next + 2 * back - 1 - age) % back) as usize;
                let entry = &self.windows[b][slot];
                if age < self.waiting {
                    let credit = self.credit.data_mut().iter_mut().zip(entry.error.data());
                    credit.for_each(|(c, e)| *c += *e);
                }
                for g in 0..dims.currents {
                    through_gain(&entry.kept, g, &self.credit, &mut self.factor[..n]);
                    let band = &mut gradient.data_mut()[g * n * stride..(g + 1) * n * stride];
                    let pre = entry.kept.pre.band(0, 1);
                    add_outer(simd, band, stride, T::ONE, &self.factor[..n], pre);
                }
                if age + 1 < self.held {
                    backward(
                        &entry.kept,
                        synapses,
                        simd,
                        &self.credit,
                        &mut self.factor[..n],
                        &mut self.back,
                        &mut self.moved,
                    );
                    std::mem::swap(&mut self.credit, &mut self.moved);
                }
            }
        }
        self.waiting = 0;
    }
}

impl<T: Scalar> Rule<T> for TruncatedBptt<T> {
    fn contract(&self) -> Contract {
        match self.spec.every {
            1 => Contract::default(),
            steps => Contract::emits(Emits::Block(steps)),
        }
    }

    fn reset(&mut self) {
        self.held = 0;
        self.waiting = 0;
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) -> Result<()> {
        let dims = self.dims;
        let slot = self.next as usize;
        for b in 0..dims.batch {
            let entry = &mut self.windows[b][slot];
            entry.kept.keep(view, b);
            let signal = &signal[b * dims.sample()..][..dims.units];
            for s in 0..dims.states {
                let row = entry.error.row_mut(s).iter_mut();
                let row = row.zip(view.slope(s, b)).zip(signal);
                row.for_each(|((e, slope), q)| *e = *slope * *q);
            }
        }
        self.next = (self.next + 1) % self.spec.back;
        self.held = (self.held + 1).min(self.spec.back);
        self.waiting += 1;
        if self.waiting == self.spec.every {
            self.pass(view.synapses(), view.simd(), gradient);
        }
        Ok(())
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        let TbpttSpec { every, back } = self.spec;
        io.counter("next", &mut self.next, 0..=back - 1)?;
        io.counter("held", &mut self.held, 0..=back)?;
        io.counter("waiting", &mut self.waiting, 0..=self.held.min(every - 1))?;
        for (b, window) in self.windows.iter_mut().enumerate() {
            for (k, entry) in window.iter_mut().enumerate() {
                io.scope(&format!("{b}.{k}"), |io| {
                    entry.kept.state(io)?;
                    io.matrix("error", &mut entry.error)
                })?;
            }
        }
        Ok(())
    }

    fn flushing(&mut self) -> Option<&mut dyn Flush<T>> {
        Some(self)
    }
}

impl<T: Scalar> Flush<T> for TruncatedBptt<T> {
    fn end_trial(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        if self.waiting > 0 {
            self.pass(network.synapses(), network.simd(), gradient);
        }
    }
}

/// Bytes of its arrays.
pub(super) fn memory(spec: &TbpttSpec, sizes: &Sizes) -> f64 {
    // Beside its arrays each entry has a place for them.
    let entry = sizes.kept() + sizes.matrix(sizes.states, sizes.units) + 256.0;
    let vectors = 2.0 * sizes.states + 2.0;
    sizes.batch * spec.back as f64 * entry + vectors * sizes.vector(sizes.units)
}

pub(super) fn build<T: Scalar>(spec: &TbpttSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    Ok(Box::new(TruncatedBptt::new(site.network.dims(), *spec)?))
}
