//! The named rules of the papers, composed from an eligibility and a credit.

mod bptt;
mod combined;
mod composed;
mod contract;
mod credit_tape;
mod dendritic;
mod e_bptt;
mod f_bptt;
mod force;
mod kernl;
mod kf_rtrl;
mod mdgl;
mod miconi;
mod modprop;
mod node_perturbation;
mod own;
mod planes;
mod r_kf_rtrl;
mod random_gradient;
mod readout_only;
mod rflo;
mod rtrl;
mod snap;
mod tbptt;
mod trial_trace;
mod uoro;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bptt::Bptt;
pub use combined::{COMBINATIONS, CombinedSpec, CreditSpec, EligibilitySpec};
pub use composed::{Composed, Local};
pub use contract::{Contract, Descend, Emits, Flush, Perturb, Teach};
pub use e_bptt::HorizonSpec;
pub use f_bptt::FutureBptt;
pub use force::ForceSpec;
pub use mdgl::{Mdgl, MdglSpec};
pub use miconi::MiconiSpec;
pub use modprop::{Drive, FeedbackWeights, ModPropSpec};
pub use node_perturbation::{NodePerturbationSpec, Reward};
pub use own::{OwnRule, OwnRuleSpec, register, rules};
pub use random_gradient::RandomGradientSpec;
pub use readout_only::ReadoutOnly;
pub use tbptt::{TbpttSpec, TruncatedBptt};
pub use trial_trace::TrialTrace;

use crate::credit::DendriticSpec;
use crate::eligibility::{KernlSpec, NoiseSpec, SnapSpec, TraceSpec, UoroSpec};
use crate::kernel::Matrix;
use crate::network::Network;
use crate::noise::Noise;
pub use crate::probe::{Probe, Watch};
use crate::sizes::Sizes;
use crate::snapshot::StateIo;
use crate::stream::Streams;
pub use crate::view::Locality;
use crate::view::View;
use crate::{Result, Scalar};

/// Turns the stream of steps and error signals into a gradient for the recurrent layer.
pub trait Rule<T: Scalar>: Send {
    /// Facts that hold for as long as the rule lives.
    fn contract(&self) -> Contract {
        Contract::default()
    }

    /// Forgets the past: a trial begins.
    fn reset(&mut self);

    /// One step: adds the gradient estimate, summed over the batch, to `gradient` ((G n) × m).
    ///
    /// `signal` is q = ∂L(t)/∂r(t) as the feedback pathway tells it, one plane.
    ///
    /// # Errors
    /// What keeps the rule from learning; the rules of this crate have nothing to say.
    fn step(&mut self, view: &View<'_, T>, signal: &[T], gradient: &mut Matrix<T>) -> Result<()>;

    /// Declares every array of the rule by its name, with whose its numbers are: to save, restore, read or set it.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()>;

    /// The rule as one whose gradients come after their steps.
    fn flushing(&mut self) -> Option<&mut dyn Flush<T>> {
        None
    }

    /// The rule as one whose gradient can be descended row by row.
    fn descending(&mut self) -> Option<&mut dyn Descend<T>> {
        None
    }

    /// The rule as one that explores.
    fn perturbing(&mut self) -> Option<&mut dyn Perturb<T>> {
        None
    }

    /// The rule as one that changes the readout in place of its gradient.
    fn teaching(&mut self) -> Option<&mut dyn Teach<T>> {
        None
    }

    /// The rule as one that shows quantities to monitors.
    fn watched(&self) -> Option<&dyn Watch<T>> {
        None
    }

    /// The source of a stochastic rule's noise: for replaying it. [`Contract::draws`] says how many a step needs.
    fn noise(&mut self) -> Option<&mut Noise<T>> {
        None
    }
}

/// What a rule is built for.
pub struct Site<'a, T> {
    /// The network, with its starting weights.
    pub network: &'a Network<T>,
    /// The random streams of the run.
    pub streams: &'a Streams,
    /// Whether weights change at the end of trials only, so that a rule may wait until then.
    pub by_trial: bool,
}

impl<'a, T: Scalar> Site<'a, T> {
    /// For a network whose weights may change at any step.
    pub fn new(network: &'a Network<T>, streams: &'a Streams) -> Self {
        Self {
            network,
            streams,
            by_trial: false,
        }
    }
}

/// The registry: variant, its settings, its module with `INFO` and `build`.
macro_rules! registry {
    ($($(#[$meta:meta])* $variant:ident($spec:ty) = $module:ident,)*) => {
        /// Configuration of a rule.
        // The derived code reads and writes the rules that come with the library (`own.rs`).
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(remote = "Self", tag = "kind", rename_all = "snake_case")]
        #[schemars(rename = "RuleSpec", transform = own::complete)]
        #[non_exhaustive]
        pub enum RuleSpec {
            $($(#[$meta])* $variant($spec),)*
            /// A rule of one's own, made known by [`register`].
            #[serde(skip)]
            Own(OwnRuleSpec),
        }

        /// Every rule that comes with the library.
        pub const RULES: &[RuleInfo] = &[$($module::INFO,)*];

        impl RuleSpec {
            /// The rule of this name, or other name, with its default settings.
            ///
            /// # Errors
            /// A name that is not in [`RULES`].
            pub fn by_name(name: &str) -> Result<Self> {
                $(if $module::INFO.answers_to(name) {
                    return Ok(Self::$variant(<$spec>::default()));
                })*
                if let Some(own) = own::OWN.by_name(name) {
                    return Ok(Self::Own(own));
                }
                let known: Vec<&str> = rules().iter().map(|info| info.name).collect();
                let expected = format!("one of {}", known.join(", "));
                let mend = "`apical rules` describes them.";
                Err(crate::Error::invalid("rule.kind", name, expected, mend))
            }

            /// The row of the rule table for this rule.
            pub fn info(&self) -> &'static RuleInfo {
                match self {
                    $(Self::$variant(_) => &$module::INFO,)*
                    Self::Own(own) => &own.entry.info,
                }
            }

            /// Bytes of the rule's arrays in a network of these sizes.
            pub(crate) fn memory(&self, sizes: &Sizes) -> f64 {
                match self {
                    $(Self::$variant(spec) => $module::memory(spec, sizes),)*
                    // What it keeps is known to whoever wrote it.
                    Self::Own(_) => 0.0,
                }
            }

            /// Builds the rule for a network.
            ///
            /// # Errors
            /// A setting out of range, or a network the rule does not serve.
            #[inline(never)]
            pub fn build<T: Scalar>(&self, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
                self.admit(site.network)?;
                match self {
                    $(Self::$variant(spec) => $module::build(spec, site),)*
                    Self::Own(spec) => own::build(spec, site),
                }
            }
        }
    };
}

registry! {
    /// Marschall, Cho & Savin 2019: credit predicted in a distal compartment.
    Dendritic(DendriticSpec) = dendritic,
    /// The recurrent layer stays as it is; only the readout learns.
    ReadoutOnly(Empty) = readout_only,
    /// Exact gradients carried forward in time.
    Rtrl(Empty) = rtrl,
    /// Exact gradients carried backward over a trial or window.
    Bptt(Empty) = bptt,
    /// BPTT over blocks.
    EBptt(HorizonSpec) = e_bptt,
    /// Future-facing BPTT.
    FBptt(HorizonSpec) = f_bptt,
    /// Local traces: RFLO, e-prop, the three-factor rule.
    #[serde(alias = "eprop", alias = "three_factor")]
    Rflo(TraceSpec) = rflo,
    /// Rank-one influence.
    Uoro(UoroSpec) = uoro,
    /// Kronecker-factored influence.
    KfRtrl(NoiseSpec) = kf_rtrl,
    /// Reverse Kronecker-factored influence.
    RKfRtrl(NoiseSpec) = r_kf_rtrl,
    /// Sparse n-step influence.
    Snap(SnapSpec) = snap,
    /// Influence through a learned kernel.
    Kernl(KernlSpec) = kernl,
    /// BPTT over overlapping windows.
    Tbptt(TbpttSpec) = tbptt,
    /// REINFORCE with noise on the currents.
    #[serde(alias = "reinforce")]
    NodePerturbation(NodePerturbationSpec) = node_perturbation,
    /// Rare pushes and cubed traces.
    Miconi(MiconiSpec) = miconi,
    /// Recursive least squares on the readout.
    Force(ForceSpec) = force,
    /// Credit one synapse further, through types.
    Mdgl(MdglSpec) = mdgl,
    /// Credit through filters of types.
    #[serde(rename = "modprop")]
    ModProp(ModPropSpec) = modprop,
    /// Any eligibility with any credit.
    Combined(CombinedSpec) = combined,
    /// Control: noise for a gradient.
    RandomGradient(RandomGradientSpec) = random_gradient,
}

impl Default for RuleSpec {
    fn default() -> Self {
        Self::Dendritic(DendriticSpec::default())
    }
}

/// Whether any is not 0. To the end of the list: a loop that may stop on the way is not vectorised.
fn any<T: Scalar>(values: &[T]) -> bool {
    values.iter().fold(false, |any, v| any | (*v != T::ZERO))
}

/// A rule without settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

impl RuleSpec {
    /// The setting that decides how many steps back the rule keeps, and its value.
    pub(crate) fn reach(&self) -> Option<(&'static str, u64)> {
        Some(match self {
            Self::EBptt(spec) | Self::FBptt(spec) => ("rule.horizon", spec.horizon),
            Self::Tbptt(spec) => ("rule.back", spec.back),
            Self::ModProp(spec) => ("rule.taps", spec.taps?.max(0) as u64),
            Self::Snap(spec) => ("rule.order", spec.order),
            Self::Dendritic(spec) if spec.lambda > 0.0 => ("rule.horizon", spec.horizon),
            Self::Combined(spec) => return spec.reach(),
            _ => return None,
        })
    }

    /// The same rule with that setting at 1.
    pub(crate) fn shortest(&self) -> Self {
        let mut rule = self.clone();
        match &mut rule {
            Self::EBptt(spec) | Self::FBptt(spec) => spec.horizon = 1,
            Self::Tbptt(spec) => spec.back = 1,
            Self::ModProp(spec) => spec.taps = spec.taps.map(|_| 1),
            Self::Snap(spec) => spec.order = 1,
            Self::Dendritic(spec) => spec.horizon = 1,
            Self::Combined(spec) => {
                if let CreditSpec::Dendritic(spec) = &mut spec.credit {
                    spec.horizon = 1;
                }
                if let EligibilitySpec::Snap(spec) = &mut spec.eligibility {
                    spec.order = 1;
                }
            }
            _ => {}
        }
        rule
    }

    /// Refuses networks in which the rule would give wrong numbers: one that carries the influence of weights through
    /// the recurrent layer does not know the way through the readout.
    fn admit<T: Scalar>(&self, network: &Network<T>) -> Result<()> {
        let serves = self.locality() == Locality::Synapse || matches!(self, Self::Force(_));
        if !network.hears_output() || serves {
            return Ok(());
        }
        let name = self.info().name;
        Err(crate::Error::invalid(
            "network.output_feedback",
            "a loop from the outputs",
            format!("none, because `{name}` would miss the influence that takes this way"),
            "Remove it, or use the rule force or one with local traces.",
        ))
    }

    /// Whether a registered rule says that it stands in the relation of this name.
    pub(crate) fn stands_in(&self, relation: &str) -> bool {
        matches!(self, Self::Own(own) if own.entry.made.relations.contains(&relation))
    }

    /// What a synapse needs to know, with these settings.
    pub fn locality(&self) -> Locality {
        match self {
            Self::Dendritic(spec) => spec.locality(),
            Self::Combined(spec) => spec.locality(),
            _ => self.info().locality,
        }
    }
}

/// A row of the table of rules.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RuleInfo {
    /// Name in configurations.
    pub name: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    /// One line.
    pub summary: &'static str,
    /// Paper and equations.
    pub source: &'static str,
    /// What the rule leaves out of the exact gradient.
    pub drops: &'static str,
    /// What a synapse needs to know, with default settings.
    pub locality: Locality,
    /// Whether nothing but the present and traces of fixed size is needed.
    pub local_in_time: bool,
    /// Whether the gradient is exact with fixed weights.
    pub exact: bool,
    /// Whether the rule draws noise.
    pub stochastic: bool,
    /// Memory beyond the weights.
    pub memory: &'static str,
    /// Operations a step.
    pub time: &'static str,
}

impl RuleInfo {
    /// Of a rule of one's own that is local in space and time, to be changed where it is not so.
    pub const OWN: Self = Self {
        name: "",
        aliases: &[],
        summary: "",
        source: "ours",
        drops: "",
        locality: Locality::Synapse,
        local_in_time: true,
        exact: false,
        stochastic: false,
        memory: "-",
        time: "-",
    };

    /// Whether `name` is the rule's name or one of its other names.
    pub fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}
