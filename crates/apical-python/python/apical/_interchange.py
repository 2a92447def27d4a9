"""Networks from the modules of others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._network import Network, dtype_name

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
