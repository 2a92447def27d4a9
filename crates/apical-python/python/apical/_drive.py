"""What happens beside the learning: what is recorded, what an iterator gives, and a progress bar."""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any, Iterable, Optional

from ._network import whole


def interval(every: Optional[int], default: int) -> int:
    """Steps between two records."""
    if every is None:
        return default
    if whole("every", every) == 0:
        raise ValueError("every: got 0, expected at least 1 step. Leave it out for the default.")
    return whole("every", every)


def monitor_specs(monitors: Iterable, every: int) -> list:
    """Names and tables as tables."""
    if isinstance(monitors, (str, dict)):
        monitors = [monitors]
    if monitors is None:
        return []
    if not isinstance(monitors, Iterable):
        raise TypeError(
            f"monitors: got a {type(monitors).__name__}, expected a list of names. Write for example monitors=[\"loss\"]."
        )
    specs = []
    for monitor in monitors:
        if isinstance(monitor, str):
            monitor = {"quantity": monitor}
        elif not isinstance(monitor, dict):
            raise TypeError(
                f"monitors: got a {type(monitor).__name__}, expected names or tables. "
                'Write for example monitors=["loss", "W_rec.norm"].'
            )
        unknown = [key for key in monitor if key not in ("quantity", "every", "window")]
        if unknown or "quantity" not in monitor:
            raise ValueError(
                f"monitors: got the keys {list(monitor)}, expected quantity and, if wished, every and window. "
                'Write for example {"quantity": "loss", "every": 10}.'
            )
        spec = {"every": every, **monitor}
        for key in ("every", "window"):
            if key in spec:
                spec[key] = whole(f"monitors.{key}", spec[key])
                if spec[key] == 0:
                    raise ValueError(
                        f"monitors.{key}: got 0, expected at least 1 step. Leave it out for the default."
                    )
        specs.append(spec)
    return specs


def unpack_step(step: Any, done: int) -> tuple:
    """(x, y, mask, trial_start) from what an iterator gave."""
    try:
        parts = tuple(step)
    except TypeError:
        parts = ()
    if not 2 <= len(parts) <= 4:
        raise TypeError(
            f"task: step {done} is a {type(step).__name__} of {len(parts)} parts, expected (x, y), (x, y, mask) or "
            "(x, y, mask, trial_start). Yield one of these."
        )
    x, y, mask, start = (*parts, None, False)[:4] if len(parts) < 4 else parts
    if isinstance(start, (list, tuple, str)) or getattr(start, "size", 1) != 1:
        raise TypeError(
            f"task: step {done} has a {type(start).__name__} as trial_start, expected True or False. Yield (x, y, mask, trial_start)."
        )
    return x, y, mask, bool(start)


class Bar:
    """A progress bar: that of tqdm if it is installed, else a line on a terminal."""

    def __init__(self, total: Optional[int], shown: bool) -> None:
        self.total = total
        self.shown = shown
        self.bar: Any = None
        self.done = 0
        self.drawn = 0.0
        self.advance: Any = None

    def __enter__(self) -> "Bar":
        self.advance = self._nothing
        if self.shown:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                if sys.stderr.isatty():
                    self.advance = self._line
            else:
                with warnings.catch_warnings():
                    # tqdm wants widgets in notebooks; without them it draws text.
                    warnings.simplefilter("ignore")
                    self.bar = tqdm(total=self.total, unit="step", unit_scale=True)
                self.advance = self.bar.update
        return self

    def _nothing(self, steps: int) -> None:
        pass

    def _line(self, steps: int) -> None:
        self.done += steps
        now = time.monotonic()
        if now - self.drawn > 0.1 or self.done == self.total:
            self.drawn = now
            of = f" of {self.total}" if self.total else ""
            print(f"\r{self.done}{of} steps", end="", file=sys.stderr, flush=True)

    def __exit__(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()
        elif self.drawn:
            print(file=sys.stderr)
