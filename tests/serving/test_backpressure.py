"""Too much, too late, or nobody there any more: refused in words and soon, and nothing else suffers."""

import json
import socket
import struct
import time

import pytest
from tests.serving.house import Client, until, value_of
from tests.serving.models import Adding, Gated

HEAVY = {"inputs": [{"name": "features", "datatype": "FP64", "shape": [1, 2], "data": [1.0, 2.0]}]}
HELD = 13.0


class FoundOut(Gated):
    """Quick on zeros, a little slow on other rows, and waits for its gate where it is asked for `HELD`."""

    def predict(self, rows):
        if (rows == HELD).any():
            return super().predict(rows)
        if rows.any():
            time.sleep(0.02)
        return rows.sum(axis=1, keepdims=True)


class Gate:
    """What `Gated` models wait for, and how to tell that one does."""

    def __init__(self, folder):
        self.folder = folder
        self._open, self._entered = folder / "gate", folder / "entered"

    def await_entry(self):
        """Wait until a model is being asked, and so waits."""
        until(self._entered.exists)

    def open(self):
        self._open.touch()


@pytest.fixture
def gate(house, tmp_path):
    opened = Gate(tmp_path)
    yield opened
    opened.open()


def test_a_slow_model_delays_neither_another_nor_the_health_check(house, connect, gate):
    house.deploy_as("slow", Gated(gate.folder))
    house.deploy_as("quick", Adding(1.0))
    group = house.start()
    waiting, client = connect(group), connect(group)
    for _ in range(10):
        send(waiting, "/v2/models/slow/infer")
    gate.await_entry()
    for _ in range(20):
        assert value_of(client.infer([1.0, 2.0], path="quick")) == 4.0
        assert client.request("GET", "/v2/health/live").status == 200
    gate.open()
    assert [waiting.answer().status for _ in range(10)] == [200] * 10


def test_a_model_that_is_slow_on_real_rows_only_is_found_out(house, connect, gate):
    house.deploy_as("slow", FoundOut(gate.folder))
    house.deploy_as("quick", Adding(1.0))
    group = house.start()
    waiting, client = connect(group), connect(group)
    for _ in range(4):
        assert client.infer([1.0, 2.0], path="slow").status == 200
    waiting.send_infer([HELD, 2.0], path="slow")
    gate.await_entry()
    assert client.infer([1.0, 2.0], path="quick").status == 200
    gate.open()
    assert waiting.answer().status == 200


def test_more_than_may_wait_is_answered_429_with_a_time_to_come_back(house, connect, gate):
    answers = overfill(house, connect, gate)
    assert [answer.status for answer in answers] == [200, 200, 429, 429, 429]  # in the order of the requests
    assert answers[2].headers["retry-after"] == "1"
    assert "2 requests wait for 'slow' already" in answers[2].json["error"]
    predictions, _ = house.records()
    assert sorted((each.status, bool(each.features)) for each in predictions) == [(200, True)] * 2 + [(429, False)] * 3


def test_of_what_is_refused_as_of_what_is_answered_a_share_is_logged(house, connect, gate):
    answers = overfill(house, connect, gate, log_share=0.0, redact=["a"])
    assert [answer.status for answer in answers] == [200, 200, 429, 429, 429]
    assert house.records()[0] == []


def overfill(house, connect, gate, **options):
    """The answers of five requests to a model before which two may wait."""
    house.deploy_as("slow", Gated(gate.folder), max_queue=2, max_batch_rows=1, **options)
    client = connect(house.start())
    for _ in range(5):
        send(client, "/v2/models/slow/infer")
    until(lambda: house.serving.status().requests == 3)  # those that were refused
    gate.open()
    return [client.answer() for _ in range(5)]


def test_a_deadline_is_kept_whoever_sets_it(house, connect, gate):
    house.deploy_as("slow", Gated(gate.folder), max_batch_rows=1)
    group = house.start()
    busy, client = connect(group), connect(group)
    send(busy, "/v2/models/slow/infer")
    gate.await_entry()
    answers = [
        client.request("POST", "/v2/models/slow/infer", HEAVY, x_tidewheel_timeout_ms="50"),
        client.request("POST", "/v2/models/slow/infer", {**HEAVY, "parameters": {"timeout": 50_000}}),
    ]
    assert [answer.status for answer in answers] == [504, 504]
    assert "deadline passed" in answers[0].json["error"]
    gate.open()
    assert busy.answer().status == 200
    for bad in ({"timeout": -1}, {"timeout": "soon"}, {"timeout": True}):
        assert client.request("POST", "/v2/models/slow/infer", {**HEAVY, "parameters": bad}).status == 400


def test_an_endpoints_own_deadline_is_kept(house, connect, gate):
    house.deploy_as("slow", Gated(gate.folder), max_batch_rows=1, timeout_ms=1000)
    client = connect(house.start())
    for _ in range(3):
        send(client, "/v2/models/slow/infer")
    until(lambda: house.serving.status().requests == 2)  # those that have waited too long behind the first
    gate.open()
    assert [client.answer().status for _ in range(3)] == [200, 504, 504]


def test_a_client_that_has_left_costs_nothing(house, connect, gate):
    house.deploy_as("slow", Gated(gate.folder), max_batch_rows=1)
    group = house.start()
    busy, leaving = connect(group), connect(group)
    send(busy, "/v2/models/slow/infer")
    gate.await_entry()
    for _ in range(8):
        send(leaving, "/v2/models/slow/infer")
    until(lambda: waiting_in(group) == 9)
    leaving.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it is reset, and not
    leaving.close()  # only half closed, as by one who still reads
    until(lambda: waiting_in(group) == 1)
    gate.open()
    assert busy.answer().status == 200
    predictions, _ = house.records()
    assert len(predictions) == 1


def waiting_in(group):
    """How many requests wait in the worker."""
    client = Client(group)
    text = client.request("GET", "/metrics").body.decode()
    client.close()
    (line,) = (line for line in text.splitlines() if line.startswith("tidewheel_serving_waiting{"))
    return float(line.split()[-1])


def send(client, path):
    data = json.dumps(HEAVY).encode()
    client.send(f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
