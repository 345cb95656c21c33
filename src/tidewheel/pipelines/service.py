"""Pipelines' verbs: a run is queued by `start`, driven by one process at a time, and resumed by `revive` if that dies.

`app.py` constructs it; `loop` starts runs, the controller revives them, `tidewheel run` executes one at once. A driver
holds the run's lease and renews it; whoever finds a lapsed lease may drive on.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tidewheel.base.clock import Clock, pinned_as_of
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, InvalidInput, NotFound
from tidewheel.base.hashing import canonical_json
from tidewheel.base.ids import new_id
from tidewheel.base.settings import Settings
from tidewheel.base.units import from_us
from tidewheel.pipelines import store
from tidewheel.pipelines.driving import LEASE_S, RunDriver, working_for
from tidewheel.pipelines.executor import Executor, ExecutorLost
from tidewheel.pipelines.local_processes import LocalProcesses
from tidewheel.pipelines.project import split_target
from tidewheel.pipelines.records import PipelineRun, StepRun
from tidewheel.pipelines.runner_pool import RunnerPool
from tidewheel.pipelines.states import ENDED, RunState
from tidewheel.pipelines.step_journal import StepJournal
from tidewheel.pipelines.step_process import execute_step
from tidewheel.pipelines.values import undump
from tidewheel.storage import Blobs, Leases, Metadata
from tidewheel.storage.journal import current_actor
from tidewheel.tracking import Tracking

_LEASE_CHECK_S = 1.0
_MAX_NESTING = 32


class Pipelines:
    """Starts, drives, resumes and tells of pipeline runs."""

    def __init__(
        self,
        metadata: Metadata,
        blobs: Blobs,
        tracking: Tracking,
        clock: Clock,
        settings: Settings,
        home: Path,
        *,
        opener: str,
    ) -> None:
        """`opener` names a function that opens the platform of a home folder, for processes made for runs and steps."""
        self._metadata = metadata
        self._blobs = blobs
        self._clock = clock
        self._settings = settings
        self._home = home
        self._opener = opener
        self._leases = Leases(metadata)
        processes = settings.get("pipelines.processes", int)
        self._driver = RunDriver(metadata, blobs, tracking, clock, self._leases, processes)
        self._pool = RunnerPool(self._launch_runner)
        self._checked_at: dict[str, float] = {}

    @door("POST", "/pipelines/runs")
    def start(
        self, target: str, params: dict[str, Any] | None = None, cause: str | None = None, key: str | None = None
    ) -> PipelineRun:
        """Queue a run of ``path/project.py:name``; data will be read as they are now, however late it runs.

        Args:
            target: the pipeline.
            params: arguments of its function; they must be JSON.
            cause: the journal entry that this is because of.
            key: names this request; a second start with the same key returns the first run.
        """
        path, name = split_target(target)
        if not path.is_file():
            raise NotFound("There is no such project file.", where=str(path), fix="Write path/project.py:NAME.")
        draft = PipelineRun(
            id=new_id("prun"),
            target=f"{path}:{name}",
            pipeline=name,
            params=_checked_params(params or {}),
            state=RunState.QUEUED,
            as_of=pinned_as_of() or from_us(self._clock.now_us()),
            created_at=from_us(self._clock.now_us()),
            actor=current_actor(),
            key=key,
        )
        try:
            return self._queue(draft, cause)
        except _StartedAlready as already:
            return already.run

    def spawn(self, run_id: str) -> None:
        """Have a process of its own drive a run, now."""
        self._pool.drive(run_id, split_target(self.run(run_id).target)[0])

    def warm(self, project: Path) -> None:
        """Have a runner import a project, so that its first run begins at once."""
        self._pool.warm(project.resolve())

    def revive(self) -> list[str]:
        """Spawn the runs that wait and those whose process has died; the controller calls this every round."""
        self._pool.collect()
        with self._metadata.read() as connection:
            runs = store.list_runs(connection, states=[RunState.QUEUED, RunState.RUNNING])
        waiting = [run for run in reversed(runs) if not self._pool.drives(run.id) and self._is_abandoned(run)]
        for run in waiting:
            self.spawn(run.id)
        return [run.id for run in waiting]

    def execute(self, run_id: str, executor: Executor | None = None) -> PipelineRun | None:
        """Drive a run to its end in this process, its steps in others; None if another process is at it."""
        run = self.run(run_id)
        if run.state in ENDED:
            return run
        lease = self._leases.acquire(_lease_name(run_id), LEASE_S)
        if lease is None:
            return None
        try:
            while True:
                used = executor or self._launch_runner(split_target(run.target)[0])
                try:
                    return self._driver.drive(self.run(run_id), lease, used)
                except ExecutorLost:
                    if executor is not None:  # whoever gave it to us is gone too, and what replaces it resumes the run
                        return None
                finally:
                    used.close()
        finally:
            self._leases.release(lease)

    def run_step(self, step_run_id: str) -> bool:
        """Execute one attempt at a step in this process, which an executor made for it; True if it succeeded."""
        with self._metadata.read() as connection:
            step_run = store.find_step_run(connection, step_run_id)
        if step_run is None:
            raise NotFound(f"There is no step run {step_run_id!r}.")
        run = self.run(step_run.pipeline_run_id)
        journal = StepJournal(self._metadata, self._blobs, self._clock, run)
        with working_for(run):
            return execute_step(step_run, split_target(run.target)[0], self._blobs, journal)

    @door("GET", "/pipelines/runs")
    def runs(self, limit: int = 100) -> list[PipelineRun]:
        """The newest pipeline runs."""
        with self._metadata.read() as connection:
            return store.list_runs(connection, limit=limit)

    @door("GET", "/pipelines/runs/{run_id}")
    def run(self, run_id: str) -> PipelineRun:
        """A pipeline run as it stands."""
        with self._metadata.read() as connection:
            found = store.find_run(connection, run_id)
        if found is None:
            raise NotFound(f"There is no pipeline run {run_id!r}.", fix="`tidewheel pipelines ls` lists them.")
        return found

    @door("GET", "/pipelines/runs/{run_id}/steps")
    def steps(self, run_id: str) -> list[StepRun]:
        """Every attempt at every step of a run, in the order they began."""
        self.run(run_id)
        with self._metadata.read() as connection:
            return store.list_step_runs(connection, run_id)

    def result(self, run_id: str) -> Any:
        """What a pipeline returned; a model version as its id.

        Raises:
            Conflict: if the run has not succeeded.
        """
        run = self.run(run_id)
        if run.state is not RunState.SUCCEEDED:
            raise Conflict(
                f"The pipeline run {run_id} is {run.state} and has no result.", fix=run.error or "Wait for it."
            )
        return undump(self._blobs.get(run.result_digest)) if run.result_digest else run.result

    def version_of(self, run_id: str) -> str:
        """The id of the model version that a pipeline returned.

        Raises:
            Conflict: if the run has not succeeded.
            InvalidInput: if it returned anything else.
        """
        result = self.result(run_id)
        if not isinstance(result, str) or not result.startswith("ver_"):
            raise InvalidInput(
                f"The pipeline run {run_id} returned a {type(result).__name__} and not a model version.",
                fix="Return what tw.log_model returns.",
            )
        return result

    @door("POST", "/pipelines/runs/{run_id}/cancel")
    def cancel(self, run_id: str) -> PipelineRun:
        """Stop a run: at once if it waits, within about a second if a process drives it.

        Raises:
            Conflict: if it has ended.
        """
        with self._metadata.change() as change:
            run = store.find_run(change.connection, run_id)
            if run is None or run.state in ENDED:
                state = run.state if run else "not there"
                raise Conflict(f"The pipeline run {run_id} cannot be cancelled: it is {state}.")
            if run.state is RunState.QUEUED:
                ended_at_us = self._clock.now_us()
                store.move_run(change.connection, run_id, RunState.CANCELLED, ended_at_us=ended_at_us)
                change.emit("pipelines.run.cancelled", run.node, {"pipeline": run.pipeline})
            else:
                store.request_cancel(change.connection, run_id)
                change.emit("pipelines.run.cancelling", run.node, {"pipeline": run.pipeline})
        return self.run(run_id)

    def close(self) -> None:
        """End the runners that this process started."""
        self._pool.close()

    def _queue(self, draft: PipelineRun, cause: str | None) -> PipelineRun:
        with self._metadata.change(cause=cause) as change:
            known = store.find_key(change.connection, draft.key) if draft.key is not None else None
            if known is not None:
                raise _StartedAlready(known)
            facts = {"target": draft.target, "params": draft.params, "as_of": draft.as_of.isoformat()}
            entry = change.emit("pipelines.run.queued", draft.node, facts)
            run = replace(draft, cause=entry)
            store.add_run(change.connection, run)
        return run

    def _is_abandoned(self, run: PipelineRun) -> bool:
        if run.state is RunState.QUEUED:
            return True
        if time.monotonic() < self._checked_at.get(run.id, 0.0) + _LEASE_CHECK_S:
            return False
        self._checked_at[run.id] = time.monotonic()
        lease = self._leases.acquire(_lease_name(run.id), LEASE_S)
        if lease is None:
            return False
        self._leases.release(lease)
        return True

    def _launch_runner(self, project: Path) -> LocalProcesses:
        return LocalProcesses.launch(self._home, self._opener, project, self._settings.environment())


class _StartedAlready(Exception):
    """Rolls a start back whose key is taken."""

    def __init__(self, run: PipelineRun) -> None:
        super().__init__(run.id)
        self.run = run


def _lease_name(run_id: str) -> str:
    return f"pipelines/{run_id}"


def _checked_params(params: dict[str, Any]) -> dict[str, Any]:
    if _is_nested(params, _MAX_NESTING):
        raise InvalidInput(f"The params are nested more than {_MAX_NESTING} deep.", where="params", fix="Flatten them.")
    try:
        canonical_json(params)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"The params are not JSON: {error}.", fix="Use text, numbers, lists and dicts.") from None
    return params


def _is_nested(value: Any, levels: int) -> bool:
    """Whether lists and dicts lie more than so many levels deep in each other."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _is_nested(item, levels - 1) for item in inner)
