"""`tw.PredictionDrift()`: what the model answers no longer looks like what it answered to its training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidewheel.monitoring.data_drift import window_us
from tidewheel.monitoring.watch import Subject
from tidewheel.monitoring.window_drift import WindowPlan, WindowWatch


@dataclass(frozen=True, slots=True)
class PredictionDrift:
    """Alarm when outputs shift against the same hours of training. Arguments as for `DataDrift`."""

    ignore: tuple[str, ...] | list[str] = ()
    window: str = "1h"
    min_effect: float = 0.25
    alpha: float = 1e-5

    @property
    def name(self) -> str:
        return "prediction_drift"

    @property
    def kind(self) -> str:
        return "prediction"

    def begin(self, subject: Subject) -> WindowWatch:
        return WindowWatch(self._plan(subject), subject)

    def resume(self, subject: Subject, state: dict[str, Any]) -> WindowWatch:
        return WindowWatch(self._plan(subject), subject, state)

    def _plan(self, subject: Subject) -> WindowPlan:
        columns = tuple(name for name in subject.outputs if name not in self.ignore)
        return WindowPlan(columns, window_us(self.window), self.alpha, self.min_effect)
