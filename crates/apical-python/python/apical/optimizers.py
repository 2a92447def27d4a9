"""How gradients become weight changes: `apical.optimizers.sgd(rate=0.01)`, `apical.optimizers.adam()`."""

from ._spec import Optimizer, fill

__all__ = fill(globals(), "optimizers", Optimizer, "", False)
