"""Asymptotic confidence sequences: an interval for a mean, or a difference of two means, that may be looked at
always.

A confidence interval is right at one look chosen in advance; one that is looked at after every request is wrong far
more often than alpha. A confidence sequence covers the truth at all looks at once with probability 1 - alpha, so a
rollout may stop the moment it is clear. Called by rollout decisions and by `paired`. It must never be used for tiny
counts of rare events: there the normal limit has not set in; `rates` is exact.

With n values, sample deviation s and rho tuned to be tightest at n_opt values:

    two-sided   mean +- s sqrt( 2 (n rho^2 + 1) / (n^2 rho^2) * log( sqrt(n rho^2 + 1) / alpha ) )
    one-sided   the same with   log( 1 + sqrt(n rho^2 + 1) / (2 alpha) )
    rho^2 n_opt = y - 1 where y - log y = 1 - 2 log alpha   (one-sided: 2 alpha for alpha)

For two arms the difference of means has variance V = s_a^2/n_a + s_b^2/n_b, and

    allocation="fixed"  n = n_a + n_b and s^2 = n V: the arms' shares of traffic stay what they are while these
                        moments accumulate (start new moments when the share changes: that also keeps a trend in time
                        from passing for an effect);
    allocation="any"    shares may change at will, each arm keeps its own clock n_i, rho_i and the bound is
                        +- sqrt( 2 (w_a + w_b) log( sqrt((1 + n_a rho_a^2)(1 + n_b rho_b^2)) / alpha ) ),
                        w_i = s_i^2/n_i (1 + 1/(n_i rho_i^2)): the product of two Gaussian mixtures, minimised over the
                        unknown common mean; rho_i tuned to n_opt / 2; about 15 % wider at equal shares; one side uses
                        the two-sided form (conservative).

The guarantee is asymptotic, hence `burn_in`: with fewer values (in either arm), or with no spread at all, the
interval is (-inf, inf). Effect of `n_opt`: ten times too small costs 7 % of width, ten times
too large 26 %, a hundred times too large a factor 3: guess low.

Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences",
Annals of Statistics 2024 (arXiv 2103.06476), Theorem 2.2 and Appendix B.

>>> import numpy as np
>>> rng = np.random.default_rng(7)
>>> champion, candidate = Moments.of(rng.normal(1.00, 0.5, 6000)), Moments.of(rng.normal(1.05, 0.5, 6000))
>>> found = difference_interval(champion, candidate, alpha=0.05, n_opt=10_000)
>>> round(found.lower, 3), round(found.estimate, 3), round(found.upper, 3)
(0.025, 0.053, 0.08)
>>> found.excludes(0.0)
True
>>> mean_interval(Moments.of([1.0, 2.0]), alpha=0.05, n_opt=100).lower
-inf
"""

import math
from dataclasses import dataclass
from typing import Literal

from tidewheel.stats._checks import State, probability
from tidewheel.stats.moments import Moments

Side = Literal["two", "lower", "upper"]
Allocation = Literal["fixed", "any"]

BURN_IN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where the truth lies, at every look at once, except with probability alpha. `n` is the smaller arm's count."""

    estimate: float
    lower: float
    upper: float
    n: int
    alpha: float

    def excludes(self, value: float) -> bool:
        """True when `value` is ruled out: the decision this interval allows."""
        return value < self.lower or value > self.upper

    def to_dict(self) -> State:
        """Plain JSON values; a missing bound (infinite) is None."""
        bounds = {k: v if math.isfinite(v) else None for k, v in (("lower", self.lower), ("upper", self.upper))}
        return {"estimate": self.estimate, **bounds, "n": self.n, "alpha": self.alpha}

    @classmethod
    def from_dict(cls, state: State) -> "Interval":
        """The inverse of `to_dict`."""
        lower = -math.inf if state["lower"] is None else float(state["lower"])
        upper = math.inf if state["upper"] is None else float(state["upper"])
        return cls(
            estimate=float(state["estimate"]), lower=lower, upper=upper, n=int(state["n"]), alpha=float(state["alpha"])
        )


def mean_interval(
    moments: Moments, *, alpha: float, n_opt: float, side: Side = "two", burn_in: int = BURN_IN
) -> Interval:
    """The sequence for one mean. side="lower" bounds from below only (upper = inf), "upper" from above only."""
    margin = math.inf
    if moments.n >= burn_in and moments.variance > 0:
        margin = moments.std / math.sqrt(moments.n) * boundary(moments.n, alpha=alpha, n_opt=n_opt, side=side)
    return _sided(moments.mean, margin, side, moments.n, alpha)


def difference_interval(
    a: Moments,
    b: Moments,
    *,
    alpha: float,
    n_opt: float,
    side: Side = "two",
    allocation: Allocation = "fixed",
    burn_in: int = BURN_IN,
) -> Interval:
    """The sequence for mean(b) - mean(a) of two unpaired arms; `n_opt` counts both arms together."""
    n = min(a.n, b.n)
    margin = math.inf
    if n >= burn_in and a.variance + b.variance > 0:
        variance = a.variance / a.n + b.variance / b.n
        if allocation == "fixed":
            margin = math.sqrt(variance) * boundary(a.n + b.n, alpha=alpha, n_opt=n_opt, side=side)
        else:
            margin = _two_clock_margin(a, b, alpha, n_opt)
    return _sided(b.mean - a.mean, margin, side, n, alpha)


def boundary(n: float, *, alpha: float, n_opt: float, side: Side = "two") -> float:
    """How many standard errors the bound lies from the estimate after n values (1.96's anytime-valid sister).

    >>> round(boundary(1000, alpha=0.05, n_opt=1000), 2), round(boundary(1000, alpha=0.05, n_opt=1000, side="lower"), 2)
    (3.04, 2.78)
    """
    u = n * tuned_rho_squared(alpha, n_opt, side)
    root = math.sqrt(u + 1)
    level = math.log(root / alpha) if side == "two" else math.log1p(root / (2 * alpha))
    return math.sqrt(2 * (u + 1) / u * level)


def tuned_rho_squared(alpha: float, n_opt: float, side: Side = "two") -> float:
    """The rho^2 whose boundary is tightest at n_opt values (unit: 1 / values)."""
    probability(alpha, "alpha")
    if not n_opt >= 1:
        raise ValueError(f"n_opt must be at least 1 value, got {n_opt}; give the count at which you hope to decide")
    target = 1 - 2 * math.log(alpha if side == "two" else min(2 * alpha, 0.999))
    y = target + math.log(target)
    for _ in range(60):  # a contraction (slope 1/y < 1): 60 rounds reach machine precision for any alpha < 0.9
        y = target + math.log(y)
    return (y - 1) / n_opt


def _two_clock_margin(a: Moments, b: Moments, alpha: float, n_opt: float) -> float:
    rho_squared = tuned_rho_squared(alpha, max(n_opt / 2, 1.0))  # never from the shares seen: rho is fixed before data
    u_a, u_b = a.n * rho_squared, b.n * rho_squared
    spread = a.variance / a.n * (1 + 1 / u_a) + b.variance / b.n * (1 + 1 / u_b)
    return math.sqrt(2 * spread * (0.5 * math.log((1 + u_a) * (1 + u_b)) - math.log(alpha)))


def _sided(estimate: float, margin: float, side: Side, n: int, alpha: float) -> Interval:
    lower = estimate - margin if side != "upper" else -math.inf
    upper = estimate + margin if side != "lower" else math.inf
    return Interval(estimate=estimate, lower=lower, upper=upper, n=n, alpha=alpha)
