"""Quantile statements: covered at all looks together, equal arms rarely told apart, slow ones found."""

import numpy as np

from tidewheel.stats import LogHistogram, quantile_above, quantile_interval, quantile_worse


def histograms(x: np.ndarray, looks: list[int]) -> list[LogHistogram]:
    histogram, made, start = LogHistogram(0.03, 0.01, 1e4), [], 0
    for n in looks:
        histogram.add(x[start:n])
        made.append(LogHistogram.from_dict(histogram.to_dict()))
        start = n
    return made


LOOKS = list(range(100, 2001, 190))


def test_the_quantile_is_covered_at_all_looks_together() -> None:
    missed = 0
    for seed in range(80):
        made = histograms(np.random.default_rng(seed).exponential(10, 2000), LOOKS)
        found = [quantile_interval(h, 0.9, alpha=0.2) for h in made]
        missed += any(interval.excludes(10 * np.log(10)) for interval in found)
    assert missed / 80 <= 0.2


def test_the_interval_narrows_to_the_quantile() -> None:
    histogram = LogHistogram()
    histogram.add(np.random.default_rng(0).exponential(10, 100_000))
    found = quantile_interval(histogram, 0.99)
    assert 42 < found.lower < 46.05 < found.upper < 50


def test_equally_fast_arms_are_rarely_told_apart_however_often_one_looks() -> None:
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        arms = [histograms(rng.lognormal(2, 0.7, 2000), LOOKS) for _ in "ab"]
        alarms += any(quantile_worse(a, b, 0.95, alpha=0.2).alarm for a, b in zip(*arms, strict=True))
    assert alarms / 60 <= 0.2


def test_a_limit_that_is_the_true_quantile_is_rarely_called_exceeded() -> None:
    alarms = 0
    for seed in range(100):
        made = histograms(np.random.default_rng(seed).exponential(10, 2000), LOOKS)
        alarms += any(quantile_above(h, 0.95, limit=10 * np.log(20), alpha=0.2).alarm for h in made)
    assert alarms / 100 <= 0.2


def test_a_canary_twice_as_slow_at_the_tail_is_found_with_few_requests() -> None:
    rng = np.random.default_rng(1)
    a, b = LogHistogram(), LogHistogram()
    a.add(rng.lognormal(1, 0.4, 10_000))
    b.add(2 * rng.lognormal(1, 0.4, 400))
    assert quantile_worse(a, b, 0.99, factor=1.2, alpha=0.01).alarm
    assert not quantile_worse(a, b, 0.99, factor=2.2, alpha=0.01).alarm


def test_no_request_is_no_evidence() -> None:
    empty = LogHistogram()
    assert not quantile_above(empty, 0.99, limit=10.0).alarm
    assert not quantile_worse(empty, empty, 0.99).alarm
    assert quantile_interval(empty, 0.99).lower == 0.0
