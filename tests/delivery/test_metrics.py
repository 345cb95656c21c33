"""The four delivery metrics of a small history, read from its journal."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tidewheel.base.clock import ReplayClock
from tidewheel.delivery import Delivery
from tidewheel.storage import Metadata, schema, sqlite_url

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass
class History:
    metadata: Metadata
    clock: ReplayClock
    delivery: Delivery

    def tell(self, hours: float, kind: str, subject: str, inputs: list[str] | None = None, **data: object) -> None:
        self.clock.advance_to(MONDAY + timedelta(hours=hours))
        with self.metadata.change() as change:
            change.emit(kind, subject, data, inputs=inputs or [])


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    clock = ReplayClock(tmp_path / "clock", MONDAY)
    metadata = Metadata(sqlite_url(tmp_path / "metadata.db"), clock)
    schema.create_all(metadata.engine)
    yield History(metadata, clock, Delivery(metadata))
    metadata.close()


@pytest.fixture
def week(history: History) -> History:
    """Monday: alert, data, version, promotion. Wednesday: a bad one is rolled back. Friday: another alert."""
    surge = {"endpoint": "surge"}
    history.tell(1, "monitoring.alert.raised", "alert:a", **surge)
    history.tell(2, "data.commit.made", "commit:rides@4")
    history.tell(3, "registry.version.registered", "version:v2", ["commit:rides@4"])
    history.tell(9, "rollout.rollout.promoted", "rollout:r1", candidate_version="v2", **surge)
    history.tell(48, "rollout.rollout.rolled_back", "rollout:r2", candidate_version="v3", from_state="canary", **surge)
    history.tell(50, "rollout.rollout.aborted", "rollout:r3", candidate_version="v4", **surge)
    history.tell(60, "rollout.rollout.promoted", "rollout:e1", candidate_version="v9", endpoint="eta")
    history.tell(96, "monitoring.alert.raised", "alert:b", **surge)
    return history


def test_a_week_has_its_four_metrics(week: History) -> None:
    found = week.delivery.metrics(since=MONDAY, until=MONDAY + timedelta(days=7), endpoint="surge")
    assert (found.promotions, found.promotions_per_day) == (1, pytest.approx(1 / 7))
    assert (found.lead_time.median_s, found.data_lead_time.median_s) == (6 * 3600, 7 * 3600)
    assert (found.rolled_back, found.change_failure_rate) == (1, 0.5)
    assert (found.recovery_time.count, found.recovery_time.median_s, found.open_alerts) == (1, 8 * 3600, 1)


def test_all_endpoints_together(week: History) -> None:
    found = week.delivery.metrics()
    assert (found.promotions, found.rolled_back) == (2, 1)
    assert found.lead_time.count == 1


def test_a_promotion_that_was_taken_back_is_one_failed_change_and_a_recovery(week: History) -> None:
    week.tell(98, "rollout.rollout.rolled_back", "rollout:r1", from_state="promoted", endpoint="surge")
    found = week.delivery.metrics(endpoint="surge")
    assert (found.rolled_back, found.change_failure_rate) == (2, 1.0)
    assert (found.recovery_time.count, found.open_alerts) == (2, 0)


def test_a_candidate_rolled_back_in_its_canary_answers_no_alert(history: History) -> None:
    history.tell(1, "monitoring.alert.raised", "alert:a", endpoint="surge")
    history.tell(2, "rollout.rollout.rolled_back", "rollout:r", from_state="canary", endpoint="surge")
    assert history.delivery.metrics().open_alerts == 1


def test_an_empty_journal_has_no_metrics(history: History) -> None:
    found = history.delivery.metrics()
    assert (found.promotions, found.change_failure_rate, found.lead_time.median_s) == (0, None, None)


def test_a_span_without_a_zone_is_in_utc(week: History) -> None:
    naive = MONDAY.replace(tzinfo=None)
    assert week.delivery.metrics(since=naive) == week.delivery.metrics(since=MONDAY)
