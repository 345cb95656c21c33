"""A tracking room on an empty database of each kind and a fresh blob folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidewheel.base import ambient
from tidewheel.base.clock import SystemClock
from tidewheel.storage import Metadata
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.tracking import Experiments, Tracking


@pytest.fixture
def tracking(metadata: Metadata, tmp_path: Path) -> Iterator[Tracking]:
    room = Tracking(metadata, LocalBlobs(tmp_path / "blobs"), SystemClock())
    token = ambient.enter([room])
    yield room
    ambient.leave(token)


@pytest.fixture
def experiments(metadata: Metadata) -> Experiments:
    return Experiments(metadata, SystemClock())
