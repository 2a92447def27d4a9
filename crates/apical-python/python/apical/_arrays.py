"""What is handed in, as arrays of numbers: lists, frames, series, dictionaries, numbers of any type."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Optional

import numpy as np

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


def plain(field: str, value: Any) -> np.ndarray:
    """An array of numbers; what is missing (None, NA) is NaN."""
    return table(field, value)[0]


def table(field: str, value: Any) -> tuple[np.ndarray, Optional[list]]:
    """An array of numbers, and the names of its columns if it has any."""
    if type(value) is np.ndarray and value.dtype.kind in "fiub":
        return value, None
    if value is None or isinstance(value, (str, bytes, set, frozenset)):
        shown = repr(value) if isinstance(value, (str, bytes)) and len(value) <= 40 else f"a {type(value).__name__}"
        mend = "A set has no order: hand in a list." if isinstance(value, (set, frozenset)) else "Hand in a NumPy array or nested lists."
        raise TypeError(f"{field}: got {shown}, expected an array of numbers. {mend}")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{field}: got a masked array, expected a plain one. Write {field}.filled(0.0), and mask= for what does not count."
        )
    if isinstance(value, Mapping):
        return _columns(field, list(value), list(value.values()))
    if isinstance(value, np.ndarray) and value.dtype.names:
        return _columns(field, list(value.dtype.names), [value[name] for name in value.dtype.names])
    if hasattr(value, "columns") and hasattr(value, "to_numpy"):
        return _frame(field, value)
    if hasattr(value, "to_numpy"):
        return _series(field, value), None
    try:
        array = np.asarray(value)
    except Exception as error:
        raise _no_array(field, value, error) from None
    return _converted(field, array, value), None


def _no_array(field: str, value: Any, error: Exception) -> Exception:
    """The reason why a value makes no array."""
    if isinstance(value, (list, tuple)):
        lengths = [np.shape(row)[0] if np.ndim(row) else 0 for row in _shapes(value)]
        differ = next((k for k, length in enumerate(lengths) if length != lengths[0]), None)
        if differ is not None:
            rows = f"row 0 has {lengths[0]} entries, row {differ} has {lengths[differ]}"
        else:
            rows = "rows differ in their inner lengths"
        return ValueError(
            f"{field}: got rows that make no array ({rows}), expected equal lengths. Pad or cut them; trials of unequal "
            "length are a list of arrays (steps, numbers), or one array with trials=."
        )
    return TypeError(
        f"{field}: got a {type(value).__name__} that gives no array ({error}), expected an array of numbers. Turn it into a "
        "NumPy array first."
    )


def _shapes(rows: Any) -> list:
    """Stand-ins that have the shapes of rows, as far as rows have one."""
    found = []
    for row in rows:
        try:
            found.append(np.empty(np.shape(row)))
        except ValueError:
            found.append(np.empty(len(row)))
    return found


def _columns(field: str, names: list, columns: list) -> tuple[np.ndarray, list]:
    """Columns by name as an array (rows, columns)."""
    if not names:
        raise ValueError(f"{field}: got no columns, expected at least one. Hand in what the network is to see.")
    arrays = [plain(f"{field}[{name!r}]", column) for name, column in zip(names, columns)]
    shapes = {name: array.shape for name, array in zip(names, arrays)}
    first = names[0]
    for name, shape in shapes.items():
        if shape != shapes[first] or len(shape) > 1:
            raise ValueError(
                f"{field}: got columns of shapes {shapes[first]} ({first!r}) and {shape} ({name!r}), expected columns of equal "
                "length, one number a step. Stack what has more axes into one array first."
            )
    return np.stack(arrays, axis=-1), names


def _frame(field: str, frame: Any) -> tuple[np.ndarray, list]:
    """A data frame, column by column: each has a type of its own."""
    names = list(frame.columns)
    dtypes = list(frame.dtypes)
    if all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in dtypes):
        return frame.to_numpy(), names
    pick = (lambda k: frame.iloc[:, k]) if hasattr(frame, "iloc") else (lambda k: frame[:, k])
    columns = [_series(f"{field}: column {name!r}", pick(k)) for k, name in enumerate(names)]
    return np.stack(columns, axis=-1) if columns else np.empty((len(frame), 0)), names


def _series(field: str, series: Any) -> np.ndarray:
    """A column of a data frame, nullable or not."""
    dtype = getattr(series, "dtype", None)
    if not isinstance(dtype, np.dtype) and getattr(dtype, "kind", "") in ("f", "i", "u", "b"):
        # Types of pandas that know what is missing: NaN says so.
        missing = np.asarray(series.isna()).any()
        array = series.to_numpy(dtype=float, na_value=np.nan) if missing else series.to_numpy()
    else:
        array = series.to_numpy()
    return _converted(field, np.asarray(array), series)


def _converted(field: str, array: np.ndarray, value: Any) -> np.ndarray:
    """Numbers of an array of any type, or what is none."""
    kind = array.dtype.kind
    if kind in "fiub":
        return array
    at, got = (":", "got") if ":" not in field else ("", "has")
    if kind == "c":
        mend = "Take its real part, for example x.real, or real and imaginary part as two inputs."
    elif kind in "mM":
        mend = "Count seconds from a beginning, for example (x - x[0]) / np.timedelta64(1, 's')."
    elif array.ndim == 0:
        if kind == "O" and _number(array[()]) is not None:
            return np.asarray(_number(array[()]))
        mend = "Write list(..) around it." if hasattr(value, "__iter__") else "Hand in a NumPy array or nested lists."
        if hasattr(value, "toarray"):
            mend = "Write .toarray() behind it."
        raise TypeError(f"{field}{at} {got} a {type(value).__name__}, expected an array of numbers. {mend}")
    else:
        return _elements(field, array)
    raise TypeError(f"{field}{at} {got} an array of {array.dtype}, expected numbers. {mend}")


def _elements(field: str, array: np.ndarray) -> np.ndarray:
    """Numbers of an array of objects or texts, one by one."""
    numbers = np.empty(array.size, dtype=float)
    whole = True
    for k, element in enumerate(array.flat):
        number = _number(element)
        if number is None:
            raise _no_number(field, array, k, element)
        whole = whole and isinstance(number, int)
        numbers[k] = number
    numbers = numbers.reshape(array.shape)
    # Whole numbers may be classes.
    return numbers.astype(np.int64) if whole and array.size and np.abs(numbers).max() < 2**53 else numbers


def _number(element: Any) -> Any:
    """An element as a number, NaN if it is missing; None if it is no number."""
    if isinstance(element, (bool, np.bool_, int, np.integer)):
        element = int(element)
        return element if abs(element) < 2**63 else float(min(max(element, -(10**300)), 10**300))
    if isinstance(element, (float, np.floating, Decimal, Fraction)):
        return float(element)
    if element is None or type(element).__name__ in ("NAType", "NaTType"):
        return float("nan")
    if isinstance(element, bytes):
        element = element.decode("utf-8", "replace")
    if isinstance(element, str):
        return float(element) if _NUMBER.fullmatch(element) else None
    if getattr(element, "shape", None) == () and not np.iscomplexobj(element):
        # A number of another library, or an array of one number.
        try:
            return float(element)
        except (TypeError, ValueError):
            return None
    return None


def _no_number(field: str, array: np.ndarray, k: int, element: Any) -> Exception:
    """The reason why an element is no number."""
    index = tuple(int(i) for i in np.unravel_index(k, array.shape))
    if ":" in field:
        place = f"row {index[0]}"
    else:
        place = f"element {index[0]}" if len(index) == 1 else f"row {index[0]}, element {', '.join(map(str, index[1:]))}"
    if isinstance(element, (str, bytes)):
        element = str(element) if isinstance(element, str) else element.decode("utf-8", "replace")
        shown = repr(element if len(element) <= 40 else element[:37] + "...")
        mend = "Turn words into numbers first, for example with np.unique(words, return_inverse=True)[1]."
        if _NUMBER.fullmatch(element.replace(",", ".").replace("\u2212", "-")):
            mend = "Write a decimal point and a plain minus."
        if not element.strip():
            mend = "Fill the gap or drop the row."
    else:
        shown = f"a {type(element).__name__}"
        mend = "Hand in numbers alone."
        if np.iscomplexobj(element):
            mend = "Take its real part."
        elif hasattr(element, "__len__"):
            mend = "Make all rows equally long, for example with np.stack(list(..)); trials of unequal length are a list of arrays."
        elif hasattr(element, "timestamp") or hasattr(element, "total_seconds"):
            mend = "Count seconds from a beginning."
    separator = " has" if ":" in field else ": got"
    return TypeError(f"{field}{separator} {shown} at {place}, expected a number. {mend}")


def cast(field: str, array: np.ndarray, dtype: str) -> np.ndarray:
    """Contiguous numbers of a learner's type."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=dtype)


def expect_finite(
    field: str, array: np.ndarray, given: np.ndarray, names: Optional[list] = None, lead: tuple = ()
) -> None:
    """Refuses NaN and infinities among the steps of `array` (steps, ..), naming step, element and column.

    `given` are the numbers before they took the learner's type, `lead` the axes of trials and steps.
    """
    finite = np.isfinite(array)
    if finite.all():
        return
    index = tuple(int(k) for k in np.argwhere(~finite)[0])
    value = np.asarray(given).reshape(array.shape)[index]
    column = f" (column {names[index[-1]]!r})" if names else ""
    if np.isfinite(value):
        raise ValueError(
            f"{field}: element {index[-1]} is {value} at {step_text(index[0], lead)}{column}, expected a number that "
            f"{array.dtype} can hold. Scale the data, or build the network with dtype=\"float64\"."
        )
    mend = "Fill the gap or drop the step."
    if field == "mask":
        mend = "Give a step that does not count weight 0."
    if field == "Y":
        mend = "Fill the gap, or give it weight 0 by mask=."
    text = "NaN (missing)" if np.isnan(value) else "inf" if value > 0 else "-inf"
    raise ValueError(
        f"{field}: element {index[-1]} is {text} at {step_text(index[0], lead)}{column}, expected a finite number. {mend}"
    )


def step_text(step: int, lead: tuple = ()) -> str:
    """A step, with its trial if there is an axis of trials."""
    if len(lead) == 2:
        return f"step {step % lead[1]} of trial {step // lead[1]}"
    return f"step {step}"


def numbers(field: str, value: Any, dtype: str, axes: int) -> np.ndarray:
    """A copy as a contiguous array, if it is one of finite numbers with so many axes."""
    array = plain(field, value)
    if array.ndim != axes:
        raise ValueError(f"{field}: got shape {array.shape}, expected {axes} axes. Reshape it first.")
    with np.errstate(over="ignore"):
        copied = np.array(array, dtype=dtype, order="C")
    if not np.isfinite(copied).all():
        at = tuple(int(k) for k in np.argwhere(~np.isfinite(copied))[0])
        expected = f"a number that {dtype} can hold" if np.isfinite(array[at]) else "a finite number"
        raise ValueError(f"{field}: element {at} is {array[at]}, expected {expected}. Clean the array first.")
    return copied


def real(field: str, value: Any) -> float:
    """One finite number."""
    number = _number(value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value)
    if number is None or isinstance(value, (str, bytes)):
        shown = repr(value) if isinstance(value, str) and len(value) < 40 else f"a {type(value).__name__}"
        raise TypeError(f"{field}: got {shown}, expected a number. Write for example {field}=0.5.")
    return float(number)


def word(field: str, value: Any, example: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(f"{field}: got a {type(value).__name__}, expected a name. Write for example {field}={example!r}.")
    return value


def file_path(field: str, path: Any) -> str:
    """A path as text."""
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError(
            f"{field}: got a {type(path).__name__}, expected the name of a file. For bytes in memory use pickle.dumps(learner)."
            if field == "path"
            else f"{field}: got a {type(path).__name__}, expected the name of a folder. Write for example {field}=\"runs/mine\"."
        ) from None
