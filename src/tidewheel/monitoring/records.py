"""Monitoring's nouns: an alert, and what a monitor reads at one look. Frozen, JSON-able, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class AlertState(StrEnum):
    """What has become of an alert. While one is not resolved, its monitor raises no other for the same version."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class ReadingState(StrEnum):
    """How a monitor stands: still gathering what it compares with, seeing nothing, or past its threshold."""

    LEARNING = "learning"
    QUIET = "quiet"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that shifted: a column or output, by how much (`effect`, in `unit`), and its own log evidence."""

    name: str
    effect: float
    unit: str
    log_evidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a monitor knows at one look. Evidence and threshold are logs of e-values, in nats; alarm when over it."""

    monitor: str
    kind: str
    endpoint: str
    version: str
    at: datetime
    state: ReadingState
    log_evidence: float
    log_threshold: float
    seen: int
    summary: str
    change_at: datetime | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a monitor says when it fires: since when (`change_at`), what shifted, and on which evidence."""

    id: str
    monitor: str
    kind: str
    endpoint: str
    version: str
    state: AlertState
    at: datetime
    change_at: datetime | None
    summary: str
    findings: tuple[Finding, ...]
    evidence: dict[str, Any] = field(default_factory=dict)
    resolved_at: datetime | None = None
    resolution: str = ""


@dataclass(frozen=True, slots=True)
class EvidencePoint:
    """One point of a monitor's evidence over time, for charts."""

    monitor: str
    at: datetime
    log_evidence: float
    log_threshold: float
