"""Keeps the replay from running ahead of the platform: the calendar waits while the controller reads or trains.

In life a training takes minutes of a day that goes on; in a replay of days a second it would take weeks. Since the
replay owns the clock, it holds it while the controller has traffic still to read and while the loop trains and judges.
Which flights a model learns from, and which it meets, then does not depend on how fast the machine is. Rollouts are not
held: their stages pass in event time. Called by `replay.py`; it must never act on the platform, only look.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tidewheel.app import Platform
from tidewheel.base.errors import Unavailable
from tidewheel.demo.flights.transport import ENDPOINT
from tidewheel.loop import Turn, TurnState
from tidewheel.monitoring.service import CONSUMER as MONITORING
from tidewheel.rollout.rollouts import CONSUMER as ROLLOUT

LOOP = "late"
_HELD_BY = frozenset({TurnState.TRAINING, TurnState.JUDGING})
_LOOK_EVERY_S = 0.02
_PATIENCE_S = 600.0


@dataclass(slots=True)
class Hold:
    """Waits for one platform. `held_s` is the machine's time spent so."""

    platform: Platform
    held_s: float = 0.0

    async def until_read(self) -> None:
        """Wait until monitors and rollouts have read all that was logged."""
        began = self._begin()
        for consumer in (MONITORING, ROLLOUT):
            while not self._has_read(consumer):
                await self._look_again(began, "the controller has not read the predictions")
        self._end(began)

    async def until_trained(self) -> None:
        """Wait while the loop trains a candidate or judges it."""
        began = self._begin()
        while (turn := self.turn()) is not None and turn.state in _HELD_BY:
            await self._look_again(began, f"the turn {turn.id} is still {turn.state}")
        self._end(began)

    async def until_champion(self) -> str:
        """Wait until the loop has made its first champion and every worker serves it; return the version."""
        began = self._begin()
        while (champion := self._champion_in_effect()) is None:
            await self._look_again(began, "the loop has made no first model")
        self._end(began)
        return champion

    def turn(self) -> Turn | None:
        """The turn under way."""
        return next((status.turn for status in self.platform.loop.ls() if status.name == LOOP), None)

    def _has_read(self, consumer: str) -> bool:
        with self.platform.metadata.read() as connection:
            cursor = self.platform.predictions.load_cursor(connection, consumer)
        ahead = self.platform.predictions.read(cursor, limit=1)
        return not ahead.predictions and not ahead.labels

    def _champion_in_effect(self) -> str | None:
        serving = self.platform.serving
        if ENDPOINT not in {endpoint.name for endpoint in serving.endpoints()}:
            return None
        route = serving.route(ENDPOINT)
        return route.champion if serving.applied(route.generation) else None

    @staticmethod
    def _begin() -> float:
        return time.monotonic()

    def _end(self, began: float) -> None:
        self.held_s += time.monotonic() - began

    async def _look_again(self, began: float, why: str) -> None:
        if time.monotonic() - began > _PATIENCE_S:
            raise Unavailable(
                f"The replay waited {_PATIENCE_S / 60:.0f} minutes: {why}.",
                fix=f"See the logs in {self.platform.home / 'logs'}.",
            )
        await asyncio.sleep(_LOOK_EVERY_S)
