"""The order in which the year is told: what is asked together shares its features, and nothing is told too early."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from tests.demo.flights_oracle import HOUR_US, TILE_US

from tidewheel.base.errors import Unavailable
from tidewheel.base.units import to_us
from tidewheel.demo.flights.source import load_year
from tidewheel.demo.flights.timetable import NEVER, YEAR_ENDS_AT, YEAR_STARTS_AT, Timetable, local_month, weather_events


@pytest.fixture(scope="module")
def timetable() -> Timetable:
    try:
        return Timetable(load_year())
    except Unavailable as absent:
        pytest.skip(str(absent))


START_US, END_US = to_us(YEAR_STARTS_AT), to_us(YEAR_ENDS_AT)


def test_every_flight_is_asked_about_once_in_the_order_of_departure(timetable: Timetable) -> None:
    batches = timetable.batches(START_US, END_US)
    asked = np.concatenate([np.arange(batch.first, batch.stop) for batch in batches])
    np.testing.assert_array_equal(asked, np.arange(timetable.flights.num_rows))
    assert len({batch.request_id for batch in batches}) == len(batches)
    assert len({name for batch in batches for name in batch.prediction_ids}) == len(asked)


def test_flights_asked_together_share_the_tile_of_their_delays_and_the_last_weather(timetable: Timetable) -> None:
    for batch in timetable.batches(START_US, END_US):
        departs_us = timetable.departs_us[batch.first : batch.stop]
        assert departs_us.min() == batch.at_us
        assert len(set((departs_us // TILE_US).tolist())) == 1
        assert len(set(((departs_us - 1) // HOUR_US).tolist())) == 1, "reports count after their hour's end"


def test_a_request_id_does_not_look_like_a_row_of_another_request(timetable: Timetable) -> None:
    assert all(":" not in batch.request_id for batch in timetable.batches(START_US, END_US))


def test_spans_of_landings_and_of_fates_tell_each_flight_once(timetable: Timetable) -> None:
    middle_us = to_us(datetime(2013, 6, 1, 5, tzinfo=UTC))
    later_us = END_US + 48 * HOUR_US
    landed = np.concatenate([timetable.landed(0, middle_us), timetable.landed(middle_us, later_us)])
    known = np.concatenate([timetable.known(0, middle_us), timetable.known(middle_us, later_us)])
    assert len(set(landed.tolist())) == len(landed) == 336_776 - 8_255 - 1_175
    np.testing.assert_array_equal(np.sort(known), np.arange(336_776))
    assert (timetable.landed_us[timetable.landed(0, middle_us)] < middle_us).all()
    assert (timetable.known_us[timetable.known(0, middle_us)] < middle_us).all()


def test_a_flight_that_never_lands_has_a_row_without_a_label(timetable: Timetable) -> None:
    missing = np.flatnonzero(timetable.landed_us == NEVER)[:100]
    rows = timetable.rows(missing)
    assert rows["late"].null_count == rows["landed_at"].null_count == rows["arr_delay_min"].null_count == 100
    assert (timetable.known_us[missing] > timetable.departs_us[missing]).all()


def test_a_report_is_told_as_it_was_read_with_what_is_missing_left_out(timetable: Timetable) -> None:
    reports = timetable.reports(START_US, START_US + 3 * HOUR_US)
    events = weather_events(reports)
    assert set(events) == set(reports.column_names)
    assert max(events["observed_at"]) < START_US + 3 * HOUR_US
    assert events["wind_gust_mph"].count(None) == reports["wind_gust_mph"].null_count > 0


def test_months_are_those_of_the_timetable_in_new_york(timetable: Timetable) -> None:
    month = local_month(timetable.departs_us)
    counts = {number: int((month == number).sum()) for number in (1, 2, 7, 12)}
    assert counts == {1: 27_004, 2: 24_951, 7: 29_425, 12: 28_135}, "as the package's own column `month` counts them"
