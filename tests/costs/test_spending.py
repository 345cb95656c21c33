"""What is used is priced once, kept by the hour, and found again by what it was used for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tidewheel.base.clock import ReplayClock
from tidewheel.base.errors import InvalidInput
from tidewheel.base.settings import Settings
from tidewheel.costs import Costs
from tidewheel.storage import Metadata, schema, sqlite_url

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class Counters:
    cpu_s: float = 0.0
    by_endpoint: dict[str, float] = field(default_factory=dict)


@dataclass
class Shop:
    metadata: Metadata
    clock: ReplayClock
    costs: Costs

    def spent(self, by: str) -> dict[str, float]:
        return {line.key: round(line.cost_usd, 9) for line in self.costs.summary(by=by).lines}  # type: ignore[arg-type]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    clock = ReplayClock(tmp_path / "clock", NOON)
    metadata = Metadata(sqlite_url(tmp_path / "metadata.db"), clock)
    schema.create_all(metadata.engine)
    prices = {"costs.cpu_hour_usd": 0.036, "costs.million_requests_usd": 1.0, "costs.gpu_hour_usd": 3.6}
    yield Shop(metadata, clock, Costs(metadata, Settings(prices, {}), clock))
    metadata.close()


def test_an_amount_is_priced_by_its_setting(shop: Shop) -> None:
    assert shop.costs.record("cpu", 100, "pipeline_run:a") == pytest.approx(0.001)
    assert shop.costs.record("gpu", 100, "pipeline_run:a") == pytest.approx(0.1)
    assert shop.costs.summary().total_usd == pytest.approx(0.101)
    assert shop.spent("kind") == {"gpu": 0.1, "cpu": 0.001}


@pytest.mark.parametrize(("kind", "quantity"), [("love", 1.0), ("cpu", -1.0), ("cpu", float("nan"))])
def test_what_has_no_price_or_amount_is_refused(shop: Shop, kind: str, quantity: float) -> None:
    with pytest.raises(InvalidInput):
        shop.costs.record(kind, quantity, "endpoint:surge")  # type: ignore[arg-type]


def test_a_summary_is_of_the_hours_asked_for(shop: Shop) -> None:
    for hours in range(4):
        shop.costs.record("cpu", 100, "endpoint:surge", NOON + timedelta(hours=hours, minutes=30))
    span = shop.costs.summary(since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=3))
    assert span.total_usd == pytest.approx(0.002)


def test_workers_cpu_time_is_shared_out_by_requests(shop: Shop) -> None:
    shop.costs.meter(Counters(100.0, {"surge": 750.0, "eta": 250.0}))
    (surge, eta) = shop.costs.summary(by="endpoint").lines
    assert (surge.key, surge.quantities) == ("endpoint:surge", {"requests": 750.0, "core_seconds": 75.0})
    assert eta.quantities["core_seconds"] == 25.0


def test_a_meter_read_again_adds_only_what_has_grown(shop: Shop) -> None:
    for _ in range(3):
        shop.costs.meter(Counters(100.0, {"surge": 10.0}))
    shop.costs.meter(Counters(150.0, {"surge": 20.0}))
    (line,) = shop.costs.summary().lines
    assert line.quantities == {"requests": 20.0, "core_seconds": 150.0}


def test_a_counter_that_began_anew_adds_all_it_shows(shop: Shop) -> None:
    shop.costs.meter(Counters(100.0, {"surge": 10.0}))
    shop.costs.meter(Counters(5.0, {"surge": 2.0}))
    (line,) = shop.costs.summary().lines
    assert line.quantities == {"requests": 12.0, "core_seconds": 105.0}


def test_idle_workers_cost_too(shop: Shop) -> None:
    shop.costs.meter(Counters(10.0, {}))
    assert shop.spent("subject") == {"serving:idle": 0.0001}


def test_the_steps_of_a_turn_are_charged_to_the_turn_and_its_loop(shop: Shop) -> None:
    with shop.metadata.change() as change:
        change.emit("loop.loop.declared", "loop:surge", {"endpoint": "surge"})
        change.emit("loop.turn.started", "turn:t1", {"loop": "surge"})
        change.emit("pipelines.step.started", "pipeline_run:p1", {"step": "fit"})
        change.emit("pipelines.step.succeeded", "pipeline_run:p1", {"step": "fit", "cpu_s": 200.0})
        change.emit("pipelines.step.succeeded", "pipeline_run:p2", {"step": "by hand", "cpu_s": 100.0})
        change.emit("loop.turn.moved", "turn:t1", {"loop": "surge"}, inputs=["pipeline_run:p1"])
    for _ in range(2):
        shop.costs.meter(Counters(100.0, {"surge": 0.0}))
    shop.costs.record("cpu", 50.0, "endpoint:surge")
    assert shop.spent("turn") == {"turn:t1": 0.002, "other": 0.0025}
    assert shop.spent("loop") == {"loop:surge": 0.0025, "other": 0.002}
    assert shop.spent("pipeline_run") == {"pipeline_run:p1": 0.002, "other": 0.0015, "pipeline_run:p2": 0.001}


def test_a_span_without_a_zone_is_in_utc(shop: Shop) -> None:
    shop.costs.record("cpu", 3600.0, "endpoint:surge", NOON)
    naive = NOON.replace(tzinfo=None)
    assert shop.costs.summary(since=naive).total_usd > 0
    assert shop.costs.summary(until=naive).total_usd == 0
