"""The watch behind DataDrift, PredictionDrift and Uncertainty: windows of traffic against windows of training.

Windows (an hour by default) are merged from the sketches and judged by `window_evidence`. A reference that covers less
than a week cannot tell a shift from an hour of the day, so the watch then learns from traffic until it has one, and
says so. Only whole windows count: the one under way when the watch began is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import from_us, parse_duration
from tidewheel.monitoring.records import Finding, ReadingState
from tidewheel.monitoring.watch import Look, Outcomes, Subject, Windows
from tidewheel.monitoring.window_evidence import ColumnDrift, Slot, WindowEvidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DAY_US = 86_400_000_000
_REFERENCE_US = 7 * _DAY_US
_MONDAY = 3  # 1970-01-01 was a Thursday
_SATURDAY = 5


def window_us(window: str) -> int:
    """A window's length in microseconds.

    Raises:
        InvalidInput: if it is no duration, or does not divide a day.
    """
    length_us = round(parse_duration(window).total_seconds() * 1e6)
    if _DAY_US % length_us:
        raise InvalidInput(f"A window of {window} does not divide a day.", fix="Use for example '15m', '1h' or '1d'.")
    return length_us


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """What a window watch compares and how: `columns` of the subject, window length, error rate, smallest effect."""

    columns: tuple[str, ...]
    window_us: int
    alpha: float
    min_effect: float

    def slot(self, number: int) -> Slot:
        """What a window is compared with: the same place of the day, on working days or on weekends (UTC)."""
        day = number * self.window_us // _DAY_US
        return number % (_DAY_US // self.window_us), (day + _MONDAY) % 7 >= _SATURDAY


class WindowWatch:
    """Judges closed windows one after another. Windows are numbered from 1970 on."""

    def __init__(self, plan: WindowPlan, subject: Subject) -> None:
        layout = subject.layout
        self._plan = plan
        self._rows = [layout.columns.index(name) for name in plan.columns]
        self._evidence = WindowEvidence(
            [subject.bins[name] for name in plan.columns],
            layout.width,
            columns=plan.columns,
            slots=_DAY_US // plan.window_us,
            alpha=plan.alpha,
            min_effect=plan.min_effect,
        )
        self._first = self._next = -(-subject.started_at_us // plan.window_us)
        self._learnt_us = 0
        self._learn_reference(subject)
        self._evidence.reset(self._first)

    @property
    def progress(self) -> int:
        return self._next

    @property
    def window_us(self) -> int:
        return self._plan.window_us

    @property
    def first_us(self) -> int:
        return self._first * self._plan.window_us

    @property
    def closed_us(self) -> int:
        return self._next * self._plan.window_us if self._next > self._first else 0

    def fold(self, outcomes: Outcomes) -> None:
        """Outcomes say nothing about windows."""

    def advance(self, now_us: int, windows: Windows) -> None:
        length = self._plan.window_us
        until = max(now_us // length, self._next)
        if until == self._next:
            return
        for start_us, counts in windows(self._next * length, until * length, length):
            self._take(start_us // length, counts, judge=True)
        self._next = until

    def look(self) -> Look:
        evidence, threshold = self._evidence.log_evidence, self._evidence.log_threshold
        if self._learnt_us < _REFERENCE_US:
            summary = f"{self._learnt_us / _DAY_US:.1f} of 7 days learnt"
            return Look(ReadingState.LEARNING, 0.0, threshold, 0, summary)
        drifts, changed = self._evidence.drifts(), self._evidence.alarm_from
        named = [drift for drift in drifts if drift.named]
        seen = self._evidence.windows
        if changed is None:
            state, summary, change_at = ReadingState.QUIET, f"{seen} windows seen", None
        else:
            change_at = from_us(changed * self._plan.window_us)
            moved = ", ".join(map(_tell, named or drifts[:1]))
            state, summary = ReadingState.ALARM, f"{moved} since {change_at:%Y-%m-%d %H:%M} UTC"
        findings = tuple(Finding(each.column, each.shift, "sd", each.log_evidence) for each in drifts[:10])
        facts = {"windows": seen, "named": [each.column for each in named]}
        return Look(state, evidence, threshold, seen, summary, change_at, findings, facts)

    def reset(self) -> None:
        self._evidence.reset(self._next)

    def to_dict(self) -> dict[str, Any]:
        return {"next": self._next, "evidence": self._evidence.to_dict()}

    def restore(self, state: dict[str, Any], windows: Windows) -> None:
        self._next, length = int(state["next"]), self._plan.window_us
        for start_us, counts in windows(self._first * length, self._next * length, length):
            self._take(start_us // length, counts, judge=False)
        self._evidence.restore(state["evidence"])

    def _take(self, number: int, counts: NDArray[np.int32], *, judge: bool) -> None:
        slot, counts = self._plan.slot(number), counts[self._rows]
        if self._learnt_us >= _REFERENCE_US:
            (self._evidence.judge if judge else self._evidence.learn)(number, slot, counts)
        elif self._evidence.learn(number, slot, counts):
            self._learn_for(self._plan.window_us)

    def _learn_reference(self, subject: Subject) -> None:
        at_us, length = subject.reference_at_us, self._plan.window_us
        if at_us.size == 0:
            return
        for start_us, counts in subject.layout.count_steps(at_us, subject.reference, length).items():
            self._evidence.learn(start_us // length, self._plan.slot(start_us // length), counts[self._rows])
        self._learn_for(int(at_us.max() - at_us.min()) + length)  # the first and the last window may be cut

    def _learn_for(self, span_us: int) -> None:
        self._learnt_us += span_us
        if self._learnt_us >= _REFERENCE_US:
            self._evidence.settle()


def _tell(drift: ColumnDrift) -> str:
    how = {"up": "higher", "down": "lower"}.get(drift.direction, "apart in shape")
    return f"{drift.column} is {drift.shift:.2f} sd {how}"
