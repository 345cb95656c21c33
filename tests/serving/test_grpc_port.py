"""The port that a group of workers answers gRPC on is its own before a worker is started, and told to whoever asks."""

import socket

import pytest

from tidewheel.base.errors import Conflict
from tidewheel.base.settings import Settings
from tidewheel.serving import WorkerGroup
from tidewheel.supervisor import Supervisor


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
