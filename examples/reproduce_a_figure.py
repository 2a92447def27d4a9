# %% [markdown]
# # Reproduce a figure
#
# Figure 1D of Marschall, Cho & Savin 2019 with controls: neurons with two compartments learn to add two coin tosses of the past.
# `quick=True` takes seconds and has few seeds; leave it out for the figure of the README.

# %%
import apical

print(apical.papers())

# %%
result = apical.reproduce("marschall2019", quick=True, progress=False)
for claim in result.claims:
    print(f"{claim['verdict']:14} {claim['statement']}: {claim['measured']} ({claim['spread']})")

# %%
for name, figure in result.figures.items():
    with open(f"{name}.png", "wb") as file:
        file.write(figure.png)
    print(f"wrote {name}.png, {len(figure.png) // 1000} kB")

# %% [markdown]
# The settings behind it are experiments of the command line; the same learner can be had in Python, step by step.

# %%
task = apical.tasks.add(lags=[4, 6])
network = apical.Network(task.inputs, task.outputs, units=32, seed=0)
learner = apical.Learner(network, rule=apical.rules.dendritic(), optimizer=apical.optimizers.sgd(rate=1e-3))
history = learner.run(task, steps=2_000, monitors=["loss", "A_loss", "J_loss"], progress=False)
print(history)
