//! Experiments as TOML, and changes of them as `--set` takes them.

use apical_runs::experiment;
use toml::{Table, Value};

use super::Target;
use crate::draw::Draw;
use crate::{corpus, drive, mutate};

/// TOML of whole experiments.
pub struct Experiments {
    texts: Vec<String>,
    words: Vec<String>,
}

impl Experiments {
    /// Every rule and every task.
    pub fn all() -> Self {
        Self::of([corpus::experiments(), corpus::extending()].concat())
    }

    /// Those with a loop circuit.
    pub fn circuits() -> Self {
        Self::of(corpus::circuits())
    }

    fn of(texts: Vec<String>) -> Self {
        let words = corpus::words(&texts);
        Self { texts, words }
    }
}

impl Target for Experiments {
    fn input(&self, draw: &mut Draw) -> Vec<u8> {
        let text = &self.texts[draw.below(self.texts.len())];
        mutate::text(draw, text, &self.words).into_bytes()
    }

    fn run(&self, input: &[u8]) -> bool {
        match experiment::parse(&String::from_utf8_lossy(input), &[]) {
            Ok(experiment) => drive::experiment(&experiment),
            Err(error) => refused(&error),
        }
    }
}

/// Writes the message out, as a user would see it: whole sentences.
pub fn refused(error: &dyn std::error::Error) -> bool {
    let message = error.to_string();
    assert!(message.ends_with(['.', '?']), "no sentence: {message}");
    false
}

/// Changes of one experiment, `key=value` on each line.
pub struct Changes {
    texts: Vec<String>,
    /// Of each text: its keys, with their values.
    leaves: Vec<Vec<[String; 2]>>,
    words: Vec<String>,
}

impl Changes {
    /// All keys of all experiments, and their values.
    pub fn new() -> Self {
        let texts = [corpus::experiments(), corpus::circuits()].concat();
        let leaves = texts.iter().map(|text| {
            let mut all = Vec::new();
            if let Ok(table) = text.parse::<Table>() {
                leaves("", &Value::Table(table), &mut all);
            }
            all
        });
        Self {
            leaves: leaves.collect(),
            words: corpus::words(&texts),
            texts,
        }
    }
}

fn leaves(key: &str, value: &Value, all: &mut Vec<[String; 2]>) {
    all.push([key.trim_start_matches('.').into(), value.to_string()]);
    if let Value::Table(table) = value {
        for (name, value) in table {
            leaves(&format!("{key}.{name}"), value, all);
        }
    }
}

impl Target for Changes {
    fn input(&self, draw: &mut Draw) -> Vec<u8> {
        let base = draw.below(self.texts.len());
        let mut changes = String::new();
        for _ in 0..[1, 1, 2, 3][draw.below(4)] {
            // Seldom a key of another experiment.
            let other = if draw.one_in(8) {
                draw.below(self.texts.len())
            } else {
                base
            };
            let leaves = &self.leaves[other];
            let [key, value] = &leaves[draw.below(leaves.len())];
            let value = match draw.below(4) {
                0 | 1 => mutate::number(draw),
                2 => &self.words[draw.below(self.words.len())],
                _ => value,
            };
            changes += &format!("{key}={value}\n");
        }
        if draw.one_in(3) {
            changes = mutate::text(draw, &changes, &self.words);
        }
        [&[base as u8], changes.as_bytes()].concat()
    }

    fn run(&self, input: &[u8]) -> bool {
        let Some((base, changes)) = input.split_first() else {
            return false;
        };
        let base = &self.texts[usize::from(*base) % self.texts.len()];
        let changes = String::from_utf8_lossy(changes);
        let changes: Vec<String> = changes.lines().map(String::from).collect();
        match experiment::parse(base, &changes) {
            Ok(experiment) => drive::experiment(&experiment),
            Err(error) => refused(&error),
        }
    }
}
