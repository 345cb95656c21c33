"""Data and features rooms on a fresh home, with a clock that the test moves."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidewheel.base import ambient
from tidewheel.base.clock import ReplayClock
from tidewheel.data import Data
from tidewheel.features import Features
from tidewheel.storage import Metadata, schema, sqlite_url
from tidewheel.storage.backends.delta_tables import DeltaTables
from tidewheel.storage.backends.lmdb_keyvalue import LmdbKeyValue
from tidewheel.storage.backends.local_blobs import LocalBlobs

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock(tmp_path: Path) -> ReplayClock:
    return ReplayClock(tmp_path / "clock", start=T0)


@pytest.fixture
def metadata(tmp_path: Path, clock: ReplayClock) -> Iterator[Metadata]:
    opened = Metadata(sqlite_url(tmp_path / "meta.db"), clock)
    schema.create_all(opened.engine)
    yield opened
    opened.close()


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def online(tmp_path: Path) -> LmdbKeyValue:
    return LmdbKeyValue(tmp_path / "online")


@pytest.fixture
def data(tmp_path: Path, metadata: Metadata, blobs: LocalBlobs, clock: ReplayClock) -> Iterator[Data]:
    room = Data(metadata, DeltaTables(tmp_path / "tables"), blobs, clock)
    token = ambient.enter([room])
    yield room
    ambient.leave(token)


@pytest.fixture
def features(
    metadata: Metadata, data: Data, online: LmdbKeyValue, blobs: LocalBlobs, clock: ReplayClock
) -> Iterator[Features]:
    room = Features(metadata, data, online, blobs, clock)
    token = ambient.enter([room])
    yield room
    ambient.leave(token)
