"""All SQL of the registry.

An alias is a stack of holders for each (model, alias): the deepest row holds it, promoting pushes, rolling back pops.
So "the previous champion" is a fact in the database and not a search through history.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    select,
    update,
)

from tidewheel.base.units import from_us, to_us
from tidewheel.registry.records import Model, ModelVersion, Signature
from tidewheel.storage import Json, schema

models = Table(
    "registry_models",
    schema,
    Column("name", Text, primary_key=True),
    Column("created_at_us", BigInteger, nullable=False),
)
versions = Table(
    "registry_versions",
    schema,
    Column("id", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("format", Text, nullable=False),
    Column("files", Json, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("inputs", Json, nullable=False),
    Column("outputs", Json, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("run_id", Text),
    Column("feature_set_name", Text),
    Column("feature_set_hash", Text),
    Column("commits", Json, nullable=False),
    Column("metrics", Json, nullable=False),
    Column("evaluation", Json, nullable=False),
    Column("reference_digest", Text),
    Column("executes_code", Boolean, nullable=False),
    Column("trusted_by", Text),
    UniqueConstraint("model", "number"),
    Index("ix_registry_versions_run_id", "run_id"),
)
alias_holders = Table(
    "registry_alias_holders",
    schema,
    Column("model", Text, primary_key=True),
    Column("alias", Text, primary_key=True),
    Column("depth", Integer, primary_key=True, autoincrement=False),
    Column("version_id", Text, nullable=False),
    Column("since_at_us", BigInteger, nullable=False),
    Index("ix_registry_alias_holders_version_id", "version_id"),
)


def has_model(connection: Connection, name: str) -> bool:
    """Whether a model of this name was ever registered."""
    return connection.execute(select(models.c.name).where(models.c.name == name)).first() is not None


def add_model(connection: Connection, name: str, at_us: int) -> None:
    """Write a new model down."""
    connection.execute(models.insert().values(name=name, created_at_us=at_us))


def next_number(connection: Connection, model: str) -> int:
    """The number that the next version of a model gets, from 1."""
    highest = connection.execute(select(func.max(versions.c.number)).where(versions.c.model == model)).scalar()
    return (highest or 0) + 1


def add_version(connection: Connection, version: ModelVersion) -> None:
    """Write a new version down."""
    row = {column.name: getattr(version, column.name) for column in versions.c if column.name not in _COMPOSED}
    row.update(
        inputs=version.signature.inputs,
        outputs=version.signature.outputs,
        created_at_us=to_us(version.created_at),
    )
    connection.execute(versions.insert().values(**row))


_COMPOSED = ("inputs", "outputs", "created_at_us")


def set_evaluation(connection: Connection, version_id: str, evaluation: dict[str, Any]) -> None:
    """Keep what a version's evaluation found."""
    connection.execute(update(versions).where(versions.c.id == version_id).values(evaluation=evaluation))


def find_version(connection: Connection, version_id: str) -> ModelVersion | None:
    """The version of an id, or None."""
    return next(iter(_versions(connection, versions.c.id == version_id)), None)


def find_number(connection: Connection, model: str, number: int | None) -> ModelVersion | None:
    """A model's version of a number (None: its newest), or None."""
    if number is None:
        number = next_number(connection, model) - 1
    return next(iter(_versions(connection, (versions.c.model == model) & (versions.c.number == number))), None)


def find_holder(connection: Connection, model: str, alias: str) -> ModelVersion | None:
    """The version that holds an alias, or None."""
    stack = holders(connection, model, alias)
    return find_version(connection, stack[0]) if stack else None


def list_versions(connection: Connection, model: str) -> list[ModelVersion]:
    """All versions of a model, newest first."""
    return _versions(connection, versions.c.model == model)


def list_models(connection: Connection) -> list[Model]:
    """All models by name, with their number of versions and who holds which alias."""
    counts = select(versions.c.model, func.count().label("size")).group_by(versions.c.model)
    version_counts = {row.model: row.size for row in connection.execute(counts)}
    aliases: dict[str, dict[str, int]] = {}
    tops = _top_holders().subquery()
    held = select(tops.c.model, tops.c.alias, versions.c.number).join(versions, versions.c.id == tops.c.version_id)
    for row in connection.execute(held.order_by(tops.c.alias)):
        aliases.setdefault(row.model, {})[row.alias] = row.number
    return [
        Model(row.name, from_us(row.created_at_us), version_counts.get(row.name, 0), aliases.get(row.name, {}))
        for row in connection.execute(select(models).order_by(models.c.name))
    ]


def holders(connection: Connection, model: str, alias: str) -> list[str]:
    """The version ids that hold or held an alias, the present holder first."""
    query = select(alias_holders.c.version_id).where(*_alias(model, alias)).order_by(alias_holders.c.depth.desc())
    return list(connection.execute(query).scalars())


def push_holder(connection: Connection, model: str, alias: str, version_id: str, at_us: int) -> None:
    """Give an alias to a version; its former holder stays beneath."""
    depth = len(holders(connection, model, alias)) + 1
    connection.execute(
        alias_holders.insert().values(model=model, alias=alias, depth=depth, version_id=version_id, since_at_us=at_us)
    )


def pop_holder(connection: Connection, model: str, alias: str) -> None:
    """Take an alias from its holder and so give it back to the one beneath."""
    depth = len(holders(connection, model, alias))
    connection.execute(delete(alias_holders).where(*_alias(model, alias), alias_holders.c.depth == depth))


def clear_holders(connection: Connection, model: str, alias: str) -> None:
    """Forget an alias and all who held it."""
    connection.execute(delete(alias_holders).where(*_alias(model, alias)))


def _alias(model: str, alias: str) -> tuple[Any, Any]:
    return alias_holders.c.model == model, alias_holders.c.alias == alias


def _top_holders() -> Any:
    deepest = (
        select(alias_holders.c.model, alias_holders.c.alias, func.max(alias_holders.c.depth).label("depth"))
        .group_by(alias_holders.c.model, alias_holders.c.alias)
        .subquery()
    )
    return select(alias_holders).join(
        deepest,
        (alias_holders.c.model == deepest.c.model)
        & (alias_holders.c.alias == deepest.c.alias)
        & (alias_holders.c.depth == deepest.c.depth),
    )


def _versions(connection: Connection, condition: Any) -> list[ModelVersion]:
    rows = connection.execute(select(versions).where(condition).order_by(versions.c.number.desc())).all()
    if not rows:
        return []
    aliases: dict[str, list[str]] = {}
    tops = _top_holders().where(alias_holders.c.model.in_({row.model for row in rows}))
    for holder in connection.execute(tops.order_by(alias_holders.c.alias)):
        aliases.setdefault(holder.version_id, []).append(holder.alias)
    return [_version(row, tuple(aliases.get(row.id, ()))) for row in rows]


def _version(row: Row[Any], aliases: tuple[str, ...]) -> ModelVersion:
    fields = dict(row._mapping)
    inputs, outputs = fields.pop("inputs"), fields.pop("outputs")
    signature = Signature(tuple((n, d) for n, d in inputs), tuple((n, d) for n, d in outputs))
    created_at = from_us(fields.pop("created_at_us"))
    fields["commits"] = tuple(fields["commits"])
    return ModelVersion(**fields, signature=signature, created_at=created_at, aliases=aliases)
