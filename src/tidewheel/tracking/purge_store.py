"""Deleting for good, in SQL: what was deleted long ago goes with all rows that speak of it, over every table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from tidewheel.tracking import artifact_store, logged_model_store, metric_store, store
from tidewheel.tracking.artifact_uris import path_of
from tidewheel.tracking.dataset_store import datasets, purge_datasets
from tidewheel.tracking.experiment_store import experiment_tags, experiments
from tidewheel.tracking.view_store import views

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Gone:
    """What is to be purged, by id."""

    experiment_ids: list[str]
    run_ids: list[str]


def deleted_before(connection: Connection, before_us: int) -> Gone:
    """What was deleted before an instant: experiments with all their runs, and runs of their own."""
    aged = select(experiments.c.id).where(
        experiments.c.lifecycle_stage == "deleted", experiments.c.updated_at_us < before_us
    )
    experiment_ids = list(connection.execute(aged).scalars())
    return Gone(experiment_ids, store.deleted_run_ids(connection, before_us, experiment_ids))


def purge(connection: Connection, gone: Gone) -> int:
    """Forget it all; how many artifacts went with it."""
    artifacts = 0
    for start in range(0, len(gone.run_ids), _PAGE):
        page = gone.run_ids[start : start + _PAGE]
        artifacts += _purge_artifacts(connection, page)
        metric_store.purge_metrics(connection, page)
        purge_datasets(connection, page)
        logged_model_store.purge_runs(connection, page)
        store.purge_runs(connection, page)
    artifacts += _delete_below(connection, logged_model_store.purge_experiments(connection, gone.experiment_ids))
    for table in (datasets, views):
        connection.execute(delete(table).where(table.c.experiment_id.in_(gone.experiment_ids)))
    connection.execute(delete(experiment_tags).where(experiment_tags.c.experiment_id.in_(gone.experiment_ids)))
    connection.execute(delete(experiments).where(experiments.c.id.in_(gone.experiment_ids)))
    return artifacts


def _purge_artifacts(connection: Connection, run_ids: Sequence[str]) -> int:
    addresses = connection.execute(select(store.runs.c.artifact_uri).where(store.runs.c.id.in_(run_ids))).scalars()
    return _delete_below(connection, list(addresses))


def _delete_below(connection: Connection, addresses: Sequence[str]) -> int:
    roots = [path for path in map(path_of, addresses) if path]
    return sum(len(artifact_store.delete_artifacts(connection, root)) for root in roots)
