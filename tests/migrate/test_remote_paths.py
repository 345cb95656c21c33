"""A server of another machine does not choose what is read from this one."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from tidewheel.migrate.address import parse_address
from tidewheel.migrate.places import Gone, Places
from tidewheel.migrate.source import Source


class Spoken:
    """A source as far as `Places` looks at one that it need not open."""

    def __init__(self, uri: str) -> None:
        self.address = parse_address(uri)
        self.uri = uri


def places(uri: str, given: Path | None = None) -> Places:
    return Places.of(cast(Source, Spoken(uri)), given)


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "secrets" / "1").mkdir(parents=True)
    (tmp_path / "secrets" / "1" / "key").write_text("k")
    (tmp_path / "given" / "1" / "run").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "secrets"


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    "uri",
    [
        "{0}/1",
        "file://{0}/1",
        "FILE://{0}/1",
        "file://localhost{0}/1",
        "secrets/1",
        "file:secrets/1",
        "{0}/../secrets/1",
        "{0}/../given/../secrets/1",
        "file://{0}/%2e%2e/secrets/1",
        "runs:/r/model",
        "models:/m-1",
    ],
)
def test_a_path_that_a_remote_server_names_is_not_read(secrets: Path, uri: str, given: bool) -> None:
    remote = places("http://mlflow.example:5000", secrets.parent / "given" if given else None)
    found = remote.find(uri.format(secrets))
    assert found is None or isinstance(found, Gone)


def test_what_the_importer_names_is_read_for_a_remote_server(secrets: Path) -> None:
    given = secrets.parent / "given"
    remote = places("http://mlflow.example:5000", given)
    assert remote.find("/srv/mlruns/1/run") == given / "1" / "run"
    assert remote.find(f"file://{given}") == given


@pytest.mark.parametrize("server", ["http://127.0.0.1:5000", "http://mlflow.example:5000"])
def test_files_of_another_host_are_never_looked_for_here(secrets: Path, server: str) -> None:
    assert isinstance(places(server, secrets).find(f"file://otherhost{secrets}/1"), Gone)


def test_a_server_of_this_machine_names_its_own_paths(secrets: Path) -> None:
    assert places("http://localhost:5000").find(f"file://{secrets}/1") == secrets / "1"
