"""The drivers: one pool, shared by everybody who prices out of it.

A ride driven takes a driver out of its zone for a while; free drivers move to where requests are expected, with
hourly luck. Two arms of an experiment draw on the same pool, which is why a rider-level A/B is a little biased.
"""

from __future__ import annotations

import numpy as np

from tidewheel.demo.market.city import ZONES

_LONGEST_RIDE_MIN = 60
_MOVES_PER_MIN = 0.06  # the part of the gap between free and wanted drivers that closes in a minute


class DriverPool:
    """Free drivers by zone, minute by minute (minutes counted from 1970-01-01)."""

    def __init__(self, minute: int, wanted: np.ndarray) -> None:
        self.minute = minute
        self.free = wanted.astype(float)
        self._returning = np.zeros((_LONGEST_RIDE_MIN, len(ZONES)))

    def advance(self, wanted: np.ndarray) -> None:
        """Let one minute pass: rides end, and free drivers move towards the wanted number in each zone."""
        self.minute += 1
        slot = self.minute % _LONGEST_RIDE_MIN
        self.free += self._returning[slot]
        self._returning[slot] = 0.0
        self.free += _MOVES_PER_MIN * (wanted - self.free)

    def take(self, zone: int, destination: int, ride_min: int) -> None:
        """One driver leaves `zone` now and is free again at `destination` after `ride_min` (under an hour)."""
        self.free[zone] = max(self.free[zone] - 1.0, 0.0)
        self._returning[(self.minute + ride_min) % _LONGEST_RIDE_MIN, destination] += 1.0

    def available(self) -> np.ndarray:
        """Whole free drivers in each zone."""
        return np.maximum(self.free, 0.0).astype(np.int64)
