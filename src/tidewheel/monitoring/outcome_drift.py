"""The watch behind ConceptDrift and Bias: an e-detector on a stream of one number a label.

With `blocks` the detector is fed the mean of each block of time instead of each label. Besides the detector it keeps
sums by hour, so that an alert can say how large the effect has been since the change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from tidewheel.base.units import format_duration, from_us, to_us
from tidewheel.monitoring.blocks import Blocks
from tidewheel.monitoring.records import Finding, ReadingState
from tidewheel.monitoring.watch import Look, Outcomes, Windows
from tidewheel.stats import EDetector, TwoSidedEDetector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_HOUR_US = 3_600_000_000
_HOURS_KEPT = 24 * 7


def _all(truth: Floats, _predicted: Floats) -> NDArray[np.bool_]:
    return np.ones(truth.shape, dtype=np.bool_)


@dataclass(slots=True)
class OutcomeWatch:
    """Feeds `score(truth, predicted)` of usable rows to a detector; `tell` puts what it found in words.

    `hours` holds the count and the sum of the scores by hour of the prediction, of the last week that had any.
    """

    detector: EDetector | TwoSidedEDetector
    score: Callable[[Floats, Floats], Floats]
    tell: Callable[[float, str | None, datetime | None, int], str]
    subject: str
    unit: str
    usable: Callable[[Floats, Floats], NDArray[np.bool_]] = _all
    blocks: Blocks | None = None
    hours: dict[int, tuple[int, float]] = field(default_factory=dict)

    @property
    def progress(self) -> int:
        return self.detector.reading().rows + (self.blocks.progress if self.blocks is not None else 0)

    @property
    def window_us(self) -> int:
        return 0

    @property
    def first_us(self) -> int:
        return 0

    @property
    def closed_us(self) -> int:
        return 0

    def fold(self, outcomes: Outcomes) -> None:
        used = self.usable(outcomes.truth, outcomes.predicted)
        if not used.any():
            return
        at_us = outcomes.at_us[used]
        values = self.score(outcomes.truth[used], outcomes.predicted[used])
        if self.blocks is None:
            self.detector.update(values, at_us / 1e6)
        else:
            self.blocks.add(at_us, values)
        hours, places = np.unique(at_us // _HOUR_US, return_inverse=True)
        counts, sums = np.bincount(places), np.bincount(places, weights=values)
        for hour, count, total in zip(hours.tolist(), counts.tolist(), sums.tolist(), strict=True):
            before = self.hours.get(hour, (0, 0.0))
            self.hours[hour] = (before[0] + count, before[1] + total)
        for hour in sorted(self.hours)[:-_HOURS_KEPT]:
            del self.hours[hour]

    def advance(self, now_us: int, windows: Windows) -> None:
        """Take the blocks that have closed; windows of traffic say nothing about outcomes."""
        if self.blocks is not None:
            begins_us, means = self.blocks.close(now_us)
            self.detector.update(np.clip(means, *self._range), begins_us / 1e6)

    def look(self) -> Look:
        found = self.detector.reading()
        changed = from_us(round(found.change_at * 1e6)) if found.change_at is not None else None
        count, mean = self._since(changed)
        side = self.detector.side if isinstance(self.detector, TwoSidedEDetector) else None
        finding = Finding(self.subject, mean, self.unit, found.log_evidence)
        return Look(
            state=ReadingState.ALARM if found.alarm else ReadingState.QUIET,
            log_evidence=found.log_evidence if found.rows else 0.0,
            log_threshold=found.log_threshold,
            seen=found.rows,
            summary=self.tell(mean, side, changed, count) if found.alarm else self._seen(found.rows),
            change_at=changed if found.alarm else None,
            findings=(finding,) if found.alarm else (),
            facts={**self._counted(found.rows), "labels_since_change": count, "mean_since_change": mean},
        )

    def reset(self) -> None:
        self.detector.reset()
        self.hours.clear()
        if self.blocks is not None:
            self.blocks.reset()

    def to_dict(self) -> dict[str, Any]:
        hours = [[hour, count, total] for hour, (count, total) in self.hours.items()]
        blocks = self.blocks.to_dict() if self.blocks is not None else None
        return {"detector": self.detector.to_dict(), "hours": hours, "blocks": blocks}

    def restore(self, state: dict[str, Any], windows: Windows) -> None:
        self.detector = type(self.detector).from_dict(state["detector"])
        self.hours = {hour: (count, total) for hour, count, total in state["hours"]}
        if self.blocks is not None:
            self.blocks.restore(state["blocks"])

    @property
    def _range(self) -> tuple[float, float]:
        """What the detector takes: a mean of a block beyond it counts as this."""
        detector = self.detector.above if isinstance(self.detector, TwoSidedEDetector) else self.detector
        return detector.lo, detector.hi

    def _seen(self, rows: int) -> str:
        if self.blocks is None:
            return f"{rows} labels seen"
        length = format_duration(self.blocks.length_us / 1e6)
        return f"{self.blocks.taken} labels seen, {rows} blocks of {length} closed"

    def _counted(self, rows: int) -> dict[str, int]:
        """How many labels there were, and what they came to for the detector."""
        return {"labels": rows} if self.blocks is None else {"labels": self.blocks.taken, "blocks": rows}

    def _since(self, changed: datetime | None) -> tuple[int, float]:
        first = 0 if changed is None else to_us(changed) // _HOUR_US
        kept = [value for hour, value in self.hours.items() if hour >= first]
        count = sum(n for n, _ in kept)
        return count, sum(total for _, total in kept) / count if count else 0.0
