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
use pyo3::types::{PyFloat, PyInt, PyList, PyTuple};

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

/// Whether NumPy alone reads a value; frames, series and dictionaries have names.
pub fn is_plain(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyUntypedArray>()
        || value.is_instance_of::<PyList>()
        || value.is_instance_of::<PyTuple>()
        || value.is_instance_of::<PyFloat>()
        || value.is_instance_of::<PyInt>()
}

/// A contiguous array of numbers; borrowed if it is one already.
pub fn numbers<'py, T: Number>(
    value: &Bound<'py, PyAny>,
    field: &str,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    // A subclass may mean more than its numbers.
    if value.is_exact_instance_of::<PyUntypedArray>()
        && let Some(array) = borrowed(value)
    {
        return Ok(array);
    }
    let py = value.py();
    let numpy = py.import(intern!(py, "numpy"))?;
    let mut array = None;
    if is_plain(value)
        && let Ok(read) = numpy.call_method1(intern!(py, "asarray"), (value,))
    {
        if let Some(array) = borrowed(&read) {
            return Ok(array);
        }
        let kind: String = read.getattr("dtype")?.getattr("kind")?.extract()?;
        array = matches!(kind.as_str(), "f" | "i" | "u" | "b").then_some(read);
    }
    let array = match array {
        Some(array) => array,
        // Slower, and for any type of number; says what is wrong.
        None => py
            .import(intern!(py, "apical._arrays"))?
            .call_method1(intern!(py, "plain"), (field, value))?,
    };
    if let Ok(wide) = array.cast::<PyArrayDyn<f64>>() {
        return narrowed(wide, field);
    }
    let array = numpy.call_method1(intern!(py, "ascontiguousarray"), (array, T::DTYPE))?;
    Ok(array.cast_into::<PyArrayDyn<T>>()?.readonly())
}

fn borrowed<'py, T: Number>(value: &Bound<'py, PyAny>) -> Option<PyReadonlyArrayDyn<'py, T>> {
    let array = value.cast::<PyArrayDyn<T>>().ok()?;
    array.is_c_contiguous().then(|| array.readonly())
}

/// A copy of numbers of 64 bits; those too large for `T` are refused.
fn narrowed<'py, T: Number>(
    wide: &Bound<'py, PyArrayDyn<f64>>,
    field: &str,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    let given = wide.readonly();
    let given = given.as_array();
    let values: Vec<T> = given.iter().map(|value| T::of(*value)).collect();
    let lost = |(narrow, wide): (&T, &f64)| wide.is_finite() && !narrow.finite();
    if let Some(k) = values.iter().zip(given.iter()).position(lost) {
        let value = given.iter().nth(k).copied().unwrap_or(f64::NAN);
        return Err(invalid(
            field,
            format!("{value:e} as element {k}"),
            format!("numbers that {} can hold", T::DTYPE),
            "Scale the data, or build the network with dtype=\"float64\".",
        ));
    }
    let array = PyArray1::from_vec(wide.py(), values).reshape(wide.shape().to_vec())?;
    Ok(array.readonly())
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

/// A text, for example `example`.
pub fn word(field: &str, value: &Bound<'_, PyAny>, example: &str) -> PyResult<String> {
    value.extract().map_err(|_| {
        let kind = kind_of(value);
        PyTypeError::new_err(format!(
            "{field}: got a {kind}, expected a name. Write for example {field}={example:?}."
        ))
    })
}

/// Name of the type of a value.
pub fn kind_of(value: &Bound<'_, PyAny>) -> String {
    value
        .get_type()
        .name()
        .map_or_else(|_| "something".into(), |name| name.to_string())
}
