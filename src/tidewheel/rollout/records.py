"""The room's nouns: a rollout, its stages, its decisions, the route it wants. Frozen, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidewheel.rollout.plans import Plan
from tidewheel.rollout.states import RUNNING, Move, RolloutState


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the walk. Evidence counts from `effective_at`, when all workers routed by it, to `ended_at`."""

    number: int
    name: str
    share: float
    entered_at: datetime
    effective_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One candidate's walk on one endpoint. `settled` is False while workers may not know of the state's route.

    `entry_id` is the last journal entry about it: the cause of what comes next. `alias_due` is the version that its
    last move made champion; None where the champion stayed.
    """

    id: str
    endpoint: str
    champion_version: str
    candidate_version: str
    state: RolloutState
    stage: int
    stages: tuple[Stage, ...]
    plan: Plan
    reason: str
    cause: str | None
    entry_id: str
    alias_due: str | None
    settled: bool
    started_at: datetime
    ended_at: datetime | None

    @property
    def node(self) -> str:
        """Its name in the journal."""
        return f"rollout:{self.id}"

    @property
    def running(self) -> bool:
        """Whether the walk goes on."""
        return self.state in RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A move that was made, with the evidence it was made on; journaled as `rollout.decision.made`."""

    id: str
    rollout_id: str
    stage: int
    stage_name: str
    move: Move
    from_state: RolloutState
    to_state: RolloutState
    reason: str
    evidence: dict[str, Any]
    at: datetime
    actor: str
    entry_id: str


@dataclass(frozen=True, slots=True)
class RouteByHand:
    """A route that a person has set; `ended_rollout` is the id of the rollout that gave way to it."""

    endpoint: str
    weights: dict[str, float]
    shadows: tuple[str, ...]
    generation: int
    before_version: str | None
    ended_rollout: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Restored:
    """An endpoint that was given back; `rollout_id` is the rollout that was rolled back, if it was one."""

    endpoint: str
    champion_version: str
    before_version: str
    reason: str
    rollout_id: str | None


@dataclass(frozen=True, slots=True)
class DueRoute:
    """What a rollout's state asks of traffic: percentages by version, and versions that answer unseen."""

    weights: dict[str, float]
    shadows: tuple[str, ...]


def due_route(rollout: Rollout) -> DueRoute:
    """The route that a rollout's state asks for."""
    champion, candidate = rollout.champion_version, rollout.candidate_version
    if rollout.state is RolloutState.SHADOW:
        return DueRoute({champion: 100.0}, (candidate,))
    if rollout.state is RolloutState.CANARY:
        share = rollout.plan.share(rollout.stage)
        return DueRoute({champion: 100.0 - share, candidate: share}, ())
    if rollout.state is RolloutState.PROMOTED:
        return DueRoute({candidate: 100.0}, ())
    return DueRoute({champion: 100.0}, ())
