//! The compiled half of the Python package `apical`; the other half, in `python/apical`, is what users see.
#![deny(missing_docs)]
#![deny(unsafe_code)]

mod arrays;
mod channels;
mod config;
mod drive;
mod error;
mod gradients;
mod layout;
mod learner;
mod python_rule;
mod records;
mod runs;
mod task;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::config::registry;
    #[pymodule_export]
    use crate::error::ApicalError;
    #[pymodule_export]
    use crate::gradients::{draw_network, gradients};
    #[pymodule_export]
    use crate::layout::View;
    #[pymodule_export]
    use crate::learner::{PyLearner, Step, read_checkpoint};
    #[pymodule_export]
    use crate::python_rule::audit;
    #[pymodule_export]
    use crate::records::PyRecorder;
    #[pymodule_export]
    use crate::runs::{check, compare, experiments, paper_steps, papers, reproduce};
    #[pymodule_export]
    use crate::task::{TaskStream, task_info};

    /// Version of the package.
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
