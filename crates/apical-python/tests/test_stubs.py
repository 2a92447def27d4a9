"""Type stubs and docstrings keep up with what there is."""

import ast
import importlib.util
import inspect
from pathlib import Path

import pytest
from conftest import ROOT

import apical
from apical import _core

PACKAGE = Path(apical.__file__).parent


def generator():
    path = ROOT / "crates" / "apical-python" / "stubs.py"
    spec = importlib.util.spec_from_file_location("stubs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("module", ["rules", "neurons", "feedback", "losses", "optimizers", "init", "tasks"])
def test_stubs_say_what_the_registries_say(module):
    written = (PACKAGE / f"{module}.pyi").read_text()
    assert written == generator().text(module), "run `python crates/apical-python/stubs.py` after `pip install .`"
    names = {node.name for node in ast.parse(written).body if isinstance(node, ast.FunctionDef)}
    assert names <= set(dir(getattr(apical, module)))


def test_the_compiled_module_has_its_stub():
    tree = ast.parse((PACKAGE / "_core.pyi").read_text())
    stubbed = {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    real = {name for name in dir(_core) if not name.startswith("__")}
    assert set(stubbed) == real
    for name in ("Learner", "TaskStream", "Step"):
        members = {n.name for n in stubbed[name].body if isinstance(n, ast.FunctionDef)}
        own = {k for k in vars(getattr(_core, name)) if not k.startswith("__")}
        assert own == {m for m in members if not m.startswith("__")}, name


def test_everything_public_has_a_docstring():
    for name in apical.__all__:
        thing = getattr(apical, name)
        if name == "__version__":
            continue
        assert inspect.getdoc(thing), name
        if inspect.isclass(thing) and thing.__module__.startswith("apical"):
            for member, value in vars(thing).items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                    assert inspect.getdoc(value), f"{name}.{member}"
    for module in ("rules", "tasks", "neurons", "feedback", "losses", "optimizers", "init"):
        for name in getattr(apical, module).__all__:
            assert inspect.getdoc(getattr(getattr(apical, module), name)), f"{module}.{name}"
