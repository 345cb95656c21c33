"""tritonclient's HTTP clients, as NVIDIA ships them, against a worker."""

import asyncio
import gzip
import json
import zlib

import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tests.serving.house import Client, open_house
from tests.serving.models import Adding
from tritonclient.utils import InferenceServerException

from tidewheel.registry import Signature
from tidewheel.registry.formats import open_format

NUMBERS = {
    "BOOL": np.bool_,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}


class Pair:
    """Answers the sum and the difference of two features."""

    def predict(self, rows):
        return np.column_stack([rows[:, 0] + rows[:, 1], rows[:, 0] - rows[:, 1]])


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """`surge` adds 10 to two features, `priced` looks one up, `pair` has two outputs, `empty` has no version."""
    opened = open_house(tmp_path_factory.mktemp("home"))
    first = opened.deploy(Adding(10.0))
    second = opened.register(Adding(20.0))
    opened.serving.set_route("surge", {first.id: 100.0, second.id: 0.0})
    looked_up = opened.register_zones(Adding(0.0))
    folder = opened.home / "pair"
    folder.mkdir()
    open_format("python").save(Pair(), folder)
    pair = opened.registry.register(
        "pair", format="python", folder=folder, signature=Signature.of(["a", "b"], ["sum", "difference"]), trust=True
    )
    for name, version in (("priced", looked_up), ("pair", pair)):
        opened.serving.create_endpoint(name)
        opened.serving.set_route(name, {version.id: 100.0})
    opened.serving.create_endpoint("empty")
    seen = {"at": "2026-01-01T00:00:00Z"}
    opened.features.push("zone_demand", [{"zone": "Zürich", "demand": 5, **seen}, {"zone": "7", "demand": 7, **seen}])
    opened.first = first
    opened.group = opened.start()
    yield opened
    opened.close()


@pytest.fixture
def client(house):
    with triton.InferenceServerClient(f"{house.group.host}:{house.group.port}") as opened:
        yield opened


def given(name, values, datatype, binary=True):
    array = np.asarray(values)
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def features(rows=((1.0, 2.0),), **more):
    return given("features", np.array(rows, dtype=np.float64), "FP64", **more)


def test_what_the_server_and_its_models_are(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    server = client.get_server_metadata()
    assert server["name"] == "tidewheel"
    assert server["extensions"] == ["binary_tensor_data", "model_configuration", "model_repository", "statistics"]
    assert client.is_model_ready("surge")
    assert client.is_model_ready("surge", "1")
    assert not client.is_model_ready("surge", "99")
    assert not client.is_model_ready("nobody")
    assert not client.is_model_ready("empty")
    model = client.get_model_metadata("surge", "1")
    assert (model["name"], model["platform"]) == ("surge", "tidewheel_python")
    assert model["inputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 2]}]
    assert model["parameters"]["alternatives"] == [["features"], ["a", "b"]]
    looked_up = client.get_model_metadata("priced")
    assert looked_up["inputs"] == [
        {"name": "zone", "datatype": "BYTES", "shape": [-1]},
        {"name": "drivers", "datatype": "FP64", "shape": [-1]},
    ]
    names = [entry["name"] for entry in client.get_model_repository_index()]
    assert {"surge", "priced", "pair"} <= set(names)


@pytest.mark.parametrize("endpoint", ["surge", "priced", "pair"])
def test_every_way_to_ask_that_the_metadata_name_is_answered(client, endpoint):
    for names in client.get_model_metadata(endpoint)["parameters"]["alternatives"]:
        inputs = [
            features()
            if name == "features"
            else given(name, np.array(["7"], dtype=object), "BYTES")
            if name == "zone"
            else given(name, np.array([1.0]), "FP64")
            for name in names
        ]
        assert client.infer(endpoint, inputs).get_response()["model_name"] == endpoint


@pytest.mark.parametrize(
    ("datatype", "binary"),
    [(each, way) for each in NUMBERS for way in (True, False) if (each, way) != ("FP16", False)],  # tritonclient's rule
)
def test_every_datatype_of_numbers_is_taken_in_binary_and_json(client, datatype, binary):
    values = np.array([[1, 0], [1, 1]], dtype=NUMBERS[datatype])
    answer = client.infer("surge", [given("features", values, datatype, binary)])
    assert answer.as_numpy("p").tolist() == [11.0, 12.0]


def test_bf16_is_the_upper_half_of_a_float32(client):
    values = np.array([[1.5, -2.0]], dtype=ml_dtypes.bfloat16)
    answer = client.infer("surge", [given("features", values, "BF16")])
    assert answer.as_numpy("p").tolist() == [9.5]


@pytest.mark.parametrize("binary", [True, False])
def test_entity_keys_are_bytes_or_integers(client, binary):
    zones = np.array(["Zürich", "7", "nowhere"], dtype=object)
    drivers = given("drivers", np.array([1.0, 2.0, 3.0]), "FP64", binary)
    found = client.infer("priced", [given("zone", zones, "BYTES", binary), drivers]).as_numpy("p")
    assert found[:2].tolist() == [6.0, 9.0]
    assert np.isnan(found[2])
    numbered = given("zone", np.array([7, 7, 7]), "INT64", binary)
    assert client.infer("priced", [numbered, drivers]).as_numpy("p").tolist() == [8.0, 9.0, 10.0]


@pytest.mark.parametrize("binary", [True, False])
def test_outputs_come_as_they_are_asked_for(client, binary):
    wanted = [triton.InferRequestedOutput("difference", binary_data=binary)]
    answer = client.infer("pair", [features([[5.0, 2.0], [1.0, 1.0]])], outputs=wanted, request_id="r-1")
    assert answer.as_numpy("difference").tolist() == [3.0, 0.0]
    assert answer.as_numpy("sum") is None
    assert ("parameters" in answer.get_output("difference")) is binary
    assert answer.get_response()["id"] == "r-1"


def test_one_output_may_be_binary_and_another_json(client):
    outputs = [triton.InferRequestedOutput("sum"), triton.InferRequestedOutput("difference", binary_data=False)]
    answer = client.infer("pair", [features([[5.0, 2.0]])], outputs=outputs)
    assert (answer.as_numpy("sum").tolist(), answer.as_numpy("difference").tolist()) == ([7.0], [3.0])
    assert answer.get_output("difference")["data"] == [3.0]


def test_a_version_is_asked_by_number_and_parameters_reach_the_log(house, client):
    answer = client.infer(
        "surge", [features()], model_version="2", request_id="keyed", parameters={"key": "rider7"}, timeout=5_000_000
    )
    assert answer.as_numpy("p").tolist() == [23.0]
    assert answer.get_response()["model_version"] == "2"
    record = house.log.find(["keyed"])["keyed"]
    assert (record.unit, record.arm) == ("rider7", "direct")


def test_a_missing_number_is_nan_in_both_forms(client):
    for binary in (True, False):
        answer = client.infer("surge", [features([[np.nan, 2.0]], binary=binary)])
        assert np.isnan(answer.as_numpy("p")[0])


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_requests_and_answers_may_be_compressed(client, coding, binary):
    rows = np.arange(1000.0).reshape(500, 2)
    answer = client.infer(
        "surge",
        [features(rows, binary=binary)],
        outputs=[triton.InferRequestedOutput("p", binary_data=binary)],
        request_compression_algorithm=coding,
        response_compression_algorithm=coding,
    )
    assert answer.as_numpy("p").tolist() == (rows.sum(axis=1) + 10).tolist()


def test_an_answer_is_packed_only_for_who_asks_for_one_coding_and_only_if_long(house):
    client = Client(house.group)
    body = {"inputs": [{"name": "features", "datatype": "FP64", "shape": [500, 2], "data": [0.5] * 1000}]}
    plain = client.request("POST", "/v2/models/surge/infer", body, accept_encoding="gzip, deflate, br")
    assert "content-encoding" not in plain.headers
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress}
    for coding, unpacked in unpack.items():
        packed = client.request("POST", "/v2/models/surge/infer", body, accept_encoding=coding)
        assert (packed.headers["content-encoding"], packed.headers["vary"]) == (coding, "accept-encoding")
        assert json.loads(unpacked(packed.body))["outputs"] == plain.json["outputs"]
    body["inputs"][0] |= {"shape": [1, 2], "data": [0.5, 0.5]}
    assert (
        "content-encoding" not in client.request("POST", "/v2/models/surge/infer", body, accept_encoding="gzip").headers
    )
    client.close()


def test_many_requests_at_once_are_each_answered(house):
    url = f"{house.group.host}:{house.group.port}"
    with triton.InferenceServerClient(url, concurrency=4) as client:
        asked = [client.async_infer("surge", [features([[float(n), 0.0]])], request_id=str(n)) for n in range(40)]
        answers = [each.get_result() for each in asked]
    assert [answer.as_numpy("p")[0] for answer in answers] == [n + 10.0 for n in range(40)]
    assert [answer.get_response()["id"] for answer in answers] == [str(n) for n in range(40)]


def test_the_asynchronous_client_is_served_too(house):
    async def ask():
        async with triton_aio.InferenceServerClient(f"{house.group.host}:{house.group.port}") as client:
            assert await client.is_model_ready("surge")
            asked = [client.infer("surge", [features([[float(n), 0.0]])]) for n in range(10)]
            return [answer.as_numpy("p")[0] for answer in await asyncio.gather(*asked)]

    assert asyncio.run(ask()) == [n + 10.0 for n in range(10)]


@pytest.mark.parametrize(
    ("endpoint", "inputs", "more", "status", "says"),
    [
        ("nobody", [features()], {}, "404", "no endpoint 'nobody'"),
        ("surge", [features()], {"model_version": "9"}, "404", "no version '9'"),
        ("empty", [features()], {}, "503", "no version to answer"),
        ("surge", [features([[1.0]])], {}, "400", "the model takes 2 features"),
        ("surge", [given("c", [1.0], "FP64")], {}, "400", "knows no input 'c'"),
        ("surge", [features()], {"outputs": [triton.InferRequestedOutput("q")]}, "400", "no output 'q'"),
        (
            "pair",
            [features()],
            {"outputs": [triton.InferRequestedOutput("sum", class_count=1)]},
            "400",
            "classification",
        ),
        ("priced", [given("zone", [1.5], "FP64"), given("drivers", [1.0], "FP64")], {}, "400", "text is wanted"),
        ("surge", [features()], {"request_id": "x" * 201}, "400", "longer than 200"),
    ],
)
def test_a_refusal_is_the_clients_exception_with_our_words(client, endpoint, inputs, more, status, says):
    with pytest.raises(InferenceServerException, match=says) as refused:
        client.infer(endpoint, inputs, **more)
    assert refused.value.status() == status


def test_shared_memory_is_refused_in_both_directions(client):
    shared = triton.InferInput("features", [1, 2], "FP64")
    shared.set_shared_memory("region", 16)
    with pytest.raises(InferenceServerException, match="shared memory"):
        client.infer("surge", [shared])
    wanted = triton.InferRequestedOutput("p")
    wanted.set_shared_memory("region", 8)
    with pytest.raises(InferenceServerException, match="shared_memory_region"):
        client.infer("surge", [features()], outputs=[wanted])


def test_what_is_not_offered_is_a_plain_refusal(client):
    for ask in (client.get_trace_settings, client.get_log_settings, client.get_system_shared_memory_status):
        with pytest.raises(InferenceServerException, match="nothing at this address"):
            ask()


def test_head_is_get_without_a_body(house):
    client = Client(house.group)
    for path in ("/v2", "/v2/models/surge", "/v2/models/surge/versions/1/ready", "/openapi.json", "/ping"):
        answer = client.request("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")
        assert int(answer.headers["content-length"]) > 0
    client.close()
