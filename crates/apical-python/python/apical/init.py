"""How weights start: `apical.init.gaussian(gain=1.5)`, `apical.init.orthogonal()`."""

from ._spec import Init, fill

__all__ = fill(globals(), "init", Init, "", False)
