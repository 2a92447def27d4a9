//! How gradients become weight changes.

mod adam;
mod momentum;
mod schedule;
mod sgd;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use schedule::Schedule;

use crate::feedback::Feedback;
use crate::kernel::{Buffer, Descent, Matrix, Simd, squared_norm};
use crate::network::{Dims, Network};
use crate::noise::{Distribution, Noise};
use crate::snapshot::{STEPS, StateIo};
use crate::stream::Streams;
use crate::{Error, Result, Scalar};

/// Configuration of an optimizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerSpec {
    /// Which method.
    pub kind: Method,
    /// η, the learning rate.
    #[schemars(range(min = 0.0))]
    pub rate: f64,
    /// Multiplies the rate matrix by matrix; 0 keeps a matrix as it is.
    pub rates: PerMatrix,
    /// λ: λW is added to the gradients of W_rec, W_in and W_out, not to those of the biases.
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// λ₁: λ₁ sign(W) is added to the gradients of W_rec, W_in and W_out.
    #[schemars(range(min = 0.0))]
    pub l1: f64,
    /// σ: independent N(0, σ²) is added to every gradient at each update.
    #[schemars(range(min = 0.0))]
    pub gradient_noise: f64,
    /// Whether weights of W_rec, W_in and W_out that are zero stay zero.
    pub keep_sparsity: bool,
    /// Bound on the norm of all gradients together; none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub clip: Option<f64>,
    /// How the rate changes over updates.
    pub schedule: Schedule,
    /// μ of momentum, 0.8 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub momentum: Option<f64>,
    /// β₁ and β₂ of Adam, 0.9 and 0.999 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = crate::schema::shares)]
    pub betas: Option<[f64; 2]>,
    /// ε of Adam, 10⁻⁸ by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub epsilon: Option<f64>,
}

impl Default for OptimizerSpec {
    fn default() -> Self {
        Self {
            kind: Method::Sgd,
            rate: 7e-4,
            rates: PerMatrix::default(),
            weight_decay: 0.0,
            l1: 0.0,
            gradient_noise: 0.0,
            keep_sparsity: false,
            clip: None,
            schedule: Schedule::default(),
            momentum: None,
            betas: None,
            epsilon: None,
        }
    }
}

/// An update rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// w ← w − η g.
    Sgd,
    /// v ← μ v + g, w ← w − η v.
    Momentum,
    /// Kingma & Ba 2015.
    Adam,
}

/// A factor for each matrix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(non_snake_case)]
pub struct PerMatrix {
    /// Recurrent weights.
    #[schemars(range(min = 0.0))]
    pub W_rec: f64,
    /// Input weights.
    #[schemars(range(min = 0.0))]
    pub W_in: f64,
    /// Recurrent biases.
    #[schemars(range(min = 0.0))]
    pub b_rec: f64,
    /// Readout weights.
    #[schemars(range(min = 0.0))]
    pub W_out: f64,
    /// Readout biases.
    #[schemars(range(min = 0.0))]
    pub b_out: f64,
}

impl Default for PerMatrix {
    fn default() -> Self {
        Self {
            W_rec: 1.0,
            W_in: 1.0,
            b_rec: 1.0,
            W_out: 1.0,
            b_out: 1.0,
        }
    }
}

impl PerMatrix {
    /// Name and value of each.
    pub fn named(&self) -> [(&'static str, f64); 5] {
        [
            ("W_rec", self.W_rec),
            ("W_in", self.W_in),
            ("b_rec", self.b_rec),
            ("W_out", self.W_out),
            ("b_out", self.b_out),
        ]
    }
}

/// One trained matrix: its weights, gradient, and a rate and a decay for each column.
pub struct Part<'a, T> {
    /// Weights.
    pub weights: &'a mut Matrix<T>,
    /// Gradient; zero after the update.
    pub gradient: &'a mut Matrix<T>,
    /// Factor on the rate, column by column.
    pub rate: &'a [T],
    /// Weight decay, column by column.
    pub decay: &'a [T],
}

/// A method with its moments. `part` is 0 for the recurrent matrix, 1 for the readout.
trait Update<T: Scalar>: Send {
    /// Moves the weights of one part and clears its gradient; `update` counts from 1.
    fn update(&mut self, simd: Simd, part: usize, p: Part<'_, T>, rate: T, scale: T, update: u64);

    /// Whether it has no moments.
    fn is_descent(&self) -> bool {
        false
    }

    /// Saves or restores the moments.
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()>;
}

/// The optimizer of one learner.
pub struct Optimizer<T> {
    method: Box<dyn Update<T>>,
    rate: f64,
    schedule: Schedule,
    clip: Option<T>,
    rates: [Buffer<T>; 2],
    /// Rates times the present learning rate.
    scaled: [Buffer<T>; 2],
    scaled_with: f64,
    decays: [Buffer<T>; 2],
    extras: Extras<T>,
    updates: u64,
}

/// What is added to gradients or taken from them before the method sees them.
struct Extras<T> {
    l1: T,
    deviation: T,
    noise: Noise<T>,
    keep_sparsity: bool,
    row: Buffer<T>,
    /// Whether a column holds weights, not biases: in that order W_rec and W_in, W_out.
    weights: [usize; 2],
}

impl<T: Scalar> Extras<T> {
    fn are_idle(&self) -> bool {
        self.l1 == T::ZERO && self.deviation == T::ZERO && !self.keep_sparsity
    }

    /// gradient ← scale · gradient + λ₁ sign(w) + σ ν, then 0 where a weight is to stay 0.
    fn apply(&mut self, part: usize, weights: &Matrix<T>, gradient: &mut Matrix<T>, scale: T) {
        let columns = weights.columns();
        for i in 0..weights.rows() {
            let noise = &mut self.row[..columns];
            if self.deviation != T::ZERO {
                self.noise.fill(noise);
            }
            let row = gradient
                .row_mut(i)
                .iter_mut()
                .zip(weights.row(i))
                .zip(noise.iter());
            for (j, ((g, w), nu)) in row.enumerate() {
                *g = scale * *g + self.deviation * *nu;
                if j >= self.weights[part] {
                    continue;
                }
                if *w > T::ZERO {
                    *g += self.l1;
                } else if *w < T::ZERO {
                    *g -= self.l1;
                } else if self.keep_sparsity {
                    *g = T::ZERO;
                }
            }
        }
    }
}

impl<T: Scalar> Optimizer<T> {
    /// For a network of these sizes.
    ///
    /// # Errors
    /// A rate, factor, decay, bound or schedule out of range.
    #[inline(never)]
    pub fn new(spec: &OptimizerSpec, dims: Dims, streams: &Streams) -> Result<Self> {
        check("optimizer.rate", spec.rate, 0.0)?;
        check("optimizer.weight_decay", spec.weight_decay, 0.0)?;
        check("optimizer.l1", spec.l1, 0.0)?;
        check("optimizer.gradient_noise", spec.gradient_noise, 0.0)?;
        for (name, value) in spec.rates.named() {
            check(&format!("optimizer.rates.{name}"), value, 0.0)?;
        }
        if let Some(clip) = spec.clip {
            check("optimizer.clip", clip, f64::MIN_POSITIVE)?;
        }
        spec.schedule.check()?;
        for (name, given, method) in [
            ("momentum", spec.momentum.is_some(), Method::Momentum),
            ("betas", spec.betas.is_some(), Method::Adam),
            ("epsilon", spec.epsilon.is_some(), Method::Adam),
        ] {
            if given && spec.kind != method {
                return Err(Error::invalid(
                    format!("optimizer.{name}"),
                    "a value",
                    format!("none, because optimizer.kind is {:?}", spec.kind).to_lowercase(),
                    format!("Remove it, or set optimizer.kind = \"{method:?}\".").to_lowercase(),
                ));
            }
        }
        let (n, m, post) = (dims.units, dims.pre(), dims.units + 1);
        let mut rates = [Buffer::zeros(m), Buffer::zeros(post)];
        let mut decays = [Buffer::zeros(m), Buffer::zeros(post)];
        rates[0][..n].fill(T::of(spec.rates.W_rec));
        rates[0][n..m - 1].fill(T::of(spec.rates.W_in));
        rates[0][m - 1] = T::of(spec.rates.b_rec);
        rates[1][..n].fill(T::of(spec.rates.W_out));
        rates[1][n] = T::of(spec.rates.b_out);
        decays[0][..m - 1].fill(T::of(spec.weight_decay));
        decays[1][..n].fill(T::of(spec.weight_decay));
        let rows = [dims.currents * n, dims.outputs];
        let columns = [m, post];
        let zeros = || [0, 1].map(|part| Matrix::zeros(rows[part], columns[part]));
        let method: Box<dyn Update<T>> = match spec.kind {
            Method::Sgd => Box::new(sgd::Sgd),
            Method::Momentum => {
                let mu = spec.momentum.unwrap_or(0.8);
                Box::new(momentum::Momentum::new(mu, zeros())?)
            }
            Method::Adam => {
                let betas = spec.betas.unwrap_or([0.9, 0.999]);
                let epsilon = spec.epsilon.unwrap_or(1e-8);
                Box::new(adam::Adam::new(betas, epsilon, zeros(), zeros())?)
            }
        };
        Ok(Self {
            method,
            rate: spec.rate,
            schedule: spec.schedule,
            clip: spec.clip.map(T::of),
            scaled: rates.clone(),
            scaled_with: 1.0,
            rates,
            decays,
            extras: Extras {
                l1: T::of(spec.l1),
                deviation: T::of(spec.gradient_noise),
                noise: Noise::new(streams.stream("gradient_noise", 0), Distribution::Gaussian),
                keep_sparsity: spec.keep_sparsity,
                row: Buffer::zeros(m.max(post)),
                weights: [m - 1, n],
            },
            updates: 0,
        })
    }

    /// Updates made so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The learning rate of the last update.
    pub fn last_rate(&self) -> f64 {
        self.scaled_with
    }

    /// Whether an update is nothing but w ← w − η (g + λ w), so that it can be made row by row.
    pub(crate) fn is_plain_descent(&self) -> bool {
        self.method.is_descent() && self.clip.is_none() && self.extras.are_idle()
    }

    /// The learning rate of the next update, which is counted.
    fn next_rate(&mut self) -> f64 {
        let rate = self.rate * self.schedule.factor(self.updates);
        self.updates += 1;
        if rate != self.scaled_with {
            self.scaled_with = rate;
            for (scaled, rates) in self.scaled.iter_mut().zip(&self.rates) {
                for (s, r) in scaled.iter_mut().zip(rates.iter()) {
                    *s = T::of(rate) * *r;
                }
            }
        }
        rate
    }

    /// As [`Optimizer::update`] of a plain descent; `descend` makes the recurrent part with the rates it is given.
    pub(crate) fn descend(
        &mut self,
        network: &mut Network<T>,
        readout: &mut Matrix<T>,
        feedback: &mut dyn Feedback<T>,
        descend: impl FnOnce(Descent<'_, T>),
    ) {
        let (simd, rate, scale) = (network.simd(), self.next_rate(), T::ONE);
        feedback.learn(simd, readout, scale, self.scaled[1][0], self.decays[1][0]);
        descend(Descent {
            weights: network.synapses_mut().weights_mut(),
            rate: &self.scaled[0],
            decay: &self.decays[0],
            scale,
        });
        self.update_part(network, 1, readout, rate, scale);
    }

    /// One update with `scale` × gradients, which are zero afterwards; `feedback` learns beside the readout.
    pub fn update(
        &mut self,
        network: &mut Network<T>,
        recurrent: &mut Matrix<T>,
        readout: &mut Matrix<T>,
        mut scale: T,
        feedback: &mut dyn Feedback<T>,
    ) {
        let simd = network.simd();
        let rate = self.next_rate();
        if let Some(clip) = self.clip {
            let squared = squared_norm(simd, recurrent.data()) + squared_norm(simd, readout.data());
            let mut norm = scale * squared.root();
            if !norm.finite() {
                // The squares may overflow where the norm does not.
                let all = recurrent.data().iter().chain(readout.data().iter());
                let squared: f64 = all.map(|g| g.f64() * g.f64()).sum();
                norm = T::of(scale.f64() * squared.sqrt());
            }
            // A norm that is no number at all must not turn into a quiet zero step.
            if norm > clip && norm.finite() {
                scale = scale * clip / norm;
            }
        }
        feedback.learn(simd, readout, scale, self.scaled[1][0], self.decays[1][0]);
        for (part, gradient) in [recurrent, readout].into_iter().enumerate() {
            self.update_part(network, part, gradient, rate, scale);
        }
    }

    /// Part 0 is the recurrent matrix, 1 the readout.
    fn update_part(
        &mut self,
        network: &mut Network<T>,
        part: usize,
        gradient: &mut Matrix<T>,
        rate: f64,
        mut scale: T,
    ) {
        let simd = network.simd();
        let weights = match part {
            0 => network.synapses_mut().weights_mut(),
            _ => network.readout_mut(),
        };
        if !self.extras.are_idle() {
            self.extras.apply(part, weights, gradient, scale);
            scale = T::ONE;
        }
        let p = Part {
            weights,
            gradient,
            rate: &self.scaled[part],
            decay: &self.decays[part],
        };
        self.method
            .update(simd, part, p, T::of(rate), scale, self.updates);
    }

    /// Saves or restores moments and the count of updates.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.counter("updates", &mut self.updates, STEPS)?;
        if self.extras.deviation != T::ZERO {
            self.extras.noise.state(io)?;
        }
        self.method.state(io)
    }
}

fn check(field: &str, value: f64, least: f64) -> Result<()> {
    if value.is_finite() && value >= least {
        return Ok(());
    }
    let expected = if least > 0.0 {
        "a finite number greater than 0"
    } else {
        "a finite number that is not negative"
    };
    let mend = match field {
        "optimizer.rate" => "Learning rates usually lie between 1e-5 and 0.1.",
        "optimizer.clip" => "1 is a common bound; remove the key to bound nothing.",
        _ => "Remove the key for its default.",
    };
    Err(Error::invalid(field, value, expected, mend))
}
