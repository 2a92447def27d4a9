"""Units, synapses and a linear readout, before anything learns."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Union

import numpy as np

from . import _core
from ._arrays import numbers, real
from ._names import refuse_typo
from ._spec import as_spec

PARAMETERS = ("W_rec", "W_in", "b_rec", "W_out", "b_out")
# What only the constructor can set.
FIXED = ("neuron", "recurrent", "input", "bias", "readout", "readout_bias", "output_feedback", "self_connections", "dale", "sparsity", "types", "units")
_INITS = ("recurrent", "input", "bias", "readout", "readout_bias", "output_feedback")


class Network:
    """A recurrent layer with a linear readout.

    a(t) = [r(t-1); x(t); 1], u(t) = [W_rec, W_in, b_rec] a(t), z(t) = W_out r(t) + b_out.

    Parameters
    ----------
    inputs, outputs : int
        Numbers of inputs and outputs of a sample.
    units : int
        Recurrent units, n.
    neuron : str or settings of `apical.neurons`
        "rate" leaks on the rate, "voltage" on the voltage, "two_compartment" has a soma and a distal compartment.
    recurrent, input, bias, readout, readout_bias : settings of `apical.init`
        How W_rec, W_in, b_rec, W_out and b_out start.
    output_feedback : settings of `apical.init`, optional
        Fixed weights through which the network hears its last output.
    initial_state : float
        State of every unit at the start of a trial.
    self_connections : bool
        Whether a unit may have a synapse onto itself.
    dale : dict, optional
        Signs of units: {"method": "clip" or "magnitude", "excitatory": 0.8, "inhibitory_first": .., "readout": ..}.
    sparsity : dict, optional
        {"density": 0.3, "rewiring": {"connected": 0.99, "shrink": 0.01}}; see docs/how-to/constrain-weights.md.
    types : dict, optional
        Cell types for `mdgl` and `modprop`: {"kind": "contiguous", "count": 3}, {"kind": "by_sign"}, {"kind": "given", "of": [0, 0, 1]}.
    seed : int
        All randomness comes from it.
    dtype : "float64" or "float32"
        Number type of weights and of all that follows.

    Attributes
    ----------
    W_rec : array of shape (units, units), [post, pre]
    W_in : array of shape (units, inputs)
    b_rec : array of shape (units,)
    W_out : array of shape (outputs, units)
    b_out : array of shape (outputs,)
    initial_state : array of shape (units,)
        State at the start of a trial.

    They are ordinary arrays, to be changed at will before a learner is built; a learner takes copies.
    """

    W_rec: np.ndarray
    W_in: np.ndarray
    b_rec: np.ndarray
    W_out: np.ndarray
    b_out: np.ndarray
    initial_state: np.ndarray

    def __init__(
        self,
        inputs: int,
        outputs: int,
        units: int = 32,
        *,
        neuron: Union[str, Mapping] = "rate",
        recurrent: Union[str, Mapping, None] = None,
        input: Union[str, Mapping, None] = None,
        bias: Union[str, Mapping, None] = None,
        readout: Union[str, Mapping, None] = None,
        readout_bias: Union[str, Mapping, None] = None,
        output_feedback: Union[str, Mapping, None] = None,
        initial_state: float = 0.0,
        self_connections: bool = True,
        dale: Optional[Mapping] = None,
        sparsity: Optional[Mapping] = None,
        types: Optional[Mapping] = None,
        seed: int = 0,
        dtype: Any = "float64",
    ) -> None:
        given = (recurrent, input, bias, readout, readout_bias, output_feedback)
        settings = {"units": whole("units", units), "neuron": as_spec(neuron, "neuron")}
        for name, value in zip(_INITS, given):
            if value is not None:
                settings[name] = as_spec(value, name)
        settings.update(initial_state=real("initial_state", initial_state), self_connections=self_connections)
        for name, value in (("dale", dale), ("sparsity", sparsity), ("types", types)):
            if value is not None:
                settings[name] = _settings(name, value)
        self.settings = settings
        self.inputs = whole("inputs", inputs)
        self.outputs = whole("outputs", outputs)
        self.seed = whole("seed", seed)
        self.dtype = dtype_name(dtype)
        arrays = _core.draw_network(
            settings, self.inputs, self.outputs, self.seed, self.dtype
        )
        for name, array in arrays.items():
            setattr(self, name, array)

    @classmethod
    def from_arrays(
        cls,
        W_rec: Any,
        W_in: Any,
        b_rec: Any = None,
        W_out: Any = None,
        b_out: Any = None,
        *,
        neuron: Union[str, Mapping] = "rate",
        alpha: Optional[float] = None,
        activation: Optional[str] = None,
        initial_state: Any = None,
        self_connections: bool = True,
        dale: Optional[Mapping] = None,
        types: Optional[Mapping] = None,
        seed: int = 0,
        dtype: Any = "float64",
    ) -> "Network":
        """A network with weights of one's own.

        Parameters
        ----------
        W_rec : array of shape (n, n), [post, pre]
        W_in : array of shape (n, inputs)
        b_rec : array of shape (n,), optional
            Zero if left out.
        W_out : array of shape (outputs, n)
        b_out : array of shape (outputs,), optional
            Zero if left out.
        neuron : "rate", "voltage" or settings of `apical.neurons`
        alpha : float, optional
            What is new in a state after one step, 1/tau in steps, 1 for no leak at all; of a voltage unit 1 - leak.
        activation : str, optional
            "tanh", "relu", ...
        initial_state : array of shape (n,), optional
            State at the start of a trial.
        self_connections, dale, types
            As for `Network`; weights stay as they are given until the first update.
        dtype : "float64" or "float32"

        Raises
        ------
        ValueError
            Shapes that do not fit each other, numbers that are not finite.
        """
        dtype = dtype_name(dtype)
        W_rec = numbers("W_rec", W_rec, dtype, 2)
        W_in = numbers("W_in", W_in, dtype, 2)
        if W_out is None:
            raise TypeError(
                "W_out: got None, expected an array of shape (outputs, n). A network without a readout has no error to learn from."
            )
        W_out = numbers("W_out", W_out, dtype, 2)
        n = W_rec.shape[0]
        settings = dict(as_spec("rate" if neuron is None else neuron, "neuron"))
        if alpha is not None:
            # A voltage unit counts what is left after a step, a rate unit what is new.
            if settings.get("kind") == "voltage":
                settings["leak"] = 1.0 - real("alpha", alpha)
            else:
                settings["alpha"] = real("alpha", alpha)
        if activation is not None:
            settings["activation"] = activation
        zero = {"kind": "zero"}
        network = cls(
            W_in.shape[1],
            W_out.shape[0],
            n,
            neuron=settings,
            recurrent=zero,
            input=zero,
            readout=zero,
            self_connections=self_connections,
            dale=dale,
            types=types,
            seed=seed,
            dtype=dtype,
        )
        given = {
            "W_rec": W_rec,
            "W_in": W_in,
            "b_rec": b_rec,
            "W_out": W_out,
            "b_out": b_out,
            "initial_state": initial_state,
        }
        for name, value in given.items():
            if value is None:
                continue
            old = getattr(network, name)
            value = numbers(name, value, dtype, old.ndim)
            if value.shape != old.shape:
                raise ValueError(
                    f"{name}: got shape {value.shape}, expected {old.shape}: W_rec has shape {W_rec.shape}, "
                    f"W_in {W_in.shape}, W_out {W_out.shape}. Weights are [post, pre]; did you mean the transpose?"
                )
            setattr(network, name, value)
        return network

    def __setattr__(self, name: str, value: Any) -> None:
        refuse_typo(self, name, Network, (*PARAMETERS, "initial_state"), FIXED)
        object.__setattr__(self, name, value)

    @property
    def units(self) -> int:
        """Recurrent units, n."""
        return self.settings["units"]

    def arrays(self) -> dict[str, np.ndarray]:
        """All weights and the initial state, by name."""
        return {name: getattr(self, name) for name in (*PARAMETERS, "initial_state")}

    def to_torch_state_dict(self) -> dict:
        """As `Learner.to_torch_state_dict`."""
        from ._weights import to_torch_state_dict

        return to_torch_state_dict(self.arrays(), self.settings)

    def save_weights(self, path: Any) -> None:
        """Weights as a safetensors file, read back by `apical.load_weights`."""
        from ._weights import save_weights

        save_weights(self.arrays(), path)

    def __repr__(self) -> str:
        neuron = self.settings["neuron"]
        return (
            f"apical.Network(inputs={self.inputs}, outputs={self.outputs}, units={self.units}, "
            f"neuron={neuron!r}, seed={self.seed}, dtype={self.dtype!r})"
        )


def _settings(name: str, value: Any) -> dict:
    """A table of settings."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(
        f"{name}: got a {type(value).__name__}, expected a dictionary of settings. See docs/how-to/constrain-weights.md."
    )


def dtype_name(dtype: Any) -> str:
    """`"float64"` or `"float32"`."""
    try:
        name = np.dtype(dtype).name
    except (TypeError, ValueError):
        name = dtype if isinstance(dtype, str) else f"a {type(dtype).__name__}"
    if name not in ("float64", "float32"):
        raise ValueError(
            f'dtype: got {name!r}, expected "float64" or "float32". float64 is what the published codes use, float32 is faster.'
        )
    return name


def whole(field: str, value: Any) -> int:
    """A whole number that is not negative."""
    try:
        number = value.__index__()
    except (AttributeError, TypeError):
        raise TypeError(
            f"{field}: got a {type(value).__name__}, expected a whole number. Write for example {field}=32."
        ) from None
    if number < 0 or number >= 2**63:
        raise ValueError(
            f"{field}: got {number}, expected a number from 0 to 2^63 - 1. Choose another."
        )
    return number
