//! What is recorded while a learner learns, in one call or step by step from Python.

use apical::Learner;
use apical::monitor::{Monitor, MonitorSpec, Recorder};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde::Deserialize;

use crate::arrays::Number;
use crate::config::typed;
use crate::error::{guarded, raise_core};
use crate::learner::{Inner, PyLearner, with};

#[derive(Deserialize)]
struct Monitors {
    monitor: Vec<MonitorSpec>,
}

/// What is to be recorded, from a list of tables.
pub fn recorder<T: Number>(
    monitors: &Bound<'_, PyList>,
    learner: &Learner<T>,
) -> PyResult<Recorder> {
    let settings = PyDict::new(monitors.py());
    settings.set_item("monitor", monitors)?;
    let read: Monitors = typed(&settings)?;
    Recorder::new(&read.monitor, learner).map_err(raise_core)
}

/// [(name, steps, values)] after `done` steps; what was too short for a record is one.
pub fn channels<'py, T: Number>(
    py: Python<'py>,
    recorder: &Recorder,
    learner: &Learner<T>,
    done: u64,
) -> PyResult<Bound<'py, PyList>> {
    let all = PyList::empty(py);
    let ends = recorder.ends(learner);
    for (channel, end) in recorder.channels().iter().zip(ends) {
        let mut steps: Vec<i64> = channel.steps.iter().map(|step| *step as i64).collect();
        let mut values = channel.values.clone();
        if let Some(end) = end.filter(|_| values.is_empty() && done > 0) {
            steps.push(learner.steps() as i64);
            values.push(end);
        }
        let (steps, values) = (
            PyArray1::from_vec(py, steps),
            PyArray1::from_vec(py, values),
        );
        all.append((&channel.name, steps, values))?;
    }
    Ok(all)
}

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
