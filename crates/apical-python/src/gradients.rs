//! The gradient of every step with frozen weights, for any rule: what others can hold against their own code.

use apical::kernel::Matrix;
use apical::network::{Network, NetworkSpec};
use apical::rule::{Probe, Rule, Site};
use apical::step::{Step, check_mask};
use apical::{LearnerSpec, Streams};
use numpy::{PyArray1, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Number, array, expect_finite, expect_shape, flat, numbers, slice};
use crate::config::{named, typed};
use crate::drive::Clock;
use crate::error::{guarded, invalid, raise_core};
use crate::python_rule::{Link, PythonRule};

/// The weights a network of these settings starts with, by name.
#[pyfunction]
pub fn draw_network<'py>(
    settings: &Bound<'py, PyDict>,
    inputs: usize,
    outputs: usize,
    seed: u64,
    dtype: &str,
) -> PyResult<Bound<'py, PyDict>> {
    fn draw<'py, T: Number>(
        py: Python<'py>,
        spec: &NetworkSpec,
        inputs: usize,
        outputs: usize,
        seed: u64,
    ) -> PyResult<Bound<'py, PyDict>> {
        let bare = LearnerSpec {
            network: spec.clone(),
            rule: apical::rule::RuleSpec::ReadoutOnly(Default::default()),
            ..LearnerSpec::default()
        };
        bare.check_memory::<T>(inputs, outputs, apical_runs::memory::available())
            .map_err(raise_core)?;
        let network =
            Network::<T>::new(spec, inputs, outputs, 1, &Streams::new(seed)).map_err(raise_core)?;
        let dims = network.dims();
        let n = dims.units;
        let drawn = PyDict::new(py);
        let weights = network.synapses().weights();
        let readout = network.readout();
        for (name, matrix, columns) in [
            ("W_rec", weights, 0..n),
            ("W_in", weights, n..n + inputs),
            ("b_rec", weights, n + inputs..n + inputs + 1),
            ("W_out", readout, 0..n),
            ("b_out", readout, n..n + 1),
        ] {
            let rows = (0..matrix.rows()).map(|i| &matrix.row(i)[columns.clone()]);
            let values: Vec<T> = rows.flatten().copied().collect();
            let shape = match name {
                "b_rec" | "b_out" => vec![matrix.rows()],
                _ => vec![matrix.rows(), columns.len()],
            };
            drawn.set_item(name, array(py, &values, &shape)?)?;
        }
        let initial = vec![T::of(spec.initial_state); dims.states * n];
        let shape = match dims.states {
            1 => vec![n],
            states => vec![states, n],
        };
        drawn.set_item("initial_state", array(py, &initial, &shape)?)?;
        Ok(drawn)
    }
    guarded(|| {
        let py = settings.py();
        let spec: NetworkSpec = named("network", settings)?;
        match dtype {
            "float32" => draw::<f32>(py, &spec, inputs, outputs, seed),
            _ => draw::<f64>(py, &spec, inputs, outputs, seed),
        }
    })
}

/// What is asked for, as Python hands it in.
#[derive(FromPyObject)]
pub struct Request<'py> {
    settings: Bound<'py, PyDict>,
    arrays: Bound<'py, PyDict>,
    inputs: usize,
    outputs: usize,
    seed: u64,
    dtype: String,
    x: Bound<'py, PyAny>,
    y: Bound<'py, PyAny>,
    mask: Option<Bound<'py, PyAny>>,
    feedback: Option<Bound<'py, PyAny>>,
    noise: Option<Bound<'py, PyAny>>,
    start: Bound<'py, PyDict>,
    rule: Option<Py<PyAny>>,
}

/// Gradients of every step with frozen weights; see `apical.gradients`.
#[pyfunction]
pub fn gradients<'py>(py: Python<'py>, request: Request<'py>) -> PyResult<Bound<'py, PyDict>> {
    guarded(|| match request.dtype.as_str() {
        "float32" => compute::<f32>(py, &request),
        _ => compute::<f64>(py, &request),
    })
}

fn set_weights<T: Number>(network: &mut Network<T>, arrays: &Bound<'_, PyDict>) -> PyResult<()> {
    let dims = network.dims();
    let n = dims.units;
    for (name, value) in arrays {
        let name: String = name.extract()?;
        let given = numbers::<T>(&value, &name)?;
        let values = slice(&given)?;
        expect_finite(&name, values, values.len())?;
        let weights = match name.as_str() {
            "W_out" | "b_out" => network.readout_mut(),
            "initial_state" => network.initial_mut(),
            _ => network.synapses_mut().weights_mut(),
        };
        let columns = match name.as_str() {
            "W_rec" | "W_out" | "initial_state" => 0..n,
            "W_in" => n..n + dims.inputs,
            "b_rec" => n + dims.inputs..n + dims.inputs + 1,
            _ => n..n + 1,
        };
        let expected = weights.rows() * columns.len();
        if values.len() != expected {
            let error = apical::Error::length(&name, values.len(), expected, "rows x columns");
            return Err(raise_core(error));
        }
        for (i, row) in values.chunks_exact(columns.len()).enumerate() {
            weights.row_mut(i)[columns.clone()].copy_from_slice(row);
        }
    }
    Ok(())
}

/// Starting values of a rule, traces and learned matrices alike.
fn set_start<T: Number>(
    rule: &mut dyn Rule<T>,
    rule_name: &str,
    start: &Bound<'_, PyDict>,
) -> PyResult<()> {
    for (name, value) in start {
        let name: String = name.extract()?;
        let field = format!("start[{name:?}]");
        let given = numbers::<T>(&value, &field)?;
        let values = slice(&given)?;
        expect_finite(&field, values, values.len())?;
        let numbers: Vec<f64> = values.iter().map(|v| v.f64()).collect();
        if rule.set_array(&name, &numbers).map_err(raise_core)? {
            continue;
        }
        let Some((expected, _)) = rule.array(&name).map_err(raise_core)? else {
            return Err(invalid(
                field,
                format!("shape {:?}", given.shape()),
                format!("an array that the rule {rule_name} has, in its size"),
                "Starting values have the names of its equations, for example A and B of uoro, A, A_slow and J of dendritic.",
            ));
        };
        expect_shape(&field, given.shape(), &expected, "as the rule has it")?;
    }
    Ok(())
}

#[derive(Default)]
struct Records<T> {
    rec: Vec<T>,
    out: Vec<T>,
    loss: Vec<f64>,
    rates: Vec<T>,
    outputs: Vec<T>,
    predictions: Vec<T>,
    signals: Vec<T>,
    probes: Vec<Vec<f64>>,
}

fn compute<'py, T: Number + Default>(
    py: Python<'py>,
    request: &Request<'py>,
) -> PyResult<Bound<'py, PyDict>> {
    let spec: LearnerSpec = typed(&request.settings)?;
    let (inputs, outputs) = (request.inputs, request.outputs);
    let streams = Streams::new(request.seed);
    let there = apical_runs::memory::available();
    let one = LearnerSpec {
        batch: 1,
        ..spec.clone()
    };
    one.check_memory::<T>(inputs, outputs, there)
        .map_err(raise_core)?;
    let mut network =
        Network::<T>::new(&spec.network, inputs, outputs, 1, &streams).map_err(raise_core)?;
    set_weights(&mut network, &request.arrays)?;
    let dims = network.dims();
    let (n, m) = (dims.units, dims.pre());
    let x = numbers::<T>(&request.x, "X")?;
    let steps = x.shape().first().copied().unwrap_or(0);
    expect_shape(
        "X",
        x.shape(),
        &[steps, inputs],
        "steps x inputs of the network",
    )?;
    // All steps are handed back at once.
    let each = (dims.currents * n * m + outputs * (n + 1)) * size_of::<T>();
    let all = steps as f64 * each as f64;
    if all > there {
        let expected = format!(
            "so many that their gradients, about {:.0} GB, fit into the {:.0} GB of memory there is",
            all / 1e9,
            there / 1e9
        );
        let mend = "Hand in fewer steps at a time.";
        return Err(raise_core(apical::Error::invalid(
            "X",
            format!("{steps} steps"),
            expected,
            mend,
        )));
    }
    let y = numbers::<T>(&request.y, "Y")?;
    expect_shape(
        "Y",
        y.shape(),
        &[steps, outputs],
        "steps of X x outputs of the network",
    )?;
    let mask = request.mask.as_ref().map(|mask| numbers::<T>(mask, "mask"));
    let mask = mask.transpose()?;
    if let Some(mask) = &mask {
        expect_shape("mask", mask.shape(), &[steps, outputs], "as Y")?;
        expect_finite("mask", slice(mask)?, outputs)?;
        check_mask(slice(mask)?).map_err(raise_core)?;
    }
    let mask = mask.as_ref().map(slice).transpose()?;
    let (x, y) = (slice(&x)?, slice(&y)?);
    expect_finite("X", x, inputs)?;
    expect_finite("Y", y, outputs)?;
    for (t, target) in y.chunks_exact(outputs).enumerate() {
        let mask = mask.map(|mask| &mask[t * outputs..][..outputs]);
        spec.loss
            .check_targets(target, mask, outputs, t as u64)
            .map_err(raise_core)?;
    }

    let mut feedback = spec
        .feedback
        .build::<T>(n, outputs, &streams)
        .map_err(raise_core)?;
    if let (Some(given), Some(weights)) = (&request.feedback, feedback.weights_mut()) {
        let given = numbers::<T>(given, "feedback")?;
        expect_shape("feedback", given.shape(), &[n, outputs], "units x outputs")?;
        for (i, row) in slice(&given)?.chunks_exact(outputs).enumerate() {
            for (k, value) in row.iter().enumerate() {
                weights.row_mut(k)[i] = *value;
            }
        }
    }
    let (mut rule, name): (Box<dyn Rule<T>>, String) = match &request.rule {
        Some(object) => {
            let rule = PythonRule::new(py, object.clone_ref(py), Link::default(), dims)?;
            let name = rule.name().to_string();
            (Box::new(rule), name)
        }
        None => {
            let site = Site::new(&network, &streams);
            let rule = spec.rule.build(&site).map_err(raise_core)?;
            (rule, spec.rule.info().name.into())
        }
    };
    let mut now = Step::new(&network, spec.loss, &*rule).map_err(raise_core)?;
    rule.reset();
    set_start(&mut *rule, &name, &request.start)?;
    if let Some(noise) = &request.noise {
        let given = numbers::<T>(noise, "noise")?;
        let values = slice(&given)?;
        expect_finite("noise", values, values.len() / steps.max(1))?;
        let count = rule.contract().draws;
        let Some(noise) = rule.noise() else {
            return Err(invalid(
                "noise",
                format!("{} numbers", values.len()),
                format!("None: the rule {name} draws none"),
                "Leave it out.",
            ));
        };
        if values.len() != steps * count {
            return Err(invalid(
                "noise",
                format!("{} numbers", values.len()),
                format!("{} (steps x {count})", steps * count),
                "Hand in what every step needs, in order.",
            ));
        }
        noise.inject(values);
    }

    let per_step = |rule: &dyn Rule<T>| -> Vec<usize> {
        let all = 0..rule.probes().len();
        all.filter(|k| !matches!(rule.probe(*k), Probe::Matrix(_)))
            .collect()
    };
    let probes = per_step(&*rule);
    let mut records = Records::<T> {
        probes: vec![Vec::new(); probes.len()],
        ..Records::default()
    };
    let mut gradient = Matrix::zeros(dims.currents * n, m);
    let mut clock = Clock::new();
    py.detach(|| -> PyResult<()> {
        // A pathway may go to another thread but is not shared: borrowed alone.
        let feedback = &mut feedback;
        for t in 0..steps {
            let (x, y) = (&x[t * inputs..][..inputs], &y[t * outputs..][..outputs]);
            let mask = mask.map(|mask| &mask[t * outputs..][..outputs]);
            let judged = now.see(&network, spec.loss, &mut *rule, (x, y, mask));
            now.feed_back(&network, &mut **feedback);
            gradient.clear();
            now.learn(&network, &mut *rule, &mut gradient)
                .map_err(raise_core)?;
            clock.interrupted()?;
            records.rec.extend(flat(&gradient));
            for d in now.delta.row(0) {
                let own = T::of(f64::from(u8::from(rule.teaching().is_none())));
                let row = now.activity.post.row(0).iter().map(|r| own * *d * *r);
                records.out.extend(row);
            }
            records.loss.push(judged.loss.f64());
            records.rates.extend_from_slice(&now.activity.rate[..n]);
            records
                .outputs
                .extend_from_slice(now.activity.output.row(0));
            records.predictions.extend_from_slice(now.prediction());
            records.signals.extend_from_slice(&now.signal[..n]);
            for (values, k) in records.probes.iter_mut().zip(&probes) {
                match rule.probe(*k) {
                    Probe::Number(value) => values.push(value),
                    Probe::Vector(vector) => values.extend(vector.iter().map(|v| v.f64())),
                    Probe::Matrix(_) => {}
                }
            }
        }
        gradient.clear();
        rule.end_trial(&network, &mut gradient);
        Ok(())
    })?;
    let result = PyDict::new(py);
    let rows = dims.currents * n;
    result.set_item("rec", array(py, &records.rec, &[steps, rows, m])?)?;
    result.set_item("rest", array(py, &flat(&gradient), &[rows, m])?)?;
    result.set_item("out", array(py, &records.out, &[steps, outputs, n + 1])?)?;
    result.set_item("loss", PyArray1::from_vec(py, records.loss))?;
    for (name, values, width) in [
        ("rates", &records.rates, n),
        ("outputs", &records.outputs, outputs),
        ("predictions", &records.predictions, outputs),
        ("signals", &records.signals, n),
    ] {
        result.set_item(name, array(py, values, &[steps, width])?)?;
    }
    for (values, k) in records.probes.into_iter().zip(probes) {
        let name = rule.probes()[k];
        match rule.probe(k) {
            Probe::Vector(vector) => {
                result.set_item(name, array(py, &values, &[steps, vector.len()])?)?;
            }
            _ => result.set_item(name, PyArray1::from_vec(py, values))?,
        }
    }
    Ok(result)
}
