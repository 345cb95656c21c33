"""A week of real flights through the real platform: what it learns from and what it answers with are the same rows."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console
from tests.demo.flights_oracle import feature_rows

from tidewheel.app import Platform, open_platform
from tidewheel.base.errors import Unavailable
from tidewheel.base.settings import Settings
from tidewheel.base.units import to_us
from tidewheel.demo.flights import model
from tidewheel.demo.flights.comparison import training_rows
from tidewheel.demo.flights.records import FlightYear
from tidewheel.demo.flights.report import Report
from tidewheel.demo.flights.run import REPLAY_SETTINGS, STARTS_AT, FlightsOptions, run_flights
from tidewheel.demo.flights.source import load_year
from tidewheel.demo.flights.timetable import NEVER, Timetable
from tidewheel.storage.predictions import Label, Prediction

pytest.importorskip("lightgbm", reason="the flights extra is not installed")
pytestmark = pytest.mark.slow

DAYS = 7
UNTIL_US = to_us(STARTS_AT) + DAYS * 24 * 3_600_000_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a week came to: the report, what was printed, the timetable, the oracle's features, the open install."""

    report: Report
    printed: str
    timetable: Timetable
    expected: np.ndarray
    platform: Platform
    predictions: list[Prediction]
    labels: list[Label]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    try:
        year = load_year()
    except Unavailable as absent:
        pytest.skip(str(absent))
    home: Path = tmp_path_factory.mktemp("flights") / "home"
    settings = Settings({**REPLAY_SETTINGS, "server.port": 0, "serving.port": 0})
    console = Console(file=io.StringIO(), width=200)
    report = run_flights(FlightsOptions(home=home, settings=settings, days=DAYS), console)
    timetable = Timetable(year)
    seen = int(np.searchsorted(timetable.departs_us, UNTIL_US))
    part = FlightYear(flights=year.flights.slice(0, seen), weather=year.weather)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    with open_platform(home, settings) as platform:
        log = platform.predictions.read(None, limit=1_000_000)
        assert not log.more
        yield Replayed(
            report, printed, timetable, model.matrix(feature_rows(part)), platform, log.predictions, log.labels
        )


def places_of(timetable: Timetable) -> dict[str, int]:
    """The flight of each prediction id."""
    batches = timetable.batches(to_us(STARTS_AT), UNTIL_US)
    return {
        name: place
        for batch in batches
        for name, place in zip(batch.prediction_ids, range(batch.first, batch.stop), strict=True)
    }


def live(replayed: Replayed) -> dict[int, Prediction]:
    """The answers that a caller got, by flight."""
    places = places_of(replayed.timetable)
    return {places[each.id]: each for each in replayed.predictions if each.arm == "live"}


def test_the_platforms_training_rows_are_the_oracles(replayed: Replayed) -> None:
    rows: pa.Table = training_rows(STARTS_AT.replace(month=3, day=5))
    place = {name: number for number, name in enumerate(replayed.timetable.flights["flight_id"].to_pylist())}
    places = np.array([place[name] for name in rows["flight_id"].to_pylist()])
    assert len(set(places.tolist())) == len(places) == len(replayed.expected)
    np.testing.assert_allclose(model.matrix(rows), replayed.expected[places], rtol=1e-9, atol=1e-9)


def test_the_features_that_workers_answered_with_are_the_oracles(replayed: Replayed) -> None:
    answers = live(replayed)
    places = sorted(answers)
    served = np.array([np.frombuffer(answers[place].features, dtype="<f8") for place in places])
    assert len(places) == replayed.report.flights > 5_000
    np.testing.assert_allclose(served, replayed.expected[places], rtol=1e-9, atol=1e-9)


def test_every_flight_due_was_asked_about_and_nothing_was_lost(replayed: Replayed) -> None:
    due = replayed.timetable.departs_us
    assert sorted(live(replayed)) == np.flatnonzero((due >= to_us(STARTS_AT)) & (due < UNTIL_US)).tolist()
    assert replayed.report.lost == 0, replayed.report.first_loss
    assert {each.status for each in replayed.predictions} == {200}


def test_a_flight_that_never_lands_is_never_labelled_and_all_others_are(replayed: Replayed) -> None:
    places = places_of(replayed.timetable)
    labelled = [places[label.id] for label in replayed.labels]
    landed = [place for place in sorted(live(replayed)) if replayed.timetable.landed_us[place] < NEVER]
    assert sorted(labelled) == landed
    assert len(landed) == replayed.report.labels == replayed.report.comparison.overall["loop"].flights
    assert replayed.report.comparison.unlabelled == replayed.report.flights - len(landed) > 0
    for label in replayed.labels:
        place = places[label.id]
        assert (label.values["late"], label.at_us) == (
            replayed.timetable.late[place],
            replayed.timetable.landed_us[place],
        )


def test_all_policies_are_scored_on_the_same_flights_and_none_knows_too_much(replayed: Replayed) -> None:
    overall = replayed.report.comparison.overall
    assert len({scored.flights for scored in overall.values()}) == 1
    assert all(0.6 < scored.auc < 0.82 for scored in overall.values()), overall
    assert sum(scores["loop"].flights for scores in replayed.report.comparison.by_month.values()) == len(
        replayed.labels
    )


def test_the_report_is_printed_for_people_and_is_json_for_programs(replayed: Replayed) -> None:
    assert "4-weekly" in replayed.printed
    assert "the endpoint has no champion yet" in replayed.printed
    found = json.loads(json.dumps(replayed.report.to_dict(), default=str, allow_nan=False))
    assert found["comparison"]["trainings"]["never"] == {"attempted": 0, "promoted": 0}
