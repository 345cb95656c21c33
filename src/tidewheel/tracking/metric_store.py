"""Metric points in SQL: one row a series (run and key) with its latest value, one narrow row a point.

A point names its series by number, so it costs four numbers and not two texts, and its key is the whole point, so
that sending a batch again adds nothing. NaN is kept as a flag: SQLite would turn it into null. The latest value of a
series is the one with the greatest (step, instant, value), as in MLflow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from tidewheel.base.units import from_us
from tidewheel.storage import schema
from tidewheel.tracking.records import MetricPoint

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

metrics = Table(
    "tracking_metrics",
    schema,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("run_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("step", BigInteger),
    Column("at_us", BigInteger),
    Column("value", Double),
    Column("is_nan", Boolean),
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

Point = tuple[str, int, int, float]  # key, step, at_us, value


def add_points(connection: Connection, run_id: str, batch: Sequence[Point]) -> None:
    """Add points; those already there are left as they are."""
    latest: dict[str, Point] = {}
    for point in batch:
        best = latest.get(point[0])
        if best is None or _rank(point) > _rank(best):
            latest[point[0]] = point
    ids = _series_ids(connection, run_id, list(latest))
    rows = [
        {"metric_id": ids[key], "step": step, "at_us": at_us, "value": 0.0 if value != value else value,
         "is_nan": value != value}
        for key, step, at_us, value in batch
    ]  # fmt: skip
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(points).on_conflict_do_nothing(), rows)
    _raise_latest(connection, [(ids[key], point) for key, point in latest.items()])


def latest_metrics(connection: Connection, run_ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """The latest value of each metric, by run."""
    found: dict[str, dict[str, float]] = {}
    query = select(metrics).where(metrics.c.run_id.in_(run_ids), metrics.c.step.is_not(None)).order_by(metrics.c.key)
    for row in connection.execute(query):
        found.setdefault(row.run_id, {})[row.key] = math.nan if row.is_nan else row.value
    return found


def metric_history(connection: Connection, run_id: str, key: str) -> list[MetricPoint]:
    """All points of a metric, by step and instant."""
    query = (
        select(points)
        .join(metrics, metrics.c.id == points.c.metric_id)
        .where(metrics.c.run_id == run_id, metrics.c.key == key)
        .order_by(points.c.step, points.c.at_us, points.c.value)
    )
    return [
        MetricPoint(key, math.nan if row.is_nan else row.value, row.step, from_us(row.at_us))
        for row in connection.execute(query)
    ]


def count_points(connection: Connection, run_id: str) -> int:
    """How many points a run has."""
    query = select(func.count()).select_from(points.join(metrics, metrics.c.id == points.c.metric_id))
    return connection.execute(query.where(metrics.c.run_id == run_id)).scalar_one()


def _series_ids(connection: Connection, run_id: str, keys: Sequence[str]) -> dict[str, int]:
    known = select(metrics.c.key, metrics.c.id).where(metrics.c.run_id == run_id, metrics.c.key.in_(keys))
    ids = {row.key: row.id for row in connection.execute(known)}
    missing = [{"run_id": run_id, "key": key} for key in keys if key not in ids]
    if missing:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(dialect.insert(metrics).on_conflict_do_nothing(), missing)
        ids = {row.key: row.id for row in connection.execute(known)}
    return ids


def _raise_latest(connection: Connection, latest: Sequence[tuple[int, Point]]) -> None:
    query = select(metrics).where(metrics.c.id.in_([metric_id for metric_id, _ in latest])).with_for_update()
    stored = {
        row.id: _rank((row.key, row.step, row.at_us, math.nan if row.is_nan else row.value))
        for row in connection.execute(query)
        if row.step is not None
    }
    newer = [(i, point) for i, point in latest if i not in stored or _rank(point) > stored[i]]
    if newer:
        change = update(metrics).where(metrics.c.id == bindparam("metric_id"))
        change = change.values(**{name: bindparam(f"new_{name}") for name in ("step", "at_us", "value", "is_nan")})
        connection.execute(change, [_as_update(metric_id, point) for metric_id, point in newer])


def _as_update(metric_id: int, point: Point) -> dict[str, Any]:
    _, step, at_us, value = point
    is_nan = math.isnan(value)
    values = {"new_step": step, "new_at_us": at_us, "new_value": 0.0 if is_nan else value, "new_is_nan": is_nan}
    return {"metric_id": metric_id, **values}


def _rank(point: Point) -> tuple[int, int, float]:
    _, step, at_us, value = point
    return step, at_us, -math.inf if math.isnan(value) else value
