//! The built-in tasks as Python iterators.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use apical::loss::Loss;
use apical::snapshot::{Snapshot, StateIo};
use apical::task::{Sample, Task, TaskSpec};
use apical::{Error, Precision, Streams};
use apical_runs::checkpoint_file;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::arrays::{Number, array};
use crate::config::named;
use crate::error::{ApicalError, guarded, raise, raise_core};

/// A task's settings, with the data they name.
pub fn task_spec(settings: &Bound<'_, PyDict>) -> PyResult<TaskSpec> {
    let settings = listed(settings)?;
    let mut spec: TaskSpec = named("task", &settings)?;
    apical_runs::data::load(&mut spec, None).map_err(raise)?;
    Ok(spec)
}

/// The settings of a task, of its parts too, with a list of one where a single column of `data` is named.
fn listed<'py>(settings: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
    let copied = settings.copy()?;
    let kind = settings.get_item("kind")?;
    let data = kind.is_some_and(|kind| kind.eq("data").unwrap_or(false));
    for (key, value) in settings {
        if let Ok(part) = value.cast::<PyDict>() {
            copied.set_item(key, listed(part)?)?;
        } else if let Ok(parts) = value.cast::<PyList>() {
            let list = PyList::empty(settings.py());
            for part in parts {
                match part.cast::<PyDict>() {
                    Ok(part) => list.append(listed(part)?)?,
                    Err(_) => list.append(part)?,
                }
            }
            copied.set_item(key, list)?;
        } else if data && value.is_instance_of::<PyString>() {
            let name = key.extract::<String>().unwrap_or_default();
            if ["inputs", "targets", "columns"].contains(&name.as_str()) {
                copied.set_item(key, [value])?;
            }
        }
    }
    Ok(copied)
}

/// A refusal of data with what Python calls settings that a learner here has under other names, or not at all.
fn in_words_of_python(mut error: Error) -> Error {
    let translate = |text: &str| {
        text.replace("precision = \"f32\"", "dtype=\"float32\"")
            .replace(
                "set precision = \"f64\"",
                "build the network with dtype=\"float64\"",
            )
            .replace(", or set evaluate.steps = 0 to run without tests", "")
            .replace(", or set evaluate.steps = 0", "")
    };
    if let Error::Invalid { expected, mend, .. } = &mut error {
        *expected = translate(expected);
        *mend = translate(mend);
    }
    error
}

/// What is known of a task before it is built: inputs, outputs, whether it has trials, its bounds as JSON.
#[pyfunction]
pub fn task_info(settings: &Bound<'_, PyDict>) -> PyResult<(usize, usize, bool, String)> {
    guarded(|| {
        let spec = task_spec(settings)?;
        let (inputs, outputs) = spec.sizes();
        let bounds = serde_json::to_string(&spec.bounds()).unwrap_or_default();
        Ok((inputs, outputs, spec.has_trials(), bounds))
    })
}

/// A running task with room for a step.
pub struct Running<T: Number> {
    /// The task.
    pub task: Box<dyn Task<T>>,
    sample: Sample<T>,
}

/// A running task of either number type.
pub enum AnyTask {
    /// 32 bits.
    F32(Running<f32>),
    /// 64 bits.
    F64(Running<f64>),
}

impl AnyTask {
    fn state(&mut self, io: &mut StateIo<'_>) -> apical::Result<()> {
        match self {
            Self::F32(running) => running.task.state(io),
            Self::F64(running) => running.task.state(io),
        }
    }
}

/// A stream of steps of a built-in task.
#[pyclass(frozen, module = "apical._core")]
pub struct TaskStream {
    running: Mutex<AnyTask>,
    spec: TaskSpec,
    /// The loss for which its data were found to be in order.
    checked: Mutex<Option<Loss>>,
    /// What it was made of: settings, batch, steps, seed, purpose and number type.
    made: (Py<PyDict>, usize, u64, u64, String, String),
    batch: usize,
    inputs: usize,
    outputs: usize,
}

impl<T: Number> Running<T> {
    fn new(
        spec: &TaskSpec,
        batch: usize,
        steps: u64,
        seed: u64,
        purpose: &str,
    ) -> apical::Result<Self> {
        let task = spec.build(batch, steps, &Streams::new(seed), purpose)?;
        let (inputs, outputs) = task.sizes();
        let sample = Sample::new(batch, inputs, outputs);
        Ok(Self { task, sample })
    }

    fn next<'py>(
        &mut self,
        py: Python<'py>,
        batch: usize,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        if !self.task.next(&mut self.sample) {
            return Ok(None);
        }
        let s = &self.sample;
        let part = |values: &[T]| match batch {
            1 => array(py, values, &[values.len()]),
            _ => array(py, values, &[batch, values.len() / batch]),
        };
        let mask = match s.masked {
            true => Some(part(&s.mask)?),
            false => None,
        };
        let step = (part(&s.x)?, part(&s.y)?, mask, s.first);
        Ok(Some(step.into_pyobject(py)?))
    }
}

#[pymethods]
impl TaskStream {
    #[new]
    #[pyo3(signature = (settings, batch, steps, seed, purpose, dtype, state=None))]
    fn new(
        settings: &Bound<'_, PyDict>,
        batch: usize,
        steps: u64,
        seed: u64,
        purpose: &str,
        dtype: &str,
        state: Option<&[u8]>,
    ) -> PyResult<Self> {
        guarded(|| {
            let spec = task_spec(settings)?;
            let there = apical_runs::memory::available();
            spec.check_memory(batch, there).map_err(raise_core)?;
            let (inputs, outputs) = spec.sizes();
            let running = match dtype {
                "float32" => Running::new(&spec, batch, steps, seed, purpose).map(AnyTask::F32),
                _ => Running::new(&spec, batch, steps, seed, purpose).map(AnyTask::F64),
            };
            let mut running = running.map_err(|error| raise_core(in_words_of_python(error)))?;
            if let Some(state) = state {
                let snapshot =
                    checkpoint_file::decode(Path::new("stream"), state).map_err(raise)?;
                running
                    .state(&mut StateIo::restore(&snapshot))
                    .map_err(raise_core)?;
            }
            let copied = settings.copy()?.unbind();
            Ok(Self {
                running: Mutex::new(running),
                spec,
                checked: Mutex::new(None),
                made: (copied, batch, steps, seed, purpose.into(), dtype.into()),
                batch,
                inputs,
                outputs,
            })
        })
    }

    /// What `pickle` and `copy` make it of again; the copy goes on from where it is.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        guarded(|| {
            let mut snapshot = Snapshot::default();
            self.lock()?
                .state(&mut StateIo::save(&mut snapshot))
                .map_err(raise_core)?;
            let state = checkpoint_file::encode(Path::new("stream"), &snapshot).map_err(raise)?;
            let (settings, batch, steps, seed, purpose, dtype) = &self.made;
            let made = (
                settings.bind(py),
                batch,
                steps,
                seed,
                purpose,
                dtype,
                PyBytes::new(py, &state),
            );
            (py.get_type::<Self>(), made).into_pyobject(py)
        })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (settings, batch, _, seed, purpose, dtype) = &self.made;
        let settings = settings.bind(py).repr()?;
        Ok(format!(
            "<stream {purpose:?} of {settings}, seed={seed}, batch={batch}, dtype={dtype:?}>"
        ))
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        guarded(|| match &mut *self.lock()? {
            AnyTask::F32(running) => running.next(py, self.batch),
            AnyTask::F64(running) => running.next(py, self.batch),
        })
    }

    /// Inputs of a sample.
    #[getter]
    fn inputs(&self) -> usize {
        self.inputs
    }

    /// Outputs of a sample.
    #[getter]
    fn outputs(&self) -> usize {
        self.outputs
    }
}

impl TaskStream {
    /// Refuses data, all rows that the stream may give, that `loss` has no meaning for or its numbers cannot hold.
    pub fn check_data(&self, py: Python<'_>, loss: Loss) -> PyResult<()> {
        let checked = || self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if *checked() == Some(loss) {
            return Ok(());
        }
        let (.., purpose, dtype) = &self.made;
        let precision = match dtype.as_str() {
            "float32" => Precision::F32,
            _ => Precision::F64,
        };
        let check = |tests| self.spec.check_data(loss, precision, tests);
        let result = py.detach(|| match purpose.as_str() {
            "test" => check(true).or_else(|error| match check(false) {
                // Rows to learn from are no reason against a test.
                Err(_) => Ok(()),
                Ok(()) => Err(error),
            }),
            _ => check(false),
        });
        result.map_err(|error| raise_core(in_words_of_python(error)))?;
        *checked() = Some(loss);
        Ok(())
    }

    /// The task, for as long as nobody else uses it.
    pub fn lock(&self) -> PyResult<MutexGuard<'_, AnyTask>> {
        self.running.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => ApicalError::new_err(
                "the task is in use by another call. Give each thread a stream of its own.",
            ),
            TryLockError::Poisoned(_) => {
                ApicalError::new_err("an internal error broke this task. Build a new one.")
            }
        })
    }
}

/// A task of the number type of a learner, or the reason why not.
pub fn matching<T: Number>(task: &mut AnyTask) -> PyResult<&mut dyn Task<T>> {
    let any: &mut dyn std::any::Any = match task {
        AnyTask::F32(running) => &mut running.task,
        AnyTask::F64(running) => &mut running.task,
    };
    match any.downcast_mut::<Box<dyn Task<T>>>() {
        Some(task) => Ok(&mut **task),
        None => Err(PyTypeError::new_err(format!(
            "task: its numbers are not those of the learner, expected {}. Write stream(dtype=\"{}\").",
            T::DTYPE,
            T::DTYPE
        ))),
    }
}
