"""Whose failures are they? The error-rate guardrail that holds even while the whole service has a bad hour.

`rates.rate_excess` takes each arm's failure rate as constant; a dependency that fails for both arms for ten minutes
breaks that. Here only failures are looked at. If routing tosses a coin with share_b for B, independently of the
outcome, and B's rate is at most `factor` times A's at every moment, then each failure is one of B's with chance at
most

    limit = share_b factor / (1 - share_b + share_b factor)

whatever the rates are and however they move. So the failures are a stream of coin tosses against a known limit,
tested by the mixture of `rates.log_e_above`: exact, anytime-valid, no nuisance. Called by rollout guardrails. It
must never be used with counts gathered under different shares: add up the `log_e` of the stages instead (a product
of e-values is one).

factor: how many times A's rate B may have; alpha: chance of ever blaming a B within it. Failures must be independent
of each other given the moment (count a retried request once).

Turner, Ly, Gruenwald 2024 treat the same 2 x 2 table; conditioning on failures is the sequential form of
Przyborowski, Wilenski, "Homogeneity of results in testing samples from Poisson series", Biometrika 1940.

>>> found = failure_share_excess(failures_a=10, failures_b=9, share_b=0.05, factor=2.0, alpha=0.01)
>>> found.alarm, round(found.log_e, 1)
(True, 6.6)
>>> failure_share_excess(failures_a=190, failures_b=14, share_b=0.05, factor=2.0, alpha=0.01).alarm
False
"""

import math
from dataclasses import dataclass

from tidewheel.stats._checks import probability
from tidewheel.stats.rates import log_e_above


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureShareEvidence:
    """B's share of the failures, the largest share its factor allows, the evidence (log e-value, nats), the verdict."""

    share_of_failures: float
    limit: float
    log_e: float
    alpha: float

    @property
    def alarm(self) -> bool:
        """True when the evidence reached 1/alpha: wrong with chance at most alpha over all looks together."""
        return self.log_e >= -math.log(self.alpha)


def failure_share_excess(
    *, failures_a: int, failures_b: int, share_b: float, factor: float = 1.0, alpha: float = 0.01
) -> FailureShareEvidence:
    """Evidence that B fails more than `factor` times as often as A, from failures routed with a constant share."""
    probability(alpha, "alpha")
    if failures_a < 0 or failures_b < 0 or not factor > 0:
        raise ValueError(f"need counts >= 0 and factor > 0, got {failures_a}, {failures_b} and {factor}")
    weight = probability(share_b, "share_b") * factor
    limit, failures = weight / (1 - share_b + weight), failures_a + failures_b
    log_e = float(log_e_above(failures, failures_b, limit))
    share = failures_b / failures if failures else 0.0
    return FailureShareEvidence(share_of_failures=share, limit=limit, log_e=log_e, alpha=alpha)
