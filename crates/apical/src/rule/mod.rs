//! The named rules of the papers, composed from an eligibility and a credit.

mod bptt;
mod composed;
mod dendritic;
mod e_bptt;
mod f_bptt;
mod kf_rtrl;
mod r_kf_rtrl;
mod readout_only;
mod rflo;
mod rtrl;
mod uoro;

use serde::{Deserialize, Serialize};

pub use bptt::Bptt;
pub use composed::{Composed, Local};
pub use e_bptt::HorizonSpec;
pub use f_bptt::FutureBptt;
pub use readout_only::ReadoutOnly;

use crate::credit::{DendriticSpec, Probe};
use crate::eligibility::NoiseSpec;
use crate::kernel::Matrix;
use crate::network::Network;
use crate::noise::Noise;
use crate::snapshot::StateIo;
use crate::stream::Streams;
use crate::view::View;
use crate::{Result, Scalar};

/// Turns the stream of steps and error signals into a gradient for the recurrent layer.
pub trait Rule<T: Scalar>: Send {
    /// Forgets the past: a trial begins.
    fn reset(&mut self);

    /// One step: adds the gradient estimate, summed over the batch, to `gradient` ((G n) × m).
    ///
    /// `signal` is q = ∂L(t)/∂r(t) as the feedback pathway tells it, one plane.
    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>);

    /// A trial has ended: rules that owe gradients to its steps add them now.
    fn end_trial(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        self.flush(network, gradient);
    }

    /// Called before weights change: rules that look back from here add their gradient now.
    fn flush(&mut self, _network: &Network<T>, _gradient: &mut Matrix<T>) {}

    /// Whether the rule's gradient comes from [`Rule::flush`], so that updates at every step are pointless.
    fn needs_window(&self) -> bool {
        false
    }

    /// Whether gradients belong to steps before the present one, so that the end of a trial brings more of them.
    fn is_late(&self) -> bool {
        false
    }

    /// Whether the rule leaves the recurrent layer as it is, so that a missing gradient is no surprise.
    fn is_frozen(&self) -> bool {
        false
    }

    /// Names of what [`Rule::probe`] shows to monitors.
    fn probes(&self) -> &'static [&'static str] {
        &[]
    }

    /// The quantity `probes()[index]`.
    fn probe(&self, _index: usize) -> Probe<'_, T> {
        Probe::Number(f64::NAN)
    }

    /// A matrix of the rule by its name, to be set from outside.
    fn matrix_mut(&mut self, _name: &str) -> Option<&mut Matrix<T>> {
        None
    }

    /// Where a stochastic rule takes its noise from, and how many numbers a step needs: for replaying noise.
    fn noise_mut(&mut self) -> Option<(&mut Noise<T>, usize)> {
        None
    }

    /// Sets starting values by name, row by row; `false` if there are none of that name and size.
    fn set_start(&mut self, _name: &str, _values: &[T]) -> bool {
        false
    }

    /// Saves or restores traces and learned quantities.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()>;
}

/// Configuration of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RuleSpec {
    /// Marschall, Cho & Savin 2019: credit predicted in a distal compartment.
    Dendritic(DendriticSpec),
    /// The recurrent layer stays as it is; only the readout learns.
    ReadoutOnly(Empty),
    /// Exact gradients carried forward in time.
    Rtrl(Empty),
    /// Exact gradients carried backward over a trial or window.
    Bptt(Empty),
    /// BPTT over blocks.
    EBptt(HorizonSpec),
    /// Future-facing BPTT.
    FBptt(HorizonSpec),
    /// Local traces: RFLO, e-prop, the three-factor rule.
    #[serde(alias = "eprop", alias = "three_factor")]
    Rflo(Empty),
    /// Rank-one influence.
    Uoro(NoiseSpec),
    /// Kronecker-factored influence.
    KfRtrl(NoiseSpec),
    /// Reverse Kronecker-factored influence.
    RKfRtrl(NoiseSpec),
}

/// A rule without settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

impl RuleSpec {
    /// The rule of this name with its default settings.
    ///
    /// # Errors
    /// A name that is not in [`RULES`].
    pub fn by_name(name: &str) -> Result<Self> {
        match name {
            "dendritic" => Ok(Self::Dendritic(DendriticSpec::default())),
            "readout_only" => Ok(Self::ReadoutOnly(Empty {})),
            "rtrl" => Ok(Self::Rtrl(Empty {})),
            "bptt" => Ok(Self::Bptt(Empty {})),
            "e_bptt" => Ok(Self::EBptt(HorizonSpec::default())),
            "f_bptt" => Ok(Self::FBptt(HorizonSpec::default())),
            "rflo" => Ok(Self::Rflo(Empty {})),
            "uoro" => Ok(Self::Uoro(NoiseSpec::default())),
            "kf_rtrl" => Ok(Self::KfRtrl(NoiseSpec::default())),
            "r_kf_rtrl" => Ok(Self::RKfRtrl(NoiseSpec::default())),
            _ => {
                let known: Vec<&str> = RULES.iter().map(|info| info.name).collect();
                let expected = format!("one of {}", known.join(", "));
                Err(crate::Error::invalid(
                    "rule.kind",
                    name,
                    expected,
                    "`apical rules` describes them.",
                ))
            }
        }
    }

    /// The row of the rule table for this rule.
    pub fn info(&self) -> &'static RuleInfo {
        match self {
            Self::Dendritic(_) => &dendritic::INFO,
            Self::ReadoutOnly(_) => &readout_only::INFO,
            Self::Rtrl(_) => &rtrl::INFO,
            Self::Bptt(_) => &bptt::INFO,
            Self::EBptt(_) => &e_bptt::INFO,
            Self::FBptt(_) => &f_bptt::INFO,
            Self::Rflo(_) => &rflo::INFO,
            Self::Uoro(_) => &uoro::INFO,
            Self::KfRtrl(_) => &kf_rtrl::INFO,
            Self::RKfRtrl(_) => &r_kf_rtrl::INFO,
        }
    }

    /// Builds the rule for a network.
    ///
    /// # Errors
    /// A setting out of range, or a network the rule does not serve.
    pub fn build<T: Scalar>(
        &self,
        network: &Network<T>,
        streams: &Streams,
    ) -> Result<Box<dyn Rule<T>>> {
        match self {
            Self::Dendritic(spec) => dendritic::build(spec, network, streams),
            Self::ReadoutOnly(_) => Ok(Box::new(ReadoutOnly)),
            Self::Rtrl(_) => rtrl::build(network),
            Self::Bptt(_) => Ok(Box::new(Bptt::new(network.dims()))),
            Self::EBptt(spec) => e_bptt::build(spec, network),
            Self::FBptt(spec) => f_bptt::build(spec, network),
            Self::Rflo(_) => Ok(rflo::build(network)),
            Self::Uoro(spec) => Ok(uoro::build(spec, network, streams)),
            Self::KfRtrl(spec) => Ok(kf_rtrl::build(spec, network, streams)),
            Self::RKfRtrl(spec) => Ok(r_kf_rtrl::build(spec, network, streams)),
        }
    }
}

/// A row of the table of rules.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RuleInfo {
    /// Name in configurations.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Paper and equations.
    pub source: &'static str,
    /// What the rule leaves out of the exact gradient.
    pub drops: &'static str,
    /// Whether a synapse needs only its own and its two units' quantities.
    pub local_in_space: &'static str,
    /// Whether nothing but the present and traces is needed.
    pub local_in_time: &'static str,
    /// Whether the gradient is exact with fixed weights.
    pub exact: bool,
    /// Whether the rule draws noise.
    pub stochastic: bool,
    /// Memory beyond the weights.
    pub memory: &'static str,
    /// Operations a step.
    pub time: &'static str,
}

/// Every rule there is.
pub const RULES: &[RuleInfo] = &[
    dendritic::INFO,
    readout_only::INFO,
    rtrl::INFO,
    bptt::INFO,
    e_bptt::INFO,
    f_bptt::INFO,
    rflo::INFO,
    uoro::INFO,
    kf_rtrl::INFO,
    r_kf_rtrl::INFO,
];
