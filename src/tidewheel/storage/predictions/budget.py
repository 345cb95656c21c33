"""How much disk the prediction log may take, and which segments must go when it takes more. Pure.

Segments are removed as soon as they are in Delta and everybody has read them; the budget is for the day when that does
not happen: a consumer that hangs, a table store that is away. What it removes then has its order here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tidewheel.base.settings import Settings
from tidewheel.storage.predictions.segments import Segment

CROWDED_FROM, EASED_BELOW = 0.8, 0.6
"""Shares of the budget: what is crowded is said once, and taken back when there is clearly room again."""
_FREE_AGAIN = 1.25
_MB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSize:
    """What the log takes now: its segments (an open one as long as it may become), its index files; what is free."""

    segments_bytes: int
    index_bytes: int
    free_bytes: int
    budget_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBudget:
    """What the log may take; 0 = no limit."""

    segments_bytes: int = 0
    free_bytes: int = 0
    """Free disk below which the log counts as crowded."""
    days: float = 0.0
    """How long rows stay in the Delta tables."""

    @classmethod
    def of(cls, settings: Settings) -> LogBudget:
        """As the settings `storage.log_…` say."""
        return cls(
            segments_bytes=settings.get("storage.log_budget_mb", int) * _MB,
            free_bytes=settings.get("storage.log_free_mb", int) * _MB,
            days=settings.get("storage.log_days", float),
        )

    def crowded(self, size: LogSize) -> bool:
        """Whether someone should know, before anything is lost."""
        full = self.segments_bytes and size.segments_bytes >= CROWDED_FROM * self.segments_bytes
        return bool(full) or size.free_bytes < self.free_bytes

    def eased(self, size: LogSize) -> bool:
        """Whether what was crowded is so no more."""
        roomy = not self.segments_bytes or size.segments_bytes < EASED_BELOW * self.segments_bytes
        return roomy and (not self.free_bytes or size.free_bytes >= _FREE_AGAIN * self.free_bytes)

    def excess(self, present: Sequence[Segment], in_history: Collection[str], passed: Collection[str]) -> list[Segment]:
        """The sealed segments that must go, in their order: first those whose records are in Delta (`in_history`, by
        stem), then those whose records are nowhere else; of both first what every consumer has read (`passed`), and
        of those the oldest.

        Open segments count, but stay: their writers are at them.
        """

        def turn(segment: Segment) -> tuple[bool, bool, str, str]:
            return segment.stem not in in_history, segment.stem not in passed, _made(segment), segment.stem

        over = sum(segment.size_bytes for segment in present) - self.segments_bytes
        if not self.segments_bytes or over <= 0:
            return []
        going: list[Segment] = []
        sealed = (segment for segment in present if segment.sealed)
        for segment in sorted(sealed, key=turn):
            if over <= 0:
                break
            going.append(segment)
            over -= segment.size_bytes
        return going


def _made(segment: Segment) -> str:
    """When a segment was begun: the ULID at the end of its stem, which sorts by time over all writers."""
    return segment.stem.rpartition("-")[2]
