"""Names that are written by hand: those of attributes, and those of inputs and outputs."""

from __future__ import annotations

from types import GetSetDescriptorType
from typing import Any, Iterable, Optional

import numpy as np


def refuse_typo(owner: Any, name: str, base: type, arrays: Iterable[str], fixed: Iterable[str]) -> None:
    """Refuses an attribute that would be set without effect: an array's name with a typo, or a setting that is fixed.

    Other names are the user's own, and so is everything that a subclass or the object itself has.
    """
    if name.startswith("_"):
        return
    known = getattr(type(owner), name, None)
    if isinstance(known, GetSetDescriptorType) or isinstance(known, property) and known.fset is None:
        mend = "It follows from what is learned."
        if name == "rate":
            mend = "It is the activity r(t); the learning rate is one of the optimizer: build the learner with optimizer={\"kind\": \"sgd\", \"rate\": 0.01}."
        elif name in fixed:
            mend = f"It is fixed when the {base.__name__.lower()} is built: build a new one with {name}=."
        raise AttributeError(f"{name}: got a value, expected none, because it can only be read. {mend}")
    if known is not None or name in getattr(owner, "__dict__", ()):
        return
    if name in fixed and type(owner) is base:
        mend = f"Build a new one with {name}=; otherwise nothing would change."
        if name == "feedback":
            mend = "Its weights are learner.feedback_weights."
        raise AttributeError(
            f"{name}: got a value, expected none, because it is fixed when the {base.__name__.lower()} is built. {mend}"
        )
    arrays = tuple(arrays)
    if name in arrays:
        return
    flat = _flat(name)
    for array in arrays:
        most = 1 if len(array) < 8 else 2
        # Few letters are close to many words.
        if flat == _flat(array) or (len(flat) > 2 and array != "state" and distance(flat, _flat(array)) <= most):
            raise AttributeError(
                f"{name}: no attribute of an apical.{base.__name__}, expected one of {', '.join(arrays)}. Did you mean `{array}`?"
            )


def _flat(name: str) -> str:
    return name.replace("_", "").lower()


def distance(a: str, b: str) -> int:
    """Letters to insert, remove or change (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        last, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            last, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, last + (x != y))
    return row[-1]


class Ordered:
    """The order of named inputs and outputs: fixed at first use, later ones are found by name."""

    def __init__(self) -> None:
        self.names: dict[str, Optional[list]] = {"inputs": None, "outputs": None}

    def copy(self) -> "Ordered":
        """The same order, on its own."""
        twin = Ordered()
        twin.names = dict(self.names)
        return twin

    def tell(self, side: str, names: Any, size: int) -> None:
        """Fixes the order; None forgets it."""
        if names is not None:
            given, names = names, [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else []
            if not all(isinstance(name, str) for name in names) or len(names) != size or len(set(names)) != size:
                shown = repr(given) if len(repr(given)) < 80 else f"a {type(given).__name__}"
                raise ValueError(f"{side[:-1]}_names: got {shown}, expected {size} different names, as the network has {side}. List each once.")
        self.names[side] = names

    def order(self, field: str, side: str, array: np.ndarray, names: Optional[list], size: int) -> np.ndarray:
        """The columns of an array in the order of their names; the first names fix it."""
        if names is None or not all(isinstance(name, str) for name in names):
            return array
        known = self.names[side]
        if known is None:
            if len(names) == size and len(set(names)) == size:
                self.names[side] = list(names)
            return array
        if names == known:
            return array
        missing = [name for name in known if name not in names]
        new = [name for name in names if name not in known]
        if missing or new or len(names) != size:
            parts = [repr(new[0])] if new else []
            parts += [f"no {missing[0]!r}"] if missing else [] if new else ["a name twice"]
            raise ValueError(
                f"{field}: got {' and '.join(parts)}, expected the names of before: {', '.join(map(repr, known))}. Rename or select them, hand in "
                f"numbers without names, or set learner.{side[:-1]}_names."
            )
        return array[..., [names.index(name) for name in known]]
