"""Whole sequences as they are handed in: steps, trials, targets and weights, checked before anything is learned."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

import numpy as np

from ._arrays import cast, expect_finite, plain, step_text, table
from ._network import whole

CROSS_ENTROPIES = ("softmax_cross_entropy", "sigmoid_cross_entropy")
# How far probabilities may sum from 1: those printed with two decimals do.
TOLERANCE = 0.02


class Sizes(NamedTuple):
    """What sequences have to fit."""

    inputs: int
    outputs: int
    batch: int
    dtype: str
    loss: str


class Sequences(NamedTuple):
    """Steps one after the other, whatever axes they had."""

    X: np.ndarray
    Y: Optional[np.ndarray]
    mask: Optional[np.ndarray]
    edges: Optional[tuple]
    lead: tuple
    """Axes of trials and steps."""
    lengths: Optional[list]
    """Lengths of trials that were handed in one by one."""


def sequences(sizes: Sizes, X: Any, Y: Any, mask: Any, trials: Any, order: Any = None) -> Sequences:
    """Arrays (steps, ..) of the learner's type and trial edges, or the reason why not.

    `order(field, array, names)` puts named columns into their order.
    """
    order = order or (lambda field, array, names: array)
    lengths = None
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1 and X.size and np.ndim(X[0]):
        # An array of arrays is a list of them.
        X = list(X)
    if _one_by_one(X, sizes):
        lengths, X, Y, mask = _joined(sizes, X, Y, mask, trials)
    X, names = table("X", X)
    X = order("X", X, names)
    X, lead = _inputs(sizes, X, names)
    if len(lead) == 2 and trials is not None:
        raise ValueError(
            f"trials: got a value, expected None, because X of shape {X.shape} has an axis of trials. Leave it out."
        )
    steps = int(np.prod(lead))
    tail = X.shape[len(lead) :]
    given = X.reshape((steps,) + tail)
    X = cast("X", given, sizes.dtype)
    expect_finite("X", X, given, names, lead)
    if mask is not None:
        mask = _weights(sizes, mask, lead, steps)
    if Y is not None:
        Y, names = table("Y", Y)
        Y = _targets(sizes, order("Y", Y, names), mask, lead, names)
    edges = None
    if lengths is not None:
        starts = np.zeros(steps, dtype=bool)
        starts[np.cumsum([0, *lengths[:-1]])] = True
        edges = _edges(starts)
    elif len(lead) == 2:
        edges = edges_of(steps, lead[1])
    elif trials is not None:
        edges = edges_of(steps, trials)
    return Sequences(X, Y, mask, edges, lead, lengths)


# ---- inputs ----


def _one_by_one(X: Any, sizes: Sizes) -> bool:
    """Whether X is a list of trials that differ in length."""
    if not isinstance(X, (list, tuple)) or len(X) < 2 or isinstance(X[0], (int, float, str, bytes)):
        return False
    axes = 2 if sizes.batch == 1 else 3
    try:
        shapes = [np.shape(trial) for trial in X]
    except ValueError:
        return False
    same = {shape[1:] for shape in shapes}
    if sizes.inputs == 1 and same == {()} and sizes.batch == 1:
        axes = 1
    return len({shape[:1] for shape in shapes}) > 1 and len(same) == 1 and all(len(s) == axes for s in shapes)


def _joined(sizes: Sizes, X: Any, Y: Any, mask: Any, trials: Any) -> tuple:
    """Trials of unequal length one after the other."""
    if trials is not None:
        raise ValueError("trials: got a value, expected None, because X is a list of trials. Leave it out.")
    parts = [plain(f"X[{k}]", trial) for k, trial in enumerate(X)]
    lengths = [len(part) for part in parts]
    if 0 in lengths:
        raise ValueError(f"X: got no step in trial {lengths.index(0)}, expected at least one. Leave that trial out.")
    joined = [np.concatenate(parts)]
    for field, values in (("Y", Y), ("mask", mask)):
        if isinstance(values, (list, tuple)) and len(values) == len(X):
            arrays = [plain(f"{field}[{k}]", trial) for k, trial in enumerate(values)]
            for k, array in enumerate(arrays):
                if array.shape[:1] != (lengths[k],):
                    raise ValueError(
                        f"{field}[{k}]: got shape {array.shape}, expected {lengths[k]} steps, as X[{k}] has. Give a row for every step."
                    )
            values = np.concatenate(arrays)
        joined.append(values)
    return (lengths, *joined)


def _inputs(sizes: Sizes, X: np.ndarray, names: Optional[list]) -> tuple:
    """X with its axis of inputs, and the axes before the sample."""
    tail = (sizes.inputs,) if sizes.batch == 1 else (sizes.batch, sizes.inputs)
    if sizes.inputs == 1 and X.ndim == len(tail) and X.shape[1:] == tail[:-1]:
        # One input needs no axis.
        X = X[..., None]
    lead = X.shape[: X.ndim - len(tail)]
    if len(lead) in (1, 2) and X.shape[len(lead) :] == tail:
        return X, lead
    sides = "inputs of the network" if sizes.batch == 1 else "batch x inputs of the network"
    mend = "Hand in an array of that shape, or build the network for this one."
    if names is not None:
        mend = f"Select the columns that are inputs; it has {', '.join(repr(name) for name in names[:8])}{', ..' if len(names) > 8 else ''}."
    elif X.ndim == 2 and sizes.batch == 1 and X.shape[0] == sizes.inputs:
        mend = "Steps go down, inputs across: did you mean X.T?"
    elif X.ndim == 3 and sizes.batch == 1 and X.shape[1] == sizes.inputs:
        mend = "Inputs are the last axis: did you mean X.swapaxes(1, 2)?"
    elif X.shape == tail:
        mend = "For one step write X[None], or use learn_one and predict_one."
    elif X.ndim == 2 and sizes.inputs == 1 and sizes.batch == 1:
        mend = "If these are trials of one input, write X[..., None]."
    raise ValueError(
        f"X: got shape {X.shape}, expected (steps, {', '.join(map(str, tail))}) ({sides}), or trials in front. {mend}"
    )


# ---- weights and targets ----


def _weights(sizes: Sizes, mask: Any, lead: tuple, steps: int) -> np.ndarray:
    """The weight of each output at each step."""
    outputs = (sizes.outputs,) if sizes.batch == 1 else (sizes.batch, sizes.outputs)
    mask = plain("mask", mask)
    shape = mask.shape
    if mask.shape == lead:
        mask = mask.reshape(lead + (1,) * len(outputs))
    if mask.shape not in (lead + outputs, lead + (1,) * len(outputs), lead + outputs[:-1] + (1,)):
        raise ValueError(f"mask: got shape {shape}, expected {lead} or {lead + outputs}, as Y. Weigh each step or each output.")
    given = np.broadcast_to(mask, lead + outputs).reshape((steps,) + outputs)
    mask = cast("mask", given, sizes.dtype)
    expect_finite("mask", mask, given, None, lead)
    if (mask < 0).any():
        at = tuple(int(k) for k in np.argwhere(mask < 0)[0])
        raise ValueError(
            f"mask: got {mask[at]} at {step_text(at[0], lead)}, expected weights of 0 or more. A negative weight would raise "
            "the loss; 0 leaves an output out."
        )
    return mask


def _targets(
    sizes: Sizes, Y: np.ndarray, mask: Optional[np.ndarray], lead: tuple, names: Optional[list]
) -> np.ndarray:
    """Targets (steps, ..) that the loss has a meaning for; those of weight 0 may be anything."""
    outputs = (sizes.outputs,) if sizes.batch == 1 else (sizes.batch, sizes.outputs)
    steps = int(np.prod(lead))
    if Y.shape == lead + outputs[:-1] or (sizes.outputs > 1 and Y.shape == lead + outputs[:-1] + (1,)):
        if sizes.outputs == 1:
            Y = Y[..., None]
        else:
            # One number a step: which of the outputs is right.
            Y = one_hot(sizes, Y.reshape((steps,) + outputs[:-1]), mask, lead)
            return cast("Y", Y, sizes.dtype)
    if Y.shape != lead + outputs:
        mend = "Give a target for every step; mask= leaves steps out."
        if Y.T.shape == lead + outputs:
            mend = "Steps go down, outputs across: did you mean Y.T?"
        raise ValueError(
            f"Y: got shape {Y.shape}, expected {lead + outputs}: X has {' x '.join(map(str, lead))} steps, the network "
            f"{sizes.outputs} outputs. {mend}"
        )
    given = Y.reshape((steps,) + outputs)
    Y = cast("Y", given, sizes.dtype)
    if mask is not None:
        Y = without_masked(sizes, Y, mask)
    expect_finite("Y", Y, given, names, lead)
    expect_probabilities(sizes, Y, mask, lead)
    return Y


def counted(sizes: Sizes, mask: np.ndarray) -> np.ndarray:
    """Which targets count; the outputs of a softmax are one choice and count together."""
    if sizes.loss == "softmax_cross_entropy":
        return np.broadcast_to(mask.any(axis=-1, keepdims=True), mask.shape)
    return mask != 0


def without_masked(sizes: Sizes, Y: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Targets with 0 where they do not count and would have no meaning."""
    unknown = ~np.isfinite(Y)
    if sizes.loss in CROSS_ENTROPIES:
        unknown |= (Y < 0) | (Y > 1)
    unknown &= ~counted(sizes, mask)
    return np.where(unknown, Y.dtype.type(0), Y) if unknown.any() else Y


def expect_probabilities(sizes: Sizes, Y: np.ndarray, mask: Optional[np.ndarray], lead: tuple = ()) -> None:
    """Refuses targets that a cross-entropy has no meaning for."""
    if sizes.loss not in CROSS_ENTROPIES:
        return
    outside = (Y < 0) | (Y > 1)
    if outside.any():
        at = tuple(int(k) for k in np.argwhere(outside)[0])
        raise ValueError(
            f"Y: element {at[-1]} is {Y[at]} at {step_text(at[0], lead)}, expected a probability in [0, 1], as {sizes.loss} needs. "
            'Use one-hot labels or probabilities, or loss="mean_squared_error".'
        )
    if sizes.loss != "softmax_cross_entropy":
        return
    sums = Y.sum(axis=-1, dtype=float)
    wrong = np.abs(sums - 1) > TOLERANCE
    if mask is not None:
        weight = mask.mean(axis=-1)
        # Zeros of less than full weight are steps without a label, as those of `delayed_match` before its report.
        wrong &= (weight > 0) & (Y.any(axis=-1) | (weight >= 1))
    if not wrong.any():
        return
    at = tuple(int(k) for k in np.argwhere(wrong)[0])
    if not Y[at].any():
        raise ValueError(
            f"Y: all targets are 0 at {step_text(at[0], lead)}, expected a sum of 1, as softmax_cross_entropy needs. A step without "
            "a label needs weight 0, for example mask=Y.any(axis=-1)."
        )
    raise ValueError(
        f"Y: targets sum to {sums[at]:.6g} at {step_text(at[0], lead)}, expected 1, as softmax_cross_entropy needs. Use one-hot "
        'labels or divide each row by its sum; for outputs that are right or wrong on their own take loss="sigmoid_cross_entropy".'
    )


def one_hot(
    sizes: Sizes, labels: np.ndarray, mask: Optional[np.ndarray] = None, lead: tuple = (), field: str = "Y"
) -> np.ndarray:
    """Whole numbers from 0 on as targets of a softmax; a label of weight 0 may be anything."""
    count = sizes.outputs
    if sizes.loss != "softmax_cross_entropy":
        raise ValueError(
            f"{field}: got one number a step, expected {count}, one for each output of the network: labels of classes belong to "
            f"loss=\"softmax_cross_entropy\", this one is {sizes.loss}. Give a target for every output."
        )
    missing = np.isnan(labels) if labels.dtype.kind == "f" else np.zeros(labels.shape, dtype=bool)
    if missing.any() and mask is not None and not (missing & mask.any(axis=-1)).any():
        # Whole numbers with gaps are floats.
        known = np.where(missing, 0, labels)
        labels = known.astype(np.int64) if (known == np.floor(known)).all() else known
    elif missing.any():
        at = int(np.argwhere(missing)[0][0])
        raise ValueError(
            f"{field}: the label at {step_text(at, lead)} is missing, expected a class from 0 to {count - 1}. Drop the step, or give it "
            "weight 0 by mask=."
        )
    if labels.dtype.kind not in "iub":
        raise TypeError(
            f"{field}: got one number a step of type {labels.dtype}, expected {count} probabilities, or labels that are whole numbers. "
            f"If these are classes, write {field}.astype(int)."
        )
    labels = labels.astype(np.int64)
    wrong = (labels < 0) | (labels >= count)
    if mask is not None:
        wrong &= mask.any(axis=-1)
    if wrong.any():
        at = tuple(int(k) for k in np.argwhere(wrong)[0])
        where = f" at {step_text(at[0], lead)}" if at else ""
        mend = "Leave a step without a label out by mask=."
        if labels.min() == 1 and labels.max() == count:
            mend = f"If classes count from 1, write {field} - 1."
        raise ValueError(
            f"{field}: label {labels[at]}{where}, expected a class from 0 to {count - 1}, as the network has {count} outputs. {mend}"
        )
    return np.eye(count)[np.clip(labels, 0, count - 1)]


# ---- trials ----


def edges_of(steps: int, trials: Any) -> tuple:
    """Which steps are the first and the last of a trial."""
    if not isinstance(trials, (list, tuple)) and np.ndim(trials) == 0:
        if not hasattr(trials, "__index__"):
            raise TypeError(
                f"trials: got a {type(trials).__name__}, expected the steps of a trial as a whole number, or an array with the trial of "
                "each step. Write for example trials=100."
            )
        length = whole("trials", trials)
        if length == 0 or steps % length:
            raise ValueError(
                f"trials: got {length} steps a trial, expected a divisor of the {steps} steps of X. "
                "Cut the data to whole trials, or hand in an array that tells the trial of each step"
                + (f", for example np.arange({steps}) // {length}." if length else ".")
            )
        return _edges(np.arange(steps) % length == 0)
    try:
        number = trials.to_numpy() if hasattr(trials, "to_numpy") else np.asarray(trials)
    except ValueError:
        raise ValueError(
            "trials: got rows that make no array, expected the number of its trial for each step of X. Write one list of numbers."
        ) from None
    if number.ndim == 2 and number.shape[1] == 1:
        number = number[:, 0]
    if number.shape != (steps,):
        mend = "Give the number of its trial for each step."
        if number.dtype.kind in "iu" and number.ndim == 1 and number.sum() == steps:
            mend = f"If these are lengths, write np.repeat(np.arange({len(number)}), trials)."
        raise ValueError(f"trials: got shape {number.shape}, expected ({steps},), a number for each step of X. {mend}")
    missing = _missing(number)
    if missing.any():
        raise ValueError(
            f"trials: got {number[missing][0]} at step {int(np.argmax(missing))}, expected the number of a trial. "
            "Fill the gap or drop the step; steps between trials can be trials of their own, with weight 0 by mask=."
        )
    if number.dtype.kind == "b":
        raise TypeError(
            "trials: got booleans, expected the number of its trial for each step. If they mark where trials begin, write "
            "np.cumsum(trials)."
        )
    first = np.ones(steps, dtype=bool)
    first[1:] = number[1:] != number[:-1]
    _expect_blocks(number, first)
    if first.all() and steps > 1:
        raise ValueError(
            f"trials: got another number at each of the {steps} steps, expected trials of several steps. A network would forget "
            "everything between two steps; if that is meant, write trials=1."
        )
    return _edges(first)


def _missing(number: np.ndarray) -> np.ndarray:
    """Which trial numbers are none."""
    if number.dtype.kind == "f":
        return np.isnan(number)
    if number.dtype.kind == "O":
        none = [n is None or type(n).__name__ in ("NAType", "NaTType") or n != n for n in number]
        return np.array(none, dtype=bool)
    return np.zeros(len(number), dtype=bool)


def _expect_blocks(number: np.ndarray, first: np.ndarray) -> None:
    """Refuses numbers that come back: rows are mixed, or they are no numbers of trials."""
    begun = number[first]
    _, index, counts = np.unique(begun.astype(str) if begun.dtype.kind == "O" else begun, return_index=True, return_counts=True)
    if len(begun) == len(index):
        return
    came_back = begun[np.sort(index[counts > 1])[0]]
    at = np.flatnonzero(first)[np.flatnonzero(begun == came_back)[1]]
    told = set(begun.tolist())
    mend = (
        "Sort the rows by trial (order = np.argsort(trials, kind=\"stable\")) if they are mixed; number trials anew if a new one "
        "begins with every change: np.cumsum(np.r_[0, trials[1:] != trials[:-1]])."
    )
    if told == {0, 1}:
        mend = (
            "If 1 marks where trials begin, write np.cumsum(trials); if a new one begins with every change, "
            "np.cumsum(np.r_[0, trials[1:] != trials[:-1]])."
        )
    raise ValueError(
        f"trials: {came_back!s} comes back at step {at} after another trial, expected each number in one piece. {mend}"
    )


def _edges(first: np.ndarray) -> tuple:
    last = np.append(first[1:], True)
    return first.tolist(), last.tolist()
