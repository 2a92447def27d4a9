//! Influence as one product of two vectors: M_(s,k),(g,i,j) ≈ A_sk B_gij, unbiased by random signs.
//!
//! Source: Tallec & Ollivier 2017; Marschall, Cho & Savin 2020, section 3.2 (UORO). With noise ν on the states and
//! P_gij = Σ_s ν_si gain_sg,i a_j: Ã = J A; A ← p₀ Ã + p₁ ν; B ← B/p₀ + P/p₁, where p₀ = √(‖B‖/‖Ã‖) and
//! p₁ = √(‖P‖/√(S n)) keep the two factors of equal size. Drops nothing in the mean; adds noise.
//! With `epsilon` Ã = (F(s(t−1) + ε A) − s(t)) / ε is taken from a second step of the network instead, p₀ = √(‖B‖/(‖Ã‖ + ε)) + ε
//! and p₁ = √(‖P‖/(√(S n) + ε)) + ε, as the published code has it.
//! A zero norm leaves its p at 1 (the published code divides by it). Shapes: A S n, B G n × m for each sample.
//! Memory O(G n m), time O(G n m) a step. Not local: Ã needs every weight, the norms are global.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Eligibility;
use crate::jacobian::JacobianProduct;
use crate::kernel::{Buffer, Matrix, rank_one, squared_norm};
use crate::network::{Activity, Dims, Network};
use crate::noise::{Distribution, Noise};
use crate::sizes::Sizes;
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::view::View;
use crate::{Error, Result, Scalar};

/// Configuration of rules with injected noise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoiseSpec {
    /// Distribution of the noise, always with variance 1.
    pub noise: Distribution,
}

/// Configuration of UORO.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UoroSpec {
    /// Distribution of the noise, always with variance 1.
    pub noise: Distribution,
    /// ε of the forward difference; the exact product with J by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub epsilon: Option<f64>,
}

impl UoroSpec {
    /// Bytes of both factors of every sample.
    pub(crate) fn memory(&self, sizes: &Sizes) -> f64 {
        let moved = self.epsilon.map_or(0.0, |_| sizes.activity());
        let state = sizes.states * sizes.vector(sizes.units);
        sizes.batch * (sizes.synapses() + state) + 4.0 * state + moved
    }
}

/// √(a/b), or 1 where that is no positive number.
pub(super) fn balance<T: Scalar>(a: T, b: T) -> T {
    if a > T::ZERO && b > T::ZERO {
        (a / b).root()
    } else {
        T::ONE
    }
}

struct Factors<T> {
    /// A: variable s of unit i at `s * sample + i`.
    state: Buffer<T>,
    /// B.
    weight: Matrix<T>,
    norm: T,
}

/// Unbiased online recurrent optimization.
pub struct Uoro<T> {
    factors: Vec<Factors<T>>,
    noise: Noise<T>,
    dims: Dims,
    product: JacobianProduct<T>,
    /// ε, and the activity of the step it moves.
    difference: Option<(T, Box<Activity<T>>)>,
    x: Vec<T>,
    draw: Buffer<T>,
    carried: Buffer<T>,
    projected: Buffer<T>,
}

impl<T: Scalar> Uoro<T> {
    /// For `network`; A and B start standard normal.
    ///
    /// # Errors
    /// An ε that is not positive, or too small for the number type.
    pub fn new(spec: &UoroSpec, network: &Network<T>, stream: Stream) -> Result<Self> {
        let dims = network.dims();
        let least = if size_of::<T>() == 4 { 1e-4 } else { 1e-10 };
        if let Some(epsilon) = spec.epsilon
            && !(epsilon.is_finite() && epsilon >= least)
        {
            return Err(Error::invalid(
                "rule.epsilon",
                epsilon,
                format!(
                    "at least {least:e} at this precision: below it the difference is rounding"
                ),
                "1e-3 (f32) or 1e-7 (f64) is a start; remove the key for the exact product.",
            ));
        }
        let states = dims.states * dims.sample();
        let mut rule = Self {
            factors: (0..dims.batch)
                .map(|_| Factors {
                    state: Buffer::zeros(states),
                    weight: Matrix::zeros(dims.currents * dims.units, dims.pre()),
                    norm: T::ZERO,
                })
                .collect(),
            noise: Noise::new(stream, spec.noise),
            dims,
            product: JacobianProduct::new(dims),
            difference: spec
                .epsilon
                .map(|epsilon| (T::of(epsilon), Box::new(Activity::new(dims)))),
            x: vec![T::ZERO; dims.batch * dims.inputs],
            draw: Buffer::zeros(states),
            carried: Buffer::zeros(states),
            projected: Buffer::zeros(dims.currents * dims.units),
        };
        rule.start();
        Ok(rule)
    }

    /// What one more step from s(t−1) + ε A of every sample leads to.
    fn move_states(&mut self, view: &View<'_, T>) {
        let Some((epsilon, moved)) = &mut self.difference else {
            return;
        };
        let dims = self.dims;
        let (n, sample) = (dims.units, dims.sample());
        for (b, factors) in self.factors.iter().enumerate() {
            for s in 0..dims.states {
                let state = &mut moved.state[s * dims.plane() + b * sample..][..n];
                let start = view
                    .state_before(s, b)
                    .iter()
                    .zip(&factors.state[s * sample..]);
                for (state, (s, a)) in state.iter_mut().zip(start) {
                    *state = *s + *epsilon * *a;
                }
            }
            let x = &view.pre(b)[n..n + dims.inputs];
            self.x[b * dims.inputs..][..dims.inputs].copy_from_slice(x);
        }
        let network = view.network();
        network.neuron().read(
            network.simd(),
            dims.plane(),
            &moved.state,
            &mut moved.rate,
            &mut moved.partials.slope,
        );
        network.step::<false>(moved, &self.x);
    }

    fn start(&mut self) {
        let dims = self.dims;
        for factors in &mut self.factors {
            for s in 0..dims.states {
                self.noise
                    .start(&mut factors.state[s * dims.sample()..][..dims.units]);
            }
            for row in 0..factors.weight.rows() {
                self.noise.start(factors.weight.row_mut(row));
            }
            factors.norm = norm_of(&factors.weight);
        }
    }
}

fn norm_of<T: Scalar>(matrix: &Matrix<T>) -> T {
    squared_norm(crate::kernel::Simd::portable(), matrix.data()).root()
}

impl<T: Scalar> Eligibility<T> for Uoro<T> {
    fn reset(&mut self) {
        self.start();
    }

    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let dims = view.dims();
        let (n, sample, simd) = (dims.units, dims.sample(), view.simd());
        self.move_states(view);
        for b in 0..dims.batch {
            let factors = &mut self.factors[b];
            for s in 0..dims.states {
                self.noise.fill(&mut self.draw[s * sample..][..n]);
            }
            self.projected.fill(T::ZERO);
            for g in 0..dims.currents {
                let projected = &mut self.projected[g * n..][..n];
                for s in 0..dims.states {
                    let units = projected
                        .iter_mut()
                        .zip(view.gain(s, g, b))
                        .zip(&self.draw[s * sample..]);
                    units.for_each(|((p, gain), nu)| *p += *gain * *nu);
                }
            }
            match &self.difference {
                None => self
                    .product
                    .forward(view, b, &factors.state, &mut self.carried),
                Some((epsilon, moved)) => {
                    for s in 0..dims.states {
                        let carried = self.carried[s * sample..][..n].iter_mut();
                        let moved = &moved.state[s * dims.plane() + b * sample..][..n];
                        let pairs = moved.iter().zip(view.state(s, b));
                        carried
                            .zip(pairs)
                            .for_each(|(c, (m, s))| *c = (*m - *s) / *epsilon);
                    }
                }
            }
            let carried = squared_norm(simd, &self.carried).root();
            let projected =
                (squared_norm(simd, &self.projected) * squared_norm(simd, view.pre(b))).root();
            let spread = T::of((dims.states as f64 * n as f64).sqrt());
            let (p0, p1) = match &self.difference {
                None => (balance(factors.norm, carried), balance(projected, spread)),
                Some((epsilon, _)) => (
                    (factors.norm / (carried + *epsilon)).root() + *epsilon,
                    (projected / (spread + *epsilon)).root() + *epsilon,
                ),
            };
            let mut credited = T::ZERO;
            for s in 0..dims.states {
                let credit = &credit[s * dims.plane() + b * sample..][..n];
                for (i, c) in credit.iter().enumerate() {
                    let k = s * sample + i;
                    factors.state[k] = p0 * self.carried[k] + p1 * self.draw[k];
                    credited += *c * factors.state[k];
                }
            }
            let share = T::ONE / p1;
            self.projected.iter_mut().for_each(|p| *p = *p * share);
            let rows = dims.currents * n;
            let squares = rank_one(
                simd,
                &mut factors.weight,
                T::ONE / p0,
                &self.projected[..rows],
                view.pre(b),
                credited,
                gradient.data_mut(),
            );
            factors.norm = squares.root();
        }
    }

    fn draws(&self) -> usize {
        self.dims.batch * self.dims.states * self.dims.units
    }

    fn noise(&mut self) -> Option<&mut Noise<T>> {
        Some(&mut self.noise)
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        for (b, factors) in self.factors.iter_mut().enumerate() {
            io.planes(&format!("A.{b}"), self.dims, &mut factors.state)?;
            io.matrix(&format!("B.{b}"), &mut factors.weight)?;
            if io.is_setting() {
                factors.norm = norm_of(&factors.weight);
            }
            io.values(
                &format!("norm.{b}"),
                std::slice::from_mut(&mut factors.norm),
            )?;
        }
        self.noise.state(io)
    }
}
