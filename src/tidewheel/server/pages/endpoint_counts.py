"""What the workers have counted of an endpoint, and of each of its versions: requests, failures, latency. Pure.

Counts are since the home's counters began, over all workers, dead ones included.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidewheel.server.pages.latency import latency_buckets, quantile_ms
from tidewheel.serving.worker.counters import Key, sum_of
from tidewheel.serving.worker.metrics import REQUESTS

_FULL = "429"  # ours to answer for, as all of 5xx; what a caller got wrong is the caller's


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Requests, those that failed (5xx, and 429 of a full queue: what rollouts hold against a version), those that were
    refused as wrong, and quantiles of all their latencies."""

    requests: int
    failed: int
    refused: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None


def live_counts(counters: dict[Key, float], endpoint: str) -> Counts:
    """Of the requests that callers were answered."""
    return _counts(counters, endpoint, {"arm": "live"})


def version_counts(counters: dict[Key, float], endpoint: str, version_id: str, *, shadow: bool) -> Counts:
    """Of one version, as it answered callers or, as a shadow, copies of their requests."""
    return _counts(counters, endpoint, {"version": version_id, "arm": "shadow" if shadow else "live"})


def _counts(counters: dict[Key, float], endpoint: str, labels: dict[str, str]) -> Counts:
    mine = {key: value for key, value in counters.items() if ("endpoint", endpoint) in key[1]}
    buckets = latency_buckets(mine, endpoint, **labels)
    by_status = {status: sum_of(mine, REQUESTS, status=status, **labels) for status in _statuses(mine)}
    failed = sum(count for status, count in by_status.items() if status.startswith("5") or status == _FULL)
    refused = sum(count for status, count in by_status.items() if status.startswith("4") and status != _FULL)
    return Counts(
        requests=round(sum(by_status.values())),
        failed=round(failed),
        refused=round(refused),
        latency_p50_ms=quantile_ms(buckets, 0.5),
        latency_p99_ms=quantile_ms(buckets, 0.99),
    )


def _statuses(counters: dict[Key, float]) -> set[str]:
    return {dict(labels)["status"] for name, labels in counters if name == REQUESTS}
