"""The flights of 2013 come out of the package in true event time, and what is not known stays unknown."""

from __future__ import annotations

import zipfile

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import csv

from tidewheel.base.errors import Unavailable
from tidewheel.demo.flights.records import FLIGHTS, LANDINGS, WEATHER, FlightYear
from tidewheel.demo.flights.source import load_year, package_folder

pytest.importorskip("lightgbm", reason="the flights extra is not installed")


@pytest.fixture(scope="module")
def year() -> FlightYear:
    try:
        return load_year()
    except Unavailable as absent:
        pytest.skip(str(absent))


def _ask(question: str, **tables: pa.Table) -> list[tuple]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for name, table in tables.items():
            connection.register(name, table)
        return connection.execute(question).fetchall()


def _raw_flights() -> pa.Table:
    with zipfile.ZipFile(package_folder() / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        return csv.read_csv(file, convert_options=csv.ConvertOptions(null_values=["NA"]))


def test_the_tables_have_the_promised_columns_and_rows(year: FlightYear) -> None:
    assert year.flights.schema.equals(FLIGHTS)
    assert year.weather.schema.equals(WEATHER)
    assert year.landings().schema.equals(LANDINGS)
    assert (year.flights.num_rows, year.weather.num_rows) == (336_776, 26_115)
    assert len(pc.unique(year.flights["flight_id"])) == 336_776


def test_scheduled_departures_show_the_timetable_hour_on_new_yorks_clock_all_year(year: FlightYear) -> None:
    wrong = _ask(
        """select count(*) from flights
           where hour(scheduled_departure_at at time zone 'America/New_York') <> local_hour
              or isodow(scheduled_departure_at at time zone 'America/New_York') <> weekday + 1""",
        flights=year.flights,
    )
    assert wrong == [(0,)]


def test_landings_show_the_published_arrival_time_on_the_destinations_clock(year: FlightYear) -> None:
    """All but one: its published 02:03 lies in the hour that the clocks skipped that night."""
    airports = csv.read_csv(package_folder() / "airports.csv")
    wrong = _ask(
        """select flight_id, arr_time
           from (select flight_id, arr_time,
                        landed_at at time zone coalesce(tzone, 'America/Puerto_Rico') as clock
                 from raw left join airports on faa = dest
                 join flights on flight_id = carrier || flight || '-' || origin || '-'
                     || strftime(time_hour at time zone 'UTC' + to_minutes(minute), '%Y-%m-%dT%H:%M')
                 where landed_at is not null)
           where hour(clock) * 100 + minute(clock) <> arr_time % 2400""",
        flights=year.flights.select(["flight_id", "landed_at"]),
        raw=_raw_flights(),
        airports=airports,
    )
    assert wrong == [("B635-JFK-2013-03-10T02:45", 203)]


def test_a_cancelled_or_diverted_flight_has_no_label_and_never_lands(year: FlightYear) -> None:
    cancelled, diverted, labelled_without_landing, landed_without_label = _ask(
        """select count(*) filter (where departed_at is null),
                  count(*) filter (where departed_at is not null and landed_at is null),
                  count(*) filter (where landed_at is null and (late is not null or arr_delay_min is not null)),
                  count(*) filter (where landed_at is not null and late is null)
           from flights""",
        flights=year.flights,
    )[0]
    assert (cancelled, diverted) == (8_255, 1_175)
    assert (labelled_without_landing, landed_without_label) == (0, 0)
    assert year.landings().num_rows == 336_776 - 8_255 - 1_175


def test_late_means_more_than_fifteen_minutes(year: FlightYear) -> None:
    landings = year.landings()
    assert landings["late"].to_pylist() == [float(d > 15) for d in landings["arr_delay_min"].to_pylist()]


def test_every_flight_lands_after_it_left_and_after_it_was_due_to_leave(year: FlightYear) -> None:
    shortest, soonest, longest_schedule = _ask(
        """select min(date_diff('minute', departed_at, landed_at)),
                  min(date_diff('minute', scheduled_departure_at, landed_at)),
                  max(date_diff('minute', scheduled_departure_at, scheduled_arrival_at))
           from flights""",
        flights=year.flights,
    )[0]
    assert shortest > 20
    assert soonest > 0, "else a flight could stand in a window that ends at its own decision"
    assert longest_schedule < 12 * 60


def test_rows_come_in_the_order_of_their_events(year: FlightYear) -> None:
    for table, instant in (
        (year.flights, "scheduled_departure_at"),
        (year.landings(), "landed_at"),
        (year.weather, "observed_at"),
    ):
        column = table[instant].combine_chunks()
        assert pc.all(pc.less_equal(column[:-1], column[1:])).as_py()


def test_weather_is_known_only_when_the_hour_it_is_filed_under_has_ended(year: FlightYear) -> None:
    raw = csv.read_csv(package_folder() / "weather.csv", convert_options=csv.ConvertOptions(null_values=["NA"]))
    early = _ask(
        """select count(*) from weather left join raw
           on raw.origin = weather.origin and raw.time_hour = observed_at - interval 1 hour
           where raw.temp is distinct from temp_f""",
        weather=year.weather,
        raw=raw,
    )
    assert early == [(0,)]


def test_the_summer_afternoon_is_the_warmest_part_of_the_day(year: FlightYear) -> None:
    """A shift of the weather by a time zone would pass every other test; the sun does not."""
    warmest = _ask(
        """select hour((observed_at - interval 1 hour) at time zone 'America/New_York') as h
           from weather where month(observed_at) = 7 group by h order by avg(temp_f) desc limit 1""",
        weather=year.weather,
    )
    assert 12 <= warmest[0][0] <= 16


def test_a_missing_data_package_is_refused_with_the_way_to_install_it() -> None:
    with pytest.raises(Unavailable, match=r"pip install .tidewheel\[flights\]"):
        package_folder("no_such_package_of_flights")
