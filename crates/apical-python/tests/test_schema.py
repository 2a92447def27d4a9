"""Signatures, help and the published schema say of settings what there is."""

import inspect
import json
from typing import Any, Literal, Mapping, Optional, Sequence

import pytest
from conftest import ROOT

import apical
from apical._spec import REGISTRY


def parameter(function, name):
    return inspect.signature(function).parameters[name]


def test_signatures_have_types_and_defaults():
    leak = parameter(apical.rules.rflo, "leak")
    assert leak.annotation == Optional[float] and leak.default is None
    noise = parameter(apical.rules.uoro, "noise")
    assert noise.annotation == Literal["signs", "gaussian", "uniform"] and noise.default == "signs"
    assert parameter(apical.rules.f_bptt, "horizon").annotation is int
    assert parameter(apical.rules.dendritic, "lambda_").annotation is float
    assert parameter(apical.rules.dendritic, "jacobian").annotation == Mapping[str, Any]
    assert parameter(apical.tasks.add, "lags").annotation == Sequence[int]
    assert parameter(apical.tasks.data, "file").default is inspect.Parameter.empty


def test_help_tells_each_parameter():
    text = inspect.getdoc(apical.rules.rflo)
    for words in [
        "leak : float, in (0, 1], optional\n    α_e",
        "input : {'current', 'previous'}, default 'current'",
        "- previous: x(t−1), as printed",
    ]:
        assert words in text, text
    text = inspect.getdoc(apical.rules.f_bptt)
    assert "horizon : int, in [1, 1048576], counted in steps, default 10" in text, text


def test_every_setting_is_told():
    for group in REGISTRY.values():
        for name, entry in group.items():
            for setting in entry["settings"]:
                assert setting["about"] and setting["type"] != "any", (name, setting)
                assert all(choice["about"] for choice in setting["choices"]), (name, setting)


def test_experiments_that_come_with_the_program_fit_the_published_schema():
    jsonschema = pytest.importorskip("jsonschema")
    tomllib = pytest.importorskip("tomllib")
    schema = json.loads((ROOT / "schema" / "experiment.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    files = sorted((ROOT / "experiments").rglob("*.toml"))
    assert len(files) > 50
    for file in files:
        errors = list(validator.iter_errors(tomllib.loads(file.read_text(encoding="utf-8"))))
        assert not errors, (file, errors[0].message)
    wrong = tomllib.loads((ROOT / "experiments/marschall2019/lags46.toml").read_text(encoding="utf-8"))
    for change in [{"steps": 0}, {"ratee": 1}, {"rule": {"kind": "rtlr"}}, {"network": {"units": 1.5}}]:
        assert not validator.is_valid({**wrong, **change}), change
