//! Follow a finite automaton from state to state.
//!
//! With probability p_transition an input arrives, one-hot, and the state k moves to map_input(k). The target is
//! the vector of the state times exp(−decay · steps since the last input), `delay` steps late.
//! Without maps of one's own, random ones are drawn for the seed until the automaton can get from every state to
//! every other (and is aperiodic).
//! Source: Marschall, Cho & Savin (code), whose delay wraps around to the end of the sequence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::discrete_integration::{Times, interval};
use super::{Request, Settings, Task, TaskInfo, check, draw};
use crate::sizes::Need;
use crate::snapshot::{STEPS, StateIo};
use crate::stream::{Stream, Streams};
use crate::{Error, Result, Scalar};

/// Configuration of the fixed-point transition task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FixedPointTransitionSpec {
    /// The target of each state.
    #[schemars(length(min = 1))]
    pub states: Vec<Vec<f64>>,
    /// For each input, the next state of every state, counted from 0; drawn at random if empty.
    pub maps: Vec<Vec<usize>>,
    /// Number of inputs, and of maps drawn; `maps` decides if given.
    #[schemars(range(min = 1, max = super::check::LARGEST))]
    pub inputs: usize,
    /// Whether the maps drawn change nothing when applied a second time.
    pub idempotent: bool,
    /// Probability of an input, or one over the steps between two inputs.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub p_transition: f64,
    /// When inputs come.
    pub transitions: Times,
    /// Steps by which the target is late.
    #[schemars(range(min = 0, max = 1_000_000), extend("unit" = "steps"))]
    pub delay: u64,
    /// How fast the target decays, per step.
    #[schemars(range(min = 0.0))]
    pub decay: f64,
}

impl Default for FixedPointTransitionSpec {
    fn default() -> Self {
        Self {
            states: vec![
                vec![1.0, 0.0, 0.0],
                vec![0.0, 1.0, 0.0],
                vec![0.0, 0.0, 1.0],
            ],
            maps: Vec::new(),
            inputs: 3,
            idempotent: true,
            p_transition: 0.05,
            transitions: Times::Random,
            delay: 0,
            decay: 0.0,
        }
    }
}

/// Maps are drawn so often before giving up.
const TRIES: u64 = 10_000;

impl FixedPointTransitionSpec {
    fn check(&self) -> Result<()> {
        let outputs = self.states.first().map_or(0, Vec::len);
        check::size("task.states", self.states.len(), 1)?;
        check::size("task.states[0]", outputs, 1)?;
        for (k, state) in self.states.iter().enumerate() {
            let field = format!("task.states[{k}]");
            if state.len() != outputs {
                return Err(Error::invalid(
                    field,
                    format!("{} numbers", state.len()),
                    format!("{outputs}, as the first state"),
                    "Each state needs one number for each output.",
                ));
            }
            check::list(&field, state, outputs)?;
        }
        for (k, map) in self.maps.iter().enumerate() {
            let count = self.states.len();
            let wrong = map.iter().find(|next| **next >= count);
            if map.len() != count || wrong.is_some() {
                return Err(Error::invalid(
                    format!("task.maps[{k}]"),
                    format!("{map:?}"),
                    format!("{count} states, each between 0 and {}", count - 1),
                    "Each map names the next state of every state.",
                ));
            }
        }
        check::size("task.inputs", Settings::sizes(self).0, 1)?;
        check::some_probability("task.p_transition", self.p_transition)?;
        check::not_negative("task.decay", self.decay)?;
        if self.delay > 1_000_000 {
            let mend = "Each stream keeps that many states in memory.";
            return Err(Error::invalid(
                "task.delay",
                self.delay,
                "at most 1000000",
                mend,
            ));
        }
        Ok(())
    }

    /// The maps given, or those of the seed.
    fn maps(&self, streams: &Streams) -> Result<Vec<Vec<usize>>> {
        if !self.maps.is_empty() {
            return Ok(self.maps.clone());
        }
        let mut stream = streams.stream("fixed-point maps", 0);
        let count = self.states.len();
        for _ in 0..TRIES {
            let draw = |_| draw_map(&mut stream, count, self.idempotent);
            let maps: Vec<_> = (0..self.inputs).map(draw).collect();
            if is_ergodic(&maps, count) {
                return Ok(maps);
            }
        }
        Err(Error::invalid(
            "task.inputs",
            self.inputs,
            format!(
                "enough random maps to get from each of {count} states to each other ({TRIES} draws were none)"
            ),
            "Use more inputs or fewer states, set idempotent = false, or give `maps`.",
        ))
    }
}

fn draw_map(stream: &mut Stream, states: usize, idempotent: bool) -> Vec<usize> {
    let any = |stream: &mut Stream| draw::below(stream, states as u64) as usize;
    if !idempotent {
        return (0..states).map(|_| any(stream)).collect();
    }
    // Where it leads to must lead to itself.
    let mut fixed: Vec<bool> = (0..states).map(|_| stream.coin()).collect();
    let one = any(stream);
    fixed[one] = true;
    let ends: Vec<usize> = (0..states).filter(|k| fixed[*k]).collect();
    let next = |k: usize| {
        if fixed[k] {
            k
        } else {
            draw::choice(stream, &ends)
        }
    };
    (0..states).map(next).collect()
}

/// Whether the chain that applies one of the maps at random forgets where it started.
fn is_ergodic(maps: &[Vec<usize>], states: usize) -> bool {
    // Every state is reached from every other, and the cycles through state 0 have no common divisor.
    let reach = |forward: bool| {
        let mut depth = vec![None; states];
        depth[0] = Some(0u64);
        let mut open = vec![0];
        while let Some(k) = open.pop() {
            for map in maps {
                let edges = (0..states).filter(|j| if forward { *j == k } else { map[*j] == k });
                for j in edges.map(|j| if forward { map[j] } else { j }) {
                    if depth[j].is_none() {
                        depth[j] = depth[k].map(|d| d + 1);
                        open.push(j);
                    }
                }
            }
        }
        depth
    };
    let (from, to) = (reach(true), reach(false));
    if to.iter().any(Option::is_none) {
        return false;
    }
    let Some(depth) = from.into_iter().collect::<Option<Vec<u64>>>() else {
        return false;
    };
    let mut period = 0;
    for map in maps {
        for (k, next) in map.iter().enumerate() {
            period = gcd(period, (depth[k] + 1).abs_diff(depth[*next]));
        }
    }
    period == 1
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Settings for FixedPointTransitionSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "fixed_point_transition",
        summary: "follow a finite automaton",
        sizes: "inputs, numbers in a state",
        source: "Marschall, Cho & Savin (code)",
    };

    fn sizes(&self) -> (usize, usize) {
        let inputs = if self.maps.is_empty() {
            self.inputs
        } else {
            self.maps.len()
        };
        (inputs, self.states.first().map_or(0, Vec::len))
    }

    fn width(&self) -> Option<(&'static str, u64)> {
        Some(("task.inputs", self.inputs as u64))
    }

    fn needs(&self, batch: usize) -> Vec<Need> {
        let (past, maps) = (self.delay as f64 + 1.0, self.inputs as f64);
        let delayed = 16.0 * batch as f64 * past;
        vec![
            Need::new("task.delay", self.delay, delayed),
            Need::new(
                "task.inputs",
                self.inputs,
                8.0 * maps * (self.states.len() as f64 + 3.0),
            ),
        ]
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check()?;
        let drawn = FixedPointTransition {
            maps: self.maps(request.streams)?,
            spec: self.clone(),
        };
        Ok(batch::samples(drawn, self, request))
    }
}

struct Past {
    /// States and steps since the last input, now and `delay` steps back, as a ring.
    states: Vec<u64>,
    ages: Vec<u64>,
}

struct FixedPointTransition {
    spec: FixedPointTransitionSpec,
    maps: Vec<Vec<usize>>,
}

impl batch::Drawn for FixedPointTransition {
    type Kept = Past;

    fn begin(&self, stream: &mut Stream) -> Self::Kept {
        let memory = self.spec.delay as usize + 1;
        let state = draw::below(stream, self.spec.states.len() as u64);
        Past {
            states: vec![state; memory],
            ages: vec![0; memory],
        }
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        let spec = &self.spec;
        let arrives = match spec.transitions {
            Times::Random => stream.uniform() < spec.p_transition,
            Times::Regular => step > 0 && step.is_multiple_of(interval(spec.p_transition)),
        };
        let memory = kept.states.len() as u64;
        let (now, before) = (step % memory, (step + memory - 1) % memory);
        let (now, before) = (now as usize, before as usize);
        let (mut state, mut age) = (kept.states[before], kept.ages[before] + 1);
        if arrives {
            let input = draw::below(stream, row.x.len() as u64) as usize;
            row.x[input] = 1.0;
            state = self.maps[input][state as usize] as u64;
        }
        if arrives || step == 0 {
            age = 0;
        }
        (kept.states[now], kept.ages[now]) = (state, age);
        // The slot after the present one holds the oldest.
        let late = (now + 1) % memory as usize;
        let factor = (-spec.decay * kept.ages[late] as f64).exp();
        let target = &spec.states[kept.states[late] as usize];
        for (y, value) in row.y.iter_mut().zip(target) {
            *y = factor * value;
        }
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        let last = self.spec.states.len() as u64 - 1;
        io.counters("states", &mut kept.states, 0..=last)?;
        io.counters("ages", &mut kept.ages, STEPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    /// A cycle of three, its inverse, and standing still.
    fn cycle() -> FixedPointTransitionSpec {
        FixedPointTransitionSpec {
            states: vec![vec![1.0, 2.0], vec![-1.0, 0.5], vec![0.0, 3.0]],
            maps: vec![vec![1, 2, 0], vec![2, 0, 1], vec![0, 1, 2]],
            p_transition: 0.1,
            ..FixedPointTransitionSpec::default()
        }
    }

    #[test]
    fn targets_follow_the_maps() {
        for (delay, decay, transitions) in [
            (0, 0.0, Times::Random),
            (4, 0.2, Times::Random),
            (1, 0.1, Times::Regular),
        ] {
            let spec = FixedPointTransitionSpec {
                delay,
                decay,
                transitions,
                ..cycle()
            };
            let (maps, states) = (spec.maps.clone(), spec.states.clone());
            let samples = run(&TaskSpec::FixedPointTransition(spec), 1, 20_000);
            // The state at the start is the one that explains the first target.
            let mut found = 0;
            for first in 0..3 {
                let (mut state, mut age, mut past) = (first, 0, vec![]);
                let mut fits = true;
                for (t, sample) in samples.iter().enumerate() {
                    age += 1;
                    if let Some(input) = sample.x.iter().position(|x| *x == 1.0) {
                        (state, age) = (maps[input][state], 0);
                    }
                    if t == 0 {
                        age = 0;
                    }
                    past.push((state, age));
                    if t >= delay as usize {
                        let (state, age) = past[t - delay as usize];
                        let factor = (-decay * f64::from(age)).exp();
                        let near = |(y, s): (&f64, &f64)| (y - factor * s).abs() < 1e-12;
                        fits &= sample.y.iter().zip(&states[state]).all(near);
                    }
                }
                found += usize::from(fits);
            }
            assert_eq!(found, 1, "{delay} {decay}");
            let inputs: f64 = samples.iter().flat_map(|s| &s.x).sum();
            let error = 4.0 * (0.09f64 / 20_000.0).sqrt();
            assert!((inputs / 20_000.0f64 - 0.1).abs() < error);
        }
    }

    #[test]
    fn drawn_maps_are_ergodic_and_idempotent() {
        for seed in 0..50 {
            let spec = FixedPointTransitionSpec::default();
            let maps = spec.maps(&Streams::new(seed)).unwrap();
            assert!(is_ergodic(&maps, 3));
            for map in &maps {
                assert!(map.iter().all(|next| map[*next] == *next), "{map:?}");
            }
            // By powers of the transition matrix: some power has no zero.
            let step = |from: [bool; 3]| {
                let mut to = [false; 3];
                for map in &maps {
                    (0..3).for_each(|k| to[map[k]] |= from[k]);
                }
                to
            };
            for start in 0..3 {
                let mut reached = [false; 3];
                reached[start] = true;
                (0..9).for_each(|_| reached = step(reached));
                assert_eq!(reached, [true; 3]);
            }
        }
        assert!(!is_ergodic(&[vec![1, 2, 0]], 3), "a cycle has a period");
        assert!(!is_ergodic(&[vec![0, 0, 1], vec![1, 1, 1]], 3));
        assert!(is_ergodic(&[vec![1, 2, 0], vec![0, 1, 2]], 3));
    }

    #[test]
    fn bad_settings_are_named() {
        let with = |change: &dyn Fn(&mut FixedPointTransitionSpec)| {
            let mut spec = cycle();
            change(&mut spec);
            TaskSpec::FixedPointTransition(spec)
        };
        refused(&with(&|s| s.states.clear()), "task.states: got 0");
        refused(
            &with(&|s| s.states[1].clear()),
            "task.states[1]: got 0 numbers",
        );
        refused(&with(&|s| s.maps[2][0] = 3), "task.maps[2]: got [3, 1, 2]");
        refused(&with(&|s| _ = s.maps[0].pop()), "task.maps[0]: got [1, 2]");
        refused(&with(&|s| s.p_transition = 0.0), "task.p_transition: got 0");
        refused(&with(&|s| s.decay = -0.1), "task.decay: got -0.1");
        refused(&with(&|s| s.delay = 2_000_000), "task.delay: got 2000000");
        let few = |s: &mut FixedPointTransitionSpec| {
            s.maps.clear();
            s.inputs = 1;
        };
        refused(&with(&few), "task.inputs: got 1, expected enough");
    }
}
