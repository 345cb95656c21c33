"""Where artifacts lie: moved, gone, relative to a folder of long ago, or behind a server and on no disk of ours."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest
from tests.migrate.stores import QUIET, bring_here, write
from tests.ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # also on a machine that does much else


@pytest.fixture
def moved(sqlite_store, tmp_path) -> Path:
    """The store in another folder, whose rows name a place that is not there."""
    shutil.copytree(sqlite_store.parent, tmp_path / "moved")
    _place(tmp_path / "moved" / "mlflow.db", sqlite_store.parent, "/nowhere")
    return tmp_path / "moved" / "mlflow.db"


def _place(store: Path, before: Path | str, after: str) -> None:
    write(store, "UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?)", str(before), after)
    words = "UPDATE logged_models SET artifact_location = replace(artifact_location, ?, ?)"
    write(store, words, str(before), after)


def test_artifacts_of_a_store_that_was_moved_are_found_beside_it(moved, brought, tmp_path):
    report = bring_here(moved, tmp_path / "home", models=False)
    assert report.here_counts.artifact_files > 0
    assert not report.problems


def test_artifacts_that_were_moved_apart_from_the_store_are_found_where_their_owner_says(moved, tmp_path):
    shutil.move(moved.parent / "mlruns", tmp_path / "elsewhere")
    report = bring_here(moved, tmp_path / "home", models=False)
    assert report.here_counts.artifact_files == 0
    assert report.problems
    found = bring_here(moved, tmp_path / "home", models=False, artifact_root=tmp_path / "elsewhere")
    assert found.here_counts.artifact_files == found.source_counts.artifact_files > 0
    assert (found.unchanged_runs, found.problems) == (found.source_counts.runs - 2, ())  # but for running ones


def test_a_relative_artifact_root_means_the_folder_of_the_store(moved, tmp_path):
    _place(moved, "/nowhere/", "")
    report = bring_here(moved, tmp_path / "home", models=False)
    assert report.here_counts.artifact_files > 0
    assert not report.problems


def test_a_bucket_that_cannot_be_reached_is_told_once_and_stops_nothing(moved, tmp_path):
    write(moved, "UPDATE runs SET artifact_uri = 's3://no-such-bucket/' || run_uuid")
    report = bring_here(moved, tmp_path / "home", models=False)
    assert [problem.what for problem in report.problems if "s3://no-such-bucket" in problem.what]
    assert report.here_counts.runs == report.source_counts.runs


def test_files_behind_a_server_come_through_it_with_everything_else(moved, brought, tmp_path):
    _place(moved, "/nowhere/mlruns", "mlflow-artifacts:")
    write(moved, "UPDATE model_versions SET storage_location = NULL")
    shutil.move(moved.parent / "mlruns", tmp_path / "kept")
    with mlflow_server(moved, tmp_path / "kept") as url:
        report = bring_here(url, tmp_path / "home")
        again = bring_here(url, tmp_path / "home")
    assert not report.problems
    assert asdict(report.here_counts) == asdict(report.source_counts) == brought.report["here_counts"]
    assert (again.new_runs, again.here_counts) == (0, report.here_counts)


@contextmanager
def mlflow_server(store: Path, kept: Path) -> Iterator[str]:
    """The address of a real `mlflow server` that keeps its files in a folder no client is told."""
    folder = store.parent
    port = free_ports()
    words = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        f"sqlite:///{store}",
    ]
    words += ["--artifacts-destination", str(kept), "--port", str(port), "--workers", "1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=os.environ | QUIET, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 90
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert time.monotonic() < deadline
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # with its worker
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False
