"""The nouns of the pages' tables: a saved view, the counts of an experiment, the keys of its runs. Frozen, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Stage = Literal["active", "deleted", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """A table of an experiment's runs as somebody set it up: filter, order and columns under a name."""

    id: str
    experiment_id: str
    name: str
    filter: str
    order_by: str
    columns: tuple[str, ...]
    stage: Stage
    saved_by: str
    saved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentCounts:
    """How many runs an experiment has, and when the newest began."""

    experiment_id: str
    active: int
    running: int
    deleted: int
    last_run_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunKeys:
    """The params, metrics and tags that the runs of an experiment have, each by name."""

    params: tuple[str, ...]
    metrics: tuple[str, ...]
    tags: tuple[str, ...]
