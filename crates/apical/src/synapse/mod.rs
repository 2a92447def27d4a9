//! The weights of the recurrent layer, `[post, pre]`, and how they start.

mod balanced;
mod init;
mod orthonormal;
mod typed;

use crate::kernel::{
    Matrix, Rows, Simd, add_transposed, add_transposed_products, pooled_product, product, products,
};
use crate::stream::Stream;
use crate::{Result, Scalar};

pub(crate) use balanced::fill_balanced;
pub use init::{Fan, Init, Signs};
pub(crate) use typed::{Blocks, fill_typed};

/// W = [W_rec, W_in, b]: row `g * units + i` holds the synapses of current g of unit i, from the
/// presynaptic vector a(t) = [r(t−1); x(t); 1].
#[derive(Clone, Debug)]
pub struct Synapses<T> {
    weights: Matrix<T>,
    currents: usize,
    units: usize,
    inputs: usize,
}

impl<T: Scalar> Synapses<T> {
    /// All weights zero.
    pub fn zeros(currents: usize, units: usize, inputs: usize) -> Self {
        Self {
            weights: Matrix::zeros(currents * units, units + inputs + 1),
            currents,
            units,
            inputs,
        }
    }

    /// Draws W_rec, W_in and b, current by current.
    ///
    /// # Errors
    /// Those of [`Init::fill`].
    pub fn draw(
        &mut self,
        recurrent: &Init,
        input: &Init,
        bias: &Init,
        stream: &mut Stream,
    ) -> Result<()> {
        let (n, x) = (self.units, self.inputs);
        for g in 0..self.currents {
            recurrent.fill(
                "network.recurrent",
                &mut self.weights,
                g * n..(g + 1) * n,
                0..n,
                stream,
            )?;
            input.fill(
                "network.input",
                &mut self.weights,
                g * n..(g + 1) * n,
                n..n + x,
                stream,
            )?;
            bias.fill(
                "network.bias",
                &mut self.weights,
                g * n..(g + 1) * n,
                n + x..n + x + 1,
                stream,
            )?;
        }
        Ok(())
    }

    /// The matrix.
    pub fn weights(&self) -> &Matrix<T> {
        &self.weights
    }

    /// The matrix.
    pub fn weights_mut(&mut self) -> &mut Matrix<T> {
        &mut self.weights
    }

    /// Synaptic currents a unit, G.
    pub fn currents(&self) -> usize {
        self.currents
    }

    /// W_rec of current `g` from unit `j` to unit `i`.
    #[inline(always)]
    pub fn recurrent(&self, g: usize, i: usize, j: usize) -> T {
        self.weights.row(g * self.units + i)[j]
    }

    /// u^g = W^g a for one sample.
    pub fn drive(&self, simd: Simd, g: usize, pre: &[T], currents: &mut [T]) {
        let band = self.weights.band(g * self.units, self.units);
        product(
            simd,
            band,
            self.weights.stride(),
            pre,
            &mut currents[..self.units],
        );
    }

    /// u^g = W^g a for every sample: `pre` has one row a sample, `currents` one every `sample` numbers.
    pub fn drive_all(
        &self,
        simd: Simd,
        g: usize,
        pre: &Matrix<T>,
        currents: &mut [T],
        sample: usize,
    ) {
        let vectors = Rows {
            data: pre.data(),
            stride: pre.stride(),
        };
        let (band, rows) = (self.band(g), self.units);
        products(simd, band, rows, vectors, pre.rows(), currents, sample);
    }

    /// As [`Synapses::drive`], with the sums over the synapses of all units of each type: one row a type in `sums`.
    pub fn drive_and_sum(
        &self,
        simd: Simd,
        g: usize,
        pre: &[T],
        currents: &mut [T],
        of: &[usize],
        sums: &mut [T],
    ) {
        let band = self.weights.band(g * self.units, self.units);
        let (stride, currents) = (self.weights.stride(), &mut currents[..self.units]);
        sums.fill(T::ZERO);
        pooled_product(simd, band, stride, pre, currents, of, sums);
    }

    /// back += (W^g_rec)ᵀ f for every sample, factors and result `sample` numbers apart.
    pub fn back_all(&self, simd: Simd, g: usize, factors: &[T], back: &mut [T], sample: usize) {
        let (rows, columns, samples) = (self.units, self.units, back.len() / sample);
        let factors = Rows {
            data: factors,
            stride: sample,
        };
        add_transposed_products(
            simd,
            self.band(g),
            rows,
            columns,
            factors,
            samples,
            back,
            sample,
        );
    }

    fn band(&self, g: usize) -> Rows<'_, T> {
        Rows {
            data: self.weights.band(g * self.units, self.units),
            stride: self.weights.stride(),
        }
    }

    /// back += (W^g_rec)ᵀ f for one sample: what unit j hears from the units it drives.
    pub fn back(&self, simd: Simd, g: usize, factors: &[T], back: &mut [T]) {
        let band = self.weights.band(g * self.units, self.units);
        add_transposed(
            simd,
            band,
            self.weights.stride(),
            &factors[..self.units],
            &mut back[..self.units],
        );
    }
}
