"""What must not break while a candidate meets traffic: guardrails as a project writes them, and what they mean.

    error_rate              fails more often than the champion, by more than 1 percentage point
    error_rate<2%           fails more often than in 2 % of requests, whatever the champion does
    latency_p99             p99 above twice the champion's, and above 5 ms (what nobody notices is not broken)
    latency_p99<50ms        p99 above 50 ms, whatever the champion does

A request that the version's own full queue refused, or that missed the endpoint's deadline there, has failed too. Any
percentile may be named (`latency_p50`, `latency_p95`). Pure; the tests on these numbers are in `judge.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import parse_duration

ERROR_MARGIN = 0.01
LATENCY_FACTOR = 2.0
LATENCY_FLOOR_MS = 5.0

_FORM = re.compile(r"(?:error_rate|latency_p(?P<percentile>\d{1,2}(?:\.\d+)?))\s*(?:<\s*(?P<limit>\S.*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """One thing that must not break. `quantile` is None for the error rate; `limit` is absolute (a rate, or ms).

    Without a limit the champion is the measure: `margin` (failures per request) or `factor` and `floor_ms`.
    """

    name: str
    quantile: float | None = None
    limit: float | None = None
    margin: float = ERROR_MARGIN
    factor: float = LATENCY_FACTOR
    floor_ms: float = LATENCY_FLOOR_MS


def parse_guardrail(text: str) -> Guardrail:
    """A guardrail as written in a project.

    Raises:
        InvalidInput: if it is not one of the forms above.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise _unknown(text)
    percentile, limit = match["percentile"], match["limit"]
    if percentile is None:
        return Guardrail(name=text, limit=_rate(text, limit) if limit else None)
    quantile = float(percentile) / 100
    if not 0 < quantile < 1:
        raise _unknown(text)
    limit_ms = parse_duration(limit).total_seconds() * 1000 if limit else None
    return Guardrail(name=text, quantile=quantile, limit=limit_ms)


def _rate(text: str, limit: str) -> float:
    try:
        rate = float(limit.removesuffix("%").strip()) / (100 if limit.endswith("%") else 1)
    except ValueError:
        raise _unknown(text) from None
    if not 0 < rate < 1:
        raise _unknown(text)
    return rate


def _unknown(text: str) -> InvalidInput:
    return InvalidInput(
        f"{text!r} is not a guardrail.",
        fix="Write 'error_rate', 'error_rate<2%', 'latency_p99' or 'latency_p99<50ms'.",
    )
