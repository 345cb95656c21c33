"""Experiments, runs, their params, tags and artifacts in SQL; metrics have their own file, `metric_store.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    Table,
    Text,
    cast,
    delete,
    func,
    select,
    update,
)

from tidewheel.base.units import from_us, to_us
from tidewheel.storage import Json, schema
from tidewheel.tracking import metric_store
from tidewheel.tracking.records import Artifact, Experiment, LifecycleStage, Run, RunStatus

experiments = Table(
    "tracking_experiments",
    schema,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("lifecycle_stage", Text, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("updated_at_us", BigInteger, nullable=False),
)
runs = Table(
    "tracking_runs",
    schema,
    Column("id", Text, primary_key=True),
    Column("experiment_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("lifecycle_stage", Text, nullable=False),
    Column("started_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),
    Column("inputs", Json, nullable=False),
    Index("ix_tracking_runs_experiment_id_started_at_us", "experiment_id", "started_at_us"),
    Index("ix_tracking_runs_started_at_us", "started_at_us"),
)
params = Table(
    "tracking_params",
    schema,
    Column("run_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
tags = Table(
    "tracking_tags",
    schema,
    Column("run_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
artifacts = Table(
    "tracking_artifacts",
    schema,
    Column("run_id", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)


def find_experiment(connection: Connection, *, name: str | None = None, id_: str | None = None) -> Experiment | None:
    """The experiment of a name or an id, or None."""
    condition = experiments.c.name == name if name is not None else experiments.c.id == id_
    row = connection.execute(select(experiments).where(condition)).first()
    return _experiment(row) if row else None


def list_experiments(connection: Connection) -> list[Experiment]:
    """All experiments, by number."""
    query = select(experiments).order_by(cast(experiments.c.id, Integer))
    return [_experiment(row) for row in connection.execute(query)]


def next_experiment_id(connection: Connection) -> str:
    """The next number, from 1."""
    highest = connection.execute(select(func.max(cast(experiments.c.id, Integer)))).scalar()
    return str((highest or 0) + 1)


def add_experiment(connection: Connection, experiment: Experiment) -> None:
    """Write a new experiment down."""
    connection.execute(
        experiments.insert().values(
            id=experiment.id,
            name=experiment.name,
            lifecycle_stage=experiment.lifecycle_stage,
            created_at_us=to_us(experiment.created_at),
            updated_at_us=to_us(experiment.updated_at),
        )
    )


def add_run(connection: Connection, run: Run) -> None:
    """Write a new run down, with its tags."""
    connection.execute(
        runs.insert().values(
            id=run.id,
            experiment_id=run.experiment_id,
            name=run.name,
            user=run.user,
            status=run.status,
            lifecycle_stage=run.lifecycle_stage,
            started_at_us=to_us(run.started_at),
            inputs=run.inputs,
        )
    )
    write_tags(connection, run.id, run.tags)


def lifecycle_stage(connection: Connection, run_id: str) -> LifecycleStage | None:
    """Whether a run is active or deleted; None if there is no such run."""
    stage: LifecycleStage | None = connection.execute(
        select(runs.c.lifecycle_stage).where(runs.c.id == run_id)
    ).scalar()
    return stage


def set_status(connection: Connection, run_id: str, status: RunStatus, ended_at_us: int | None) -> None:
    """Change a run's status and when it ended."""
    connection.execute(update(runs).where(runs.c.id == run_id).values(status=status, ended_at_us=ended_at_us))


def set_lifecycle_stage(connection: Connection, run_id: str, stage: LifecycleStage) -> None:
    """Delete a run, or restore it."""
    connection.execute(update(runs).where(runs.c.id == run_id).values(lifecycle_stage=stage))


def find_runs(connection: Connection, run_ids: Sequence[str]) -> list[Run]:
    """The runs of these ids, whole, in no particular order."""
    return _runs(connection, runs.c.id.in_(run_ids), len(run_ids))


def list_runs(connection: Connection, *, experiment_id: str | None, stage: LifecycleStage, limit: int) -> list[Run]:
    """The newest runs, whole, of one experiment or of all."""
    condition = runs.c.lifecycle_stage == stage
    if experiment_id is not None:
        condition &= runs.c.experiment_id == experiment_id
    return _runs(connection, condition, limit)


def read_params(connection: Connection, run_id: str) -> dict[str, str]:
    """A run's params."""
    rows = connection.execute(select(params.c.key, params.c.value).where(params.c.run_id == run_id))
    return {row.key: row.value for row in rows}


def add_params(connection: Connection, run_id: str, values: Mapping[str, str]) -> None:
    """Write params down that the run does not have yet."""
    if values:
        rows = [{"run_id": run_id, "key": key, "value": value} for key, value in values.items()]
        connection.execute(params.insert(), rows)


def write_tags(connection: Connection, run_id: str, values: Mapping[str, str]) -> None:
    """Set tags, over what they were."""
    if values:
        connection.execute(delete(tags).where(tags.c.run_id == run_id, tags.c.key.in_(list(values))))
        rows = [{"run_id": run_id, "key": key, "value": value} for key, value in values.items()]
        connection.execute(tags.insert(), rows)


def write_artifacts(connection: Connection, run_id: str, kept: Sequence[Artifact]) -> None:
    """Keep artifacts, over those of the same path."""
    paths = [artifact.path for artifact in kept]
    connection.execute(delete(artifacts).where(artifacts.c.run_id == run_id, artifacts.c.path.in_(paths)))
    rows = [
        {"run_id": run_id, "path": a.path, "digest": a.digest, "size_bytes": a.size_bytes, "at_us": to_us(a.at)}
        for a in kept
    ]
    connection.execute(artifacts.insert(), rows)


def list_artifacts(connection: Connection, run_id: str) -> list[Artifact]:
    """A run's artifacts, by path."""
    query = select(artifacts).where(artifacts.c.run_id == run_id).order_by(artifacts.c.path)
    return [Artifact(r.path, r.digest, r.size_bytes, from_us(r.at_us)) for r in connection.execute(query)]


def _experiment(row: Row[Any]) -> Experiment:
    return Experiment(
        id=row.id,
        name=row.name,
        lifecycle_stage=row.lifecycle_stage,
        created_at=from_us(row.created_at_us),
        updated_at=from_us(row.updated_at_us),
    )


def _runs(connection: Connection, condition: Any, limit: int) -> list[Run]:
    query = (
        select(runs, experiments.c.name.label("experiment"))
        .join(experiments, experiments.c.id == runs.c.experiment_id)
        .where(condition)
        .order_by(runs.c.started_at_us.desc(), runs.c.id.desc())
        .limit(limit)
    )
    rows = connection.execute(query).all()
    run_ids = [row.id for row in rows]
    run_params, run_tags = _texts(connection, params, run_ids), _texts(connection, tags, run_ids)
    metrics = metric_store.latest_metrics(connection, run_ids)
    return [
        Run(
            id=row.id,
            experiment_id=row.experiment_id,
            experiment=row.experiment,
            name=row.name,
            user=row.user,
            status=row.status,
            lifecycle_stage=row.lifecycle_stage,
            started_at=from_us(row.started_at_us),
            ended_at=from_us(row.ended_at_us) if row.ended_at_us is not None else None,
            inputs=tuple(row.inputs),
            params=run_params.get(row.id, {}),
            metrics=metrics.get(row.id, {}),
            tags=run_tags.get(row.id, {}),
        )
        for row in rows
    ]


def _texts(connection: Connection, table: Table, run_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in connection.execute(select(table).where(table.c.run_id.in_(run_ids)).order_by(table.c.key)):
        found.setdefault(row.run_id, {})[row.key] = row.value
    return found
