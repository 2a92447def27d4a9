//! What a trace pairs with the unit's sensitivity: the input of now, or that of the step before.
//!
//! The current u(t) holds x(t), so the exact partner of φ'(u(t)) is x(t). Murray 2019 prints x(t−1) (Eqs. 6, 11, 17) and
//! the published notebook follows; Eq. 13 and the BPTT of the same paper use x(t). Both are here, the exact one by default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Scalar;
use crate::kernel::Matrix;
use crate::network::Dims;
use crate::snapshot::{Owner, StateIo};
use crate::view::LocalView;

/// Which input the traces of input synapses hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputTrace {
    /// x(t), the derivative.
    #[default]
    Current,
    /// x(t−1), as printed; 0 at the first step of a trial.
    Previous,
}

impl InputTrace {
    /// Whether it is the default, which configurations leave out.
    pub fn is_current(&self) -> bool {
        *self == Self::Current
    }
}

/// [r(t−1); x(t−1); 1] of every sample.
pub(crate) struct LaggedInput<T> {
    dims: Dims,
    pre: Matrix<T>,
    /// x(t), one row a sample, for the step to come.
    input: Matrix<T>,
}

impl<T: Scalar> LaggedInput<T> {
    pub(crate) fn new(dims: Dims) -> Self {
        Self {
            dims,
            pre: Matrix::zeros(dims.batch, dims.pre()),
            input: Matrix::zeros(dims.batch, dims.inputs.max(1)),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.input.clear();
    }

    /// Goes on by one step.
    pub(crate) fn advance(&mut self, view: &LocalView<'_, T>) {
        let Dims { units, inputs, .. } = self.dims;
        for b in 0..self.dims.batch {
            let (row, now) = (self.pre.row_mut(b), view.pre(b));
            let columns = row.len();
            row.copy_from_slice(&now[..columns]);
            let before = &mut self.input.row_mut(b)[..inputs];
            row[units..units + inputs].swap_with_slice(before);
        }
    }

    /// The row of sample `b`, with padding.
    pub(crate) fn pre(&self, b: usize) -> &[T] {
        self.pre.band(b, 1)
    }

    pub(crate) fn state(&mut self, io: &mut StateIo<'_>) -> crate::Result<()> {
        let owner = Owner::Presynaptic {
            stride: self.input.stride(),
            offset: self.dims.units,
        };
        io.of(owner).matrix("lagged_input", &mut self.input)
    }
}
