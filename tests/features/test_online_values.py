"""Online values: filled from datasets, pushed to, and never counted twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidewheel.base.clock import ReplayClock
from tidewheel.base.errors import InvalidInput, NotFound, TooLarge
from tidewheel.data import Data, dataset
from tidewheel.features import Features, FeatureSet, FeatureView, count, last, mean, on_demand
from tidewheel.features.packed_tiles import prefix_of
from tidewheel.storage import KeyValue

T0 = datetime(2026, 1, 1, tzinfo=UTC)
RIDES = dataset("rides")
DEMAND = FeatureView(
    "demand",
    entity="zone",
    source=RIDES,
    timestamp="at",
    every="5m",
    ttl="20m",
    features={"rides_15m": count("15m"), "fare_10m": mean("fare", "10m"), "fare": last("fare")},
)
PER_DRIVER = on_demand(
    "per_driver", inputs=[DEMAND], request={"drivers": float}, compute=lambda f: f["rides_15m"] / f["drivers"]
)
DEMANDS = FeatureSet("demands", [DEMAND])


def ride(minute: float, zone: str = "a", fare: float | None = 1.0) -> dict[str, Any]:
    return {"zone": zone, "at": T0 + timedelta(minutes=minute), "fare": fare}


def values(features: Features, zone: str, minute: float) -> list[float | None]:
    return features.get("demands", {"zone": [zone]}, at=T0 + timedelta(minutes=minute)).rows[0]


def test_a_dataset_is_materialized_once_for_each_commit(features: Features, data: Data, clock: ReplayClock) -> None:
    clock.advance_to(T0 + timedelta(minutes=10))
    features.apply(DEMANDS)
    data.append("rides", [ride(1, fare=2), ride(6, fare=4), ride(6, "b")])
    (filling,) = features.materialize("demands")
    assert (filling.view, filling.commit, filling.events, filling.entities) == ("demand", "rides@0", 3, 2)
    assert values(features, "a", 10) == [2, 3, 4]
    assert features.materialize("demands") == []
    data.append("rides", [ride(9, fare=9)])
    assert [filling.commit for filling in features.materialize_all()] == ["rides@1"]
    assert values(features, "a", 10) == [3, 5, 9]
    assert [filling.commit for filling in features.fillings()] == ["rides@1"]


def test_materializing_until_an_instant_leaves_later_events_out(
    features: Features, data: Data, clock: ReplayClock
) -> None:
    clock.advance_to(T0 + timedelta(minutes=10))
    features.apply(DEMANDS)
    data.append("rides", [ride(1), ride(6)])
    features.materialize("demands", until=T0 + timedelta(minutes=5))
    assert values(features, "a", 10) == [1, 1, 1]


def test_values_of_an_entity_never_seen_are_nothing(features: Features, data: Data) -> None:
    features.apply(DEMANDS)
    assert values(features, "nowhere", 10) == [0, None, None]
    assert features.materialize_all() == []
    with pytest.raises(NotFound):
        features.materialize("demands")


def test_pushed_events_count_from_the_next_tile_on(features: Features, data: Data, clock: ReplayClock) -> None:
    features.apply(DEMANDS)
    first = features.push("demand", [ride(1), ride(2), ride(6), ride(7, "b")])
    assert (first.counted, first.late) == (2, 2)
    assert values(features, "a", 10) == [1, 1, 1]
    data.append("rides", [ride(0), ride(1), ride(2), ride(6), ride(7, "b")])
    clock.advance_to(T0 + timedelta(minutes=8))
    features.materialize("demands")
    assert values(features, "a", 10) == [4, 1, 1]
    assert values(features, "b", 10) == [1, 1, 1]


def test_an_event_of_the_future_is_refused_before_it_pushes_the_present_out(features: Features) -> None:
    features.apply(DEMANDS)
    with pytest.raises(InvalidInput, match="in the future"):
        features.push("demand", [ride(0), ride(61)])
    assert features.push("demand", [ride(-60), ride(59)]).late == 1  # the first partial tile is the dataset's


def test_an_event_that_comes_too_late_is_passed_over_and_told_of(features: Features, clock: ReplayClock) -> None:
    features.apply(DEMANDS)
    clock.advance_to(T0 + timedelta(minutes=61))
    features.push("demand", [ride(-60), ride(60)])
    pushed = features.push("demand", [ride(44), ride(46), ride(61)])
    assert (pushed.counted, pushed.late) == (2, 1)


def test_old_events_leave_as_new_ones_come_and_stale_entities_go(
    features: Features, data: Data, online: KeyValue, clock: ReplayClock
) -> None:
    features.apply(DEMANDS)
    features.push("demand", [ride(-60)])
    for minute in range(0, 60):
        features.push("demand", [ride(minute)])
    sizes = [len(value) for _, value in online.scan(prefix_of(DEMAND))]
    assert sizes == [4 * 8 + 4 * DEMAND.layout.width * 8]
    counted = FeatureView("v", entity="zone", source=RIDES, timestamp="at", every="5m", features={"n": count("10m")})
    other = FeatureSet("others", [counted])
    features.apply(other)
    data.append("rides", [ride(0, "gone"), ride(1, "stays")])
    clock.advance_to(T0 + timedelta(minutes=2))
    features.materialize("others")
    assert len(list(online.scan(prefix_of(other.views[0])))) == 2
    clock.advance_to(T0 + timedelta(minutes=120))
    data.append("rides", [ride(119, "stays")])
    features.materialize("others")
    assert len(list(online.scan(prefix_of(other.views[0])))) == 1


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ({"at": T0}, "'zone' is missing"),
        ({"zone": "a"}, "'at' is None"),
        ({"zone": "a", "at": "yesterday"}, "'at' is 'yesterday'"),
        ({"zone": "a", "at": T0, "fare": "much"}, "'fare' is 'much', not a number"),
    ],
)
def test_a_push_with_a_wrong_row_counts_nothing(features: Features, row: dict[str, Any], wrong: str) -> None:
    features.apply(DEMANDS)
    features.push("demand", [ride(-60)])
    with pytest.raises(InvalidInput, match=f"In row 1 .*{wrong}"):
        features.push("demand", [ride(1), row])
    assert values(features, "a", 10) == [0, None, None]


def test_instants_may_be_text_or_microseconds_and_numbers_may_be_missing(features: Features) -> None:
    features.apply(DEMANDS)
    features.push("demand", [ride(-60)])
    at_us = round(T0.timestamp() * 1e6)
    features.push(
        "demand",
        [
            {"zone": "a", "at": "2026-01-01T00:00:00Z", "fare": 4},
            {"zone": "a", "at": at_us, "fare": None},
            {"zone": "a", "at": "2026-01-01T02:00:00+02:00", "fare": float("nan")},
            {"zone": "a", "at": T0},
        ],
    )
    assert values(features, "a", 10) == [4, 4, 4]


def test_asking_for_a_row_each_or_for_too_many_is_checked(features: Features) -> None:
    features.apply(FeatureSet("demands", [DEMAND, PER_DRIVER]))
    features.push("demand", [ride(-60), ride(1), ride(1, "b")])
    found = features.get("demands", {"zone": ["a", "b"]}, {"drivers": [2, 4]}, at=T0 + timedelta(minutes=10))
    assert found.names == (*DEMAND.names, "per_driver")
    assert [row[-1] for row in found.rows] == [0.5, 0.25]
    nothing = features.get("demands", {"zone": ["a"]}, {"drivers": [None]}, at=T0 + timedelta(minutes=10))
    assert nothing.rows[0][-1] is None
    for entities, request in (
        ({}, {"drivers": [1]}),
        ({"zone": ["a"]}, {}),
        ({"zone": ["a", "b"]}, {"drivers": [1]}),
        ({"zone": ["a"]}, {"drivers": ["many"]}),
    ):
        with pytest.raises(InvalidInput):
            features.get("demands", entities, request)
    with pytest.raises(TooLarge):
        features.get("demands", {"zone": ["a"] * 10_001}, {"drivers": [1.0] * 10_001})
    with pytest.raises(TooLarge):
        features.push("demand", [ride(1)] * 10_001)
    for ask in (lambda: features.get("absent", {}), lambda: features.push("absent", [ride(1)])):
        with pytest.raises(NotFound):
            ask()
