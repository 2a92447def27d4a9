//! Add up binary numbers that are read digit by digit.
//!
//! A trial shows up to max_args numbers, the most significant digit first, each followed by up to max_noops empty
//! symbols and a plus, and at the end `answer` empty symbols. The target is the sum of the numbers completed by a
//! plus so far, as a number or one-hot. Symbols are 0, 1, empty and plus, one-hot. How many numbers, digits and
//! empty symbols there are is drawn for the whole batch, the digits for each sample.
//! Source: Marschall, Cho & Savin (code), which fails with a current numpy and gives the sum twice.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Edge, Generator, Row};
use super::{Request, Settings, Task, TaskInfo, check, draw};
use crate::sizes::Need;
use crate::snapshot::{Length, StateIo};
use crate::stream::Stream;
use crate::{Error, Result, Scalar};

/// Configuration of the binary addition task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BinaryAdditionSpec {
    /// Most numbers in a trial.
    #[schemars(range(min = 1, max = super::check::MOST))]
    pub max_args: u64,
    /// Most digits of a number.
    #[schemars(range(min = 1, max = 40))]
    pub max_digits: u64,
    /// Most empty symbols before a plus.
    #[schemars(range(min = 0, max = super::check::MOST), extend("unit" = "steps"))]
    pub max_noops: u64,
    /// Empty symbols at the end of a trial.
    #[schemars(range(min = 0, max = super::check::MOST), extend("unit" = "steps"))]
    pub answer: u64,
    /// How the sum is given.
    pub output: SumOutput,
}

impl Default for BinaryAdditionSpec {
    fn default() -> Self {
        Self {
            max_args: 2,
            max_digits: 2,
            max_noops: 1,
            answer: 2,
            output: SumOutput::OneHot,
        }
    }
}

/// How a sum is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SumOutput {
    /// An output for every possible sum.
    #[default]
    OneHot,
    /// The sum itself.
    Analog,
}

impl BinaryAdditionSpec {
    /// The largest sum.
    fn most(&self) -> u64 {
        self.max_args
            .saturating_mul((1 << self.max_digits.min(62)) - 1)
    }

    fn check(&self, steps: u64) -> Result<()> {
        check::count("task.max_args", self.max_args, 1)?;
        check::count("task.max_digits", self.max_digits, 1)?;
        check::count("task.max_noops", self.max_noops, 0)?;
        check::count("task.answer", self.answer, 0)?;
        if self.max_digits > 40 {
            let mend = "Longer numbers have no exact sum.";
            return Err(Error::invalid(
                "task.max_digits",
                self.max_digits,
                "at most 40",
                mend,
            ));
        }
        if self.output == SumOutput::OneHot && self.most() >= 100_000 {
            return Err(Error::invalid(
                "task.output",
                "one_hot",
                format!("analog, for sums up to {}", self.most()),
                "Use fewer digits or numbers, or output = \"analog\".",
            ));
        }
        check::trial(self.longest(), steps)
    }

    fn longest(&self) -> u64 {
        let number = self
            .max_digits
            .saturating_add(self.max_noops)
            .saturating_add(1);
        self.max_args
            .saturating_mul(number)
            .saturating_add(self.answer)
    }
}

impl Settings for BinaryAdditionSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "binary_addition",
        summary: "add up binary numbers read digit by digit",
        sizes: "4 inputs, max_args (2^max_digits - 1) + 1 outputs (analog: 1)",
        source: "Marschall, Cho & Savin (code)",
    };

    fn sizes(&self) -> (usize, usize) {
        match self.output {
            SumOutput::OneHot => (4, (self.most() as usize).saturating_add(1)),
            SumOutput::Analog => (4, 1),
        }
    }

    fn longest_trial(&self) -> Option<u64> {
        Some(self.longest())
    }

    fn width(&self) -> Option<(&'static str, u64)> {
        Some(("task.max_digits", self.max_digits))
    }

    fn needs(&self, _: usize) -> Vec<Need> {
        vec![Need::new(
            "task.max_args",
            self.max_args,
            8.0 * self.longest() as f64,
        )]
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check(request.steps)?;
        let source = |stream| Source {
            stream,
            number: 0,
            sum: 0,
        };
        let generator = BinaryAddition {
            plan: request
                .streams
                .stream(&format!("{} plan", request.purpose), 0),
            script: Vec::with_capacity(self.longest() as usize),
            next: 0,
            sources: request.sources().map(source).collect(),
            spec: self.clone(),
        };
        Ok(batch::task(generator, request.batch))
    }
}

/// Columns of the input; a digit of 1 is shown in the column after that of 0.
const DIGIT: u64 = 0;
const NOOP: u64 = 2;
const PLUS: u64 = 3;

struct Source {
    stream: Stream,
    /// The number being read and the sum of those before.
    number: u64,
    sum: u64,
}

struct BinaryAddition {
    spec: BinaryAdditionSpec,
    plan: Stream,
    /// The kinds of symbols of the present trial, and which comes next.
    script: Vec<u64>,
    next: u64,
    sources: Vec<Source>,
}

impl BinaryAddition {
    fn write_script(&mut self) {
        let (spec, plan) = (&self.spec, &mut self.plan);
        self.script.clear();
        for _ in 0..=draw::below(plan, spec.max_args) {
            for _ in 0..=draw::below(plan, spec.max_digits) {
                self.script.push(DIGIT);
            }
            for _ in 0..draw::below(plan, spec.max_noops + 1) {
                self.script.push(NOOP);
            }
            self.script.push(PLUS);
        }
        for _ in 0..spec.answer {
            self.script.push(NOOP);
        }
    }
}

impl BinaryAddition {
    /// Whether the symbols are those of a trial: no sum then leads beyond the outputs.
    fn is_script(&self) -> bool {
        let digits = |number: &[u64]| number.iter().filter(|s| **s == DIGIT).count() as u64;
        let is_kind = self.script.iter().all(|s| [DIGIT, NOOP, PLUS].contains(s));
        let mut numbers: Vec<&[u64]> = self.script.split(|s| *s == PLUS).collect();
        let answer = numbers.pop().unwrap_or_default();
        is_kind
            && self.script.len() as u64 <= self.spec.longest()
            && numbers.len() as u64 <= self.spec.max_args
            && digits(answer) == 0
            && numbers
                .into_iter()
                .all(|number| digits(number) <= self.spec.max_digits)
    }

    /// The largest number being read after `next` symbols, and the largest sum of those before.
    fn most_read(&self) -> [u64; 2] {
        let mut most = [0, 0];
        for symbol in &self.script[..self.next as usize] {
            most = match (*symbol, most) {
                (DIGIT, [number, sum]) => [2 * number + 1, sum],
                (PLUS, [number, sum]) => [0, sum + number],
                (_, same) => same,
            };
        }
        most
    }
}

impl Generator for BinaryAddition {
    fn sizes(&self) -> (usize, usize) {
        Settings::sizes(&self.spec)
    }

    fn advance(&mut self) -> Option<Edge> {
        let first = self.next as usize == self.script.len();
        if first {
            self.write_script();
            self.next = 0;
        }
        self.next += 1;
        Some(Edge {
            first,
            last: self.next as usize == self.script.len(),
        })
    }

    fn write(&mut self, b: usize, row: Row<'_>) {
        let source = &mut self.sources[b];
        if self.next == 1 {
            (source.number, source.sum) = (0, 0);
        }
        let mut symbol = self.script[self.next as usize - 1];
        if symbol == DIGIT {
            let digit = u64::from(source.stream.coin());
            symbol += digit;
            source.number = 2 * source.number + digit;
        } else if symbol == PLUS {
            source.sum += source.number;
            source.number = 0;
        }
        row.x[symbol as usize] = 1.0;
        match self.spec.output {
            SumOutput::OneHot => row.y[source.sum as usize] = 1.0,
            SumOutput::Analog => row.y[0] = source.sum as f64,
        }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.plan.state("plan", io)?;
        let symbols = DIGIT..=PLUS;
        io.counter_list("script", &mut self.script, Length::Any, symbols)?;
        let is_script = self.is_script();
        io.require("script", is_script, || {
            format!("a trial of at most {} symbols", self.spec.longest())
        })?;
        let length = self.script.len() as u64;
        io.counter("next", &mut self.next, 0..=length)?;
        io.require("next", (self.next == 0) == (length == 0), || {
            "a step within the trial".into()
        })?;
        let [number, sum] = self.most_read();
        for (b, source) in self.sources.iter_mut().enumerate() {
            io.scope(&b.to_string(), |io| {
                source.stream.state("stream", io)?;
                io.counter("number", &mut source.number, 0..=number)?;
                io.counter("sum", &mut source.sum, 0..=sum)
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    #[test]
    fn targets_are_the_sums_of_completed_numbers() {
        for output in [SumOutput::OneHot, SumOutput::Analog] {
            let spec = BinaryAdditionSpec {
                max_args: 3,
                max_digits: 3,
                max_noops: 2,
                answer: 4,
                output,
            };
            let samples = run(&TaskSpec::BinaryAddition(spec), 2, 20_000);
            let (mut trials, mut args, mut ones, mut digits) = (0.0, 0.0, 0.0, 0.0);
            let mut read = [(0, 0); 2];
            for sample in &samples {
                if sample.first {
                    read = [(0, 0); 2];
                    trials += 1.0;
                }
                let outputs = sample.y.len() / 2;
                for (b, (number, sum)) in read.iter_mut().enumerate() {
                    let x = &sample.x[4 * b..4 * b + 4];
                    assert_eq!(x.iter().sum::<f64>(), 1.0);
                    let digit = x[0] + x[1] == 1.0;
                    if digit {
                        *number = 2 * *number + x[1] as usize;
                        ones += x[1];
                        digits += 1.0;
                    }
                    if x[3] == 1.0 {
                        *sum += std::mem::take(number);
                        args += 0.5;
                    }
                    let y = &sample.y[outputs * b..outputs * (b + 1)];
                    match output {
                        SumOutput::OneHot => {
                            assert_eq!((outputs, y[*sum], y.iter().sum()), (22, 1.0, 1.0));
                        }
                        SumOutput::Analog => assert_eq!(y, [*sum as f64]),
                    }
                }
            }
            // One to three numbers, two on average with deviation 0.82; the last trial may be cut short.
            assert!((args / trials - 2.0f64).abs() < 4.0 * 0.82 / trials.sqrt() + 3.0 / trials);
            assert!((ones / digits - 0.5f64).abs() < 4.0 * 0.5 / digits.sqrt());
        }
    }

    #[test]
    fn trials_end_with_the_answer() {
        let samples = run(
            &TaskSpec::BinaryAddition(BinaryAdditionSpec::default()),
            1,
            500,
        );
        for (t, pair) in samples.windows(2).enumerate() {
            assert_eq!(pair[0].last, pair[1].first, "step {t}");
            if pair[0].last {
                assert_eq!(pair[0].x[2], 1.0);
                assert_eq!(pair[0].y, samples[t - 2].y);
                assert_eq!(samples[t - 2].x[3], 1.0);
            }
        }
    }

    #[test]
    fn bad_settings_are_named() {
        let of = |json: &str| TaskSpec::BinaryAddition(serde_json::from_str(json).unwrap());
        for (json, reason) in [
            (r#"{"max_args": 0}"#, "task.max_args: got 0"),
            (r#"{"max_digits": 0}"#, "task.max_digits: got 0"),
            (r#"{"max_digits": 41}"#, "task.max_digits: got 41"),
            (r#"{"max_digits": 20}"#, "task.output: got one_hot"),
            (r#"{"answer": 10000}"#, "task: got trials of 10008 steps"),
        ] {
            refused(&of(json), reason);
        }
    }
}
