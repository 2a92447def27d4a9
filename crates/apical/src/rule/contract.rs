//! Facts of a rule, and what some rules can do beside learning from a step.

use super::Rule;
use crate::kernel::{Descent, Matrix};
use crate::network::{Activity, Dims, Network};
use crate::probe::Probe;
use crate::snapshot::{Found, Parts, StateIo};
use crate::view::{LocalView, View};
use crate::warning::Warning;
use crate::{Result, Scalar};

/// When the gradient of a step is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emits {
    /// With the step itself.
    #[default]
    Step,
    /// So many steps later; [`Flush::end_trial`] brings the last ones.
    Later(u64),
    /// With the last of so many steps; [`Flush::end_trial`] brings those of a part.
    Block(u64),
    /// At each update, from [`Flush::flush`]: updates at every step would be pointless.
    Window,
    /// At the end of a trial, from [`Flush::end_trial`]: an endless stream would teach nothing.
    Trial,
}

/// What those who run a rule need to know of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// When the gradient of a step is complete.
    pub emits: Emits,
    /// True if the gradient of a rule with traces is worked out at the end of trials, at less cost.
    pub by_trial: bool,
    /// True if the rule looks at [`View::type_sums`], at every step with an error at least.
    pub reads_type_sums: bool,
    /// True if the recurrent layer stays as it is, so that a missing gradient is no surprise.
    pub is_frozen: bool,
    /// Random numbers a step needs.
    pub draws: usize,
}

impl Contract {
    /// Of a rule whose gradients come in this manner.
    pub fn emits(emits: Emits) -> Self {
        Self {
            emits,
            ..Self::default()
        }
    }

    /// Of a rule with traces whose gradient is worked out at the end of trials.
    pub fn by_trial() -> Self {
        Self {
            by_trial: true,
            ..Self::emits(Emits::Window)
        }
    }

    /// `"online"` or `"trial"`.
    pub fn mode(self) -> &'static str {
        if self.by_trial { "trial" } else { "online" }
    }

    /// True if the gradient comes from [`Flush::flush`].
    pub fn needs_window(self) -> bool {
        self.emits == Emits::Window
    }

    /// True if the end of a trial brings gradients of steps before it, also with updates at every step.
    pub fn is_late(self) -> bool {
        matches!(self.emits, Emits::Later(_) | Emits::Block(_) | Emits::Trial)
    }

    /// Steps by which the gradient of a step comes late.
    pub fn lag(self) -> u64 {
        match self.emits {
            Emits::Later(lag) => lag,
            _ => 0,
        }
    }

    /// Steps whose gradients come together, with the last of them; `u64::MAX` if only with the end of a trial or window.
    pub fn block(self) -> u64 {
        match self.emits {
            Emits::Step | Emits::Later(_) => 1,
            Emits::Block(steps) => steps,
            Emits::Window | Emits::Trial => u64::MAX,
        }
    }
}

/// Gradients that come after their steps.
pub trait Flush<T: Scalar> {
    /// Before weights change: adds the gradient of what a rule that looks back from here has seen.
    fn flush(&mut self, _network: &Network<T>, _gradient: &mut Matrix<T>) {}

    /// At the end of a trial: adds the gradient of all its steps that have not had theirs.
    fn end_trial(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        self.flush(network, gradient);
    }
}

/// A gradient that goes into the weights row by row, at each step.
pub trait Descend<T: Scalar> {
    /// Works out the credit: all of a step that looks at the network.
    fn assign(&mut self, view: &View<'_, T>, signal: &[T]);

    /// Moves traces and weights on, to the bits of [`Rule::step`] and a plain descent after it.
    fn descend(&mut self, view: &LocalView<'_, T>, descent: Descent<'_, T>);
}

/// Exploration: the rule changes what the network does, so that it cannot watch another one learn.
pub trait Perturb<T: Scalar> {
    /// Changes the currents u(t), one plane a current, before the units see them.
    fn perturb(&mut self, dims: Dims, currents: &mut [T], pre: &Matrix<T>);
}

/// A readout that learns by the rule.
pub trait Teach<T: Scalar> {
    /// Changes the readout at an update. `delta` is ∂L/∂z of the last step, one row a sample.
    fn teach(&mut self, network: &mut Network<T>, activity: &Activity<T>, delta: &Matrix<T>);
}

impl<T: Scalar> dyn Rule<T> + '_ {
    /// [`Flush::flush`], if the rule has any to do.
    pub fn flush(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        if let Some(rule) = self.flushing() {
            rule.flush(network, gradient);
        }
    }

    /// [`Flush::end_trial`], if the rule has any to do.
    pub fn end_trial(&mut self, network: &Network<T>, gradient: &mut Matrix<T>) {
        if let Some(rule) = self.flushing() {
            rule.end_trial(network, gradient);
        }
    }

    /// [`Watch::probes`](super::Watch::probes), if there are any.
    pub fn probes(&self) -> &'static [&'static str] {
        self.watched().map_or(&[], |rule| rule.probes())
    }

    /// [`Watch::probe`](super::Watch::probe); NaN if there is none.
    pub fn probe(&self, index: usize) -> Probe<'_, T> {
        match self.watched() {
            Some(rule) => rule.probe(index),
            None => Probe::Number(f64::NAN),
        }
    }

    /// [`Watch::warnings`](super::Watch::warnings), if there are any.
    pub fn warnings(&self) -> Vec<Warning> {
        self.watched().map_or(Vec::new(), |rule| rule.warnings())
    }

    /// Every array of the rule, with its layout and whose its numbers are.
    ///
    /// # Errors
    /// A state that cannot be told.
    pub fn parts(&mut self) -> Result<Parts> {
        let mut parts = Parts::new();
        self.state(&mut StateIo::describe(&mut parts))?;
        Ok(parts)
    }

    /// Shape and numbers, row by row, of the first array of this name; its scope and the number of a sample may be left out.
    ///
    /// # Errors
    /// A state that cannot be told.
    pub fn array(&mut self, name: &str) -> Result<Option<(Vec<usize>, Vec<f64>)>> {
        let mut found = Found::Get { values: None };
        self.state(&mut StateIo::find(name, &mut found))?;
        match found {
            Found::Get { values } => Ok(values),
            Found::Set { .. } => Ok(None),
        }
    }

    /// Sets every array of this name from its numbers row by row; false if there are none of that name and size.
    ///
    /// # Errors
    /// A state that cannot be set.
    pub fn set_array(&mut self, name: &str, values: &[f64]) -> Result<bool> {
        let values = values.to_vec();
        let mut found = Found::Set { values, hits: 0 };
        self.state(&mut StateIo::find(name, &mut found))?;
        Ok(matches!(found, Found::Set { hits, .. } if hits > 0))
    }
}
