//! ModProp: local traces filtered by types of synapses, times credit that spreads through the network as modulators do.
//!
//! Source: Liu, Smith, Mihalas, Shea-Brown & Sümbül 2022. Credit that leaves a unit through its own synapses travels over weights
//! Ŵ and through units whose derivative is taken to be a constant μ, so that the way is a filter fixed in time:
//! n(t) = (own + c Ŵ) n(t−1) + gain Ŵ[:, p] d_pq(t−1), gradient_pq = Σ_t c_p(t) e_pq(t) + Σ_j c_j(t) n_j,pq(t), with c_j = slope_j q_j,
//! c = gain · slope with the derivative μ, and the drive d either slope_p e_pq (`paper`: the sender's derivative is exact) or its
//! mean (`code`: what the released code differentiates). Ŵ is W, or its means over types. Unrolled, the trace is convolved with
//! F_s = gain (own + c Ŵ)^{s−1} Ŵ for s = 1, …, `taps`. Drops: the derivatives on the way; with types, what distinguishes weights of a type.
//! With `taps = 0` it is the three-factor rule, with `taps = 1` and drive `paper` MDGL (on voltage units), with μ = 1, W itself and linear
//! units exact. Units with one state variable whose partials are constant but for the derivative of the activation (rate, voltage).
//! Algorithms, all for the same gradient: at the end of trials one scan backward ([`TrialModProp`]); online, by what is asked,
//! [`TypedCode`], [`TypedPaper`], [`DiagonalCode`], [`Dense`], [`Taps`].

mod dense;
mod diagonal;
mod frame;
mod gathered;
mod guard;
mod local;
mod taps;
mod trial;
mod typed_code;
mod typed_paper;
mod way;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use dense::Dense;
pub use diagonal::DiagonalCode;
pub use taps::Taps;
pub use trial::TrialModProp;
pub use typed_code::TypedCode;
pub use typed_paper::TypedPaper;
pub use way::{FeedbackWeights, Way};

use super::{Contract, Flush, Locality, Probe, Rule, RuleInfo, Site, Watch, any};
use crate::kernel::Buffer;
use crate::network::{Dims, Network, TypeSums};
use crate::neuron::ConstantPartials;
use crate::sizes::Sizes;
use crate::snapshot::StateIo;
use crate::view::View;
use crate::warning::Warning;
use crate::{Error, Result, Scalar};
use guard::Guard;

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "modprop",
    aliases: &[],
    summary: "credit spreads through fixed filters of cell types, as modulators do",
    source: "Liu, Smith, Mihalas, Shea-Brown & Sumbul 2022",
    drops: "derivatives on the way of credit; what distinguishes weights of a type",
    locality: Locality::Network,
    local_in_time: true,
    exact: false,
    stochastic: false,
    memory: "C n m",
    time: "C^2 n m",
};

/// Configuration of ModProp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModPropSpec {
    /// What enters the filter.
    pub drive: Drive,
    /// What credit travels over.
    pub feedback_weights: FeedbackWeights,
    /// Whether means over types leave out the way of a unit onto itself, as the mask of the released code does.
    pub zero_diagonal: bool,
    /// μ, in place of the derivatives on the way.
    #[schemars(range(min = 0.0))]
    pub mu: f64,
    /// Steps the filter reaches back; all by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1 << 20), extend("unit" = "steps"))]
    pub taps: Option<i64>,
    /// Whether μ is kept where the filter is stable: ours, not the published rule.
    #[schemars(!skip_serializing_if)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub adaptive_mu: bool,
}

impl Default for ModPropSpec {
    fn default() -> Self {
        Self {
            drive: Drive::Paper,
            feedback_weights: FeedbackWeights::Typed,
            zero_diagonal: false,
            mu: 0.25,
            taps: None,
            adaptive_mu: false,
        }
    }
}

/// What enters the filter of ModProp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Drive {
    /// The sender's trace with the derivative it had: the formula of the paper.
    #[default]
    Paper,
    /// The sender's trace with μ for its derivative: what the released code differentiates.
    Code,
}

pub(super) fn build<T: Scalar>(spec: &ModPropSpec, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
    if !(spec.mu.is_finite() && spec.mu >= 0.0) {
        return Err(Error::invalid(
            "rule.mu",
            spec.mu,
            "a finite number that is not negative",
            "It stands for the mean derivative of the activation: 0.25 is the published value.",
        ));
    }
    let taps = match spec.taps {
        None => None,
        Some(taps) if (0..=1 << 20).contains(&taps) => Some(taps as usize),
        Some(taps) => {
            return Err(Error::invalid(
                "rule.taps",
                taps,
                "between 0 and 1048576 steps",
                "0 is the three-factor rule, 1 looks one step back; leave it out for all.",
            ));
        }
    };
    use FeedbackWeights::{Cell, Typed};
    if spec.zero_diagonal && spec.feedback_weights == Cell {
        return Err(Error::invalid(
            "rule.zero_diagonal",
            "true with feedback_weights = \"cell\"",
            "feedback_weights = \"typed\"",
            "It leaves a unit's way onto itself out of means; W itself has none with network.self_connections = false.",
        ));
    }
    let core = Core::new(spec, site, taps)?;
    if site.by_trial {
        return Ok(Box::new(TrialModProp::new(core)));
    }
    Ok(match (taps, spec.feedback_weights, spec.drive) {
        (Some(taps), _, _) => Box::new(Taps::new(core, taps)),
        (None, Typed, Drive::Code) => Box::new(TypedCode::new(core)),
        (None, Typed, Drive::Paper) => Box::new(TypedPaper::new(core)),
        (None, Cell, Drive::Code) => Box::new(DiagonalCode::new(core)),
        (None, Cell, Drive::Paper) => Box::new(Dense::new(core)),
    })
}

/// Bytes of what rules that average weights over types keep for it.
pub(super) fn way_memory(sizes: &Sizes) -> f64 {
    let (types, currents) = (sizes.types, sizes.currents);
    let sums = if sizes.batch == 1.0 { currents } else { 0.0 };
    sizes.matrix((2.0 + sums) * types, sizes.pre())
        + sizes.matrix(types, sizes.units)
        + sizes.matrix(sizes.batch, types)
        + currents * types * types * sizes.number
        // Types, place by place, and their copies.
        + 4.0 * sizes.units * size_of::<usize>() as f64
}

/// Bytes of its arrays.
pub(super) fn memory(spec: &ModPropSpec, sizes: &Sizes) -> f64 {
    let (n, m, batch) = (sizes.units, sizes.pre(), sizes.batch);
    let typed = spec.feedback_weights == FeedbackWeights::Typed;
    // The filter whose eigenvalues tell whether it is stable, and what they are worked out with: complex numbers in f64.
    let filter = if typed { sizes.types } else { n };
    let common = way_memory(sizes) + sizes.plane() + 24.0 * filter * filter;
    if sizes.by_trial {
        // Activity, and slope, gain, credit and what arrives as far as the form has them.
        let step = sizes.matrix(batch, m) + 3.0 * sizes.plane();
        return common + 4.0 * sizes.plane() + sizes.chunk() + sizes.tape(step);
    }
    let local = batch * sizes.matrix(if sizes.shared { 1.0 } else { n }, m);
    let filtered = match (spec.taps, typed, spec.drive) {
        (Some(taps), _, drive) => {
            let single = sizes.shared || drive == Drive::Code;
            let traces = batch * sizes.matrix(if single { 1.0 } else { n }, m);
            taps.max(0) as f64 * (sizes.plane() + traces + 64.0 * batch)
        }
        (None, true, Drive::Code) => {
            let types = sizes.types;
            batch * types * sizes.matrix(types + 1.0, m)
                + 2.0 * sizes.matrix(types, m)
                + types.powi(3) * sizes.number
        }
        (None, true, Drive::Paper) => {
            let types = sizes.types + f64::from(u8::from(spec.zero_diagonal));
            // What traces in a moving frame need beside them, in f64.
            let frame = 8.0 * types * types * (types + 4.0);
            let gathered = if sizes.shared { 2.0 * types } else { 0.0 };
            batch * types * sizes.matrix(n + gathered + 1.0, m) + frame
        }
        (None, false, Drive::Code) => {
            // Eigenvectors and what they are worked out with are complex numbers in f64.
            let complex = 8.0 * n * n * 16.0;
            sizes.matrix(2.0 * batch * n + 2.0 * n, m) + sizes.matrix(2.0 * n, n) + complex
        }
        (None, false, Drive::Paper) => {
            batch * n * sizes.matrix(n, m) + sizes.matrix(n, m) + sizes.matrix(2.0 * n, n)
        }
    };
    common + local + filtered + sizes.matrix(batch + 1.0, m)
}

/// What all algorithms have in common.
pub struct Core<T> {
    dims: Dims,
    drive: Drive,
    way: Way<T>,
    guard: Guard,
    /// c = slope q, one plane.
    credit: Buffer<T>,
    /// Whether a sample has any credit at this step.
    credited: Vec<bool>,
    shared: bool,
    taps: Option<usize>,
}

/// own, gain and slope with μ for the derivative.
#[derive(Clone, Copy)]
struct Means<T> {
    own: T,
    gain: T,
    slope: T,
    /// gain · slope.
    hop: T,
}

impl<T: Scalar> Core<T> {
    fn new(spec: &ModPropSpec, site: &Site<'_, T>, taps: Option<usize>) -> Result<Self> {
        let network = site.network;
        let dims = network.dims();
        let Some(constant) = constant(network, 1.0) else {
            return Err(Error::invalid(
                "rule.kind",
                "modprop",
                format!(
                    "units whose leak and gain are constant but for the derivative of the activation; {} units have others",
                    network.neuron().name()
                ),
                "Set network.neuron.kind = \"voltage\" or \"rate\", or use the rule mdgl, which serves all.",
            ));
        };
        let way = Way::new(spec.feedback_weights, spec.zero_diagonal, network);
        // As often as the cost of a look allows: a filter of types is small, one of cells as large as the network.
        let every = match (way.is_typed(), site.by_trial) {
            (true, true) => 1,
            (true, false) => 61,
            (false, true) => 100,
            (false, false) => 1009,
        };
        let guard = Guard::new(spec.mu, spec.adaptive_mu, constant, &way, dims.units, every);
        Ok(Self {
            dims,
            drive: spec.drive,
            way,
            guard,
            credit: Buffer::zeros(dims.plane()),
            credited: vec![false; dims.batch],
            shared: constant.shared,
            taps,
        })
    }

    fn constant(&self, network: &Network<T>) -> ConstantPartials {
        constant(network, 1.0).unwrap_or(ConstantPartials {
            own: 0.0,
            gain: 0.0,
            slope: 0.0,
            shared: self.shared,
        })
    }

    /// Takes the weights as they are, and the partials with the μ of now.
    fn refresh(&mut self, network: &Network<T>, type_sums: Option<&TypeSums<T>>) -> Means<T> {
        let (simd, synapses) = (network.simd(), network.synapses());
        self.way.refresh(simd, synapses, type_sums);
        let mu = self.guard.look(&self.way, network.synapses());
        let at_one = self.constant(network);
        let with_mu = constant(network, mu).unwrap_or(at_one);
        Means {
            own: T::of(with_mu.own),
            gain: T::of(with_mu.gain),
            slope: T::of(with_mu.slope),
            hop: T::of(with_mu.gain * with_mu.slope),
        }
    }

    /// c = slope q of this step.
    fn assign(&mut self, view: &View<'_, T>, signal: &[T]) {
        let sample = self.dims.sample();
        let slopes = view.partials().slope.chunks_exact(sample);
        let credit = self.credit.chunks_exact_mut(sample);
        let samples = credit.zip(signal.chunks_exact(sample)).zip(slopes);
        for (credited, ((credit, signal), slope)) in self.credited.iter_mut().zip(samples) {
            // Most steps of a trial may have no error, and nothing to multiply.
            if !any(signal) {
                credit.fill(T::ZERO);
                *credited = false;
                continue;
            }
            let pairs = credit.iter_mut().zip(signal).zip(slope);
            pairs.for_each(|((c, q), slope)| *c = *q * *slope);
            *credited = any(credit);
        }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.scope("guard", |io| self.guard.state(io))
    }
}

impl<T: Scalar> Watch<T> for Core<T> {
    fn probes(&self) -> &'static [&'static str] {
        &["filter_gain", "mu"]
    }

    fn probe(&self, index: usize) -> Probe<'_, T> {
        let (gain, mu) = self.guard.now();
        Probe::Number([gain, mu][index])
    }

    fn warnings(&self) -> Vec<Warning> {
        self.guard.warnings(self.taps)
    }
}

fn constant<T: Scalar>(network: &Network<T>, derivative: f64) -> Option<ConstantPartials> {
    let dims = network.dims();
    let plain = dims.states == 1 && dims.currents == 1;
    network.neuron().constant(derivative).filter(|_| plain)
}
