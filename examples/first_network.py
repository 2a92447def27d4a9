# %% [markdown]
# # A first network
#
# Two stimuli come one after the other, with a pause between, and the network must say whether they were the same: it needs a
# memory, and learns one with RFLO, a rule whose synapses see only what is theirs.

# %%
import matplotlib.pyplot as plt
import numpy as np

import apical

task = apical.tasks.delayed_match()
print(task, "has", task.inputs, "inputs and", task.outputs, "outputs")

# %%
# Forty leaky units; all randomness comes from the seed.
network = apical.Network(
    inputs=task.inputs,
    outputs=task.outputs,
    units=40,
    neuron=apical.neurons.rate(alpha=0.3),
    recurrent=apical.init.gaussian(gain=1.2),
    seed=1,
)
learner = apical.Learner(
    network,
    rule=apical.rules.rflo(),
    loss=apical.losses.softmax_cross_entropy(),
    optimizer=apical.optimizers.adam(rate=3e-3),
    update="trial",
)
print(learner)

# %%
history = learner.run(task, steps=10_000, monitors=["loss", "W_rec.norm"], progress=False)
print(history)

# %% [markdown]
# Does learning the recurrent weights help? The control is a network whose readout alone learns, from the same start; and a
# claim needs more than one seed.

# %%
def held_out_loss(rule, seed):
    start = apical.Network(
        task.inputs,
        task.outputs,
        units=40,
        neuron=apical.neurons.rate(alpha=0.3),
        recurrent=apical.init.gaussian(gain=1.2),
        seed=seed,
    )
    one = apical.Learner(start, rule, optimizer=apical.optimizers.adam(rate=3e-3), update="trial")
    one.run(task, steps=10_000, progress=False)
    return one.evaluate(task, 2_000).loss


for rule in ("rflo", "readout_only"):
    losses = np.array([held_out_loss(rule, seed) for seed in range(6)])
    print(f"{rule:13} held-out loss {losses.mean():.4f} (sd {losses.std(ddof=1):.4f}, {len(losses)} seeds)")

# %%
# What the trained network does on trials it has not seen.
X, Y, mask, trials = task.sample(200, seed=99)
shown = learner.simulate(X, trials)

fig, axes = plt.subplots(1, 2, figsize=(10, 3.5), constrained_layout=True)
history.plot("loss", axes=axes[:1])
axes[0].set_yscale("log")
axes[1].plot(shown["predictions"], lw=1)
axes[1].plot(Y, lw=3, alpha=0.25, color="k")
axes[1].set(xlabel="step", ylabel="probability", title="predictions, and targets in grey")
fig.savefig("first_network.png", dpi=120)

# %%
# Every array is at hand.
print("largest eigenvalue of W_rec:", np.abs(np.linalg.eigvals(learner.W_rec)).max().round(3))
learner.save("first_network.safetensors")
again = apical.load("first_network.safetensors")
assert np.array_equal(again.W_rec, learner.W_rec)
