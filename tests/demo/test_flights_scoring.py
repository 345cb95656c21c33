"""AUC and log-loss by month are what their definitions say, and unlabelled flights are not judged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tidewheel.demo.flights.scoring import auc, score, score_by_month

_ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40)


@given(_ROWS)
def test_auc_is_the_share_of_pairs_ranked_rightly_with_ties_as_half(rows: list[tuple[bool, int]]) -> None:
    late = np.array([float(label) for label, _ in rows])
    p = np.array([level / 5 for _, level in rows])
    pairs = [(a > b) + 0.5 * (a == b) for a in p[late == 1] for b in p[late == 0]]
    expected = np.mean(pairs) if pairs else np.nan
    assert auc(late, p) == pytest.approx(expected, nan_ok=True)


def test_a_flight_without_label_or_prediction_is_not_scored() -> None:
    late = np.array([1.0, 0.0, np.nan, 1.0])
    judged = score(late, np.array([0.8, 0.2, 0.9, np.nan]))
    assert (judged.flights, judged.late_share, judged.auc) == (2, 0.5, 1.0)
    assert judged.log_loss == pytest.approx(-np.log(0.8))


def test_months_without_a_flight_to_judge_are_left_out() -> None:
    late = np.array([1.0, 0.0, np.nan])
    scores = score_by_month(late, np.array([0.6, 0.4, 0.5]), np.array([2, 2, 3]))
    assert list(scores) == [2]


def test_a_month_of_one_kind_has_no_auc_but_a_log_loss() -> None:
    only_late = score(np.ones(3), np.full(3, 0.5))
    assert np.isnan(only_late.auc)
    assert only_late.log_loss == pytest.approx(np.log(2))
