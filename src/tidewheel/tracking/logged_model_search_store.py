"""The SQL of searching logged models: each comparison is a condition on the model, each metric to sort by a column.

A comparison of a metric, param or tag asks whether the model has one such; `datasets` bounds which metrics count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, null, or_, select

from tidewheel.base.errors import InvalidInput
from tidewheel.base.filter_words import Comparison, Vocabulary
from tidewheel.tracking.logged_model_records import DatasetRef, ModelOrder
from tidewheel.tracking.logged_model_store import metrics, models, params, tags
from tidewheel.tracking.search_conditions import compared

_COLUMNS: dict[str, Any] = {
    "model_id": models.c.id,
    "experiment_id": models.c.experiment_id,
    "name": models.c.name,
    "model_type": models.c.model_type,
    "source_run_id": models.c.source_run_id,
    "status": models.c.status,
    "status_message": models.c.status_message,
    "artifact_location": models.c.artifact_location,
    "lifecycle_stage": models.c.lifecycle_stage,
    "creation_timestamp_ms": models.c.created_at_us // 1000,
    "last_updated_timestamp_ms": models.c.updated_at_us // 1000,
}
_NUMBERS = {"creation_timestamp_ms", "last_updated_timestamp_ms"}
_ALIASES = {
    "creation_time": "creation_timestamp_ms",
    "creation_timestamp": "creation_timestamp_ms",
    "last_updated_timestamp": "last_updated_timestamp_ms",
}
VOCABULARY = Vocabulary(
    kinds={"attributes": "attribute", "metrics": "metric", "params": "param", "tags": "tag"},
    text_attributes=frozenset(_COLUMNS) - _NUMBERS,
    number_attributes=frozenset(_NUMBERS | set(_ALIASES)),
    aliases=_ALIASES,
    listed=None,
    listed_kinds=frozenset({"param", "tag"}),
)


def search_ids(
    connection: Connection,
    experiment_ids: Sequence[str],
    comparisons: Sequence[Comparison],
    datasets: Sequence[DatasetRef],
    orders: Sequence[ModelOrder],
    limit: int,
    offset: int,
) -> list[str]:
    """The ids of the active models that fit, in order."""
    query = select(models.c.id).where(models.c.experiment_id.in_(experiment_ids), models.c.lifecycle_stage == "active")
    query = query.where(*[_condition(comparison, datasets) for comparison in comparisons])
    if datasets and not any(comparison.kind == "metric" for comparison in comparisons):
        query = query.where(_has_metric(datasets))
    return list(connection.execute(_sorted(query, orders).limit(limit).offset(offset)).scalars())


def _condition(comparison: Comparison, datasets: Sequence[DatasetRef]) -> ColumnElement[bool]:
    kind, key = comparison.kind, comparison.key
    if kind == "attribute":
        return compared(_COLUMNS[key], comparison)
    if kind == "metric":
        return _has_metric(datasets, metrics.c.key == key, ~metrics.c.is_nan, compared(metrics.c.value, comparison))
    table = params if kind == "param" else tags
    found = select(table.c.model_id).where(table.c.key == key, compared(table.c.value, comparison))
    return models.c.id.in_(found)


def _has_metric(datasets: Sequence[DatasetRef], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    on = [or_(*[_on(dataset) for dataset in datasets])] if datasets else []
    return models.c.id.in_(select(metrics.c.model_id).where(*conditions, *on))


def _on(dataset: DatasetRef) -> ColumnElement[bool]:
    named = metrics.c.dataset_name == dataset.name
    return and_(named, metrics.c.dataset_digest == dataset.digest) if dataset.digest else named


def _sorted(query: Select[str], orders: Sequence[ModelOrder]) -> Select[str]:
    """Missing values come last either way; then the newest first."""
    named = [_ALIASES.get(order.field, order.field) for order in orders]
    for order, name in zip(orders, named, strict=True):
        kind, dot, key = name.partition(".")
        if dot and kind != "metrics":
            raise InvalidInput(
                f"Invalid order by field name: {name}. Only metrics are supported.", fix="Sort by metrics.KEY."
            )
        if not dot and name not in _COLUMNS:
            raise InvalidInput(f"Invalid order by field name: {name}", fix=f"Sort by one of {', '.join(_COLUMNS)}.")
        column = _latest(key, order.dataset) if dot else _COLUMNS[name]
        missing = case((column.is_(None), 1), else_=0)
        query = query.order_by(missing, column.asc() if order.ascending else column.desc())
    if "creation_timestamp_ms" not in named:
        query = query.order_by(models.c.created_at_us.desc())
    return query if "model_id" in named else query.order_by(models.c.id)


def _latest(key: str, dataset: DatasetRef | None) -> Any:
    """The latest value of a metric of each model; NaN counts as missing."""
    value = case((metrics.c.is_nan, null()), else_=metrics.c.value)
    query = select(value).where(metrics.c.model_id == models.c.id, metrics.c.key == key)
    if dataset is not None:
        query = query.where(_on(dataset))
    newest = query.order_by(metrics.c.at_us.desc(), metrics.c.step.desc(), metrics.c.run_id).limit(1)
    return newest.correlate(models).scalar_subquery()
