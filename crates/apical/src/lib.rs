//! Train recurrent neural networks with rules that are local in space, local in time and online.
//!
//! A neuron is a small local dynamical system, all interaction goes through synapses, and a learning rule sees a
//! neuron only through three partial derivatives ([`neuron`]). A rule is an [`eligibility`] times a [`credit`];
//! [`feedback`] brings the error.
//!
//! ```
//! use apical::{Learner, LearnerSpec, Streams, task::TaskSpec};
//!
//! # fn main() -> apical::Result<()> {
//! // Two-compartment neurons learn a task from a stream, one sample at a time.
//! let mut learner = Learner::<f32>::new(&LearnerSpec::default(), 2, 2, 1)?;
//! let task = TaskSpec::Add(Default::default());
//! let mut train = task.build(1, 20_000, &Streams::new(1), "train")?;
//! learner.run(&mut *train, 20_000, &mut ())?;
//!
//! // Weights stand still while held-out data are shown.
//! let mut test = task.build(1, 1_000, &Streams::new(1), "test")?;
//! let result = learner.evaluate(&mut *test, 1_000)?;
//! let best = task.bounds();
//! assert!(result.true_loss < best[0].cross_entropy, "better than knowing nothing");
//!
//! // Any other stream will do: one input, one target, one step.
//! let step = learner.learn(&[1.0, 0.0], &[0.0, 1.0])?;
//! println!("loss {:.3}, prediction {:?}", step.loss, step.prediction);
//! # Ok(()) }
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod cell_types;
#[cfg(not(test))]
mod compiled;
mod dims;
mod eigen;
mod error;
mod health;
mod learner;
mod own;
mod parts;
mod precision;
mod probe;
mod scalar;
mod sizes;
mod stream;
mod warning;

pub mod analysis;
pub mod check;
pub mod constraint;
pub mod credit;
pub mod eligibility;
pub mod feedback;
pub mod jacobian;
pub mod loss;
pub mod memory;
pub mod monitor;
pub mod network;
pub mod neuron;
pub mod noise;
pub mod optimizer;
pub mod rule;
pub mod schema;
pub mod shown;
pub mod snapshot;
pub mod spec;
pub mod step;
pub mod synapse;
pub mod task;
pub mod view;

pub use apical_kernel as kernel;
pub use error::{Error, Result};
pub use learner::{Evaluation, Learner, LearnerSpec, Reduction, Step, Update};
pub use scalar::Scalar;
/// Derives the schema of settings.
pub use schemars;
pub use spec::{CircuitSpec, Competition, Experiment, Precision};
pub use stream::{Stream, Streams};

/// The README's program, compiled and run by the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
