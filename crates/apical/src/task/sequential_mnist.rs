//! Read a digit a few pixels at a time.
//!
//! A trial is an image: its pixels, from 0 to 1, in the order of reading, `pixels_per_step` of them a step (28 is
//! row by row). The target is the digit, one-hot, at every step or at the last alone. In training the images come
//! in a new random order each epoch, without replacement; a test ends after one pass.
//! Source: Le, Jaitly & Hinton 2015; in the form of Marschall, Cho & Savin 2020 (20,000 images, a label at every
//! step). Images: LeCun, Cortes & Burges, <http://yann.lecun.com/exdb/mnist>.

use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{self, Clock, Edge, Generator, Row};
use super::deck::Deck;
use super::loaded::{Fingerprint, Loaded};
use super::{Request, Settings, Task, TaskInfo};
use crate::snapshot::StateIo;
use crate::{Error, Result, Scalar};

/// Configuration of sequential MNIST.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SequentialMnistSpec {
    /// IDX file of images, plain or gzipped.
    pub images: String,
    /// IDX file of their labels.
    pub labels: String,
    /// IDX file of images for tests; unless given, those of `images` after the first `train`.
    pub test_images: Option<String>,
    /// IDX file of the labels of `test_images`.
    pub test_labels: Option<String>,
    /// Number of images to train on: the first ones. All, or four fifths where the rest is for tests.
    pub train: Option<usize>,
    /// Pixels shown at once, a divisor of 784.
    #[schemars(range(min = 1, max = 784))]
    pub pixels_per_step: usize,
    /// When the label counts.
    pub label: LabelTime,
    /// The images themselves.
    #[serde(skip)]
    pub digits: Loaded<Digits>,
}

impl Default for SequentialMnistSpec {
    fn default() -> Self {
        Self {
            images: "mnist/train-images-idx3-ubyte.gz".into(),
            labels: "mnist/train-labels-idx1-ubyte.gz".into(),
            test_images: None,
            test_labels: None,
            train: None,
            pixels_per_step: 28,
            label: LabelTime::EveryStep,
            digits: Loaded::default(),
        }
    }
}

/// When the label of a sequence counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabelTime {
    /// At every step.
    #[default]
    EveryStep,
    /// At the last step of a trial; the mask is 0 before.
    LastStep,
}

/// Images of 28 × 28 pixels with their labels; some to train on, some for tests.
#[derive(Clone, Debug, PartialEq)]
pub struct Digits {
    pixels: Vec<u8>,
    labels: Vec<u8>,
    train: Range<usize>,
    test: Range<usize>,
    fingerprint: Fingerprint,
}

impl Digits {
    /// Pixels of an image.
    pub const PIXELS: usize = 784;
    /// Different labels.
    pub const CLASSES: usize = 10;

    /// The images of `pixels`, row by row one after another, those of `train` to train on and those of `test` for
    /// tests.
    ///
    /// # Errors
    /// Another number of images than labels, a label above 9, or ranges beyond the images.
    pub fn new(
        pixels: Vec<u8>,
        labels: Vec<u8>,
        train: Range<usize>,
        test: Range<usize>,
    ) -> Result<Self> {
        if pixels.len() != labels.len() * Self::PIXELS {
            let expected = labels.len() * Self::PIXELS;
            let what = "784 pixels for each label";
            return Err(Error::length("pixels", pixels.len(), expected, what));
        }
        if let Some(index) = labels.iter().position(|l| usize::from(*l) >= Self::CLASSES) {
            return Err(Error::invalid(
                format!("labels[{index}]"),
                labels[index],
                "a digit from 0 to 9",
                "Check that these are the labels of the images.",
            ));
        }
        for (field, range) in [("train", &train), ("test", &test)] {
            if range.start > range.end || range.end > labels.len() {
                return Err(Error::invalid(
                    field,
                    format!("{range:?}"),
                    format!("images among the {} there are", labels.len()),
                    "Use fewer.",
                ));
            }
        }
        let mut fingerprint = Fingerprint::new();
        fingerprint.take_bytes(&pixels);
        fingerprint.take_bytes(&labels);
        let ends = [train.start, train.end, test.start, test.end];
        ends.iter().for_each(|end| fingerprint.take(*end as u64));
        Ok(Self {
            pixels,
            labels,
            train,
            test,
            fingerprint,
        })
    }

    /// Number of images to train on and for tests.
    pub fn counts(&self) -> (usize, usize) {
        (self.train.len(), self.test.len())
    }

    /// Share of the most frequent label among the images for tests: the accuracy of always naming it. 0 of none.
    pub fn most_frequent(&self) -> f64 {
        let mut counts = [0usize; Self::CLASSES];
        let labels = &self.labels[self.test.clone()];
        labels.iter().for_each(|l| counts[usize::from(*l)] += 1);
        let most = counts.into_iter().max().unwrap_or(0);
        most as f64 / labels.len().max(1) as f64
    }
}

impl SequentialMnistSpec {
    fn check(&self) -> Result<()> {
        let p = self.pixels_per_step;
        if p == 0 || !Digits::PIXELS.is_multiple_of(p) {
            return Err(Error::invalid(
                "task.pixels_per_step",
                p,
                "a divisor of 784",
                "28 shows an image row by row, 1 pixel by pixel.",
            ));
        }
        Ok(())
    }
}

impl Settings for SequentialMnistSpec {
    const INFO: TaskInfo = TaskInfo {
        name: "sequential_mnist",
        summary: "read a digit a few pixels at a time",
        sizes: "pixels_per_step, 10",
        source: "Le et al. 2015",
    };

    fn sizes(&self) -> (usize, usize) {
        (self.pixels_per_step, Digits::CLASSES)
    }

    fn has_trials(&self) -> bool {
        true
    }

    fn build<T: Scalar>(&self, request: &Request<'_>) -> Result<Box<dyn Task<T>>> {
        self.check()?;
        let digits = self.digits.wanted("task.images", &self.images)?.clone();
        let test = request.purpose == "test";
        let images = if test { &digits.test } else { &digits.train }.clone();
        if images.is_empty() {
            return Err(Error::invalid(
                "task.train",
                digits.train.len(),
                "images for training and for tests",
                "Change `train`, give test_images and test_labels, or set evaluate.steps = 0.",
            ));
        }
        let stream = (!test).then(|| request.streams.stream(request.purpose, 0));
        let generator = SequentialMnist {
            deck: Deck::new(images, request.batch, stream, test)?,
            clock: Clock::new((Digits::PIXELS / self.pixels_per_step) as u64),
            last_only: self.label == LabelTime::LastStep,
            pixels_per_step: self.pixels_per_step,
            digits,
            last: false,
        };
        Ok(batch::task(generator, request.batch))
    }
}

struct SequentialMnist {
    digits: Arc<Digits>,
    deck: Deck,
    clock: Clock,
    pixels_per_step: usize,
    last_only: bool,
    /// Whether the present step is the last of its trial.
    last: bool,
}

impl Generator for SequentialMnist {
    fn sizes(&self) -> (usize, usize) {
        (self.pixels_per_step, Digits::CLASSES)
    }

    fn masked(&self) -> bool {
        self.last_only
    }

    fn advance(&mut self) -> Option<Edge> {
        let edge = self.clock.tick();
        self.last = edge.last;
        if edge.first && !self.deck.deal() {
            return None;
        }
        Some(edge)
    }

    fn write(&mut self, b: usize, row: Row<'_>) {
        let image = self.deck.trial(b);
        let begin = image * Digits::PIXELS + self.clock.step() as usize * self.pixels_per_step;
        let pixels = &self.digits.pixels[begin..begin + self.pixels_per_step];
        for (x, pixel) in row.x.iter_mut().zip(pixels) {
            *x = f64::from(*pixel) / 255.0;
        }
        row.y[usize::from(self.digits.labels[image])] = 1.0;
        if self.last_only && !self.last {
            row.mask.fill(0.0);
        }
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.digits.fingerprint.state(io)?;
        self.clock.state(io)?;
        io.flag("last", &mut self.last)?;
        self.deck.state(io)?;
        let is_dealt = self.clock.begins() || self.deck.is_dealt();
        io.require("dealt", is_dealt, || "an image in the middle of one".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Streams;
    use crate::task::tests::{refused, run};
    use crate::task::{Sample, TaskSpec};

    /// Image k has pixel i = (7 i + k) mod 256 and label k mod 10.
    fn digits(count: usize, train: usize) -> Digits {
        let pixel = |k: usize, i: usize| ((7 * i + k) % 256) as u8;
        let pixels = (0..count).flat_map(|k| (0..784).map(move |i| pixel(k, i)));
        let labels = (0..count).map(|k| (k % 10) as u8).collect();
        Digits::new(pixels.collect(), labels, 0..train, train..count).unwrap()
    }

    fn spec(pixels_per_step: usize, label: LabelTime) -> SequentialMnistSpec {
        SequentialMnistSpec {
            pixels_per_step,
            label,
            digits: digits(15, 12).into(),
            ..SequentialMnistSpec::default()
        }
    }

    #[test]
    fn images_are_read_in_order_with_their_labels() {
        for (pixels, label) in [(28, LabelTime::EveryStep), (56, LabelTime::LastStep)] {
            let steps = 784 / pixels;
            let spec = TaskSpec::SequentialMnist(spec(pixels, label));
            let samples = run(&spec, 1, 24 * steps);
            let mut seen = vec![0; 12];
            for trial in samples.chunks_exact(steps) {
                // Pixel 0 is the number of the image.
                let image = (trial[0].x[0] * 255.0).round() as usize;
                seen[image] += 1;
                for (t, sample) in trial.iter().enumerate() {
                    for (k, x) in sample.x.iter().enumerate() {
                        let pixel = (7 * (t * pixels + k) + image) % 256;
                        assert_eq!(*x, pixel as f64 / 255.0);
                    }
                    let hot = |k: usize| f64::from(k == image % 10);
                    assert!(sample.y.iter().enumerate().all(|(k, y)| *y == hot(k)));
                    let last = t == steps - 1;
                    assert_eq!((sample.first, sample.last), (t == 0, last));
                    let counts = label == LabelTime::EveryStep || last;
                    assert_eq!(sample.masked, label == LabelTime::LastStep);
                    assert!(!sample.masked || sample.mask == [f64::from(counts); 10]);
                }
            }
            assert_eq!(seen, [2; 12], "two epochs");
        }
    }

    #[test]
    fn tests_show_each_held_out_image_once() {
        let spec = TaskSpec::SequentialMnist(spec(784, LabelTime::EveryStep));
        let mut task = spec.build::<f64>(1, 5, &Streams::new(0), "test").unwrap();
        let mut sample = Sample::new(1, 784, 10);
        for image in [12.0, 13.0, 14.0] {
            assert!(task.next(&mut sample));
            assert_eq!(sample.x[0] * 255.0, image);
        }
        assert!(!task.next(&mut sample));
    }

    #[test]
    fn bad_images_and_settings_are_named() {
        let new = |pixels: usize, labels: Vec<u8>, train| {
            let made = Digits::new(vec![0; pixels], labels, train, 0..0);
            made.unwrap_err().to_string()
        };
        assert!(new(784, vec![1, 2], 0..1).starts_with("pixels: got 784 numbers"));
        assert!(new(1568, vec![1, 10], 0..1).starts_with("labels[1]: got 10"));
        assert!(new(784, vec![1], 0..2).starts_with("train: got 0..2"));
        let with = |change: &dyn Fn(&mut SequentialMnistSpec)| {
            let mut spec = spec(28, LabelTime::EveryStep);
            change(&mut spec);
            TaskSpec::SequentialMnist(spec)
        };
        refused(
            &with(&|s| s.pixels_per_step = 30),
            "task.pixels_per_step: got 30",
        );
        refused(
            &with(&|s| s.pixels_per_step = 0),
            "task.pixels_per_step: got 0",
        );
        let reason = "task.images: got `mnist/train-images-idx3-ubyte.gz`, which has not been read";
        refused(&with(&|s| s.digits = Loaded::default()), reason);
        refused(
            &with(&|s| s.digits = digits(3, 0).into()),
            "task.train: got 0",
        );
    }
}
