"""The room's verbs: note what was used, price it, and say what was spent on what.

`app.py` constructs it; the controller calls `meter` every few seconds, people ask for summaries. Prices are settings
and count from the moment of use. It must never count a reading twice: what a meter shows is kept in the transaction
that adds what it showed more than last time.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Connection

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import InvalidInput
from tidewheel.base.settings import Settings
from tidewheel.base.units import parse_instant
from tidewheel.costs import store
from tidewheel.costs.grouping import group
from tidewheel.costs.records import PRICES, CostGrouping, CostKind, CostSummary, Meterable
from tidewheel.storage import Metadata
from tidewheel.storage.journal import read_entries

IDLE = "serving:idle"
"""The subject of CPU time that workers spent while no endpoint was asked anything."""


class Costs:
    """Prices what loops, pipeline runs and endpoints use."""

    def __init__(self, metadata: Metadata, settings: Settings, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock
        self._usd_per_unit: dict[CostKind, float] = {
            kind: settings.get(price.setting, float) / price.units_per_price for kind, price in PRICES.items()
        }

    def record(self, kind: CostKind, quantity: float, subject: str, at: datetime | None = None) -> float:
        """Note what a subject (`pipeline_run:…`, `endpoint:…`) used and return its price in US dollars.

        Args:
            kind: cpu and gpu in seconds, storage in byte-seconds, transfer in bytes, requests in requests.
            quantity: how much, in that unit.
            subject: the node that used it.
            at: when; default: now.
        """
        if kind not in get_args(CostKind):
            raise InvalidInput(f"{kind!r} is not priced.", fix=f"One of {', '.join(get_args(CostKind))}.", where="kind")
        if not (math.isfinite(quantity) and quantity >= 0):
            raise InvalidInput(f"{quantity} is not an amount that can be used.", where="quantity")
        with self._metadata.record() as connection:
            return self._add(connection, kind, quantity, subject, at or self._clock.now())

    def meter(self, serving: Meterable) -> None:
        """Note what the inference workers and the steps of pipelines have used since the last call."""
        with self._metadata.record() as connection:
            self._meter_serving(connection, serving)
            self._meter_steps(connection)

    @door("GET", "/costs")
    def summary(
        self, since: datetime | None = None, until: datetime | None = None, by: CostGrouping = "subject"
    ) -> CostSummary:
        """What was spent in a span of time (whole hours), by kind, subject, pipeline_run, endpoint, turn or loop."""
        if by not in get_args(CostGrouping):
            raise InvalidInput(f"Costs are not kept by {by!r}.", fix=f"One of {', '.join(get_args(CostGrouping))}.")
        since, until = (at and parse_instant(at) for at in (since, until))
        with self._metadata.read() as connection:
            items = store.list_items(connection, since, until)
            lines = group(connection, items, by)
        return CostSummary(since, until, by, math.fsum(item.cost_usd for item in items), lines)

    def _add(self, connection: Connection, kind: CostKind, quantity: float, subject: str, at: datetime) -> float:
        cost_usd = quantity * self._usd_per_unit[kind]
        if quantity:
            store.add_item(connection, kind, subject, at, quantity, cost_usd)
        return cost_usd

    def _meter_serving(self, connection: Connection, serving: Meterable) -> None:
        """CPU time is shared out by requests: workers serve all endpoints from one process."""
        last = store.load_reading(connection, "serving")
        cpu_s = _grown(serving.cpu_s, last.get("cpu_s", 0.0))
        asked = {
            f"endpoint:{name}": _grown(count, last.get("requests", {}).get(name, 0.0))
            for name, count in serving.by_endpoint.items()
        }
        total, now = sum(asked.values()), self._clock.now()
        for subject, requests in asked.items():
            self._add(connection, "requests", requests, subject, now)
            self._add(connection, "cpu", cpu_s * requests / total if total else 0.0, subject, now)
        if not total:
            self._add(connection, "cpu", cpu_s, IDLE, now)
        reading: dict[str, Any] = {"cpu_s": serving.cpu_s, "requests": dict(serving.by_endpoint)}
        store.save_reading(connection, "serving", reading)

    def _meter_steps(self, connection: Connection) -> None:
        seen = int(store.load_reading(connection, "journal").get("seq", 0))
        fresh = read_entries(connection, after=seen, kinds=["pipelines.step."])
        for entry in fresh:
            cpu_s = entry.data.get("cpu_s")
            if isinstance(cpu_s, int | float) and cpu_s > 0:
                self._add(connection, "cpu", float(cpu_s), entry.subject, entry.at)
        if fresh:
            store.save_reading(connection, "journal", {"seq": fresh[-1].seq})


def _grown(now: float, last: float) -> float:
    """How much a counter has grown; one that is below its last reading began anew."""
    return now - last if now >= last else now
