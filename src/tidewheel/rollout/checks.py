"""One look at a guardrail: is it proven broken, in what words, from which numbers. Pure; called by `judge.py`.

Failure rates are tested exactly, latencies as the rate of requests above a limit (`stats.rates`, `stats.quantiles`), so
both are right from the first request. It looks at one stage only: failures and latencies follow the time of day, and so
would a sum over stages with different splits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tidewheel.rollout.evidence import StageEvidence
from tidewheel.rollout.guardrails import Guardrail
from tidewheel.stats import failure_share_excess, quantile_above, quantile_worse, rate_above, rate_excess

SUSPICION_NATS = 1.0
"""Evidence of harm from which on a stage waits instead of advancing (odds of e to 1)."""

UNFAIR_SHARE_NATS = 3.0
"""The same for failures: the candidate has more than its share of them, and the margin is not clearly kept."""


@dataclass(frozen=True, slots=True)
class Check:
    """A guardrail or the goal, looked at: whether harm is proven, the sentence that says so, the numbers (JSON).

    `suspect` is a reason to wait, not a verdict: the evidence leans towards harm. Waiting costs time and no error, and
    either the suspicion becomes proof or it fades.
    """

    name: str
    broken: bool
    suspect: bool
    sentence: str
    numbers: dict[str, Any]


def check_guardrail(guardrail: Guardrail, here: StageEvidence, share: float, alpha: float) -> Check:
    """Test one guardrail in one stage; `alpha` is the chance of ever calling it broken when it is not.

    `share` is the candidate's part of the requests that were compared, in percent; 0 is a shadow, which sees them all.
    """
    if guardrail.quantile is None:
        return _check_errors(guardrail, here, share / 100 if share else 0.5, alpha)
    return _check_latency(guardrail, guardrail.quantile, here, alpha)


def _check_errors(guardrail: Guardrail, here: StageEvidence, share_b: float, alpha: float) -> Check:
    champion, candidate = here.champion.requests, here.candidate.requests
    if guardrail.limit is None:
        # Both must be proven: failing more often by the margin (which takes rates as constant), and having more than
        # its share of the failures (which holds while the whole service has a bad hour).
        excess = rate_excess(champion, candidate, margin=guardrail.margin, alpha=alpha).log_e
        share = failure_share_excess(
            failures_a=champion.failures, failures_b=candidate.failures, share_b=share_b, alpha=alpha
        ).log_e
        log_e = min(excess, share)
        suspect = share >= UNFAIR_SHARE_NATS and excess > -UNFAIR_SHARE_NATS
        seen = f"{champion.rate:.2%} ({champion.failures} of {champion.n:,})"
        against = f"more than {guardrail.margin:.2%} above the champion's {seen}"
    else:
        log_e = rate_above(candidate, limit=guardrail.limit, alpha=alpha).log_e
        suspect = log_e >= SUSPICION_NATS
        against = f"above the limit of {guardrail.limit:.2%}"
    found = f"The candidate fails in {candidate.rate:.2%} of requests ({candidate.failures} of {candidate.n:,})"
    numbers = {
        "champion": champion.rate,
        "candidate": candidate.rate,
        "limit": guardrail.limit,
        "margin": guardrail.margin if guardrail.limit is None else None,
    }
    return _check(guardrail, found, against, log_e, suspect, alpha, numbers)


def _check_latency(guardrail: Guardrail, q: float, here: StageEvidence, alpha: float) -> Check:
    champion, candidate = here.champion.latency_ms, here.candidate.latency_ms
    if guardrail.limit is None:
        # Both must be proven, each at alpha: the chance of a false "both" is then at most alpha too.
        slower = quantile_worse(champion, candidate, q, factor=guardrail.factor, alpha=alpha)
        noticed = quantile_above(candidate, q, limit=guardrail.floor_ms, alpha=alpha)
        log_e = min(slower.log_e, noticed.log_e)
        against = f"more than {guardrail.factor:g} times the champion's {_ms(champion.quantile(q))}"
        against += f" and above {guardrail.floor_ms:g} ms"
    else:
        log_e = quantile_above(candidate, q, limit=guardrail.limit, alpha=alpha).log_e
        against = f"above the limit of {guardrail.limit:g} ms"
    found = f"The candidate's p{q * 100:g} latency is {_ms(candidate.quantile(q))} over {candidate.n:,} requests"
    numbers = {
        "champion_ms": finite(champion.quantile(q)),
        "candidate_ms": finite(candidate.quantile(q)),
        "limit_ms": guardrail.limit,
        "factor": guardrail.factor if guardrail.limit is None else None,
        "floor_ms": guardrail.floor_ms if guardrail.limit is None else None,
    }
    return _check(guardrail, found, against, log_e, log_e >= SUSPICION_NATS, alpha, numbers)


def _check(
    guardrail: Guardrail,
    found: str,
    against: str,
    log_e: float,
    suspect: bool,
    alpha: float,
    numbers: dict[str, Any],
) -> Check:
    needed = -math.log(alpha)
    broken = log_e >= needed
    verdict = f"{'proven' if broken else 'suspected' if suspect else 'not proven'} to be {against}"
    sentence = f"{found}, {verdict}: evidence {log_e:.1f} of {needed:.1f} nats (alpha {alpha:.2g})."
    evidence = {"log_e": finite(log_e), "log_e_needed": needed, "alpha": alpha, "suspect": suspect}
    return Check(guardrail.name, broken, suspect, sentence, {**numbers, **evidence})


def _ms(value: float) -> str:
    return f"{value:.3g} ms" if math.isfinite(value) else "unknown"


def finite(value: float) -> float | None:
    """The number, or None where it is not one (JSON has no infinity)."""
    return value if math.isfinite(value) else None
