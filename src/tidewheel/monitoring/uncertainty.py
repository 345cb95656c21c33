"""`tw.Uncertainty()`: the model has become unsure of itself (or too sure), long before labels can say that it is wrong.

The entropy of a predicted probability, in bits, window against windows of the same hour in training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tidewheel.base.errors import InvalidInput
from tidewheel.monitoring.watch import Subject
from tidewheel.monitoring.window_drift import WindowPlan, WindowWatch, window_us

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMN = "uncertainty"


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Alarm when the entropy of the prediction shifts. Arguments as for `DataDrift`."""

    window: str = "1h"
    min_effect: float = 0.2
    alpha: float = 1e-4

    def __post_init__(self) -> None:
        window_us(self.window)

    @property
    def name(self) -> str:
        return "uncertainty"

    @property
    def kind(self) -> str:
        return "uncertainty"

    def begin(self, subject: Subject) -> WindowWatch:
        return WindowWatch(self._plan(subject), subject)

    def _plan(self, subject: Subject) -> WindowPlan:
        if COLUMN not in subject.bins:
            raise InvalidInput(
                f"Uncertainty needs a prediction that is a probability; {subject.prediction!r} is not one.",
                fix="Leave tw.Uncertainty() out of this loop's monitors.",
            )
        return WindowPlan((COLUMN,), window_us(self.window), self.alpha, self.min_effect)


def entropy_bits(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """The entropy of Bernoulli(p) in bits, from 0 (sure) to 1 (a coin)."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    entropy: NDArray[np.float64] = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return entropy
