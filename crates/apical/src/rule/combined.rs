//! Any eligibility with any credit: `kind = "combined"`, with a table for each half.
//!
//! Some of the products bear a name and are rules of their own; the others nobody has published, and `apical rules` says so.
//! Source, equations and cost of each half stand in its own file under `eligibility/` and `credit/`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Composed, Local, Locality, Rule, RuleInfo, Site, TrialTrace, composed, trial_trace};
use crate::credit::{Credit, Dendritic, DendriticSpec, Immediate};
use crate::eligibility::{
    Eligibility, FullInfluence, Instant, Kernl, KernlSpec, Kronecker, NoiseSpec, ReverseKronecker,
    Snap, SnapSpec, Trace, TraceSpec, Uoro, UoroSpec,
};
use crate::eligibility::{influence, kronecker, reverse_kronecker};
use crate::rule::Empty;
use crate::sizes::Sizes;
use crate::{Result, Scalar};

pub(super) const INFO: RuleInfo = RuleInfo {
    name: "combined",
    aliases: &[],
    summary: "any eligibility with any credit, named or not",
    source: "the decomposition of Marschall, Cho & Savin 2020, section 3.1",
    drops: "what each half drops",
    locality: Locality::Synapse,
    local_in_time: true,
    exact: false,
    stochastic: false,
    memory: "that of both halves",
    time: "that of both halves",
};

/// The past-facing half.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EligibilitySpec {
    /// Only this step.
    Instant(Empty),
    /// A local trace.
    Trace(TraceSpec),
    /// Sparse n-step influence.
    Snap(SnapSpec),
    /// The full influence.
    Influence(Empty),
    /// Rank-one influence.
    Uoro(UoroSpec),
    /// Kronecker-factored influence.
    Kronecker(NoiseSpec),
    /// Reverse Kronecker-factored influence.
    ReverseKronecker(NoiseSpec),
    /// Influence through a learned kernel.
    Kernl(KernlSpec),
}

/// The future-facing half.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CreditSpec {
    /// Only this step's error.
    Immediate(Empty),
    /// Predicted in the distal compartment.
    Dendritic(DendriticSpec),
}

/// Configuration of a combination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CombinedSpec {
    /// What is remembered of the past.
    pub eligibility: EligibilitySpec,
    /// What is expected of the future.
    pub credit: CreditSpec,
}

impl Default for CombinedSpec {
    fn default() -> Self {
        Self {
            eligibility: EligibilitySpec::Trace(TraceSpec::default()),
            credit: CreditSpec::Immediate(Empty {}),
        }
    }
}

/// The halves of every combination, and the name of those that have one.
pub const COMBINATIONS: &[(&str, &str, Option<&str>)] = &[
    (
        "instant",
        "immediate",
        Some("one-step rule: readout error through one step, rflo with alpha = 1"),
    ),
    ("instant", "dendritic", Some("dendritic, DNI")),
    ("trace", "immediate", Some("rflo, eprop, three_factor")),
    (
        "trace",
        "dendritic",
        Some("hybrid of DNI and RFLO in the code of Marschall et al. (option alpha_e)"),
    ),
    ("snap", "immediate", Some("snap")),
    ("snap", "dendritic", None),
    ("influence", "immediate", Some("rtrl")),
    ("influence", "dendritic", None),
    ("uoro", "immediate", Some("uoro")),
    ("uoro", "dendritic", None),
    ("kronecker", "immediate", Some("kf_rtrl")),
    ("kronecker", "dendritic", None),
    ("reverse_kronecker", "immediate", Some("r_kf_rtrl")),
    ("reverse_kronecker", "dendritic", None),
    ("kernl", "immediate", Some("kernl")),
    ("kernl", "dendritic", None),
];

impl EligibilitySpec {
    /// Name in configurations.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Instant(_) => "instant",
            Self::Trace(_) => "trace",
            Self::Snap(_) => "snap",
            Self::Influence(_) => "influence",
            Self::Uoro(_) => "uoro",
            Self::Kronecker(_) => "kronecker",
            Self::ReverseKronecker(_) => "reverse_kronecker",
            Self::Kernl(_) => "kernl",
        }
    }

    /// What a synapse needs to know.
    pub fn locality(&self) -> Locality {
        match self {
            Self::Instant(_) | Self::Trace(_) => Locality::Synapse,
            _ => Locality::Network,
        }
    }

    fn build<T: Scalar>(&self, site: &Site<'_, T>) -> Result<Box<dyn Eligibility<T>>> {
        let dims = site.network.dims();
        let stream = site.streams.stream("rule", 0);
        Ok(match self {
            Self::Instant(_) => Box::new(Local(Instant::new(dims))),
            Self::Trace(spec) => Box::new(Local(Trace::with(dims, spec)?)),
            Self::Snap(spec) => Box::new(Snap::new(spec, site.network)?),
            Self::Influence(_) => Box::new(FullInfluence::new(dims)?),
            Self::Uoro(spec) => Box::new(Uoro::new(spec, site.network, stream)?),
            Self::Kronecker(spec) => Box::new(Kronecker::new(dims, spec, stream)),
            Self::ReverseKronecker(spec) => Box::new(ReverseKronecker::new(dims, spec, stream)),
            Self::Kernl(spec) => Box::new(Kernl::new(spec, site.network, stream)?),
        })
    }
}

impl CreditSpec {
    /// Name in configurations.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Immediate(_) => "immediate",
            Self::Dendritic(_) => "dendritic",
        }
    }

    /// What a unit needs to know.
    pub fn locality(&self) -> Locality {
        match self {
            Self::Immediate(_) => Locality::Synapse,
            Self::Dendritic(spec) => spec.locality(),
        }
    }

    fn build<T: Scalar>(&self, site: &Site<'_, T>) -> Result<Box<dyn Credit<T>>> {
        Ok(match self {
            Self::Immediate(_) => Box::new(Immediate),
            Self::Dendritic(spec) => Box::new(Dendritic::new(spec, site.network, site.streams)?),
        })
    }
}

impl CombinedSpec {
    /// What a synapse needs to know: what the less local half does.
    pub fn locality(&self) -> Locality {
        self.eligibility.locality().max(self.credit.locality())
    }

    /// The setting that decides how many steps back the rule keeps, and its value.
    pub(crate) fn reach(&self) -> Option<(&'static str, u64)> {
        match (&self.eligibility, &self.credit) {
            (_, CreditSpec::Dendritic(spec)) if spec.lambda > 0.0 => {
                Some(("rule.credit.horizon", spec.horizon))
            }
            (EligibilitySpec::Snap(spec), _) => Some(("rule.eligibility.order", spec.order)),
            _ => None,
        }
    }

    /// Under which name the combination has been published, if it has.
    pub fn published(&self) -> Option<&'static str> {
        let halves = (self.eligibility.name(), self.credit.name());
        let row = COMBINATIONS.iter().find(|(e, c, _)| (*e, *c) == halves);
        row.and_then(|(.., name)| *name)
    }
}

/// Bytes of its arrays.
pub(super) fn memory(spec: &CombinedSpec, sizes: &Sizes) -> f64 {
    let immediate = matches!(spec.credit, CreditSpec::Immediate(_));
    let eligibility = match &spec.eligibility {
        EligibilitySpec::Trace(trace) if sizes.by_trial && immediate => {
            return trial_trace::memory(trace, sizes);
        }
        EligibilitySpec::Instant(_) => sizes.vector(sizes.units),
        EligibilitySpec::Trace(trace) => trace.memory(sizes),
        EligibilitySpec::Snap(snap) => snap.memory(sizes),
        EligibilitySpec::Influence(_) => influence::memory(sizes),
        EligibilitySpec::Uoro(uoro) => uoro.memory(sizes),
        EligibilitySpec::Kronecker(_) => kronecker::memory(sizes),
        EligibilitySpec::ReverseKronecker(_) => reverse_kronecker::memory(sizes),
        EligibilitySpec::Kernl(kernl) => kernl.memory(sizes),
    };
    let credit = match &spec.credit {
        CreditSpec::Immediate(_) => 0.0,
        CreditSpec::Dendritic(dendritic) => dendritic.memory(sizes),
    };
    composed::memory(sizes) + eligibility + credit
}

pub(super) fn build<T: Scalar>(
    spec: &CombinedSpec,
    site: &Site<'_, T>,
) -> Result<Box<dyn Rule<T>>> {
    // The same rule as rflo: with updates at the end of trials it is run as such.
    if let (true, EligibilitySpec::Trace(trace), CreditSpec::Immediate(_)) =
        (site.by_trial, &spec.eligibility, &spec.credit)
    {
        return Ok(Box::new(TrialTrace::new(site.network.dims(), trace)?));
    }
    let eligibility = spec.eligibility.build(site)?;
    let credit = spec.credit.build(site)?;
    Ok(Box::new(Composed::new(
        site.network.dims(),
        eligibility,
        credit,
    )))
}
