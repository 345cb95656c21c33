"""Metric points in SQL: one row a series (run and key) with its latest value, one narrow row a point.

A point names its series by number, so it costs four numbers and not two texts, and its key is the whole point, so
that sending a batch again adds nothing. NaN is kept as a flag: SQLite would turn it into null. The latest value of a
series is the one with the greatest (step, instant, value), as in MLflow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from tidewheel.storage import schema
from tidewheel.storage.prepared import Among, Prepared, Row, run_text, run_text_many

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

metrics = Table(
    "tracking_metrics",
    schema,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("run_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("value", Double, nullable=False),
    Column("is_nan", Boolean, nullable=False),
    UniqueConstraint("run_id", "key"),
)
points = Table(
    "tracking_metric_points",
    schema,
    Column("metric_id", _NUMBER, primary_key=True, autoincrement=False),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Double, primary_key=True, autoincrement=False),
    Column("is_nan", Boolean, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

_BLOCK = 100  # rows of one statement: it takes two thirds of the time that a statement a row does
_INSERT_ROW = "INSERT OR IGNORE INTO tracking_metric_points VALUES (?, ?, ?, ?, ?)"
_INSERT_BLOCK = _INSERT_ROW + ", (?, ?, ?, ?, ?)" * (_BLOCK - 1)
_INSERT_ARRAYS = (
    "INSERT INTO tracking_metric_points SELECT * FROM "
    "unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::float8[], %s::boolean[]) ON CONFLICT DO NOTHING"
)
_LATEST = ("step", "at_us", "value", "is_nan")
_RAISE = Prepared(
    update(metrics)
    .where(metrics.c.id == bindparam("metric_id"))
    .values(**{name: bindparam(f"new_{name}") for name in _LATEST})
)
_ADD_SERIES = Prepared(postgresql.insert(metrics).on_conflict_do_nothing().inline(), ("run_id", "key", *_LATEST))
_SERIES = select(*(metrics.c[name] for name in ("id", "run_id", "key", *_LATEST))).order_by(
    metrics.c.run_id, metrics.c.key
)
_SERIES_OF_RUNS = Prepared(_SERIES.where(Among(metrics.c.run_id, "ids")))
_LOCK_SERIES = Prepared(
    _SERIES.where(metrics.c.run_id == bindparam("run"), Among(metrics.c.key, "keys")).with_for_update()
)
_LOCK_SERIES_OF_RUNS = Prepared(_SERIES.where(Among(metrics.c.run_id, "ids")).with_for_update())
_SERIES_ID = (
    select(metrics.c.id)
    .where(metrics.c.run_id == bindparam("run"), metrics.c.key == bindparam("metric"))
    .scalar_subquery()
)
_HISTORY = Prepared(
    select(points.c.step, points.c.at_us, points.c.value, points.c.is_nan)
    .where(points.c.metric_id == _SERIES_ID)
    .order_by(points.c.step, points.c.at_us, points.c.value)
    .limit(bindparam("at_most"))
    .offset(bindparam("first"))
)
_ALL = 2**62

Point = tuple[str, int, int, float]  # key, step, at_us, value


def add_points(connection: Connection, run_id: str, batch: Sequence[Point]) -> None:
    """Add points; those already there are left as they are."""
    latest: dict[str, Point] = {}
    for point in batch:
        best = latest.get(point[0])
        if best is None or _is_newer(point, best):
            latest[point[0]] = point
    stored = _stored_series(connection, run_id, list(latest))
    fresh = [point for key, point in latest.items() if key not in stored]
    if fresh:
        stored |= _add_series(connection, run_id, fresh)
    ids = {key: series[0] for key, series in stored.items()}
    rows = [
        (ids[key], step, at_us, 0.0 if value != value else value, value != value) for key, step, at_us, value in batch
    ]
    _insert_points(connection, rows)
    _raise_latest(connection, [(stored[key], point) for key, point in latest.items()])


def add_points_of_runs(connection: Connection, batches: Mapping[str, Sequence[Point]]) -> None:
    """Add points of several runs at once; those already there are left as they are."""
    latest: dict[tuple[str, str], Point] = {}
    for run_id, batch in batches.items():
        for point in batch:
            best = latest.get((run_id, point[0]))
            if best is None or _is_newer(point, best):
                latest[run_id, point[0]] = point
    if not latest:
        return
    rows = [{"run_id": run_id, "key": key, **_latest_values(latest[run_id, key])} for run_id, key in sorted(latest)]
    _ADD_SERIES.run_many(connection, rows)
    stored = {(row[1], row[2]): row for row in _LOCK_SERIES_OF_RUNS.all(connection, ids=batches)}
    ids = {series: row[0] for series, row in stored.items()}
    narrow = [
        (ids[run_id, key], step, at_us, 0.0 if value != value else value, value != value)
        for run_id, batch in batches.items()
        for key, step, at_us, value in batch
    ]
    _insert_points(connection, narrow)
    _raise_latest(connection, [(stored[series], point) for series, point in latest.items()])


def latest_metrics(connection: Connection, run_ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """The latest value of each metric, by run."""
    found = latest_of_runs(connection, run_ids)
    return {run_id: {key: value for key, _, _, value in series} for run_id, series in found.items()}


def metric_history(
    connection: Connection, run_id: str, key: str, *, limit: int | None = None, offset: int = 0
) -> list[Point]:
    """The points of a metric, by step and instant."""
    rows = _HISTORY.all(connection, run=run_id, metric=key, at_most=_ALL if limit is None else limit, first=offset)
    return [(key, step, at_us, math.nan if is_nan else value) for step, at_us, value, is_nan in rows]


def latest_of_runs(connection: Connection, run_ids: Sequence[str]) -> dict[str, list[Point]]:
    """The latest point of each metric, by run."""
    found: dict[str, list[Point]] = {}
    for _, run_id, key, step, at_us, value, is_nan in _SERIES_OF_RUNS.all(connection, ids=run_ids):
        found.setdefault(run_id, []).append((key, step, at_us, math.nan if is_nan else value))
    return found


def sampled_steps(
    connection: Connection, run_ids: Sequence[str], key: str, low: int | None, high: int | None
) -> tuple[list[int], list[tuple[int, int]]]:
    """The steps at which any of the runs has a point of a metric, in order, and each run's first and last."""
    named = and_(metrics.c.run_id.in_(run_ids), metrics.c.key == key)
    ranged = [points.c.step >= low, points.c.step <= high] if low is not None else []
    found = points.join(metrics, metrics.c.id == points.c.metric_id)
    steps = select(points.c.step).select_from(found).where(named, *ranged).distinct().order_by(points.c.step)
    ends = select(func.min(points.c.step), func.max(points.c.step)).select_from(found).where(named, *ranged)
    ends = ends.group_by(metrics.c.run_id)
    return list(connection.execute(steps).scalars()), [(row[0], row[1]) for row in connection.execute(ends)]


def points_at(connection: Connection, run_id: str, key: str, steps: Sequence[int], limit: int) -> list[Point]:
    """The points of a metric at some steps, by step and instant."""
    series = select(metrics.c.id).where(metrics.c.run_id == run_id, metrics.c.key == key).scalar_subquery()
    query = (
        select(points)
        .where(points.c.metric_id == series, points.c.step.in_(steps))
        .order_by(points.c.step, points.c.at_us)
        .limit(limit)
    )
    return [(key, row.step, row.at_us, math.nan if row.is_nan else row.value) for row in connection.execute(query)]


def purge_metrics(connection: Connection, run_ids: Sequence[str]) -> None:
    """Forget the metrics of runs."""
    series = select(metrics.c.id).where(metrics.c.run_id.in_(run_ids))
    connection.execute(delete(points).where(points.c.metric_id.in_(series)))
    connection.execute(delete(metrics).where(metrics.c.run_id.in_(run_ids)))


def count_points(connection: Connection, run_id: str) -> int:
    """How many points a run has."""
    query = select(func.count()).select_from(points.join(metrics, metrics.c.id == points.c.metric_id))
    return connection.execute(query.where(metrics.c.run_id == run_id)).scalar_one()


def _stored_series(connection: Connection, run_id: str, keys: Sequence[str]) -> dict[str, Row]:
    """The series of a run that are there, locked until the transaction ends, always in the same order."""
    return {row[2]: row for row in _LOCK_SERIES.all(connection, run=run_id, keys=keys)}


def _add_series(connection: Connection, run_id: str, latest: Sequence[Point]) -> dict[str, Row]:
    rows = [{"run_id": run_id, "key": point[0], **_latest_values(point)} for point in sorted(latest)]
    _ADD_SERIES.run_many(connection, rows)
    return _stored_series(connection, run_id, [point[0] for point in latest])


def _insert_points(connection: Connection, rows: Sequence[tuple[int, int, int, float, bool]]) -> None:
    """Insert many narrow rows by few prepared statements, or on PostgreSQL in one round trip."""
    if connection.dialect.name == "postgresql":
        run_text(connection, _INSERT_ARRAYS, [list(column) for column in zip(*rows, strict=True)])
        return
    whole = len(rows) - len(rows) % _BLOCK
    for start in range(0, whole, _BLOCK):
        run_text(connection, _INSERT_BLOCK, list(chain.from_iterable(rows[start : start + _BLOCK])))
    run_text_many(connection, _INSERT_ROW, rows[whole:])


def _raise_latest(connection: Connection, latest: Sequence[tuple[Row, Point]]) -> None:
    newer = [
        {"metric_id": id_, **{f"new_{name}": value for name, value in _latest_values(point).items()}}
        for (id_, _, key, step, at_us, value, is_nan), point in latest
        if _is_newer(point, (key, step, at_us, math.nan if is_nan else value))
    ]
    if newer:
        _RAISE.run_many(connection, newer)


def _latest_values(point: Point) -> dict[str, Any]:
    _, step, at_us, value = point
    is_nan = math.isnan(value)
    return {"step": step, "at_us": at_us, "value": 0.0 if is_nan else value, "is_nan": is_nan}


def _is_newer(point: Point, other: Point) -> bool:
    return point[1] > other[1] or (point[1] == other[1] and _rank(point) > _rank(other))


def _rank(point: Point) -> tuple[int, int, float]:
    _, step, at_us, value = point
    return step, at_us, -math.inf if math.isnan(value) else value
