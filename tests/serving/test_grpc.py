"""The Open Inference Protocol over gRPC, asked by unmodified tritonclients."""

import asyncio
import queue

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tests.serving.grpc_house import start_grpc_worker
from tests.serving.house import open_house
from tests.serving.models import Adding, Failing
from tritonclient.utils import InferenceServerException


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One home: `surge` adds 10, or 20 in its second version; `priced` looks features up; `broken` fails."""
    opened = open_house(tmp_path_factory.mktemp("home"))
    opened.version = opened.deploy(Adding(10.0))
    opened.second = opened.register(Adding(20.0))
    looked_up, broken = opened.register_zones(Adding(0.0)), opened.register(Failing())
    opened.serving.set_route("surge", {opened.version.id: 100.0}, shadows=[opened.second.id])
    for name, version in {"priced": looked_up, "broken": broken, "unloadable": opened.version, "empty": None}.items():
        opened.serving.create_endpoint(name)
        if version is not None:
            opened.serving.set_route(name, {version.id: 100.0})
    opened.features.push("zone_demand", [{"zone": "z1", "demand": 5, "at": "2026-01-01T00:00:00Z"}])
    opened.worker = start_grpc_worker(opened)
    yield opened
    opened.worker.close()
    opened.close()


@pytest.fixture
def client(shared):
    with triton.InferenceServerClient(shared.worker.address) as opened:
        yield opened


def features(*rows, name="features", datatype="FP64"):
    values = np.array(rows, dtype=np.float64)
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values)
    return tensor


def code_of(refusal):
    return refusal.value.status().removeprefix("StatusCode.")


def test_a_client_finds_out_what_is_served(shared, client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata().name == "tidewheel"
    ready = {name: client.is_model_ready(name) for name in ("surge", "empty", "nobody")}
    assert ready == {"surge": True, "empty": False, "nobody": False}
    assert client.is_model_ready("surge", "2")
    assert not client.is_model_ready("surge", "3")
    model = client.get_model_metadata("surge", as_json=True)
    assert model["inputs"] == [{"name": "features", "datatype": "FP64", "shape": ["-1", "2"]}]
    assert model["outputs"] == [{"name": "p", "datatype": "FP64", "shape": ["-1"]}]
    assert sorted(model["versions"]) == ["1", "2"]
    with pytest.raises(InferenceServerException, match="no endpoint 'nobody'") as refusal:
        client.get_model_metadata("nobody")
    assert code_of(refusal) == "NOT_FOUND"


def test_an_inference_answers_raw_with_its_version_and_is_logged(shared, client):
    result = client.infer("surge", [features([1.0, 2.0], [3.0, 4.0])], request_id="r1")
    response = result.get_response()
    assert result.as_numpy("p").tolist() == [13.0, 17.0]
    assert (response.model_name, response.model_version, response.id) == ("surge", "1", "r1")
    assert response.parameters["version"].string_param == shared.version.id
    assert len(response.raw_output_contents) == 1
    record = shared.log.find(["r1:1"])["r1:1"]
    assert record.feature_values().tolist() == [3.0, 4.0]
    assert record.output_values().tolist() == [17.0]


def test_keys_and_request_values_are_enough(client):
    zone = triton.InferInput("zone", [1], "BYTES")
    zone.set_data_from_numpy(np.array(["z1"], dtype=object))
    assert client.infer("priced", [zone, features(3.0, name="drivers")]).as_numpy("p").tolist() == [8.0]


def test_a_version_and_a_routing_key_may_be_asked_for(shared, client):
    row = [features([1.0, 2.0])]
    assert client.infer("surge", row, model_version="2").as_numpy("p").tolist() == [23.0]
    headers = {"x-tidewheel-version": shared.second.id, "x-tidewheel-key": "rider7"}
    assert client.infer("surge", row, request_id="asked", headers=headers).as_numpy("p").tolist() == [23.0]
    assert (shared.log.find(["asked"])["asked"].unit, shared.log.find(["asked"])["asked"].arm) == ("rider7", "direct")
    client.infer("surge", row, request_id="keyed", parameters={"key": "rider8"})
    assert shared.log.find(["keyed"])["keyed"].unit == "rider8"


def test_outputs_asked_for_by_name_are_given(client):
    wanted = [triton.InferRequestedOutput("p")]
    assert client.infer("surge", [features([1.0, 2.0])], outputs=wanted).as_numpy("p").tolist() == [13.0]
    for output in (triton.InferRequestedOutput("q"), triton.InferRequestedOutput("p", class_count=3)):
        with pytest.raises(InferenceServerException) as refusal:
            client.infer("surge", [features([1.0, 2.0])], outputs=[output])
        assert code_of(refusal) == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("endpoint", "tensor", "code", "words"),
    [
        ("nobody", features([1.0, 2.0]), "NOT_FOUND", "no endpoint 'nobody'"),
        ("empty", features([1.0, 2.0]), "UNAVAILABLE", "no version to answer with"),
        ("broken", features([1.0, 2.0]), "INTERNAL", "RuntimeError"),
        ("surge", features([1.0]), "INVALID_ARGUMENT", "features"),
        ("surge", features([1.0, 2.0], name="what"), "INVALID_ARGUMENT", "what"),
    ],
)
def test_a_refusal_says_why(client, endpoint, tensor, code, words):
    with pytest.raises(InferenceServerException, match=words) as refusal:
        client.infer(endpoint, [tensor])
    assert code_of(refusal) == code


def test_a_stream_answers_in_order_and_survives_a_refusal(client):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for number in range(20):
        client.async_stream_infer("surge", [features([number, 0.0])], request_id=str(number))
    client.async_stream_infer("nobody", [features([1.0, 2.0])], request_id="lost")
    client.async_stream_infer("surge", [features([1.0, 2.0])])
    came = [answers.get(timeout=10) for _ in range(22)]
    client.stop_stream()
    assert [result.as_numpy("p").tolist() for result, _ in came[:20]] == [[number + 10.0] for number in range(20)]
    assert "no endpoint 'nobody'" in came[20][1].message()
    assert came[21][0].as_numpy("p").tolist() == [13.0]


def test_the_repository_is_listed_unloaded_and_loaded(client):
    listed = {(model.name, model.version): model.state for model in client.get_model_repository_index().models}
    assert listed["surge", "1"] == listed["unloadable", "1"] == "READY"
    client.unload_model("unloadable")
    assert not client.is_model_ready("unloadable")
    with pytest.raises(InferenceServerException, match="is unloaded") as refusal:
        client.infer("unloadable", [features([1.0, 2.0])])
    assert code_of(refusal) == "UNAVAILABLE"
    client.load_model("unloadable")
    assert client.infer("unloadable", [features([1.0, 2.0])]).as_numpy("p").tolist() == [13.0]
    with pytest.raises(InferenceServerException) as refusal:
        client.load_model("nobody")
    assert code_of(refusal) == "NOT_FOUND"


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.get_system_shared_memory_status(),
        lambda client: client.get_cuda_shared_memory_status(),
        lambda client: client.get_trace_settings(),
        lambda client: client.get_log_settings(),
    ],
)
def test_what_is_not_offered_is_unimplemented(client, ask):
    with pytest.raises(InferenceServerException) as refusal:
        ask(client)
    assert code_of(refusal) == "UNIMPLEMENTED"


def test_shared_memory_is_refused_in_words(client):
    tensor = triton.InferInput("features", [1, 2], "FP64")
    tensor.set_shared_memory("region", 16)
    with pytest.raises(InferenceServerException, match="shared memory, which is not offered"):
        client.infer("surge", [tensor])


async def ask_at_once(address, number):
    async with triton_aio.InferenceServerClient(address) as client:
        assert await client.is_server_ready()
        calls = (client.infer("surge", [features([value, 0.0])], request_id=f"aio{value}") for value in range(number))
        return [result.as_numpy("p").tolist() for result in await asyncio.gather(*calls)]


def test_the_asynchronous_client_asks_many_at_once(shared):
    assert asyncio.run(ask_at_once(shared.worker.address, 200)) == [[value + 10.0] for value in range(200)]


def test_compressed_requests_are_read(client):
    result = client.infer("surge", [features(*[[1.0, 2.0]] * 500)], compression_algorithm="gzip")
    assert result.as_numpy("p").tolist() == [13.0] * 500


def test_a_timeout_that_is_none_is_refused(client):
    with pytest.raises(InferenceServerException, match="timeout is -5"):
        client.infer("surge", [features([1.0, 2.0])], timeout=-5)


def test_a_body_beyond_the_limit_is_refused(client):
    with pytest.raises(InferenceServerException) as refusal:
        client.infer("surge", [features(*[[1.0, 2.0]] * 2**20)])
    assert code_of(refusal) == "RESOURCE_EXHAUSTED"
    assert client.is_server_ready()


def test_bytes_that_are_no_message_are_refused_as_input(shared):
    for method in ("ModelInfer", "ModelReady", "ModelMetadata", "RepositoryIndex", "RepositoryModelLoad"):
        with pytest.raises(grpc.RpcError) as refusal:
            shared.worker.method(method)(b"\xff\xff\xff")
        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "no inference." in refusal.value.details()
