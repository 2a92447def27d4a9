//! What a unit does with its currents: one neuron a file, seen by rules through three partials.
//!
//! A neuron has `S` state variables a unit and receives `G` synaptic currents,
//! s_i(t) = F(s_i(t−1), u¹_i(t), …, uᴳ_i(t)) and r_i(t) = R(s_i(t)). It writes, for a whole layer,
//! `own` = ∂s_i(t)/∂s_i(t−1), `gain` = ∂s_i(t)/∂u_i(t) and `slope` = ∂r_i/∂s_i.

pub(crate) mod activation;
mod own;
mod rate;
mod two_compartment;
mod voltage;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use activation::Activation;
pub use own::{OwnNeuron, OwnNeuronSpec, neurons, register};
pub use rate::{Rate, RateSpec};
pub use two_compartment::{TwoCompartment, TwoCompartmentSpec};
pub use voltage::{Voltage, VoltageSpec};

use crate::kernel::{Buffer, Simd};
use crate::{Result, Scalar};

/// Local derivatives of one step. A plane holds one number for each sample and unit.
#[derive(Clone, Debug)]
pub struct Partials<T> {
    /// ∂s/∂s(t−1): plane `s * states + s'` holds ∂s_s(t)/∂s_s'(t−1).
    pub own: Buffer<T>,
    /// ∂s/∂u: plane `s * currents + g` holds ∂s_s(t)/∂u_g(t).
    pub gain: Buffer<T>,
    /// ∂r/∂s: plane `s`.
    pub slope: Buffer<T>,
}

impl<T: Scalar> Partials<T> {
    /// Zeros for planes of `plane` numbers.
    pub fn zeros(states: usize, currents: usize, plane: usize) -> Self {
        Self {
            own: Buffer::zeros(states * states * plane),
            gain: Buffer::zeros(states * currents * plane),
            slope: Buffer::zeros(states * plane),
        }
    }
}

/// One layer of units, all samples of a batch at once.
pub struct Layer<'a, T> {
    /// Instruction set for the loops.
    pub simd: Simd,
    /// Numbers in a plane.
    pub plane: usize,
    /// u(t), one plane a current.
    pub currents: &'a [T],
    /// s, one plane a state variable: s(t−1) on entry, s(t) on return.
    pub state: &'a mut [T],
    /// r(t), one plane.
    pub rate: &'a mut [T],
    /// Where to write the partials; `None` when nothing learns.
    pub partials: Option<&'a mut Partials<T>>,
}

/// Partials that are the same for every unit and step, of a unit with one state variable and one current.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConstantPartials {
    /// ∂s/∂s(t−1).
    pub own: f64,
    /// ∂s/∂u.
    pub gain: f64,
    /// ∂r/∂s.
    pub slope: f64,
    /// Whether own and gain are constant whatever the derivative, so that all units share their traces.
    pub shared: bool,
}

/// A kind of unit.
pub trait Neuron<T: Scalar>: Send + Sync {
    /// Name in configurations.
    fn name(&self) -> &'static str;

    /// State variables a unit, S.
    fn states(&self) -> usize {
        1
    }

    /// Synaptic currents a unit, G.
    fn currents(&self) -> usize {
        1
    }

    /// Advances every unit by one step.
    fn step(&self, layer: Layer<'_, T>);

    /// The rate and its slope at a given state: how a trial begins.
    fn read(&self, simd: Simd, plane: usize, state: &[T], rate: &mut [T], slope: &mut [T]);

    /// own, gain and slope of every unit at every step if the derivative of its activation were always `derivative`; `None` where
    /// that does not make them constant. For rules that replace the derivative by a constant; where own and gain are `shared` they are
    /// these at every step, and rules need not keep them.
    fn constant(&self, _derivative: f64) -> Option<ConstantPartials> {
        None
    }

    /// Whether `slope` is 1 everywhere, so that the state is the rate.
    fn state_is_rate(&self) -> bool {
        false
    }
}

/// Configuration of a neuron.
// The derived code reads and writes those that come with the library (`own.rs`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "NeuronSpec", transform = own::complete)]
#[non_exhaustive]
pub enum NeuronSpec {
    /// Leak on the rate.
    Rate(RateSpec),
    /// Leak on the voltage.
    Voltage(VoltageSpec),
    /// Soma and distal compartment, in two phases.
    TwoCompartment(TwoCompartmentSpec),
    /// A neuron of one's own, made known by [`register`].
    #[serde(skip)]
    Own(OwnNeuronSpec),
}

impl NeuronSpec {
    /// The neuron of this name with its default settings.
    ///
    /// # Errors
    /// A name that no neuron has.
    pub fn by_name(name: &str) -> Result<Self> {
        Ok(match name {
            "rate" => Self::Rate(RateSpec::default()),
            "voltage" => Self::Voltage(VoltageSpec::default()),
            "two_compartment" => Self::TwoCompartment(TwoCompartmentSpec::default()),
            other => match own::OWN.by_name(other) {
                Some(own) => Self::Own(own),
                None => {
                    let known: Vec<&str> = neurons().iter().map(|info| info.name).collect();
                    let expected = format!("one of {}", known.join(", "));
                    let mend = "`apical neurons` describes them.";
                    return Err(crate::Error::invalid("neuron.kind", other, expected, mend));
                }
            },
        })
    }

    /// The row of the table of neurons for this one.
    pub fn info(&self) -> &'static NeuronInfo {
        match self {
            Self::Rate(_) => &rate::INFO,
            Self::Voltage(_) => &voltage::INFO,
            Self::TwoCompartment(_) => &two_compartment::INFO,
            Self::Own(own) => &own.entry.info,
        }
    }

    /// The time constant of a unit alone, in steps.
    pub fn time_constant(&self) -> f64 {
        match self {
            Self::Rate(spec) => 1.0 / spec.alpha,
            Self::Voltage(spec) => 1.0 / (1.0 - spec.leak),
            Self::TwoCompartment(spec) => spec.time_constant(),
            Self::Own(spec) => own::time_constant(spec),
        }
    }

    /// Builds the neuron.
    ///
    /// # Errors
    /// A setting outside its range.
    #[inline(never)]
    pub fn build<T: Scalar>(&self) -> Result<Box<dyn Neuron<T>>> {
        Ok(match self {
            Self::Rate(spec) => Box::new(Rate::new(spec)?),
            Self::Voltage(spec) => Box::new(Voltage::new(spec)?),
            Self::TwoCompartment(spec) => Box::new(TwoCompartment::new(spec)?),
            Self::Own(spec) => own::build(spec)?,
        })
    }
}

/// A row of the table of neurons.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NeuronInfo {
    /// Name in configurations.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// State variables a unit.
    pub states: usize,
    /// Synaptic currents a unit.
    pub currents: usize,
    /// Equation of the state and of the rate.
    pub equation: &'static str,
}

/// Every neuron that comes with the library.
pub const NEURONS: &[NeuronInfo] = &[rate::INFO, voltage::INFO, two_compartment::INFO];
