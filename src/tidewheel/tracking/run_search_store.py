"""Searching runs in SQL: a filter becomes conditions on indexed lookups, an order one join a key.

What is not there sorts last in either direction, and NaN before that, as in MLflow; ties go by start, newest first, and
then by id. `mlflow.runName` is the run's name and no tag of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, case, exists, false, func, or_, select, true

from tidewheel.base.filter_grammar import Comparison, Order, Vocabulary
from tidewheel.tracking.dataset_store import datasets, run_datasets
from tidewheel.tracking.metric_store import metrics
from tidewheel.tracking.records import RUN_NAME_TAG, Stage
from tidewheel.tracking.search_conditions import compared, ordered
from tidewheel.tracking.store import params, runs, tags

_TEXT = frozenset({"run_id", "run_name", "run name", "Run name", "Run Name", "user_id", "status", "artifact_uri"})
_NUMBER = frozenset({"start_time", "end_time", "created", "Created"})
RUN_WORDS = Vocabulary(
    kinds={
        **dict.fromkeys(("metric", "metrics"), "metric"),
        **dict.fromkeys(("parameter", "parameters", "param", "params"), "param"),
        **dict.fromkeys(("tag", "tags"), "tag"),
        **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
        **dict.fromkeys(("dataset", "datasets"), "dataset"),
    },
    text_attributes=_TEXT,
    number_attributes=_NUMBER,
    aliases={
        **dict.fromkeys(("created", "Created"), "start_time"),
        **dict.fromkeys(("run name", "Run name", "Run Name"), "run_name"),
    },
    listed=frozenset({"run_id"}),
    nullable=frozenset({"param", "tag"}),
    fixed={"dataset": frozenset({"name", "digest", "context"})},
    orders=(_TEXT | _NUMBER) - {"run name", "Run name", "Run Name"},
    order_kinds=frozenset({"metric", "param", "tag"}),
)
_ATTRIBUTES: dict[str, ColumnElement[Any]] = {
    "run_id": runs.c.id,
    "run_name": runs.c.name,
    "user_id": runs.c.user,
    "status": runs.c.status,
    "artifact_uri": runs.c.artifact_uri,
    "start_time": runs.c.started_at_us,
    "end_time": runs.c.ended_at_us,
}
_TEXTS: dict[str, Table] = {"param": params, "tag": tags}


def search_run_ids(
    connection: Connection,
    experiment_ids: Sequence[str] | None,
    filters: Sequence[Comparison],
    orders: Sequence[Order],
    stage: Stage,
    *,
    limit: int,
    offset: int,
) -> list[str]:
    """The ids of the runs that fulfil all of `filters`, in order."""
    query = _found(select(runs.c.id), experiment_ids, filters, stage)
    query = _sorted(query, orders).limit(limit).offset(offset)
    return list(connection.execute(query).scalars())


def count_runs(
    connection: Connection, experiment_ids: Sequence[str] | None, filters: Sequence[Comparison], stage: Stage
) -> int:
    """How many runs fulfil all of `filters`."""
    query = _found(select(func.count()).select_from(runs), experiment_ids, filters, stage)
    return int(connection.execute(query).scalar_one())


def _found(
    query: Select[Any], experiment_ids: Sequence[str] | None, filters: Sequence[Comparison], stage: Stage
) -> Select[Any]:
    if experiment_ids is not None:
        query = query.where(runs.c.experiment_id.in_(experiment_ids))
    if stage != "all":
        query = query.where(runs.c.lifecycle_stage == stage)
    return query.where(*(_condition(comparison) for comparison in filters))


def _condition(comparison: Comparison) -> ColumnElement[bool]:
    if (comparison.kind, comparison.key) == ("tag", RUN_NAME_TAG):
        if comparison.value is None:
            return true() if comparison.operator == "IS NOT NULL" else false()  # every run has a name
        comparison = replace(comparison, kind="attribute", key="run_name")
    if comparison.kind == "attribute":
        column = _ATTRIBUTES[comparison.key]
        return compared(column // 1000 if comparison.key.endswith("_time") else column, comparison)
    if comparison.kind == "metric":
        return exists().where(metrics.c.run_id == runs.c.id, metrics.c.key == comparison.key, _measured(comparison))
    if comparison.kind == "dataset":
        column = run_datasets.c.context if comparison.key == "context" else datasets.c[comparison.key]
        return exists().where(
            run_datasets.c.run_id == runs.c.id,
            datasets.c.id == run_datasets.c.dataset_id,
            compared(column, comparison),
        )
    table = _TEXTS[comparison.kind]
    there = and_(table.c.run_id == runs.c.id, table.c.key == comparison.key)
    if comparison.value is None:
        return ~exists().where(there) if comparison.operator == "IS NULL" else exists().where(there)
    return exists().where(there, compared(table.c.value, comparison))


def _measured(comparison: Comparison) -> ColumnElement[bool]:
    """NaN is unlike any number: it fulfils ``!=`` and nothing else."""
    if comparison.operator == "!=":
        return or_(compared(metrics.c.value, comparison), metrics.c.is_nan == true())
    return and_(compared(metrics.c.value, comparison), metrics.c.is_nan == false())


def _sorted(query: Select[Any], orders: Sequence[Order]) -> Select[Any]:
    source: Any = runs
    keys: list[ColumnElement[Any]] = []
    for order in orders:
        if (order.kind, order.key) == ("tag", RUN_NAME_TAG):
            order = Order("attribute", "run_name", order.ascending)
        if order.kind == "attribute":
            column = _ATTRIBUTES[order.key]
            absent = case((column.is_(None), 1), else_=0)
        else:
            table = metrics.alias() if order.kind == "metric" else _TEXTS[order.kind].alias()
            source = source.outerjoin(table, and_(table.c.run_id == runs.c.id, table.c.key == order.key))
            column = table.c.value
            nan = [(table.c.is_nan == true(), 1)] if order.kind == "metric" else []
            absent = case(*nan, (column.is_(None), 2), else_=0)
        keys += [absent, ordered(column, ascending=order.ascending)]
    if not any((order.kind, order.key) == ("attribute", "start_time") for order in orders):
        keys.append(runs.c.started_at_us.desc())
    return query.select_from(source).order_by(*keys, runs.c.id)
