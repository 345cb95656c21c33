"""Confidence sequences cover at all looks together, and are tight enough to decide."""

import math

import numpy as np
import pytest

from tidewheel.stats import Interval, Moments, RatioMoments, boundary, difference_interval, mean_interval

LOOKS = np.unique(np.geomspace(100, 4000, 60).astype(int))


def running(x: np.ndarray) -> list[Moments]:
    sums, squares = np.cumsum(x), np.cumsum(x * x)
    return [Moments.from_sums(int(n), sums[n - 1], squares[n - 1]) for n in LOOKS]


def ever_wrong(runs: int, one_run: object) -> float:
    return sum(any(one_run(np.random.default_rng(seed))) for seed in range(runs)) / runs  # type: ignore[operator]


@pytest.mark.parametrize("side", ["two", "lower", "upper"])
def test_a_mean_is_covered_at_all_looks_together(side: str) -> None:
    def looks(rng: np.random.Generator) -> list[bool]:
        moments = running(rng.exponential(1.0, 4000))
        return [mean_interval(m, alpha=0.1, n_opt=1000, side=side).excludes(1.0) for m in moments]  # type: ignore[arg-type]

    assert ever_wrong(250, looks) <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / 250)


def test_a_fixed_interval_looked_at_as_often_would_be_wrong_far_more_often() -> None:
    def looks(rng: np.random.Generator) -> list[bool]:
        return [abs(m.mean) > 1.645 * m.std / math.sqrt(m.n) for m in running(rng.normal(0, 1, 4000))]

    assert ever_wrong(250, looks) > 0.25


@pytest.mark.parametrize("share_b", [0.05, 0.5])
def test_two_equal_arms_are_rarely_told_apart_however_often_one_looks(share_b: float) -> None:
    def looks(rng: np.random.Generator) -> list[bool]:
        per_b, every = share_b / (1 - share_b), rng.binomial(1, 0.6, 8000).astype(float)
        a, b = every[:4000], every[4000:]
        found = []
        for n in LOOKS:
            n_b = max(int(n * per_b), 1)
            arms = Moments.of(a[:n]), Moments.of(b[:n_b])
            found.append(difference_interval(*arms, alpha=0.1, n_opt=4000).excludes(0.0))
        return found

    assert ever_wrong(200, looks) <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / 200)


def test_a_ramped_split_keeps_its_error_with_allocation_any() -> None:
    ramp = [(1000, 150), (1400, 500), (2000, 1100), (3000, 3000)]

    def looks(rng: np.random.Generator) -> list[bool]:
        a, b = rng.exponential(1, 3000), rng.exponential(1, 3000)
        arms = [(Moments.of(a[:n_a]), Moments.of(b[:n_b])) for n_a, n_b in ramp]
        return [difference_interval(*ab, alpha=0.1, n_opt=4000, allocation="any").excludes(0.0) for ab in arms]

    assert ever_wrong(400, looks) <= 0.1


def test_allocation_any_costs_about_a_sixth_in_width() -> None:
    a, b = Moments(5000, 0.0, 5000.0), Moments(5000, 0.0, 5000.0)
    fixed = difference_interval(a, b, alpha=0.05, n_opt=10_000)
    free = difference_interval(a, b, alpha=0.05, n_opt=10_000, allocation="any")
    assert 1.05 < free.upper / fixed.upper < 1.2


def test_a_true_difference_is_found() -> None:
    rng = np.random.default_rng(1)
    a, b = Moments.of(rng.normal(0, 1, 8000)), Moments.of(rng.normal(0.1, 1, 8000))
    found = difference_interval(a, b, alpha=0.05, n_opt=16_000)
    assert 0 < found.lower < 0.1 < found.upper


def test_the_boundary_is_tightest_near_n_opt() -> None:
    widths = {n_opt: boundary(1000, alpha=0.05, n_opt=n_opt) for n_opt in (50, 500, 1000, 2000, 20_000)}
    assert min(widths, key=widths.__getitem__) == 1000


def test_few_values_or_no_spread_bound_nothing() -> None:
    for moments in (Moments.of([1.0, 2.0] * 49), Moments.of([1.0] * 500)):
        found = mean_interval(moments, alpha=0.05, n_opt=1000)
        assert (found.lower, found.upper) == (-math.inf, math.inf)
    assert Interval.from_dict(found.to_dict()) == found


def test_a_switchback_analysed_by_cluster_keeps_its_error_where_counting_quotes_does_not() -> None:
    def looks(rng: np.random.Generator, by_cluster: bool) -> list[bool]:
        found = []
        counts = rng.poisson(20, (2, 300)) + 1
        sums = rng.binomial(counts, rng.beta(6, 4, (2, 300))).astype(float)
        for k in range(40, 301, 10):
            if by_cluster:
                arms = [RatioMoments.of(sums[i, :k], counts[i, :k]).linearised() for i in (0, 1)]
                found.append(difference_interval(*arms, alpha=0.1, n_opt=300, burn_in=30).excludes(0.0))
            else:
                n, s = counts[:, :k].sum(1), sums[:, :k].sum(1)
                arms = [Moments.from_sums(int(n[i]), s[i], s[i]) for i in (0, 1)]
                found.append(difference_interval(*arms, alpha=0.1, n_opt=6000).excludes(0.0))
        return found

    assert ever_wrong(200, lambda rng: looks(rng, True)) <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / 200)
    assert ever_wrong(50, lambda rng: looks(rng, False)) > 0.2
