"""`tw.Bias()`: predictions have become too high or too low on the whole.

It watches the signed error `truth - predicted`, two-sided. Often the first to see a shift of the world, since errors
of one sign add up; it calls for retraining by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from tidewheel.monitoring.blocks import blocks_of
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
        bound: the largest error possible (with `per`: of a block's mean), in the label's unit, 1 for probabilities;
            larger errors count as this.
        alpha: false alarms: among the first n labels (with `per`: blocks) after training or an alert, at most
            n * alpha. Choose it by how many of those pass between two trainings: 1e-7 suits labels, 0.01 days.
        per: a block of time, as "1d", whose mean counts as one observation; default: each label counts for itself.
            The stated false alarms suppose that a label is right on average given those before it. Labels that share
            a cause (the flights of one storm) are not, and fire a detector that counts them singly at every such
            cause: give the time after which causes are independent. An alarm then takes days of data, not rows.
    """

    tolerance: float = 0.03
    bound: float = 1.0
    alpha: float = 1e-7
    per: str | None = None

    def __post_init__(self) -> None:
        blocks_of(self.per)  # a wrong duration is refused where it is written

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
            found = signed_error(truth, predicted)
            return found if self.per else np.clip(found, -self.bound, self.bound)

        name = f"bias({subject.prediction})"
        return OutcomeWatch(detector, error, tell, name, "", blocks=blocks_of(self.per))
