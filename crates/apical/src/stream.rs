//! Split one seed into named random streams that never touch each other.
//!
//! A stream is named by what it is for and an index: `streams.stream("weights", 0)`. Adding a draw to
//! one stream never shifts another, and a stream's position is part of a checkpoint.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::{Result, Scalar, snapshot::StateIo};

/// The streams of one run.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// All streams of a run with this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The stream for `purpose`, number `index`.
    pub fn stream(&self, purpose: &str, index: u64) -> Stream {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(name(purpose, index));
        Stream { generator }
    }
}

/// FNV-1a over the purpose and the index: stable across versions and machines.
fn name(purpose: &str, index: u64) -> u64 {
    let bytes = purpose.bytes().chain(index.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// One stream of random numbers (ChaCha with 8 rounds).
#[derive(Clone, Debug)]
pub struct Stream {
    generator: ChaCha8Rng,
}

impl Stream {
    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.generator.random()
    }

    /// `true` with probability ½.
    pub fn coin(&mut self) -> bool {
        self.generator.next_u32() & 1 == 1
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        self.generator.sample(StandardNormal)
    }

    /// Fills with normal numbers of standard deviation `deviation`.
    pub fn fill_normal<T: Scalar>(&mut self, values: &mut [T], deviation: f64) {
        for value in values {
            *value = T::of(deviation * self.normal());
        }
    }

    /// Saves or restores which stream it is and the position in it.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn state(&mut self, name: &str, io: &mut StateIo<'_>) -> Result<()> {
        let seed = self.generator.get_seed();
        let position = self.generator.get_word_pos();
        let mut words = [0; 7];
        for (word, bytes) in words.iter_mut().zip(seed.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        words[4] = self.generator.get_stream();
        words[5..].copy_from_slice(&[position as u64, (position >> 64) as u64]);
        io.words(name, &mut words)?;
        let mut seed = [0; 32];
        for (bytes, word) in seed.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        self.generator = ChaCha8Rng::from_seed(seed);
        self.generator.set_stream(words[4]);
        let position = u128::from(words[5]) | u128::from(words[6]) << 64;
        self.generator.set_word_pos(position);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;

    #[test]
    fn streams_are_named_and_repeatable() {
        let streams = Streams::new(3);
        let draws = |purpose, index| {
            let mut stream = streams.stream(purpose, index);
            [stream.uniform(), stream.uniform(), stream.normal()]
        };
        assert_eq!(draws("task", 0), draws("task", 0));
        assert_ne!(draws("task", 0), draws("task", 1));
        assert_ne!(draws("task", 0), draws("weights", 0));
        let other = Streams::new(4).stream("task", 0).uniform();
        assert_ne!(draws("task", 0)[0], other);
    }

    #[test]
    fn a_restored_stream_goes_on_where_it_stopped() {
        let mut stream = Streams::new(9).stream("task", 0);
        for _ in 0..13 {
            stream.coin();
        }
        let mut snapshot = Snapshot::default();
        stream
            .state("s", &mut StateIo::save(&mut snapshot))
            .unwrap();
        let mut restored = Streams::new(8).stream("another", 1);
        restored
            .state("s", &mut StateIo::restore(&snapshot))
            .unwrap();
        for _ in 0..100 {
            assert_eq!(stream.uniform(), restored.uniform());
            assert_eq!(stream.coin(), restored.coin());
        }
    }

    #[test]
    fn normal_numbers_have_unit_variance() {
        let mut stream = Streams::new(1).stream("test", 0);
        let draws: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / 1e5;
        // Four standard errors: 4/√1e5 and 4·√2/√1e5.
        assert!(mean.abs() < 0.0127 && (variance - 1.0).abs() < 0.018);
    }
}
