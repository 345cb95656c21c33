"""gRPC of a whole group: workers share one port, and one that was killed comes back on it."""

import os
import signal

import numpy as np
import tritonclient.grpc as triton
from tests.serving.house import until
from tests.serving.models import Adding


def ask(group, number=1.0):
    tensor = triton.InferInput("features", [1, 2], "FP64")
    tensor.set_data_from_numpy(np.array([[number, 2.0]]))
    with triton.InferenceServerClient(f"127.0.0.1:{group.grpc_port}") as client:
        return client.infer("surge", [tensor]).as_numpy("p")[0]


def test_workers_share_a_port_and_one_that_was_killed_comes_back(house):
    house.deploy(Adding(10.0))
    group = house.start(workers=2)
    assert {ask(group, number) for number in range(40)} == {number + 12.0 for number in range(40)}
    killed = group.pids[0]
    os.kill(killed, signal.SIGKILL)
    until(lambda: group.look() == [] and group.ready() and group.pids[0] != killed)
    assert {ask(group, number) for number in range(40)} == {number + 12.0 for number in range(40)}
    assert "Traceback" not in house.said()


def test_grpc_may_be_off(house):
    house.deploy(Adding(10.0))
    group = house.start(grpc_port=-1)
    assert group.grpc_port == -1
    assert "grpc" not in house.said()
