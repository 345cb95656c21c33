"""SQL of searches: MLflow's filter and order, over indexed columns and tag rows, one page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal, select

from tidewheel.base.filter_grammar import Comparison, Order, Vocabulary, parse_filter, parse_order_by
from tidewheel.base.page_tokens import page_offset, page_token as next_token
from tidewheel.registry.records import ModelPage, VersionPage
from tidewheel.registry.store import LISTED, models, read_models, read_versions, versions
from tidewheel.registry.tag_store import model_tags, version_tags

PROMPT_TAG = "mlflow.prompt.is_prompt"  # MLflow's clients ask by it for what is no prompt, and here nothing is
_KINDS = dict.fromkeys(("attribute", "attributes", "attr"), "attribute") | {"tag": "tag", "tags": "tag"}
_INSTANTS = {"creation_timestamp": "created_at_us", "last_updated_timestamp": "updated_at_us"}
_MODEL_COLUMNS: dict[str, ColumnElement[Any]] = {
    "name": models.c.name,
    **{name: models.c[column] for name, column in _INSTANTS.items()},
}
_VERSION_COLUMNS: dict[str, ColumnElement[Any]] = {
    "name": versions.c.model,
    "version_number": versions.c.number,
    "run_id": versions.c.run_id,
    "source_path": versions.c.source,
    **{name: versions.c[column] for name, column in _INSTANTS.items()},
}
_MODEL_WORDS = Vocabulary(
    kinds=_KINDS,
    text_attributes=frozenset({"name"}),
    orders=frozenset({"name", "timestamp", *_INSTANTS}),
    listed=frozenset({"name"}),
)
_VERSION_WORDS = Vocabulary(
    kinds=_KINDS,
    text_attributes=frozenset({"name", "run_id", "source_path"}),
    number_attributes=frozenset({"version_number", *_INSTANTS}),
    orders=frozenset({"name", "version_number", *_INSTANTS}),
    listed=frozenset({"name", "run_id"}),
)
_NEWEST_VERSIONS = ("last_updated_timestamp DESC", "name ASC", "version_number DESC")


def search_models(
    connection: Connection, text: str, order_by: Sequence[str] | None, limit: int, token: str | None
) -> ModelPage:
    """One page of the models that a filter takes; by name where the order leaves it open."""
    query = select(models)
    for comparison in parse_filter(text, _MODEL_WORDS):
        owner = model_tags.c.model == models.c.name
        query = query.where(_condition(connection, comparison, _MODEL_COLUMNS, model_tags, owner))
    columns = _MODEL_COLUMNS | {"timestamp": models.c.updated_at_us}
    query = query.order_by(*_orders(parse_order_by(order_by, _MODEL_WORDS), columns), models.c.name)
    found = read_models(connection, _page(query, limit, token))
    return ModelPage(tuple(found[:limit]), _next(found, limit, token))


def search_versions(
    connection: Connection, text: str, order_by: Sequence[str] | None, limit: int, token: str | None
) -> VersionPage:
    """One page of the versions that a filter takes; by model and newest first where the order leaves it open."""
    query = select(versions).where(LISTED)
    for comparison in parse_filter(text, _VERSION_WORDS):
        owner = version_tags.c.version_id == versions.c.id
        query = query.where(_condition(connection, comparison, _VERSION_COLUMNS, version_tags, owner))
    orders = _orders(parse_order_by(order_by or _NEWEST_VERSIONS, _VERSION_WORDS), _VERSION_COLUMNS)
    query = query.order_by(*orders, versions.c.model, versions.c.number.desc())
    found = read_versions(connection, _page(query, limit, token))
    return VersionPage(tuple(found[:limit]), _next(found, limit, token))


def _condition(
    connection: Connection,
    comparison: Comparison,
    columns: dict[str, ColumnElement[Any]],
    tags: Any,
    owner: ColumnElement[bool],
) -> ColumnElement[bool]:
    if comparison.kind == "tag" and comparison.key == PROMPT_TAG:
        return literal((comparison.operator, comparison.value) in {("=", "false"), ("!=", "true")})
    if comparison.kind == "tag":
        holds = _compare(connection, tags.c.value, comparison.operator, comparison.value)
        return exists().where(owner, tags.c.key == comparison.key, holds)
    column, value = columns[comparison.key], comparison.value
    if comparison.key in _INSTANTS and isinstance(value, int | float):  # MLflow's clients count milliseconds
        column = column // 1000
    return _compare(connection, column, comparison.operator, value)


def _compare(connection: Connection, column: Any, operator: str, value: Any) -> ColumnElement[bool]:
    if operator in {"IN", "NOT IN"}:
        found = column.in_(value)
        return and_(found if operator == "IN" else ~found)
    on_sqlite = connection.dialect.name == "sqlite"
    escape = None if on_sqlite else ""  # MLflow's patterns know no escape, and PostgreSQL's do unless told
    if operator == "ILIKE":
        return and_(func.lower(column).like(func.lower(value), escape=escape))
    if operator == "LIKE" and on_sqlite:  # whose LIKE knows no case
        return and_(column.op("GLOB")(_glob(str(value))))
    return and_(column.like(value, escape=escape) if operator == "LIKE" else column.op(operator)(value))


def _glob(pattern: str) -> str:
    marked = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in pattern)
    return marked.replace("%", "*").replace("_", "?")


def _orders(orders: Sequence[Order], columns: dict[str, ColumnElement[Any]]) -> list[Any]:
    return [columns[each.key].asc() if each.ascending else columns[each.key].desc() for each in orders]


def _page(query: Select[Any], limit: int, token: str | None) -> Select[Any]:
    return query.limit(limit + 1).offset(page_offset(token))


def _next(found: Sequence[object], limit: int, token: str | None) -> str | None:
    return next_token(page_offset(token) + limit) if len(found) > limit else None
