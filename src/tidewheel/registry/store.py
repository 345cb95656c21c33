"""SQL of models and their versions. Aliases, tags and searches have files of their own beside this one.

A deleted version keeps its row, so that its id goes on meaning the same files for whatever serves it; it is only found
by that id. Numbers are counted in the model's row and so are never given twice in a model's life.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    bindparam,
    delete,
    func,
    select,
    update,
)

from tidewheel.base.units import from_us, to_us
from tidewheel.registry import alias_store, tag_store
from tidewheel.registry.records import Model, ModelVersion, Signature
from tidewheel.storage import Json, schema
from tidewheel.storage.prepared import Prepared

models = Table(
    "registry_models",
    schema,
    Column("name", Text, primary_key=True),
    Column("created_at_us", BigInteger, nullable=False),
    Column("updated_at_us", BigInteger, nullable=False),
    Column("last_number", Integer, nullable=False),
    Column("description", Text, nullable=False),
    Index("ix_registry_models_updated_at_us", "updated_at_us"),
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
    Column("updated_at_us", BigInteger, nullable=False),
    Column("deleted_at_us", BigInteger),
    Column("run_id", Text),
    Column("feature_set_name", Text),
    Column("feature_set_hash", Text),
    Column("commits", Json, nullable=False),
    Column("metrics", Json, nullable=False),
    Column("evaluation", Json, nullable=False),
    Column("reference_digest", Text),
    Column("executes_code", Boolean, nullable=False),
    Column("trusted_by", Text),
    Column("description", Text, nullable=False),
    Column("source", Text),
    Column("model_id", Text),
    Column("stage", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_message", Text, nullable=False),
    Column("run_link", Text),
    Column("user", Text, nullable=False),
    Column("sample_digest", Text),
    Column("environment", Json, nullable=False),
    Column("measured", Json, nullable=False),
    Index("ix_registry_versions_run_id", "run_id"),
    Index("ix_registry_versions_updated_at_us", "updated_at_us"),
)
LISTED = versions.c.deleted_at_us.is_(None)
Index(
    "ix_registry_versions_model_number",
    versions.c.model,
    versions.c.number,
    unique=True,
    sqlite_where=LISTED,
    postgresql_where=LISTED,
)

_HAS_MODEL = Prepared(select(models.c.name).where(models.c.name == bindparam("model")))
_COUNT_ON = Prepared(
    update(models)
    .where(models.c.name == bindparam("named"))
    .values(last_number=models.c.last_number + 1, updated_at_us=bindparam("now_us"))
)
_LAST_NUMBER = Prepared(select(models.c.last_number).where(models.c.name == bindparam("model")))
_ADD_VERSION = Prepared(versions.insert(), [column.name for column in versions.c if column.name != "deleted_at_us"])


def add_model(connection: Connection, name: str, description: str, tags: dict[str, str], at_us: int) -> None:
    """Write a new model down, with its tags."""
    row = {"name": name, "description": description, "last_number": 0}
    connection.execute(models.insert().values(**row, created_at_us=at_us, updated_at_us=at_us))
    tag_store.set_model_tags(connection, name, tags)


def has_model(connection: Connection, name: str) -> bool:
    """Whether there is a model of this name."""
    return _HAS_MODEL.first(connection, model=name) is not None


def find_model(connection: Connection, name: str) -> Model | None:
    """The model of a name, or None."""
    return next(iter(read_models(connection, select(models).where(models.c.name == name))), None)


def list_models(connection: Connection) -> list[Model]:
    """All models by name."""
    return read_models(connection, select(models).order_by(models.c.name))


def read_models(connection: Connection, query: Any) -> list[Model]:
    """The models that a query of `models` gives, with their number of versions, aliases and tags."""
    rows = connection.execute(query).all()
    names = [row.name for row in rows]
    counts, aliases = _counts(connection, names), _held_numbers(connection, names)
    tags = tag_store.tags_of_models(connection, names)
    return [
        Model(
            row.name,
            from_us(row.created_at_us),
            counts.get(row.name, 0),
            aliases.get(row.name, {}),
            row.description,
            tags.get(row.name, {}),
            from_us(row.updated_at_us),
        )
        for row in rows
    ]


def describe_model(connection: Connection, name: str, description: str, at_us: int) -> None:
    """Replace what people say of a model."""
    row = {"description": description, "updated_at_us": at_us}
    connection.execute(update(models).where(models.c.name == name).values(**row))


def touch_model(connection: Connection, name: str, at_us: int) -> None:
    """Note when a model last changed."""
    connection.execute(update(models).where(models.c.name == name).values(updated_at_us=at_us))


def rename_model(connection: Connection, name: str, new_name: str, at_us: int) -> None:
    """Give a model, with all that belongs to it, another name."""
    connection.execute(update(models).where(models.c.name == name).values(name=new_name, updated_at_us=at_us))
    moved = update(versions).where(versions.c.model == name, LISTED)
    connection.execute(moved.values(model=new_name, updated_at_us=at_us))
    alias_store.rename_model(connection, name, new_name)
    tag_store.rename_model(connection, name, new_name)


def delete_model(connection: Connection, name: str, at_us: int) -> None:
    """Forget a model, its aliases and tags; its versions are listed no more."""
    connection.execute(delete(models).where(models.c.name == name))
    connection.execute(update(versions).where(versions.c.model == name, LISTED).values(deleted_at_us=at_us))
    alias_store.forget_model(connection, name)
    tag_store.forget_model(connection, name)


def take_number(connection: Connection, model: str, at_us: int) -> int:
    """The number of a model's next version, from 1, now taken."""
    _COUNT_ON.run(connection, named=model, now_us=at_us)
    return int(_LAST_NUMBER.all(connection, model=model)[0][0])


def add_version(connection: Connection, version: ModelVersion) -> None:
    """Write a new version down, with its tags."""
    row = {column.name: getattr(version, column.name) for column in versions.c if column.name not in _COMPOSED}
    at_us = to_us(version.created_at)
    row.update(inputs=_input_rows(version.signature), outputs=_output_rows(version.signature))
    _ADD_VERSION.run(connection, **row, created_at_us=at_us, updated_at_us=at_us)
    tag_store.set_version_tags(connection, version.id, version.tags)


_COMPOSED = ("inputs", "outputs", "created_at_us", "updated_at_us", "deleted_at_us")


def change_version(connection: Connection, version_id: str, at_us: int, **columns: Any) -> None:
    """Set columns of a version."""
    connection.execute(update(versions).where(versions.c.id == version_id).values(**columns, updated_at_us=at_us))


def find_version(connection: Connection, version_id: str) -> ModelVersion | None:
    """The version of an id, deleted or not, or None."""
    return next(iter(read_versions(connection, select(versions).where(versions.c.id == version_id))), None)


def find_number(connection: Connection, model: str, number: int | None) -> ModelVersion | None:
    """A model's version of a number (None: its newest), or None."""
    query = select(versions).where(versions.c.model == model, LISTED)
    if number is not None:
        query = query.where(versions.c.number == number)
    return next(iter(read_versions(connection, query.order_by(versions.c.number.desc()).limit(1))), None)


def list_versions(connection: Connection, model: str) -> list[ModelVersion]:
    """All versions of a model, newest first."""
    query = select(versions).where(versions.c.model == model, LISTED).order_by(versions.c.number.desc())
    return read_versions(connection, query)


def newest_of_stages(connection: Connection, names: Sequence[str]) -> list[ModelVersion]:
    """The newest version of each of these models in each stage that any is in."""
    found: list[ModelVersion] = []
    for some in tag_store.portions(names):
        query = select(versions.c.model, func.max(versions.c.number).label("number"))
        newest = query.where(versions.c.model.in_(some), LISTED).group_by(versions.c.model, versions.c.stage).subquery()
        same = (newest.c.model == versions.c.model) & (newest.c.number == versions.c.number)
        joined = select(versions).join(newest, same).where(LISTED).order_by(versions.c.model, versions.c.number)
        found += read_versions(connection, joined)
    return found


def read_versions(connection: Connection, query: Any) -> list[ModelVersion]:
    """The versions that a query of `versions` gives, in its order, with their aliases and tags."""
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    aliases, tags = alias_store.held_by(connection, ids), tag_store.tags_of_versions(connection, ids)
    return [_version(row, tuple(aliases.get(row.id, ())), tags.get(row.id, {})) for row in rows]


def _version(row: Row[Any], aliases: tuple[str, ...], tags: dict[str, str]) -> ModelVersion:
    fields = dict(row._mapping)
    inputs, outputs = fields.pop("inputs"), fields.pop("outputs")
    signature = _signature(inputs, outputs)
    deleted_at_us = fields.pop("deleted_at_us")
    fields["created_at"], fields["updated_at"] = (from_us(fields.pop(f"{name}_at_us")) for name in _INSTANTS)
    fields["deleted_at"] = None if deleted_at_us is None else from_us(deleted_at_us)
    fields["commits"] = tuple(fields["commits"])
    return ModelVersion(**fields, signature=signature, aliases=aliases, tags=tags)


_INSTANTS = ("created", "updated")


def _counts(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in tag_store.portions(names):
        query = select(versions.c.model, func.count().label("size")).where(versions.c.model.in_(some), LISTED)
        found.update({row.model: row.size for row in connection.execute(query.group_by(versions.c.model))})
    return found


def _held_numbers(connection: Connection, names: Iterable[str]) -> dict[str, dict[str, int]]:
    held: dict[str, dict[str, int]] = {}
    for some in tag_store.portions(list(names)):
        tops = alias_store.top_holders().where(alias_store.holders.c.model.in_(some)).subquery()
        query = select(tops.c.model, tops.c.alias, versions.c.number).join(versions, versions.c.id == tops.c.version_id)
        for row in connection.execute(query.order_by(tops.c.alias)):
            held.setdefault(row.model, {})[row.alias] = row.number
    return held


def _input_rows(signature: Signature) -> list[list[Any]]:
    """A row an input: name, dtype, "optional" where it may be left out, and its shape where it is a tensor."""
    optional = set(signature.optional)
    rows = [[name, dtype, *(["optional"] if name in optional else [])] for name, dtype in signature.inputs]
    return _with_shapes(rows, signature.input_shapes)


def _output_rows(signature: Signature) -> list[list[Any]]:
    return _with_shapes([[name, dtype] for name, dtype in signature.outputs], signature.output_shapes)


def _with_shapes(rows: list[list[Any]], shapes: Sequence[tuple[int, ...]]) -> list[list[Any]]:
    return [[*row, list(shape)] for row, shape in zip(rows, shapes, strict=True)] if shapes else rows


def _signature(inputs: list[list[Any]], outputs: list[list[Any]]) -> Signature:
    return Signature(
        tuple((row[0], row[1]) for row in inputs),
        tuple((row[0], row[1]) for row in outputs),
        tuple(row[0] for row in inputs if "optional" in row[2:]),
        _shapes(inputs),
        _shapes(outputs),
    )


def _shapes(rows: list[list[Any]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row[-1]) for row in rows if isinstance(row[-1], list))
