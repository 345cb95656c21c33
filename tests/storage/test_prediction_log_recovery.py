"""What `kill -9` leaves of the prediction log."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.storage.killed_writer import last_acknowledged

from tidewheel.base.clock import SystemClock
from tidewheel.storage import Metadata, open_backend, schema, sqlite_url
from tidewheel.storage.predictions import PredictionLog
from tidewheel.storage.predictions.id_index import IdIndex, hash_id
from tidewheel.storage.predictions.segments import OpenSegment, seal_abandoned

_WRITER = """
import sys
from pathlib import Path
from tidewheel.storage.predictions import Label, Prediction, PredictionWriter
writer = PredictionWriter(Path(sys.argv[1]), "w0", 64 * 1024)
for number in range(10**9):
    writer.append(Prediction(f"p{number}", number, "surge", "v", "live", "u", 200, 1, {}, b"12345678", b""))
    writer.append(Label(f"p{number}", number, {"accepted": 1.0}))
    print(number, flush=True)
"""


@pytest.mark.crash
def test_every_acknowledged_record_outlives_a_killed_writer(tmp_path: Path) -> None:
    metadata = Metadata(sqlite_url(tmp_path / "meta.db"), SystemClock())
    schema.create_all(metadata.engine)
    log = PredictionLog(tmp_path / "predictions", metadata, open_backend("tables", f"file://{tmp_path}/tables"))
    acknowledged = last_acknowledged(_WRITER, log.folder, 2_000)
    batch = log.read()
    ids = [each.id for each in batch.predictions]
    assert ids[: acknowledged + 1] == [f"p{number}" for number in range(acknowledged + 1)]
    assert acknowledged + 1 <= len(ids) <= acknowledged + 2
    assert {each.id for each in batch.labels} <= set(ids)

    sealed = seal_abandoned(
        log.folder
    )  # of predictions also two: killed between the next segment and the seal of the last
    assert {stem.partition("-")[0] for stem in sealed} == {"labels", "predictions"}
    assert seal_abandoned(log.folder) == []
    again = log.read(batch.cursor)
    assert (again.predictions, again.labels) == ([], [])
    assert [each.id for each in log.read().predictions] == ids
    metadata.close()


def test_a_segment_in_use_is_not_taken_for_an_abandoned_one(tmp_path: Path) -> None:
    code = _WRITER.replace("range(10**9)", "range(1)") + "\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert seal_abandoned(tmp_path) == []
        process.kill()
    assert len(seal_abandoned(tmp_path)) == 2


def test_a_segment_that_is_just_being_made_is_not_taken_for_an_abandoned_one(tmp_path: Path) -> None:
    stopping = threading.Event()

    def seal() -> None:
        while not stopping.is_set():
            seal_abandoned(tmp_path)

    sealing = [threading.Thread(target=seal) for _ in range(2)]
    for thread in sealing:
        thread.start()
    try:
        for _ in range(150):
            OpenSegment(tmp_path, "labels", "w0", 4096).seal()
    finally:
        stopping.set()
        for thread in sealing:
            thread.join()


def test_more_segments_than_files_may_be_open_are_searched(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 100
    for number in range(1000):
        with (tmp_path / f"predictions-w0-{number:04d}.ids").open("wb") as file:
            np.save(file, np.array([[hash_id(f"p{number}")], [8], [number]], dtype=np.int64))
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(opened + 300, hard), hard))
    try:
        places = IdIndex(tmp_path).locate(["p0", "p999"], [])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert sorted(places.instants.values()) == [[("p0", 0)], [("p999", 999)]]
