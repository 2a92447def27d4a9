//! What is recorded while a learner learns, and how Python gets it.

use apical::Learner;
use apical::monitor::{MonitorSpec, Recorder};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::arrays::Number;
use crate::config::typed;
use crate::error::raise_core;

#[derive(Deserialize, JsonSchema)]
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
