"""Latency of the last seconds: quantiles read off the growth of the workers' histogram between two looks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from tidewheel.serving.worker.counters import Key, sum_of
from tidewheel.serving.worker.metrics import BOUNDS_S, LATENCY

_OVER_S = 10.0


class Look(Protocol):
    """Cumulative bucket counts at an instant."""

    @property
    def at_s(self) -> float: ...
    @property
    def buckets(self) -> tuple[float, ...]: ...


def latency_buckets(counters: dict[Key, float], endpoint: str, **labels: str) -> tuple[float, ...]:
    """How many requests fell into each bucket, of all workers: the live ones of all versions, unless `labels` say."""
    labels = {"arm": "live", **labels}
    bounds = (*(f"{bound:g}" for bound in BOUNDS_S), "+Inf")
    return tuple(sum_of(counters, LATENCY, endpoint=endpoint, le=bound, **labels) for bound in bounds)


def latency_quantile_ms(looks: Sequence[Look], q: float) -> float | None:
    """A quantile of the last seconds, interpolated within its bucket; None while nothing was asked."""
    recent = [look for look in looks if looks[-1].at_s - look.at_s <= _OVER_S]
    if len(recent) < 2:
        return None
    return quantile_ms([b - a for a, b in zip(recent[0].buckets, recent[-1].buckets, strict=True)], q)


def quantile_ms(grown: Sequence[float], q: float) -> float | None:
    """A quantile of requests counted by bucket (each up to one of `BOUNDS_S`, the last without bound); None of none."""
    total = sum(grown)
    if total <= 0:
        return None
    edges = (0.0, *BOUNDS_S, 2 * BOUNDS_S[-1])
    below = 0.0
    for number, (low, high) in zip(grown, pairwise(edges), strict=True):
        if number > 0 and below + number >= q * total:
            return 1000 * (low + (high - low) * (q * total - below) / number)
        below += number
    return 1000 * edges[-1]
