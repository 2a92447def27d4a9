"""What is recorded: the same of arrays, tasks and iterators, also where steps do not count and where there are few."""

import numpy as np
import pytest

import apical

MSE = "mean_squared_error"


def learner(outputs=1, **settings):
    settings.setdefault("loss", MSE)
    return apical.Learner(apical.Network(1, outputs, 8, seed=1), "rflo", **settings)


def both(X, Y, mask=None, outputs=1, loss=MSE, **arguments):
    """The histories of `fit` and of `run` with an iterator, which must be the same."""
    left = learner(outputs, loss=loss).fit(X, Y, mask, progress=False, **arguments)
    weights = [None] * len(X) if mask is None else mask
    right = learner(outputs, loss=loss).run(zip(X, Y, weights), progress=False, **arguments)
    assert list(left) == list(right)
    for name in left:
        assert left.at(name).tolist() == right.at(name).tolist(), name
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)
    return left


def test_iterators_record_what_fit_records(rng):
    X, Y = rng.normal(size=(90, 1)), rng.normal(size=(90, 1))
    monitors = ["loss", "rate[2]", "W_rec.norm", "alignment", {"quantity": "loss", "every": 30, "window": 40}]
    assert len(both(X, Y, monitors=monitors, every=10)["alignment"]) == 9


def test_steps_of_weight_0_add_nothing_and_a_record_of_them_alone_is_nan(rng):
    X, Y = rng.normal(size=(60, 1)), rng.normal(size=(60, 1))
    mask = (np.arange(60) % 4 == 0).astype(float)
    mask[20:30] = 0
    single = both(X, Y, mask, every=1)["loss"]
    assert np.array_equal(np.isnan(single), mask == 0)
    history = both(X, Y, mask, every=10)
    expected = np.nansum(single.reshape(6, 10), axis=1) / 10
    expected[2] = np.nan
    np.testing.assert_allclose(history["loss"], expected)
    # Targets that do not count change nothing.
    Y[mask == 0] = np.nan
    np.testing.assert_array_equal(both(X, Y, mask, every=10)["loss"], history["loss"])


def test_the_accuracy_is_that_of_the_steps_that_count(rng):
    X = rng.normal(size=(60, 1))
    labels = (X[:, 0] > 0).astype(int)
    mask = (np.arange(60) % 3 == 0).astype(float)
    mask[20:30] = 0
    weights = np.repeat(mask[:, None], 2, axis=1)
    softmax = dict(outputs=2, loss="softmax_cross_entropy", monitors=["accuracy"])
    single = both(X, labels, weights, every=1, **softmax)["accuracy"]
    assert np.array_equal(np.isnan(single), mask == 0) and set(single[mask == 1]) <= {0.0, 1.0}
    tens = [ten[~np.isnan(ten)] for ten in single.reshape(6, 10)]
    expected = [ten.mean() if len(ten) else np.nan for ten in tens]
    np.testing.assert_allclose(both(X, labels, weights, every=10, **softmax)["accuracy"], expected)
    # It has no meaning for squared errors.
    assert np.isnan(both(X, X, every=10, monitors=["accuracy"])["accuracy"]).all()


def test_what_is_too_short_for_a_record_is_one(rng):
    X, Y = rng.normal(size=(50, 1)), rng.normal(size=(50, 1))
    names = ["loss", "W_rec.norm", {"quantity": "loss", "every": 10}]
    history = both(X, Y, monitors=names, every=100)
    single = both(X, Y, every=1)["loss"]
    assert history.at("loss").tolist() == history.at("W_rec.norm").tolist() == [50]
    np.testing.assert_allclose(history["loss"], [single.mean()])
    assert history.at("loss_2").tolist() == [10, 20, 30, 40, 50]
    mask = (np.arange(50) % 2).astype(float)
    single = both(X, Y, mask, every=1)["loss"]
    np.testing.assert_allclose(both(X, Y, mask, every=100)["loss"], [np.nansum(single) / 50])
    mask[1:] = 0
    mask[0] = 1
    one = learner()
    one.fit(X, Y, mask, progress=False)
    with pytest.warns(apical.ApicalWarning, match="mask: got weight 0 at each of the 49 steps"):
        history = one.run(zip(X[1:], Y[1:], mask[1:]), every=100, progress=False)
    assert history.at("loss").tolist() == [99] and np.isnan(history["loss"]).all()
    # A run that has records keeps to its period.
    assert both(X, Y, every=40).at("loss").tolist() == [40]
    one = learner()
    one.fit(X, Y, progress=False)
    history = one.fit(X[:20], Y[:20], every=80, progress=False)
    assert history.at("loss").tolist() == [70]


def test_short_runs_of_tasks_and_of_failing_streams_have_a_record(rng):
    task = apical.tasks.add()
    one = apical.Learner(apical.Network(task.inputs, task.outputs, 8), "rflo")
    history = one.run(task, 30, every=1000, progress=False)
    assert history.at("loss").tolist() == [30] and np.isfinite(history["loss"]).all()
    assert one.run(task.stream(), 0, progress=False).at("loss").tolist() == []
    assert one.run([], progress=False).at("loss").tolist() == []

    def broken():
        yield [1], [1]
        raise RuntimeError("the disk is gone")

    one = learner()
    with pytest.raises(RuntimeError, match="the disk is gone"):
        one.run(broken(), progress=False)
    assert one.history.at("loss").tolist() == [1]
    assert repr(one.run([([1], [1])], progress=False, monitors=[])) == "History(1 steps; nothing recorded)"


def test_a_history_shows_what_counted(rng):
    X = rng.normal(size=(60, 1))
    mask = (np.arange(60) % 2 == 0).astype(float)
    history = learner().fit(X, X, mask, every=1, progress=False)
    assert np.isnan(history["loss"][-1])
    assert repr(history) == f"History(60 steps; last loss {history['loss'][-2]:.4g})"
    pytest.importorskip("matplotlib").use("Agg")
    (line,) = history.plot().flat[0].lines
    assert line.get_xdata().tolist() == history.at("loss")[::2].tolist()
