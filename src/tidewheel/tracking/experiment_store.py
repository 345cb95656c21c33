"""Experiments and their tags in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, Row, Table, Text, cast, delete, func, select, update

from tidewheel.base.units import from_us, to_us
from tidewheel.storage import schema
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


def find_experiment(connection: Connection, *, name: str | None = None, id_: str | None = None) -> Experiment | None:
    """The experiment of a name or an id, or None."""
    condition = experiments.c.name == name if name is not None else experiments.c.id == id_
    row = connection.execute(select(experiments).where(condition)).first()
    return read_experiments(connection, [row])[0] if row else None


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
    return [
        Experiment(
            id=row.id,
            name=row.name,
            artifact_location=row.artifact_location,
            lifecycle_stage=row.lifecycle_stage,
            created_at=from_us(row.created_at_us),
            updated_at=from_us(row.updated_at_us),
            tags=tags[row.id],
        )
        for row in rows
    ]
