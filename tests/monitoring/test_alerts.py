"""What monitors say: nothing while nothing has changed, and what, by how much and since when once it has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pytest
from tests.monitoring.town import HOUR_US, STARTS_AT, Town, Traffic, Truth, traffic

from tidewheel.base.errors import Conflict, InvalidInput, NotFound
from tidewheel.base.units import to_us
from tidewheel.monitoring import (
    AlertState,
    Bias,
    ConceptDrift,
    DataDrift,
    PredictionDrift,
    ReadingState,
    Uncertainty,
)
from tidewheel.storage.journal import read_entries


@pytest.mark.parametrize("seed", range(5))
def test_a_calibrated_model_under_strong_seasons_raises_nothing(sqlite_town: Town, seed: int) -> None:
    sqlite_town.open(monitors=[ConceptDrift(), Bias(), DataDrift(), PredictionDrift(), Uncertainty()])
    assert sqlite_town.live(traffic(seed, hours=6 * 24, per_hour=40), every_h=24) == []
    assert {reading.state for reading in sqlite_town.monitoring.report()} == {ReadingState.QUIET}


def test_a_concept_shift_raises_concept_and_bias_alerts_that_say_since_when(town: Town) -> None:
    town.open()
    raised = town.live(traffic(2, hours=24, per_hour=100, colder_from_h=3))
    found = {alert.kind: alert for alert in raised}
    assert found.keys() == {"concept", "bias"}
    for alert in raised:
        assert alert.change_at is not None
        assert abs(alert.change_at - (STARTS_AT + timedelta(hours=3))) < timedelta(hours=3)
    assert found["bias"].summary.startswith("p_accept is too high by 0.2")
    assert " on average since 2026-03-02 " in found["bias"].summary
    assert "nats above what the model expects since 2026-03-02" in found["concept"].summary
    assert [alert.id for alert in town.monitoring.open_alerts("surge", town.version)] == [a.id for a in raised]
    with town.metadata.read() as connection:
        told = [entry for entry in read_entries(connection) if entry.kind == "monitoring.alert.raised"]
    assert [entry.data["kind"] for entry in told] == [alert.kind for alert in raised]
    assert told[0].actor == f"monitor:{raised[0].monitor}"


def test_a_feature_shift_names_the_feature_and_how_much_of_it(sqlite_town: Town) -> None:
    town = sqlite_town
    town.open()
    town.live(traffic(3, hours=24))
    shifted = town.live(traffic(4, STARTS_AT + timedelta(hours=24), 36, drivers_added=2.0))
    alert = next(alert for alert in shifted if alert.kind == "data")
    assert alert.evidence["named"] == ["drivers"]
    assert alert.findings[0].name == "drivers"
    assert alert.findings[0].effect == pytest.approx(0.58, abs=0.15)  # 2 of 3.5 drivers, the spread of a day
    assert "drivers is 0.5" in alert.summary or "drivers is 0.6" in alert.summary
    assert " sd higher since 2026-03-0" in alert.summary
    assert abs(alert.change_at - (STARTS_AT + timedelta(hours=24))) < timedelta(hours=3)


def test_less_traffic_is_no_drift(sqlite_town: Town) -> None:
    sqlite_town.open(monitors=[DataDrift(min_effect=0.0)], per_hour=150)
    assert sqlite_town.live(traffic(8, hours=4 * 24, per_hour=45), every_h=12) == []


def test_an_alert_is_raised_once_until_it_is_resolved_and_again_if_its_cause_persists(sqlite_town: Town) -> None:
    town = sqlite_town
    town.open(monitors=[Bias()])
    rows = traffic(2, hours=60, per_hour=100, colder_from_h=6)
    middle = to_us(STARTS_AT) + 30 * HOUR_US
    (first,) = town.live(rows.between(0, middle))
    assert town.monitoring.acknowledge(first.id).state is AlertState.ACKNOWLEDGED
    assert town.monitoring.run() == town.controller().run() == []
    town.monitoring.resolve([first.id], "looked into")
    town.monitoring.resolve([first.id, "alert_unknown"], "once more")
    assert town.monitoring.run() == []
    with pytest.raises(Conflict):
        town.monitoring.acknowledge(first.id)
    (second,) = town.live(rows.between(middle, 1 << 62))
    assert second.change_at >= first.at
    (newest, oldest) = town.monitoring.alerts("surge")
    assert (newest.id, oldest.id, oldest.resolution) == (second.id, first.id, "looked into")


def test_an_alert_whose_process_died_before_it_spoke_is_raised_by_the_next(sqlite_town: Town) -> None:
    town = sqlite_town
    town.open(monitors=[Bias()])
    town.send(traffic(2, hours=12, per_hour=100, colder_from_h=0))
    town.clock.advance_to(STARTS_AT + timedelta(hours=12))
    dying = town.controller()
    while dying._fold(town.clock.now_us()):
        pass
    assert town.monitoring.alerts() == []
    (alert,) = town.monitoring.run()
    assert alert.kind == "bias"


def test_a_new_version_resolves_the_alerts_of_the_old_and_starts_afresh(town: Town) -> None:
    town.open(monitors=[Bias()])
    assert len(town.live(traffic(2, hours=14, per_hour=100, colder_from_h=0))) == 1
    town.open(monitors=[Bias()])
    assert town.monitoring.open_alerts("surge") == []
    assert f"{town.version} is watched from now on" in town.monitoring.alerts()[0].resolution
    assert [(reading.version, reading.seen) for reading in town.monitoring.report()] == [(town.version, 0)]
    assert town.controller().run() == []


def test_a_reference_of_twelve_hours_is_learnt_from_and_does_not_alarm(sqlite_town: Town) -> None:
    town = sqlite_town
    town.open(days=0.5, monitors=[DataDrift(), PredictionDrift()])
    assert town.live(traffic(6, hours=48), every_h=6) == []
    (reading, _) = town.monitoring.report()
    assert (reading.state, reading.summary) == (ReadingState.LEARNING, "2.5 of 7 days learnt")
    assert town.live(traffic(7, STARTS_AT + timedelta(hours=48), 6 * 24), every_h=12) == []
    assert {reading.state for reading in town.monitoring.report()} == {ReadingState.QUIET}


def test_a_version_without_a_reference_is_watched_by_its_labels(sqlite_town: Town) -> None:
    town = sqlite_town
    town.version = town.register(None)
    town.monitoring.watch("surge", town.version, [Bias(), DataDrift()], Truth())
    (alert,) = town.live(traffic(2, hours=12, per_hour=100, colder_from_h=0))
    assert alert.kind == "bias"


def test_labels_that_no_monitor_can_use_stop_nothing(sqlite_town: Town) -> None:
    town = sqlite_town
    town.open()
    rows = traffic(1, hours=1)
    odd = np.where(np.arange(len(rows.at_us)) % 3 == 0, np.nan, rows.accepted)
    odd[1::3] = 12.5
    town.live(Traffic(rows.at_us, rows.features, rows.outputs, odd))
    usable = int(np.isin(odd, [0.0, 1.0]).sum())
    assert town.seen("concept_drift(log_loss)") == usable
    assert town.seen("bias") == int(np.isfinite(odd).sum())


@dataclass(frozen=True)
class Wrong:
    """A label of something that the model does not give."""

    name: str = "accepted"
    prediction: str | None = "p_refuse"


def test_what_cannot_be_watched_is_refused_when_it_is_asked_for(sqlite_town: Town) -> None:
    town = sqlite_town
    version = town.open()
    watch = town.monitoring.watch
    with pytest.raises(InvalidInput, match="p_refuse"):
        watch("surge", version, [Bias()], Wrong())
    with pytest.raises(InvalidInput, match="same name"):
        watch("surge", version, [Bias(), Bias(tolerance=0.1)], Truth())
    with pytest.raises(InvalidInput, match="not one"):
        watch("surge", version, [Uncertainty()], Truth(prediction="multiplier"))
    with pytest.raises(InvalidInput, match="needs a prediction that is a probability"):
        watch("surge", version, [ConceptDrift()], Truth(prediction="multiplier"))
    with pytest.raises(InvalidInput, match="no feature left"):
        watch("surge", version, [DataDrift(ignore=["drivers", "rain", "fare"])], Truth())
    with pytest.raises(InvalidInput, match="divide a day"):
        DataDrift(window="7h")
    with pytest.raises(InvalidInput, match="multiple"):
        town.controller(sketch_s=3600).watch("surge", version, [DataDrift(window="15m")], Truth())
    with pytest.raises(NotFound):
        town.monitoring.acknowledge("alert_unknown")
    assert len(town.monitoring.report()) == 4


def test_evidence_is_charted_every_ten_minutes_of_the_platform(sqlite_town: Town) -> None:
    sqlite_town.open(monitors=[Bias()])
    sqlite_town.live(traffic(1, hours=1), every_h=1 / 12)
    points = sqlite_town.monitoring.evidence("surge")
    assert {point.at.minute for point in points} == {0, 10, 20, 30, 40, 50}
    assert points == sorted(points, key=lambda point: point.at)
    assert sqlite_town.monitoring.evidence("surge", since="2026-03-02T00:30:00Z") == [
        p for p in points if p.at.minute >= 30 or p.at.hour
    ]
