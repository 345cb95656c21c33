"""The latency histogram: quantiles within its relative error, exact merging, nothing lost."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tidewheel.stats import LogHistogram

latencies = st.lists(st.floats(1e-5, 1e9), max_size=40)


def of(values: list[float]) -> LogHistogram:
    histogram = LogHistogram()
    histogram.add(values)
    return histogram


def same(a: LogHistogram, b: LogHistogram) -> bool:
    return np.array_equal(a.counts, b.counts) and (a.min, a.max) == (b.min, b.max) and np.isclose(a.total, b.total)


@given(latencies, latencies, latencies)
def test_merging_is_associative_and_commutative_and_equals_the_whole(
    a: list[float], b: list[float], c: list[float]
) -> None:
    x, y, z = of(a), of(b), of(c)
    assert same(x.merge(y), y.merge(x))
    assert same(x.merge(y).merge(z), x.merge(y.merge(z)))
    assert same(x.merge(y).merge(z), of(a + b + c))


@given(st.lists(st.floats(1e-2, 1e6), min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_is_within_the_relative_error(values: list[float], q: float) -> None:
    rank = max(int(np.ceil(q * len(values))), 1)
    assert of(values).quantile(q) == pytest.approx(sorted(values)[rank - 1], rel=0.0101)


@given(latencies, st.floats(1e-2, 1e6))
def test_the_count_above_never_exceeds_the_truth_and_misses_only_the_limits_own_bin(
    values: list[float], limit: float
) -> None:
    found = int(of(values).count_above(limit))
    assert sum(v > limit * 1.021 for v in values) <= found <= sum(v > limit for v in values)


@given(latencies)
def test_the_stored_form_restores_the_histogram(values: list[float]) -> None:
    assert same(LogHistogram.from_dict(of(values).to_dict()), of(values))


def test_what_lies_outside_the_range_is_still_counted() -> None:
    histogram = of([-1.0, 0.0, 1e12])
    assert histogram.n == 3
    assert histogram.quantile(0.0) == -1.0
    assert histogram.quantile(1.0) == 1e12


def test_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="different bins"):
        of([1.0]).merge(LogHistogram(relative_error=0.02))
