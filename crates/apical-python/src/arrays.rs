//! Arrays in and out: what fits is borrowed, what can be converted is, the rest is refused with the reason.

use apical::Scalar;
use apical::kernel::Matrix;
use numpy::{
    Element, PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::error::{invalid, raise_core};

/// A number type of learners and of arrays.
pub trait Number: Scalar + Element {
    /// Name in NumPy.
    const DTYPE: &'static str;
}

impl Number for f32 {
    const DTYPE: &'static str = "float32";
}

impl Number for f64 {
    const DTYPE: &'static str = "float64";
}

/// A contiguous array of numbers; borrowed if it is one already.
pub fn numbers<'py, T: Number>(
    value: &Bound<'py, PyAny>,
    field: &str,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    // A subclass may mean more than its numbers.
    if value.is_exact_instance_of::<PyUntypedArray>()
        && let Ok(array) = value.cast::<PyArrayDyn<T>>()
        && array.is_c_contiguous()
    {
        return Ok(array.readonly());
    }
    let py = value.py();
    let numpy = py.import(intern!(py, "numpy"))?;
    if value.is_instance(&numpy.getattr(intern!(py, "ma"))?.getattr("MaskedArray")?)? {
        return Err(PyTypeError::new_err(format!(
            "{field}: got a masked array, expected a plain one. Write {field}.filled(0.0), and mask= for what does not count."
        )));
    }
    let array = numpy
        .call_method1(intern!(py, "asarray"), (value,))
        .map_err(|error| {
            PyTypeError::new_err(format!(
                "{field}: got {}, expected an array of numbers: {}. Hand in a NumPy array or nested lists of equal lengths.",
                kind_of(value),
                error.value(py)
            ))
        })?;
    let dtype = array.getattr("dtype")?;
    let kind: String = dtype.getattr("kind")?.extract()?;
    if !matches!(kind.as_str(), "f" | "i" | "u" | "b") {
        let mend = match kind.as_str() {
            "c" => "Take its real part, for example x.real.",
            "O" => "Make all rows equally long and all entries numbers.",
            _ => "Convert it to numbers first.",
        };
        return Err(PyTypeError::new_err(format!(
            "{field}: got an array of {dtype}, expected numbers ({}). {mend}",
            T::DTYPE
        )));
    }
    let array = numpy.call_method1(intern!(py, "ascontiguousarray"), (array, T::DTYPE))?;
    Ok(array.cast_into::<PyArrayDyn<T>>()?.readonly())
}

/// The numbers of an array that [`numbers`] gave.
pub fn slice<'a, T: Number>(array: &'a PyReadonlyArrayDyn<'_, T>) -> PyResult<&'a [T]> {
    Ok(array.as_slice()?)
}

/// Refuses an array of another shape; `what` says what its sides are.
pub fn expect_shape(field: &str, got: &[usize], expected: &[usize], what: &str) -> PyResult<()> {
    if got == expected {
        return Ok(());
    }
    Err(invalid(
        field,
        format!("shape {}", shape_text(got)),
        format!("{} ({what})", shape_text(expected)),
        "Hand in an array of that shape, or build the network for this one.",
    ))
}

/// As Python writes a shape.
pub fn shape_text(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => {
            let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!("({})", sides.join(", "))
        }
    }
}

/// Refuses NaN and infinities; `row` numbers make a step.
pub fn expect_finite<T: Number>(field: &str, values: &[T], row: usize) -> PyResult<()> {
    let mut probe = T::ZERO;
    for value in values {
        probe += *value * T::ZERO;
    }
    if probe.finite() {
        return Ok(());
    }
    let at = values.iter().position(|v| !v.finite()).unwrap_or(0);
    Err(raise_core(apical::Error::NotFinite {
        field: field.into(),
        index: at % row.max(1),
        value: values[at].f64(),
        step: (at / row.max(1)) as u64,
    }))
}

/// Refuses NaN and infinities in an array that is no sample; the index has the array's axes.
pub fn expect_finite_at<T: Number>(field: &str, values: &[T], shape: &[usize]) -> PyResult<()> {
    let Some(at) = values.iter().position(|v| !v.finite()) else {
        return Ok(());
    };
    let mut rest = at;
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|side| {
            let k = rest % side.max(&1);
            rest /= side.max(&1);
            k
        })
        .collect();
    index.reverse();
    Err(invalid(
        field,
        format!("{} at {}", values[at].f64(), shape_text(&index)),
        "finite numbers",
        "Nothing was changed; mend this number.",
    ))
}

/// A new array with these numbers and this shape.
pub fn array<'py, T: Number>(
    py: Python<'py>,
    values: &[T],
    shape: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    let flat = PyArray1::from_slice(py, values);
    Ok(flat.reshape(shape.to_vec())?.into_any())
}

/// A new array with the numbers of a matrix, without its padding.
pub fn matrix<'py, T: Number>(py: Python<'py>, matrix: &Matrix<T>) -> PyResult<Bound<'py, PyAny>> {
    array(py, &flat(matrix), &[matrix.rows(), matrix.columns()])
}

/// The numbers of a matrix, row after row, without padding.
pub fn flat<T: Scalar>(matrix: &Matrix<T>) -> Vec<T> {
    let mut values = Vec::with_capacity(matrix.rows() * matrix.columns());
    for i in 0..matrix.rows() {
        values.extend_from_slice(matrix.row(i));
    }
    values
}

/// Sets a matrix from numbers row after row.
pub fn fill<T: Scalar>(matrix: &mut Matrix<T>, values: &[T]) {
    let columns = matrix.columns();
    for (i, row) in values.chunks_exact(columns).enumerate() {
        matrix.row_mut(i).copy_from_slice(row);
    }
}

/// Name of the type of a value.
pub fn kind_of(value: &Bound<'_, PyAny>) -> String {
    value
        .get_type()
        .name()
        .map_or_else(|_| "something".into(), |name| name.to_string())
}
