"""`kill -9` of the server under load loses nothing that it acknowledged and leaves no half batch; a full disk is said
to be full, and forgotten when there is room again.
"""

from __future__ import annotations

import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.crash.tracking_server import POINTS, TrackingServer, Writer

from tidewheel.app import open_platform

pytestmark = pytest.mark.crash
WRITERS, KILLS, ENOUGH = 8, 3, 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TrackingServer]:
    server = TrackingServer(tmp_path / "home")
    yield server
    server.kill()


@pytest.mark.slow
@pytest.mark.parametrize("wire", ["native", "mlflow"])
def test_what_was_acknowledged_outlives_kill_9_and_no_batch_is_halved(server: TrackingServer, wire: str) -> None:
    writers: list[Writer] = []
    for kill in range(KILLS):
        writing = [Writer(server.url, f"k{kill}w{number}", wire) for number in range(WRITERS)]
        for writer in writing:
            writer.begin()
        threads = [threading.Thread(target=writer.write) for writer in writing]
        for thread in threads:
            thread.start()
        wait_for(lambda writing=writing: sum(len(each.acknowledged) for each in writing) >= ENOUGH)
        server.kill()
        for thread in threads:
            thread.join(30)
        writers += writing
        server.start_again()
    with open_platform(server.home) as platform:
        for writer in writers:
            run = platform.tracking.run(writer.run_id)
            points = Counter(int(point.step // POINTS) for point in platform.tracking.metric_history(run.id, "loss"))
            kept = {int(key.removeprefix("batch_")) for key in run.params}
            assert set(writer.acknowledged) <= kept, "an acknowledged batch is lost"
            assert points == dict.fromkeys(kept, POINTS), "a batch is halved"
        assert platform.governance.verify().holds


def test_a_full_disk_is_said_and_forgotten_when_there_is_room(server: TrackingServer) -> None:
    with httpx.Client(base_url=server.url, timeout=60) as http:
        made = {"experiment": "full", "run_id": "before"}
        http.post("/api/v1/tracking/runs", json=made).raise_for_status()
        room = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

        refused = http.post("/api/v1/tracking/runs", json={"experiment": "full", "run_id": "during"})
        assert refused.status_code == 503
        assert "disk space" in refused.json()["error"]["fix"]
        upload = http.put(f"/api/2.0/mlflow-artifacts/artifacts/{'a' * 8}/big.bin", content=b"x" * 1_000_000)
        assert upload.status_code == 503
        assert upload.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert http.get("/api/v1/tracking/runs/before").json()["id"] == "before"  # reading goes on

        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, room)
        http.post("/api/v1/tracking/runs", json={"experiment": "full", "run_id": "after"}).raise_for_status()
        path = f"/api/2.0/mlflow-artifacts/artifacts/{'a' * 8}/big.bin"
        http.put(path, content=b"x" * 1_000_000).raise_for_status()
        assert http.get(path).content == b"x" * 1_000_000
        assert http.get("/api/v1/tracking/runs/during").status_code == 404
    assert list((server.home / "blobs" / "incoming").iterdir()) == []


def wait_for(holds: Callable[[], bool], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
