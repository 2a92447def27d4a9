"""Weights as others keep them: torch's names and safetensors files."""

from __future__ import annotations

import json
import os
import struct
from typing import Any, Mapping

import numpy as np

from ._arrays import file_path

# Of rate units, where settings leave it out.
_ALPHA = 1.0
_TYPES = {"F32": "<f4", "F64": "<f8"}


def to_torch_state_dict(arrays: Mapping[str, np.ndarray], settings: Mapping) -> dict:
    """Weights under torch's names, of a network that torch computes alike."""
    neuron = settings["neuron"]
    found = {
        "neuron": neuron["kind"],
        "alpha": neuron.get("alpha", _ALPHA),
        "output_feedback": settings.get("output_feedback"),
    }
    for name, expected in (("neuron", "rate"), ("alpha", 1.0), ("output_feedback", None)):
        if found[name] != expected:
            raise ValueError(
                f"{name}: got {found[name]!r}, expected {expected!r}: an RNN of torch computes nothing else. "
                "Hand the arrays over one by one to a cell of your own."
            )
    try:
        import torch
    except ImportError:
        raise ImportError("to_torch_state_dict needs torch: pip install torch") from None
    named = {
        "weight_ih_l0": arrays["W_in"],
        "weight_hh_l0": arrays["W_rec"],
        "bias_ih_l0": arrays["b_rec"],
        "bias_hh_l0": np.zeros_like(arrays["b_rec"]),
        "readout.weight": arrays["W_out"],
        "readout.bias": arrays["b_out"],
    }
    return {name: torch.from_numpy(array.copy()) for name, array in named.items()}


def save_weights(arrays: Mapping[str, np.ndarray], path: Any) -> None:
    """Writes arrays as a safetensors file: the length of a JSON header, the header, the numbers."""
    header, data = {}, b""
    for name, array in arrays.items():
        kind = "F32" if array.dtype == np.float32 else "F64"
        raw = np.ascontiguousarray(array, dtype=_TYPES[kind]).tobytes()
        header[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path = file_path("path", path)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + data)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def load_weights(path: Any) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file of 32- or 64-bit numbers, by name; for `apical.Network.from_arrays(**..)`."""
    path = file_path("path", path)
    with open(path, "rb") as file:
        data = file.read()
    try:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        arrays = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            raw = data[8 + length + begin : 8 + length + end]
            if len(raw) != end - begin:
                raise ValueError("the end of the file is missing")
            kind = _TYPES.get(entry["dtype"])
            if kind is None:
                raise ValueError(f"`{name}` holds {entry['dtype']} numbers, expected F32 or F64")
            arrays[name] = np.frombuffer(raw, dtype=kind).reshape(entry["shape"]).copy()
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ValueError(
            f"{path}: not a safetensors file of weights ({error}). Check the path; checkpoints of learners are read by apical.load."
        ) from None
    return arrays
