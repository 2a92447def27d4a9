//! The way credit travels from unit to unit: through the weights themselves, or through their means over types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Scalar;
use crate::cell_types::CellTypes;
use crate::kernel::{Matrix, Rows, Simd, pool_rows, products};
use crate::network::{Network, TypeSums};
use crate::synapse::Synapses;

/// What stands for the weights on the way of credit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackWeights {
    /// Their means over types of units, W_αβ.
    #[default]
    Typed,
    /// Themselves.
    Cell,
}

/// Ŵ: the weights, or their means over types with or without those of units onto themselves.
pub struct Way<T> {
    kind: FeedbackWeights,
    zero_diagonal: bool,
    types: CellTypes,
    /// W_αβ of every current, [post type, pre type].
    means: Vec<T>,
    /// Row β is 1 at the units of type β.
    members: Matrix<T>,
    /// The same without room for inputs, as long as a sample of a plane.
    units: Matrix<T>,
    /// Sums over the synapses of all units of each type.
    sums: Matrix<T>,
    /// Sum over the units of each type, one row a sample.
    pooled: Matrix<T>,
}

impl<T: Scalar> Way<T> {
    /// For a network, with its types.
    pub fn new(kind: FeedbackWeights, zero_diagonal: bool, network: &Network<T>) -> Self {
        let types = network.constraints().types().clone();
        let (dims, count) = (network.dims(), types.count());
        let mut members = Matrix::zeros(count, dims.pre());
        let mut units = Matrix::zeros(count, dims.units);
        for (j, t) in types.of().iter().enumerate() {
            members.row_mut(*t)[j] = T::ONE;
            units.row_mut(*t)[j] = T::ONE;
        }
        Self {
            kind,
            zero_diagonal,
            means: vec![T::ZERO; dims.currents * count * count],
            members,
            units,
            sums: Matrix::zeros(count, dims.pre()),
            pooled: Matrix::zeros(dims.batch, count),
            types,
        }
    }

    /// Types of the units.
    pub fn types(&self) -> &CellTypes {
        &self.types
    }

    /// Whether it goes through means.
    pub fn is_typed(&self) -> bool {
        self.kind == FeedbackWeights::Typed
    }

    /// Whether a unit has no weight onto itself in means.
    pub fn has_zero_diagonal(&self) -> bool {
        self.zero_diagonal && self.is_typed()
    }

    /// W_αβ of the first current.
    pub fn means(&self) -> &[T] {
        &self.means[..self.types.count() * self.types.count()]
    }

    /// Takes the means of the present weights, from their sums over types if those are known.
    pub fn refresh(&mut self, simd: Simd, synapses: &Synapses<T>, known: Option<&TypeSums<T>>) {
        if !self.is_typed() {
            return;
        }
        let (count, n) = (self.types.count(), self.types.of().len());
        let members = Rows {
            data: self.members.data(),
            stride: self.members.stride(),
        };
        let weights = synapses.weights();
        for g in 0..synapses.currents() {
            let stride = weights.stride();
            let data = match known.and_then(|known| known.over(&self.types, g)) {
                Some(sums) => sums,
                None => {
                    self.sums.clear();
                    let (of, sums) = (self.types.of(), self.sums.data_mut());
                    pool_rows(simd, weights.band(g * n, n), stride, of, sums);
                    self.sums.data()
                }
            };
            let means = &mut self.means[g * count * count..][..count * count];
            let sums = Rows { data, stride };
            products(simd, members, count, sums, count, means, count);
            for (k, mean) in means.iter_mut().enumerate() {
                let sizes = self.types.sizes();
                *mean = *mean / T::of((sizes[k / count] * sizes[k % count]) as f64);
            }
        }
    }

    /// Σ over the units of each type: of `values`, one row a sample.
    pub fn pool(&mut self, simd: Simd, values: &[T], sample: usize) {
        let units = Rows {
            data: self.units.data(),
            stride: self.units.stride(),
        };
        let values = Rows {
            data: values,
            stride: sample,
        };
        let (count, samples) = (self.units.rows(), self.pooled.rows());
        let stride = self.pooled.stride();
        products(
            simd,
            units,
            count,
            values,
            samples,
            self.pooled.data_mut(),
            stride,
        );
    }

    /// What [`Way::pool`] found: a row of types for each sample.
    pub fn pooled(&self) -> &Matrix<T> {
        &self.pooled
    }

    /// back = Ŵᵀ f of current `g`, for every sample: planes of `sample` numbers a sample.
    pub fn back(
        &mut self,
        simd: Simd,
        synapses: &Synapses<T>,
        g: usize,
        factors: &[T],
        back: &mut [T],
        sample: usize,
    ) {
        if !self.is_typed() {
            back.fill(T::ZERO);
            synapses.back_all(simd, g, factors, back, sample);
            return;
        }
        self.pool(simd, factors, sample);
        let count = self.types.count();
        let means = &self.means[g * count * count..][..count * count];
        let samples = factors
            .chunks_exact(sample)
            .zip(back.chunks_exact_mut(sample));
        for (b, (factors, back)) in samples.enumerate() {
            for (beta, units) in self.types.runs() {
                let column = means[beta..].iter().step_by(count);
                let mut sum = T::ZERO;
                let terms = column.zip(self.pooled.row(b));
                terms.for_each(|(w, pooled)| sum += *w * *pooled);
                back[units.clone()].fill(sum);
                if self.zero_diagonal {
                    let own = means[beta * count + beta];
                    let pairs = back[units.clone()].iter_mut().zip(&factors[units]);
                    pairs.for_each(|(b, f)| *b -= own * *f);
                }
            }
        }
    }

    /// Row `i` of Ŵ, first current.
    pub fn row(&self, synapses: &Synapses<T>, i: usize, row: &mut [T]) {
        if !self.is_typed() {
            row.copy_from_slice(&synapses.weights().row(i)[..row.len()]);
            return;
        }
        let (of, count) = (self.types.of(), self.types.count());
        for (w, pre) in row.iter_mut().zip(of) {
            *w = self.means[of[i] * count + pre];
        }
        if self.zero_diagonal {
            row[i] = T::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell_types::TypesSpec;
    use crate::{Learner, LearnerSpec};

    #[test]
    fn means_count_zeros_and_are_indexed_post_then_pre() {
        let mut spec = LearnerSpec::default();
        spec.network.units = 3;
        spec.network.types = Some(TypesSpec::Given { of: vec![0, 0, 1] });
        let mut learner = Learner::<f64>::new(&spec, 2, 2, 0).unwrap();
        let w = [0.0, 2.0, 5.0, 4.0, 0.0, 7.0, 1.0, 3.0, 0.0];
        learner.set_parameter("W_rec", &w).unwrap();
        let network = learner.network();
        for zero_diagonal in [false, true] {
            let mut way = Way::new(FeedbackWeights::Typed, zero_diagonal, network);
            way.refresh(network.simd(), network.synapses(), None);
            assert_eq!(way.means(), [1.5, 6.0, 2.0, 0.0]);
            let mut row = [0.0; 3];
            way.row(network.synapses(), 1, &mut row);
            let own = if zero_diagonal { 0.0 } else { 1.5 };
            assert_eq!(row, [1.5, own, 6.0]);
            // Back through Ŵᵀ: the credit of unit 2 reaches the units of type 0 alone.
            let sample = learner.network().dims().sample();
            let (mut factors, mut back) = (vec![0.0; sample], vec![0.0; sample]);
            factors[2] = 1.0;
            way.back(
                network.simd(),
                network.synapses(),
                0,
                &factors,
                &mut back,
                sample,
            );
            assert_eq!(&back[..3], [2.0, 2.0, 0.0]);
        }
    }
}
