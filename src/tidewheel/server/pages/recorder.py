"""Remembers, in memory and for the charts only, what has no history of its own: requests per second, and how the goal's
confidence sequence narrowed. One thread, two samples a second, started and ended with the application.

It must never be the source of a decision or of a figure that is kept elsewhere: after a restart it begins anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidewheel.base.errors import NotFound
from tidewheel.server.pages.goal import GoalView, goal_of
from tidewheel.server.pages.latency import latency_buckets
from tidewheel.serving.snapshot import ServingFolder
from tidewheel.serving.worker.counters import read_counters
from tidewheel.storage.journal import read_entries

if TYPE_CHECKING:
    from tidewheel.app import Platform

_EVERY_S = 0.5
_TRAFFIC_POINTS = 600
_GOAL_POINTS = 400
_log = logging.getLogger("tidewheel.server")


@dataclass(frozen=True, slots=True)
class TrafficPoint:
    """What one endpoint had been asked up to an instant (seconds since 1970): its live requests, by how long they took.

    `buckets` count the requests up to each of the workers' bounds (`serving.worker.metrics`), the last without bound.
    """

    at_s: float
    requests: float
    buckets: tuple[float, ...]


@dataclass(slots=True)
class GoalHistory:
    """The course of one rollout's goal; thinned by half whenever it is full."""

    points: list[GoalView] = field(default_factory=list)

    def add(self, point: GoalView) -> None:
        """Keep a point if there is more evidence than at the last."""
        if self.points and self.points[-1].units == point.units:
            return
        self.points.append(point)
        if len(self.points) > _GOAL_POINTS:
            self.points = self.points[::2]


class Recorder:
    """Samples a platform. `start` and `stop` belong to the application's life; `sample` is one look."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="page-recorder", daemon=True)
        self._traffic: dict[str, deque[TrafficPoint]] = {}
        self._goals: dict[str, GoalHistory] = {}
        self._rolled_out = False

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the look under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def traffic(self, endpoint: str) -> list[TrafficPoint]:
        """The samples of an endpoint, oldest first."""
        return list(self._traffic.get(endpoint, ()))

    def goal(self, rollout_id: str) -> list[GoalView]:
        """The course of a rollout's goal, oldest first."""
        return list(self._goals[rollout_id].points) if rollout_id in self._goals else []

    def sample(self) -> None:
        """Look once."""
        at_s = time.time()
        counters = read_counters(ServingFolder(self._platform.home).counters)
        for endpoint, requests in self._platform.serving.status().by_endpoint.items() if counters else ():
            points = self._traffic.setdefault(endpoint, deque(maxlen=_TRAFFIC_POINTS))
            points.append(TrafficPoint(at_s, requests, latency_buckets(counters, endpoint)))
        for rollout in self._platform.rollout.ls(limit=8) if self._anything_rolled_out() else ():
            if rollout.running:
                found = goal_of(self._platform.rollout.outlook(rollout.id).evidence)
                if found is not None:
                    self._goals.setdefault(rollout.id, GoalHistory()).add(found)

    def _anything_rolled_out(self) -> bool:
        """Whether there ever was a rollout. Rooms that this install does not use are not loaded to look at nothing."""
        if not self._rolled_out:
            with self._platform.metadata.read() as connection:
                self._rolled_out = bool(read_entries(connection, kinds=["rollout.rollout.started"], limit=1))
        return self._rolled_out

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            try:
                self.sample()
            except NotFound:
                continue  # it ended while we looked
            except Exception:
                _log.exception("the page's recorder could not look")
                self._stopping.wait(20 * _EVERY_S)
