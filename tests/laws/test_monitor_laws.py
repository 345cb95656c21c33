"""What every monitor must obey, found by discovery: a new one without a row here fails the first law."""

import json
from typing import Any

import numpy as np
import pytest
from tests.monitoring.town import FEATURES, HOUR_US, STARTS_AT, Traffic, traffic

from tidewheel.base.units import to_us
from tidewheel.monitoring import Bias, ConceptDrift, DataDrift, Monitor, PredictionDrift, ReadingState, Uncertainty
from tidewheel.monitoring.definitions import MONITORS, describe, restore
from tidewheel.monitoring.sketches import SketchLayout
from tidewheel.monitoring.subject import observed_columns
from tidewheel.monitoring.uncertainty import COLUMN
from tidewheel.monitoring.watch import Outcomes, Subject, Watch
from tidewheel.stats import FeatureBins

EXAMPLES: dict[str, Monitor] = {
    "Bias": Bias(tolerance=0.05),
    "ConceptDrift": ConceptDrift("brier"),
    "DataDrift": DataDrift(ignore=["fare"], window="30m"),
    "PredictionDrift": PredictionDrift(min_effect=0.3),
    "Uncertainty": Uncertainty(window="2h"),
}
START_US = to_us(STARTS_AT)
OUTPUTS = ("multiplier", "p_accept")


def subject() -> Subject:
    past = traffic(1, STARTS_AT.replace(day=1, month=2), 28 * 24, per_hour=80)
    names = (*FEATURES, *OUTPUTS, COLUMN)
    bare = Subject(FEATURES, OUTPUTS, "accepted", "p_accept", dict.fromkeys(names), None, {}, None, START_US)  # type: ignore[arg-type]
    reference = observed_columns(bare, past.features, past.outputs)
    bins = {name: FeatureBins.of(values, kind="numeric") for name, values in reference.items()}
    layout = SketchLayout(bins)
    return Subject(FEATURES, OUTPUTS, "accepted", "p_accept", bins, layout, reference, past.at_us, START_US)


SUBJECT = subject()
CALM = traffic(2, hours=48, per_hour=80)
CHANGED = traffic(3, hours=72, per_hour=80, colder_from_h=10, drivers_added=4.0)


class World:
    """Feeds a watch hour by hour, and tells it the windows of what has happened."""

    def __init__(self, rows: Traffic) -> None:
        self.rows = rows

    def windows(self, since_us: int, until_us: int, length_us: int) -> list[tuple[int, np.ndarray]]:
        rows = self.rows.between(since_us, until_us)
        columns = observed_columns(SUBJECT, rows.features, rows.outputs)
        return list(SUBJECT.layout.count_steps(rows.at_us, columns, length_us).items())

    def feed(self, watch: Watch, since_h: int, until_h: int, *, step_h: int = 1) -> None:
        for hour in range(since_h, until_h, step_h):
            until_us = START_US + (hour + step_h) * HOUR_US
            rows = self.rows.between(START_US + hour * HOUR_US, until_us)
            watch.fold(Outcomes(rows.at_us, rows.accepted, rows.outputs[:, 1]))
            watch.advance(until_us, self.windows)


def stored(watch: Watch) -> Any:
    return json.loads(json.dumps(watch.to_dict(), allow_nan=False))


def test_every_monitor_is_held_to_these_laws() -> None:
    assert EXAMPLES.keys() == MONITORS.keys()


@pytest.fixture(params=EXAMPLES)
def monitor(request: pytest.FixtureRequest) -> Monitor:
    return EXAMPLES[request.param]


def test_a_definition_survives_storage(monitor: Monitor) -> None:
    kept = json.loads(json.dumps(describe(monitor)))
    again = restore(kept["type"], kept["definition"])
    assert (again.name, again.kind) == (monitor.name, monitor.kind)
    assert json.loads(json.dumps(describe(again))) == kept


@pytest.mark.parametrize("rows", [CALM, CHANGED], ids=["calm", "changed"])
def test_a_watch_killed_and_restored_goes_on_identically(monitor: Monitor, rows: Traffic) -> None:
    world, kept = World(rows), monitor.begin(SUBJECT)
    world.feed(kept, 0, 20)
    kept.reset()
    world.feed(kept, 20, 30)
    again = monitor.begin(SUBJECT)
    again.restore(stored(kept), world.windows)
    assert stored(again) == stored(kept)
    assert again.look() == kept.look()
    world.feed(kept, 30, 48)
    world.feed(again, 30, 48)
    assert stored(again) == stored(kept)
    assert again.look() == kept.look()


def test_it_stays_quiet_while_nothing_changes_and_says_what_did(monitor: Monitor) -> None:
    watch = monitor.begin(SUBJECT)
    World(CALM).feed(watch, 0, 48)
    assert watch.look().state is ReadingState.QUIET
    if monitor.kind == "uncertainty":
        return
    watch = monitor.begin(SUBJECT)
    World(CHANGED).feed(watch, 0, 72)
    look = watch.look()
    assert look.state is ReadingState.ALARM
    assert look.summary
    assert look.change_at is not None
    assert look.findings[0].effect != 0
    watch.reset()
    assert watch.look().state is ReadingState.QUIET


def test_how_often_it_is_asked_does_not_matter(monitor: Monitor) -> None:
    often, seldom = monitor.begin(SUBJECT), monitor.begin(SUBJECT)
    World(CHANGED).feed(often, 0, 48)
    World(CHANGED).feed(seldom, 0, 48, step_h=16)
    assert often.look().state is seldom.look().state
    assert often.look().log_evidence == pytest.approx(seldom.look().log_evidence)
    assert often.look().change_at == seldom.look().change_at


def test_progress_moves_exactly_when_the_state_does(monitor: Monitor) -> None:
    world, watch = World(CALM), monitor.begin(SUBJECT)
    before = watch.progress, stored(watch)
    world.feed(watch, 0, 0)
    watch.advance(START_US, world.windows)
    assert (watch.progress, stored(watch)) == before
    world.feed(watch, 0, 4)
    assert watch.progress != before[0]
