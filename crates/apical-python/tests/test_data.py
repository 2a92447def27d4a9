"""Tasks of one's own data: rows are checked before anything is learned or tested, and one column needs no list."""

import pickle

import numpy as np
import pytest

import apical

MSE = "mean_squared_error"
SOFTMAX = "softmax_cross_entropy"


@pytest.fixture
def table(tmp_path, rng):
    """Writes rows of x, y and weight m to a file, some of them changed; gives the settings of its task."""

    def write(changes=(), suffix="csv", **settings):
        rows = np.column_stack([rng.normal(size=50), rng.integers(0, 2, 50), np.ones(50)])
        for row, column, value in changes:
            rows[row, column] = value
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.{suffix}"
        if suffix == "csv":
            np.savetxt(path, rows, delimiter=",", header="x,y,m", comments="")
        else:
            np.savez(path, x=rows[:, 0], y=rows[:, 1], m=rows[:, 2])
        return apical.tasks.data(**{"file": path, "inputs": ["x"], "targets": ["y"], **settings})

    return write


def learner(loss="sigmoid_cross_entropy", dtype="float64", outputs=1, **settings):
    return apical.Learner(apical.Network(1, outputs, 6, dtype=dtype), "rflo", loss=loss, **settings)


@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_rows_the_loss_has_no_meaning_for_are_found_before_a_step(table, suffix):
    task = table([(29, 1, 2)], suffix)
    for given in (task, task.stream(), pickle.loads(pickle.dumps(task.stream()))):
        one = learner()
        before = one.W_rec
        with pytest.raises(ValueError, match=f"{suffix}: row 30.*, column `y`: got 2") as caught:
            one.run(given, 5, progress=False)
        assert "expected a probability in [0, 1]" in str(caught.value)
        assert one.steps == 0 and one.history is None and np.array_equal(one.W_rec, before)
    # Another loss has a meaning for it, and a stream may serve two learners.
    stream = task.stream()
    assert learner(MSE).run(stream, 5, progress=False).steps == 5
    with pytest.raises(ValueError, match="expected a probability"):
        learner().run(stream, 5, progress=False)


def test_rows_held_out_matter_to_tests_alone(table):
    task = table([(45, 1, -1)])
    one = learner()
    assert one.run(task, 200, progress=False).steps == 200
    for given in (task, task.stream(purpose="test")):
        with pytest.raises(ValueError, match="row 46"):
            one.evaluate(given, 2)
    # Rows to learn from are no reason against a test.
    for task in (table([(3, 1, -1)]), table([(row, 2, 0) for row in range(40)], mask="m")):
        assert 0 <= learner().evaluate(task, 100).accuracy <= 1
        with pytest.raises(ValueError):
            learner().run(task, 100, progress=False)
    with pytest.raises(ValueError, match="weight 0 at every step of the held-out part.*change the mask or task.test\\.$"):
        learner().evaluate(table([(row, 2, 0) for row in range(40, 50)], mask="m"), 100)
    with pytest.raises(ValueError, match="task.test: got 0 .*Raise it, bring more data\\.$"):
        learner().evaluate(table(test=0.0), 100)


def test_numbers_the_precision_cannot_hold_are_found_before_a_step(table):
    train, test = table([(20, 0, 1e39)]), table([(44, 0, 1e39)])
    single, double = learner(dtype="float32"), learner()
    with pytest.raises(ValueError, match="row 21 .*got 1e39.*largest number of dtype=\"float32\".* with dtype=\"float64\""):
        single.run(train, 2, progress=False)
    assert single.steps == 0
    assert single.run(test, 100, progress=False).steps == 100
    with pytest.raises(ValueError, match="row 45"):
        single.evaluate(test, 2)
    assert double.run(train, 5, progress=False).steps == 5 and np.isfinite(double.evaluate(test, 10).loss)


def test_a_column_alone_needs_no_list(table):
    task = table(inputs="x", targets="y")
    assert (task.inputs, task.outputs) == (1, 1)
    assert np.array_equal(task.sample(20).X, (task | {"inputs": ["x"], "targets": ("y",)}).sample(20).X)
    assert apical.tasks.embedded(task=task, inputs=5).inputs == 5
    labels = table(targets="y", classes=2)
    assert learner(SOFTMAX, outputs=2).run(labels, 50, progress=False).steps == 50
    with pytest.raises(ValueError, match="`xx`"):
        table(inputs="xx").inputs
    with pytest.raises(ValueError, match="task.inputs: got integer `3`, expected a list"):
        table(inputs=3).inputs


def test_columns_of_an_array_by_one_name(tmp_path, rng):
    np.save(tmp_path / "a.npy", rng.normal(size=(20, 1)))
    task = apical.tasks.data(file=tmp_path / "a.npy", inputs="v", targets="v", columns="v")
    assert (task.inputs, task.outputs) == (1, 1)
