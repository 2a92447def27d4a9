"""One step of RFLO from Python, beside NumPy and whatever else is installed.

    python benches/python_peers.py

Prints microseconds a step with the versions of everything; each peer is left out if it is not installed. The same network
(n units, 2 inputs, 2 outputs, squared error, SGD at every step, random feedback) learns the same stream. Times are the least of
several runs, by the clock of the process, so that other programs disturb less.
"""

import argparse
import importlib
import platform
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np

import apical

ROOT = Path(__file__).resolve().parents[1]
ALPHA, RATE = 0.5, 1e-3


def least(run, steps, repeats=15):
    """Microseconds a step of the fastest of several runs."""
    best = float("inf")
    for _ in range(repeats):
        begun = time.process_time()
        run()
        best = min(best, time.process_time() - begun)
    return 1e6 * best / steps


def data(n, steps, dtype):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(2, steps, 2)).astype(dtype)
    network = apical.Network(2, 2, n, neuron=apical.neurons.rate(alpha=ALPHA), seed=1, dtype=dtype)
    B = (rng.normal(size=(n, 2)) / np.sqrt(n)).astype(dtype)
    return network, B, X, Y


def ours(n, dtype, steps=20_000):
    network, B, X, Y = data(n, steps, dtype)
    learner = apical.Learner(
        network, "rflo", loss="mean_squared_error", feedback=B, optimizer=apical.optimizers.sgd(rate=RATE)
    )
    rows = list(zip(X, Y))

    def stream():
        learn = learner.learn_one
        for x, y in rows:
            learn(x, y)

    yield "apical learn_one", least(stream, steps)
    yield "apical fit", least(lambda: learner.fit(X, Y, progress=False, monitors=[]), steps)


def rust_loop(n, dtype):
    """The same stream learned by a loop in Rust: what `fit` is measured against."""
    if shutil.which("cargo") is None:
        return
    command = ["cargo", "run", "--release", "-q", "-p", "apical", "--example", "rust_loop", "--", str(n), dtype]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        yield "Rust loop", float(done.stdout)
    else:
        print(done.stderr)


def numpy_peer(n, dtype, steps=3_000):
    network, B, X, Y = data(n, steps, dtype)
    W = np.hstack([network.W_rec, network.W_in, network.b_rec[:, None]])
    V = np.hstack([network.W_out, network.b_out[:, None]])
    one = np.ones(1, dtype)

    def stream():
        nonlocal W, V
        h, trace = np.zeros(n, dtype), np.zeros_like(W)
        for x, y in zip(X, Y):
            a = np.concatenate([h, x, one])
            f = np.tanh(W @ a)
            h = (1 - ALPHA) * h + ALPHA * f
            post = np.concatenate([h, one])
            error = V @ post - y
            trace *= 1 - ALPHA
            trace += np.outer(ALPHA * (1 - f * f), a)
            W -= (RATE * (B @ error))[:, None] * trace
            V -= RATE * np.outer(error, post)

    yield "NumPy", least(stream, steps, 3)


def torch_peer(n, dtype, steps=1_000):
    import torch

    torch.set_num_threads(1)
    network, B, X, Y = data(n, steps, dtype)
    W = torch.from_numpy(np.hstack([network.W_rec, network.W_in, network.b_rec[:, None]]))
    V = torch.from_numpy(np.hstack([network.W_out, network.b_out[:, None]]))
    B, X, Y = (torch.from_numpy(a) for a in (B, X, Y))
    one = torch.ones(1, dtype=W.dtype)

    def stream():
        with torch.no_grad():
            h, trace = torch.zeros(n, dtype=W.dtype), torch.zeros_like(W)
            for x, y in zip(X, Y):
                a = torch.cat([h, x, one])
                f = torch.tanh(W @ a)
                h = (1 - ALPHA) * h + ALPHA * f
                post = torch.cat([h, one])
                error = V @ post - y
                trace.mul_(1 - ALPHA).add_(torch.outer(ALPHA * (1 - f * f), a))
                W.sub_((RATE * (B @ error))[:, None] * trace)
                V.sub_(RATE * torch.outer(error, post))

    yield "PyTorch eager", least(stream, steps, 3)


def jax_peer(n, dtype, steps=2_000):
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", dtype == "float64")
    # A scan of few steps is over before the clock of the process has moved.
    scanned = 50_000
    network, B, X, Y = data(n, scanned, dtype)
    W = jnp.hstack([network.W_rec, network.W_in, network.b_rec[:, None]])
    V = jnp.hstack([network.W_out, network.b_out[:, None]])
    one = jnp.ones(1, dtype)

    def step(state, sample):
        W, V, h, trace = state
        x, y = sample
        a = jnp.concatenate([h, x, one])
        f = jnp.tanh(W @ a)
        h = (1 - ALPHA) * h + ALPHA * f
        post = jnp.concatenate([h, one])
        error = V @ post - y
        trace = (1 - ALPHA) * trace + jnp.outer(ALPHA * (1 - f * f), a)
        W = W - (RATE * (B @ error))[:, None] * trace
        V = V - RATE * jnp.outer(error, post)
        return (W, V, h, trace), 0.5 * error @ error

    start = (W, V, jnp.zeros(n, dtype), jnp.zeros_like(W))
    compiled = jax.jit(step)
    scan = jax.jit(lambda state, X, Y: jax.lax.scan(step, state, (X, Y)))
    rows = list(zip(X[:steps], Y[:steps]))

    def stream():
        state = start
        for sample in rows:
            state, loss = compiled(state, sample)
        loss.block_until_ready()

    def whole():
        scan(start, X, Y)[1].block_until_ready()

    stream(), whole()
    yield "JAX jit, one step a call", least(stream, steps, 3)
    yield "JAX jit, scan", least(whole, scanned, 3)


def braintrace_peer(n, dtype, steps=50_000):
    """Braintrace's D-RTRL on a vanilla cell, compiled as one loop: a comparable step, though its readout does not learn."""
    import brainstate
    import braintrace
    import jax
    import jax.numpy as jnp

    brainstate.environ.set(precision=64 if dtype == "float64" else 32)
    _, _, X, Y = data(n, steps, dtype)

    class Net(brainstate.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = braintrace.nn.ValinaRNNCell(2, n)
            self.readout = braintrace.nn.Linear(n, 2)

        def update(self, x):
            return self.readout(self.cell(x))

    net = Net()
    brainstate.nn.init_all_states(net)
    weights = net.states(brainstate.ParamState)
    model = braintrace.D_RTRL(net)
    model.compile_graph(jnp.asarray(X[0]))

    def step(sample):
        x, y = sample
        loss = lambda: 0.5 * jnp.sum((model(x) - y) ** 2)
        gradients, value = brainstate.transform.grad(loss, weights, return_value=True)()
        for key, state in weights.items():
            state.value = jax.tree.map(lambda w, g: w - RATE * g, state.value, gradients[key])
        return value

    whole = brainstate.transform.jit(lambda X, Y: brainstate.transform.for_loop(lambda x, y: step((x, y)), X, Y))
    X, Y = jnp.asarray(X), jnp.asarray(Y)
    np.asarray(whole(X, Y))
    yield "braintrace D-RTRL, scan", least(lambda: np.asarray(whole(X, Y)), steps, 3)


PEERS = {"torch": torch_peer, "jax": jax_peer, "braintrace": braintrace_peer}


def version(name):
    try:
        return getattr(importlib.import_module(name), "__version__", "?")
    except ImportError:
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, nargs="*", default=[32, 128])
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, apical {apical.__version__}, numpy {np.__version__}, {platform.machine()}")
    found = {}
    for name in PEERS:
        found[name] = version(name)
        print(f"{name} {found[name] or 'is not installed: left out'}")
    for n in arguments.units:
        for dtype in ("float32", "float64"):
            rows = [*ours(n, dtype), *rust_loop(n, dtype), *numpy_peer(n, dtype)]
            for name, peer in PEERS.items():
                if found[name] is None:
                    continue
                try:
                    rows += peer(n, dtype)
                except Exception as error:
                    # A peer of another version is no reason to lose the other numbers.
                    print(f"{name}: {type(error).__name__}: {error}")
            base = rows[0][1]
            print(f"\nRFLO, n = {n}, {dtype}: microseconds a step, and against apical learn_one")
            for name, time_ in rows:
                print(f"  {name:26} {time_:9.2f}  {time_ / base:7.1f}x")


if __name__ == "__main__":
    main()
