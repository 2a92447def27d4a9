//! What a rule may look at, in two faces: what is local to a synapse, and everything.
//!
//! A rule written against [`LocalView`] cannot read a weight: the type has no way to one.
//!
//! ```compile_fail
//! # use apical::{Scalar, view::LocalView};
//! fn peek<T: Scalar>(view: &LocalView<'_, T>) -> T {
//!     view.synapses().recurrent(0, 0, 1) // no such method: weights are on the global face
//! }
//! ```

use serde::Serialize;

use crate::Scalar;
use crate::kernel::Simd;
use crate::network::{Activity, Dims, Network, TypeSums};
use crate::synapse::Synapses;

/// What a synapse's update may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Locality {
    /// Its presynaptic activity, its postsynaptic unit's own quantities, its own traces, signals broadcast to all.
    Synapse,
    /// Also what reaches the postsynaptic unit through synapses of the rule's own, which are local in turn.
    Dendrite,
    /// Weights, traces or partials of other synapses and units.
    Network,
}

impl Locality {
    /// One word for tables.
    pub fn text(self) -> &'static str {
        match self {
            Self::Synapse => "yes",
            Self::Dendrite => "through own synapses",
            Self::Network => "no",
        }
    }
}

/// What a synapse and its two units have at hand: presynaptic activity, the unit's own state and
/// partials, and signals broadcast to all units (targets).
#[derive(Clone, Copy)]
pub struct LocalView<'a, T> {
    dims: Dims,
    simd: Simd,
    activity: &'a Activity<T>,
    target: &'a [T],
    losses: &'a [T],
    first: bool,
}

impl<'a, T: Scalar> LocalView<'a, T> {
    pub(crate) fn new(
        dims: Dims,
        simd: Simd,
        activity: &'a Activity<T>,
        target: &'a [T],
        losses: &'a [T],
        first: bool,
    ) -> Self {
        Self {
            dims,
            simd,
            activity,
            target,
            losses,
            first,
        }
    }

    /// Sizes.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// Instruction set for the loops.
    pub fn simd(&self) -> Simd {
        self.simd
    }

    /// Whether this is the first step of a trial.
    pub fn is_first(&self) -> bool {
        self.first
    }

    /// a(t) = [r(t−1); x(t); 1] of sample `b`, with padding.
    pub fn pre(&self, b: usize) -> &'a [T] {
        self.activity.pre.band(b, 1)
    }

    /// r(t−1) of sample `b`.
    pub fn rate_before(&self, b: usize) -> &'a [T] {
        &self.activity.pre.row(b)[..self.dims.units]
    }

    /// s_s(t) of sample `b`.
    pub fn state(&self, s: usize, b: usize) -> &'a [T] {
        self.part(&self.activity.state, s, b)
    }

    /// s_s(t−1) of sample `b`.
    pub fn state_before(&self, s: usize, b: usize) -> &'a [T] {
        self.part(&self.activity.state_before, s, b)
    }

    /// r(t) of sample `b`.
    pub fn rate(&self, b: usize) -> &'a [T] {
        &self.activity.rate[b * self.dims.sample()..][..self.dims.units]
    }

    /// ∂s_s(t)/∂s_s'(t−1) of sample `b`, one number a unit.
    pub fn own(&self, s: usize, before: usize, b: usize) -> &'a [T] {
        self.part(
            &self.activity.partials.own,
            s * self.dims.states + before,
            b,
        )
    }

    /// ∂s_s(t)/∂u_g(t) of sample `b`, one number a unit.
    pub fn gain(&self, s: usize, g: usize, b: usize) -> &'a [T] {
        self.part(&self.activity.partials.gain, s * self.dims.currents + g, b)
    }

    /// ∂r/∂s_s at t of sample `b`, one number a unit.
    pub fn slope(&self, s: usize, b: usize) -> &'a [T] {
        self.part(&self.activity.partials.slope, s, b)
    }

    /// ∂r/∂s_s at t−1 of sample `b`, one number a unit.
    pub fn slope_before(&self, s: usize, b: usize) -> &'a [T] {
        self.part(&self.activity.slope_before, s, b)
    }

    /// All planes of own, gain and slope, for rules that keep them.
    pub fn partials(&self) -> &'a crate::neuron::Partials<T> {
        &self.activity.partials
    }

    /// y*(t) of sample `b`, delivered to every unit.
    pub fn target(&self, b: usize) -> &'a [T] {
        &self.target[b * self.dims.outputs..][..self.dims.outputs]
    }

    /// L(t) of sample `b`, delivered to every unit.
    pub fn loss(&self, b: usize) -> T {
        self.losses[b]
    }

    fn part(&self, planes: &'a [T], index: usize, b: usize) -> &'a [T] {
        let start = index * self.dims.plane() + b * self.dims.sample();
        &planes[start..][..self.dims.units]
    }
}

/// Everything: the local face and the weights, hence the Jacobian.
#[derive(Clone, Copy)]
pub struct View<'a, T> {
    local: LocalView<'a, T>,
    network: &'a Network<T>,
}

impl<'a, T: Scalar> View<'a, T> {
    /// Of the step `network` has just made: `target` batch × outputs, `losses` one number a sample.
    pub fn new(
        network: &'a Network<T>,
        activity: &'a Activity<T>,
        target: &'a [T],
        losses: &'a [T],
        first: bool,
    ) -> Self {
        let (dims, simd) = (network.dims(), network.simd());
        let local = LocalView::new(dims, simd, activity, target, losses, first);
        Self { local, network }
    }

    /// The network, to imagine what it would have done.
    pub fn network(&self) -> &'a Network<T> {
        self.network
    }

    /// The local face.
    pub fn local(&self) -> LocalView<'a, T> {
        self.local
    }

    /// The weights that produced this step.
    pub fn synapses(&self) -> &'a Synapses<T> {
        self.network.synapses()
    }

    /// Sums of the weights that produced this step over the units of each type, if the step took them.
    pub fn type_sums(&self) -> Option<&'a TypeSums<T>> {
        self.local.activity.type_sums.as_ref()
    }

    /// The Jacobian element ∂s_s,k(t)/∂s_s',l(t−1) of sample `b`, for row s·n + k and column s'·n + l.
    #[inline(always)]
    pub fn jacobian(&self, b: usize, row: usize, column: usize) -> T {
        let Dims {
            units, currents, ..
        } = self.local.dims;
        let (s, k) = (row / units, row % units);
        let (before, l) = (column / units, column % units);
        let mut weight = T::ZERO;
        for g in 0..currents {
            weight += self.local.gain(s, g, b)[k] * self.network.synapses().recurrent(g, k, l);
        }
        let through = weight * self.local.slope_before(before, b)[l];
        if k == l {
            through + self.local.own(s, before, b)[k]
        } else {
            through
        }
    }
}

impl<'a, T> std::ops::Deref for View<'a, T> {
    type Target = LocalView<'a, T>;
    fn deref(&self) -> &Self::Target {
        &self.local
    }
}
