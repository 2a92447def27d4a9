"""How errors come back to the units: `apical.feedback.symmetric()`, `apical.feedback.random()`."""

from ._spec import Feedback, fill

__all__ = fill(globals(), "feedback", Feedback, "", False)
