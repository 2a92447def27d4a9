"""A network that learns."""

from __future__ import annotations

import copy
import json
import os
import sys
import time
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any, Iterable, Mapping, NamedTuple, Optional, Union

import numpy as np

from . import _core
from ._history import History
from ._network import PARAMETERS, Network, numbers, plain, whole
from ._spec import Rule, Spec, as_spec


class ApicalWarning(UserWarning):
    """Something looks wrong though nothing failed: a parameter without gradient, dead units, a growing loss."""


class Evaluation(NamedTuple):
    """What held-out data gave, per step and sample; NaN where that has no meaning."""

    loss: float
    accuracy: float
    true_loss: float
    expected_accuracy: float


class Learner(_core.Learner):
    """A network, a learning rule, and what brings the error back.

    Parameters
    ----------
    network : Network
        Its weights are copied.
    rule : str, settings of `apical.rules`, or an object with a method `step(view, credit)`
        How the recurrent layer learns. See `apical.LocalView` for rules written in Python.
    loss : str or settings of `apical.losses`
    feedback : str, settings of `apical.feedback`, or an array of shape (units, outputs)
        How errors come back. An array B brings q = B delta and stays as it is.
    optimizer : str or settings of `apical.optimizers`
    update : "step", "trial", {"every": 100} or {"trials": 10}
        When weights change.
    reduction : "sum" or "mean"
        How the gradients of the steps between two updates are put together.
    batch : int
        Independent samples that share the weights.
    seed : int, optional
        That of the network if left out.

    Raises
    ------
    ValueError, TypeError
        A setting out of range or unknown (the nearest known one is named), or parts that do not fit each other.

    Examples
    --------
    >>> import apical
    >>> network = apical.Network(inputs=1, outputs=1, units=16, neuron=apical.neurons.rate(alpha=0.5))
    >>> learner = apical.Learner(network, rule="rflo", loss="mean_squared_error")
    >>> learner.learn_one([0.3], [0.1]).loss < 10
    True
    """

    def __new__(
        cls,
        network: Network,
        rule: Any = "rflo",
        *,
        loss: Union[str, Mapping] = "softmax_cross_entropy",
        feedback: Any = "random",
        optimizer: Union[str, Mapping] = "sgd",
        update: Union[str, Mapping] = "step",
        reduction: str = "sum",
        batch: int = 1,
        seed: Optional[int] = None,
    ) -> "Learner":
        if not isinstance(network, Network):
            raise TypeError(
                f"network: got a {type(network).__name__}, expected an apical.Network. "
                "Write for example apical.Learner(apical.Network(inputs=2, outputs=2))."
            )
        chosen = {"rule": rule, "loss": loss, "feedback": feedback, "optimizer": optimizer, "update": update}
        for name, value in chosen.items():
            if value is None:
                raise TypeError(
                    f"{name}: got None, expected a name or settings. Leave it out for the default."
                )
        settings, rule_object, weights = assemble(network, rule, loss, feedback)
        settings.update(
            optimizer=as_spec(optimizer, "optimizer"),
            update=update,
            reduction=reduction,
            batch=whole("batch", batch),
        )
        seed = network.seed if seed is None else whole("seed", seed)
        learner = super().__new__(
            cls, settings, network.inputs, network.outputs, seed, network.dtype, rule_object
        )
        for name, array in network.arrays().items():
            learner._set(name, array)
        if weights is not None:
            learner._set("feedback", weights)
        # The initial state counts from the first step on.
        learner._at_start()
        return learner

    if TYPE_CHECKING:
        # Made below, one line each.
        W_rec: np.ndarray
        W_in: np.ndarray
        b_rec: np.ndarray
        W_out: np.ndarray
        b_out: np.ndarray
        initial_state: np.ndarray
        state: np.ndarray
        rate: np.ndarray
        output: np.ndarray
        signal: np.ndarray
        gradient: np.ndarray
        readout_gradient: np.ndarray

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.history: Optional[History] = None
        self._told: set = set()

    def _at_start(self) -> None:
        initial = self.initial_state
        if initial.any():
            shape = np.asarray(self._view("state")).shape
            states = initial.reshape((initial.size // self.units, 1, self.units))
            self._set("state", np.broadcast_to(states, (states.shape[0], self.batch, self.units)).reshape(shape))

    # ---- weights, activity and traces ----

    def view(self, name: str) -> np.ndarray:
        """A read-only window onto an array of the learner: nothing is copied, and it follows the learning.

        Names: W_rec, W_in, b_rec, W_out, b_out, initial_state, state, rate, output, signal, gradient,
        readout_gradient. Do not read it while another thread runs `fit`.
        """
        return np.asarray(self._view(name))

    def _copy(self, name: str) -> np.ndarray:
        # Read-only, for a change of the copy alone would go unnoticed.
        copied = np.array(self._view(name), order="C")
        copied.flags.writeable = False
        return copied

    def traces(self) -> dict[str, np.ndarray]:
        """Copies of everything the rule carries from step to step, by name: traces, learned matrices, factors.

        Arrays at the synapses have shape (units, units + inputs + 1); what has a layout of its own (the influence
        of `rtrl`) comes as it is stored.
        """
        return self._arrays("rule.")

    def set_trace(self, name: str, value: Any) -> None:
        """Sets one of `traces()`, for example `learner.set_trace("eligibility.trace.0", array)`."""
        self._set_array(f"rule.{name}", value)

    @property
    def feedback_weights(self) -> Optional[np.ndarray]:
        """B of q = B delta, shape (units, outputs); None for a pathway without weights of its own. Settable."""
        return self._feedback_weights()

    @feedback_weights.setter
    def feedback_weights(self, value: Any) -> None:
        self._set("feedback", value)

    @property
    def network(self) -> Network:
        """The network as it is now: a copy."""
        settings = json.loads(self._settings)["network"]
        network = Network.__new__(Network)
        network.settings = settings
        network.inputs, network.outputs = self.inputs, self.outputs
        network.seed, network.dtype = self.seed, self.dtype
        for name in (*PARAMETERS, "initial_state"):
            setattr(network, name, np.array(self._view(name), order="C"))
        return network

    @property
    def rule(self) -> Any:
        """Settings of the rule, or the object of a rule written in Python."""
        return self._rule_object if self._rule_object is not None else Rule(json.loads(self._settings)["rule"])

    @property
    def settings(self) -> dict:
        """All settings, resolved."""
        return json.loads(self._settings)

    # ---- learning ----

    def fit(
        self,
        X: Any,
        Y: Any,
        mask: Any = None,
        trials: Any = None,
        *,
        epochs: int = 1,
        progress: bool = True,
        monitors: Iterable = ("loss",),
        every: Optional[int] = None,
    ) -> History:
        """Learn from sequences. Python's lock is released; Ctrl-C stops between two steps.

        Parameters
        ----------
        X : array of shape (steps, inputs), (trials, steps, inputs), or with a batch (steps, batch, inputs)
        Y : array of shape (steps, outputs), (trials, steps, outputs), or with a batch (steps, batch, outputs)
        mask : array of shape (steps,) or of the shape of Y, optional
            Weight of the loss.
        trials : int or array of shape (steps,), optional
            Steps of a trial, or a number for each step that changes when a trial begins. Without it X is one stream,
            unless it has an axis of trials.
        epochs : int
            How often the data are shown.
        progress : bool
            Whether to show a progress bar (with tqdm, if it is installed).
        monitors : list of names
            What to record: "loss", "accuracy", "W_rec.norm", "rate[3]", "A_loss", ...; or tables
            {"quantity": .., "every": .., "window": ..}.
        every : int, optional
            Steps between two records, 100 for long data.

        Returns
        -------
        History
            Also kept as `learner.history`, even if the run was stopped.

        Raises
        ------
        ValueError
            Shapes that do not fit, numbers that are not finite (the index is named); nothing was learned.
        ApicalError
            Training diverged; the history until then is in `learner.history`.
        """
        X, Y, mask, edges = sequences(self, X, Y, mask, trials)
        epochs = whole("epochs", epochs)
        total = len(X) * epochs
        specs = monitor_specs(monitors, every or max(1, min(100, total // 200)))
        if total == 0:
            return self._finish((0, Recorder(self, specs).channels(), None))
        with Bar(total, progress) as bar:
            result = self._fit(X, Y, mask, edges, epochs, specs, bar.advance)
        return self._finish(result)

    def run(
        self,
        task: Any,
        steps: Optional[int] = None,
        *,
        progress: bool = True,
        monitors: Iterable = ("loss",),
        every: Optional[int] = None,
    ) -> History:
        """Learn from a task: one of `apical.tasks`, its `stream()`, or any iterator of one's own.

        An iterator gives (x, y), (x, y, mask) or (x, y, mask, trial_start); mask may be None, and a true
        trial_start begins a trial. Built-in tasks run without Python's lock.

        Parameters
        ----------
        task : task, stream or iterable
            Settings of `apical.tasks` start their stream from the learner's seed; hand in `task.stream(..)` to go on with one.
        steps : int, optional
            All there are for an iterator; needed for a built-in task, which does not end. A trial of an iterator that is not
            over then stays open for the next call; `end_trial()` closes it.
        progress, monitors, every
            As for `fit`.

        Returns
        -------
        History
        """
        from .tasks import Task

        if isinstance(task, Task):
            if steps is None:
                raise TypeError(
                    "steps: got None, expected a number, because a built-in task does not end. Write for example steps=20_000."
                )
            task = task.stream(
                seed=self.seed, steps=steps, batch=self.batch, dtype=self.dtype
            )
        if isinstance(task, _core.TaskStream):
            if steps is None:
                raise TypeError(
                    "steps: got None, expected a number, because a built-in task does not end. Write for example steps=20_000."
                )
            steps = whole("steps", steps)
            specs = monitor_specs(monitors, every or max(1, min(100, steps // 200)))
            with Bar(steps, progress) as bar:
                result = self._run(task, steps, specs, bar.advance)
            return self._finish(result)
        if isinstance(task, (str, Mapping)) or not hasattr(task, "__iter__"):
            raise TypeError(
                f"task: got a {type(task).__name__}, expected one of apical.tasks, its stream, or an iterator of (x, y). "
                "Write for example learner.run(apical.tasks.add(), steps=20_000)."
            )
        steps = None if steps is None else whole("steps", steps)
        return self._iterate(task, steps, progress, monitors, every or 100)

    def _iterate(
        self,
        task: Iterable,
        steps: Optional[int],
        progress: bool,
        monitors: Iterable,
        every: int,
    ) -> History:
        specs = monitor_specs(monitors, every)
        recorder = Recorder(self, specs)
        before = self.steps
        done = 0
        try:
            with Bar(steps, progress) as bar:
                for step in task if steps is None or steps > 0 else ():
                    x, y, mask, start = unpack_step(step, done)
                    if start:
                        self.begin_trial()
                    self.learn_one(x, y, mask)
                    done += 1
                    recorder.record()
                    bar.advance(1)
                    if steps is not None and done >= steps:
                        break
                else:
                    if self._trial_is_open:
                        self.end_trial()
        finally:
            # Ctrl-C may come between a step and its count.
            self.history = History(recorder.channels(), self.steps - before)
        self._warn()
        return self.history

    def _finish(self, result: tuple) -> History:
        done, channels, error = result
        self.history = History(channels, done)
        if error is not None:
            raise error
        self._warn()
        return self.history

    def _warn(self) -> None:
        for text in self.warnings():
            if text not in self._told:
                self._told.add(text)
                warnings.warn(text, ApicalWarning, stacklevel=4)

    def evaluate(self, task: Any, steps: int = 1000) -> Evaluation:
        """Loss and accuracy on held-out steps of a built-in task: weights stand still, training activity is untouched."""
        from .tasks import Task

        steps = whole("steps", steps)
        if isinstance(task, Task):
            task = task.stream(
                seed=self.seed,
                steps=steps,
                batch=self.batch,
                dtype=self.dtype,
                purpose="test",
            )
        if not isinstance(task, _core.TaskStream):
            raise TypeError(
                f"task: got a {type(task).__name__}, expected one of apical.tasks or its stream. "
                "For data of your own, compare learner.predict(X) with Y."
            )
        return Evaluation(*self._evaluate(task, steps))

    def predict(self, X: Any, trials: Any = None) -> np.ndarray:
        """Predictions along X from the start of a trial, with frozen weights; shape as Y in `fit`."""
        return self.simulate(X, trials)["predictions"]

    def simulate(self, X: Any, trials: Any = None) -> dict[str, np.ndarray]:
        """Rates, outputs and predictions along X from the start of a trial, with frozen weights.

        Returns a dictionary of arrays `rates` (steps, units), `outputs` (steps, outputs), `predictions`
        (steps, outputs), with the axes of X. The learner's own activity is untouched.
        """
        given = plain("X", X)
        X, _, _, edges = sequences(self, X, None, None, trials)
        first = None if edges is None else edges[0]
        rates, outputs, predictions = self._simulate(X, first)
        shown = {"rates": rates, "outputs": outputs, "predictions": predictions}
        if given.ndim == (3 if self.batch == 1 else 4):
            shown = {
                name: a.reshape(*given.shape[:2], *a.shape[1:]) for name, a in shown.items()
            }
        return shown

    # ---- files and copies ----

    def save(self, path: Any) -> None:
        """Writes the whole state to a checkpoint; see `apical.save`."""
        self._save(os.fspath(path))

    def to_torch_state_dict(self) -> dict:
        """Weights under the names of `torch.nn.RNN` and a linear readout, as torch tensors.

        `weight_ih_l0` (n, inputs), `weight_hh_l0` (n, n), `bias_ih_l0` (n,), `bias_hh_l0` (n,, zero), and
        `readout.weight`, `readout.bias`. An RNN of torch with tanh is a rate unit with alpha = 1.
        """
        return self.network.to_torch_state_dict()

    def save_weights(self, path: Any) -> None:
        """Weights alone as a safetensors file, for any reader; see `apical.load_weights`."""
        self.network.save_weights(path)

    def __deepcopy__(self, memo: dict) -> "Learner":
        rule = copy.deepcopy(self._rule_object, memo)
        twin = from_bytes(type(self), self._to_bytes(), rule)
        twin._told = set(self._told)
        return twin

    __copy__ = lambda self: self.__deepcopy__({})  # noqa: E731

    def __reduce__(self):
        return (from_bytes, (type(self), self._to_bytes(), self._rule_object))

    def __repr__(self) -> str:
        settings = self.settings
        rule = self.rule if isinstance(self.rule, Spec) else type(self.rule).__name__
        return (
            f"<apical.Learner: {self.inputs} inputs, {self.units} {settings['network']['neuron']['kind']} units, "
            f"{self.outputs} outputs; {rule!r}; {self.steps} steps learned>"
        )


def _parameter(name: str, document: str) -> property:
    def get(self: Learner) -> np.ndarray:
        return self._copy(name)

    def put(self: Learner, value: Any) -> None:
        self._set(name, value)

    return property(get, put, doc=document)


def _activity(name: str, document: str) -> property:
    return property(lambda self: self._copy(name), doc=document)


for _name, _document in {
    "W_rec": "Recurrent weights (units, units), [post, pre]: a copy. Settable.",
    "W_in": "Input weights (units, inputs): a copy. Settable.",
    "b_rec": "Biases (units,): a copy. Settable.",
    "W_out": "Readout weights (outputs, units): a copy. Settable.",
    "b_out": "Readout biases (outputs,): a copy. Settable.",
    "initial_state": "State at the start of a trial (units,): a copy. Settable.",
    "state": "s(t) of the last step (units,), or (batch, units): a copy. Settable; rates follow.",
}.items():
    setattr(Learner, _name, _parameter(_name, _document))
for _name, _document in {
    "rate": "r(t) of the last step (units,), or (batch, units): a copy.",
    "output": "z(t) of the last step (outputs,), or (batch, outputs): a copy.",
    "signal": "q(t) that the feedback brought at the last step (units,), or (batch, units): a copy.",
    "gradient": "Gradient of [W_rec, W_in, b_rec] pending since the last update: a copy.",
    "readout_gradient": "Gradient of [W_out, b_out] pending since the last update: a copy.",
}.items():
    setattr(Learner, _name, _activity(_name, _document))


def assemble(network: Network, rule: Any, loss: Any, feedback: Any) -> tuple:
    """Settings, the object of a rule written in Python, and feedback weights of one's own."""
    settings = {"network": network.settings, "loss": as_spec(loss, "loss")}
    rule_object = weights = None
    if isinstance(rule, (str, dict)) or hasattr(rule, "kind"):
        settings["rule"] = as_spec(rule, "rule")
    else:
        rule_object = rule() if isinstance(rule, type) else rule
    if isinstance(feedback, (str, dict)) or hasattr(feedback, "kind"):
        settings["feedback"] = as_spec(feedback, "feedback")
    else:
        weights = numbers("feedback", feedback, network.dtype, 2)
        expected = (network.units, network.outputs)
        if weights.shape != expected:
            raise ValueError(
                f"feedback: got shape {weights.shape}, expected {expected} (units x outputs). "
                "It brings q = B delta; did you mean the transpose?"
            )
        settings["feedback"] = {"kind": "random"}
    return settings, rule_object, weights


def monitor_specs(monitors: Iterable, every: int) -> list:
    """Names and tables as tables."""
    if isinstance(monitors, (str, dict)):
        monitors = [monitors]
    specs = []
    for monitor in monitors or ():
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


def sequences(learner: Learner, X: Any, Y: Any, mask: Any, trials: Any) -> tuple:
    """Arrays (steps, ..) and trial edges, or the reason why not."""
    batch = learner.batch
    X = plain("X", X)
    given = X.shape
    own_axis = X.ndim == 3 if batch == 1 else X.ndim == 4
    tail = (learner.inputs,) if batch == 1 else (batch, learner.inputs)
    lead = given[: X.ndim - len(tail)]
    if X.ndim - len(tail) not in (1, 2) or given[len(lead) :] != tail:
        sides = "inputs of the network" if batch == 1 else "batch x inputs of the network"
        raise ValueError(
            f"X: got shape {given}, expected (steps, {', '.join(map(str, tail))}) ({sides}), or trials in front. "
            "Hand in an array of that shape, or build the network for this one."
        )
    if own_axis and trials is not None:
        raise ValueError(
            f"trials: got a value, expected None, because X of shape {given} has an axis of trials. Leave it out."
        )
    steps = int(np.prod(lead))
    outputs = (learner.outputs,) if batch == 1 else (batch, learner.outputs)
    if Y is not None:
        Y = plain("Y", Y)
        if Y.shape != lead + outputs:
            raise ValueError(
                f"Y: got shape {Y.shape}, expected {lead + outputs}: X has shape {given}, the network "
                f"{learner.outputs} outputs. Give a target for every step; mask= leaves steps out."
            )
        Y = Y.reshape((steps,) + outputs)
    if mask is not None:
        mask = plain("mask", mask)
        if mask.shape == lead:
            mask = np.broadcast_to(mask.reshape(lead + (1,) * len(outputs)), lead + outputs)
        if mask.shape != lead + outputs:
            raise ValueError(
                f"mask: got shape {mask.shape}, expected {lead} or {lead + outputs}, as Y. Weigh each step or each output."
            )
        mask = mask.reshape((steps,) + outputs)
    X = X.reshape((steps,) + tail)
    edges = None
    if own_axis:
        edges = edges_of(steps, given[1])
    elif trials is not None:
        edges = edges_of(steps, trials)
    return X, Y, mask, edges


def edges_of(steps: int, trials: Any) -> tuple:
    """Which steps are the first and the last of a trial."""
    if np.ndim(trials) == 0:
        length = whole("trials", trials)
        if length == 0 or steps % length:
            raise ValueError(
                f"trials: got {length} steps a trial, expected a divisor of the {steps} steps of X. "
                "Cut the data to whole trials, or hand in an array that changes when a trial begins."
            )
        first = np.arange(steps) % length == 0
    else:
        number = np.asarray(trials)
        if number.shape != (steps,):
            raise ValueError(
                f"trials: got shape {number.shape}, expected ({steps},), a number for each step of X. "
                "It changes when a trial begins."
            )
        first = np.ones(steps, dtype=bool)
        first[1:] = number[1:] != number[:-1]
    last = np.append(first[1:], True)
    return first.tolist(), last.tolist()


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
    return (*parts, None, False)[:4] if len(parts) < 4 else parts


class Recorder:
    """Records for iterators written in Python: as the compiled one, a mean over the steps since the last record."""

    def __init__(self, learner: Learner, specs: list) -> None:
        self.learner = learner
        self.specs = specs
        self.kept: list = [[] for _ in specs]
        self.last: list = [deque(maxlen=spec.get("window", spec["every"])) for spec in specs]
        for spec in specs:
            learner.read(spec["quantity"])

    def record(self) -> None:
        """After each step."""
        step = self.learner.steps
        for k, spec in enumerate(self.specs):
            due = step % spec["every"] == 0
            number = "." not in spec["quantity"] and "[" not in spec["quantity"]
            if not (due or number):
                continue
            self.last[k].append(self.learner.read(spec["quantity"]))
            if due:
                self.kept[k].append((step, sum(self.last[k]) / len(self.last[k])))
                if "window" not in spec:
                    self.last[k].clear()

    def channels(self) -> list:
        """As the compiled recorder gives them."""
        return [
            (
                spec["quantity"],
                np.array([step for step, _ in kept], dtype=np.int64),
                np.array([value for _, value in kept], dtype=float),
            )
            for spec, kept in zip(self.specs, self.kept)
        ]


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


def rebuild(cls: type, about: dict, rule: Any, begun: bool = False) -> Learner:
    """A learner of these settings, before its state is restored; a rule that has begun goes on from where it is."""
    if about["rule"] and rule is None:
        raise TypeError(
            f"rule: got None, expected an object of {about['rule']}, the rule written in Python that this learner was "
            "saved with. Hand it in: apical.load(path, rule=...)."
        )
    rule_object = rule() if isinstance(rule, type) else rule
    if rule_object is not None and type(rule_object).__name__ != about["rule"]:
        raise TypeError(
            f"rule: got an object of {type(rule_object).__name__}, expected "
            + (f"one of {about['rule']}" if about["rule"] else "None: it was saved with a built-in rule")
            + ". Hand in what the learner was saved with."
        )
    learner = _core.Learner.__new__(
        cls,
        about["config"],
        about["inputs"],
        about["outputs"],
        about["seed"],
        about["dtype"],
        rule_object,
        begun,
    )
    learner.history, learner._told = None, set()
    return learner


def from_bytes(cls: type, data: bytes, rule: Any = None) -> Learner:
    """What `pickle` and `copy` go through."""
    about = json.loads(_core.read_checkpoint("learner", data))
    learner = rebuild(cls, about, rule, begun=True)
    learner._restore("learner", data)
    return learner


def save(learner: Learner, path: Any) -> None:
    """Writes the whole state of a learner to `path`, in one step; going on from it gives the same bits.

    The file is in the safetensors format with a checksum: no pickle, any safetensors reader opens it.
    """
    learner.save(path)


def load(path: Any, rule: Any = None) -> Learner:
    """The learner in a checkpoint that `apical.save` or `apical run` wrote.

    Parameters
    ----------
    path : str or path
    rule : object, optional
        A rule written in Python, if the learner was saved with one.

    Raises
    ------
    ApicalError
        A file that is missing, damaged or no checkpoint.
    """
    path = os.fspath(path)
    about = json.loads(_core.read_checkpoint(path))
    learner = rebuild(Learner, about, rule)
    learner._restore(path, None)
    return learner


