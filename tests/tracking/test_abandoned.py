"""A run whose process died without a word does not run for ever; one that was taken up again does."""

import os
import subprocess
import sys

import pytest

from tidewheel import tracking as tw
from tidewheel.base.clock import SystemClock
from tidewheel.storage import Metadata, schema, sqlite_url
from tidewheel.tracking.process_identity import PROCESS_TAG, process_identity, process_is_gone
from tidewheel.tracking.records import MetricPoint
from tidewheel.tracking.run_report import report_run

IDENTITY = "from tidewheel.tracking.process_identity import process_identity; print(process_identity())"


@pytest.fixture(scope="module")
def dead():
    """The identity of a process that has ended."""
    return subprocess.run([sys.executable, "-c", IDENTITY], capture_output=True, text=True, check=True).stdout.strip()


def test_a_living_process_is_not_gone_and_a_dead_one_is(dead):
    assert process_is_gone(process_identity()) is False
    assert process_is_gone(dead) is True


def test_a_process_that_has_the_number_of_a_dead_one_is_another():
    assert process_is_gone(process_identity() + "1") is True


@pytest.mark.parametrize("identity", ["", "x", "another-boot/pid:[1]/1/2", "a/b/c/d"])
def test_what_cannot_be_seen_from_here_is_not_guessed(identity):
    assert process_is_gone(identity) is None


def test_a_run_of_a_dead_process_ends_at_its_last_sign_of_life(tracking, dead):
    gone = tracking.start_run("surge", tags={PROCESS_TAG: dead})
    tracking.log_batch(gone.id, metrics=[MetricPoint("auc", 0.5)])
    at = tracking.metric_history(gone.id, "auc")[0].at
    others = [tracking.start_run(tags=tags) for tags in ({}, {PROCESS_TAG: process_identity()}, {PROCESS_TAG: "x"})]
    report = report_run(tracking, gone.id)
    assert (report.last_sign_at, report.process_gone) == (at, True)
    assert tracking.end_abandoned() == [gone.id]
    found = tracking.run(gone.id)
    assert (found.status, found.ended_at) == ("KILLED", at)
    assert {tracking.run(run.id).status for run in others} == {"RUNNING"}
    assert tracking.end_abandoned() == []
    assert report_run(tracking, gone.id).process_gone is None


def test_a_run_that_another_took_up_is_not_ended(tracking, dead):
    native, theirs = (tracking.start_run(tags={PROCESS_TAG: dead}) for _ in range(2))
    tracking.resume_run(native.id)
    tracking.update_run(theirs.id, "RUNNING")  # as MLflow's client does
    assert tracking.end_abandoned() == []


def test_the_sdk_says_which_process_writes(tracking):
    with tw.start_run(capture=False) as run:
        assert tracking.run(run.id).tags[PROCESS_TAG] == process_identity()
    with tw.start_run(run_id=run.id):
        tw.flush()
        assert tracking.run(run.id).tags[PROCESS_TAG] == process_identity()
        assert tracking.end_abandoned() == []


def test_a_forked_child_opens_connections_of_its_own(tmp_path):
    metadata = Metadata(sqlite_url(tmp_path / "m.db"), SystemClock())
    schema.create_all(metadata.engine)
    pool = metadata.engine.pool
    with metadata.read():  # a fork in the midst of a transaction
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with metadata.record() as connection:
                    connection.exec_driver_sql("SELECT 1")
                code = 0 if metadata.engine.pool is not pool else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with metadata.record() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    assert metadata.engine.pool is pool
    metadata.close()
