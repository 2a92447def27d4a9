//! ModProp worked out backward at the end of a trial: the same gradient, at the rate of a matrix product.
//!
//! Λ(t) = c(t) + own Λ(t+1) + slope v(t), v(t) = gain Ŵᵀ Λ(t+1); with S taps v(t) = gain Ŵᵀ [Λ(t+1) − (own + c Ŵ)ᵀ^S Λ(t+1+S)] enters the
//! traces, though not Λ. Traces run backward: b(t) = c(t) + own b(t+1) + slope_p(t) v(t) for the drive of the paper; for that of the code
//! v goes to b̄(t) = own b̄(t+1) + slope v(t). gradient = Σ_t [gain(t) b(t) + gain b̄(t)] a(t)ᵀ. Values with μ are those without (t).
//! Memory O(T (n + m)), time O(n m) a step through types, twice that through the weights themselves. The tape is not local in time, so that nothing but
//! the speed is claimed for this form; the forward ones give the same.

use super::{Core, Drive, Means, Rule};
use crate::credit::Probe;
use crate::kernel::{Buffer, Matrix, Rows, Simd, add_outer_sum, add_transposed_products};
use crate::monitor::Warning;
use crate::network::Network;
use crate::snapshot::StateIo;
use crate::synapse::Synapses;
use crate::view::View;
use crate::{Result, Scalar};

/// Steps whose gradient is summed at once: their factors and activity fit the cache.
const CHUNK: usize = 8;

/// ModProp over a tape.
pub struct TrialModProp<T> {
    core: Core<T>,
    taps: Option<usize>,
    steps: u64,
    /// One step after another: a of every sample; slope where the drive needs it; gain where it varies.
    pre: Vec<T>,
    slope: Vec<T>,
    gain: Vec<T>,
    /// c, of steps that have any; which have.
    credit: Vec<T>,
    with_credit: Vec<u64>,
    /// Λ(t+1) with its predecessors, as many as the taps need, b, b̄ and v.
    adjoint: Vec<Buffer<T>>,
    trace: Buffer<T>,
    mean: Buffer<T>,
    back: Buffer<T>,
    ended: Buffer<T>,
    factors: Vec<T>,
    power: Power<T>,
}

impl<T: Scalar> TrialModProp<T> {
    pub(super) fn new(core: Core<T>, taps: Option<usize>) -> Self {
        let dims = core.dims;
        let plane = || Buffer::zeros(dims.plane());
        let typed = core.way.is_typed();
        Self {
            taps,
            steps: 0,
            pre: Vec::new(),
            slope: Vec::new(),
            gain: Vec::new(),
            credit: Vec::new(),
            with_credit: Vec::new(),
            adjoint: vec![plane()],
            trace: plane(),
            mean: plane(),
            back: plane(),
            ended: plane(),
            factors: vec![T::ZERO; CHUNK * dims.plane()],
            power: if typed {
                Power::new(core.way.types().count(), 0)
            } else {
                Power::new(0, dims.units)
            },
            core,
        }
    }

    fn clear(&mut self) {
        self.steps = 0;
        self.with_credit.clear();
        for list in [
            &mut self.pre,
            &mut self.slope,
            &mut self.gain,
            &mut self.credit,
        ] {
            list.clear();
        }
    }

    fn pay(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        let steps = self.steps as usize;
        let Some(last) = self.with_credit.iter().rposition(|with| *with != 0) else {
            self.clear();
            return;
        };
        let (simd, synapses) = (network.simd(), network.synapses());
        let means = self.core.refresh(network);
        let (plane, stride) = (self.core.dims.plane(), gradient.stride());
        let batch = self.core.dims.batch;
        // As many taps as there are steps are all of them.
        let taps = self.taps.filter(|taps| *taps < steps);
        if let Some(taps) = taps {
            self.power
                .raise(simd, &mut self.core, synapses, means, taps);
            let zeros = || Buffer::zeros(plane);
            let missing = (taps + 2).saturating_sub(self.adjoint.len());
            self.adjoint.extend((0..missing).map(|_| zeros()));
        }
        let ring = self.adjoint.len();
        self.adjoint
            .iter_mut()
            .for_each(|plane| plane.fill(T::ZERO));
        self.trace.fill(T::ZERO);
        self.mean.fill(T::ZERO);
        let mut paid = self.with_credit[..=last]
            .iter()
            .filter(|with| **with != 0)
            .count();
        let mut t = last + 1;
        while t > 0 {
            let first = t.saturating_sub(CHUNK);
            for t in (first..t).rev() {
                let credit = (self.with_credit[t] != 0).then(|| {
                    paid -= 1;
                    &self.credit[paid * plane..][..plane]
                });
                let at = |t: usize| t % ring;
                // v, and what of it enters the traces.
                let next = &self.adjoint[at(t + 1)];
                let sample = self.core.dims.sample();
                let enters = if taps == Some(0) {
                    self.back.fill(T::ZERO);
                    self.ended.fill(T::ZERO);
                    &self.ended
                } else {
                    let (way, back) = (&mut self.core.way, &mut self.back);
                    way.back(simd, synapses, 0, next, back, sample);
                    back.iter_mut().for_each(|v| *v = means.gain * *v);
                    match taps {
                        Some(taps) if t + 1 + taps <= last => {
                            let far = &self.adjoint[at(t + 1 + taps)];
                            self.power.ended(
                                simd,
                                &mut self.core,
                                synapses,
                                far,
                                &mut self.ended,
                                means,
                            );
                            let pairs = self.ended.iter_mut().zip(self.back.iter());
                            pairs.for_each(|(ended, v)| *ended = *v - *ended);
                            &self.ended
                        }
                        _ => &self.back,
                    }
                };
                match self.core.drive {
                    Drive::Paper => {
                        let slope = &self.slope[t * plane..][..plane];
                        let terms = enters.iter().zip(slope);
                        let trace = self.trace.iter_mut().zip(terms);
                        trace.for_each(|(b, (v, slope))| *b = means.own * *b + *slope * *v);
                    }
                    Drive::Code => {
                        self.trace.iter_mut().for_each(|b| *b = means.own * *b);
                        let mean = self.mean.iter_mut().zip(enters.iter());
                        mean.for_each(|(b, v)| *b = means.own * *b + means.slope * *v);
                    }
                }
                if let Some(credit) = credit {
                    let pairs = self.trace.iter_mut().zip(credit);
                    pairs.for_each(|(b, c)| *b += *c);
                }
                let factors = &mut self.factors[(t - first) * plane..][..plane];
                if self.core.shared {
                    let sums = self.trace.iter().zip(self.mean.iter());
                    let factors = factors.iter_mut().zip(sums);
                    factors.for_each(|(f, (b, mean))| *f = means.gain * (*b + *mean));
                } else {
                    let gain = &self.gain[t * plane..][..plane];
                    let sums = self.trace.iter().zip(self.mean.iter()).zip(gain);
                    let factors = factors.iter_mut().zip(sums);
                    factors.for_each(|(f, ((b, mean), gain))| {
                        *f = *gain * *b + means.gain * *mean;
                    });
                }
                // Λ(t) takes the place of the one no tap reaches any more.
                let (now, later) = two(&mut self.adjoint, at(t), at(t + 1));
                match later {
                    Some(later) => {
                        let terms = later.iter().zip(self.back.iter());
                        for (l, (later, v)) in now.iter_mut().zip(terms) {
                            *l = means.own * *later + means.slope * *v;
                        }
                    }
                    None => {
                        for (l, v) in now.iter_mut().zip(self.back.iter()) {
                            *l = means.own * *l + means.slope * *v;
                        }
                    }
                }
                if let Some(credit) = credit {
                    now.iter_mut().zip(credit).for_each(|(l, c)| *l += *c);
                }
            }
            let units = self.core.dims.units;
            let factors = &self.factors[..(t - first) * plane];
            let pre = &self.pre[first * batch * stride..t * batch * stride];
            let (sum, sample) = (gradient.data_mut(), self.core.dims.sample());
            add_outer_sum(simd, sum, stride, factors, sample, units, pre);
            t = first;
        }
        self.clear();
    }
}

/// Two planes of a ring, or one if they are the same.
fn two<T>(ring: &mut [Buffer<T>], a: usize, b: usize) -> (&mut Buffer<T>, Option<&Buffer<T>>) {
    if a == b {
        return (&mut ring[a], None);
    }
    let (head, tail) = ring.split_at_mut(a.max(b));
    if a < b {
        (&mut head[a], Some(&tail[0]))
    } else {
        (&mut tail[0], Some(&head[b]))
    }
}

/// (own + c Ŵ)^S: how much of credit is left after S steps.
struct Power<T> {
    /// Through types: own^S of each type, and Φ_αβ with which units of a type hear others beyond that.
    own: Vec<T>,
    through: Vec<T>,
    next: Vec<T>,
    /// Through cells: the matrix itself, and room to raise it.
    matrix: Matrix<T>,
    base: Matrix<T>,
    room: Matrix<T>,
    heard: Buffer<T>,
}

impl<T: Scalar> Power<T> {
    fn new(types: usize, units: usize) -> Self {
        let matrix = Matrix::zeros(units, units);
        Self {
            own: vec![T::ONE; types],
            through: vec![T::ZERO; types * types],
            next: vec![T::ZERO; types * types],
            base: matrix.clone(),
            room: matrix.clone(),
            matrix,
            heard: Buffer::zeros(0),
        }
    }

    fn raise(
        &mut self,
        simd: Simd,
        core: &mut Core<T>,
        synapses: &Synapses<T>,
        means: Means<T>,
        taps: usize,
    ) {
        if core.way.is_typed() {
            self.raise_typed(core, means, taps);
            return;
        }
        let n = core.dims.units;
        self.matrix.clear();
        for i in 0..n {
            self.matrix.row_mut(i)[i] = T::ONE;
            core.way.row(synapses, i, self.base.row_mut(i));
            let row = self.base.row_mut(i);
            row.iter_mut().for_each(|w| *w = means.hop * *w);
            row[i] += means.own;
        }
        // By repeated squaring: `base` is the power of two that is next.
        let product = |a: &Matrix<T>, b: &Matrix<T>, c: &mut Matrix<T>| {
            c.clear();
            let stride = c.stride();
            let rows = |m: &'_ Matrix<T>| (m.stride(), m.rows());
            let (apart, count) = rows(b);
            let matrix = Rows {
                data: b.data(),
                stride: apart,
            };
            let factors = Rows {
                data: a.data(),
                stride: a.stride(),
            };
            add_transposed_products(
                simd,
                matrix,
                count,
                count,
                factors,
                count,
                c.data_mut(),
                stride,
            );
        };
        let mut left = taps;
        while left > 0 {
            if left % 2 == 1 {
                product(&self.matrix, &self.base, &mut self.room);
                std::mem::swap(&mut self.matrix, &mut self.room);
            }
            left /= 2;
            if left > 0 {
                product(&self.base, &self.base, &mut self.room);
                std::mem::swap(&mut self.base, &mut self.room);
            }
        }
    }

    fn raise_typed(&mut self, core: &Core<T>, means: Means<T>, taps: usize) {
        let (count, sizes) = (core.way.types().count(), core.way.types().sizes());
        let w = core.way.means();
        let apart = core.way.has_zero_diagonal();
        let decay = |k: usize| {
            let onto_itself = means.hop * w[k * count + k];
            if apart {
                means.own - onto_itself
            } else {
                means.own
            }
        };
        self.own.fill(T::ONE);
        self.through.fill(T::ZERO);
        for _ in 0..taps {
            for alpha in 0..count {
                for beta in 0..count {
                    let mut sum = w[alpha * count + beta] * self.own[beta];
                    for gamma in 0..count {
                        let size = T::of(sizes[gamma] as f64);
                        sum += w[alpha * count + gamma] * size * self.through[gamma * count + beta];
                    }
                    self.next[alpha * count + beta] =
                        decay(alpha) * self.through[alpha * count + beta] + means.hop * sum;
                }
            }
            std::mem::swap(&mut self.through, &mut self.next);
            for (k, own) in self.own.iter_mut().enumerate() {
                *own = *own * decay(k);
            }
        }
    }

    /// ended = gain Ŵᵀ (own + c Ŵ)ᵀ^S far: what of v lies beyond the last tap.
    fn ended(
        &mut self,
        simd: Simd,
        core: &mut Core<T>,
        synapses: &Synapses<T>,
        far: &[T],
        ended: &mut [T],
        means: Means<T>,
    ) {
        let (dims, sample) = (core.dims, core.dims.sample());
        if self.heard.len() < far.len() {
            self.heard = Buffer::zeros(far.len());
        }
        let heard = &mut self.heard[..far.len()];
        heard.fill(T::ZERO);
        if core.way.is_typed() {
            core.way.pool(simd, far, sample);
            let count = core.way.types().count();
            for b in 0..dims.batch {
                let pooled = core.way.pooled().row(b);
                let part = b * sample..b * sample + dims.units;
                let units = heard[part.clone()].iter_mut().zip(&far[part]);
                for ((h, f), beta) in units.zip(core.way.types().of()) {
                    *h = self.own[*beta] * *f;
                    for (alpha, pooled) in pooled.iter().enumerate() {
                        *h += self.through[alpha * count + beta] * *pooled;
                    }
                }
            }
        } else {
            let n = dims.units;
            let matrix = Rows {
                data: self.matrix.data(),
                stride: self.matrix.stride(),
            };
            let factors = Rows {
                data: far,
                stride: sample,
            };
            add_transposed_products(simd, matrix, n, n, factors, dims.batch, heard, sample);
        }
        core.way.back(simd, synapses, 0, heard, ended, sample);
        ended.iter_mut().for_each(|v| *v = means.gain * *v);
    }
}

impl<T: Scalar> Rule<T> for TrialModProp<T> {
    fn reset(&mut self) {
        self.clear();
    }

    fn step(&mut self, view: &View<'_, T>, signal: &[T], _: &mut Matrix<T>) {
        self.core.assign(view, signal);
        self.steps += 1;
        for b in 0..self.core.dims.batch {
            self.pre.extend_from_slice(view.pre(b));
        }
        if self.core.drive == Drive::Paper {
            self.slope.extend_from_slice(&view.partials().slope);
        }
        if !self.core.shared {
            self.gain.extend_from_slice(&view.partials().gain);
        }
        let any = self.core.credited.contains(&true);
        self.with_credit.push(u64::from(any));
        if any {
            self.credit.extend_from_slice(&self.core.credit);
        }
    }

    fn flush(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        self.pay(network, gradient);
    }

    fn needs_window(&self) -> bool {
        true
    }

    fn mode(&self) -> &'static str {
        "trial"
    }

    fn warnings(&self) -> Vec<Warning> {
        self.core.warnings()
    }

    fn probes(&self) -> &'static [&'static str] {
        Core::<T>::PROBES
    }

    fn probe(&self, index: usize) -> Probe<'_, T> {
        self.core.probe(index)
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.core.state(io)?;
        io.counter("steps", &mut self.steps)?;
        io.list("pre", &mut self.pre)?;
        io.list("slope", &mut self.slope)?;
        io.list("gain", &mut self.gain)?;
        io.list("credit", &mut self.credit)?;
        io.list("with_credit", &mut self.with_credit)
    }
}
