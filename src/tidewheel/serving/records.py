"""The nouns of serving: Endpoint, Route, RoutingUnit, what workers tell of themselves. Frozen, JSON-able, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tidewheel.serving.options import EndpointOptions


@dataclass(frozen=True, slots=True)
class RoutingUnit:
    """What is sticky: the caller's key (default), or with a window, each entity's slice of time (a switchback)."""

    entity: str = ""
    window_s: float = 0.0

    @property
    def switchback(self) -> bool:
        """Whether whole entity x window cells go to one version."""
        return self.window_s > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How an endpoint's requests are shared between versions, in percent, from one generation on.

    The order of `weights` is the order of the hash line: newcomers first, the champion last, so that a caller who is in
    a share of 5 % stays in as it grows. Each of `shadows` sees every request and never answers.
    """

    endpoint: str
    generation: int
    weights: dict[str, float]
    shadows: tuple[str, ...]
    unit: RoutingUnit
    salt: str
    at: datetime
    entry_id: str

    @property
    def champion(self) -> str | None:
        """The version that newcomers are measured against: the last on the hash line."""
        return list(self.weights)[-1] if self.weights else None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A stable name that traffic arrives at: its route, without weights until the first deployment, and its options.

    `generation` is that of the newest change of either: workers that run it, or a later one, obey both.
    """

    name: str
    created_at: datetime
    route: Route
    options: EndpointOptions
    generation: int


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What a worker said last: which generation it runs and, per version, why one could not be loaded."""

    index: int
    pid: int
    alive: bool
    state: str
    generation: int
    failures: dict[str, str]
    started_at: str
    cpu_s: float


@dataclass(frozen=True, slots=True)
class ServingStatus:
    """The inference workers as a whole: counts are since the home's counters began."""

    generation: int
    applied: bool
    workers: list[WorkerStatus]
    requests: float
    failed: float
    predictions: float
    labels: float
    cpu_s: float
    by_endpoint: dict[str, float] = field(default_factory=dict)
    wanted_workers: int = 0
    """How many workers there shall be, as the supervisor has decided; 0 = none has ever run here."""
    most_workers: int = 0
    """How many load may start."""
    scaled: str = ""
    """Why there shall be that many."""
    scaled_at: str = ""
    """Since when, in ISO 8601 and UTC; empty where none has ever run here."""
