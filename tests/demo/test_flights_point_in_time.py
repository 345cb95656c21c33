"""No flight sees its own or a later outcome: what an honest join scores, and how loudly a leak would show.

That the platform's own join and online store give the oracle's features is `test_flights_replay.py`'s.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.demo.flights_oracle import HOUR_US, MINUTE_US, feature_rows, micros, rolling_delay

from tidewheel.base.errors import Unavailable
from tidewheel.demo.flights import model
from tidewheel.demo.flights.records import INSTANT, FlightYear
from tidewheel.demo.flights.schedules import calendar, predict_by_schedule
from tidewheel.demo.flights.scoring import score
from tidewheel.demo.flights.source import load_year

pytest.importorskip("lightgbm", reason="the flights extra is not installed")

MAY = pa.scalar(datetime(2013, 5, 1, 4, tzinfo=UTC), type=INSTANT)
MARCH = datetime(2013, 3, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def spring() -> FlightYear:
    """January to April."""
    try:
        year = load_year()
    except Unavailable as absent:
        pytest.skip(str(absent))
    flights = year.flights.filter(pc.less(year.flights["scheduled_departure_at"], MAY))
    return FlightYear(flights=flights, weather=year.weather.filter(pc.less(year.weather["observed_at"], MAY)))


@pytest.fixture(scope="module")
def rows(spring: FlightYear) -> pa.Table:
    return feature_rows(spring)


def auc_since_march(rows: pa.Table) -> float:
    probability = predict_by_schedule(rows, [MARCH])
    return score(rows["late"].to_numpy(), probability).auc


def test_an_honest_join_scores_what_is_possible_and_a_leak_stands_far_above_it(
    spring: FlightYear, rows: pa.Table
) -> None:
    """Windows by scheduled departure, the flight's own hour included, are the leak that looks most natural."""
    due = micros(spring.flights["scheduled_departure_at"])
    leaked = rows
    for key in ("carrier", "origin"):
        seen = rolling_delay(spring.flights, key, due, spring.flights, due + 1, HOUR_US)
        name = f"{key}_delay_1h"
        leaked = leaked.set_column(leaked.column_names.index(name), name, pa.array(seen))
    assert 0.70 < auc_since_march(rows) < 0.78
    assert auc_since_march(leaked) > 0.82


def test_no_feature_moves_when_everything_after_the_decision_is_changed(spring: FlightYear, rows: pa.Table) -> None:
    decided_at = pa.scalar(datetime(2013, 3, 8, 21, 15, tzinfo=UTC), type=INSTANT)
    later = pc.greater_equal(spring.flights["landed_at"], decided_at).fill_null(False)
    delay = pc.if_else(later, 999.0, spring.flights["arr_delay_min"])
    place = spring.flights.column_names.index("arr_delay_min")
    changed = feature_rows(
        FlightYear(
            flights=spring.flights.set_column(place, "arr_delay_min", delay),
            weather=spring.weather.filter(pc.less_equal(spring.weather["observed_at"], decided_at)),
        )
    )
    decided = pc.less_equal(rows["scheduled_departure_at"], decided_at)
    assert model.matrix(rows.filter(decided)).shape[0] > 50_000
    np.testing.assert_array_equal(model.matrix(rows.filter(decided)), model.matrix(changed.filter(decided)))


def test_the_window_ends_at_the_tile_before_the_decision_and_leaves_its_own_end_out() -> None:
    events = pa.table({"origin": ["JFK"] * 3, "arr_delay_min": [10.0, 30.0, 500.0]})
    asked = pa.table({"origin": ["JFK", "JFK", "EWR"]})
    event_at = np.array([0, 30, 60]) * MINUTE_US
    end_at = np.array([60, 75, 60]) * MINUTE_US
    mean = rolling_delay(events, "origin", event_at, asked, end_at, HOUR_US)
    np.testing.assert_array_equal(mean, [20.0, 265.0, np.nan])


def test_a_scheduled_training_learns_only_from_flights_that_had_landed(rows: pa.Table) -> None:
    """Labels that were not known yet are turned round: the predictions of the next days must not notice."""
    unknown = pc.greater_equal(rows["landed_at"], pa.scalar(MARCH, type=INSTANT)).fill_null(False)
    turned = pc.if_else(unknown, pc.subtract(1.0, rows["late"]), rows["late"])
    poisoned = rows.set_column(rows.column_names.index("late"), "late", turned)
    np.testing.assert_array_equal(predict_by_schedule(rows, [MARCH]), predict_by_schedule(poisoned, [MARCH]))


def test_nothing_is_predicted_before_the_first_training(rows: pa.Table) -> None:
    probability = predict_by_schedule(rows, [MARCH])
    served = pc.greater_equal(rows["scheduled_departure_at"], pa.scalar(MARCH, type=INSTANT)).to_numpy()
    np.testing.assert_array_equal(np.isnan(probability), ~served)


def test_the_calendar_starts_with_the_first_training_and_stops_before_the_end() -> None:
    every = timedelta(weeks=4)
    assert calendar(MARCH, MARCH + every * 2) == [MARCH, MARCH + every]
    assert calendar(MARCH, MARCH + every * 2 + timedelta(1)) == [MARCH, MARCH + every, MARCH + every * 2]


def test_a_carrier_that_is_not_in_the_timetable_is_unknown_to_the_model(spring: FlightYear) -> None:
    one = spring.flights.slice(0, 1)
    stranger = one.set_column(one.column_names.index("carrier"), "carrier", pa.array(["ZZ"]))
    assert np.isnan(model.request_columns(stranger)["carrier_code"]).all()
    assert model.request_columns(one)["carrier_code"].tolist() == [float(model.CARRIERS.index("UA"))]
