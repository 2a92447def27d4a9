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
        Self::of(corpus::experiments())
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

/// Writes the message out, as a user would see it.
pub fn refused(error: &dyn std::error::Error) -> bool {
    let message = error.to_string();
    assert!(
        message.ends_with('.') || message.contains('\n'),
        "no sentence: {message}"
    );
    false
}

/// Changes of one experiment, `key=value` on each line.
pub struct Changes {
    texts: Vec<String>,
    keys: Vec<String>,
    values: Vec<String>,
}

impl Changes {
    /// All keys of all experiments, and their values.
    pub fn new() -> Self {
        let texts = corpus::experiments();
        let mut keys = vec![
            "circuit.trials".to_string(),
            "monitor".into(),
            "title".into(),
        ];
        let mut values: Vec<String> = corpus::words(&texts);
        for table in texts.iter().filter_map(|text| text.parse::<Table>().ok()) {
            leaves("", &Value::Table(table), &mut keys, &mut values);
        }
        for list in [&mut keys, &mut values] {
            list.sort_unstable();
            list.dedup();
        }
        Self {
            texts,
            keys,
            values,
        }
    }
}

fn leaves(key: &str, value: &Value, keys: &mut Vec<String>, values: &mut Vec<String>) {
    keys.push(key.trim_start_matches('.').into());
    match value {
        Value::Table(table) => table
            .iter()
            .for_each(|(name, value)| leaves(&format!("{key}.{name}"), value, keys, values)),
        other => values.push(other.to_string()),
    }
}

impl Target for Changes {
    fn input(&self, draw: &mut Draw) -> Vec<u8> {
        let mut changes = String::new();
        for _ in 0..=draw.below(3) {
            let key = &self.keys[draw.below(self.keys.len())];
            let value = match draw.below(4) {
                0 => mutate::number(draw),
                _ => &self.values[draw.below(self.values.len())],
            };
            changes += &format!("{key}={value}\n");
        }
        if draw.one_in(2) {
            changes = mutate::text(draw, &changes, &self.keys);
        }
        let base = draw.below(self.texts.len()) as u8;
        [&[base], changes.as_bytes()].concat()
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
