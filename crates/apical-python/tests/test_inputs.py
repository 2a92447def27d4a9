"""What can be handed in: frames, dictionaries, other numbers, fewer axes, labels; the rest is refused with its cause."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import apical

MSE = "mean_squared_error"


def learner(inputs=2, outputs=1, dtype="float64", **settings):
    settings.setdefault("loss", MSE)
    return apical.Learner(apical.Network(inputs, outputs, 6, seed=1, dtype=dtype), "rflo", **settings)


def classifier(outputs=3, **settings):
    return learner(outputs=outputs, loss="softmax_cross_entropy", **settings)


@pytest.fixture
def data(rng):
    X = rng.normal(size=(40, 2))
    return X, np.roll(X[:, :1], 1, axis=0)


def weights(X, Y, one=None, **arguments):
    one = one or learner()
    one.fit(X, Y, progress=False, **arguments)
    return one.W_rec


def refused(pattern, call, kind=(ValueError, TypeError)):
    with pytest.raises(kind, match=pattern) as info:
        call()
    for raw in ("could not convert", "setting an array element", "inhomogeneous", "object cannot be"):
        assert raw not in str(info.value)


# ---- types ----


def test_frames_are_read_whatever_their_types(data):
    pandas = pytest.importorskip("pandas")
    X, Y = data
    expected = weights(X, Y)
    frame = pandas.DataFrame(X, columns=["a", "b"])
    for given in (frame, frame.astype("Float64"), frame.astype(object), frame.astype(str), frame.sample(frac=1).loc[range(40)]):
        assert np.array_equal(weights(given, Y), expected)
    for given in (pandas.Series(Y[:, 0]), pandas.DataFrame(Y), pandas.Series(Y[:, 0]).astype("Float64"), Y[:, 0]):
        assert np.array_equal(weights(X, given), expected)
    assert np.array_equal(weights({"a": X[:, 0], "b": list(X[:, 1])}, {"y": Y[:, 0]}), expected)
    whole = pandas.DataFrame({"a": np.arange(40), "b": np.arange(40) % 2}).astype({"a": "Int64", "b": "boolean"})
    assert np.array_equal(weights(whole, Y), weights(whole.to_numpy(dtype=float), Y))


def test_frames_of_polars_are_read(data):
    polars = pytest.importorskip("polars")
    X, Y = data
    assert np.array_equal(weights(polars.DataFrame(X), polars.Series(Y[:, 0])), weights(X, Y))
    refused("X: column 'a' has 'u' at row 0", lambda: weights(polars.DataFrame({"a": ["u"], "b": ["v"]}), Y))


def test_what_is_missing_in_a_frame_is_named_by_row_and_column(data):
    pandas = pytest.importorskip("pandas")
    X, Y = data
    frame = pandas.DataFrame(X, columns=["a", "b"]).astype("Float64")
    frame.iloc[3, 1] = pandas.NA
    one = learner()
    refused(r"X: element 1 is NaN \(missing\) at step 3 \(column 'b'\).*Fill the gap", lambda: weights(frame, Y, one))
    for value, got in (("low", "'low'"), (1j, "a complex"), ([1, 2], "a list"), (pandas.Timestamp("2020"), "a Timestamp")):
        mixed = pandas.DataFrame(X, columns=["a", "b"]).astype(object)
        mixed.iat[5, 0] = value
        refused(f"X: column 'a' has {got} at row 5, expected a number", lambda mixed=mixed: weights(mixed, Y, one))
    refused("X: column 'a' has '1,5' at row 0.*decimal point", lambda: weights(pandas.DataFrame({"a": ["1,5"] * 40, "b": 1.0}), Y, one))
    refused("X: column 't' has an array of datetime64.*seconds", lambda: weights(pandas.DataFrame({"t": pandas.date_range("2020", periods=40), "b": 1.0}), Y, one))
    assert one.steps == 0


def test_numbers_of_other_types_are_read():
    one, two = learner(), learner()
    expected = one.learn_one([1.0, 0.5], [0.25]).loss
    for x, y in (
        ([Decimal("1"), Fraction(1, 2)], [Decimal("0.25")]),
        (["1", "5e-1"], ["0.25"]),
        (np.array([1, 0.5], dtype=object), 0.25),
        ((np.float32(1), np.float16(0.5)), np.float32(0.25)),
        ({"a": 1.0, "b": 0.5}, {"y": 0.25}),
        (np.array([(1, 0.5)], dtype=[("a", int), ("b", float)])[0:1].view(np.recarray)[["a", "b"]].tolist()[0], 0.25),
    ):
        assert learner().learn_one(x, y).loss == expected
    refused("x: got 'one' at element 0, expected a number", lambda: two.learn_one(["one", "2"], [0]))
    refused("x: element 1 is NaN", lambda: two.learn_one([1, None], [0]))
    refused("x: got a generator.*list", lambda: two.learn_one((k for k in range(2)), [0]))
    refused("x: got rows that make no array", lambda: two.learn_one([[1], [1, 2]], [0]))
    assert two.steps == 0


def test_numbers_too_large_for_the_precision_are_named(data):
    X, Y = data
    X = X.copy()
    X[7, 1] = 1e39
    one = learner(dtype="float32")
    refused(r"X: element 1 is 1e\+39 at step 7, expected a number that float32 can hold", lambda: weights(X, Y, one))
    refused("x: got 1e39 as element 0, expected numbers that float32 can hold", lambda: one.learn_one([1e39, 0], [0]))
    refused("X: element 1 is inf at step 7", lambda: weights(np.where(X > 1e38, np.inf, X), Y, one))
    assert one.steps == 0 and weights(X, Y, learner()).all()


# ---- names ----


def test_names_are_found_whatever_their_order(data):
    X, Y = data
    one, two = learner(outputs=2), learner(outputs=2)
    for x, y in zip(X, Y[:, 0]):
        one.learn_one({"a": x[0], "b": x[1]}, {"up": y, "down": -y})
        two.learn_one(x, [y, -y])
        one.learn_one({"b": x[1], "a": x[0]}, {"down": -y, "up": y})
        two.learn_one(x, [y, -y])
        assert np.array_equal(one.predict_one({"b": 1, "a": 2}), two.predict_one([2, 1]))
    assert np.array_equal(one.W_rec, two.W_rec)
    assert one.input_names == ["a", "b"] and one.output_names == ["up", "down"]
    refused("x: got 'c' and no 'b', expected the names of before: 'a', 'b'", lambda: one.learn_one({"a": 1, "c": 2}, [0, 0]))
    refused("x: got no 'b', expected the names", lambda: one.learn_one({"a": 1}, [0, 0]))
    refused("x: got 'c', expected the names", lambda: one.learn_one({"a": 1, "b": 2, "c": 3}, [0, 0]))
    refused(r"x: got shape \(1,\)", lambda: learner().learn_one({"a": 1}, [0]))
    one.input_names = ["c", "d"]
    one.learn_one({"d": 1, "c": 0}, [0, 0])
    refused("input_names: got .*expected 2 different names", lambda: setattr(one, "input_names", ["c", "c"]))


def test_columns_of_frames_are_found_by_name(data):
    pandas = pytest.importorskip("pandas")
    X, Y = data
    frame = pandas.DataFrame(X, columns=["a", "b"])
    one = learner()
    one.fit(frame, Y, progress=False)
    assert np.array_equal(one.predict(frame[["b", "a"]]), one.predict(X))
    assert np.array_equal(one.predict_one(frame.iloc[0][["b", "a"]]), one.predict_one(X[0]))
    refused("X: got 'c' and no 'b'", lambda: one.predict(frame.rename(columns={"b": "c"})))
    # Numbers of columns are no names.
    assert one.predict(pandas.DataFrame(X)).shape == (40, 1)


# ---- shapes ----


def test_one_input_and_one_output_need_no_axis(data):
    _, Y = data
    one = learner(1)
    expected = weights(Y, Y, one)
    assert np.array_equal(weights(Y[:, 0], Y[:, 0], learner(1)), expected)
    assert one.predict(Y[:, 0]).shape == (40, 1)
    trials = Y.reshape(4, 10, 1)
    assert np.array_equal(weights(trials, trials[..., 0], learner(1)), weights(trials, trials, learner(1)))
    g = apical.gradients(one.network, "rflo", Y[:, 0], Y[:, 0], loss=MSE)
    assert g["rec"].shape == (40, 6, 8)
    refused(r"X: got shape \(4, 10\).*X\[..., None\]", lambda: weights(trials[..., 0], trials, learner(1)))


def test_transposed_arrays_are_recognised(data):
    X, Y = data
    refused("did you mean X.T", lambda: weights(X.T, Y))
    refused("did you mean Y.T", lambda: weights(X, np.ones((2, 40)), learner(outputs=2)))
    refused(r"did you mean X.swapaxes\(1, 2\)", lambda: weights(np.ones((4, 2, 10)), np.ones((4, 10, 1))))
    refused(r"X\[None\]", lambda: learner().predict(X[0]))
    refused("Select the columns that are inputs; it has 'a', 'b', 'c'", lambda: learner().predict({"a": [1, 2], "b": [1, 2], "c": [1, 2]}))


def test_trials_of_unequal_length(data):
    X, Y = data
    cuts = [10, 17, 33]
    parts, targets = np.split(X, cuts), np.split(Y, cuts)
    ids = np.repeat(np.arange(4), [10, 7, 16, 7])
    mask = np.arange(40) % 2
    one, two = learner(update="trial"), learner(update="trial")
    weights(parts, targets, one, mask=np.split(mask, cuts))
    weights(X, Y, two, trials=ids, mask=mask)
    assert np.array_equal(one.W_rec, two.W_rec)
    three = learner(update="trial")
    objects = np.empty(4, dtype=object)
    objects[:] = parts
    weights(objects, Y, three, mask=mask)
    assert np.array_equal(three.W_rec, two.W_rec)
    found = one.predict(parts)
    assert [len(part) for part in found] == [10, 7, 16, 7]
    assert np.array_equal(np.concatenate(found), one.predict(X, trials=ids))
    refused(r"Y\[1\]: got shape \(6, 1\), expected 7 steps", lambda: weights(parts, [targets[0], targets[1][1:], *targets[2:]], one))
    refused("trials: got a value, expected None", lambda: weights(parts, targets, one, trials=ids))
    refused("X: got no step in trial 1", lambda: weights([X, X[:0]], [Y, Y[:0]], one))


def test_trial_numbers_that_make_no_trials_are_refused(data):
    X, Y = data
    halves = np.repeat([0, 1], 20)
    assert np.array_equal(weights(X, Y, trials=[f"S{k}" for k in halves]), weights(X, Y, trials=20))
    for trials, pattern in (
        (np.where(halves, np.nan, 0), "trials: got nan at step 20"),
        (np.array([1] * 30 + [None] * 10, dtype=object), "trials: got None at step 30"),
        (np.arange(40) % 4, "0 comes back at step 4.*argsort"),
        (np.arange(40) % 10 == 0, "trials: got booleans.*np.cumsum"),
        ((np.arange(40) % 10 == 0).astype(int), "comes back.*np.cumsum"),
        (np.arange(40), "another number at each of the 40 steps.*trials=1"),
        ([15, 25], r"If these are lengths, write np.repeat\(np.arange\(2\), trials\)"),
        (30, r"expected a divisor of the 40 steps of X.*np.arange\(40\) // 30"),
        (0, "got 0 steps a trial"),
        ("site", "trials: got a str, expected the steps of a trial as a whole number, or an array"),
    ):
        refused(pattern, lambda trials=trials: weights(X, Y, trials=trials))
    assert weights(X, Y, trials=1).all()


# ---- targets and masks ----


def test_whole_numbers_are_classes_of_a_softmax(data, rng):
    X, _ = data
    labels = rng.integers(0, 3, 40)
    expected = weights(X, np.eye(3)[labels], classifier())
    for given in (labels, labels[:, None], labels.astype("u1"), labels.tolist()):
        assert np.array_equal(weights(X, given, classifier()), expected)
    assert np.array_equal(weights(X.reshape(4, 10, 2), labels.reshape(4, 10), classifier()), weights(X.reshape(4, 10, 2), np.eye(3)[labels].reshape(4, 10, 3), classifier()))
    one, two = classifier(), classifier()
    assert one.learn_one(X[0], 2).loss == two.learn_one(X[0], [0, 0, 1]).loss
    assert one.learn_one(X[0], labels[0]).loss == two.learn_one(X[0], np.eye(3)[labels[0]]).loss
    pairs = classifier(batch=2)
    pairs.fit(X.reshape(20, 2, 2), labels.reshape(20, 2), progress=False)
    assert pairs.learn_one(X[:2], labels[:2]).prediction.shape == (2, 3)
    one = classifier()
    refused("Y: label -1 at step 4, expected a class from 0 to 2", lambda: weights(X, np.where(np.arange(40) == 4, -1, labels), one))
    refused("Y: label 3 at step .*write Y - 1", lambda: weights(X, np.arange(40) % 3 + 1, one))
    refused("y: label 3, expected a class from 0 to 2", lambda: one.learn_one(X[0], 3))
    refused("one number a step of type float64.*astype", lambda: weights(X, labels.astype(float), one))
    refused("belong to loss=\"softmax", lambda: weights(X, labels, learner(outputs=3)))
    refused("belong to loss=\"softmax", lambda: weights(X, labels, learner(outputs=3, loss="sigmoid_cross_entropy")))
    assert one.steps == 0
    gaps = np.where(np.arange(40) < 5, np.nan, labels)
    refused("Y: the label at step 0 is missing", lambda: weights(X, gaps, one))
    assert np.array_equal(weights(X, gaps, classifier(), mask=np.arange(40) >= 5), weights(X, labels, classifier(), mask=np.arange(40) >= 5))
    masked = np.where(np.arange(40) < 5, -1, labels)
    assert weights(X, masked, one, mask=np.arange(40) >= 5).all()


def test_targets_of_weight_0_may_be_missing(data):
    X, Y = data
    gaps = Y.copy()
    gaps[::7] = np.nan
    counts = np.isfinite(gaps[:, 0])
    expected = weights(X, Y, mask=counts)
    assert np.array_equal(weights(X, gaps, mask=counts), expected)
    one, two = learner(), learner()
    for x, y, m in zip(X, gaps, counts):
        one.learn_one(x, y, [m])
    two.run(((x, y, [float(m)]) for x, y, m in zip(X, gaps, counts)), progress=False)
    assert np.array_equal(one.W_rec, expected) and np.array_equal(two.W_rec, expected)
    a = apical.gradients(one.network, "rflo", X, gaps, loss=MSE, mask=counts)
    b = apical.gradients(one.network, "rflo", X, Y, loss=MSE, mask=counts)
    assert np.array_equal(a["rec"], b["rec"])
    refused("Y: element 0 is NaN .*at step 0.*weight 0 by mask", lambda: weights(X, gaps, one))
    refused("Y: element 0 is NaN .*at step 7", lambda: weights(X, gaps, one, mask=np.arange(40) != 0))
    refused("y: element 0 is NaN", lambda: one.learn_one(X[0], [np.nan], [1.0]))
    one.learn_one(X[0], Y[0], 0)
    both, each = learner(outputs=2), learner(outputs=2)
    assert both.learn_one(X[0], [1, 2], 0.5).loss == each.learn_one(X[0], [1, 2], [0.5, 0.5]).loss
    refused("mask: got weight 0 at every step", lambda: weights(X, Y, one, mask=np.zeros(40)))
    refused("mask: got -1.0 at step 3, expected weights of 0 or more", lambda: weights(X, Y, one, mask=np.where(np.arange(40) == 3, -1, 1)))
    refused("mask: element 0 is NaN", lambda: weights(X, Y, one, mask=np.full(40, np.nan)))
    assert one.steps == 41
    with pytest.warns(apical.ApicalWarning, match="weight 0 at each of the 40 steps"):
        one.run(((x, y, [0.0]) for x, y in zip(X, gaps)), progress=False)
    # The outputs of a softmax are one choice: a gap in one of them counts if the others do.
    rows = np.eye(3)[np.arange(40) % 3]
    rows[0, 1] = np.nan
    mask = np.ones((40, 3))
    mask[0, 1] = 0
    refused("Y: element 1 is NaN", lambda: weights(X, rows, classifier(), mask=mask))
    mask[0] = 0
    assert weights(X, rows, classifier(), mask=mask).all()


def test_targets_are_checked_before_anything_is_learned(data):
    X, _ = data
    rows = np.eye(3)[np.arange(40) % 3]
    one = classifier()

    def changed(row, at=30):
        return np.where(np.arange(40)[:, None] == at, row, rows)

    refused("Y: element 1 is 2.0 at step 30, expected a probability", lambda: weights(X, changed([0, 2, 0]), one))
    refused("Y: targets sum to 1.3 at step 30, expected 1", lambda: weights(X, changed([0.3, 1, 0]), one))
    refused("Y: all targets are 0 at step 30.*weight 0.*mask=Y.any", lambda: weights(X, changed([0, 0, 0]), one))
    refused("Y: all targets are 0 at step 5 of trial 2", lambda: weights(X.reshape(4, 10, 2), changed([0, 0, 0], 25).reshape(4, 10, 3), one))
    refused("Y: targets sum to 1.3", lambda: apical.gradients(one.network, "rflo", X, changed([0.3, 1, 0])))
    assert one.steps == 0
    zero = changed([0, 0, 0])
    assert weights(X, zero, one, mask=zero.any(axis=-1)).all()
    assert weights(X, changed([0.2, 0.2, 0.6]).astype("f4"), classifier(dtype="float32")).all()
    refused("every: got 0", lambda: one.fit(X, rows, every=0, progress=False))
