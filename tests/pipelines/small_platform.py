"""The rooms that pipelines need, opened from a home folder: what `tidewheel.app` is to the real thing.

Found by name in the processes that runners fork, so it must be importable there: see `conftest.py`.
"""

from pathlib import Path

from tidewheel.base import ambient
from tidewheel.base.clock import clock_at
from tidewheel.base.settings import Settings
from tidewheel.pipelines import Pipelines
from tidewheel.registry import Registry
from tidewheel.storage import Metadata, schema, sqlite_url
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.tracking import Tracking

OPENER = "small_platform:SmallPlatform"


class SmallPlatform:
    def __init__(self, home: Path) -> None:
        self.clock = clock_at(home / "clock")
        self.metadata = Metadata(sqlite_url(home / "metadata.db"), self.clock)
        schema.create_all(self.metadata.engine)
        self.blobs = LocalBlobs(home / "blobs")
        self.tracking = Tracking(self.metadata, self.blobs, self.clock)
        self.registry = Registry(self.metadata, self.blobs, self.clock)
        self.pipelines = Pipelines(
            self.metadata, self.blobs, self.tracking, self.clock, Settings(), home, opener=OPENER
        )
        self._token = ambient.enter([self.tracking, self.registry, self.pipelines])

    def close(self) -> None:
        self.pipelines.close()
        ambient.leave(self._token)
        self.metadata.close()
