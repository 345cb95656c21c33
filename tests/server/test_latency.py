"""Quantiles are read off the growth of the workers' histogram."""

from __future__ import annotations

from hypothesis import given, strategies as st

from tidewheel.server.pages.latency import latency_quantile_ms
from tidewheel.server.pages.recorder import TrafficPoint
from tidewheel.serving.worker.metrics import BOUNDS_S

_BUCKETS = len(BOUNDS_S) + 1


def look(at_s: float, counts: list[int]) -> TrafficPoint:
    return TrafficPoint(at_s, float(sum(counts)), tuple(map(float, counts)))


@given(st.lists(st.integers(0, 500), min_size=_BUCKETS, max_size=_BUCKETS), st.floats(0.01, 0.99))
def test_the_quantile_lies_in_the_bucket_that_holds_it(counts: list[int], q: float) -> None:
    found = latency_quantile_ms([look(0.0, [7] * _BUCKETS), look(1.0, [7 + count for count in counts])], q)
    if not sum(counts):
        assert found is None
        return
    place = next(i for i in range(_BUCKETS) if sum(counts[: i + 1]) >= q * sum(counts) and counts[i])
    low, high = (0.0, *BOUNDS_S)[place], (*BOUNDS_S, 2 * BOUNDS_S[-1])[place]
    assert found is not None
    assert 1000 * low - 1e-9 <= found <= 1000 * high + 1e-9


def test_only_the_last_seconds_count() -> None:
    slow, fast = [0] * _BUCKETS, [0] * _BUCKETS
    slow[-1] = 1000
    fast[-1], fast[0] = 1000, 10
    found = latency_quantile_ms([look(0.0, [0] * _BUCKETS), look(100.0, slow), look(101.0, fast)], 0.99)
    assert found is not None
    assert found <= 1000 * BOUNDS_S[0]
