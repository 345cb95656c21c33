"""Predicting over the Open Inference Protocol, and what the log keeps of it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.serving.house import Client, open_house, value_of
from tests.serving.models import Adding, Failing


def tensor(name, data, datatype="FP64"):
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


def infer(client, *inputs, path="surge", **extra):
    return client.request("POST", f"/v2/models/{path}/infer", {"inputs": list(inputs), **extra})


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One home for the tests that only ask: `surge` adds 10, `priced` looks features up, `broken` fails."""
    opened = open_house(tmp_path_factory.mktemp("home"))
    opened.version = opened.deploy(Adding(10.0))
    opened.second = opened.register(Adding(20.0))
    looked_up = opened.register_zones(Adding(0.0))
    broken = opened.register(Failing())
    for name, weights in {"priced": {looked_up.id: 100.0}, "broken": {broken.id: 100.0}, "empty": {}}.items():
        opened.serving.create_endpoint(name)
        if weights:
            opened.serving.set_route(name, weights)
    opened.serving.set_route("surge", {opened.version.id: 100.0}, shadows=[opened.second.id])
    seen = {"at": "2026-01-01T00:00:00Z"}
    opened.features.push("zone_demand", [{"zone": "z1", "demand": 5, **seen}, {"zone": "z2", "demand": 7, **seen}])
    opened.group = opened.start()
    yield opened
    opened.close()


@pytest.fixture
def client(shared):
    opened = Client(shared.group)
    yield opened
    opened.close()


def logged(shared, request_id):
    found = shared.log.find([request_id])
    return found[request_id]


def test_an_inference_answers_with_its_version_and_is_logged(shared, client):
    answer = client.infer([1.0, 2.0], id="r1", x_tidewheel_key="rider7")
    assert answer.status == 200
    assert answer.json == {
        "model_name": "surge",
        "model_version": "1",
        "id": "r1",
        "parameters": {"version": shared.version.id},
        "outputs": [{"name": "p", "datatype": "FP64", "shape": [1], "data": [13.0]}],
    }
    record = logged(shared, "r1")
    assert (record.endpoint, record.version, record.arm) == ("surge", shared.version.id, "live")
    assert (record.unit, record.status) == ("rider7", 200)
    assert record.feature_values().tolist() == [1.0, 2.0]
    assert record.output_values().tolist() == [13.0]
    assert 0 < record.latency_us < 1_000_000


def test_a_request_without_an_id_gets_one_that_finds_its_prediction(shared, client):
    first, second = (client.infer([1.0, 2.0]).json["id"] for _ in range(2))
    assert first != second
    assert logged(shared, first).unit == first


def test_each_of_many_rows_is_a_prediction(shared, client):
    answer = client.infer([1.0, 2.0], [3.0, 4.0], id="many", parameters={"key": "k"})
    assert answer.json["outputs"][0] == {"name": "p", "datatype": "FP64", "shape": [2], "data": [13.0, 17.0]}
    assert logged(shared, "many:1").feature_values().tolist() == [3.0, 4.0]
    assert logged(shared, "many:0").unit == "k"


def test_features_may_be_given_by_name_in_any_order_and_null_is_missing(shared, client):
    assert value_of(infer(client, tensor("b", [2]), tensor("a", [1.5], "FP32"))) == 13.5
    assert infer(client, tensor("a", [1, 2], "INT64"), tensor("b", [True, False], "BOOL")).json["outputs"][0][
        "data"
    ] == [12.0, 12.0]
    answer = infer(client, tensor("a", [None]), tensor("b", [1.0]), id="gap")
    assert answer.json["outputs"][0]["data"] == [None]
    assert math.isnan(logged(shared, "gap").feature_values()[0])


def test_nested_data_are_rows(client):
    body = {"inputs": [{"name": "features", "datatype": "FP64", "shape": [2, 2], "data": [[1, 2], [3, None]]}]}
    assert client.request("POST", "/v2/models/surge/infer", body).json["outputs"][0]["data"] == [13.0, None]


def test_entity_keys_and_request_values_are_enough(shared, client):
    answer = infer(client, tensor("zone", ["z1"], "BYTES"), tensor("drivers", [3.0]), path="priced", id="looked-up")
    assert value_of(answer) == 8.0
    record = logged(shared, "looked-up")
    assert record.entities == {"zone": "z1"}
    assert record.feature_values().tolist() == [5.0, 3.0]
    both = infer(client, tensor("zone", ["z2", "z9"], "BYTES"), tensor("drivers", [1.0, 1.0]), path="priced", id="two")
    assert both.json["outputs"][0]["data"] == [8.0, None]
    assert logged(shared, "two:1").entities == {"zone": "z9"}


def test_a_feature_given_by_name_goes_before_the_stored_one(client):
    inputs = [tensor("zone", ["z1"], "BYTES"), tensor("drivers", [3.0]), tensor("demand", [100.0])]
    assert value_of(infer(client, *inputs, path="priced")) == 103.0


def test_a_version_asked_for_answers_and_is_logged_as_direct(shared, client):
    assert value_of(client.infer([1.0, 2.0], path="surge/versions/2", id="by-number")) == 23.0
    assert value_of(client.infer([1.0, 2.0], path=f"surge/versions/{shared.second.id}")) == 23.0
    assert value_of(client.infer([1.0, 2.0], x_tidewheel_version="2")) == 23.0
    record = logged(shared, "by-number")
    assert (record.arm, record.version) == ("direct", shared.second.id)


def test_a_model_that_fails_is_a_500_that_is_logged(shared, client):
    answer = client.infer([1.0, 2.0], path="broken", id="failed")
    assert answer.status == 500
    assert "RuntimeError" in answer.json["error"]
    record = logged(shared, "failed")
    assert (record.status, record.outputs) == (500, b"")
    assert record.feature_values().tolist() == [1.0, 2.0]
    assert "this model is broken" in shared.said()
    assert client.infer([1.0, 2.0]).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("surge", b"", 400, "not an inference request"),
        ("surge", b"{", 400, "not an inference request"),
        ("surge", b'{"inputs": 3}', 400, r"Expected `array`"),
        ("surge", {"inputs": []}, 400, "Features are missing: a, b"),
        ("surge", {"inputs": [tensor("a", [1.0])]}, 400, "Features are missing: b"),
        ("surge", {"inputs": [tensor("c", [1.0])]}, 400, "knows no input 'c'"),
        ("surge", {"inputs": [tensor("a", [1.0])] * 2}, 400, "given twice"),
        ("surge", {"inputs": [tensor("a", ["x"]), tensor("b", [1])]}, 400, "not FP64"),
        ("surge", {"inputs": [tensor("a", [1.5], "INT64"), tensor("b", [1])]}, 400, "not INT64"),
        ("surge", {"inputs": [tensor("a", [1], "BYTES"), tensor("b", [1])]}, 400, "datatype 'BYTES'"),
        ("surge", {"inputs": [tensor("a", [1, 2]), tensor("b", [1])]}, 400, "number of rows"),
        ("surge", {"inputs": [{**tensor("a", [1, 2]), "shape": [3]}, tensor("b", [1])]}, 400, "shape"),
        ("surge", {"inputs": [{**tensor("a", []), "shape": [0]}, tensor("b", [1])]}, 400, "shape"),
        ("surge", {"inputs": [{**tensor("a", [1]), "shape": [-1, -1]}, tensor("b", [1])]}, 400, "shape"),
        ("surge", {"inputs": [{**tensor("features", [1, 2, 3]), "shape": [1, 3]}]}, 400, "takes 2 features"),
        ("surge", {"inputs": [tensor("a", [1]), tensor("b", [1])], "id": "x" * 300}, 400, "longer"),
        ("surge", {"inputs": [tensor("a", [1]), tensor("b", [1])], "parameters": {"key": [1]}}, 400, "routing key"),
        ("surge", {"inputs": [tensor("a", [1]), tensor("b", [1])], "outputs": [{"name": "q"}]}, 400, "no output 'q'"),
        ("priced", {"inputs": [tensor("drivers", [1])]}, 400, "so are: zone"),
        ("priced", {"inputs": [tensor("zone", [1.5]), tensor("drivers", [1])]}, 400, "text is wanted"),
        ("nobody", {"inputs": []}, 404, "no endpoint 'nobody'"),
        ("surge/versions/9", {"inputs": [tensor("a", [1]), tensor("b", [1])]}, 404, "no version '9'"),
        ("empty", {"inputs": []}, 503, "no version to answer"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(client, path, body, status, says):
    answer = client.request("POST", f"/v2/models/{path}/infer", body)
    assert answer.status == status
    assert says in answer.json["error"]


def test_a_client_can_ask_what_is_served(shared, client):
    assert client.request("GET", "/v2").json["name"] == "tidewheel"
    assert client.request("GET", "/v2/health/live").json == {"live": True}
    assert client.request("GET", "/v2/health/ready").json == {"ready": True}
    model = client.request("GET", "/v2/models/surge").json
    assert (model["name"], model["versions"]) == ("surge", ["1", "2"])
    assert model["inputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 2]}]
    assert model["outputs"] == [{"name": "p", "datatype": "FP64", "shape": [-1]}]
    described = client.request("GET", "/v2/models/priced").json["parameters"]
    assert described["entities"] == ["zone"]
    assert described["request"] == {"drivers": "float"}
    assert client.request("GET", "/v2/models/surge/versions/2/ready").json == {"name": "surge", "ready": True}
    assert client.request("GET", "/v2/models/surge/versions/7/ready").status == 404
    assert client.request("HEAD", "/v2/models/surge").status == 200
    assert client.request("GET", "/v2/models/empty").status == 503


def test_addresses_that_are_not_there_say_so(client):
    assert client.request("GET", "/nothing").status == 404
    assert client.request("GET", "/v2/models/surge/explain").status == 404
    refused = client.request("GET", "/v2/models/surge/infer")
    assert (refused.status, refused.headers["allow"]) == (405, "POST")
    assert client.request("DELETE", "/metrics").headers["allow"] == "GET, HEAD"
    assert client.request("GET", "/v2/models/%ff").status == 400
    assert client.request("GET", "http://elsewhere/v2/health/live?x=1").status == 200


_NAMES = st.sampled_from(["a", "b", "features", "zone", "c", ""])
_TYPES = st.sampled_from(["FP64", "INT64", "BYTES", "BOOL", "FP8", ""])
_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
_DATA = st.one_of(_SCALARS, st.lists(st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3)), max_size=4))
_SHAPES = st.lists(st.integers(-(2**70), 2**70) | st.integers(0, 3), max_size=3)
_TENSORS = st.fixed_dictionaries({"name": _NAMES, "datatype": _TYPES, "shape": _SHAPES, "data": _DATA})
_BODIES = st.one_of(
    st.binary(max_size=40),
    st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=6), inner), max_leaves=9),
    st.fixed_dictionaries(
        {"inputs": st.lists(_TENSORS, max_size=3)},
        optional={"id": _SCALARS, "parameters": _DATA | st.dictionaries(_NAMES, _DATA), "outputs": _DATA},
    ),
)


@settings(max_examples=200, deadline=None)
@given(path=st.sampled_from(["surge", "priced"]), body=_BODIES)
def test_no_body_makes_a_worker_fail_or_hang(shared, path, body):
    client = Client(shared.group)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert client.request("POST", f"/v2/models/{path}/infer", data).status in (200, 400)
    assert client.request("POST", "/api/v1/serving/labels", data).status in (200, 400)
    assert client.request("GET", "/v2/health/ready").status == 200
    client.close()


def test_deep_nesting_is_refused(client):
    answer = client.request("POST", "/v2/models/surge/infer", b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert answer.status == 400


def test_many_rows_are_answered_at_once(shared, client):
    rows = np.random.default_rng(3).normal(size=(2000, 2))
    answer = client.infer(*rows.tolist(), id="wide")
    assert np.allclose(answer.json["outputs"][0]["data"], rows.sum(axis=1) + 10)
    assert logged(shared, "wide:1999").feature_values().tolist() == rows[1999].tolist()
