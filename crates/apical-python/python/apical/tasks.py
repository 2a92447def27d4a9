"""What is to be learned: the built-in tasks, by name, and those of others.

`apical.tasks.add(lags=[4, 6])` are settings; `.stream(seed=1)` is an iterator of steps (x, y, mask, trial_start),
`.sample(1000, seed=1)` are arrays. `learner.run` takes settings, streams, and any iterator of one's own.
"""

from __future__ import annotations

import json
from typing import Any, Iterator, NamedTuple, Optional

import numpy as np

from . import _core
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
        if purpose not in ("train", "test"):
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


class from_gym:
    """A NeuroGym environment as a stream of supervised trials, for `learner.run`.

    NeuroGym's convention: `env.new_trial()` makes `env.ob` (steps, observations) and `env.gt`, the right choice of
    each step. Choices of a discrete action space become one-hot targets, for a cross-entropy loss; a continuous
    space gives its targets as they are.

    Parameters
    ----------
    env : environment
        With `new_trial`, `ob` and `gt`; wrappers are looked through.
    seed : int, optional
        Handed to the environment.
    trials : int, optional
        How many; without it the stream does not end.
    """

    def __init__(self, env: Any, seed: Optional[int] = None, trials: Optional[int] = None) -> None:
        inner = getattr(env, "unwrapped", env)
        if not hasattr(inner, "new_trial"):
            raise TypeError(
                f"env: got a {type(inner).__name__} without new_trial(), expected a NeuroGym environment. A Gymnasium "
                "environment alone says what is rewarded, not what is right: write an iterator of (x, y) for it."
            )
        if seed is not None:
            if hasattr(inner, "seed"):
                inner.seed(seed)
            else:
                env.reset(seed=seed)
        self.env = inner
        self.trials = trials
        self.choices = getattr(inner.action_space, "n", None)
        inner.new_trial()
        self._pending = self._read()
        self.inputs = self._pending[0].shape[1]
        self.outputs = self._pending[1].shape[1]

    def _read(self) -> tuple:
        x = np.asarray(self.env.ob, dtype=float)
        y = np.asarray(self.env.gt)
        if y.shape[:1] != x.shape[:1]:
            raise ValueError(
                f"env: got {len(y)} targets for {len(x)} observations, expected one each. env.gt is the right choice of each step."
            )
        x = x.reshape(len(x), -1)
        if self.choices is not None and y.ndim == 1:
            y = np.eye(int(self.choices))[y.astype(int)]
        return x, np.asarray(y, dtype=float).reshape(len(x), -1)

    def __iter__(self) -> Iterator[tuple]:
        done = 0
        while self.trials is None or done < self.trials:
            if self._pending is None:
                self.env.new_trial()
                self._pending = self._read()
            (x, y), self._pending = self._pending, None
            for t in range(len(x)):
                yield x[t], y[t], None, t == 0
            done += 1


__all__ = [*_names, "Sample", "Task", "from_gym"]
