//! The lattice: every relation, one entry each.
//!
//! To add one, write how far its two sides are apart on a case and give it an entry in [`RELATIONS`]; the receipt and
//! the property tests find it there.

use super::case::{Case, Data, Kind, Shape, difference, flat};
use super::relation::{Concerns, Expect, Relation};
use crate::credit::{
    DendriticSpec, JacobianSpec, JacobianStart, LabelActivation, Regressors, Timing,
};
use crate::eligibility::{InputTrace, KernlSpec, Order, SnapSpec, TraceSpec};
use crate::feedback::FeedbackSpec;
use crate::kernel::Matrix;
use crate::loss::{Loss, Outputs};
use crate::neuron::{Activation, NeuronSpec, RateSpec, VoltageSpec};
use crate::rule::{
    CombinedSpec, CreditSpec, Drive, EligibilitySpec, FeedbackWeights, ForceSpec, HorizonSpec,
    MdglSpec, ModPropSpec, NodePerturbationSpec, Reward, RuleSpec, TbpttSpec,
};
use crate::stream::Streams;
use crate::{Learner, Result};

use Concerns::{Except, Only};
use Expect::{Apart, Within};

/// Rounding in f64, over at most a dozen steps.
const ROUNDING: f64 = 1e-9;

/// Rules whose gradient is a linear function of the error signal, given the trajectory.
const LINEAR: Concerns = Except(&[
    "dendritic",
    "readout_only",
    "node_perturbation",
    "miconi",
    "force",
    "random_gradient",
]);

/// Rules that hear the errors of the outputs.
const HEARING: Concerns = Except(&[
    "readout_only",
    "node_perturbation",
    "miconi",
    "force",
    "random_gradient",
]);

/// Every relation.
pub const RELATIONS: &[Relation] = &[
    Relation {
        name: "finite differences",
        concerns: Only(&["bptt", "rtrl"]),
        says: "= slope of the summed loss of a trial, by finite differences in every weight",
        shape: Shape::SMOOTH,
        expect: Within(ROUNDING),
        error: finite_differences,
    },
    Relation {
        name: "backward and forward",
        concerns: Only(&["bptt", "rtrl"]),
        says: "backward in time = forward in time: bptt over a trial = rtrl",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, _| {
            let (a, b) = (bptt(case)?, rtrl(case)?);
            Ok(difference(&a, &b))
        },
    },
    Relation {
        name: "full horizon",
        concerns: Only(&["e_bptt", "f_bptt"]),
        says: "= bptt with a horizon of the whole trial",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, rule| with_horizon(case, rule, case.data.steps()),
    },
    Relation {
        name: "longer horizon",
        concerns: Only(&["e_bptt", "f_bptt"]),
        says: "= bptt with a horizon beyond the end of the trial",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, rule| with_horizon(case, rule, case.data.steps() + 3),
    },
    Relation {
        name: "one step",
        concerns: Only(&[
            "rtrl", "e_bptt", "f_bptt", "tbptt", "rflo", "snap", "combined", "mdgl", "modprop",
        ]),
        says: "= bptt on a trial of one step",
        shape: Shape::ONE_STEP,
        expect: Within(ROUNDING),
        error: |case, rule| apart(case, rule, bptt(case)?),
    },
    Relation {
        name: "no recurrence",
        concerns: Only(&["rflo", "snap", "combined", "mdgl", "modprop"]),
        says: "= rtrl without recurrent weights",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: without_recurrence,
    },
    Relation {
        name: "trial form",
        concerns: Only(&["rflo", "combined", "mdgl", "modprop"]),
        says: "worked out at the end of a trial = worked out at every step",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, rule| {
            let mut learner = case.trial_learner(rule)?;
            apart(case, rule, case.gradient_of(&mut learner)?)
        },
    },
    Relation {
        name: "forms",
        concerns: Only(&["modprop"]),
        says: "either drive, through types or cells, with or without a bound on taps: at the end of a trial = at every step",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, _| {
            let with = |spec: ModPropSpec| {
                [None, Some(2)].map(|taps| ModPropSpec {
                    taps,
                    ..spec.clone()
                })
            };
            largest(modprops().into_iter().flat_map(with), |spec| {
                let rule = RuleSpec::ModProp(spec);
                let mut learner = case.trial_learner(&rule)?;
                apart(case, &rule, case.gradient_of(&mut learner)?)
            })
        },
    },
    Relation {
        name: "linear units",
        concerns: Only(&["modprop"]),
        says: "with mu = 1 and the weights themselves, between linear units = rtrl",
        shape: Shape {
            kind: Kind::Plain,
            ..Shape::ANY
        },
        expect: Within(ROUNDING),
        error: |case, _| {
            let case = linear(case);
            largest([Drive::Paper, Drive::Code], |drive| {
                let rule = RuleSpec::ModProp(ModPropSpec {
                    drive,
                    feedback_weights: FeedbackWeights::Cell,
                    mu: 1.0,
                    ..ModPropSpec::default()
                });
                apart(&case, &rule, rtrl(&case)?)
            })
        },
    },
    Relation {
        name: "no taps",
        concerns: Only(&["modprop"]),
        says: "with a filter of no taps = rflo (the three-factor rule), either drive, through types or cells",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, _| largest(modprops(), |spec| with_taps(case, 0, spec, rflo_spec())),
    },
    Relation {
        name: "all taps",
        concerns: Only(&["modprop"]),
        says: "with as many taps as steps = with all, either drive, through types or cells",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, _| {
            largest(modprops(), |spec| {
                let all = RuleSpec::ModProp(spec.clone());
                with_taps(case, case.data.steps() as i64, spec, all)
            })
        },
    },
    Relation {
        name: "taps are a horizon",
        concerns: Only(&["modprop"]),
        says: "with S taps, mu = 1 and W itself = f_bptt with a horizon of S + 1, between linear units without a leak",
        shape: Shape {
            kind: Kind::Plain,
            ..Shape::ANY
        },
        expect: Within(ROUNDING),
        error: |case, _| {
            let case = without_leak(&linear(case));
            largest([1_u64, 3], |taps| {
                let spec = ModPropSpec {
                    feedback_weights: FeedbackWeights::Cell,
                    mu: 1.0,
                    ..ModPropSpec::default()
                };
                let horizon = taps + 1;
                with_taps(
                    &case,
                    taps as i64,
                    spec,
                    RuleSpec::FBptt(HorizonSpec { horizon }),
                )
            })
        },
    },
    Relation {
        name: "one tap",
        concerns: Only(&["modprop", "mdgl"]),
        says: "modprop with one tap and the drive of the paper = mdgl, through types or cells, between voltage units",
        shape: Shape {
            kind: Kind::Plain,
            ..Shape::ANY
        },
        expect: Within(ROUNDING),
        error: |case, _| {
            let case = on_voltage(case);
            largest([FeedbackWeights::Typed, FeedbackWeights::Cell], |weights| {
                let spec = ModPropSpec {
                    feedback_weights: weights,
                    ..ModPropSpec::default()
                };
                with_taps(&case, 1, spec, mdgl(weights))
            })
        },
    },
    Relation {
        name: "a type a unit",
        concerns: Only(&["modprop", "mdgl"]),
        says: "through types = through cells when every unit is a type of its own",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, rule| types_of_their_own(case, rule),
    },
    Relation {
        name: "trial form, options",
        concerns: Only(&["rflo"]),
        says: "the same with a leak of its own and the input of the step before",
        shape: Shape {
            kind: Kind::Plain,
            ..Shape::ANY
        },
        expect: Within(ROUNDING),
        error: |case, _| {
            let rule = with_options();
            let mut learner = case.trial_learner(&rule)?;
            apart(case, &rule, case.gradient_of(&mut learner)?)
        },
    },
    Relation {
        name: "input of the step before",
        concerns: Only(&["rflo"]),
        says: "with x(t-1) for x(t) = the same on a trial whose inputs come a step later, given the same activity",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: lagged_by_hand,
    },
    Relation {
        name: "full window",
        concerns: Only(&["tbptt"]),
        says: "= bptt when every step looks back over the whole trial",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, _| with_window(case, 1, case.data.steps()),
    },
    Relation {
        name: "wide passes",
        concerns: Only(&["tbptt"]),
        says: "= bptt when passes over the whole trial are three steps apart",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, _| with_window(case, 3, case.data.steps().max(3)),
    },
    Relation {
        name: "blocks",
        concerns: Only(&["tbptt"]),
        says: "= e_bptt when passes reach back to the one before and the trial ends with one",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, _| {
            let steps = case.data.steps();
            let block = (2..=4)
                .find(|block| steps.is_multiple_of(*block))
                .unwrap_or(steps);
            let horizon = block as u64;
            let blocks = RuleSpec::EBptt(HorizonSpec { horizon });
            let blocks = case.gradient(&blocks, &case.feedback)?;
            apart(case, &windowed(block, block), blocks)
        },
    },
    Relation {
        name: "full order",
        concerns: Only(&["snap"]),
        says: "= rtrl with an order of the number of units, half of the connections missing",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, _| pruned(case, case.units as u64, Prune::Half, rtrl_spec()),
    },
    Relation {
        name: "no self-connections",
        concerns: Only(&["snap"]),
        says: "of order 1 = rflo without self-connections",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, _| pruned(case, 1, Prune::Diagonal, rflo_spec()),
    },
    Relation {
        name: "self-connections alone",
        concerns: Only(&["snap"]),
        says: "of order 1 = rtrl with self-connections alone",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, _| pruned(case, 1, Prune::AllButDiagonal, rtrl_spec()),
    },
    Relation {
        name: "fixed kernel",
        concerns: Only(&["kernl"]),
        says: "= rflo with a fixed kernel of 1 and the units' own leak, in either order",
        shape: Shape {
            kind: Kind::Plain,
            ..Shape::ANY
        },
        expect: Within(ROUNDING),
        error: |case, _| {
            let own = match &case.neuron {
                Some(NeuronSpec::Rate(spec)) => spec.alpha,
                Some(NeuronSpec::Voltage(spec)) => 1.0 - spec.leak,
                _ => return Ok(f64::INFINITY),
            };
            fixed_kernel(case, own)
        },
    },
    Relation {
        name: "named rules",
        concerns: Only(&["combined"]),
        says: "each eligibility with immediate credit = the rule of that name",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: named_rules,
    },
    Relation {
        name: "instant credit",
        concerns: Only(&["combined"]),
        says: "instant eligibility with dendritic credit = dendritic",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: |case, _| {
            let halves = combined(
                EligibilitySpec::Instant(Default::default()),
                CreditSpec::Dendritic(Default::default()),
            );
            let named = RuleSpec::Dendritic(Default::default());
            apart(case, &halves, case.gradient(&named, &case.feedback)?)
        },
    },
    Relation {
        name: "own leak",
        concerns: Only(&["combined"]),
        says: "traces with the units' leak for their own = rflo",
        shape: Shape {
            kind: Kind::Plain,
            ..Shape::ANY
        },
        expect: Within(ROUNDING),
        error: |case, _| {
            let leak = match &case.neuron {
                Some(NeuronSpec::Rate(spec)) => spec.alpha,
                Some(NeuronSpec::Voltage(spec)) => 1.0 - spec.leak,
                _ => return Ok(f64::INFINITY),
            };
            with_leak(case, leak)
        },
    },
    Relation {
        name: "least squares",
        concerns: Only(&["force"]),
        says: "the readout after each step = the best one for all steps so far, near its start",
        shape: Shape::SINGLE,
        expect: Within(ROUNDING),
        error: |case, _| least_squares(case, true),
    },
    Relation {
        name: "no recurrent gradient",
        concerns: Only(&["force"]),
        says: "the recurrent gradient = 0",
        shape: Shape::ANY,
        expect: Within(0.0),
        error: |case, rule| {
            let gradient = case.gradient(rule, &case.feedback)?;
            Ok(gradient.iter().fold(0.0, |m: f64, g| m.max(g.abs())))
        },
    },
    Relation {
        name: "score",
        concerns: Only(&["node_perturbation"]),
        says: "= the loss against its running mean, times the noise of each unit over its variance",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: score_by_hand,
    },
    Relation {
        name: "reward of the trial",
        concerns: Only(&["node_perturbation"]),
        says: "with the loss of the whole trial = that against its mean, times the sum of the scores",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: trial_reward_by_hand,
    },
    Relation {
        name: "cubes",
        concerns: Only(&["miconi"]),
        says: "= the loss of the trial against its mean, times the sum of the cubes of what moved",
        shape: Shape::ANY,
        expect: Within(ROUNDING),
        error: cubes_by_hand,
    },
    Relation {
        name: "chance",
        concerns: Only(&["random_gradient"]),
        says: "the gradient of other data is the same",
        shape: Shape::ANY,
        expect: Within(0.0),
        error: |case, rule| {
            let mut other = case.clone();
            other.data = case.sibling(!case.seed).data;
            apart(&other, rule, case.gradient(rule, &case.feedback)?)
        },
    },
    Relation {
        name: "all signs",
        concerns: Only(&["uoro", "kf_rtrl", "r_kf_rtrl"]),
        says: "mean over every pattern of signs its noise can take = rtrl, from no influence on",
        shape: Shape::TINY,
        expect: Within(ROUNDING),
        error: |case, rule| over_all_signs(case, rule, 1.0),
    },
    Relation {
        name: "target is credit",
        concerns: Only(&["dendritic"]),
        says: "given true credit to bootstrap from, and exact J, the target of A = credit of f_bptt",
        shape: Shape::SINGLE,
        expect: Within(ROUNDING),
        error: |case, _| target_of_apical(case, Timing::Corrected, LabelActivation::Identity),
    },
    Relation {
        name: "true credit",
        concerns: Only(&["dendritic"]),
        says: "with lambda = 1 the target of A = credit of f_bptt with the same horizon",
        shape: Shape::SINGLE,
        expect: Within(ROUNDING),
        error: |case, _| true_credit(case, 1.0),
    },
    Relation {
        name: "learned J",
        concerns: Only(&["dendritic"]),
        says: "a learned J that is right = exact J",
        shape: Shape {
            kind: Kind::Rate,
            ..Shape::SINGLE
        },
        expect: Within(ROUNDING),
        error: |case, _| {
            with_true_jacobian(
                case,
                JacobianSpec::Learned {
                    rate: 0.0,
                    regressors: Regressors::Rates,
                    start: JacobianStart::Weights,
                },
            )
        },
    },
    Relation {
        name: "local J",
        concerns: Only(&["dendritic"]),
        says: "a local J whose feedback synapses are right = exact J",
        shape: Shape {
            kind: Kind::Rate,
            ..Shape::SINGLE
        },
        expect: Within(ROUNDING),
        error: |case, _| {
            with_true_jacobian(
                case,
                JacobianSpec::Local {
                    rate: 0.0,
                    decay: 0.0,
                    regressors: Regressors::Rates,
                },
            )
        },
    },
    Relation {
        name: "frozen",
        concerns: Only(&["readout_only"]),
        says: "the recurrent gradient = 0, that of the readout = finite differences",
        shape: Shape::SMOOTH,
        expect: Within(ROUNDING),
        error: frozen,
    },
    Relation {
        name: "symmetric feedback",
        concerns: HEARING,
        says: "random feedback with B = W_out transposed = symmetric feedback",
        shape: Shape::LOOPED,
        expect: Within(ROUNDING),
        error: aligned_feedback,
    },
    Relation {
        name: "errors add",
        concerns: LINEAR,
        says: "feedback B + B' = feedback B plus feedback B': linear in the error",
        shape: Shape::LOOPED,
        expect: Within(ROUNDING),
        error: errors_add,
    },
    Relation {
        name: "samples add",
        concerns: Only(&[
            "rtrl", "bptt", "e_bptt", "f_bptt", "tbptt", "rflo", "snap", "combined", "mdgl",
            "modprop",
        ]),
        says: "a batch = the sum over its samples, one at a time",
        shape: Shape::LOOPED,
        expect: Within(ROUNDING),
        error: samples_add,
    },
    Relation {
        name: "output loop",
        concerns: Only(&["rflo", "combined"]),
        says: "outputs heard one step later = the same weights folded into W_rec",
        shape: Shape {
            kind: Kind::Rate,
            ..Shape::ANY
        },
        expect: Within(ROUNDING),
        error: output_loop,
    },
    Relation {
        name: "resumed",
        concerns: Except(&[]),
        says: "saved in mid-trial and resumed = not interrupted, bit by bit",
        shape: Shape::LOOPED,
        expect: Within(0.0),
        error: resumed,
    },
    Relation {
        name: "recurrence",
        concerns: Only(&[
            "rflo",
            "dendritic",
            "snap",
            "kernl",
            "combined",
            "mdgl",
            "modprop",
        ]),
        says: "is not rtrl with recurrent weights",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| apart(case, rule, rtrl(case)?),
    },
    Relation {
        name: "drive of the code",
        concerns: Only(&["modprop"]),
        says: "with one tap and the drive of the code is not mdgl",
        shape: Shape {
            kind: Kind::Plain,
            ..Shape::LONG
        },
        expect: Apart(1e-3),
        error: |case, _| {
            let (case, weights) = (on_voltage(case), FeedbackWeights::Cell);
            let spec = ModPropSpec {
                drive: Drive::Code,
                feedback_weights: weights,
                ..ModPropSpec::default()
            };
            with_taps(&case, 1, spec, mdgl(weights))
        },
    },
    Relation {
        name: "fewer taps",
        concerns: Only(&["modprop"]),
        says: "with two taps is not with all",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, _| {
            let all = RuleSpec::ModProp(Default::default());
            with_taps(case, 2, ModPropSpec::default(), all)
        },
    },
    Relation {
        name: "bent units",
        concerns: Only(&["modprop"]),
        says: "with mu = 1 and the weights themselves is not rtrl between units that are not linear",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, _| {
            let rule = RuleSpec::ModProp(ModPropSpec {
                feedback_weights: FeedbackWeights::Cell,
                mu: 1.0,
                ..ModPropSpec::default()
            });
            apart(case, &rule, rtrl(case)?)
        },
    },
    Relation {
        name: "types",
        concerns: Only(&["modprop", "mdgl"]),
        says: "through one type for all is not through cells",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| {
            let typed = with_types(case, rule, vec![0; case.units])?;
            Ok(difference(
                &typed,
                &case.gradient(&through_cells(rule), &case.feedback)?,
            ))
        },
    },
    Relation {
        name: "short horizon",
        concerns: Only(&["e_bptt", "f_bptt"]),
        says: "is not bptt with a horizon of two steps",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| with_horizon(case, rule, 2),
    },
    Relation {
        name: "short trial form",
        concerns: Only(&["rflo", "combined"]),
        says: "worked out two steps at a time is not worked out at every step",
        shape: Shape {
            // With alpha = 1 nothing of a step outlives it.
            kind: Kind::Gated,
            ..Shape::LONG
        },
        expect: Apart(1e-3),
        error: |case, rule| {
            let mut learner = case.trial_learner(rule)?;
            case.run(&mut learner, 2)?;
            apart(case, rule, flat(learner.gradient()))
        },
    },
    Relation {
        name: "short window",
        concerns: Only(&["bptt"]),
        says: "is not rtrl when it looks back two steps at a time",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| {
            let mut learner = case.learner(rule, &case.feedback)?;
            case.run(&mut learner, 2)?;
            Ok(difference(&flat(learner.gradient()), &rtrl(case)?))
        },
    },
    Relation {
        name: "short back",
        concerns: Only(&["tbptt"]),
        says: "is not bptt when it looks back two steps",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, _| with_window(case, 1, 2),
    },
    Relation {
        name: "low order",
        concerns: Only(&["snap"]),
        says: "of order 2 is not rtrl, half of the connections missing",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, _| pruned(case, 2, Prune::Half, rtrl_spec()),
    },
    Relation {
        name: "self-connections",
        concerns: Only(&["snap"]),
        says: "of order 1 is not rflo with self-connections",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, _| pruned(case, 1, Prune::Nothing, rflo_spec()),
    },
    Relation {
        name: "other leak",
        concerns: Only(&["kernl", "combined"]),
        says: "is not rflo with another leak than the units'",
        shape: Shape {
            kind: Kind::Plain,
            ..Shape::LONG
        },
        expect: Apart(1e-3),
        error: |case, rule| match rule {
            RuleSpec::Kernl(_) => fixed_kernel(case, 0.15),
            _ => with_leak(case, 0.15),
        },
    },
    Relation {
        name: "still readout",
        concerns: Only(&["force"]),
        says: "the readout it began with is not the best one",
        shape: Shape {
            batch: (1, 1),
            ..Shape::LONG
        },
        expect: Apart(1e-3),
        error: |case, _| least_squares(case, false),
    },
    Relation {
        name: "another seed",
        concerns: Only(&["random_gradient"]),
        says: "the gradient of another seed is another one",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| {
            let other = case.sibling(!case.seed);
            apart(&other, rule, case.gradient(rule, &case.feedback)?)
        },
    },
    Relation {
        name: "small noise",
        concerns: Only(&["uoro", "kf_rtrl", "r_kf_rtrl"]),
        says: "with noise of variance 1/3 (uniform on -1..1, as published) the mean is not rtrl",
        shape: Shape::TINY,
        expect: Apart(1e-3),
        error: |case, rule| over_all_signs(case, rule, (1.0_f64 / 3.0).sqrt()),
    },
    Relation {
        name: "a single draw",
        concerns: Only(&["uoro", "kf_rtrl", "r_kf_rtrl"]),
        says: "a single draw is not rtrl",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| apart(case, rule, rtrl(case)?),
    },
    Relation {
        name: "target of 2018",
        concerns: Only(&["dendritic"]),
        says: "the target of the scripts of 2018 (error of the present step) is not that credit",
        shape: Shape {
            batch: (1, 1),
            ..Shape::LONG
        },
        expect: Apart(1e-3),
        error: |case, _| target_of_apical(case, Timing::Scripts2018, LabelActivation::Identity),
    },
    Relation {
        name: "half the truth",
        concerns: Only(&["dendritic"]),
        says: "with lambda = 1/2 the target is not that credit",
        shape: Shape {
            batch: (1, 1),
            ..Shape::LONG
        },
        expect: Apart(1e-3),
        error: |case, _| true_credit(case, 0.5),
    },
    Relation {
        name: "target through tanh",
        concerns: Only(&["dendritic"]),
        says: "the target with the bootstrap sent through tanh is not that credit",
        shape: Shape {
            batch: (1, 1),
            ..Shape::LONG
        },
        expect: Apart(1e-3),
        error: |case, _| target_of_apical(case, Timing::Corrected, LabelActivation::Tanh),
    },
    Relation {
        name: "random feedback",
        concerns: HEARING,
        says: "random feedback is not symmetric feedback",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| {
            let random = case.gradient(rule, &FeedbackSpec::random())?;
            let symmetric = case.gradient(rule, &FeedbackSpec::Symmetric {})?;
            Ok(difference(&random, &symmetric))
        },
    },
    Relation {
        name: "is anything learned",
        concerns: Except(&["readout_only", "force", "random_gradient"]),
        says: "the gradient is not that of other data",
        shape: Shape::LONG,
        expect: Apart(1e-3),
        error: |case, rule| {
            let mut other = case.clone();
            other.data = case.sibling(!case.seed).data;
            Ok(difference(
                &second_trial(case, rule)?,
                &second_trial(&other, rule)?,
            ))
        },
    },
];

fn apart(case: &Case, rule: &RuleSpec, reference: Vec<f64>) -> Result<f64> {
    Ok(difference(
        &case.gradient(rule, &case.feedback)?,
        &reference,
    ))
}

/// The gradient of a trial after one with the same data, which gives rules that compare trials something to compare.
fn second_trial(case: &Case, rule: &RuleSpec) -> Result<Vec<f64>> {
    let mut learner = case.learner(rule, &case.feedback)?;
    case.gradient_of(&mut learner)?;
    learner.clear_gradients();
    case.gradient_of(&mut learner)
}

fn bptt(case: &Case) -> Result<Vec<f64>> {
    case.gradient(&RuleSpec::Bptt(Default::default()), &case.feedback)
}

fn rtrl(case: &Case) -> Result<Vec<f64>> {
    case.gradient(&RuleSpec::Rtrl(Default::default()), &case.feedback)
}

fn rtrl_spec() -> RuleSpec {
    RuleSpec::Rtrl(Default::default())
}

fn rflo_spec() -> RuleSpec {
    RuleSpec::Rflo(Default::default())
}

/// The largest error of several settings.
fn largest<S>(all: impl IntoIterator<Item = S>, error: impl Fn(S) -> Result<f64>) -> Result<f64> {
    all.into_iter()
        .try_fold(0.0_f64, |largest, one| Ok(largest.max(error(one)?)))
}

/// Both drives, through types with and without a unit's way onto itself, and through cells.
fn modprops() -> Vec<ModPropSpec> {
    let mut all = Vec::new();
    for drive in [Drive::Paper, Drive::Code] {
        for (feedback_weights, zero_diagonal) in [
            (FeedbackWeights::Typed, false),
            (FeedbackWeights::Typed, true),
            (FeedbackWeights::Cell, false),
        ] {
            all.push(ModPropSpec {
                drive,
                feedback_weights,
                zero_diagonal,
                mu: 0.6,
                ..ModPropSpec::default()
            });
        }
    }
    all
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
    let rule = RuleSpec::ModProp(ModPropSpec {
        taps: Some(taps),
        ..spec
    });
    let reference = case.gradient(&reference, &case.feedback)?;
    let late = case.gradient_of(&mut case.trial_learner(&rule)?)?;
    Ok(difference(&late, &reference).max(apart(case, &rule, reference)?))
}

fn through_cells(rule: &RuleSpec) -> RuleSpec {
    match rule {
        RuleSpec::ModProp(spec) => RuleSpec::ModProp(ModPropSpec {
            feedback_weights: FeedbackWeights::Cell,
            ..spec.clone()
        }),
        _ => mdgl(FeedbackWeights::Cell),
    }
}

fn with_types(case: &Case, rule: &RuleSpec, of: Vec<usize>) -> Result<Vec<f64>> {
    let mut case = case.clone();
    case.types = of;
    case.gradient(rule, &case.feedback)
}

fn types_of_their_own(case: &Case, rule: &RuleSpec) -> Result<f64> {
    largest([Drive::Paper, Drive::Code], |drive| {
        let rule = match rule {
            RuleSpec::ModProp(spec) => RuleSpec::ModProp(ModPropSpec {
                drive,
                ..spec.clone()
            }),
            other => other.clone(),
        };
        let typed = with_types(case, &rule, (0..case.units).collect())?;
        let cells = case.gradient(&through_cells(&rule), &case.feedback)?;
        Ok(difference(&typed, &cells))
    })
}

/// RFLO with everything that can be set.
fn with_options() -> RuleSpec {
    RuleSpec::Rflo(TraceSpec {
        leak: Some(0.3),
        input: InputTrace::Previous,
    })
}

/// Traces that hear x(t−1), written out synapse by synapse.
fn lagged_by_hand(case: &Case, _: &RuleSpec) -> Result<f64> {
    let rule = RuleSpec::Rflo(TraceSpec {
        leak: None,
        input: InputTrace::Previous,
    });
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
    let gradient = case.gradient(&rule, &case.feedback)?;
    Ok(difference(&gradient, &by_hand))
}

fn windowed(every: usize, back: usize) -> RuleSpec {
    RuleSpec::Tbptt(TbpttSpec {
        every: every as u64,
        back: back as u64,
    })
}

fn with_window(case: &Case, every: usize, back: usize) -> Result<f64> {
    apart(case, &windowed(every, back), bptt(case)?)
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

/// KeRNL that does not learn, in both orders, against RFLO.
fn fixed_kernel(case: &Case, timescale: f64) -> Result<f64> {
    largest([Order::Corrected, Order::Published], |order| {
        let kernl = RuleSpec::Kernl(KernlSpec {
            order,
            rate: 0.0,
            timescale,
            ..KernlSpec::default()
        });
        let rflo = case.gradient(&rflo_spec(), &case.feedback)?;
        apart(case, &kernl, rflo)
    })
}

fn combined(eligibility: EligibilitySpec, credit: CreditSpec) -> RuleSpec {
    RuleSpec::Combined(CombinedSpec {
        eligibility,
        credit,
    })
}

fn with_leak(case: &Case, leak: f64) -> Result<f64> {
    let traces = EligibilitySpec::Trace(TraceSpec {
        leak: Some(leak),
        ..TraceSpec::default()
    });
    let rule = combined(traces, CreditSpec::Immediate(Default::default()));
    apart(case, &rule, case.gradient(&rflo_spec(), &case.feedback)?)
}

fn named_rules(case: &Case, _: &RuleSpec) -> Result<f64> {
    use EligibilitySpec as E;
    let pairs = [
        (E::Trace(Default::default()), rflo_spec()),
        (E::Influence(Default::default()), rtrl_spec()),
        (
            E::Snap(Default::default()),
            RuleSpec::Snap(Default::default()),
        ),
        (
            E::Uoro(Default::default()),
            RuleSpec::Uoro(Default::default()),
        ),
        (
            E::Kronecker(Default::default()),
            RuleSpec::KfRtrl(Default::default()),
        ),
        (
            E::ReverseKronecker(Default::default()),
            RuleSpec::RKfRtrl(Default::default()),
        ),
        (
            E::Kernl(Default::default()),
            RuleSpec::Kernl(Default::default()),
        ),
    ];
    largest(pairs, |(eligibility, named)| {
        let rule = combined(eligibility, CreditSpec::Immediate(Default::default()));
        let named = case.gradient(&named, &case.feedback)?;
        apart(case, &rule, named)
    })
}

/// Node perturbation with noise that is known, written out step by step.
fn score_by_hand(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let RuleSpec::NodePerturbation(spec) = rule else {
        return Ok(f64::INFINITY);
    };
    let mut learner = case.learner(rule, &case.feedback)?;
    learner.begin_trial();
    let dims = learner.network().dims();
    let (n, m, noises) = (
        dims.units,
        dims.pre(),
        dims.batch * dims.currents * dims.units,
    );
    let mut stream = Streams::new(case.seed).stream("by hand", 0);
    let steps = case.data.steps();
    let noise: Vec<f64> = (0..noises * steps).map(|_| stream.normal()).collect();
    if let Some(source) = learner.rule_mut().noise() {
        source.inject(&noise);
    }
    let mut expected: Vec<Option<f64>> = vec![None; dims.batch];
    let mut traces = vec![0.0; noises * m];
    let mut by_hand = vec![0.0; dims.currents * n * m];
    for t in 0..steps {
        case.advance(&mut learner, t)?;
        let view = learner.view();
        for (b, expected) in expected.iter_mut().enumerate() {
            let loss = view.loss(b);
            let before = expected.unwrap_or(loss);
            *expected = Some(before + spec.baseline * (loss - before));
            for row in 0..dims.currents * n {
                let at = b * dims.currents * n + row;
                let score = noise[t * noises + at] / spec.sigma;
                for (j, a) in view.pre(b)[..m].iter().enumerate() {
                    let trace = &mut traces[at * m + j];
                    *trace = (1.0 - spec.forgets()) * *trace + score * a;
                    by_hand[row * m + j] += (loss - before) * *trace;
                }
            }
        }
    }
    Ok(difference(&flat(learner.gradient()), &by_hand))
}

/// Node perturbation with the reward of the trial over two trials, with noise that is known.
fn trial_reward_by_hand(case: &Case, _: &RuleSpec) -> Result<f64> {
    let spec = NodePerturbationSpec {
        sigma: 0.2,
        decay: Some(0.1),
        baseline: 0.3,
        reward: Reward::Trial,
    };
    let rule = RuleSpec::NodePerturbation(spec);
    let mut learner = case.learner(&rule, &case.feedback)?;
    let dims = learner.network().dims();
    let (m, rows, steps) = (dims.pre(), dims.currents * dims.units, case.data.steps());
    let noises = dims.batch * rows;
    let mut stream = Streams::new(case.seed).stream("by hand", 0);
    let noise: Vec<f64> = (0..2 * noises * steps).map(|_| stream.normal()).collect();
    if let Some(source) = learner.rule_mut().noise() {
        source.inject(&noise);
    }
    let mut by_hand = vec![0.0; rows * m];
    let mut first = vec![0.0; dims.batch];
    for trial in 0..2 {
        learner.begin_trial();
        learner.clear_gradients();
        let mut losses = vec![0.0; dims.batch];
        let mut traces = vec![0.0; noises * m];
        for t in 0..steps {
            case.advance(&mut learner, t)?;
            let view = learner.view();
            for (b, sum) in losses.iter_mut().enumerate() {
                *sum += view.loss(b);
                for row in 0..rows {
                    let at = b * rows + row;
                    let score = noise[(trial * steps + t) * noises + at] / spec.sigma;
                    for (j, a) in view.pre(b)[..m].iter().enumerate() {
                        let trace = &mut traces[at * m + j];
                        *trace = (1.0 - spec.forgets()) * *trace + score * a;
                    }
                }
            }
        }
        if trial == 0 {
            first = losses;
            continue;
        }
        for (k, trace) in traces.iter().enumerate() {
            let b = k / (rows * m);
            by_hand[k % (rows * m)] += (losses[b] - first[b]) * trace;
        }
    }
    learner.end_trial();
    Ok(difference(&flat(learner.gradient()), &by_hand))
}

/// Miconi's rule over two trials, written out from the currents that were.
fn cubes_by_hand(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let RuleSpec::Miconi(spec) = rule else {
        return Ok(f64::INFINITY);
    };
    let mut learner = case.learner(rule, &case.feedback)?;
    let dims = learner.network().dims();
    let (n, m, rows) = (dims.units, dims.pre(), dims.currents * dims.units);
    let mut by_hand = vec![0.0; rows * m];
    let mut first = vec![0.0; dims.batch];
    for trial in 0..2 {
        learner.begin_trial();
        learner.clear_gradients();
        let mut losses = vec![0.0; dims.batch];
        let mut means: Vec<f64> = Vec::new();
        let mut traces = vec![0.0; dims.batch * rows * m];
        for t in 0..case.data.steps() {
            case.advance(&mut learner, t)?;
            let currents = &learner.activity().currents;
            if t == 0 {
                means = currents.to_vec();
            }
            let view = learner.view();
            for (b, sum) in losses.iter_mut().enumerate() {
                *sum += view.loss(b) / case.data.steps() as f64;
                for row in 0..rows {
                    let at = row / n * dims.plane() + b * dims.sample() + row % n;
                    let moved = currents[at] - means[at];
                    for (j, a) in view.pre(b)[..m].iter().enumerate() {
                        traces[(b * rows + row) * m + j] += (moved * a).powi(3);
                    }
                    means[at] += spec.averaging * moved;
                }
            }
        }
        if trial == 0 {
            first = losses;
            continue;
        }
        for b in 0..dims.batch {
            let terms = &traces[b * rows * m..][..rows * m];
            for (g, e) in by_hand.iter_mut().zip(terms) {
                *g += (losses[b] - first[b]) * e;
            }
        }
    }
    learner.end_trial();
    Ok(difference(&flat(learner.gradient()), &by_hand))
}

/// Σ_t (z_t − y_t) r̄_tᵀ + α (W − W₀) with the readout at the end: zero where W is the best one. Relative to its two
/// parts. With `learned` false the readout stays as it began.
fn least_squares(case: &Case, learned: bool) -> Result<f64> {
    const ALPHA: f64 = 0.7;
    let mut case = case.clone();
    case.loss = Loss::MeanSquaredError {
        outputs: Outputs::Sum,
    };
    case.masked = false;
    case.data = Data::random(case.loss, case.data.steps(), 1, case.sizes, case.seed);
    let rule = RuleSpec::Force(ForceSpec { alpha: ALPHA });
    let mut learner = case.learner(&rule, &case.feedback)?;
    let start = flat(learner.network().readout());
    let (mut rates, post) = (Vec::new(), case.units + 1);
    for t in 0..case.data.steps() {
        case.advance(&mut learner, t)?;
        rates.push(learner.activity().post.row(0).to_vec());
        if learned {
            learner.update();
        }
    }
    let readout = flat(learner.network().readout());
    let pairs = readout.iter().zip(&start);
    let pulled: Vec<f64> = pairs.map(|(w, start)| ALPHA * (start - w)).collect();
    let mut pushed = vec![0.0; pulled.len()];
    let mut size = 1e-300_f64;
    for (r, y) in rates.iter().zip(&case.data.y) {
        for (k, y) in y.iter().enumerate() {
            let row = &readout[k * post..][..post];
            let error = row.iter().zip(r).map(|(w, r)| w * r).sum::<f64>() - y;
            for (push, r) in pushed[k * post..][..post].iter_mut().zip(r) {
                *push += error * r;
                size = size.max((error * r).abs());
            }
        }
    }
    let apart = pushed.iter().zip(&pulled).map(|(a, b)| (a - b).abs());
    Ok(apart.fold(0.0, f64::max) / size)
}

fn finite_differences(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let mut learner = case.learner(rule, &FeedbackSpec::Symmetric {})?;
    let gradient = case.gradient_of(&mut learner)?;
    let [recurrent, readout] = case.differences()?;
    let readout = difference(&flat(learner.readout_gradient()), &readout);
    Ok(difference(&gradient, &recurrent).max(readout))
}

fn frozen(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let mut learner = case.learner(rule, &case.feedback)?;
    let gradient = case.gradient_of(&mut learner)?;
    let [_, readout] = case.differences()?;
    let moved = gradient.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
    Ok(difference(&flat(learner.readout_gradient()), &readout).max(moved))
}

/// `rule` with this horizon against BPTT over the trial.
fn with_horizon(case: &Case, rule: &RuleSpec, horizon: usize) -> Result<f64> {
    let spec = HorizonSpec {
        horizon: horizon as u64,
    };
    let rule = match rule {
        RuleSpec::FBptt(_) => RuleSpec::FBptt(spec),
        _ => RuleSpec::EBptt(spec),
    };
    apart(case, &rule, bptt(case)?)
}

fn without_recurrence(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let of = |rule: &RuleSpec| {
        let mut learner = case.learner(rule, &case.feedback)?;
        let weights = learner.network_mut().synapses_mut().weights_mut();
        (0..weights.rows()).for_each(|i| weights.row_mut(i)[..case.units].fill(0.0));
        case.gradient_of(&mut learner)
    };
    let exact = RuleSpec::Rtrl(Default::default());
    Ok(difference(&of(rule)?, &of(&exact)?))
}

/// Mean over every pattern of signs against RTRL. As many steps of the trial as ten signs allow are run.
fn over_all_signs(case: &Case, rule: &RuleSpec, scale: f64) -> Result<f64> {
    const SIGNS: usize = 10;
    let mut case = case.clone();
    let mut learner = case.learner(rule, &case.feedback)?;
    let count = learner.rule_mut().contract().draws;
    if count == 0 {
        return Ok(f64::INFINITY);
    }
    let steps = (SIGNS / count).clamp(1, case.data.steps());
    case.data = case.data.truncated(steps);
    let patterns = 1_u64 << (steps * count);
    let mut mean: Vec<f64> = Vec::new();
    for pattern in 0..patterns {
        learner.clear_gradients();
        learner.begin_trial();
        clear_start(&mut learner)?;
        let sign = |k: usize| if pattern >> k & 1 == 1 { scale } else { -scale };
        let signs: Vec<f64> = (0..steps * count).map(sign).collect();
        if let Some(noise) = learner.rule_mut().noise() {
            noise.inject(&signs);
        }
        for t in 0..steps {
            case.advance(&mut learner, t)?;
        }
        let gradient = flat(learner.gradient());
        mean.resize(gradient.len(), 0.0);
        for (m, g) in mean.iter_mut().zip(&gradient) {
            *m += g / patterns as f64;
        }
    }
    Ok(difference(&mean, &rtrl(&case)?))
}

/// A = 0 and B = 0, whatever their shapes: the influence at the start of a trial.
fn clear_start(learner: &mut Learner<f64>) -> Result<()> {
    clear(learner, "A")?;
    clear(learner, "B")
}

fn aligned_feedback(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let symmetric = case.gradient(rule, &FeedbackSpec::Symmetric {})?;
    let mut learner = case.learner(rule, &FeedbackSpec::random())?;
    let readout = flat(learner.network().readout());
    if let Some(weights) = learner.feedback_weights_mut() {
        let rows = readout.chunks_exact(case.units + 1);
        for (k, row) in rows.enumerate() {
            weights.row_mut(k).copy_from_slice(&row[..case.units]);
        }
    }
    Ok(difference(&case.gradient_of(&mut learner)?, &symmetric))
}

fn errors_add(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let of = |parts: [f64; 2]| {
        let mut learner = case.learner(rule, &FeedbackSpec::random())?;
        if let Some(weights) = learner.feedback_weights_mut() {
            let (rows, columns) = (weights.rows(), weights.columns());
            for k in 0..rows {
                let other = |i: usize| (1.0 + (k * columns + i) as f64).sin();
                for (i, w) in weights.row_mut(k).iter_mut().enumerate() {
                    *w = parts[0] * *w + parts[1] * other(i);
                }
            }
        }
        case.gradient_of(&mut learner)
    };
    let (first, second, both) = (of([1.0, 0.0])?, of([0.0, 1.0])?, of([1.0, 1.0])?);
    let sum: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a + b).collect();
    // Relative to the parts, which may nearly cancel.
    let largest = |values: &[f64]| values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let scale = largest(&first).max(largest(&second)).max(1e-300);
    Ok(difference(&both, &sum) * largest(&sum).max(largest(&both)) / scale)
}

fn samples_add(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let whole = case.gradient(rule, &case.feedback)?;
    let mut sum = vec![0.0; whole.len()];
    for b in 0..case.batch {
        let mut alone = case.clone();
        alone.batch = 1;
        alone.data = case.data.sample(b, case.batch);
        let gradient = alone.gradient(rule, &case.feedback)?;
        sum.iter_mut().zip(gradient).for_each(|(s, g)| *s += g);
    }
    Ok(difference(&whole, &sum))
}

/// What the output brings back is W_back W_out r(t−1): with r(0) = 0 and no b_out, a part of the recurrent currents.
fn output_loop(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let mut case = case.clone();
    case.hears = true;
    case.neuron = Some(NeuronSpec::Rate(RateSpec {
        alpha: 0.4,
        activation: Activation::Tanh,
    }));
    let (units, outputs) = (case.units, case.sizes.1);
    let start = || -> Result<Learner<f64>> {
        let mut learner = case.learner(rule, &case.feedback)?;
        let network = learner.network_mut();
        network.initial_mut().clear();
        for k in 0..outputs {
            network.readout_mut().row_mut(k)[units] = 0.0;
        }
        Ok(learner)
    };
    let (mut looped, mut folded) = (start()?, start()?);
    let network = folded.network_mut();
    let readout = network.readout().clone();
    let back = network.output_feedback_mut().map(|back| flat(back));
    network.set_output_feedback(None)?;
    let weights = network.synapses_mut().weights_mut();
    for (k, heard) in back.unwrap_or_default().chunks_exact(units).enumerate() {
        for (i, weight) in heard.iter().enumerate() {
            let row = &mut weights.row_mut(i)[..units];
            let through = row.iter_mut().zip(readout.row(k));
            through.for_each(|(w, out)| *w += weight * out);
        }
    }
    Ok(difference(
        &case.gradient_of(&mut looped)?,
        &case.gradient_of(&mut folded)?,
    ))
}

fn resumed(case: &Case, rule: &RuleSpec) -> Result<f64> {
    let half = case.data.steps() / 2;
    let mut first = case.learner(rule, &case.feedback)?;
    first.begin_trial();
    for t in 0..half {
        case.advance(&mut first, t)?;
    }
    let snapshot = first.snapshot()?;
    // Another start, which the snapshot must replace.
    let mut second = case.sibling(case.seed ^ 1).learner(rule, &case.feedback)?;
    second.restore(&snapshot)?;
    for learner in [&mut first, &mut second] {
        for t in half..case.data.steps() {
            case.advance(learner, t)?;
        }
        learner.end_trial();
    }
    let (a, b) = (flat(first.gradient()), flat(second.gradient()));
    let same = a.iter().zip(&b).all(|(a, b)| a.to_bits() == b.to_bits());
    Ok(if same {
        0.0
    } else {
        difference(&a, &b).max(f64::MIN_POSITIVE)
    })
}

/// J(t) of every step of a case with one sample: row after row.
fn jacobians(case: &Case) -> Result<Vec<Vec<f64>>> {
    let mut watch = case.learner(&super::case::readout_only(), &case.feedback)?;
    watch.begin_trial();
    let mut all = Vec::new();
    for t in 0..case.data.steps() {
        case.advance(&mut watch, t)?;
        let view = watch.view();
        let states = view.dims().states * view.dims().units;
        let element = |k: usize| view.jacobian(0, k / states, k % states);
        all.push((0..states * states).map(element).collect());
    }
    Ok(all)
}

/// The target of A, for every step but the last, against the credit of F-BPTT, both times the gains of that step.
///
/// A is set to zero before each step and learns at rate 1, so that its bias column afterwards is the target; its slow
/// copy is set to tell the true credit.
fn target_of_apical(case: &Case, timing: Timing, label: LabelActivation) -> Result<f64> {
    let credits = credits(case)?;
    let spec = DendriticSpec {
        rate: 1.0,
        jacobian: JacobianSpec::Exact {},
        label_activation: label,
        refresh: u64::MAX,
        timing,
        ..DendriticSpec::published()
    };
    let mut learner = case.learner(&RuleSpec::Dendritic(spec), &case.feedback)?;
    learner.begin_trial();
    let (mut targets, mut expected) = (Vec::new(), Vec::new());
    let mut gains: Vec<Vec<f64>> = Vec::new();
    for (t, credit) in credits.iter().enumerate() {
        clear(&mut learner, "A")?;
        set_bias(&mut learner, "A_slow", credit)?;
        case.advance(&mut learner, t)?;
        let dims = learner.network().dims();
        let (n, states) = (dims.units, dims.states);
        if t > 0 {
            let biases = biases_of(&mut learner, "A")?;
            for row in 0..dims.currents * n {
                let (g, i) = (row / n, row % n);
                let part = |s: usize| gains[s * dims.currents + g][i] * biases[s * n + i];
                targets.push((0..states).map(part).sum());
            }
            expected.extend(future_gradient(case, t - 1)?);
        }
        let view = learner.view();
        gains = (0..states * dims.currents)
            .map(|k| view.gain(k / dims.currents, k % dims.currents, 0).to_vec())
            .collect();
    }
    Ok(difference(&targets, &expected))
}

/// With λ = 1 A learns late and from true credit alone: set to zero before each step, its bias column times the gains
/// of the step that has been waiting is what F-BPTT pays for that step.
fn true_credit(case: &Case, lambda: f64) -> Result<f64> {
    const HORIZON: u64 = 3;
    let spec = DendriticSpec {
        rate: 1.0,
        jacobian: JacobianSpec::Exact {},
        lambda,
        horizon: HORIZON,
        ..DendriticSpec::published()
    };
    let paid = RuleSpec::FBptt(HorizonSpec { horizon: HORIZON });
    let mut learner = case.learner(&RuleSpec::Dendritic(spec), &case.feedback)?;
    let mut paying = case.learner(&paid, &case.feedback)?;
    learner.begin_trial();
    paying.begin_trial();
    let (mut targets, mut expected) = (Vec::new(), Vec::new());
    let mut gains: Vec<Vec<Vec<f64>>> = Vec::new();
    for t in 0..case.data.steps() {
        clear(&mut learner, "A")?;
        let before = biases(paying.gradient());
        case.advance(&mut learner, t)?;
        case.advance(&mut paying, t)?;
        let dims = learner.network().dims();
        let (n, states) = (dims.units, dims.states);
        let view = learner.view();
        let gain = |k: usize| view.gain(k / dims.currents, k % dims.currents, 0).to_vec();
        gains.push((0..states * dims.currents).map(gain).collect());
        let Some(waiting) = (t + 1).checked_sub(HORIZON as usize) else {
            continue;
        };
        let moved = biases_of(&mut learner, "A")?;
        for row in 0..dims.currents * n {
            let (g, i) = (row / n, row % n);
            let gain = |s: usize| gains[waiting][s * dims.currents + g][i];
            let part = |s: usize| gain(s) * moved[s * n + i];
            targets.push((0..states).map(part).sum());
        }
        let after = biases(paying.gradient());
        expected.extend(after.iter().zip(&before).map(|(a, b)| a - b));
    }
    Ok(difference(&targets, &expected))
}

/// Makes a matrix of the rule answer 0.
fn clear(learner: &mut Learner<f64>, name: &str) -> Result<()> {
    if let Some((_, values)) = learner.rule_mut().array(name)? {
        learner
            .rule_mut()
            .set_array(name, &vec![0.0; values.len()])?;
    }
    Ok(())
}

/// Makes a matrix of the rule answer `answers` to every input that ends in 1.
fn set_bias(learner: &mut Learner<f64>, name: &str, answers: &[f64]) -> Result<()> {
    let Some((shape, mut values)) = learner.rule_mut().array(name)? else {
        return Ok(());
    };
    values.fill(0.0);
    for (row, answer) in values.chunks_exact_mut(shape[1]).zip(answers) {
        row[shape[1] - 1] = *answer;
    }
    learner.rule_mut().set_array(name, &values).map(drop)
}

/// What a matrix of the rule answers to an input that is 0 but for the 1 at its end.
fn biases_of(learner: &mut Learner<f64>, name: &str) -> Result<Vec<f64>> {
    let (shape, values) = learner.rule_mut().array(name)?.unwrap_or_default();
    let width = shape.last().copied().unwrap_or(1).max(1);
    Ok(values.chunks(width).map(|row| row[row.len() - 1]).collect())
}

/// dΣL/ds(t) of every step of a case with one sample, from the last step back: λ ← slope ∘ q + Jᵀ λ.
fn credits(case: &Case) -> Result<Vec<Vec<f64>>> {
    let mut watch = case.learner(&super::case::readout_only(), &case.feedback)?;
    watch.begin_trial();
    let mut credits: Vec<Vec<f64>> = Vec::new();
    for t in 0..case.data.steps() {
        case.advance(&mut watch, t)?;
        let (view, signal) = (watch.view(), watch.signal());
        let slopes = (0..view.dims().states).flat_map(|s| view.slope(s, 0).iter().zip(signal));
        credits.push(slopes.map(|(slope, q)| slope * q).collect());
    }
    let jacobians = jacobians(case)?;
    for t in (1..credits.len()).rev() {
        let states = credits[t].len();
        for l in 0..states {
            let back: f64 = (0..states)
                .map(|k| jacobians[t][k * states + l] * credits[t][k])
                .sum();
            credits[t - 1][l] += back;
        }
    }
    Ok(credits)
}

/// What F-BPTT pays to the biases for step `t` with the whole rest of the trial ahead: gain ∘ credit.
///
/// Its horizon is chosen so that the last step of the trial pays for step `t`.
fn future_gradient(case: &Case, t: usize) -> Result<Vec<f64>> {
    let steps = case.data.steps();
    let rule = RuleSpec::FBptt(HorizonSpec {
        horizon: (steps - t) as u64,
    });
    let mut learner = case.learner(&rule, &case.feedback)?;
    learner.begin_trial();
    let mut before = Vec::new();
    for t in 0..steps {
        before = biases(learner.gradient());
        case.advance(&mut learner, t)?;
    }
    let after = biases(learner.gradient());
    Ok(after.iter().zip(&before).map(|(a, b)| a - b).collect())
}

fn biases(gradient: &Matrix<f64>) -> Vec<f64> {
    let last = gradient.columns() - 1;
    (0..gradient.rows())
        .map(|i| gradient.row(i)[last])
        .collect()
}

/// The dendritic rule with J, or K, set to the true Jacobian before each step, against the one with exact J.
fn with_true_jacobian(case: &Case, jacobian: JacobianSpec) -> Result<f64> {
    let n = case.units;
    let with = |jacobian: JacobianSpec| {
        RuleSpec::Dendritic(DendriticSpec {
            jacobian,
            ..DendriticSpec::published()
        })
    };
    let transposed = matches!(jacobian, JacobianSpec::Local { .. });
    let mut learner = case.learner(&with(jacobian), &case.feedback)?;
    learner.begin_trial();
    for (t, true_jacobian) in jacobians(case)?.iter().enumerate() {
        let name = if transposed { "K" } else { "J" };
        let from = |k: usize| if transposed { k % n * n + k / n } else { k };
        let values: Vec<f64> = (0..n * n).map(|k| true_jacobian[from(k)]).collect();
        learner.rule_mut().set_array(name, &values)?;
        case.advance(&mut learner, t)?;
    }
    let exact = case.gradient(&with(JacobianSpec::Exact {}), &case.feedback)?;
    Ok(difference(&flat(learner.gradient()), &exact))
}
