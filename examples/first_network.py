# %% [markdown]
# # A first network
#
# Three pulses come at random times, each +1 or -1, and three outputs must hold the last pulse of each: the network needs a
# memory, and learns one with RFLO, a rule whose synapses see only what is theirs.

# %%
import matplotlib.pyplot as plt
import numpy as np

import apical

task = apical.tasks.flip_flop()
print(task, "has", task.inputs, "inputs and", task.outputs, "outputs")

# %%
# Fifty leaky units; all randomness comes from the seed.
network = apical.Network(
    inputs=task.inputs,
    outputs=task.outputs,
    units=50,
    neuron=apical.neurons.rate(alpha=0.5),
    recurrent=apical.init.gaussian(gain=1.2),
    seed=1,
)
learner = apical.Learner(
    network,
    rule=apical.rules.rflo(),
    loss=apical.losses.mean_squared_error(),
    optimizer=apical.optimizers.adam(rate=2e-3),
)
print(learner)

# %%
history = learner.run(task, steps=20_000, monitors=["loss", "W_rec.norm"], progress=False)
print(history)

# %% [markdown]
# Does learning the recurrent weights help? The control is a network whose readout alone learns, from the same start.

# %%
control = apical.Learner(
    network,
    rule=apical.rules.readout_only(),
    loss="mean_squared_error",
    optimizer=apical.optimizers.adam(rate=2e-3),
)
control.run(task, steps=20_000, progress=False)
for name, one in (("rflo", learner), ("readout only", control)):
    print(f"{name:13} held-out loss {one.evaluate(task, 2_000).loss:.4f}")

# %%
# What the trained network does on data it has not seen.
X, Y, _, _ = task.sample(150, seed=99)
shown = learner.simulate(X)

fig, axes = plt.subplots(1, 2, figsize=(10, 3.5), constrained_layout=True)
history.plot("loss", axes=axes[:1])
axes[0].set_yscale("log")
for k in range(task.outputs):
    axes[1].plot(Y[:, k] + 3 * k, color="0.7", lw=3, label="target" if k == 0 else None)
    axes[1].plot(shown["outputs"][:, k] + 3 * k, color=f"C{k}")
axes[1].set(xlabel="step", yticks=[], title="three memories")
axes[1].legend()
fig.savefig("first_network.png", dpi=120)

# %%
# Every array is at hand.
print("largest eigenvalue of W_rec:", np.abs(np.linalg.eigvals(learner.W_rec)).max().round(3))
learner.save("first_network.safetensors")
again = apical.load("first_network.safetensors")
assert np.array_equal(again.W_rec, learner.W_rec)
