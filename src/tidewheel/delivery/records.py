"""The room's nouns: the four delivery metrics, and what an export wrote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ExportKind = Literal["docker", "grafana", "github-actions"]


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, over several times; None where it never happened."""

    count: int
    median_s: float | None
    longest_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryMetrics:
    """The four metrics of software delivery, for models, in a span of time.

    Args:
        promotions: how often a candidate became champion, and per day.
        lead_time: from the registration of a version to its promotion.
        data_lead_time: from the newest dataset commit that a version was trained on to its promotion.
        change_failure_rate: rollouts that were rolled back, of those that ended (aborted ones left out).
        recovery_time: from an alert to the next promotion on its endpoint, or to a promotion's being taken back.
        open_alerts: alerts of the span that nothing has answered yet.
    """

    since: datetime | None
    until: datetime | None
    endpoint: str | None
    days: float
    promotions: int
    promotions_per_day: float
    lead_time: Spread
    data_lead_time: Spread
    rolled_back: int
    change_failure_rate: float | None
    recovery_time: Spread
    open_alerts: int


@dataclass(frozen=True, slots=True)
class Export:
    """What an export wrote."""

    kind: ExportKind
    folder: str
    files: list[str]
