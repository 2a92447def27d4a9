# %% [markdown]
# # Compare three rules
#
# RTRL is exact and slow; RFLO keeps a local trace; UORO is right in the mean and noisy. How well do they learn the same task,
# and how far do their gradients agree? Six seeds each, and the control that every claim needs: only the readout learns.

# %%
import matplotlib.pyplot as plt
import numpy as np

import apical

task = apical.tasks.delayed_match()
rules = ["rtrl", "rflo", "uoro", "readout_only"]
seeds = range(6)


def train(rule, seed, steps=10_000):
    network = apical.Network(
        task.inputs,
        task.outputs,
        units=40,
        neuron=apical.neurons.rate(alpha=0.3),
        recurrent=apical.init.gaussian(gain=1.2),
        seed=seed,
    )
    learner = apical.Learner(
        network,
        rule,
        feedback="symmetric",
        optimizer=apical.optimizers.adam(rate=3e-3),
        update="trial",
    )
    history = learner.run(task, steps, progress=False)
    return history, learner.evaluate(task, 2_000).loss


# %%
results = {rule: [train(rule, seed) for seed in seeds] for rule in rules}
for rule, runs in results.items():
    losses = np.array([loss for _, loss in runs])
    print(f"{rule:13} held-out cross-entropy {losses.mean():.4f} (sd {losses.std(ddof=1):.4f}, {len(losses)} seeds)")

# %%
fig, ax = plt.subplots(figsize=(6, 4), constrained_layout=True)
for k, (rule, runs) in enumerate(results.items()):
    at = runs[0][0].at("loss")
    curves = np.array([history["loss"] for history, _ in runs])
    smooth = np.array([np.convolve(c, np.ones(10) / 10, mode="same") for c in curves])[:, 5:-5]
    ax.plot(at[5:-5], smooth.T, color=f"C{k}", alpha=0.25, lw=0.8)
    ax.plot(at[5:-5], smooth.mean(0), color=f"C{k}", label=rule)
ax.set(xlabel="step", ylabel="cross-entropy", yscale="log")
ax.legend()
fig.savefig("compare_three_rules.png", dpi=120)

# %% [markdown]
# The gradients themselves: one rule trains, all of them watch the same trajectory.

# %%
compared = apical.compare(
    "marschall2020/add-a1", rules=["rtrl", "rflo", "uoro"], steps=1_000, seeds=2, progress=False
)
print(compared)
compared.plot().figure.savefig("alignment.png", dpi=120)
