"""Mirrored requests never touch an answer."""

import time

from tests.serving.house import until
from tests.serving.models import Adding, Failing, Slow


def test_a_shadow_sees_every_request_under_the_same_id(house, connect):
    champion = house.deploy(Adding(1.0))
    shadow = house.register(Adding(5.0))
    house.serving.set_route("surge", {champion.id: 100.0}, [shadow.id])
    client = connect(house.start())
    answers = [client.infer([float(number), 0.0], x_tidewheel_key="k") for number in range(50)]
    assert {answer.json["model_version"] for answer in answers} == {"1"}
    until(lambda: len(house.records()[0]) == 100)
    predictions, _ = house.records()
    live = {each.id: each for each in predictions if each.arm == "live"}
    mirrored = {each.id: each for each in predictions if each.arm == "shadow"}
    assert live.keys() == mirrored.keys() == {answer.json["id"] for answer in answers}
    for each in mirrored.values():
        assert each.version == shadow.id
        assert each.unit == "k"
        assert each.features == live[each.id].features
        assert each.output_values()[0] == live[each.id].output_values()[0] + 4.0
    assert house.serving.status().requests == 50


def test_a_shadow_that_fails_is_logged_and_harms_nobody(house, connect):
    champion = house.deploy(Adding(1.0))
    shadow = house.register(Failing())
    house.serving.set_route("surge", {champion.id: 100.0}, [shadow.id])
    client = connect(house.start())
    assert client.infer([1.0, 2.0]).status == 200
    until(lambda: len(house.records()[0]) == 2)
    (record,) = (each for each in house.records()[0] if each.arm == "shadow")
    assert (record.status, record.outputs) == (500, b"")


def test_a_slow_shadow_delays_no_answer_and_is_dropped_when_behind(house, connect):
    champion = house.deploy(Adding(1.0))
    shadow = house.register(Slow())
    house.serving.set_route("surge", {champion.id: 100.0}, [shadow.id])
    client = connect(house.start(drain_timeout_s=0.5))
    client.infer([1.0, 2.0])
    took = []
    for _ in range(1100):
        began = time.perf_counter()
        assert client.infer([1.0, 2.0]).status == 200
        took.append(time.perf_counter() - began)
    assert sorted(took)[len(took) // 2] < 0.05
    metrics = client.request("GET", "/metrics").body.decode()
    (dropped,) = (line for line in metrics.splitlines() if line.startswith("tidewheel_serving_shadow_dropped_total"))
    assert float(dropped.split()[-1]) > 0


def test_a_version_asked_for_by_name_is_not_mirrored(house, connect):
    champion = house.deploy(Adding(1.0))
    shadow = house.register(Adding(5.0))
    house.serving.set_route("surge", {champion.id: 100.0}, [shadow.id])
    client = connect(house.start())
    client.infer([1.0, 2.0], x_tidewheel_version="2", id="direct")
    client.infer([1.0, 2.0], id="live")
    until(lambda: len(house.records()[0]) == 3)
    assert sorted((each.id, each.arm) for each in house.records()[0]) == [
        ("direct", "direct"),
        ("live", "live"),
        ("live", "shadow"),
    ]
