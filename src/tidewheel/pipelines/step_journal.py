"""What a pipeline run writes down about its steps, and what it finds there when it is resumed.

An attempt is written before its process starts, with the blob that holds its arguments; its end is written by the
step's own process in one transaction with the journal entry, so a finished step stays finished whoever dies next.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tidewheel.base.clock import Clock
from tidewheel.base.hashing import code_hash, hash_json
from tidewheel.base.ids import new_id
from tidewheel.base.units import from_us
from tidewheel.pipelines import store
from tidewheel.pipelines.records import PipelineRun, StepRun
from tidewheel.pipelines.states import StepState
from tidewheel.pipelines.steps import Step
from tidewheel.pipelines.values import dump, leaves, value_hash
from tidewheel.storage import Blobs, Metadata


class StepJournal:
    """The step runs of one pipeline run."""

    def __init__(self, metadata: Metadata, blobs: Blobs, clock: Clock, run: PipelineRun) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._clock = clock
        self._run = run

    def step_runs(self) -> list[StepRun]:
        """All attempts of the run so far."""
        with self._metadata.read() as connection:
            return store.list_step_runs(connection, self._run.id)

    def read(self, step_run_id: str) -> StepRun | None:
        """An attempt as it stands."""
        with self._metadata.read() as connection:
            return store.find_step_run(connection, step_run_id)

    def draft(self, step: Step[Any, Any], key: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> StepRun:
        """An attempt at a call, not yet written: what it runs, on what, and what it would have to equal in a cache."""
        payload = dump((reference_to(step), tuple(args), dict(kwargs)), f"An argument of step {key}")
        return StepRun(
            id=new_id("step"),
            pipeline_run_id=self._run.id,
            step=step.name,
            key=key,
            attempt=1,
            state=StepState.RUNNING,
            code_hash=code_hash(step.function),
            inputs_hash=hash_json([[value_hash(arg) for arg in args], value_hash(dict(kwargs))]),
            payload_digest=self._blobs.put(payload),
            started_at=from_us(self._clock.now_us()),
            inputs=_lineage([*args, *kwargs.values()]),
        )

    def finished(self, draft: StepRun, past: Sequence[StepRun]) -> StepRun | None:
        """The earlier success of this very call in this run, if its code and inputs are still the same."""
        for step_run in past:
            same = (step_run.code_hash, step_run.inputs_hash) == (draft.code_hash, draft.inputs_hash)
            if step_run.key == draft.key and step_run.state is StepState.SUCCEEDED and same:
                return step_run
        return None

    def take_cached(self, draft: StepRun) -> StepRun | None:
        """The success of an equal call in any run, written down as this run's own."""
        with self._metadata.read() as connection:
            found = store.find_cached(connection, draft.step, draft.code_hash, draft.inputs_hash)
        if found is None or found.result_digest is None or not self._blobs.has(found.result_digest):
            return None
        result = {"result_digest": found.result_digest, "result_hash": found.result_hash}
        with self._metadata.change() as change:
            store.add_step_run(change.connection, draft)
            end = {"cached": True, "ended_at_us": self._clock.now_us(), **result}
            store.move_step_run(change.connection, draft.id, StepState.SUCCEEDED, **end)
            facts = {"step": draft.step, "key": draft.key, "step_run_id": draft.id, "from_step_run_id": found.id}
            change.emit("pipelines.step.cached", self._run.node, facts, inputs=draft.inputs)
        return self.read(draft.id)

    def begin(self, draft: StepRun) -> None:
        """Write an attempt down, just before its process starts."""
        with self._metadata.change() as change:
            store.add_step_run(change.connection, draft)
            facts = {"step": draft.step, "key": draft.key, "step_run_id": draft.id, "attempt": draft.attempt}
            change.emit("pipelines.step.started", self._run.node, facts, inputs=draft.inputs)

    def end(self, step_run: StepRun, state: StepState, **values: Any) -> bool:
        """Write down how an attempt ended; False, and nothing is written, if it had ended already."""
        with self._metadata.read() as connection:
            present = store.find_step_run(connection, step_run.id)
        if present is None or present.state is not StepState.RUNNING:
            return False
        facts: dict[str, Any] = {"step": step_run.step, "key": step_run.key, "attempt": step_run.attempt}
        facts["step_run_id"] = step_run.id
        facts |= {name: values[name] for name in ("cpu_s", "wall_s", "error") if name in values}
        try:
            with self._metadata.change() as change:
                values["ended_at_us"] = self._clock.now_us()
                if not store.move_step_run(change.connection, step_run.id, state, **values):
                    raise _EndedAlreadyError
                change.emit(f"pipelines.step.{state}", self._run.node, facts)
        except _EndedAlreadyError:
            return False
        return True

    def lose_running(self) -> None:
        """Give up the attempts that a dead driver left running."""
        for step_run in self.step_runs():
            if step_run.state is StepState.RUNNING:
                self.end(step_run, StepState.LOST, error="The driver of the pipeline run was gone.")


class _EndedAlreadyError(Exception):
    """Rolls a change back that came too late."""


def reference_to(step: Step[Any, Any]) -> tuple[str, str] | Step[Any, Any]:
    """How a step's process finds the step: module and name where that leads to it, else the step itself."""
    module, name = step.function.__module__, step.function.__qualname__
    found = getattr(sys.modules.get(module), name, None)
    return (module, name) if found is step and module != "__main__" else step


def _lineage(arguments: Sequence[Any]) -> tuple[str, ...]:
    """The dataset commits behind arguments that know theirs (training rows do)."""
    nodes: list[str] = []
    for leaf in leaves(list(arguments)):
        commits = getattr(leaf, "commits", None)
        if isinstance(commits, list | tuple):
            nodes += [f"commit:{str(commit).removeprefix('commit:')}" for commit in commits]
    return tuple(dict.fromkeys(nodes))
