"""MLServer's content types, and whatever is cut, bent or stretched in a body with binary tensors: never a failure."""

import base64
import contextlib
import json
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.serving.house import Client, open_house, value_of
from tests.serving.models import Adding

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.worker.binary_tensors import DTYPES, BinaryTensor, cut_tensors
from tidewheel.serving.worker.columns import Column, TextColumn
from tidewheel.serving.worker.inference_codec import decode_request
from tidewheel.serving.worker.scoring_formats import read_csv, read_json

PANDAS = {"content_type": "pd"}
TEXT = {"content_type": "str"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """`surge` sums a and b, `priced` looks the zone's demand up and adds the drivers."""
    opened = open_house(tmp_path_factory.mktemp("home"))
    opened.deploy(Adding(0.0))
    looked_up = opened.register_zones(Adding(0.0))
    opened.serving.create_endpoint("priced")
    opened.serving.set_route("priced", {looked_up.id: 100.0})
    seen = {"at": "2026-01-01T00:00:00Z"}
    opened.features.push("zone_demand", [{"zone": "z1", "demand": 5, **seen}, {"zone": "7", "demand": 7, **seen}])
    opened.group = opened.start()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(shared):
    opened = Client(shared.group)
    yield opened
    opened.close()


def column(name, data, datatype, **parameters):
    """A column as MLServer's PandasCodec.encode_request writes it."""
    made = {"name": name, "shape": [len(data), 1], "datatype": datatype, "data": data}
    return made | {"parameters": parameters} if parameters else made


def ask(client, inputs, name="surge", **more):
    return client.request("POST", f"/v2/models/{name}/infer", {"inputs": inputs, **more})


def data_of(answer):
    assert answer.status == 200, answer.body
    return answer.json["outputs"][0]["data"]


def test_a_dataframe_is_a_tensor_a_column(client):
    inputs = [column("a", [1, 2, 3], "INT64"), column("b", [0.5, None, 2], "FP64")]
    assert data_of(ask(client, inputs, parameters=PANDAS)) == [1.5, None, 5.0]
    inputs = [column("zone", ["z1", "7"], "BYTES", **TEXT), column("drivers", [True, False], "BOOL")]
    assert data_of(ask(client, inputs, "priced", parameters=PANDAS)) == [6.0, 7.0]


def test_an_object_column_holds_whatever_a_dataframe_holds(client):
    inputs = [column("a", [1, 2.5, None, True], "BYTES", **TEXT), column("b", [1, 2, 3, None], "INT64")]
    assert data_of(ask(client, inputs, parameters=PANDAS)) == [2.0, 4.5, None, None]
    inputs = [column("zone", ["z1", 7, 7.0], "BYTES"), column("drivers", [1, 2, 3], "UINT8")]
    assert data_of(ask(client, inputs, "priced", parameters=PANDAS)) == [6.0, 9.0, 10.0]


def test_without_that_content_type_a_datatype_is_kept_to(client):
    assert ask(client, [column("a", [1, None], "INT64"), column("b", [1, 2], "INT64")]).status == 400
    assert ask(client, [column("a", [1], "BYTES"), column("b", [1], "INT64")]).status == 400


def test_each_input_may_say_what_it_is(client):
    encoded = [base64.b64encode(key.encode()).decode() for key in ("z1", "7")]
    inputs = [
        column("zone", encoded, "BYTES", content_type="base64"),
        column("drivers", [1.0, 2.0], "FP64", content_type="np"),
    ]
    assert data_of(ask(client, inputs, "priced")) == [6.0, 9.0]
    mixed = [column("zone", ["z1"], "BYTES", **TEXT), column("drivers", [1], "BYTES", **PANDAS)]
    assert data_of(ask(client, mixed, "priced")) == [6.0]


def test_rows_may_be_nested_whatever_the_datatype(client):
    for datatype, one in (("FP32", 1.0), ("INT8", 1), ("BOOL", True)):
        tensor = {"name": "features", "shape": [2, 2], "datatype": datatype, "data": [[one, one], [one, one]]}
        assert data_of(ask(client, [tensor])) == [2.0, 2.0]
    keys = {"name": "zone", "shape": [2, 1], "datatype": "BYTES", "data": [["z1"], ["7"]]}
    assert data_of(ask(client, [keys, column("drivers", [1, 1], "INT64")], "priced")) == [6.0, 8.0]


def test_a_nan_that_is_no_json_is_a_missing_number(client):
    body = b'{"id": "NaN", "inputs": [{"name": "features", "datatype": "FP64", "shape": [1, 2], "data": [NaN, 1]}]}'
    answer = client.request("POST", "/v2/models/surge/infer", body)
    assert data_of(answer) == [None]
    assert answer.json["id"] == "NaN"
    for bad in (b"Infinity", b"nan", b'NaN, "x": '):
        assert client.request("POST", "/v2/models/surge/infer", body.replace(b"[NaN", b"[" + bad)).status == 400


@pytest.mark.parametrize(
    ("inputs", "more", "says"),
    [
        ([column("zone", ["z1"], "BYTES", content_type="datetime")], {}, "'datetime' is not known"),
        ([column("zone", ["z1"], "BYTES")], {"parameters": {"content_type": ["pd"]}}, "['pd'] is not known"),
        ([column("zone", ["?"], "BYTES", content_type="base64")], {}, "not text in base64"),
        ([column("zone", ["/w=="], "BYTES", content_type="base64")], {}, "not text in base64"),
        ([column("zone", ["z1"], "BYTES"), column("drivers", ["x"], "BYTES")], {"parameters": PANDAS}, "'x' in row 0"),
        ([column("zone", [None], "BYTES")], {"parameters": PANDAS}, "null in row 0"),
        ([column("zone", [1.5], "BYTES")], {"parameters": PANDAS}, "1.5 in row 0"),
        ([column("zone", [{}], "BYTES")], {"parameters": PANDAS}, "no column of a table"),
        ([{"name": "zone", "shape": [1], "datatype": "BYTES"}], {"parameters": PANDAS}, "no column of a table"),
        ([column("zone", ["z1"], "BYTES") | {"shape": [1, 2]}], {"parameters": PANDAS}, "has shape [1, 2]"),
        ([column("zone", ["a", "b"], "BYTES") | {"shape": [1, 2]}], {"parameters": PANDAS}, "A column is [rows, 1]"),
        ([column("zone", [True], "BYTES", **PANDAS)], {}, "True in row 0"),
        (
            [column("zone", ["x"], "BYTES"), column("drivers", ["MQ=="], "BYTES", content_type="base64")],
            {},
            "is base64",
        ),
    ],
)
def test_what_does_not_fit_its_content_type_is_told(client, inputs, more, says):
    if len(inputs) == 1:
        inputs = [*inputs, column("drivers", [1], "FP64")]
    answer = ask(client, inputs, "priced", **more)
    assert answer.status == 400
    assert says in answer.json["error"]


def binary_body(rows, zones=()):
    """A body with a binary tensor of numbers, and one of keys where there are any."""
    tensors, parts = [], []
    for name, datatype, shape, data in (
        ("drivers" if zones else "features", "FP64", list(rows.shape), rows.astype("<f8").tobytes()),
        ("zone", "BYTES", [len(zones)], b"".join(struct.pack("<I", len(z.encode())) + z.encode() for z in zones)),
    ):
        if data:
            size = {"binary_data_size": len(data)}
            tensors.append({"name": name, "datatype": datatype, "shape": shape, "parameters": size})
            parts.append(data)
    head = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}}).encode()
    return head, b"".join(parts)


def send(client, head, tail, length=None, name="surge"):
    header = {"inference_header_content_length": len(head) if length is None else length}
    return client.request("POST", f"/v2/models/{name}/infer", head + tail, **header)


FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@FEW
@given(st.data())
def test_a_binary_body_that_is_cut_or_bent_never_fails_the_server(client, data):
    name = data.draw(st.sampled_from(["surge", "priced"]))
    rows = np.ones((2, 2)) if name == "surge" else np.ones(2)
    head, tail = binary_body(rows, ("z1", "7") if name == "priced" else ())
    body = bytearray(head + tail)
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))] if data.draw(st.booleans()) else body)
    length = data.draw(st.sampled_from([len(head), len(head) - 1, len(cut), 0, "x", -1, 10**13]))
    answer = send(client, cut, b"", length, name)
    assert answer.status in (200, 400, 404)
    if answer.status != 200:
        assert answer.json["error"]


def test_a_whole_binary_body_is_answered(client):
    head, tail = binary_body(np.array([[1.0, 2.0], [3.0, np.nan]]))
    answer = send(client, head, tail)
    length = int(answer.headers["inference-header-content-length"])
    assert json.loads(answer.body[:length])["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert np.array_equal(np.frombuffer(answer.body[length:]), [3.0, np.nan], equal_nan=True)
    assert value_of(client.infer([1.0, 2.0])) == 3.0


@FEW
@given(
    st.sampled_from([name for name in DTYPES if name != "BF16"]),
    st.lists(st.integers(0, 1), min_size=1, max_size=20),
)
def test_numbers_come_back_from_their_bytes(datatype, values):
    raw = np.array(values, DTYPES[datatype]).tobytes()
    found = BinaryTensor("x", datatype, [len(values)], memoryview(raw)).numbers()
    assert found.tolist() == values


@FEW
@given(st.lists(st.text(max_size=8), min_size=1, max_size=20))
def test_texts_come_back_from_their_bytes_and_no_cut_of_them_does(texts):
    raw = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
    assert BinaryTensor("x", "BYTES", [len(texts)], memoryview(raw)).texts() == texts
    for end in range(len(raw)):
        with pytest.raises(InvalidInput):
            BinaryTensor("x", "BYTES", [len(texts)], memoryview(raw)[:end]).texts()


@FEW
@given(st.binary(max_size=200), st.binary(max_size=40))
def test_whatever_the_bytes_a_request_is_read_or_refused(head, tail):
    for read in (decode_request, read_json, read_csv, lambda body: cut_tensors(decode_request(body).inputs, tail)):
        with contextlib.suppress(InvalidInput):  # any other exception would be a 500
            read(head)


@FEW
@given(st.lists(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False), min_size=1))
def test_a_column_of_a_table_is_numpys_and_so_is_its_csv(values):
    wanted = np.array(values, dtype=np.float64)
    assert np.array_equal(Column("a", values).numbers(), wanted, equal_nan=True)
    cells = ["" if value is None else repr(value) for value in values]
    assert np.array_equal(TextColumn("a", cells).numbers(), wanted, equal_nan=True)
