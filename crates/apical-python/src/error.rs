//! Turn errors into Python exceptions with the same texts, and keep panics on this side of the border.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;

create_exception!(
    apical,
    ApicalError,
    PyException,
    "Something went wrong that is not a wrong argument: training diverged, a file is damaged, a snapshot does not fit."
);

/// The exception for an error: `ValueError` for what a caller handed in, `ApicalError` for what happened.
pub fn raise(error: apical_runs::Error) -> PyErr {
    use apical_runs::Error;
    if let Error::Apical(apical::Error::Other(other)) = &error
        && let Some(raised) = other.downcast_ref::<PyErr>()
    {
        return Python::attach(|py| raised.clone_ref(py));
    }
    let text = error.to_string();
    match error {
        Error::Apical(apical::Error::Invalid { .. } | apical::Error::NotFinite { .. })
        | Error::Config { .. } => PyValueError::new_err(text),
        Error::Stopped => PyKeyboardInterrupt::new_err(text),
        _ => ApicalError::new_err(text),
    }
}

/// The exception for an error of the learning crate.
pub fn raise_core(error: apical::Error) -> PyErr {
    raise(error.into())
}

/// A `ValueError` in the usual four parts.
pub fn invalid(
    field: impl Into<String>,
    value: impl std::fmt::Display,
    expected: impl Into<String>,
    mend: impl Into<String>,
) -> PyErr {
    raise_core(apical::Error::invalid(field, value, expected, mend))
}

/// Runs `work`; a panic becomes an exception that says so.
pub fn guarded<R>(work: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(ApicalError::new_err(format!(
            "internal error: {text}. This is a fault of Apical: please report it with the call that led to it, and drop \
             the learner it was made on."
        )))
    })
}
