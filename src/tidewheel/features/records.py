"""The nouns of features as they are kept and told. Frozen, JSON-able, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSetRecord:
    """One definition of a feature set. `request` are names and types of request values; `plan_digest` names the blob
    that holds its plan."""

    name: str
    hash: str
    names: tuple[str, ...]
    entities: tuple[str, ...]
    request: dict[str, str]
    views: tuple[str, ...]
    sources: tuple[str, ...]
    plan_digest: str
    created_at: datetime

    @property
    def node(self) -> str:
        """As lineage names it: ``feature_set:surge_features@1f0c…``."""
        return f"feature_set:{self.name}@{self.hash[:12]}"


@dataclass(frozen=True, slots=True)
class Filling:
    """One materialisation: a view filled from a commit."""

    view: str
    view_hash: str
    commit: str
    at: datetime
    events: int
    entities: int


@dataclass(frozen=True, slots=True)
class PushResult:
    """How many events of a push were counted, and how many came too late."""

    view: str
    counted: int
    late: int


@dataclass(frozen=True, slots=True)
class FeatureValues:
    """Online features: one row for each entity asked for, in the order of `names`; None where there is no value."""

    feature_set: str
    hash: str
    names: tuple[str, ...]
    rows: list[list[float | None]]
