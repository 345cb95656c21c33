"""Drives one pipeline run from wherever it stands to its end, in the process that holds its lease.

The body is executed anew each time; steps that have succeeded answer from the journal. At the end the tracking run's
end is written first and the pipeline run's last, so that a crash between the two is mended by driving once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tidewheel.base import ambient
from tidewheel.base.clock import Clock, as_of
from tidewheel.base.errors import InvalidInput, NotFound, TidewheelError
from tidewheel.pipelines import store
from tidewheel.pipelines.execution import Execution, LeaseLost, PipelineCancelled
from tidewheel.pipelines.executor import Executor, ExecutorLost
from tidewheel.pipelines.project import describe_error, find_pipeline, split_target
from tidewheel.pipelines.records import PipelineRun
from tidewheel.pipelines.states import RunState
from tidewheel.pipelines.step_journal import StepJournal
from tidewheel.pipelines.steps import execution as current_execution
from tidewheel.pipelines.values import dump
from tidewheel.registry import ModelVersion
from tidewheel.storage import Blobs, Lease, Leases, Metadata, acting
from tidewheel.tracking import Tracking, capture_pipeline, flush, wait_for_capture
from tidewheel.tracking.records import EndStatus

LEASE_S = 5.0
MAX_STARTS = 5


@dataclass(frozen=True, slots=True)
class RunDriver:
    """What driving needs of the house; `drive` is the only verb."""

    metadata: Metadata
    blobs: Blobs
    tracking: Tracking
    clock: Clock
    leases: Leases
    processes: int

    def drive(self, run: PipelineRun, lease: Lease, executor: Executor) -> PipelineRun | None:
        """Execute the run to its end; None if another process has taken it over.

        Raises:
            ExecutorLost: if the executor died; the run can be driven again with another.
        """
        run = self._begin(run)
        if run.starts > MAX_STARTS:
            return self._end(run, RunState.FAILED, error=f"Its process died {MAX_STARTS} times.")
        journal = StepJournal(self.metadata, self.blobs, self.clock, run)
        with working_for(run):
            journal.lose_running()
            self._ensure_tracking_run(run)
            try:
                value = self._execute(run, lease, journal, executor)
                flush()
                return self._end(run, RunState.SUCCEEDED, **self._keep(value))
            except LeaseLost:
                return None
            except ExecutorLost:
                raise
            except PipelineCancelled:
                journal.lose_running()
                return self._end(run, RunState.CANCELLED)
            except Exception as error:  # the body may raise anything
                journal.lose_running()
                return self._end(run, RunState.FAILED, error=_say(error, run))

    def _execute(self, run: PipelineRun, lease: Lease, journal: StepJournal, executor: Executor) -> Any:
        try:
            return self._run_body(run, lease, journal, executor)
        finally:
            wait_for_capture()  # also of a run whose pipeline was not found: nothing may go on being written to it

    def _run_body(self, run: PipelineRun, lease: Lease, journal: StepJournal, executor: Executor) -> Any:
        pipeline = find_pipeline(run.target)
        execution = Execution(journal, self.blobs, executor, self.processes, lambda: self._beat(run, lease))
        token = current_execution.set(execution)
        try:
            return execution.finish(pipeline.function(**run.params))
        finally:
            current_execution.reset(token)
            execution.close()

    def _beat(self, run: PipelineRun, lease: Lease) -> None:
        if not self.leases.renew(lease, LEASE_S):
            raise LeaseLost(f"Another process drives the pipeline run {run.id}.")
        with self.metadata.read() as connection:
            present = store.find_run(connection, run.id)
        if present is not None and present.cancel_requested:
            raise PipelineCancelled(f"The pipeline run {run.id} was cancelled.")

    def _begin(self, run: PipelineRun) -> PipelineRun:
        tracking_id = f"run_{run.id.removeprefix('prun_')}"
        began = {"starts": run.starts + 1, "run_id": tracking_id}
        if run.started_at is None:
            began["started_at_us"] = self.clock.now_us()
        with self.metadata.change(actor=run.actor, cause=run.cause) as change:
            store.move_run(change.connection, run.id, RunState.RUNNING, **began)
            verb = "started" if run.starts == 0 else "resumed"
            change.emit(f"pipelines.run.{verb}", run.node, {"pipeline": run.pipeline, "starts": run.starts + 1})
            return _require(store.find_run(change.connection, run.id), run.id)

    def _ensure_tracking_run(self, run: PipelineRun) -> None:
        assert run.run_id is not None
        try:
            self.tracking.run(run.run_id)
        except NotFound:
            name = f"{run.pipeline}-{run.id[-8:]}"
            self.tracking.start_run(run.pipeline, name, inputs=[run.node], run_id=run.run_id)
            self.tracking.log_batch(run.run_id, params=run.params, tags={"tidewheel.pipeline_run": run.id})
            capture_pipeline(*split_target(run.target), run.params)

    def _keep(self, value: Any) -> dict[str, Any]:
        if isinstance(value, ModelVersion):
            return {"result": value.id}
        if _is_json(value):
            return {"result": value}
        return {"result_digest": self.blobs.put(dump(value, "What the pipeline returned"))}

    def _end(self, run: PipelineRun, state: RunState, **values: Any) -> PipelineRun:
        if run.run_id is not None:
            self.tracking.end_run(run.run_id, _TRACKING_STATUS[state])
        with self.metadata.change(actor=run.actor, cause=run.cause) as change:
            store.move_run(change.connection, run.id, state, ended_at_us=self.clock.now_us(), **values)
            facts = {"pipeline": run.pipeline, "run_id": run.run_id}
            facts |= {name: values[name] for name in ("result", "error") if name in values}
            change.emit(f"pipelines.run.{state}", run.node, facts)
            return _require(store.find_run(change.connection, run.id), run.id)


@contextmanager
def working_for(run: PipelineRun) -> Iterator[None]:
    """Within the block, work is about the run's instant, is written to its tracking run, and is done in its name."""
    token = ambient.active_run.set(run.run_id)
    try:
        with acting(actor=run.actor, cause=run.cause), as_of(run.as_of):
            yield
    finally:
        ambient.active_run.reset(token)


_TRACKING_STATUS: dict[RunState, EndStatus] = {
    RunState.SUCCEEDED: "FINISHED",
    RunState.FAILED: "FAILED",
    RunState.CANCELLED: "KILLED",
}


def _say(error: Exception, run: PipelineRun) -> str:
    if isinstance(error, TidewheelError):
        return str(error)
    return describe_error(error, split_target(run.target)[0].parent)


def _is_json(value: Any) -> bool:
    if type(value) is list:
        return all(_is_json(item) for item in value)
    if type(value) is dict:
        return all(type(key) is str and _is_json(item) for key, item in value.items())
    return value is None or type(value) in (str, int, float, bool)


def _require(run: PipelineRun | None, run_id: str) -> PipelineRun:
    if run is None:
        raise InvalidInput(f"The pipeline run {run_id} is gone.")
    return run
