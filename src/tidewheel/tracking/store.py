"""Runs, their params and tags in SQL; experiments and metrics have files of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Table,
    Text,
    bindparam,
    delete,
    select,
    update,
)

from tidewheel.base.units import from_us, to_us
from tidewheel.storage import Json, schema
from tidewheel.tracking import metric_store
from tidewheel.tracking.dataset_store import datasets_of_runs
from tidewheel.tracking.experiment_store import experiments
from tidewheel.tracking.plain_rows import plain_rows
from tidewheel.tracking.records import LifecycleStage, Run, RunStatus

_PAGE = 5000
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
    Column("deleted_at_us", BigInteger),
    Column("artifact_uri", Text, nullable=False),
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

# Written once: to build a statement costs as much as to run it, and every write of a run needs these.
_ADD_RUN, _ADD_TAGS, _ADD_PARAMS = runs.insert(), tags.insert(), params.insert()
_STAGE = select(runs.c.lifecycle_stage).where(runs.c.id == bindparam("run"))
_SOME_PARAMS = select(params.c.key, params.c.value).where(
    params.c.run_id == bindparam("run"), params.c.key.in_(bindparam("names", expanding=True))
)


def add_run(connection: Connection, run: Run) -> None:
    """Write a new run down, with its tags."""
    row = {
        "id": run.id,
        "experiment_id": run.experiment_id,
        "name": run.name,
        "user": run.user,
        "status": run.status,
        "lifecycle_stage": run.lifecycle_stage,
        "started_at_us": to_us(run.started_at),
        "artifact_uri": run.artifact_uri,
        "inputs": run.inputs,
    }
    connection.execute(_ADD_RUN, row)
    if run.tags:
        connection.execute(_ADD_TAGS, [{"run_id": run.id, "key": key, "value": run.tags[key]} for key in run.tags])


def lifecycle_stage(connection: Connection, run_id: str) -> LifecycleStage | None:
    """Whether a run is active or deleted; None if there is no such run."""
    stage: LifecycleStage | None = connection.execute(_STAGE, {"run": run_id}).scalar()
    return stage


def artifact_uri(connection: Connection, run_id: str) -> str | None:
    """Where a run keeps its artifacts; None if there is no such run."""
    uri: str | None = connection.execute(select(runs.c.artifact_uri).where(runs.c.id == run_id)).scalar()
    return uri


def set_status(connection: Connection, run_id: str, status: RunStatus, ended_at_us: int | None) -> None:
    """Change a run's status and when it ended."""
    connection.execute(update(runs).where(runs.c.id == run_id).values(status=status, ended_at_us=ended_at_us))


def change_run(
    connection: Connection,
    run_id: str,
    *,
    status: RunStatus | None = None,
    ended_at_us: int | None = None,
    name: str | None = None,
) -> None:
    """Change what is given of a run's status, end and name."""
    given = {"status": status, "ended_at_us": ended_at_us, "name": name}
    values = {column: value for column, value in given.items() if value is not None}
    if values:
        connection.execute(update(runs).where(runs.c.id == run_id).values(values))


def set_lifecycle_stage(connection: Connection, run_id: str, stage: LifecycleStage, deleted_at_us: int | None) -> None:
    """Delete a run, or restore it."""
    values = {"lifecycle_stage": stage, "deleted_at_us": deleted_at_us}
    connection.execute(update(runs).where(runs.c.id == run_id).values(values))


def set_lifecycle_stage_of_all(
    connection: Connection, experiment_id: str, stage: LifecycleStage, deleted_at_us: int | None
) -> None:
    """Delete or restore the runs of an experiment; those already in the stage keep their instant."""
    values = {"lifecycle_stage": stage, "deleted_at_us": deleted_at_us}
    of_it = (runs.c.experiment_id == experiment_id) & (runs.c.lifecycle_stage != stage)
    connection.execute(update(runs).where(of_it).values(values))


def deleted_run_ids(connection: Connection, before_us: int, experiment_ids: Sequence[str]) -> list[str]:
    """Runs that were deleted before an instant, and all of some experiments."""
    aged = (runs.c.lifecycle_stage == "deleted") & (runs.c.deleted_at_us < before_us)
    query = select(runs.c.id).where(aged | runs.c.experiment_id.in_(experiment_ids))
    return list(connection.execute(query).scalars())


def purge_runs(connection: Connection, run_ids: Sequence[str]) -> None:
    """Forget runs with their params and tags."""
    for table in (params, tags):
        connection.execute(delete(table).where(table.c.run_id.in_(run_ids)))
    connection.execute(delete(runs).where(runs.c.id.in_(run_ids)))


def find_runs(connection: Connection, run_ids: Sequence[str]) -> list[Run]:
    """The runs of these ids, whole, in the order of the ids; those that are not there are left out."""
    pages = (run_ids[start : start + _PAGE] for start in range(0, len(run_ids), _PAGE))
    found = {run.id: run for page in pages for run in _runs(connection, runs.c.id.in_(page), len(page))}
    return [found[run_id] for run_id in run_ids if run_id in found]


def list_runs(connection: Connection, *, experiment_id: str | None, stage: LifecycleStage, limit: int) -> list[Run]:
    """The newest runs, whole, of one experiment or of all."""
    condition = runs.c.lifecycle_stage == stage
    if experiment_id is not None:
        condition &= runs.c.experiment_id == experiment_id
    return _runs(connection, condition, limit)


def read_params(connection: Connection, run_id: str, keys: Sequence[str]) -> dict[str, str]:
    """Those of a run's params that have one of these keys."""
    rows = connection.execute(_SOME_PARAMS, {"run": run_id, "names": keys})
    return {row.key: row.value for row in rows}


def experiment_of(connection: Connection, run_id: str) -> str | None:
    """The id of the experiment that a run is of."""
    found: str | None = connection.execute(select(runs.c.experiment_id).where(runs.c.id == run_id)).scalar()
    return found


def running_by_tag(connection: Connection, key: str) -> dict[str, str]:
    """Runs that are said to be running and have a tag, with its value."""
    query = (
        select(runs.c.id, tags.c.value)
        .join(tags, tags.c.run_id == runs.c.id)
        .where(runs.c.status == "RUNNING", tags.c.key == key)
    )
    return {row.id: row.value for row in connection.execute(query)}


def delete_tag(connection: Connection, run_id: str, key: str) -> bool:
    """Drop a tag; whether it was there."""
    return connection.execute(delete(tags).where(tags.c.run_id == run_id, tags.c.key == key)).rowcount > 0


def add_params(connection: Connection, run_id: str, values: Mapping[str, str]) -> None:
    """Write params down that the run does not have yet."""
    if values:
        rows = [{"run_id": run_id, "key": key, "value": value} for key, value in values.items()]
        connection.execute(_ADD_PARAMS, rows)


def write_tags(connection: Connection, run_id: str, values: Mapping[str, str]) -> None:
    """Set tags, over what they were."""
    if values:
        connection.execute(delete(tags).where(tags.c.run_id == run_id, tags.c.key.in_(list(values))))
        rows = [{"run_id": run_id, "key": key, "value": value} for key, value in values.items()]
        connection.execute(_ADD_TAGS, rows)


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
    metrics, given = metric_store.latest_metrics(connection, run_ids), datasets_of_runs(connection, run_ids)
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
            artifact_uri=row.artifact_uri,
            inputs=tuple(row.inputs),
            datasets=given.get(row.id, ()),
            params=run_params.get(row.id, {}),
            metrics=metrics.get(row.id, {}),
            tags=run_tags.get(row.id, {}),
        )
        for row in rows
    ]


def _texts(connection: Connection, table: Table, run_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    query = select(table.c.run_id, table.c.key, table.c.value).where(table.c.run_id.in_(run_ids)).order_by(table.c.key)
    for run_id, key, value in plain_rows(connection, query):
        found.setdefault(run_id, {})[key] = value
    return found
