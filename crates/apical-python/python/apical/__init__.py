"""Train recurrent neural networks with rules that are local in space, local in time and online.

>>> import apical
>>> network = apical.Network(inputs=2, outputs=2, units=32, seed=1)
>>> learner = apical.Learner(network, rule=apical.rules.rflo())
>>> step = learner.learn_one([1.0, 0.0], [0.0, 1.0])
>>> step.prediction.shape
(2,)

The words are those of the command line and of configuration files: `apical.rules`, `apical.neurons`,
`apical.feedback`, `apical.losses`, `apical.optimizers`, `apical.init`, `apical.tasks`.
"""

from . import feedback, init, losses, neurons, optimizers, rules, tasks
from ._core import ApicalError, Step, __version__
from ._gradients import gradients
from ._history import History
from ._interchange import from_torch_rnn
from ._learner import ApicalWarning, Evaluation, Learner, load, save
from ._network import Network
from ._runs import (
    Comparison,
    Receipt,
    Reproduction,
    check,
    compare,
    experiments,
    papers,
    reproduce,
)
from ._weights import load_weights
from ._view import GlobalView, LocalView

__all__ = [
    "ApicalError",
    "ApicalWarning",
    "Comparison",
    "Evaluation",
    "GlobalView",
    "History",
    "Learner",
    "LocalView",
    "Network",
    "Receipt",
    "Reproduction",
    "Step",
    "__version__",
    "check",
    "compare",
    "experiments",
    "feedback",
    "from_torch_rnn",
    "gradients",
    "init",
    "load",
    "load_weights",
    "losses",
    "neurons",
    "optimizers",
    "papers",
    "reproduce",
    "rules",
    "save",
    "tasks",
]
