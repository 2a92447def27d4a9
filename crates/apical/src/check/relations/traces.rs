//! Relations of rules whose synapses carry traces: RFLO, SnAp, KeRNL and combinations of halves.

use super::super::case::{Case, Kind, Shape, difference, flat};
use super::super::relation::{Concerns::Only, Relation};
use super::{apart, at_the_end, between, equal, largest, rflo, rtrl, unequal};
use crate::Result;
use crate::eligibility::{InputTrace, KernlSpec, Order, SnapSpec, TraceSpec};
use crate::neuron::NeuronSpec;
use crate::rule::{CombinedSpec, CreditSpec, EligibilitySpec, RuleSpec};
use crate::stream::Streams;

pub(super) const RELATIONS: &[Relation] = &[
    equal("trial form", Only(&["rflo", "combined", "mdgl", "modprop"]))
        .says("worked out at the end of a trial = worked out at every step")
        .by(at_the_end),
    equal("trial form, options", Only(&["rflo"]))
        .says("the same with a leak of its own and the input of the step before")
        .on(Shape::ANY.of(Kind::Plain))
        .by(|case, _| at_the_end(case, &lagged(Some(0.3)))),
    equal("input of the step before", Only(&["rflo"]))
        .says("with x(t-1) for x(t) = the same on a trial whose inputs come a step later, given the same activity")
        .by(lagged_by_hand),
    equal("full order", Only(&["snap"]))
        .says("= rtrl with an order of the number of units, half of the connections missing")
        .by(|case, _| pruned(case, case.units as u64, Prune::Half, rtrl())),
    equal("no self-connections", Only(&["snap"]))
        .says("of order 1 = rflo without self-connections")
        .by(|case, _| pruned(case, 1, Prune::Diagonal, rflo())),
    equal("self-connections alone", Only(&["snap"]))
        .says("of order 1 = rtrl with self-connections alone")
        .by(|case, _| pruned(case, 1, Prune::AllButDiagonal, rtrl())),
    equal("fixed kernel", Only(&["kernl"]))
        .says("= rflo with a fixed kernel of 1 and the units' own leak, in either order")
        .on(Shape::ANY.of(Kind::Plain))
        .by(|case, _| with_own_leak(case, fixed_kernel)),
    equal("named rules", Only(&["combined"]))
        .says("each eligibility with immediate credit = the rule of that name")
        .by(named_rules),
    equal("instant credit", Only(&["combined"]))
        .says("instant eligibility with dendritic credit = dendritic")
        .by(|case, _| {
            let instant = EligibilitySpec::Instant(Default::default());
            let halves = combined(instant, CreditSpec::Dendritic(Default::default()));
            between(case, &halves, &RuleSpec::Dendritic(Default::default()))
        }),
    equal("own leak", Only(&["combined"]))
        .says("traces with the units' leak for their own = rflo")
        .on(Shape::ANY.of(Kind::Plain))
        .by(|case, _| with_own_leak(case, with_leak)),
    unequal("short trial form", Only(&["rflo", "combined"]))
        .says("worked out two steps at a time is not worked out at every step")
        // With alpha = 1 nothing of a step outlives it.
        .on(Shape::LONG.of(Kind::Gated))
        .by(|case, rule| {
            let mut learner = case.trial_learner(rule)?;
            case.run(&mut learner, 2)?;
            apart(case, rule, flat(learner.gradient()))
        }),
    unequal("low order", Only(&["snap"]))
        .says("of order 2 is not rtrl, half of the connections missing")
        .by(|case, _| pruned(case, 2, Prune::Half, rtrl())),
    unequal("self-connections", Only(&["snap"]))
        .says("of order 1 is not rflo with self-connections")
        .by(|case, _| pruned(case, 1, Prune::Nothing, rflo())),
    unequal("other leak", Only(&["kernl", "combined"]))
        .says("is not rflo with another leak than the units'")
        .on(Shape::LONG.of(Kind::Plain))
        .by(|case, rule| match rule {
            RuleSpec::Kernl(_) => fixed_kernel(case, 0.15),
            _ => with_leak(case, 0.15),
        }),
];

/// RFLO that hears the input of the step before.
fn lagged(leak: Option<f64>) -> RuleSpec {
    let input = InputTrace::Previous;
    RuleSpec::Rflo(TraceSpec { leak, input })
}

/// Traces that hear x(t−1), written out synapse by synapse.
fn lagged_by_hand(case: &Case, _: &RuleSpec) -> Result<f64> {
    let rule = lagged(None);
    let mut learner = case.learner(&rule, &case.feedback)?;
    learner.begin_trial();
    let dims = learner.network().dims();
    let (n, m, states) = (dims.units, dims.pre(), dims.states);
    let mut traces = vec![0.0; dims.batch * dims.currents * n * m * states];
    let mut by_hand = vec![0.0; dims.currents * n * m];
    let mut input = vec![0.0; dims.batch * dims.inputs];
    for t in 0..case.data.steps() {
        case.advance(&mut learner, t)?;
        let view = learner.view();
        let signal = learner.feedback_signal();
        for b in 0..dims.batch {
            let mut pre = view.pre(b)[..m].to_vec();
            let before = &mut input[b * dims.inputs..][..dims.inputs];
            pre[n..n + dims.inputs].swap_with_slice(before);
            for (k, sum) in by_hand.iter_mut().enumerate() {
                let (g, i, a) = (k / m / n, k / m % n, pre[k % m]);
                let place = (b * dims.currents * n * m + k) * states;
                let old = traces[place..place + states].to_vec();
                for s in 0..states {
                    let kept = (0..states).map(|z| view.own(s, z, b)[i] * old[z]);
                    let now = view.gain(s, g, b)[i] * a + kept.sum::<f64>();
                    traces[place + s] = now;
                    *sum += signal[b * dims.sample() + i] * view.slope(s, b)[i] * now;
                }
            }
        }
    }
    learner.end_trial();
    apart(case, &rule, by_hand)
}

/// Which recurrent connections are cut.
#[derive(Clone, Copy, PartialEq)]
enum Prune {
    Nothing,
    Half,
    Diagonal,
    AllButDiagonal,
}

/// SnAp of this order against `reference`, both with some connections cut.
fn pruned(case: &Case, order: u64, prune: Prune, reference: RuleSpec) -> Result<f64> {
    let of = |rule: &RuleSpec| {
        let mut learner = case.learner(rule, &case.feedback)?;
        let mut stream = Streams::new(case.seed).stream("pruned", 0);
        let n = case.units;
        let cut: Vec<bool> = (0..n * n)
            .map(|k| match prune {
                Prune::Nothing => false,
                Prune::Half => stream.coin(),
                Prune::Diagonal => k / n == k % n,
                Prune::AllButDiagonal => k / n != k % n,
            })
            .collect();
        let weights = learner.network_mut().synapses_mut().weights_mut();
        for row in 0..weights.rows() {
            let cut = &cut[row % n * n..][..n];
            let pairs = weights.row_mut(row).iter_mut().zip(cut);
            pairs.filter(|(_, cut)| **cut).for_each(|(w, _)| *w = 0.0);
        }
        case.gradient_of(&mut learner)
    };
    let snap = RuleSpec::Snap(SnapSpec { order });
    Ok(difference(&of(&snap)?, &of(&reference)?))
}

/// What `with` measures with the leak of the units of a case.
fn with_own_leak(case: &Case, with: fn(&Case, f64) -> Result<f64>) -> Result<f64> {
    match &case.neuron {
        Some(NeuronSpec::Rate(spec)) => with(case, spec.alpha),
        Some(NeuronSpec::Voltage(spec)) => with(case, 1.0 - spec.leak),
        _ => Ok(f64::INFINITY),
    }
}

/// KeRNL that does not learn, in both orders, against RFLO.
fn fixed_kernel(case: &Case, timescale: f64) -> Result<f64> {
    largest([Order::Corrected, Order::Published], |order| {
        let kernl = RuleSpec::Kernl(KernlSpec {
            order,
            rate: 0.0,
            timescale,
            ..KernlSpec::default()
        });
        between(case, &kernl, &rflo())
    })
}

fn combined(eligibility: EligibilitySpec, credit: CreditSpec) -> RuleSpec {
    RuleSpec::Combined(CombinedSpec {
        eligibility,
        credit,
    })
}

fn immediate(eligibility: EligibilitySpec) -> RuleSpec {
    combined(eligibility, CreditSpec::Immediate(Default::default()))
}

fn with_leak(case: &Case, leak: f64) -> Result<f64> {
    let leak = Some(leak);
    let traces = TraceSpec {
        leak,
        ..TraceSpec::default()
    };
    between(case, &immediate(EligibilitySpec::Trace(traces)), &rflo())
}

fn named_rules(case: &Case, _: &RuleSpec) -> Result<f64> {
    use EligibilitySpec as E;
    let pairs = [
        (E::Trace(Default::default()), "rflo"),
        (E::Influence(Default::default()), "rtrl"),
        (E::Snap(Default::default()), "snap"),
        (E::Uoro(Default::default()), "uoro"),
        (E::Kronecker(Default::default()), "kf_rtrl"),
        (E::ReverseKronecker(Default::default()), "r_kf_rtrl"),
        (E::Kernl(Default::default()), "kernl"),
    ];
    largest(pairs, |(eligibility, name)| {
        between(case, &immediate(eligibility), &RuleSpec::by_name(name)?)
    })
}
