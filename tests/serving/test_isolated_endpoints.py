"""An endpoint whose models run in processes of their own harms no other, and its bad requests harm no good ones."""

import json
import os
import signal
from pathlib import Path

from tests.serving.house import until, value_of
from tests.serving.models import Adding


class Fragile:
    """Answers its process id; ends its process without a word if a row begins with 13."""

    def predict(self, rows):
        import ctypes

        if (rows[:, 0] == 13).any():
            ctypes.string_at(0)
        return rows[:, :1] * 0 + os.getpid()


def test_a_model_that_ends_its_process_takes_only_its_own_request_along(house, connect):
    house.deploy_as("fragile", Fragile(), isolated=True)
    house.deploy_as("sturdy", Adding(1.0))
    group = house.start()
    client = connect(group)
    worker = group.pids[0]
    first = value_of(client.infer([1.0, 2.0], path="fragile"))
    assert first != worker
    for value in (1.0, 13.0, 2.0, 3.0):  # together in one turn of the loop, so together in one model call
        send(client, value)
    answers = [client.answer() for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 503, 200, 200]
    assert value_of(client.infer([1.0, 2.0], path="sturdy")) == 4.0
    assert value_of(client.infer([1.0, 2.0], path="fragile")) != first
    assert group.pids[0] == worker
    until(lambda: len(house.records()[0]) == 7)
    assert sorted(record.status for record in house.records()[0]) == [200] * 6 + [503]


def test_isolation_can_be_switched_on_and_off_while_requests_run(house, connect):
    house.deploy_as("fragile", Fragile())
    group = house.start()
    client = connect(group)
    worker = group.pids[0]
    assert value_of(client.infer([1.0, 2.0], path="fragile")) == worker
    for isolated in (True, False, True):
        house.serving.configure_endpoint("fragile", isolated=isolated)
        house.applied()
        assert (value_of(client.infer([1.0, 2.0], path="fragile")) == worker) is not isolated


def test_the_process_of_a_model_goes_with_its_route_and_with_its_worker(house, connect):
    house.deploy_as("fragile", Fragile(), isolated=True)
    group = house.start()
    child = int(value_of(connect(group).infer([1.0, 2.0], path="fragile")))
    os.kill(group.pids[0], signal.SIGKILL)
    until(lambda: not Path(f"/proc/{child}").exists())


def send(client, value):
    tensor = {"name": "features", "datatype": "FP64", "shape": [1, 2], "data": [value, 0.0]}
    data = json.dumps({"inputs": [tensor]}).encode()
    head = f"POST /v2/models/fragile/infer HTTP/1.1\r\nHost: t\r\nContent-Length: {len(data)}\r\n\r\n"
    client.send(head.encode() + data)
