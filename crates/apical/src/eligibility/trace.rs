//! A trace at each synapse: e_ij(t) = own_i(t) e_ij(t−1) + gain_i(t) a_j(t).
//!
//! Source: RFLO on a rate unit (Murray 2019, Eqs. 5–6), e-prop on units that send a rate (Bellec et al. 2020), the
//! three-factor rule on a voltage unit (Liu et al. 2022): one rule, three names. Drops: the influence of a synapse
//! that travels through other units. Exact without recurrent weights.
//! With S state variables e has S numbers a synapse and `own` is S × S. Shapes: S G n × m for each sample.
//! With a trace constant α_e of its own (`leak`), own is 1 − α_e and gain is scaled by α_e / (1 − own), so that α_e = α
//! changes nothing (Marschall et al. 2020 and Murray 2019 set it apart from the network's). One state variable only.
//! With `input = "previous"` input synapses hear x(t−1), as Murray 2019 prints ([`InputTrace`]).
//! Memory O(S G n m), time O(S² G n m) a step. Local in space and in time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lag::{InputTrace, LaggedInput};
use super::{Descending, LocalEligibility};
use crate::kernel::{Buffer, Descent, Matrix, add_scaled, descend_trace, trace};
use crate::network::Dims;
use crate::sizes::Sizes;
use crate::snapshot::{Owner, StateIo};
use crate::view::LocalView;
use crate::{Error, Result, Scalar};

/// Configuration of the local trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TraceSpec {
    /// α_e in (0, 1], the trace's own leak a step; the unit's by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub leak: Option<f64>,
    /// Which input the traces of input synapses hear.
    #[schemars(!skip_serializing_if)]
    #[serde(skip_serializing_if = "InputTrace::is_current")]
    pub input: InputTrace,
}

impl TraceSpec {
    /// Refuses a leak outside (0, 1], or one for units with several state variables.
    pub(crate) fn check(&self, dims: Dims) -> Result<()> {
        let Some(leak) = self.leak else { return Ok(()) };
        if !(leak > 0.0 && leak <= 1.0) {
            let mend = "1 keeps nothing of the past; remove the key for the leak of the units.";
            return Err(Error::invalid(
                "rule.leak",
                leak,
                "a number in (0, 1]",
                mend,
            ));
        }
        if dims.states > 1 {
            return Err(Error::invalid(
                "rule.leak",
                leak,
                format!(
                    "none: these units have {} state variables, whose traces mix",
                    dims.states
                ),
                "Remove the key.",
            ));
        }
        Ok(())
    }
}

impl TraceSpec {
    /// Bytes of the traces.
    pub(crate) fn memory(&self, sizes: &Sizes) -> f64 {
        sizes.traces() + self.extras(sizes)
    }

    /// Bytes of what a leak of its own and the last input take.
    pub(crate) fn extras(&self, sizes: &Sizes) -> f64 {
        let leak = self.leak.map_or(0.0, |_| 2.0 * sizes.plane());
        let lag = match self.input {
            InputTrace::Current => 0.0,
            InputTrace::Previous => sizes.matrix(2.0 * sizes.batch, sizes.pre()),
        };
        leak + lag
    }
}

/// Traces of every synapse, whatever carries them forward.
pub(super) struct Traces<T> {
    /// One matrix (n × m) for each sample, current and state variable: `(b * currents + g) * states + s`.
    traces: Vec<Matrix<T>>,
    currents: usize,
    /// One row a state variable: the traces of one unit before this step.
    before: Matrix<T>,
}

impl<T: Scalar> Traces<T> {
    pub(super) fn new(dims: Dims) -> Self {
        let count = dims.batch * dims.currents * dims.states;
        Self {
            traces: vec![Matrix::zeros(dims.units, dims.pre()); count],
            currents: dims.currents,
            before: Matrix::zeros(dims.states, dims.pre()),
        }
    }

    pub(super) fn clear(&mut self) {
        self.traces.iter_mut().for_each(Matrix::clear);
    }

    /// e ← own e + gain a, gradient += credit e; `own(s, s', b)` and `gain(s, g, b)` have one number a unit.
    pub(super) fn advance<'p>(
        &mut self,
        view: &LocalView<'p, T>,
        own: impl Fn(usize, usize, usize) -> &'p [T],
        gain: impl Fn(usize, usize, usize) -> &'p [T],
        credit: &[T],
        gradient: &mut Matrix<T>,
    ) where
        T: 'p,
    {
        self.advance_with(view, |b| view.pre(b), own, gain, credit, gradient);
    }

    /// The same with a presynaptic vector of one's own, `pre(b)`, with padding.
    pub(super) fn advance_with<'p>(
        &mut self,
        view: &LocalView<'_, T>,
        pre: impl Fn(usize) -> &'p [T],
        own: impl Fn(usize, usize, usize) -> &'p [T],
        gain: impl Fn(usize, usize, usize) -> &'p [T],
        credit: &[T],
        gradient: &mut Matrix<T>,
    ) where
        T: 'p,
    {
        if view.dims().states == 1 {
            self.advance_single(view, pre, own, gain, credit, gradient);
        } else {
            self.advance_general(view, pre, own, gain, credit, gradient);
        }
    }

    /// One state variable: trace and gradient in one pass over memory.
    fn advance_single<'p>(
        &mut self,
        view: &LocalView<'_, T>,
        pre: impl Fn(usize) -> &'p [T],
        own: impl Fn(usize, usize, usize) -> &'p [T],
        gain: impl Fn(usize, usize, usize) -> &'p [T],
        credit: &[T],
        gradient: &mut Matrix<T>,
    ) where
        T: 'p,
    {
        let dims = view.dims();
        let (n, stride) = (dims.units, gradient.stride());
        for b in 0..dims.batch {
            let credit = &credit[b * dims.sample()..][..n];
            for g in 0..dims.currents {
                let band = &mut gradient.data_mut()[g * n * stride..(g + 1) * n * stride];
                let trace_of = &mut self.traces[b * dims.currents + g];
                let (own, gain) = (own(0, 0, b), gain(0, g, b));
                trace(view.simd(), trace_of, own, gain, pre(b), credit, band);
            }
        }
    }

    /// As [`Traces::advance_with`] for one state variable and one sample, with a descent in place of a gradient.
    fn descend<'p>(
        &mut self,
        view: &LocalView<'_, T>,
        pre: &[T],
        own: &[T],
        gain: impl Fn(usize) -> &'p [T],
        credit: &[T],
        mut descent: Descent<'_, T>,
    ) where
        T: 'p,
    {
        let (n, simd) = (view.dims().units, view.simd());
        let credit = &credit[..n];
        for (g, traces) in self.traces.iter_mut().enumerate() {
            let (gain, first) = (gain(g), g * n);
            descend_trace(simd, traces, own, gain, pre, credit, first, &mut descent);
        }
    }

    /// Any number of state variables, unit by unit.
    fn advance_general<'p>(
        &mut self,
        view: &LocalView<'_, T>,
        pre: impl Fn(usize) -> &'p [T],
        own: impl Fn(usize, usize, usize) -> &'p [T],
        gain: impl Fn(usize, usize, usize) -> &'p [T],
        credit: &[T],
        gradient: &mut Matrix<T>,
    ) where
        T: 'p,
    {
        let dims = view.dims();
        let (n, states, simd) = (dims.units, dims.states, view.simd());
        for b in 0..dims.batch {
            for g in 0..dims.currents {
                let first = (b * dims.currents + g) * states;
                let traces = &mut self.traces[first..first + states];
                for i in 0..n {
                    for (s, trace) in traces.iter().enumerate() {
                        self.before.row_mut(s).copy_from_slice(trace.row(i));
                    }
                    for (s, trace) in traces.iter_mut().enumerate() {
                        let row = trace.row_mut(i);
                        let gain = gain(s, g, b)[i];
                        for (e, a) in row.iter_mut().zip(pre(b)) {
                            *e = gain * *a;
                        }
                        for before in 0..states {
                            let own = own(s, before, b)[i];
                            add_scaled(simd, own, self.before.row(before), row);
                        }
                        let c = credit[s * dims.plane() + b * dims.sample() + i];
                        add_scaled(simd, c, row, gradient.row_mut(g * n + i));
                    }
                }
            }
        }
    }

    /// gradient += credit e, with e as it stands.
    fn pay(&self, view: &LocalView<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let dims = view.dims();
        for b in 0..dims.batch {
            for g in 0..dims.currents {
                for s in 0..dims.states {
                    let trace = &self.traces[(b * dims.currents + g) * dims.states + s];
                    let credit = &credit[s * dims.plane() + b * dims.sample()..][..dims.units];
                    let rows = credit.iter().enumerate().filter(|(_, c)| **c != T::ZERO);
                    for (i, c) in rows {
                        let row = gradient.band_mut(g * dims.units + i, 1);
                        add_scaled(view.simd(), *c, trace.band(i, 1), row);
                    }
                }
            }
        }
    }

    pub(super) fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        for (k, trace) in self.traces.iter_mut().enumerate() {
            let current = k / self.before.rows() % self.currents;
            let io = io.of(Owner::Synapse { current });
            io.matrix(&format!("trace.{k}"), trace)?;
        }
        Ok(())
    }
}

/// own and gain of a trace with a leak of its own: 1 − α_e, and gain α_e / (1 − own).
pub(crate) struct OwnLeak<T> {
    leak: T,
    /// One plane, and one a current.
    own: Buffer<T>,
    gain: Buffer<T>,
}

impl<T: Scalar> OwnLeak<T> {
    /// For a leak that was checked.
    pub(crate) fn new(dims: Dims, leak: f64) -> Self {
        let leak = T::of(leak);
        let mut own = Buffer::zeros(dims.plane());
        own.fill(T::ONE - leak);
        Self {
            leak,
            own,
            gain: Buffer::zeros(dims.currents * dims.plane()),
        }
    }

    /// Scales the gains of this step.
    pub(crate) fn scale(&mut self, view: &LocalView<'_, T>) {
        let dims = view.dims();
        for b in 0..dims.batch {
            for g in 0..dims.currents {
                let at = g * dims.plane() + b * dims.sample();
                let scaled = &mut self.gain[at..at + dims.units];
                let units = scaled
                    .iter_mut()
                    .zip(view.gain(0, g, b))
                    .zip(view.own(0, 0, b));
                for ((scaled, gain), own) in units {
                    let unit = T::ONE - *own;
                    *scaled = if unit > T::ZERO {
                        *gain * self.leak / unit
                    } else {
                        *gain * self.leak
                    };
                }
            }
        }
    }

    /// 1 − α_e, one plane.
    pub(crate) fn own(&self) -> &[T] {
        &self.own
    }

    /// The scaled gains, one plane a current.
    pub(crate) fn gain(&self) -> &[T] {
        &self.gain
    }
}

/// The local trace.
pub struct Trace<T> {
    traces: Traces<T>,
    leak: Option<OwnLeak<T>>,
    lag: Option<LaggedInput<T>>,
}

impl<T: Scalar> Trace<T> {
    /// For a network of these sizes, with the leak of its units.
    pub fn new(dims: Dims) -> Self {
        Self {
            traces: Traces::new(dims),
            leak: None,
            lag: None,
        }
    }

    /// For a network of these sizes, as configured.
    ///
    /// # Errors
    /// A leak outside (0, 1], or one for units with several state variables.
    pub fn with(dims: Dims, spec: &TraceSpec) -> Result<Self> {
        spec.check(dims)?;
        Ok(Self {
            leak: spec.leak.map(|leak| OwnLeak::new(dims, leak)),
            lag: (!spec.input.is_current()).then(|| LaggedInput::new(dims)),
            ..Self::new(dims)
        })
    }
}

impl<T: Scalar> Trace<T> {
    /// gradient += credit e, with e as the last step left it.
    pub fn pay(&self, view: &LocalView<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        self.traces.pay(view, credit, gradient);
    }
}

impl<T: Scalar> LocalEligibility<T> for Trace<T> {
    fn reset(&mut self) {
        self.traces.clear();
        if let Some(lag) = &mut self.lag {
            lag.clear();
        }
    }

    fn step(&mut self, view: &LocalView<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let Self { traces, leak, lag } = self;
        if let Some(lag) = lag {
            lag.advance(view);
        }
        let lag = lag.as_ref();
        let pre = |b| lag.map_or_else(|| view.pre(b), |lag| lag.pre(b));
        let Some(leak) = leak else {
            let (own, gain) = (|s, z, b| view.own(s, z, b), |s, g, b| view.gain(s, g, b));
            return traces.advance_with(view, pre, own, gain, credit, gradient);
        };
        leak.scale(view);
        let dims = view.dims();
        let (n, sample, plane) = (dims.units, dims.sample(), dims.plane());
        let own = |_, _, b: usize| &leak.own()[b * sample..][..n];
        let gain = |_, g: usize, b: usize| &leak.gain()[g * plane + b * sample..][..n];
        traces.advance_with(view, pre, own, gain, credit, gradient);
    }

    fn descending(&mut self) -> Option<&mut dyn Descending<T>> {
        // One trace a current: one sample, one state variable.
        let traces = &self.traces;
        (traces.traces.len() == traces.currents).then_some(self as _)
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        if let Some(lag) = &mut self.lag {
            lag.state(io)?;
        }
        self.traces.state(io)
    }
}

impl<T: Scalar> Descending<T> for Trace<T> {
    fn descend(&mut self, view: &LocalView<'_, T>, credit: &[T], descent: Descent<'_, T>) {
        let Self { traces, leak, lag } = self;
        if let Some(lag) = lag {
            lag.advance(view);
        }
        let pre = lag.as_ref().map_or_else(|| view.pre(0), |lag| lag.pre(0));
        let Some(leak) = leak else {
            let (own, gain) = (view.own(0, 0, 0), |g| view.gain(0, g, 0));
            return traces.descend(view, pre, own, gain, credit, descent);
        };
        leak.scale(view);
        let (n, plane) = (view.dims().units, view.dims().plane());
        let (own, gain) = (&leak.own()[..n], |g: usize| &leak.gain()[g * plane..][..n]);
        traces.descend(view, pre, own, gain, credit, descent);
    }
}
