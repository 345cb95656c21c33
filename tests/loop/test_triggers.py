"""What calls for a new model: pure judgements of a situation."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from tidewheel.base.errors import InvalidInput
from tidewheel.loop import cron, max_age, on_alert
from tidewheel.loop.definition import Situation

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Alert:
    id: str
    kind: str
    summary: str = "something moved"
    change_at: datetime | None = None


def situation(
    *alerts: Alert, now: datetime = NOON, trained: datetime = NOON, tried: datetime | None = None
) -> Situation:
    return Situation(now, trained, tried or trained, alerts)


def test_no_alert_no_need() -> None:
    assert on_alert().need(situation()) is None


@pytest.mark.parametrize(
    ("kind", "called"),
    [("concept", True), ("bias", True), ("data", False), ("prediction", False), ("uncertainty", False)],
)
def test_by_default_only_alerts_that_mean_a_wrong_model_retrain(kind: str, called: bool) -> None:
    assert (on_alert().need(situation(Alert("a1", kind))) is not None) is called


def test_other_kinds_retrain_where_they_are_named() -> None:
    need = on_alert("data").need(situation(Alert("a1", "bias"), Alert("a2", "data", "rain is up")))
    assert need is not None
    assert (need.alerts, need.reason) == (("a2",), "rain is up")


def test_the_need_names_all_alerts_and_the_latest_change() -> None:
    changes = [NOON - timedelta(hours=3), None, NOON - timedelta(hours=1)]
    alerts = [Alert(f"a{place}", "bias", f"no {place}", change) for place, change in enumerate(changes)]
    need = on_alert().need(situation(*alerts))
    assert need is not None
    assert need.alerts == ("a0", "a1", "a2")
    assert need.reason == "no 0"
    assert need.change_at == NOON - timedelta(hours=1)


def test_an_alert_without_a_change_point_leaves_it_open() -> None:
    need = on_alert().need(situation(Alert("a1", "concept")))
    assert need is not None
    assert need.change_at is None


@given(st.integers(0, 60 * 24 * 5), st.integers(0, 60 * 24 * 5))
def test_a_schedule_calls_once_its_time_has_passed_since_the_last_try(tried_min: int, later_min: int) -> None:
    tried = NOON + timedelta(minutes=tried_min)
    now = tried + timedelta(minutes=later_min)
    days = [tried.replace(hour=3, minute=0) + timedelta(days=day) for day in range(7)]
    due = next(day for day in days if day > tried)
    need = cron("0 3 * * *").need(situation(now=now, trained=NOON - timedelta(days=30), tried=tried))
    assert (need is not None) is (due <= now)


def test_a_schedule_that_was_tried_in_vain_waits_for_its_next_time() -> None:
    tried = datetime(2026, 3, 2, 3, 0, 5, tzinfo=UTC)
    nightly = cron("0 3 * * *")
    assert (
        nightly.need(situation(now=tried + timedelta(hours=23), trained=NOON - timedelta(days=9), tried=tried)) is None
    )
    assert nightly.need(situation(now=tried + timedelta(hours=24), trained=NOON - timedelta(days=9), tried=tried))


@given(st.integers(0, 10**6))
def test_age_calls_when_it_is_passed_and_not_before(age_s: int) -> None:
    need = max_age("3d").need(situation(now=NOON + timedelta(seconds=age_s)))
    assert (need is not None) is (age_s > 3 * 86400)


def test_what_is_no_schedule_or_no_age_is_refused_where_it_is_written() -> None:
    with pytest.raises(InvalidInput, match="not a cron expression"):
        cron("every night")
    with pytest.raises(InvalidInput):
        max_age("old")
