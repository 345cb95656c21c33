"""AUC and log-loss, month by month: how the flights demo judges the loop, the never-retrained and the monthly model.

Called with the same flights for each of them. Flights whose label never came are not scored; they are no negatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidewheel.stats.losses import log_loss

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well a column of probabilities foresaw what happened."""

    flights: int
    late_share: float
    auc: float
    """Chance that a late flight was given a higher probability than a punctual one; NaN without both kinds."""
    log_loss: float
    """Mean, in nats."""


def score(late: Floats, probability: Floats) -> Score:
    """Over the rows that have both a label and a prediction (neither is NaN)."""
    judged = ~np.isnan(late) & ~np.isnan(probability)
    y, p = late[judged], probability[judged]
    if not len(y):
        return Score(flights=0, late_share=np.nan, auc=np.nan, log_loss=np.nan)
    return Score(flights=len(y), late_share=float(y.mean()), auc=auc(y, p), log_loss=float(log_loss(y, p, 1e-6).mean()))


def score_by_month(late: Floats, probability: Floats, month: NDArray[np.int64]) -> dict[int, Score]:
    """One `Score` for each month (1..12) that has a flight to judge, in order."""
    scores = {int(m): score(late[month == m], probability[month == m]) for m in np.unique(month)}
    return {m: found for m, found in scores.items() if found.flights}


def auc(late: Floats, probability: Floats) -> float:
    """Area under the ROC curve by ranks (Mann-Whitney U); tied predictions count one half.

    >>> auc(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    positives = int(late.sum())
    negatives = len(late) - positives
    if not positives or not negatives:
        return float("nan")
    _, place, count = np.unique(probability, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    rank_sum = float(mean_rank[place][late == 1].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
