"""What was recorded while a learner learned."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np


class History:
    """Recorded quantities by name, each with the steps at which it was recorded.

    `history["loss"]` is the array of values, `history.at("loss")` that of steps (counted from 1). Numbers are means
    over the steps since the last record: the loss of all of them, to which a step of weight 0 adds nothing, the accuracy of
    those that counted. NaN where no step counted. A run that is too short for a record has one at its end.
    """

    def __init__(self, channels: list, steps: int) -> None:
        self._channels: dict = {}
        for name, at, values in channels:
            # A quantity recorded a second time ends in _2.
            earlier = sum(1 for known, *_ in channels[: len(self._channels)] if known == name)
            self._channels[f"{name}_{earlier + 1}" if earlier else name] = (at, values)
        self.steps = steps

    def __getitem__(self, name: str) -> np.ndarray:
        return self._channel(name)[1]

    def _channel(self, name: str) -> tuple:
        if not isinstance(name, str) or name not in self._channels:
            raise KeyError(f"got {name!r}, expected one of {', '.join(self._channels) or 'nothing: no monitors'}")
        return self._channels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._channels)

    def __len__(self) -> int:
        return len(self._channels)

    def __contains__(self, name: object) -> bool:
        return name in self._channels

    def keys(self):
        """Names of the recorded quantities."""
        return self._channels.keys()

    def items(self):
        """Names and values of the recorded quantities."""
        return [(name, values) for name, (_, values) in self._channels.items()]

    def at(self, name: str) -> np.ndarray:
        """Steps at which `name` was recorded."""
        return self._channel(name)[0]

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with one column a quantity, indexed by step."""
        try:
            import pandas
        except ImportError:
            raise ImportError(
                "to_pandas needs pandas: pip install 'apical[pandas]'"
            ) from None
        columns = {
            name: pandas.Series(values, index=at)
            for name, (at, values) in self._channels.items()
        }
        frame = pandas.DataFrame(columns)
        frame.index.name = "step"
        return frame

    def plot(self, *names: str, axes: Any = None) -> Any:
        """Draws the quantities over steps with matplotlib, one panel each; returns the array of axes."""
        try:
            import matplotlib.pyplot as plt
        except ImportError:
            raise ImportError(
                "plot needs matplotlib: pip install 'apical[plot]'"
            ) from None
        names = names or tuple(self._channels)
        if axes is None:
            width = min(len(names), 3)
            rows = -(-len(names) // max(width, 1))
            _, axes = plt.subplots(
                max(rows, 1),
                max(width, 1),
                squeeze=False,
                figsize=(4.5 * max(width, 1), 3 * max(rows, 1)),
                constrained_layout=True,
            )
        axes = np.atleast_1d(axes)
        for name, ax in zip(names, axes.flat):
            at, values = self._channel(name)
            # A record to which no step counted is no gap in the line.
            known = ~np.isnan(values)
            ax.plot(at[known], values[known])
            ax.set(xlabel="step", ylabel=name)
            # Numbers of many digits would run into each other.
            ax.locator_params(axis="x", nbins=5)
        for ax in list(axes.flat)[len(names) :]:
            ax.set_visible(False)
        return axes

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {_last(values)}" for name, (_, values) in self._channels.items())
        return f"History({self.steps} steps; {'last ' + last if last else 'nothing recorded'})"


def _last(values: np.ndarray) -> str:
    """The last value, of those to which a step counted if there are any."""
    known = values[~np.isnan(values)]
    shown = known if len(known) else values
    return f"{shown[-1]:.4g}" if len(shown) else "-"
