"""The dendritic rule in NumPy: prints the seconds of one step. Usage: numpy_dendritic.py UNITS f32|f64"""

import sys
import time

import numpy as np

n, kind = int(sys.argv[1]), {"f32": np.float32, "f64": np.float64}[sys.argv[2]]
rng = np.random.default_rng(1)


def normal(*shape, fan):
    return (rng.standard_normal(shape) / np.sqrt(fan)).astype(kind)


W, W_out = normal(n, n + 3, fan=n), normal(2, n + 1, fan=n)
B, A, J = normal(n, 2, fan=n), normal(n, n + 3, fan=n + 3), normal(n, n, fan=n)
A_slow = A.copy()
one = np.ones(1, kind)
r, q, label = np.zeros(n, kind), np.zeros(n, kind), np.zeros(n + 3, kind)


def run(steps):
    global W, W_out, A, A_slow, J, r, q, label
    inputs = np.eye(2, dtype=kind)[rng.integers(0, 2, (2, steps))]
    rate, fast = kind(1e-3), kind(0.32 / n)
    for t in range(steps):
        x, y = inputs[0, t], inputs[1, t]
        pre = np.concatenate([r, x, one])
        r_new = np.tanh(W @ pre)
        post = np.concatenate([r_new, one])
        z = W_out @ post
        p = np.exp(z - z.max())
        delta = p / p.sum() - y
        J -= fast * np.multiply.outer(J @ r - r_new, r)
        label_new = np.concatenate([r_new, y, one])
        error = A @ label - q - np.tanh(A_slow @ label_new) @ J
        A -= fast * np.multiply.outer(error, label)
        if t % 5 == 4:
            A_slow = A.copy()
        W -= rate * np.multiply.outer((A @ label_new) * (1 - r_new**2), pre)
        W_out -= rate * np.multiply.outer(delta, post)
        r, q, label = r_new, B @ delta, label_new


steps = max(50, 2_000_000 // (n * n + 1_000))
best = float("inf")
for _ in range(5):
    start = time.perf_counter()
    run(steps)
    best = min(best, (time.perf_counter() - start) / steps)
print(best)
