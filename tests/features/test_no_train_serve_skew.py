"""Promise 2: train-serve skew cannot be written.

Random events and questions; each question is answered twice: offline, from the whole dataset as a training row, and
online, by a replay that pushes events in their order and asks at each instant. The answers are the same to the bit, for
every aggregation, window, ttl, for entities never seen and for ties in time. Outside the promise are events that come
late: a push older than the windows of its entity's newest tile is refused, and one that came after the question could
not be in its answer, though the dataset has it.
"""

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from hypothesis import given, settings, strategies as st
from tests.features.memory_store import MemoryKeyValue

from tidewheel.data import dataset
from tidewheel.features import FeatureSet, FeatureView, aggregations, push_rows
from tidewheel.features.events import events_of
from tidewheel.features.point_in_time import values_at

START_US = 1_767_225_600_000_000
SECOND_US = 1_000_000
EVERY_S = 5


@dataclass(frozen=True)
class Event:
    zone: str | None
    at_us: int
    fare: float | None
    wait: float | None


ZONES = st.sampled_from(["a", "a", "ünïcode", ""])
# Few different instants, so that events, questions and the edges of tiles often fall together.
INSTANTS = st.one_of(
    st.integers(0, 30).map(lambda s: START_US + s * SECOND_US),
    st.integers(0, 6).map(lambda tiles: START_US + tiles * EVERY_S * SECOND_US),
    st.integers(0, 60 * SECOND_US).map(lambda us: START_US + us),
)
NUMBERS = (
    st.none()
    | st.floats(-1e6, 1e6, width=32)
    | st.floats().filter(lambda x: not 1e100 < abs(x) < math.inf)
    | st.sampled_from([0.0, -0.0, 0.1, 0.2, 0.3])
)
EVENTS = st.lists(st.builds(Event, ZONES, INSTANTS, NUMBERS, NUMBERS), max_size=40)
ASKED = st.lists(st.tuples(ZONES | st.just("never seen"), INSTANTS), min_size=1, max_size=25)
WINDOWS = st.integers(1, 12).map(lambda tiles: f"{tiles * EVERY_S}s")
COLUMNS = st.sampled_from(["fare", "wait"])
AGGREGATIONS = st.one_of(
    WINDOWS.map(aggregations.count),
    st.builds(aggregations.total, COLUMNS, WINDOWS),
    st.builds(aggregations.mean, COLUMNS, WINDOWS),
    st.builds(aggregations.minimum, COLUMNS, WINDOWS),
    st.builds(aggregations.maximum, COLUMNS, WINDOWS),
    st.builds(aggregations.std, COLUMNS, WINDOWS),
    COLUMNS.map(aggregations.last),
)


@st.composite
def views(draw: st.DrawFn) -> FeatureView:
    chosen = draw(st.lists(AGGREGATIONS, min_size=1, max_size=8))
    return FeatureView(
        "demand",
        entity="zone",
        source=dataset("rides"),
        timestamp="at",
        every=f"{EVERY_S}s",
        ttl=draw(st.none() | st.sampled_from(["1s", "2s", "10s"])),
        features={f"f{place}": found for place, found in enumerate(chosen)},
    )


def offline(view: FeatureView, events: list[Event], asked: list[tuple[str, int]]) -> np.ndarray:
    rows = pa.table(
        {
            "zone": pa.array([event.zone for event in events], pa.string()),
            "at": pa.array([event.at_us for event in events], pa.timestamp("us", tz="UTC")),
            "fare": pa.array([event.fare for event in events], pa.float64()),
            "wait": pa.array([event.wait for event in events], pa.float64()),
        }
    )
    keys = pa.chunked_array([pa.array([zone for zone, _ in asked], pa.string())])
    at_us = np.array([at_us for _, at_us in asked])
    return np.column_stack(list(values_at(view, events_of(view, rows), keys, at_us).values()))


def replayed(view: FeatureView, events: list[Event], asked: list[tuple[str, int]]) -> np.ndarray:
    """Events in the order of time (the dataset's order where it is the same), each question at its instant.

    Of the events at the very instant of a question some are pushed before and some after; it sees neither.
    """
    store, plan = MemoryKeyValue(), FeatureSet("demand", [view]).plan()
    push_rows(store, view, [{"zone": "primer", "at": START_US - 10**9, "fare": 0.0, "wait": 0.0}])
    waiting = sorted(events, key=lambda event: event.at_us)
    answers = np.full((len(asked), len(view.names)), math.inf)
    for place in sorted(range(len(asked)), key=lambda place: asked[place][1]):
        zone, at_us = asked[place]
        due = [event for event in waiting if event.at_us < at_us]
        at_once = [event for event in waiting if event.at_us == at_us][: place % 3 + 1]
        for event in (*due, *at_once):
            waiting.remove(event)
        pushed = [{"zone": e.zone, "at": e.at_us, "fare": e.fare, "wait": e.wait} for e in (*due, *at_once)]
        assert push_rows(store, view, pushed).late == 0
        answers[place] = plan.online(store, {"zone": [zone]}, {}, at_us)[0]
    return answers


@settings(max_examples=200, deadline=None)
@given(view=views(), events=EVENTS, asked=ASKED)
def test_training_rows_and_online_rows_are_the_same_to_the_bit(
    view: FeatureView, events: list[Event], asked: list[tuple[str, int]]
) -> None:
    np.testing.assert_array_equal(offline(view, events, asked), replayed(view, events, asked))


@settings(max_examples=100, deadline=None)
@given(view=views(), events=EVENTS, asked=ASKED, changed=NUMBERS)
def test_a_row_never_sees_its_own_event_or_a_later_one(
    view: FeatureView, events: list[Event], asked: list[tuple[str, int]], changed: float | None
) -> None:
    """Whatever becomes of the events at a question's instant and after it, the answer stays."""
    for question in asked:
        before = [event for event in events if event.at_us < question[1]]
        after = [Event(event.zone, event.at_us, changed, changed) for event in events if event.at_us >= question[1]]
        expected = offline(view, before, [question])
        np.testing.assert_array_equal(offline(view, before + after, [question]), expected)
        np.testing.assert_array_equal(offline(view, events, [question]), expected)


@settings(max_examples=100, deadline=None)
@given(view=views(), events=EVENTS, asked=ASKED)
def test_a_training_row_is_what_the_definition_says(
    view: FeatureView, events: list[Event], asked: list[tuple[str, int]]
) -> None:
    """Against the definition written out plainly, for one row at a time."""
    answers = offline(view, events, asked)
    for (zone, at_us), row in zip(asked, answers, strict=True):
        for (name, found), value in zip(view.features.items(), row, strict=True):
            expected = plainly(view, found, [event for event in events if event.zone == zone], at_us)
            np.testing.assert_allclose(value, expected, rtol=1e-6, atol=tolerance(found, events), err_msg=name)


def tolerance(found: aggregations.Aggregation, events: list[Event]) -> float:
    values = [getattr(event, found.column) for event in events] if found.column else []
    finite = [abs(value) for value in values if value is not None and math.isfinite(value)]
    return (max(finite, default=0.0) ** (2 if found.kind == "std" else 1) * 1e-9 if found.kind != "std" else 0) or (
        max(finite, default=0.0) * 1e-6
    )


def plainly(view: FeatureView, found: aggregations.Aggregation, events: list[Event], at_us: int) -> float:
    def value(event: Event) -> float | None:
        taken = getattr(event, found.column or "fare")
        return taken if taken is not None and math.isfinite(taken) else None

    if found.kind == "last":
        newest = max(
            (event for event in reversed(events) if event.at_us < at_us and value(event) is not None),
            key=lambda event: event.at_us,
            default=None,
        )
        fresh = newest and (view.ttl_us is None or at_us - newest.at_us <= view.ttl_us)
        return value(newest) if fresh else math.nan
    assert found.window_us is not None
    end = at_us // view.every_us * view.every_us
    covered = [event for event in events if end - found.window_us <= event.at_us < end]
    if found.kind == "count":
        return len(covered)
    values = np.array([value(event) for event in covered if value(event) is not None])
    if found.kind == "sum":
        return values.sum()
    if len(values) < (2 if found.kind == "std" else 1):
        return math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        return {"mean": values.mean, "min": values.min, "max": values.max, "std": lambda: values.std(ddof=1)}[
            found.kind
        ]()
