//! Records of a learner that learns step by step from Python.

use apical::monitor::{Monitor, Recorder};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::channels::{channels, recorder};
use crate::error::{guarded, raise_core};
use crate::learner::{Inner, PyLearner, with};

/// Records of steps that Python takes one by one.
#[pyclass(name = "Recorder", module = "apical._core")]
pub struct PyRecorder {
    learner: Py<PyLearner>,
    recorder: Recorder,
    done: u64,
}

#[pymethods]
impl PyRecorder {
    #[new]
    fn new(learner: Bound<'_, PyLearner>, monitors: &Bound<'_, PyList>) -> PyResult<Self> {
        guarded(|| {
            let mut guard = learner.get().lock()?;
            let recorder = with!(guard, slot => recorder(monitors, &slot.learner))?;
            drop(guard);
            Ok(Self {
                learner: learner.unbind(),
                recorder,
                done: 0,
            })
        })
    }

    /// To be called after each step.
    fn on_step(&mut self) -> PyResult<()> {
        guarded(|| {
            let mut guard = self.learner.get().lock()?;
            with!(guard, slot => self.recorder.on_step(&slot.learner)).map_err(raise_core)?;
            self.done += 1;
            Ok(())
        })
    }

    /// [(name, steps, values)] as `fit` gives them.
    fn channels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        guarded(|| {
            let mut guard = self.learner.get().lock()?;
            with!(guard, slot => channels(py, &self.recorder, &slot.learner, self.done))
        })
    }
}
