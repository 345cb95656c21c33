"""The story of the market, told by what the platform does: nothing here decides, it only lets time pass and looks.

Act one: a competitor launches; the loop sees it, trains, tries and promotes a better model. Act two: somebody ships a
bad candidate by hand; live traffic rolls it back. With `shift=False` nothing changes, and nothing should happen.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from tidewheel.app import Platform
from tidewheel.base.clock import ReplayClock
from tidewheel.demo.market.driver import Answer, MarketDriver, Transport
from tidewheel.demo.market.quotes import Quote
from tidewheel.demo.market.scales import Scale
from tidewheel.demo.market.settlement import answer as settle
from tidewheel.demo.market.world import World
from tidewheel.loop import Turn, TurnState
from tidewheel.pipelines import RunState
from tidewheel.rollout import Rollout

PROJECT = Path(__file__).parent / "project.py"
LOOP = ENDPOINT = "surge"
_BOOTSTRAP_WITHIN_S = 120.0
_PIPELINE_WITHIN_S = 120.0


class VersionTransport(Transport, Protocol):
    """A transport that can also ask one version by name."""

    async def ask_version(self, version: str, quotes: list[Quote]) -> list[Answer | None]:
        """What that version answers, whatever the route says."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions asked about the same quotes, and what the same riders would have brought."""

    quotes: int
    before: str
    after: str
    value_before: float
    value_after: float

    @property
    def gain(self) -> float:
        """Relative gain in value per quote."""
        return self.value_after / self.value_before - 1


@dataclass(slots=True)
class Told:
    """What came of it, for the summary and for tests."""

    shift_at: datetime | None
    first_champion: str = ""
    turn: Turn | None = None
    comparison: Comparison | None = None
    bad_rollout: Rollout | None = None
    quotes: int = 0
    unanswered: int = 0
    began: float = field(default_factory=time.monotonic)
    chapter: str = "the past is written down"

    @property
    def promoted(self) -> bool:
        """Whether the retrained model became champion."""
        return self.turn is not None and self.turn.state is TurnState.PROMOTED


class Story:
    """One telling. `tell` runs it to its end; `told` can be looked at meanwhile."""

    def __init__(
        self,
        platform: Platform,
        transport: VersionTransport,
        clock: ReplayClock,
        *,
        seed: int,
        scale: Scale,
        shift: bool,
        wait: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`wait` passes a moment in which the platform may work while no market time passes; default: 50 ms."""
        self.platform = platform
        self.scale = scale
        shift_at = clock.now() + timedelta(hours=scale.shift_hour) if shift else None
        world = World(seed, shift_at, starts_at=clock.now(), quotes_per_hour=scale.quotes_per_hour)
        self.driver = MarketDriver(world, transport, clock, clock.now())
        self.told = Told(shift_at)
        self._transport = transport
        self._world = world
        self._wait = wait or _short_wait

    async def tell(self) -> Told:
        """The whole story."""
        await self.write_past()
        await self._bootstrap()
        if self.told.shift_at is None:
            self.told.chapter = "an ordinary week"
            await self._pass_time(self.scale.shift_hour + self.scale.calm_hours)
        else:
            await self._act_one(self.told.shift_at)
            if self.told.promoted:
                await self._compare()
                await self._act_two()
        await self.driver.finish()
        self.told.quotes, self.told.unanswered = self.driver.quoted, self.driver.unanswered
        self.told.chapter = "the end"
        return self.told

    async def write_past(self) -> None:
        """Commit the market's history to the dataset and bring the online features up to now."""
        past = past_rides(self._world.history(self.scale.history_days))
        await asyncio.to_thread(self.platform.data.append, "rides", past, "the past, under the incumbent's rule")
        await asyncio.to_thread(self.platform.features.materialize, "surge_features")

    async def _bootstrap(self) -> None:
        self.told.chapter = "the first model is trained"
        deadline = time.monotonic() + _BOOTSTRAP_WITHIN_S
        while not (champion := self._champion_in_effect()):
            if time.monotonic() > deadline:
                turns = self.platform.loop.history(LOOP, limit=1)
                raise TimeoutError(f"no first model within {_BOOTSTRAP_WITHIN_S:.0f} s; last turn: {turns}")
            await self._wait()
        self.told.first_champion = champion

    async def _act_one(self, shift_at: datetime) -> None:
        self.told.chapter = "an ordinary day"
        await self.driver.run_until(shift_at)
        self.told.chapter = "a competitor launches"
        async for _ in self._hours(self.scale.patience_hours):
            turn = next((t for t in self.platform.loop.history(LOOP) if t.champion == self.told.first_champion), None)
            self.told.turn = turn
            if turn is not None:
                self.told.chapter = f"the loop answers: {turn.state.value.replace('_', ' ')}"
            if self.told.promoted:
                return

    async def _act_two(self) -> None:
        """Train on an upside-down export and send the result out by hand, past every gate."""
        self.told.chapter = "a bad candidate is trained by hand"
        champion = self.platform.serving.champion(ENDPOINT)
        assert self.told.turn is not None
        parameters = {"since": self.told.turn.change_at.isoformat()} if self.told.turn.change_at else {}
        run = self.platform.pipelines.start(f"{PROJECT}:fit_surge_upside_down", parameters)
        deadline = time.monotonic() + _PIPELINE_WITHIN_S
        candidate = None
        while candidate is None and time.monotonic() < deadline:
            await self.driver.step()
            if self.platform.pipelines.run(run.id).state is RunState.SUCCEEDED:
                candidate = self.platform.pipelines.version_of(run.id)
        assert candidate is not None, "the bad candidate was not trained in time"
        self.told.chapter = "a bad candidate goes out"
        assert self.told.turn.rollout_id is not None
        plan = self.platform.rollout.get(self.told.turn.rollout_id).plan  # the same rules as for the good one
        rollout = self.platform.rollout.start(ENDPOINT, champion, candidate, plan)
        async for _ in self._hours(self.scale.patience_hours):
            self.told.bad_rollout = self.platform.rollout.get(rollout.id)
            if not self.told.bad_rollout.running and self._champion_in_effect():
                return

    def _champion_in_effect(self) -> str | None:
        """The champion, once every worker serves it; the endpoint itself is made by the controller's first round."""
        serving = self.platform.serving
        if ENDPOINT not in {endpoint.name for endpoint in serving.endpoints()}:
            return None
        route = serving.route(ENDPOINT)
        return route.champion if serving.applied(route.generation) else None

    async def _compare(self) -> None:
        """Ask champion-before and champion-after about the same quotes; the riders' hidden draws decide the value."""
        self.told.chapter = "old and new champion answer the same quotes"
        assert self.told.turn is not None
        assert self.told.turn.candidate is not None
        quotes = [settled.quote for settled in self.driver.recent if settled.quote.offered is None]
        quotes = quotes[-self.scale.replayed_quotes :]
        before = await self._replayed(self.told.first_champion, quotes)
        after = await self._replayed(self.told.turn.candidate, quotes)
        self.told.comparison = Comparison(
            len(quotes), self.told.first_champion, self.told.turn.candidate, before, after
        )

    async def _replayed(self, version: str, quotes: list[Quote]) -> float:
        answers = await self._transport.ask_version(version, quotes)
        values = [settle(q, a.multiplier).value for q, a in zip(quotes, answers, strict=True) if a is not None]
        if len(values) < len(quotes):
            self.driver.unanswered += len(quotes) - len(values)
        return statistics.fmean(values)

    async def _hours(self, count: int) -> AsyncIterator[None]:
        """Let up to `count` hours pass, five minutes at a time."""
        until = self.driver.now + timedelta(hours=count)
        while self.driver.now < until:
            await self.driver.step()
            yield

    async def _pass_time(self, hours: int) -> None:
        async for _ in self._hours(hours):
            pass


async def _short_wait() -> None:
    await asyncio.sleep(0.05)


def past_rides(history: dict[str, np.ndarray[Any, Any]]) -> pa.Table:
    """The world's history as rows of the dataset `rides`: what was offered then is what was shown."""
    columns: dict[str, Any] = {
        name: history[name]
        for name in ("quote_id", "rider_id", "zone", "rain", "base_fare", "hour", "centre_km", "value")
    }
    columns |= {name: history[name].astype(np.float64) for name in ("drivers", "accepted", "wait_s")}
    columns |= {"offered": history["multiplier"], "explored": np.zeros(len(history["hour"]), dtype=bool)}
    for name in ("requested_at", "known_at"):
        columns[name] = pa.array(history[name].astype("datetime64[us]")).cast(pa.timestamp("us", tz="UTC"))
    return pa.table(columns)
