"""Bad input: refused or converted, with the texts of the command line; nothing is lost."""

import copy

import numpy as np
import pytest

import apical

MSE = "mean_squared_error"


@pytest.fixture
def learner():
    return apical.Learner(apical.Network(2, 3, 4), "rflo", loss=MSE)


def refused(kind, pattern, call):
    with pytest.raises(kind, match=pattern) as info:
        call()
    assert not isinstance(info.value, SystemError)
    return str(info.value)


def test_shapes_name_both_sides(learner):
    text = refused(ValueError, r"x: got shape \(3,\)", lambda: learner.learn_one([1, 2, 3], [0, 0, 0]))
    assert "expected (2,)" in text and "inputs of the network" in text
    refused(ValueError, r"y: got shape \(2,\), expected \(3,\)", lambda: learner.learn_one([1, 2], [0, 0]))
    refused(ValueError, r"X: got shape \(5, 3\), expected \(steps, 2\)", lambda: learner.fit(np.ones((5, 3)), np.ones((5, 3))))
    refused(ValueError, r"Y: got shape \(4, 3\), expected \(5, 3\)", lambda: learner.fit(np.ones((5, 2)), np.ones((4, 3))))
    refused(ValueError, r"mask: got shape \(4,\)", lambda: learner.fit(np.ones((5, 2)), np.ones((5, 3)), mask=np.ones(4)))
    refused(ValueError, r"trials: got 3 steps a trial", lambda: learner.fit(np.ones((5, 2)), np.ones((5, 3)), trials=3))
    refused(ValueError, r"W_rec: got shape \(3, 3\), expected \(4, 4\)", lambda: setattr(learner, "W_rec", np.ones((3, 3))))
    refused(ValueError, r"feedback: got shape \(3, 4\), expected \(4, 3\)", lambda: apical.Learner(learner.network, "rflo", loss=MSE, feedback=np.ones((3, 4))))
    refused(ValueError, r"W_in: got shape \(4, 4\)|W_in", lambda: apical.Network.from_arrays(np.eye(3), np.ones((4, 4)), W_out=np.ones((1, 3))))
    assert learner.steps == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_name_their_index(learner, bad):
    before = learner.W_rec
    text = refused(ValueError, "x: element 1 is", lambda: learner.learn_one([0, bad], [0, 0, 0]))
    assert "nothing was learned" in text
    X, Y = np.ones((9, 2)), np.ones((9, 3))
    X[7, 1] = bad
    refused(ValueError, "X: element 1 is .* at step 7", lambda: learner.fit(X, Y))
    Y[3, 2] = bad
    refused(ValueError, "Y: element 2 is .* at step 3", lambda: learner.fit(np.ones((9, 2)), Y))
    refused(ValueError, r"W_rec: got (NaN|-?inf) at \(0, 0\)", lambda: setattr(learner, "W_rec", np.full((4, 4), bad)))
    refused(ValueError, "X: element 1 is .* at step 7", lambda: apical.gradients(learner.network, "rflo", X, np.ones((9, 3)), loss=MSE))
    assert learner.steps == 0 and np.array_equal(before, learner.W_rec)


def test_types_are_converted_or_refused(learner):
    twin = copy.deepcopy(learner)
    a = learner.learn_one([1, 0], (True, False, 2))
    b = twin.learn_one(np.array([1, 0], dtype="int8"), np.array([1, 0, 2], dtype="float32"))
    assert a.loss == b.loss
    wide = np.ones((6, 4))
    c = learner.fit(np.asfortranarray(wide[:, :2]), np.ones((6, 6))[:, ::2], progress=False, every=1)
    d = twin.fit(np.ones((6, 2), dtype=int), np.ones((6, 3)), progress=False, every=1)
    assert np.array_equal(c["loss"], d["loss"])
    refused(TypeError, "x: got an array of complex128, expected numbers", lambda: learner.learn_one([1j, 0], [0, 0, 0]))
    refused(TypeError, "x: got 'a' at element 0, expected a number", lambda: learner.learn_one(["a", "b"], [0, 0, 0]))
    refused(ValueError, "x: got rows that make no array", lambda: learner.learn_one([[1], [1, 2]], [0, 0, 0]))
    refused(TypeError, "x: got", lambda: learner.learn_one(None, [0, 0, 0]))
    big_endian = np.ones(2, dtype=">f8")
    learner.learn_one(big_endian, [0, 0, 0])


def test_settings_name_the_nearest_known_word():
    net = apical.Network(2, 2)
    text = refused(ValueError, "rule", lambda: apical.Learner(net, "rflow"))
    assert "`rflo`" in text
    text = refused(ValueError, "dendritic|rule.ratee", lambda: apical.Learner(net, {"kind": "dendritic", "ratee": 1}))
    assert "`rate`" in text
    refused(TypeError, "ratee", lambda: apical.rules.dendritic(ratee=1))
    text = refused(ValueError, "alpha", lambda: apical.Network(2, 2, neuron=apical.neurons.rate(alpha=2)))
    assert "(0, 1]" in text and "network.neuron.alpha" in text
    refused(ValueError, "feedback", lambda: apical.Learner(net, "rflo", feedback="symetric"))
    refused(ValueError, "optimizer.rate", lambda: apical.Learner(net, "rflo", optimizer=apical.optimizers.sgd(rate=-1)))
    refused(ValueError, "units", lambda: apical.Network(2, 2, 0))
    refused(ValueError, "dtype", lambda: apical.Network(2, 2, dtype="float16"))
    refused(ValueError, "seed", lambda: apical.Network(2, 2, seed=-1))
    refused(TypeError, "units: got a float", lambda: apical.Network(2, 2, 3.5))
    refused(TypeError, "network: got a int", lambda: apical.Learner(3))
    refused(TypeError, "rule: got a int", lambda: apical.Learner(net, 3))
    refused(ValueError, "at least 2 outputs", lambda: apical.Learner(apical.Network(2, 1), "rflo"))
    refused(ValueError, "update", lambda: apical.Learner(net, "bptt"))
    refused(ValueError, "monitor.quantity", lambda: apical.Learner(net).fit(np.ones((2, 2)), np.eye(2), monitors=["los"]))
    refused(ValueError, "task", lambda: apical.tasks.add(lags=[4, 90000]).sample(10))
    with pytest.raises(AttributeError):
        apical.rules.rflow


def test_the_texts_are_those_of_the_command_line():
    import shutil
    import subprocess
    import os

    program = os.environ.get("APICAL_PROGRAM") or shutil.which("apical")
    if program is None or not os.path.exists(program):
        pytest.skip("the program `apical` is not built here")
    net = apical.Network(2, 2)
    for change, call in {
        "optimizer.rate=-1": lambda: apical.Learner(net, "rflo", optimizer={"kind": "sgd", "rate": -1.0}),
        "rule.ratee=1": lambda: apical.Learner(net, {"kind": "dendritic", "ratee": 1}),
    }.items():
        command = [program, "run", "marschall2019/lags46", "--set", change, "--out", "/nonexistent/out"]
        told = subprocess.run(command, capture_output=True, text=True)
        with pytest.raises(ValueError) as info:
            call()
        assert str(info.value) in told.stderr, (str(info.value), told.stderr)


def test_targets_without_meaning_are_refused():
    learner = apical.Learner(apical.Network(2, 2), "rflo")
    refused(ValueError, r"y\[0\] at step 0.*probability", lambda: learner.learn_one([1, 0], [2, 0]))
    assert learner.steps == 0


def test_divergence_is_told_and_the_history_kept(rng):
    learner = apical.Learner(
        apical.Network(1, 1, 8, neuron=apical.neurons.rate(activation="relu"), seed=1),
        "rflo",
        loss=MSE,
        optimizer=apical.optimizers.sgd(rate=50.0),
    )
    X = rng.normal(size=(500, 1))
    refused(apical.ApicalError, "diverged at step", lambda: learner.fit(X, X, progress=False, every=1))
    assert learner.history is not None and 0 < learner.history.steps < 500


def test_gradients_refuse_what_does_not_fit(rng):
    net = apical.Network(2, 2, 4)
    X, Y = np.ones((5, 2)), np.ones((5, 2))
    g = apical.gradients
    refused(ValueError, "noise: got 3 numbers, expected 20", lambda: g(net, "uoro", X, Y, loss=MSE, noise=np.ones(3)))
    refused(ValueError, "noise: .*draws none", lambda: g(net, "rflo", X, Y, loss=MSE, noise=np.ones(20)))
    refused(ValueError, "start.*Q", lambda: g(net, "uoro", X, Y, loss=MSE, start={"Q": np.ones(4)}))
    refused(ValueError, "X: got shape", lambda: g(net, "rflo", np.ones((5, 3)), Y, loss=MSE))
    refused(ValueError, "initial_state", lambda: g(net, "rflo", X, Y, loss=MSE, initial_state=np.ones(3)))
    refused(TypeError, "network: got", lambda: g(None, "rflo", X, Y))
    refused(ValueError, r"X: got rows that make no array \(row 0 has 2 entries, row 1 has 1\)", lambda: g(net, "rflo", [[1, 2], [1]], Y, loss=MSE))
    refused(ValueError, "X: got an axis of trials", lambda: g(net, "rflo", X[None], Y[None], loss=MSE))
    refused(TypeError, "noise: got 'loud'", lambda: g(net, "uoro", X, Y, loss=MSE, noise="loud"))
    refused(TypeError, "start: got a list, expected a dictionary", lambda: g(net, "uoro", X, Y, loss=MSE, start=[1]))


def test_what_is_of_another_type_is_named():
    refused(TypeError, "alpha: got 'abc', expected a number", lambda: apical.Network.from_arrays(np.eye(2), np.ones((2, 1)), W_out=np.ones((1, 2)), alpha="abc"))
    refused(TypeError, "initial_state: got 'up', expected a number", lambda: apical.Network(2, 1, initial_state="up"))
    refused(TypeError, "dale: got a float, expected a dictionary", lambda: apical.Network(2, 1, dale=0.8))
    refused(TypeError, "paper: got a NoneType, expected a name", lambda: apical.reproduce(None))
    refused(TypeError, "figure: got a int, expected a name", lambda: apical.reproduce("murray2019", figure=2))
    refused(TypeError, "out: got a int, expected the name of a folder", lambda: apical.reproduce("marschall2019", out=3))
    refused(TypeError, "experiment: got a Network.*apical.gradients", lambda: apical.compare(apical.Network(2, 1), ["rtrl"]))
    refused(TypeError, "rules: got Rule, expected names", lambda: apical.compare("marschall2020/add-a1", ["rtrl", type("Rule", (), {})]))
    refused(TypeError, "changes: got a list, expected a dictionary", lambda: apical.compare("marschall2020/add-a1", changes=["a"]))
    refused(TypeError, "path: got a int", lambda: apical.load(3))
    learner = apical.Learner(apical.Network(2, 1), loss=MSE)
    refused(TypeError, "learner: got a str, expected an apical.Learner", lambda: apical.save("model.safetensors", learner))
    refused(TypeError, "name: got a int", lambda: learner.view(1))
    refused(TypeError, "quantity: got a int", lambda: learner.read(1))
    refused(TypeError, "rule: got the class int without a method step", lambda: apical.Learner(learner.network, int, loss=MSE))
    refused(TypeError, "monitors: got a int, expected a list of names", lambda: learner.run([([1, 2], [1])], monitors=3, progress=False))
    refused(TypeError, "step 0 has a list as trial_start, expected True or False", lambda: learner.run([([1, 2], [1], None, [0, 1])], progress=False))
    refused(ValueError, "dtype: got 'a dict'", lambda: apical.Network(2, 1, dtype={"kind": "x"}))
    refused(ValueError, "trials: got rows that make no array", lambda: learner.fit(np.ones((2, 2)), [1, 2], trials=[[1], [1, 2]]))
    refused(TypeError, "loss: got None", lambda: apical.gradients(learner.network, "rflo", np.ones((2, 2)), [1, 2], loss=None))


def test_files(tmp_path):
    learner = apical.Learner(apical.Network(2, 2), "rflo")
    path = tmp_path / "a.safetensors"
    refused(apical.ApicalError, "cannot read", lambda: apical.load(path))
    path.write_bytes(b"not a checkpoint at all")
    refused(apical.ApicalError, "not an Apical checkpoint|truncated", lambda: apical.load(path))
    learner.save(path)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    (tmp_path / "b.safetensors").write_bytes(data)
    refused(apical.ApicalError, "damaged", lambda: apical.load(tmp_path / "b.safetensors"))
    (tmp_path / "c.safetensors").write_bytes(data[:-9])
    refused(apical.ApicalError, "truncated", lambda: apical.load(tmp_path / "c.safetensors"))
    refused(apical.ApicalError, "cannot write", lambda: learner.save(tmp_path / "nowhere" / "x"))
    refused(ValueError, "safetensors", lambda: apical.load_weights(path.parent / "b.safetensors") and apical.load_weights(__file__))


def test_views_and_traces_that_do_not_exist(learner):
    refused(ValueError, "name: got W", lambda: learner.view("W"))
    refused(ValueError, "trace: got nothing.here", lambda: learner.set_trace("nothing.here", [1]))
    refused(ValueError, "monitor.quantity", lambda: learner.read("nothing"))


def test_panics_do_not_cross(learner):
    # Whatever is thrown at the border comes back as an exception of Python.
    for value in (object(), {}, b"xx", [], np.array(3.0), np.zeros((0,)), "text", 1e400):
        for call in (
            lambda: learner.learn_one(value, value),
            lambda: learner.predict_one(value),
            lambda: learner.fit(value, value),
            lambda: learner._set("W_rec", value),
            lambda: learner.set_trace("eligibility.trace.0", value),
            lambda: apical.gradients(learner.network, "rflo", value, value),
            lambda: apical.Learner(learner.network, {"kind": "uoro", "noise": value}),
        ):
            with pytest.raises((ValueError, TypeError, apical.ApicalError)):
                call()
    learner.learn_one([1, 0], [0, 0, 0])


def test_what_is_no_plain_array_or_weight_is_refused(learner):
    X = np.ones((4, learner.inputs))
    Y = np.ones((4, learner.outputs))
    masked = np.ma.array(X, mask=X > 0)
    with pytest.raises(TypeError, match="X: got a masked array, expected a plain one"):
        learner.fit(masked, Y, progress=False)
    with pytest.raises(TypeError, match="x: got a masked array, expected a plain one"):
        learner.learn_one(masked[0], Y[0])
    with pytest.raises(ValueError, match="X: got rows that make no array"):
        learner.fit([[1, 2], [3]], Y, progress=False)
    with pytest.raises(ValueError, match="mask: got -1, expected weights of 0 or more"):
        learner.learn_one(X[0], Y[0], [-1.0] * learner.outputs)
    bad = np.array(learner.W_rec)
    bad[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"W_rec: got NaN at \(2, 1\), expected finite numbers"):
        learner.W_rec = bad
    with pytest.raises(ValueError, match="monitors.every: got 0"):
        learner.run(zip(X, Y), progress=False, monitors=[{"quantity": "loss", "every": 0}])
    with pytest.raises(ValueError, match="expected quantity and"):
        learner.run(zip(X, Y), progress=False, monitors=[{"quantitty": "loss"}])
    with pytest.raises(ValueError, match="batch: got 1099511627776, expected at most 1048576"):
        apical.tasks.add().stream(batch=2**40, steps=10)


def test_what_is_no_task_is_refused(learner):
    for task in (5, None, "add", {"kind": "add"}, apical.tasks.add):
        with pytest.raises(TypeError, match="task: got a .*, expected one of apical.tasks"):
            learner.run(task, 10, progress=False)
    for task in ("add", iter([])):
        with pytest.raises(TypeError, match="task: got a .*, expected one of apical.tasks or its stream"):
            learner.evaluate(task)
    X, Y = np.ones((4, learner.inputs)), np.ones((4, learner.outputs))
    with pytest.raises(TypeError, match="steps: got a float, expected a whole number"):
        learner.run(zip(X, Y), 2.5, progress=False)
    for wrong in ({"steps": -1}, {"batch": -1}, {"purpose": "tset"}, {"dtype": "int32"}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}: got"):
            apical.tasks.add().stream(**wrong)
    with pytest.raises(TypeError, match="W_rec: got a masked array"):
        learner.W_rec = np.ma.array(learner.W_rec, mask=learner.W_rec > 0)


def test_a_rule_and_a_loss_are_admitted_alike_everywhere():
    """What a learner refuses, gradients and comparisons refuse too: they would give wrong numbers."""
    looped = apical.Network(inputs=2, outputs=2, units=4, output_feedback="gaussian")
    X, Y = np.ones((3, 2)), np.full((3, 2), 0.5)
    loop = "network.output_feedback: got a loop from the outputs, expected none, because `rtrl`"
    refused(ValueError, loop, lambda: apical.Learner(looped, rule="rtrl"))
    refused(ValueError, loop, lambda: apical.gradients(looped, "rtrl", X, Y, loss=MSE))
    assert np.isfinite(apical.gradients(looped, "rflo", X, Y, loss=MSE)["rec"]).all()
    single = apical.Network(inputs=2, outputs=1, units=4)
    softmax = "loss.kind: got softmax_cross_entropy, expected at least 2 outputs"
    refused(ValueError, softmax, lambda: apical.Learner(single))
    refused(ValueError, softmax, lambda: apical.gradients(single, "rtrl", X, np.ones((3, 1))))
    refused(ValueError, "mask: got -1", lambda: apical.gradients(single, "rtrl", X, np.ones((3, 1)), loss=MSE, mask=-np.ones(3)))
