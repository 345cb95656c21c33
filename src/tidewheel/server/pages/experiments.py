"""`/experiments`: every experiment with its counts and its newest run. Reads, decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidewheel.app import Platform

_SHOWN = 500
_NOTE = "mlflow.note.content"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRow:
    """One experiment of the list."""

    id: str
    name: str
    note: str
    deleted: bool
    runs: int
    running: int
    last_run_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentsView:
    """The whole page."""

    rows: tuple[ExperimentRow, ...]
    words: str
    more: bool
    with_deleted: bool


def experiments_view(platform: Platform, words: str, with_deleted: bool) -> ExperimentsView:
    """The experiments whose name holds `words`, the one that ran last first."""
    like = words.replace("'", "''")
    found = platform.experiments.search(
        stage="all" if with_deleted else "active",
        filter=f"attributes.name ILIKE '%{like}%'" if words else "",
        limit=_SHOWN,
    )
    counts = {each.experiment_id: each for each in platform.views.counts()}
    rows = []
    for experiment in found.experiments:
        count = counts.get(experiment.id)
        rows.append(
            ExperimentRow(
                id=experiment.id,
                name=experiment.name,
                note=experiment.tags.get(_NOTE, ""),
                deleted=experiment.lifecycle_stage == "deleted",
                runs=count.active if count else 0,
                running=count.running if count else 0,
                last_run_at=count.last_run_at if count else None,
                created_at=experiment.created_at,
            )
        )
    rows.sort(key=lambda row: row.last_run_at or _NEVER, reverse=True)
    more = found.next_page_token is not None
    return ExperimentsView(rows=tuple(rows), words=words, more=more, with_deleted=with_deleted)
