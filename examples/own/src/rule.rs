//! One trace for each presynaptic element instead of one for each synapse: p(t) = λ p(t−1) + a(t).

use apical::credit::Immediate;
use apical::eligibility::LocalEligibility;
use apical::kernel::{Matrix, add_outer};
use apical::rule::{Composed, Local, OwnRule, Rule, RuleInfo, Site};
use apical::schemars::{self, JsonSchema};
use apical::snapshot::{Owner, StateIo};
use apical::view::LocalView;
use apical::{Error, Result, Scalar};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Presynaptic {
    /// λ, what is left of a trace after a step.
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
        summary: "a trace for each presynaptic element",
        drops: "what other units pass on, and which slope an input met",
        memory: "m",
        time: "n m",
        ..RuleInfo::OWN
    };
    const RELATIONS: &'static [&'static str] = &["one step", "samples add"];

    fn build<T: Scalar>(&self, site: &Site<'_, T>) -> Result<Box<dyn Rule<T>>> {
        let dims = site.network.dims();
        if dims.states * dims.currents > 1 {
            let (field, mend) = ("network.neuron", "Use rate or voltage units.");
            return Err(Error::invalid(
                field,
                dims.states,
                "1 state and 1 current",
                mend,
            ));
        }
        let traces = Matrix::zeros(dims.batch, dims.pre());
        let (decay, factor) = (T::of(self.decay), vec![T::ZERO; dims.units]);
        let trace = Trace {
            decay,
            traces,
            factor,
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
    // A trial begins: nothing of the past counts.
    fn reset(&mut self) {
        self.traces.clear();
    }

    // `credit` is dL/ds, one plane a state variable; `gradient` has a row for each current and unit.
    fn step(&mut self, view: &LocalView<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let (dims, stride) = (view.dims(), gradient.stride());
        for b in 0..dims.batch {
            for (p, a) in self.traces.row_mut(b).iter_mut().zip(view.pre(b)) {
                *p = self.decay * *p + *a;
            }
            let credit = &credit[b * dims.sample()..];
            for ((f, c), gain) in self.factor.iter_mut().zip(credit).zip(view.gain(0, 0, b)) {
                *f = *c * *gain;
            }
            let (factor, trace) = (&self.factor, self.traces.band(b, 1));
            add_outer(
                view.simd(),
                gradient.data_mut(),
                stride,
                T::ONE,
                factor,
                trace,
            );
        }
    }

    // One function declares every array and whose its numbers are: a run stopped anywhere goes on bit for bit, and the
    // audit holds the rule to it.
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        let (stride, offset) = (self.traces.stride(), 0);
        let io = io.of(Owner::Presynaptic { stride, offset });
        io.matrix("presynaptic", &mut self.traces)
    }
}
