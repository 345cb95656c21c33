"""Is the candidate better than the champion on the same rows, and is it worse on any slice of them?

Both models score the same rows, so the difference of their losses row by row has far less spread than the losses: a
paired comparison needs a fraction of the rows. Called by gates (`beats_champion`, `no_slice_worse_than`), which look
once, at a hold-out set. difference = loss(candidate) - loss(champion): negative means the candidate is better.

`paired_difference` is SINGLE-LOOK: a Student t bound, right when it is computed once on rows fixed in advance; it
must never be evaluated again and again on growing data. `look="anytime"` gives the confidence sequence, which may be
(cost: about 1.7 times the width). Rows must be independent; where they come in groups, give one mean per group.

    mean +- t_{1 - alpha; n - 1} s / sqrt(n)      P(truth > upper) <= alpha and P(truth < lower) <= alpha

`compare_slices` does this per slice: H0 difference <= tolerance, p-values corrected over all slices tested (Holm by
default, never weaker than Bonferroni), so P(any slice wrongly called worse) <= alpha. Effect of `min_rows`: smaller
slices are not judged (and said to be so), as the t bound needs a mean that is about normal.

Quantiles of t are taken from the normal's by Wallace's transformation (error below 0.2 % for n >= 30).
Wallace, "Bounds on normal approximations to Student's and the chi-square distributions", 1959; Holm, "A simple
sequentially rejective multiple test procedure", 1979.

>>> import numpy as np
>>> rng = np.random.default_rng(3)
>>> champion = rng.exponential(0.5, 4000)
>>> candidate = champion - 0.01 + rng.normal(0, 0.1, 4000)
>>> found = paired_difference(candidate, champion, alpha=0.05)
>>> round(found.estimate, 3), round(found.upper, 3), found.better
(-0.01, -0.008, True)
>>> zones = np.where(np.arange(4000) % 40 == 0, "harbour", "centre")
>>> candidate[zones == "harbour"] += 0.2
>>> [(s.slice, s.rows, s.worse) for s in compare_slices(candidate, champion, zones, tolerance=0.02)]
[('harbour', 100, True), ('centre', 3900, False)]
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidewheel.stats._checks import State, finite_column, probability, same_length
from tidewheel.stats.confidence_sequence import mean_interval
from tidewheel.stats.moments import Moments

Look = Literal["single", "anytime"]
Correction = Literal["holm", "bonferroni"]
MIN_ROWS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """Mean of loss(candidate) - loss(champion) with one-sided bounds at alpha each, unit of the loss."""

    estimate: float
    lower: float
    upper: float
    rows: int
    alpha: float
    look: Look

    @property
    def better(self) -> bool:
        """The candidate's loss is certainly lower."""
        return self.upper < 0

    @property
    def worse(self) -> bool:
        """The candidate's loss is certainly higher."""
        return self.lower > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceComparison:
    """One slice: the difference, the single-look p-value of "worse by more than the tolerance", and the verdict.

    `judged` is False (and p_value 1) when the slice holds fewer than `min_rows` rows.
    """

    slice: str
    rows: int
    difference: float
    p_value: float
    worse: bool
    judged: bool

    def to_dict(self) -> State:
        """Plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def paired_difference(
    candidate_loss: ArrayLike,
    champion_loss: ArrayLike,
    *,
    alpha: float = 0.05,
    look: Look = "single",
    n_opt: float | None = None,
) -> PairedDifference:
    """Compare per-row losses on the same rows. Below 30 rows, or with no spread at all, the bounds are infinite."""
    moments = Moments.of(_differences(candidate_loss, champion_loss))
    if look == "anytime":
        wanted = n_opt or max(moments.n, 1)
        low, high = (mean_interval(moments, alpha=alpha, n_opt=wanted, side=s) for s in ("lower", "upper"))
        lower, upper = low.lower, high.upper
    else:
        margin = math.inf
        if moments.n >= MIN_ROWS and moments.variance > 0:
            margin = t_quantile(1 - probability(alpha, "alpha"), moments.n - 1) * moments.std / math.sqrt(moments.n)
        lower, upper = moments.mean - margin, moments.mean + margin
    return PairedDifference(estimate=moments.mean, lower=lower, upper=upper, rows=moments.n, alpha=alpha, look=look)


def compare_slices(
    candidate_loss: ArrayLike,
    champion_loss: ArrayLike,
    slices: Sequence[Any] | NDArray[Any],
    *,
    tolerance: float = 0.0,
    alpha: float = 0.05,
    min_rows: int = MIN_ROWS,
    correction: Correction = "holm",
) -> list[SliceComparison]:
    """Every slice's comparison, the most suspicious first; `tolerance` in the unit of the loss."""
    differences = _differences(candidate_loss, champion_loss)
    names, inverse = np.unique(np.asarray(slices).astype(str), return_inverse=True)
    same_length(differences, inverse, "losses and slices")
    found = [_judge(str(name), differences[inverse == i], tolerance, min_rows) for i, name in enumerate(names)]
    found.sort(key=lambda s: (not s.judged, s.p_value, -s.difference))
    return _corrected(found, alpha, correction)


def t_quantile(level: float, df: int) -> float:
    """Student t quantile from the normal one.

    >>> round(t_quantile(0.975, 29), 3), round(t_quantile(0.95, 1000), 3)     # tables: 2.045, 1.646
    (2.045, 1.646)
    """
    z = NormalDist().inv_cdf(level)
    shrink = (8 * df + 3) / (8 * df + 1)
    return math.copysign(math.sqrt(df * math.expm1((z * shrink) ** 2 / df)), z)


def t_survival(t: float, df: int) -> float:
    """P(T > t) for Student's t; the inverse of `t_quantile` (so two-sided bounds and p-values agree)."""
    z = (8 * df + 1) / (8 * df + 3) * math.sqrt(df * math.log1p(t * t / df))
    return 0.5 * math.erfc(math.copysign(z, t) / math.sqrt(2))


def _differences(candidate_loss: ArrayLike, champion_loss: ArrayLike) -> NDArray[np.float64]:
    candidate = finite_column(candidate_loss, "candidate_loss")
    champion = finite_column(champion_loss, "champion_loss")
    same_length(candidate, champion, "candidate_loss and champion_loss")
    return np.asarray(candidate - champion)


def _judge(name: str, differences: NDArray[np.float64], tolerance: float, min_rows: int) -> SliceComparison:
    moments = Moments.of(differences)
    judged = moments.n >= max(min_rows, 2)
    excess = moments.mean - tolerance
    if not judged:
        p_value = 1.0
    elif moments.variance == 0:
        p_value = 0.0 if excess > 0 else 1.0
    else:
        p_value = t_survival(excess / (moments.std / math.sqrt(moments.n)), moments.n - 1)
    return SliceComparison(
        slice=name, rows=moments.n, difference=moments.mean, p_value=p_value, worse=False, judged=judged
    )


def _corrected(found: list[SliceComparison], alpha: float, correction: Correction) -> list[SliceComparison]:
    judged, rejected = sum(s.judged for s in found), True
    result = []
    for rank, one in enumerate(found):
        divisor = judged - rank if correction == "holm" else judged
        rejected = rejected and one.judged and one.p_value <= alpha / max(divisor, 1)
        result.append(
            SliceComparison(
                slice=one.slice,
                rows=one.rows,
                difference=one.difference,
                p_value=one.p_value,
                worse=rejected,
                judged=one.judged,
            )
        )
    return result
