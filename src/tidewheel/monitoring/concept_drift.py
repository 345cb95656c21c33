"""`tw.ConceptDrift("log_loss")`: the model has become wrong.

It watches the *excess* loss of each label, what the loss is beyond what the model itself expects, which has mean zero
for a calibrated model whatever the hour, season or mix of rows (see `stats.losses`). A rise means that the relation
of label to features has moved, and so it calls for retraining by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from tidewheel.base.errors import InvalidInput
from tidewheel.monitoring.blocks import blocks_of
from tidewheel.monitoring.outcome_drift import OutcomeWatch
from tidewheel.monitoring.watch import Subject
from tidewheel.stats import EDetector, excess_brier, excess_log_loss
from tidewheel.stats.losses import EXCESS_BRIER_RANGE, EXCESS_LOG_LOSS_RANGE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_METRICS = {
    "log_loss": (excess_log_loss, EXCESS_LOG_LOSS_RANGE, "log loss", "nats"),
    "brier": (excess_brier, EXCESS_BRIER_RANGE, "Brier score", ""),
}


@dataclass(frozen=True, slots=True)
class ConceptDrift:
    """Alarm when the loss rises above what the model expects of itself.

    Args:
        metric: "log_loss" or "brier", of a prediction that is a probability.
        tolerance: mean excess loss that is put up with, in the metric's unit. Set it above the model's own
            miscalibration; a larger one finds less and later.
        alpha: false alarms: among the first n labels (with `per`: blocks) after training or an alert, at most
            n * alpha. Choose it by how many of those pass between two trainings: 1e-7 suits labels, 0.01 days.
        per: a block of time, as "1d", whose mean counts as one observation; default: each label counts for itself.
            The stated false alarms suppose that a label is right on average given those before it. Labels that share
            a cause (the flights of one storm) are not, and fire a detector that counts them singly at every such
            cause: give the time after which causes are independent. An alarm then takes days of data, not rows.
    """

    metric: str = "log_loss"
    tolerance: float = 0.01
    alpha: float = 1e-7
    per: str | None = None

    def __post_init__(self) -> None:
        if self.metric not in _METRICS:
            raise InvalidInput(f"ConceptDrift cannot watch {self.metric!r}.", fix=f"Use one of {sorted(_METRICS)}.")
        blocks_of(self.per)  # a wrong duration is refused where it is written

    @property
    def name(self) -> str:
        return f"concept_drift({self.metric})"

    @property
    def kind(self) -> str:
        return "concept"

    def begin(self, subject: Subject) -> OutcomeWatch:
        trained = subject.reference[subject.prediction]
        if ((trained < 0) | (trained > 1)).any():
            raise InvalidInput(
                f"ConceptDrift({self.metric!r}) needs a prediction that is a probability; {subject.prediction!r} is "
                "not one.",
                fix="Name the output that is, as tw.Label(prediction=…), or watch tw.Bias(bound=…) instead.",
            )
        score, (lo, hi), _, unit = _METRICS[self.metric]
        detector = EDetector(alpha=self.alpha, lo=lo, hi=hi, m0=self.tolerance)
        name = f"{self.metric}({subject.prediction})"
        blocks = blocks_of(self.per)
        return OutcomeWatch(detector, score, self._tell, name, unit, usable=_is_probability, blocks=blocks)

    def _tell(self, mean: float, _side: str | None, changed: datetime | None, count: int) -> str:
        _, _, metric, unit = _METRICS[self.metric]
        since = f" since {changed:%Y-%m-%d %H:%M} UTC" if changed else ""
        return f"{metric} is {mean:.3f} {unit} above what the model expects{since} ({count} labels)".replace("  ", " ")


def _is_probability(truth: Floats, predicted: Floats) -> NDArray[np.bool_]:
    """Rows that the metrics take: others say nothing about a probability, and must not stop the watch."""
    usable: NDArray[np.bool_] = ((truth == 0) | (truth == 1)) & (predicted >= 0) & (predicted <= 1)
    return usable
