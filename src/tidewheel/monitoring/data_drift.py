"""`tw.DataDrift()`: what comes in no longer looks like training.

All features together are held to one false-alarm rate. Feature drift mostly reports seasons and says nothing about
whether the model is wrong, so it alerts but does not retrain by default.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidewheel.base.errors import InvalidInput
from tidewheel.monitoring.watch import Subject
from tidewheel.monitoring.window_drift import WindowPlan, WindowWatch, window_us


@dataclass(frozen=True, slots=True)
class DataDrift:
    """Alarm when features shift against the same hours of training.

    Args:
        ignore: features that are not watched, such as what the caller decides.
        window: length of the windows compared; a divisor of a day.
        min_effect: shift below which no feature is named, in standard deviations of training.
        alpha: false alarms: within the first n windows, at most n * alpha.
    """

    ignore: tuple[str, ...] | list[str] = ()
    window: str = "1h"
    min_effect: float = 0.2
    alpha: float = 1e-4

    def __post_init__(self) -> None:
        window_us(self.window)

    @property
    def name(self) -> str:
        return "data_drift"

    @property
    def kind(self) -> str:
        return "data"

    def begin(self, subject: Subject) -> WindowWatch:
        return WindowWatch(self._plan(subject), subject)

    def _plan(self, subject: Subject) -> WindowPlan:
        columns = tuple(name for name in subject.features if name not in self.ignore)
        if not columns:
            raise InvalidInput(
                "DataDrift has no feature left to watch.",
                fix="Name fewer in ignore=[…]; of tensors there are none: watch the answers by tw.PredictionDrift().",
            )
        return WindowPlan(columns, window_us(self.window), self.alpha, self.min_effect)
