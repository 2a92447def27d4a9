"""Learners: streams, sequences, arrays, files, copies."""

import copy
import pickle

import numpy as np
import pytest

import apical

MSE = "mean_squared_error"


def data(rng, steps, inputs=2, outputs=2):
    return rng.normal(size=(steps, inputs)), rng.normal(size=(steps, outputs))


def learner(rule="rflo", dtype="float64", **settings):
    settings.setdefault("loss", MSE)
    net = apical.Network(2, 2, 8, neuron=apical.neurons.rate(alpha=0.5), seed=5, dtype=dtype)
    return apical.Learner(net, rule, **settings)


def same(a, b):
    for name in ("W_rec", "W_in", "b_rec", "W_out", "b_out", "state"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_bits_are_those_of_the_rust_library(reference, dtype):
    X, Y = np.array(reference["x"]), np.array(reference["y"])
    assert len(reference["rules"]) == len(apical._spec.REGISTRY["rules"])
    for rule, results in reference["rules"].items():
        # Steps of a stream with trials begun by hand, and the samples of a task, which say when a trial ends.
        by_hand, by_sample = results[dtype]
        net = apical.Network(2, 2, 8, neuron=apical.neurons.rate(alpha=0.5), seed=5, dtype=dtype)
        update = reference["updates"][rule]
        one = apical.Learner(net, rule, loss=MSE, update=update)
        many = apical.Learner(net, rule, loss=MSE, update=update)
        losses = []
        for t, (x, y) in enumerate(zip(X, Y)):
            if t % reference["trial"] == 0:
                one.begin_trial()
            losses.append(one.learn_one(x, y).loss)
        one.end_trial()
        history = many.fit(X, Y, trials=reference["trial"], every=1, progress=False)
        for trained, got, expected in ((one, losses, by_hand), (many, history["loss"].tolist(), by_sample)):
            assert got == expected["loss"], rule
            assert trained.W_rec.ravel().tolist() == expected["W_rec"], rule
            assert trained.W_out.ravel().tolist() == expected["W_out"], rule


def test_predict_one_tells_what_learn_one_will_say_and_changes_nothing(rng):
    X, Y = data(rng, 50)
    for loss in (MSE, "sigmoid_cross_entropy"):
        a, b = learner(loss=loss), learner(loss=loss)
        for x, y in zip(X, Y > 0):
            predicted = a.predict_one(x)
            assert np.array_equal(predicted, a.predict_one(x))
            assert np.array_equal(predicted, a.learn_one(x, y).prediction)
            b.learn_one(x, y)
        same(a, b)


def test_step_unpacks(rng):
    loss, prediction = learner().learn_one([0.5, 1], [1, 0])
    assert isinstance(loss, float) and prediction.shape == (2,)


def test_fit_learns_and_records(rng):
    X = rng.normal(size=(4000, 2))
    Y = np.roll(X, 1, axis=0)
    net = apical.Network(2, 2, 32, neuron=apical.neurons.rate(alpha=0.5), seed=1)
    trained = apical.Learner(net, "rflo", loss=MSE, optimizer=apical.optimizers.adam(rate=3e-3))
    history = trained.fit(X, Y, progress=False, monitors=["loss", "W_rec.norm"], epochs=2)
    assert history.steps == trained.steps == 8000
    assert history["loss"][-10:].mean() < 0.5 * history["loss"][:2].mean()
    assert len(history["W_rec.norm"]) == len(history.at("W_rec.norm")) > 10
    assert trained.history is history


def test_history_to_pandas_and_plot(rng):
    pandas = pytest.importorskip("pandas")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    history = learner().fit(*data(rng, 300), progress=False, monitors=["loss", "rate[3]"])
    frame = history.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and list(frame.columns) == ["loss", "rate[3]"]
    assert frame.index.name == "step" and frame["loss"].iloc[-1] == history["loss"][-1]
    assert [ax.get_ylabel() for ax in history.plot().flat] == ["loss", "rate[3]"]


def test_masked_steps_do_not_teach(rng):
    X, Y = data(rng, 100)
    a, b = learner(), learner()
    mask = np.zeros(100)
    for x, y, m in zip(X, Y, np.zeros((100, 2))):
        a.learn_one(x, y, m)
    same_weights = [np.array_equal(getattr(a, n), getattr(b, n)) for n in ("W_rec", "W_out")]
    assert all(same_weights)
    mask[::2] = 1
    b.fit(X, Y, mask=np.repeat(mask[:, None], 2, axis=1), progress=False)
    assert not np.array_equal(a.W_rec, b.W_rec)


def test_trials_in_three_ways_are_the_same(rng):
    X, Y = data(rng, 60)
    a, b, c = (learner(update="trial") for _ in range(3))
    a.fit(X, Y, trials=10, progress=False)
    b.fit(X, Y, trials=np.repeat(np.arange(6), 10), progress=False)
    c.fit(X.reshape(6, 10, 2), Y.reshape(6, 10, 2), progress=False)
    same(a, b)
    same(a, c)
    assert a.mode == "trial"


def test_batches_average_their_gradients(rng):
    X, Y = rng.normal(size=(30, 4, 2)), rng.normal(size=(30, 4, 2))
    batched = learner(batch=4)
    step = batched.learn_one(X[0], Y[0])
    assert step.prediction.shape == (4, 2) and batched.rate.shape == (4, 8)
    batched.fit(X[1:], Y[1:], progress=False)
    assert batched.steps == 30
    singles = [learner() for _ in range(4)]
    losses = [single.learn_one(X[0, b], Y[0, b]).loss for b, single in enumerate(singles)]
    assert step.loss == pytest.approx(np.mean(losses))


def test_simulate_follows_the_equations(rng):
    X, _ = data(rng, 20)
    net = learner()
    shown = net.simulate(X)
    h, rates = np.zeros(8), []
    for x in X:
        h = 0.5 * h + 0.5 * np.tanh(net.W_rec @ h + net.W_in @ x + net.b_rec)
        rates.append(h)
    np.testing.assert_allclose(shown["rates"], rates, rtol=1e-12)
    np.testing.assert_allclose(shown["outputs"], np.array(rates) @ net.W_out.T + net.b_out, rtol=1e-12)
    assert net.predict(X.reshape(2, 10, 2)).shape == (2, 10, 2)
    assert net.steps == 0


def test_weights_are_copies_and_views_are_windows(rng):
    net = learner()
    before, window = net.W_rec, net.view("W_rec")
    for _ in range(2):
        net.learn_one([1, 0], [0, 1])
    assert not np.array_equal(before, net.W_rec)
    assert np.array_equal(window, net.W_rec)
    with pytest.raises(ValueError):
        window[0, 0] = 1
    for name in ("W_in", "b_rec", "W_out", "b_out", "state", "rate", "output", "signal", "gradient"):
        assert np.array_equal(net.view(name), getattr(net, name)), name
    values = rng.normal(size=(8, 8))
    net.W_rec = values
    assert np.array_equal(net.W_rec, values) and np.array_equal(window, values)
    kept = net.view("W_rec")
    del net
    assert np.array_equal(kept, values)


def test_arrays_go_in_and_come_out(rng):
    W = {
        "W_rec": rng.normal(size=(5, 5)),
        "W_in": rng.normal(size=(5, 3)),
        "b_rec": rng.normal(size=5),
        "W_out": rng.normal(size=(2, 5)),
        "b_out": rng.normal(size=2),
    }
    net = apical.Network.from_arrays(**W, neuron="voltage", alpha=0.2, activation="tanh", initial_state=np.ones(5))
    assert net.settings["neuron"]["leak"] == pytest.approx(0.8)
    one = apical.Learner(net, "rflo", loss=MSE)
    for name, value in W.items():
        assert np.array_equal(getattr(one, name), value), name
        assert np.array_equal(getattr(one.network, name), value), name
    assert np.array_equal(one.initial_state, np.ones(5)) and np.array_equal(one.state, np.ones(5))
    # r(0) follows from the state.
    first = one.simulate(np.zeros((1, 3)))["rates"][0]
    u = W["W_rec"] @ np.tanh(np.ones(5)) + W["b_rec"]
    np.testing.assert_allclose(first, np.tanh(0.8 + 0.2 * u), rtol=1e-12)
    one.state = np.full(5, 0.5)
    np.testing.assert_allclose(one.rate, np.tanh(np.full(5, 0.5)), rtol=1e-12)
    assert apical.Network.from_arrays(W["W_rec"].astype("f4"), W["W_in"], W_out=W["W_out"], dtype="float32").W_rec.dtype == np.float32


def test_traces_can_be_read_and_set(rng):
    one = learner("rflo")
    x = np.array([1.0, -2.0])
    one.learn_one(x, [0, 1])
    (name,) = [name for name in one.traces() if name.startswith("eligibility.trace")]
    trace = one.traces()[name]
    assert trace.shape == (8, 11)
    gain = 0.5 * (1 - np.tanh(learner().W_in @ x) ** 2)
    np.testing.assert_allclose(trace[:, 8:10], np.outer(gain, x), rtol=1e-12)
    one.set_trace(name, np.zeros_like(trace))
    assert not one.traces()[name].any()
    dendritic = learner("dendritic")
    assert dendritic.traces()["credit.J"].shape == (8, 8)


def test_feedback_of_ones_own(rng):
    B = rng.normal(size=(8, 2))
    one = learner(feedback=B)
    assert np.array_equal(one.feedback_weights, B)
    step = one.learn_one([1, 0], [0, 1])
    np.testing.assert_allclose(one.signal, B @ (step.prediction - [0, 1]), rtol=1e-12)
    assert learner(feedback="symmetric").feedback_weights is None


RULES = ["rflo", "dendritic", "uoro", "kf_rtrl", "rtrl", "f_bptt", "kernl", "node_perturbation", "force"]


@pytest.mark.parametrize("way", ["file", "pickle", "deepcopy", "copy"])
@pytest.mark.parametrize("rule", RULES)
def test_going_on_gives_the_same_bits(rule, way, rng, tmp_path):
    X, Y = data(rng, 80)
    a = learner(rule, optimizer="adam", dtype="float32" if rule == "rflo" else "float64")
    a.fit(X[:40], Y[:40], progress=False)
    if way == "file":
        apical.save(a, tmp_path / "learner.safetensors")
        b = apical.load(tmp_path / "learner.safetensors")
    elif way == "pickle":
        b = pickle.loads(pickle.dumps(a))
    else:
        b = getattr(copy, way)(a)
    assert type(b) is apical.Learner and b.rule == a.rule and b.dtype == a.dtype
    for x, y in zip(X[40:], Y[40:]):
        assert a.learn_one(x, y).loss == b.learn_one(x, y).loss
    same(a, b)


def test_a_copy_is_on_its_own(rng):
    X, Y = data(rng, 20)
    a = learner()
    b = copy.deepcopy(a)
    a.fit(X, Y, progress=False)
    assert b.steps == 0 and not np.array_equal(a.W_rec, b.W_rec)


def test_checkpoints_hold_no_pickle_and_other_readers_open_them(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    one = learner()
    one.save(tmp_path / "learner.safetensors")
    arrays = safetensors.load_file(tmp_path / "learner.safetensors")
    assert "weights" in arrays
    one.save_weights(tmp_path / "weights.safetensors")
    arrays = safetensors.load_file(tmp_path / "weights.safetensors")
    assert np.array_equal(arrays["W_rec"], one.W_rec)
    again = apical.Network.from_arrays(**apical.load_weights(tmp_path / "weights.safetensors"), alpha=0.5)
    assert np.array_equal(again.W_out, one.W_out)
    safetensors.save_file({"W_rec": np.eye(3, dtype="f4")}, tmp_path / "theirs.safetensors")
    assert np.array_equal(apical.load_weights(tmp_path / "theirs.safetensors")["W_rec"], np.eye(3))


def test_settings_survive(rng):
    one = learner(apical.rules.uoro(), feedback="symmetric", update={"every": 5}, reduction="mean")
    settings = one.settings
    assert settings["rule"]["kind"] == "uoro" and settings["update"] == {"every": 5}
    assert "uoro" in repr(one) and "8 rate units" in repr(one)
    assert eval(repr(apical.rules.uoro()), {"rules": apical.rules}) == apical.rules.uoro()


def test_warnings_reach_python(rng):
    one = learner(feedback="none")
    with pytest.warns(apical.ApicalWarning, match="no error ever came back|never received"):
        one.fit(*data(rng, 2000), progress=False)


def test_none_is_no_choice():
    network = apical.Network(2, 1, 4)
    for name in ("rule", "loss", "feedback", "optimizer", "update"):
        with pytest.raises(TypeError, match=f"{name}: got None, expected"):
            apical.Learner(network, **{name: None})


def test_a_copy_cannot_be_mistaken_for_the_learner(rng):
    one = apical.Learner(apical.Network(2, 1, 4), loss=MSE)
    with pytest.raises(ValueError, match="read-only"):
        one.W_rec[0, 0] = 99.0
    one.network.W_rec[0, 0] = 99.0  # A network is one's own.
    assert one.W_rec[0, 0] != 99.0


def test_constraints_of_a_network():
    network = apical.Network(
        2,
        1,
        10,
        dale={"excitatory": 0.6, "readout": True},
        self_connections=False,
        sparsity={"density": 0.5},
        types={"kind": "contiguous", "count": 2},
        initial_state=0.1,
    )
    signs = np.where(np.arange(10) < 6, 1.0, -1.0)
    assert (network.W_rec * signs >= 0).all() and (network.W_out * signs >= 0).all()
    assert (np.diag(network.W_rec) == 0).all() and 10 < (network.W_rec != 0).sum() < 80
    assert (network.initial_state == 0.1).all()
    one = apical.Learner(network, "modprop", loss=MSE, feedback="symmetric", update="trial")
    X = np.random.default_rng(0).normal(size=(200, 2))
    one.fit(X, X[:, :1], trials=20, progress=False)
    assert (one.W_rec * signs >= 0).all() and (np.diag(one.W_rec) == 0).all()
    assert not np.array_equal(one.W_rec, network.W_rec)
    given = apical.Network.from_arrays(
        np.eye(3), np.ones((3, 2)), W_out=np.ones((1, 3)), types={"kind": "given", "of": [0, 1, 0]}
    )
    assert apical.gradients(given, "modprop", X, X[:, :1], loss=MSE)["rec"].shape == (200, 3, 6)


def test_histories_tell_what_is_recorded_twice_and_what_is_not(rng):
    X, Y = rng.normal(size=(40, 2)), rng.normal(size=(40, 1))
    monitors = ["loss", {"quantity": "loss", "every": 10, "window": 1}]
    for learn in (
        lambda one: one.fit(X, Y, progress=False, monitors=monitors, every=5),
        lambda one: one.run(zip(X, Y), progress=False, monitors=monitors, every=5),
    ):
        one = apical.Learner(apical.Network(2, 1, 4), loss=MSE)
        history = learn(one)
        assert list(history) == ["loss", "loss_2"]
        assert len(history["loss"]) == 8 and history.at("loss_2").tolist() == [10, 20, 30, 40]
        with pytest.raises(KeyError, match="got 'acc', expected one of loss, loss_2"):
            history["acc"]
        kept = dict(history.items())
        last = kept["loss_2"][-1]
        assert last == one.read("loss")
    empty = one.fit(X[:0], Y[:0], progress=False)
    assert empty["loss"].size == 0 and one.history is empty


def test_an_iterator_goes_on_within_its_trial(tmp_path):
    def trials(seed):
        rng = np.random.default_rng(seed)
        for t in range(40):
            yield rng.normal(size=2), rng.normal(size=1), None, t % 5 == 0

    def one():
        return apical.Learner(apical.Network(2, 1, 4), loss=MSE, update="trial")

    whole, parts = one(), one()
    whole.run(trials(1), progress=False)
    stream = trials(1)
    for steps in (7, 8, 25):
        parts.run(stream, steps, progress=False)
        parts.save(tmp_path / "within.safetensors")
        parts = apical.load(tmp_path / "within.safetensors")
    assert not np.array_equal(whole.W_rec, parts.W_rec)  # The last trial is open.
    parts.end_trial()
    assert np.array_equal(whole.W_rec, parts.W_rec)


def test_predictions_have_the_axes_of_targets(rng):
    one = apical.Learner(apical.Network(2, 1, 4), loss=MSE, batch=3)
    assert one.predict(rng.normal(size=(2, 5, 3, 2))).shape == (2, 5, 3, 1)
    assert one.predict(rng.normal(size=(5, 3, 2))).shape == (5, 3, 1)


def test_two_compartments_have_states_currents_and_a_record_of_their_own():
    neuron = apical.neurons.two_compartment(coupling=0.2, phase=3)
    network = apical.Network(2, 2, units=4, neuron=neuron, seed=1)
    assert network.W_rec.shape == (8, 4)
    learner = apical.Learner(network, "dendritic")
    names = ["state[0]", "state[7]", "V_A[3]", "V_A_target[3]", "r_distal.norm"]
    history = learner.run(apical.tasks.add(lags=[1, 2]), steps=50, monitors=names, every=1, progress=False)
    assert learner.state.shape == (2, 4)
    assert history["state[7]"][-1] == learner.state[1, 3]
    for name in names:
        values = history[name]
        assert len(values) == 50 and np.isfinite(values).all() and np.ptp(values) > 0
    with pytest.raises(ValueError, match="network.neuron.coupling: got 2, expected a number in"):
        apical.Network(2, 2, neuron=apical.neurons.two_compartment(coupling=2.0))
