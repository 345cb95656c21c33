"""The room's nouns: what is used, what it costs, and the sum of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

CostKind = Literal["cpu", "gpu", "storage", "transfer", "requests"]
CostGrouping = Literal["kind", "subject", "pipeline_run", "endpoint", "turn", "loop"]


@dataclass(frozen=True, slots=True)
class Price:
    """How a kind is priced: the unit it is measured in, the setting that holds its price, units that the price buys."""

    unit: str
    setting: str
    units_per_price: float


PRICES: dict[CostKind, Price] = {
    "cpu": Price("core_seconds", "costs.cpu_hour_usd", 3600.0),
    "gpu": Price("gpu_seconds", "costs.gpu_hour_usd", 3600.0),
    "storage": Price("byte_seconds", "costs.storage_gb_month_usd", 1e9 * 30 * 86_400),
    "transfer": Price("bytes", "costs.transfer_gb_usd", 1e9),
    "requests": Price("requests", "costs.million_requests_usd", 1e6),
}


@dataclass(frozen=True, slots=True)
class CostItem:
    """What one subject used of one kind within one hour, priced when it was used."""

    kind: CostKind
    subject: str
    hour_at: datetime
    quantity: float
    unit: str
    cost_usd: float


@dataclass(frozen=True, slots=True)
class CostLine:
    """One group of a summary; `quantities` are by unit (`core_seconds`, `requests`, …)."""

    key: str
    cost_usd: float
    quantities: dict[str, float]


@dataclass(frozen=True, slots=True)
class CostSummary:
    """What was spent in a span of time, the dearest group first."""

    since: datetime | None
    until: datetime | None
    by: str
    total_usd: float
    lines: list[CostLine]


class Meterable(Protocol):
    """The part of serving's status that is metered: counters that only grow while a home lives."""

    @property
    def cpu_s(self) -> float: ...
    @property
    def by_endpoint(self) -> Mapping[str, float]: ...
