//! The immediate credit of a trial, step by step, of which most steps may have none.

use crate::Result;
use crate::Scalar;
use crate::snapshot::{Length, StateIo};

/// Credit of every step, kept where there is any.
pub(super) struct CreditTape<T> {
    /// Numbers of a step.
    length: usize,
    credit: Vec<T>,
    /// For each step, how many with credit there are up to it if it is one of them, else 0.
    index: Vec<u64>,
}

impl<T: Scalar> CreditTape<T> {
    pub fn new(length: usize) -> Self {
        Self {
            length,
            credit: Vec::new(),
            index: Vec::new(),
        }
    }

    pub fn clear(&mut self) {
        self.credit.clear();
        self.index.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// A step without credit.
    pub fn skip(&mut self) {
        self.index.push(0);
    }

    /// A step with the credit that `values` gives.
    pub fn push(&mut self, values: impl IntoIterator<Item = T>) {
        self.credit.extend(values);
        self.index.push((self.credit.len() / self.length) as u64);
    }

    /// Credit of the last step, to add to; `None` before the first.
    pub fn last_mut(&mut self) -> Option<&mut [T]> {
        if self.index.pop()? == 0 {
            self.credit.resize(self.credit.len() + self.length, T::ZERO);
        }
        self.index.push((self.credit.len() / self.length) as u64);
        self.credit.rchunks_exact_mut(self.length).next()
    }

    /// Credit of step `t`.
    pub fn at(&self, t: usize) -> Option<&[T]> {
        let k = (self.index[t] as usize).checked_sub(1)?;
        Some(&self.credit[k * self.length..][..self.length])
    }

    /// Steps up to the last that has any.
    pub fn steps(&self) -> usize {
        let last = self.index.iter().rposition(|k| *k != 0);
        last.map_or(0, |last| last + 1)
    }

    /// Saves or restores the credit of `steps` steps.
    pub fn state(&mut self, steps: usize, io: &mut StateIo<'_>) -> Result<()> {
        let (all, range) = (Length::Exactly(steps), 0..=steps as u64);
        io.counter_list("with_credit", &mut self.index, all, range)?;
        let paid = self.index.iter().filter(|k| **k > 0);
        let in_order = paid.clone().zip(1..).all(|(k, place)| *k == place);
        let places = || "the steps with credit to be counted from 1".into();
        io.require("with_credit", in_order, places)?;
        let numbers = Length::Exactly(paid.count().saturating_mul(self.length));
        io.list("credit", &mut self.credit, numbers)
    }
}
