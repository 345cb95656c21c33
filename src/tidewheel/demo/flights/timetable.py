"""The year in the order in which a replay tells it: what is asked together, what has landed, what is known by when.

Pure arrays over `FlightYear`; called by `replay.py`. Instants are microseconds since 1970, `NEVER` where an event does
not come. It holds the future, so whoever reads it must ask only for what lies before the replay's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidewheel.base.units import from_us
from tidewheel.demo.flights.model import WEATHER, request_columns
from tidewheel.demo.flights.records import FlightYear

Micros = NDArray[np.int64]

TILE_US: Final = 15 * 60_000_000
HOUR_US: Final = 60 * 60_000_000
DAY_US: Final = 24 * HOUR_US
NEVER: Final = 2**62
_CARRIED: Final = (
    "flight_id", "carrier", "origin", "dest", "scheduled_departure_at", "landed_at", "arr_delay_min", "late",
)  # fmt: skip
YEAR_STARTS_AT: Final = datetime(2013, 1, 1, 5, tzinfo=UTC)
"""Midnight in New York."""
YEAR_ENDS_AT: Final = datetime(2014, 1, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Batch:
    """Flights asked about in one request: those of [first, stop) in the order of scheduled departure, at `at_us`."""

    at_us: int
    first: int
    stop: int

    @property
    def request_id(self) -> str:
        """Names the request, and is the unit of a canary: a batch meets one version."""
        return f"departures-{from_us(self.at_us):%Y-%m-%dT%H%M}"

    @property
    def prediction_ids(self) -> list[str]:
        """The id under which the platform logs each flight's prediction."""
        count = self.stop - self.first
        return [self.request_id] if count == 1 else [f"{self.request_id}:{row}" for row in range(count)]


class Timetable:
    """A year of flights, by place in the order of scheduled departure."""

    def __init__(self, year: FlightYear) -> None:
        self.flights = year.flights
        self.weather = year.weather
        self.requests = request_columns(year.flights)
        self.departs_us = micros(year.flights["scheduled_departure_at"])
        self.landed_us = micros(year.flights["landed_at"])
        # What never lands is written down when it was due.
        due_us = micros(year.flights["scheduled_arrival_at"])
        self.known_us = np.where(self.landed_us == NEVER, due_us, self.landed_us)
        self.observed_us = micros(year.weather["observed_at"])
        self.late = np.asarray(year.flights["late"].to_numpy(), dtype=np.float64)
        self._by_landing = np.argsort(self.landed_us, kind="stable")
        self._landings_us = self.landed_us[self._by_landing]
        self._by_knowledge = np.argsort(self.known_us, kind="stable")
        self._knowledge_us = self.known_us[self._by_knowledge]

    def batches(self, since_us: int, until_us: int) -> list[Batch]:
        """Scheduled departures of a span, as few requests as the features allow.

        Flights of one tile share every rolling delay. A weather report counts from the instant after its hour, so
        flights due on the hour itself are asked apart from those due after it.
        """
        first, stop = np.searchsorted(self.departs_us, [since_us, until_us])
        departs_us = self.departs_us[first:stop]
        if not len(departs_us):
            return []
        tile, hour = departs_us // TILE_US, (departs_us - 1) // HOUR_US
        begins = np.flatnonzero((np.diff(tile, prepend=-1) != 0) | (np.diff(hour, prepend=-1) != 0))
        ends = [*begins[1:].tolist(), len(departs_us)]
        return [
            Batch(int(departs_us[begin]), int(first) + begin, int(first) + end)
            for begin, end in zip(begins.tolist(), ends, strict=True)
        ]

    def landed(self, since_us: int, until_us: int) -> NDArray[np.intp]:
        """The flights that landed in [since, until), in that order."""
        return self._by_landing[slice(*np.searchsorted(self._landings_us, [since_us, until_us]))]

    def known(self, since_us: int, until_us: int) -> NDArray[np.intp]:
        """The flights whose fate became known in [since, until): they landed, or were due and did not come."""
        return self._by_knowledge[slice(*np.searchsorted(self._knowledge_us, [since_us, until_us]))]

    def rows(self, places: NDArray[np.intp]) -> pa.Table:
        """Rows of the dataset `flights`."""
        taken = self.flights.select(_CARRIED).take(pa.array(places))
        requests = {name: pa.array(column[places]) for name, column in self.requests.items()}
        return pa.table({**dict(zip(_CARRIED, taken.columns, strict=True)), **requests})

    def reports(self, since_us: int, until_us: int) -> pa.Table:
        """Rows of the dataset `weather`: the observations of [since, until)."""
        first, stop = np.searchsorted(self.observed_us, [since_us, until_us])
        return self.weather.slice(first, stop - first)

    def delays(self, places: NDArray[np.intp], entity: str) -> dict[str, list[Any]]:
        """Events of the view of an entity's delays (`carrier` or `origin`), as columns."""
        taken = self.flights.select([entity, "arr_delay_min"]).take(pa.array(places)).to_pydict()
        return {**taken, "landed_at": self.landed_us[places].tolist()}


def weather_events(reports: pa.Table) -> dict[str, list[Any]]:
    """Events of the view `origin_weather`, as columns."""
    events: dict[str, list[Any]] = {name: reports[name].to_pylist() for name in ("origin", *WEATHER)}
    return {**events, "observed_at": micros(reports["observed_at"]).tolist()}


def micros(column: pa.ChunkedArray) -> Micros:
    """Instants as microseconds since 1970; `NEVER` where there is none."""
    return np.asarray(column.cast(pa.int64()).fill_null(NEVER).to_numpy(), dtype=np.int64)


def local_month(departs_us: Micros) -> NDArray[np.int64]:
    """The month (1..12) on New York's calendar. Winter time all year: nothing departs in the hour that differs."""
    months = ((departs_us - 5 * HOUR_US) // DAY_US).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return np.asarray(months % 12 + 1)
