"""The exact tests on failures: error held at every look from the first request, power, and agreement of the forms."""

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tidewheel.stats import RateCounts, failure_share_excess, rate_above, rate_difference_interval, rate_excess


def counts(failed: np.ndarray) -> RateCounts:
    return RateCounts(len(failed), int(failed.sum()))


@pytest.mark.parametrize(("rate", "margin"), [(0.002, 0.0), (0.05, 0.02)])
def test_an_arm_within_the_margin_is_rarely_blamed_however_often_one_looks(rate: float, margin: float) -> None:
    blamed = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        a, b = rng.random(8000) < rate, rng.random(800) < rate + margin
        looks = range(10, 801, 30)
        blamed += any(rate_excess(counts(a[: 10 * n]), counts(b[:n]), margin=margin, alpha=0.1).alarm for n in looks)
    assert blamed / 150 <= 0.1


def test_a_broken_canary_is_seen_within_a_few_requests() -> None:
    champion = RateCounts(2000, 2)
    assert rate_excess(champion, RateCounts(10, 10), margin=0.01, alpha=1e-6).alarm
    assert not rate_excess(champion, RateCounts(10, 0), margin=0.01, alpha=0.5).alarm


def test_the_interval_holds_exactly_the_margins_that_are_not_rejected() -> None:
    a, b = RateCounts(500, 20), RateCounts(300, 30)
    found = rate_difference_interval(a, b, alpha=0.05)
    assert found.lower < 0.06 < found.upper
    assert rate_excess(a, b, margin=found.lower - 1e-6, alpha=0.05).alarm
    assert not rate_excess(a, b, margin=found.lower + 1e-6, alpha=0.05).alarm


def test_the_difference_is_covered_at_all_looks_together() -> None:
    missed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        a, b = rng.random(1000) < 0.03, rng.random(1000) < 0.08
        found = [rate_difference_interval(counts(a[:n]), counts(b[:n]), alpha=0.2) for n in range(20, 1001, 190)]
        missed += any(interval.excludes(0.05) for interval in found)
    assert missed / 40 <= 0.2


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_evidence_falls_as_the_margin_grows_and_nothing_is_undefined(ka: int, ga: int, kb: int, gb: int) -> None:
    a, b = RateCounts(ka + ga, ka), RateCounts(kb + gb, kb)
    evidence = [rate_excess(a, b, margin=m).log_e for m in (-0.5, 0.0, 0.05, 0.5)]
    assert np.isfinite(evidence).all()
    assert all(later <= earlier + 1e-6 for earlier, later in itertools.pairwise(evidence))


def test_one_arm_against_a_limit_keeps_its_error_and_sees_a_doubling() -> None:
    rng = np.random.default_rng(0)
    failed = np.cumsum(rng.random((300, 3000)) < 0.02, axis=1)
    alarms = [
        any(rate_above(RateCounts(n, int(k[n - 1])), limit=0.02, alpha=0.1).alarm for n in range(50, 3001, 50))
        for k in failed
    ]
    assert np.mean(alarms) <= 0.1
    assert rate_above(RateCounts(2000, 80), limit=0.02, alpha=0.01).alarm


def test_an_outage_of_both_arms_blames_neither_by_failure_share() -> None:
    blamed = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        rate = np.where((np.arange(20_000) // 2000) % 3 == 1, 0.3, 0.01)  # two bad spells
        failed, is_b = rng.random(20_000) < rate, rng.random(20_000) < 0.1
        b = np.cumsum(is_b[failed])
        blamed += any(
            failure_share_excess(failures_a=int(n - b[n - 1]), failures_b=int(b[n - 1]), share_b=0.1, alpha=0.1).alarm
            for n in range(5, len(b) + 1, 100)
        )
    assert blamed / 200 <= 0.1


def test_more_failures_than_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and n"):
        RateCounts(3, 4)
