//! Settings as Python hands them in: one part at a time, as JSON would write them.

use apical::feedback::FeedbackSpec;
use apical::loss::Loss;
use apical::network::NetworkSpec;
use apical::optimizer::OptimizerSpec;
use apical::rule::RuleSpec;
use apical::task::TaskSpec;
use apical::{Learner, LearnerSpec, Result, Update};
use apical_runs::experiment::{self, named};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use toml::Table;

use super::Target;
use super::text::refused;
use crate::draw::Draw;
use crate::{corpus, drive, mutate};

/// Parts of experiments, each an object of one key.
pub struct Settings {
    parts: Vec<String>,
    words: Vec<String>,
}

impl Settings {
    /// Every rule, task, network, loss, feedback and optimizer of the corpus.
    pub fn new() -> Self {
        let texts = corpus::experiments();
        let mut parts = Vec::new();
        for experiment in texts
            .iter()
            .filter_map(|text| experiment::parse(text, &[]).ok())
        {
            let whole = serde_json::to_value(&experiment).unwrap_or_default();
            for name in ["rule", "task", "network", "loss", "feedback", "optimizer"] {
                parts.push(json!({ name: whole[name] }).to_string());
            }
        }
        parts.sort_unstable();
        parts.dedup();
        let words = corpus::words(&texts);
        Self { parts, words }
    }
}

/// The settings under `name`, if they are understood.
fn part<T: DeserializeOwned + JsonSchema + 'static>(name: &str, all: &Table) -> Option<T> {
    let inner = all.get(name)?.as_table()?.clone();
    match named(name, inner) {
        Ok(read) => Some(read),
        Err(error) => {
            refused(&error);
            None
        }
    }
}

fn learn(change: impl FnOnce(&mut LearnerSpec)) -> bool {
    let mut spec = LearnerSpec {
        network: NetworkSpec {
            units: 5,
            ..NetworkSpec::default()
        },
        update: Update::Every(3),
        ..LearnerSpec::default()
    };
    change(&mut spec);
    let steps = || -> Result<()> {
        let mut learner = Learner::<f64>::new(&spec, 2, 2, 1)?;
        for _ in 0..8 {
            learner.learn(&[0.5, -1.0], &[0.25, 0.75])?;
        }
        Ok(())
    };
    spec.network.units <= 64 && steps().is_ok()
}

impl Target for Settings {
    fn input(&self, draw: &mut Draw) -> Vec<u8> {
        let part = &self.parts[draw.below(self.parts.len())];
        mutate::text(draw, part, &self.words).into_bytes()
    }

    fn run(&self, input: &[u8]) -> bool {
        let Ok(value) = serde_json::from_slice::<Value>(input) else {
            return false;
        };
        let Ok(table) = Table::try_from(value) else {
            return false;
        };
        let Some(name) = table.keys().next() else {
            return false;
        };
        match name.as_str() {
            "rule" => {
                part::<RuleSpec>(name, &table).is_some_and(|rule| learn(|spec| spec.rule = rule))
            }
            "network" => part::<NetworkSpec>(name, &table)
                .is_some_and(|network| learn(|spec| spec.network = network)),
            "loss" => part::<Loss>(name, &table).is_some_and(|loss| learn(|spec| spec.loss = loss)),
            "feedback" => part::<FeedbackSpec>(name, &table)
                .is_some_and(|feedback| learn(|spec| spec.feedback = feedback)),
            "optimizer" => part::<OptimizerSpec>(name, &table)
                .is_some_and(|optimizer| learn(|spec| spec.optimizer = optimizer)),
            _ => part::<TaskSpec>(name, &table).is_some_and(|task| drive::task(&task, 2)),
        }
    }
}
