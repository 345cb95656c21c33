"""Kills the training process, and the server, in the middle of logging: nothing that was taken is lost or doubled."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.ports import free_ports

from tidewheel.client import connect
from tidewheel.tracking.sdk.recovery import deliver_left

pytestmark = pytest.mark.crash

TRAIN = """
import sys
import tidewheel as tw
run = tw.start_run("surge", capture=False)
print(run.id, flush=True)
for step in range(int(sys.argv[1])):
    tw.log_metric("loss", float(step), step)
    if step % 1000 == 0:
        print(step, flush=True)
tw.log_artifact(b"x" * 300_000, "model.bin")
print("logged", flush=True)
sys.stdin.readline()
run.end()
print("ended", flush=True)
"""


class Server:
    """A control plane on a port of its own, which can be killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_ports()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tidewheel.cli", "server", "--home", self.home, "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the server ended"
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def wait_until(true, deadline_s=30.0):
    end = time.monotonic() + deadline_s
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path / "home")
    yield made
    made.kill()


@pytest.fixture
def train(server, tmp_path):
    started = []
    script = tmp_path / "train.py"
    script.write_text(TRAIN)

    def start(points):
        environment = {
            **os.environ,
            "TIDEWHEEL_URL": server.url,
            "TIDEWHEEL_TRACKING_SPOOL_FOLDER": str(tmp_path / "s"),
        }
        process = subprocess.Popen(
            [sys.executable, script, str(points)],
            env=environment, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def read_until(process, text):
    last = -1
    for line in process.stdout:
        if line.strip() == text:
            return last
        last = int(line)
    raise AssertionError(f"it never said {text}")


def test_a_killed_training_process_loses_nothing_it_had_logged(server, train, tmp_path, monkeypatch):
    process, run_id = train(1_000_000)
    read_until(process, "20000")
    process.send_signal(signal.SIGKILL)
    told = read_rest(process)
    monkeypatch.setenv("TIDEWHEEL_TRACKING_SPOOL_FOLDER", str(tmp_path / "s"))
    with connect(server.url) as platform:
        delivered = deliver_left(platform.tracking, platform.tracking.spool_folder)
        history = platform.tracking.metric_history(run_id, "loss")
    assert delivered.files >= 1
    assert not delivered.damaged
    steps = [point.step for point in history]
    assert steps == list(range(len(steps)))
    assert len(steps) >= max(told, 20_000)


def read_rest(process):
    said = [int(line) for line in process.stdout if line.strip().isdigit()]
    return max(said, default=0)


def test_a_killed_server_costs_nothing_and_the_step_goes_on(server, train, tmp_path):
    process, run_id = train(30_000)
    read_until(process, "10000")
    server.kill()
    read_until(process, "logged")
    server.start()
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline().strip() == "ended"
    assert process.wait(30) == 0
    with connect(server.url) as platform:
        run = platform.tracking.run(run_id)
        steps = [point.step for point in platform.tracking.metric_history(run_id, "loss")]
        kept = platform.tracking.artifacts(run_id)
        fetched = platform.tracking.fetch_artifact(run_id, "model.bin", tmp_path / "model.bin")
    assert steps == list(range(30_000))
    assert run.status == "FINISHED"
    assert [artifact.path for artifact in kept] == ["model.bin"]
    assert fetched.stat().st_size == 300_000
    assert not list((tmp_path / "s").rglob("*.spool"))


def test_a_killed_replay_goes_on_where_it_was_and_doubles_nothing(server, train, tmp_path):
    process, run_id = train(30_000)
    server.kill()
    read_until(process, "logged")
    process.send_signal(signal.SIGKILL)
    process.wait()
    server.start()
    environment = {**os.environ, "TIDEWHEEL_TRACKING_SPOOL_FOLDER": str(tmp_path / "s")}
    sync = [sys.executable, "-m", "tidewheel.cli", "runs", "sync", "--url", server.url, "--json"]
    with connect(server.url) as platform:
        first = subprocess.Popen(sync, env=environment, stdout=subprocess.DEVNULL)
        wait_until(lambda: arrived(platform, run_id) > 0)
        first.kill()
        first.wait()
        subprocess.run(sync, env=environment, check=True, stdout=subprocess.DEVNULL)
        steps = [point.step for point in platform.tracking.metric_history(run_id, "loss")]
    assert steps == list(range(30_000))


def arrived(platform, run_id):
    try:
        return len(platform.tracking.run(run_id).metrics)
    except Exception:
        return 0
