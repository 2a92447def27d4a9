//! Relations to the exact gradient: backward and forward in time, horizons, windows, single steps.

use super::super::case::{Case, Shape, difference, flat};
use super::super::relation::{Concerns, Relation};
use super::{apart, between, bptt, equal, rtrl, unequal};
use crate::Result;
use crate::feedback::FeedbackSpec;
use crate::rule::{HorizonSpec, RuleSpec, TbpttSpec};

use Concerns::Only;

const OF_ONE_STEP: Concerns = Only(&[
    "rtrl", "e_bptt", "f_bptt", "tbptt", "rflo", "snap", "combined", "mdgl", "modprop",
]);
const WITHOUT_WEIGHTS: Concerns = Only(&["rflo", "snap", "combined", "mdgl", "modprop"]);
const APPROXIMATE: Concerns = Only(&[
    "rflo",
    "dendritic",
    "snap",
    "kernl",
    "combined",
    "mdgl",
    "modprop",
]);

pub(super) const RELATIONS: &[Relation] = &[
    equal("finite differences", Only(&["bptt", "rtrl"]))
        .says("= slope of the summed loss of a trial, by finite differences in every weight")
        .on(Shape::SMOOTH)
        .by(finite_differences),
    equal("backward and forward", Only(&["bptt", "rtrl"]))
        .says("backward in time = forward in time: bptt over a trial = rtrl")
        .by(|case, _| between(case, &bptt(), &rtrl())),
    equal("full horizon", Only(&["e_bptt", "f_bptt"]))
        .says("= bptt with a horizon of the whole trial")
        .by(|case, rule| with_horizon(case, rule, case.data.steps())),
    equal("longer horizon", Only(&["e_bptt", "f_bptt"]))
        .says("= bptt with a horizon beyond the end of the trial")
        .by(|case, rule| with_horizon(case, rule, case.data.steps() + 3)),
    equal("one step", OF_ONE_STEP)
        .says("= bptt on a trial of one step")
        .on(Shape::ONE_STEP)
        .by(|case, rule| between(case, rule, &bptt())),
    equal("no recurrence", WITHOUT_WEIGHTS)
        .says("= rtrl without recurrent weights")
        .by(without_recurrence),
    equal("full window", Only(&["tbptt"]))
        .says("= bptt when every step looks back over the whole trial")
        .by(|case, _| between(case, &windowed(1, case.data.steps()), &bptt())),
    equal("wide passes", Only(&["tbptt"]))
        .says("= bptt when passes over the whole trial are three steps apart")
        .by(|case, _| between(case, &windowed(3, case.data.steps().max(3)), &bptt())),
    equal("blocks", Only(&["tbptt"]))
        .says("= e_bptt when passes reach back to the one before and the trial ends with one")
        .by(|case, _| {
            let steps = case.data.steps();
            let divides = |block: &usize| steps.is_multiple_of(*block);
            let block = (2..=4).find(divides).unwrap_or(steps);
            let horizon = block as u64;
            let blocks = RuleSpec::EBptt(HorizonSpec { horizon });
            between(case, &windowed(block, block), &blocks)
        }),
    unequal("recurrence", APPROXIMATE)
        .says("is not rtrl with recurrent weights")
        .by(|case, rule| between(case, rule, &rtrl())),
    unequal("short horizon", Only(&["e_bptt", "f_bptt"]))
        .says("is not bptt with a horizon of two steps")
        .by(|case, rule| with_horizon(case, rule, 2)),
    unequal("short window", Only(&["bptt"]))
        .says("is not rtrl when it looks back two steps at a time")
        .by(|case, rule| {
            let mut learner = case.learner(rule, &case.feedback)?;
            case.run(&mut learner, 2)?;
            apart(case, &rtrl(), flat(learner.gradient()))
        }),
    unequal("short back", Only(&["tbptt"]))
        .says("is not bptt when it looks back two steps")
        .by(|case, _| between(case, &windowed(1, 2), &bptt())),
];

fn finite_differences(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let mut learner = case.learner(rule, &FeedbackSpec::Symmetric {})?;
    let gradient = case.gradient_of(&mut learner)?;
    let [recurrent, readout] = case.differences()?;
    let readout = difference(&flat(learner.readout_gradient()), &readout);
    Ok(difference(&gradient, &recurrent).max(readout))
}

/// `rule` with this horizon against BPTT over the trial.
fn with_horizon(case: &Case, rule: &RuleSpec, horizon: usize) -> Result<f64> {
    let horizon = horizon as u64;
    let rule = match rule {
        RuleSpec::FBptt(_) => RuleSpec::FBptt(HorizonSpec { horizon }),
        _ => RuleSpec::EBptt(HorizonSpec { horizon }),
    };
    between(case, &rule, &bptt())
}

fn windowed(every: usize, back: usize) -> RuleSpec {
    let (every, back) = (every as u64, back as u64);
    RuleSpec::Tbptt(TbpttSpec { every, back })
}

fn without_recurrence(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let of = |rule: &RuleSpec| {
        let mut learner = case.learner(rule, &case.feedback)?;
        let weights = learner.network_mut().synapses_mut().weights_mut();
        (0..weights.rows()).for_each(|i| weights.row_mut(i)[..case.units].fill(0.0));
        case.gradient_of(&mut learner)
    };
    Ok(difference(&of(rule)?, &of(&rtrl())?))
}
