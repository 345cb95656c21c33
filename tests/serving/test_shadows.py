"""Mirrored requests never touch an answer."""

import asyncio

import msgspec
from tests.serving.house import until
from tests.serving.lane_house import LaneHouse, Summing, until as lane_until
from tests.serving.models import Adding, Failing, Gated

from tidewheel.serving.worker.calls import Call
from tidewheel.serving.worker.inference_codec import Tensor
from tidewheel.serving.worker.shadows import MAX_WAITING, Shadows


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


def test_a_shadow_that_hangs_delays_no_answer_and_is_dropped_when_behind(house, connect, tmp_path):
    champion = house.deploy(Adding(1.0))
    shadow = house.register(Gated(tmp_path))
    house.serving.set_route("surge", {champion.id: 100.0}, [shadow.id])
    client = connect(house.start())
    assert {client.infer([1.0, 2.0]).status for _ in range(MAX_WAITING + 100)} == {200}
    metrics = client.request("GET", "/metrics").body.decode()
    (dropped,) = (line for line in metrics.splitlines() if line.startswith("tidewheel_serving_shadow_dropped_total"))
    assert float(dropped.split()[-1]) == 100
    (tmp_path / "gate").touch()


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


def test_what_cannot_be_logged_of_a_shadow_is_held_no_longer():
    async def story():
        version, told = LaneHouse(Summing()).version, []

        def refuse(call, version, outcome):
            told.append((outcome.status, shadows.busy(version)))
            raise OSError("the disk is full")

        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        shadows = Shadows(loop, None, refuse, dropped.append, most_bytes=1000)
        inputs = {"features": Tensor("features", "FP64", [1, 1], msgspec.Raw(b"[1.0]"))}
        for _ in range(2):
            for each in range(2):
                shadows.offer(Call(f"q{each}", 0, "surge", "u", inputs, 500), [version])
            await lane_until(lambda: not shadows.waiting)
        assert told == [(200, False)] * 2

    dropped: list[str] = []
    asyncio.run(asyncio.wait_for(story(), 20))
    assert dropped == []
