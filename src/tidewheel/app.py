"""`open_platform(home)`: the only place that names a backend and joins the rooms.

Rooms see contracts and lower rooms; which database, folder or bucket stands behind them, and which upper room's object
fits a lower room's seam, is decided here and nowhere else. mypy checks the fits.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import TracebackType

from tidewheel.base import ambient
from tidewheel.base.clock import Clock, clock_at
from tidewheel.base.errors import Unavailable
from tidewheel.base.settings import Settings, home_folder
from tidewheel.costs import Costs
from tidewheel.data import Data
from tidewheel.delivery import Delivery
from tidewheel.features import Features
from tidewheel.governance import Governance
from tidewheel.loop import Loops
from tidewheel.monitoring import Monitoring
from tidewheel.pipelines import Pipelines
from tidewheel.registry import Registry, Webhooks
from tidewheel.registry.isolated import Bounds
from tidewheel.rollout import Rollouts
from tidewheel.serving import Serving
from tidewheel.storage import Blobs, KeyValue, Leases, Metadata, Tables, open_backend, sqlite_url
from tidewheel.storage.predictions import LogBudget, PredictionLog
from tidewheel.storage.upgrade import upgrade
from tidewheel.tracking import Artifacts, Experiments, LoggedModels, MultipartUploads, Tracking, Views
from tidewheel.tracking.sdk import close_sdk, spool_folder

OPENER = "tidewheel.app:open_platform"


class Platform:
    """One open install: a room each, by its name. Close it, or use it as a context manager."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self.home = home
        self.settings = settings
        self.clock: Clock = clock_at(home / "clock")
        self.metadata = Metadata(
            settings.get("storage.metadata_url", str) or sqlite_url(home / "metadata.db"), self.clock
        )
        upgrade(self.metadata)
        self.leases = Leases(self.metadata)
        blobs: Blobs = open_backend("blobs", self._address("storage.blobs_url", "file", "blobs"))
        tables: Tables = open_backend("tables", self._address("storage.tables_url", "file", "tables"))
        online: KeyValue = open_backend("online", self._address("storage.online_url", "lmdb", "online"))
        self.predictions = PredictionLog(home / "predictions", self.metadata, tables, LogBudget.of(settings))
        self.data = Data(self.metadata, tables, blobs, self.clock)
        self.experiments = Experiments(self.metadata, self.clock)
        self.artifacts = Artifacts(self.metadata, blobs, self.clock, versions=self._version_files)
        self.uploads = MultipartUploads(self.metadata, blobs, self.clock)
        self.logged_models = LoggedModels(self.metadata, self.clock)
        self.tracking = Tracking(self.metadata, blobs, self.clock)
        self.tracking.spool_folder = spool_folder(settings, home / "spool", str(home))
        self.views = Views(self.metadata, self.clock)
        self.registry = Registry(self.metadata, blobs, self.clock, source=self.artifacts, bounds=Bounds.of(settings))
        self.webhooks = Webhooks(self.metadata, self.clock, settings)
        self.features = Features(self.metadata, self.data, online, blobs, self.clock)
        self.pipelines = Pipelines(self.metadata, blobs, self.tracking, self.clock, settings, home, opener=OPENER)
        self.serving = Serving(
            self.metadata, self.registry, self.features, blobs, self.predictions, self.clock, settings, home
        )
        self.rollout = Rollouts(self.metadata, self.predictions, self.serving, self.registry, self.clock)
        self.monitoring = Monitoring(self.metadata, self.predictions, self.registry, self.clock, settings)
        self.governance = Governance(self.metadata, self.clock)
        self.costs = Costs(self.metadata, settings, self.clock)
        self.delivery = Delivery(self.metadata)
        self.loop = Loops(
            self.metadata,
            self.data,
            self.features,
            self.registry,
            self.pipelines,
            self.serving,
            self.rollout,
            self.monitoring,
            self.clock,
        )
        self._token = ambient.enter(tuple(vars(self).values()))

    def close(self) -> None:
        """Leave the ambient rooms and close the database."""
        close_sdk(self.tracking)
        ambient.leave(self._token)
        self.webhooks.close()
        self.pipelines.close()
        self.metadata.close()

    def __enter__(self) -> Platform:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _version_files(self, version_id: str) -> dict[str, str]:
        return self.registry.version(version_id).files

    def _address(self, setting: str, scheme: str, folder: str) -> str:
        return self.settings.get(setting, str) or f"{scheme}://{self.home / folder}"


def open_platform(home: str | Path | None = None, settings: Settings | None = None) -> Platform:
    """Open the install in a home folder, creating it if it is not there.

    Args:
        home: the folder; default $TIDEWHEEL_HOME, else ./.tidewheel.
        settings: values that go before the environment's.

    Raises:
        Unavailable: if the folder cannot be written, or a store cannot be reached.
    """
    folder = home_folder(home)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return Platform(folder, settings or Settings())
    except OSError as error:
        raise Unavailable(
            f"The home folder cannot be used: {error.strerror or error}.",
            where=str(error.filename or folder),
            fix="Name another with --home.",
        ) from None
