"""A metric as a chart needs it: at most so many points however many there are, and no peak lost.

M4: the axis is cut into as many parts as the chart has columns of pixels, and of each part its first, lowest, highest
and last point are kept, so the line drawn through them is the line through all of them. `Tracking.series` is the
caller; the SQL is in `metric_series_store.py`. Never averages: what is shown was logged.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from sqlalchemy import Connection

from tidewheel.tracking import metric_series_store as store
from tidewheel.tracking.metric_series_store import Place, Window

SeriesAxis = Literal["step", "time"]
MAX_SERIES_POINTS = 20_000
_KEPT_A_PART = 4
_US = 1_000_000
_ALWAYS = (-(2**63), 2**63 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one metric of one run, by step and instant; `at_s` is in seconds since 1970.

    `total` counts all points of the stretch that was asked for, of which these are the finite ones or, if `sampled`,
    those that shape the line. `unplotted` holds the steps of values that no line can show: NaN and the infinities.
    """

    run_id: str
    key: str
    steps: tuple[int, ...]
    at_s: tuple[float, ...]
    values: tuple[float, ...]
    total: int
    sampled: bool
    lowest: float | None
    highest: float | None
    unplotted: tuple[tuple[int, str], ...] = ()


def read_series(
    connection: Connection,
    run_id: str,
    key: str,
    points: int,
    axis: SeriesAxis = "step",
    low: float | None = None,
    high: float | None = None,
) -> Series:
    """The points of a metric between `low` and `high` on the axis, at most `points` of them."""
    metric_id = store.find_metric(connection, run_id, key)
    window = _window(connection, metric_id, axis, low, high) if metric_id is not None else None
    if window is None:
        return _series(run_id, key, [], 0, False, ())
    total, nans = store.count_points(connection, window)
    if total > points:
        shapes = [store.read_shape(connection, part) for part in _parts(window, max(1, points // _KEPT_A_PART))]
        found = list(dict.fromkeys(place for shape, _ in shapes for place in shape))
        finite = not nans and all(whole for _, whole in shapes)
    else:
        found = store.read_points(connection, window)
        finite = len(found) == total
    odd = () if finite else tuple((step, _named(value)) for step, value in store.read_unplotted(connection, window))
    return _series(run_id, key, found, total, total > points, odd)


def _series(
    run_id: str, key: str, found: list[Place], total: int, sampled: bool, unplotted: tuple[tuple[int, str], ...]
) -> Series:
    found.sort()
    values = tuple(place[2] for place in found)
    return Series(
        run_id=run_id,
        key=key,
        steps=tuple(place[0] for place in found),
        at_s=tuple(place[1] / _US for place in found),
        values=values,
        total=total,
        sampled=sampled,
        lowest=min(values, default=None),
        highest=max(values, default=None),
        unplotted=unplotted,
    )


def _window(
    connection: Connection, metric_id: int, axis: SeriesAxis, low: float | None, high: float | None
) -> Window | None:
    """The stretch asked for, within what there is; None if there is nothing."""
    window = store.extent(connection, metric_id)
    if window is None or (low is None and high is None):
        return window
    if axis == "step":
        return window.within(_clip(window.first_step, window.last_step, low, high), window.instants)
    bounds = [edge * _US if edge is not None else None for edge in (low, high)]
    return store.steps_between(connection, window, _clip(*(window.instants or _ALWAYS), *bounds))


def _clip(first: int, last: int, low: float | None, high: float | None) -> tuple[int, int]:
    """Whole bounds around `low` and `high`, one further out on either side, so that the line enters and leaves."""
    begin = first if low is None or low != low else max(first, int(min(max(low, first), last)) - 1)
    end = last if high is None or high != high else min(last, int(max(min(high, last), first)) + 1)
    return begin, end


def _parts(window: Window, count: int) -> list[Window]:
    """The stretch cut into equal parts: of steps, or of time where nobody counted steps."""
    steps = (window.first_step, window.last_step)
    if steps[0] < steps[1] or window.instants is None:
        return [window.within(cut, window.instants) for cut in _cuts(*steps, count)]
    return [window.within(steps, cut) for cut in _cuts(*window.instants, count)]


def _cuts(first: int, last: int, count: int) -> list[tuple[int, int]]:
    span = last - first + 1
    edges = [first + span * part // count for part in range(count + 1)]
    return [(a, b - 1) for a, b in pairwise(edges) if b > a]


def _named(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
