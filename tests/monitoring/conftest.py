"""A monitoring room over real parts: prediction log, writer, registry and replay clock, on each metadata database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.monitoring.town import STARTS_AT, Town

from tidewheel.base.clock import ReplayClock
from tidewheel.storage import Metadata, schema, sqlite_url


@pytest.fixture
def clock(tmp_path: Path) -> ReplayClock:
    return ReplayClock(tmp_path / "clock", STARTS_AT)


@pytest.fixture
def town(metadata: Metadata, clock: ReplayClock, tmp_path: Path) -> Town:
    """A town on SQLite and on PostgreSQL."""
    return Town(metadata, clock, tmp_path)


@pytest.fixture
def sqlite_town(clock: ReplayClock, tmp_path: Path) -> Iterator[Town]:
    """A town on SQLite alone, for what has nothing to do with the database."""
    metadata = Metadata(sqlite_url(tmp_path / "metadata.db"), clock)
    schema.create_all(metadata.engine)
    yield Town(metadata, clock, tmp_path)
    metadata.close()
