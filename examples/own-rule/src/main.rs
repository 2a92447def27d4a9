//! One trace for each presynaptic element instead of one for each synapse: `presynaptic`, a rule of one's own.

use std::process::ExitCode;

use apical::check::{Concerns, Expect, Relation, Shape, add_relation, difference};
use apical::credit::Immediate;
use apical::eligibility::LocalEligibility;
use apical::kernel::{Matrix, add_outer};
use apical::neuron::{Activation, NeuronSpec, RateSpec};
use apical::rule::{Composed, Local, Locality, OwnRule, Rule, RuleInfo, RuleSpec, Site, register};
use apical::snapshot::{Owner, StateIo};
use apical::view::LocalView;
use apical::{Error, Result, Scalar};
use serde::{Deserialize, Serialize};

/// Its settings, as `[rule]` has them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Presynaptic {
    decay: f64,
}

impl Default for Presynaptic {
    fn default() -> Self {
        Self { decay: 0.5 }
    }
}

impl OwnRule for Presynaptic {
    const INFO: RuleInfo = RuleInfo {
        name: "presynaptic",
        aliases: &[],
        summary: "a trace for each presynaptic element",
        source: "ours",
        drops: "all but the unit's own past, and what its slope was then",
        locality: Locality::Synapse,
        local_in_time: true,
        exact: false,
        stochastic: false,
        memory: "m",
        time: "n m",
    };
    const RELATIONS: &'static [&'static str] = &["one step", "errors add", "samples add"];

    fn build<T: Scalar>(&self, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
        let dims = site.network.dims();
        if dims.states * dims.currents > 1 {
            let mend = "Use rate or voltage units.";
            let field = "network.neuron";
            return Err(Error::invalid(
                field,
                dims.states,
                "1 state and 1 current",
                mend,
            ));
        }
        let trace = Trace {
            decay: T::of(self.decay),
            traces: Matrix::zeros(dims.batch, dims.pre()),
            factor: vec![T::ZERO; dims.units],
        };
        Ok(Box::new(Composed::new(dims, Local(trace), Immediate)))
    }
}

struct Trace<T> {
    decay: T,
    traces: Matrix<T>,
    factor: Vec<T>,
}

impl<T: Scalar> LocalEligibility<T> for Trace<T> {
    fn reset(&mut self) {
        self.traces.clear();
    }

    fn step(&mut self, view: &LocalView<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let (dims, stride) = (view.dims(), gradient.stride());
        for b in 0..dims.batch {
            for (p, a) in self.traces.row_mut(b).iter_mut().zip(view.pre(b)) {
                *p = self.decay * *p + *a;
            }
            let credit = &credit[b * dims.sample()..][..dims.units];
            for ((f, c), gain) in self.factor.iter_mut().zip(credit).zip(view.gain(0, 0, b)) {
                *f = *c * *gain;
            }
            let trace = self.traces.band(b, 1);
            add_outer(
                view.simd(),
                gradient.data_mut(),
                stride,
                T::ONE,
                &self.factor,
                trace,
            );
        }
    }

    fn owner(&self, _: &str) -> Owner {
        let (stride, offset) = (self.traces.stride(), 0);
        Owner::Presynaptic { stride, offset }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.values("presynaptic", self.traces.data_mut())
    }
}

/// The same trial by this rule and by the one it equals where the slope never changes, on units with this activation.
fn beside_rflo(case: &apical::check::Case, rule: &RuleSpec, activation: Activation) -> Result<f64> {
    let mut case = case.clone();
    let alpha = 0.5;
    case.neuron = Some(NeuronSpec::Rate(RateSpec { alpha, activation }));
    let rflo = case.gradient(&RuleSpec::by_name("rflo")?, &case.feedback)?;
    Ok(difference(&case.gradient(rule, &case.feedback)?, &rflo))
}

fn main() -> ExitCode {
    add_relation(Relation {
        name: "linear units",
        concerns: Concerns::Only(&["presynaptic"]),
        says: "= rflo where slopes never change",
        shape: Shape::ANY,
        expect: Expect::Within(1e-9),
        error: |case, rule| beside_rflo(case, rule, Activation::Identity),
    });
    add_relation(Relation {
        name: "bent units",
        concerns: Concerns::Only(&["presynaptic"]),
        says: "is not rflo where they do",
        shape: Shape::LONG,
        expect: Expect::Apart(1e-3),
        error: |case, rule| beside_rflo(case, rule, Activation::Tanh),
    });
    match register::<Presynaptic>() {
        Ok(()) => apical_cli::main(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
