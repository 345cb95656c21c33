"""`tidewheel import mlflow` on real stores: all of it comes, once, under the same ids, and nothing there is written."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.migrate.stores import bring, command, fill

from tidewheel.app import open_platform

pytestmark = pytest.mark.slow  # each test runs the command, which loads MLflow

BROUGHT = ("runs", "params", "tags", "metric_points", "artifact_files", "artifact_bytes", "logged_models", "versions")


def rows(store: Path, words: str, *values: object) -> list[tuple]:
    with closing(sqlite3.connect(store)) as database:
        return database.execute(words, values).fetchall()


def test_everything_of_a_sqlite_store_is_here_afterwards_and_the_file_is_untouched(sqlite_store, tmp_path):
    before = hashlib.sha256(sqlite_store.read_bytes()).hexdigest()
    report = bring(str(sqlite_store), tmp_path / "home")
    assert hashlib.sha256(sqlite_store.read_bytes()).hexdigest() == before
    for name in BROUGHT:
        assert report["here_counts"][name] == report["source_counts"][name] > 0, name
    assert report["not_imported"] == {"traces": 1, "prompts": 1}
    with open_platform(tmp_path / "home") as platform:
        for run_id, name, user, status, start, end, stage in rows(
            sqlite_store, "SELECT run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage FROM runs"
        ):
            run = platform.tracking.run(run_id)
            ends = None if run.ended_at is None else round(run.ended_at.timestamp() * 1000)
            expected = status if status != "SCHEDULED" else run.status
            assert (run.name, run.user, run.status) == (name, user, expected)
            assert (round(run.started_at.timestamp() * 1000), ends, run.lifecycle_stage) == (start, end, stage)
            assert dict(rows(sqlite_store, "SELECT key, value FROM params WHERE run_uuid = ?", run_id)) == run.params
            tags = dict(rows(sqlite_store, "SELECT key, value FROM tags WHERE run_uuid = ?", run_id))
            assert {key: value for key, value in run.tags.items() if not key.startswith("tidewheel.")} == tags


def test_each_point_keeps_value_step_and_instant_also_nan_and_the_largest(sqlite_store, tmp_path):
    bring(str(sqlite_store), tmp_path / "home", "--no-artifacts", "--no-models")
    query = "SELECT run_uuid, key, step, timestamp, value, is_nan FROM metrics"
    expected = sorted((r, k, s, t, repr(math.nan if n else float(v))) for r, k, s, t, v, n in rows(sqlite_store, query))
    with open_platform(tmp_path / "home") as platform:
        found = sorted(
            (run_id, p.key, p.step, round(p.at.timestamp() * 1000), repr(p.value))
            for run_id, key in {(row[0], row[1]) for row in expected}
            for p in platform.tracking.metric_history(run_id, key)
        )
    assert found == expected


def test_versions_keep_their_numbers_files_aliases_stages_and_words(sqlite_store, tmp_path):
    bring(str(sqlite_store), tmp_path / "home")
    with open_platform(tmp_path / "home") as platform:
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


def test_an_import_run_again_brings_nothing_twice_and_then_only_what_is_new(sqlite_store, tmp_path):
    shutil.copytree(sqlite_store.parent, tmp_path / "there")
    store = tmp_path / "there" / "mlflow.db"
    first = bring(str(store), tmp_path / "home")
    again = bring(str(store), tmp_path / "home")
    assert again["new_runs"] == 0
    assert again["unchanged_runs"] == first["new_runs"] - 2  # two are running there, so they are read again
    assert again["here_counts"] == first["here_counts"]
    with closing(sqlite3.connect(store)) as database, database:
        database.execute("UPDATE tags SET value = 'changed' WHERE key = 'kind'")
    assert bring(str(store), tmp_path / "home")["updated_runs"] == 4


def test_a_dry_run_counts_and_writes_nothing(sqlite_store, tmp_path):
    report = bring(str(sqlite_store), tmp_path / "home", "--dry-run")
    assert report["source_counts"]["metric_points"] == 957
    with open_platform(tmp_path / "home") as platform:
        assert platform.tracking.runs() == []
        assert platform.registry.models() == []


def test_only_the_named_experiment_comes_and_an_unknown_one_is_refused(sqlite_store, tmp_path):
    report = bring(str(sqlite_store), tmp_path / "home", "--experiment", "models", "--prefix", "old/")
    assert report["source_counts"]["experiments"] == 1
    with open_platform(tmp_path / "home") as platform:
        assert {run.experiment for run in platform.tracking.runs()} == {"old/models"}
    refused = bring(str(sqlite_store), tmp_path / "home", "--experiment", "nope")
    assert "nope" in refused["error"]["message"]


def test_a_folder_of_runs_comes_over_without_a_file_being_added_to_it(tmp_path):
    fill((tmp_path / "mlruns").as_uri(), tmp_path, "--plain")
    shutil.rmtree(tmp_path / "mlruns" / ".trash" / "nothing", ignore_errors=True)
    before = sorted(str(path) for path in (tmp_path / "mlruns").rglob("*"))
    report = bring(str(tmp_path / "mlruns"), tmp_path / "home")
    assert sorted(str(path) for path in (tmp_path / "mlruns").rglob("*")) == before
    for name in ("runs", "params", "tags", "metric_points", "artifact_files"):
        assert report["here_counts"][name] == report["source_counts"][name] > 0, name


def test_artifacts_of_a_store_that_was_moved_are_found_and_those_that_are_gone_are_told(sqlite_store, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(sqlite_store.parent, moved)
    with closing(sqlite3.connect(moved / "mlflow.db")) as database, database:
        database.execute(
            "UPDATE runs SET artifact_uri = replace(artifact_uri, ?, '/nowhere')", (str(sqlite_store.parent),)
        )
    assert bring(str(moved), tmp_path / "home")["here_counts"]["artifact_files"] > 0
    with closing(sqlite3.connect(moved / "mlflow.db")) as database, database:
        database.execute("UPDATE runs SET artifact_uri = 's3://no-such-bucket/' || run_uuid")
    told = bring(str(moved), tmp_path / "other")
    assert any("s3://no-such-bucket" in problem["what"] for problem in told["problems"])


@pytest.mark.crash
def test_an_import_that_was_killed_goes_on_and_nothing_is_there_twice(sqlite_store, tmp_path):
    home = tmp_path / "home"
    begun = subprocess.Popen(command(str(sqlite_store), home), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while _runs_in(home) < 3 and begun.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    report = bring(str(sqlite_store), home)
    whole = bring(str(sqlite_store), tmp_path / "other")
    assert report["here_counts"] == whole["here_counts"]
    assert json.dumps(report["source_counts"]) == json.dumps(whole["source_counts"])


def _runs_in(home: Path) -> int:
    try:
        return rows(home / "metadata.db", "SELECT count(*) FROM tracking_runs")[0][0]
    except sqlite3.OperationalError:
        return 0


def test_an_address_that_is_no_store_is_refused_with_what_to_write(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for source in (str(tmp_path / "notes.txt"), str(tmp_path / "none"), "ftp://x", "http://127.0.0.1:9"):
        assert bring(source, tmp_path / "home")["error"]["fix"]
