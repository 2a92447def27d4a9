"""A network that learns."""

from __future__ import annotations

import copy
import json
import warnings
from typing import TYPE_CHECKING, Any, Iterable, Mapping, NamedTuple, Optional, Union

import numpy as np

from . import _core
from ._arrays import file_path, numbers, table, word
from ._drive import Bar, interval, monitor_specs, unpack_step
from ._history import History
from ._names import Ordered, refuse_typo
from ._network import PARAMETERS, Network, whole
from ._sequences import Sizes, one_hot, sequences
from ._spec import Rule, Spec, as_spec


# Arrays that can be set, and what only the constructor can set.
SETTABLE = ("W_rec", "W_in", "b_rec", "W_out", "b_out", "initial_state", "state", "feedback_weights")
FIXED = ("network", "rule", "loss", "feedback", "optimizer", "update", "reduction", "batch", "seed", "dtype", "units", "inputs", "outputs")


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
        How the recurrent layer learns; two-compartment neurons by default, at rates divided by the power of what arrives.
        See `apical.LocalView` for rules written in Python.
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
        rule: Any = "dendritic",
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
        learner._begin()
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
        """Everything is built by `__new__`, so that a subclass may leave this out."""

    def _begin(self) -> None:
        self.history: Optional[History] = None
        self._told: set = set()
        self._ordered = Ordered()

    def __setattr__(self, name: str, value: Any) -> None:
        refuse_typo(self, name, Learner, SETTABLE, FIXED)
        object.__setattr__(self, name, value)

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
        return np.asarray(self._view(word("name", name, "W_rec")))

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
        self._set_array(f"rule.{word('name', name, 'eligibility.trace.0')}", value)

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

    @property
    def input_names(self) -> Optional[list]:
        """Names of the inputs in their order, once a dictionary or a data frame told them; settable."""
        return self._ordered.names["inputs"]

    @input_names.setter
    def input_names(self, names: Any) -> None:
        self._ordered.tell("inputs", names, self.inputs)

    @property
    def output_names(self) -> Optional[list]:
        """As `input_names`, for the outputs."""
        return self._ordered.names["outputs"]

    @output_names.setter
    def output_names(self, names: Any) -> None:
        self._ordered.tell("outputs", names, self.outputs)

    # ---- what is handed in ----

    @property
    def _sizes(self) -> Sizes:
        kept = self.__dict__.get("_kept_sizes")
        if kept is None:
            loss = self.settings["loss"]["kind"]
            kept = self._kept_sizes = Sizes(self.inputs, self.outputs, self.batch, self.dtype, loss)
        return kept

    def _order(self, field: str, array: np.ndarray, names: Optional[list]) -> np.ndarray:
        side, size = ("inputs", self.inputs) if field.upper() == "X" else ("outputs", self.outputs)
        return self._ordered.order(field, side, array, names, size)

    def _sample(self, field: str, value: Any, dtype: str) -> np.ndarray:
        """One step that is no plain array: with names, as a label, or of other types; `learn_one` calls this."""
        array, names = table(field, value)
        if names is None and isinstance(getattr(value, "index", None), Iterable):
            names = list(value.index)
        labels = (self.batch,) if self.batch > 1 else ()
        if field == "y" and self.outputs > 1 and array.shape == labels:
            sizes = Sizes(self.inputs, self.outputs, self.batch, dtype, self.settings["loss"]["kind"])
            return one_hot(sizes, array, field="y")
        if field == "mask":
            # One weight for all outputs.
            shape = (self.outputs,) if self.batch == 1 else (self.batch, self.outputs)
            return np.broadcast_to(array.reshape(labels + (1,)), shape) if array.shape == labels else array
        return np.ascontiguousarray(self._order(field, array, names))

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
            A data frame, a dictionary of columns, (steps,) for one input, or a list of trials of unequal length do as well.
        Y : array of shape (steps, outputs), (trials, steps, outputs), or with a batch (steps, batch, outputs)
            (steps,) for one output; for a softmax also whole numbers of shape (steps,), the class of each step.
        mask : array of shape (steps,) or of the shape of Y, optional
            Weight of the loss. Where it is 0, a target may be NaN or -1.
        trials : int or array of shape (steps,), optional
            Steps of a trial, or for each step the number or name of its trial. Without it X is one stream, unless it has
            an axis of trials.
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
            Shapes that do not fit, numbers that are not finite (the step is named), targets the loss has no meaning for,
            nothing that counts; nothing was learned.
        ApicalError
            Training diverged; the history until then is in `learner.history`.
        KeyboardInterrupt
            Ctrl-C: what was learned stays, and the history until then is in `learner.history`.
        """
        given = sequences(self._sizes, X, Y, mask, trials, self._order)
        if given.mask is not None and len(given.X) and not given.mask.any():
            raise ValueError(
                "mask: got weight 0 at every step, expected a step that counts. Nothing would be learned: give what counts a "
                "weight above 0."
            )
        epochs = whole("epochs", epochs)
        total = len(given.X) * epochs
        specs = monitor_specs(monitors, interval(every, max(1, min(100, total // 200))))
        if total == 0:
            return self._finish((0, _core.Recorder(self, specs).channels(), None))
        with Bar(total, progress) as bar:
            result = self._fit(given.X, given.Y, given.mask, given.edges, epochs, specs, bar.advance)
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
            specs = monitor_specs(monitors, interval(every, max(1, min(100, steps // 200))))
            with Bar(steps, progress) as bar:
                result = self._run(task, steps, specs, bar.advance)
            return self._finish(result)
        if isinstance(task, (str, Mapping)) or not hasattr(task, "__iter__"):
            raise TypeError(
                f"task: got a {type(task).__name__}, expected one of apical.tasks, its stream, or an iterator of (x, y). "
                "Write for example learner.run(apical.tasks.add(), steps=20_000)."
            )
        steps = None if steps is None else whole("steps", steps)
        return self._iterate(task, steps, progress, monitors, interval(every, 100))

    def _iterate(
        self,
        task: Iterable,
        steps: Optional[int],
        progress: bool,
        monitors: Iterable,
        every: int,
    ) -> History:
        specs = monitor_specs(monitors, every)
        recorder = _core.Recorder(self, specs)
        before = self.steps
        done, counts = 0, False
        try:
            with Bar(steps, progress) as bar:
                for step in task if steps is None or steps > 0 else ():
                    x, y, mask, start = unpack_step(step, done)
                    if start:
                        self.begin_trial()
                    self.learn_one(x, y, mask)
                    done += 1
                    counts = counts or mask is None or bool(np.any(mask))
                    recorder.on_step()
                    bar.advance(1)
                    if steps is not None and done >= steps:
                        break
                else:
                    if self._trial_is_open:
                        self.end_trial()
        finally:
            # Ctrl-C may come between a step and its count.
            self.history = History(recorder.channels(), self.steps - before)
        if done and not counts:
            text = f"mask: got weight 0 at each of the {done} steps: nothing was learned. Give what counts a weight above 0."
            warnings.warn(text, ApicalWarning, stacklevel=3)
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
        """Loss and accuracy on held-out steps of a built-in task: weights stand still, training activity is untouched.

        Ctrl-C leaves the learner as it was; a stream that was handed in has moved on.
        """
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

    def predict(self, X: Any, trials: Any = None) -> Any:
        """Predictions along X from the start of a trial, with frozen weights; shape as Y in `fit`."""
        return self.simulate(X, trials)["predictions"]

    def simulate(self, X: Any, trials: Any = None) -> dict[str, Any]:
        """Rates, outputs and predictions along X from the start of a trial, with frozen weights.

        Returns a dictionary of arrays `rates` (steps, units), `outputs` (steps, outputs), `predictions`
        (steps, outputs), with the axes of X; of lists if X is a list of trials of unequal length. The learner's own
        activity is untouched.
        """
        given = sequences(self._sizes, X, None, None, trials, self._order)
        first = None if given.edges is None else given.edges[0]
        arrays = dict(zip(("rates", "outputs", "predictions"), self._simulate(given.X, first)))
        if given.lengths is not None:
            cuts = np.cumsum(given.lengths)[:-1]
            return {name: np.split(array, cuts) for name, array in arrays.items()}
        return {name: array.reshape(given.lead + array.shape[1:]) for name, array in arrays.items()}

    # ---- files and copies ----

    def save(self, path: Any) -> None:
        """Writes the whole state to a checkpoint; see `apical.save`."""
        self._save(file_path("path", path), json.dumps(self._ordered.names))

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
        twin = from_bytes(type(self), self._to_bytes(), copy.deepcopy(self._rule_object, memo))
        # Known before its attributes are copied: they may lead back to the learner.
        memo[id(self)] = twin
        restore_attributes(twin, copy.deepcopy(attributes(self), memo))
        return twin

    def __copy__(self) -> "Learner":
        # The rule and what the learner keeps of itself are its own; attributes of the user are shared.
        twin = from_bytes(type(self), self._to_bytes(), copy.deepcopy(self._rule_object))
        restore_attributes(twin, attributes(self))
        twin._told, twin._ordered = set(self._told), self._ordered.copy()
        return twin

    def __reduce__(self):
        return (from_bytes, (type(self), self._to_bytes(), self._rule_object), attributes(self))

    __setstate__ = lambda self, state: restore_attributes(self, state)  # noqa: E731

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


def built(rule: Any) -> Any:
    """The object of a rule written in Python, of a class one that its constructor makes."""
    if not isinstance(rule, type):
        return rule
    if not hasattr(rule, "step"):
        raise TypeError(
            f"rule: got the class {rule.__name__} without a method step(view, credit), expected a rule. See help(apical.LocalView)."
        )
    return rule()


def assemble(network: Network, rule: Any, loss: Any, feedback: Any) -> tuple:
    """Settings, the object of a rule written in Python, and feedback weights of one's own."""
    settings = {"network": network.settings, "loss": as_spec(loss, "loss")}
    rule_object = weights = None
    if isinstance(rule, (str, dict)) or hasattr(rule, "kind"):
        settings["rule"] = as_spec(rule, "rule")
    else:
        rule_object = built(rule)
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


def attributes(learner: Learner) -> dict:
    """What Python keeps of a learner: its history, and attributes of its user, in slots or not."""
    slots = [name for cls in type(learner).__mro__ for name in _slots(cls) if hasattr(learner, name)]
    return {**{name: getattr(learner, name) for name in slots}, **learner.__dict__}


def _slots(cls: type) -> tuple:
    names = cls.__dict__.get("__slots__", ())
    names = (names,) if isinstance(names, str) else tuple(names)
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))


def restore_attributes(learner: Learner, kept: dict) -> None:
    """Gives a learner what `attributes` found."""
    for name, value in kept.items():
        object.__setattr__(learner, name, value)


def rebuild(cls: type, about: dict, rule: Any, begun: bool = False) -> Learner:
    """A learner of these settings, before its state is restored; a rule that has begun goes on from where it is."""
    if about["rule"] and rule is None:
        raise TypeError(
            f"rule: got None, expected an object of {about['rule']}, the rule written in Python that this learner was "
            "saved with. Hand it in: apical.load(path, rule=...)."
        )
    rule_object = built(rule)
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
    learner._begin()
    learner._ordered.names.update(about.get("names") or {})
    return learner


def from_bytes(cls: type, data: bytes, rule: Any = None) -> Learner:
    """What `pickle` and `copy` go through."""
    about = json.loads(_core.read_checkpoint("learner", data))
    learner = rebuild(cls, about, rule, begun=True)
    learner._restore("learner", data)
    return learner


def save(learner: Learner, path: Any) -> None:
    """Writes the whole state of a learner to `path`, in one step; going on from it gives the same bits.

    The file is in the safetensors format with a checksum: no pickle, any safetensors reader opens it. What only Python
    keeps, the history and attributes of one's own, is not in it; `pickle` keeps them.
    """
    if not isinstance(learner, Learner):
        raise TypeError(
            f"learner: got a {type(learner).__name__}, expected an apical.Learner. Write apical.save(learner, path); weights alone are "
            "saved by network.save_weights(path)."
        )
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
    path = file_path("path", path)
    about = json.loads(_core.read_checkpoint(path))
    learner = rebuild(Learner, about, rule)
    learner._restore(path, None)
    return learner


