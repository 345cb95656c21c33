"""The drivers: one pool, shared by everybody who prices out of it.

A ride driven takes a driver out of its zone for a while; the others spread over the zones as requests are expected.
Two arms of an experiment draw on the same pool, which is why a rider-level A/B is a little biased.
"""

from __future__ import annotations

import numpy as np

from tidewheel.demo.market.city import ZONES

_LONGEST_RIDE_MIN = 60
_MOVES_PER_MIN = 0.06  # the part of the gap between free drivers and a zone's part that closes in a minute


class DriverPool:
    """Free drivers by zone, minute by minute; the pool starts with a whole fleet free.

    A fleet is the drivers on shift, by the zone that each would be in if nobody rode.
    """

    def __init__(self, fleet: np.ndarray) -> None:
        self._free = fleet.astype(float)
        self.minute = 0  # since the pool began
        self._returning = np.zeros((_LONGEST_RIDE_MIN, len(ZONES)))

    def advance(self, fleet: np.ndarray) -> None:
        """Let one minute pass: rides end, and those who drive nobody move towards their part of the fleet."""
        self.minute += 1
        slot = self.minute % _LONGEST_RIDE_MIN
        self._free += self._returning[slot]
        self._returning[slot] = 0.0
        idle_share = max(1.0 - self._returning.sum() / fleet.sum(), 0.0)
        self._free += _MOVES_PER_MIN * (idle_share * fleet - self._free)

    def take(self, at_minute: np.ndarray, zone: np.ndarray, destination: np.ndarray, ride_min: np.ndarray) -> None:
        """One driver for each ride left its zone at a minute now or past, and is free at its destination afterwards.

        A ride heard of late counts as if it had been heard of at once: part of the gap that it left is closed again.
        """
        gap_left = (1.0 - _MOVES_PER_MIN) ** (self.minute - at_minute)
        np.subtract.at(self._free, zone, gap_left)
        np.maximum(self._free, 0.0, out=self._free)
        back_at = np.maximum(at_minute + ride_min, self.minute + 1)
        np.add.at(self._returning, (back_at % _LONGEST_RIDE_MIN, destination), 1.0)

    def available(self) -> np.ndarray:
        """Whole free drivers in each zone."""
        return self._free.astype(np.int64)


def ride_minutes(base_fare: np.ndarray) -> np.ndarray:
    """How long a ride occupies its driver, by its base fare."""
    return np.minimum(4.0 + base_fare, _LONGEST_RIDE_MIN - 1.0).astype(np.int64)
