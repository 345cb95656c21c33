"""Metrics looked up by name agree with their definitions and with their per-row losses."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tidewheel.stats import METRICS, metric

rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=2, max_size=25)


@given(rows)
def test_auc_is_the_chance_that_a_positive_outranks_a_negative(pairs: list[tuple[int, int]]) -> None:
    positives, negatives = [s for y, s in pairs if y], [s for y, s in pairs if not y]
    found = metric("auc")([y for y, _ in pairs], [s / 8 for _, s in pairs])
    if not positives or not negatives:
        assert math.isnan(found)
        return
    wins = [(a > b) + (a == b) / 2 for a in positives for b in negatives]
    assert found == pytest.approx(np.mean(wins))


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_better_model_scores_better_in_the_metrics_direction_and_in_its_per_row_losses(name: str) -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, 3000)
    y = (rng.random(3000) < p).astype(float)
    worse = np.clip(1 - p, 0.05, 0.95)
    found = metric(name)
    assert found.improves(found(y, p), over=found(y, worse))
    assert found.decomposes == (found.per_row is not None)
    if found.per_row is not None:
        assert found.per_row(y, p).shape == (3000,)
        assert found.per_row(y, p).mean() < found.per_row(y, worse).mean()


def test_a_calibrated_model_has_little_calibration_error_and_an_overconfident_one_much() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0, 1, 20_000)
    y = (rng.random(20_000) < p).astype(float)
    assert metric("calibration_error")(y, p) < 0.02
    assert metric("calibration_error")(y, (p > 0.5) * 0.98 + 0.01) > 0.2


@pytest.mark.parametrize("name", sorted(METRICS))
def test_no_rows_give_nan_rather_than_a_number(name: str) -> None:
    assert math.isnan(metric(name)([], []))
