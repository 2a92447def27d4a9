"""Threads, Ctrl-C and memory."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import apical

MSE = "mean_squared_error"


def learner(seed, units=32, **settings):
    return apical.Learner(apical.Network(2, 2, units, seed=seed), "rflo", loss=MSE, **settings)


def test_two_learners_in_two_threads(rng):
    X, Y = rng.normal(size=(20_000, 2)), rng.normal(size=(20_000, 2))
    alone = [learner(seed) for seed in (1, 2)]
    for one in alone:
        one.fit(X, Y, progress=False)
    together = [learner(seed) for seed in (1, 2)]
    threads = [threading.Thread(target=one.fit, args=(X, Y), kwargs={"progress": False}) for one in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together):
        assert one.steps == other.steps and np.array_equal(one.W_rec, other.W_rec)


def test_one_at_a_time_in_two_threads(rng):
    X, Y = rng.normal(size=(3000, 2)), rng.normal(size=(3000, 2))
    alone, together = [learner(s) for s in (1, 2)], [learner(s) for s in (1, 2)]

    def stream(one):
        for x, y in zip(X, Y):
            one.learn_one(x, y)

    for one in alone:
        stream(one)
    threads = [threading.Thread(target=stream, args=(one,)) for one in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together):
        assert np.array_equal(one.W_rec, other.W_rec)


def test_fit_leaves_python_to_others_and_the_learner_says_that_it_is_busy():
    one = learner(1, 128)
    X = np.ones((50_000, 2))
    begun, ended = threading.Event(), threading.Event()

    def work():
        begun.set()
        one.fit(X, X, progress=False)
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    refused = turns = 0
    while not ended.is_set():
        # This thread runs although the other one is computing; the learner belongs to that one.
        turns += 1
        try:
            one.W_rec
        except apical.ApicalError as error:
            refused += "in use by another call" in str(error)
        time.sleep(0.001)
    thread.join()
    assert refused > 10 and turns < 10 * refused
    assert one.steps == 50_000


@pytest.fixture
def listening():
    """Ctrl-C is heard even where these tests run in the background of a shell, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_after(seconds):
    timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.skipif(os.name != "posix", reason="signals are sent the POSIX way")
def test_ctrl_c_leaves_a_usable_learner(listening):
    one = learner(1)
    X = np.random.default_rng(0).normal(size=(1_000_000, 2))
    interrupt_after(0.5)
    with pytest.raises(KeyboardInterrupt):
        one.fit(X, X, epochs=50, progress=False)
    assert 0 < one.steps == one.history.steps < 50_000_000
    steps = one.steps
    one.learn_one(X[0], X[0])
    assert one.steps == steps + 1 and np.isfinite(one.W_rec).all()
    interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        one.run(zip(X, X), progress=False)
    assert one.steps == steps + 1 + one.history.steps


@pytest.mark.skipif(os.name != "posix", reason="signals are sent the POSIX way")
def test_ctrl_c_stops_a_reproduction(listening):
    interrupt_after(0.5)
    with pytest.raises(KeyboardInterrupt):
        apical.reproduce("marschall2020", progress=False)


def heard_at_once(work):
    """Seconds from Ctrl-C to its exception."""
    pressed = []
    timer = threading.Timer(0.4, lambda: (pressed.append(time.monotonic()), os.kill(os.getpid(), signal.SIGINT)))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        work()
    return time.monotonic() - pressed[0]


@pytest.mark.skipif(os.name != "posix", reason="signals are sent the POSIX way")
def test_ctrl_c_is_heard_at_once_and_leaves_everything_as_it_was(listening, rng):
    task = apical.tasks.add()
    one = apical.Learner(apical.Network(task.inputs, task.outputs, 128), "rflo")
    one.run(task, 100, progress=False)
    before = one._to_bytes()
    X = np.zeros((2_000_000, task.inputs))
    # Each of these would take many seconds.
    for work in (
        lambda: one.evaluate(task, 20_000_000),
        lambda: one.predict(X),
        lambda: apical.gradients(apical.Network(2, 2, 64), "rtrl", rng.normal(size=(20_000, 2)), np.zeros((20_000, 2)), loss=MSE),
    ):
        assert heard_at_once(work) < 2
        assert one._to_bytes() == before
    slow = apical.Learner(apical.Network(2, 2, 160), "rtrl", loss=MSE)
    # A step of this rule takes a good part of a second.
    assert heard_at_once(lambda: slow.fit(np.ones((5000, 2)), np.ones((5000, 2)), progress=False)) < 5
    assert slow.steps == slow.history.steps < 5000


@pytest.mark.skipif(os.name != "posix", reason="signals are sent the POSIX way")
def test_ctrl_c_stops_checks_and_comparisons_at_once(listening):
    for work in (
        lambda: apical.check("uoro", cases=2, draws=50_000_000, progress=False),
        lambda: apical.check("rtrl", cases=1_000_000, progress=False),
        lambda: apical.compare("marschall2020/add-a1", "rtrl,uoro", steps=50_000_000, seeds=1, progress=False),
    ):
        assert heard_at_once(work) < 2


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="/proc tells the memory of a process on Linux only")
def test_memory_does_not_grow_over_ten_million_calls():
    one = learner(1, 2)
    one.learn_one([0, 0], [0, 0])
    x, y = np.array([0.1, -0.2]), np.array([0.3, 0.1])

    def calls(count):
        learn = one.learn_one
        for _ in range(count):
            learn(x, y)

    calls(500_000)
    before = resident()
    calls(9_500_000)
    assert one.steps == 10_000_001
    assert resident() - before < 1 << 20
