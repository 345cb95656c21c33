"""Feast's two calls, on a worker."""

from datetime import datetime

import pytest
from tests.serving.house import open_house, value_of
from tests.serving.models import Adding


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    opened = open_house(tmp_path_factory.mktemp("home"))
    version = opened.register_zones(Adding(0.0))
    opened.serving.create_endpoint("surge")
    opened.serving.set_route("surge", {version.id: 100.0})
    yield opened.start()
    opened.close()


@pytest.fixture
def client(group, connect):
    return connect(group)


def push(client, **columns):
    body = {"push_source_name": "zone_demand", "df": columns, "to": "online"}
    return client.request("POST", "/push", body)


def read(client, **body):
    return client.request("POST", "/get-online-features", body)


def test_what_is_pushed_is_in_the_next_prediction_and_read(client):
    at = ["2026-01-01 10:00:00", "2026-01-01T11:00:00Z"]
    answer = push(client, zone=["z1", "z2"], demand=[5, 7.5], at=at)
    assert (answer.status, answer.json) == (200, {"view": "zone_demand", "counted": 2, "late": 0})
    tensors = [
        {"name": "zone", "datatype": "BYTES", "shape": [1], "data": ["z2"]},
        {"name": "drivers", "datatype": "FP64", "shape": [1], "data": [1.0]},
    ]
    assert value_of(client.request("POST", "/v2/models/surge/infer", {"inputs": tensors})) == 8.5
    found = read(client, feature_service="zones", entities={"zone": ["z1", "z9"], "drivers": [3, None]}).json
    assert found["metadata"]["feature_names"] == ["zone", "demand", "drivers"]
    assert found["results"][0]["values"] == ["z1", "z9"]
    assert found["results"][1]["values"] == [5.0, None]
    assert found["results"][1]["statuses"] == ["PRESENT", "NOT_FOUND"]
    one = read(
        client,
        features=["zone_demand:demand"],
        entities={"zone": ["z2"]},
        request_context={"drivers": [1.0]},
        full_feature_names=True,
    )
    assert one.json["metadata"]["feature_names"] == ["zone", "zone_demand__demand"]
    assert one.json["results"][1]["values"] == [7.5]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        ({"push_source_name": "zone_demand", "df": {}}, 400),
        ({"push_source_name": "zone_demand", "df": {"zone": ["z5"], "at": []}}, 400),
        ({"push_source_name": "zone_demand", "df": {"zone": ["z5"], "demand": [1], "at": ["now"]}}, 400),
        ({"push_source_name": "zone_demand", "df": {"zone": ["z1"] * 10_001}}, 413),
        ({"push_source_name": "zone_demand", "df": {"zone": ["z1"]}, "to": "offline"}, 400),
        ({"push_source_name": "zone_demand", "df": {"zone": ["z1"]}, "to": "online_and_offline"}, 400),
        ({"push_source_name": "nobody", "df": {"zone": ["z1"]}}, 404),
    ],
)
def test_a_bad_push_counts_nothing_and_says_why(client, body, status):
    answer = client.request("POST", "/push", body)
    assert answer.status == status
    assert answer.json["error"]
    found = read(client, feature_service="zones", entities={"zone": ["z5"], "drivers": [1.0]}).json
    assert found["results"][1]["values"] == [None]


def test_a_push_that_fails_unforeseen_is_answered_too(house, connect):
    version = house.register_zones(Adding(0.0))
    house.serving.create_endpoint("surge")
    house.serving.set_route("surge", {version.id: 100.0})
    answer = push(connect(house.start()), zone=["z1"], demand=[1], at=[10**30])
    assert answer.status in (400, 500)
    assert answer.json["error"]


def test_an_online_read_has_the_shape_that_feasts_documentation_shows(client):
    """docs.feast.dev, Python feature server: keys first, a column each, statuses and instants beside the values."""
    push(client, zone=["shown"], demand=[3], at=["2026-01-01T12:00:00Z"])
    entities = {"zone": ["shown", "nowhere", 7]}
    found = read(client, features=["zone_demand:demand"], entities=entities | {"drivers": [1, 1, 1]}).json
    assert found["metadata"] == {"feature_names": ["zone", "demand"]}
    keys, demand = found["results"]
    never = "1970-01-01T00:00:00Z"
    assert keys == {"values": entities["zone"], "statuses": ["PRESENT"] * 3, "event_timestamps": [never] * 3}
    assert demand["values"] == [3.0, None, None]
    assert demand["statuses"] == ["PRESENT", "NOT_FOUND", "NOT_FOUND"]
    assert demand["event_timestamps"][1:] == [never] * 2
    assert datetime.fromisoformat(demand["event_timestamps"][0]).year >= 2026


def test_full_names_are_of_the_view_that_a_feature_is_from(client):
    asked = {"entities": {"zone": ["z1"], "drivers": [2]}, "full_feature_names": True}
    found = read(client, feature_service="zones", **asked).json
    assert found["metadata"]["feature_names"] == ["zone", "zone_demand__demand", "supply__drivers"]
    found = read(client, features=["supply:drivers", "zone_demand:demand"], **asked).json
    assert found["metadata"]["feature_names"] == ["zone", "supply__drivers", "zone_demand__demand"]
    assert read(client, features=["supply:demand"], **asked).status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", 400),
        ({"entities": {"zone": ["z1"]}}, 400),
        ({"entities": {"zone": ["z1"]}, "features": ["demand"]}, 400),
        ({"entities": {"zone": ["z1"]}, "features": ["zone_demand:nothing"]}, 404),
        ({"entities": {"zone": ["z1"]}, "feature_service": "nobody"}, 404),
        ({"entities": {"zone": ["z1"]}, "feature_service": "zones"}, 400),
        ({"entities": {"zone": [[]], "drivers": [1]}, "feature_service": "zones"}, 400),
        ({"entities": {"zone": ["z1"], "drivers": ["x"]}, "feature_service": "zones"}, 400),
    ],
)
def test_a_bad_read_says_why(client, body, status):
    answer = client.request("POST", "/get-online-features", body)
    assert answer.status == status
    assert answer.json["error"]
