"""What a worker holds of requests is bounded in bytes too, by whichever port and however far they have come."""

import json
import threading

import grpc
import pytest
from tests.serving.grpc_house import SERVICE
from tests.serving.house import Client, until, value_of
from tests.serving.models import Adding, Gated

from tidewheel.serving.worker.grpc.messages import ModelInferRequest

LARGE_BYTES = 600_000  # two of them are more than the worker of these stories holds


@pytest.fixture
def group(house, tmp_path):
    """A worker that holds 1 MiB, before a model that waits for a gate and one that does not."""
    house.deploy_as("gated", Gated(tmp_path))
    house.deploy_as("quick", Adding(1.0))
    yield house.start(queue_mb=1)
    (tmp_path / "gate").touch()


def request_bytes(path, size_bytes=LARGE_BYTES, **headers):
    """A request whose body is padded to a size."""
    tensor = {"name": "features", "datatype": "FP64", "shape": [1, 2], "data": [1.0, 2.0]}
    body = json.dumps({"inputs": [tensor]}).encode().ljust(size_bytes)
    lines = [f"POST /v2/models/{path}/infer HTTP/1.1", "Host: t", f"Content-Length: {size_bytes}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def metric(group, name):
    client = Client(group)
    lines = client.request("GET", "/metrics").body.decode().splitlines()
    client.close()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{"))


def held_bytes(group):
    return metric(group, "tidewheel_serving_held_bytes")


def test_what_waits_for_a_model_is_bounded_in_bytes_and_the_small_still_pass(house, group, connect, tmp_path):
    waiting, client = connect(group), connect(group)
    waiting.send(request_bytes("gated"))
    until((tmp_path / "entered").exists)
    client.send(request_bytes("quick"))
    refused = client.answer()
    assert refused.status == 429
    assert refused.headers["retry-after"] == "1"
    assert "raise serving.queue_mb" in refused.json["error"]
    assert value_of(client.infer([1.0, 2.0], path="quick")) == 4.0  # on the same connection
    assert held_bytes(group) == LARGE_BYTES
    assert metric(group, "tidewheel_serving_shed_total") == 1
    (tmp_path / "gate").touch()
    assert value_of(waiting.answer()) == 3.0
    client.send(request_bytes("quick"))
    assert value_of(client.answer()) == 4.0
    assert held_bytes(group) == 0
    predictions, _ = house.records()  # what a worker refuses for itself is no fault of a version
    assert [each.status for each in predictions] == [200, 200, 200]


def test_a_body_counts_while_it_still_comes_and_no_more_when_its_client_leaves(group, connect):
    coming, client = connect(group), connect(group)
    coming.send(request_bytes("quick")[:-10])
    until(lambda: held_bytes(group) > LARGE_BYTES - 1000)
    client.send(request_bytes("quick"))
    assert client.answer().status == 429
    coming.send(b" " * 10)
    assert value_of(coming.answer()) == 4.0
    coming.send(request_bytes("quick")[:-10])
    until(lambda: held_bytes(group) > LARGE_BYTES - 1000)
    coming.close()
    until(lambda: held_bytes(group) == 0)
    client.send(request_bytes("quick"))
    assert value_of(client.answer()) == 4.0


def test_a_client_that_expects_to_be_asked_for_its_body_is_told_before_it_sends_it(group, connect):
    coming, client = connect(group), connect(group)
    coming.send(request_bytes("quick")[:-10])
    until(lambda: held_bytes(group) > LARGE_BYTES - 1000)
    head, _, _ = request_bytes("quick", Expect="100-continue").partition(b"\r\n\r\n")
    client.send(head + b"\r\n\r\n")
    assert client.answer().status == 429
    assert client.closed()


def test_a_request_alone_is_taken_whatever_its_size(group, connect):
    client = connect(group)
    client.send(request_bytes("quick", 5_000_000))
    assert value_of(client.answer()) == 4.0


def test_both_ports_share_the_bound(group, connect, tmp_path):
    message = ModelInferRequest(model_name="gated", id="x" * 100)
    message.inputs.add(name="features", datatype="FP64", shape=[1, 2]).contents.fp64_contents.extend([1.0, 2.0])
    message.parameters["padding"].string_param = " " * LARGE_BYTES
    data, answers = message.SerializeToString(), []
    with grpc.insecure_channel(f"{group.host}:{group.grpc_port}") as channel:
        infer = channel.unary_unary(f"/{SERVICE}/ModelInfer")
        asking = threading.Thread(target=lambda: answers.append(infer(data, timeout=20)))
        asking.start()
        until((tmp_path / "entered").exists)
        client = connect(group)
        client.send(request_bytes("quick"))
        assert client.answer().status == 429
        with pytest.raises(grpc.RpcError) as refused:
            infer(data, timeout=20)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        (tmp_path / "gate").touch()
        asking.join(20)
    assert len(answers) == 1
    until(lambda: held_bytes(group) == 0)


def test_a_shadow_that_is_behind_holds_no_more_and_costs_no_answer(house, connect, tmp_path):
    champion, shadow = house.deploy(Adding(1.0)), house.register(Gated(tmp_path))
    house.serving.set_route("surge", {champion.id: 100.0}, [shadow.id])
    group = house.start(queue_mb=1)
    client = connect(group)
    for size_bytes in (LARGE_BYTES, LARGE_BYTES, 100):
        client.send(request_bytes("surge", size_bytes))
        assert value_of(client.answer()) == 4.0
    assert metric(group, "tidewheel_serving_shadow_dropped_total") == 1
    (tmp_path / "gate").touch()
    until(lambda: sum(each.arm == "shadow" for each in house.records()[0]) == 2)
