//! Choices of one input, all from its number.

use apical::{Stream, Streams};

/// What an input is made by.
pub struct Draw(Stream);

impl Draw {
    /// For input `number` of a target.
    pub fn new(target: &str, number: u64) -> Self {
        Self(Streams::new(number).stream(target, 0))
    }

    /// Uniform over 0, …, `count` − 1; 0 if there is nothing to choose from.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.0.uniform() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// `true` once in `count` times.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of `values`, of which there must be some.
    pub fn choice<'a, V: ?Sized>(&mut self, values: &[&'a V]) -> &'a V {
        values[self.below(values.len())]
    }

    /// A place among `length` and the one behind them.
    pub fn cut(&mut self, length: usize) -> usize {
        self.below(length + 1)
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    /// A number of any size: as many large ones as small ones, and the edges of types.
    pub fn word(&mut self) -> u64 {
        let edge = [0, 1, 2, 255, 1 << 16, 1 << 31, 1 << 32, 1 << 53, 1 << 63];
        let word = match self.below(3) {
            0 => u64::MAX,
            1 => edge[self.below(edge.len())],
            _ => (self.0.uniform() * 2f64.powi(self.below(65) as i32)) as u64,
        };
        word.wrapping_add(self.below(3) as u64).wrapping_sub(1)
    }
}
