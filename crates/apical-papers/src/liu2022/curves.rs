//! Learning curves as the authors plot and compare them, and what is measured of them: one number a seed.

use apical::task::{Sample, TaskSpec};
use apical::{Experiment, Streams};

use crate::claims::measured::{Ran, Runs};
use crate::study::Study;
use apical_runs::Result;
use apical_runs::record::{Ending, SeedRecord};

/// Records of the authors' moving mean.
const WINDOW: usize = 15;
/// Points whose mean chooses the learning rate of a rule.
const LAST: usize = 50;

/// Losses of a condition on the scale on which its task is compared.
pub struct Losses<'a> {
    ran: Ran<'a>,
    /// Losses above this, twice that of an output of 0, count as this, and so do those a diverged run did not live to have.
    pub ceiling: f64,
    /// Steps of a whole curve.
    grid: Vec<u64>,
}

impl<'a> Losses<'a> {
    /// Of a condition; a whole curve is as long as the longest of its task.
    pub fn of(study: &'a Study, place: usize) -> Self {
        let ran = study.ran(place);
        let title = &study.conditions[place].title;
        let same = study.named().filter(|(_, c)| c.title == *title);
        let curves = same.flat_map(|(place, _)| study.ran(place).records);
        let curves = curves.filter_map(|record| record.curve("loss"));
        let longest = curves.map(|curve| &curve.steps).max_by_key(|s| s.len());
        let zero = match is_squared(ran.experiment) {
            true => 1.0,
            false => (ran.experiment.task.sizes().1 as f64).ln(),
        };
        Self {
            ran,
            ceiling: 2.0 * zero,
            grid: longest.cloned().unwrap_or_default(),
        }
    }

    /// Losses of a run, up to the end.
    fn run(&self, record: &SeedRecord) -> Result<Vec<f64>> {
        let Some(curve) = record.curve("loss") else {
            return Ok(Vec::new());
        };
        let unit = match is_squared(self.ran.experiment) {
            true => power(self.ran.experiment, record.seed)?,
            false => 1.0,
        };
        let at_most = |loss: &f64| (loss / unit).min(self.ceiling);
        let mut values: Vec<f64> = curve.values.iter().map(at_most).collect();
        values.resize(self.grid.len(), self.ceiling);
        Ok(values)
    }

    /// Iterations and losses of every run.
    pub fn runs(&self) -> Result<Runs> {
        let x: Vec<u64> = self.grid.iter().map(|step| step / self.trial()).collect();
        let runs = self.ran.records.iter();
        runs.map(|record| Ok((x.clone(), self.run(record)?)))
            .collect()
    }

    /// The authors' plotting protocol: the last record dropped, a moving mean, the runs with the largest and the smallest sum dropped.
    pub fn published(&self) -> Result<Runs> {
        Ok(published(&self.runs()?))
    }

    /// Steps of a trial.
    pub fn trial(&self) -> u64 {
        match &self.ran.experiment.task {
            TaskSpec::DelayedXor(xor) => 2 * xor.cue + xor.delay,
            TaskSpec::PatternGeneration(pattern) => pattern.length,
            _ => 28,
        }
    }

    fn iterations(&self, step: u64) -> f64 {
        step as f64 / self.trial() as f64
    }

    /// Iterations of a whole run.
    fn end(&self) -> f64 {
        self.grid.last().map_or(f64::NAN, |s| self.iterations(*s))
    }

    /// First recorded iteration from which three records on end have an accuracy of 0.95; infinite if there is none.
    fn reached(&self, record: &SeedRecord) -> f64 {
        let Some(curve) = record.curve("accuracy") else {
            return f64::NAN;
        };
        let mut windows = curve.values.windows(3);
        let found = windows.position(|three| three.iter().all(|accuracy| *accuracy >= 0.95));
        found.map_or(f64::INFINITY, |k| self.iterations(curve.steps[k]))
    }

    /// The quantity `name`, one number a seed; `None` if there is none of this name.
    pub fn quantity(&self, name: &str) -> Result<Option<Vec<f64>>> {
        let each = |of: &dyn Fn(&SeedRecord) -> Result<f64>| {
            let all = self.ran.records.iter().map(of);
            all.collect::<Result<Vec<f64>>>().map(Some)
        };
        match name {
            // How fast and how far, in one.
            "area" => each(&|record| Ok(mean(&self.run(record)?))),
            "final" => each(&|record| {
                let losses = self.run(record)?;
                Ok(mean(&losses[losses.len().saturating_sub(WINDOW)..]))
            }),
            "reached" => each(&|record| Ok(self.reached(record))),
            "accuracy" => each(&|record| Ok(accuracy(record))),
            "iterations" => each(&|_| Ok(self.end())),
            "chance" => each(&|_| Ok(chance(self.ran.experiment).unwrap_or(f64::NAN))),
            "late" => {
                let squared = is_squared(self.ran.experiment);
                let scaled = |loss: &f64| if squared { loss.log10() } else { *loss };
                let of = |(_, losses): &(Vec<u64>, Vec<f64>)| {
                    let last = &losses[losses.len().saturating_sub(LAST)..];
                    mean(&last.iter().map(scaled).collect::<Vec<_>>())
                };
                Ok(Some(self.published()?.iter().map(of).collect()))
            }
            _ => Ok(None),
        }
    }
}

/// Accuracy at the end; none of a run that diverged.
pub fn accuracy(record: &SeedRecord) -> f64 {
    match record.curve("accuracy") {
        _ if matches!(record.ending, Ending::Diverged(_)) => 0.0,
        Some(curve) => mean(&curve.values[curve.values.len().saturating_sub(WINDOW)..]),
        None => record.tests.last(1, 1),
    }
}

/// The accuracy of always naming the most frequent class of the tests.
pub fn chance(experiment: &Experiment) -> Option<f64> {
    match &experiment.task {
        TaskSpec::SequentialMnist(spec) => Some(spec.digits.get()?.most_frequent()),
        TaskSpec::DelayedXor(_) => Some(0.5),
        _ => None,
    }
}

/// Whether losses are squared errors, which span decades.
pub fn is_squared(experiment: &Experiment) -> bool {
    !experiment.loss.is_cross_entropy()
}

fn published(runs: &Runs) -> Runs {
    let smooth = |(x, losses): &(Vec<u64>, Vec<f64>)| {
        let losses = &losses[..losses.len().saturating_sub(1)];
        let window = WINDOW.min(losses.len().max(1));
        let means: Vec<f64> = losses.windows(window).map(mean).collect();
        let from = WINDOW.min(x.len()).max(1) - 1;
        let x = x.get(from..).unwrap_or(&[]);
        (x[..means.len().min(x.len())].to_vec(), means)
    };
    let mut kept: Runs = runs.iter().map(smooth).collect();
    kept.sort_by(|(_, a), (_, b)| a.iter().sum::<f64>().total_cmp(&b.iter().sum()));
    if kept.len() > 2 {
        kept.pop();
        kept.remove(0);
    }
    kept
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// ½ Σ y*² a step: the loss of an output of zero. The curve is another one for each seed.
pub fn power(experiment: &Experiment, seed: u64) -> Result<f64> {
    let streams = Streams::new(seed);
    let steps = experiment.evaluate.steps;
    let mut task = experiment
        .task
        .build::<f64>(1, experiment.steps, &streams, "test")?;
    let (inputs, outputs) = experiment.task.sizes();
    let mut sample = Sample::new(1, inputs, outputs);
    let mut sum = 0.0;
    for _ in 0..steps {
        task.next(&mut sample);
        sum += 0.5 * sample.y.iter().map(|y| y * y).sum::<f64>();
    }
    Ok(sum / steps as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_smooths_and_drops_the_extremes() {
        let run = |level: f64| {
            let x: Vec<u64> = (1..=20).map(|k| 20 * k).collect();
            let mut y = vec![level; 20];
            y[19] = 1e9;
            (x, y)
        };
        let kept = published(&vec![run(1.0), run(4.0), run(2.0), run(3.0)]);
        // 19 records left, a window of 15: the first mean stands at the 15th record.
        assert_eq!(
            (kept[0].0[0], kept[0].0.len(), kept[0].1.len()),
            (300, 5, 5)
        );
        assert_eq!(
            kept.iter().map(|run| run.1[0]).collect::<Vec<_>>(),
            [2.0, 3.0]
        );
    }
}
