"""Replays the year through a platform: departures become requests, landings become events, labels and rows.

It owns the clock. Every quarter hour it tells what has become known and then asks about the flights that are due; every
hour come the weather and the labels of the flights that have landed, every day the rows of the datasets. Nothing is
told before the clock has reached it, and a flight that never lands is never labelled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.clock import ReplayClock
from tidewheel.base.units import from_us, to_us
from tidewheel.demo.flights.hold import Hold
from tidewheel.demo.flights.timetable import DAY_US, HOUR_US, NEVER, TILE_US, Batch, Timetable, weather_events
from tidewheel.demo.flights.transport import HttpTransport

_LOOK_AT_LOOP_US = 3 * HOUR_US


@dataclass(slots=True)
class Replay:
    """One replay of departures in [since, until), in front of one platform; `chance` is what was answered.

    Both bounds are midnights in New York's winter. After the last departure it goes on until the last of its flights
    has landed.
    """

    timetable: Timetable
    transport: HttpTransport
    clock: ReplayClock
    hold: Hold
    since: datetime
    until: datetime
    chance: NDArray[np.float64] = field(init=False)
    labelled: NDArray[np.bool_] = field(init=False)
    chapter: str = "the past is written down"
    now_us: int = field(init=False)
    _ids: dict[int, str] = field(init=False, default_factory=dict)
    _batches: deque[Batch] = field(init=False)
    _told_us: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        flights = self.timetable.flights.num_rows
        self.chance = np.full(flights, np.nan)
        self.labelled = np.zeros(flights, dtype=bool)
        self.now_us = to_us(self.since)
        self._batches = deque(self.timetable.batches(to_us(self.since), to_us(self.until)))
        self._told_us = dict.fromkeys(("landings", "labels", "weather", "rows"), self.now_us)
        self._told_us["weather"] -= 1

    @property
    def answered(self) -> int:
        """How many flights were given a chance of being late."""
        return int(np.count_nonzero(~np.isnan(self.chance)))

    async def run(self) -> None:
        """The whole replay."""
        await self._write_past()
        self.chapter = "the first model is trained"
        await self.hold.until_champion()
        await self._hand_over()
        self.chapter = "the replay"
        end_us = self._last_landing_us() + HOUR_US
        while self.now_us <= end_us:
            await self._step()
            self.now_us += TILE_US
        await self._append_rows()
        await self.hold.until_read()
        self.chapter = "the end"

    async def _write_past(self) -> None:
        table, now_us = self.timetable, self.now_us
        await self.transport.append("flights", table.rows(table.known(0, now_us)), "the weeks before the first model")
        await self.transport.append("weather", table.reports(0, now_us), "the weeks before the first model")

    async def _hand_over(self) -> None:
        """From here on the online views are fed by pushes instead of the datasets.

        A view goes over to pushes with its first one, whose own tile is still the dataset's: so the newest events of
        the past are sent once more, and not counted again.
        """
        table, now_us = self.timetable, self.now_us
        await self.transport.materialize("late_features")
        newest = table.landed(0, now_us)[-1:]
        await self._push_delays(newest)
        await self.transport.push("origin_weather", weather_events(table.reports(now_us - HOUR_US, now_us)))

    async def _step(self) -> None:
        """Let a quarter hour begin: tell what is known by now, then ask about the flights that are due in it."""
        self.clock.advance_to(from_us(self.now_us))
        await self._push_delays(self.timetable.landed(self._since("landings"), self.now_us))
        if self.now_us % HOUR_US == 0:
            await asyncio.gather(self._push_weather(), self._post_labels())
        if (self.now_us - to_us(self.since)) % DAY_US == 0:
            await self._append_rows()
            await self.hold.until_read()
        if self.now_us % _LOOK_AT_LOOP_US == 0:
            await self._look_at_loop()
        while self._batches and self._batches[0].at_us < self.now_us + TILE_US:
            await self._ask(self._batches.popleft())

    async def _look_at_loop(self) -> None:
        """While a turn is under way the controller keeps pace with every few hours, not only with every day."""
        if self.hold.turn() is not None:
            await self.hold.until_read()
            await self.hold.until_trained()

    async def _ask(self, batch: Batch) -> None:
        self.clock.advance_to(from_us(batch.at_us))
        answer = await self.transport.ask(batch)
        if answer is not None:
            places = range(batch.first, batch.stop)
            self.chance[batch.first : batch.stop] = answer
            self._ids.update(zip(places, batch.prediction_ids, strict=True))

    async def _push_delays(self, landed: NDArray[np.intp]) -> None:
        if len(landed):
            views = (self.transport.push(f"{key}_delays", self.timetable.delays(landed, key)) for key in _KEYS)
            await asyncio.gather(*views)

    async def _push_weather(self) -> None:
        reports = self.timetable.reports(self._since("weather") + 1, self.now_us + 1)  # the hour that ends now is seen
        if reports.num_rows:
            await self.transport.push("origin_weather", weather_events(reports))

    async def _post_labels(self) -> None:
        landed = self.timetable.landed(self._since("labels"), self.now_us)
        answered = np.array([place for place in landed.tolist() if place in self._ids], dtype=np.intp)
        if len(answered):
            ids = [self._ids.pop(place) for place in answered.tolist()]
            late, landed_us = self.timetable.late[answered], self.timetable.landed_us[answered]
            await self.transport.label(ids, late.tolist(), landed_us.tolist())
            self.labelled[answered] = True

    async def _append_rows(self) -> None:
        since_us, table = self._since("rows"), self.timetable
        known, reports = table.known(since_us, self.now_us), table.reports(since_us, self.now_us)
        if len(known):
            await self.transport.append("flights", table.rows(known))
        if reports.num_rows:
            await self.transport.append("weather", reports)

    def _since(self, what: str) -> int:
        """Up to when something had been told; it is told up to now from here on."""
        since_us, self._told_us[what] = self._told_us[what], self.now_us
        return since_us

    def _last_landing_us(self) -> int:
        departs_us, landed_us = self.timetable.departs_us, self.timetable.landed_us
        asked = (departs_us >= to_us(self.since)) & (departs_us < to_us(self.until)) & (landed_us < NEVER)
        return int(landed_us[asked].max(initial=self.now_us))


_KEYS = ("carrier", "origin")
