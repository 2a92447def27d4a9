"""The examples run, and so does every Python block of the documents."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
DOCUMENTS = ["README.md", "docs/python.md"]


def run(code, folder):
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    command = [sys.executable, "-c", code] if isinstance(code, str) else [sys.executable, str(code)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_are_examples():
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, tmp_path):
    pytest.importorskip("matplotlib")
    text = path.read_text()
    assert text.startswith("# %% [markdown]\n# # ")
    assert run(path, tmp_path).strip()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_python_of_a_document_runs(document, tmp_path):
    text = (ROOT / document).read_text()
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert blocks
    # One after another, as a reader would type them.
    run("\n".join(blocks), tmp_path)


def test_doctests():
    import doctest

    import apical

    modules = [apical, apical._learner, apical._gradients]
    for module in modules:
        result = doctest.testmod(module)
        assert result.attempted and not result.failed, module.__name__
