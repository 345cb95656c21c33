"""Brings runs, a hundred at a time: taken in whole, given their files, marked as whole, read again and counted.

A run whose mark says what the source says now is left alone. Every step may be repeated, so a run that was cut off in
the middle is simply brought again. Called by `importing.py`, page by page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tidewheel.app import Platform
from tidewheel.base.errors import Conflict, NotFound, TidewheelError
from tidewheel.migrate.artifacts import PROXIED, ArtifactCopier
from tidewheel.migrate.clocks import instant
from tidewheel.migrate.histories import Histories
from tidewheel.migrate.progress import Progress
from tidewheel.migrate.records import IMPORTED_FROM, Counts, Options, Problem
from tidewheel.migrate.run_counts import count_here, count_there
from tidewheel.migrate.source_records import Point, SourceRun
from tidewheel.migrate.state import State, hash_of
from tidewheel.tracking import DatasetInput, Experiment, Run
from tidewheel.tracking.logged_model_records import RunModel
from tidewheel.tracking.records import RUN_NAME_TAG
from tidewheel.tracking.run_adoption import AdoptedRun, RunTally

_RUNS_A_STEP = 100
_POINTS_A_STEP = 50_000


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
        for start in range(0, len(page), _RUNS_A_STEP):
            step = page[start : start + _RUNS_A_STEP]
            self.roots |= {run.artifact_uri.rstrip("/"): f"runs:/{run.id}" for run in step}
            self._bring_step(step, progress)

    def _bring_step(self, step: Sequence[SourceRun], progress: Progress) -> None:
        found = self.platform.tracking.tallies([run.id for run in step])
        states = {run.id: _state(run, found.get(run.id), self.options) for run in step}
        fresh = [run for run in step if states[run.id] is None]
        self.unchanged += len(step) - len(fresh)
        self.new += sum(run.id not in found for run in fresh)
        self.updated += sum(run.id in found for run in fresh)
        points = self.histories.read(fresh)
        for run in fresh:
            states[run.id] = State(hash_of(run), len(points[run.id]))
        adopted = self._adopted(fresh, points, found)
        written = adopted if self.options.dry_run else self._write(adopted)
        homes = {run.id: found[run.id].run.artifact_uri for run in step if run not in fresh}
        homes |= {each.run.id: each.run.artifact_uri for each in written}
        kept = {run_id: state for run_id, state in states.items() if state is not None}
        self._bring_files([run for run in step if run.id in homes], homes, kept)
        marks = {run_id: kept[run_id].to_tag() for run_id in homes if kept[run_id] != _marked(found.get(run_id))}
        if not self.options.dry_run:
            self.platform.tracking.tag_runs(marks)
        self._count(step, kept)
        progress.advance(len(step), points=sum(map(len, points.values())))

    def _adopted(
        self, fresh: Sequence[SourceRun], points: Mapping[str, list[Point]], found: Mapping[str, RunTally]
    ) -> list[AdoptedRun]:
        adopted = []
        for run in fresh:
            try:
                here = found[run.id].run if run.id in found else None
                adopted.append(self._adopt(run, points[run.id], here))
            except TidewheelError as error:
                self.problems.append(Problem(f"run {run.id}", error.message))
        return adopted

    def _adopt(self, run: SourceRun, points: Sequence[Point], here: Run | None) -> AdoptedRun:
        if here is not None and IMPORTED_FROM not in here.tags:
            raise Conflict("A run of this id is here that did not come by an import; it is left as it is.")
        home = self.experiments.get(run.experiment_id)
        if home is None and not self.options.dry_run:
            raise NotFound("Its experiment did not come over.")
        status: Any = run.status
        root = home.artifact_root(run.id) if home else ""
        tags = {key: value for key, value in run.tags.items() if key != RUN_NAME_TAG}
        taken = Run(
            id=run.id,
            experiment_id=here.experiment_id if here else home.id if home else "0",
            experiment=home.name if home else "",
            name=run.name or run.tags.get(RUN_NAME_TAG, ""),
            user=run.user,
            status=status,
            lifecycle_stage=run.stage,
            started_at=instant(run.started_at_ms),
            ended_at=instant(run.ended_at_ms) if run.ended_at_ms is not None else None,
            artifact_uri=here.artifact_uri if here else _kept_here(root, run.id),
            datasets=tuple(
                DatasetInput(d.name, d.digest, d.source_type, d.source, d.schema, d.profile, d.tags)
                for d in run.datasets
            ),
            params=run.params,
            tags={**tags, IMPORTED_FROM: self.label},
        )
        made = [RunModel(model_id, step) for model_id, step in run.model_outputs]
        return AdoptedRun(
            run=taken,
            points=[(key, step, at_ms * 1000, value) for key, value, at_ms, step in points],
            models_used=run.model_inputs if self.options.models else (),
            models_made=made if self.options.models else (),
        )

    def _write(self, adopted: Sequence[AdoptedRun]) -> list[AdoptedRun]:
        """Take runs in, many in one transaction; where that is refused one by one. Returns those that are in."""
        written: list[AdoptedRun] = []
        for together in _portions(adopted):
            try:
                self.platform.tracking.adopt_runs(together)
                written += together
            except TidewheelError:
                written += [each for each in together if self._write_one(each)]
        return written

    def _write_one(self, adopted: AdoptedRun) -> bool:
        try:
            for start in range(0, max(1, len(adopted.points)), _POINTS_A_STEP):
                some = replace(adopted, points=adopted.points[start : start + _POINTS_A_STEP])
                self.platform.tracking.adopt_runs([some])
        except TidewheelError as error:
            self.problems.append(Problem(f"run {adopted.run.id}", error.message))
            return False
        return True

    def _bring_files(self, runs: Sequence[SourceRun], homes: Mapping[str, str], states: dict[str, State]) -> None:
        """Bring the files of runs that have not come yet; into `states` goes what there is."""
        for run in runs:
            if not self.options.artifacts or states[run.id].files is not None:
                continue
            held = self.copier.bring(run.artifact_uri, homes[run.id])
            if held is not None:
                states[run.id] = replace(states[run.id], files=held.files, bytes=held.size_bytes)

    def _count(self, step: Sequence[SourceRun], states: Mapping[str, State]) -> None:
        self.there.add(count_there(step, states, models=self.options.models))
        if not self.options.dry_run:
            self.here.add(count_here(self.platform, step, states))


def _state(run: SourceRun, here: RunTally | None, options: Options) -> State | None:
    """What the mark of a run says, if the run came over whole, but for its files, and has not changed there."""
    state = _marked(here)
    if here is None or state is None or options.everything or run.status == "RUNNING":
        return None
    return state if state.hash == hash_of(run) and here.run.lifecycle_stage == run.stage else None


def _marked(here: RunTally | None) -> State | None:
    """What the mark of a run says that is here."""
    return State.from_tags(here.run.tags) if here else None


def _kept_here(root: str, run_id: str) -> str:
    """Where files go: also of an experiment whose own runs keep theirs elsewhere."""
    return root if root.startswith(PROXIED) else f"{PROXIED}imported/{run_id}/artifacts"


def _portions(adopted: Sequence[AdoptedRun]) -> Iterator[list[AdoptedRun]]:
    """Runs to be taken in together: not more than so many points."""
    together: list[AdoptedRun] = []
    points = 0
    for each in adopted:
        if together and points + len(each.points) > _POINTS_A_STEP:
            yield together
            together, points = [], 0
        together.append(each)
        points += len(each.points)
    if together:
        yield together
