"""A store, imported, and read by MLflow's unmodified client from a real server: the same, field by field.

What differs is listed here, and on the page for those who move.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.migrate.stores import dump
from tests.mlflow_client.servers import server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # also on a machine that does much else


@pytest.fixture(scope="module")
def both(sqlite_store, brought, tmp_path_factory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the client reads there and here."""
    folder = tmp_path_factory.mktemp("dumps")
    with server(brought.home) as url:
        here = dump(url, folder / "here.json", "--predict")
    return dump(f"sqlite:///{sqlite_store}", folder / "there.json", "--predict"), here


@pytest.mark.parametrize("kind", ["experiments", "logged_models", "models"])
def test_the_client_reads_here_what_it_read_there(both, kind):
    there, here = both
    assert here[kind].keys() == there[kind].keys()
    for name, fields in there[kind].items():
        assert here[kind][name] == fields, name


def test_each_run_is_the_same_to_the_client_with_history_datasets_and_the_bytes_of_its_files(both):
    there, here = both
    assert here["runs"].keys() == there["runs"].keys()
    for run_id, fields in there["runs"].items():
        assert here["runs"][run_id] == fields, run_id
    assert any(run["datasets"] for run in here["runs"].values())
    assert any(run["model_outputs"] for run in here["runs"].values())


def test_models_answer_here_as_they_answered_there(both, sqlite_store):
    there, here = both
    assert here["predictions"] == there["predictions"]
    assert here["predictions"].keys() == {"surge/1", "surge@champion", "double/3"}
