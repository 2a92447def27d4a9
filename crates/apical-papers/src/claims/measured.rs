//! Quantities of a condition, from its records: one number a seed.

use apical::task::Sample;
use apical::{Experiment, Streams};

use apical_runs::Result;
use apical_runs::record::{Ending, SeedRecord, Tests};

/// Places of quantities in a test.
const LOSS: usize = 0;
const TRUE_LOSS: usize = 2;

/// Steps and values of each seed.
pub type Runs = Vec<(Vec<u64>, Vec<f64>)>;

/// A condition that was run.
#[derive(Clone, Copy)]
pub struct Ran<'a> {
    /// What was run.
    pub experiment: &'a Experiment,
    /// What its seeds gave.
    pub records: &'a [SeedRecord],
    /// Whether squared errors are told as means over outputs.
    pub mean_over_outputs: bool,
}

impl Ran<'_> {
    /// What losses are multiplied with.
    fn scale(&self) -> f64 {
        match self.mean_over_outputs && !self.experiment.loss.is_cross_entropy() {
            true => 1.0 / self.experiment.task.sizes().1 as f64,
            false => 1.0,
        }
    }

    /// A quantity of the test at the end; not a number if training diverged.
    fn test(&self, place: usize) -> Vec<f64> {
        let scale = match place {
            LOSS | TRUE_LOSS => self.scale(),
            _ => 1.0,
        };
        let last = |record: &SeedRecord| match record.ending {
            Ending::Finished => scale * record.tests.last(place, 1),
            _ => f64::NAN,
        };
        self.records.iter().map(last).collect()
    }

    /// The quantity `name`, one number a seed; `None` if there is none of this name.
    ///
    /// `held_out_loss` and its neighbours are those of the last test, `final_loss` is the one against the probabilities where these are
    /// known, `entropy` that of the labels of the tests: the least loss there.
    ///
    /// # Errors
    /// A task that cannot be played.
    pub fn quantity(&self, name: &str) -> Result<Option<Vec<f64>>> {
        let place = Tests::NAMES.iter().position(|known| *known == name);
        Ok(match (name, place) {
            ("final_loss", _) if self.experiment.loss.is_cross_entropy() => {
                Some(self.test(TRUE_LOSS))
            }
            ("final_loss", _) => Some(self.test(LOSS)),
            ("entropy", _) => {
                let of = |record: &SeedRecord| entropy(self.experiment, record.seed);
                Some(self.records.iter().map(of).collect::<Result<_>>()?)
            }
            (_, Some(place)) => Some(self.test(place)),
            _ => None,
        })
    }

    /// Steps and values of a recorded quantity, or of one of the held-out tests, of every seed that has it.
    pub fn curves(&self, name: &str) -> Runs {
        let place = Tests::NAMES.iter().position(|known| *known == name);
        let scale = if name == "loss" { self.scale() } else { 1.0 };
        let of = |record: &SeedRecord| match place {
            Some(place) => Some((record.tests.steps().to_vec(), record.tests.column(place))),
            None => {
                let curve = record.curve(name)?;
                let values = curve.values.iter().map(|v| v * scale);
                Some((curve.steps.clone(), values.collect()))
            }
        };
        self.records.iter().filter_map(of).collect()
    }
}

/// Entropy of the labels on the held-out steps of a seed; 0 where there are none.
fn entropy(experiment: &Experiment, seed: u64) -> Result<f64> {
    if !experiment.loss.is_cross_entropy() {
        return Ok(0.0);
    }
    let steps = experiment.evaluate.steps;
    let length = experiment.steps.max(steps);
    let streams = Streams::new(seed);
    let mut task = experiment.task.build::<f64>(1, length, &streams, "test")?;
    let (inputs, outputs) = task.sizes();
    let mut sample = Sample::new(1, inputs, outputs);
    let mut sum = 0.0;
    for _ in 0..steps {
        task.next(&mut sample);
        let odds = match sample.has_truth {
            true => &sample.truth,
            false => &sample.y,
        };
        let of = |p: &f64| if *p > 0.0 { -p * p.ln() } else { 0.0 };
        sum += odds.iter().map(of).sum::<f64>();
    }
    Ok(sum / steps as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use apical_runs::experiment;

    #[test]
    fn entropies_are_near_their_expectation() {
        let experiment = experiment::load("marschall2020/add-a1", &[]).unwrap();
        for seed in 0..experiment.seeds {
            // Each toss pair has an entropy with sd 0.27; 10,000 of them, not quite independent.
            let found = entropy(&experiment, seed).unwrap();
            assert!((found - 0.4545).abs() < 0.015, "{found}");
        }
    }
}
