"""`tw.PredictionDrift()`: what the model answers no longer looks like what it answered to its training rows."""

from __future__ import annotations

from dataclasses import dataclass

from tidewheel.base.errors import InvalidInput
from tidewheel.monitoring.watch import Subject
from tidewheel.monitoring.window_drift import WindowPlan, WindowWatch, window_us


@dataclass(frozen=True, slots=True)
class PredictionDrift:
    """Alarm when outputs shift against the same hours of training. Arguments as for `DataDrift`."""

    ignore: tuple[str, ...] | list[str] = ()
    window: str = "1h"
    min_effect: float = 0.2
    alpha: float = 1e-4

    def __post_init__(self) -> None:
        window_us(self.window)

    @property
    def name(self) -> str:
        return "prediction_drift"

    @property
    def kind(self) -> str:
        return "prediction"

    def begin(self, subject: Subject) -> WindowWatch:
        return WindowWatch(self._plan(subject), subject)

    def _plan(self, subject: Subject) -> WindowPlan:
        columns = tuple(name for name in subject.outputs if name not in self.ignore)
        if not columns:
            raise InvalidInput("PredictionDrift has no output left to watch.", fix="Name fewer in ignore=[…].")
        return WindowPlan(columns, window_us(self.window), self.alpha, self.min_effect)
