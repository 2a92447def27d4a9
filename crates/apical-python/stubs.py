"""Writes the type stubs of the modules that are made from the registries: `python crates/apical-python/stubs.py`.

The package must be installed as it is in the sources (`pip install .`).
"""

import json
from keyword import iskeyword
from pathlib import Path

from apical._spec import REGISTRY

HERE = Path(__file__).resolve().parent / "python" / "apical"
MODULES = {
    "rules": "Rule",
    "neurons": "Neuron",
    "feedback": "Feedback",
    "losses": "Loss",
    "optimizers": "Optimizer",
    "init": "Init",
    "tasks": "Task",
}

TASKS = '''from typing import Any, Iterator, NamedTuple, Optional

import numpy as np

from ._core import TaskStream
from ._spec import Spec

class Sample(NamedTuple):
    X: np.ndarray
    Y: np.ndarray
    mask: Optional[np.ndarray]
    trials: Optional[np.ndarray]

class Task(Spec):
    @property
    def inputs(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def has_trials(self) -> bool: ...
    @property
    def bounds(self) -> list[dict[str, Any]]: ...
    def stream(
        self,
        seed: int = ...,
        *,
        steps: int = ...,
        batch: int = ...,
        dtype: str = ...,
        purpose: str = ...,
    ) -> TaskStream: ...
    def sample(self, steps: int, seed: int = ..., **settings: Any) -> Sample: ...

class from_gym:
    inputs: int
    outputs: int
    def __init__(self, env: Any, seed: Optional[int] = ..., trials: Optional[int] = ...) -> None: ...
    def __iter__(self) -> Iterator[tuple]: ...

'''


def parameter(name, default):
    """One setting: its type is that of its default."""
    word = name + "_" if iskeyword(name) else name
    kinds = {bool: "bool", int: "int", float: "float", str: "str", list: "Sequence", dict: "Mapping"}
    kind = kinds.get(type(default))
    if kind in ("Mapping",):
        kind = "Union[str, Mapping]"
    return f"{word}: {kind or 'Any'} = ..."


def text(module):
    """The stub of a module."""
    kind = MODULES[module]
    lines = ["# Written by stubs.py from the registries."]
    if module == "tasks":
        lines += ["from typing import Mapping, Sequence, Union", TASKS.rstrip("\n"), ""]
    else:
        lines += ["from typing import Any, Mapping, Sequence, Union", "", f"from ._spec import {kind}", ""]
    for name, entry in sorted(REGISTRY[module].items()):
        aliases = (entry["info"] or {}).get("aliases", [])
        for word in [name, *aliases]:
            settings = ", ".join(parameter(k, v) for k, v in entry["settings"].items())
            star = "*, " if settings else ""
            lines.append(f"def {word}({star}{settings}) -> {kind}: ...")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for module in MODULES:
        (HERE / f"{module}.pyi").write_text(text(module))
    print(json.dumps([f"{module}.pyi" for module in MODULES]))
