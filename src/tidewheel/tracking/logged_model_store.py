"""Logged models, their params, tags and metrics, and which run used or made them, in SQL. Search has its own file.

`add_metrics`, `link_models` and `models_of_runs` are also what the run's own writes and reads call, in their own
transaction. A metric's key is (model, key, instant, step, run), as in MLflow, so that a batch sent again adds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Row,
    Table,
    Text,
    bindparam,
    delete,
    select,
    update,
)

from tidewheel.base.units import from_us, to_us
from tidewheel.storage import schema
from tidewheel.storage.conflicts import insert_into
from tidewheel.storage.prepared import Among, Prepared
from tidewheel.tracking.logged_model_records import LoggedModel, LoggedModelStatus, ModelMetric, RunModel
from tidewheel.tracking.records import LifecycleStage

Role = Literal["input", "output"]
_PAGE = 1000

models = Table(
    "tracking_logged_models",
    schema,
    Column("id", Text, primary_key=True),
    Column("experiment_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("artifact_location", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_message", Text, nullable=False),
    Column("lifecycle_stage", Text, nullable=False),
    Column("model_type", Text, nullable=False),
    Column("source_run_id", Text, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("updated_at_us", BigInteger, nullable=False),
    Index("ix_tracking_logged_models_experiment_id_created_at_us", "experiment_id", "created_at_us"),
    Index("ix_tracking_logged_models_source_run_id", "source_run_id"),
)
params = Table(
    "tracking_logged_model_params",
    schema,
    Column("model_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
tags = Table(
    "tracking_logged_model_tags",
    schema,
    Column("model_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
metrics = Table(
    "tracking_logged_model_metrics",
    schema,
    Column("model_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("at_us", BigInteger, primary_key=True, autoincrement=False),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("run_id", Text, primary_key=True),
    Column("value", Double, nullable=False),
    Column("is_nan", Boolean, nullable=False),
    Column("dataset_name", Text),
    Column("dataset_digest", Text),
)
run_models = Table(
    "tracking_run_models",
    schema,
    Column("run_id", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("model_id", Text, primary_key=True),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
)
_OF_RUNS = Prepared(
    select(run_models.c.run_id, run_models.c.model_id, run_models.c.step)
    .where(Among(run_models.c.run_id, "ids"), run_models.c.role == bindparam("as_role"))
    .order_by(run_models.c.step, run_models.c.model_id)
)


def add_model(connection: Connection, model: LoggedModel) -> None:
    """Write a new model down, with its params and tags."""
    connection.execute(
        models.insert().values(
            id=model.id,
            experiment_id=model.experiment_id,
            name=model.name,
            artifact_location=model.artifact_location,
            status=model.status,
            status_message=model.status_message,
            lifecycle_stage=model.lifecycle_stage,
            model_type=model.model_type,
            source_run_id=model.source_run_id,
            created_at_us=to_us(model.created_at),
            updated_at_us=to_us(model.updated_at),
        )
    )
    add_params(connection, model.id, model.params)
    write_tags(connection, model.id, model.tags)


def exists(connection: Connection, model_id: str) -> bool:
    """Whether there is a model of an id, deleted or not."""
    return location(connection, model_id) is not None


def location(connection: Connection, model_id: str) -> str | None:
    """Where a model's files are, or None if there is no such model."""
    found: str | None = connection.execute(select(models.c.artifact_location).where(models.c.id == model_id)).scalar()
    return found


def location_in_run(connection: Connection, run_id: str, name: str) -> str | None:
    """Where the files of the newest model are that a run made under a name, or None."""
    query = (
        select(models.c.artifact_location)
        .where(models.c.source_run_id == run_id, models.c.name == name, models.c.lifecycle_stage == "active")
        .order_by(models.c.created_at_us.desc(), models.c.id)
        .limit(1)
    )
    found: str | None = connection.execute(query).scalar()
    return found


def find_models(connection: Connection, model_ids: Sequence[str]) -> list[LoggedModel]:
    """The models of these ids, whole, in their order; those that are not there are left out."""
    rows = {row.id: row for row in connection.execute(select(models).where(models.c.id.in_(model_ids)))}
    found = list(rows)
    model_params, model_tags = _texts(connection, params, found), _texts(connection, tags, found)
    measured = _metrics(connection, found)
    return [
        _model(rows[id_], model_params.get(id_, {}), model_tags.get(id_, {}), measured.get(id_, []))
        for id_ in model_ids
        if id_ in rows
    ]


def read_params(connection: Connection, model_id: str) -> dict[str, str]:
    """A model's params."""
    return _texts(connection, params, [model_id]).get(model_id, {})


def add_params(connection: Connection, model_id: str, values: Mapping[str, str]) -> None:
    """Write params down that the model does not have yet."""
    if values:
        rows = [{"model_id": model_id, "key": key, "value": value} for key, value in values.items()]
        connection.execute(params.insert(), rows)


def write_tags(connection: Connection, model_id: str, values: Mapping[str, str]) -> None:
    """Set tags, over what they were."""
    if values:
        connection.execute(delete(tags).where(tags.c.model_id == model_id, tags.c.key.in_(list(values))))
        rows = [{"model_id": model_id, "key": key, "value": value} for key, value in values.items()]
        connection.execute(tags.insert(), rows)


def delete_tag(connection: Connection, model_id: str, key: str) -> bool:
    """Remove a tag; false if there is none."""
    return connection.execute(delete(tags).where(tags.c.model_id == model_id, tags.c.key == key)).rowcount > 0


def set_status(connection: Connection, model_id: str, status: LoggedModelStatus, at_us: int) -> None:
    """Say how far a model is."""
    connection.execute(update(models).where(models.c.id == model_id).values(status=status, updated_at_us=at_us))


def set_stage(connection: Connection, model_id: str, stage: LifecycleStage, at_us: int) -> None:
    """Put a model aside, or take it back."""
    change = update(models).where(models.c.id == model_id)
    connection.execute(change.values(lifecycle_stage=stage, updated_at_us=at_us))


def add_metrics(connection: Connection, measured: Mapping[str, Sequence[ModelMetric]]) -> None:
    """Add what was measured of each model, by its id; values already there are left as they are."""
    rows = [
        {
            "model_id": model_id, "key": m.key, "at_us": to_us(m.at), "step": m.step, "run_id": m.run_id,
            "value": 0.0 if math.isnan(m.value) else m.value, "is_nan": math.isnan(m.value),
            "dataset_name": m.dataset_name, "dataset_digest": m.dataset_digest,
        }
        for model_id, values in measured.items()
        for m in values
    ]  # fmt: skip
    if rows:
        connection.execute(insert_into(connection, metrics).on_conflict_do_nothing(), rows)


def link_models(connection: Connection, run_id: str, role: Role, linked: Sequence[RunModel]) -> None:
    """Note that a run used or made models; what is noted already stays."""
    rows = [{"run_id": run_id, "role": role, "model_id": model.model_id, "step": model.step} for model in linked]
    if rows:
        connection.execute(insert_into(connection, run_models).on_conflict_do_nothing(), rows)


def models_of_runs(connection: Connection, run_ids: Sequence[str], role: Role) -> dict[str, list[RunModel]]:
    """The models that runs used or made, by run."""
    found: dict[str, list[RunModel]] = {}
    for run_id, model_id, step in _OF_RUNS.all(connection, ids=run_ids, as_role=role):
        found.setdefault(run_id, []).append(RunModel(model_id, step))
    return found


def purge_runs(connection: Connection, run_ids: Sequence[str]) -> None:
    """Forget what runs measured of models and which they used or made; part of deleting runs for good."""
    connection.execute(delete(metrics).where(metrics.c.run_id.in_(run_ids)))
    connection.execute(delete(run_models).where(run_models.c.run_id.in_(run_ids)))


def purge_experiments(connection: Connection, experiment_ids: Sequence[str]) -> list[str]:
    """Forget the models of experiments, deleted or not; where their files are."""
    gone = connection.execute(
        select(models.c.id, models.c.artifact_location).where(models.c.experiment_id.in_(experiment_ids))
    ).all()
    for start in range(0, len(gone), _PAGE):
        page = [row.id for row in gone[start : start + _PAGE]]
        for table in (params, tags, metrics, run_models):
            connection.execute(delete(table).where(table.c.model_id.in_(page)))
        connection.execute(delete(models).where(models.c.id.in_(page)))
    return [row.artifact_location for row in gone]


def _model(
    row: Row[Any], model_params: dict[str, str], model_tags: dict[str, str], measured: list[ModelMetric]
) -> LoggedModel:
    return LoggedModel(
        id=row.id,
        experiment_id=row.experiment_id,
        name=row.name,
        artifact_location=row.artifact_location,
        status=row.status,
        status_message=row.status_message,
        lifecycle_stage=row.lifecycle_stage,
        model_type=row.model_type,
        source_run_id=row.source_run_id,
        created_at=from_us(row.created_at_us),
        updated_at=from_us(row.updated_at_us),
        params=model_params,
        tags=model_tags,
        metrics=tuple(measured),
    )


def _texts(connection: Connection, table: Table, model_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in connection.execute(select(table).where(table.c.model_id.in_(model_ids)).order_by(table.c.key)):
        found.setdefault(row.model_id, {})[row.key] = row.value
    return found


def _metrics(connection: Connection, model_ids: Sequence[str]) -> dict[str, list[ModelMetric]]:
    found: dict[str, list[ModelMetric]] = {}
    query = select(metrics).where(metrics.c.model_id.in_(model_ids))
    for row in connection.execute(query.order_by(metrics.c.key, metrics.c.at_us, metrics.c.step, metrics.c.run_id)):
        value = math.nan if row.is_nan else row.value
        found.setdefault(row.model_id, []).append(
            ModelMetric(
                key=row.key,
                value=value,
                step=row.step,
                at=from_us(row.at_us),
                run_id=row.run_id,
                dataset_name=row.dataset_name,
                dataset_digest=row.dataset_digest,
            )
        )
    return found
