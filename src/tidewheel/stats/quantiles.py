"""Anytime-valid statements about a quantile (p99 latency), read from a mergeable `LogHistogram`.

A quantile is a statement about a rate: "p99 > 80 ms" says that more than 1 % of requests take longer than 80 ms. So
the tests count: no distribution of latencies is assumed, only that requests are independent given the arm. Called by
the latency guardrail of a rollout. It must never round in favour of an alarm: an observation that shares a bin with
the limit does not count as above it, so alarms come late by at most the histogram's relative error.

With F the distribution and Q its q-quantile, the count of X <= x is binomial with rate F(x), and the mixture of
likelihood ratios of `rates.log_e_above` is a test martingale for each bound on that rate. As it is monotone in the
count, the bound holds at all x at once when it holds at x = Q, so one pass over the bin edges inverts it:

    quantile_interval   all x at which neither "F(x) >= q" nor "F(x-) <= q" has evidence 2/alpha against it
    quantile_above      evidence against  P(X > limit) <= 1 - q
    quantile_worse      evidence against  Q_b <= factor Q_a:
                        min over v of E_a(v: Q_a = v) E_b(v: P(X_b > factor v) <= 1 - q), an e-process whatever Q_a is

alpha: chance of ever being wrong, over all looks together. About log(1/alpha) + 5 nats must be earned: at q = 0.99
and a true rate above the limit of 2 % instead of 1 %, some 1,750 requests; of 5 %, some 170 (alpha = 0.01).

Howard, Ramdas, "Sequential estimation of quantiles with applications to A/B testing and best-arm identification",
Bernoulli 2022 (arXiv 1906.09712), Theorem 1; the mixture over a grid replaces their beta-binomial one.

>>> import numpy as np
>>> rng = np.random.default_rng(3)
>>> champion, candidate = LogHistogram(), LogHistogram()
>>> champion.add(rng.lognormal(1.0, 0.5, 20_000)); candidate.add(rng.lognormal(1.4, 0.5, 2_000))
>>> found = quantile_interval(champion, 0.99, alpha=0.05)
>>> round(found.lower, 1), round(found.estimate, 1), round(found.upper, 1)
(8.1, 8.7, 9.1)
>>> quantile_above(candidate, 0.99, limit=10.0, alpha=0.01).alarm
True
>>> quantile_worse(champion, candidate, 0.99, factor=1.1, alpha=0.01).alarm
True
>>> quantile_worse(champion, candidate, 0.99, factor=1.6, alpha=0.01).alarm
False
"""

import math
from dataclasses import dataclass

import numpy as np

from tidewheel.stats._checks import probability
from tidewheel.stats.confidence_sequence import Interval
from tidewheel.stats.log_histogram import LogHistogram
from tidewheel.stats.rates import log_e_above, log_e_below


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileEvidence:
    """B's quantile, what it was held against (same unit), and the evidence (log e-value, nats) that it is above."""

    quantile: float
    value_b: float
    limit: float
    log_e: float
    alpha: float

    @property
    def alarm(self) -> bool:
        """True when the evidence reached 1/alpha: wrong with chance at most alpha over all looks together."""
        return self.log_e >= -math.log(self.alpha)


def quantile_interval(histogram: LogHistogram, q: float, *, alpha: float = 0.05) -> Interval:
    """The confidence sequence for the q-quantile; its bounds are bin edges (or 0 and infinity)."""
    probability(q, "q")
    edges, below, n = histogram.edges, histogram.counts_up_to_edges(), histogram.n
    need = math.log(2 / probability(alpha, "alpha"))
    too_few = np.flatnonzero(log_e_below(n, below, q) >= need)
    too_many = np.flatnonzero(log_e_above(n, below, q) >= need)
    lower = float(edges[too_few[-1]]) if len(too_few) else 0.0
    upper = float(edges[too_many[0]]) if len(too_many) else math.inf
    return Interval(estimate=histogram.quantile(q), lower=lower, upper=upper, n=n, alpha=alpha)


def quantile_above(histogram: LogHistogram, q: float, *, limit: float, alpha: float = 0.01) -> QuantileEvidence:
    """Is the q-quantile above a fixed `limit` (such as 80 ms)?"""
    probability(alpha, "alpha")
    log_e = float(log_e_above(histogram.n, histogram.count_above(limit), 1 - probability(q, "q")))
    value = histogram.quantile(q)
    return QuantileEvidence(quantile=q, value_b=value, limit=limit, log_e=log_e, alpha=alpha)


def quantile_worse(
    a: LogHistogram, b: LogHistogram, q: float, *, factor: float = 1.0, alpha: float = 0.01
) -> QuantileEvidence:
    """Is B's q-quantile more than `factor` times A's? (factor = 1.2: "20 % slower")."""
    probability(alpha, "alpha")
    if not factor > 0:
        raise ValueError(f"factor must be positive, got {factor}; 1.2 asks whether B is more than 20 % worse")
    below = a.counts_up_to_edges()
    # Q_a lies in some bin (edge i-1, edge i]; within it only these bounds on its counts are known
    at_most, at_least = np.append(below, a.n), np.append(0, below)
    low, high = log_e_below(a.n, at_most, probability(q, "q")), log_e_above(a.n, at_least, q)
    log_e_a = np.logaddexp(low, high) - math.log(2)
    b_above = np.append(b.count_above(a.edges * factor), 0)
    log_e = float((log_e_a + log_e_above(b.n, b_above, 1 - q)).min())
    return QuantileEvidence(quantile=q, value_b=b.quantile(q), limit=a.quantile(q) * factor, log_e=log_e, alpha=alpha)
