//! Influence as a Kronecker product: M_(s,k),(g,i,j) ≈ A_j B_(s,k),(g,i), unbiased by random signs.
//!
//! Source: Mujika, Meier & Steger 2018; Marschall, Cho & Savin 2020, section 3.2 (KF-RTRL). With two noise numbers a
//! step, D = the gains and B̃ = J B: A ← ν₀ p₀ A + ν₁ p₁ a; B ← ν₀ B̃/p₀ + ν₁ D/p₁, where p₀ = √(‖B̃‖/‖A‖) and
//! p₁ = √(‖D‖/‖a‖). Drops nothing in the mean; adds less noise than UORO, because the sum over presynaptic units is kept.
//! Shapes: A m, B S n × G n for each sample. Memory O(S G n²), time O(S² G n³) a step. Not local.

use super::Eligibility;
use super::uoro::{NoiseSpec, balance};
use crate::jacobian::FormedJacobian;
use crate::kernel::{Buffer, Matrix, Panels, add_outer, squared_norm};
use crate::network::Dims;
use crate::noise::Noise;
use crate::sizes::Sizes;
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::view::View;
use crate::{Result, Scalar};

struct Factors<T> {
    /// A, padded.
    pre: Buffer<T>,
    /// B, panel by panel.
    weight: Panels<T>,
}

/// Kronecker-factored real-time recurrent learning.
pub struct Kronecker<T> {
    factors: Vec<Factors<T>>,
    noise: Noise<T>,
    dims: Dims,
    jacobian: FormedJacobian<T>,
    /// One row of B for starting values, or the credit that reaches every column.
    row: Buffer<T>,
    credit: Buffer<T>,
}

/// Bytes of both factors of every sample.
pub(crate) fn memory(sizes: &Sizes) -> f64 {
    let panels = sizes.panels(sizes.states * sizes.units, sizes.currents * sizes.units);
    sizes.batch * (panels + sizes.vector(sizes.pre())) + sizes.jacobian()
}

impl<T: Scalar> Kronecker<T> {
    /// For a network of these sizes; A and B start standard normal.
    pub fn new(dims: Dims, spec: &NoiseSpec, stream: Stream) -> Self {
        let states = dims.states * dims.units;
        let factors = || Factors {
            pre: Buffer::zeros(dims.pre()),
            weight: Panels::zeros(states, dims.currents * dims.units),
        };
        let mut rule = Self {
            factors: (0..dims.batch).map(|_| factors()).collect(),
            noise: Noise::new(stream, spec.noise),
            dims,
            jacobian: FormedJacobian::new(dims),
            row: Buffer::zeros(dims.currents * dims.units),
            credit: Buffer::zeros(states),
        };
        rule.reset();
        rule
    }
}

impl<T: Scalar> Eligibility<T> for Kronecker<T> {
    fn reset(&mut self) {
        let dims = self.dims;
        let columns = dims.currents * dims.units;
        for factors in &mut self.factors {
            self.noise.start(&mut factors.pre[..dims.pre()]);
            for k in 0..dims.states * dims.units {
                let row = &mut self.row[..columns];
                self.noise.start(row);
                factors.weight.set_row(k, row);
            }
        }
    }

    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let dims = view.dims();
        let (n, m, simd) = (dims.units, dims.pre(), view.simd());
        for b in 0..dims.batch {
            let mut nu = [T::ZERO; 2];
            self.noise.fill(&mut nu);
            let Factors { pre, weight } = &mut self.factors[b];
            let jacobian = self.jacobian.form(view, b);
            let squares = weight.multiply(simd, jacobian.data(), jacobian.stride());
            let mut gains = T::ZERO;
            for s in 0..dims.states {
                for g in 0..dims.currents {
                    view.gain(s, g, b)
                        .iter()
                        .for_each(|gain| gains += *gain * *gain);
                }
            }
            let p0 = balance(squares.root(), squared_norm(simd, pre).root());
            let p1 = balance(gains.root(), squared_norm(simd, view.pre(b)).root());
            for (a, new) in pre[..m].iter_mut().zip(view.pre(b)) {
                *a = nu[0] * p0 * *a + nu[1] * p1 * *new;
            }
            for s in 0..dims.states {
                let credit = &credit[s * dims.plane() + b * dims.sample()..][..n];
                self.credit[s * n..(s + 1) * n].copy_from_slice(credit);
            }
            // Without the gains, which have one number a column; they are added to both.
            let credited = weight.rescale(simd, nu[0] / p0, &[], &[], &self.credit);
            self.row[..dims.currents * n].copy_from_slice(&credited[..dims.currents * n]);
            let share = nu[1] / p1;
            for s in 0..dims.states {
                for g in 0..dims.currents {
                    for (i, gain) in view.gain(s, g, b).iter().enumerate() {
                        weight.add(s * n + i, g * n + i, share * *gain);
                        self.row[g * n + i] += self.credit[s * n + i] * share * *gain;
                    }
                }
            }
            let stride = gradient.stride();
            let rows = dims.currents * n;
            add_outer(
                simd,
                gradient.data_mut(),
                stride,
                T::ONE,
                &self.row[..rows],
                pre,
            );
        }
    }

    fn draws(&self) -> usize {
        2 * self.dims.batch
    }

    fn noise(&mut self) -> Option<&mut Noise<T>> {
        Some(&mut self.noise)
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        for (b, factors) in self.factors.iter_mut().enumerate() {
            io.vector(&format!("A.{b}"), self.dims.pre(), &mut factors.pre)?;
            io.panels(&format!("B.{b}"), &mut factors.weight)?;
        }
        self.noise.state(io)
    }
}
