"""What the live page shows, as plain records: no platform, no HTML. `live.py` fills them; the templates print them.

Numbers are raw here and get their units in the template. A part that the platform has nothing to say about is empty or
None, and the page then says what would make it appear.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Lane = Literal["data", "model", "rollout", "drift", "incident"]
ArmRole = Literal["champion", "candidate", "other"]


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the loop's story."""

    name: str
    state: Literal["done", "now", "ahead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopView:
    """Where the loop stands, in one sentence and five steps."""

    name: str
    endpoint: str
    sentence: str
    paused: bool
    steps: tuple[StepView, ...]
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmView:
    """A version's part of the live traffic, in percent. `shadow`: it answers copies that no caller sees.

    `address` is ``model/number``, as the commands take it; empty where the registry does not know the version.
    """

    version_id: str
    label: str
    role: ArmRole
    percent: float
    shadow: bool = False
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutLine:
    """A rollout in one line: who walks against whom, how far it has come, and why it ended if it did."""

    id: str
    title: str
    stage: str
    plan: str
    running: bool
    reason: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLine:
    """One of several endpoints: who answers it, what it has been asked so far, and the rollout under way."""

    name: str
    arms: tuple[ArmView, ...]
    requests: int
    rollout: RolloutLine | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficView:
    """Who answers the endpoint's requests, how many there are and how fast the answers are."""

    endpoint: str
    arms: tuple[ArmView, ...]
    requests: int
    requests_per_s: float | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    errors: int
    chart: Chart | None
    options: tuple[tuple[str, str], ...] = ()
    """How the endpoint is served, where that is not the default."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a chart; `low` and `high`, where given, are the edges of a band around it."""

    label: str
    values: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Curves over a common axis: instants (seconds since 1970) or counts. `rule` is a fixed level to hold against."""

    id: str
    x: tuple[float, ...]
    curves: tuple[Curve, ...]
    x_is_time: bool
    unit: str = ""
    rule: float | None = None
    rule_label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFigures:
    """One arm of a comparison in figures. `mean` is that of the goal, over `labelled` units."""

    label: str
    role: ArmRole
    mean: float | None
    labelled: int
    requests: int
    errors: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailView:
    """What must not break, and what is proven of it."""

    name: str
    broken: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContestView:
    """Champion against candidate on the goal: the difference and its confidence sequence, valid at every look."""

    rollout_id: str
    title: str
    goal: str
    running: bool
    verdict: str
    estimate: float | None
    low: float | None
    high: float | None
    confidence: float
    margin: float
    arms: tuple[ArmFigures, ...]
    guardrails: tuple[GuardrailView, ...]
    chart: Chart | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorView:
    """One watch: its evidence beside the threshold at which it fires."""

    name: str
    state: str
    firing: bool
    summary: str
    evidence: float | None
    threshold: float | None
    chart: Chart | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftView:
    """A feature that moved: how far, in `unit`, and with how much evidence (nats)."""

    feature: str
    effect: float
    unit: str
    evidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One entry of the timeline, with the figures behind it."""

    seq: int
    id: str
    at: datetime
    lane: Lane
    title: str
    outcome: Literal["", "good", "bad"]
    facts: tuple[tuple[str, str], ...]
    actor: str
    kind: str
    cause_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """The whole page."""

    at: datetime
    loops: tuple[str, ...]
    loop: LoopView | None
    traffic: TrafficView | None
    contest: ContestView | None
    monitors: tuple[MonitorView, ...]
    shifts: tuple[ShiftView, ...]
    timeline: tuple[EventView, ...]
    journal_seq: int
    endpoints: tuple[EndpointLine, ...] = ()
    """All endpoints, by name."""
