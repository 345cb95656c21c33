"""SQL of tags on models and versions: one row for each key, so that a search finds them by an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Index, Table, Text, delete, select, update

from tidewheel.storage import schema

model_tags = Table(
    "registry_model_tags",
    schema,
    Column("model", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Index("ix_registry_model_tags_key", "key"),
)
version_tags = Table(
    "registry_version_tags",
    schema,
    Column("version_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Index("ix_registry_version_tags_key", "key"),
)
_PORTION = 500  # names in one statement: well below every database's limit of parameters


def portions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """The names in portions that fit one statement."""
    for start in range(0, len(names), _PORTION):
        yield names[start : start + _PORTION]


def tags_of_models(connection: Connection, models: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tags of models, by name."""
    return _tags(connection, model_tags, model_tags.c.model, models)


def tags_of_versions(connection: Connection, version_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tags of versions, by id."""
    return _tags(connection, version_tags, version_tags.c.version_id, version_ids)


def set_model_tags(connection: Connection, model: str, tags: Mapping[str, str]) -> None:
    """Write a model's tags, each over the one of its key."""
    _set(connection, model_tags, {"model": model}, tags)


def set_version_tags(connection: Connection, version_id: str, tags: Mapping[str, str]) -> None:
    """Write a version's tags, each over the one of its key."""
    _set(connection, version_tags, {"version_id": version_id}, tags)


def delete_model_tag(connection: Connection, model: str, key: str) -> bool:
    """Remove a tag; whether there was one."""
    query = delete(model_tags).where(model_tags.c.model == model, model_tags.c.key == key)
    return connection.execute(query).rowcount > 0


def delete_version_tag(connection: Connection, version_id: str, key: str) -> bool:
    """Remove a tag; whether there was one."""
    query = delete(version_tags).where(version_tags.c.version_id == version_id, version_tags.c.key == key)
    return connection.execute(query).rowcount > 0


def rename_model(connection: Connection, model: str, new_name: str) -> None:
    """Take a model's tags along to its new name."""
    connection.execute(update(model_tags).where(model_tags.c.model == model).values(model=new_name))


def forget_model(connection: Connection, model: str) -> None:
    """Remove all tags of a model."""
    connection.execute(delete(model_tags).where(model_tags.c.model == model))


def _tags(connection: Connection, table: Table, owner: Column[Any], owners: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for some in portions(owners):
        query = select(owner, table.c.key, table.c.value).where(owner.in_(some)).order_by(table.c.key)
        for name, key, value in connection.execute(query):
            found.setdefault(name, {})[key] = value
    return found


def _set(connection: Connection, table: Table, owner: dict[str, str], tags: Mapping[str, str]) -> None:
    if not tags:
        return
    (column, name), *_ = owner.items()
    connection.execute(delete(table).where(table.c[column] == name, table.c.key.in_(list(tags))))
    connection.execute(table.insert(), [{**owner, "key": key, "value": value} for key, value in tags.items()])
