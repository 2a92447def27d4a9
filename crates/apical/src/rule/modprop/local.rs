//! The local trace e(t) = own e(t−1) + gain a(t) of every synapse, once for all units where their partials are constant.

use crate::kernel::{Matrix, Simd, add_outer, add_scaled, trace};
use crate::network::Dims;
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Result, Scalar};

/// Traces of one sample after another.
pub struct LocalTrace<T> {
    shared: bool,
    /// 1 × m where all units share them, else n × m.
    rows: Vec<Matrix<T>>,
}

impl<T: Scalar> LocalTrace<T> {
    /// For a network of these sizes.
    pub fn new(dims: Dims, shared: bool) -> Self {
        let rows = if shared { 1 } else { dims.units };
        Self {
            shared,
            rows: vec![Matrix::zeros(rows, dims.pre()); dims.batch],
        }
    }

    /// Forgets the past.
    pub fn clear(&mut self) {
        self.rows.iter_mut().for_each(Matrix::clear);
    }

    /// The row all units share, if they do.
    pub fn shared(&self, b: usize) -> Option<&[T]> {
        self.shared.then(|| self.rows[b].data())
    }

    /// All rows of sample `b` and the distance between those of two units.
    pub fn rows(&self, b: usize) -> (&[T], usize) {
        let rows = &self.rows[b];
        let distance = if self.shared { 0 } else { rows.stride() };
        (rows.data(), distance)
    }

    /// Advances sample `b`; rows of their own are paid in the same pass.
    pub fn advance(
        &mut self,
        view: &View<'_, T>,
        b: usize,
        credit: &[T],
        gradient: &mut Matrix<T>,
    ) {
        let (own, gain) = (view.own(0, 0, b), view.gain(0, 0, b));
        let rows = &mut self.rows[b];
        if self.shared {
            advance_mean(view.simd(), own[0], gain[0], view.pre(b), rows.data_mut());
        } else {
            let (pre, gradient) = (view.pre(b), gradient.data_mut());
            trace(view.simd(), rows, own, gain, pre, credit, gradient);
        }
    }

    /// gradient += credit e for rows that are shared; the others were paid as they advanced.
    pub fn pay_shared(&self, simd: Simd, b: usize, credit: &[T], gradient: &mut Matrix<T>) {
        if let Some(row) = self.shared(b) {
            let stride = gradient.stride();
            add_outer(simd, gradient.data_mut(), stride, T::ONE, credit, row);
        }
    }

    /// Saves or restores the traces.
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        for (b, rows) in self.rows.iter_mut().enumerate() {
            io.matrix(&format!("trace.{b}"), rows)?;
        }
        Ok(())
    }
}

/// ē ← own ē + gain a: what a trace would be if the activation's derivative were constant. One row a sample.
pub fn advance_mean<T: Scalar>(simd: Simd, own: T, gain: T, pre: &[T], row: &mut [T]) {
    row.iter_mut().for_each(|e| *e = own * *e);
    add_scaled(simd, gain, pre, row);
}
