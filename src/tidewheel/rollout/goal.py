"""Is the candidate's goal better or worse? A stratified difference of two means, valid at every look.

Called by `judge.py` with one stratum per canary stage. It must never pool stages: at 5 % the candidate met Monday's
traffic and at 50 % Tuesday's, and when the world moved in between, pooled means differ though no version is better
(Simpson's paradox). Within a stage the split is fixed and the coin fair, so a stage compares like with like; across
stages only *differences* are combined:

    d = sum_k w_k (mean'_k - f mean_k)              mean', n', s': the candidate's; mean, n, s: the champion's
    V = sum_k w_k^2 (s'_k^2 / n'_k + f^2 s_k^2 / n_k)                    w_k proportional to n_k n'_k / (n_k + n'_k)

w_k are the Mantel-Haenszel weights. They are, up to a factor, (n_k + n'_k) p_k (1 - p_k) with p_k the stage's share:
fixed before the stage's first request, close to inverse variance, and blind to outcomes. So  sum_k w_k (d_k - truth_k)
is (to first order) a martingale that runs on from stage to stage, however long the data let each stage last, and the
confidence sequence for means that vary over time applies to the whole walk at once. Its clock is
N = 4 sum_k n_k n'_k / (n_k + n'_k),  the size of a 50:50 trial that would know as much.

f = 1 asks for the difference; f = 1 - margin asks for "worse than the margin", with the champion's uncertainty in it. A
unit is what the coin was tossed for (a request key, a switchback window); its rows are one observation.

What it estimates: the mean effect over the walk, weighted by where both arms were seen. Labels come late: a prediction
counts once its label is there. If a version changes *how fast* labels come, the means of the labelled differ from the
truth until they are all in; when that may be so, let min_per_stage span several label delays.

Mantel, Haenszel, "Statistical aspects of the analysis of data from retrospective studies", JNCI 1959; Waudby-Smith,
Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of
Statistics 2024 (arXiv 2103.06476), for randomised experiments with means that vary over time.

>>> morning = Stratum(Moments(900, 1.0, 225.0), Moments(100, 1.0, 25.0))
>>> evening = Stratum(Moments(500, 2.0, 125.0), Moments(500, 2.0, 125.0))
>>> found = stratified_difference([morning, evening], alpha=0.05, expected_units=2000, burn_in=100)
>>> found.estimate, round(found.upper, 3)  # pooled, the candidate would look 0.48 better
(0.0, 0.076)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tidewheel.stats import Interval, Moments
from tidewheel.stats.confidence_sequence import boundary

MIN_UNITS_IN_STRATUM = 20
"""Below this, in either arm, a stage's variance is not known well enough and the stage does not count yet."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """One stage: a value per unit, of each arm."""

    champion: Moments
    candidate: Moments

    @property
    def weight(self) -> float:
        """Mantel-Haenszel's: a quarter of the size of a 50:50 trial that would know as much."""
        n, m = self.champion.n, self.candidate.n
        return n * m / (n + m) if n + m else 0.0


def stratified_difference(
    strata: Sequence[Stratum],
    *,
    alpha: float,
    expected_units: int,
    burn_in: int,
    champion_factor: float = 1.0,
    side: Literal["lower", "upper"] = "upper",
) -> Interval:
    """The confidence sequence for  mean(candidate) - champion_factor mean(champion),  bounded on one side.

    With fewer than `burn_in` units in either arm the bound is infinite.
    """
    usable = [s for s in strata if min(s.champion.n, s.candidate.n) >= MIN_UNITS_IN_STRATUM]
    total = sum(s.weight for s in usable)
    n = min(sum(s.champion.n for s in usable), sum(s.candidate.n for s in usable))
    estimate = variance = 0.0
    for stratum in usable:
        share = stratum.weight / total
        champion, candidate = stratum.champion, stratum.candidate
        estimate += share * (candidate.mean - champion_factor * champion.mean)
        spread = candidate.variance / candidate.n + champion_factor**2 * champion.variance / champion.n
        variance += share**2 * spread
    margin = math.inf
    if n >= burn_in and variance > 0:
        margin = math.sqrt(variance) * boundary(4 * total, alpha=alpha, n_opt=expected_units, side=side)
    lower = estimate - margin if side == "lower" else -math.inf
    upper = estimate + margin if side == "upper" else math.inf
    return Interval(estimate=estimate, lower=lower, upper=upper, n=n, alpha=alpha)


def stratified_mean(strata: Sequence[Stratum]) -> tuple[float, float]:
    """The champion's and the candidate's mean with the same weights, for people and for the margin's sign."""
    usable = [s for s in strata if min(s.champion.n, s.candidate.n) >= MIN_UNITS_IN_STRATUM]
    total = sum(s.weight for s in usable)
    if not total:
        return 0.0, 0.0
    champion = sum(s.weight * s.champion.mean for s in usable) / total
    return champion, sum(s.weight * s.candidate.mean for s in usable) / total
