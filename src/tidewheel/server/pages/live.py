"""Fills the live page's records from a platform: `live_view` reads, decides nothing, and changes nothing.

Each part is read by its own function and says for itself when there is nothing to show. `LiveViews` keeps the last view
for half a second, so that many open browsers cost one look.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tidewheel.server.pages.contest import contest_view
from tidewheel.server.pages.drift import monitor_views, shift_views
from tidewheel.server.pages.endpoint_lines import busiest, endpoint_lines
from tidewheel.server.pages.recorder import Recorder
from tidewheel.server.pages.standing import loop_view
from tidewheel.server.pages.stories import SILENT, tell, versions_in
from tidewheel.server.pages.traffic import traffic_view
from tidewheel.server.pages.version_names import VersionNames
from tidewheel.server.pages.view import EventView, LiveView
from tidewheel.storage import journal

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.storage import Entry

_KEPT_S = 0.5
_EVENTS = 30
_ENTRIES = 400


class LiveViews:
    """Hands out views of one platform, at most two a second for each loop."""

    def __init__(self, platform: Platform) -> None:
        self.recorder = Recorder(platform)
        self._platform = platform
        self._lock = threading.Lock()
        self._kept: dict[str | None, tuple[float, LiveView]] = {}
        self._names = VersionNames(platform)

    def view(self, loop: str | None) -> LiveView:
        """The page of a loop, or of the first one."""
        with self._lock:
            made_at, kept = self._kept.get(loop, (0.0, None))
            if kept is None or time.monotonic() - made_at > _KEPT_S:
                kept = live_view(self._platform, loop, self.recorder, self._names)
                self._kept = {**self._kept, loop: (time.monotonic(), kept)} if len(self._kept) < 64 else {}
            return kept


def live_view(platform: Platform, loop: str | None, recorder: Recorder, names: VersionNames) -> LiveView:
    """Everything the page shows, read now."""
    loops = platform.loop.ls()
    status = next((each for each in loops if each.name == loop), loops[0] if loops else None)
    endpoints = endpoint_lines(platform, names)
    endpoint = status.endpoint if status else busiest(endpoints)
    if all(line.name != endpoint for line in endpoints):  # that of a paused loop may have been deleted
        endpoint = None
    rollouts = platform.rollout.ls(endpoint, limit=1) if endpoint else []
    rollout = rollouts[0] if rollouts else None
    readings = platform.monitoring.report(endpoint) if endpoint else []
    seq, timeline = _timeline(platform, names)
    return LiveView(
        at=platform.clock.now(),
        loops=tuple(each.name for each in loops),
        loop=loop_view(platform, status, rollout, names) if status else None,
        traffic=traffic_view(platform, endpoint, rollout, recorder, names) if endpoint else None,
        contest=contest_view(platform, rollout, recorder, names) if rollout else None,
        monitors=monitor_views(platform, endpoint, readings) if endpoint else (),
        shifts=shift_views(readings),
        timeline=timeline,
        journal_seq=seq,
        endpoints=endpoints,
    )


def _timeline(platform: Platform, names: VersionNames) -> tuple[int, tuple[EventView, ...]]:
    """The newest entries; those of data are read apart, so that a busy dataset does not push the others out."""
    with platform.metadata.read() as connection:
        newest = journal.read_entries(connection, newest_first=True, limit=_ENTRIES)
        told = ("rollout.", "monitoring.alert.", "loop.", "registry.version.", "pipelines.run.")
        kept = journal.read_entries(connection, kinds=told, newest_first=True, limit=3 * _EVENTS)
    by_seq: dict[int, Entry] = {entry.seq: entry for entry in (*newest, *kept)}
    entries = [by_seq[seq] for seq in sorted(by_seq, reverse=True) if not by_seq[seq].kind.startswith(SILENT)]
    events = tell(entries, names.all(versions_in(entries[: 3 * _EVENTS])))
    return (newest[0].seq if newest else 0), events[:_EVENTS]
