"""The alert that the prediction log runs out of room follows what storage says in the journal."""

from __future__ import annotations

from tidewheel.base.clock import SystemClock
from tidewheel.base.settings import Settings
from tidewheel.monitoring import AlertState, Monitoring
from tidewheel.registry import Registry
from tidewheel.storage import Metadata, open_backend
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.storage.journal import read_entries
from tidewheel.storage.predictions import LogBudget, PredictionLog

FULL, ROOMY = LogBudget(free_bytes=1 << 60), LogBudget()


def open_rooms(home, metadata: Metadata, budget: LogBudget) -> tuple[PredictionLog, Monitoring]:
    log = PredictionLog(home / "predictions", metadata, open_backend("tables", f"file://{home}/tables"), budget)
    registry = Registry(metadata, LocalBlobs(home / "blobs"), SystemClock())
    return log, Monitoring(metadata, log, registry, SystemClock(), Settings())


def test_a_crowded_log_raises_one_alert_which_is_resolved_when_it_has_room(tmp_path, metadata):
    log, monitoring = open_rooms(tmp_path, metadata, FULL)
    log.expire()
    (alert,) = monitoring.run()
    assert (alert.monitor, alert.kind, alert.state) == ("log_room", "storage", AlertState.OPEN)
    assert "MiB of disk are free" in alert.summary
    assert monitoring.run() == []
    assert monitoring.alerts() == [alert]
    open_rooms(tmp_path, metadata, ROOMY)[0].expire()
    assert monitoring.run() == []
    (resolved,) = monitoring.alerts()
    assert (resolved.state, resolved.resolution) == (AlertState.RESOLVED, "The log has room again.")
    open_rooms(tmp_path, metadata, FULL)[0].expire()
    assert len(monitoring.run()) == 1
    assert len(monitoring.alerts()) == 2


def test_the_alert_names_the_journal_entry_that_caused_it(tmp_path, metadata):
    log, monitoring = open_rooms(tmp_path, metadata, FULL)
    log.expire()
    monitoring.run()
    with metadata.read() as connection:
        crowded, raised = read_entries(connection, kinds=["storage.log.crowded", "monitoring.alert.raised"])
    assert raised.cause == crowded.id
    assert raised.actor == "monitor:log_room"


def test_an_alert_that_a_person_resolved_is_not_raised_again_for_the_same_crowding(tmp_path, metadata):
    log, monitoring = open_rooms(tmp_path, metadata, FULL)
    log.expire()
    (alert,) = monitoring.run()
    monitoring.acknowledge(alert.id)
    monitoring.resolve([alert.id], "A larger disk is on its way.")
    log.expire()
    assert monitoring.run() == []


def test_two_processes_raise_it_once(tmp_path, metadata):
    log, one = open_rooms(tmp_path, metadata, FULL)
    _, other = open_rooms(tmp_path, metadata, FULL)
    log.expire()
    assert len(one.run()) + len(other.run()) == 1


def test_an_alert_of_no_endpoint_starts_no_loop(tmp_path, metadata):
    log, monitoring = open_rooms(tmp_path, metadata, FULL)
    log.expire()
    monitoring.run()
    assert monitoring.open_alerts("surge") == []
