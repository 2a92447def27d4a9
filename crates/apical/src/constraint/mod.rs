//! What weights may be: signs, missing synapses, types of units; one constraint a file.
//!
//! A constraint acts three times: on the weights as drawn, before each update (synapses that do not exist get no gradient)
//! and after it. Every constraint serves every rule, neuron and optimizer; none of them costs anything where it is not asked for.

mod dale;
mod rewiring;
mod self_connections;
mod sparsity;

pub use crate::cell_types::{CellTypes, TypesSpec};
pub use dale::{DaleMethod, DaleSpec};
pub use rewiring::RewiringSpec;
pub use sparsity::SparsitySpec;

use crate::dims::Dims;
use crate::kernel::Matrix;
use crate::snapshot::StateIo;
use crate::stream::Streams;
use crate::synapse::Synapses;
use crate::{Result, Scalar};

/// The weights a constraint may change.
pub struct Weights<'a, T> {
    /// Recurrent and input weights.
    pub synapses: &'a mut Synapses<T>,
    /// [W_out, b_out], one row an output.
    pub readout: &'a mut Matrix<T>,
}

/// Gradients pending for an update, shaped as the weights.
pub struct Gradients<'a, T> {
    /// Of the recurrent matrix, (G n) × m.
    pub recurrent: &'a mut Matrix<T>,
    /// Of [W_out, b_out].
    pub readout: &'a mut Matrix<T>,
}

/// What a network asks of its weights.
pub struct Chosen<'a> {
    /// Whether units may connect to themselves.
    pub self_connections: bool,
    /// Which recurrent weights there are.
    pub sparsity: Option<&'a SparsitySpec>,
    /// Which units excite.
    pub dale: Option<&'a DaleSpec>,
    /// The type of each unit.
    pub types: Option<&'a TypesSpec>,
}

/// Keeps weights where they may be.
pub trait Constraint<T: Scalar>: Send + Sync {
    /// The weights have just been drawn: brings them where they may be.
    fn start(&mut self, weights: &mut Weights<'_, T>);

    /// An update comes: looks at the weights before it, and clears gradients of synapses that do not exist.
    fn before(&mut self, _weights: &Weights<'_, T>, _gradients: &mut Gradients<'_, T>) {}

    /// An update with this learning rate was made: brings the weights back where they may be.
    fn after(&mut self, weights: &mut Weights<'_, T>, rate: f64);

    /// Saves or restores what does not follow from the weights.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    fn state(&mut self, _io: &mut StateIo<'_>) -> Result<()> {
        Ok(())
    }
}

/// The constraints of one network, in the order in which they act.
pub struct Constraints<T> {
    list: Vec<(&'static str, Box<dyn Constraint<T>>)>,
    excitatory: Option<Vec<bool>>,
    types: CellTypes,
    self_connections: bool,
}

impl<T: Scalar> Constraints<T> {
    /// None, and all units of one type.
    pub fn none(units: usize) -> Self {
        Self {
            list: Vec::new(),
            excitatory: None,
            types: CellTypes::one(units),
            self_connections: true,
        }
    }

    /// Those of `spec`; masks are drawn from the stream `sparsity`.
    ///
    /// # Errors
    /// A setting out of range.
    pub fn new(chosen: &Chosen<'_>, dims: Dims, streams: &Streams) -> Result<Self> {
        let excitatory = match chosen.dale {
            Some(dale) => Some(dale.signs(dims.units)?),
            None => None,
        };
        let mut list: Vec<(&'static str, Box<dyn Constraint<T>>)> = Vec::new();
        if !chosen.self_connections {
            let mask = self_connections::NoSelfConnections;
            list.push(("self_connections", Box::new(mask)));
        }
        if let Some(sparsity) = chosen.sparsity {
            let mask = sparsity::Sparsity::new(sparsity, dims, streams)?;
            list.push(("sparsity", Box::new(mask)));
        }
        if let (Some(dale), Some(excitatory)) = (chosen.dale, &excitatory) {
            list.push(("dale", dale.build(excitatory, dims)));
        }
        if let Some(rewiring) = chosen.sparsity.and_then(|s| s.rewiring.as_ref()) {
            let readout = chosen.dale.is_some_and(|dale| dale.readout);
            let rewiring = rewiring::Rewiring::new(rewiring, readout, dims, streams)?;
            list.push(("rewiring", Box::new(rewiring)));
        }
        let types = CellTypes::new(chosen.types, excitatory.as_deref(), dims.units)?;
        Ok(Self {
            list,
            excitatory,
            types,
            self_connections: chosen.self_connections,
        })
    }

    /// Which units are excitatory, under Dale's law.
    pub fn excitatory(&self) -> Option<&[bool]> {
        self.excitatory.as_deref()
    }

    /// Types of the units.
    pub fn types(&self) -> &CellTypes {
        &self.types
    }

    /// Puts other types in place of these, for experiments of one's own.
    ///
    /// # Errors
    /// Types of another number of units.
    pub fn set_types(&mut self, types: CellTypes) -> Result<()> {
        types.check(self.types.of().len())?;
        self.types = types;
        Ok(())
    }

    /// Whether units may connect to themselves.
    pub fn self_connections(&self) -> bool {
        self.self_connections
    }

    /// Brings weights as drawn where they may be.
    pub fn start(&mut self, weights: &mut Weights<'_, T>) {
        for (_, constraint) in &mut self.list {
            constraint.start(weights);
        }
    }

    /// Before an update.
    pub fn before(&mut self, weights: &Weights<'_, T>, gradients: &mut Gradients<'_, T>) {
        for (_, constraint) in &mut self.list {
            constraint.before(weights, gradients);
        }
    }

    /// After an update with this learning rate.
    pub fn after(&mut self, weights: &mut Weights<'_, T>, rate: f64) {
        for (_, constraint) in &mut self.list {
            constraint.after(weights, rate);
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Saves or restores what does not follow from the weights.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        for (name, constraint) in &mut self.list {
            io.scope(name, |io| constraint.state(io))?;
        }
        Ok(())
    }
}
