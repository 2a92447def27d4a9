//! Notice what fails in silence: parameters no gradient reaches, dead units, a loss that grows.

use crate::kernel::Matrix;
use crate::network::{Activity, Dims};
use crate::neuron::Partials;
use crate::optimizer::OptimizerSpec;
use crate::snapshot::{STEPS, StateIo};
use crate::warning::Warning;
use crate::{Result, Scalar};

/// Looks at a step now and then.
#[derive(Clone, Debug)]
pub struct Health {
    dims: Dims,
    /// Looks at steps whose loss counts.
    looks: u64,
    /// Whether a gradient has reached W_rec, W_in, b_rec, W_out, b_out; those with rate 0 count as reached.
    reached: [u64; 5],
    /// Whether an error has reached the recurrent units; counts as so if none of their weights is to be learned.
    signalled: u64,
    /// Units that have reacted.
    alive: Vec<u64>,
    first: f64,
    now: f64,
}

const PARAMETERS: [&str; 5] = ["W_rec", "W_in", "b_rec", "W_out", "b_out"];

impl Health {
    /// Steps between two looks.
    pub const EVERY: u64 = 61;
    /// Looks before anything is said.
    const LEAST: u64 = 8;

    /// For a network of these sizes.
    ///
    /// `frozen` says that the recurrent layer is not meant to learn, `own_readout` that the readout needs no gradient.
    pub fn new(dims: Dims, optimizer: &OptimizerSpec, frozen: bool, own_readout: bool) -> Self {
        let still = |(name, rate): (&str, f64)| {
            let readout = name == "W_out" || name == "b_out";
            u64::from(
                rate == 0.0 || optimizer.rate == 0.0 || if readout { own_readout } else { frozen },
            )
        };
        let mut reached = optimizer.rates.named().map(still);
        if dims.inputs == 0 {
            // W_in has no weights.
            reached[1] = 1;
        }
        Self {
            dims,
            looks: 0,
            signalled: u64::from(reached[..3] == [1; 3]),
            reached,
            alive: vec![0; dims.units],
            first: 0.0,
            now: 0.0,
        }
    }

    /// Looks at one step, whose loss may not count.
    pub fn look<T: Scalar>(
        &mut self,
        loss: Option<f64>,
        activity: &Activity<T>,
        gradient: &Matrix<T>,
        readout: &Matrix<T>,
    ) {
        if let Some(loss) = loss {
            self.looks += 1;
            // The plain mean of the first looks, which then turns into a moving average as long.
            self.now += (loss - self.now) / self.looks.min(Self::LEAST) as f64;
            if self.looks <= Self::LEAST {
                self.first = self.now;
            }
        }
        let Partials { gain, slope, .. } = &activity.partials;
        let (plane, currents) = (self.dims.plane(), self.dims.currents);
        for b in 0..self.dims.batch {
            for (i, alive) in self.alive.iter_mut().enumerate() {
                let at = b * self.dims.sample() + i;
                let moves = |s: usize| {
                    (0..currents).any(|g| gain[(s * currents + g) * plane + at] != T::ZERO)
                        && slope[s * plane + at] != T::ZERO
                };
                *alive |= u64::from((0..self.dims.states).any(moves));
            }
        }
        self.look_at_gradients(gradient, readout);
    }

    /// Looks at the error signal of one step.
    pub fn look_at_signal<T: Scalar>(&mut self, signal: &[T]) {
        self.signalled |= u64::from(signal.iter().any(|q| *q != T::ZERO));
    }

    /// Looks at pending gradients.
    pub fn look_at_gradients<T: Scalar>(&mut self, gradient: &Matrix<T>, readout: &Matrix<T>) {
        let (n, m) = (self.dims.units, self.dims.pre());
        let blocks = [
            (gradient, 0..n),
            (gradient, n..m - 1),
            (gradient, m - 1..m),
            (readout, 0..n),
            (readout, n..n + 1),
        ];
        for (reached, (matrix, columns)) in self.reached.iter_mut().zip(blocks) {
            if *reached == 0 {
                let moved = |i| matrix.row(i)[columns.clone()].iter().any(|g| *g != T::ZERO);
                *reached = u64::from((0..matrix.rows()).any(moved));
            }
        }
    }

    /// What looks wrong so far.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.looks < Self::LEAST {
            return warnings;
        }
        for (parameter, reached) in PARAMETERS.into_iter().zip(self.reached) {
            if reached == 0 {
                warnings.push(Warning::NoGradient { parameter });
            }
        }
        // Without any gradient the warnings above say it already.
        if self.signalled == 0 && self.reached[..3].contains(&1) {
            warnings.push(Warning::NoSignal);
        }
        let dead = self.alive.iter().filter(|alive| **alive == 0).count();
        if dead > 0 {
            let units = self.dims.units;
            warnings.push(Warning::DeadUnits { dead, units });
        }
        if self.now > 2.0 * self.first && self.looks > 2 * Self::LEAST {
            let (first, now) = (self.first, self.now);
            warnings.push(Warning::GrowingLoss { first, now });
        }
        warnings
    }

    /// Saves or restores what was seen.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.counter("looks", &mut self.looks, STEPS)?;
        io.counters("reached", &mut self.reached, 0..=1)?;
        io.counter("signalled", &mut self.signalled, 0..=1)?;
        io.counters("alive", &mut self.alive, 0..=1)?;
        let mut losses = [self.first, self.now];
        io.measured("losses", &mut losses)?;
        [self.first, self.now] = losses;
        Ok(())
    }
}
