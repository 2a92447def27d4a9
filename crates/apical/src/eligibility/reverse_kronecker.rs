//! The missing pairing: M_(s,k),(g,i,j) ≈ A_gi B_(s,k),j, unbiased by random signs on the postsynaptic units.
//!
//! Source: Marschall, Cho & Savin 2020, section 3.2 (R-KF-RTRL). With noise ν on the currents of the units and
//! P_(s,k),j = Σ_g ν_gk gain_sg,k a_j, B̃ = J B: A ← p₀ A + p₁ ν; B ← B̃/p₀ + P/p₁, where p₀ = √(‖B̃‖/‖A‖) and
//! p₁ = √(‖P‖/√(G n)). Drops nothing in the mean; adds as much noise as UORO.
//! Shapes: A G n, B S n × m for each sample. Memory O(S n m), time O(S² n² m) a step. Not local.

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
    /// A.
    post: Buffer<T>,
    /// B, panel by panel.
    weight: Panels<T>,
}

/// Reverse Kronecker-factored real-time recurrent learning.
pub struct ReverseKronecker<T> {
    factors: Vec<Factors<T>>,
    noise: Noise<T>,
    dims: Dims,
    jacobian: FormedJacobian<T>,
    /// One row of B, for starting values.
    row: Buffer<T>,
    draw: Buffer<T>,
    credit: Buffer<T>,
    projected: Buffer<T>,
}

/// Bytes of both factors of every sample.
pub(crate) fn memory(sizes: &Sizes) -> f64 {
    let panels = sizes.panels(sizes.states * sizes.units, sizes.pre());
    sizes.batch * (panels + sizes.vector(sizes.currents * sizes.units)) + sizes.jacobian()
}

impl<T: Scalar> ReverseKronecker<T> {
    /// For a network of these sizes; A and B start standard normal.
    pub fn new(dims: Dims, spec: &NoiseSpec, stream: Stream) -> Self {
        let (states, posts) = (dims.states * dims.units, dims.currents * dims.units);
        let factors = || Factors {
            post: Buffer::zeros(posts),
            weight: Panels::zeros(states, dims.pre()),
        };
        let mut rule = Self {
            factors: (0..dims.batch).map(|_| factors()).collect(),
            noise: Noise::new(stream, spec.noise),
            dims,
            jacobian: FormedJacobian::new(dims),
            row: Buffer::zeros(dims.pre()),
            draw: Buffer::zeros(posts),
            credit: Buffer::zeros(states),
            projected: Buffer::zeros(states),
        };
        rule.reset();
        rule
    }
}

impl<T: Scalar> Eligibility<T> for ReverseKronecker<T> {
    fn reset(&mut self) {
        let dims = self.dims;
        for factors in &mut self.factors {
            self.noise
                .start(&mut factors.post[..dims.currents * dims.units]);
            for k in 0..dims.states * dims.units {
                let row = &mut self.row[..dims.pre()];
                self.noise.start(row);
                factors.weight.set_row(k, row);
            }
        }
    }

    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let dims = view.dims();
        let (n, simd) = (dims.units, view.simd());
        let posts = dims.currents * n;
        for b in 0..dims.batch {
            self.noise.fill(&mut self.draw[..posts]);
            self.projected.fill(T::ZERO);
            for s in 0..dims.states {
                let projected = &mut self.projected[s * n..(s + 1) * n];
                for g in 0..dims.currents {
                    let units = projected
                        .iter_mut()
                        .zip(view.gain(s, g, b))
                        .zip(&self.draw[g * n..]);
                    units.for_each(|((p, gain), nu)| *p += *gain * *nu);
                }
                let credit = &credit[s * dims.plane() + b * dims.sample()..][..n];
                self.credit[s * n..(s + 1) * n].copy_from_slice(credit);
            }
            let Factors { post, weight } = &mut self.factors[b];
            let jacobian = self.jacobian.form(view, b);
            let squares = weight.multiply(simd, jacobian.data(), jacobian.stride());
            let norm =
                (squared_norm(simd, &self.projected) * squared_norm(simd, view.pre(b))).root();
            let p0 = balance(squares.root(), squared_norm(simd, post).root());
            let p1 = balance(norm, T::of((posts as f64).sqrt()));
            for (a, nu) in post[..posts].iter_mut().zip(self.draw.iter()) {
                *a = p0 * *a + p1 * *nu;
            }
            let share = T::ONE / p1;
            self.projected.iter_mut().for_each(|p| *p = *p * share);
            let keep = T::ONE / p0;
            let credited = weight.rescale(simd, keep, &self.projected, view.pre(b), &self.credit);
            let stride = gradient.stride();
            add_outer(
                simd,
                gradient.data_mut(),
                stride,
                T::ONE,
                &post[..posts],
                credited,
            );
        }
    }

    fn draws(&self) -> usize {
        self.dims.batch * self.dims.currents * self.dims.units
    }

    fn noise(&mut self) -> Option<&mut Noise<T>> {
        Some(&mut self.noise)
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        let posts = self.dims.currents * self.dims.units;
        for (b, factors) in self.factors.iter_mut().enumerate() {
            io.vector(&format!("A.{b}"), posts, &mut factors.post)?;
            io.panels(&format!("B.{b}"), &mut factors.weight)?;
        }
        self.noise.state(io)
    }
}
