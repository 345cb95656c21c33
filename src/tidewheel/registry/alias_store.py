"""SQL of aliases: a stack of holders for each (model, alias).

The deepest row holds the alias, promoting pushes, rolling back pops. So "the previous champion" is a fact in the
database and not a search through history.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Table, Text, delete, exists, select, update

from tidewheel.registry.tag_store import portions
from tidewheel.storage import schema

holders = Table(
    "registry_alias_holders",
    schema,
    Column("model", Text, primary_key=True),
    Column("alias", Text, primary_key=True),
    Column("depth", Integer, primary_key=True, autoincrement=False),
    Column("version_id", Text, nullable=False),
    Column("since_at_us", BigInteger, nullable=False),
    Index("ix_registry_alias_holders_version_id", "version_id"),
)


def stack(connection: Connection, model: str, alias: str) -> list[str]:
    """The version ids that hold or held an alias, the present holder first."""
    query = select(holders.c.version_id).where(*_alias(model, alias)).order_by(holders.c.depth.desc())
    return list(connection.execute(query).scalars())


def held_by(connection: Connection, version_ids: Sequence[str]) -> dict[str, list[str]]:
    """The aliases that versions hold now, by version id."""
    held: dict[str, list[str]] = {}
    for some in portions(version_ids):
        query = top_holders().where(holders.c.version_id.in_(some)).order_by(holders.c.alias)
        for row in connection.execute(query):
            held.setdefault(row.version_id, []).append(row.alias)
    return held


def push(connection: Connection, model: str, alias: str, version_id: str, at_us: int) -> None:
    """Give an alias to a version; its former holder stays beneath."""
    row = {"model": model, "alias": alias, "depth": _depth(connection, model, alias) + 1, "version_id": version_id}
    connection.execute(holders.insert().values(**row, since_at_us=at_us))


def pop(connection: Connection, model: str, alias: str) -> None:
    """Take an alias from its holder and so give it back to the one beneath."""
    deepest = holders.c.depth == _depth(connection, model, alias)
    connection.execute(delete(holders).where(*_alias(model, alias), deepest))


def clear(connection: Connection, model: str, alias: str) -> None:
    """Forget an alias and all who held it."""
    connection.execute(delete(holders).where(*_alias(model, alias)))


def forget_version(connection: Connection, version_id: str) -> None:
    """Forget that a version ever held an alias."""
    connection.execute(delete(holders).where(holders.c.version_id == version_id))


def forget_model(connection: Connection, model: str) -> None:
    """Forget all aliases of a model."""
    connection.execute(delete(holders).where(holders.c.model == model))


def rename_model(connection: Connection, model: str, new_name: str) -> None:
    """Take a model's aliases along to its new name."""
    connection.execute(update(holders).where(holders.c.model == model).values(model=new_name))


def top_holders() -> Any:
    """A query of the rows that hold their alias now: those with none deeper."""
    above = holders.alias("above")
    deeper = exists().where(
        above.c.model == holders.c.model, above.c.alias == holders.c.alias, above.c.depth > holders.c.depth
    )
    return select(holders).where(~deeper)


def _depth(connection: Connection, model: str, alias: str) -> int:
    query = select(holders.c.depth).where(*_alias(model, alias)).order_by(holders.c.depth.desc()).limit(1)
    return int(connection.execute(query).scalar() or 0)


def _alias(model: str, alias: str) -> tuple[Any, Any]:
    return holders.c.model == model, holders.c.alias == alias
