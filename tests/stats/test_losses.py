"""Excess losses have mean zero under a calibrated model whatever p is, and stay in their stated range."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tidewheel.stats import (
    EXCESS_BRIER_RANGE,
    EXCESS_LOG_LOSS_RANGE,
    brier,
    excess_brier,
    excess_log_loss,
    excess_squared,
    log_loss,
)

probabilities = st.floats(0, 1)


@given(probabilities)
def test_excess_losses_have_mean_zero_under_the_model_and_stay_in_range(p: float) -> None:
    for excess, (lo, hi) in ((excess_log_loss, EXCESS_LOG_LOSS_RANGE), (excess_brier, EXCESS_BRIER_RANGE)):
        no, yes = float(excess([0.0], [p])[0]), float(excess([1.0], [p])[0])
        assert (1 - p) * no + p * yes == pytest.approx(0, abs=1e-12)
        assert all(lo <= value <= hi for value, chance in ((no, 1 - p), (yes, p)) if chance > 0)


@given(st.floats(0.02, 0.98), st.sampled_from([0.0, 1.0]))
def test_the_excess_is_the_loss_less_its_expectation(p: float, y: float) -> None:
    entropy = (1 - p) * log_loss([0.0], [p]) + p * log_loss([1.0], [p])
    assert excess_log_loss([y], [p]) == pytest.approx(log_loss([y], [p]) - entropy, abs=1e-9)
    assert excess_brier([y], [p]) == pytest.approx(brier([y], [p]) - p * (1 - p), abs=1e-12)


def test_excess_squared_has_mean_at_most_zero_when_the_expectation_is_right() -> None:
    rng = np.random.default_rng(0)
    sd = rng.uniform(0.5, 5, 200_000)
    excess = excess_squared(rng.normal(0, sd), np.zeros(200_000), sd**2)
    assert -0.05 < excess.mean() <= 0.01
    assert excess.min() >= -1
    assert excess.max() <= 9


def test_labels_and_probabilities_are_checked() -> None:
    with pytest.raises(ValueError, match="labels that are 0 or 1"):
        log_loss([2.0], [0.5])
    with pytest.raises(ValueError, match="same rows"):
        brier([1.0], [0.5, 0.5])
