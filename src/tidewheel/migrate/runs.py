"""Brings runs: begun under their own ids and times, described, measured, given their files, ended, and marked as whole.

A run whose mark says what the source says now is left alone. Every step may be repeated, so a run that was cut off in
the middle is simply brought again. Called by `importing.py`, page by page.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tidewheel.app import Platform
from tidewheel.base.errors import Conflict, NotFound, TidewheelError
from tidewheel.migrate.artifacts import ArtifactCopier
from tidewheel.migrate.clocks import instant
from tidewheel.migrate.histories import Histories
from tidewheel.migrate.progress import Progress
from tidewheel.migrate.records import IMPORTED_FROM, Counts, Options, Problem
from tidewheel.migrate.source_records import Point, SourceRun
from tidewheel.migrate.state import State, hash_of
from tidewheel.tracking import Experiment, MetricPoint, Run
from tidewheel.tracking.logged_model_records import RunModel

_RUNS_A_READ = 100
_POINTS_A_BATCH = 20_000
_ENDED = ("FINISHED", "FAILED", "KILLED")


@dataclass(slots=True)
class RunBringer:
    """Brings the runs of one source. `new`, `updated` and `unchanged` count them."""

    platform: Platform
    label: str
    options: Options
    experiments: dict[str, Experiment]
    histories: Histories
    copier: ArtifactCopier
    problems: list[Problem]
    there: Counts
    here: Counts
    roots: dict[str, str] = field(default_factory=dict)
    new: int = 0
    updated: int = 0
    unchanged: int = 0

    def bring(self, page: Sequence[SourceRun], progress: Progress) -> None:
        """Bring a page of runs."""
        for start in range(0, len(page), _RUNS_A_READ):
            found = {run.id: self._find(run.id) for run in page[start : start + _RUNS_A_READ]}
            fresh = []
            for run in page[start : start + _RUNS_A_READ]:
                self.roots[run.artifact_uri.rstrip("/")] = f"runs:/{run.id}"
                state = State.from_tags(here.tags) if (here := found[run.id]) else None
                if here is not None and state is not None and self._is_whole(run, here, state):
                    self._count_unchanged(run, here, state)
                    progress.advance()
                else:
                    fresh.append(run)
            points = self.histories.read(fresh)
            for run in fresh:
                self._bring_one(run, points[run.id], found[run.id])
                progress.advance(points=len(points[run.id]))

    def _find(self, run_id: str) -> Run | None:
        with suppress(NotFound):
            return self.platform.tracking.run(run_id)
        return None

    def _is_whole(self, run: SourceRun, here: Run, state: State) -> bool:
        if self.options.everything or run.status == "RUNNING":
            return False
        brought = state.files is not None or not self.options.artifacts
        return state.hash == hash_of(run) and here.lifecycle_stage == run.stage and brought

    def _count_unchanged(self, run: SourceRun, here: Run, state: State) -> None:
        self.unchanged += 1
        said = Counts(metric_points=state.points, artifact_files=state.files or 0, artifact_bytes=state.bytes)
        self.there.add(said)
        self.here.add(said)
        self._count_texts(run, here)

    def _bring_one(self, run: SourceRun, history: list[Point], here: Run | None) -> None:
        points = list(dict.fromkeys((key, repr(value), at_ms, step) for key, value, at_ms, step in history))
        self.there.metric_points += len(points)
        if here is None:
            self.new += 1
        else:
            self.updated += 1
        try:
            self._write(run, history, len(points), here)
            written = None if self.options.dry_run else self.platform.tracking.run(run.id)
        except TidewheelError as error:
            self.problems.append(Problem(f"run {run.id}", error.message))
            written = self._find(run.id)
        self._count_texts(run, written)
        if written is not None:
            tracking = self.platform.tracking
            self.here.metric_points += sum(len(tracking.metric_history(run.id, key)) for key in written.metrics)

    def _write(self, run: SourceRun, history: list[Point], points: int, here: Run | None) -> None:
        if self.options.dry_run:
            self._bring_files(run, f"mlflow-artifacts:/0/{run.id}/artifacts")
            return
        if here is not None and IMPORTED_FROM not in here.tags:
            raise Conflict("A run of this id is here that did not come by an import; it is left as it is.")
        tracking = self.platform.tracking
        if here is None:
            here = self._begin(run)
        elif here.lifecycle_stage == "deleted":
            tracking.restore_run(run.id)
        tracking.log_batch(run.id, params=run.params, tags=run.tags)
        for start in range(0, len(history), _POINTS_A_BATCH):
            tracking.log_batch(run.id, metrics=[_point(each) for each in history[start : start + _POINTS_A_BATCH]])
        self._link_models(run)
        held = self._bring_files(run, here.artifact_uri)
        if run.status in _ENDED:
            status: Any = run.status
            tracking.end_run(run.id, status, instant(run.ended_at_ms) if run.ended_at_ms else here.started_at)
        files, size_bytes = (held.files, held.size_bytes) if held else (None, 0)
        tracking.log_batch(run.id, tags=State(hash_of(run), points, files, size_bytes).to_tag())
        if run.stage == "deleted":
            tracking.delete_run(run.id)

    def _begin(self, run: SourceRun) -> Run:
        home = self.experiments.get(run.experiment_id)
        if home is None:
            raise NotFound("Its experiment did not come over.")
        return self.platform.tracking.start_run(
            home.name,
            run.name or None,
            {IMPORTED_FROM: self.label, **run.tags},
            run_id=run.id,
            started_at=instant(run.started_at_ms),
            user=run.user or None,
        )

    def _link_models(self, run: SourceRun) -> None:
        models = self.platform.logged_models
        if run.model_outputs and self.options.models:
            models.log_outputs(run.id, [RunModel(model_id, step) for model_id, step in run.model_outputs])
        if run.model_inputs and self.options.models:
            models.log_inputs(run.id, list(run.model_inputs))

    def _bring_files(self, run: SourceRun, target: str) -> Any:
        if not self.options.artifacts:
            return None
        held = self.copier.bring(run.artifact_uri, target)
        if held is not None:
            self.there.add(Counts(artifact_files=held.files, artifact_bytes=held.size_bytes))
            if not self.options.dry_run:
                here = self.copier.held_here(target)
                self.here.add(Counts(artifact_files=here.files, artifact_bytes=here.size_bytes))
        return held

    def _count_texts(self, run: SourceRun, here: Run | None) -> None:
        """Count params and tags; of those here, only the ones that say what the source says."""
        self.there.add(Counts(runs=1, params=len(run.params), tags=len(run.tags), datasets=len(run.datasets)))
        if here is not None:
            params = sum(here.params.get(key) == value for key, value in run.params.items())
            tags = sum(here.tags.get(key) == value for key, value in run.tags.items())
            self.here.add(Counts(runs=1, params=params, tags=tags))


def _point(point: Point) -> MetricPoint:
    key, value, at_ms, step = point
    return MetricPoint(key, value, step, instant(at_ms))
