//! Settings of the dendritic rule, and how a text that leaves some out is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::view::Locality;
use crate::{Error, Result};

/// Configuration of the dendritic rule.
///
/// The default learns delayed tasks at any size, [`DendriticSpec::published`] is the paper's. A text that states a
/// rate without `normalize` means published rates, as does every text written before that key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Text", into = "Text")]
#[schemars(!from, !into, default, deny_unknown_fields)]
pub struct DendriticSpec {
    /// What the rates of A and J are divided by.
    pub normalize: Normalize,
    /// η_A, learning rate of A.
    #[schemars(range(min = 0.0))]
    pub rate: f64,
    /// λ_A, weight decay of A.
    #[schemars(range(min = 0.0))]
    pub decay: f64,
    /// Where J comes from.
    pub jacobian: JacobianSpec,
    /// f, through which the bootstrapped credit passes.
    pub label_activation: LabelActivation,
    /// Steps between refreshes of the slow copy A⁻.
    #[schemars(range(min = 1), extend("unit" = "steps"))]
    pub refresh: u64,
    /// Which error enters the target of A.
    pub timing: Timing,
    /// Whether W sees A before or after its update of the same step.
    pub phases: Phases,
    /// Distribution of A at the start.
    pub start: Start,
    /// λ, share of the true credit in the target of A.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub lambda: f64,
    /// Steps after which a step's credit counts as true, where λ > 0.
    #[schemars(range(min = 2, max = 1 << 20), extend("unit" = "steps"))]
    pub horizon: u64,
}

impl Default for DendriticSpec {
    fn default() -> Self {
        Self {
            normalize: Normalize::Power,
            rate: RATE,
            jacobian: JacobianSpec::default(),
            ..Self::published()
        }
    }
}

/// Default of the rate divided by the power, chosen on seeds that judge nothing (docs/results/dendritic.md); as those below.
const RATE: f64 = 0.6;

fn learned_rate() -> f64 {
    0.03
}

fn local_rate() -> f64 {
    0.3
}

fn local_decay() -> f64 {
    0.005
}

fn all() -> Regressors {
    Regressors::All
}

/// The published rate of A and of J, and a decay of the local J.
const PUBLISHED: f64 = 0.01;

/// What a learning rate is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    /// Nothing, as published: rates must shrink as 1/n.
    None,
    /// The power of what arrives, sample by sample (normalised least mean squares): one rate for every size, below 2.
    Power,
}

/// Where the Jacobian that carries credit back one step comes from.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(deny_unknown_fields)]
pub enum JacobianSpec {
    /// The true Jacobian; needs every weight.
    Exact {},
    /// Learned as a predictor of the next rate, used transposed (as published).
    Learned {
        /// η_J, learning rate of J.
        #[schemars(default = "learned_rate", range(min = 0.0))]
        rate: f64,
        /// From what the next rate is predicted.
        #[schemars(default = "all")]
        regressors: Regressors,
        /// What J is at the start; it stays so at rate 0.
        #[schemars(default)]
        start: JacobianStart,
    },
    /// A predictor P and a feedback array K of its own, each with decay: strictly local.
    Local {
        /// η_J, learning rate of both arrays.
        #[schemars(default = "local_rate", range(min = 0.0))]
        rate: f64,
        /// λ, weight decay of both arrays; the rate at which K and Pᵀ converge is η_J λ.
        #[schemars(default = "local_decay", range(min = 0.0))]
        decay: f64,
        /// From what the next rate is predicted.
        #[schemars(default = "all")]
        regressors: Regressors,
    },
}

/// What a learned J is at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JacobianStart {
    /// W_rec, as published.
    #[default]
    Weights,
    /// The numbers of W_rec in random places: a control.
    Shuffled,
}

/// From what J predicts the next rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Regressors {
    /// r(t−1), as published.
    Rates,
    /// [r(t−1); x(t); 1]; the columns of x and 1 predict, and carry no credit back.
    All,
}

impl Default for JacobianSpec {
    fn default() -> Self {
        JacobianText::Learned {
            rate: None,
            regressors: None,
            start: JacobianStart::Weights,
        }
        .read(Normalize::Power)
    }
}

impl JacobianSpec {
    /// The same, predicting from `chosen`; the exact one stays as it is.
    pub fn with_regressors(mut self, chosen: Regressors) -> Self {
        match &mut self {
            Self::Exact {} => {}
            Self::Learned { regressors, .. } | Self::Local { regressors, .. } => {
                *regressors = chosen;
            }
        }
        self
    }

    /// The strictly local one, with the default rates of [`Normalize::Power`].
    pub fn local() -> Self {
        JacobianText::Local {
            rate: None,
            decay: None,
            regressors: None,
        }
        .read(Normalize::Power)
    }
}

/// What the bootstrapped credit passes through on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabelActivation {
    /// tanh: it is carried by firing rates (2019).
    Tanh,
    /// Unchanged (DNI "a" of 2020).
    Identity,
}

/// Which error enters the target of A, and when J learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// q(t−1), as derived; J learns before A.
    Corrected,
    /// q(t), as the scripts of November 2018; J learns after A.
    Scripts2018,
}

/// Order of the updates of A and W within a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phases {
    /// W sees the A just updated (the published code).
    Interleaved,
    /// W learns in the somatic phase with the A of before, then A in the distal phase (the abstract).
    TwoPhase,
}

/// Distribution of A at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// N(0, 1/(n + n_out + 1)) throughout (2020).
    Joint,
    /// N(0, 1/n) from rates, N(0, 1/n_out) from labels, no bias (scripts of 2018).
    Split,
    /// 0 throughout: no credit until A has learned, and none ever at rate 0.
    Zero,
}

/// The settings as a text gives them; those that came later are written only where they say something new.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Text {
    #[serde(skip_serializing_if = "Option::is_none")]
    normalize: Option<Normalize>,
    rate: Option<f64>,
    decay: Option<f64>,
    jacobian: Option<JacobianText>,
    label_activation: Option<LabelActivation>,
    refresh: Option<u64>,
    timing: Option<Timing>,
    phases: Option<Phases>,
    start: Option<Start>,
    lambda: Option<f64>,
    horizon: Option<u64>,
}

impl From<DendriticSpec> for Text {
    fn from(spec: DendriticSpec) -> Self {
        let power = spec.normalize == Normalize::Power;
        let said = |regressors| (power || regressors == Regressors::All).then_some(regressors);
        Self {
            normalize: power.then_some(Normalize::Power),
            rate: Some(spec.rate),
            decay: Some(spec.decay),
            label_activation: Some(spec.label_activation),
            refresh: Some(spec.refresh),
            timing: Some(spec.timing),
            phases: Some(spec.phases),
            start: Some(spec.start),
            lambda: Some(spec.lambda),
            horizon: Some(spec.horizon),
            jacobian: Some(match spec.jacobian {
                JacobianSpec::Exact {} => JacobianText::Exact {},
                JacobianSpec::Learned {
                    rate,
                    regressors,
                    start,
                } => JacobianText::Learned {
                    rate: Some(rate),
                    regressors: said(regressors),
                    start,
                },
                JacobianSpec::Local {
                    rate,
                    decay,
                    regressors,
                } => JacobianText::Local {
                    rate: Some(rate),
                    decay: Some(decay),
                    regressors: said(regressors),
                },
            }),
        }
    }
}

impl From<Text> for DendriticSpec {
    fn from(text: Text) -> Self {
        let stated = text.rate.is_some() || text.jacobian.as_ref().is_some_and(|j| j.states_rate());
        let base = match (text.normalize, stated) {
            (Some(Normalize::Power), _) | (None, false) => Self::default(),
            (Some(Normalize::None), _) | (None, true) => Self::published(),
        };
        let jacobian = text.jacobian.map(|jacobian| jacobian.read(base.normalize));
        Self {
            normalize: base.normalize,
            rate: text.rate.unwrap_or(base.rate),
            decay: text.decay.unwrap_or(base.decay),
            jacobian: jacobian.unwrap_or(base.jacobian),
            label_activation: text.label_activation.unwrap_or(base.label_activation),
            refresh: text.refresh.unwrap_or(base.refresh),
            timing: text.timing.unwrap_or(base.timing),
            phases: text.phases.unwrap_or(base.phases),
            start: text.start.unwrap_or(base.start),
            lambda: text.lambda.unwrap_or(base.lambda),
            horizon: text.horizon.unwrap_or(base.horizon),
        }
    }
}

/// A Jacobian as a text gives it.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum JacobianText {
    Exact {},
    Learned {
        rate: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        regressors: Option<Regressors>,
        #[serde(default, skip_serializing_if = "is_published")]
        start: JacobianStart,
    },
    Local {
        rate: Option<f64>,
        decay: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        regressors: Option<Regressors>,
    },
}

fn is_published(start: &JacobianStart) -> bool {
    *start == JacobianStart::Weights
}

impl JacobianText {
    fn states_rate(&self) -> bool {
        match self {
            Self::Exact {} => false,
            Self::Learned { rate, .. } => rate.is_some(),
            Self::Local { rate, decay, .. } => rate.is_some() || decay.is_some(),
        }
    }

    fn read(self, normalize: Normalize) -> JacobianSpec {
        let or = |given: Option<f64>, tuned| match normalize {
            Normalize::None => given.unwrap_or(PUBLISHED),
            Normalize::Power => given.unwrap_or(tuned),
        };
        let from = |given: Option<Regressors>| match normalize {
            Normalize::None => given.unwrap_or(Regressors::Rates),
            Normalize::Power => given.unwrap_or_else(all),
        };
        match self {
            Self::Exact {} => JacobianSpec::Exact {},
            Self::Learned {
                rate,
                regressors,
                start,
            } => JacobianSpec::Learned {
                rate: or(rate, learned_rate()),
                regressors: from(regressors),
                start,
            },
            Self::Local {
                rate,
                decay,
                regressors,
            } => JacobianSpec::Local {
                rate: or(rate, local_rate()),
                decay: or(decay, local_decay()),
                regressors: from(regressors),
            },
        }
    }
}

impl DendriticSpec {
    /// The published rates (Marschall, Cho & Savin 2019), for 32 units: nothing divides them.
    pub fn published() -> Self {
        Self {
            normalize: Normalize::None,
            rate: PUBLISHED,
            decay: 0.0,
            jacobian: JacobianSpec::Learned {
                rate: PUBLISHED,
                regressors: Regressors::Rates,
                start: JacobianStart::Weights,
            },
            label_activation: LabelActivation::Tanh,
            refresh: 5,
            timing: Timing::Corrected,
            phases: Phases::Interleaved,
            start: Start::Joint,
            lambda: 0.0,
            horizon: 10,
        }
    }

    /// What a synapse needs to know: the exact J is in all weights, a learned J is read against the direction of its synapses.
    ///
    /// Normalising changes nothing: the power of what arrives at a dendrite is a sum over its own synapses.
    pub fn locality(&self) -> Locality {
        match self.jacobian {
            JacobianSpec::Local { .. } if self.lambda == 0.0 => Locality::Dendrite,
            _ => Locality::Network,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let (jacobian_rate, jacobian_decay) = match self.jacobian {
            JacobianSpec::Exact {} => (0.0, 0.0),
            JacobianSpec::Learned { rate, .. } => (rate, 0.0),
            JacobianSpec::Local { rate, decay, .. } => (rate, decay),
        };
        for (field, value) in [
            ("rule.rate", self.rate),
            ("rule.decay", self.decay),
            ("rule.jacobian.rate", jacobian_rate),
            ("rule.jacobian.decay", jacobian_decay),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::invalid(
                    field,
                    value,
                    "a finite number that is not negative",
                    "0 switches this part of learning off.",
                ));
            }
        }
        for (field, value) in [
            ("rule.rate", self.rate),
            ("rule.jacobian.rate", jacobian_rate),
        ] {
            if self.normalize == Normalize::Power && value >= 2.0 {
                return Err(Error::invalid(
                    field,
                    value,
                    "less than 2 with rule.normalize = \"power\": at 1 a step corrects the whole error, from 2 on none of it",
                    "Rates between 0.003 and 0.5 are usual; for rates as published set rule.normalize = \"none\".",
                ));
            }
        }
        if !(0.0..=1.0).contains(&self.lambda) {
            let mend = "0 bootstraps as published, 1 learns from true credit alone.";
            return Err(Error::invalid(
                "rule.lambda",
                self.lambda,
                "a number in [0, 1]",
                mend,
            ));
        }
        if self.lambda > 0.0 && !(2..=1 << 20).contains(&self.horizon) {
            return Err(Error::invalid(
                "rule.horizon",
                self.horizon,
                "between 2 and 1048576 steps",
                "The bootstrapped target of a step is known one step later, so 2 is the least.",
            ));
        }
        if self.refresh == 0 {
            return Err(Error::invalid(
                "rule.refresh",
                0,
                "at least 1 step",
                "1 uses A itself, 5 is the published interval.",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> DendriticSpec {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn nothing_stated_is_the_default() {
        assert_eq!(read("{}"), DendriticSpec::default());
        assert_eq!(read(r#"{"normalize": "power"}"#), DendriticSpec::default());
        assert_eq!(read(r#"{"normalize": "none"}"#), DendriticSpec::published());
        let local = read(r#"{"jacobian": {"kind": "local"}}"#);
        assert_eq!(local.jacobian, JacobianSpec::local());
        assert_eq!(local.normalize, Normalize::Power);
    }

    /// Texts older than `normalize` state their rates and mean them undivided.
    #[test]
    fn a_rate_without_normalize_is_a_published_one() {
        let rate = 0.02;
        for (json, jacobian) in [
            (r#"{"rate": 0.02}"#, DendriticSpec::published().jacobian),
            (
                r#"{"rate": 0.02, "jacobian": {"kind": "local"}}"#,
                JacobianSpec::Local {
                    rate: 0.01,
                    decay: 0.01,
                    regressors: Regressors::Rates,
                },
            ),
            (
                r#"{"rate": 0.02, "jacobian": {"kind": "exact"}}"#,
                JacobianSpec::Exact {},
            ),
        ] {
            let expected = DendriticSpec {
                rate,
                jacobian,
                ..DendriticSpec::published()
            };
            assert_eq!(read(json), expected, "{json}");
        }
        let inner = read(r#"{"jacobian": {"kind": "learned", "rate": 0.02}}"#);
        assert_eq!((inner.normalize, inner.rate), (Normalize::None, 0.01));
    }

    /// Byte for byte as before there was `normalize`: checkpoints hold such texts.
    #[test]
    fn published_rates_are_written_as_ever() {
        let text = serde_json::to_string(&DendriticSpec::published()).unwrap();
        assert!(
            !text.contains("normalize") && !text.contains("regressors"),
            "{text}"
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let published = DendriticSpec::published();
        for spec in [
            DendriticSpec::default(),
            published.clone(),
            DendriticSpec {
                jacobian: JacobianSpec::local().with_regressors(Regressors::All),
                ..published.clone()
            },
            DendriticSpec {
                jacobian: JacobianSpec::local().with_regressors(Regressors::Rates),
                ..DendriticSpec::default()
            },
            DendriticSpec {
                jacobian: JacobianSpec::Exact {},
                ..published
            },
        ] {
            assert_eq!(read(&serde_json::to_string(&spec).unwrap()), spec);
        }
    }
}
