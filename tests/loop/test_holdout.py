"""Which rows are kept from training for the gates, and how long an age limit waits after a refusal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tidewheel.loop.definition import Situation, max_age
from tidewheel.loop.turn import first_held_out

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def daily(count: int) -> np.ndarray:
    """A row a day, the newest a day ago."""
    days = [NOW - timedelta(days=age) for age in range(count, 0, -1)]
    return np.array([day.replace(tzinfo=None) for day in days], dtype="datetime64[us]")


def test_a_share_keeps_the_newest_rows_whatever_their_age() -> None:
    assert first_held_out(0.2, daily(100), NOW) == NOW - timedelta(days=20)


def test_a_duration_keeps_the_newest_days_of_a_long_window() -> None:
    assert first_held_out("7d", daily(100), NOW) == NOW - timedelta(days=7)


def test_a_duration_leaves_half_of_the_rows_since_a_recent_change_to_training() -> None:
    assert first_held_out("7d", daily(10), NOW) == NOW - timedelta(days=5)


@given(st.integers(1, 400), st.integers(1, 60))
def test_a_duration_never_keeps_more_than_half_and_one_row(rows: int, held_days: int) -> None:
    times = daily(rows)
    first = first_held_out(f"{held_days}d", times, NOW)
    kept = int((times >= np.datetime64(first.replace(tzinfo=None))).sum())
    assert kept <= min(held_days, rows - rows // 2 + 1)


@pytest.mark.parametrize(("tried_days_ago", "needed"), [(57, True), (15, True), (13, False)])
def test_an_age_limit_tries_again_a_quarter_of_the_age_after_a_refusal(tried_days_ago: int, needed: bool) -> None:
    trained_at = NOW - timedelta(days=57)
    situation = Situation(NOW, trained_at, NOW - timedelta(days=tried_days_ago), ())
    assert (max_age("56d").need(situation) is not None) is needed
