//! Neurons of one's own: with settings in TOML, a receipt of their partials and a row in the table.

use std::any::TypeId;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{NEURONS, Neuron, NeuronInfo, NeuronSpec};
use crate::own::{Entry, Info, Own, Registry, same, typed, with_own};
use crate::{Result, Scalar};

/// A neuron that does not come with the library; the type holds its settings, and [`register`] makes it known by its name.
pub trait OwnNeuron: Default + Serialize + DeserializeOwned + JsonSchema + 'static {
    /// Its row in the table of neurons.
    const INFO: NeuronInfo;

    /// The time constant of a unit alone, in steps; 1 for one that remembers nothing.
    fn time_constant(&self) -> f64;

    /// Builds the neuron.
    ///
    /// # Errors
    /// A setting out of range.
    fn build<T: Scalar>(&self) -> Result<Box<dyn Neuron<T>>>;
}

type Build<T> = fn(&Value) -> Result<Box<dyn Neuron<T>>>;

/// What is made of a registered neuron.
pub struct Made {
    time_constant: fn(&Value) -> Result<f64>,
    f32: Build<f32>,
    f64: Build<f64>,
}

impl Info for NeuronInfo {
    const FIELD: &'static str = "neuron";
    fn names(&self) -> Vec<&'static str> {
        vec![self.name]
    }
    fn summary(&self) -> &'static str {
        self.summary
    }
}

pub(super) static OWN: Registry<NeuronInfo, Made> = Registry::new();

/// Makes a neuron known: experiments may name it from now on, and the table has it.
///
/// # Errors
/// A name that another neuron has.
pub fn register<N: OwnNeuron>() -> Result<()> {
    let made = Made {
        time_constant: |settings| Ok(typed::<N>("neuron", settings)?.time_constant()),
        f32: |settings| typed::<N>("neuron", settings)?.build(),
        f64: |settings| typed::<N>("neuron", settings)?.build(),
    };
    OWN.register(Entry::new::<N>(N::INFO, made), NEURONS)
}

/// The row of every neuron there is, registered ones last.
pub fn neurons() -> Vec<&'static NeuronInfo> {
    OWN.after(NEURONS)
}

/// A registered neuron with its settings.
pub type OwnNeuronSpec = Own<NeuronInfo, Made>;

pub(super) fn time_constant(own: &OwnNeuronSpec) -> f64 {
    (own.entry.made.time_constant)(&own.settings).unwrap_or(1.0)
}

pub(super) fn build<T: Scalar>(own: &OwnNeuronSpec) -> Result<Box<dyn Neuron<T>>> {
    let (made, settings) = (&own.entry.made, &own.settings);
    match TypeId::of::<T>() == TypeId::of::<f32>() {
        true => same((made.f32)(settings)?),
        false => same((made.f64)(settings)?),
    }
}

with_own!(NeuronSpec, OWN, NEURONS);
