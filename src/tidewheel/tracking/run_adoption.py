"""The part of `Tracking` that takes in runs which another tracker kept: whole, under their own ids and times.

`migrate/` calls it, many runs at a time, in one transaction. Unlike the verbs of training code it also writes to runs
that are deleted, or whose experiment is. Taking the same run in again changes only what has changed there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidewheel.base.clock import Clock
from tidewheel.storage import Metadata
from tidewheel.tracking import adoption_store, dataset_store, limits, logged_model_store, metric_store, store
from tidewheel.tracking.logged_model_records import RunModel
from tidewheel.tracking.records import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedRun:
    """A run as it was kept elsewhere; its latest metrics follow from the points."""

    run: Run
    points: Sequence[metric_store.Point] = ()
    models_used: Sequence[str] = ()
    models_made: Sequence[RunModel] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTally:
    """What is kept of a run: the run as it reads, how many points, and how many links to models."""

    run: Run
    points: int = 0
    models: int = 0


class RunAdoption:
    """Takes in and counts whole runs."""

    _metadata: Metadata
    _clock: Clock

    def adopt_runs(self, adopted: Sequence[AdoptedRun]) -> None:
        """Write runs down, all or none. Params that are there stay, tags are set, points are added.

        Raises:
            InvalidInput: if a run holds what no run may hold.
        """
        for each in adopted:
            _check(each)
        now_us = self._clock.now_us()
        with self._metadata.change() as change:
            connection = change.connection
            adoption_store.write_runs(connection, [each.run for each in adopted], now_us)
            metric_store.add_points_of_runs(connection, {each.run.id: each.points for each in adopted if each.points})
            for each in adopted:
                run = each.run
                if run.datasets:
                    dataset_store.link_datasets(connection, run.experiment_id, run.id, run.datasets)
                used = [RunModel(model_id) for model_id in each.models_used]
                logged_model_store.link_models(connection, run.id, "input", used)
                logged_model_store.link_models(connection, run.id, "output", each.models_made)
                facts = {"experiment": run.experiment, "name": run.name, "status": run.status, "params": run.params}
                change.emit("tracking.run.adopted", run.node, {**facts, "tags": run.tags, "stage": run.lifecycle_stage})

    def tag_runs(self, tags: Mapping[str, Mapping[str, str]]) -> None:
        """Set tags of many runs, by run, in one transaction; deleted ones too."""
        if not tags:
            return
        with self._metadata.change() as change:
            adoption_store.write_tags(change.connection, tags)
            for run_id, values in tags.items():
                change.emit("tracking.run.described", f"run:{run_id}", {"tags": dict(values)})

    def tallies(self, run_ids: Sequence[str]) -> dict[str, RunTally]:
        """What is kept of each of many runs, by run; those that are not there are left out."""
        with self._metadata.read() as connection:
            runs = store.find_runs(connection, run_ids)
            points = adoption_store.count_points(connection, run_ids)
            models = adoption_store.count_models(connection, run_ids)
        return {run.id: RunTally(run=run, points=points.get(run.id, 0), models=models.get(run.id, 0)) for run in runs}


def _check(adopted: AdoptedRun) -> None:
    run = adopted.run
    limits.check_run_id(run.id)
    limits.check_run_name(run.name)
    limits.check_run_name(run.user)
    limits.check_texts(run.params, "param", limits.MAX_PARAM)
    limits.check_texts(run.tags, "tag", limits.MAX_TAG)
    limits.check_datasets(run.datasets)
    limits.check_points(adopted.points)
