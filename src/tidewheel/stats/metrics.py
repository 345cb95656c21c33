"""The quality metrics that gates and monitors look up by name, each with its direction and its loss per row.

Called by gates (`beats_champion("log_loss")`), monitors and tracking. It must never be the place of a decision: a
metric is one number without an error bar; `paired` and `e_detector` judge the per-row losses that belong to it.

    log_loss, brier     mean of `losses.log_loss`, `losses.brier`                                  lower is better
    accuracy            share with (p >= 1/2) = y; per row: 1 when wrong                           higher
    auc                 P(score of a positive > score of a negative), ties half: Mann-Whitney      higher
    calibration_error   mean over 10 equally filled bins of |mean y - mean p|, weighted            lower
    rmse, mae           root of the mean squared error, mean absolute error; unit of y             lower

`per_row` is always a loss (lower is better) whose mean orders models as the metric does (rmse: squared errors); it is
None where the metric belongs to the whole set (auc, calibration_error) and no per-row comparison exists.

Hanley, McNeil, "The meaning and use of the area under a ROC curve", 1982; Nguyen, O'Connor, "Posterior calibration
and exploratory analysis", 2015 (equally filled bins).

>>> y, p = [0, 0, 1, 1], [0.1, 0.4, 0.4, 0.9]
>>> METRICS["auc"](y, p), METRICS["accuracy"](y, p)
(0.875, 0.75)
>>> METRICS["log_loss"].improves(0.60, over=0.65), METRICS["auc"].improves(0.60, over=0.65)
(True, False)
>>> metric("rmse")([1.0, 2.0], [1.0, 4.0])
1.4142135623730951
>>> metric("f1")
Traceback (most recent call last):
    ...
ValueError: no metric named 'f1'; there are accuracy, auc, brier, calibration_error, log_loss, mae, rmse
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tidewheel.stats import losses
from tidewheel.stats._checks import Floats, finite_column, same_length

Task = Literal["binary", "regression"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: call it with (y, prediction)."""

    name: str
    task: Task
    greater_is_better: bool
    function: Callable[[ArrayLike, ArrayLike], float]
    per_row: Callable[[ArrayLike, ArrayLike], Floats] | None

    def __call__(self, y: ArrayLike, prediction: ArrayLike) -> float:
        """The metric of these rows; NaN when it is not defined on them (no rows, or auc with one class)."""
        return self.function(y, prediction)

    @property
    def decomposes(self) -> bool:
        """True when rows have losses of their own, so that models can be compared row by row."""
        return self.per_row is not None

    def improves(self, value: float, *, over: float) -> bool:
        """Is `value` the better one, in this metric's direction?"""
        return value > over if self.greater_is_better else value < over


def accuracy(y: ArrayLike, p: ArrayLike) -> float:
    """Share of rows where the likelier class was the true one."""
    return 1.0 - _mean(_wrong(y, p))


def auc(y: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve from ranks, ties counted half; any score will do. NaN with one class only."""
    labels, scores = finite_column(y, "y") > 0.5, finite_column(score, "score")
    same_length(labels, scores, "y and score")
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if positives == 0 or negatives == 0:
        return math.nan
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    above = float(mean_rank[inverse][labels].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def calibration_error(y: ArrayLike, p: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error on equally filled bins of p, in probability; biased upwards when n is small."""
    y, p = finite_column(y, "y"), finite_column(p, "p")
    same_length(y, p, "y and p")
    if len(y) == 0:
        return math.nan
    order = np.argsort(p, kind="stable")
    parts = np.array_split((y - p)[order], min(bins, len(y)))
    return float(sum(abs(part.sum()) for part in parts) / len(y))


def _mean(rows: Floats) -> float:
    return float(rows.mean()) if len(rows) else math.nan


def _wrong(y: ArrayLike, p: ArrayLike) -> Floats:
    y, p = finite_column(y, "y"), finite_column(p, "p")
    same_length(y, p, "y and p")
    return np.asarray((p >= 0.5) != (y > 0.5), dtype=np.float64)


def _lower(name: str, task: Task, per_row: Callable[[ArrayLike, ArrayLike], Floats]) -> Metric:
    def function(y: ArrayLike, prediction: ArrayLike) -> float:
        return _mean(per_row(y, prediction))

    return Metric(name=name, task=task, greater_is_better=False, function=function, per_row=per_row)


def _rmse(y: ArrayLike, prediction: ArrayLike) -> float:
    return math.sqrt(_mean(losses.squared(y, prediction)))


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        m.name: m
        for m in (
            Metric(name="accuracy", task="binary", greater_is_better=True, function=accuracy, per_row=_wrong),
            Metric(name="auc", task="binary", greater_is_better=True, function=auc, per_row=None),
            _lower("brier", "binary", losses.brier),
            Metric(
                name="calibration_error",
                task="binary",
                greater_is_better=False,
                function=calibration_error,
                per_row=None,
            ),
            _lower("log_loss", "binary", losses.log_loss),
            _lower("mae", "regression", losses.absolute),
            Metric(name="rmse", task="regression", greater_is_better=False, function=_rmse, per_row=losses.squared),
        )
    }
)


def metric(name: str) -> Metric:
    """The metric of that name; an unknown name lists the known ones."""
    if name not in METRICS:
        raise ValueError(f"no metric named {name!r}; there are {', '.join(sorted(METRICS))}")
    return METRICS[name]
