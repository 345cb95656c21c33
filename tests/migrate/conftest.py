"""One filled SQLite store for all tests of this folder, and one import of it to look at."""

from pathlib import Path

import pytest

pytest.importorskip("mlflow", reason="pip install 'tidewheel[mlflow]'")

from tests.migrate.stores import Brought, bring, fill


@pytest.fixture(scope="session")
def sqlite_store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite-store")
    fill(f"sqlite:///{folder}/mlflow.db", folder)
    return folder / "mlflow.db"


@pytest.fixture(scope="session")
def brought(sqlite_store, tmp_path_factory) -> Brought:
    """What the command made of the whole store. Tests only read it."""
    home = tmp_path_factory.mktemp("brought") / "home"
    return Brought(bring(str(sqlite_store), home), home)
