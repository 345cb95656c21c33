"""Whole runs in SQL, many at a time: what taking them in from another tracker writes and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from tidewheel.base.units import to_us
from tidewheel.storage.conflicts import insert_into
from tidewheel.tracking.logged_model_store import run_models
from tidewheel.tracking.metric_store import metrics, points
from tidewheel.tracking.records import Run
from tidewheel.tracking.store import params, runs, tags

_CHANGING = ("name", "user", "status", "lifecycle_stage", "started_at_us", "ended_at_us")


def write_runs(connection: Connection, adopted: Sequence[Run], now_us: int) -> None:
    """Write runs with their params and tags. One that is there keeps its experiment, artifacts and params."""
    statement = insert_into(connection, runs)
    kept = {name: statement.excluded[name] for name in _CHANGING}
    kept["deleted_at_us"] = func.coalesce(runs.c.deleted_at_us, statement.excluded.deleted_at_us)
    rows = [_row(run, now_us) for run in adopted]
    for stage, held in (("active", {"deleted_at_us": None}), ("deleted", {})):
        some = [row for row in rows if row["lifecycle_stage"] == stage]
        if some:
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=kept | held), some)
    texts = [{"run_id": run.id, "key": key, "value": value} for run in adopted for key, value in run.params.items()]
    if texts:
        connection.execute(insert_into(connection, params).on_conflict_do_nothing(), texts)
    write_tags(connection, {run.id: run.tags for run in adopted})


def write_tags(connection: Connection, values: Mapping[str, Mapping[str, str]]) -> None:
    """Set tags of many runs, over what they were."""
    rows = [{"run_id": run_id, "key": key, "value": text} for run_id in values for key, text in values[run_id].items()]
    if rows:
        statement = insert_into(connection, tags)
        value = {"value": statement.excluded.value}
        connection.execute(statement.on_conflict_do_update(index_elements=["run_id", "key"], set_=value), rows)


def count_points(connection: Connection, run_ids: Sequence[str]) -> dict[str, int]:
    """How many points each run has; those without any are left out."""
    query = (
        select(metrics.c.run_id, func.count())
        .select_from(points.join(metrics, metrics.c.id == points.c.metric_id))
        .where(metrics.c.run_id.in_(run_ids))
        .group_by(metrics.c.run_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def count_models(connection: Connection, run_ids: Sequence[str]) -> dict[str, int]:
    """How many logged models each run used or made; those without any are left out."""
    query = select(run_models.c.run_id, func.count()).where(run_models.c.run_id.in_(run_ids))
    return {row[0]: row[1] for row in connection.execute(query.group_by(run_models.c.run_id))}


def _row(run: Run, now_us: int) -> dict[str, Any]:
    return {
        "id": run.id,
        "experiment_id": run.experiment_id,
        "name": run.name,
        "user": run.user,
        "status": run.status,
        "lifecycle_stage": run.lifecycle_stage,
        "started_at_us": to_us(run.started_at),
        "ended_at_us": to_us(run.ended_at) if run.ended_at is not None else None,
        "deleted_at_us": now_us if run.lifecycle_stage == "deleted" else None,
        "artifact_uri": run.artifact_uri,
        "inputs": run.inputs,
    }
