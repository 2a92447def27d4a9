//! Watches whether the filter ModProp sends credit through is stable, and can keep μ where it is.
//!
//! Not part of the published rule, whose authors name the tuning of μ as a weakness and an adaptive μ as future work. The filter n(t) =
//! (own + c Ŵ) n(t−1) + … with c = gain μ is bounded exactly if |own + c λ| < 1 for every eigenvalue λ of Ŵ. With `adaptive_mu` μ is kept below
//! 0.95 of where that fails: at 0.95 / λ for a real positive λ, earlier for others of the same real part.

use super::way::Way;
use crate::eigen::{Complex, Schur};
use crate::neuron::ConstantPartials;
use crate::snapshot::{STEPS, StateIo};
use crate::synapse::Synapses;
use crate::warning::Warning;
use crate::{Result, Scalar};

/// The watch over one filter.
pub struct Guard {
    mu: f64,
    adaptive: bool,
    /// own, and what c is a multiple of μ of.
    own: f64,
    reach: f64,
    /// Calls between two looks.
    every: u64,
    schur: Schur,
    rows: Vec<f64>,
    calls: u64,
    /// max |own + c λ|, max Re λ, the μ at which the former is 1, μ in use: at the last look and at the worst one so far.
    now: [f64; 4],
    worst: [f64; 4],
}

/// Share of the critical μ that is kept to.
const MARGIN: f64 = 0.95;

/// How much credit may grow on its way through a filter that ends, before that is told of.
const GROWTH: f64 = 1000.0;

impl Guard {
    /// For this filter; `every` call looks where the filter is as large as the network, every one where it is as small as its types.
    pub fn new<T: Scalar>(
        mu: f64,
        adaptive: bool,
        constant: ConstantPartials,
        way: &Way<T>,
        units: usize,
        every: u64,
    ) -> Self {
        let size = if way.is_typed() {
            way.types().count()
        } else {
            units
        };
        // constant was taken at μ = 1: gain · slope is linear in it.
        Self {
            mu,
            adaptive,
            own: constant.own,
            reach: constant.gain * constant.slope,
            every,
            schur: Schur::new(size, false),
            rows: vec![0.0; size * size],
            calls: 0,
            now: [0.0, 0.0, f64::INFINITY, mu],
            worst: [0.0, 0.0, f64::INFINITY, mu],
        }
    }

    /// μ to be used now, after a look where one is due. The means of `way` must be fresh.
    pub fn look<T: Scalar>(&mut self, way: &Way<T>, synapses: &Synapses<T>) -> f64 {
        let due = self.calls.is_multiple_of(self.every);
        self.calls += 1;
        if !due {
            return self.now[3];
        }
        self.fill(way, synapses);
        if !self.schur.decompose(&self.rows) {
            return self.now[3];
        }
        // With zeros on the diagonal of the means, units of a type can also differ among themselves: λ = −w_ββ.
        let count = way.types().count();
        let among =
            (0..count).filter(|beta| way.has_zero_diagonal() && way.types().sizes()[*beta] > 1);
        let among = among.map(|beta| Complex::new(-way.means()[beta * count + beta].f64(), 0.0));
        let mut largest = f64::NEG_INFINITY;
        let mut critical = f64::INFINITY;
        for value in self.schur.values().chain(among.clone()) {
            largest = largest.max(value.re);
            critical = critical.min(self.critical(value));
        }
        let mu = if self.adaptive {
            self.mu.min(MARGIN * critical)
        } else {
            self.mu
        };
        let c = self.reach * mu;
        let mut gain = 0.0_f64;
        for value in self.schur.values().chain(among) {
            gain = gain.max((self.own + c * value.re).hypot(c * value.im));
        }
        self.now = [gain, largest, critical, mu];
        if gain > self.worst[0] {
            self.worst = self.now;
        }
        mu
    }

    /// The μ at which |own + reach μ λ| = 1.
    fn critical(&self, value: Complex) -> f64 {
        let square = value.re * value.re + value.im * value.im;
        let along = self.own * value.re;
        let left = 1.0 - self.own * self.own;
        // The root of c² |λ|² + 2 c own Re λ = 1 − own², in the form that does not cancel.
        let root = (along * along + square * left).sqrt();
        let c = if along > 0.0 {
            left / (along + root)
        } else {
            (root - along) / square
        };
        c / self.reach
    }

    fn fill<T: Scalar>(&mut self, way: &Way<T>, synapses: &Synapses<T>) {
        if way.is_typed() {
            let (count, sizes) = (way.types().count(), way.types().sizes());
            for (k, (row, mean)) in self.rows.iter_mut().zip(way.means()).enumerate() {
                *row = mean.f64() * sizes[k % count] as f64;
                if way.has_zero_diagonal() && k / count == k % count {
                    *row -= mean.f64();
                }
            }
        } else {
            let n = synapses.weights().rows();
            for (i, row) in self.rows.chunks_exact_mut(n).enumerate() {
                let weights = synapses.weights().row(i);
                row.iter_mut().zip(weights).for_each(|(r, w)| *r = w.f64());
            }
        }
    }

    /// max |own + c λ| and μ at the last look.
    pub fn now(&self) -> (f64, f64) {
        (self.now[0], self.now[3])
    }

    /// What looked wrong so far, in a filter of so many taps.
    pub fn warnings(&self, taps: Option<usize>) -> Vec<Warning> {
        let [gain, largest, critical, mu] = self.worst;
        let bounded = taps.is_some_and(|taps| gain.powf(taps as f64) <= GROWTH);
        if gain <= 1.0 || bounded {
            return Vec::new();
        }
        vec![Warning::UnstableFilter {
            gain,
            mu,
            largest,
            critical,
        }]
    }

    /// Saves or restores what was seen.
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.counter("calls", &mut self.calls, STEPS)?;
        io.measured("now", &mut self.now)?;
        io.measured("worst", &mut self.worst)
    }
}
