"""One filled SQLite store for all tests of this folder; each test imports it into a home of its own."""

from pathlib import Path

import pytest

pytest.importorskip("mlflow", reason="pip install 'tidewheel[mlflow]'")

from tests.migrate.stores import fill


@pytest.fixture(scope="session")
def sqlite_store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite-store")
    fill(f"sqlite:///{folder}/mlflow.db", folder)
    return folder / "mlflow.db"
