//! Chance: the accuracy of one answer for every step, which any accuracy that means something must pass.

use apical::loss::Loss;
use apical::task::Sample;
use apical::{Experiment, Streams};

use crate::Result;

/// Seeds whose mean is taken; more tell no more.
const SEEDS: usize = 10;
/// Steps of training that are looked at.
const STEPS: u64 = 10_000;

/// Which steps an accuracy is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those learned from.
    Train,
    /// Those held out.
    Test,
}

/// The accuracy of knowing nothing: that of the task's own bound, else of the most frequent answer to the steps that count,
/// the mean over the first of `seeds`.
///
/// With independent outputs the answer is the more frequent side of each, and correct where all are. `None` where the loss
/// has no accuracy, or nothing counts.
///
/// # Errors
/// A task that cannot be built.
pub fn chance(experiment: &Experiment, seeds: &[u64], part: Part) -> Result<Option<f64>> {
    if matches!(experiment.loss, Loss::MeanSquaredError { .. }) {
        return Ok(None);
    }
    let bounds = experiment.task.bounds();
    let softmax = experiment.loss == Loss::SoftmaxCrossEntropy {};
    if let (true, Some(bound)) = (softmax, bounds.iter().find(|b| b.knowledge == "nothing")) {
        return Ok(Some(bound.accuracy));
    }
    let mut all = Vec::new();
    for seed in seeds.iter().take(SEEDS) {
        let mut mean = vec![0.0; experiment.task.sizes().1];
        each(experiment, *seed, part, |target, mask| {
            for (k, (mean, y)) in mean.iter_mut().zip(target).enumerate() {
                // On which side of ½ the sum over ±½ lies is the more frequent side.
                if softmax || mask.is_none_or(|mask| mask[k] != 0.0) {
                    *mean += y - 0.5;
                }
            }
        })?;
        let answer: Vec<f64> = mean.iter().map(|sum| sum + 0.5).collect();
        let (mut right, mut counted) = (0u64, 0u64);
        each(experiment, *seed, part, |target, mask| {
            let correct = experiment.loss.is_correct(&answer, target, mask);
            right += u64::from(correct == Some(true));
            counted += 1;
        })?;
        if counted > 0 {
            all.push(right as f64 / counted as f64);
        }
    }
    let count = all.len() as f64;
    Ok((count > 0.0).then(|| all.iter().sum::<f64>() / count))
}

/// Shows target and mask of each step and sample that counts.
fn each(
    experiment: &Experiment,
    seed: u64,
    part: Part,
    mut show: impl FnMut(&[f64], Option<&[f64]>),
) -> Result<()> {
    let tested = experiment.evaluate.steps;
    let (all, steps, name) = match part {
        Part::Train => (experiment.steps, experiment.steps.min(STEPS), "train"),
        Part::Test => (experiment.steps.max(tested), tested, "test"),
    };
    let (batch, streams) = (experiment.batch, Streams::new(seed));
    let (inputs, outputs) = experiment.task.sizes();
    let mut task = experiment.task.build::<f64>(batch, all, &streams, name)?;
    let mut sample = Sample::new(batch, inputs, outputs);
    for _ in 0..steps {
        if !task.next(&mut sample) {
            break;
        }
        for b in 0..batch {
            let part = b * outputs..(b + 1) * outputs;
            let mask = sample.masked.then_some(&sample.mask[part.clone()]);
            if mask.is_none_or(|mask| mask.iter().any(|weight| *weight != 0.0)) {
                show(&sample.y[part], mask);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::load;

    fn of(name: &str, changes: &[&str], part: Part) -> Option<f64> {
        let changes: Vec<String> = changes.iter().map(|change| (*change).into()).collect();
        let experiment = load(name, &changes).unwrap();
        chance(&experiment, &[0, 1, 2], part).unwrap()
    }

    #[test]
    fn a_bound_that_knows_nothing_is_chance() {
        assert_eq!(of("marschall2019/lags46", &[], Part::Test), Some(0.625));
        let squared = ["loss.kind=mean_squared_error"];
        assert_eq!(of("marschall2019/lags46", &squared, Part::Test), None);
    }

    #[test]
    fn elsewhere_the_most_frequent_answer_is_counted() {
        // Two classes alike often, judged at the end of a trial alone.
        let steps = ["evaluate.steps=20000"];
        let xor = of("liu2022/xor", &steps, Part::Test).unwrap();
        assert!((0.5..0.65).contains(&xor), "{xor}");
        // Each sigmoid has its own side; P(y = 1) is ½ + ½ x − ¼ x' with mean 0.625.
        let sigmoid = ["loss.kind=sigmoid_cross_entropy", "evaluate.steps=20000"];
        let add = of("marschall2019/lags46", &sigmoid, Part::Test).unwrap();
        assert!((add - 0.625).abs() < 0.01, "{add}");
        let train = of("marschall2019/lags46", &sigmoid, Part::Train).unwrap();
        assert!((train - 0.625).abs() < 0.01 && train != add, "{train}");
        // Blanks most of the time: one answer is right for 16 of 21 steps.
        let copy = of("tasks/copy", &["evaluate.steps=21000"], Part::Test).unwrap();
        assert!(copy > 0.5 && copy < 1.0, "{copy}");
        assert_eq!(of("liu2022/xor", &["evaluate.steps=0"], Part::Test), None);
    }
}
