"""Too much, too late, or nobody there any more: refused in words and soon, and nothing else suffers."""

import json
import time

from tests.serving.house import Client, until, value_of
from tests.serving.models import Adding, Slow

HEAVY = {"inputs": [{"name": "features", "datatype": "FP64", "shape": [1, 2], "data": [1.0, 2.0]}]}


class SlowFromTheStart(Slow):
    """Takes its time on zeros too, so that a worker knows it for slow."""

    def predict(self, rows):
        return super().predict(rows + 1.0)


def test_a_slow_model_delays_neither_another_nor_the_health_check(house, connect):
    house.deploy_as("slow", SlowFromTheStart())
    house.deploy_as("quick", Adding(1.0))
    group = house.start()
    waiting, client = connect(group), connect(group)
    for _ in range(10):
        send(waiting, "/v2/models/slow/infer")
    began = time.perf_counter()
    for _ in range(20):
        assert value_of(client.infer([1.0, 2.0], path="quick")) == 4.0
        assert client.request("GET", "/v2/health/live").status == 200
    assert time.perf_counter() - began < 10 * 0.2  # what the ten slow ones take one by one
    assert [waiting.answer().status for _ in range(10)] == [200] * 10


def test_a_model_that_is_slow_on_real_rows_only_is_found_out(house, connect):
    house.deploy_as("slow", Slow())
    house.deploy_as("quick", Adding(1.0))
    group = house.start()
    waiting, client = connect(group), connect(group)
    for _ in range(4):
        assert client.infer([1.0, 2.0], path="slow").status == 200
    send(waiting, "/v2/models/slow/infer")
    time_of_quick = timed(lambda: client.infer([1.0, 2.0], path="quick"))
    assert waiting.answer().status == 200
    assert time_of_quick < 0.2


def test_more_than_may_wait_is_answered_429_with_a_time_to_come_back(house, connect):
    house.deploy_as("slow", SlowFromTheStart())
    house.serving.configure_endpoint("slow", max_queue=2, max_batch_rows=1)
    client = connect(house.start())
    for _ in range(5):
        send(client, "/v2/models/slow/infer")
    answers = [client.answer() for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 429, 429, 429]  # in the order of the requests
    assert answers[2].headers["retry-after"] == "1"
    assert "2 requests wait for 'slow' already" in answers[2].json["error"]
    predictions, _ = house.records()
    assert sorted((each.status, bool(each.features)) for each in predictions) == [(200, True)] * 2 + [(429, False)] * 3


def test_of_what_is_refused_as_of_what_is_answered_a_share_is_logged(house, connect):
    house.deploy_as("slow", SlowFromTheStart())
    house.serving.configure_endpoint("slow", max_queue=2, max_batch_rows=1, log_share=0.0, redact=["a"])
    client = connect(house.start())
    for _ in range(5):
        send(client, "/v2/models/slow/infer")
    assert [client.answer().status for _ in range(5)] == [200, 200, 429, 429, 429]
    assert house.records()[0] == []


def test_a_deadline_is_kept_whoever_sets_it(house, connect):
    house.deploy_as("slow", SlowFromTheStart())
    house.serving.configure_endpoint("slow", max_batch_rows=1)
    group = house.start()
    busy, client = connect(group), connect(group)
    for _ in range(3):
        send(busy, "/v2/models/slow/infer")
    answers = [
        client.request("POST", "/v2/models/slow/infer", HEAVY, x_tidewheel_timeout_ms="50"),
        client.request("POST", "/v2/models/slow/infer", {**HEAVY, "parameters": {"timeout": 50_000}}),
    ]
    assert [answer.status for answer in answers] == [504, 504]
    assert "deadline passed" in answers[0].json["error"]
    assert [busy.answer().status for _ in range(3)] == [200] * 3
    house.serving.configure_endpoint("slow", timeout_ms=50)
    house.applied()
    for _ in range(3):
        send(busy, "/v2/models/slow/infer")
    assert [busy.answer().status for _ in range(3)] == [200, 504, 504]
    for bad in ({"timeout": -1}, {"timeout": "soon"}, {"timeout": True}):
        assert client.request("POST", "/v2/models/slow/infer", {**HEAVY, "parameters": bad}).status == 400


def test_a_client_that_has_left_costs_nothing(house, connect):
    house.deploy_as("slow", SlowFromTheStart())
    house.serving.configure_endpoint("slow", max_batch_rows=1)
    group = house.start()
    busy, leaving = connect(group), connect(group)
    send(busy, "/v2/models/slow/infer")
    for _ in range(8):
        send(leaving, "/v2/models/slow/infer")
    until(lambda: waiting_in(group) >= 9)
    leaving.close()
    assert busy.answer().status == 200
    until(lambda: waiting_in(group) == 0)
    predictions, _ = house.records()
    assert len(predictions) < 5


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


def timed(ask):
    began = time.perf_counter()
    assert ask().status == 200
    return time.perf_counter() - began
