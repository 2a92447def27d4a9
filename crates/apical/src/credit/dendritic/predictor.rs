//! J learned as a predictor of the next rate, and the synapses K that carry credit back where J is strictly local.

use super::{JacobianSpec, JacobianStart, Normalize, Regressors};
use crate::kernel::{Buffer, Matrix, Simd, add_outer, add_transposed, product, squared_norm};
use crate::network::{Dims, Network};
use crate::sizes::Sizes;
use crate::snapshot::{Owner, StateIo};
use crate::stream::Streams;
use crate::synapse::Init;
use crate::view::View;
use crate::{Result, Scalar};

/// P (or J) with what it predicts from, and the feedback array of a local J.
pub(super) struct Predictor<T> {
    dims: Dims,
    rate: T,
    normalize: Normalize,
    /// J, n × n.
    pub(super) weights: Matrix<T>,
    /// The columns of x and 1, n × (n_in + 1), where they are regressors.
    context: Option<Context<T>>,
    local: Option<Local<T>>,
    /// r(t−1) with its padding zero, and e^J; one row a sample.
    rate_before: Matrix<T>,
    surprise: Matrix<T>,
    /// −η_J, divided for each sample as `normalize` says.
    steps: Vec<T>,
    /// Half the mean square of e^J.
    pub(super) loss: f64,
}

impl JacobianSpec {
    /// Bytes of J, K and the columns of x and 1.
    pub(super) fn memory(&self, sizes: &Sizes) -> f64 {
        let (n, batch) = (sizes.units, sizes.batch);
        let (arrays, regressors) = match self {
            Self::Exact {} => return 0.0,
            Self::Learned { regressors, .. } => (1.0, regressors),
            Self::Local { regressors, .. } => (2.0, regressors),
        };
        let context = match regressors {
            Regressors::Rates => 0.0,
            Regressors::All => sizes.matrix(n + batch, sizes.inputs + 1.0) + sizes.matrix(1.0, n),
        };
        sizes.matrix(arrays * n, n) + context
    }
}

struct Context<T> {
    weights: Matrix<T>,
    /// [x(t); 1] of each sample, and what it predicts.
    inputs: Matrix<T>,
    predicted: Buffer<T>,
}

struct Local<T> {
    decay: T,
    /// K, n × n: from unit j to unit i.
    feedback: Matrix<T>,
}

impl<T: Scalar> Predictor<T> {
    /// The one that `spec` asks for, starting as W_rec, W_in and b_rec; `None` for the exact J.
    pub(super) fn new(
        spec: &JacobianSpec,
        normalize: Normalize,
        network: &Network<T>,
        streams: &Streams,
    ) -> Result<Option<Self>> {
        let (rate, regressors, decay, start) = match *spec {
            JacobianSpec::Exact {} => return Ok(None),
            JacobianSpec::Learned {
                rate,
                regressors,
                start,
            } => (rate, regressors, None, start),
            JacobianSpec::Local {
                rate,
                decay,
                regressors,
            } => (rate, regressors, Some(decay), JacobianStart::Weights),
        };
        let dims = network.dims();
        let (n, batch) = (dims.units, dims.batch);
        let mut local = None;
        if let Some(decay) = decay {
            let mut feedback = Matrix::zeros(n, n);
            let mut stream = streams.stream("jacobian", 0);
            let init = Init::gaussian();
            init.fill("rule.jacobian", &mut feedback, 0..n, 0..n, &mut stream)?;
            local = Some(Local {
                decay: T::of(decay),
                feedback,
            });
        }
        let mut weights = columns(network, 0..n);
        if start == JacobianStart::Shuffled {
            shuffle(&mut weights, streams);
        }
        let context = (regressors == Regressors::All).then(|| Context {
            weights: columns(network, n..dims.pre()),
            inputs: Matrix::zeros(batch, dims.inputs + 1),
            predicted: Buffer::zeros(n),
        });
        Ok(Some(Self {
            dims,
            rate: T::of(rate),
            normalize,
            weights,
            context,
            local,
            rate_before: Matrix::zeros(batch, n),
            surprise: Matrix::zeros(batch, n),
            steps: vec![T::ZERO; batch],
            loss: f64::NAN,
        }))
    }

    /// The prediction error of every sample first, then one step down its mean gradient.
    pub(super) fn learn(&mut self, view: &View<'_, T>) {
        let Dims { batch, units, .. } = self.dims;
        let simd = view.simd();
        let mut loss = T::ZERO;
        for b in 0..batch {
            self.rate_before
                .row_mut(b)
                .copy_from_slice(view.rate_before(b));
            let (rates, error) = (self.rate_before.band(b, 1), self.surprise.row_mut(b));
            product(
                simd,
                self.weights.data(),
                self.weights.stride(),
                rates,
                error,
            );
            if let Some(context) = &mut self.context {
                context.add(view, b, error);
            }
            for (e, r) in error.iter_mut().zip(view.rate(b)) {
                *e -= *r;
            }
            loss += squared_norm(simd, self.surprise.band(b, 1));
        }
        self.loss = 0.5 * loss.f64() / (batch * units) as f64;
        self.choose_steps(simd);
        if let Some(Local { decay, feedback }) = &mut self.local {
            let shrink = T::ONE - self.rate * *decay;
            let context = self.context.as_mut().map(|c| &mut c.weights);
            let arrays = [Some(&mut self.weights), Some(&mut *feedback), context];
            for matrix in arrays.into_iter().flatten() {
                matrix.data_mut().iter_mut().for_each(|w| *w = *w * shrink);
            }
            let stride = feedback.stride();
            for b in 0..batch {
                // K_ij sees the surprise sent by neuron j and the rate neuron i had: the transpose of ΔP.
                let (errors, rates) = (self.surprise.band(b, 1), self.rate_before.row(b));
                add_outer(
                    simd,
                    feedback.data_mut(),
                    stride,
                    self.steps[b],
                    rates,
                    errors,
                );
            }
        }
        for b in 0..batch {
            let (step, errors) = (self.steps[b], self.surprise.row(b));
            let rates = self.rate_before.band(b, 1);
            let stride = self.weights.stride();
            add_outer(simd, self.weights.data_mut(), stride, step, errors, rates);
            if let Some(Context {
                weights, inputs, ..
            }) = &mut self.context
            {
                let stride = weights.stride();
                add_outer(
                    simd,
                    weights.data_mut(),
                    stride,
                    step,
                    errors,
                    inputs.band(b, 1),
                );
            }
        }
    }

    /// The power counts a 1, whether it is a regressor or not, so that silence divides by no 0.
    fn choose_steps(&mut self, simd: Simd) {
        let step = T::of(-1.0 / self.dims.batch as f64) * self.rate;
        for (b, chosen) in self.steps.iter_mut().enumerate() {
            *chosen = step;
            if self.normalize == Normalize::Power {
                let mut power = squared_norm(simd, self.rate_before.band(b, 1));
                power += match &self.context {
                    Some(context) => squared_norm(simd, context.inputs.band(b, 1)),
                    None => T::ONE,
                };
                *chosen = step / power;
            }
        }
    }

    /// `target` ← `signal` + Jᵀ `sent`, or through K; `sent` with its padding.
    pub(super) fn carry_back(&self, simd: Simd, signal: &[T], sent: &[T], target: &mut [T]) {
        match &self.local {
            None => {
                target.copy_from_slice(signal);
                let (weights, sent) = (&self.weights, &sent[..self.dims.units]);
                add_transposed(simd, weights.data(), weights.stride(), sent, target);
            }
            Some(Local { feedback, .. }) => {
                product(simd, feedback.data(), feedback.stride(), sent, target);
                target.iter_mut().zip(signal).for_each(|(t, q)| *t += *q);
            }
        }
    }

    /// K, if J is local.
    pub(super) fn feedback(&self) -> Option<&Matrix<T>> {
        self.local.as_ref().map(|local| &local.feedback)
    }

    /// Saves or restores what is learned.
    pub(super) fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        // The surprise e_l = P_l r(t−1) − r_l(t) goes from unit l to all others where K learns from it.
        let is_sent = self.local.is_some();
        let owner = |stride, offset| match is_sent {
            true => Owner::Sender {
                stride,
                offset,
                before: true,
            },
            false => Owner::Row { stride },
        };
        let stride = self.weights.stride();
        io.of(owner(stride, 0)).matrix("J", &mut self.weights)?;
        if let Some(context) = &mut self.context {
            let io = io.of(owner(context.weights.stride(), self.dims.units));
            io.matrix("J_context", &mut context.weights)?;
        }
        match &mut self.local {
            Some(local) => io
                .of(Owner::Row { stride })
                .matrix("K", &mut local.feedback),
            None => Ok(()),
        }
    }
}

impl<T: Scalar> Context<T> {
    /// Adds what [x(t); 1] of sample `b` predicts.
    fn add(&mut self, view: &View<'_, T>, b: usize, prediction: &mut [T]) {
        let inputs = self.inputs.row_mut(b);
        let outside = &view.pre(b)[view.dims().units..];
        inputs.copy_from_slice(&outside[..inputs.len()]);
        let predicted = &mut self.predicted[..prediction.len()];
        let (weights, inputs) = (&self.weights, self.inputs.band(b, 1));
        product(
            view.simd(),
            weights.data(),
            weights.stride(),
            inputs,
            predicted,
        );
        let both = prediction.iter_mut().zip(predicted.iter());
        both.for_each(|(e, p)| *e += *p);
    }
}

/// Puts the numbers of J in random places, all orders alike (Fisher & Yates).
fn shuffle<T: Scalar>(weights: &mut Matrix<T>, streams: &Streams) {
    let mut stream = streams.stream("jacobian", 1);
    let n = weights.columns();
    for k in (1..n * n).rev() {
        let other = ((stream.uniform() * (k + 1) as f64) as usize).min(k);
        let value = weights.row(k / n)[k % n];
        weights.row_mut(k / n)[k % n] = weights.row(other / n)[other % n];
        weights.row_mut(other / n)[other % n] = value;
    }
}

/// Columns of the weights of the first current.
fn columns<T: Scalar>(network: &Network<T>, columns: std::ops::Range<usize>) -> Matrix<T> {
    let n = network.dims().units;
    let mut matrix = Matrix::zeros(n, columns.len());
    for i in 0..n {
        let weights = &network.synapses().weights().row(i)[columns.clone()];
        matrix.row_mut(i).copy_from_slice(weights);
    }
    matrix
}
