"""Watches the snapshot file and turns each new one into a table of loaded versions, beside running requests.

A snapshot that cannot be read leaves the present table in place, and a version that cannot be loaded leaves the
endpoints that it would answer for as they are, and no others; the reason is in the report, and it is tried again every
few seconds. Only a worker that has no table yet takes what can be loaded of an endpoint.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tidewheel.base.errors import Corrupt, TidewheelError
from tidewheel.base.settings import Settings
from tidewheel.serving.snapshot import ServingFolder, read_snapshot
from tidewheel.serving.worker.endpoints import EndpointTable, announce, build_table, is_loaded
from tidewheel.serving.worker.runtime import LoadedVersion, load_version

POLL_S = 0.05
_RETRY_S = 2.0


@dataclass(frozen=True, slots=True)
class Loading:
    """What became of a snapshot: a table to serve, if any, and why versions are missing from it.

    `whole` says that every route is as the snapshot has it; a champion of before that cannot stand by takes no part.
    """

    table: EndpointTable | None
    failures: dict[str, str]
    whole: bool = False


class SnapshotWatcher:
    """Loads each new snapshot and hands it to `loaded`, which is called on the event loop."""

    def __init__(self, folder: ServingFolder, loaded: Callable[[Loading], None], settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._loaded = loaded
        self._table: EndpointTable | None = None
        self._seen: tuple[int, ...] | None = None
        self._retry_at = 0.0
        self._failures: dict[str, str] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                await self.look(loop)
            except Exception:  # a full disk, say: the present table stays, and the next look tries again
                traceback.print_exc(file=sys.stderr)
            await asyncio.sleep(POLL_S)

    async def look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Load the snapshot if it has changed, or if the last try failed and it is time for another."""
        mark = self._mark()
        if mark is None or (mark == self._seen and not 0 < self._retry_at <= loop.time()):
            return
        self._seen = mark
        self._announce()
        loading = await loop.run_in_executor(None, load_snapshot, self._folder, self._table, self._settings)
        self._retry_at = loop.time() + _RETRY_S if loading.failures else 0.0
        self._failures = loading.failures
        if loading.table is not None:
            self._table = loading.table
        self._loaded(loading)

    def _announce(self) -> None:
        """Say at once which endpoints get their first version, since loading one takes its time."""
        try:
            snapshot = read_snapshot(self._folder.snapshot)
        except Corrupt:  # told when it is loaded
            return
        table = announce(snapshot, self._table or EndpointTable(0, {})) if snapshot is not None else None
        if table is None:
            return
        if self._table is not None:  # else the worker takes what it can load of the snapshot, as its first table
            self._table = table
        self._loaded(Loading(table, self._failures))

    def _mark(self) -> tuple[int, ...] | None:
        """What tells one snapshot file from another; None where there is none (the table then stays)."""
        try:
            status = self._folder.snapshot.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size


def load_snapshot(folder: ServingFolder, present: EndpointTable | None, settings: Settings) -> Loading:
    """Load what a snapshot names and the `present` table does not hold; without one, take what can be loaded.

    A model that does not fit into the memory budget beside those before it leaves memory again once it has been tried.
    """
    try:
        snapshot = read_snapshot(folder.snapshot)
    except Corrupt as error:
        return Loading(None, {"snapshot": str(error)})
    if snapshot is None:
        return Loading(None, {})
    known = present.versions() if present is not None else {}
    loaded: dict[str, LoadedVersion] = {}
    failures: dict[str, str] = {}
    budget_bytes = settings.get("serving.memory_budget_mb", int) * 2**20
    isolated = {
        version
        for endpoint in snapshot.endpoints
        if endpoint.options.isolated
        for version in (*dict(endpoint.weights), *endpoint.shadows, *endpoint.standby)
    }
    routed = {version for endpoint in snapshot.endpoints for version, _ in endpoint.weights}
    for spec in sorted(snapshot.versions, key=lambda spec: spec.id not in routed):
        try:
            kept = known.get(spec.id)
            if kept is not None and kept.isolated == (spec.id in isolated):
                loaded[spec.id] = kept
                continue
            loaded[spec.id] = load_version(folder, spec, settings if spec.id in isolated else None)
            if budget_bytes and _memory_bytes(loaded) > budget_bytes and len(loaded) > 1:
                loaded[spec.id].sleep()
        except TidewheelError as error:
            failures[spec.id] = str(error)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            failures[spec.id] = f"{type(error).__name__}: {error}"
    whole = all(is_loaded(endpoint, loaded) for endpoint in snapshot.endpoints)
    return Loading(build_table(snapshot, loaded, present), failures, whole)


def _memory_bytes(versions: Mapping[str, LoadedVersion]) -> int:
    return sum(version.memory_bytes for version in versions.values() if version.predictor is not None)
