"""The states of pipeline runs and step runs, and the moves between them. Nothing else moves.

A step run is one attempt: trying again is a new one. `lost` is an attempt whose driver died; it does not count against
the step's retries, since the step did nothing wrong.
"""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """Where a pipeline run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepState(StrEnum):
    """Where one attempt at a step stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"


RUN_MOVES: dict[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.FAILED, RunState.CANCELLED}),
    RunState.RUNNING: frozenset({RunState.RUNNING, RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELLED: frozenset(),
}
STEP_MOVES: dict[StepState, frozenset[StepState]] = {
    StepState.RUNNING: frozenset({StepState.SUCCEEDED, StepState.FAILED, StepState.LOST}),
    StepState.SUCCEEDED: frozenset(),
    StepState.FAILED: frozenset(),
    StepState.LOST: frozenset(),
}
ENDED = frozenset(state for state, moves in RUN_MOVES.items() if not moves)
