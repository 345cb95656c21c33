"""The port that a group of workers answers gRPC on is its own before a worker is started, and told to whoever asks."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

import tidewheel
from tidewheel.base.errors import Conflict
from tidewheel.base.settings import Settings
from tidewheel.serving import WorkerGroup
from tidewheel.supervisor import Supervisor

SCRIPT = """
import asyncio, sys
from pathlib import Path
from tidewheel.base.settings import Settings
from tidewheel.serving.worker.grpc.server import open_grpc
from tidewheel.serving.worker.intake import Intake
from tidewheel.supervisor import Supervisor
assert asyncio.run(open_grpc("127.0.0.1", Settings(), None, None, lambda: True, Intake())) is None
supervisor = Supervisor(Path(sys.argv[1]), None, Settings({"server.port": 0, "serving.port": 0}))
print(*supervisor.moved_ports)
supervisor.stop()
"""


@pytest.fixture
def taken():
    """A port that somebody else listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def can_bind(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def test_a_group_on_a_free_port_takes_another_for_grpc(tmp_path):
    group = WorkerGroup(tmp_path, Settings(), port=0)
    assert group.grpc_port not in {0, group.port}
    assert not can_bind(group.grpc_port)
    group.stop()
    assert can_bind(group.grpc_port)


def test_grpc_may_be_off(tmp_path):
    group = WorkerGroup(tmp_path, Settings({"serving.grpc_port": -1}), port=0)
    assert group.grpc_port == -1
    group.stop()


def test_a_taken_grpc_port_is_refused_and_the_other_given_back(tmp_path, taken):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Conflict, match=rf"127\.0\.0\.1:{taken} cannot be bound.*serving\.grpc_port"):
        WorkerGroup(tmp_path, Settings(), port=port, grpc_port=taken)
    assert can_bind(port)


def test_a_supervisor_tells_of_a_taken_grpc_port_and_uses_another(tmp_path, taken):
    ports = {"server.port": 0, "serving.port": 0, "serving.grpc_port": taken}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ports["serving.port"] = free.getsockname()[1]
    supervisor = Supervisor(tmp_path, None, Settings(ports))
    (sentence,) = supervisor.moved_ports
    assert sentence.startswith(f"Port {taken} is taken; gRPC uses ")
    assert supervisor.addresses.inference.endswith(f":{ports['serving.port']}")
    supervisor.stop()


def test_without_grpcio_a_worker_serves_http_alone_and_says_so(tmp_path):
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for path in Path(grpc.__file__).parents[1].iterdir():
        if not path.name.startswith("grpc"):
            (libraries / path.name).symlink_to(path)
    environment = {**os.environ, "PYTHONPATH": f"{Path(tidewheel.__file__).parents[1]}:{libraries}"}
    command = [sys.executable, "-S", "-c", SCRIPT, str(tmp_path / "home")]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    sentence = "gRPC is not served: grpcio is missing. Install tidewheel[grpc].\n"
    assert (said.stdout, said.stderr) == (sentence, sentence)
