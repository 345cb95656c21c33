"""A journal with the story of one model in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidewheel.base.clock import ReplayClock
from tidewheel.governance import Governance
from tidewheel.storage import Metadata, acting, schema, sqlite_url


@dataclass
class Archive:
    metadata: Metadata
    clock: ReplayClock
    governance: Governance


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    clock = ReplayClock(tmp_path / "clock", datetime(2026, 3, 2, tzinfo=UTC))
    metadata = Metadata(sqlite_url(tmp_path / "metadata.db"), clock)
    schema.create_all(metadata.engine)
    yield Archive(metadata, clock, Governance(metadata, clock))
    metadata.close()


@pytest.fixture
def told(archive: Archive) -> Archive:
    """An alert led to a run, the run to a version, the version to a decision."""
    with archive.metadata.change(actor="ada") as change:
        change.emit("data.commit.added", "commit:rides@4", inputs=["dataset:rides"])
        alert = change.emit("monitoring.alert.raised", "alert:a1", {"summary": "riders walk away"})
        run = change.emit("tracking.run.started", "run:r1", inputs=["commit:rides@4"], cause=alert)
        facts = {"model": "surge", "number": 2, "metrics": {"log_loss": 0.52}}
        made = change.emit("registry.version.registered", "version:v2", facts, inputs=["run:r1"], cause=run)
    with archive.metadata.change(actor="rollout") as change, acting(cause=made):
        change.emit("rollout.decision.made", "decision:d1", {"reason": "proven better"}, inputs=["version:v2"])
        change.emit("monitoring.alert.resolved", "alert:a1")
    return archive
