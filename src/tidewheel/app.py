"""`open_platform(home)`: the only place that names a backend and joins the rooms.

Rooms see contracts and lower rooms; which database, folder or bucket stands behind them, and which upper room's object
fits a lower room's seam, is decided here and nowhere else. mypy checks the fits. Tracking is there at once; the other
rooms, and the libraries that they import, come when they are first asked for.
"""

from __future__ import annotations

import errno
import os
import shlex
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tidewheel.base import ambient
from tidewheel.base.clock import Clock, clock_at
from tidewheel.base.errors import Unavailable
from tidewheel.base.late import late
from tidewheel.base.settings import Settings, home_folder
from tidewheel.governance import Governance
from tidewheel.registry import Webhooks
from tidewheel.storage import Blobs, KeyValue, Leases, Metadata, Tables, open_backend, sqlite_url
from tidewheel.storage.upgrade import upgrade
from tidewheel.tracking import Artifacts, Experiments, LoggedModels, MultipartUploads, Tracking, Views
from tidewheel.tracking.sdk import close_sdk, spool_folder

if TYPE_CHECKING:
    from tidewheel.costs import Costs
    from tidewheel.data import Data
    from tidewheel.delivery import Delivery
    from tidewheel.features import Features
    from tidewheel.loop import Loops
    from tidewheel.monitoring import Monitoring
    from tidewheel.pipelines import Pipelines
    from tidewheel.registry import Registry
    from tidewheel.rollout import Rollouts
    from tidewheel.serving import Serving
    from tidewheel.storage.predictions import PredictionLog

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
        self._blobs = blobs
        self.experiments = Experiments(self.metadata, self.clock)
        self.artifacts = Artifacts(self.metadata, blobs, self.clock, versions=self._version_files)
        self.uploads = MultipartUploads(self.metadata, blobs, self.clock)
        self.logged_models = LoggedModels(self.metadata, self.clock)
        self.tracking = Tracking(self.metadata, blobs, self.clock)
        self.tracking.spool_folder = spool_folder(settings, home / "spool", str(home))
        self.tracking.named_by = shlex.join(["--home", str(home)])
        self.views = Views(self.metadata, self.clock)
        self.webhooks = Webhooks(self.metadata, self.clock, settings)
        self.governance = Governance(self.metadata, self.clock)
        self._token = ambient.enter_lookup(self._room_of)

    @late
    def registry(self) -> Registry:
        from tidewheel.registry import Registry
        from tidewheel.registry.bounds import Bounds

        stores = self.metadata, self._blobs, self.clock
        return Registry(*stores, source=self.artifacts, bounds=Bounds.of(self.settings))

    @late
    def data(self) -> Data:
        from tidewheel.data import Data

        return Data(self.metadata, self._tables, self._blobs, self.clock)

    @late
    def predictions(self) -> PredictionLog:
        from tidewheel.storage.predictions import LogBudget, PredictionLog

        return PredictionLog(self.home / "predictions", self.metadata, self._tables, LogBudget.of(self.settings))

    @late
    def features(self) -> Features:
        from tidewheel.features import Features

        online: KeyValue = open_backend("online", self._address("storage.online_url", "lmdb", "online"))
        return Features(self.metadata, self.data, online, self._blobs, self.clock)

    @late
    def pipelines(self) -> Pipelines:
        from tidewheel.pipelines import Pipelines

        stores = self.metadata, self._blobs, self.tracking, self.clock
        return Pipelines(*stores, self.settings, self.home, opener=OPENER)

    @late
    def serving(self) -> Serving:
        from tidewheel.serving import Serving

        rooms = self.metadata, self.registry, self.features, self._blobs, self.predictions
        return Serving(*rooms, self.clock, self.settings, self.home, held_by=self._holder_of)

    @late
    def rollout(self) -> Rollouts:
        from tidewheel.rollout import Rollouts

        return Rollouts(self.metadata, self.predictions, self.serving, self.registry, self.clock)

    @late
    def monitoring(self) -> Monitoring:
        from tidewheel.monitoring import Monitoring

        return Monitoring(self.metadata, self.predictions, self.registry, self.clock, self.settings)

    @late
    def costs(self) -> Costs:
        from tidewheel.costs import Costs

        return Costs(self.metadata, self.settings, self.clock)

    @late
    def delivery(self) -> Delivery:
        from tidewheel.delivery import Delivery

        return Delivery(self.metadata)

    @late
    def loop(self) -> Loops:
        from tidewheel.loop import Loops

        rooms = self.data, self.features, self.registry, self.pipelines, self.serving, self.rollout, self.monitoring
        return Loops(self.metadata, *rooms, self.clock)

    @late
    def _tables(self) -> Tables:
        tables: Tables = open_backend("tables", self._address("storage.tables_url", "file", "tables"))
        return tables

    def close(self) -> None:
        """Leave the ambient rooms and close the database."""
        close_sdk(self.tracking)
        ambient.leave(self._token)
        self.webhooks.close()
        if "pipelines" in vars(self):
            self.pipelines.close()
        self.metadata.close()

    def __enter__(self) -> Platform:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _room_of(self, kind: type) -> Any:
        """The room of a class, for code that asks for the platform that is open."""
        for name, part in vars(Platform).items():
            if isinstance(part, late) and part.makes(kind):
                return getattr(self, name)
        return next((room for room in vars(self).values() if type(room) is kind), None)

    def _holder_of(self, endpoint: str) -> str | None:
        """Who needs an endpoint: a rollout that runs there, or a loop that declares it."""
        rollout = self.rollout.running(endpoint)
        return f"the rollout {rollout.id}" if rollout is not None else self.loop.keeper(endpoint)

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
