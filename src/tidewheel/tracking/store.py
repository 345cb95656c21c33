"""Runs, their params and tags in SQL; experiments and metrics have files of their own."""

from __future__ import annotations

import json
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
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from tidewheel.base.units import from_us, to_us
from tidewheel.storage import Json, schema
from tidewheel.storage.prepared import Among, Prepared, Row
from tidewheel.tracking import metric_store
from tidewheel.tracking.dataset_store import datasets_of_runs
from tidewheel.tracking.experiment_store import experiments
from tidewheel.tracking.records import LifecycleStage, Run, RunStatus

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

_ADD_RUN = Prepared(
    runs.insert(), [column.name for column in runs.c if column.name not in ("ended_at_us", "deleted_at_us")]
)
_ADD_TAGS = Prepared(tags.insert(), tags.c.keys())
_ADD_PARAMS = Prepared(postgresql.insert(params).on_conflict_do_nothing(), params.c.keys())
_DROP_TAGS = Prepared(delete(tags).where(tags.c.run_id == bindparam("run"), Among(tags.c.key, "names")))
_CHANGE_RUN = Prepared(
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(
        {
            column: func.coalesce(bindparam(f"new_{column}", type_=runs.c[column].type), runs.c[column])
            for column in ("status", "ended_at_us", "name")
        }
    )
)
_STAGE = Prepared(select(runs.c.lifecycle_stage).where(runs.c.id == bindparam("run")))
_SOME_PARAMS = Prepared(
    select(params.c.key, params.c.value).where(params.c.run_id == bindparam("run"), Among(params.c.key, "names"))
)
_WHOLE = select(
    *(runs.c[name] for name in ("id", "experiment_id")),
    experiments.c.name,
    *(runs.c[name] for name in ("name", "user", "status", "lifecycle_stage", "started_at_us", "ended_at_us")),
    *(runs.c[name] for name in ("artifact_uri", "inputs")),
).join(experiments, experiments.c.id == runs.c.experiment_id)
_RUNS = Prepared(_WHOLE.where(Among(runs.c.id, "ids")))
_PARAMS, _TAGS = (
    Prepared(select(table).where(Among(table.c.run_id, "ids")).order_by(table.c.run_id, table.c.key))
    for table in (params, tags)
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
    _ADD_RUN.run(connection, **row)
    if run.tags:
        _ADD_TAGS.run_many(connection, _rows(run.id, run.tags))


def lifecycle_stage(connection: Connection, run_id: str) -> LifecycleStage | None:
    """Whether a run is active or deleted; None if there is no such run."""
    found = _STAGE.first(connection, run=run_id)
    return found[0] if found else None


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
    if (status, ended_at_us, name) != (None, None, None):
        _CHANGE_RUN.run(connection, run=run_id, new_status=status, new_ended_at_us=ended_at_us, new_name=name)


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


def find_runs(
    connection: Connection, run_ids: Sequence[str], latest: Mapping[str, Sequence[metric_store.Point]] | None = None
) -> list[Run]:
    """The runs of these ids, whole, in the order of the ids; those that are not there are left out.

    `latest` is for a caller that has read their latest metrics already.
    """
    found = {row[0]: row for row in _RUNS.all(connection, ids=run_ids)}
    return _runs(connection, [found[run_id] for run_id in run_ids if run_id in found], latest)


def find_bare_run(connection: Connection, run_id: str) -> Run | None:
    """The run of an id without what it wrote: its params, metrics, tags and datasets."""
    row = _RUNS.first(connection, ids=[run_id])
    return _run(row) if row else None


def list_runs(connection: Connection, *, experiment_id: str | None, stage: LifecycleStage, limit: int) -> list[Run]:
    """The newest runs, whole, of one experiment or of all."""
    condition = runs.c.lifecycle_stage == stage
    if experiment_id is not None:
        condition &= runs.c.experiment_id == experiment_id
    query = _WHOLE.where(condition).order_by(runs.c.started_at_us.desc(), runs.c.id.desc()).limit(limit)
    return _runs(connection, Prepared(query).all(connection))


def read_params(connection: Connection, run_id: str, keys: Sequence[str]) -> dict[str, str]:
    """Those of a run's params that have one of these keys."""
    return dict(_SOME_PARAMS.all(connection, run=run_id, names=keys))


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


def add_params(connection: Connection, run_id: str, values: Mapping[str, str]) -> int:
    """Write params down, but none over one that the run has already; how many it did not have."""
    return _ADD_PARAMS.run_many(connection, _rows(run_id, values)) if values else 0


def write_tags(connection: Connection, run_id: str, values: Mapping[str, str]) -> None:
    """Set tags, over what they were."""
    if values:
        _DROP_TAGS.run(connection, run=run_id, names=values)
        _ADD_TAGS.run_many(connection, _rows(run_id, values))


def _runs(
    connection: Connection, rows: Sequence[Row], latest: Mapping[str, Sequence[metric_store.Point]] | None = None
) -> list[Run]:
    run_ids = [row[0] for row in rows]
    run_params, run_tags = _texts(_PARAMS, connection, run_ids), _texts(_TAGS, connection, run_ids)
    given = datasets_of_runs(connection, run_ids)
    latest = metric_store.latest_of_runs(connection, run_ids) if latest is None else latest
    return [
        _run(
            row,
            datasets=given.get(row[0], ()),
            params=run_params.get(row[0], {}),
            metrics={key: value for key, _, _, value in latest.get(row[0], ())},
            tags=run_tags.get(row[0], {}),
        )
        for row in rows
    ]


def _run(row: Row, **wrote: Any) -> Run:
    return Run(
        id=row[0],
        experiment_id=row[1],
        experiment=row[2],
        name=row[3],
        user=row[4],
        status=row[5],
        lifecycle_stage=row[6],
        started_at=from_us(row[7]),
        ended_at=from_us(row[8]) if row[8] is not None else None,
        artifact_uri=row[9],
        inputs=tuple(json.loads(row[10])) if row[10] != "[]" else (),
        **wrote,
    )


def _texts(query: Prepared, connection: Connection, run_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for run_id, key, value in query.all(connection, ids=run_ids):
        found.setdefault(run_id, {})[key] = value
    return found


def _rows(run_id: str, values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"run_id": run_id, "key": key, "value": value} for key, value in values.items()]
