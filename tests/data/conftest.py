"""A data room on a fresh home, with a clock that the test moves."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidewheel.base import ambient
from tidewheel.base.clock import ReplayClock
from tidewheel.data import Data
from tidewheel.storage import Metadata, schema, sqlite_url
from tidewheel.storage.backends.delta_tables import DeltaTables
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
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(tmp_path / "tables")


@pytest.fixture
def data(tmp_path: Path, metadata: Metadata, tables: DeltaTables, clock: ReplayClock) -> Iterator[Data]:
    room = Data(metadata, tables, LocalBlobs(tmp_path / "blobs"), clock)
    token = ambient.enter([room])
    yield room
    ambient.leave(token)
