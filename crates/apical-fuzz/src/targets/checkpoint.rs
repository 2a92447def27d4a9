//! Checkpoints of small runs: damaged files, and files whose checksum holds though numbers in them were changed.

use std::path::Path;

use apical::Experiment;
use apical::snapshot::{Array, Snapshot, StateIo};
use apical_runs::{checkpoint_file, experiment};

use super::Target;
use super::text::refused;
use crate::draw::Draw;
use crate::{corpus, drive, mutate};

/// Steps before the checkpoint: within trials, windows and updates of most.
const BEFORE: u64 = 13;
/// What stands before the digits of the checksum.
const MARK: &[u8] = br#""apical.checksum":"crc32:"#;
const DIGITS: usize = 8;

/// A run and its state.
struct Saved {
    experiment: Experiment,
    snapshot: Snapshot,
    file: Vec<u8>,
}

/// Checkpoints; the first two bytes of an input say of which run.
pub struct Checkpoints {
    saved: Vec<Saved>,
}

impl Checkpoints {
    /// Those of all experiments of the corpus.
    pub fn new() -> Self {
        let texts = corpus::experiments();
        let saved = texts.iter().filter_map(|text| {
            let experiment = experiment::parse(text, &[]).ok()?;
            let mut run = drive::Run::<f64>::new(&experiment).ok()?;
            run.steps(BEFORE).ok()?;
            let mut snapshot = Snapshot::default();
            run.state(&mut StateIo::save(&mut snapshot)).ok()?;
            let file = checkpoint_file::encode(path(), &snapshot).ok()?;
            Some(Saved {
                experiment,
                snapshot,
                file,
            })
        });
        Self {
            saved: saved.collect(),
        }
    }
}

fn path() -> &'static Path {
    Path::new("checkpoint")
}

/// Writes the checksum of the bytes as they are.
fn seal(bytes: &mut [u8]) {
    let Some(at) = bytes.windows(MARK.len()).position(|part| part == MARK) else {
        return;
    };
    let at = at + MARK.len();
    let Some(digits) = bytes.get_mut(at..at + DIGITS) else {
        return;
    };
    digits.fill(b'0');
    let sum = format!("{:08x}", crc32fast::hash(bytes));
    bytes[at..at + DIGITS].copy_from_slice(sum.as_bytes());
}

fn change(draw: &mut Draw, snapshot: &mut Snapshot) {
    let names: Vec<String> = snapshot.arrays.keys().cloned().collect();
    if names.is_empty() {
        return;
    }
    let name = names[draw.below(names.len())].clone();
    let other = names[draw.below(names.len())].clone();
    match draw.below(10) {
        0 => {
            snapshot.arrays.remove(&name);
        }
        1 => {
            // An array of another's length and kind.
            let array = snapshot.arrays[&other].clone();
            snapshot.arrays.insert(name, array);
        }
        2 => {
            snapshot
                .arrays
                .insert(name + ".more", Array::U64(vec![draw.word()]));
        }
        _ => match snapshot.arrays.get_mut(&name) {
            Some(Array::U64(values)) => change_list(draw, values, Draw::word),
            Some(Array::F64(values)) => change_list(draw, values, |draw| {
                let edge = [f64::NAN, f64::INFINITY, -1e308, 1e-310, -0.5, 3.0];
                match draw.one_in(2) {
                    true => edge[draw.below(edge.len())],
                    false => f64::from_bits(draw.word()),
                }
            }),
            _ => (),
        },
    }
}

fn change_list<V: Copy>(draw: &mut Draw, values: &mut Vec<V>, new: impl Fn(&mut Draw) -> V) {
    let value = new(draw);
    match draw.below(12) {
        0 => values.push(value),
        1 => {
            values.pop();
        }
        2 => *values = values.repeat(2),
        _ => {
            let place = draw.below(values.len());
            if let Some(old) = values.get_mut(place) {
                *old = value;
            }
        }
    }
}

impl Target for Checkpoints {
    fn input(&self, draw: &mut Draw) -> Vec<u8> {
        let which = draw.below(self.saved.len());
        let saved = &self.saved[which];
        let file = match draw.below(4) {
            0 => mutate::bytes(draw, &saved.file),
            1 => {
                let mut file = mutate::bytes(draw, &saved.file);
                seal(&mut file);
                file
            }
            _ => {
                let mut snapshot = saved.snapshot.clone();
                for _ in 0..=draw.below(2) {
                    change(draw, &mut snapshot);
                }
                checkpoint_file::encode(path(), &snapshot).unwrap_or_default()
            }
        };
        [&(which as u16).to_le_bytes()[..], &file].concat()
    }

    fn run(&self, input: &[u8]) -> bool {
        let Some((which, file)) = input.split_first_chunk() else {
            return false;
        };
        let Some(saved) = self.saved.get(usize::from(u16::from_le_bytes(*which))) else {
            return false;
        };
        match checkpoint_file::decode(path(), file) {
            Ok(snapshot) => drive::resume(&saved.experiment, &snapshot),
            Err(error) => refused(&error),
        }
    }
}
