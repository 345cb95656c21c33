"""A tracking room on a fresh SQLite file and blob folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidewheel.base import ambient
from tidewheel.base.clock import SystemClock
from tidewheel.storage import Metadata, schema, sqlite_url
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.tracking import Tracking


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[Metadata]:
    opened = Metadata(sqlite_url(tmp_path / "meta.db"), SystemClock())
    schema.create_all(opened.engine)
    yield opened
    opened.close()


@pytest.fixture
def tracking(metadata: Metadata, tmp_path: Path) -> Iterator[Tracking]:
    room = Tracking(metadata, LocalBlobs(tmp_path / "blobs"), SystemClock())
    token = ambient.enter([room])
    yield room
    ambient.leave(token)
