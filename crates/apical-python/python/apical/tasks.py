"""What is to be learned: the built-in tasks, by name, and those of others.

`apical.tasks.add(lags=[4, 6])` are settings; `.stream(seed=1)` is an iterator of steps (x, y, mask, trial_start),
`.sample(1000, seed=1)` are arrays. `learner.run` takes settings, streams, and any iterator of one's own.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional

import numpy as np

from . import _core
from ._gym import from_gym
from ._network import dtype_name, whole
from ._spec import Spec, fill


class Sample(NamedTuple):
    """Steps of a task as arrays."""

    X: np.ndarray
    Y: np.ndarray
    mask: Optional[np.ndarray]
    trials: Optional[np.ndarray]


class Task(Spec):
    """Settings of a built-in task."""

    group = "tasks"

    def _info(self) -> tuple:
        return _core.task_info(dict(self))

    @property
    def inputs(self) -> int:
        """Inputs of a sample."""
        return self._info()[0]

    @property
    def outputs(self) -> int:
        """Outputs of a sample."""
        return self._info()[1]

    @property
    def has_trials(self) -> bool:
        """Whether the stream is cut into trials."""
        return self._info()[2]

    @property
    def bounds(self) -> list:
        """What a predictor with this or that knowledge can reach at best, where that is known."""
        return json.loads(self._info()[3])

    def stream(
        self,
        seed: int = 0,
        *,
        steps: int = 1_000_000,
        batch: int = 1,
        dtype: str = "float64",
        purpose: str = "train",
    ) -> _core.TaskStream:
        """An iterator of steps (x, y, mask, trial_start); `steps` is for tasks that plan ahead.

        The stream "train" of a seed is the one `apical run` trains on, "test" the one it tests on.
        """
        if not isinstance(purpose, str) or purpose not in ("train", "test"):
            raise ValueError(
                f'purpose: got {purpose!r}, expected "train" or "test". For another stream take another seed.'
            )
        sizes = [whole(name, value) for name, value in (("batch", batch), ("steps", steps), ("seed", seed))]
        return _core.TaskStream(dict(self), *sizes, purpose, dtype_name(dtype))

    def sample(self, steps: int, seed: int = 0, **settings: Any) -> Sample:
        """The first steps of a stream as arrays X (steps, inputs), Y (steps, outputs), mask and trials, for `fit`."""
        xs, ys, masks, firsts = [], [], [], []
        stream = self.stream(seed, steps=steps, **settings)
        for (x, y, mask, first), _ in zip(stream, range(steps)):
            xs.append(x)
            ys.append(y)
            masks.append(mask)
            firsts.append(first)
        mask = None
        if any(m is not None for m in masks):
            mask = np.array([np.ones_like(y) if m is None else m for m, y in zip(masks, ys)])
        trials = np.cumsum(firsts) if self.has_trials else None
        return Sample(np.array(xs), np.array(ys), mask, trials)


_names = fill(globals(), "tasks", Task, "tasks")


__all__ = [*_names, "Sample", "Task", "from_gym"]
