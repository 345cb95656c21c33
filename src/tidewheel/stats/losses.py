"""Losses per row, and the excess of each over what the model itself expects: the stream concept drift is read from.

Called by monitors (feed `EDetector`), gates and `metrics`. Every function takes equal columns and returns one
number per row.

Why the excess removes the season. A loss has a level that moves with the rows: at night riders are predictable and
the log loss is low, in the rain it is high, and a detector on the raw loss reports the weather. A calibrated model
knows this: with y ~ Bernoulli(p) its expected log loss is the entropy of p. What is left,

    excess = loss(y, p) - E_{y ~ p}[loss(y, p)] = (p - y) logit(p)    for the log loss
                                                = (p - y) (2p - 1)    for the Brier score

has conditional mean zero for *every* p, thus for every mixture of rows, hour, season or zone, exactly as long as P(y
= 1 | row) = p. It moves only when the relation of label to features moves: concept drift, not data drift. Two
limits: (1) rows where p is near 1/2 carry no weight in the excess log loss (a coin flip cannot be more uncertain),
and errors in opposite directions on both sides of 1/2 may cancel: watch `signed_error` as well; (2) a model that is
miscalibrated from the start has a non-zero excess, so give the detector a tolerance, or recalibrate.

>>> import numpy as np
>>> p = np.array([0.2, 0.9]); y = np.array([0.0, 1.0])
>>> log_loss(y, p).round(3)
array([0.223, 0.105])
>>> excess = (1 - p) * excess_log_loss(np.zeros(2), p) + p * excess_log_loss(np.ones(2), p)
>>> excess.round(12) + 0.0   # the mean over y ~ Bernoulli(p) is zero, whatever p
array([0., 0.])
"""

import numpy as np
from numpy.typing import ArrayLike

from tidewheel.stats._checks import Floats, finite_column, same_length

LOGIT_LIMIT = 4.0
EXCESS_LOG_LOSS_RANGE = (-0.279, LOGIT_LIMIT)
"""Where `excess_log_loss` lies: the `lo` and `hi` for its `EDetector` (-0.2785 = min over p of -(1 - p) logit p)."""

EXCESS_BRIER_RANGE = (-0.125, 1.0)
"""Where `excess_brier` lies: the `lo` and `hi` for its `EDetector`."""

SIGNED_ERROR_RANGE = (-1.0, 1.0)
"""Where `signed_error` of a probability lies."""


def log_loss(y: ArrayLike, p: ArrayLike, clip: float = 1e-15) -> Floats:
    """-log of the probability given to what happened (nats); p is clipped to [clip, 1 - clip]."""
    y, p = _label_and_probability(y, p)
    p = np.clip(p, clip, 1 - clip)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)))


def brier(y: ArrayLike, p: ArrayLike) -> Floats:
    """(y - p)^2, in [0, 1]."""
    y, p = _label_and_probability(y, p)
    return np.asarray((y - p) ** 2)


def squared(y: ArrayLike, prediction: ArrayLike) -> Floats:
    """(y - prediction)^2, unit of y squared."""
    y, prediction = _pair(y, prediction)
    return np.asarray((y - prediction) ** 2)


def absolute(y: ArrayLike, prediction: ArrayLike) -> Floats:
    """|y - prediction|, unit of y."""
    y, prediction = _pair(y, prediction)
    return np.asarray(np.abs(y - prediction))


def signed_error(y: ArrayLike, prediction: ArrayLike) -> Floats:
    """y - prediction: mean zero when the model is unbiased, positive when it predicts too low."""
    y, prediction = _pair(y, prediction)
    return np.asarray(y - prediction)


def excess_log_loss(y: ArrayLike, p: ArrayLike, logit_limit: float = LOGIT_LIMIT) -> Floats:
    """(p - y) logit(p), the log loss beyond what p itself expects; logit clipped to +-logit_limit (nats).

    Only the logit is clipped, never (p - y), so the mean stays exactly zero under a calibrated model while the value
    stays within [-0.279, logit_limit]. Effect of `logit_limit`: 4.0 (p = 0.982) keeps one confident miss from being
    the whole evidence; larger values weigh confident rows more.
    """
    y, p = _label_and_probability(y, p)
    with np.errstate(divide="ignore"):
        logit = np.log(p) - np.log1p(-p)
    return np.asarray((p - y) * np.clip(logit, -logit_limit, logit_limit))


def excess_brier(y: ArrayLike, p: ArrayLike) -> Floats:
    """(y - p)^2 - p (1 - p) = (p - y)(2p - 1): the Brier score beyond what p itself expects, in [-1/8, 1]."""
    y, p = _label_and_probability(y, p)
    return np.asarray((p - y) * (2 * p - 1))


def excess_squared(y: ArrayLike, prediction: ArrayLike, expected: ArrayLike, limit: float = 9.0) -> Floats:
    """(y - prediction)^2 / expected - 1, clipped above at `limit`: regression's excess loss, at least -1.

    `expected` is the squared error the model (or a reference window of the same season slot) expects of each row, unit
    of y squared. Clipping above only lowers the mean, so a detector of increases keeps its error rate. EDetector: lo =
    -1, hi = limit.

    >>> excess_squared([1.0, 5.0], [1.5, 1.0], [0.25, 0.25])
    array([0., 9.])
    """
    y, prediction = _pair(y, prediction)
    scale = np.broadcast_to(np.asarray(expected, dtype=np.float64), y.shape)
    if not (scale > 0).all():
        raise ValueError("expected must be positive: it is the squared error the model expects of each row")
    return np.asarray(np.minimum((y - prediction) ** 2 / scale - 1.0, limit))


def _pair(y: ArrayLike, prediction: ArrayLike) -> tuple[Floats, Floats]:
    y, prediction = finite_column(y, "y"), finite_column(prediction, "prediction")
    same_length(y, prediction, "y and prediction")
    return y, prediction


def _label_and_probability(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    y, p = _pair(y, p)
    if ((p < 0) | (p > 1)).any() or not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("need labels that are 0 or 1 and predictions that are probabilities in [0, 1]")
    return y, p
