"""The features of the flights demo once more, in plain numpy: what the platform's join and its online store must give.

Written from the definitions in `model.py` and nothing else, so that it can disagree with the platform.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidewheel.demo.flights import model
from tidewheel.demo.flights.records import FlightYear

MINUTE_US = 60_000_000
TILE_US = 15 * MINUTE_US
HOUR_US = 60 * MINUTE_US


def micros(column: pa.ChunkedArray) -> np.ndarray:
    """Microseconds since 1970; the far future where the event never came."""
    return column.cast(pa.int64()).fill_null(2**62).to_numpy()


def rolling_delay(
    events: pa.Table, key: str, event_at: np.ndarray, asked: pa.Table, end_at: np.ndarray, window_us: int
) -> np.ndarray:
    """Mean arrival delay of the events of the same key within [end - window, end); NaN when there is none."""
    delay = events["arr_delay_min"].to_numpy()
    event_key, asked_key = events[key].to_numpy(), asked[key].to_numpy()
    mean = np.full(len(end_at), np.nan)
    for value in np.unique(asked_key):
        mine = np.flatnonzero((event_key == value) & ~np.isnan(delay))
        mine = mine[np.argsort(event_at[mine], kind="stable")]
        total = np.concatenate([[0.0], np.cumsum(delay[mine])])
        ask = np.flatnonzero(asked_key == value)
        first = np.searchsorted(event_at[mine], end_at[ask] - window_us, "left")
        last = np.searchsorted(event_at[mine], end_at[ask], "left")
        some = last > first
        mean[ask[some]] = (total[last] - total[first])[some] / (last - first)[some]
    return mean


def weather_at(year: FlightYear, column: str) -> np.ndarray:
    """The newest value seen at the origin before the scheduled departure, at most six hours old."""
    due = micros(year.flights["scheduled_departure_at"])
    known = np.full(len(due), np.nan)
    for origin in model.ORIGINS:
        reports = year.weather.filter(
            pc.and_(pc.equal(year.weather["origin"], origin), year.weather[column].is_valid())
        )
        observed = micros(reports["observed_at"])
        asked = np.flatnonzero(year.flights["origin"].to_numpy() == origin)
        newest = np.searchsorted(observed, due[asked], "left") - 1
        fresh = (newest >= 0) & (due[asked] - observed[newest] <= 6 * HOUR_US)
        known[asked[fresh]] = reports[column].to_numpy()[newest[fresh]]
    return known


def feature_rows(year: FlightYear) -> pa.Table:
    """The model's features for every flight, as known at its scheduled departure."""
    landings = year.landings()
    landed = micros(landings["landed_at"])
    tick = micros(year.flights["scheduled_departure_at"]) // TILE_US * TILE_US
    columns = dict(model.request_columns(year.flights))
    columns |= {name: weather_at(year, name) for name in model.WEATHER}
    for window in model.DELAY_WINDOWS:
        width = int(window.removesuffix("h")) * HOUR_US
        for key in ("carrier", "origin"):
            columns[f"{key}_delay_{window}"] = rolling_delay(landings, key, landed, year.flights, tick, width)
    carried = ("late", "scheduled_departure_at", "landed_at")
    return pa.table(columns | {name: year.flights[name] for name in carried})
