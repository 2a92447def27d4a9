"""Tasks: the built-in ones, iterators of one's own, environments."""

import numpy as np
import pytest

import apical

MSE = "mean_squared_error"


def test_every_built_in_task_streams():
    for name in apical._spec.REGISTRY["tasks"]:
        if name in ("data", "sequential_mnist", "multi_task"):
            continue
        settings = {"task": apical.tasks.add()} if name == "embedded" else {}
        task = getattr(apical.tasks, name)(**settings)
        stream = task.stream(seed=3)
        for (x, y, mask, first), t in zip(stream, range(5)):
            assert x.shape == (task.inputs,) and y.shape == (task.outputs,), name
            assert mask is None or mask.shape == y.shape, name
            assert first == (t == 0) or task.has_trials, name


def test_streams_are_reproducible_and_named():
    task = apical.tasks.add(lags=[2, 3])
    a, b = task.sample(50, seed=1), task.sample(50, seed=1)
    assert np.array_equal(a.X, b.X) and np.array_equal(a.Y, b.Y) and a.trials is None
    assert not np.array_equal(a.X, task.sample(50, seed=2).X)
    assert not np.array_equal(a.X, task.sample(50, seed=1, purpose="test").X)
    assert task.bounds[0]["cross_entropy"] > task.bounds[-1]["cross_entropy"]
    flip = apical.tasks.delayed_match().sample(100)
    assert flip.trials is not None and flip.trials[-1] > 1


def test_running_a_task_is_fitting_its_sample():
    task = apical.tasks.add()
    net = apical.Network(task.inputs, task.outputs, 16, seed=4)
    a, b, c = (apical.Learner(net, "rflo") for _ in range(3))
    a.run(task, 600, progress=False)
    sample = task.sample(600, seed=4)
    b.fit(sample.X, sample.Y, progress=False)
    c.run(iter(zip(sample.X, sample.Y)), progress=False)
    assert np.array_equal(a.W_rec, b.W_rec) and np.array_equal(a.W_rec, c.W_rec)


def test_fitting_the_sample_of_a_task_with_trials_is_running_it():
    task = apical.tasks.delayed_match()
    net = apical.Network(task.inputs, task.outputs, 16, seed=4)
    a, b = apical.Learner(net, "rflo", update="trial"), apical.Learner(net, "rflo", update="trial")
    X, Y, mask, trials = task.sample(640, seed=4)
    a.run(task, 640, progress=False)
    b.fit(X, Y, mask, trials, progress=False)
    # The last trial of a stream stays open.
    a.end_trial()
    assert np.array_equal(a.W_rec, b.W_rec)


def test_a_stream_goes_on():
    task = apical.tasks.add()
    net = apical.Network(task.inputs, task.outputs, 16)
    a, b = apical.Learner(net, "rflo"), apical.Learner(net, "rflo")
    stream = task.stream()
    a.run(stream, 200, progress=False)
    a.run(stream, 200, progress=False)
    b.run(task.stream(), 400, progress=False)
    assert np.array_equal(a.W_rec, b.W_rec)


def test_evaluate_leaves_training_alone():
    task = apical.tasks.add()
    learner = apical.Learner(apical.Network(task.inputs, task.outputs, 16), "rflo")
    learner.run(task, 300, progress=False)
    before = learner.state
    result = learner.evaluate(task, 500)
    assert 0 < result.loss < 2 and 0 < result.accuracy < 1 and result.true_loss > 0
    assert np.array_equal(before, learner.state) and learner.steps == 300


def pulses(rng, trials=30):
    """A task written in Python: hold the pulse until the end of the trial."""
    for _ in range(trials):
        sign = rng.choice([-1.0, 1.0])
        for t in range(6):
            yield [sign if t == 0 else 0.0], [sign], [float(t == 5)], t == 0


def test_iterators_with_masks_and_trials(rng):
    net = apical.Network(1, 1, 8, neuron=apical.neurons.rate(alpha=0.5))
    online = apical.Learner(net, "rflo", loss=MSE)
    history = online.run(pulses(rng), progress=False, every=6)
    assert online.steps == 180 and len(history["loss"]) == 30
    by_trial = apical.Learner(net, "rflo", loss=MSE, update="trial")
    by_trial.run(pulses(rng), 60, progress=False)
    assert by_trial.steps == 60
    with pytest.raises(ValueError, match="begin_trial before the first step"):
        apical.Learner(net, "rflo", loss=MSE, update="trial").run([([1], [1])], progress=False)
    with pytest.raises(TypeError, match="step 0"):
        online.run([3], progress=False)
    with pytest.raises(TypeError, match="steps"):
        online.run(apical.tasks.add(), progress=False)


def test_an_iterator_may_fail(rng):
    learner = apical.Learner(apical.Network(1, 1, 8), "rflo", loss=MSE)

    def broken():
        yield [1], [1]
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        learner.run(broken(), progress=False)
    assert learner.steps == learner.history.steps == 1


class Choice:
    """The conventions of NeuroGym, without NeuroGym."""

    class action_space:
        n = 3

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def seed(self, seed):
        self.rng = np.random.default_rng(seed)

    @property
    def unwrapped(self):
        return self

    def new_trial(self):
        right = self.rng.integers(1, 3)
        self.ob = np.zeros((10, 3), dtype="f4")
        self.ob[:8, 0] = 1
        self.ob[2:6, right] = 1
        self.gt = np.array([0] * 8 + [right] * 2)


def test_an_environment_is_a_stream_of_trials():
    stream = apical.tasks.from_gym(Choice(), seed=1, trials=4)
    steps = list(stream)
    assert (stream.inputs, stream.outputs) == (3, 3) and len(steps) == 40
    assert [t for t, step in enumerate(steps) if step[3]] == [0, 10, 20, 30]
    assert steps[9][1].sum() == 1 and steps[9][1][0] == 0
    net = apical.Network(3, 3, 16, neuron=apical.neurons.rate(alpha=0.5), seed=1)
    learner = apical.Learner(net, "rflo", optimizer=apical.optimizers.adam(rate=1e-2))
    history = learner.run(apical.tasks.from_gym(Choice(), seed=1, trials=300), progress=False)
    assert history["loss"][-3:].mean() < 0.3 * history["loss"][0]
    with pytest.raises(TypeError, match="new_trial"):
        apical.tasks.from_gym(object())


class Discrete:
    def __init__(self, n, start=0):
        self.n, self.start = n, start


class MultiBinary:
    def __init__(self, n):
        self.n = n


class MultiDiscrete:
    nvec = [3, 3]


class Box:
    shape = (2,)


class Given:
    """An environment that gives the same trial again and again, but for the third."""

    def __init__(self, space, gt, third=None, ob=None):
        self.action_space, self.count = space, 0
        self.trial = {"ob": np.ones((4, 2)) if ob is None else ob, "gt": gt}
        self.third = {**self.trial, **(third or {})}

    def new_trial(self):
        self.count += 1
        vars(self).update(self.third if self.count == 3 else self.trial)


def test_choices_of_an_environment_become_targets():
    def targets(space, gt):
        return np.array([y for _, y, *_ in apical.tasks.from_gym(Given(space, gt), trials=1)]).tolist()

    eye = np.eye(3).tolist()
    assert targets(Discrete(3), [0, 1, 2, 2]) == [*eye, eye[2]]
    assert targets(Discrete(3, start=1), [1, 2, 3, 3]) == [*eye, eye[2]]
    assert targets(Discrete(3, start=-1), [-1.0, 0.0, 1.0, 1.0]) == [*eye, eye[2]]
    assert targets(Discrete(3), [[0], [1], [2], [2]]) == [*eye, eye[2]]
    assert targets(MultiBinary(2), [[0, 1]] * 4) == [[0, 1]] * 4
    assert targets(Box(), [0.5, 1, 2, 3]) == [[0.5], [1], [2], [3]]


@pytest.mark.parametrize(
    "space, gt, third, pattern",
    [
        (Discrete(3), [0, 1, 2, 3], {}, r"gt is 3 at step 3 of trial 0, expected a whole number from 0 to 2, .*Discrete\(3\)"),
        (Discrete(3), [0, 0, 0, 0], {"gt": [0, -1, 0, 0]}, "gt is -1 at step 1 of trial 2.*mask 0"),
        (Discrete(3, start=1), [1, 1, 1, 1], {"gt": [0, 1, 1, 1]}, r"gt is 0 at step 0 of trial 2, expected .* 1 to 3, .*start=1"),
        (Discrete(3), [0, 0.5, 0, 0], {}, "gt is 0.5 at step 1 of trial 0"),
        (Discrete(3), [0, np.nan, 0, 0], {}, "gt is nan at step 1 of trial 0"),
        (Discrete(3), None, {}, "trial 0 has no gt"),
        (Discrete(3), [0] * 4, {"gt": None}, "trial 2 has no gt"),
        (Discrete(3), [0] * 4, {"ob": None}, "trial 2 has no ob"),
        (Discrete(3), [0] * 4, {"ob": np.empty((0, 2)), "gt": []}, "trial 2 has observations of shape .*at least one step"),
        (Discrete(3), [0] * 4, {"ob": np.full((4, 2), np.nan)}, "ob is nan at step 0, element 0 of trial 2"),
        (Discrete(3), [0] * 4, {"ob": np.ones((4, 3))}, "trial 2 has 3 observations .*expected 2"),
        (Discrete(3), [0] * 4, {"gt": [0] * 3}, "trial 2 has 3 targets for 4 observations"),
        (Discrete(3), [[0, 1]] * 4, {}, r"trial 0 has gt of shape \(4, 2\)"),
        (MultiBinary(2), [[0, 2]] * 4, {}, "gt is 2.0 for switch 1 at step 0 of trial 0, expected 0 or 1"),
        (Box(), [[0, np.inf]] * 4, {}, "gt is inf at step 0, element 1 of trial 0"),
        (MultiDiscrete(), [[0, 1]] * 4, {}, "got an action space MultiDiscrete"),
        (Discrete(3), ["left"] * 4, {}, "env.gt: got 'left' at element 0"),
    ],
)
def test_what_an_environment_gets_wrong_is_named(space, gt, third, pattern):
    with pytest.raises((ValueError, TypeError), match=pattern):
        list(apical.tasks.from_gym(Given(space, gt, third), trials=3))


def test_a_neurogym_task():
    neurogym = pytest.importorskip("neurogym", reason="neurogym, or torch which it needs, is not installed")
    env = neurogym.make("PerceptualDecisionMaking-v0", dt=100)
    stream = apical.tasks.from_gym(env, seed=0, trials=50)
    net = apical.Network(stream.inputs, stream.outputs, 16, neuron=apical.neurons.rate(alpha=0.5))
    learner = apical.Learner(net, "rflo", optimizer=apical.optimizers.adam(rate=1e-2))
    history = learner.run(stream, progress=False, every=20)
    assert history.steps > 500 and history["loss"][-5:].mean() < history["loss"][0]


def test_data_files(tmp_path):
    rows = "\n".join(f"{np.sin(t)},{np.sin(t - 1)}" for t in range(200))
    (tmp_path / "wave.csv").write_text("x,y\n" + rows + "\n")
    task = apical.tasks.data(file=tmp_path / "wave.csv", inputs=["x"], targets=["y"])
    learner = apical.Learner(apical.Network(1, 1, 8), "rflo", loss=MSE)
    assert learner.run(task, 100, progress=False).steps == 100
    with pytest.raises(ValueError, match="task.file"):
        apical.tasks.data(file="nowhere.csv", inputs=["x"], targets=["y"]).sample(3)
