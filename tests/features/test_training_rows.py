"""Training rows: which rows, of which versions, with which columns; and the same through any other definition."""

import pickle
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from tidewheel.base.clock import ReplayClock, as_of
from tidewheel.base.errors import InvalidInput
from tidewheel.data import Data, dataset
from tidewheel.features import Features, FeatureSet, FeatureView, count, last, on_demand

T0 = datetime(2026, 1, 1, tzinfo=UTC)
RIDES, WEATHER = dataset("rides"), dataset("weather")
DEMAND = FeatureView(
    "demand", entity="zone", source=RIDES, timestamp="at", features={"rides_10m": count("10m")}, every="5m"
)
WIND = FeatureView("wind", entity="city", source=WEATHER, timestamp="observed_at", features={"wind": last("speed")})
PRESSURE = on_demand(
    "pressure", inputs=[DEMAND], request={"drivers": float}, compute=lambda f: f["rides_10m"] / f["drivers"]
)
AIRPORT = on_demand("is_airport", request={"kind": str}, compute=lambda f: f["kind"] == "airport")
SURGE = FeatureSet("surge", [DEMAND, WIND, PRESSURE, AIRPORT])


def rides(*minutes: int) -> dict[str, list[object]]:
    count = len(minutes)
    return {
        "ride": [f"r{minute}" for minute in minutes],
        "zone": ["centre"] * count,
        "city": ["hamburg"] * count,
        "at": [T0 + timedelta(minutes=minute) for minute in minutes],
        "drivers": [2] * count,
        "kind": ["airport" if minute % 2 else None for minute in minutes],
    }


@pytest.fixture(autouse=True)
def _datasets(features: Features, data: Data, clock: ReplayClock) -> None:
    clock.advance_to(T0 + timedelta(hours=1))
    data.append("rides", rides(0, 1, 5, 9, 10))
    data.append("weather", {"city": ["hamburg"], "observed_at": [T0 + timedelta(minutes=5)], "speed": [30]})


def test_rows_have_the_features_then_the_columns_of_the_dataset() -> None:
    rows = SURGE.training_rows(RIDES)
    assert rows.table().column_names == [*SURGE.names, "ride", "zone", "city", "at", "drivers", "kind"]
    np.testing.assert_array_equal(rows.column("rides_10m"), [0, 0, 2, 2, 4])
    np.testing.assert_array_equal(rows.column("wind"), [np.nan, np.nan, np.nan, 30, 30])
    np.testing.assert_array_equal(rows.column("pressure"), [0, 0, 1, 1, 2])
    np.testing.assert_array_equal(rows.column("is_airport"), [0, 1, 1, 1, 0])
    assert rows.X.shape == (len(rows), 4)
    assert rows.X.dtype == np.float64
    np.testing.assert_array_equal(rows.X[:, 2], rows.column("pressure"))
    assert rows.timestamps.to_pylist()[1] == T0 + timedelta(minutes=1)
    with pytest.raises(InvalidInput, match="no column 'speed'"):
        rows.column("speed")


def test_a_request_value_passed_through_takes_the_place_of_its_column() -> None:
    found = FeatureSet("raw", [on_demand("now", request={"drivers": float})], time="at").training_rows(RIDES)
    assert found.table().column_names[0] == "drivers"
    assert found.table().column_names.count("drivers") == 1
    assert found.table()["drivers"].type == pa.float64()


def test_rows_are_bounded_by_since_until_or_a_window() -> None:
    def minutes(**bounds: object) -> list[str]:
        return SURGE.training_rows(RIDES, **bounds).table()["ride"].to_pylist()  # type: ignore[arg-type]

    assert minutes(since=T0 + timedelta(minutes=1), until=T0 + timedelta(minutes=9)) == ["r1", "r5"]
    assert minutes(since="2026-01-01T00:05:00Z") == ["r5", "r9", "r10"]
    assert minutes(window="5m", until="2026-01-01T00:10:00") == ["r5", "r9"]
    assert minutes(window="52m") == ["r9", "r10"]
    assert minutes(window="1m", since=T0) == ["r0", "r1", "r5", "r9", "r10"]
    with as_of(T0 + timedelta(hours=1)):
        assert minutes(window="55m") == ["r5", "r9", "r10"]
    assert minutes(until=T0) == []


def test_rows_keep_features_of_events_before_their_bounds() -> None:
    rows = SURGE.training_rows(RIDES, since=T0 + timedelta(minutes=10))
    np.testing.assert_array_equal(rows.column("rides_10m"), [4])


def test_rows_stay_with_the_commits_they_were_asked_of(data: Data) -> None:
    rows = SURGE.training_rows(RIDES)
    data.append("rides", rides(11))
    data.append("weather", {"city": ["hamburg"], "observed_at": [T0], "speed": [99]})
    assert rows.commits == ("rides@0", "weather@0")
    assert len(rows) == 5
    np.testing.assert_array_equal(rows.column("wind"), [np.nan, np.nan, np.nan, 30, 30])
    later = SURGE.training_rows(RIDES)
    assert later.commits == ("rides@1", "weather@1")
    assert later.fingerprint != rows.fingerprint


def test_rows_of_a_pipeline_run_are_those_of_its_instant(data: Data, clock: ReplayClock) -> None:
    started = clock.now()
    clock.advance_to(started + timedelta(hours=1))
    data.append("rides", rides(11))
    with as_of(started):
        assert SURGE.training_rows(RIDES).commits == ("rides@0", "weather@0")


def test_the_fingerprint_is_of_features_commits_and_bounds() -> None:
    assert SURGE.training_rows(RIDES).fingerprint == SURGE.training_rows(RIDES).fingerprint
    others = [SURGE.training_rows(RIDES, until=T0), FeatureSet("surge", [DEMAND]).training_rows(RIDES)]
    assert len({rows.fingerprint for rows in [SURGE.training_rows(RIDES), *others]}) == 3


def test_rows_travel_between_processes_and_are_computed_there() -> None:
    rows = SURGE.training_rows(RIDES)
    small = len(pickle.dumps(rows))
    expected = rows.X
    assert len(pickle.dumps(rows)) == small < 20_000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows)).X, expected)


def test_a_champion_sees_the_same_rows_through_its_own_features(features: Features, data: Data) -> None:
    other = FeatureSet("surge", [DEMAND])
    features.apply(other)
    rows = SURGE.training_rows(RIDES, since=T0 + timedelta(minutes=5))
    data.append("rides", rides(6))
    seen = features.training_rows_of(other.hash, rows)
    assert seen.names == ("rides_10m",)
    assert seen.commits == rows.commits
    assert seen.table()["ride"] == rows.table()["ride"]
    np.testing.assert_array_equal(seen.X[:, 0], rows.column("rides_10m"))


def test_a_dataset_that_lacks_what_the_set_needs_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"'weather' lacks \['zone', 'drivers', 'kind'\]"):
        SURGE.training_rows(WEATHER, time="observed_at").table()
    odd = FeatureView("odd", entity="zone", source=RIDES, timestamp="at", features={"x": last("kind")})
    with pytest.raises(InvalidInput, match="'kind' is string, not a number"):
        FeatureSet("odd", [odd]).training_rows(RIDES).table()
    odd = FeatureView("odd", entity="zone", source=RIDES, timestamp="zone", features={"x": count("5m")})
    with pytest.raises(InvalidInput, match="zone"):
        FeatureSet("odd", [odd], time="at").training_rows(RIDES).table()
    with pytest.raises(InvalidInput, match="'nothing'"):
        SURGE.training_rows(RIDES, time="nothing").table()


def test_rows_without_a_time_are_left_out_and_unknown_entities_have_no_history(data: Data) -> None:
    data.append("rides", {**rides(20, 21), "zone": ["harbour", None], "at": [T0 + timedelta(minutes=20), None]})
    rows = SURGE.training_rows(RIDES, since=T0 + timedelta(minutes=15))
    assert rows.table()["zone"].to_pylist() == ["harbour"]
    assert rows.X[0].tolist()[:2] == [0, 30]


def test_number_keys_and_text_keys_are_the_same_entity(data: Data) -> None:
    data.append("trips", {"zone": [7, 7], "at": [T0, T0 + timedelta(minutes=5)]})
    view = FeatureView("v", entity="zone", source=dataset("trips"), timestamp="at", features={"n": count("5m")})
    np.testing.assert_array_equal(FeatureSet("s", [view]).training_rows(dataset("trips")).X, [[0], [1]])
