"""Weights to and from others: torch modules and safetensors files."""

from __future__ import annotations

import json
import os
import struct
from typing import Any, Mapping

import numpy as np

from ._arrays import file_path
from ._network import Network, dtype_name

# Of rate units, where settings leave it out.
_ALPHA = 1.0
_TYPES = {"F32": "<f4", "F64": "<f8"}


def from_torch_rnn(module: Any, readout: Any = None, *, dtype: Any = None) -> Network:
    """A network with the weights of a `torch.nn.RNN`, or anything with its parameters.

    torch.nn.RNN computes h = tanh(W_ih x + b_ih + W_hh h + b_hh): a rate unit with alpha = 1 and b_rec = b_ih + b_hh.

    Parameters
    ----------
    module : torch.nn.RNN or torch.nn.RNNCell, one layer in one direction
    readout : torch.nn.Linear, optional
        The readout; one output with zero weights if left out.
    dtype : "float64" or "float32", optional
        That of the module if left out.
    """
    # Subclasses count; nothing of torch is needed to see them.
    names = [cls.__name__ for cls in type(module).__mro__]
    kind = next((name for name in names if name in ("RNN", "RNNCell")), names[0])
    if kind not in ("RNN", "RNNCell"):
        raise TypeError(
            f"module: got a {kind}, expected a torch.nn.RNN or RNNCell. For other cells, hand the weights to apical.Network.from_arrays."
        )
    if getattr(module, "num_layers", 1) != 1 or getattr(module, "bidirectional", False):
        raise ValueError(
            "module: got several layers or directions, expected one of each. Hand one layer to apical.Network.from_arrays."
        )
    suffix = "_l0" if kind == "RNN" else ""

    def weights(name: str) -> Any:
        tensor = getattr(module, name + suffix, None)
        if tensor is None or isinstance(tensor, bool):
            return None
        return tensor.detach().cpu().numpy()

    W_rec, W_in = weights("weight_hh"), weights("weight_ih")
    biases = [b for b in (weights("bias_ih"), weights("bias_hh")) if b is not None]
    n = len(W_rec)
    W_out, b_out = np.zeros((1, n)), np.zeros(1)
    if readout is not None:
        if not hasattr(readout, "weight"):
            raise TypeError(
                f"readout: got a {type(readout).__name__}, expected a torch.nn.Linear. Leave it out for zero weights."
            )
        W_out = readout.weight.detach().cpu().numpy()
        b_out = None if readout.bias is None else readout.bias.detach().cpu().numpy()
    return Network.from_arrays(
        W_rec=W_rec,
        W_in=W_in,
        b_rec=sum(biases) if biases else np.zeros(n),
        W_out=W_out,
        b_out=b_out,
        neuron="rate",
        alpha=1.0,
        activation=getattr(module, "nonlinearity", "tanh"),
        dtype=dtype_name(dtype or W_rec.dtype),
    )


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
