//! A rule written in Python: slow, for trying ideas; it sees what a rule in Rust sees, local or not.
//!
//! What it keeps between steps are its attributes: arrays and numbers are saved, restored and audited. An array of shape
//! (units, presynaptic) is taken to be at the synapses, one of shape (units,) in the units, a number to be known everywhere.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use apical::check::{Case, Kind, Shape};
use apical::kernel::{Matrix, padded};
use apical::network::Dims;
use apical::rule::{Locality, Rule, RuleSpec};
use apical::snapshot::{Length, Owner, StateIo};
use apical::view::View;
use numpy::{PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};

use crate::arrays::{
    Number, array, expect_finite_at, expect_shape, kind_of, matrix, numbers, slice,
};
use crate::error::{guarded, invalid, raise_core};

/// What a learner and its rule written in Python tell each other.
#[derive(Clone, Default)]
pub struct Link(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// An exception of `reset`, which has no way to return one.
    late: Mutex<Option<PyErr>>,
    apart: AtomicBool,
}

/// For as long as it lives, a snapshot leaves the rule's own state out: the object itself stays, or is carried by Python.
pub struct Apart<'a>(Option<&'a Link>);

impl Drop for Apart<'_> {
    fn drop(&mut self) {
        if let Some(link) = self.0 {
            link.0.apart.store(false, Ordering::Release);
        }
    }
}

impl Link {
    /// Keeps the state of the rule, if there is one, out of snapshots.
    pub fn apart(of: Option<&Self>) -> Apart<'_> {
        if let Some(link) = of {
            link.0.apart.store(true, Ordering::Release);
        }
        Apart(of)
    }

    /// The exception of `reset`, once.
    pub fn late(&self) -> PyResult<()> {
        let mut late = self
            .0
            .late
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        late.take().map_or(Ok(()), Err)
    }
}

/// A rule whose `step` is a Python method.
pub struct PythonRule<T> {
    object: Py<PyAny>,
    view: Py<PyAny>,
    link: Link,
    dims: Dims,
    locality: Locality,
    name: String,
    number: std::marker::PhantomData<T>,
}

/// The locality an object declares.
pub fn locality_of(object: &Bound<'_, PyAny>) -> PyResult<Locality> {
    if !object.hasattr("step")? {
        return Err(PyTypeError::new_err(format!(
            "rule: got a {}, expected a rule of apical.rules or an object with a method step(view, credit).",
            kind_of(object)
        )));
    }
    let declared = match object.getattr_opt("locality")? {
        Some(declared) => declared.extract::<String>()?,
        None => "synapse".into(),
    };
    match declared.as_str() {
        "synapse" => Ok(Locality::Synapse),
        "dendrite" => Ok(Locality::Dendrite),
        "network" => Ok(Locality::Network),
        other => Err(invalid(
            "rule.locality",
            format!("{other:?}"),
            "\"synapse\", \"dendrite\" or \"network\"",
            "It says what the rule's view may show.",
        )),
    }
}

impl<T: Number> PythonRule<T> {
    /// For a network of these sizes.
    pub fn new(py: Python<'_>, object: Py<PyAny>, link: Link, dims: Dims) -> PyResult<Self> {
        if dims.batch != 1 {
            return Err(invalid(
                "batch",
                dims.batch,
                "1 with a rule written in Python",
                "Batches are for rules in Rust.",
            ));
        }
        let bound = object.bind(py);
        let locality = locality_of(bound)?;
        let name = kind_of(bound);
        let class = match locality {
            Locality::Network => "GlobalView",
            _ => "LocalView",
        };
        Ok(Self {
            view: py.import("apical._view")?.getattr(class)?.unbind(),
            link,
            dims,
            locality,
            name,
            object,
            number: std::marker::PhantomData,
        })
    }

    /// Name of its class.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn show<'py>(&self, py: Python<'py>, view: &View<'_, T>) -> PyResult<Bound<'py, PyAny>> {
        let Dims {
            units,
            states,
            currents,
            ..
        } = self.dims;
        let shown = PyDict::new(py);
        let vector = |values: &[T]| array(py, values, &[values.len()]);
        // Axes of length one are left out.
        let stack = |parts: &mut dyn Iterator<Item = &[T]>, axes: &[usize]| {
            let values: Vec<T> = parts.flatten().copied().collect();
            let axes = axes.iter().copied().filter(|k| *k > 1).chain([units]);
            array(py, &values, &axes.collect::<Vec<_>>())
        };
        let pairs = |a: usize, b: usize| (0..a).flat_map(move |i| (0..b).map(move |j| (i, j)));
        shown.set_item("pre", vector(&view.pre(0)[..self.dims.pre()])?)?;
        shown.set_item("rate", vector(view.rate(0))?)?;
        shown.set_item("rate_before", vector(view.rate_before(0))?)?;
        let local = view.local();
        let mut each = (0..states).map(|s| local.state(s, 0));
        shown.set_item("state", stack(&mut each, &[states])?)?;
        let mut each = (0..states).map(|s| local.state_before(s, 0));
        shown.set_item("state_before", stack(&mut each, &[states])?)?;
        let mut each = pairs(states, states).map(|(s, before)| local.own(s, before, 0));
        shown.set_item("own", stack(&mut each, &[states, states])?)?;
        let mut each = pairs(states, currents).map(|(s, g)| local.gain(s, g, 0));
        shown.set_item("gain", stack(&mut each, &[states, currents])?)?;
        let mut each = (0..states).map(|s| local.slope(s, 0));
        shown.set_item("slope", stack(&mut each, &[states])?)?;
        let mut each = (0..states).map(|s| local.slope_before(s, 0));
        shown.set_item("slope_before", stack(&mut each, &[states])?)?;
        shown.set_item("target", vector(view.target(0))?)?;
        shown.set_item("loss", view.loss(0).f64())?;
        shown.set_item("first", view.is_first())?;
        if self.locality == Locality::Network {
            let weights = view.synapses().weights();
            shown.set_item("weights", matrix(py, weights)?)?;
            shown.set_item("readout", matrix(py, view.network().readout())?)?;
            let size = states * units;
            let mut jacobian = Vec::with_capacity(size * size);
            for row in 0..size {
                jacobian.extend((0..size).map(|column| view.jacobian(0, row, column)));
            }
            shown.set_item("jacobian", array(py, &jacobian, &[size, size])?)?;
        }
        self.view.bind(py).call1((shown,))
    }

    fn gradient(
        &self,
        py: Python<'_>,
        view: &View<'_, T>,
        signal: &[T],
        gradient: &mut Matrix<T>,
    ) -> PyResult<()> {
        let shown = self.show(py, view)?;
        let credit = array(py, &signal[..self.dims.units], &[self.dims.units])?;
        let returned = self.object.bind(py).call_method1("step", (shown, credit))?;
        if returned.is_none() {
            return Ok(());
        }
        let field = format!("{}.step", self.name);
        let given = numbers::<T>(&returned, &field)?;
        let expected = [gradient.rows(), gradient.columns()];
        let what = "units x (units + inputs + 1), a gradient for each synapse";
        expect_shape(&field, given.shape(), &expected, what)?;
        let values = slice(&given)?;
        expect_finite_at(&field, values, given.shape())?;
        for (i, row) in values.chunks_exact(expected[1]).enumerate() {
            let sums = gradient.row_mut(i).iter_mut().zip(row);
            sums.for_each(|(sum, value)| *sum += *value);
        }
        Ok(())
    }

    /// Whose the numbers of an attribute with these sides are.
    fn owner(&self, sides: &[u64]) -> Owner {
        let (units, pre) = (self.dims.units as u64, self.dims.pre() as u64);
        match sides {
            [] => Owner::Broadcast,
            [n] if *n == units => Owner::Unit,
            [n, m] if (*n, *m) == (units, pre) => Owner::Synapse { current: 0 },
            _ => Owner::Network,
        }
    }
}

impl<T: Number> Rule<T> for PythonRule<T> {
    fn reset(&mut self) {
        let result = Python::attach(|py| {
            let object = self.object.bind(py);
            match object.hasattr("reset")? {
                true => object.call_method0("reset").map(|_| ()),
                false => Ok(()),
            }
        });
        if let (Err(error), Ok(mut late)) = (result, self.link.0.late.lock()) {
            late.get_or_insert(error);
        }
    }

    fn step(
        &mut self,
        view: &View<'_, T>,
        signal: &[T],
        gradient: &mut Matrix<T>,
    ) -> apical::Result<()> {
        self.link.late().map_err(apical::Error::other)?;
        Python::attach(|py| self.gradient(py, view, signal, gradient)).map_err(apical::Error::other)
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> apical::Result<()> {
        let mut apart = self.link.0.apart.load(Ordering::Acquire);
        io.of(Owner::Broadcast).flag("*apart", &mut apart)?;
        if apart {
            return Ok(());
        }
        let mut kept = match io.is_restoring() {
            true => BTreeMap::new(),
            false => Python::attach(|py| self.kept(py)).map_err(apical::Error::other)?,
        };
        let mut names: Vec<u64> = kept
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
            .bytes()
            .map(u64::from)
            .collect();
        // A star is in no name of Python's.
        io.of(Owner::Broadcast)
            .word_list("*names", &mut names, Length::Any)?;
        let names: Vec<u8> = names.iter().map(|byte| *byte as u8).collect();
        let names = String::from_utf8_lossy(&names).into_owned();
        for name in names.lines() {
            let kept = kept.entry(name.to_string()).or_default();
            let shape = format!("*shape.{name}");
            io.of(Owner::Broadcast)
                .word_list(&shape, &mut kept.shape, Length::Any)?;
            let length = self.length(&kept.shape);
            let expected = || "a kind of attribute and sides that fit in memory".into();
            io.require(&shape, length.is_some(), expected)?;
            let length = Length::Exactly(length.unwrap_or(0));
            let io = io.of(self.owner(kept.shape.get(1..).unwrap_or_default()));
            match kept.shape.first() {
                Some(&INT | &INTS) => {
                    io.word_list(&format!("*whole.{name}"), &mut kept.whole, length)?
                }
                _ => io.word_list(name, &mut kept.values, length)?,
            }
        }
        if io.is_restoring() {
            Python::attach(|py| self.put_back(py, &kept)).map_err(apical::Error::other)?;
        }
        Ok(())
    }
}

/// An attribute: the code of its type and its sides, and its numbers with rows padded.
#[derive(Clone, Default)]
struct Kept {
    shape: Vec<u64>,
    values: Vec<f64>,
    /// The bits of whole numbers, of which a float would drop some.
    whole: Vec<u64>,
}

const FLOAT: u64 = 0;
const INT: u64 = 1;
const BOOL: u64 = 2;
/// Types of arrays, from here on.
const ARRAYS: [&str; 4] = ["float64", "float32", "int64", "bool"];
const FIRST_ARRAY: u64 = 3;
const INTS: u64 = FIRST_ARRAY + 2;

impl<T: Number> PythonRule<T> {
    /// Length of the last axis within a checkpoint: that of rows in the kernels, where the audit looks for them.
    fn stride(&self, shape: &[usize]) -> usize {
        match shape {
            [n] if *n == self.dims.units => padded(*n),
            [n, m] if (*n, *m) == (self.dims.units, self.dims.pre()) => padded(*m),
            _ => shape.last().copied().unwrap_or(1),
        }
    }

    /// How many numbers an attribute of this kind and these sides has in a checkpoint; `None` if there can be none.
    fn length(&self, shape: &[u64]) -> Option<usize> {
        let (code, sides) = shape.split_first()?;
        let sides = sides.iter().map(|side| usize::try_from(*side).ok());
        let sides = sides.collect::<Option<Vec<_>>>()?;
        // Arrays without numbers have sides too.
        let most = |all: usize, side: &usize| all.checked_mul((*side).max(1));
        sides.iter().try_fold(1, most)?;
        if *code < FIRST_ARRAY {
            return sides.is_empty().then_some(1);
        }
        let known = *code < FIRST_ARRAY + ARRAYS.len() as u64;
        let row = sides.last().copied().unwrap_or(1).max(1);
        let rows = sides.iter().product::<usize>() / row;
        rows.checked_mul(self.stride(&sides)).filter(|_| known)
    }

    fn kept(&self, py: Python<'_>) -> PyResult<BTreeMap<String, Kept>> {
        let mut all = BTreeMap::new();
        let object = self.object.bind(py);
        let Some(attributes) = object.getattr_opt("__dict__")? else {
            return Ok(all);
        };
        for (name, value) in attributes.cast::<PyDict>()? {
            let name: String = name.extract()?;
            let plain = if value.is_instance_of::<PyBool>() {
                Some(BOOL)
            } else if value.is_instance_of::<PyInt>() {
                Some(INT)
            } else if value.is_instance_of::<PyFloat>() {
                Some(FLOAT)
            } else {
                None
            };
            if let Some(code) = plain {
                let mut kept = Kept {
                    shape: vec![code],
                    ..Kept::default()
                };
                match code {
                    INT => kept.whole.push(whole(&name, &value)?),
                    BOOL => kept
                        .values
                        .push(f64::from(u8::from(value.extract::<bool>()?))),
                    _ => kept.values.push(value.extract()?),
                }
                all.insert(name, kept);
                continue;
            }
            if value.is_none() || value.is_instance_of::<PyString>() || value.is_callable() {
                continue;
            }
            let dtype = match value.getattr_opt("dtype")? {
                Some(dtype) => dtype.str()?.to_string(),
                None => String::new(),
            };
            let Some(code) = ARRAYS.iter().position(|known| *known == dtype) else {
                return Err(invalid(
                    format!("rule.{name}"),
                    format!("a {} {dtype}", kind_of(&value))
                        .trim_end()
                        .to_string(),
                    "a number or an array of float64, float32, int64 or bool",
                    "Nothing else has a place in a checkpoint; use copy.deepcopy or pickle for such rules.",
                ));
            };
            let code = FIRST_ARRAY + code as u64;
            let (mut values, mut whole) = (Vec::new(), Vec::new());
            let shape = if code == INTS {
                let flat: Vec<i64> = value.call_method0("ravel")?.extract()?;
                let shape: Vec<usize> = value.getattr("shape")?.extract()?;
                let bits: Vec<u64> = flat.iter().map(|v| v.cast_unsigned()).collect();
                whole = self.padded(&shape, &bits);
                shape
            } else {
                let given = numbers::<f64>(&value, &name)?;
                let shape = given.shape().to_vec();
                values = self.padded(&shape, slice(&given)?);
                shape
            };
            let shape = [code]
                .into_iter()
                .chain(shape.iter().map(|side| *side as u64));
            let shape = shape.collect();
            all.insert(
                name,
                Kept {
                    shape,
                    values,
                    whole,
                },
            );
        }
        Ok(all)
    }

    /// Numbers row by row, with the room between rows that a checkpoint has.
    fn padded<V: Copy + Default>(&self, shape: &[usize], values: &[V]) -> Vec<V> {
        let row = shape.last().copied().unwrap_or(1).max(1);
        let stride = self.stride(shape);
        let mut all = Vec::new();
        for part in values.chunks(row) {
            all.extend_from_slice(part);
            all.resize(all.len() + stride - row.min(stride), V::default());
        }
        all
    }

    /// The numbers without that room.
    fn dense<V: Copy>(&self, shape: &[usize], values: &[V]) -> Vec<V> {
        let row = shape.last().copied().unwrap_or(1).max(1);
        let rows = values.chunks(self.stride(shape).max(1));
        rows.flat_map(|part| part[..row].to_vec()).collect()
    }

    fn put_back(&self, py: Python<'_>, all: &BTreeMap<String, Kept>) -> PyResult<()> {
        let object = self.object.bind(py);
        // An array that was not there yet is not there again.
        if let Some(attributes) = object.getattr_opt("__dict__")? {
            for (name, value) in attributes.cast::<PyDict>()?.copy()? {
                if value.hasattr("dtype")? && !all.contains_key(&name.extract::<String>()?) {
                    object.setattr(name.cast::<PyString>()?, py.None())?;
                }
            }
        }
        for (name, kept) in all {
            let Kept {
                shape,
                values,
                whole,
            } = kept;
            let code = shape.first().copied().unwrap_or(FLOAT);
            let value = values.first().copied().unwrap_or(0.0);
            match code {
                FLOAT => object.setattr(name, value)?,
                INT => object.setattr(name, whole.first().map_or(0, |bits| bits.cast_signed()))?,
                BOOL => object.setattr(name, value != 0.0)?,
                _ => {
                    let sides: Vec<usize> = shape[1..].iter().map(|side| *side as usize).collect();
                    if code == INTS {
                        let flat = self.dense(&sides, whole);
                        let flat: Vec<i64> = flat.iter().map(|bits| bits.cast_signed()).collect();
                        let flat = numpy::PyArray1::from_vec(py, flat);
                        object.setattr(name, flat.reshape(sides)?)?;
                        continue;
                    }
                    let flat = self.dense(&sides, values);
                    let dtype = ARRAYS
                        .get((code - FIRST_ARRAY) as usize)
                        .unwrap_or(&"float64");
                    let restored = array(py, &flat, &sides)?.call_method1("astype", (*dtype,))?;
                    object.setattr(name, restored)?;
                }
            }
        }
        Ok(())
    }
}

/// The bits of a whole number.
fn whole(name: &str, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    let number = value.extract::<i64>().map_err(|_| {
        invalid(
            format!("rule.{name}"),
            "a whole number beyond 64 bits",
            "one between -2^63 and 2^63 - 1",
            "A checkpoint has no room for more; keep it as a float.",
        )
    })?;
    Ok(number.cast_unsigned())
}

/// Audits a rule written in Python: whether its synapses see only what `locality` allows. A verdict as JSON.
#[pyfunction]
pub fn audit(py: Python<'_>, factory: Py<PyAny>, cases: u64, seed: u64) -> PyResult<String> {
    const SHAPE: Shape = Shape {
        units: (2, 5),
        steps: (2, 6),
        batch: (1, 1),
        kinks: false,
        // Arrays of a view have one shape more where units have several states, which few rules in Python are written for.
        kind: Kind::Plain,
        loops: false,
    };
    guarded(|| {
        let declared = locality_of(factory.bind(py).call0()?.as_any())?;
        let local = RuleSpec::by_name("rflo").map_err(raise_core)?;
        let mut drawn = Vec::new();
        for k in 0..cases {
            let case = Case::served(seed.wrapping_add(k), SHAPE, &local).map_err(raise_core)?;
            drawn.push(case);
        }
        let build = |site: &apical::rule::Site<'_, f64>| {
            let rule = Python::attach(|py| {
                let object = factory.bind(py).call0()?.unbind();
                PythonRule::<f64>::new(py, object, Link::default(), site.network.dims())
            });
            let rule = rule.map_err(apical::Error::other)?;
            Ok(Box::new(rule) as Box<dyn Rule<f64>>)
        };
        let verdict = apical::check::audit(&build, declared, &drawn, &AtomicBool::new(false));
        let verdict = verdict.map_err(raise_core)?;
        Ok(serde_json::to_string(&verdict).unwrap_or_default())
    })
}
