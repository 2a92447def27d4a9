//! Relations of rules that send errors through types of cells: MDGL and ModProp.

use super::super::case::{Case, Kind, Shape, difference};
use super::super::relation::{Concerns::Only, Relation};
use super::{apart, at_the_end, between, equal, gradient, largest, rflo, rtrl, unequal};
use crate::Result;
use crate::neuron::{Activation, NeuronSpec, VoltageSpec};
use crate::rule::{Drive, FeedbackWeights, HorizonSpec, MdglSpec, ModPropSpec, RuleSpec};

use FeedbackWeights::{Cell, Typed};

const DRIVES: [Drive; 2] = [Drive::Paper, Drive::Code];

pub(super) const RELATIONS: &[Relation] = &[
    equal("forms", Only(&["modprop"]))
        .says("either drive, through types or cells, with or without a bound on taps: at the end of a trial = at every step")
        .by(|case, _| {
            let with = |spec: ModPropSpec| {
                [None, Some(2)].map(|taps| ModPropSpec {
                    taps,
                    ..spec.clone()
                })
            };
            largest(modprops().flat_map(with), |spec| {
                at_the_end(case, &RuleSpec::ModProp(spec))
            })
        }),
    equal("linear units", Only(&["modprop"]))
        .says("with mu = 1 and the weights themselves, between linear units = rtrl")
        .on(Shape::ANY.of(Kind::Plain))
        .by(|case, _| {
            let case = linear(case);
            largest(DRIVES, |drive| {
                let spec = ModPropSpec {
                    drive,
                    ..weights_themselves()
                };
                between(&case, &RuleSpec::ModProp(spec), &rtrl())
            })
        }),
    equal("no taps", Only(&["modprop"]))
        .says("with a filter of no taps = rflo (the three-factor rule), either drive, through types or cells")
        .by(|case, _| largest(modprops(), |spec| with_taps(case, 0, spec, rflo()))),
    equal("all taps", Only(&["modprop"]))
        .says("with as many taps as steps = with all, either drive, through types or cells")
        .by(|case, _| {
            largest(modprops(), |spec| {
                let all = RuleSpec::ModProp(spec.clone());
                with_taps(case, case.data.steps() as i64, spec, all)
            })
        }),
    equal("taps are a horizon", Only(&["modprop"]))
        .says("with S taps, mu = 1 and W itself = f_bptt with a horizon of S + 1, between linear units without a leak")
        .on(Shape::ANY.of(Kind::Plain))
        .by(|case, _| {
            let case = without_leak(&linear(case));
            largest([1_u64, 3], |taps| {
                let horizon = taps + 1;
                let reference = RuleSpec::FBptt(HorizonSpec { horizon });
                with_taps(&case, taps as i64, weights_themselves(), reference)
            })
        }),
    equal("one tap", Only(&["modprop", "mdgl"]))
        .says("modprop with one tap and the drive of the paper = mdgl, through types or cells, between voltage units")
        .on(Shape::ANY.of(Kind::Plain))
        .by(|case, _| largest([Typed, Cell], |weights| one_tap(case, Drive::Paper, weights))),
    equal("a type a unit", Only(&["modprop", "mdgl"]))
        .says("through types = through cells when every unit is a type of its own")
        .by(|case, rule| {
            largest(DRIVES, |drive| {
                let mut rule = rule.clone();
                if let RuleSpec::ModProp(spec) = &mut rule {
                    spec.drive = drive;
                }
                types_or_cells(case, &rule, (0..case.units).collect())
            })
        }),
    unequal("drive of the code", Only(&["modprop"]))
        .says("with one tap and the drive of the code is not mdgl")
        .on(Shape::LONG.of(Kind::Plain))
        .by(|case, _| one_tap(case, Drive::Code, Cell)),
    unequal("fewer taps", Only(&["modprop"]))
        .says("with two taps is not with all")
        .by(|case, _| {
            let all = RuleSpec::ModProp(Default::default());
            with_taps(case, 2, ModPropSpec::default(), all)
        }),
    unequal("bent units", Only(&["modprop"]))
        .says("with mu = 1 and the weights themselves is not rtrl between units that are not linear")
        .by(|case, _| between(case, &RuleSpec::ModProp(weights_themselves()), &rtrl())),
    unequal("types", Only(&["modprop", "mdgl"]))
        .says("through one type for all is not through cells")
        .by(|case, rule| types_or_cells(case, rule, vec![0; case.units])),
];

/// Both drives, through types with and without a unit's way onto itself, and through cells.
fn modprops() -> impl Iterator<Item = ModPropSpec> {
    let of = |drive| {
        [(Typed, false), (Typed, true), (Cell, false)].map(|(feedback_weights, zero_diagonal)| {
            ModPropSpec {
                drive,
                feedback_weights,
                zero_diagonal,
                mu: 0.6,
                ..ModPropSpec::default()
            }
        })
    };
    DRIVES.into_iter().flat_map(of)
}

/// ModProp with mu = 1, through W itself.
fn weights_themselves() -> ModPropSpec {
    ModPropSpec {
        feedback_weights: Cell,
        mu: 1.0,
        ..ModPropSpec::default()
    }
}

fn mdgl(feedback_weights: FeedbackWeights) -> RuleSpec {
    RuleSpec::Mdgl(MdglSpec { feedback_weights })
}

/// The case with identity for its activation.
fn linear(case: &Case) -> Case {
    let mut case = case.clone();
    match &mut case.neuron {
        Some(NeuronSpec::Rate(spec)) => spec.activation = Activation::Identity,
        Some(NeuronSpec::Voltage(spec)) => spec.activation = Activation::Identity,
        Some(NeuronSpec::TwoCompartment(spec)) => spec.activation = Activation::Identity,
        Some(NeuronSpec::Own(_)) | None => {}
    }
    case
}

/// The case with voltage units.
fn on_voltage(case: &Case) -> Case {
    let mut case = case.clone();
    if let Some(NeuronSpec::Rate(spec)) = case.neuron {
        case.neuron = Some(NeuronSpec::Voltage(VoltageSpec {
            leak: 0.6,
            activation: spec.activation,
        }));
    }
    case
}

/// The case with units that keep nothing of their state.
fn without_leak(case: &Case) -> Case {
    let mut case = on_voltage(case);
    if let Some(NeuronSpec::Voltage(spec)) = &mut case.neuron {
        spec.leak = 0.0;
    }
    case
}

/// ModProp with so many taps, online and at the end of the trial, against `reference`.
fn with_taps(case: &Case, taps: i64, spec: ModPropSpec, reference: RuleSpec) -> Result<f64> {
    let taps = Some(taps);
    let rule = RuleSpec::ModProp(ModPropSpec { taps, ..spec });
    let reference = gradient(case, &reference)?;
    let late = case.gradient_of(&mut case.trial_learner(&rule)?)?;
    Ok(difference(&late, &reference).max(apart(case, &rule, reference)?))
}

/// ModProp of one tap against MDGL, between voltage units.
fn one_tap(case: &Case, drive: Drive, feedback_weights: FeedbackWeights) -> Result<f64> {
    let spec = ModPropSpec {
        drive,
        feedback_weights,
        ..ModPropSpec::default()
    };
    with_taps(&on_voltage(case), 1, spec, mdgl(feedback_weights))
}

/// `rule` with the units in these types against `rule` through cells.
fn types_or_cells(case: &Case, rule: &RuleSpec, types: Vec<usize>) -> Result<f64> {
    let cells = match rule {
        RuleSpec::ModProp(spec) => RuleSpec::ModProp(ModPropSpec {
            feedback_weights: Cell,
            ..spec.clone()
        }),
        _ => mdgl(Cell),
    };
    let mut typed = case.clone();
    typed.types = types;
    Ok(difference(
        &gradient(&typed, rule)?,
        &gradient(case, &cells)?,
    ))
}
