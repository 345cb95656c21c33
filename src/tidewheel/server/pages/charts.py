"""`/charts`: metrics of runs as JSON for the charts, with an ETag that costs a look at the latest values only.

While nothing was logged since, a browser that asks again is answered 304 without reading a point; what was read lately
is kept, so that many readers of a long run cost one reading.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tidewheel.base.errors import InvalidInput
from tidewheel.base.hashing import canonical_json, hash_bytes
from tidewheel.base.wire import to_json

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.tracking import Run
    from tidewheel.tracking.metric_series import Series, SeriesAxis

MOST_SERIES = 60
_KEPT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What part of the axis a chart shows, and with how many points."""

    points: int = 800
    axis: SeriesAxis = "step"
    low: float | None = None
    high: float | None = None


class SeriesShelf:
    """Hands out series, keeping those read last; one for each application."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Series] = OrderedDict()

    def etag(self, runs: list[Run], keys: list[str], stretch: Stretch) -> str:
        """Changes whenever a value that is latest changed, or a run's state."""
        state = [(run.id, run.status, [_text(run, key) for key in keys]) for run in runs]
        return hash_bytes(canonical_json([state, keys, asdict(stretch)]).encode())[:16]

    def series(self, run: Run, key: str, stretch: Stretch) -> Series:
        """One metric of one run; read again once something was logged."""
        name = self.etag([run], [key], stretch)
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        found = self._platform.tracking.series(run.id, key, stretch.points, stretch.axis, stretch.low, stretch.high)
        with self._lock:
            if run.status != "RUNNING":  # a running one may get points that leave its latest value as it is
                self._kept[name] = found
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def json(self, runs: list[Run], keys: list[str], stretch: Stretch) -> bytes:
        """All metrics asked for, of all runs that have them."""
        if len(runs) * len(keys) > MOST_SERIES:
            raise InvalidInput(f"{len(runs) * len(keys)} series at once are too many.", fix=f"Ask for {MOST_SERIES}.")
        found = [self.series(run, key, stretch) for key in keys for run in runs if key in run.metrics]
        return to_json({"series": found, "running": any(run.status == "RUNNING" for run in runs)})


def _text(run: Run, key: str) -> str:
    return repr(run.metrics.get(key))
