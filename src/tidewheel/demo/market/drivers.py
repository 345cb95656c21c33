"""The drivers: one pool, shared by everybody who prices out of it.

A ride driven takes a driver out of its zone for a while; free drivers move to where requests are expected. Two arms
of an experiment draw on the same pool, which is why a rider-level A/B is a little biased.
"""

from __future__ import annotations

import numpy as np

from tidewheel.demo.market.city import ZONES

_LONGEST_RIDE_MIN = 60
_MOVES_PER_MIN = 0.06  # the part of the gap between free and wanted drivers that closes in a minute


class DriverPool:
    """Free drivers by zone, minute by minute; it starts with as many as are wanted."""

    def __init__(self, wanted: np.ndarray) -> None:
        self._free = wanted.astype(float)
        self._minute = 0
        self._returning = np.zeros((_LONGEST_RIDE_MIN, len(ZONES)))

    def advance(self, wanted: np.ndarray) -> None:
        """Let one minute pass: rides end, and free drivers move towards the wanted number in each zone."""
        self._minute += 1
        slot = self._minute % _LONGEST_RIDE_MIN
        self._free += self._returning[slot]
        self._returning[slot] = 0.0
        self._free += _MOVES_PER_MIN * (wanted - self._free)

    def take(self, zone: np.ndarray, destination: np.ndarray, ride_min: np.ndarray) -> None:
        """One driver for each ride leaves its zone now, and is free again at its destination when it ends."""
        np.subtract.at(self._free, zone, 1.0)
        np.maximum(self._free, 0.0, out=self._free)
        np.add.at(self._returning, ((self._minute + ride_min) % _LONGEST_RIDE_MIN, destination), 1.0)

    def available(self) -> np.ndarray:
        """Whole free drivers in each zone."""
        return self._free.astype(np.int64)


def ride_minutes(base_fare: np.ndarray) -> np.ndarray:
    """How long a ride occupies its driver, by its base fare."""
    return np.minimum(4.0 + base_fare, _LONGEST_RIDE_MIN - 1.0).astype(np.int64)
