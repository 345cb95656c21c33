"""`tw.Bias()`: predictions have become too high or too low on the whole.

It watches the signed error `truth - predicted`, two-sided. Often the first to see a shift of the world, since errors
of one sign add up; it calls for retraining by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from tidewheel.monitoring.outcome_drift import OutcomeWatch
from tidewheel.monitoring.watch import Subject
from tidewheel.stats import TwoSidedEDetector, signed_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bias:
    """Alarm when the mean of `truth - predicted` leaves [-tolerance, tolerance].

    Args:
        tolerance: mean error that is put up with, in the label's unit.
        bound: the largest error possible, in the label's unit, 1 for probabilities; larger errors count as this.
        alpha: false alarms: among the first n labels after training or an alert, at most n * alpha.
    """

    tolerance: float = 0.03
    bound: float = 1.0
    alpha: float = 1e-7

    @property
    def name(self) -> str:
        return "bias"

    @property
    def kind(self) -> str:
        return "bias"

    def begin(self, subject: Subject) -> OutcomeWatch:
        detector = TwoSidedEDetector(alpha=self.alpha, bound=self.bound, tolerance=self.tolerance)

        def tell(mean: float, side: str | None, changed: datetime | None, count: int) -> str:
            since = f" since {changed:%Y-%m-%d %H:%M} UTC" if changed else ""
            direction = "high" if side == "below" else "low"
            return f"{subject.prediction} is too {direction} by {abs(mean):.3f} on average{since} ({count} labels)"

        def error(truth: Floats, predicted: Floats) -> Floats:
            return np.clip(signed_error(truth, predicted), -self.bound, self.bound)

        return OutcomeWatch(detector, error, tell, f"bias({subject.prediction})", "")
