//! Repeat a sequence of symbols after a delay.
//!
//! A trial shows `length` random symbols, then `delay` blanks, a cue, and `length` blanks, in which the symbols are
//! to be named in their order; before that the target is blank. Inputs are the symbols, the blank and the cue,
//! one-hot; outputs the symbols and the blank.
//! Source: Hochreiter & Schmidhuber 1997 and many since, in the form of Arjovsky, Shah & Bengio 2016.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Row};
use super::{Bound, Request, Settings, Task, TaskInfo, check, draw};
use crate::sizes::Need;
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Result, Scalar};

/// Configuration of the copy task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CopySpec {
    /// Different symbols.
    #[schemars(range(min = 1, max = super::check::LARGEST))]
    pub symbols: usize,
    /// Symbols in a sequence.
    #[schemars(range(min = 1, max = super::check::MOST), extend("unit" = "steps"))]
    pub length: u64,
    /// Blanks before the cue.
    #[schemars(range(min = 0, max = super::check::MOST), extend("unit" = "steps"))]
    pub delay: u64,
    /// Whether the loss counts in the recall only.
    pub recall_only: bool,
}

impl Default for CopySpec {
    fn default() -> Self {
        Self {
            symbols: 8,
            length: 5,
            delay: 10,
            recall_only: false,
        }
    }
}

impl CopySpec {
    fn trial(&self) -> u64 {
        self.length
            .saturating_mul(2)
            .saturating_add(self.delay)
            .saturating_add(1)
    }
}

impl Settings for CopySpec {
    const INFO: TaskInfo = TaskInfo {
        name: "copy",
        summary: "repeat a sequence of symbols after a delay",
        sizes: "symbols + 2, symbols + 1",
        source: "Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016",
    };

    fn sizes(&self) -> (usize, usize) {
        (
            self.symbols.saturating_add(2),
            self.symbols.saturating_add(1),
        )
    }

    fn longest_trial(&self) -> Option<u64> {
        Some(self.trial())
    }

    fn width(&self) -> Option<(&'static str, u64)> {
        Some(("task.symbols", self.symbols as u64))
    }

    fn needs(&self, batch: usize) -> Vec<Need> {
        let numbers = batch as f64 * self.length as f64;
        vec![Need::new("task.length", self.length, 8.0 * numbers).saved()]
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        check::size("task.symbols", self.symbols, 1)?;
        check::count("task.length", self.length, 1)?;
        check::count("task.delay", self.delay, 0)?;
        check::trial(self.trial(), request.steps)?;
        Ok(batch::samples(self.clone(), self, request))
    }

    fn bounds(&self) -> Vec<Bound> {
        let (recall, trial) = (self.length as f64, self.trial() as f64);
        let symbols = self.symbols as f64;
        vec![
            Bound {
                knowledge: "the time".into(),
                cross_entropy: recall / trial * symbols.ln(),
                accuracy: if self.recall_only {
                    1.0 / symbols
                } else {
                    1.0 - recall / trial * (1.0 - 1.0 / symbols)
                },
            },
            Bound {
                knowledge: "the sequence".into(),
                cross_entropy: 0.0,
                accuracy: 1.0,
            },
        ]
    }
}

impl batch::Drawn for CopySpec {
    /// The sequence of the present trial.
    type Kept = Vec<u64>;

    fn masked(&self) -> bool {
        self.recall_only
    }

    fn begin(&self, _: &mut Stream) -> Self::Kept {
        vec![0; self.length as usize]
    }

    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>) {
        let CopySpec {
            symbols,
            length,
            delay,
            recall_only,
        } = *self;
        let (blank, cue) = (symbols, symbols + 1);
        let recall = length + delay + 1;
        let shown = if step < length {
            let symbol = draw::below(stream, symbols as u64);
            kept[step as usize] = symbol;
            symbol as usize
        } else if step + 1 == recall {
            cue
        } else {
            blank
        };
        row.x[shown] = 1.0;
        match step.checked_sub(recall) {
            Some(k) => row.y[kept[k as usize] as usize] = 1.0,
            None => {
                row.y[blank] = 1.0;
                if recall_only {
                    row.mask.fill(0.0);
                }
            }
        }
    }

    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()> {
        let last = self.symbols as u64 - 1;
        io.counters("sequence", kept, 0..=last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskSpec;
    use crate::task::tests::{refused, run};

    #[test]
    fn the_sequence_comes_again_after_the_cue() {
        for recall_only in [false, true] {
            let spec = CopySpec {
                symbols: 4,
                length: 3,
                delay: 2,
                recall_only,
            };
            let samples = run(&TaskSpec::Copy(spec), 1, 9 * 1_000);
            let mut counts = [0.0; 4];
            let hot = |values: &[f64]| {
                assert_eq!(values.iter().sum::<f64>(), 1.0);
                values.iter().position(|v| *v == 1.0).unwrap()
            };
            for trial in samples.chunks_exact(9) {
                assert!(trial[0].first && trial[8].last);
                let x: Vec<usize> = trial.iter().map(|s| hot(&s.x)).collect();
                let y: Vec<usize> = trial.iter().map(|s| hot(&s.y)).collect();
                assert_eq!(x[3..], [4, 4, 5, 4, 4, 4]);
                assert_eq!(y[..6], [4; 6]);
                assert_eq!(y[6..], x[..3]);
                x[..3].iter().for_each(|k| counts[*k] += 1.0);
                for (t, sample) in trial.iter().enumerate() {
                    assert_eq!(sample.masked, recall_only);
                    let weight = f64::from(t >= 6 || !recall_only);
                    assert!(!sample.masked || sample.mask == [weight; 5]);
                }
            }
            // A quarter of 3000 symbols each: four standard errors.
            assert!(counts.iter().all(|c: &f64| (c - 750.0).abs() < 95.0));
        }
    }

    #[test]
    fn bounds_count_the_symbols() {
        let spec = CopySpec::default();
        let bounds = spec.bounds();
        assert!((bounds[0].cross_entropy - 5.0 / 21.0 * 8f64.ln()).abs() < 1e-12);
        assert!((bounds[0].accuracy - (16.0 + 5.0 / 8.0) / 21.0).abs() < 1e-12);
        assert_eq!((bounds[1].cross_entropy, bounds[1].accuracy), (0.0, 1.0));
    }

    #[test]
    fn bad_settings_are_named() {
        let of = |json: &str| TaskSpec::Copy(serde_json::from_str(json).unwrap());
        for (json, reason) in [
            (r#"{"symbols": 0}"#, "task.symbols: got 0"),
            (r#"{"length": 0}"#, "task.length: got 0"),
            (r#"{"delay": 20000}"#, "task: got trials of 20011 steps"),
        ] {
            refused(&of(json), reason);
        }
    }
}
