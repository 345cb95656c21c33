"""Drives the market through a platform: quotes become requests, rides become labels, events and rows of the dataset.

The driver owns the replay clock: five simulated minutes at a time, it asks for every quote of those minutes, waits for
the answers, and moves time on. How the platform is reached is the transport's business (`transport.py`).
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from tidewheel.base.clock import ReplayClock
from tidewheel.demo.market.quotes import Outcome, Quote
from tidewheel.demo.market.world import World

STEP = timedelta(minutes=5)  # the tile of the feature views: within it no feature changes
ROWS_EVERY = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the surge endpoint said to one quote."""

    version: str
    multiplier: float
    p_accept: float


@dataclass(frozen=True, slots=True)
class Settled:
    """A quote that was answered, and what came of it."""

    quote: Quote
    answer: Answer
    outcome: Outcome


class Transport(Protocol):
    """How requests reach the platform. Every method returns when what it sent has been acknowledged."""

    async def ask(self, quotes: list[Quote]) -> list[Answer | None]:
        """The endpoint's answers, None where there was none."""

    async def push(self, view: str, rows: list[dict[str, Any]]) -> None:
        """Events for an online feature view."""

    async def label(self, settled: list[Settled]) -> None:
        """The truth about earlier quotes."""

    async def append_rides(self, settled: list[Settled]) -> None:
        """Rows for the dataset."""


@dataclass(slots=True)
class Hour:
    """What an hour of the market came to, for views."""

    at: datetime
    quotes: int = 0
    accepted: int = 0
    value: float = 0.0


@dataclass(slots=True)
class MarketDriver:
    """One market in front of one platform."""

    world: World
    transport: Transport
    clock: ReplayClock
    now: datetime
    hours: deque[Hour] = field(default_factory=lambda: deque(maxlen=24 * 60))
    recent: deque[Settled] = field(default_factory=lambda: deque(maxlen=20_000))
    quoted: int = 0
    unanswered: int = 0
    _pending: list[tuple[datetime, int, Settled]] = field(default_factory=list)
    _rows: list[Settled] = field(default_factory=list)
    _rows_due: datetime | None = None

    async def step(self) -> None:
        """Let five minutes pass."""
        self.clock.advance_to(self.now)
        await self._deliver_known()
        quotes = self.world.quotes(self.now + STEP)
        answers = await self.transport.ask(quotes)
        if quotes:
            await self.transport.push(
                "zone_demand", [{"zone": quote.zone, "requested_at": quote.requested_at} for quote in quotes]
            )
        for quote, answer in zip(quotes, answers, strict=True):
            self._settle(quote, answer)
        self.now += STEP

    async def run_until(self, until: datetime) -> None:
        """Let time pass up to an instant."""
        while self.now < until:
            await self.step()

    async def finish(self) -> None:
        """Deliver everything that is known by now."""
        self.clock.advance_to(self.now)
        await self._deliver_known()
        await self._append_rows()

    def _settle(self, quote: Quote, answer: Answer | None) -> None:
        self.quoted += 1
        if answer is None:
            self.unanswered += 1
            return
        settled = Settled(quote, answer, self.world.outcome(quote, answer.multiplier))
        heapq.heappush(self._pending, (settled.outcome.known_at, self.quoted, settled))
        self.recent.append(settled)
        at = quote.requested_at.replace(minute=0, second=0, microsecond=0)
        if not self.hours or self.hours[-1].at != at:
            self.hours.append(Hour(at))
        hour = self.hours[-1]
        hour.quotes += 1
        hour.accepted += settled.outcome.accepted
        hour.value += settled.outcome.value

    async def _deliver_known(self) -> None:
        """Send the labels, events and rows of the outcomes that are known by now."""
        known: list[Settled] = []
        while self._pending and self._pending[0][0] <= self.now:
            known.append(heapq.heappop(self._pending)[2])
        if known:
            await self.transport.label(known)
            await self.transport.push("zone_outcomes", [outcome_event(each) for each in known])
            self._rows += known
        if self._rows_due is None or self.now >= self._rows_due:
            self._rows_due = self.now + ROWS_EVERY
            await self._append_rows()

    async def _append_rows(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            await self.transport.append_rides(rows)


def outcome_event(settled: Settled) -> dict[str, Any]:
    """The event of the view `zone_outcomes`."""
    outcome = settled.outcome
    return {
        "zone": settled.quote.zone,
        "known_at": outcome.known_at,
        "accepted": float(outcome.accepted),
        "wait_s": outcome.wait_s,
    }


def ride_columns(settled: list[Settled]) -> dict[str, list[Any]]:
    """Rows of the dataset `rides`, as columns. `offered` is the multiplier that was shown."""
    quotes = [each.quote for each in settled]
    return {
        "quote_id": [quote.quote_id for quote in quotes],
        "rider_id": [quote.rider_id for quote in quotes],
        "zone": [quote.zone for quote in quotes],
        "requested_at": [quote.requested_at for quote in quotes],
        "known_at": [each.outcome.known_at for each in settled],
        "drivers": [float(quote.drivers) for quote in quotes],
        "rain": [quote.rain for quote in quotes],
        "base_fare": [quote.base_fare for quote in quotes],
        "hour": [quote.hour for quote in quotes],
        "centre_km": [quote.centre_km for quote in quotes],
        "offered": [each.answer.multiplier for each in settled],
        "explored": [quote.offered is not None for quote in quotes],
        "accepted": [float(each.outcome.accepted) for each in settled],
        "value": [each.outcome.value for each in settled],
        "wait_s": [each.outcome.wait_s for each in settled],
    }
