"""Experiments and their tags in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    Row,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    func,
    select,
    update,
)

from tidewheel.base.units import from_us, to_us
from tidewheel.storage import schema
from tidewheel.storage.prepared import Prepared
from tidewheel.tracking.records import Experiment, LifecycleStage

experiments = Table(
    "tracking_experiments",
    schema,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("artifact_location", Text, nullable=False),
    Column("lifecycle_stage", Text, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("updated_at_us", BigInteger, nullable=False),
)
experiment_tags = Table(
    "tracking_experiment_tags",
    schema,
    Column("experiment_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
_BY_NAME = Prepared(select(experiments).where(experiments.c.name == bindparam("wanted")))
_BY_ID = Prepared(select(experiments).where(experiments.c.id == bindparam("wanted")))
_TAGS = Prepared(
    select(experiment_tags.c.key, experiment_tags.c.value)
    .where(experiment_tags.c.experiment_id == bindparam("wanted"))
    .order_by(experiment_tags.c.key)
)


def find_experiment(connection: Connection, *, name: str | None = None, id_: str | None = None) -> Experiment | None:
    """The experiment of a name or an id, or None."""
    row = _BY_NAME.first(connection, wanted=name) if name is not None else _BY_ID.first(connection, wanted=id_)
    return _experiment(row, dict(_TAGS.all(connection, wanted=row[0]))) if row else None


def next_experiment_id(connection: Connection) -> str:
    """The next number, from 1."""
    highest = connection.execute(select(func.max(cast(experiments.c.id, Integer)))).scalar()
    return str((highest or 0) + 1)


def add_experiment(connection: Connection, experiment: Experiment) -> None:
    """Write a new experiment down, with its tags."""
    connection.execute(
        experiments.insert().values(
            id=experiment.id,
            name=experiment.name,
            artifact_location=experiment.artifact_location,
            lifecycle_stage=experiment.lifecycle_stage,
            created_at_us=to_us(experiment.created_at),
            updated_at_us=to_us(experiment.updated_at),
        )
    )
    write_experiment_tags(connection, experiment.id, experiment.tags)


def change_experiment(
    connection: Connection,
    experiment_id: str,
    updated_at_us: int,
    *,
    name: str | None = None,
    stage: LifecycleStage | None = None,
) -> None:
    """Give an experiment another name or stage."""
    values: dict[str, Any] = {"updated_at_us": updated_at_us}
    values |= {"name": name} if name is not None else {}
    values |= {"lifecycle_stage": stage} if stage is not None else {}
    connection.execute(update(experiments).where(experiments.c.id == experiment_id).values(values))


def write_experiment_tags(connection: Connection, experiment_id: str, values: Mapping[str, str]) -> None:
    """Set tags, over what they were."""
    if values:
        forget_experiment_tags(connection, experiment_id, list(values))
        rows = [{"experiment_id": experiment_id, "key": key, "value": value} for key, value in values.items()]
        connection.execute(experiment_tags.insert(), rows)


def forget_experiment_tags(connection: Connection, experiment_id: str, keys: Sequence[str]) -> None:
    """Drop tags."""
    connection.execute(
        delete(experiment_tags).where(
            experiment_tags.c.experiment_id == experiment_id, experiment_tags.c.key.in_(list(keys))
        )
    )


def read_experiments(connection: Connection, rows: Sequence[Row[Any]]) -> list[Experiment]:
    """Rows of the table as experiments with their tags, in the rows' order."""
    tags: dict[str, dict[str, str]] = {row.id: {} for row in rows}
    query = select(experiment_tags).where(experiment_tags.c.experiment_id.in_(list(tags)))
    for tag in connection.execute(query.order_by(experiment_tags.c.key)):
        tags[tag.experiment_id][tag.key] = tag.value
    return [_experiment(row, tags[row.id]) for row in rows]


def _experiment(row: Sequence[Any], tags: dict[str, str]) -> Experiment:
    id_, name, location, stage, created_at_us, updated_at_us = row
    return Experiment(
        id=id_,
        name=name,
        artifact_location=location,
        lifecycle_stage=stage,
        created_at=from_us(created_at_us),
        updated_at=from_us(updated_at_us),
        tags=tags,
    )
