"""Workers are kept running, drained, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from tests.serving.house import until
from tests.serving.models import Adding

from tidewheel.base.errors import Conflict
from tidewheel.base.settings import Settings
from tidewheel.serving import WorkerGroup


def test_a_worker_that_dies_is_back_within_a_second(house, connect):
    house.deploy(Adding(1.0))
    group = house.start(workers=2)
    before = group.pids
    os.kill(before[0], signal.SIGKILL)
    began = time.monotonic()
    until(lambda: group.look() is not None and group.ready() and group.pids[0] != before[0])
    assert time.monotonic() - began < 5
    assert group.pids[1] == before[1]
    assert group.restarts == 1
    assert house.serving.status().applied


def test_sigterm_drains_and_open_connections_are_told(house, connect):
    house.deploy(Adding(1.0))
    group = house.start()
    client = connect(group)
    assert client.infer([1.0, 2.0]).status == 200
    group._processes[0].terminate()
    until(lambda: house.serving.status().workers[0].state == "draining")
    answer = client.infer([1.0, 2.0])
    assert answer.status == 200
    assert answer.headers["connection"] == "close"
    assert client.closed()
    assert group._processes[0].wait(5) == 0
    assert [worker.alive for worker in house.serving.status().workers] == [False]
    assert not list(house.log.folder.glob("*.open"))


def test_workers_end_when_their_supervisor_is_killed(house):
    code = (
        "import sys, time; from pathlib import Path; from tidewheel.base.settings import Settings\n"
        "from tidewheel.serving import WorkerGroup\n"
        "group = WorkerGroup(Path(sys.argv[1]), Settings(), port=0, workers=2); group.start()\n"
        "while not group.ready(): time.sleep(0.01)\n"
        "print(*group.pids.values(), flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(house.home)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert len(process.stdout.readline().split()) == 2
        process.kill()
    until(lambda: not any(worker.alive for worker in house.serving.status().workers))


def test_a_taken_port_is_a_conflict_also_when_another_install_shares_it(house):
    group = WorkerGroup(house.home, Settings(), port=0, workers=1)
    with pytest.raises(Conflict, match="cannot be bound"):
        WorkerGroup(house.home, Settings(), port=group.port, workers=1)
    group.stop()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Conflict):
            WorkerGroup(house.home, Settings(), port=taken.getsockname()[1], workers=1)
