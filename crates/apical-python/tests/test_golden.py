"""The authors' own numbers through `apical.gradients`, and an independent witness in NumPy."""

import numpy as np
import pytest
from conftest import ROOT

import apical

FILES = ["marschall_ce_alpha1.npz", "marschall_mse_alpha04.npz"]
DNI_A = {
    "kind": "dendritic",
    "normalize": "none",
    "rate": 0.01,
    "label_activation": "identity",
    "jacobian": {"kind": "exact"},
}
DNI_B = {"kind": "dendritic", "normalize": "none", "rate": 0.01, "jacobian": {"kind": "learned", "rate": 0.02}}
CASES = {
    "rtrl": ("rtrl", False),
    "rtrl_fb": ("rtrl", True),
    "readout_only": ("readout_only", False),
    "dni_a": (DNI_A, False),
    "dni_b": (DNI_B, True),
    "rflo": ("rflo", False),
    "rflo_fb": ("rflo", True),
    "e_bptt": ("e_bptt", False),
    "f_bptt": ("f_bptt", False),
    "uoro": ("uoro", False),
    "kf_rtrl": ("kf_rtrl", False),
    "r_kf_rtrl": ("r_kf_rtrl", False),
}


def load(file):
    return dict(np.load(ROOT / "testdata" / file))


def network(golden):
    weights = {name: golden[f"param/{name}"] for name in ("W_rec", "W_in", "b_rec", "W_out", "b_out")}
    return apical.Network.from_arrays(
        **weights,
        neuron="rate",
        alpha=golden["alpha"],
        activation="tanh",
        initial_state=golden["a0"],
    )


def loss(file):
    return "softmax_cross_entropy" if "_ce_" in file else "mean_squared_error"


def arguments(golden, key):
    rule, own_feedback = CASES[key]
    if key in ("e_bptt", "f_bptt"):
        rule = {"kind": rule, "horizon": int(golden["horizon"])}
    # B brings q = B delta: units x outputs.
    given = {"feedback": golden["W_FB"].T if own_feedback else "symmetric"}
    if key.startswith("dni"):
        given["start"] = {"A": golden["dni/A0"], "A_slow": golden["dni/A0"]}
        if key == "dni_b":
            given["start"]["J"] = golden["param/W_rec"]
    for name, prefix, noise in (("uoro", "uoro", "nu"), ("kf_rtrl", "kf", "nu2"), ("r_kf_rtrl", "rkf", "nu")):
        if key == name:
            given["start"] = {"A": golden[f"{prefix}/A0"], "B": golden[f"{prefix}/B0"]}
            given["noise"] = golden[noise]
    return rule, given


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("key", CASES)
def test_per_step_gradients(file, key):
    golden = load(file)
    rule, given = arguments(golden, key)
    got = apical.gradients(network(golden), rule, golden["x"], golden["y"], loss=loss(file), **given)
    share = golden["y"].shape[1] if "_mse_" in file else 1
    for ours, theirs in {
        "rec": "rec_grads",
        "out": "out_grads",
        "rates": "a",
        "outputs": "z",
    }.items():
        np.testing.assert_allclose(got[ours], golden[f"{key}/{theirs}"], rtol=1e-10, atol=1e-10)
    # The published squared error reports half the mean but descends half the sum.
    np.testing.assert_allclose(got["loss"] / share, golden[f"{key}/loss"], rtol=1e-10, atol=1e-10)
    for name in ("A_loss", "J_loss"):
        if f"{key}/{name}" in golden:
            np.testing.assert_allclose(got[name], golden[f"{key}/{name}"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("key", ["dni_a", "dni_b"])
def test_the_distal_voltage_its_target_and_rate_are_shown(file, key):
    golden = load(file)
    rule, given = arguments(golden, key)
    got = apical.gradients(network(golden), rule, golden["x"], golden["y"], loss=loss(file), **given)
    error = got["V_A"][:-1] - got["V_A_target"][1:]
    np.testing.assert_allclose(0.5 * (error**2).mean(1), golden[f"{key}/A_loss"][1:], rtol=1e-10, atol=1e-10)
    # A_slow is refreshed after the fifth step: until then it is the start.
    label = np.hstack([got["rates"], golden["y"], np.ones((len(golden["y"]), 1))])[:5]
    distal = label @ golden["dni/A0"].T
    np.testing.assert_allclose(got["r_distal"][:5], np.tanh(distal) if key == "dni_b" else distal, rtol=1e-10)


def test_the_comparison_can_fail():
    golden = load(FILES[0])
    got = apical.gradients(network(golden), "rtrl", golden["x"], golden["y"], feedback=golden["W_FB"].T)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(got["rec"], golden["rtrl/rec_grads"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("key", ["rtrl", "rflo_fb"])
def test_online_trajectories(file, key):
    golden = load(file)
    rule, given = arguments(golden, key)
    learner = apical.Learner(
        network(golden),
        rule,
        loss=loss(file),
        optimizer=apical.optimizers.sgd(rate=0.05),
        feedback=given["feedback"],
    )
    share = golden["y"].shape[1] if "_mse_" in file else 1
    online = f"{key}_online_lr0.05"
    for t, (x, y) in enumerate(zip(golden["x"], golden["y"])):
        step = learner.learn_one(x, y)
        np.testing.assert_allclose(step.loss / share, golden[f"{online}/loss"][t], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(learner.rate, golden[f"{online}/a"][t], rtol=1e-9, atol=1e-9)
    for name in ("W_rec", "W_in", "b_rec", "W_out", "b_out"):
        expected = golden[f"{online}/final_{name}"]
        np.testing.assert_allclose(getattr(learner, name), expected, rtol=1e-9, atol=1e-9)


def numpy_rflo(network, B, X, Y, rate):
    """RFLO as in Murray 2019, Eqs. 1-6, written anew: weights move at every step."""
    W = np.hstack([network.W_rec, network.W_in, network.b_rec[:, None]])
    V = np.hstack([network.W_out, network.b_out[:, None]])
    alpha = network.settings["neuron"]["alpha"]
    n = len(W)
    h, trace, losses = np.zeros(n), np.zeros_like(W), []
    for x, target in zip(X, Y):
        a = np.concatenate([h, x, [1.0]])
        u = W @ a
        h = (1 - alpha) * h + alpha * np.tanh(u)
        z = V @ np.append(h, 1.0)
        error = z - target
        losses.append(0.5 * error @ error)
        trace = (1 - alpha) * trace + alpha * np.outer(1 - np.tanh(u) ** 2, a)
        W = W - rate * (B @ error)[:, None] * trace
        V = V - rate * np.outer(error, np.append(h, 1.0))
    return losses, W, V


@pytest.mark.parametrize("alpha", [1.0, 0.25])
def test_rflo_agrees_with_a_numpy_implementation(alpha, rng):
    n, inputs, outputs, steps = 20, 3, 2, 200
    net = apical.Network(
        inputs, outputs, n, neuron=apical.neurons.rate(alpha=alpha), recurrent=apical.init.gaussian(gain=1.2), seed=3
    )
    B = rng.normal(size=(n, outputs)) / np.sqrt(n)
    X, Y = rng.normal(size=(steps, inputs)), rng.normal(size=(steps, outputs))
    learner = apical.Learner(
        net, "rflo", loss="mean_squared_error", feedback=B, optimizer=apical.optimizers.sgd(rate=0.02)
    )
    losses, W, V = numpy_rflo(net, B, X, Y, 0.02)
    history = learner.fit(X, Y, progress=False, every=1)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-9)
    got = np.hstack([learner.W_rec, learner.W_in, learner.b_rec[:, None]])
    np.testing.assert_allclose(got, W, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.hstack([learner.W_out, learner.b_out[:, None]]), V, rtol=1e-9, atol=1e-12)
    assert np.abs(W - np.hstack([net.W_rec, net.W_in, net.b_rec[:, None]])).max() > 1e-3


def test_every_rule_has_gradients(rng):
    names = [name for name in apical._spec.REGISTRY["rules"]]
    X, Y = rng.normal(size=(12, 2)), rng.normal(size=(12, 2))
    net = apical.Network(2, 2, 6, seed=1)
    for name in names:
        got = apical.gradients(net, name, X, Y, loss="mean_squared_error")
        assert got["rec"].shape == (12, 6, 9) and got["out"].shape == (12, 2, 7), name
        total = got["rec"].sum(0) + got["rest"]
        assert np.isfinite(total).all(), name


def test_exact_rules_agree_with_finite_differences(rng):
    X, Y = rng.normal(size=(8, 2)), rng.normal(size=(8, 1))
    net = apical.Network(2, 1, 5, seed=2)

    def loss_of(net):
        return apical.gradients(net, "readout_only", X, Y, loss="mean_squared_error")["loss"].sum()

    exact = {}
    for rule in ("rtrl", "bptt"):
        got = apical.gradients(net, rule, X, Y, loss="mean_squared_error")
        exact[rule] = got["rec"].sum(0) + got["rest"]
    for i, j in [(0, 1), (3, 3), (4, 0)]:
        slopes = []
        for sign in (1, -1):
            other = apical.Network(2, 1, 5, seed=2)
            other.W_rec[i, j] += sign * 1e-5
            slopes.append(loss_of(other))
        slope = (slopes[0] - slopes[1]) / 2e-5
        for rule, gradient in exact.items():
            assert gradient[i, j] == pytest.approx(slope, rel=1e-6, abs=1e-9), rule


CELL = {"feedback_weights": "cell"}
MODPROP = {
    "exact": "rtrl",
    "three_factor": "three_factor",
    "mdgl_cell": {"kind": "mdgl", **CELL},
    "mdgl_typed": {"kind": "mdgl"},
    "modprop_cell_code": {"drive": "code", **CELL},
    "modprop_cell_paper": {"drive": "paper", **CELL},
    "modprop_typed_code": {"drive": "code"},
    "modprop_typed_paper": {"drive": "paper"},
    "modprop_typed_paper_taps3": {"drive": "paper", "taps": 3},
}


@pytest.mark.parametrize("key", MODPROP)
@pytest.mark.parametrize("when", ["last", "every"])
def test_modprop_and_what_it_is_compared_with(key, when):
    golden = load("modprop_2types.npz")
    own = apical.Network.from_arrays(
        W_rec=golden["W"],
        W_in=golden["U"],
        W_out=golden["V"],
        b_out=golden["b"],
        neuron="voltage",
        alpha=1 - float(golden["a"]),
        activation="relu",
        types={"kind": "given", "of": [int(t) for t in golden["types"]]},
    )
    rule = MODPROP[key]
    if key.startswith("modprop"):
        rule = {"kind": "modprop", "mu": float(golden["mu"]), **rule}
    X = golden["x"]
    Y = np.tile(np.eye(own.outputs)[int(golden["target"])], (len(X), 1))
    mask = np.ones(len(X)) if when == "every" else (np.arange(len(X)) == len(X) - 1).astype(float)
    got = apical.gradients(own, rule, X, Y, loss="softmax_cross_entropy", mask=mask)
    total = got["rec"].sum(0) + got["rest"]
    n = own.units
    for name, part in (("dW", total[:, :n]), ("dU", total[:, n:-1])):
        expected = golden[f"{when}/{key}/{name}"]
        assert np.abs(part - expected).max() <= 1e-9 * np.abs(expected).max()


def test_miconi_is_replayed_from_injected_pushes(rng):
    own = apical.Network(2, 1, 4, seed=1)
    X, Y = rng.normal(size=(12, 2)), rng.normal(size=(12, 1))
    pushes = rng.normal(size=(12, 4)) * (rng.uniform(size=(12, 4)) < 0.2)
    one, same, none = (
        apical.gradients(own, "miconi", X, Y, loss="mean_squared_error", noise=noise, seed=seed)
        for noise, seed in ((pushes, 1), (pushes, 2), (0 * pushes, 1))
    )
    assert np.array_equal(one["rates"], same["rates"]) and not np.array_equal(one["rates"], none["rates"])
