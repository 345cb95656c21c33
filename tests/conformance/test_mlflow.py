"""MLflow's own tests of tracking pass against a Tidewheel server, but for the listed exclusions."""

from __future__ import annotations

import os

import pytest
from tests.conformance.mlflow import main

pytestmark = pytest.mark.slow


@pytest.mark.timeout(3600)
def test_mlflows_own_tests_pass_against_tidewheel() -> None:
    checkout = os.environ.get("MLFLOW_SOURCE")
    if not checkout:
        pytest.skip("Set MLFLOW_SOURCE to a checkout of MLflow's repository.")
    assert main([checkout]) == 0
