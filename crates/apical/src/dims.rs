//! Sizes of a network, which all arrays follow.

use crate::kernel::padded;

/// Sizes of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Independent samples that share the weights, B.
    pub batch: usize,
    /// Recurrent units, n.
    pub units: usize,
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// State variables a unit, S.
    pub states: usize,
    /// Synaptic currents a unit, G.
    pub currents: usize,
}

impl Dims {
    /// Length of the presynaptic vector a = [r(t−1); x(t); 1].
    pub fn pre(&self) -> usize {
        self.units + self.inputs + 1
    }

    /// Distance between samples within a plane: the units, padded.
    #[inline(always)]
    pub fn sample(&self) -> usize {
        padded(self.units)
    }

    /// Numbers in a plane.
    #[inline(always)]
    pub fn plane(&self) -> usize {
        self.batch * self.sample()
    }
}
