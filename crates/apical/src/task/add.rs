//! Two coin tosses of the past decide the odds of the label.
//!
//! P(y = 1) = ½ + ½ x(t−t₁) − ¼ x(t−t₂) with x ~ Bernoulli(½); inputs [x, 1−x], targets [y, 1−y].
//! Source: Marschall, Cho & Savin 2019 and 2020 (there called Add or n-back). The tosses before the first step
//! are drawn too but never shown, where the published generator wraps around to the end of its sequence.
//! Until January 2020 that generator counted lags from 1, so its "(4,6)-back" is `lags = [3, 5]` here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bound, Request, Sample, Settings, Task, TaskInfo};
use crate::sizes::Need;
use crate::snapshot::{STEPS, StateIo};
use crate::stream::{Stream, Streams};
use crate::{Error, Result, Scalar};

/// Configuration of [`Add`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AddSpec {
    /// t₁ and t₂, true lags in tosses: 0 is the present input.
    #[schemars(inner(range(max = 1_000_000)), extend("unit" = "tosses"))]
    pub lags: [u64; 2],
    /// Whether the target is the label drawn or its probability.
    pub labels: Labels,
    /// τ: each toss and its label stay for this many steps.
    #[schemars(range(min = 1), extend("unit" = "steps"))]
    pub stretch: u64,
}

impl Default for AddSpec {
    fn default() -> Self {
        Self {
            lags: [4, 6],
            labels: Labels::Sampled,
            stretch: 1,
        }
    }
}

/// What the target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// A label drawn with the probability (2019).
    Sampled,
    /// The probability itself ("deterministic", 2020).
    Soft,
}

/// P(y = 1) given the tosses at the two lags.
fn probability(first: bool, second: bool) -> f64 {
    0.5 + 0.5 * f64::from(u8::from(first)) - 0.25 * f64::from(u8::from(second))
}

impl AddSpec {
    /// The bounds of a predictor that knows nothing, one lag or both, by enumeration of the tosses.
    pub fn bounds(&self) -> Vec<Bound> {
        let tosses = [false, true];
        let cases: Vec<(bool, bool, f64)> = tosses
            .iter()
            .flat_map(|&a| tosses.iter().map(move |&b| (a, b, a, b)))
            // With equal lags both terms see the same toss.
            .filter(|&(a, b, ..)| self.lags[0] != self.lags[1] || a == b)
            .map(|(a, b, ..)| (a, b, probability(a, b)))
            .collect();
        // A predictor that sees `key` does best by the mean probability of the cases it cannot tell apart.
        let best = |knowledge: &str, key: &dyn Fn(bool, bool) -> (bool, bool)| {
            let (mut entropy, mut accuracy) = (0.0, 0.0);
            for &(a, b, p) in &cases {
                let alike = cases.iter().filter(|&&(c, d, _)| key(c, d) == key(a, b));
                let (sum, count) = alike.fold((0.0, 0.0), |(s, n), case| (s + case.2, n + 1.0));
                let guess: f64 = sum / count;
                entropy -= xlogy(p, guess) + xlogy(1.0 - p, 1.0 - guess);
                accuracy += if guess > 0.5 { p } else { 1.0 - p };
            }
            Bound {
                knowledge: knowledge.into(),
                cross_entropy: entropy / cases.len() as f64,
                accuracy: accuracy / cases.len() as f64,
            }
        };
        vec![
            best("nothing", &|_, _| (false, false)),
            best("second lag", &|_, b| (false, b)),
            best("first lag", &|a, _| (a, false)),
            best("both lags", &|a, b| (a, b)),
        ]
    }

    fn check(&self, steps: u64) -> Result<()> {
        if self.stretch == 0 {
            let mend = "1 shows each toss once.";
            return Err(Error::invalid("task.stretch", 0, "at least 1 step", mend));
        }
        let longest = self.lags[0].max(self.lags[1]);
        if longest > 1_000_000 {
            let mend = "Each stream keeps that many tosses in memory.";
            return Err(Error::invalid(
                "task.lags",
                longest,
                "at most 1000000",
                mend,
            ));
        }
        if longest.saturating_mul(self.stretch) >= steps {
            return Err(Error::invalid(
                "task.lags",
                format!(
                    "[{}, {}] with stretch {}",
                    self.lags[0], self.lags[1], self.stretch
                ),
                format!("lags shorter than the run of {steps} steps"),
                "Shorten the lags or raise `steps`: no label of this run would depend on an input it showed.",
            ));
        }
        Ok(())
    }
}

impl Settings for AddSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "add",
        summary: "two past coin tosses decide the odds of the label (n-back)",
        sizes: "2 inputs, 2 outputs",
        source: "Marschall, Cho & Savin 2019, 2020",
    };

    fn sizes(&self) -> (usize, usize) {
        (2, 2)
    }

    fn needs(&self, batch: usize) -> Vec<Need> {
        // Longer ones are refused.
        let longest = self.lags[0].max(self.lags[1]).min(super::check::MOST);
        let numbers = batch as f64 * (longest as f64 + 1.0);
        vec![Need::new(
            "task.lags",
            format!("{:?}", self.lags),
            8.0 * numbers,
        )]
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        let Request {
            batch,
            steps,
            streams,
            purpose,
        } = *request;
        Ok(Box::new(Add::new(self, batch, steps, streams, purpose)?))
    }

    fn bounds(&self) -> Vec<Bound> {
        self.bounds()
    }
}

fn xlogy(x: f64, y: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x * y.ln() }
}

struct Source {
    stream: Stream,
    /// The last tosses, the oldest first after `next`, as a ring.
    tosses: Vec<u64>,
    next: u64,
    probability: f64,
    label: bool,
}

/// The task, without end.
pub struct Add {
    spec: AddSpec,
    sources: Vec<Source>,
    step: u64,
}

impl Add {
    /// `batch` independent streams named `purpose`.
    ///
    /// # Errors
    /// A stretch of zero, or lags that do not fit into `steps`.
    pub fn new(
        spec: &AddSpec,
        batch: usize,
        steps: u64,
        streams: &Streams,
        purpose: &str,
    ) -> Result<Self> {
        spec.check(steps)?;
        let memory = spec.lags[0].max(spec.lags[1]) as usize + 1;
        let sources = (0..batch as u64)
            .map(|b| {
                let mut stream = streams.stream(purpose, b);
                let tosses = (0..memory).map(|_| u64::from(stream.coin())).collect();
                Source {
                    stream,
                    tosses,
                    next: 0,
                    probability: 0.0,
                    label: false,
                }
            })
            .collect();
        Ok(Self {
            spec: spec.clone(),
            sources,
            step: 0,
        })
    }
}

impl Source {
    fn toss(&mut self, spec: &AddSpec) {
        let memory = self.tosses.len() as u64;
        self.tosses[self.next as usize] = u64::from(self.stream.coin());
        let past = |lag: u64| {
            let at = (self.next + memory - lag) % memory;
            self.tosses[at as usize] == 1
        };
        self.probability = probability(past(spec.lags[0]), past(spec.lags[1]));
        if spec.labels == Labels::Sampled {
            self.label = self.stream.uniform() < self.probability;
        }
        self.next = (self.next + 1) % memory;
    }

    fn present(&self) -> bool {
        let memory = self.tosses.len() as u64;
        self.tosses[((self.next + memory - 1) % memory) as usize] == 1
    }
}

impl<T: Scalar> Task<T> for Add {
    fn sizes(&self) -> (usize, usize) {
        (2, 2)
    }

    fn next(&mut self, sample: &mut Sample<T>) -> bool {
        let fresh = self.step.is_multiple_of(self.spec.stretch);
        for (b, source) in self.sources.iter_mut().enumerate() {
            if fresh {
                source.toss(&self.spec);
            }
            let pair = |p: f64| [T::of(p), T::of(1.0 - p)];
            let probability = source.probability;
            let target = match self.spec.labels {
                Labels::Sampled => f64::from(u8::from(source.label)),
                Labels::Soft => probability,
            };
            let x = f64::from(u8::from(source.present()));
            sample.x[2 * b..2 * b + 2].copy_from_slice(&pair(x));
            sample.y[2 * b..2 * b + 2].copy_from_slice(&pair(target));
            sample.truth[2 * b..2 * b + 2].copy_from_slice(&pair(probability));
        }
        sample.has_truth = true;
        sample.masked = false;
        sample.first = self.step == 0;
        sample.last = false;
        self.step += 1;
        true
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.counter("step", &mut self.step, STEPS)?;
        for (b, source) in self.sources.iter_mut().enumerate() {
            io.scope(&b.to_string(), |io| {
                source.stream.state("stream", io)?;
                io.counters("tosses", &mut source.tosses, 0..=1)?;
                let last = source.tosses.len() as u64 - 1;
                io.counter("next", &mut source.next, 0..=last)?;
                let mut probability = [source.probability];
                io.values("probability", &mut probability)?;
                source.probability = probability[0];
                io.flag("label", &mut source.label)
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(spec: &AddSpec, count: usize) -> Vec<Sample<f64>> {
        let mut task = Add::new(spec, 1, count as u64, &Streams::new(11), "train").unwrap();
        let mut sample = Sample::new(1, 2, 2);
        (0..count)
            .map(|_| {
                assert!(task.next(&mut sample));
                sample.clone()
            })
            .collect()
    }

    #[test]
    fn labels_obey_the_defining_equation() {
        for stretch in [1, 3] {
            let labels = Labels::Soft;
            let spec = AddSpec {
                lags: [4, 6],
                labels,
                stretch,
            };
            let run = steps(&spec, 600);
            let tau = stretch as usize;
            for t in 6 * tau..600 {
                let x = |lag: usize| run[t - lag * tau].x[0];
                let expected = 0.5 + 0.5 * x(4) - 0.25 * x(6);
                assert_eq!(run[t].y, [expected, 1.0 - expected], "step {t}");
                assert_eq!(run[t].x[1], 1.0 - run[t].x[0]);
            }
        }
    }

    #[test]
    fn sampled_labels_have_the_stated_odds() {
        let spec = AddSpec {
            lags: [1, 2],
            ..AddSpec::default()
        };
        let run = steps(&spec, 40_000);
        for p in [0.25, 0.5, 0.75, 1.0] {
            let of: Vec<f64> = run
                .iter()
                .filter(|s| s.truth[0] == p)
                .map(|s| s.y[0])
                .collect();
            let mean = of.iter().sum::<f64>() / of.len() as f64;
            // Each case comes about 10,000 times: four standard errors are at most 0.02.
            assert!((mean - p).abs() < 0.02, "{p}: {mean}");
        }
    }

    #[test]
    fn bounds_are_those_of_the_specification() {
        let bounds = AddSpec::default().bounds();
        let expected = [
            ("nothing", 0.66156, 0.625),
            ("second lag", 0.62774, 0.625),
            ("first lag", 0.51917, 0.75),
            ("both lags", 0.45445, 0.75),
        ];
        for (bound, (knowledge, entropy, accuracy)) in bounds.iter().zip(expected) {
            assert_eq!(bound.knowledge, knowledge);
            assert!((bound.cross_entropy - entropy).abs() < 5e-6, "{bound:?}");
            assert!((bound.accuracy - accuracy).abs() < 1e-12, "{bound:?}");
        }
    }

    #[test]
    fn lags_longer_than_the_run_are_refused() {
        let spec = AddSpec {
            lags: [4, 100],
            ..AddSpec::default()
        };
        let error = Add::new(&spec, 1, 100, &Streams::new(0), "train")
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("task.lags: got [4, 100]"),
            "{error}"
        );
    }
}
