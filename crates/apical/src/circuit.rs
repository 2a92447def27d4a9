//! Chain movements into sequences: selector units choose the next input of a trained network at the end of each syllable.
//!
//! Source: Murray 2019, Figure 4 and its Methods. Selector i ("striatum") hears z_i = Σ_j Ws_ij h_j at the end of a syllable, the gate
//! being shut otherwise; the most active one among those that keep the cursor in bounds switches on its tonic input for the next
//! syllable, or with probability `exploration` one of them at random. The network itself stays as it is. A rewarded transition, one of
//! the target sequence, is learned by ΔWs_ij = η R z_i h_j.
//!
//! Two choices are ours. Read literally, z_i is the linear current (`activity = "linear"`): then a reward multiplies the whole
//! vector z by 1 + η |h|² and the choice can never change; with `"winner"`, the default, z in the update is the activity after the
//! competition, 1 for the winner and 0 for the rest. And R in {0, 1} only ever adds to Ws, so that an early success spreads to all
//! states that overlap; `normalise`, on by default, keeps every row that has learned at unit length.
//! A hold has no input of its own, so a syllable is a movement and its hold under the same input ([`ReachSpec`]); the first
//! direction of a sequence is given. A wrong transition does not end the trial.
//! Shapes: Ws 4 × n. Memory and time 4 n a syllable. Local: presynaptic rate, the winner, one broadcast reward.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::Matrix;
use crate::network::{Activity, Network};
use crate::snapshot::StateIo;
use crate::stream::{Stream, Streams};
use crate::task::{Corner, DIRECTIONS, ReachSpec, check_sequence};
use crate::{Error, Result, Scalar};

/// Configuration of the loop circuit and its training, which follows that of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CircuitSpec {
    /// Trials of training.
    #[schemars(range(min = 1), extend("unit" = "trials"))]
    pub trials: u64,
    /// η of Ws.
    #[schemars(range(min = 0.0))]
    pub rate: f64,
    /// Probability of choosing at random.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub exploration: f64,
    /// What z is in the update.
    pub activity: Competition,
    /// Whether rows of Ws that have learned are scaled to unit length.
    pub normalise: bool,
    /// Directions to be chained; the first one is given.
    #[schemars(length(min = 2), inner(range(max = 3)))]
    pub sequence: Vec<usize>,
}

impl Default for CircuitSpec {
    fn default() -> Self {
        Self {
            trials: 10_000,
            rate: 0.1,
            exploration: 0.1,
            activity: Competition::Winner,
            normalise: true,
            sequence: vec![0, 2, 1, 3],
        }
    }
}

/// Activity of the selectors in the learning rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Competition {
    /// After the competition: 1 for the winner, 0 for the others.
    #[default]
    Winner,
    /// Before it: the current Ws h of each.
    Linear,
}

impl CircuitSpec {
    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// No trials, a rate or probability out of range, or a sequence that leaves the square or is ambiguous.
    pub fn check(&self) -> Result<()> {
        if self.trials == 0 {
            let mend = "Set it to 1 or more, or remove [circuit].";
            return Err(Error::invalid("circuit.trials", 0, "at least 1", mend));
        }
        if !(self.rate.is_finite() && self.rate >= 0.0) {
            return Err(Error::invalid(
                "circuit.rate",
                self.rate,
                "a finite number that is not negative",
                "0.1 is the default.",
            ));
        }
        if !(0.0..=1.0).contains(&self.exploration) {
            return Err(Error::invalid(
                "circuit.exploration",
                self.exploration,
                "a probability in [0, 1]",
                "It is the share of choices made at random; the published one is 0.1.",
            ));
        }
        let field = "circuit.sequence";
        check_sequence(field, &self.sequence)?;
        if self.sequence.len() < 2 {
            return Err(Error::invalid(
                field,
                format!("{:?}", self.sequence),
                "at least two directions",
                "A closed path is [0, 2, 1, 3].",
            ));
        }
        for direction in 0..DIRECTIONS.len() {
            let mut after = self
                .sequence
                .windows(2)
                .filter(|pair| pair[0] == direction)
                .map(|pair| pair[1]);
            if let Some(first) = after.next()
                && after.any(|other| other != first)
            {
                return Err(Error::invalid(
                    field,
                    format!("{:?}", self.sequence),
                    format!("one successor of each direction; {direction} has several"),
                    "The state at the end of a syllable tells the direction, not how often it came.",
                ));
            }
        }
        Ok(())
    }

    /// The direction that is to follow, if the sequence has one.
    pub fn successor(&self, direction: usize) -> Option<usize> {
        let mut pairs = self.sequence.windows(2);
        pairs.find(|pair| pair[0] == direction).map(|pair| pair[1])
    }
}

/// The selector units.
#[derive(Clone, Debug)]
pub struct Selector<T> {
    spec: CircuitSpec,
    /// Ws, one row a selector.
    weights: Matrix<T>,
    current: [T; DIRECTIONS.len()],
    stream: Stream,
}

impl<T: Scalar> Selector<T> {
    /// Ws uniform between ∓1/√units.
    ///
    /// # Errors
    /// Those of [`CircuitSpec::check`].
    pub fn new(spec: &CircuitSpec, units: usize, streams: &Streams) -> Result<Self> {
        spec.check()?;
        let mut weights = Matrix::zeros(DIRECTIONS.len(), units);
        let mut stream = streams.stream("circuit", 0);
        let end = 1.0 / (units as f64).sqrt();
        for i in 0..weights.rows() {
            for w in weights.row_mut(i) {
                *w = T::of(end * (2.0 * stream.uniform() - 1.0));
            }
        }
        Ok(Self {
            spec: spec.clone(),
            weights,
            current: [T::ZERO; DIRECTIONS.len()],
            stream: streams.stream("circuit", 1),
        })
    }

    /// Ws, one row a selector.
    pub fn weights(&self) -> &Matrix<T> {
        &self.weights
    }

    /// The choice for these rates among what `allowed` says; at random now and then if it may `explore`.
    pub fn choose(&mut self, rates: &[T], explore: bool, allowed: impl Fn(usize) -> bool) -> usize {
        for (i, z) in self.current.iter_mut().enumerate() {
            let terms = self.weights.row(i).iter().zip(rates);
            *z = terms.fold(T::ZERO, |sum, (w, h)| sum + *w * *h);
        }
        let allowed = || (0..DIRECTIONS.len()).filter(|d| allowed(*d));
        if explore && self.stream.uniform() < self.spec.exploration {
            let count = allowed().count().max(1);
            let pick = ((self.stream.uniform() * count as f64) as usize).min(count - 1);
            return allowed().nth(pick).unwrap_or(0);
        }
        let stronger = |a: usize, b: usize| {
            if self.current[b] > self.current[a] {
                b
            } else {
                a
            }
        };
        allowed().reduce(stronger).unwrap_or(0)
    }

    /// Learns from a reward for the last choice.
    pub fn reward(&mut self, rates: &[T], chosen: usize) {
        let rate = T::of(self.spec.rate);
        for i in 0..DIRECTIONS.len() {
            let z = match self.spec.activity {
                Competition::Winner if i == chosen => T::ONE,
                Competition::Winner => continue,
                Competition::Linear => self.current[i],
            };
            let row = self.weights.row_mut(i);
            for (w, h) in row.iter_mut().zip(rates) {
                *w += rate * z * *h;
            }
            if self.spec.normalise {
                let length = row.iter().fold(T::ZERO, |sum, w| sum + *w * *w).root();
                if length > T::ZERO {
                    row.iter_mut().for_each(|w| *w = *w / length);
                }
            }
        }
    }

    /// Saves or restores Ws and the stream.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.matrix("weights", &mut self.weights)?;
        self.stream.state("stream", io)
    }
}

/// What the network and the circuit did in one trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Performance {
    /// Directions in their order.
    pub directions: Vec<usize>,
    /// Transitions that are those of the sequence, and all transitions.
    pub right: (usize, usize),
    /// Velocity of the cursor at every step, if asked for.
    pub velocity: Vec<[f64; 2]>,
}

/// A trained network that chains its movements through a loop.
pub struct SequenceLoop<'a, T> {
    network: &'a Network<T>,
    reach: ReachSpec,
    spec: CircuitSpec,
    selector: Selector<T>,
    activity: Activity<T>,
}

impl<'a, T: Scalar> SequenceLoop<'a, T> {
    /// For a network that has learned `reach` with cues.
    ///
    /// # Errors
    /// Those of [`CircuitSpec::check`], a task without cues, or a network of other sizes.
    pub fn new(
        network: &'a Network<T>,
        reach: &ReachSpec,
        spec: &CircuitSpec,
        streams: &Streams,
    ) -> Result<Self> {
        let dims = network.dims();
        let selector = Selector::new(spec, dims.units, streams)?;
        if !reach.cues || (dims.inputs, dims.outputs) != (DIRECTIONS.len(), 2) {
            return Err(Error::invalid(
                "circuit",
                format!(
                    "a network with {} inputs and {} outputs",
                    dims.inputs, dims.outputs
                ),
                "one that has learned the task reach with cues: 4 inputs, 2 outputs",
                "Set task.kind = \"reach\" and task.cues = true.",
            ));
        }
        if dims.batch != 1 {
            return Err(Error::invalid(
                "batch",
                dims.batch,
                "1 with a loop circuit, which has one cursor",
                "Set batch = 1.",
            ));
        }
        Ok(Self {
            network,
            reach: reach.clone(),
            spec: spec.clone(),
            selector,
            activity: Activity::new(dims),
        })
    }

    /// The selectors.
    pub fn selector(&self) -> &Selector<T> {
        &self.selector
    }

    /// One trial: explores and learns if `learning`, is deterministic otherwise; keeps the velocity if `record`.
    #[inline(never)]
    pub fn trial(&mut self, learning: bool, record: bool) -> Performance {
        self.network.reset(&mut self.activity);
        let mut performance = Performance::default();
        let mut direction = self.spec.sequence[0];
        let mut corner = Corner::default();
        let units = self.network.dims().units;
        for syllable in 0..self.spec.sequence.len() {
            performance.directions.push(direction);
            corner = corner.after(direction);
            let mut input = [T::ZERO; DIRECTIONS.len()];
            input[direction] = T::ONE;
            for _ in 0..self.reach.syllable() {
                self.network.step::<false>(&mut self.activity, &input);
                if record {
                    let z = self.activity.output.row(0);
                    performance.velocity.push([z[0].f64(), z[1].f64()]);
                }
            }
            if syllable + 1 == self.spec.sequence.len() {
                break;
            }
            let rates = &self.activity.rate[..units];
            let next = self.selector.choose(rates, learning, |d| corner.allows(d));
            let right = self.spec.successor(direction) == Some(next);
            performance.right.0 += usize::from(right);
            performance.right.1 += 1;
            if learning && right {
                self.selector.reward(rates, next);
            }
            direction = next;
        }
        performance
    }

    /// Share of right transitions over `trials` trials of training.
    #[inline(never)]
    pub fn train(&mut self, trials: u64) -> f64 {
        let (mut right, mut all) = (0, 0);
        for _ in 0..trials {
            let performance = self.trial(true, false);
            right += performance.right.0;
            all += performance.right.1;
        }
        right as f64 / all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of right transitions of the last 100 of 10,000 steps, over ten seeds: four states with this overlap, each to be
    /// followed by the next.
    fn toy(spec: &CircuitSpec, overlap: f64) -> f64 {
        // Rows of the matrix (1 − c) I + c 1 1ᵀ have the right products when its root is taken: it has two eigenvalues.
        let (a, b) = ((1.0 - overlap).sqrt(), (1.0 + 3.0 * overlap).sqrt());
        let state = |k: usize| -> Vec<f64> {
            (0..4)
                .map(|j| (b - a) / 4.0 + if j == k { a } else { 0.0 })
                .collect()
        };
        let mut right = 0.0;
        for seed in 0..10 {
            let mut selector = Selector::<f64>::new(spec, 4, &Streams::new(seed)).unwrap();
            let mut last = 0.0;
            for t in 0..10_000 {
                let h = state(t % 4);
                let next = selector.choose(&h, t < 9_900, |_| true);
                if next == (t + 1) % 4 {
                    selector.reward(&h, next);
                    last += f64::from(u8::from(t >= 9_900));
                }
            }
            right += last / 1_000.0;
        }
        right
    }

    #[test]
    fn only_the_winner_learns_and_unit_length_keeps_success_from_spreading() {
        let winner = CircuitSpec::default();
        for overlap in [0.0, 0.2, 0.5, 0.8] {
            assert!(toy(&winner, overlap) > 0.99, "{overlap}");
        }
        let unbounded = CircuitSpec {
            normalise: false,
            ..winner.clone()
        };
        assert!(toy(&unbounded, 0.8) < 0.6);
        // The literal rule scales all currents alike: what was chosen stays chosen.
        let linear = CircuitSpec {
            activity: Competition::Linear,
            normalise: false,
            ..winner
        };
        assert!(toy(&linear, 0.2) < 0.6);
    }

    #[test]
    fn the_literal_rule_leaves_ratios_as_they_are() {
        let spec = CircuitSpec {
            activity: Competition::Linear,
            normalise: false,
            ..CircuitSpec::default()
        };
        let mut selector = Selector::<f64>::new(&spec, 7, &Streams::new(3)).unwrap();
        let mut stream = Streams::new(3).stream("test", 0);
        let h: Vec<f64> = (0..7).map(|_| stream.normal()).collect();
        let chosen = selector.choose(&h, false, |_| true);
        let before = selector.current;
        selector.reward(&h, chosen);
        assert_eq!(selector.choose(&h, false, |_| true), chosen);
        let factor = 1.0 + spec.rate * h.iter().map(|h| h * h).sum::<f64>();
        for (after, before) in selector.current.iter().zip(before) {
            assert!((after / before - factor).abs() < 1e-12);
        }
    }

    #[test]
    fn choices_stay_within_bounds_and_explore_as_often_as_stated() {
        let spec = CircuitSpec {
            exploration: 0.5,
            ..CircuitSpec::default()
        };
        let mut selector = Selector::<f64>::new(&spec, 3, &Streams::new(1)).unwrap();
        let h = [0.3, -0.2, 0.9];
        let best = selector.choose(&h, false, |d| d != 2);
        assert_ne!(best, 2);
        let mut other = 0.0;
        for _ in 0..10_000 {
            let chosen = selector.choose(&h, true, |d| d != 2);
            assert_ne!(chosen, 2);
            other += f64::from(u8::from(chosen != best));
        }
        // Two of three allowed ones half of the time; four standard errors.
        assert!((other / 10_000.0f64 - 1.0 / 3.0).abs() < 0.019, "{other}");
    }

    /// Untrained units hear which input is on: enough for the selectors.
    fn network() -> Network<f64> {
        let spec = crate::network::NetworkSpec {
            units: 20,
            ..Default::default()
        };
        Network::new(&spec, 4, 2, 1, &Streams::new(4)).unwrap()
    }

    fn short() -> ReachSpec {
        ReachSpec {
            movement: 6,
            hold: 4,
            ..ReachSpec::default()
        }
    }

    #[test]
    fn the_loop_learns_the_sequence_and_keeps_to_it() {
        let (network, reach, streams) = (network(), short(), Streams::new(4));
        let spec = CircuitSpec::default();
        let mut chain = SequenceLoop::new(&network, &reach, &spec, &streams).unwrap();
        let early = chain.train(20);
        chain.train(2_000);
        // A tenth of the choices is random, of which half are right, and after a wrong turn nothing is: (0.95 + 0.95² + 0.95³)/3 is
        // the best. 500 trials of a deviation below 0.26: four standard errors are below 0.047.
        let late = chain.train(500);
        assert!((late - 0.9033).abs() < 0.047, "{early} {late}");
        let performance = chain.trial(false, true);
        assert_eq!(performance.directions, spec.sequence);
        assert_eq!(performance.right, (3, 3));
        assert_eq!(performance.velocity.len(), 40);
        // Without learning it is chance: two directions stay in the square from every corner.
        let still = CircuitSpec {
            rate: 0.0,
            exploration: 1.0,
            normalise: false,
            ..spec
        };
        let mut chain = SequenceLoop::new(&network, &reach, &still, &streams).unwrap();
        let share = chain.train(2_000);
        // A wrong turn may leave nothing that is right: below a half, and far from what learning reaches.
        assert!((0.2..0.5).contains(&share), "{share}");
    }

    #[test]
    fn the_selectors_hear_the_end_of_a_syllable_alone() {
        let (network, reach, streams) = (network(), short(), Streams::new(4));
        let spec = CircuitSpec {
            exploration: 0.0,
            ..CircuitSpec::default()
        };
        let mut chain = SequenceLoop::new(&network, &reach, &spec, &streams).unwrap();
        let chosen = chain.trial(false, false).directions[1];
        let mut activity = Activity::new(network.dims());
        network.reset(&mut activity);
        for _ in 0..reach.syllable() {
            network.step::<false>(&mut activity, &[1.0, 0.0, 0.0, 0.0]);
        }
        let mut selector = Selector::new(&spec, 20, &streams).unwrap();
        let corner = Corner::default().after(0);
        let rates = &activity.rate[..20];
        assert_eq!(selector.choose(rates, false, |d| corner.allows(d)), chosen);
    }

    #[test]
    fn a_loop_needs_the_network_it_chains() {
        let spec = crate::network::NetworkSpec::default();
        let network = Network::<f64>::new(&spec, 3, 2, 1, &Streams::new(1)).unwrap();
        let (circuit, streams) = (CircuitSpec::default(), Streams::new(1));
        let error = SequenceLoop::new(&network, &short(), &circuit, &streams);
        let error = error.err().unwrap().to_string();
        assert!(
            error.starts_with("circuit: got a network with 3 inputs"),
            "{error}"
        );
    }

    #[test]
    fn bad_settings_are_named() {
        let of = |json: &str| serde_json::from_str::<CircuitSpec>(json).unwrap().check();
        for (json, reason) in [
            (r#"{"exploration": 1.2}"#, "circuit.exploration: got 1.2"),
            (r#"{"exploration": -0.1}"#, "circuit.exploration: got -0.1"),
            (r#"{"rate": -1}"#, "circuit.rate: got -1"),
            (r#"{"trials": 0}"#, "circuit.trials: got 0"),
            (r#"{"sequence": [0]}"#, "circuit.sequence: got [0]"),
            (r#"{"sequence": [0, 3]}"#, "circuit.sequence: got [0, 3]"),
            (
                r#"{"sequence": [0, 1, 0, 2]}"#,
                "circuit.sequence: got [0, 1, 0, 2]",
            ),
        ] {
            let error = of(json).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{error}");
        }
    }
}
