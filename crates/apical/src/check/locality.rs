//! What a synapse's update depends on: everything it must not see is exchanged, and the update must keep its bits.
//!
//! Two instances of a rule run on two unrelated trajectories: other weights, inputs, targets, histories. At one step an
//! impostor is made for every synapse (g, i, j): what the synapse may see comes from the first trajectory, all the rest from
//! the second. The rule steps once on the impostor, and the gradient of the synapse, with what it and its unit carry on to
//! the next step, must be that of the first trajectory bit by bit. By induction over steps nothing it must not see, past or
//! present, has a way in.
//!
//! May be seen: the presynaptic a_j(t); of unit i its states and currents, partials, rate and error signal q_i; the
//! target and the loss, which are broadcast; the synapse's own weight; and of the rule's state what
//! [`Rule::state`](crate::rule::Rule::state) declares to be at the synapse, in unit i, or broadcast. On the level of the dendrite also the
//! rates of all units and the messages computed from rows declared [`Owner::Sender`]. Not the rows: columns that meet
//! a rate of zero do not enter the message, and come from the second trajectory. Where such rows meet the inputs as well
//! (a dendrite with synapses from all that drives the rates), these stay, as the rates do.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::case::{Case, Kind, Shape};
use super::trajectory::{Build, Trajectory};
use crate::error::heed;
use crate::network::Dims;
use crate::neuron::{Activation, NeuronSpec, RateSpec};
use crate::rule::{Locality, RuleSpec};
use crate::snapshot::{Array, Owner, Snapshot};
use crate::stream::Streams;
use crate::{Error, Result};

/// What a synapse must not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hidden {
    /// Every weight but its own.
    Weights,
    /// Other units' states, currents, partials and rates.
    Units,
    /// Presynaptic activity other than its own.
    Presynaptic,
    /// Other units' error signals.
    Signals,
    /// Traces of other synapses, and whatever else the rule keeps that is not declared to be at this one.
    Memory,
}

impl Hidden {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Weights,
        Self::Units,
        Self::Presynaptic,
        Self::Signals,
        Self::Memory,
    ];

    /// In a few words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Weights => "other weights",
            Self::Units => "other units' states and partials",
            Self::Presynaptic => "other presynaptic activity",
            Self::Signals => "other units' signals",
            Self::Memory => "memory of others",
        }
    }
}

/// What the audit of one rule found.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The settings audited, where they are not the default ones.
    pub settings: String,
    /// What the rule declares.
    pub declared: Locality,
    /// What units receive from the others, as declared.
    pub channels: Vec<String>,
    /// Synapses audited.
    pub synapses: u64,
    /// Of them, how many have an update at all.
    pub moving: u64,
    /// How many are updated otherwise by the second trajectory: the exchange has something to show.
    pub different: u64,
    /// How many keep their update, bit by bit, when all that a synapse must not see is exchanged.
    pub synapse: u64,
    /// The same, with what the other units send left as it was.
    pub dendrite: u64,
    /// What changes the update of some synapse when it is exchanged alone.
    pub uses: Vec<Hidden>,
    /// Arrays of the rule that do so.
    pub memory: Vec<String>,
    /// Whether the declaration is true.
    pub passed: bool,
}

impl Verdict {
    /// Whether no synapse has an update, so that there is nothing to see.
    pub fn is_trivial(&self) -> bool {
        self.moving == 0
    }
}

/// Audits `rule` on `cases` networks.
///
/// # Errors
/// A rule that serves none of the networks, or [`Error::Stopped`] once `stop` is set.
pub fn audit_rule(
    rule: &RuleSpec,
    settings: &str,
    seed: u64,
    cases: u64,
    stop: &AtomicBool,
) -> Result<Verdict> {
    let declared = rule.locality();
    let mut drawn = Vec::new();
    for k in 0..cases {
        heed(stop)?;
        drawn.push(audited(seed.wrapping_add(k), rule, k)?);
    }
    let build: Build<'_> = &|site| rule.build(site);
    let mut verdict = audit(build, declared, &drawn, stop)?;
    verdict.settings = settings.into();
    Ok(verdict)
}

/// Small enough to exchange everything for every synapse; every other network falls silent in places.
fn audited(seed: u64, rule: &RuleSpec, k: u64) -> Result<Case> {
    const SHAPE: Shape = Shape {
        units: (2, 5),
        steps: (2, 9),
        batch: (1, 2),
        kinks: true,
        kind: Kind::Any,
        loops: true,
    };
    let mut case = Case::served(seed, SHAPE, rule)?;
    let drawn = case.neuron.clone();
    if rule.locality() != Locality::Synapse && k % 2 == 1 {
        case.neuron = Some(NeuronSpec::Rate(RateSpec {
            alpha: 1.0,
            activation: Activation::Relu,
        }));
        if !case.serves(rule) {
            case.neuron = drawn;
        }
    }
    Ok(case)
}

/// Audits a rule on these networks against what is declared of it.
///
/// # Errors
/// A rule that does not serve a network or cannot restore its state, or [`Error::Stopped`] once `stop` is set.
pub fn audit(
    build: Build<'_>,
    declared: Locality,
    cases: &[Case],
    stop: &AtomicBool,
) -> Result<Verdict> {
    let mut verdict = Verdict {
        settings: String::new(),
        declared,
        channels: Vec::new(),
        synapses: 0,
        moving: 0,
        different: 0,
        synapse: 0,
        dendrite: 0,
        uses: Vec::new(),
        memory: Vec::new(),
        passed: false,
    };
    for case in cases {
        audit_case(build, case, &mut verdict, stop)?;
    }
    // In the order of the kinds, memory last.
    verdict.uses.sort_by_key(|hidden| *hidden as u8);
    let (all, some) = (verdict.synapses, verdict.synapses > 0);
    verdict.passed = some
        && match declared {
            // Nothing is updated from anywhere, near or far.
            _ if verdict.is_trivial() => true,
            Locality::Synapse => verdict.synapse == all && verdict.dendrite == all,
            Locality::Dendrite => verdict.dendrite == all && verdict.synapse < all,
            Locality::Network => verdict.dendrite < all,
        }
        // Agreement shows something only where the second trajectory by itself would disagree.
        && (verdict.is_trivial() || verdict.different > 0);
    Ok(verdict)
}

/// A synapse: current, postsynaptic unit, presynaptic element.
#[derive(Clone, Copy)]
struct Synapse {
    g: usize,
    i: usize,
    j: usize,
}

/// What of a trajectory is taken from the first.
struct Exchange {
    /// Kinds that come from the second.
    hidden: Vec<Hidden>,
    /// Of the rule's memory, only the arrays of this group.
    array: Option<String>,
    /// Whether rates and messages of other units stay.
    messages: bool,
}

fn audit_case(
    build: Build<'_>,
    case: &Case,
    verdict: &mut Verdict,
    stop: &AtomicBool,
) -> Result<()> {
    let mut stream = Streams::new(case.seed).stream("audit", 0);
    let last = (stream.uniform() * case.data.steps() as f64) as usize;
    let mut first = Trajectory::new(case, build)?;
    let mut second = Trajectory::new(&case.sibling(!case.seed), build)?;
    let mut impostor = Trajectory::new(&second.case, build)?;
    for trajectory in [&mut first, &mut second] {
        trajectory.warm_up()?;
    }
    for t in 0..last {
        for trajectory in [&mut first, &mut second] {
            trajectory.see(t);
            trajectory.learn()?;
        }
    }
    let mut befores = Vec::new();
    for trajectory in [&mut first, &mut second] {
        trajectory.see(last);
        trajectory.gradient.clear();
        befores.push(trajectory.snapshot()?);
    }
    let mut afters = Vec::new();
    for trajectory in [&mut first, &mut second] {
        trajectory.learn()?;
        afters.push(trajectory.snapshot()?);
        trajectory.settle();
    }
    for name in befores[0].arrays.keys() {
        let channel = match first.owner(name) {
            Owner::Sender { .. } => format!("a number from each unit's row of {name}"),
            Owner::Sent => name.clone(),
            _ => continue,
        };
        if !verdict.channels.contains(&channel) {
            verdict.channels.push(channel);
        }
    }
    let groups: BTreeSet<String> = befores[0].arrays.keys().map(|name| group(name)).collect();
    let dims = first.network.dims();
    let everything = |messages| Exchange {
        hidden: Hidden::ALL.to_vec(),
        array: None,
        messages,
    };
    for g in 0..dims.currents {
        for i in 0..dims.units {
            for j in 0..dims.pre() {
                heed(stop)?;
                let synapse = Synapse { g, i, j };
                let row = g * dims.units + i;
                let expected = first.gradient.row(row)[j];
                verdict.synapses += 1;
                verdict.moving += u64::from(expected != 0.0);
                let other = second.gradient.row(row)[j];
                verdict.different += u64::from(other.to_bits() != expected.to_bits());
                let mut keeps = |exchange: &Exchange| -> Result<bool> {
                    exchange.prepare(
                        &mut impostor,
                        [&first, &second],
                        [&befores[0], &befores[1]],
                        synapse,
                    )?;
                    impostor.learn()?;
                    let after = impostor.snapshot()?;
                    impostor.settle();
                    let gradient = impostor.gradient.row(row)[j];
                    let carried = afters[0].arrays.iter().all(|(name, array)| {
                        let owner = first.owner(name);
                        let own = |k: usize| owner.is_own(k, synapse, dims, exchange.messages);
                        agree(array, after.arrays.get(name), own)
                    });
                    Ok(gradient.to_bits() == expected.to_bits() && carried)
                };
                let dendrite = keeps(&everything(true))?;
                verdict.dendrite += u64::from(dendrite);
                verdict.synapse += u64::from(keeps(&everything(false))?);
                if !dendrite {
                    for hidden in Hidden::ALL {
                        if verdict.uses.contains(&hidden) {
                            continue;
                        }
                        let alone = Exchange {
                            hidden: vec![hidden],
                            array: None,
                            messages: true,
                        };
                        if !keeps(&alone)? {
                            verdict.uses.push(hidden);
                        }
                    }
                    for name in &groups {
                        if verdict.memory.contains(name) {
                            continue;
                        }
                        let alone = Exchange {
                            hidden: vec![Hidden::Memory],
                            array: Some(name.clone()),
                            messages: true,
                        };
                        if !keeps(&alone)? {
                            verdict.memory.push(name.clone());
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

impl Exchange {
    /// Turns `impostor` into the first trajectory with what is hidden from `synapse` taken from the second.
    fn prepare(
        &self,
        impostor: &mut Trajectory,
        [first, second]: [&Trajectory; 2],
        [before, other]: [&Snapshot; 2],
        Synapse { g, i, j }: Synapse,
    ) -> Result<()> {
        let dims = first.network.dims();
        let is = |hidden: Hidden| self.hidden.contains(&hidden);
        let from = |hidden: Hidden| if is(hidden) { second } else { first };

        let source = from(Hidden::Weights);
        let row = g * dims.units + i;
        let network = &mut impostor.network;
        let weights = network.synapses_mut().weights_mut();
        weights
            .data_mut()
            .copy_from_slice(source.network.synapses().weights().data());
        weights.row_mut(row)[j] = first.network.synapses().weights().row(row)[j];
        network
            .readout_mut()
            .data_mut()
            .copy_from_slice(source.network.readout().data());

        impostor.now.activity = from(Hidden::Units).now.activity.clone();
        let activity = &mut impostor.now.activity;
        let own = [
            (&mut activity.currents, &first.now.activity.currents),
            (&mut activity.state, &first.now.activity.state),
            (&mut activity.state_before, &first.now.activity.state_before),
            (&mut activity.rate, &first.now.activity.rate),
            (&mut activity.partials.own, &first.now.activity.partials.own),
            (
                &mut activity.partials.gain,
                &first.now.activity.partials.gain,
            ),
            (
                &mut activity.partials.slope,
                &first.now.activity.partials.slope,
            ),
            (&mut activity.slope_before, &first.now.activity.slope_before),
        ];
        for (mine, firsts) in own {
            copy_unit(mine, firsts, i, dims);
        }
        if self.messages {
            activity.rate.copy_from_slice(&first.now.activity.rate);
        }
        let inputs = before
            .arrays
            .keys()
            .any(|name| first.owner(name).meets_inputs(dims));
        activity.pre = from(Hidden::Presynaptic).now.activity.pre.clone();
        for b in 0..dims.batch {
            let firsts = first.now.activity.pre.row(b);
            let pre = activity.pre.row_mut(b);
            pre[j] = firsts[j];
            pre[i] = firsts[i];
            if self.messages {
                let heard = if inputs { dims.pre() } else { dims.units };
                pre[..heard].copy_from_slice(&firsts[..heard]);
            }
            for k in 0..dims.units {
                activity.post.row_mut(b)[k] = activity.rate[b * dims.sample() + k];
            }
        }
        impostor
            .now
            .signal
            .copy_from_slice(&from(Hidden::Signals).now.signal);
        copy_unit(&mut impostor.now.signal, &first.now.signal, i, dims);
        impostor.now.target.copy_from_slice(&first.now.target);
        impostor.now.losses.copy_from_slice(&first.now.losses);
        impostor.now.first = first.now.first;
        impostor.gradient.clear();

        let mut mixed = before.clone();
        for (name, array) in &mut mixed.arrays {
            let named = self.array.as_ref().is_none_or(|only| *only == group(name));
            match other.arrays.get(name) {
                Some(others) if named && is(Hidden::Memory) => *array = others.clone(),
                _ => continue,
            }
            let owner = first.owner(name);
            let activity = &first.now.activity;
            let visible = |k: usize| {
                owner.is_own(k, Synapse { g, i, j }, dims, self.messages)
                    || self.messages && owner.is_heard(k, activity, dims)
            };
            if let Some(firsts) = before.arrays.get(name) {
                copy_where(array, firsts, name, visible)?;
            }
        }
        impostor.restore(&mixed)
    }
}

/// The name of an array without the numbers in it: samples, currents and steps belong together.
fn group(name: &str) -> String {
    let words = name.split('.').filter(|word| word.parse::<u64>().is_err());
    words.collect::<Vec<_>>().join(".")
}

/// Number i of every padded row of units.
fn copy_unit(mine: &mut [f64], firsts: &[f64], i: usize, dims: Dims) {
    for k in (i..mine.len()).step_by(dims.sample()) {
        mine[k] = firsts[k];
    }
}

impl Owner {
    /// Whether number `k` belongs to the synapse, its unit, or everybody.
    fn is_own(self, k: usize, Synapse { g, i, j }: Synapse, dims: Dims, messages: bool) -> bool {
        match self {
            Self::Synapse { current } => {
                current == g && k == i * crate::kernel::padded(dims.pre()) + j
            }
            Self::Unit => k % dims.sample() == i,
            Self::States { stride } => k % stride % dims.units == i,
            Self::Row { stride } | Self::Sender { stride, .. } => k / stride % dims.units == i,
            Self::Presynaptic { stride, offset } => k % stride + offset == j,
            Self::Sent => messages,
            Self::Broadcast => true,
            Self::Network => false,
        }
    }

    /// Whether what is sent is computed from the inputs too.
    fn meets_inputs(self, dims: Dims) -> bool {
        matches!(self, Self::Sender { offset, .. } if offset >= dims.units)
    }

    /// Whether number `k` enters a message some unit sends: those that meet a rate of zero do not.
    fn is_heard(self, k: usize, activity: &crate::network::Activity<f64>, dims: Dims) -> bool {
        let Self::Sender {
            stride,
            offset,
            before,
        } = self
        else {
            return false;
        };
        let column = offset + k % stride;
        let rate = |b: usize| match before {
            true => activity.pre.row(b)[column],
            false => activity.rate[b * dims.sample() + column],
        };
        column >= dims.units || (0..dims.batch).any(|b| rate(b) != 0.0)
    }
}

fn copy_where(
    mine: &mut Array,
    firsts: &Array,
    name: &str,
    visible: impl Fn(usize) -> bool,
) -> Result<()> {
    fn copy<V: Copy>(mine: &mut [V], firsts: &[V], visible: impl Fn(usize) -> bool) {
        for (k, (mine, firsts)) in mine.iter_mut().zip(firsts).enumerate() {
            if visible(k) {
                *mine = *firsts;
            }
        }
    }
    match (mine, firsts) {
        (Array::F64(mine), Array::F64(firsts)) if mine.len() == firsts.len() => {
            copy(mine, firsts, visible)
        }
        (Array::F32(mine), Array::F32(firsts)) if mine.len() == firsts.len() => {
            copy(mine, firsts, visible)
        }
        (Array::U64(mine), Array::U64(firsts)) if mine.len() == firsts.len() => {
            copy(mine, firsts, visible)
        }
        _ => {
            return Err(Error::Snapshot {
                what: format!("`{name}` of two instances of a rule differ in type or length"),
                mend: "A rule's arrays must depend on its network's sizes and the step alone."
                    .into(),
            });
        }
    }
    Ok(())
}

/// Whether two arrays agree, bit by bit, where `own` says so.
fn agree(a: &Array, b: Option<&Array>, own: impl Fn(usize) -> bool) -> bool {
    let Some(b) = b else { return false };
    if a.len() != b.len() {
        return false;
    }
    match (a, b) {
        (Array::F64(a), Array::F64(b)) => {
            (0..a.len()).all(|k| !own(k) || a[k].to_bits() == b[k].to_bits())
        }
        (Array::F32(a), Array::F32(b)) => {
            (0..a.len()).all(|k| !own(k) || a[k].to_bits() == b[k].to_bits())
        }
        (Array::U64(a), Array::U64(b)) => (0..a.len()).all(|k| !own(k) || a[k] == b[k]),
        _ => false,
    }
}
