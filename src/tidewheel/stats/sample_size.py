"""How many observations an experiment will take, before it is begun.

Called by rollout to say "about 6,000 quotes an arm, 40 minutes at today's traffic" and to choose `n_opt`. It must
never be used to stop an experiment: the confidence sequence does that.

An effect d is seen at n per arm when the estimate, normal with standard error s = sd sqrt(2 / n), passes the boundary
b(2n) of the sequence:   d >= (b(2n) + z_power) s.   As the sequence may stop earlier, this n is an upper estimate.

effect: the smallest difference worth seeing; sd: per observation, same unit. design_effect multiplies n when
observations come in clusters of m with correlation rho: 1 + (m - 1) rho.

Waudby-Smith et al. 2024, as in `confidence_sequence`; Kish, "Survey Sampling", 1965 (design effect).

>>> quotes_needed(effect=0.03, sd=0.5, alpha=0.05, power=0.8)
8350
>>> quotes_needed(effect=0.03, sd=0.5, alpha=0.05, power=0.8, side="lower")
7281
>>> design_effect(cluster_size=25, correlation=0.05)
2.2
"""

import math
from statistics import NormalDist

from tidewheel.stats._checks import probability
from tidewheel.stats.confidence_sequence import BURN_IN, Side, boundary


def quotes_needed(
    *, effect: float, sd: float, alpha: float = 0.05, power: float = 0.8, side: Side = "two", share_b: float = 0.5
) -> int:
    """Observations of arm B needed to see `effect` with chance `power` (with share_b = 1/2: per arm)."""
    if not (effect > 0 and sd > 0):
        raise ValueError(f"effect and sd must be positive, got {effect} and {sd}")
    z = NormalDist().inv_cdf(probability(power, "power"))
    per_total = 1 / probability(share_b, "share_b") + 1 / (1 - share_b)  # variance of the difference, times n_total
    low, high = 2.0 * BURN_IN, 1e15
    while high / low > 1 + 1e-9:
        total = math.sqrt(low * high)
        reach = (boundary(total, alpha=alpha, n_opt=total, side=side) + z) * sd * math.sqrt(per_total / total)
        low, high = (low, total) if reach <= effect else (total, high)
    return math.ceil(high * share_b - 1e-3)


def design_effect(*, cluster_size: float, correlation: float) -> float:
    """The factor by which clusters of `cluster_size` with that correlation inside raise the observations needed."""
    return 1 + (cluster_size - 1) * correlation
