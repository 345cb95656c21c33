"""Each contract suite runs once for every backend that `storage.backends.BACKENDS` names."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tidewheel.storage import open_backend
from tidewheel.storage.backends import BACKENDS
from tidewheel.storage.contracts import Blobs, KeyValue, Tables

# How a test makes the address of an empty store, by scheme. A new backend adds its line here.
ADDRESSES: dict[str, Callable[[Path], str]] = {
    "file": lambda folder: f"file://{folder}/store",
    "lmdb": lambda folder: f"lmdb://{folder}/store",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for kind, fixture in (("blobs", "blobs_url"), ("tables", "tables_url"), ("online", "online_url")):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, sorted(BACKENDS[kind]), indirect=True)


@pytest.fixture
def blobs_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ADDRESSES[request.param](tmp_path)


@pytest.fixture
def tables_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ADDRESSES[request.param](tmp_path)


@pytest.fixture
def online_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ADDRESSES[request.param](tmp_path)


@pytest.fixture
def blobs(blobs_url: str) -> Blobs:
    return open_backend("blobs", blobs_url)


@pytest.fixture
def tables(tables_url: str) -> Tables:
    return open_backend("tables", tables_url)


@pytest.fixture
def online(online_url: str) -> KeyValue:
    return open_backend("online", online_url)
