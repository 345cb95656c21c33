"""The betting sequence is exact from the first row and narrows to the mean."""

import numpy as np
import pytest

from tidewheel.stats import BettingSequence


def test_a_skewed_mean_is_covered_at_all_rows_together() -> None:
    missed = 0
    for seed in range(150):
        x = (np.random.default_rng(seed).random(600) < 0.03) * 1.0
        sequence = BettingSequence(alpha=0.2, grid=200)
        # the running intersection keeps every earlier exclusion, so the last look tells of all
        missed += sequence.update(x).excludes(0.03)
    assert missed / 150 <= 0.2


def test_it_narrows_to_the_mean_in_the_callers_unit() -> None:
    fares = np.random.default_rng(1).uniform(20, 60, 5000)
    found = BettingSequence(alpha=0.05, lo=0.0, hi=100.0).update(fares)
    assert 38.5 < found.lower < 40 < found.upper < 41.5


def test_nothing_is_known_before_the_first_row() -> None:
    found = BettingSequence(alpha=0.05, lo=-1, hi=3).interval()
    assert (found.lower, found.upper) == (-1.0, 3.0)


def test_values_outside_the_promised_range_are_refused() -> None:
    with pytest.raises(ValueError, match="lies outside"):
        BettingSequence(alpha=0.05).update([1.5])
