//! Say what was wrong, with what value, what was expected and how to mend it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::shown::{sentence, shown};

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong. Every message names the field, the value, the expectation and the mend.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting or an argument that cannot work.
    #[error(
        "{}: got {}, expected {}. {}",
        shown(field),
        shown(value),
        sentence(expected),
        sentence(mend)
    )]
    Invalid {
        /// The field as the user writes it, for example `task.lags`.
        field: String,
        /// The value found.
        value: String,
        /// What would be accepted.
        expected: String,
        /// What to do about it, as a full sentence.
        mend: String,
    },
    /// A NaN or an infinity handed in by the caller.
    #[error(
        "{}: element {index} is {value} at step {step}, expected a finite number. \
         Clean or drop this sample before handing it to the learner; nothing was learned from it.",
        shown(field)
    )]
    NotFinite {
        /// Which array.
        field: String,
        /// Position in the array.
        index: usize,
        /// The offending value.
        value: f64,
        /// Step at which it arrived, counted from 0.
        step: u64,
    },
    /// The loss or a weight stopped being a finite number.
    #[error(
        "{}. Lower `optimizer.rate`, set `optimizer.clip`, or scale the inputs.",
        divergence(*step, what, *last_step, *last_loss)
    )]
    Diverged {
        /// First step with a non-finite value.
        step: u64,
        /// What was not finite: `loss` or the name of a parameter.
        what: String,
        /// Last step with a finite loss.
        last_step: u64,
        /// The loss of that step.
        last_loss: f64,
    },
    /// Work that was asked to stop.
    #[error("stopped before the end. Nothing was changed; start again when you are ready.")]
    Stopped,
    /// What a part from outside this crate says, a rule of one's own for example.
    #[error("{0}")]
    Other(Other),
    /// A snapshot that does not fit the learner it is restored into.
    #[error("checkpoint: {}. {}", sentence(what), sentence(mend))]
    Snapshot {
        /// What does not fit.
        what: String,
        /// What to do about it, as a full sentence.
        mend: String,
    },
}

/// An error of a part from outside this crate, kept whole for whoever knows its type.
#[derive(Clone, Debug)]
pub struct Other(Arc<dyn std::error::Error + Send + Sync>);

impl Other {
    /// The error as the type it was made from.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl std::fmt::Display for Other {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Other {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Ends long work once `stop` is set; a look costs less than a step of the smallest network.
///
/// # Errors
/// [`Error::Stopped`].
pub(crate) fn heed(stop: &AtomicBool) -> Result<()> {
    match stop.load(Ordering::Relaxed) {
        true => Err(Error::Stopped),
        false => Ok(()),
    }
}

fn divergence(step: u64, what: &str, last_step: u64, last_loss: f64) -> String {
    let last = last_finite(last_step, last_loss);
    format!("training diverged at step {step}: the {what} is not finite ({last})")
}

fn last_finite(step: u64, loss: f64) -> String {
    if loss.is_finite() {
        let loss = if loss.abs() < 1e6 {
            format!("{loss:.6}")
        } else {
            format!("{loss:.3e}")
        };
        format!("last finite loss {loss} at step {step}")
    } else {
        "no step before it had a finite loss".into()
    }
}

impl Error {
    /// What happened where training diverged, without the advice, for a caller who can tell more of the cause.
    pub fn divergence(&self) -> Option<String> {
        match self {
            Self::Diverged {
                step,
                what,
                last_step,
                last_loss,
            } => Some(divergence(*step, what, *last_step, *last_loss)),
            _ => None,
        }
    }

    /// An [`Error::Other`] from an error of any type.
    pub fn other(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Other(Other(Arc::new(error)))
    }

    /// An [`Error::Invalid`] from anything printable.
    pub fn invalid(
        field: impl Into<String>,
        value: impl std::fmt::Display,
        expected: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            field: field.into(),
            value: value.to_string(),
            expected: expected.into(),
            mend: mend.into(),
        }
    }

    /// An [`Error::Invalid`] for an array of the wrong length.
    pub fn length(field: &str, got: usize, expected: usize, what: &str) -> Self {
        Self::invalid(
            field,
            format!("{got} numbers"),
            format!("{expected} ({what})"),
            "Hand in an array of that length, or build the network for this one.",
        )
    }
}
