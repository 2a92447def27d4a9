"""What the tests share."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture(scope="session")
def reference():
    """What the Rust library computed for the same learners (written by crates/apical-cli/tests/all/python.rs)."""
    path = os.environ.get("APICAL_REFERENCE")
    if path is None:
        pytest.skip("without `cargo test` there are no results of the Rust library to compare with")
    return json.loads(Path(path).read_text())
