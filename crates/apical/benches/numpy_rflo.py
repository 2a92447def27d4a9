"""RFLO at the end of trials in NumPy, in the setting of the published notebook: 50 units, trials of 100 steps, no input.

Usage: numpy_rflo.py [TRIALS]; prints the seconds of one step, the seconds of all TRIALS (10,000), and the first and last loss. The
same in Apical: `cargo bench -p apical -- murray`.
"""

import sys
import time

import numpy as np

trials = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
n, length, tau, rate = 50, 100, 10.0, 0.03
rng = np.random.default_rng(1)
W = 1.5 * rng.standard_normal((n, n)) / np.sqrt(n)
W_out = 0.1 * (2 * rng.random((1, n)) - 1) / np.sqrt(n)
B = rng.standard_normal((n, 1))
t = np.arange(1, length + 1) / length
target = np.sin(2 * np.pi * t) + 0.5 * np.sin(4 * np.pi * t) + 0.25 * np.sin(8 * np.pi * t)

losses = []
start = time.perf_counter()
for trial in range(trials):
    h, p = np.full(n, 0.1), np.zeros((n, n))
    dW, dW_out = np.zeros_like(W), np.zeros_like(W_out)
    loss = 0.0
    for step in range(length):
        rate_now = np.tanh(W @ h)
        p = (1 - 1 / tau) * p + np.outer((1 - rate_now**2) / tau, h)
        h = h + (rate_now - h) / tau
        error = target[step] - W_out @ h
        dW += (B @ error)[:, None] * p
        dW_out += np.outer(error, h)
        loss += 0.5 * float(error[0]) ** 2
    W += rate / length * dW
    W_out += rate / length * dW_out
    losses.append(loss / length)
seconds = time.perf_counter() - start
print(seconds / trials / length, seconds, losses[0], losses[-1])
