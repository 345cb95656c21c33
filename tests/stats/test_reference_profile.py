"""Profiles of features: bins, merging, and distances that agree with what they estimate."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.stats import BinnedSketch, FeatureBins, ReferenceProfile, compare, profile_feature

maybe_numbers = st.lists(st.one_of(st.none(), st.floats(-50, 50)), max_size=25)
maybe_zones = st.lists(st.one_of(st.none(), st.sampled_from("abcdxyz")), max_size=25)
NUMBERS = FeatureBins.of(np.linspace(-10, 10, 200), bins=8)
ZONES = FeatureBins.of(list("aaabbcd"), top=3)


def sketch(bins: FeatureBins, values: list[object]) -> BinnedSketch:
    made = BinnedSketch(bins)
    made.add(values)
    return made


def same(a: BinnedSketch, b: BinnedSketch) -> bool:
    moments = np.allclose([a.moments.mean, a.moments.m2], [b.moments.mean, b.moments.m2], atol=1e-6)
    return np.array_equal(a.counts, b.counts) and a.moments.n == b.moments.n and moments


@given(maybe_numbers, maybe_numbers, maybe_numbers)
def test_merging_numeric_sketches_is_associative_commutative_and_equals_the_whole(
    a: list[object], b: list[object], c: list[object]
) -> None:
    x, y, z = (sketch(NUMBERS, part) for part in (a, b, c))
    assert same(x.merge(y), y.merge(x))
    assert same(x.merge(y).merge(z), x.merge(y.merge(z)))
    assert same(x.merge(y).merge(z), sketch(NUMBERS, a + b + c))


@given(maybe_zones, maybe_zones)
def test_merging_categorical_sketches_equals_the_whole(a: list[object], b: list[object]) -> None:
    assert same(sketch(ZONES, a).merge(sketch(ZONES, b)), sketch(ZONES, b + a))
    assert sketch(ZONES, a).n == len(a)


def test_binned_w1_is_close_to_the_exact_one() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.gamma(2, 3, 20_000), rng.gamma(3, 2.5, 20_000)
    reference = profile_feature(x)
    window = reference.empty()
    window.add(y)
    exact = np.abs(np.sort(x) - np.sort(y)).mean() / x.std()
    assert compare(reference, window).w1 == pytest.approx(exact, rel=0.1)


def test_a_shift_beyond_the_references_range_counts_in_full() -> None:
    reference = profile_feature(np.random.default_rng(0).normal(0, 1, 5000))
    window = reference.empty()
    window.add(np.full(100, 50.0))
    assert compare(reference, window).w1 == pytest.approx(50, rel=0.03)


def test_without_drift_psi_is_about_its_stated_noise() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        reference = profile_feature(rng.normal(0, 1, 3000))
        window = reference.empty()
        window.add(rng.normal(0, 1, 600))
        found.append(compare(reference, window))
    assert np.mean([f.psi for f in found]) == pytest.approx(np.mean([f.psi_noise for f in found]), rel=0.15)


def test_a_category_never_seen_and_missing_values_both_show() -> None:
    reference = profile_feature(["a"] * 50 + ["b"] * 50)
    window = reference.empty()
    window.add(["a"] * 40 + ["new"] * 40 + [None] * 20)
    found = compare(reference, window)
    assert found.w1 == pytest.approx(0.6)
    assert found.null_change == pytest.approx(0.2)
    assert found.js > 0.5


@pytest.mark.parametrize(
    "values", [[3.0] * 10, [0, 1, 0, 1, 1], [True, False], [None, None], [], ["x"], [1.0, float("inf"), None]]
)
def test_any_column_can_be_profiled_stored_and_compared_with_itself(values: list[object]) -> None:
    reference = profile_feature(values)
    restored = BinnedSketch.from_dict(json.loads(json.dumps(reference.to_dict())))
    assert same(restored, reference)
    assert restored.bins == reference.bins
    assert len(reference.bins.labels) == reference.bins.size == len(reference.counts)
    found = compare(reference, restored)
    assert (found.psi, found.js, found.w1) == pytest.approx((0, 0, 0), abs=1e-6)


def test_a_constant_feature_that_moves_is_seen() -> None:
    reference = profile_feature([5.0] * 100)
    window = reference.empty()
    window.add([5.1] * 100)
    assert compare(reference, window).psi > 1


def test_a_table_is_compared_with_the_farthest_feature_first() -> None:
    rng = np.random.default_rng(0)
    profile = ReferenceProfile.of({"calm": rng.normal(0, 1, 2000), "moved": rng.normal(0, 1, 2000), "zone": ["a"] * 9})
    window = profile.empty_window()
    window["calm"].add(rng.normal(0, 1, 500))
    window["moved"].add(rng.normal(1, 1, 500))
    found = ReferenceProfile.from_dict(json.loads(json.dumps(profile.to_dict()))).compare(window)
    assert next(iter(found)) == "moved"


def test_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="different bins"):
        sketch(NUMBERS, []).merge(sketch(ZONES, []))
    with pytest.raises(ValueError, match="no number"):
        NUMBERS.count(["seven"])
