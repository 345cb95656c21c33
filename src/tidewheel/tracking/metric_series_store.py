"""Stretches of metric points in SQL, for charts; the table is that of `metric_store.py`.

A part of a chart is read as a range of the points' key, so nothing is sorted as a whole: a million points are four
short walks for each column of pixels. Called by `metric_series.py` only; never writes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Executable,
    bindparam,
    func,
    not_,
    or_,
    select,
    union_all,
)

from tidewheel.tracking.metric_store import metrics, points

Place = tuple[int, int, float]  # step, at_us, value
_LARGEST = 1.7976931348623157e308
_MOST_UNPLOTTED = 100


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one metric: steps, and instants where they bound it; both ends within."""

    metric_id: int
    first_step: int
    last_step: int
    instants: tuple[int, int] | None = None

    def within(self, steps: tuple[int, int], instants: tuple[int, int] | None) -> Window:
        """A smaller stretch of the same metric."""
        return Window(self.metric_id, *steps, instants)

    @property
    def bounds(self) -> dict[str, int]:
        """As the parameters of a statement."""
        found = {"metric": self.metric_id, "first_step": self.first_step, "last_step": self.last_step}
        return found if self.instants is None else {**found, "first_us": self.instants[0], "last_us": self.instants[1]}

    @property
    def statements(self) -> _Statements:
        """The statements that heed these bounds."""
        return _BY_STEP if self.instants is None else _BY_TIME


class _Statements:
    """What is asked of a stretch, written out once; `timed` if instants bound it too, which costs a look at each."""

    def __init__(self, *, timed: bool) -> None:
        inside = (points.c.metric_id == bindparam("metric")) & points.c.step.between(
            bindparam("first_step"), bindparam("last_step")
        )
        if timed:
            inside &= points.c.at_us.between(bindparam("first_us"), bindparam("last_us"))
        plotted = inside & not_(points.c.is_nan)
        finite = plotted & points.c.value.between(-_LARGEST, _LARGEST)
        in_order = (points.c.step, points.c.at_us)
        odd = or_(points.c.is_nan, points.c.value > _LARGEST, points.c.value < -_LARGEST)
        self.count = select(func.count().label("points"), func.count().filter(points.c.is_nan).label("nans")).where(
            inside
        )
        self.steps = select(func.min(points.c.step).label("first"), func.max(points.c.step).label("last")).where(inside)
        self.all = select(*_PLACE).where(finite).order_by(*in_order)
        self.shape, self.finite_shape = _shape(plotted), _shape(finite)
        self.odd = select(points.c.step, points.c.value, points.c.is_nan).where(inside & odd)
        self.odd = self.odd.order_by(*in_order).limit(_MOST_UNPLOTTED)


_PLACE = (points.c.step, points.c.at_us, points.c.value)


def _shape(inside: ColumnElement[bool]) -> CompoundSelect[Any]:
    """First, lowest, highest and last of a stretch."""
    orders = (
        (points.c.step, points.c.at_us),
        (points.c.value,),
        (points.c.value.desc(),),
        (points.c.step.desc(), points.c.at_us.desc()),
    )
    ends = [select(*_PLACE).where(inside).order_by(*order).limit(1).subquery() for order in orders]
    return union_all(*(select(end) for end in ends))


_BY_STEP, _BY_TIME = _Statements(timed=False), _Statements(timed=True)


def find_metric(connection: Connection, run_id: str, key: str) -> int | None:
    """The number of a run's metric, or None."""
    query = select(metrics.c.id).where(metrics.c.run_id == run_id, metrics.c.key == key)
    return connection.execute(query).scalar()


def extent(connection: Connection, metric_id: int) -> Window | None:
    """From the first to the last point of a metric, or None if there is none.

    Instants bound it where all points are of one step.
    """
    mine = select(points.c.step, points.c.at_us).where(points.c.metric_id == metric_id)
    first = connection.execute(mine.order_by(points.c.step, points.c.at_us).limit(1)).first()
    last = connection.execute(mine.order_by(points.c.step.desc(), points.c.at_us.desc()).limit(1)).first()
    if first is None or last is None:
        return None
    instants = (first.at_us, last.at_us) if first.step == last.step else None
    return Window(metric_id, first.step, last.step, instants)


def steps_between(connection: Connection, window: Window, instants: tuple[int, int]) -> Window | None:
    """The stretch of a metric that was logged between two instants."""
    inside = window.within((window.first_step, window.last_step), instants)
    row = connection.execute(_BY_TIME.steps, inside.bounds).one()
    return inside.within((row.first, row.last), instants) if row.first is not None else None


def count_points(connection: Connection, window: Window) -> tuple[int, int]:
    """How many points a stretch has, and how many of them are NaN."""
    row = connection.execute(window.statements.count, window.bounds).one()
    return row.points, row.nans


def read_points(connection: Connection, window: Window) -> list[Place]:
    """All finite points of a stretch."""
    return _places(connection, window.statements.all, window)


def read_shape(connection: Connection, part: Window) -> tuple[list[Place], bool]:
    """The first, lowest, highest and last finite point of a stretch, and whether all of it is finite."""
    found = _places(connection, part.statements.shape, part)
    if all(math.isfinite(place[2]) for place in found):
        return found, True
    return _places(connection, part.statements.finite_shape, part), False


def read_unplotted(connection: Connection, window: Window) -> list[tuple[int, float]]:
    """Step and value of what is no number on a chart, the first hundred."""
    rows = connection.execute(window.statements.odd, window.bounds)
    return [(row.step, math.nan if row.is_nan else row.value) for row in rows]


def _places(connection: Connection, statement: Executable, window: Window) -> list[Place]:
    return [(step, at_us, value) for step, at_us, value in connection.execute(statement, window.bounds)]
