"""Environments that say what is right, as streams of supervised trials."""

from __future__ import annotations

from typing import Any, Iterator, Optional

import numpy as np

from ._arrays import plain
from ._network import whole


class from_gym:  # noqa: N801
    """A NeuroGym environment as a stream of supervised trials, for `learner.run`.

    NeuroGym's convention: `env.new_trial()` makes `env.ob` (steps, observations) and `env.gt`, the right choice of
    each step. Choices of a discrete action space (from its `start` on) become one-hot targets, for a softmax; switches
    (MultiBinary) and a continuous space (Box) give their targets as they are.

    Parameters
    ----------
    env : environment
        With `new_trial`, `ob` and `gt`; wrappers are looked through.
    seed : int, optional
        Handed to the environment.
    trials : int, optional
        How many; without it the stream does not end.

    Raises
    ------
    TypeError
        An environment or a kind of action that does not tell what is right.
    ValueError
        A trial without steps, observations or choices that are no numbers, out of range or missing: trial and step are
        named, counted from 0.
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
        self.trials = None if trials is None else whole("trials", trials)
        self.choices, self.start, self.switches = _actions(getattr(inner, "action_space", None))
        self._count = 0
        self._width: Optional[tuple] = None
        self._pending: Optional[tuple] = self._next()
        self.inputs = self._pending[0].shape[1]
        self.outputs = self._pending[1].shape[1]

    def _next(self) -> tuple:
        self.env.new_trial()
        trial, self._count = self._count, self._count + 1
        x = _observations(trial, getattr(self.env, "ob", None))
        y = self._targets(trial, getattr(self.env, "gt", None), len(x))
        width = (x.shape[1], y.shape[1])
        if self._width is None:
            self._width = width
        elif width != self._width:
            raise ValueError(
                f"env: trial {trial} has {width[0]} observations and {width[1]} targets a step, expected {self._width[0]} and "
                f"{self._width[1]}, as the trials before. A network has inputs and outputs of one size."
            )
        return x, y

    def _targets(self, trial: int, gt: Any, steps: int) -> np.ndarray:
        if gt is None:
            raise ValueError(
                f"env: trial {trial} has no gt (it is None), expected the right choice of each step. Set env.gt in new_trial, or write "
                "an iterator of (x, y)."
            )
        y = plain("env.gt", gt)
        if y.shape[:1] != (steps,):
            raise ValueError(
                f"env: trial {trial} has {y.shape[0] if y.ndim else 'one number as'} targets for {steps} observations, expected one each. "
                "env.gt is the right choice of each step."
            )
        if self.choices is not None:
            if y.shape == (steps, self.choices) and self.choices > 1:
                # The environment gives probabilities itself.
                return _finite(trial, "gt", y.astype(float))
            if y.size != steps:
                raise ValueError(
                    f"env: trial {trial} has gt of shape {y.shape}, expected ({steps},), the right choice of each step. Choose "
                    "one of its columns, or write an iterator of (x, y)."
                )
            return self._one_hot(trial, y.reshape(steps))
        y = _finite(trial, "gt", y.reshape(steps, -1).astype(float))
        wrong = np.argwhere((y != 0) & (y != 1)) if self.switches else ()
        if len(wrong):
            t, k = (int(i) for i in wrong[0])
            raise ValueError(
                f"env: gt is {y[t, k]} for switch {k} at step {t} of trial {trial}, expected 0 or 1, as its action space "
                "is MultiBinary. Mend env.gt in new_trial."
            )
        return y

    def _one_hot(self, trial: int, y: np.ndarray) -> np.ndarray:
        last = self.start + self.choices - 1
        with np.errstate(invalid="ignore"):
            right = (y >= self.start) & (y <= last) & (y == np.floor(y))
        if not right.all():
            t = int(np.argmin(right))
            raise ValueError(
                f"env: gt is {y[t]} at step {t} of trial {trial}, expected a whole number from {self.start} to {last}, as its action "
                f"space is Discrete({self.choices}{f', start={self.start}' if self.start else ''}). Mend env.gt in new_trial; for a "
                "step without a right choice write an iterator of (x, y, mask) with mask 0 there."
            )
        return np.eye(self.choices)[(y - self.start).astype(np.int64)]

    def __iter__(self) -> Iterator[tuple]:
        done = 0
        while self.trials is None or done < self.trials:
            (x, y), self._pending = self._pending or self._next(), None
            for t in range(len(x)):
                yield x[t], y[t], None, t == 0
            done += 1


def _actions(space: Any) -> tuple:
    """Number of choices (None if they are none), the first of them, and whether they are switches."""
    kind = type(space).__name__
    if hasattr(space, "nvec") or kind == "MultiDiscrete":
        raise TypeError(
            "env: got an action space MultiDiscrete, expected Discrete, MultiBinary or Box: several choices a step are "
            "no single softmax. Write an iterator of (x, y) that yields targets for one of them."
        )
    if kind in ("Dict", "Tuple", "Text", "Graph", "Sequence"):
        raise TypeError(
            f"env: got an action space {kind}, expected Discrete, MultiBinary or Box. Write an iterator of (x, y) that yields arrays."
        )
    if kind == "MultiBinary":
        return None, 0, True
    choices = getattr(space, "n", None)
    if choices is None:
        return None, 0, False
    return whole("env.action_space.n", choices), int(getattr(space, "start", 0)), False


def _observations(trial: int, ob: Any) -> np.ndarray:
    if ob is None:
        raise ValueError(
            f"env: trial {trial} has no ob (it is None), expected observations (steps, observations). Set env.ob in new_trial."
        )
    x = plain("env.ob", ob)
    if x.ndim == 0 or x.shape[0] == 0:
        raise ValueError(
            f"env: trial {trial} has observations of shape {x.shape}, expected at least one step. Leave empty trials out in new_trial."
        )
    return _finite(trial, "ob", x.reshape(len(x), -1).astype(float))


def _finite(trial: int, name: str, values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        t, k = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise ValueError(
            f"env: {name} is {values[t, k]} at step {t}, element {k} of trial {trial}, expected a finite number. Mend env.{name} in "
            "new_trial, or fill the gap before the stream."
        )
    return values
