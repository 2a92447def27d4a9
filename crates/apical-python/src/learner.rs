//! The learner as Python sees it: one call a sample, or a whole run without Python's lock.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, TryLockError};

use apical::loss::Loss;
use apical::network::Activity;
use apical::rule::Rule;
use apical::snapshot::{Array, Snapshot, StateIo};
use apical::task::Sample;
use apical::{Experiment, Learner, LearnerSpec, Precision, Update};
use apical_runs::checkpoint_file;
use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use serde_json::json;

use crate::arrays::{
    Number, array, expect_finite, expect_finite_at, expect_shape, fill, flat, is_plain, kind_of,
    numbers, slice, word,
};
use crate::channels::recorder;
use crate::config::typed;
use crate::drive::{Clock, Watched, drive};
use crate::error::{ApicalError, guarded, invalid, raise, raise_core};
use crate::layout::{PLACES, View, layout, locate, pack, unpack};
use crate::python_rule::{Link, PythonRule};
use crate::task::{TaskStream, matching};

/// A learner with a second activity for looking ahead.
pub struct Slot<T> {
    /// The learner.
    pub learner: Learner<T>,
    scratch: Option<Activity<T>>,
}

/// A learner of either number type.
pub enum Inner {
    /// 32 bits.
    F32(Slot<f32>),
    /// 64 bits.
    F64(Slot<f64>),
}

macro_rules! with {
    ($inner:expr, $slot:ident => $body:expr) => {
        match &mut *$inner {
            Inner::F32($slot) => $body,
            Inner::F64($slot) => $body,
        }
    };
}
pub(crate) use with;

/// What one step gave.
#[pyclass(frozen, module = "apical._core")]
pub struct Step {
    /// Loss of this step, averaged over the batch.
    #[pyo3(get)]
    loss: f64,
    /// Prediction made before learning: (outputs,), or (batch, outputs) for a batch above 1.
    #[pyo3(get)]
    prediction: Py<PyAny>,
}

#[pymethods]
impl Step {
    #[new]
    fn new(loss: f64, prediction: Py<PyAny>) -> Self {
        Self { loss, prediction }
    }

    /// What `pickle` and `copy` make it of again.
    fn __getnewargs__(&self, py: Python<'_>) -> (f64, Py<PyAny>) {
        (self.loss, self.prediction.clone_ref(py))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let pair = (self.loss, self.prediction.clone_ref(py)).into_pyobject(py)?;
        Ok(pair.try_iter()?.into_any())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let prediction = self.prediction.bind(py).repr()?;
        Ok(format!(
            "Step(loss={:.6}, prediction={prediction})",
            self.loss
        ))
    }
}

/// The compiled learner; users see the subclass `apical.Learner`.
#[pyclass(name = "Learner", subclass, frozen, module = "apical._core")]
pub struct PyLearner {
    inner: Mutex<Inner>,
    config: LearnerSpec,
    inputs: usize,
    outputs: usize,
    seed: u64,
    /// The object of a rule written in Python, and the link to it.
    rule: Option<(Py<PyAny>, Link)>,
}

impl<T: Number> Slot<T> {
    fn new(config: &LearnerSpec, inputs: usize, outputs: usize, seed: u64) -> PyResult<Self> {
        let there = apical_runs::memory::available();
        config
            .check_memory::<T>(inputs, outputs, there)
            .map_err(raise_core)?;
        let learner = Learner::new(config, inputs, outputs, seed).map_err(raise_core)?;
        Ok(Self {
            learner,
            scratch: None,
        })
    }

    /// Takes the rule of `object`; one that has begun, as a copy has, goes on from where it is.
    fn set_rule(
        &mut self,
        py: Python<'_>,
        object: &Py<PyAny>,
        link: &Link,
        begun: bool,
    ) -> PyResult<()> {
        let dims = self.learner.network().dims();
        let mut rule = PythonRule::<T>::new(py, object.clone_ref(py), link.clone(), dims)?;
        // The stream begins as a trial does.
        if !begun {
            Rule::reset(&mut rule);
        }
        link.late()?;
        let name = rule.name().to_string();
        self.learner
            .set_rule(&name, Box::new(rule))
            .map_err(raise_core)
    }

    fn learn_one(
        &mut self,
        owner: &Bound<'_, PyLearner>,
        x: &Bound<'_, PyAny>,
        y: &Bound<'_, PyAny>,
        mask: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Step> {
        let py = x.py();
        let dims = self.learner.network().dims();
        let loss = owner.get().config.loss;
        let x = sample::<T>(owner, "x", x, dims.batch, dims.inputs)?;
        let y = sample::<T>(owner, "y", y, dims.batch, dims.outputs)?;
        let (x, y) = (slice(&x)?, slice(&y)?);
        if mask.is_none() {
            self.learner.learn(x, y).map_err(raise_core)?;
        } else {
            let mask = mask.map(|mask| sample::<T>(owner, "mask", mask, dims.batch, dims.outputs));
            let mask = mask.transpose()?;
            let mask = mask.as_ref().map(slice).transpose()?;
            let known = mask.and_then(|mask| without_masked(loss, y, mask, dims.outputs));
            let y = known.as_deref().unwrap_or(y);
            let learned = self.learner.learn_part(x, y, mask, false);
            learned.map_err(raise_core)?;
        }
        Ok(Step {
            loss: self.learner.last_loss(),
            prediction: sample_array(py, self.learner.prediction(), dims.batch)?.unbind(),
        })
    }

    /// What `x` would bring about next; nothing is changed.
    fn predict_one<'py>(
        &mut self,
        owner: &Bound<'py, PyLearner>,
        x: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = x.py();
        let dims = self.learner.network().dims();
        let config = &owner.get().config;
        let x = sample::<T>(owner, "x", x, dims.batch, dims.inputs)?;
        let x = slice(&x)?;
        expect_finite("x", x, x.len())?;
        let now = self.learner.activity();
        let ahead = match self.scratch.take() {
            None => now.clone(),
            Some(mut ahead) => {
                ahead.state.copy_from_slice(&now.state);
                ahead.rate.copy_from_slice(&now.rate);
                ahead.output.data_mut().copy_from_slice(now.output.data());
                ahead
            }
        };
        let mut ahead = ahead;
        self.learner.network().step::<false>(&mut ahead, x);
        let mut prediction = vec![T::ZERO; dims.batch * dims.outputs];
        predictions(config, &ahead, dims.outputs, &mut prediction);
        self.scratch = Some(ahead);
        sample_array(py, &prediction, dims.batch)
    }

    /// Rates, outputs and predictions along `x`, with frozen weights, from the start of a trial.
    fn simulate<'py>(
        &mut self,
        config: &LearnerSpec,
        x: &Bound<'py, PyAny>,
        first: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let py = x.py();
        let dims = self.learner.network().dims();
        let x = numbers::<T>(x, "X")?;
        let x = slice(&x)?;
        let width = dims.batch * dims.inputs;
        let steps = x.len() / width;
        expect_finite("X", x, width)?;
        let first: Option<Vec<bool>> = first.map(|first| first.extract()).transpose()?;
        let network = self.learner.network();
        let mut clock = Clock::new();
        let (rates, outputs, predicted) = py.detach(|| -> PyResult<_> {
            let mut activity = Activity::new(dims);
            network.reset(&mut activity);
            let mut rates = Vec::with_capacity(steps * dims.batch * dims.units);
            let mut outputs = Vec::with_capacity(steps * dims.batch * dims.outputs);
            let mut predicted = vec![T::ZERO; steps * dims.batch * dims.outputs];
            let rows = predicted.chunks_exact_mut(dims.batch * dims.outputs);
            for (t, prediction) in rows.enumerate() {
                if first.as_ref().is_some_and(|first| first[t]) {
                    network.reset(&mut activity);
                }
                network.step::<false>(&mut activity, &x[t * width..][..width]);
                for b in 0..dims.batch {
                    rates.extend_from_slice(&activity.rate[b * dims.sample()..][..dims.units]);
                    outputs.extend_from_slice(activity.output.row(b));
                }
                predictions(config, &activity, dims.outputs, prediction);
                clock.interrupted()?;
            }
            Ok((rates, outputs, predicted))
        })?;
        let shaped = |values: &[T], width: usize| match dims.batch {
            1 => array(py, values, &[steps, width]),
            batch => array(py, values, &[steps, batch, width]),
        };
        let all = (
            shaped(&rates, dims.units)?,
            shaped(&outputs, dims.outputs)?,
            shaped(&predicted, dims.outputs)?,
        );
        all.into_pyobject(py)
    }

    #[allow(clippy::too_many_arguments)]
    fn fit(
        &mut self,
        x: &Bound<'_, PyAny>,
        y: &Bound<'_, PyAny>,
        mask: Option<&Bound<'_, PyAny>>,
        edges: Option<(Vec<bool>, Vec<bool>)>,
        epochs: u64,
        monitors: &Bound<'_, PyList>,
        progress: Option<&Bound<'_, PyAny>>,
        update: Update,
    ) -> PyResult<Py<PyAny>> {
        let py = x.py();
        let dims = self.learner.network().dims();
        let (width, height) = (dims.batch * dims.inputs, dims.batch * dims.outputs);
        let (x, y) = (numbers::<T>(x, "X")?, numbers::<T>(y, "Y")?);
        let mask = mask.map(|mask| numbers::<T>(mask, "mask")).transpose()?;
        let (x, y) = (slice(&x)?, slice(&y)?);
        let mask = mask.as_ref().map(slice).transpose()?;
        let steps = x.len() / width;
        for (field, values, width) in [
            ("X", Some(x), width),
            ("Y", Some(y), height),
            ("mask", mask, height),
        ] {
            if let Some(values) = values {
                expect_finite(field, values, width)?;
                expect_shape(field, &[values.len() / width], &[steps], "steps, as X")?;
            }
        }
        if edges.is_none() && matches!(update, Update::Trial | Update::Trials(_)) {
            return Err(invalid(
                "update",
                "the end of trials",
                "to be told where trials begin",
                "Hand in trials=, or set update=\"step\": otherwise nothing would ever be learned.",
            ));
        }
        let recorder = recorder(monitors, &self.learner)?;
        let step = |learner: &mut Learner<T>, t: u64| {
            let t = (t % steps as u64) as usize;
            let (x, y) = (&x[t * width..][..width], &y[t * height..][..height]);
            let mask = mask.map(|mask| &mask[t * height..][..height]);
            let (first, last) = match &edges {
                Some((first, last)) => (first[t], last[t]),
                None => (false, false),
            };
            if first {
                learner.begin_trial();
            }
            learner.learn_part(x, y, mask, last)?;
            Ok(true)
        };
        let all = steps as u64 * epochs;
        drive(py, &mut self.learner, all, recorder, progress, step).into_python(py, &self.learner)
    }

    fn run(
        &mut self,
        stream: &TaskStream,
        loss: Loss,
        steps: u64,
        monitors: &Bound<'_, PyList>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let py = monitors.py();
        let mut running = stream.lock()?;
        let task = matching::<T>(&mut running)?;
        let mut sample: Sample<T> = self.learner.sample_for(task).map_err(raise_core)?;
        stream.check_data(py, loss)?;
        let recorder = recorder(monitors, &self.learner)?;
        let step = |learner: &mut Learner<T>, _: u64| {
            if !task.next(&mut sample) {
                return Ok(false);
            }
            learner.learn_sample(&sample)?;
            Ok(true)
        };
        drive(py, &mut self.learner, steps, recorder, progress, step).into_python(py, &self.learner)
    }

    fn evaluate(
        &mut self,
        py: Python<'_>,
        stream: &TaskStream,
        loss: Loss,
        steps: u64,
    ) -> PyResult<[f64; 4]> {
        let mut running = stream.lock()?;
        let task = matching::<T>(&mut running)?;
        stream.check_data(py, loss)?;
        let learner = &mut self.learner;
        let mut watched = Watched::new(task);
        let result = py.detach(|| learner.evaluate(&mut watched, steps));
        if let Some(interrupted) = watched.interrupted {
            return Err(interrupted);
        }
        let result = result.map_err(raise_core)?;
        Ok([
            result.loss,
            result.accuracy,
            result.true_loss,
            result.expected_accuracy,
        ])
    }

    fn set(&mut self, py: Python<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let dims = self.learner.network().dims();
        let given = numbers::<T>(value, name)?;
        let shape = given.shape().to_vec();
        let values = slice(&given)?;
        let n = dims.units;
        let rows = dims.currents * n;
        let expected = match name {
            "W_rec" => vec![rows, n],
            "W_in" => vec![rows, dims.inputs],
            "b_rec" => vec![rows],
            "W_out" => vec![dims.outputs, n],
            "b_out" => vec![dims.outputs],
            "initial_state" if dims.states > 1 => vec![dims.states, n],
            "initial_state" => vec![n],
            "state" => {
                let axes = [dims.states, dims.batch].into_iter().filter(|k| *k > 1);
                axes.chain([n]).collect()
            }
            "feedback" => vec![n, dims.outputs],
            _ => {
                return Err(invalid(
                    name,
                    "an array",
                    "W_rec, W_in, b_rec, W_out, b_out, initial_state, state, feedback",
                    "Other arrays follow from these; traces are set by set_trace.",
                ));
            }
        };
        let what = match name {
            "W_rec" => "units x units, [post, pre]",
            "W_in" => "units x inputs",
            "W_out" => "outputs x units",
            "b_rec" | "initial_state" | "state" => "units",
            "feedback" => "units x outputs",
            _ => "outputs",
        };
        expect_shape(name, &shape, &expected, what)?;
        expect_finite_at(name, values, &shape)?;
        match name {
            "initial_state" => fill(self.learner.network_mut().initial_mut(), values),
            "state" => self.set_state(py, values)?,
            "feedback" => {
                let weights = self.learner.feedback_weights_mut().ok_or_else(|| {
                    invalid(
                        "feedback",
                        "an array",
                        "nothing: this pathway has no weights of its own",
                        "Build the learner with feedback=apical.feedback.random(), or with the array itself.",
                    )
                })?;
                for (i, row) in values.chunks_exact(dims.outputs).enumerate() {
                    for (k, value) in row.iter().enumerate() {
                        weights.row_mut(k)[i] = *value;
                    }
                }
            }
            _ => self
                .learner
                .set_parameter(name, values)
                .map_err(raise_core)?,
        }
        Ok(())
    }

    /// Through a snapshot, so that what follows from the state follows.
    fn set_state(&mut self, _py: Python<'_>, values: &[T]) -> PyResult<()> {
        let dims = self.learner.network().dims();
        let mut activity = self.learner.activity().clone();
        let samples = values.chunks_exact(dims.units);
        for (k, row) in samples.enumerate() {
            let (s, b) = (k / dims.batch, k % dims.batch);
            activity.state[s * dims.plane() + b * dims.sample()..][..dims.units]
                .copy_from_slice(row);
        }
        let network = self.learner.network();
        network.neuron().read(
            network.simd(),
            dims.plane(),
            &activity.state,
            &mut activity.rate,
            &mut activity.partials.slope,
        );
        let mut snapshot = self.learner.snapshot().map_err(raise_core)?;
        let mut io = StateIo::save(&mut snapshot);
        io.scope("activity", |io| activity.save_or_restore(io))
            .map_err(raise_core)?;
        self.learner.restore(&snapshot).map_err(raise_core)
    }
}

/// The predictions that belong to the outputs of an activity.
fn predictions<T: Number>(
    config: &LearnerSpec,
    activity: &Activity<T>,
    outputs: usize,
    prediction: &mut [T],
) {
    let mut delta = vec![T::ZERO; outputs];
    let target = vec![T::ZERO; outputs];
    for (b, row) in prediction.chunks_exact_mut(outputs).enumerate() {
        let z = activity.output.row(b);
        config.loss.evaluate(z, &target, None, row, &mut delta);
    }
}

/// A sample as it is handed in: an array, or what Python makes one of (names, labels, numbers of other types).
fn sample<'py, T: Number>(
    owner: &Bound<'py, PyLearner>,
    field: &str,
    value: &Bound<'py, PyAny>,
    batch: usize,
    size: usize,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    if is_plain(value) {
        let array = numbers(value, field)?;
        // A label is one number, and so is a weight for all outputs.
        let fits = fits_sample(array.shape(), batch, size);
        if fits || field == "x" || array.shape().len() > 1 {
            return expect_sample(field, array, batch, size, fits);
        }
    }
    let read = owner.call_method1("_sample", (field, value, T::DTYPE))?;
    let array = numbers(&read, field)?;
    let fits = fits_sample(array.shape(), batch, size);
    expect_sample(field, array, batch, size, fits)
}

fn fits_sample(shape: &[usize], batch: usize, size: usize) -> bool {
    match (batch, shape) {
        (1, []) => size == 1,
        (1, [k]) => *k == size,
        (_, [b, k]) => (*b, *k) == (batch, size),
        _ => false,
    }
}

fn expect_sample<'py, T: Number>(
    field: &str,
    array: PyReadonlyArrayDyn<'py, T>,
    batch: usize,
    size: usize,
    fits: bool,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    if fits {
        return Ok(array);
    }
    let what = if field == "x" { "inputs" } else { "outputs" };
    let (expected, what) = match batch {
        1 => (vec![size], what.to_string()),
        _ => (vec![batch, size], format!("batch x {what}")),
    };
    let what = format!("{what} of the network");
    expect_shape(field, array.shape(), &expected, &what)?;
    Ok(array)
}

/// Targets with 0 where they do not count and would have no meaning; `None` if there are no such.
fn without_masked<T: Number>(loss: Loss, y: &[T], mask: &[T], outputs: usize) -> Option<Vec<T>> {
    let has_meaning = |y: T| match loss.is_cross_entropy() {
        true => y >= T::ZERO && y <= T::ONE,
        false => y.finite(),
    };
    // The outputs of a softmax are one choice and count together.
    let width = match loss {
        Loss::SoftmaxCrossEntropy {} => outputs,
        _ => 1,
    };
    let mut known: Option<Vec<T>> = None;
    for (k, mask) in mask.chunks(width).enumerate() {
        if mask.iter().any(|weight| *weight != T::ZERO) {
            continue;
        }
        for i in k * width..(k + 1) * width {
            if !has_meaning(y[i]) {
                known.get_or_insert_with(|| y.to_vec())[i] = T::ZERO;
            }
        }
    }
    known
}

fn sample_array<'py, T: Number>(
    py: Python<'py>,
    values: &[T],
    batch: usize,
) -> PyResult<Bound<'py, PyAny>> {
    match batch {
        1 => Ok(numpy::PyArray1::from_slice(py, values).into_any()),
        _ => array(py, values, &[batch, values.len() / batch]),
    }
}

impl PyLearner {
    /// The learner, for as long as nobody else uses it.
    pub fn lock(&self) -> PyResult<MutexGuard<'_, Inner>> {
        self.inner.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => ApicalError::new_err(
                "the learner is in use by another call. Give each thread a learner of its own, or wait for the call to end.",
            ),
            TryLockError::Poisoned(_) => ApicalError::new_err(
                "an internal error broke this learner. Load a checkpoint or build a new one.",
            ),
        })
    }

    fn link(&self) -> Option<&Link> {
        self.rule.as_ref().map(|(_, link)| link)
    }

    fn build(
        py: Python<'_>,
        config: LearnerSpec,
        inputs: usize,
        outputs: usize,
        seed: u64,
        dtype: &str,
        rule: Option<(Py<PyAny>, bool)>,
    ) -> PyResult<Self> {
        let mut inner = match dtype {
            "float32" => Inner::F32(Slot::new(&config, inputs, outputs, seed)?),
            "float64" => Inner::F64(Slot::new(&config, inputs, outputs, seed)?),
            _ => {
                return Err(invalid(
                    "dtype",
                    format!("{dtype:?}"),
                    "\"float32\" or \"float64\"",
                    "float64 is what the published codes use, float32 is faster.",
                ));
            }
        };
        let begun = rule.as_ref().is_some_and(|(_, begun)| *begun);
        let rule = rule.map(|(object, _)| (object, Link::default()));
        if let Some((object, link)) = &rule {
            with!(&mut inner, slot => slot.set_rule(py, object, link, begun))?;
        }
        Ok(Self {
            inner: Mutex::new(inner),
            config,
            inputs,
            outputs,
            seed,
            rule,
        })
    }

    fn snapshot(&self, py: Python<'_>, names: serde_json::Value) -> PyResult<Snapshot> {
        let mut guard = self.lock()?;
        let mut snapshot = with!(guard, slot => {
            slot.learner.check_weights().map_err(raise_core)?;
            slot.learner.snapshot()
        })
        .map_err(raise_core)?;
        let rule = self
            .rule
            .as_ref()
            .map(|(object, _)| kind_of(object.bind(py)));
        let about = json!({
            "config": self.config,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "seed": self.seed,
            "dtype": with!(guard, slot => name_of(slot)),
            "rule": rule,
            "names": names,
        });
        snapshot.texts.insert("learner".into(), about.to_string());
        Ok(snapshot)
    }
}

fn name_of<T: Number>(_: &Slot<T>) -> &'static str {
    T::DTYPE
}

#[pymethods]
impl PyLearner {
    #[new]
    #[pyo3(signature = (settings, inputs, outputs, seed, dtype, rule=None, begun=false))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        settings: &Bound<'_, PyDict>,
        inputs: usize,
        outputs: usize,
        seed: u64,
        dtype: &str,
        rule: Option<Py<PyAny>>,
        begun: bool,
    ) -> PyResult<Self> {
        guarded(|| {
            let config: LearnerSpec = typed(settings)?;
            let rule = rule.map(|object| (object, begun));
            Self::build(settings.py(), config, inputs, outputs, seed, dtype, rule)
        })
    }

    /// Learn from one step of an endless stream.
    ///
    /// Parameters
    /// ----------
    /// x : array of shape (inputs,), or (batch, inputs)
    ///     Or a dictionary by name; the first one fixes the order of the names.
    /// y : array of shape (outputs,), or (batch, outputs)
    ///     Or a dictionary by name; for a softmax also a whole number, the right class.
    /// mask : array of the shape of y, optional
    ///     Weight of each output's loss. Where it is 0, a target may be NaN.
    ///
    /// Returns
    /// -------
    /// Step
    ///     Its `loss`, and the `prediction` made before the weights changed.
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     Wrong shapes, values that are not finite, targets the loss has no meaning for; nothing was learned.
    /// ApicalError
    ///     Training diverged.
    #[pyo3(signature = (x, y, mask=None))]
    fn learn_one(
        this: &Bound<'_, Self>,
        x: &Bound<'_, PyAny>,
        y: &Bound<'_, PyAny>,
        mask: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Step> {
        guarded(|| {
            let mut guard = this.get().lock()?;
            with!(guard, slot => slot.learn_one(this, x, y, mask))
        })
    }

    /// What the network would predict if `x` came next; nothing is changed.
    ///
    /// Parameters
    /// ----------
    /// x : array of shape (inputs,), or (batch, inputs)
    ///
    /// Returns
    /// -------
    /// array of shape (outputs,), or (batch, outputs)
    ///     Probabilities for a cross-entropy loss, outputs otherwise.
    fn predict_one<'py>(
        this: &Bound<'py, Self>,
        x: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        guarded(|| {
            let mut guard = this.get().lock()?;
            with!(guard, slot => slot.predict_one(this, x))
        })
    }

    /// Start a trial: activity and rule forget the past.
    fn begin_trial(&self) -> PyResult<()> {
        guarded(|| {
            let mut guard = self.lock()?;
            with!(guard, slot => slot.learner.begin_trial());
            self.link().map_or(Ok(()), Link::late)
        })
    }

    /// End a trial, if one is open, with the update that is due.
    fn end_trial(&self) -> PyResult<()> {
        guarded(|| {
            let mut guard = self.lock()?;
            with!(guard, slot => slot.learner.end_trial());
            Ok(())
        })
    }

    #[pyo3(signature = (x, first=None))]
    fn _simulate<'py>(
        &self,
        x: &Bound<'py, PyAny>,
        first: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        guarded(|| {
            let mut guard = self.lock()?;
            with!(guard, slot => slot.simulate(&self.config, x, first))
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn _fit(
        &self,
        x: &Bound<'_, PyAny>,
        y: &Bound<'_, PyAny>,
        mask: Option<&Bound<'_, PyAny>>,
        edges: Option<(Vec<bool>, Vec<bool>)>,
        epochs: u64,
        monitors: &Bound<'_, PyList>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        guarded(|| {
            let mut guard = self.lock()?;
            let update = self.config.update;
            with!(guard, slot => slot.fit(x, y, mask, edges, epochs, monitors, progress, update))
        })
    }

    fn _run(
        &self,
        stream: &Bound<'_, TaskStream>,
        steps: u64,
        monitors: &Bound<'_, PyList>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        guarded(|| {
            let mut guard = self.lock()?;
            let loss = self.config.loss;
            with!(guard, slot => slot.run(stream.get(), loss, steps, monitors, progress))
        })
    }

    fn _evaluate(
        &self,
        py: Python<'_>,
        stream: &Bound<'_, TaskStream>,
        steps: u64,
    ) -> PyResult<[f64; 4]> {
        guarded(|| {
            let mut guard = self.lock()?;
            with!(guard, slot => slot.evaluate(py, stream.get(), self.config.loss, steps))
        })
    }

    /// A window onto an array of the learner, to be read by `numpy.asarray`.
    fn _view(this: &Bound<'_, Self>, name: &str) -> PyResult<View> {
        guarded(|| {
            let learner = this.get();
            let mut guard = learner.lock()?;
            let (place, dtype) =
                with!(guard, slot => (locate(&mut slot.learner, name), name_of(slot)));
            let place = place.ok_or_else(|| {
                let expected = format!("one of {}", PLACES.join(", "));
                invalid("name", name, expected, "Traces are in learner.traces().")
            })?;
            View::new(this.py(), this.clone().into_any().unbind(), &place, dtype)
        })
    }

    fn _set(&self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        guarded(|| {
            let mut guard = self.lock()?;
            // Only the activity and the weights change: the object of a rule written in Python stays as it is.
            let _apart = Link::apart(self.link());
            with!(guard, slot => slot.set(value.py(), name, value))
        })
    }

    /// The weights of the feedback pathway (units, outputs), or None.
    fn _feedback_weights<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        guarded(|| {
            let mut guard = self.lock()?;
            with!(guard, slot => match slot.learner.feedback_weights_mut() {
                None => Ok(None),
                Some(weights) => {
                    let weights = array(py, &flat(weights), &[weights.rows(), weights.columns()])?;
                    weights.getattr("T")?.call_method0("copy").map(Some)
                }
            })
        })
    }

    /// Every array the next step depends on, by name, without padding.
    fn _arrays<'py>(&self, py: Python<'py>, prefix: &str) -> PyResult<Bound<'py, PyDict>> {
        guarded(|| {
            let mut guard = self.lock()?;
            let arrays = PyDict::new(py);
            with!(guard, slot => {
                let snapshot = slot.learner.snapshot().map_err(raise_core)?;
                let parts = slot.learner.parts().map_err(raise_core)?;
                for (name, stored) in &snapshot.arrays {
                    // Starred: what tells the attributes of a rule written in Python apart.
                    if let Some(short) = name.strip_prefix(prefix).filter(|short| !short.starts_with('*')) {
                        arrays.set_item(short, unpack(py, layout(&parts, name, stored), stored)?)?;
                    }
                }
            });
            Ok(arrays)
        })
    }

    fn _set_array(&self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        guarded(|| {
            let mut guard = self.lock()?;
            with!(guard, slot => {
                let mut snapshot = slot.learner.snapshot().map_err(raise_core)?;
                let known: Vec<String> = snapshot.arrays.keys().cloned().collect();
                let Some(stored) = snapshot.arrays.get_mut(name) else {
                    let rules = known.iter().filter_map(|name| name.strip_prefix("rule."));
                    let expected = format!("one of {}", rules.collect::<Vec<_>>().join(", "));
                    let short = name.strip_prefix("rule.").unwrap_or(name);
                    return Err(invalid("trace", short, expected, "They are those of the rule."));
                };
                let layout = layout(&slot.learner.parts().map_err(raise_core)?, name, stored);
                pack(name.strip_prefix("rule.").unwrap_or(name), value, layout, stored)?;
                slot.learner.restore(&snapshot).map_err(raise_core)
            })
        })
    }

    /// The whole state as the bytes of a checkpoint, but for that of a rule written in Python.
    fn _to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        guarded(|| {
            // The object of a rule written in Python travels beside them, as Python copies it.
            let _apart = Link::apart(self.link());
            let snapshot = self.snapshot(py, serde_json::Value::Null)?;
            let bytes = checkpoint_file::encode(Path::new("learner"), &snapshot).map_err(raise)?;
            Ok(PyBytes::new(py, &bytes))
        })
    }

    /// Writes a checkpoint; `names` are those of inputs and outputs, as JSON.
    fn _save(&self, py: Python<'_>, path: &str, names: &str) -> PyResult<()> {
        guarded(|| {
            let names = serde_json::from_str(names).unwrap_or_default();
            let snapshot = self.snapshot(py, names)?;
            py.detach(|| checkpoint_file::write(path, &snapshot))
                .map_err(raise)
        })
    }

    /// Goes back to what a file or the bytes of one hold.
    fn _restore(&self, path: &str, bytes: Option<&[u8]>) -> PyResult<()> {
        guarded(|| {
            let snapshot = read(path, bytes)?;
            let mut guard = self.lock()?;
            let scoped = !snapshot.texts.contains_key("learner");
            with!(guard, slot => {
                let mut io = StateIo::restore(&snapshot);
                if scoped {
                    io.scope("learner", |io| slot.learner.state(io))
                } else {
                    slot.learner.state(&mut io)
                }
            })
            .map_err(raise_core)
        })
    }

    /// What looks wrong so far, as texts.
    fn warnings(&self) -> PyResult<Vec<String>> {
        let mut guard = self.lock()?;
        Ok(with!(guard, slot => {
            slot.learner.warnings().iter().map(ToString::to_string).collect()
        }))
    }

    /// The present value of a quantity, for example "W_rec.norm", "rate[3]" or "loss".
    fn read(&self, quantity: &Bound<'_, PyAny>) -> PyResult<f64> {
        guarded(|| {
            let quantity = word("quantity", quantity, "loss")?;
            let mut guard = self.lock()?;
            with!(guard, slot => {
                let quantity = slot.learner.find(&quantity).map_err(raise_core)?;
                Ok(slot.learner.read(&quantity))
            })
        })
    }

    /// Steps learned so far.
    #[getter]
    fn steps(&self) -> PyResult<u64> {
        let mut guard = self.lock()?;
        Ok(with!(guard, slot => slot.learner.steps()))
    }

    /// Whether a trial was begun that has not ended.
    #[getter]
    fn _trial_is_open(&self) -> PyResult<bool> {
        let mut guard = self.lock()?;
        Ok(with!(guard, slot => slot.learner.trial_is_open()))
    }

    /// "online" or "trial": how the rule works out its gradient.
    #[getter]
    fn mode(&self) -> PyResult<&'static str> {
        let mut guard = self.lock()?;
        Ok(with!(guard, slot => slot.learner.mode()))
    }

    /// "float32" or "float64".
    #[getter]
    fn dtype(&self) -> PyResult<&'static str> {
        let mut guard = self.lock()?;
        Ok(with!(guard, slot => name_of(slot)))
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

    /// Recurrent units.
    #[getter]
    fn units(&self) -> usize {
        self.config.network.units
    }

    /// Independent samples that share the weights.
    #[getter]
    fn batch(&self) -> usize {
        self.config.batch
    }

    /// The seed all randomness comes from.
    #[getter]
    fn seed(&self) -> u64 {
        self.seed
    }

    /// The object of a rule written in Python, or None.
    #[getter]
    fn _rule_object(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.rule.as_ref().map(|(object, _)| object.clone_ref(py))
    }

    /// All settings, resolved, as JSON.
    #[getter]
    fn _settings(&self) -> String {
        serde_json::to_string(&self.config).unwrap_or_default()
    }
}

fn read(path: &str, bytes: Option<&[u8]>) -> PyResult<Snapshot> {
    match bytes {
        Some(bytes) => checkpoint_file::decode(Path::new(path), bytes),
        None => checkpoint_file::read(path),
    }
    .map_err(raise)
}

/// What a checkpoint says of its learner, as JSON: of a learner saved from Python or of a run of the command line.
#[pyfunction]
#[pyo3(signature = (path, bytes=None))]
pub fn read_checkpoint(path: &str, bytes: Option<&[u8]>) -> PyResult<String> {
    guarded(|| {
        let snapshot = read(path, bytes)?;
        if let Some(about) = snapshot.texts.get("learner") {
            return Ok(about.clone());
        }
        let (Some(text), Some(seed)) =
            (snapshot.texts.get("experiment"), snapshot.texts.get("seed"))
        else {
            return Err(PyValueError::new_err(format!(
                "{path}: got a checkpoint of something else, expected that of a learner or a run. Use a file that \
                 apical.save or `apical run` wrote."
            )));
        };
        let experiment: Experiment = toml::from_str(text).map_err(|error| {
            ApicalError::new_err(format!(
                "{path}: its settings cannot be read: {error}. Read it with the version that wrote it."
            ))
        })?;
        // The checkpoint knows the sizes; the data of its task may be anywhere.
        let (inputs, outputs) = match snapshot.arrays.get("learner.sizes") {
            Some(Array::U64(sizes)) if sizes.len() > 3 => (sizes[2] as usize, sizes[3] as usize),
            _ => experiment.task.sizes(),
        };
        let dtype = match experiment.precision {
            Precision::F32 => "float32",
            Precision::F64 => "float64",
        };
        Ok(json!({
            "config": experiment.learner_spec(),
            "inputs": inputs,
            "outputs": outputs,
            "seed": seed.parse::<u64>().unwrap_or(0),
            "dtype": dtype,
            "rule": null,
        })
        .to_string())
    })
}
