"""What a rule written in Python may look at, in two faces: what is local to a synapse, and everything.

A rule is any object with a method `step(view, credit)` that returns this step's gradient, an array of shape
(units, units + inputs + 1), or None. It may have `reset()`, called when a trial begins, and `locality`: "synapse"
(the default), "dendrite" or "network". Only with "network" has the view weights and the Jacobian.
"""

from __future__ import annotations

from typing import Any

_HIDDEN = {"weights", "W_rec", "W_in", "b_rec", "W_out", "b_out", "jacobian", "readout"}


class LocalView:
    """What a synapse and its two units have at hand. Axes of state variables and currents are left out if there is one.

    Attributes
    ----------
    pre : array (units + inputs + 1,)
        a(t) = [r(t-1); x(t); 1].
    rate, rate_before : array (units,)
        r(t) and r(t-1).
    state, state_before : array (units,)
        s(t) and s(t-1).
    own : array (units,)
        ds_i(t)/ds_i(t-1).
    gain : array (units,)
        ds_i(t)/du_i(t).
    slope, slope_before : array (units,)
        dr_i/ds_i at t and t-1.
    target : array (outputs,)
        y*(t), broadcast.
    loss : float
        L(t), broadcast.
    first : bool
        Whether a trial begins with this step.
    """

    _names = (
        "pre",
        "rate",
        "rate_before",
        "state",
        "state_before",
        "own",
        "gain",
        "slope",
        "slope_before",
        "target",
        "loss",
        "first",
    )
    __slots__ = _names

    def __init__(self, shown: dict) -> None:
        for name in self._names:
            setattr(self, name, shown[name])

    def __getattr__(self, name: str) -> Any:
        if name in _HIDDEN:
            raise AttributeError(
                f'view.{name}: this rule is declared local and cannot see it. Set locality = "network" in the class '
                "if the rule needs it; it is then not local."
            )
        raise AttributeError(f"view.{name}: the view shows {', '.join(self._names)}")


class GlobalView(LocalView):
    """Everything: the local face and the weights, hence the Jacobian.

    Attributes
    ----------
    W_rec, W_in, b_rec, W_out, b_out : arrays
        The weights that produced this step.
    jacobian : array (units, units)
        ds_i(t)/ds_j(t-1).
    """

    __slots__ = ("W_rec", "W_in", "b_rec", "W_out", "b_out", "jacobian")

    def __init__(self, shown: dict) -> None:
        super().__init__(shown)
        n = len(shown["rate"])
        weights, readout = shown["weights"], shown["readout"]
        self.W_rec, self.W_in, self.b_rec = (
            weights[:, :n],
            weights[:, n:-1],
            weights[:, -1],
        )
        self.W_out, self.b_out = readout[:, :n], readout[:, n]
        self.jacobian = shown["jacobian"]
