//! Make a task of a generator that writes one sample after another, all with the same trial edges.

use super::{Request, Sample, Settings, Task};
use crate::snapshot::{STEPS, StateIo};
use crate::stream::Stream;
use crate::{Result, Scalar};

/// One step of one sample, to be filled: x and y are 0 and the mask 1 on entry.
pub(super) struct Row<'a> {
    pub x: &'a mut [f64],
    pub y: &'a mut [f64],
    pub mask: &'a mut [f64],
}

/// Whether a trial begins or ends with a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Edge {
    pub first: bool,
    pub last: bool,
}

/// A task without the number type of the learner.
pub(super) trait Generator: Send {
    /// Inputs and outputs of a sample.
    fn sizes(&self) -> (usize, usize);

    /// Whether the mask is used at all.
    fn masked(&self) -> bool {
        false
    }

    /// Goes on by one step in what all samples share; `None` when there is none.
    fn advance(&mut self) -> Option<Edge>;

    /// Writes that step of sample `b`.
    fn write(&mut self, b: usize, row: Row<'_>);

    /// Saves or restores where the stream is.
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()>;
}

/// What samples that are drawn alike share, and what each does with a random stream of its own.
pub(super) trait Drawn: Send + 'static {
    /// What a sample keeps from step to step.
    type Kept: Send;

    /// Whether the mask is used at all.
    fn masked(&self) -> bool {
        false
    }

    /// What a sample begins with.
    fn begin(&self, stream: &mut Stream) -> Self::Kept;

    /// Writes a step, counted from the start of the trial, or of a stream without end.
    fn write(&mut self, step: u64, kept: &mut Self::Kept, stream: &mut Stream, row: Row<'_>);

    /// Saves or restores what a sample keeps.
    fn state(&self, kept: &mut Self::Kept, io: &mut StateIo<'_>) -> Result<()>;
}

/// Samples that are drawn alike, as a generator.
struct Samples<D: Drawn> {
    drawn: D,
    sizes: (usize, usize),
    each: Vec<(Stream, D::Kept)>,
    clock: Clock,
}

impl<D: Drawn> Generator for Samples<D> {
    fn sizes(&self) -> (usize, usize) {
        self.sizes
    }

    fn masked(&self) -> bool {
        self.drawn.masked()
    }

    fn advance(&mut self) -> Option<Edge> {
        Some(self.clock.tick())
    }

    fn write(&mut self, b: usize, row: Row<'_>) {
        let (stream, kept) = &mut self.each[b];
        self.drawn.write(self.clock.step(), kept, stream, row);
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.clock.state(io)?;
        for (b, (stream, kept)) in self.each.iter_mut().enumerate() {
            io.scope(&b.to_string(), |io| {
                stream.state("stream", io)?;
                self.drawn.state(kept, io)
            })?;
        }
        Ok(())
    }
}

/// The task with these settings, whose samples `drawn` makes: in trials of one length where the settings tell one.
pub(super) fn samples<T: Scalar>(
    drawn: impl Drawn,
    settings: &impl Settings,
    request: &Request<'_>,
) -> Box<dyn Task<T>> {
    let each = request.sources().map(|mut stream| {
        let kept = drawn.begin(&mut stream);
        (stream, kept)
    });
    let generator = Samples {
        sizes: settings.sizes(),
        each: each.collect(),
        clock: match settings.longest_trial() {
            Some(steps) => Clock::new(steps),
            None => Clock::endless(),
        },
        drawn,
    };
    task(generator, request.batch)
}

/// A generator as a [`Task`].
struct Batch<G> {
    generator: G,
    batch: usize,
    x: Vec<f64>,
    y: Vec<f64>,
    mask: Vec<f64>,
}

/// The task of `batch` samples that `generator` writes.
pub(super) fn task<T: Scalar>(
    generator: impl Generator + 'static,
    batch: usize,
) -> Box<dyn Task<T>> {
    let (inputs, outputs) = generator.sizes();
    Box::new(Batch {
        generator,
        batch,
        x: vec![0.0; inputs],
        y: vec![0.0; outputs],
        mask: vec![1.0; outputs],
    })
}

impl<T: Scalar, G: Generator> Task<T> for Batch<G> {
    fn sizes(&self) -> (usize, usize) {
        self.generator.sizes()
    }

    fn next(&mut self, sample: &mut Sample<T>) -> bool {
        let Some(edge) = self.generator.advance() else {
            return false;
        };
        sample.first = edge.first;
        sample.last = edge.last;
        sample.has_truth = false;
        sample.masked = self.generator.masked();
        for b in 0..self.batch {
            self.x.fill(0.0);
            self.y.fill(0.0);
            self.mask.fill(1.0);
            let row = Row {
                x: &mut self.x,
                y: &mut self.y,
                mask: &mut self.mask,
            };
            self.generator.write(b, row);
            copy(&self.x, &mut sample.x, b);
            copy(&self.y, &mut sample.y, b);
            if sample.masked {
                copy(&self.mask, &mut sample.mask, b);
            }
        }
        true
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.generator.state(io)
    }
}

fn copy<T: Scalar>(from: &[f64], to: &mut [T], b: usize) {
    let part = &mut to[b * from.len()..(b + 1) * from.len()];
    for (to, from) in part.iter_mut().zip(from) {
        *to = T::of(*from);
    }
}

/// Counts the steps of trials of one length.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    length: u64,
    next: u64,
    step: u64,
}

impl Clock {
    /// Trials of `length` steps.
    pub fn new(length: u64) -> Self {
        Self {
            length,
            next: 0,
            step: 0,
        }
    }

    /// One trial without end.
    pub fn endless() -> Self {
        Self::new(u64::MAX)
    }

    /// Goes on by one step.
    pub fn tick(&mut self) -> Edge {
        self.step = self.next;
        let last = self.step + 1 == self.length;
        self.next = if last { 0 } else { self.step + 1 };
        Edge {
            first: self.step == 0,
            last,
        }
    }

    /// Whether the next step begins a trial.
    pub fn begins(&self) -> bool {
        self.next == 0
    }

    /// The present step of the trial, the first being 0.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Saves or restores the position.
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        let mut steps = [self.next, self.step];
        let last = (self.length - 1).min(*STEPS.end());
        io.counters("clock", &mut steps, 0..=last)?;
        [self.next, self.step] = steps;
        let follows = match self.next {
            0 => self.step == 0 || self.step == last,
            next => next == self.step + 1,
        };
        io.require("clock", follows, || {
            "the next step and the one before it".into()
        })
    }
}
