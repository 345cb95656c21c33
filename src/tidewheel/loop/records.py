"""The loop's nouns as stored facts: a declared loop, one turn of it, and the verdicts of its gates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidewheel.loop.states import TurnState


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopRecord:
    """A declared loop. `target` is `path/project.py:name`; `champion` a version id; `trained_at` its training's end."""

    name: str
    endpoint: str
    target: str
    paused: bool
    spec: dict[str, Any]
    champion: str | None
    trained_at: datetime | None
    declared_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One pass of a loop, from the need for a new model to its end.

    `change_at` is where the world changed, if known: training begins there. Rows from `holdout_from` on are the gates'.
    """

    id: str
    loop: str
    state: TurnState
    reason: str
    alerts: tuple[str, ...]
    cause: str | None
    change_at: datetime | None
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    holdout_from: datetime | None = None
    pipeline_run_id: str | None = None
    candidate: str | None = None
    champion: str | None = None
    rollout_id: str | None = None
    verdicts: tuple[dict[str, Any], ...] = ()
    outcome: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStatus:
    """A loop as a person asks after it: `state` is watching, paused, or the state of the turn under way."""

    name: str
    endpoint: str
    state: str
    champion: str | None
    trained_at: datetime | None
    turn: Turn | None
    turns: int
