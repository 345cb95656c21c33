"""The watch behind DataDrift, PredictionDrift and Uncertainty: windows of traffic against windows of training.

Windows (an hour by default) are merged from the minute sketches, held against the reference's windows of the same
hour of the day, and judged by `stats.ConformalDrift`. A reference that covers less than a week cannot tell a shift
from an hour of the day, so the watch then learns from traffic until it has one, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tidewheel.base.units import from_us
from tidewheel.monitoring.records import Finding, ReadingState
from tidewheel.monitoring.watch import Look, Outcomes, Subject, Windows
from tidewheel.stats import BinnedSketch, ConformalDrift, DriftReading

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """What a window watch compares and how: `columns` of the subject, window length, error rate, smallest effect."""

    columns: tuple[str, ...]
    window_us: int
    alpha: float
    min_effect: float
    min_reference_us: int = 7 * _DAY_US

    @property
    def slots(self) -> int:
        """Windows in a day."""
        return max(_DAY_US // self.window_us, 1)

    def slot(self, window: int) -> int:
        """The place in the day of the window with this number (windows are counted from 1970)."""
        return window % self.slots


class WindowWatch:
    """Judges closed windows one after another."""

    def __init__(self, plan: WindowPlan, subject: Subject, state: dict[str, Any] | None = None) -> None:
        self._plan = plan
        self._subject = subject
        if state is not None:
            self._drift = ConformalDrift.from_dict(state["drift"])
            self._next, self._learnt_us = int(state["next"]), int(state["learnt_us"])
            return
        bins = {name: subject.bins[name] for name in plan.columns}
        self._drift = ConformalDrift(bins, alpha=plan.alpha, slots=plan.slots, min_effect=plan.min_effect)
        self._next = subject.started_at_us // plan.window_us + 1  # the first whole window
        self._learnt_us = self._learn_reference()

    def fold(self, outcomes: Outcomes) -> None:
        """Outcomes say nothing about windows."""

    def advance(self, now_us: int, windows: Windows) -> None:
        length = self._plan.window_us
        while (self._next + 1) * length <= now_us:
            window = windows(self._next * length, (self._next + 1) * length)
            self._take({name: window[name] for name in self._plan.columns if name in window})
            self._next += 1

    def look(self) -> Look:
        found = self._drift.reading()
        if self._learnt_us < self._plan.min_reference_us:
            days = self._learnt_us / _DAY_US
            return Look(ReadingState.LEARNING, 0.0, found.log_threshold, found.windows, f"{days:.1f} of 7 days learnt")
        return Look(
            state=ReadingState.ALARM if found.alarm else ReadingState.QUIET,
            log_evidence=found.log_evidence if found.windows else 0.0,
            log_threshold=found.log_threshold,
            seen=found.windows,
            summary=_tell(found) if found.alarm else f"{found.windows} windows seen",
            change_at=from_us(round(found.change_at * 1e6)) if found.alarm and found.change_at is not None else None,
            findings=tuple(
                Finding(feature.feature, feature.shift, "sd", feature.log_evidence) for feature in found.features[:10]
            ),
            facts={"windows": found.windows, "named": [feature.feature for feature in found.named]},
        )

    def reset(self) -> None:
        self._drift.reset()

    def to_dict(self) -> dict[str, Any]:
        return {"drift": self._drift.to_dict(), "next": self._next, "learnt_us": self._learnt_us}

    @property
    def progress(self) -> int:
        """The number of the next window; the state changes only when it does."""
        return self._next

    def _take(self, window: dict[str, BinnedSketch]) -> None:
        slot = self._plan.slot(self._next)
        if self._learnt_us < self._plan.min_reference_us:
            if window:
                self._drift.add_reference(slot, window)
                self._learnt_us += self._plan.window_us
            return
        self._drift.update(slot, window, at=self._next * self._plan.window_us / 1e6)

    def _learn_reference(self) -> int:
        """Add the reference's windows; return how much time they cover, in microseconds."""
        at_us, length = self._subject.reference_at_us, self._plan.window_us
        if at_us.size == 0:
            return 0
        numbers = at_us // length
        for number in np.unique(numbers):
            self._drift.add_reference(self._plan.slot(int(number)), self._sketch(numbers == number))
        return int(at_us.max() - at_us.min())

    def _sketch(self, rows: NDArray[np.bool_]) -> dict[str, BinnedSketch]:
        window = {}
        for name in self._plan.columns:
            window[name] = BinnedSketch(self._subject.bins[name])
            window[name].add(self._subject.reference[name][rows])
        return window


def _tell(found: DriftReading) -> str:
    named = ", ".join(f"{feature.feature} by {feature.shift:.2f} sd" for feature in found.named)
    since = f" since {from_us(round(found.change_at * 1e6)):%Y-%m-%d %H:%M} UTC" if found.change_at is not None else ""
    return f"shifted{since}: {named}"
