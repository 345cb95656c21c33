"""The datasets that runs were given, in SQL: a dataset once an experiment, and a row for each run that used it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, Index, Integer, Table, Text, delete, func, select

from tidewheel.storage import Json, schema
from tidewheel.storage.conflicts import insert_into
from tidewheel.storage.prepared import Among, Prepared
from tidewheel.tracking.records import DatasetInput, DatasetSummary

CONTEXT_TAG = "mlflow.data.context"

datasets = Table(
    "tracking_datasets",
    schema,
    Column("id", Text, primary_key=True),
    Column("experiment_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("source_type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("schema", Text),
    Column("profile", Text),
    Index("ix_tracking_datasets_experiment_id", "experiment_id"),
)
run_datasets = Table(
    "tracking_run_datasets",
    schema,
    Column("run_id", Text, primary_key=True),
    Column("dataset_id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("context", Text),
    Column("tags", Json, nullable=False),
)
_DESCRIBED = ("name", "digest", "source_type", "source", "schema", "profile")
_GIVEN = Prepared(
    select(run_datasets.c.run_id, *(datasets.c[name] for name in _DESCRIBED), run_datasets.c.tags)
    .join(datasets, datasets.c.id == run_datasets.c.dataset_id)
    .where(Among(run_datasets.c.run_id, "ids"))
    .order_by(run_datasets.c.run_id, run_datasets.c.position, datasets.c.name)
)


def link_datasets(connection: Connection, experiment_id: str, run_id: str, given: Sequence[DatasetInput]) -> None:
    """Note that a run was given datasets; what is noted already stays."""
    linked = select(func.count()).select_from(run_datasets).where(run_datasets.c.run_id == run_id)
    position = connection.execute(linked).scalar_one()
    kept: dict[str, dict[str, Any]] = {}
    links: dict[str, dict[str, Any]] = {}
    for dataset in given:
        id_ = _dataset_id(experiment_id, dataset)
        kept[id_] = {
            "id": id_, "experiment_id": experiment_id, "name": dataset.name, "digest": dataset.digest,
            "source_type": dataset.source_type, "source": dataset.source, "schema": dataset.schema,
            "profile": dataset.profile,
        }  # fmt: skip
        links[id_] = {
            "run_id": run_id, "dataset_id": id_, "position": position + len(links),
            "context": dataset.tags.get(CONTEXT_TAG), "tags": dataset.tags,
        }  # fmt: skip
    connection.execute(insert_into(connection, datasets).on_conflict_do_nothing(), list(kept.values()))
    connection.execute(insert_into(connection, run_datasets).on_conflict_do_nothing(), list(links.values()))


def datasets_of_runs(connection: Connection, run_ids: Sequence[str]) -> dict[str, tuple[DatasetInput, ...]]:
    """What runs were given, by run."""
    found: dict[str, list[DatasetInput]] = {}
    for run_id, name, digest, kind, source, columns, profile, tags in _GIVEN.all(connection, ids=run_ids):
        given = DatasetInput(name, digest, kind, source, columns, profile, json.loads(tags))
        found.setdefault(run_id, []).append(given)
    return {run_id: tuple(inputs) for run_id, inputs in found.items()}


def summarise_datasets(connection: Connection, experiment_ids: Sequence[str], limit: int) -> list[DatasetSummary]:
    """The datasets that runs of experiments were given, once for each context."""
    query = (
        select(datasets.c.experiment_id, datasets.c.name, datasets.c.digest, run_datasets.c.context)
        .join(run_datasets, run_datasets.c.dataset_id == datasets.c.id)
        .where(datasets.c.experiment_id.in_(experiment_ids))
        .distinct()
        .order_by(datasets.c.experiment_id, datasets.c.name, datasets.c.digest)
        .limit(limit)
    )
    return [DatasetSummary(*row) for row in connection.execute(query)]


def purge_datasets(connection: Connection, run_ids: Sequence[str]) -> None:
    """Forget what runs were given."""
    connection.execute(delete(run_datasets).where(run_datasets.c.run_id.in_(run_ids)))


def _dataset_id(experiment_id: str, dataset: DatasetInput) -> str:
    named = [experiment_id, dataset.name, dataset.digest]
    return hashlib.sha256("\x00".join(named).encode()).hexdigest()[:32]
