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

TASKS = '''
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


NAMES = {"number": "float", "whole": "int", "truth": "bool", "text": "str", "table": "Mapping[str, Any]"}


def parameter(setting):
    """One setting with its type, as `_spec.annotation` makes it."""

    def of(kind):
        if isinstance(kind, dict):
            return f"Sequence[{of(kind['list']['of'])}]"
        if kind == "words":
            return f"Literal[{', '.join(json.dumps(choice['name']) for choice in setting['choices'])}]"
        return NAMES.get(kind, "Any")

    kind = of(setting["type"])
    if setting["required"]:
        return f"{word(setting)}: {kind}"
    return f"{word(setting)}: {kind if setting['default'] is not None else f'Optional[{kind}]'} = ..."


def word(setting):
    name = setting["name"]
    return name + "_" if iskeyword(name) else name


def text(module):
    """The stub of a module."""
    kind = MODULES[module]
    functions = []
    for name, entry in sorted(REGISTRY[module].items()):
        aliases = (entry["info"] or {}).get("aliases", [])
        for function in [name, *aliases]:
            settings = ", ".join(map(parameter, entry["settings"]))
            star = "*, " if settings else ""
            functions.append(f"def {function}({star}{settings}) -> {kind}: ...")
    body = "\n".join(functions)
    typing = ["Any", "Literal", "Mapping", "Optional", "Sequence"]
    if module == "tasks":
        head = f"from typing import Iterator, NamedTuple, {', '.join(typing)}\n{TASKS.rstrip()}\n"
    else:
        used = [name for name in typing if f"{name}[" in body or name == "Any" and "Any" in body]
        head = (f"from typing import {', '.join(used)}\n\n" if used else "") + f"from ._spec import {kind}\n"
    return f"# Written by stubs.py from the schema of settings.\n{head}\n{body}\n"


if __name__ == "__main__":
    for module in MODULES:
        (HERE / f"{module}.pyi").write_text(text(module))
    print(json.dumps([f"{module}.pyi" for module in MODULES]))
