"""From an arrival time on the destination's wall clock to UTC, without a time zone database.

The package gives the scheduled departure in UTC and in New York time, but the arrival only as `hhmm` at the
destination, with no date. `airports.csv` knows each airport's standard offset and whether it keeps United States
daylight time, which in 2013 is one rule with two dates; a slim container has no zone files to ask instead.
Called by `source.py`. A test compares the answer with the package's `arr_time` for every flight that landed: they
agree but for one, published in the hour that the clocks skipped.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Minutes = NDArray[np.int64]
"""Minutes since 1970-01-01, on a wall clock or in UTC as the name says."""

MINUTES_A_DAY: Final = 1440

# Daylight time of 2013 began and ended at 02:00 on these days, standard and daylight wall clock each.
_SPRING_FORWARD: Final = int(np.datetime64("2013-03-10T02:00", "m").astype(np.int64))
_FALL_BACK_STANDARD: Final = int(np.datetime64("2013-11-03T01:00", "m").astype(np.int64))


def minutes_of(hhmm: NDArray[np.int64]) -> Minutes:
    """`1742` is 17 hours 42: minutes since midnight."""
    return hhmm // 100 * 60 + hhmm % 100


def arrival_utc(
    departure_utc: Minutes,
    arrival_hhmm: NDArray[np.int64],
    offset_h: NDArray[np.int64],
    keeps_dst: NDArray[np.bool_],
) -> Minutes:
    """The first instant after departure at which the destination's clock shows `arrival_hhmm`.

    No flight of the year is scheduled for a day or longer, so the first such instant is the arrival. The date is
    found on the standard clock and daylight time applied after, since the night of a change has the change between.
    """
    offset_min = offset_h * 60
    departure_wall = departure_utc + offset_min
    wait_min = (minutes_of(arrival_hhmm) - departure_wall) % MINUTES_A_DAY
    arrival_wall = departure_wall + wait_min
    summer = keeps_dst & in_daylight_time(arrival_wall)
    return np.asarray(arrival_wall - offset_min - np.where(summer, 60, 0))


def in_daylight_time(wall: Minutes) -> NDArray[np.bool_]:
    """Whether the wall clock is ahead by the summer hour. The hour shown twice in November reads as winter."""
    return np.asarray((wall >= _SPRING_FORWARD) & (wall < _FALL_BACK_STANDARD))
