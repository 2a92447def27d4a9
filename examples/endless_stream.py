# %% [markdown]
# # Learn from an endless stream
#
# One sample at a time, constant memory, about two microseconds a step: predict, then learn, for as long as the stream runs.
# The world changes half way, and the network follows.

# %%
import time

import numpy as np

import apical


def sensor(seed, steps):
    """A noisy oscillation that slows down half way."""
    rng = np.random.default_rng(seed)
    phase = 0.0
    for t in range(steps):
        phase += 0.25 if t < steps // 2 else 0.12
        yield np.sin(phase) + 0.05 * rng.normal()


# %%
network = apical.Network(inputs=1, outputs=1, units=32, neuron=apical.neurons.rate(alpha=0.5), seed=0, dtype="float32")
learner = apical.Learner(
    network,
    rule="rflo",
    loss="mean_squared_error",
    optimizer=apical.optimizers.sgd(rate=0.02),
)

# %%
steps = 20_000
errors = np.zeros(steps)
naive = np.zeros(steps)
last, last_prediction = 0.0, 0.0
begun = time.perf_counter()
for t, value in enumerate(sensor(1, steps)):
    # What was predicted one step ago is now known: learn from it.
    step = learner.learn_one([last], [value])
    errors[t] = (step.prediction[0] - value) ** 2
    naive[t] = (last - value) ** 2
    last = value
seconds = time.perf_counter() - begun
print(f"{1e6 * seconds / steps:.1f} microseconds a step, everything included")

# %%
parts = {"first tenth": slice(0, 2000), "before the change": slice(8000, 10000), "after it": slice(10000, 10500), "end": slice(18000, 20000)}
for name, part in parts.items():
    print(f"{name:18} error {errors[part].mean():.4f}   repeating the last value {naive[part].mean():.4f}")

# %%
# A look ahead changes nothing.
before = learner.state
print("if 0.5 came next:", learner.predict_one([0.5]))
assert np.array_equal(before, learner.state)

# %%
# The stream may stop at any time: the checkpoint goes on bit for bit.
learner.save("stream.safetensors")
later = apical.load("stream.safetensors")
assert later.learn_one([0.1], [0.2]).loss == learner.learn_one([0.1], [0.2]).loss
print("steps learned:", later.steps)
