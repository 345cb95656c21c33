"""`tidewheel import mlflow` on real stores: all of it comes, once, under the same ids, and nothing there is written."""

from __future__ import annotations

import json
import math
import shutil
import signal
import sqlite3
import subprocess
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.migrate.stores import bring, bring_here, command, fill, rows, write

from tidewheel.app import open_platform
from tidewheel.base.errors import TidewheelError

pytestmark = pytest.mark.slow  # a real store is filled by MLflow's client, which takes long to load

BROUGHT = ("runs", "params", "tags", "metric_points", "datasets", "model_links", "artifact_files", "artifact_bytes")
REGISTERED = ("experiments", "logged_models", "models", "versions", "aliases")


def test_everything_is_counted_on_both_sides_and_the_file_is_untouched(sqlite_store, brought):
    assert not list(sqlite_store.parent.glob("mlflow.db-*"))
    for name in BROUGHT + REGISTERED:
        assert brought.report["here_counts"][name] == brought.report["source_counts"][name] > 0, name
    assert brought.report["not_imported"] == {"traces": 1, "prompts": 1}
    assert brought.report["problems"] == []


def test_each_run_keeps_its_words_its_status_and_its_times(sqlite_store, brought):
    with open_platform(brought.home) as platform:
        for run_id, name, user, status, start, end, stage in rows(
            sqlite_store, "SELECT run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage FROM runs"
        ):
            run = platform.tracking.run(run_id)
            ends = None if run.ended_at is None else round(run.ended_at.timestamp() * 1000)
            assert (run.name, run.user, run.status) == (name, user, status)
            assert (round(run.started_at.timestamp() * 1000), ends, run.lifecycle_stage) == (start, end, stage)
            assert dict(rows(sqlite_store, "SELECT key, value FROM params WHERE run_uuid = ?", run_id)) == run.params


def test_each_point_keeps_value_step_and_instant_also_nan_and_the_largest(sqlite_store, brought):
    query = "SELECT run_uuid, key, step, timestamp, value, is_nan FROM metrics"
    expected = sorted((r, k, s, t, repr(math.nan if n else float(v))) for r, k, s, t, v, n in rows(sqlite_store, query))
    with open_platform(brought.home) as platform:
        found = sorted(
            (run_id, p.key, p.step, round(p.at.timestamp() * 1000), repr(p.value))
            for run_id, key in {(row[0], row[1]) for row in expected}
            for p in platform.tracking.metric_history(run_id, key)
        )
    assert found == expected


def test_experiments_come_with_tags_and_times_and_what_was_deleted_is_deleted(sqlite_store, brought):
    with open_platform(brought.home) as platform:
        for name, stage, at_ms in rows(sqlite_store, "SELECT name, lifecycle_stage, creation_time FROM experiments"):
            here = platform.experiments.by_name(name)
            assert (here.lifecycle_stage, round(here.created_at.timestamp() * 1000)) == (stage, at_ms)
        assert platform.experiments.by_name("rides").tags["team"] == "surge"


def test_an_experiment_that_is_here_already_gets_tags_but_keeps_its_own(sqlite_store, tmp_path):
    with open_platform(tmp_path / "home") as platform:
        platform.experiments.create("rides", tags={"team": "ours"})
    report = bring_here(sqlite_store, tmp_path / "home", artifacts=False, models=False)
    with open_platform(tmp_path / "home") as platform:
        tags = platform.experiments.by_name("rides").tags
    assert (tags["team"], tags["mlflow.note.content"]) == ("ours", "All about rides.")
    assert [problem.what for problem in report.problems] == ["tag 'team' of experiment 'rides'"]


def test_versions_keep_their_numbers_files_aliases_stages_words_and_times(sqlite_store, brought):
    with open_platform(brought.home) as platform:
        registry = platform.registry
        assert registry.model("surge").description == "Prices rides."
        assert registry.model("surge").aliases == {"champion": 2, "fallback": 1}
        assert [version.number for version in registry.versions("double")] == [3, 2]
        first, third = registry.numbered("surge", 1), registry.numbered("double", 3)
        assert (first.stage, first.description) == ("Staging", "The first.")
        assert third.tags["third"] == "yes"
        assert "MLmodel" in first.files
        assert "MLmodel" in third.files
        assert registry.verify(first.id).whole
        made = rows(sqlite_store, "SELECT creation_time FROM model_versions WHERE name = 'surge' AND version = 1")
        assert round(first.created_at.timestamp() * 1000) == made[0][0]


def test_an_import_run_again_brings_nothing_twice_and_then_only_what_is_new(sqlite_store, tmp_path):
    shutil.copytree(sqlite_store.parent, tmp_path / "there")
    store, home = tmp_path / "there" / "mlflow.db", tmp_path / "home"
    first, again = bring_here(store, home), bring_here(store, home)
    assert (again.new_runs, again.unchanged_runs) == (0, first.new_runs - 2)  # two are running there
    assert again.here_counts == first.here_counts
    write(store, "UPDATE tags SET value = 'changed' WHERE key = 'kind'")
    assert bring_here(store, home).updated_runs == 4
    assert bring_here(store, home, everything=True).unchanged_runs == 0


def test_what_was_lost_here_after_an_import_is_found_to_be_missing_by_the_next(sqlite_store, tmp_path):
    bring_here(sqlite_store, tmp_path / "home", models=False)
    write(tmp_path / "home" / "metadata.db", "DELETE FROM tracking_metric_points WHERE step = 500")
    write(tmp_path / "home" / "metadata.db", "DELETE FROM tracking_artifacts WHERE path LIKE '%settings.json'")
    found = bring_here(sqlite_store, tmp_path / "home", models=False).differences
    assert {(each.what, each.source - each.here) for each in found if each.what != "artifact_bytes"} == {
        ("metric_points", 1),
        ("artifact_files", 1),
    }


def test_only_runs_since_an_instant_come(sqlite_store, tmp_path):
    report = bring_here(sqlite_store, tmp_path / "home", since=datetime(2025, 1, 1, tzinfo=UTC), models=False)
    old = rows(sqlite_store, "SELECT count(*) FROM runs WHERE start_time < 1735689600000")[0][0]
    assert old == 3
    assert report.source_counts.runs == rows(sqlite_store, "SELECT count(*) FROM runs")[0][0] - old
    assert not report.differences


def test_a_dry_run_counts_and_writes_nothing(sqlite_store, tmp_path):
    report = bring_here(sqlite_store, tmp_path / "home", dry_run=True)
    assert report.source_counts.metric_points == 957
    with open_platform(tmp_path / "home") as platform:
        assert platform.tracking.runs() == []
        assert platform.registry.models() == []


def test_only_the_named_experiment_comes_and_an_unknown_one_is_refused(sqlite_store, tmp_path):
    report = bring_here(sqlite_store, tmp_path / "home", experiments=("models",), prefix="old/")
    assert report.source_counts.experiments == 1
    with open_platform(tmp_path / "home") as platform:
        assert {run.experiment for run in platform.tracking.runs()} == {"old/models"}
    with pytest.raises(TidewheelError, match="nope"):
        bring_here(sqlite_store, tmp_path / "home", experiments=("nope",))


def test_a_folder_of_runs_comes_over_without_a_file_being_added_to_it(tmp_path):
    fill((tmp_path / "mlruns").as_uri(), tmp_path, "--plain")
    before = sorted(str(path) for path in (tmp_path / "mlruns").rglob("*"))
    report = bring_here(tmp_path / "mlruns", tmp_path / "home")
    assert sorted(str(path) for path in (tmp_path / "mlruns").rglob("*")) == before
    for name in ("runs", "params", "tags", "metric_points", "datasets", "artifact_files"):
        assert asdict(report.here_counts)[name] == asdict(report.source_counts)[name] > 0, name


@pytest.mark.crash
def test_an_import_that_was_killed_goes_on_and_nothing_is_there_twice(sqlite_store, brought, tmp_path):
    home = tmp_path / "home"
    begun = subprocess.Popen(command(str(sqlite_store), home), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while _runs_in(home) < 3 and begun.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    report = bring_here(sqlite_store, home)
    assert json.loads(json.dumps(asdict(report.here_counts))) == brought.report["here_counts"]


def _runs_in(home: Path) -> int:
    try:
        return int(rows(home / "metadata.db", "SELECT count(*) FROM tracking_runs")[0][0])
    except sqlite3.OperationalError:
        return 0


def test_an_address_that_is_no_store_is_refused_with_what_to_write(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    refused = bring(str(tmp_path / "notes.txt"), tmp_path / "home")
    assert refused["error"]["fix"]
    for source in (str(tmp_path / "none"), "ftp://x", "http://127.0.0.1:9"):
        with pytest.raises(TidewheelError) as caught:
            bring_here(source, tmp_path / "home")
        assert caught.value.fix
