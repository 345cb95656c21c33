"""Which models are in memory: within a budget, the least lately used leave first; a request brings one back.

A version is loaded when its route comes, so that one that cannot be loaded is known at once. It leaves when the budget
is short (`serving.memory_budget_mb`), when its endpoint lets idle ones go (`idle_unload_s`), or when an operator
unloads the endpoint. What computes or waits keeps its model. Lives on the event loop; loading happens in threads.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Callable, Iterable

from tidewheel.base.errors import TidewheelError, Unavailable
from tidewheel.serving.worker.endpoints import EndpointTable
from tidewheel.serving.worker.runtime import LoadedVersion

_RETIRED_S = 10.0  # a version that no route names is kept this long for what is still under way

Woken = Callable[[TidewheelError | None], None]


class Residency:
    """Brings models into memory and sends them away. `busy` says whether requests wait for a version."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        budget_bytes: int,
        busy: Callable[[LoadedVersion], bool],
        count: Callable[[bool], None],
    ) -> None:
        self._loop = loop
        self._budget_bytes = budget_bytes
        self._busy = busy
        self._count = count
        self._table = EndpointTable(0, {})
        self._waking: dict[str, list[Woken]] = {}
        self._retired: dict[str, tuple[LoadedVersion, float]] = {}
        self.unloaded: frozenset[str] = frozenset()
        """Endpoints that an operator has unloaded: nothing wakes their versions."""

    @property
    def memory_bytes(self) -> int:
        """What the models in memory take, as measured when they were loaded."""
        return sum(version.memory_bytes for version in self._awake())

    def take_table(self, table: EndpointTable) -> None:
        """Look after the versions of a new table."""
        now = time.monotonic()
        versions = table.versions()
        for key, version in self._table.versions().items():
            if versions.get(key) is not version:
                self._retired[key] = (version, now)
        for key, (version, _) in list(self._retired.items()):
            if versions.get(key) is version:
                del self._retired[key]
        for version in versions.values():
            version.used_at = version.used_at or now
        self._table = table
        self.sweep()

    def wake(self, version: LoadedVersion, woken: Woken) -> None:
        """Bring a version's model into memory and call `woken`, with the error if that failed."""
        waiting = self._waking.get(version.id)
        if waiting is not None:
            waiting.append(woken)
            return
        self._waking[version.id] = [woken]
        self._make_room(version.memory_bytes)
        self._loop.run_in_executor(None, version.wake).add_done_callback(lambda done: self._woke(version, done))

    def sweep(self) -> None:
        """Send away what is idle, unloaded, retired or over the budget; called a few times a second."""
        now = time.monotonic()
        for key, (version, since) in list(self._retired.items()):
            if now - since > _RETIRED_S and not self._busy(version):
                version.sleep()
                del self._retired[key]
        for version, limit_s in self._idle_limits():
            if version.predictor is not None and now - version.used_at >= limit_s:
                self._send_away(version)
        self._make_room(0)

    def _idle_limits(self) -> Iterable[tuple[LoadedVersion, float]]:
        """The versions that may leave when idle, and how long after their last request."""
        limits: dict[str, float] = {}
        for endpoint in self._table.endpoints.values():
            limit_s = 0.0 if endpoint.name in self.unloaded else endpoint.options.idle_unload_s or float("inf")
            for key in endpoint.versions:
                limits[key] = max(limits.get(key, 0.0), limit_s)
        return [(version, limits[key]) for key, version in self._table.versions().items()]

    def _make_room(self, needed_bytes: int) -> None:
        """Send away the least lately used until what is needed fits into the budget."""
        if not self._budget_bytes:
            return
        for version in sorted(self._awake(), key=lambda each: each.used_at)[:-1]:  # one is always there
            if self.memory_bytes + needed_bytes <= self._budget_bytes:
                return
            self._send_away(version)

    def _send_away(self, version: LoadedVersion) -> None:
        if not self._busy(version):
            version.sleep()
            self._count(False)

    def _awake(self) -> list[LoadedVersion]:
        return [version for version in self._table.versions().values() if version.predictor is not None]

    def _woke(self, version: LoadedVersion, done: asyncio.Future[None]) -> None:
        version.used_at = time.monotonic()
        failure = done.exception()
        error: TidewheelError | None = None
        if failure is not None:
            traceback.print_exception(failure, file=sys.stderr)
            error = Unavailable(f"The version {version.id} could not be loaded: {failure}", fix="See the worker's log.")
        else:
            self._count(True)
            self._make_room(0)  # it may take more than when it was measured last
        for woken in self._waking.pop(version.id):
            woken(error)
