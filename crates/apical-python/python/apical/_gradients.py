"""Per-step gradients with frozen weights, for any rule: the door to check this library against one's own code."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Union

import numpy as np

from . import _core
from ._arrays import numbers, plain
from ._learner import assemble
from ._network import Network, whole
from ._sequences import Sizes, sequences


def gradients(
    network: Network,
    rule: Any,
    X: Any,
    Y: Any,
    *,
    loss: Union[str, Mapping] = "softmax_cross_entropy",
    feedback: Any = "symmetric",
    initial_state: Any = None,
    noise: Any = None,
    start: Optional[Mapping] = None,
    mask: Any = None,
    seed: Optional[int] = None,
) -> dict[str, np.ndarray]:
    """The gradient of every step of one trial with frozen weights, as `rule` sees it.

    Parameters
    ----------
    network : Network
        Its weights, dtype and initial state; it is not changed.
    rule : str, settings of `apical.rules`, or an object with a method `step(view, credit)`
    X : array of shape (T, inputs)
    Y : array of shape (T, outputs)
    loss : str or settings of `apical.losses`
    feedback : str, settings of `apical.feedback`, or an array of shape (units, outputs)
        An array B brings q = B delta.
    initial_state : array of shape (units,), optional
        s(0), instead of the network's.
    noise : array of shape (T, numbers a step), optional
        What a stochastic rule draws, in order: for `uoro`, `r_kf_rtrl` one number a unit, for `kf_rtrl` two.
    start : dictionary of arrays, optional
        Starting values of the rule by the names of its equations: "A" and "B" of `uoro` and the Kronecker rules,
        "A", "A_slow", "J" of `dendritic`, ...
    mask : array of shape (T,) or (T, outputs), optional
        Weight of the loss.
    seed : int, optional
        For what is drawn and not handed in: noise, random feedback, starting values.

    Returns
    -------
    dict of arrays
        `rec` (T, n, n + inputs + 1): gradients of [W_rec, W_in, b_rec], row i those of the synapses onto unit i;
        `out` (T, outputs, n + 1): gradients of [W_out, b_out];
        `rest` (n, n + inputs + 1): what the rule pays when the trial ends. `bptt` and rules that wait for a reward pay
        everything then; `f_bptt` answers `horizon` - 1 steps late and owes the last ones. The gradient of the trial is
        always rec.sum(0) + rest;
        `loss` (T,), `rates` (T, n), `outputs` (T, outputs), `predictions` (T, outputs), `signals` (T, n): q;
        and what the rule shows of each step, if anything: `A_loss`, `J_loss` (T,), and of `dendritic` also `V_A` (T, n): V^A(t),
        `V_A_target` (T, n): T, of V^A(t - 1), `r_distal` (T, n): f(A_slow [r(t); y*(t); 1]).

    Raises
    ------
    ValueError, TypeError
        Shapes that do not fit (both sides are named), numbers that are not finite (their index is named), a setting
        that is not known.

    Examples
    --------
    >>> import apical, numpy as np
    >>> network = apical.Network(inputs=2, outputs=1, units=4)
    >>> g = apical.gradients(network, "rtrl", np.ones((5, 2)), np.zeros((5, 1)), loss="mean_squared_error")
    >>> g["rec"].shape
    (5, 4, 7)
    """
    if not isinstance(network, Network):
        network = getattr(network, "network", network)
    if not isinstance(network, Network):
        raise TypeError(
            f"network: got a {type(network).__name__}, expected an apical.Network or a learner. "
            "Write for example apical.Network.from_arrays(..)."
        )
    for name, value in (("rule", rule), ("loss", loss), ("feedback", feedback)):
        if value is None:
            raise TypeError(f"{name}: got None, expected a name or settings. Leave it out for the default.")
    settings, rule_object, weights = assemble(network, rule, loss, feedback)
    arrays = network.arrays()
    if initial_state is not None:
        arrays["initial_state"] = initial_state
    sizes = Sizes(network.inputs, network.outputs, 1, network.dtype, settings["loss"].get("kind"))
    given = sequences(sizes, X, Y, mask, None)
    if len(given.lead) != 1 or given.lengths is not None:
        raise ValueError(f"X: got an axis of trials, expected (T, {network.inputs}), one trial. Call once a trial.")
    request = _Request()
    request.settings = settings
    request.arrays = {
        name: numbers(name, value, network.dtype, np.ndim(getattr(network, name)))
        for name, value in arrays.items()
    }
    request.inputs, request.outputs = network.inputs, network.outputs
    request.seed = network.seed if seed is None else whole("seed", seed)
    request.dtype = network.dtype
    request.x, request.y, request.mask = given.X, given.Y, given.mask
    request.feedback = weights
    request.noise = None if noise is None else plain("noise", noise)
    request.start = _start(start)
    request.rule = rule_object
    return _core.gradients(request)


def _start(start: Any) -> dict:
    """Starting values by name."""
    if start is None:
        return {}
    if not isinstance(start, Mapping):
        raise TypeError(
            f"start: got a {type(start).__name__}, expected a dictionary of arrays by name. Write for example start={{\"A\": array}}."
        )
    return {str(name): plain(f"start[{name!r}]", value) for name, value in start.items()}


class _Request:
    """Arguments under their names."""
