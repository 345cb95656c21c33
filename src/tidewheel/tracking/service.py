"""Tracking's verbs: runs are begun, described, measured and ended; no run changes what another has written.

`app.py` constructs it; training code reaches it through the SDK (`sdk.py`), pipelines for the run of each execution.
Params and tags are changes of state and enter the journal; metric points are measurements and do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, InvalidInput, NotFound, Taken, TooLarge
from tidewheel.base.ids import new_id
from tidewheel.base.units import from_us, to_us
from tidewheel.storage import Blobs, Metadata
from tidewheel.storage.journal import current_actor
from tidewheel.tracking import artifact_uris, experiment_store, limits, metric_store, store
from tidewheel.tracking.artifact_paths import check_path
from tidewheel.tracking.artifacts import Artifacts
from tidewheel.tracking.experiments import ensure_experiment
from tidewheel.tracking.metric_series import MAX_SERIES_POINTS, Series, SeriesAxis, read_series
from tidewheel.tracking.records import (
    DEFAULT_EXPERIMENT,
    Artifact,
    EndStatus,
    LifecycleStage,
    MetricPoint,
    Run,
    RunComparison,
)


class Tracking:
    """Keeps what training runs did."""

    def __init__(self, metadata: Metadata, blobs: Blobs, clock: Clock) -> None:
        self._metadata = metadata
        self._artifacts = Artifacts(metadata, blobs, clock)
        self._clock = clock
        self.spool_folder: Path | None = None  # where the SDK keeps what is not delivered yet; app.py says

    @property
    def clock(self) -> Clock:
        """What tells the time here; points without an instant get its present one."""
        return self._clock

    @door("POST", "/tracking/runs")
    def start_run(
        self,
        experiment: str = DEFAULT_EXPERIMENT,
        name: str | None = None,
        tags: dict[str, str] | None = None,
        inputs: list[str] | None = None,
        run_id: str | None = None,
        started_at: datetime | None = None,
    ) -> Run:
        """Begin a run in an experiment, which is made if it is not there.

        `inputs` are lineage nodes that it builds on; `run_id` is an id of the caller's choice, not in use yet. A caller
        that also says when the run began may send the same beginning twice, as one does whose answer got lost.
        """
        limits.check_experiment_name(experiment)
        run_tags = limits.check_texts(tags or {}, "tag", limits.MAX_TAG)
        run_id = limits.check_run_id(run_id) if run_id is not None else new_id("run")
        name = limits.check_run_name(name or f"run-{run_id[-8:]}")
        nodes = limits.check_inputs(inputs or ())
        with self._metadata.change() as change:
            home = ensure_experiment(change, self._clock.now_us(), experiment)
            if store.lifecycle_stage(change.connection, run_id) is not None:
                sent_before = store.find_runs(change.connection, [run_id])[0]
                if (started_at, current_actor(), home.id) == (
                    sent_before.started_at,
                    sent_before.user,
                    sent_before.experiment_id,
                ):
                    return sent_before
                raise Taken(f"There is a run {run_id!r} already.", fix="Resume it, or choose another id.")
            if home.lifecycle_stage == "deleted":
                raise Conflict(f"The experiment {experiment!r} is deleted.", fix="Restore it, or use another.")
            run = Run(
                id=run_id,
                experiment_id=home.id,
                experiment=home.name,
                name=name,
                user=current_actor(),
                status="RUNNING",
                lifecycle_stage="active",
                started_at=started_at or from_us(self._clock.now_us()),
                artifact_uri=home.artifact_root(run_id),
                inputs=nodes,
                tags=run_tags,
            )
            store.add_run(change.connection, run)
            facts = {"experiment": home.name, "name": run.name, "tags": run_tags}
            change.emit("tracking.run.started", run.node, facts, inputs=run.inputs)
        return run

    @door("POST", "/tracking/runs/{run_id}/resume")
    def resume_run(self, run_id: str) -> Run:
        """Say that a run which ended, or was cut off, is running again."""
        with self._metadata.change() as change:
            _require_active(change.connection, run_id)
            store.set_status(change.connection, run_id, "RUNNING", None)
            change.emit("tracking.run.resumed", f"run:{run_id}")
        return self.run(run_id)

    @door("POST", "/tracking/runs/{run_id}/end")
    def end_run(self, run_id: str, status: EndStatus = "FINISHED", ended_at: datetime | None = None) -> Run:
        """Say how a run ended, and when if that was not just now."""
        ended_at_us = to_us(ended_at) if ended_at else self._clock.now_us()
        with self._metadata.change() as change:
            _require_active(change.connection, run_id)
            store.set_status(change.connection, run_id, status, ended_at_us)
            change.emit("tracking.run.ended", f"run:{run_id}", {"status": status})
        return self.run(run_id)

    @door("GET", "/tracking/runs/{run_id}")
    def run(self, run_id: str) -> Run:
        """A run with its params, tags and latest metrics."""
        with self._metadata.read() as connection:
            found = store.find_runs(connection, [run_id])
        if not found:
            raise _no_run(run_id)
        return found[0]

    @door("GET", "/tracking/runs")
    def runs(self, experiment: str | None = None, limit: int = 100, stage: LifecycleStage = "active") -> list[Run]:
        """The newest runs of an experiment, or of all."""
        with self._metadata.read() as connection:
            found = experiment_store.find_experiment(connection, name=experiment) if experiment is not None else None
            if experiment is not None and found is None:
                raise NotFound(f"There is no experiment {experiment!r}.", fix="`tidewheel runs ls` lists them.")
            experiment_id = found.id if found else None
            return store.list_runs(connection, experiment_id=experiment_id, stage=stage, limit=limit)

    @door("GET", "/tracking/runs/{run_id}/series")
    def series(
        self,
        run_id: str,
        key: str,
        points: int = 1000,
        axis: SeriesAxis = "step",
        low: float | None = None,
        high: float | None = None,
    ) -> Series:
        """A metric for a chart: at most `points` of its points, chosen so that no peak is lost.

        `low` and `high` bound a stretch of the axis: steps, or seconds since 1970 where the axis is "time".
        """
        if not 1 <= points <= MAX_SERIES_POINTS:
            raise InvalidInput(f"A chart has between 1 and {MAX_SERIES_POINTS} points, not {points}.", where="points")
        with self._metadata.read() as connection:
            _require(connection, run_id)
            return read_series(connection, run_id, key, points, axis, low, high)

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
        points = self._points(metrics)
        new_params = limits.check_texts(params or {}, "param", limits.MAX_PARAM)
        new_tags = limits.check_texts(tags or {}, "tag", limits.MAX_TAG)
        if not new_params and not new_tags:
            with self._metadata.record() as connection:
                _require_active(connection, run_id)
                if points:
                    metric_store.add_points(connection, run_id, points)
            return
        with self._metadata.change() as change:
            _require_active(change.connection, run_id)
            store.add_params(change.connection, run_id, _unwritten(change.connection, run_id, new_params))
            store.write_tags(change.connection, run_id, new_tags)
            if points:
                metric_store.add_points(change.connection, run_id, points)
            change.emit("tracking.run.described", f"run:{run_id}", {"params": new_params, "tags": new_tags})

    @door("GET", "/tracking/runs/{run_id}/history")
    def metric_history(self, run_id: str, key: str) -> list[MetricPoint]:
        """All points of a metric, by step and instant."""
        with self._metadata.read() as connection:
            _require(connection, run_id)
            return metric_store.metric_history(connection, run_id, key)

    @door("GET", "/tracking/compare")
    def compare(self, run_ids: list[str]) -> RunComparison:
        """Runs side by side: the params and tags in which they differ, and all metrics."""
        with self._metadata.read() as connection:
            found = {run.id: run for run in store.find_runs(connection, run_ids)}
        missing = [run_id for run_id in run_ids if run_id not in found]
        if missing:
            raise _no_run(missing[0])
        chosen = [found[run_id] for run_id in run_ids]
        metrics = {key: tuple(run.metrics.get(key) for run in chosen) for key in _keys([r.metrics for r in chosen])}
        params, tags = _differing([run.params for run in chosen]), _differing([run.tags for run in chosen])
        return RunComparison(tuple(run_ids), params, tags, metrics)

    def log_artifact(self, run_id: str, source: Path | bytes, path: str | None = None) -> list[Artifact]:
        """Keep a file, a folder's files, or bytes with a run.

        `path` is where among the run's artifacts; a file or folder without one keeps its own name.
        """
        if path is None and isinstance(source, bytes):
            raise InvalidInput("Bytes have no name of their own.", fix="Pass path=…")
        name = check_path(path if isinstance(source, bytes) or path is not None else source.resolve().name)
        with self._metadata.read() as connection:
            _require_active(connection, run_id)
            root = artifact_uris.run_root(connection, run_id)
        return _below(root, self._artifacts.put(f"{root}/{name}", source))

    @door("GET", "/tracking/runs/{run_id}/artifacts")
    def artifacts(self, run_id: str) -> list[Artifact]:
        """What a run kept, by path."""
        root = self._artifact_root(run_id)
        return _below(root, self._artifacts.below(root))

    def fetch_artifact(self, run_id: str, path: str, target: Path) -> Path:
        """Write an artifact to `target`, checked against its BLAKE3."""
        root = self._artifact_root(run_id)
        try:
            found = self._artifacts.open(f"{root}/{path}")
        except NotFound:
            raise NotFound(
                f"The run {run_id} kept no artifact {path!r}.", fix="`tidewheel runs show` lists them."
            ) from None
        return found.fetch(target)

    @door("POST", "/tracking/runs/{run_id}/delete")
    def delete_run(self, run_id: str) -> None:
        """Put a run aside; it can be restored."""
        with self._metadata.change() as change:
            _require(change.connection, run_id)
            store.set_lifecycle_stage(change.connection, run_id, "deleted")
            change.emit("tracking.run.deleted", f"run:{run_id}")

    @door("POST", "/tracking/runs/{run_id}/restore")
    def restore_run(self, run_id: str) -> None:
        """Take a deleted run back."""
        with self._metadata.change() as change:
            _require(change.connection, run_id)
            store.set_lifecycle_stage(change.connection, run_id, "active")
            change.emit("tracking.run.restored", f"run:{run_id}")

    def _points(self, metrics: Sequence[MetricPoint]) -> list[metric_store.Point]:
        if len(metrics) > limits.MAX_POINTS:
            raise TooLarge(f"{len(metrics)} points came at once.", fix=f"Send at most {limits.MAX_POINTS}.")
        now_us = self._clock.now_us()
        for key in {point.key for point in metrics}:
            limits.check_key(key, "metric")
        try:
            return [(p.key, int(p.step), to_us(p.at) if p.at else now_us, float(p.value)) for p in metrics]
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"A metric point is not made of numbers: {error}.", fix="Give floats.") from None

    def _artifact_root(self, run_id: str) -> str:
        with self._metadata.read() as connection:
            return artifact_uris.run_root(connection, run_id)


def _below(root: str, kept: list[Artifact]) -> list[Artifact]:
    return [replace(artifact, path=artifact.path.removeprefix(f"{root}/")) for artifact in kept]


def _unwritten(connection: Connection, run_id: str, values: Mapping[str, str]) -> dict[str, str]:
    written = store.read_params(connection, run_id)
    for key, value in values.items():
        if written.get(key, value) != value:
            raise Conflict(
                f"The param {key!r} of the run {run_id} is {written[key]!r} already, and cannot become {value!r}.",
                fix="Params are written once; use a tag for what changes, or another run.",
            )
    return {key: value for key, value in values.items() if key not in written}


def _differing(texts: Sequence[Mapping[str, str]]) -> dict[str, tuple[str | None, ...]]:
    rows = {key: tuple(text.get(key) for text in texts) for key in _keys(texts)}
    return {key: row for key, row in rows.items() if len(set(row)) > 1}


def _keys(mappings: Sequence[Mapping[str, object]]) -> list[str]:
    return sorted({key for mapping in mappings for key in mapping})


def _require(connection: Connection, run_id: str) -> LifecycleStage:
    stage = store.lifecycle_stage(connection, run_id)
    if stage is None:
        raise _no_run(run_id)
    return stage


def _require_active(connection: Connection, run_id: str) -> None:
    if _require(connection, run_id) == "deleted":
        raise Conflict(f"The run {run_id} is deleted.", fix="Restore it first.")


def _no_run(run_id: str) -> NotFound:
    return NotFound(f"There is no run {run_id!r}.", fix="`tidewheel runs ls` lists them.")
