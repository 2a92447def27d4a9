//! Move a cursor: each of four tonic inputs commands a reach in one direction, followed by a hold.
//!
//! Outputs are the velocity of the cursor in the plane, in displacements per movement. A syllable is a movement of `movement`
//! steps with raised-cosine speed 1 − cos(2πt/movement), whose mean is 1, so that it covers a displacement of 1, and a hold of
//! `hold` steps at speed 0; its input stays on throughout. Directions are +x, −x, +y, −y. The cursor lives on the corners of a unit
//! square and starts at (0, 0); moves that would leave the square are not drawn. A trial is `syllables` of them, one after
//! another without a pause: the network is reset at the start of a trial only.
//! With `sequence` every trial is that sequence of directions; with `cues = false` there are no inputs, and the network has to
//! produce the whole sequence by itself.
//! Source: Murray 2019, Figure 4 (four tonic inputs, two-dimensional velocity, 20 τ a segment, bounds). Profiles, amplitudes, bounds
//! and how a hold comes about are not stated there; these are ours.

use std::f64::consts::TAU;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::{Request, Settings, Task, TaskInfo, check, draw};
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Error, Result, Scalar};

/// Configuration of cursor reaches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReachSpec {
    /// Steps of a movement.
    #[schemars(range(min = 2, max = super::check::MOST), extend("unit" = "steps"))]
    pub movement: u64,
    /// Steps of the hold after it.
    #[schemars(range(min = 0, max = super::check::MOST), extend("unit" = "steps"))]
    pub hold: u64,
    /// Movements in a trial, where they are drawn.
    #[schemars(range(min = 1, max = super::check::LARGEST))]
    pub syllables: usize,
    /// Directions of every trial, 0 to 3; empty to draw them.
    #[schemars(inner(range(max = 3)))]
    pub sequence: Vec<usize>,
    /// Whether inputs say which direction it is.
    pub cues: bool,
}

impl Default for ReachSpec {
    fn default() -> Self {
        Self {
            movement: 200,
            hold: 200,
            syllables: 4,
            sequence: Vec::new(),
            cues: true,
        }
    }
}

/// Where a direction leads.
pub const DIRECTIONS: [[f64; 2]; 4] = [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]];

/// A corner of the unit square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Corner {
    /// Whether it is on the right.
    pub right: bool,
    /// Whether it is at the top.
    pub top: bool,
}

impl Corner {
    /// Whether a direction stays in the square.
    pub fn allows(self, direction: usize) -> bool {
        match direction {
            0 => !self.right,
            1 => self.right,
            2 => !self.top,
            _ => self.top,
        }
    }

    /// The corner a direction leads to; the same one if it would lead outside.
    pub fn after(self, direction: usize) -> Self {
        match direction {
            _ if !self.allows(direction) => self,
            0 | 1 => Self {
                right: !self.right,
                ..self
            },
            _ => Self {
                top: !self.top,
                ..self
            },
        }
    }
}

/// Refuses directions that do not exist or leave the square; `field` is named.
pub(crate) fn check_sequence(field: &str, sequence: &[usize]) -> Result<()> {
    let mut corner = Corner::default();
    for direction in sequence {
        if *direction >= DIRECTIONS.len() {
            return Err(Error::invalid(
                field,
                direction,
                "directions 0 (+x), 1 (-x), 2 (+y) and 3 (-y)",
                "A closed path is [0, 2, 1, 3].",
            ));
        }
        if !corner.allows(*direction) {
            return Err(Error::invalid(
                field,
                format!("{sequence:?}, where {direction} leaves the square"),
                "moves along the sides of a unit square, from (0, 0)",
                "A closed path is [0, 2, 1, 3].",
            ));
        }
        corner = corner.after(*direction);
    }
    Ok(())
}

impl ReachSpec {
    /// Steps of a syllable: movement and hold.
    pub fn syllable(&self) -> u64 {
        self.movement.saturating_add(self.hold)
    }

    fn count(&self) -> usize {
        match self.sequence.len() {
            0 => self.syllables,
            count => count,
        }
    }

    /// Steps of a trial.
    pub fn trial(&self) -> u64 {
        self.syllable().saturating_mul(self.count() as u64)
    }

    /// Speed at step `t` of a syllable, counted from 1.
    pub fn speed(&self, t: u64) -> f64 {
        if t > self.movement {
            return 0.0;
        }
        1.0 - (TAU * t as f64 / self.movement as f64).cos()
    }

    fn check(&self) -> Result<()> {
        check::count("task.movement", self.movement, 2)?;
        check::count("task.hold", self.hold, 0)?;
        check::size("task.syllables", self.syllables, 1)?;
        check_sequence("task.sequence", &self.sequence)?;
        if !self.cues && self.sequence.is_empty() {
            return Err(Error::invalid(
                "task.cues",
                false,
                "a task.sequence, because directions that are drawn must be told",
                "Set task.sequence = [0, 2, 1, 3], or task.cues = true.",
            ));
        }
        Ok(())
    }
}

impl Settings for ReachSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "reach",
        summary: "move a cursor in the direction told, then hold",
        sizes: "4 (0 without cues), 2",
        source: "Murray 2019, Figure 4",
    };

    fn sizes(&self) -> (usize, usize) {
        (if self.cues { DIRECTIONS.len() } else { 0 }, 2)
    }

    fn shortest_time(&self) -> Option<(&'static str, u64)> {
        Some(("task.movement", self.movement))
    }

    fn longest_trial(&self) -> Option<u64> {
        Some(self.trial())
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check()?;
        check::trial(self.trial(), request.steps)?;
        Ok(batch::samples(self.clone(), self, request))
    }
}

#[derive(Default)]
pub(super) struct Cursor {
    corner: Corner,
    direction: usize,
}

impl batch::Drawn for ReachSpec {
    type Kept = Cursor;

    fn begin(&self, _: &mut Stream) -> Self::Kept {
        Cursor::default()
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        let length = self.syllable();
        if step == 0 {
            kept.corner = Corner::default();
        }
        if step.is_multiple_of(length) {
            kept.direction = match self.sequence.get((step / length) as usize) {
                Some(direction) => *direction,
                None => {
                    // Two of the four stay in the square, from every corner.
                    let pick = draw::below(stream, 2) as usize;
                    let mut allowed = (0..DIRECTIONS.len()).filter(|d| kept.corner.allows(*d));
                    allowed.nth(pick).unwrap_or(0)
                }
            };
            kept.corner = kept.corner.after(kept.direction);
        }
        if self.cues {
            row.x[kept.direction] = 1.0;
        }
        let speed = self.speed(step % length + 1);
        for (y, way) in row.y.iter_mut().zip(DIRECTIONS[kept.direction]) {
            // Not −0: a sign of zero would show in records.
            *y = 0.0 + way * speed;
        }
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        io.flag("right", &mut kept.corner.right)?;
        io.flag("top", &mut kept.corner.top)?;
        let mut direction = kept.direction as u64;
        let last = DIRECTIONS.len() as u64 - 1;
        io.counter("direction", &mut direction, 0..=last)?;
        kept.direction = direction as usize;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    #[test]
    fn the_cursor_moves_by_one_and_stays_in_the_square() {
        let spec = ReachSpec {
            movement: 20,
            hold: 10,
            ..ReachSpec::default()
        };
        let samples = run(&TaskSpec::Reach(spec), 1, 120 * 2_000);
        let mut counts = [0.0f64; 4];
        for trial in samples.chunks_exact(120) {
            assert!(trial[0].first && trial[119].last);
            let mut place = [0.0f64; 2];
            for syllable in trial.chunks_exact(30) {
                let told = syllable[0].x.iter().position(|x| *x == 1.0).unwrap();
                counts[told] += 1.0;
                for (t, sample) in syllable.iter().enumerate() {
                    assert_eq!(sample.x[told], 1.0);
                    assert_eq!(sample.x.iter().sum::<f64>(), 1.0);
                    for (p, v) in place.iter_mut().zip(&sample.y) {
                        *p += v / 20.0;
                    }
                    assert!(t < 20 || sample.y == [0.0, 0.0]);
                }
                for p in &mut place {
                    assert!(p.abs() < 1e-9 || (*p - 1.0).abs() < 1e-9, "{p}");
                    *p = p.round();
                }
            }
        }
        // At (0, 0) only +x and +y stay inside, at (1, 1) only −x and −y: over four syllables the first two come 1.25 times
        // a trial, the others 0.75 times. Standard errors are below 0.018; five of them.
        for (count, share) in counts.iter().zip([1.25, 0.75, 1.25, 0.75]) {
            assert!((count / 2_000.0 - share).abs() < 0.09, "{counts:?}");
        }
    }

    #[test]
    fn a_sequence_comes_again_in_every_trial() {
        let spec = ReachSpec {
            movement: 8,
            hold: 2,
            sequence: vec![0, 2, 1, 3],
            cues: false,
            ..ReachSpec::default()
        };
        let samples = run(&TaskSpec::Reach(spec), 2, 80);
        for (k, sample) in samples.iter().enumerate() {
            assert!(sample.x.is_empty());
            let (syllable, t) = (k % 40 / 10, k % 10 + 1);
            let speed = if t > 8 {
                0.0
            } else {
                1.0 - (TAU * t as f64 / 8.0).cos()
            };
            let expected = DIRECTIONS[[0, 2, 1, 3][syllable]].map(|way| way * speed);
            for (y, e) in sample.y.iter().zip(expected.iter().cycle()) {
                assert!((y - e).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn bad_settings_are_named() {
        let of = |json: &str| TaskSpec::Reach(serde_json::from_str(json).unwrap());
        for (json, reason) in [
            (r#"{"movement": 1}"#, "task.movement: got 1"),
            (r#"{"syllables": 0}"#, "task.syllables: got 0"),
            (r#"{"sequence": [0, 4]}"#, "task.sequence: got 4"),
            (r#"{"sequence": [0, 0]}"#, "task.sequence: got [0, 0]"),
            (r#"{"cues": false}"#, "task.cues: got false"),
            (r#"{"hold": 9000}"#, "task: got trials of 36800 steps"),
        ] {
            refused(&of(json), reason);
        }
    }
}
