//! No unit connects to itself: W_ii = 0, with no gradient (Liu et al. 2022, code).

use super::{Constraint, Gradients, Weights};
use crate::Scalar;
use crate::kernel::Matrix;

pub(super) struct NoSelfConnections;

fn clear<T: Scalar>(matrix: &mut Matrix<T>, units: usize) {
    for row in 0..matrix.rows() {
        matrix.row_mut(row)[row % units] = T::ZERO;
    }
}

impl<T: Scalar> Constraint<T> for NoSelfConnections {
    fn start(&mut self, weights: &mut Weights<'_, T>) {
        self.after(weights, 0.0);
    }

    fn before(&mut self, weights: &Weights<'_, T>, gradients: &mut Gradients<'_, T>) {
        let units = gradients.recurrent.rows() / weights.synapses.currents();
        clear(gradients.recurrent, units);
    }

    fn after(&mut self, weights: &mut Weights<'_, T>, _: f64) {
        let currents = weights.synapses.currents();
        let matrix = weights.synapses.weights_mut();
        let units = matrix.rows() / currents;
        clear(matrix, units);
    }
}
