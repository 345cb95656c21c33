"""The nouns of pipelines: PipelineRun and StepRun. Frozen, JSON-able, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidewheel.pipelines.states import RunState, StepState


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRun:
    """One execution of a pipeline. Data are read as of `as_of`, also when it is resumed; `run_id` is its tracking run.

    `result` is what it returned if that is JSON (a model version appears as its id); any other value is behind
    `result_digest`.
    """

    id: str
    target: str
    pipeline: str
    params: dict[str, Any]
    state: RunState
    as_of: datetime
    created_at: datetime
    actor: str
    key: str | None = None
    cause: str | None = None
    run_id: str | None = None
    starts: int = 0
    cancel_requested: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    result: Any = None
    result_digest: str | None = None

    @property
    def node(self) -> str:
        """Its name in the journal's lineage."""
        return f"pipeline_run:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """One attempt at one call of a step; `key` is the step's name and which call of it this is, as in ``train#1``.

    `cpu_s` is processor time of the step's process and its children, `wall_s` elapsed time.
    """

    id: str
    pipeline_run_id: str
    step: str
    key: str
    attempt: int
    state: StepState
    code_hash: str
    inputs_hash: str
    payload_digest: str
    started_at: datetime
    ended_at: datetime | None = None
    cached: bool = False
    cpu_s: float = 0.0
    wall_s: float = 0.0
    result_digest: str | None = None
    result_hash: str | None = None
    error: str | None = None
    trace: str | None = None
    inputs: tuple[str, ...] = field(default=())
