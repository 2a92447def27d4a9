//! Sizes from which arrays are counted, as floating-point numbers that no product overflows.

use crate::cell_types::TypesSpec;
use crate::kernel::LANES;
use crate::network::NetworkSpec;

/// `length` rounded up to whole lines.
fn padded(length: f64) -> f64 {
    let lanes = LANES as f64;
    (length / lanes).ceil() * lanes
}

/// What the arrays of a learner are as large as; every method gives bytes.
#[derive(Clone, Debug)]
pub(crate) struct Sizes {
    /// Samples, B.
    pub batch: f64,
    /// Units, n.
    pub units: f64,
    /// Inputs.
    pub inputs: f64,
    /// Outputs.
    pub outputs: f64,
    /// State variables a unit, S.
    pub states: f64,
    /// Synaptic currents a unit, G.
    pub currents: f64,
    /// Bytes of a number.
    pub number: f64,
    /// Steps on the tape of a rule that looks back from an update, T.
    pub window: f64,
    /// Whether weights change at the end of trials only.
    pub by_trial: bool,
    /// Types of units, C.
    pub types: f64,
    /// Share of the recurrent synapses that there are.
    pub density: f64,
    /// Whether own and gain are the same for all units and never change.
    pub shared: bool,
}

impl Sizes {
    /// Of a network, where its units can be built.
    pub fn new(
        network: &NetworkSpec,
        batch: usize,
        inputs: usize,
        outputs: usize,
        number: usize,
    ) -> Option<Self> {
        let neuron = network.neuron.build::<f64>().ok()?;
        let (states, currents) = (neuron.states(), neuron.currents());
        let constant = neuron.constant(1.0).filter(|_| states * currents == 1);
        let types = match &network.types {
            None if network.dale.is_some() => 2,
            None => 1,
            Some(TypesSpec::Contiguous { count }) => *count,
            Some(TypesSpec::BySign { each }) => each.saturating_mul(2),
            Some(TypesSpec::Given { of }) => of.iter().max().map_or(1, |t| t.saturating_add(1)),
        };
        Some(Self {
            batch: batch as f64,
            units: network.units as f64,
            inputs: inputs as f64,
            outputs: outputs as f64,
            states: states as f64,
            currents: currents as f64,
            number: number as f64,
            window: 1.0,
            by_trial: false,
            types: types.min(network.units) as f64,
            density: network.sparsity.map_or(1.0, |s| s.density.clamp(0.0, 1.0)),
            shared: constant.is_some_and(|partials| partials.shared),
        })
    }

    /// Length of the presynaptic vector, m.
    pub fn pre(&self) -> f64 {
        self.units + self.inputs + 1.0
    }

    /// A list of numbers.
    pub fn vector(&self, length: f64) -> f64 {
        padded(length) * self.number
    }

    /// A matrix with padded rows.
    pub fn matrix(&self, rows: f64, columns: f64) -> f64 {
        rows * padded(columns) * self.number
    }

    /// One number for each unit and sample.
    pub fn plane(&self) -> f64 {
        self.matrix(self.batch, self.units)
    }

    /// One number for each synapse of the recurrent layer.
    pub fn synapses(&self) -> f64 {
        self.matrix(self.currents * self.units, self.pre())
    }

    /// One number for each synapse and output.
    pub fn readout(&self) -> f64 {
        self.matrix(self.outputs, self.units + 1.0)
    }

    /// An influence of `columns` weights on `states`, with its sums.
    pub fn panels(&self, states: f64, columns: f64) -> f64 {
        self.matrix(states + 1.0, columns) + padded(states) * LANES as f64 * self.number
    }

    /// The Jacobian of the states of one sample.
    pub fn jacobian(&self) -> f64 {
        let states = self.states * self.units;
        self.matrix(states, states)
    }

    /// A traces of every synapse and sample, once a state variable.
    pub fn traces(&self) -> f64 {
        self.batch * self.states * self.synapses() + self.matrix(self.states, self.pre())
    }

    /// A tape with `step` bytes a step: lists double as they grow.
    pub fn tape(&self, step: f64) -> f64 {
        2.0 * step * self.window
    }

    /// Presynaptic activity, own, gain and slope of one step of one sample.
    pub fn kept(&self) -> f64 {
        let rows = self.states * (self.states + self.currents + 1.0);
        self.matrix(rows, self.units) + self.vector(self.pre())
    }

    /// Factors of the steps whose gradient is summed at once: a quarter of what stays in the cache, or one step.
    pub fn chunk(&self) -> f64 {
        const CACHED: f64 = 65_536.0;
        let steps = CACHED / (padded(self.units) + padded(self.pre())) / self.batch;
        self.currents * steps.max(1.0) * self.plane()
    }

    /// Activity of every unit and sample.
    pub fn activity(&self) -> f64 {
        let (s, g) = (self.states, self.currents);
        (g + 4.0 * s + 1.0 + s * s + s * g) * self.plane()
            + self.matrix(self.batch, self.pre())
            + self.matrix(self.batch, self.units + 1.0)
            + self.matrix(self.batch, self.outputs)
    }
}

/// What one setting makes an experiment keep in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// The setting, as it is written in configurations.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Bytes.
    pub bytes: f64,
    /// Whether a checkpoint copies them.
    pub saved: bool,
}

impl Need {
    pub(crate) fn new(key: impl Into<String>, value: impl ToString, bytes: f64) -> Self {
        Self {
            key: key.into(),
            value: value.to_string(),
            bytes,
            saved: false,
        }
    }

    /// The same, copied by checkpoints.
    pub(crate) fn saved(self) -> Self {
        Self {
            saved: true,
            ..self
        }
    }
}

/// Bytes of all of them.
pub fn total(needs: &[Need]) -> f64 {
    needs.iter().map(|need| need.bytes).sum()
}

/// The memory there is, in words; not a number where it is not known.
pub(crate) fn room(there: f64) -> String {
    if there.is_nan() {
        "the memory there is".into()
    } else {
        format!("the {} of memory there is", gigabytes(there))
    }
}

/// Whether the system promises so many bytes; it may not keep its word. What any machine has is not asked for.
pub(crate) fn promised(bytes: f64) -> bool {
    const SURE: f64 = 1e9;
    let ask = |bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok();
    bytes < SURE || bytes < isize::MAX as f64 && ask(bytes as usize)
}

/// Bytes as people read them.
pub(crate) fn gigabytes(bytes: f64) -> String {
    let gigabytes = bytes / 1e9;
    if gigabytes < 1e6 {
        format!("{gigabytes:.*} GB", usize::from(gigabytes < 10.0))
    } else {
        format!("{gigabytes:.0e} GB")
    }
}
