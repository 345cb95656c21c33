"""Metric points come back as they were sent, once, whoever writes beside them."""

import math
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tidewheel.base.clock import SystemClock
from tidewheel.storage import Metadata
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.tracking import MetricPoint, Tracking

START = datetime(2026, 1, 1, tzinfo=UTC)
instants = st.integers(0, 3).map(lambda second: START + timedelta(seconds=second))
points = st.builds(MetricPoint, st.sampled_from(["auc", "loss"]), st.floats(), st.integers(-3, 3), instants)


def rank(point: MetricPoint) -> tuple[int, datetime, float]:
    return point.step, point.at, -math.inf if math.isnan(point.value) else point.value


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(batches=st.lists(st.lists(points, max_size=6), max_size=4))
def test_history_is_the_set_of_points_and_latest_the_greatest(tracking, batches):
    run = tracking.start_run()
    for batch in batches:
        tracking.log_metrics(run.id, batch)
    sent = [point for batch in batches for point in batch]
    for key in ("auc", "loss"):
        expected = {(p.step, p.at, repr(p.value + 0.0)) for p in sent if p.key == key}
        history = tracking.metric_history(run.id, key)
        assert {(p.step, p.at, repr(p.value + 0.0)) for p in history} == expected
        assert len(history) == len(expected)
        if expected:
            latest = max((p for p in sent if p.key == key), key=rank).value
            found = tracking.run(run.id).metrics[key]
            assert found == latest or (math.isnan(found) and math.isnan(latest))


def test_a_batch_sent_again_adds_nothing(tracking):
    run = tracking.start_run()
    batch = [MetricPoint("loss", float("nan") if i == 3 else i / 7, i, START) for i in range(10)]
    tracking.log_metrics(run.id, batch)
    tracking.log_metrics(run.id, batch)
    assert len(tracking.metric_history(run.id, "loss")) == 10


def test_an_empty_batch_is_no_change(tracking):
    run = tracking.start_run()
    tracking.log_metrics(run.id, [])
    assert tracking.run(run.id).metrics == {}


def test_many_writers_lose_nothing(tracking):
    run = tracking.start_run()

    def write(writer: int) -> None:
        for step in range(10):
            tracking.log_metrics(run.id, [MetricPoint(f"m{writer % 2}", writer, step * 100 + writer)])

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [len(tracking.metric_history(run.id, key)) for key in ("m0", "m1")] == [40, 40]
    assert tracking.run(run.id).metrics == {"m0": 6.0, "m1": 7.0}


WRITER = """
import sys
from pathlib import Path
from tidewheel.base.clock import SystemClock
from tidewheel.storage import Metadata
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.tracking import MetricPoint, Tracking
home, run_id, url = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
tracking = Tracking(Metadata(url, SystemClock()), LocalBlobs(home / "blobs"), SystemClock())
for step in range(1_000_000):
    tracking.log_metrics(run_id, [MetricPoint("a", step, step), MetricPoint("b", step, step)])
    print(step, flush=True)
"""


@pytest.mark.crash
def test_every_acknowledged_point_survives_kill_9_and_no_batch_is_halved(tracking, metadata, tmp_path):
    run = tracking.start_run()
    command = [sys.executable, "-c", WRITER, str(tmp_path), run.id, metadata.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        for _ in range(60):
            writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split("\n")
    acknowledged = max([59, *(int(line) for line in rest[:-1])])
    reopened = Metadata(metadata.url, SystemClock())
    again = Tracking(reopened, LocalBlobs(tmp_path / "blobs"), SystemClock())
    steps = {key: [point.step for point in again.metric_history(run.id, key)] for key in ("a", "b")}
    reopened.close()
    assert steps["a"] == steps["b"]
    assert steps["a"] == list(range(len(steps["a"])))
    assert len(steps["a"]) > acknowledged
