//! Neurons of one's own: with settings in TOML, a receipt of their partials and a row in the table.

use std::any::TypeId;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{NEURONS, Neuron, NeuronInfo, NeuronSpec};
use crate::own::{self, Own, Registry, same, with_own};
use crate::{Result, Scalar};

/// A neuron that does not come with the library; the type holds its settings, and [`register`] makes it known by its name.
pub trait OwnNeuron: Default + Serialize + DeserializeOwned + 'static {
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

/// A neuron that was registered.
pub struct Entry {
    pub(super) info: NeuronInfo,
    complete: fn(Value) -> serde_json::Result<Value>,
    time_constant: fn(&Value) -> Result<f64>,
    f32: Build<f32>,
    f64: Build<f64>,
}

impl own::Entry for Entry {
    const FIELD: &'static str = "neuron";
    fn names(&self) -> Vec<&'static str> {
        vec![self.info.name]
    }
    fn complete(&self, settings: Value) -> serde_json::Result<Value> {
        (self.complete)(settings)
    }
}

static OWN: Registry<Entry> = Registry::new();

/// Makes a neuron known: experiments may name it from now on, and the table has it.
///
/// # Errors
/// A name that another neuron has.
pub fn register<N: OwnNeuron>() -> Result<()> {
    let taken: Vec<&str> = NEURONS.iter().map(|info| info.name).collect();
    let entry = Entry {
        info: N::INFO,
        complete: |settings| serde_json::to_value(serde_json::from_value::<N>(settings)?),
        time_constant: |settings| Ok(Own::<Entry>::typed::<N>(settings)?.time_constant()),
        f32: |settings| Own::<Entry>::typed::<N>(settings)?.build(),
        f64: |settings| Own::<Entry>::typed::<N>(settings)?.build(),
    };
    OWN.add(entry, &taken)
}

/// The row of every neuron there is, registered ones last.
pub fn neurons() -> Vec<&'static NeuronInfo> {
    let own = OWN.all().into_iter().map(|entry| &entry.info);
    NEURONS.iter().chain(own).collect()
}

/// A registered neuron with its settings.
pub type OwnNeuronSpec = Own<Entry>;

/// The registered neuron of this name with its default settings.
pub(super) fn by_name(name: &str) -> Option<OwnNeuronSpec> {
    Own::new(OWN.find(name)?, Default::default()).ok()
}

pub(super) fn time_constant(own: &OwnNeuronSpec) -> f64 {
    (own.entry.time_constant)(&own.settings).unwrap_or(1.0)
}

pub(super) fn build<T: Scalar>(own: &OwnNeuronSpec) -> Result<Box<dyn Neuron<T>>> {
    match TypeId::of::<T>() == TypeId::of::<f32>() {
        true => same((own.entry.f32)(&own.settings)?),
        false => same((own.entry.f64)(&own.settings)?),
    }
}

with_own!(NeuronSpec, OWN);
