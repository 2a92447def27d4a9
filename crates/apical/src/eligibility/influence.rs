//! Everything counts: M(t) = J(t) M(t−1) + M̄(t), the exact influence of every weight on every state.
//!
//! Source: Williams & Zipser 1989; Marschall, Cho & Savin 2020, section 3.2 (RTRL). Drops nothing: exact while
//! weights stand still, and off by O(rate) while they move. Shapes: M is S n × G n m for each sample.
//! Memory O(S G n² m), time O(S² G n³ m) a step. Not local: needs every weight.

use super::Eligibility;
use crate::jacobian::FormedJacobian;
use crate::kernel::{Buffer, Direct, Matrix, Panels};
use crate::network::Dims;
use crate::sizes::{Sizes, gigabytes, promised};
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Error, Result, Scalar};

/// The full influence matrix, one for each sample of the batch.
pub struct FullInfluence<T> {
    influence: Vec<Panels<T>>,
    jacobian: FormedJacobian<T>,
    /// Row of M and gain of every state variable and current of every unit.
    direct: Vec<(usize, T)>,
    credit: Buffer<T>,
}

impl<T: Scalar> FullInfluence<T> {
    /// For a network of these sizes.
    ///
    /// # Errors
    /// More influence than the system promises memory for.
    pub fn new(dims: Dims) -> Result<Self> {
        let states = dims.states * dims.units;
        let parameters = dims.currents * dims.units * dims.pre();
        check_memory::<T>(dims, states as f64 * parameters as f64)?;
        Ok(Self {
            influence: vec![Panels::zeros(states, parameters); dims.batch],
            jacobian: FormedJacobian::new(dims),
            direct: vec![(0, T::ZERO); states * dims.currents],
            credit: Buffer::zeros(states),
        })
    }
}

/// Bytes of the influence of every weight on every state.
pub(crate) fn memory(sizes: &Sizes) -> f64 {
    let states = sizes.states * sizes.units;
    let parameters = sizes.currents * sizes.units * sizes.pre();
    let direct = states * sizes.currents * (size_of::<usize>() as f64 + 8.0);
    sizes.batch * sizes.panels(states, parameters) + sizes.jacobian() + direct
}

/// Refuses influences that the system promises no memory for: `numbers` for each sample.
pub(super) fn check_memory<T>(dims: Dims, numbers: f64) -> Result<()> {
    let bytes = dims.batch as f64 * numbers * size_of::<T>() as f64;
    if promised(bytes) {
        return Ok(());
    }
    Err(Error::invalid(
        "network.units",
        dims.units,
        format!(
            "few enough units: the influence of every weight would take {}",
            gigabytes(bytes)
        ),
        "Use fewer units, a smaller batch, or a rule with local traces.",
    ))
}

impl<T: Scalar> Eligibility<T> for FullInfluence<T> {
    fn reset(&mut self) {
        self.influence.iter_mut().for_each(Panels::clear);
    }

    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let dims = view.dims();
        let (n, m) = (dims.units, dims.pre());
        for (b, influence) in self.influence.iter_mut().enumerate() {
            let offset = b * dims.sample();
            for s in 0..dims.states {
                self.credit[s * n..(s + 1) * n]
                    .copy_from_slice(&credit[s * dims.plane() + offset..][..n]);
            }
            for g in 0..dims.currents {
                for s in 0..dims.states {
                    for (i, gain) in view.gain(s, g, b).iter().enumerate() {
                        self.direct[(g * n + i) * dims.states + s] = (s * n + i, *gain);
                    }
                }
            }
            let direct = Direct {
                rows: &self.direct,
                each: dims.states,
                pre: &view.pre(b)[..m],
            };
            let jacobian = self.jacobian.form(view, b);
            let (rows, stride) = (jacobian.data(), jacobian.stride());
            let credited = influence.advance(view.simd(), rows, stride, &direct, &self.credit);
            for (row, credited) in credited.chunks_exact(m).enumerate() {
                for (g, c) in gradient.row_mut(row).iter_mut().zip(credited) {
                    *g += *c;
                }
            }
        }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        for (b, influence) in self.influence.iter_mut().enumerate() {
            io.panels(&format!("influence.{b}"), influence)?;
        }
        Ok(())
    }
}
