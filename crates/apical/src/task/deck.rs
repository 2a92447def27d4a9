//! Deal trials to the samples of a batch, each trial once an epoch.

use std::ops::Range;

use super::draw;
use crate::snapshot::StateIo;
use crate::stream::Stream;
use crate::{Error, Result};

/// Trials in the order in which they are dealt, `batch` at a time.
pub(super) struct Deck {
    trials: Range<u32>,
    order: Vec<u32>,
    batch: usize,
    /// Trials dealt in this epoch.
    dealt: u64,
    /// Where the stream was before this epoch was shuffled, and where it is; none to keep the order.
    streams: Option<[Stream; 2]>,
    /// Whether it ends after one epoch.
    once: bool,
}

impl Deck {
    /// The trials `trials`, in a new random order each epoch if there is a stream to draw it from.
    pub fn new(
        trials: Range<usize>,
        batch: usize,
        stream: Option<Stream>,
        once: bool,
    ) -> Result<Self> {
        let most = u32::MAX as usize;
        if trials.len() < batch || trials.end > most {
            return Err(Error::invalid(
                "batch",
                batch,
                format!(
                    "at most {}, the number of trials to deal",
                    trials.len().min(most)
                ),
                "Use a smaller batch or more data; each sample of a batch has a trial of its own.",
            ));
        }
        let mut deck = Self {
            order: vec![0; trials.len()],
            trials: trials.start as u32..trials.end as u32,
            batch,
            dealt: 0,
            streams: stream.map(|stream| [stream.clone(), stream]),
            once,
        };
        deck.shuffle();
        Ok(deck)
    }

    /// Puts the trials into the order of this epoch.
    fn shuffle(&mut self) {
        let trials = self.trials.clone();
        self.order.iter_mut().zip(trials).for_each(|(k, t)| *k = t);
        if let Some([before, now]) = &mut self.streams {
            *now = before.clone();
            draw::shuffle(now, &mut self.order);
        }
    }

    /// Deals the next trial of every sample; `false` at the end. Trials too few for a whole batch are left out.
    pub fn deal(&mut self) -> bool {
        let next = self.dealt as usize + self.batch;
        if next <= self.order.len() {
            self.dealt = next as u64;
            return true;
        }
        if self.once {
            return false;
        }
        if let Some([before, now]) = &mut self.streams {
            *before = now.clone();
            self.shuffle();
        }
        self.dealt = self.batch as u64;
        true
    }

    /// Whether any trial has been dealt.
    pub fn is_dealt(&self) -> bool {
        self.dealt > 0
    }

    /// The trial dealt to sample `b`.
    pub fn trial(&self, b: usize) -> usize {
        self.order[self.dealt as usize - self.batch + b] as usize
    }

    /// Saves or restores the position; the order follows from it.
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.counter("dealt", &mut self.dealt, 0..=self.order.len() as u64)?;
        let batch = self.batch as u64;
        io.require("dealt", self.dealt.is_multiple_of(batch), || {
            format!("a multiple of the batch, {batch}")
        })?;
        if let Some([before, _]) = &mut self.streams {
            before.state("epoch", io)?;
            if io.is_restoring() {
                self.shuffle();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;
    use crate::stream::Streams;

    fn deck(batch: usize, shuffled: bool, once: bool) -> Deck {
        let stream = shuffled.then(|| Streams::new(3).stream("train", 0));
        Deck::new(10..21, batch, stream, once).unwrap()
    }

    fn epoch(deck: &mut Deck, rounds: usize) -> Vec<usize> {
        let mut trials = Vec::new();
        for _ in 0..rounds {
            assert!(deck.deal());
            trials.extend((0..deck.batch).map(|b| deck.trial(b)));
        }
        trials
    }

    #[test]
    fn every_trial_comes_once_an_epoch() {
        for batch in [1, 3, 11] {
            let mut deck = deck(batch, true, false);
            let rounds = 11 / batch;
            let epochs: Vec<_> = (0..3).map(|_| epoch(&mut deck, rounds)).collect();
            assert_ne!(epochs[0], epochs[1]);
            assert_ne!(epochs[1], epochs[2]);
            for mut trials in epochs {
                trials.sort_unstable();
                trials.dedup();
                assert_eq!(trials.len(), rounds * batch);
                assert!(trials.iter().all(|t| (10..21).contains(t)));
            }
        }
    }

    #[test]
    fn without_a_stream_the_order_stays_and_once_is_once() {
        let mut deck = deck(2, false, true);
        assert_eq!(epoch(&mut deck, 5), (10..20).collect::<Vec<_>>());
        assert!(!deck.deal() && !deck.deal());
    }

    #[test]
    fn a_restored_deck_deals_the_same_trials() {
        for shuffled in [true, false] {
            for rounds in [0, 2, 5, 9] {
                let mut dealt = deck(2, shuffled, false);
                epoch(&mut dealt, rounds);
                let mut snapshot = Snapshot::default();
                dealt.state(&mut StateIo::save(&mut snapshot)).unwrap();
                let mut restored = deck(2, shuffled, false);
                epoch(&mut restored, 3);
                restored.state(&mut StateIo::restore(&snapshot)).unwrap();
                if rounds > 0 {
                    assert_eq!(dealt.trial(1), restored.trial(1));
                }
                assert_eq!(epoch(&mut dealt, 12), epoch(&mut restored, 12));
            }
        }
    }

    #[test]
    fn a_batch_larger_than_the_data_is_refused() {
        let error = Deck::new(0..3, 4, None, false).err().unwrap();
        assert!(error.to_string().starts_with("batch: got 4"), "{error}");
    }
}
