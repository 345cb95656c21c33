"""Rain and temperature, hour by hour and zone by zone.

Rain falls as many local showers, short and over a zone or two, so that each quarter of a day holds about as much of
it as the same hours of the next: a monitor of the rain should see weather, not change. Any day can be asked for
without the days before it, and the process has no trend.
"""

from __future__ import annotations

import numpy as np

from tidewheel.demo.market.city import ZONES

SHOWERS_PER_DAY = 90.0
SHOWER_COVERS = 0.09  # of the zones
_STREAM = 11  # keeps the weather's draws apart from the riders' under one seed


class Weather:
    """The weather of one seeded world; days are counted from 1970-01-01 and kept once computed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._days: dict[int, tuple[np.ndarray, float]] = {}

    def rain_mm(self, hour_index: int) -> np.ndarray:
        """Rain in each zone during one hour (counted from 1970-01-01), in millimetres."""
        day, hour = divmod(hour_index, 24)
        rain: np.ndarray = self._day(day)[0][hour] + self._day(day - 1)[0][24 + hour]
        return rain

    def temperature_c(self, hour_index: int) -> float:
        """Air temperature of the city: warmest at 15:00, with a deviation that moves from day to day."""
        day, hour = divmod(hour_index, 24)
        deviation = self._day(day - 1)[1] * (1 - hour / 24) + self._day(day)[1] * hour / 24
        return float(12.0 + 5.0 * np.cos((hour - 15) * np.pi / 12) + deviation)

    def _day(self, day: int) -> tuple[np.ndarray, float]:
        if day not in self._days:
            self._days[day] = self._draw_day(day)
        return self._days[day]

    def _draw_day(self, day: int) -> tuple[np.ndarray, float]:
        """Rain by hour and zone over the 48 hours from midnight (a late shower ends tomorrow), and a deviation."""
        rng = np.random.default_rng([self._seed, _STREAM, day])
        rain = np.zeros((48, len(ZONES)))
        for _ in range(rng.poisson(SHOWERS_PER_DAY)):
            starts, lasts_h = rng.uniform(0, 24), min(0.4 + rng.exponential(0.4), 12.0)
            hours = np.arange(48)
            wet_h = np.clip(np.minimum(hours + 1, starts + lasts_h) - np.maximum(hours, starts), 0.0, 1.0)
            rain += np.outer(wet_h * rng.gamma(4.0, 0.45), rng.random(len(ZONES)) < SHOWER_COVERS)
        return np.round(rain, 2), float(rng.normal(0.0, 1.5))
