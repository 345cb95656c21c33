"""A metric as a chart gets it: few points, no lost peak, whatever was logged."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.base.units import from_us
from tidewheel.storage import Metadata
from tidewheel.tracking import MetricPoint, Tracking, metric_store

START_US = 1_700_000_000_000_000


def log(tracking: Tracking, values: list[float], *, step: Callable[[int], int] = lambda i: i) -> str:
    run = tracking.start_run("charts")
    points = [MetricPoint("loss", value, step(i), from_us(START_US + i * 1_000_000)) for i, value in enumerate(values)]
    tracking.log_metrics(run.id, points)
    return run.id


def test_a_short_metric_comes_whole_and_in_order(tracking: Tracking) -> None:
    series = tracking.series(log(tracking, [3.0, 1.0, 2.0]), "loss")
    assert (series.steps, series.values, series.total, series.sampled) == ((0, 1, 2), (3.0, 1.0, 2.0), 3, False)
    assert (series.lowest, series.highest, series.at_s[0]) == (1.0, 3.0, START_US / 1e6)


def test_what_no_line_can_show_is_counted_once(tracking: Tracking) -> None:
    series = tracking.series(log(tracking, [1.0, math.inf, math.nan]), "loss")
    assert (series.total, series.values, series.unplotted) == (3, (1.0,), ((1, "Infinity"), (2, "NaN")))


def test_a_long_metric_keeps_its_ends_and_its_peaks_exactly_where_they_were(tracking: Tracking) -> None:
    values = [math.sin(i / 40) for i in range(5000)]
    values[1234], values[4321] = 99.0, -99.0
    series = tracking.series(log(tracking, values), "loss", points=200)
    shown = dict(zip(series.steps, series.values, strict=True))
    assert (series.sampled, series.total, len(shown) <= 200) == (True, 5000, True)
    assert (shown[1234], shown[4321], shown[0], shown[4999]) == (99.0, -99.0, values[0], values[4999])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(-1e6, 1e6), min_size=30, max_size=80), st.integers(8, 20))
def test_every_column_of_the_chart_spans_what_was_logged_there(
    tracking: Tracking, values: list[float], points: int
) -> None:
    series = tracking.series(log(tracking, values), "loss", points=points)
    edges = [len(values) * part // (points // 4) for part in range(points // 4 + 1)]
    for first, after in pairwise(edges):
        logged = values[first:after]
        shown = [value for at, value in zip(series.steps, series.values, strict=True) if first <= at < after]
        assert (min(shown), max(shown)) == (min(logged), max(logged))
        assert (shown[0], shown[-1]) == (logged[0], logged[-1])


@pytest.mark.parametrize("points", [2, 1000])
def test_what_is_no_number_is_told_beside_the_line(tracking: Tracking, points: int) -> None:
    series = tracking.series(log(tracking, [1.0, math.nan, math.inf, 2.0, -math.inf, 3.0]), "loss", points=points)
    assert series.unplotted == ((1, "NaN"), (2, "Infinity"), (4, "-Infinity"))
    assert all(math.isfinite(value) for value in series.values)
    assert (series.lowest, series.highest) == (1.0, 3.0)


def test_a_metric_without_steps_is_cut_by_time(tracking: Tracking) -> None:
    values = [float(i % 7) for i in range(3000)]
    values[1500] = -50.0
    series = tracking.series(log(tracking, values, step=lambda i: 0), "loss", points=100)
    assert series.lowest == -50.0
    assert list(series.at_s) == sorted(series.at_s)
    assert 40 < len(series.values) <= 100


def test_a_stretch_is_finer_and_reaches_one_point_beyond_its_edges(tracking: Tracking) -> None:
    run_id = log(tracking, [float(i) for i in range(1000)])
    assert tracking.series(run_id, "loss", low=100, high=110).steps == tuple(range(99, 112))
    begin_s = START_US / 1e6
    timed = tracking.series(run_id, "loss", axis="time", low=begin_s + 100, high=begin_s + 110)
    assert timed.steps == tuple(range(100, 111))
    assert tracking.series(run_id, "loss", axis="time", low=begin_s + 5000).steps == ()


@pytest.mark.parametrize("edge", [math.nan, math.inf, -math.inf, 1e300, -1e300])
def test_edges_that_are_no_place_on_the_axis_do_no_harm(tracking: Tracking, edge: float) -> None:
    run_id = log(tracking, [1.0, 2.0, 3.0])
    for axis in ("step", "time"):
        tracking.series(run_id, "loss", axis=axis, low=edge)
        tracking.series(run_id, "loss", axis=axis, high=edge)


def test_an_unknown_metric_is_empty_and_an_unknown_run_an_error(tracking: Tracking) -> None:
    run_id = log(tracking, [1.0])
    assert tracking.series(run_id, "accuracy").values == ()
    with pytest.raises(NotFound):
        tracking.series("nobody", "loss")
    with pytest.raises(InvalidInput, match="between 1 and"):
        tracking.series(run_id, "loss", points=0)


@pytest.mark.slow
def test_a_million_points_are_drawn_by_their_extremes(tracking: Tracking, metadata: Metadata) -> None:
    run = tracking.start_run("long")
    for begin in range(0, 1_000_000, 100_000):
        batch = [("loss", i, START_US + i * 1000, math.sin(i / 9000)) for i in range(begin, begin + 100_000)]
        with metadata.record() as connection:
            metric_store.add_points(connection, run.id, batch)
    series = tracking.series(run.id, "loss", points=1000)
    assert (series.total, series.sampled, len(series.values) <= 1000) == (1_000_000, True, True)
    assert (series.lowest, series.highest) == pytest.approx((-1.0, 1.0))
