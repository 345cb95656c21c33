"""The three tables of the flights demo: their columns, types and what each timestamp means.

`source.py` fills them from the PyPI package, the replay appends them to Tidewheel datasets, `model.py` names their
columns as features. Every `*_at` is UTC. A column says when its value became KNOWN, because the point-in-time
join believes it; nothing here may be dated earlier than the world could have told it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

INSTANT: Final = pa.timestamp("us", tz="UTC")

LATE_AFTER_MIN: Final = 15
"""A flight is late when it arrives more than this many minutes after schedule."""

# One row a scheduled flight. `departed_at` is null when it was cancelled; `landed_at`, `arr_delay_min` and `late`
# are null when it was cancelled or diverted: then the label never comes, and the row is no negative.
FLIGHTS: Final = pa.schema(
    [
        ("flight_id", pa.string()),
        ("carrier", pa.string()),
        ("origin", pa.string()),
        ("dest", pa.string()),
        ("distance_miles", pa.float64()),
        ("local_hour", pa.float64()),
        ("weekday", pa.float64()),
        ("scheduled_departure_at", INSTANT),
        ("scheduled_arrival_at", INSTANT),
        ("departed_at", INSTANT),
        ("landed_at", INSTANT),
        ("dep_delay_min", pa.float64()),
        ("arr_delay_min", pa.float64()),
        ("late", pa.float64()),
    ]
)

# One row a flight that arrived, in the order of arrival: the source of the rolling delays, and the label.
LANDINGS: Final = pa.schema(
    [
        ("flight_id", pa.string()),
        ("carrier", pa.string()),
        ("origin", pa.string()),
        ("landed_at", INSTANT),
        ("arr_delay_min", pa.float64()),
        ("late", pa.float64()),
    ]
)

# One row an origin and hour. `observed_at` is the END of the hour the package files the reading under.
WEATHER: Final = pa.schema(
    [
        ("origin", pa.string()),
        ("observed_at", INSTANT),
        ("temp_f", pa.float64()),
        ("humidity_pct", pa.float64()),
        ("wind_speed_mph", pa.float64()),
        ("wind_gust_mph", pa.float64()),
        ("precip_in", pa.float64()),
        ("pressure_hpa", pa.float64()),
        ("visibility_miles", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class FlightYear:
    """The flights and the weather of 2013, clean, in event time."""

    flights: pa.Table
    """FLIGHTS, by scheduled departure."""
    weather: pa.Table
    """WEATHER, by observation."""

    def landings(self) -> pa.Table:
        """LANDINGS: the flights that arrived, by arrival."""
        arrived = self.flights.filter(self.flights["landed_at"].is_valid())
        ordered = arrived.sort_by([("landed_at", "ascending"), ("flight_id", "ascending")])
        return ordered.select(LANDINGS.names).cast(LANDINGS)
