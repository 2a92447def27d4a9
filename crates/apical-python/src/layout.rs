//! Where the numbers of a learner lie: arrays without padding on the outside, padded rows within.

use apical::Learner;
use apical::kernel::Matrix;
use apical::network::Dims;
use apical::snapshot::{Array, Layout, Parts};
use numpy::{PyArray1, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Number, array, expect_finite, expect_shape, numbers, slice};

/// A window into the memory of a learner, read through NumPy's array interface; it keeps the learner alive.
///
/// The buffers of a learner are made once and never move, so that the address stays good.
#[pyclass(frozen, module = "apical._core")]
pub struct View {
    interface: Py<PyDict>,
    _learner: Py<PyAny>,
}

#[pymethods]
impl View {
    #[getter]
    fn __array_interface__(&self, py: Python<'_>) -> Py<PyDict> {
        self.interface.clone_ref(py)
    }
}

impl View {
    /// A read-only window onto `place`.
    pub fn new(py: Python<'_>, learner: Py<PyAny>, place: &Place, dtype: &str) -> PyResult<Self> {
        let size = if dtype == "float32" { 4 } else { 8 };
        let bytes: Vec<usize> = place.strides.iter().map(|stride| stride * size).collect();
        let interface = PyDict::new(py);
        interface.set_item("data", (place.address, true))?;
        interface.set_item("shape", pyo3::types::PyTuple::new(py, &place.shape)?)?;
        interface.set_item("strides", pyo3::types::PyTuple::new(py, bytes)?)?;
        interface.set_item("typestr", format!("<f{size}"))?;
        interface.set_item("version", 3)?;
        Ok(Self {
            interface: interface.unbind(),
            _learner: learner,
        })
    }
}

/// An array inside a learner.
pub struct Place {
    address: usize,
    shape: Vec<usize>,
    /// In numbers, not bytes.
    strides: Vec<usize>,
}

/// Names of what [`locate`] finds.
pub const PLACES: [&str; 12] = [
    "W_rec",
    "W_in",
    "b_rec",
    "W_out",
    "b_out",
    "initial_state",
    "state",
    "rate",
    "output",
    "signal",
    "gradient",
    "readout_gradient",
];

/// Where the array `name` is.
pub fn locate<T: Number>(learner: &mut Learner<T>, name: &str) -> Option<Place> {
    let dims = learner.network().dims();
    let Dims {
        batch,
        units,
        inputs,
        outputs,
        states,
        ..
    } = dims;
    let block = |matrix: &Matrix<T>, from: usize, columns: Option<usize>| Place {
        address: matrix.data()[from..].as_ptr() as usize,
        shape: [matrix.rows()].into_iter().chain(columns).collect(),
        strides: match columns {
            Some(_) => vec![matrix.stride(), 1],
            None => vec![matrix.stride()],
        },
    };
    // Samples of a batch of one have no axis of their own.
    let planes = |values: &[T], count: Option<usize>| {
        let samples = (batch > 1).then_some((batch, dims.sample()));
        let planes = count.filter(|c| *c > 1).map(|c| (c, dims.plane()));
        let axes = planes.into_iter().chain(samples).chain([(units, 1)]);
        let (shape, strides) = axes.unzip();
        Place {
            address: values.as_ptr() as usize,
            shape,
            strides,
        }
    };
    let weights = learner.network().synapses().weights();
    let readout = learner.network().readout();
    Some(match name {
        "W_rec" => block(weights, 0, Some(units)),
        "W_in" => block(weights, units, Some(inputs)),
        "b_rec" => block(weights, units + inputs, None),
        "W_out" => block(readout, 0, Some(units)),
        "b_out" => block(readout, units, None),
        "initial_state" => {
            let initial = learner.network_mut().initial_mut();
            let mut place = block(initial, 0, Some(units));
            if states == 1 {
                (place.shape, place.strides) = (vec![units], vec![1]);
            }
            place
        }
        "state" => planes(&learner.activity().state, Some(states)),
        "rate" => planes(&learner.activity().rate, None),
        "signal" => planes(learner.feedback_signal(), None),
        "output" => {
            let output = &learner.activity().output;
            let mut place = block(output, 0, Some(outputs));
            if batch == 1 {
                (place.shape, place.strides) = (vec![outputs], vec![1]);
            }
            place
        }
        "gradient" => block(learner.gradient(), 0, Some(dims.pre())),
        "readout_gradient" => block(learner.readout_gradient(), 0, Some(units + 1)),
        _ => return None,
    })
}

/// How an array of a snapshot is laid out, as its component declares it.
pub fn layout(parts: &Parts, name: &str, stored: &Array) -> Layout {
    let flat = Layout::vector(stored.len(), stored.len());
    parts.get(name).map_or(flat, |part| part.layout)
}

/// The array without padding.
pub fn unpack<'py>(py: Python<'py>, layout: Layout, stored: &Array) -> PyResult<Bound<'py, PyAny>> {
    match stored {
        Array::F32(v) => array(py, &layout.unpack(v), &layout.shape()),
        Array::F64(v) => array(py, &layout.unpack(v), &layout.shape()),
        Array::U64(v) => Ok(PyArray1::from_slice(py, v).into_any()),
    }
}

/// Puts an array without padding in the place of `stored`.
pub fn pack(
    name: &str,
    value: &Bound<'_, PyAny>,
    layout: Layout,
    stored: &mut Array,
) -> PyResult<()> {
    fn set<T: Number>(
        name: &str,
        value: &Bound<'_, PyAny>,
        layout: Layout,
        stored: &mut [T],
    ) -> PyResult<()> {
        let given = numbers::<T>(value, name)?;
        expect_shape(name, given.shape(), &layout.shape(), "as it is now")?;
        let values = slice(&given)?;
        expect_finite(name, values, values.len())?;
        layout.pack(values.iter().copied(), stored);
        Ok(())
    }
    match stored {
        Array::F32(stored) => set(name, value, layout, stored),
        Array::F64(stored) => set(name, value, layout, stored),
        Array::U64(_) => Err(crate::error::invalid(
            name,
            "an array",
            "nothing: counters and positions of random streams are not set from outside",
            "Use apical.load for a whole checkpoint.",
        )),
    }
}
