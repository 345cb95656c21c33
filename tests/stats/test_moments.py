"""Moments and ratio moments merge in any order and agree with numpy on the whole."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tidewheel.stats import Moments, RatioMoments

numbers = st.lists(st.floats(-1e6, 1e6), max_size=30)
clusters = st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 20)), max_size=30)


def close(a: Moments, b: Moments) -> bool:
    return a.n == b.n and np.allclose([a.mean, a.m2], [b.mean, b.m2], rtol=1e-7, atol=1e-3)


@given(numbers, numbers, numbers)
def test_merging_moments_is_associative_and_commutative_and_equals_the_whole(
    a: list[float], b: list[float], c: list[float]
) -> None:
    x, y, z = Moments.of(a), Moments.of(b), Moments.of(c)
    assert close(x.merge(y), y.merge(x))
    assert close(x.merge(y).merge(z), x.merge(y.merge(z)))
    assert close(x.merge(y).merge(z), Moments.of(a + b + c))


@given(numbers)
def test_moments_agree_with_numpy(values: list[float]) -> None:
    if len(values) > 1:
        assert Moments.of(values).variance == pytest.approx(np.var(values, ddof=1), rel=1e-9, abs=1e-6)


@given(clusters, clusters)
def test_merging_clusters_equals_the_whole(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    def of(rows: list[tuple[int, int]]) -> RatioMoments:
        return RatioMoments.of([r[0] for r in rows], [r[1] for r in rows])

    assert of(a).merge(of(b)) == of(b).merge(of(a)) == of(a + b)


def test_sums_as_a_query_gives_them_make_the_same_moments() -> None:
    values = np.array([1.5, 2.5, 9.0])
    made = Moments.from_sums(3, float(values.sum()), float((values**2).sum()))
    assert close(made, Moments.of(values))


def test_a_missing_value_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"values\[1\] is nan"):
        Moments.of([1.0, float("nan")])


def test_the_linearised_ratio_has_the_spread_that_resampling_clusters_finds() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(20, 400) + 1
    sums = rng.binomial(counts, rng.beta(20, 30, 400))
    arm = RatioMoments.of(sums, counts).linearised()
    draws = rng.integers(0, 400, (2000, 400))
    resampled = sums[draws].sum(1) / counts[draws].sum(1)
    assert arm.std / np.sqrt(arm.n) == pytest.approx(resampled.std(), rel=0.08)
