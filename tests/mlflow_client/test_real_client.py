"""The `mlflow` package from PyPI, unmodified, works with a control plane in the place of its own server.

Each program is what a team has: it knows only MLFLOW_TRACKING_URI. All but `with_token`, whose
tokens are Tidewheel's, pass against `mlflow server` 3.17.2 too.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.mlflow_client.servers import run_program, server

from tidewheel.app import open_platform

pytestmark = pytest.mark.skipif(find_spec("mlflow") is None, reason="pip install mlflow")


@pytest.mark.parametrize(
    "program", ["experiments_and_runs", "searching", "artifacts", "datasets", "models_and_registry", "system_metrics"]
)
def test_a_program_of_mlflows_runs_unmodified(program: str, tmp_path: Path) -> None:
    with server(tmp_path / "home") as url:
        run_program(program, url, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("autolog_sklearn", "sklearn"),
        ("autolog_lightgbm", "lightgbm"),
        ("autolog_xgboost", "xgboost"),
        ("pytorch", "torch"),
    ],
)
def test_autolog_writes_to_it(program: str, package: str, tmp_path: Path) -> None:
    pytest.importorskip(package, reason=f"pip install {package}")
    with server(tmp_path / "home") as url:
        run_program(program, url, tmp_path)


def test_a_token_goes_as_bearer_and_as_password(tmp_path: Path) -> None:
    with open_platform(tmp_path / "home") as platform:
        secret = platform.governance.create_token("ada", "developer").secret
        reader = platform.governance.create_token("bob", "viewer").secret
    with server(tmp_path / "home") as url:
        run_program("with_token", url, tmp_path, SECRET=secret, READER_SECRET=reader)
