"""Sixteen writers at once lose nothing and are never told that the database is locked."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from tidewheel.app import Platform, open_platform
from tidewheel.base.settings import Settings
from tidewheel.tracking import MetricPoint

WRITERS, BATCHES, POINTS = 16, 6, 20

PROGRAM = """
import sys
from pathlib import Path
from tidewheel.base.clock import SystemClock
from tidewheel.storage import Metadata
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.tracking import MetricPoint, Tracking

home, url, writer, batches, points = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
tracking = Tracking(Metadata(url, SystemClock()), LocalBlobs(Path(home) / "blobs"), SystemClock())
print("open", flush=True)
sys.stdin.readline()
run_id = tracking.start_run("busy", run_id=f"w{writer}").id
for batch in range(batches):
    metrics = [MetricPoint("loss", batch / 7, batch * points + n) for n in range(points)]
    tracking.log_batch(run_id, metrics=metrics, params={f"p{batch}": "1"})
tracking.end_run(run_id)
"""


def write(platform: Platform, writer: int) -> None:
    run_id = platform.tracking.start_run("busy", run_id=f"w{writer}").id
    for batch in range(BATCHES):
        points = [MetricPoint("loss", batch / 7, batch * POINTS + n) for n in range(POINTS)]
        platform.tracking.log_batch(run_id, metrics=points, params={f"p{batch}": "1"})
    platform.tracking.end_run(run_id)


def check_all_is_there(platform: Platform) -> None:
    for writer in range(WRITERS):
        run = platform.tracking.run(f"w{writer}")
        assert (run.status, len(run.params)) == ("FINISHED", BATCHES)
        history = platform.tracking.metric_history(run.id, "loss")
        assert [point.step for point in history] == list(range(BATCHES * POINTS))
    assert platform.governance.verify().holds


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def address(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The setting that points a platform at a database of its own; none for the SQLite of its home."""
    if request.param == "sqlite":
        yield {}
        return
    url, name = request.getfixturevalue("postgres_url"), f"t{uuid.uuid4().hex}"
    base, _, query = url.partition("?")
    admin = sa.create_engine(f"postgresql+psycopg://{url.split('://', 1)[1]}", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield {"TIDEWHEEL_STORAGE_METADATA_URL": f"{base.rpartition('/')[0]}/{name}?{query}"}
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def test_threads_of_one_process(address: dict[str, str], tmp_path: Path) -> None:
    with open_platform(tmp_path / "home", Settings(environ=address)) as platform:
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda writer: write(platform, writer), range(WRITERS)))
        check_all_is_there(platform)


@pytest.mark.slow
def test_processes_on_one_home(address: dict[str, str], tmp_path: Path) -> None:
    with open_platform(tmp_path / "home", Settings(environ=address)) as platform:
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "home"), platform.metadata.url]
        writers = [
            subprocess.Popen(
                [*command, str(writer), str(BATCHES), str(POINTS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for writer in range(WRITERS)
        ]
        try:
            for process in writers:
                assert process.stdout is not None
                assert process.stdout.readline() == "open\n"
            for process in writers:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            told = [process.communicate(timeout=60) for process in writers]
            assert [errors for _, errors in told] == [""] * WRITERS
        finally:
            for process in writers:
                process.kill()
        check_all_is_there(platform)
