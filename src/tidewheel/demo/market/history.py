"""The market's past: an hour of requests priced by the incumbent's rule, and what came of them.

Vectorised by steps of five minutes, as live traffic is when it is asked for five minutes at a time; `World.history`
chains the hours. Its columns are
what a company would have on disk, so nothing hidden is among them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tidewheel.demo.market.arrivals import HourOfRequests
from tidewheel.demo.market.city import CENTRE_KM, ZONE_NAMES
from tidewheel.demo.market.drivers import DriverPool, ride_minutes
from tidewheel.demo.market.incumbent import rule_multiplier
from tidewheel.demo.market.settlement import Settled, label_delay_s, settle

_STEP_MIN = 5


def past_hour(hour_index: int, requests: HourOfRequests, fleet: np.ndarray, pool: DriverPool) -> dict[str, np.ndarray]:
    """One hour (counted from 1970-01-01) of the past, as columns in time order; moves the pool on by an hour."""
    minute = (requests.second // 60.0).astype(np.int64)
    began_at_minute = pool.minute
    drivers = np.zeros(len(minute), dtype=np.int64)
    edges = np.searchsorted(minute, np.arange(0, 61, _STEP_MIN))
    steps: list[Settled] = []
    for start, stop in pairwise(edges):
        span = slice(start, stop)
        free = _free_by_minute(fleet, pool)
        drivers[span] = free[minute[span] % _STEP_MIN, requests.zone[span]]
        steps.append(_settle(requests, span, drivers[span], _multiplier(requests, span, drivers[span])))
        driven = np.flatnonzero(steps[-1].driven) + start
        rides = (minute[driven] + began_at_minute, requests.zone[driven], requests.destination[driven])
        pool.take(*rides, ride_minutes(requests.base_fare[driven]))
    settled = Settled(*(np.concatenate(column) for column in zip(*steps, strict=True)))
    return _columns(hour_index, requests, drivers, _multiplier(requests, slice(None), drivers), settled)


def _free_by_minute(fleet: np.ndarray, pool: DriverPool) -> np.ndarray:
    """Free drivers by minute and zone over one step, in which the pool hears of no new ride."""
    free = np.zeros((_STEP_MIN, len(fleet)), dtype=np.int64)
    for minute in range(_STEP_MIN):
        free[minute] = pool.available()
        pool.advance(fleet)
    return free


def _multiplier(requests: HourOfRequests, span: slice, drivers: np.ndarray) -> np.ndarray:
    return rule_multiplier(drivers, requests.rain[span], requests.nudge[span])


def _settle(requests: HourOfRequests, span: slice, drivers: np.ndarray, multiplier: np.ndarray) -> Settled:
    return settle(
        requests.tendency[span] + requests.mood[span],
        requests.slope[span],
        requests.driver_draw[span],
        requests.wait_draw[span],
        drivers,
        requests.base_fare[span],
        multiplier,
    )


def _columns(
    hour_index: int, requests: HourOfRequests, drivers: np.ndarray, multiplier: np.ndarray, settled: Settled
) -> dict[str, np.ndarray]:
    requested_ms = np.int64(hour_index * 3_600_000) + (requests.second * 1000).astype(np.int64)
    known_ms = requested_ms + (label_delay_s(requests.delay_draw) * 1000).astype(np.int64)
    return {
        "quote_id": np.array([f"q{hour_index}-{number}" for number in range(len(drivers))]),
        "rider_id": np.array([f"r{rider:05d}" for rider in requests.rider]),
        "zone": np.array(ZONE_NAMES)[requests.zone],
        "requested_at": requested_ms.astype("datetime64[ms]"),
        "drivers": drivers,
        "rain": requests.rain,
        "temperature_c": np.full(len(drivers), requests.temperature_c),
        "base_fare": requests.base_fare,
        "hour": np.round(hour_index % 24 + requests.second / 3600.0, 4),
        "centre_km": CENTRE_KM[requests.zone],
        "multiplier": multiplier,
        "accepted": settled.accepted,
        "value": np.round(settled.value, 4),
        "wait_s": np.round(settled.wait_s, 1),
        "known_at": known_ms.astype("datetime64[ms]"),
    }
