"""Checks, comparisons and reproductions."""

import numpy as np
import pytest

import apical


def test_check():
    receipt = apical.check("rflo", cases=5, draws=100, progress=False)
    assert receipt.passed and receipt.name == "rflo" and "rflo: passed" in repr(receipt)
    two = apical.check(apical.rules.snap(order=2), "readout_only", cases=3, draws=100, progress=False)
    assert [r.name for r in two] == ["snap", "readout_only"]
    with pytest.raises(ValueError, match="cases"):
        apical.check("rflo", cases=0, progress=False)
    with pytest.raises(ValueError, match="`rflo`"):
        apical.check("rflow", progress=False)


def test_compare():
    settings = dict(seeds=2, steps=200, progress=False)
    found = apical.compare("marschall2020/add-a1", ["rtrl", "rflo", "f_bptt.horizon=5"], **settings)
    assert found.labels == ["rtrl", "rflo", "f_bptt.horizon=5"] and found.means.shape == (2, 3, 3)
    assert np.allclose(found.means, found.means.transpose(0, 2, 1)) and (found.means[:, 0, 1] > 0.2).all()
    assert "rflo" in repr(found) and found.svg.startswith("<svg") and found.png[1:4] == b"PNG"
    pandas = pytest.importorskip("pandas")
    assert isinstance(found.to_pandas(), pandas.DataFrame) and len(found.to_pandas()) == 6
    other = apical.compare("marschall2020/add-a1", "rtrl,rflo", changes={"network.units": 8}, **settings)
    assert not np.allclose(other.means[:, 0, 1], found.means[:, 0, 1])
    with pytest.raises(ValueError, match="experiment"):
        apical.compare("marschall2020/add-a7", **settings)


def test_reproduce(tmp_path):
    result = apical.reproduce("marschall2019", quick=True, out=tmp_path / "run", progress=False)
    assert len(result.claims) > 10 and {"statement", "verdict", "measured"} <= set(result.claims[0])
    assert (tmp_path / "run" / "claims.json").exists()
    (name, figure), *_ = result.figures.items()
    assert (tmp_path / "run" / f"{name}.png").read_bytes() == figure.png
    assert "marschall2019" in repr(result)
    with pytest.raises(ValueError, match="marschall2019"):
        apical.reproduce("marschal2019")
    with pytest.raises(apical.ApicalError, match="already exists"):
        apical.reproduce("marschall2019", quick=True, out=tmp_path / "run")
    assert "marschall2019" in apical.papers() and "marschall2019/lags46" in apical.experiments()


def test_checkpoints_of_the_command_line_are_read(tmp_path):
    import os
    import subprocess

    program = os.environ.get("APICAL_PROGRAM")
    if program is None or not os.path.exists(program):
        pytest.skip("the program `apical` is not built here")
    out = tmp_path / "run"
    command = [program, "run", "marschall2019/lags46", "--steps", "300", "--seeds", "1", "--out", str(out), "--quiet"]
    subprocess.run(command, check=True)
    (checkpoint,) = (out / "checkpoints").glob("*.safetensors")
    learner = apical.load(checkpoint)
    assert learner.steps == 300 and learner.rule["kind"] == "dendritic"
    # The same run in Python, bit for bit.
    settings = learner.settings
    network = apical.Network(
        learner.inputs, learner.outputs, learner.units, neuron=settings["network"]["neuron"],
        recurrent=settings["network"]["recurrent"], input=settings["network"]["input"],
        readout=settings["network"]["readout"], seed=learner.seed, dtype=learner.dtype,
    )
    own = apical.Learner(
        network, settings["rule"], loss=settings["loss"], feedback=settings["feedback"],
        optimizer=settings["optimizer"], update=settings["update"],
    )
    own.run(apical.tasks.add(lags=[4, 6]), 300, progress=False)
    assert np.array_equal(own.W_rec, learner.W_rec) and np.array_equal(own.W_out, learner.W_out)


def test_a_reproduction_to_go_on_with_must_be_there(tmp_path):
    with pytest.raises(ValueError, match="resume: got True without out"):
        apical.reproduce("marschall2019", resume=True)
    with pytest.raises(ValueError, match="command.txt does not exist, expected the folder of a reproduction"):
        apical.reproduce("marschall2019", out=tmp_path, resume=True)
    assert not list(tmp_path.iterdir())
