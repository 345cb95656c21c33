"""Exact, anytime-valid tests on failure rates: right from the first request, with counts as tiny as they come.

Called by the error-rate guardrail of a rollout and by `quantiles` (a p99 is a rate of requests above a limit). The
counts are the whole state: batches may be merged in any order, arms may get any share of traffic. It must never be
replaced by a normal approximation: one failure in two hundred requests is what a canary has to judge.

`rate_excess` tests  H0: p_b <= p_a + margin  by universal inference. The evidence is an e-process

    E = Q(k_a; n_a) Q(k_b; n_b) / max_{H0} p_a^k_a (1-p_a)^(n_a-k_a) p_b^k_b (1-p_b)^(n_b-k_b)

with Q(k; n) = Beta(k + 1/2, n - k + 1/2) / Beta(1/2, 1/2), the Krichevsky-Trofimov mixture. Whatever the true rates
in H0, E is at most a likelihood ratio of expectation one, so P(E ever >= 1/alpha) <= alpha, at every look and under
any (predictable) routing. `rate_difference_interval` inverts it. `rate_above` tests one arm against a fixed limit
with a mixture over odds ratios. Assumption: outcomes are independent given the arm's rate (a burst of retries is one
outcome).

margin: absolute, in failures per request; alpha: chance of ever blaming a B that is within the margin.

Wasserman, Ramdas, Balakrishnan, "Universal inference", PNAS 2020 (arXiv 1912.11436), section 8; the block-wise
alternative for 2 x 2 tables is Turner, Ly, Gruenwald, "Generic E-variables for exact sequential k-sample tests that
allow for optional stopping", JSPI 2024 (arXiv 2106.02693).

>>> champion = RateCounts(n=9500, failures=10)
>>> rate_excess(champion, RateCounts(n=500, failures=1), margin=0.005, alpha=0.01).alarm
False
>>> bad = rate_excess(champion, RateCounts(n=500, failures=20), margin=0.005, alpha=0.01)
>>> bad.alarm, bad.rate_b, round(bad.log_e, 1)
(True, 0.04, 12.4)
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from tidewheel.stats._checks import Floats, State, probability
from tidewheel.stats.confidence_sequence import Interval

# Alternatives of the one-arm test: log odds ratios from "2 % worse" to "3,000 times worse", finer where n is large.
_LOG_ODDS_RATIOS = np.geomspace(0.02, 8.0, 32)


@dataclass(frozen=True, slots=True)
class RateCounts:
    """How many requests, and how many of them failed."""

    n: int = 0
    failures: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.failures <= self.n:
            raise ValueError(f"failures must lie between 0 and n, got {self.failures} of {self.n}")

    def merge(self, other: "RateCounts") -> "RateCounts":
        """Both sets of requests together."""
        return RateCounts(self.n + other.n, self.failures + other.failures)

    @property
    def rate(self) -> float:
        """Failures per request; 0 before the first."""
        return self.failures / self.n if self.n else 0.0

    def to_dict(self) -> State:
        """Plain JSON values; `from_dict` restores them exactly."""
        return {"n": self.n, "failures": self.failures}

    @classmethod
    def from_dict(cls, state: State) -> Self:
        """The inverse of `to_dict`."""
        return cls(int(state["n"]), int(state["failures"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class RateEvidence:
    """The two rates, the evidence (log e-value, nats) that B's is more than `margin` above A's, and the verdict."""

    rate_a: float
    rate_b: float
    margin: float
    log_e: float
    alpha: float

    @property
    def alarm(self) -> bool:
        """True when the evidence reached 1/alpha: wrong with chance at most alpha over all looks together."""
        return self.log_e >= -math.log(self.alpha)


def rate_excess(a: RateCounts, b: RateCounts, *, margin: float = 0.0, alpha: float = 0.01) -> RateEvidence:
    """Evidence that B fails more often than A by more than `margin` (absolute)."""
    probability(alpha, "alpha")
    if not -1.0 < margin < 1.0:
        raise ValueError(f"margin is a difference of two rates and must lie in (-1, 1), got {margin}")
    log_e = _log_e_excess(a, b, margin)
    return RateEvidence(rate_a=a.rate, rate_b=b.rate, margin=margin, log_e=log_e, alpha=alpha)


def rate_above(counts: RateCounts, *, limit: float, alpha: float = 0.01) -> RateEvidence:
    """Evidence that one arm's failure rate is above a fixed `limit`."""
    probability(alpha, "alpha")
    log_e = float(log_e_above(counts.n, counts.failures, limit))
    return RateEvidence(rate_a=limit, rate_b=counts.rate, margin=0.0, log_e=log_e, alpha=alpha)


def rate_difference_interval(a: RateCounts, b: RateCounts, *, alpha: float = 0.05) -> Interval:
    """The exact confidence sequence for rate(b) - rate(a): all margins whose evidence stays below 1/alpha.

    Both sides come from one e-process of the point null "difference = truth", so alpha is not halved.

    >>> found = rate_difference_interval(RateCounts(1000, 10), RateCounts(1000, 60))
    >>> round(found.lower, 3), round(found.upper, 3)
    (0.015, 0.092)
    """
    probability(alpha, "alpha")
    lower, upper = _least_margin(a, b, alpha), -_least_margin(b, a, alpha)
    return Interval(estimate=b.rate - a.rate, lower=lower, upper=upper, n=min(a.n, b.n), alpha=alpha)


def log_e_above(n: ArrayLike, successes: ArrayLike, limit: float) -> Floats:
    """log e-value against "each success has probability <= limit", one for each entry of `successes`.

    The likelihood ratio of a larger rate to `limit`, averaged over odds ratios; it grows with `successes`, which
    `quantiles` relies on.
    """
    probability(limit, "limit")
    n, k = np.asarray(n, dtype=np.float64), np.asarray(successes, dtype=np.float64)
    log_odds = math.log(limit) - math.log1p(-limit) + _LOG_ODDS_RATIOS
    # log(theta / limit) and log((1 - theta) / (1 - limit)), without cancellation
    gain_failure = -np.logaddexp(0.0, log_odds) - math.log1p(-limit)
    gain_success = gain_failure + _LOG_ODDS_RATIOS
    logs = k[..., None] * gain_success + (n - k)[..., None] * gain_failure
    return np.asarray(np.logaddexp.reduce(logs, axis=-1) - math.log(len(_LOG_ODDS_RATIOS)))


def log_e_below(n: ArrayLike, successes: ArrayLike, limit: float) -> Floats:
    """log e-value against "each success has probability >= limit" (few successes are the evidence)."""
    return log_e_above(n, np.asarray(n) - np.asarray(successes), 1.0 - limit)


def _log_e_excess(a: RateCounts, b: RateCounts, margin: float) -> float:
    if b.rate <= a.rate + margin:
        null = _log_likelihood(a, a.rate) + _log_likelihood(b, b.rate)
    else:
        p = _closest_rate(a, b, margin)
        null = _log_likelihood(a, p) + _log_likelihood(b, p + margin)
    return _log_mixture(a) + _log_mixture(b) - null


def _least_margin(a: RateCounts, b: RateCounts, alpha: float) -> float:
    low, high = -1.0, b.rate - a.rate  # the evidence falls as the margin grows and is below 1 at the estimate
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _log_e_excess(a, b, middle) >= -math.log(alpha) else (low, middle)
    return low


def _closest_rate(a: RateCounts, b: RateCounts, margin: float) -> float:
    """p maximising the likelihood of (p, p + margin): bisection, the log likelihood is concave in p."""
    low, high = max(0.0, -margin), min(1.0, 1.0 - margin)
    for _ in range(80):
        p = (low + high) / 2
        low, high = (p, high) if _slope(a, p) + _slope(b, p + margin) > 0 else (low, p)
    return (low + high) / 2


def _slope(c: RateCounts, p: float) -> float:
    tiny = 1e-300
    return c.failures / max(p, tiny) - (c.n - c.failures) / max(1 - p, tiny)


def _log_likelihood(c: RateCounts, p: float) -> float:
    p = min(max(p, 0.0), 1.0)
    failed = c.failures * math.log(p) if c.failures and p > 0 else (-math.inf if c.failures else 0.0)
    good = c.n - c.failures
    return failed + (good * math.log1p(-p) if good and p < 1 else (-math.inf if good else 0.0))


def _log_mixture(c: RateCounts) -> float:
    k, m = c.failures + 0.5, c.n - c.failures + 0.5
    return math.lgamma(k) + math.lgamma(m) - math.lgamma(k + m) - math.log(math.pi)
