//! Sparse influence: M_(s,k),(g,i,j) is kept only where unit k can be reached from unit i in fewer than `order` steps.
//!
//! Source: Menick et al. 2021 (SnAp-n). M ← mask ∘ (J M + M̄). Order 1 keeps the influence of a synapse on its own unit, through
//! the self-connection J_ii too: a local trace whose `own` is own_ss' + Σ_g gain_sg,i W_g,ii slope_s',i. Higher orders keep for
//! each unit i the units its connections lead to; with dense weights order 2 keeps everything and is RTRL. The pattern is that of
//! the non-zero recurrent weights at the start of a trial: keep it (`optimizer.keep_sparsity`) or what grows outside it is dropped.
//! Drops: influence over more than `order` − 1 connections. With p reachable units for each: memory O(S G n p m),
//! time O(S² G n p² m) a step. Order 1 is local in space but for W_ii and slope_i of its own unit; higher orders are not local.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::influence::check_memory;
use super::trace::Traces;
use super::{Eligibility, FullInfluence};
use crate::jacobian::FormedJacobian;
use crate::kernel::{Buffer, Direct, Matrix, Panels, padded};
use crate::network::{Dims, Network};
use crate::sizes::Sizes;
use crate::snapshot::StateIo;
use crate::synapse::Synapses;
use crate::view::View;
use crate::{Error, Result, Scalar};

/// Configuration of SnAp-n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SnapSpec {
    /// n: influence travels over n − 1 connections.
    #[schemars(range(min = 1))]
    pub order: u64,
}

impl Default for SnapSpec {
    fn default() -> Self {
        Self { order: 1 }
    }
}

/// The influence that is kept.
pub struct Snap<T> {
    dims: Dims,
    order: u64,
    /// 1 where unit `i` hears unit `j`, at `i * units + j`: the connections the pattern was made from.
    connected: Vec<u64>,
    kept: Kept<T>,
}

enum Kept<T> {
    Own(OwnUnit<T>),
    Reachable(Box<Reachable<T>>),
    All(FullInfluence<T>),
}

/// Order 1.
struct OwnUnit<T> {
    traces: Traces<T>,
    own: Buffer<T>,
}

/// Sparse weights, order 2 and more.
struct Reachable<T> {
    dims: Dims,
    targets: Vec<Targets>,
    /// For each sample and unit i: states of its targets × its (g, j).
    influence: Vec<Panels<T>>,
    jacobian: FormedJacobian<T>,
    /// J between the states that one unit reaches.
    block: Buffer<T>,
    direct: Vec<(usize, T)>,
    /// Credit on all states, and on those that one unit reaches.
    credit: Buffer<T>,
    reached: Buffer<T>,
}

impl SnapSpec {
    /// Bytes of the influence over so many connections: as if no two ways led to the same unit.
    pub(crate) fn memory(&self, sizes: &Sizes) -> f64 {
        let (s, n) = (sizes.states, sizes.units);
        let pattern = n * n * size_of::<u64>() as f64;
        if self.order <= 1 {
            return pattern + sizes.traces() + s * s * sizes.plane();
        }
        let (mut reached, mut edge) = (1.0, 1.0);
        for _ in 1..self.order.min(64) {
            edge *= sizes.density * n;
            reached += edge;
        }
        if reached >= n {
            return pattern + super::influence::memory(sizes);
        }
        let panels = sizes.panels(s * reached, sizes.currents * sizes.pre());
        let targets = s * reached * size_of::<usize>() as f64;
        pattern + n * (sizes.batch * panels + targets) + 2.0 * sizes.jacobian()
    }
}

/// The units that a unit reaches, itself among them.
struct Targets {
    /// Where the unit itself stands among them.
    own: usize,
    /// Their states s·n + k: one variable after another, units in rising order.
    states: Vec<usize>,
}

impl<T: Scalar> Snap<T> {
    /// For `network`, whose non-zero weights are the pattern.
    ///
    /// # Errors
    /// Order 0, or more influence than fits in memory.
    pub fn new(spec: &SnapSpec, network: &Network<T>) -> Result<Self> {
        let dims = network.dims();
        if spec.order == 0 {
            return Err(Error::invalid(
                "rule.order",
                0,
                "at least 1",
                "1 keeps the influence of a synapse on its own unit, 2 that over one more connection.",
            ));
        }
        let n = dims.units;
        let connected: Vec<u64> = (0..n * n)
            .map(|k| u64::from(is_connected(network.synapses(), k / n, k % n)))
            .collect();
        let kept = keep(dims, spec.order, &connected)?;
        Ok(Self {
            dims,
            order: spec.order,
            connected,
            kept,
        })
    }

    /// Weights may have been set since this was built: the pattern follows at the start of a trial.
    fn follow(&mut self, synapses: &Synapses<T>) {
        let n = self.dims.units;
        let mut same = true;
        for (k, known) in self.connected.iter_mut().enumerate() {
            let now = u64::from(is_connected(synapses, k / n, k % n));
            same &= now == *known;
            *known = now;
        }
        // More than fits in memory keeps the pattern there was.
        if !same && let Ok(kept) = keep(self.dims, self.order, &self.connected) {
            self.kept = kept;
        }
    }
}

fn is_connected<T: Scalar>(synapses: &Synapses<T>, to: usize, from: usize) -> bool {
    (0..synapses.currents()).any(|g| synapses.recurrent(g, to, from) != T::ZERO)
}

fn keep<T: Scalar>(dims: Dims, order: u64, connected: &[u64]) -> Result<Kept<T>> {
    if order == 1 {
        return Ok(Kept::Own(OwnUnit {
            traces: Traces::new(dims),
            own: Buffer::zeros(dims.states * dims.states * dims.plane()),
        }));
    }
    let targets = reachable(connected, dims.units, order);
    if targets.iter().all(|targets| targets.len() == dims.units) {
        return FullInfluence::new(dims).map(Kept::All);
    }
    let rows: usize = targets
        .iter()
        .map(|targets| dims.states * targets.len())
        .sum();
    check_memory::<T>(dims, rows as f64 * (dims.currents * dims.pre()) as f64)?;
    Ok(Kept::Reachable(Box::new(Reachable::new(dims, targets))))
}

/// For each unit those that its state can influence over fewer than `order` connections.
fn reachable(connected: &[u64], units: usize, order: u64) -> Vec<Vec<usize>> {
    let from = |start: usize| {
        let mut reached = vec![false; units];
        reached[start] = true;
        let mut edge = vec![start];
        for _ in 1..order.min(units as u64) {
            let mut next = Vec::new();
            for unit in &edge {
                for to in 0..units {
                    if !reached[to] && connected[to * units + unit] == 1 {
                        reached[to] = true;
                        next.push(to);
                    }
                }
            }
            edge = next;
        }
        (0..units).filter(|unit| reached[*unit]).collect()
    };
    (0..units).map(from).collect()
}

impl<T: Scalar> Reachable<T> {
    fn new(dims: Dims, targets: Vec<Vec<usize>>) -> Self {
        let states = dims.states * dims.units;
        let parameters = dims.currents * dims.pre();
        let of = |targets: &Vec<usize>| Panels::zeros(dims.states * targets.len(), parameters);
        let influence = (0..dims.batch).flat_map(|_| targets.iter().map(of));
        let influence = influence.collect();
        let kept = |(i, targets): (usize, Vec<usize>)| Targets {
            own: targets.binary_search(&i).unwrap_or(0),
            states: (0..dims.states)
                .flat_map(|s| targets.iter().map(move |unit| s * dims.units + unit))
                .collect(),
        };
        Self {
            dims,
            influence,
            targets: targets.into_iter().enumerate().map(kept).collect(),
            jacobian: FormedJacobian::new(dims),
            block: Buffer::zeros(states * padded(states)),
            direct: vec![(0, T::ZERO); dims.currents * dims.states],
            credit: Buffer::zeros(states),
            reached: Buffer::zeros(states),
        }
    }

    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let dims = self.dims;
        let (n, m, simd) = (dims.units, dims.pre(), view.simd());
        for b in 0..dims.batch {
            let jacobian = self.jacobian.form(view, b);
            for s in 0..dims.states {
                let credit = &credit[s * dims.plane() + b * dims.sample()..][..n];
                self.credit[s * n..(s + 1) * n].copy_from_slice(credit);
            }
            for (i, targets) in self.targets.iter().enumerate() {
                let states = &targets.states[..];
                let stride = padded(states.len());
                let rows = self.block.chunks_exact_mut(stride).zip(states);
                for ((block, state), reached) in rows.zip(self.reached.iter_mut()) {
                    let row = jacobian.row(*state);
                    let elements = block.iter_mut().zip(states);
                    elements.for_each(|(j, column)| *j = row[*column]);
                    *reached = self.credit[*state];
                }
                for g in 0..dims.currents {
                    for s in 0..dims.states {
                        let row = s * states.len() / dims.states + targets.own;
                        self.direct[g * dims.states + s] = (row, view.gain(s, g, b)[i]);
                    }
                }
                let direct = Direct {
                    rows: &self.direct,
                    each: dims.states,
                    pre: &view.pre(b)[..m],
                };
                let influence = &mut self.influence[b * n + i];
                let credited = influence.advance(simd, &self.block, stride, &direct, &self.reached);
                for g in 0..dims.currents {
                    let row = gradient.row_mut(g * n + i).iter_mut();
                    row.zip(&credited[g * m..]).for_each(|(g, c)| *g += *c);
                }
            }
        }
    }
}

impl<T: Scalar> OwnUnit<T> {
    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        let dims = view.dims();
        let (n, sample, plane, states) = (dims.units, dims.sample(), dims.plane(), dims.states);
        for s in 0..states {
            for before in 0..states {
                for b in 0..dims.batch {
                    let own = &mut self.own[(s * states + before) * plane + b * sample..][..n];
                    for (i, own) in own.iter_mut().enumerate() {
                        *own = view.jacobian(b, s * n + i, before * n + i);
                    }
                }
            }
        }
        let own = |s: usize, before: usize, b: usize| {
            &self.own[(s * states + before) * plane + b * sample..][..n]
        };
        let gain = |s, g, b| view.gain(s, g, b);
        self.traces
            .advance(&view.local(), own, gain, credit, gradient);
    }
}

impl<T: Scalar> Eligibility<T> for Snap<T> {
    fn reset(&mut self) {
        match &mut self.kept {
            Kept::Own(own) => own.traces.clear(),
            Kept::Reachable(kept) => kept.influence.iter_mut().for_each(Panels::clear),
            Kept::All(all) => all.reset(),
        }
    }

    fn step(&mut self, view: &View<'_, T>, credit: &[T], gradient: &mut Matrix<T>) {
        if view.is_first() && self.order > 1 {
            self.follow(view.synapses());
        }
        match &mut self.kept {
            Kept::Own(own) => own.step(view, credit, gradient),
            Kept::Reachable(kept) => kept.step(view, credit, gradient),
            Kept::All(all) => all.step(view, credit, gradient),
        }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        let mut connected = self.connected.clone();
        io.counters("connected", &mut connected, 0..=1)?;
        if connected != self.connected {
            self.kept = keep(self.dims, self.order, &connected)?;
            self.connected = connected;
        }
        match &mut self.kept {
            Kept::Own(own) => own.traces.state(io),
            Kept::All(all) => all.state(io),
            Kept::Reachable(kept) => {
                for (k, influence) in kept.influence.iter_mut().enumerate() {
                    io.panels(&format!("influence.{k}"), influence)?;
                }
                Ok(())
            }
        }
    }
}
