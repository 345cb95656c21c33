"""The city: its zones, and how many riders ask for a ride in each, hour by hour of the week.

Everything here is constant: two worlds differ by their seed, never by their map. The week's pattern is mild on
purpose: a weekend moves the peaks by about a fifth, so that a day resembles the day before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HOURS_PER_WEEK = 168


@dataclass(frozen=True, slots=True)
class Zone:
    """One district. `share` is its part of the city's requests; `centre_km` its distance from the old town."""

    name: str
    centre_km: float
    share: float


ZONES: tuple[Zone, ...] = (
    Zone("old-town", 0.4, 0.130),
    Zone("market-hall", 0.9, 0.120),
    Zone("station", 1.3, 0.115),
    Zone("riverside", 1.9, 0.095),
    Zone("university", 2.4, 0.090),
    Zone("docks", 3.1, 0.080),
    Zone("stadium", 3.8, 0.075),
    Zone("hillcrest", 4.6, 0.070),
    Zone("mill-end", 5.5, 0.065),
    Zone("orchards", 6.4, 0.055),
    Zone("airport", 7.6, 0.060),
    Zone("lakeside", 8.8, 0.045),
)
ZONE_NAMES: tuple[str, ...] = tuple(zone.name for zone in ZONES)
CENTRE_KM = np.array([zone.centre_km for zone in ZONES])
CENTRALITY = np.exp(-CENTRE_KM / 4.0)  # 0.9 in the old town, 0.1 at the lake


def _demand_pattern() -> np.ndarray:
    """Requests by hour of the week and zone, scaled to a mean of 1 over the week (Monday 00:00 is row 0)."""
    hour = np.arange(HOURS_PER_WEEK) % 24
    weekend = (np.arange(HOURS_PER_WEEK) >= 120).astype(float)

    def peak(at_hour: float, width_h: float) -> np.ndarray:
        distance_h = np.abs(hour - at_hour)
        result: np.ndarray = np.exp(-0.5 * (np.minimum(distance_h, 24 - distance_h) / width_h) ** 2)
        return result

    morning = np.outer((1.0 - 0.2 * weekend) * peak(8.5, 2.0), 0.6 + 0.6 * (1 - CENTRALITY))
    evening = np.outer((1.0 + 0.1 * weekend) * peak(18.5, 3.5), 0.7 + 0.6 * CENTRALITY)
    rate = (0.45 + morning + 0.9 * evening) * np.array([zone.share for zone in ZONES])
    result: np.ndarray = rate * (HOURS_PER_WEEK / rate.sum())
    return result


DEMAND_PATTERN = _demand_pattern()
