"""Kinds of units: `apical.neurons.rate(alpha=0.5)`, `apical.neurons.voltage()`."""

from ._spec import Neuron, fill

__all__ = fill(globals(), "neurons", Neuron, "", False)
