"""MLflow's scoring formats and KServe's v1 protocol on a worker; MLflow's own client and parser say what is right."""

import io
import warnings

import numpy as np
import pandas as pd
import pytest
import requests
from tests.serving.house import Client, open_house
from tests.serving.models import Adding

from tidewheel.registry import Signature
from tidewheel.registry.formats import open_format

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # mlflow warns of its own type hints when it is imported
    from mlflow.pyfunc.scoring_server import client as mlflow_client, infer_and_parse_data, parse_csv_input


class Weighing:
    """Answers a + 10 b, so that an exchange of columns shows."""

    def predict(self, rows):
        return rows @ np.array([[1.0], [10.0]])


class Pair:
    """Answers two figures a row."""

    def predict(self, rows):
        return np.column_stack([rows[:, 0] + rows[:, 1], rows[:, 0] - rows[:, 1]])


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """`surge` weighs a and b, `pair` has two outputs, `matrix` one of two columns, `priced` looks features up."""
    opened = open_house(tmp_path_factory.mktemp("home"))
    weighing = opened.deploy(Weighing())
    made = {"priced": opened.register_zones(Adding(0.0))}
    for name, outputs in (("pair", ["sum", "difference"]), ("matrix", ["p"])):
        folder = opened.home / name
        folder.mkdir()
        open_format("python").save(Pair(), folder)
        signature = Signature.of(["a", "b"], outputs)
        made[name] = opened.registry.register(name, format="python", folder=folder, signature=signature, trust=True)
    for name, version in made.items():
        opened.serving.create_endpoint(name)
        opened.serving.set_route(name, {version.id: 100.0})
    opened.features.push("zone_demand", [{"zone": "7", "demand": 7, "at": "2026-01-01T00:00:00Z"}])
    opened.weighing = weighing
    opened.group = opened.start()
    yield opened
    opened.close()


@pytest.fixture
def client(house):
    opened = Client(house.group)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def lone(tmp_path_factory):
    """A home with a single endpoint, as `mlflow models serve` has."""
    opened = open_house(tmp_path_factory.mktemp("home"))
    opened.deploy(Weighing())
    yield opened.start()
    opened.close()


def ask(client, body, name="surge", **headers):
    return client.request("POST", f"/v2/models/{name}/invocations", body, **headers)


def predictions(answer):
    assert answer.status == 200, answer.body
    return answer.json["predictions"]


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, np.nan]}),
        pd.DataFrame({"b": [3, 4], "a": [1, 2]}),
        pd.DataFrame({"b": [3, 4], "more": ["x", "y"], "a": [True, False]}),
        np.array([[1.0, 3.0], [2.0, 4.0]]),
    ],
    ids=["frame with a gap", "frame in another order", "frame with more columns", "array"],
)
def test_mlflows_own_client_is_answered(lone, data):
    client = mlflow_client.ScoringServerClient(lone.host, lone.port)
    client.ping()
    assert client.get_version()
    a, b = (data[:, 0], data[:, 1]) if isinstance(data, np.ndarray) else (data["a"], data["b"])
    wanted = (np.asarray(a, float) + 10 * np.asarray(b, float)).tolist()
    found = client.invoke(data)["predictions"]
    assert np.array(found, dtype=float) == pytest.approx(wanted, nan_ok=True)


FORMATS = [
    {"dataframe_split": {"columns": ["b", "a"], "index": [0, 1], "data": [[3, 1], [4, 2.0]]}},
    {"dataframe_split": {"data": [[1, 3], [2, 4]]}},
    {"dataframe_split": {"columns": [0, 1], "data": [[1, 3], [2, 4]]}},
    {"dataframe_records": [{"a": 1, "b": 3}, {"b": 4, "a": 2}]},
    {"instances": [{"a": 1, "b": 3}, {"a": 2, "b": 4}]},
    {"instances": [{"a": [1], "b": [3]}, {"a": [2], "b": [4]}]},
    {"instances": [[1, 3], [2, 4]]},
    {"inputs": [[1, 3], [2, 4]]},
    {"inputs": {"a": [1, 2], "b": [3, 4]}},
    {"inputs": {"a": [[1], [2]], "b": [[3], [4]]}},
    {"dataframe_records": [{"a": 1, "b": 3}, {"b": 4, "a": 2}], "params": {"temperature": 0.5}},
]


@pytest.mark.parametrize("body", FORMATS)
def test_each_format_gives_the_same_rows(client, body):
    assert predictions(ask(client, body)) == [31.0, 42.0]


@pytest.mark.parametrize("body", [body for body in FORMATS if "dataframe" in str(body) and "params" not in body])
def test_frames_are_read_as_mlflow_reads_them(client, body):
    theirs = infer_and_parse_data({key: body[key] for key in body})
    named = theirs.set_axis(["a", "b"], axis=1) if 0 in theirs.columns else theirs
    assert predictions(ask(client, body)) == (named["a"] + 10 * named["b"]).tolist()


def test_csv_is_read_as_mlflow_reads_it(client):
    text = 'b,note,a\n3,"x, y",1\n,z,2\n4e0,,-2.5\n'
    theirs = parse_csv_input(io.StringIO(text))
    wanted = [None if np.isnan(value) else value for value in (theirs["a"] + 10 * theirs["b"]).tolist()]
    assert predictions(ask(client, text.encode(), content_type="text/csv; charset=utf-8")) == wanted


def test_a_row_may_leave_most_of_its_names_out(client):
    records = [{"a": 1, "b": 3, f"note{row}": "x"} for row in range(500)]
    assert predictions(ask(client, {"dataframe_records": records})) == [31.0] * 500


def test_a_single_output_is_flat_and_several_are_named(client):
    body = {"instances": [[5, 2], [None, 1]]}
    assert predictions(ask(client, body, "pair")) == [
        {"sum": 7.0, "difference": 3.0},
        {"sum": None, "difference": None},
    ]
    assert predictions(ask(client, body, "matrix")) == [[7.0, 3.0], [None, None]]


@pytest.mark.parametrize("key", [7, "7", 7.0])
def test_entity_keys_may_be_numbers_and_features_are_looked_up(client, key):
    assert predictions(ask(client, {"dataframe_records": [{"zone": key, "drivers": 2}]}, "priced")) == [9.0]
    csv = f"drivers,zone\n2,{int(key)}\n".encode()
    assert predictions(ask(client, csv, "priced", content_type="text/csv")) == [9.0]


def test_a_prediction_has_an_id_that_its_label_can_name(house, client):
    answer = ask(client, {"instances": [[1, 3]], "params": {"key": "rider7"}}, x_request_id="inv-1")
    assert answer.headers["x-request-id"] == "inv-1"
    assert answer.headers["x-tidewheel-version"] == house.weighing.id
    record = house.log.find(["inv-1"])["inv-1"]
    assert (record.unit, record.arm, record.output_values().tolist()) == ("rider7", "live", [31.0])
    made = ask(client, {"instances": [[1, 3]]}).headers["x-request-id"]
    assert house.log.find([made])[made].feature_values().tolist() == [1.0, 3.0]


def test_a_version_is_asked_by_its_address(client):
    assert predictions(ask(client, {"instances": [[1, 3]]}, "surge/versions/1")) == [31.0]
    assert ask(client, {"instances": [[1, 3]]}, "surge/versions/9").status == 404


def test_with_several_endpoints_the_header_names_one(client):
    body = {"instances": [[1, 3]]}
    refused = client.request("POST", "/invocations", body)
    assert refused.status == 400
    assert "matrix, pair, priced, surge" in refused.json["error"]
    assert predictions(client.request("POST", "/invocations", body, x_tidewheel_endpoint="surge")) == [31.0]


def test_kserves_first_protocol(client):
    assert client.request("GET", "/v1/models").json == {"models": ["matrix", "pair", "priced", "surge"]}
    assert client.request("GET", "/v1/models/surge").json == {"name": "surge", "ready": True}
    answer = client.request("POST", "/v1/models/surge:predict", {"instances": [[1, 3], [2, 4]]})
    assert predictions(answer) == [31.0, 42.0]
    for path in ("/v1/models/surge", "/v1/models/surge:explain", "/v1/models/nobody:predict"):
        assert client.request("POST", path, {"instances": [[1, 3]]}).status == 404


def test_whether_the_server_is_ready_is_asked_as_mlflow_does(lone):
    for path in ("ping", "health", "version"):
        answer = requests.get(f"http://{lone.host}:{lone.port}/{path}", timeout=5)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not a scoring request"),
        (b"[1]", "not a scoring request"),
        ({}, "gives no rows"),
        ({"instances": [[1, 2]], "inputs": [[1, 2]]}, "instances and inputs"),
        ({"rows": [[1, 2]]}, "unknown field `rows`"),
        ({"instances": []}, "shape [0, 0]"),
        ({"instances": [[1, 2], [1]]}, "Row 1 has 1 values"),
        ({"instances": [[1, 2], {"a": 1}]}, "different kinds"),
        ({"instances": [[1, 2, 3]]}, "takes 2 features"),
        ({"instances": [["x", 2]]}, "'x' in row 0"),
        ({"instances": [{"a": [1, 2], "b": 1}]}, "2 values in one row"),
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}}, "there are 2 columns"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, "given twice"),
        ({"dataframe_records": [{"a": 1}]}, "missing: b"),
        ({"dataframe_records": [{"c": 1}]}, "no input 'c'"),
        ({"dataframe_records": [{"a": "one", "b": 2}]}, "'one' in row 0"),
        ({"dataframe_records": [{f"k{row}": 1} for row in range(30_000)]}, "30000 different names, and 30000 values"),
        ({"inputs": {"a": [1], "b": [1, 2]}}, "differ in their number of rows"),
        ({"instances": [[1, 10**400]]}, "beyond float64"),
        (b'{"instances": [[1, Infinity]]}', "not a scoring request"),
        ({"instances": [[1, 2]], "params": {"key": [1]}}, "routing key"),
    ],
)
def test_a_bad_body_is_told_what_is_wrong(client, body, says):
    answer = ask(client, body)
    assert answer.status == 400
    assert says in answer.json["error"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no CSV"),
        (b"a,b\n1\n", "Row 0 of the CSV has 1 cells"),
        (b"a,b\n1,x\n", "'x' in row 0"),
        (b"a,b\n", "shape [0]"),
        (b'a,b\n1,"2\n', "no CSV"),
        (b"a,b\n\xff,1\n", "no CSV"),
    ],
)
def test_a_bad_csv_is_told_what_is_wrong(client, body, says):
    answer = ask(client, body, content_type="text/csv")
    assert answer.status == 400
    assert says in answer.json["error"]


def test_another_kind_of_body_is_refused(client):
    answer = ask(client, b"<a/>", content_type="application/xml")
    assert answer.status == 400
    assert "application/xml" in answer.json["error"]
    assert ask(client, {"instances": [[1, 2]]}, "nobody").status == 404
