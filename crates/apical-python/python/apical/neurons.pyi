# Written by stubs.py from the registries.
from typing import Any, Mapping, Sequence, Union

from ._spec import Neuron

def rate(*, activation: str = ..., alpha: float = ...) -> Neuron: ...
def voltage(*, activation: str = ..., leak: float = ...) -> Neuron: ...
