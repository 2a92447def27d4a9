"""Rules written in Python: the same view, faces of locality included."""

import copy
import json
import pickle
import struct
import zlib

import numpy as np
import pytest

import apical

MSE = "mean_squared_error"


class Trace:
    """RFLO: a local trace times the error signal."""

    locality = "synapse"

    def reset(self):
        self.trace = None

    def step(self, view, credit):
        new = np.outer(view.gain, view.pre)
        old = getattr(self, "trace", None)
        self.trace = new if old is None else view.own[:, None] * old + new
        return credit[:, None] * self.trace


class Kept(Trace):
    """The same with a trace that is there from the start, as checkpoints and audits need it."""

    def __init__(self, units=None, pre=None):
        self.trace = None if units is None else np.zeros((units, pre))


class Exact:
    """RTRL in a few lines: the influence of every weight on every unit."""

    locality = "network"

    def reset(self):
        self.influence = None

    def step(self, view, credit):
        n, m = len(view.rate), len(view.pre)
        immediate = np.einsum("i,ij,k->ijk", view.gain, np.eye(n), view.pre)
        old = self.influence
        self.influence = immediate if old is None else np.einsum("ij,jkl->ikl", view.jacobian, old) + immediate
        assert self.influence.shape == (n, n, m)
        return np.einsum("i,ijk->jk", credit * view.slope, self.influence)


class Cheat(Trace):
    """Declares itself local but weighs its signal with what all units do."""

    def step(self, view, credit):
        return super().step(view, credit) * view.rate.sum()


def data(rng, steps=40):
    return rng.normal(size=(steps, 2)), rng.normal(size=(steps, 2))


def network(**settings):
    return apical.Network(2, 2, 6, neuron=apical.neurons.rate(alpha=0.4), seed=2, **settings)


@pytest.mark.parametrize("rule, built_in", [(Trace, "rflo"), (Exact, "rtrl")])
def test_gradients_are_those_of_the_built_in_rule(rule, built_in, rng):
    X, Y = data(rng)
    ours = apical.gradients(network(), rule(), X, Y, loss=MSE)
    theirs = apical.gradients(network(), built_in, X, Y, loss=MSE)
    np.testing.assert_allclose(ours["rec"], theirs["rec"], rtol=1e-10, atol=1e-12)


def test_reset_is_called_before_the_first_step():
    class Strict(Trace):
        def step(self, view, credit):
            self.trace  # There is none before reset.
            return super().step(view, credit)

    apical.Learner(network(), Strict(), loss=MSE).learn_one([1, 0], [0, 1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_rule_trains(dtype, rng):
    X, Y = data(rng, 200)
    a = apical.Learner(network(dtype=dtype), Trace, loss=MSE)
    b = apical.Learner(network(dtype=dtype), "rflo", loss=MSE)
    a.fit(X, Y, trials=50, progress=False)
    b.fit(X, Y, trials=50, progress=False)
    tolerance = 1e-9 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(a.W_rec, b.W_rec, rtol=tolerance, atol=tolerance)
    assert isinstance(a.rule, Trace) and "Trace" in repr(a)
    task = apical.tasks.add()
    apical.Learner(apical.Network(task.inputs, task.outputs, 6), Trace()).run(task, 100, progress=False)


def test_the_local_face_hides_weights(rng):
    class Peek(Trace):
        def step(self, view, credit):
            return view.W_rec.sum() * super().step(view, credit)

    learner = apical.Learner(network(), Peek(), loss=MSE)
    with pytest.raises(AttributeError, match="declared local"):
        learner.learn_one([1, 0], [0, 1])
    assert np.array_equal(learner.W_out, network().W_out)
    Peek.locality = "network"
    apical.Learner(network(), Peek(), loss=MSE).learn_one([1, 0], [0, 1])
    with pytest.raises(ValueError, match="rule.locality"):
        Peek.locality = "somewhere"
        apical.Learner(network(), Peek(), loss=MSE)


def test_exceptions_of_a_rule_come_back(rng):
    class Late(Trace):
        seen = 0

        def step(self, view, credit):
            self.seen += 1
            if self.seen == 5:
                raise ZeroDivisionError("five")
            return super().step(view, credit)

    X, Y = data(rng)
    for use in (lambda l: l.fit(X, Y, progress=False), lambda l: [l.learn_one(x, y) for x, y in zip(X, Y)]):
        learner = apical.Learner(network(), Late(), loss=MSE)
        with pytest.raises(ZeroDivisionError, match="five"):
            use(learner)
        # The fifth step moved the state and taught nothing.
        assert learner.steps == 4
        learner.learn_one(X[0], Y[0])
    with pytest.raises(ZeroDivisionError):
        apical.gradients(network(), Late(), X, Y, loss=MSE)


@pytest.mark.parametrize(
    "returned, kind, text",
    [
        (np.zeros((6, 3)), ValueError, r"Wrong.step: got shape \(6, 3\), expected \(6, 9\)"),
        (np.full((6, 9), np.nan), ValueError, r"Wrong.step: got NaN at \(0, 0\)"),
        ("gradient", TypeError, "Wrong.step"),
    ],
)
def test_what_a_rule_returns_is_looked_at(returned, kind, text):
    class Wrong:
        def step(self, view, credit):
            return returned

    learner = apical.Learner(network(), Wrong(), loss=MSE)
    with pytest.raises(kind, match=text):
        learner.learn_one([1, 0], [0, 1])


def test_a_rule_may_return_nothing():
    class Nothing:
        def step(self, view, credit):
            assert view.first in (True, False) and view.target.shape == (2,) and view.loss > 0

    learner = apical.Learner(network(), Nothing(), loss=MSE)
    learner.learn_one([1, 0], [0, 1])
    assert np.array_equal(learner.W_rec, network().W_rec)


def test_a_rule_must_have_a_step_and_a_batch_of_one():
    with pytest.raises(TypeError, match="step"):
        apical.Learner(network(), object(), loss=MSE)
    with pytest.raises(ValueError, match="batch"):
        apical.Learner(network(), Trace(), loss=MSE, batch=2)


@pytest.mark.parametrize("way", ["file", "deepcopy", "pickle"])
def test_a_rule_goes_on_with_the_same_bits(way, rng, tmp_path):
    X, Y = data(rng)
    a = apical.Learner(network(), Kept(6, 9), loss=MSE)
    a.fit(X[:20], Y[:20], progress=False)
    if way == "file":
        a.save(tmp_path / "a.safetensors")
        b = apical.load(tmp_path / "a.safetensors", rule=Kept())
        with pytest.raises(TypeError, match="Kept"):
            apical.load(tmp_path / "a.safetensors")
    elif way == "deepcopy":
        b = copy.deepcopy(a)
    else:
        b = pickle.loads(pickle.dumps(a))
    assert b.rule is not a.rule and np.array_equal(a.rule.trace, b.rule.trace)
    for x, y in zip(X[20:], Y[20:]):
        assert a.learn_one(x, y).loss == b.learn_one(x, y).loss
    assert np.array_equal(a.W_rec, b.W_rec)


def test_what_a_checkpoint_cannot_hold_is_named(tmp_path):
    class Drawn(Trace):
        def __init__(self):
            self.rng = np.random.default_rng(0)

    learner = apical.Learner(network(), Drawn(), loss=MSE)
    with pytest.raises(ValueError, match="rule.rng: got a Generator"):
        learner.save(tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(3, 7, 9), (3, 2**40, 2**40), (3, 6, 0), (9, 6, 9), (1, 6, 9)])
def test_a_checkpoint_whose_shapes_cannot_be_is_refused(shape, tmp_path):
    path = tmp_path / "a.safetensors"
    learner = apical.Learner(network(), Kept(6, 9), loss=MSE)
    learner.learn_one(np.zeros(learner.inputs), np.zeros(learner.outputs))
    learner.save(path)
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    begin, end = json.loads(data[8:start])["rule.*shape.trace"]["data_offsets"]
    data[start + begin : start + end] = struct.pack("<3Q", *shape)
    # Whoever changes numbers can write the checksum anew.
    mark = b'"apical.checksum":"crc32:'
    at = data.index(mark) + len(mark)
    data[at : at + 8] = b"0" * 8
    data[at : at + 8] = b"%08x" % zlib.crc32(data)
    path.write_bytes(data)
    with pytest.raises((apical.ApicalError, ValueError), match="rule.*trace.*expected"):
        apical.load(path, rule=Kept())


class Audited(Trace):
    """Made for a network whose sizes it learns at its first step; the audit compares from the second on."""


@pytest.mark.parametrize("rule, passes", [(Trace, True), (Exact, True), (Cheat, False)])
def test_locality_is_audited(rule, passes):
    receipt = apical.check(rule, cases=6, progress=False)
    assert receipt.passed is passes and bool(receipt) is passes, repr(receipt)
    assert rule.__name__ in repr(receipt)


def test_a_learner_inside_its_own_rule_says_so():
    class Self:
        def step(self, view, credit):
            self.learner.learn_one([1, 0], [0, 1])

    rule = Self()
    rule.learner = learner = apical.Learner(network(), rule, loss=MSE)
    with pytest.raises(apical.ApicalError, match="in use by another call"):
        learner.learn_one([1, 0], [0, 1])


class Drawing:
    """Keeps what no checkpoint has a place for."""

    def __init__(self):
        self.rng = np.random.default_rng(3)
        self.steps = 2**60 + 1

    def step(self, view, credit):
        self.steps += 1
        return credit[:, None] * self.rng.normal(size=view.pre.size)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_carries_the_object_of_the_rule(way, rng):
    one = apical.Learner(apical.Network(2, 1, 4, initial_state=0.2), Drawing(), loss="mean_squared_error")
    X, Y = rng.normal(size=(10, 2)), rng.normal(size=(10, 1))
    one.fit(X, Y, progress=False)
    other = way(one)
    for learner in (one, other):
        learner.fit(X, Y, progress=False)
    assert np.array_equal(one.W_rec, other.W_rec)
    assert one.rule.steps == other.rule.steps == 2**60 + 21


class Counting:
    def __init__(self):
        self.counts = np.array([2**60 + 1])
        self.names = 3.0
        self.whole = 2**60 + 1

    def step(self, view, credit):
        self.counts = self.counts + 1


def test_whole_numbers_are_kept_to_the_last_digit(tmp_path):
    one = apical.Learner(apical.Network(2, 1, 4), Counting(), loss="mean_squared_error")
    one.learn_one([1, 0], [0])
    one.save(tmp_path / "one.safetensors")
    again = apical.load(tmp_path / "one.safetensors", rule=Counting()).rule
    assert again.counts[0] == 2**60 + 2 and again.whole == 2**60 + 1 and again.names == 3.0
    assert again.counts.dtype == np.int64
    with pytest.raises(TypeError, match="rule: got an object of Drawing, expected one of Counting"):
        apical.load(tmp_path / "one.safetensors", rule=Drawing())
