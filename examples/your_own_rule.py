# %% [markdown]
# # Your own rule
#
# Any class with `step(view, credit)` is a rule. It gets what a synapse and its two units have at hand, and returns this step's
# gradient. Slow, as every line of Python in a loop; right for trying an idea, and checked before it is believed.

# %%
import numpy as np

import apical


class Trace:
    """RFLO: each synapse remembers what it has done to its unit (Murray 2019, Eqs. 5-6)."""

    locality = "synapse"

    def reset(self):
        self.trace = None

    def step(self, view, credit):
        new = np.outer(view.gain, view.pre)
        self.trace = new if self.trace is None else view.own[:, None] * self.trace + new
        return credit[:, None] * self.trace


class Clipped(Trace):
    """An idea: traces that saturate, as a synapse's chemistry would."""

    def step(self, view, credit):
        super().step(view, credit)
        self.trace = np.clip(self.trace, -0.5, 0.5)
        return credit[:, None] * self.trace


# %%
# Is it what it says? `Trace` must give the numbers of the built-in rule.
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(50, 2)), rng.normal(size=(50, 1))
network = apical.Network(2, 1, units=10, neuron=apical.neurons.rate(alpha=0.3), seed=1)
ours = apical.gradients(network, Trace(), X, Y, loss="mean_squared_error")
theirs = apical.gradients(network, "rflo", X, Y, loss="mean_squared_error")
print("largest difference to rflo:", np.abs(ours["rec"] - theirs["rec"]).max())
assert np.allclose(ours["rec"], theirs["rec"], rtol=1e-10, atol=1e-12)

# %%
# How far is the idea from the exact gradient?
exact = apical.gradients(network, "rtrl", X, Y, loss="mean_squared_error")["rec"].sum(0)


def cosine(a, b):
    return (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)


for rule in (Trace, Clipped):
    mine = apical.gradients(network, rule(), X, Y, loss="mean_squared_error")["rec"].sum(0)
    print(f"{rule.__name__:8} alignment with rtrl {cosine(mine, exact):.3f}")

# %%
# Is it local? The audit exchanges everything a synapse must not see and looks whether its update keeps its bits.
print(apical.check(Clipped, cases=5, progress=False))


class Normalised(Trace):
    """Local at first sight, but the norm of all traces is not at any synapse."""

    def step(self, view, credit):
        gradient = super().step(view, credit)
        return gradient / (np.linalg.norm(self.trace) + 1e-9)


print(apical.check(Normalised, cases=5, progress=False))

# %%
# And does it learn? A rule written in Python takes the place of any other.
task = apical.tasks.add(lags=[1, 2])
for rule in (Clipped, "rflo", "readout_only"):
    losses = []
    for seed in range(3):
        net = apical.Network(task.inputs, task.outputs, units=16, seed=seed)
        learner = apical.Learner(net, rule, optimizer=apical.optimizers.adam(rate=3e-3))
        learner.run(task, steps=1_500, progress=False)
        losses.append(learner.evaluate(task, 1_000).true_loss)
    name = rule if isinstance(rule, str) else rule.__name__
    print(f"{name:13} held-out cross-entropy {np.mean(losses):.3f} (sd {np.std(losses, ddof=1):.3f}, 3 seeds)")
