"""What pickle and copy keep: everything that Python sees of an object."""

import copy
import multiprocessing
import pickle

import numpy as np
import pytest

import apical

MSE = "mean_squared_error"
WAYS = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "oldest pickle": lambda thing: pickle.loads(pickle.dumps(thing, protocol=2)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


class Scaled(apical.Learner):
    """A learner of a user's own."""

    __slots__ = ("unit",)

    def scale(self, x):
        return (np.asarray(x) - self.mean) / self.unit


class Decaying:
    """A rule of a user's own, with a memory."""

    locality = "synapse"

    def reset(self):
        self.trace = None

    def step(self, view, credit):
        new = np.outer(view.gain, view.pre)
        self.trace = new if self.trace is None else 0.5 * self.trace + new
        return credit[:, None] * self.trace


def trained(cls=apical.Learner, rule="rflo"):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    one = cls(apical.Network(2, 1, 6, seed=2), rule, loss=MSE)
    one.fit(X, X[:, :1], progress=False, every=10)
    return one


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", ["rflo", "own"])
def test_a_learner_keeps_its_history_its_class_and_its_users_attributes(way, rule):
    one = trained(Scaled, Decaying() if rule == "own" else rule)
    one.mean, one.unit, one.me, one.notes = 0.5, 2.0, one, ["first"]
    two = WAYS[way](one)
    assert type(two) is Scaled and two.scale([1.5]) == 0.5
    assert two.history.steps == 60 and np.array_equal(two.history["loss"], one.history["loss"])
    assert two.notes == ["first"] and (two.notes is one.notes) == (way == "copy")
    assert (two.me is two) == (way != "copy")
    assert two.learn_one([1, 0], [1]).loss == one.learn_one([1, 0], [1]).loss
    for _ in range(3):
        one.learn_one([0, 1], [1])
    assert two.steps == 61 and not np.array_equal(one.W_rec, two.W_rec)


def test_a_warning_told_once_is_not_told_again_by_a_copy():
    one = apical.Learner(apical.Network(2, 1, 6), loss=MSE, feedback="none")
    X = np.random.default_rng(0).normal(size=(2000, 2))
    with pytest.warns(apical.ApicalWarning):
        one.fit(X, X[:, :1], progress=False)
    two = pickle.loads(pickle.dumps(one))
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        two.fit(X[:10], X[:10, :1], progress=False)


@pytest.mark.parametrize("way", WAYS)
def test_streams_go_on_from_where_they_are(way):
    for task in (apical.tasks.delayed_match(), apical.tasks.add(lags=[2, 3])):
        for dtype in ("float64", "float32"):
            stream = task.stream(seed=3, batch=2, dtype=dtype)
            for _ in range(37):
                next(stream)
            twin = WAYS[way](stream)
            for _ in range(50):
                a, b = next(stream), next(twin)
                assert all(np.array_equal(p, q) for p, q in zip(a, b) if p is not None) and a[0].dtype == dtype


@pytest.mark.parametrize("way", WAYS)
def test_everything_else_can_be_copied(way):
    one = trained()
    task = apical.tasks.delayed_match()
    judge = apical.Learner(apical.Network(task.inputs, task.outputs, 6))
    for thing in (
        task,
        task.sample(50),
        judge.evaluate(task, 50),
        apical.rules.uoro(noise="gaussian"),
        apical.optimizers.adam(rate=0.1),
        apical.neurons.rate(alpha=0.3),
        one.settings,
    ):
        again = WAYS[way](thing)
        assert type(again) is type(thing) and repr(again) == repr(thing)
    step = one.learn_one([1, 0], [1])
    again = WAYS[way](step)
    assert again.loss == step.loss and np.array_equal(again.prediction, step.prediction)
    network = one.network
    network.note = "mine"
    again = WAYS[way](network)
    assert again.note == "mine" and np.array_equal(again.W_rec, network.W_rec)
    history = WAYS[way](one.history)
    assert list(history) == ["loss"] and np.array_equal(history.at("loss"), one.history.at("loss"))


def loss_of(learner):
    return learner.learn_one([1, 0], [1]).loss


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_learners_go_to_other_processes_and_back(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    one = trained()
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(loss_of, [one, one]) == [loss_of(copy.deepcopy(one))] * 2


def test_files_keep_names_and_no_history(tmp_path):
    one = apical.Learner(apical.Network(2, 1, 6), loss=MSE)
    one.learn_one({"a": 1.0, "b": 2.0}, 0.0)
    one.fit(np.ones((5, 2)), np.ones(5), progress=False)
    one.save(tmp_path / "one.safetensors")
    again = apical.load(tmp_path / "one.safetensors")
    assert again.history is None and again.input_names == ["a", "b"] and again.output_names is None
    with pytest.raises(TypeError, match="path: got a BytesIO, expected the name of a file"):
        one.save(__import__("io").BytesIO())


def test_a_typo_in_the_name_of_an_array_is_refused_and_own_attributes_are_kept():
    network = apical.Network(2, 1, 4)
    learner = apical.Learner(network, loss=MSE)
    for thing, name, meant in (
        (network, "W_recc", "W_rec"),
        (network, "w_in", "W_in"),
        (network, "inital_state", "initial_state"),
        (learner, "w_rec", "W_rec"),
        (learner, "Wout", "W_out"),
        (learner, "feedback_weight", "feedback_weights"),
    ):
        with pytest.raises(AttributeError, match=f"{name}: no attribute of .* Did you mean `{meant}`"):
            setattr(thing, name, np.ones(3))
    for thing, name in ((network, "neuron"), (network, "units"), (learner, "optimizer"), (learner, "batch"), (learner, "rule")):
        with pytest.raises(AttributeError, match=f"{name}: got a value, expected none.*fixed when the"):
            setattr(thing, name, 3)
    with pytest.raises(AttributeError, match="the learning rate is one of the optimizer"):
        learner.rate = 0.1
    learner.states, learner.tag, network.name = [], "mine", "first"
    assert learner.tag == "mine" and network.name == "first"

    class Mine(apical.Learner):
        loss = None

    one = Mine(network, loss=MSE)
    one.loss = "a number of one's own"
