"""The part of `Tracking` that writes down what a run did: metrics, params, tags and the datasets it was given.

Params and tags are changes of state and enter the journal; metric points are measurements and do not. A batch is
written in one transaction, all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, InvalidInput, NotFound, TooLarge
from tidewheel.base.units import to_us
from tidewheel.storage import Change, Metadata
from tidewheel.tracking import dataset_store, limits, logged_model_store, metric_store, store
from tidewheel.tracking.logged_model_records import ModelMetric
from tidewheel.tracking.records import RUN_NAME_TAG, DatasetInput, MetricPoint
from tidewheel.tracking.required_run import no_run, require_active_run


class RunWriting:
    """What runs write."""

    _metadata: Metadata
    _clock: Clock

    @door("POST", "/tracking/runs/{run_id}/params")
    def log_params(self, run_id: str, params: dict[str, str]) -> None:
        """Write params down. A param is written once; the same value again is no change.

        Raises:
            Conflict: if one has another value already; then none is written.
        """
        self.log_batch(run_id, params=params)

    @door("POST", "/tracking/runs/{run_id}/metrics")
    def log_metrics(self, run_id: str, metrics: list[MetricPoint]) -> None:
        """Add metric points, all or none; points already there are not added twice."""
        self.log_batch(run_id, metrics=metrics)

    @door("POST", "/tracking/runs/{run_id}/tags")
    def set_tags(self, run_id: str, tags: dict[str, str]) -> None:
        """Set tags, over what they were."""
        self.log_batch(run_id, tags=tags)

    @door("POST", "/tracking/runs/{run_id}/tags/delete")
    def delete_tag(self, run_id: str, key: str) -> None:
        """Drop a tag."""
        with self._metadata.change() as change:
            require_active_run(change.connection, run_id)
            if not store.delete_tag(change.connection, run_id, key):
                raise NotFound(f"No tag with name: {key[:250]} in run with id {run_id}.", fix="`tidewheel runs show`.")
            change.emit("tracking.run.described", f"run:{run_id}", {"deleted_tag": key})

    @door("POST", "/tracking/runs/{run_id}/batch")
    def log_batch(
        self,
        run_id: str,
        *,
        metrics: Sequence[MetricPoint] = (),
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        """Write metrics, params and tags of a run down in one transaction."""
        self.write_batch(run_id, self._points(metrics), params or {}, tags or {})

    def write_batch(
        self,
        run_id: str,
        points: Sequence[metric_store.Point],
        params: Mapping[str, object],
        tags: Mapping[str, object],
        measured: Mapping[str, Sequence[ModelMetric]] | None = None,
    ) -> None:
        """As `log_batch`, for callers that have points as plain numbers; `measured` is what of it is said of models."""
        limits.check_points(points)
        new_params = limits.check_texts(params, "param", limits.MAX_PARAM)
        new_tags = limits.check_texts(tags, "tag", limits.MAX_TAG)
        if not new_params and not new_tags:
            with self._metadata.record() as connection:
                require_active_run(connection, run_id)
                _measure(connection, run_id, points, measured)
            return
        with self._metadata.change() as change:
            require_active_run(change.connection, run_id)
            if store.add_params(change.connection, run_id, new_params) < len(new_params):
                _refuse_other_values(change.connection, run_id, new_params)
            _tag(change, run_id, new_tags)
            _measure(change.connection, run_id, points, measured)
            change.emit("tracking.run.described", f"run:{run_id}", {"params": new_params, "tags": new_tags})

    @door("POST", "/tracking/runs/{run_id}/datasets")
    def log_datasets(self, run_id: str, datasets: list[DatasetInput]) -> None:
        """Say which datasets a run was given."""
        limits.check_datasets(datasets)
        with self._metadata.change() as change:
            require_active_run(change.connection, run_id)
            experiment_id = store.experiment_of(change.connection, run_id)
            if experiment_id is None:
                raise no_run(run_id)
            if datasets:
                dataset_store.link_datasets(change.connection, experiment_id, run_id, datasets)
            named = [{"name": dataset.name, "digest": dataset.digest} for dataset in datasets]
            change.emit("tracking.run.given", f"run:{run_id}", {"datasets": named})

    def _points(self, metrics: Sequence[MetricPoint]) -> list[metric_store.Point]:
        if len(metrics) > limits.MAX_POINTS:
            raise TooLarge(f"{len(metrics)} points came at once.", fix=f"Send at most {limits.MAX_POINTS}.")
        now_us = self._clock.now_us()
        try:
            return [(p.key, int(p.step), to_us(p.at) if p.at else now_us, float(p.value)) for p in metrics]
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"A metric point is not made of numbers: {error}.", fix="Give floats.") from None


def _measure(
    connection: Connection,
    run_id: str,
    points: Sequence[metric_store.Point],
    measured: Mapping[str, Sequence[ModelMetric]] | None,
) -> None:
    if points:
        metric_store.add_points(connection, run_id, points)
    if measured:
        logged_model_store.add_metrics(connection, measured)


def _tag(change: Change, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags; the one in which MLflow's clients keep a run's name names the run instead."""
    if tags.get(RUN_NAME_TAG):
        store.change_run(change.connection, run_id, name=limits.check_run_name(tags[RUN_NAME_TAG]))
    store.write_tags(change.connection, run_id, {key: value for key, value in tags.items() if key != RUN_NAME_TAG})


def _refuse_other_values(connection: Connection, run_id: str, values: Mapping[str, str]) -> None:
    written = store.read_params(connection, run_id, list(values))
    for key, value in values.items():
        if written[key] != value:
            raise Conflict(
                f"Changing param values is not allowed. Param with key={key!r} of the run {run_id} is {written[key]!r} "
                f"already, and cannot become {value!r}.",
                fix="Params are written once; use a tag for what changes, or another run.",
            )
