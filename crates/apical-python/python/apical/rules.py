"""Learning rules, by the names of their papers: `apical.rules.rflo()`, `apical.rules.uoro(noise="gaussian")`."""

from ._spec import Rule, fill

__all__ = fill(globals(), "rules", Rule, "rules", True)
