//! Parity: the label is whether an odd number of the last `bits` coins showed heads.

use apical::schemars::{self, JsonSchema};
use apical::snapshot::StateIo;
use apical::task::{OwnTask, Sample, Task, TaskInfo, Wanted};
use apical::{Error, Result, Scalar, Stream};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ParitySpec {
    /// Coins that count.
    #[schemars(range(min = 1, max = 64))]
    bits: u64,
}

impl Default for ParitySpec {
    fn default() -> Self {
        Self { bits: 2 }
    }
}

impl OwnTask for ParitySpec {
    const INFO: TaskInfo = TaskInfo {
        name: "parity",
        summary: "the parity of the last coins",
        sizes: "1 in, 1 out",
        source: "ours",
    };

    fn sizes(&self) -> (usize, usize) {
        (1, 1)
    }

    fn build<T: Scalar>(&self, wanted: Wanted<'_>) -> Result<Box<dyn Task<T>>> {
        if !(1..=64).contains(&self.bits) {
            let (expected, mend) = ("from 1 to 64", "2 is a beginning.");
            return Err(Error::invalid("task.bits", self.bits, expected, mend));
        }
        let stream = |b| wanted.streams.stream(wanted.purpose, b);
        let coins = (0..wanted.batch as u64).map(|b| (stream(b), 0));
        let mask = u64::MAX >> (64 - self.bits);
        Ok(Box::new(Parity {
            mask,
            coins: coins.collect(),
        }))
    }
}

/// A stream of coins for each sample, with those it has shown as bits, the last one lowest.
struct Parity {
    mask: u64,
    coins: Vec<(Stream, u64)>,
}

impl<T: Scalar> Task<T> for Parity {
    fn sizes(&self) -> (usize, usize) {
        (1, 1)
    }

    fn next(&mut self, sample: &mut Sample<T>) -> bool {
        for (b, (stream, shown)) in self.coins.iter_mut().enumerate() {
            *shown = *shown << 1 | u64::from(stream.coin());
            sample.x[b] = T::of((*shown & 1) as f64);
            sample.y[b] = T::of(f64::from((*shown & self.mask).count_ones() % 2));
        }
        true
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        for (b, (stream, shown)) in self.coins.iter_mut().enumerate() {
            stream.state(&format!("stream.{b}"), io)?;
            io.words(&format!("shown.{b}"), std::slice::from_mut(shown))?;
        }
        Ok(())
    }
}
