"""Searching experiments in SQL. Ties go by number, the newest first, as in MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, and_, cast, exists, select

from tidewheel.base.filter_grammar import Comparison, Order, Vocabulary
from tidewheel.tracking.experiment_store import experiment_tags, experiments, read_experiments
from tidewheel.tracking.records import Experiment, Stage
from tidewheel.tracking.search_conditions import compared, ordered

_TEXT = frozenset({"name", "experiment_id"})
_NUMBER = frozenset({"creation_time", "last_update_time"})
EXPERIMENT_WORDS = Vocabulary(
    kinds={"attribute": "attribute", "tag": "tag", "tags": "tag"},
    text_attributes=_TEXT,
    number_attributes=_NUMBER,
    listed=frozenset({"experiment_id"}),
    nullable=frozenset({"tag"}),
    orders=_TEXT | _NUMBER,
)
_ATTRIBUTES: dict[str, ColumnElement[Any]] = {
    "name": experiments.c.name,
    "experiment_id": experiments.c.id,
    "creation_time": experiments.c.created_at_us // 1000,
    "last_update_time": experiments.c.updated_at_us // 1000,
}
_NEWEST_FIRST = (Order("attribute", "creation_time", False), Order("attribute", "experiment_id", True))
_SORTED: dict[str, ColumnElement[Any]] = {**_ATTRIBUTES, "experiment_id": cast(experiments.c.id, Integer)}


def search_experiments(
    connection: Connection,
    filters: Sequence[Comparison],
    orders: Sequence[Order],
    stage: Stage,
    *,
    limit: int,
    offset: int,
) -> list[Experiment]:
    """The experiments that fulfil all of `filters`, in order."""
    query: Select[Any] = select(experiments).where(*(_condition(comparison) for comparison in filters))
    if stage != "all":
        query = query.where(experiments.c.lifecycle_stage == stage)
    keys = [ordered(_SORTED[order.key], ascending=order.ascending) for order in orders or _NEWEST_FIRST]
    query = query.order_by(*keys, _SORTED["experiment_id"].desc())
    return read_experiments(connection, connection.execute(query.limit(limit).offset(offset)).all())


def _condition(comparison: Comparison) -> ColumnElement[bool]:
    if comparison.kind == "attribute":
        return compared(_ATTRIBUTES[comparison.key], comparison)
    there = and_(experiment_tags.c.experiment_id == experiments.c.id, experiment_tags.c.key == comparison.key)
    if comparison.value is None:
        return ~exists().where(there) if comparison.operator == "IS NULL" else exists().where(there)
    return exists().where(there, compared(experiment_tags.c.value, comparison))
